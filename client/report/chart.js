// What the figures share: their frame, legends, tools, tooltip, and the zooming
// of a time axis with wheel, drag, pinch, buttons and keys.

function slot(root, name) {
    return root.querySelector(`[data-slot="${name}"]`);
}

function fromTemplate(id) {
    return document.importNode(document.getElementById(id).content.firstElementChild, true);
}

// The figure's number is the document's, so that a text can refer to it.
let figures = 0;

function figureFrame(parent, title, caption) {
    const frame = fromTemplate("figure-template");
    figures += 1;
    frame.id = `figure-${figures}`;
    slot(frame, "title").textContent = title;
    const text = d3.select(slot(frame, "caption"));
    text.append("b").text(`Figure ${figures}. `);
    text.append("span").text(caption);
    parent.appendChild(frame);
    return frame;
}

// Colours come from the style sheet, where light, dark and print are decided;
// they are kept until one of these changes, since a drawing asks for thousands.
const colours = new Map();

function colourOf(name) {
    if (!colours.has(name)) {
        const style = getComputedStyle(document.documentElement);
        colours.set(name, style.getPropertyValue(name).trim());
    }
    return colours.get(name);
}

const redraws = [];

// Calls `draw` now, when the colours change and when `element` changes its width.
function keepDrawn(element, draw) {
    let width = element.clientWidth;
    draw();
    redraws.push(draw);
    new ResizeObserver(() => {
        if (element.clientWidth !== width && element.clientWidth > 0) {
            width = element.clientWidth;
            draw();
        }
    }).observe(element);
}

function redrawAll() {
    colours.clear();
    redraws.forEach(draw => draw());
}

// A row of toggle buttons.  An item has a name, a colour and perhaps a dash;
// `changed` is called with the set of the names that are switched off.
function legend(frame, label, items, changed) {
    const group = d3.select(slot(frame, "legend")).attr("aria-label", label);
    const off = new Set();
    const buttons = group.selectAll("button").data(items).enter().append("button")
        .attr("type", "button").attr("aria-pressed", "true")
        .attr("title", d => `Show or hide: ${d.name}`);
    const swatch = buttons.append("svg").attr("class", "swatch")
        .attr("viewBox", d => d.block ? "0 0 12 12" : "0 0 24 12")
        .style("width", d => d.block ? "0.75rem" : null).attr("aria-hidden", "true");
    swatch.filter(d => d.block).append("rect").attr("width", 12)
        .attr("height", 12).attr("rx", 2).style("fill", d => d.colour);
    swatch.filter(d => !d.block).append("line")
        .attr("x1", 0).attr("x2", 24).attr("y1", 6).attr("y2", 6)
        .style("stroke", d => d.colour).style("stroke-dasharray", d => d.dash);
    buttons.append("span").text(d => d.name);
    buttons.on("click", function (d) {
        if (!off.delete(d.key))
            off.add(d.key);
        d3.select(this).attr("aria-pressed", String(!off.has(d.key)));
        changed(off);
    });
}

function tool(frame, text, label, action) {
    return d3.select(slot(frame, "tools")).append("button").attr("type", "button")
        .attr("aria-label", label).attr("title", label).text(text).on("click", action);
}

// A choice of one among several, drawn as joined buttons.
function choice(frame, label, options, chosen) {
    const group = d3.select(slot(frame, "tools")).append("span").attr("class", "choice")
        .attr("role", "group").attr("aria-label", label);
    const buttons = group.selectAll("button").data(options).enter().append("button")
        .attr("type", "button").attr("aria-pressed", (d, i) => String(i === 0))
        .text(d => d.name);
    buttons.on("click", function (d) {
        const pressed = this;
        buttons.attr("aria-pressed", function () { return String(this === pressed); });
        chosen(d);
    });
}

// The lines of text beside the pointer: [text, colour or null] each.
function showTooltip(event, lines) {
    const tip = document.getElementById("tooltip");
    const rows = d3.select(tip).selectAll("p").data(lines);
    rows.exit().remove();
    const all = rows.enter().append("p").merge(rows);
    all.text("");
    all.filter(d => d[1]).append("span").attr("class", "dot").style("background", d => d[1]);
    all.append("span").text(d => d[0]);
    tip.hidden = false;
    const { width, height } = tip.getBoundingClientRect();
    const right = event.clientX + 14 + width < document.documentElement.clientWidth;
    const x = right ? event.clientX + 14 : Math.max(4, event.clientX - 14 - width);
    const y = Math.max(4, Math.min(event.clientY + 14, window.innerHeight - height - 4));
    tip.style.transform = `translate(${x}px, ${y}px)`;
}

function hideTooltip() {
    document.getElementById("tooltip").hidden = true;
}

function zoomGesture(current) {
    return () => {
        const event = d3.event;
        if (event.type === "wheel")
            return event.ctrlKey || event.metaKey || event.shiftKey;
        // One finger scrolls the page until there is something to drag.
        if (event.type.startsWith("touch") && event.touches.length < 2)
            return current().k > 1;
        return !event.ctrlKey && !event.button;
    };
}

// With Shift, browsers report the wheel as a horizontal one.
function wheelTurn() {
    const event = d3.event;
    const unit = event.deltaMode === 1 ? 0.05 : event.deltaMode ? 1 : 0.002;
    return -(event.deltaY || event.deltaX) * unit;
}

// Zooms `elements`, which have one time axis, together.  `extent` tells where the
// axis is inside an element, [[left, top], [right, bottom]]; `zoomed` is called
// with the transform of d3-zoom, to be applied to a scale of that range.  The
// wheel alone scrolls the page, as everywhere; with Ctrl, Shift or the command
// key it zooms.
function timeZoom(frame, elements, extent, zoomed) {
    const targets = d3.selectAll(elements);
    const first = d3.select(elements[0]);
    const current = () => d3.zoomTransform(elements[0]);
    let following = false;
    const zoom = d3.zoom().scaleExtent([1, 1e5]).extent(extent)
        .filter(zoomGesture(current)).wheelDelta(wheelTurn)
        .on("zoom", function () {
            if (following)
                return;
            const moved = d3.event.transform;
            const source = this;
            following = true;
            targets.filter(function () { return this !== source; })
                .call(zoom.transform, moved);
            following = false;
            zoomed(moved);
        });
    const resize = () => zoom.translateExtent(extent());
    const by = factor => first.call(zoom.scaleBy, factor);
    const pan = share => {
        const [[left], [right]] = extent();
        first.call(zoom.translateBy, share * (right - left) / current().k, 0);
    };
    const reset = () => first.call(zoom.transform, d3.zoomIdentity);
    resize();
    targets.call(zoom).style("touch-action", "pan-y");
    tool(frame, "−", "Zoom out", () => by(1 / 1.6));
    tool(frame, "+", "Zoom in", () => by(1.6));
    tool(frame, "Reset", "Show everything", reset);
    keyboard(targets, {
        "+": () => by(1.6), "=": () => by(1.6), "-": () => by(1 / 1.6),
        "ArrowLeft": () => pan(0.15), "ArrowRight": () => pan(-0.15), "0": reset,
    });
    return { resize, reset };
}

function keyboard(targets, actions) {
    targets.attr("tabindex", 0).on("keydown.zoom", () => {
        const event = d3.event;
        const action = actions[event.key];
        if (action && !event.ctrlKey && !event.metaKey && !event.altKey) {
            event.preventDefault();
            action();
        }
    });
}
