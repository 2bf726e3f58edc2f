// Convergence over time: the relative gap and both residuals, all runs in each
// picture, on one zoomable time axis.

const MEASURES = [
    { column: 2, key: "gap", title: "Relative objective gap", marks: [1e-2, 1e-4, 1e-6] },
    { column: 3, key: "primal", title: "Primal residual", marks: [] },
    { column: 4, key: "dual", title: "Dual residual", marks: [] },
];

// Values outside are drawn at the border: below is rounding noise (and zero, which
// has no logarithm), above a run that diverged and would flatten all the others.
const SMALLEST = 1e-16;
const LARGEST = 1e3;

// Left of every logarithmic time axis: where a run's start, at time zero, is drawn.
const EARLIEST = 1e-9;

// The points of a run that have this measure, in time order.  A residual of zero is
// one that was not measured yet; a gap of zero is below all that can be drawn.
function measured(run, measure) {
    return run.trace
        .filter(record => isNumber(record[measure.column]) &&
            (measure.key === "gap" || record[measure.column] > 0))
        .map(record => [Math.max(record[0], EARLIEST),
            Math.max(record[measure.column], SMALLEST / 10)]);
}

// A screen shows no more than a first, lowest, highest and last point a pixel;
// the others only cost time.
function thinned(points, x) {
    const kept = [];
    let i = 0;
    while (i < points.length) {
        const pixel = Math.floor(x(points[i][0]));
        let low = i, high = i, last = i;
        for (let j = i; j < points.length && Math.floor(x(points[j][0])) === pixel; j++) {
            if (points[j][1] < points[low][1]) low = j;
            if (points[j][1] > points[high][1]) high = j;
            last = j;
        }
        for (const k of Array.from(new Set([i, low, high, last])).sort((a, b) => a - b))
            kept.push(points[k]);
        i = last + 1;
    }
    return kept;
}

// The part of the points that is on the screen, with one neighbour on each side.
function visible(points, [from, to]) {
    const time = d3.bisector(point => point[0]);
    return points.slice(Math.max(0, time.left(points, from) - 1), time.right(points, to) + 1);
}

function logDomain(series) {
    const values = d3.merge(series.map(s => s.points.map(point => point[1])))
        .filter(value => value >= SMALLEST);
    if (values.length === 0)
        return [1e-6, 1];
    const low = Math.pow(10, Math.floor(Math.log10(d3.min(values)) - 0.05));
    const high = Math.pow(10, Math.ceil(Math.log10(Math.min(d3.max(values), LARGEST)) + 0.05));
    return [Math.min(low, high / 10), high];
}

function timeScale(runs, logarithmic, range) {
    const longest = d3.max(runs, run => run.seconds) || 1;
    if (!logarithmic)
        return d3.scaleLinear().domain([0, longest]).range(range);
    const first = d3.min(runs, run => d3.min(run.trace, r => r[0] > 0 ? r[0] : undefined));
    return d3.scaleLog().domain([Math.min(first || longest, longest / 10) / 1.1, longest])
        .range(range);
}

// Runs that took very different times share a linear axis badly: the choice that
// stands first is the one the picture starts with.
function timesDiffer(runs) {
    const [shortest, longest] = d3.extent(runs, run => run.seconds);
    return shortest > 0 && longest > 10 * shortest;
}

function timeAxis(x, width, logarithmic) {
    const axis = d3.axisBottom(x).tickSizeOuter(0);
    const ticks = Math.max(2, Math.floor(width / 70));
    return logarithmic ? axis.ticks(ticks, "~g") : axis.ticks(ticks);
}

class ConvergencePanel {
    constructor(parent, measure, runs) {
        this.measure = measure;
        this.series = runs.map((run, index) =>
            ({ run, index, points: measured(run, measure) }));
        const panel = d3.select(parent).append("div").attr("class", "panel");
        panel.append("h4").text(measure.title);
        this.svg = panel.append("svg").attr("class", "chart").attr("role", "img")
            .attr("data-chart", measure.key)
            .attr("aria-label", `${measure.title} over time, ${runs.length} runs`);
        this.clipId = `clip-${figures}-${measure.key}`;
        this.clip = this.svg.append("clipPath").attr("id", this.clipId).append("rect");
        this.grid = this.svg.append("g").attr("class", "grid");
        this.marks = this.svg.append("g").attr("class", "marks");
        this.lines = this.svg.append("g").attr("clip-path", `url(#${this.clipId})`);
        this.rule = this.svg.append("line").attr("class", "rule").style("display", "none");
        this.xAxis = this.svg.append("g").attr("class", "axis");
        this.yAxis = this.svg.append("g").attr("class", "axis");
        this.xLabel = this.svg.append("text").attr("class", "axis-label").text("seconds");
        this.empty = this.svg.append("text").attr("class", "axis-label");
    }

    layout() {
        this.width = this.svg.node().clientWidth;
        this.height = 250;
        this.box = { left: 44, right: this.width - 10, top: 8, bottom: this.height - 36 };
        this.svg.attr("viewBox", [0, 0, this.width, this.height]);
    }

    extent() {
        const { left, right, top, bottom } = this.box;
        return [[left, top], [right, bottom]];
    }

