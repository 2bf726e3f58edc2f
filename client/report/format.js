// Numbers and names as a reader expects them.

// The default locale, but with a minus sign that is as wide as a plus.
d3.formatDefaultLocale({ decimal: ".", thousands: ",", grouping: [3],
    currency: ["", ""], minus: "−" });

const SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹";
const NONE = "–";

function isNumber(value) {
    return typeof value === "number" && isFinite(value);
}

function superscript(exponent) {
    const digits = String(Math.abs(exponent)).replace(/\d/g, d => SUPERSCRIPTS[d]);
    return (exponent < 0 ? "⁻" : "") + digits;
}

// 3.1×10⁻¹¹; for quantities whose size is what matters.
function scientific(value) {
    if (!isNumber(value))
        return NONE;
    if (value === 0)
        return "0";
    const [mantissa, exponent] = d3.format(".1e")(value).split("e");
    if (+exponent === 0)
        return mantissa;
    return `${mantissa}×10${superscript(+exponent)}`;
}

// 10⁻⁶ on a logarithmic axis.
function powerOfTen(value) {
    return `10${superscript(Math.round(Math.log10(value)))}`;
}

function whole(value) {
    return isNumber(value) ? d3.format(",")(Math.round(value)) : NONE;
}

function significant(value, digits) {
    if (!isNumber(value))
        return NONE;
    const size = Math.abs(value);
    if (size !== 0 && (size < 1e-4 || size >= 1e12))
        return scientific(value);
    const decimals = size === 0 ? 0 : digits - 1 - Math.floor(Math.log10(size));
    return d3.format(`,.${Math.min(Math.max(decimals, 0), 12)}f`)(value);
}

function seconds(value) {
    return significant(value, 3);
}

// A length of time in the unit that suits it.
function duration(value) {
    if (!isNumber(value))
        return NONE;
    const units = [[1, "s"], [1e-3, "ms"], [1e-6, "µs"]];
    const [size, unit] = units.find(([limit]) => value >= limit) || units[2];
    return `${significant(value / size, 3)} ${unit}`;
}

function dateTime(text) {
    const time = new Date(text);
    return isNaN(time) ? text : d3.utcFormat("%-d %B %Y, %H:%M UTC")(time);
}

function percent(value) {
    return isNumber(value) ? d3.format(".0%")(value) : NONE;
}

// 1.2 GiB.
function bytes(value) {
    if (!isNumber(value))
        return NONE;
    const units = ["B", "KiB", "MiB", "GiB", "TiB"];
    const power = value < 1 ? 0 : Math.min(4, Math.floor(Math.log2(value) / 10));
    return `${significant(value / Math.pow(1024, power), 3)} ${units[power]}`;
}

const FAMILIES = {
    normal: "least squares",
    logistic: "logistic regression",
    poisson: "Poisson regression",
};

const VARIANTS = ["sync", "async", "batched"];
const VARIANT_NAMES = {
    sync: "synchronous", async: "asynchronous", batched: "batched",
};
const FORMS = ["robust", "classic"];

function variantName(run) {
    const name = VARIANT_NAMES[run.variant] || run.variant;
    return run.pinned ? `${name}, chunks pinned` : name;
}

// Colours tell variants apart, dashes the forms, and runs whose chunks are pinned.
function isDashed(run) {
    return run.form === "classic" || run.pinned === true;
}

function runName(run) {
    return `${run.form}, ${variantName(run)}`;
}

function variantColour(run) {
    return VARIANTS.includes(run.variant) ? `var(--${run.variant})` : "var(--text)";
}

function count(number, one, many) {
    return `${whole(number)} ${number === 1 ? one : many}`;
}