    draw(x, hidden, logarithmic) {
        const { left, right, top, bottom } = this.box;
        const shown = this.series.filter(s => !hidden.has(s.index));
        const drawn = shown.filter(s => s.points.length > 0);
        const y = d3.scaleLog().domain(logDomain(drawn)).range([bottom, top]).clamp(true);
        const decades = Math.log10(y.domain()[1] / y.domain()[0]);
        const step = Math.ceil(decades / 7);
        const powers = d3.range(0, Math.round(decades) + 1, step)
            .map(power => y.domain()[1] * Math.pow(10, -power));

        this.x = x;
        this.clip.attr("x", left).attr("y", top - 2).attr("width", Math.max(0, right - left))
            .attr("height", bottom - top + 4);
        this.yAxis.attr("transform", `translate(${left},0)`)
            .call(d3.axisLeft(y).tickValues(powers).tickFormat(powerOfTen).tickSizeOuter(0));
        this.grid.attr("transform", `translate(${left},0)`)
            .call(d3.axisLeft(y).tickValues(powers).tickFormat("").tickSize(left - right));
        this.xAxis.attr("transform", `translate(0,${bottom})`)
            .call(timeAxis(x, right - left, logarithmic));
        this.xLabel.attr("x", right).attr("y", this.height - 3);
        this.empty.text(drawn.length ? "" : "not recorded")
            .attr("x", right).attr("y", (top + bottom) / 2);
        this.drawMarks(y);
        this.drawLines(x, y, shown);
    }

    drawMarks(y) {
        const [low, high] = y.domain();
        const inside = this.measure.marks.filter(mark => mark > low && mark < high);
        const marks = this.marks.selectAll("line").data(inside);
        marks.exit().remove();
        marks.enter().append("line").merge(marks)
            .attr("x1", this.box.left).attr("x2", this.box.right).attr("y1", y).attr("y2", y);
    }

    drawLines(x, y, shown) {
        const line = d3.line().x(point => x(point[0])).y(point => y(point[1]));
        const paths = this.lines.selectAll("path").data(shown, s => s.index);
        paths.exit().remove();
        paths.enter().append("path").attr("class", s => isDashed(s.run) ? "line dashed" : "line")
            .style("stroke", s => variantColour(s.run)).merge(paths)
            .attr("d", s => line(thinned(visible(s.points, x.domain()), x)));
    }

    // The values of all shown runs at the pointer's time.
    describe(pixel, hidden) {
        const time = this.x.invert(pixel);
        const before = d3.bisector(point => point[0]).right;
        const lines = this.series.filter(s => !hidden.has(s.index)).map(s => {
            const i = before(s.points, time) - 1;
            return i < 0 ? null :
                [`${scientific(s.points[i][1])}  ${runName(s.run)}`, variantColour(s.run)];
        });
        return [[`${seconds(time)} s`, null], ...lines.filter(Boolean)];
    }

    showRule(pixel) {
        this.rule.style("display", pixel === null ? "none" : null)
            .attr("x1", pixel).attr("x2", pixel)
            .attr("y1", this.box.top).attr("y2", this.box.bottom);
    }
}

function drawConvergence(parent, runs) {
    const frame = figureFrame(parent, "Convergence", "Distance of the objective from " +
        `${reference(runs)}, relative to it, and the residuals of the consensus, over the ` +
        "time since each run's start. Dashed: classic form, or chunks pinned to their " +
        "workers. Thin lines mark the levels of the table.");
    const plot = slot(frame, "plot");
    plot.classList.add("panels");
    const panels = MEASURES.map(measure => new ConvergencePanel(plot, measure, runs));
    let hidden = new Set();
    let logarithmic = timesDiffer(runs);
    let transform = d3.zoomIdentity;

    const draw = () => panels.forEach(panel => {
        const x = timeScale(runs, logarithmic, [panel.box.left, panel.box.right]);
        panel.draw(transform.rescaleX(x), hidden, logarithmic);
    });
    legend(frame, "Runs", runs.map((run, index) => ({
        key: index, name: runName(run), colour: variantColour(run),
        dash: isDashed(run) ? "5 3" : null,
    })), off => { hidden = off; draw(); });
    const axes = [{ name: "linear", log: false }, { name: "log", log: true }];
    choice(frame, "Time axis", logarithmic ? axes.reverse() : axes,
        chosen => { logarithmic = chosen.log; zoom.reset(); draw(); });
    panels.forEach(panel => panel.layout());
    const zoom = timeZoom(frame, panels.map(panel => panel.svg.node()),
        () => panels[0].extent(), moved => { transform = moved; draw(); });
    panels.forEach(panel => panel.svg
        .on("pointermove.tip", () => {
            const [pixel] = d3.mouse(panel.svg.node());
            panels.forEach(other => other.showRule(other === panel ? pixel : null));
            showTooltip(d3.event, panel.describe(pixel, hidden));
        })
        .on("pointerleave.tip", () => { panel.showRule(null); hideTooltip(); }));
    keepDrawn(plot, () => {
        panels.forEach(panel => panel.layout());
        zoom.resize();
        draw();
    });
}
