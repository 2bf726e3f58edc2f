// Task streams: for each run one row a worker thread and one block a task, on a
// canvas, since there may be tens of thousands; all runs share one time axis.

// A row's tasks as plain columns, by start; a thread runs one task at a time.
function lanesOf(run) {
    const lanes = run.threads.map(() => []);
    run.tasks.forEach(task => lanes[task[0]].push(task));
    return lanes.map(tasks => {
        tasks.sort((a, b) => a[3] - b[3]);
        return {
            kind: Uint8Array.from(tasks, task => task[1]),
            chunk: tasks.map(task => task[2]),
            start: Float64Array.from(tasks, task => task[3]),
            stop: Float64Array.from(tasks, task => Math.max(task[4], task[3])),
        };
    });
}

// Adds to a pixel's shares what of [from, to], in pixels, lies in it.
function addShare(shares, pixel, from, to) {
    if (pixel >= 0 && pixel < shares.length)
        shares[pixel] += Math.max(0, Math.min(to, pixel + 1) - Math.max(from, pixel));
}

// Pixels a task on the average, from which on neighbours are drawn in two shades.
const SHADED = 6;

// What a row shows between two times: the pixels that a task fills, as blocks, and
// for those that it fills in part each kind's share of the time.  So a row is as
// full as its thread was busy at every zoom.
function laneView(lane, kinds, x, pixels) {
    const [from, to] = x.domain();
    const scale = pixels / (to - from);
    const blocks = [];
    const shares = kinds.map(() => null);
    const share = kind => shares[kind] || (shares[kind] = new Float32Array(pixels + 1));
    const begin = d3.bisectLeft(lane.stop, from), end = d3.bisectRight(lane.start, to);
    const shaded = (end - begin) * SHADED < pixels;
    for (let i = begin; i < end; i++) {
        const a = (lane.start[i] - from) * scale;
        const b = (lane.stop[i] - from) * scale;
        const first = Math.ceil(a), last = Math.floor(b);
        const kind = lane.kind[i];
        if (first > Math.floor(a))
            addShare(share(kind), Math.floor(a), a, b);
        if (last >= first && b > last)
            addShare(share(kind), last, last, b);
        if (last > first)
            blocks.push({ first, width: last - first, kind, light: shaded && i % 2 === 1 });
    }
    return { blocks, shares };
}

// Neighbours of one kind are told apart by two shades of its colour, not by gaps,
// which would look like idle time.
function shadesOf(kind) {
    const plain = colourOf(kind.variable);
    return [plain, d3.interpolateLab(plain, colourOf("--lane"))(0.25)];
}

class StreamRun {
    constructor(parent, run, kinds, timed) {
        this.run = run;
        this.kinds = run.kinds.map(kind => kinds.get(kind));
        this.lanes = lanesOf(run);
        const head = d3.select(parent).append("h4");
        if (timed) {
            head.append("span").attr("class", "dot").style("background", variantColour(run));
            head.append("span").text(variantName(run));
        }
        head.append("small").text([
            count(run.tasks.length, "task", "tasks"), `${seconds(run.seconds)} s`,
            isNumber(run.busy_fraction) ? `threads ${percent(run.busy_fraction)} busy` : null,
        ].filter(Boolean).join(" · "));
        this.holder = d3.select(parent).append("div").attr("class", "stream");
        this.canvas = this.holder.append("canvas").attr("role", "img")
            .attr("data-chart", "tasks").attr("aria-label", this.describe(timed)).node();
        this.labels = this.holder.append("svg").attr("aria-hidden", "true");
    }

    describe(timed) {
        return `Task stream${timed ? `, ${runName(this.run)}` : ""}: ` +
            `${count(this.run.tasks.length, "task", "tasks")} on ` +
            count(this.run.threads.length, "thread", "threads");
    }

    layout(left) {
        this.left = left;
        this.width = Math.max(40, this.holder.node().clientWidth);
        const many = this.run.threads.length;
        this.height = Math.max(44, many * Math.max(5, Math.min(26, Math.floor(260 / many))));
        this.y = d3.scaleBand().domain(d3.range(many)).range([0, this.height])
            .paddingInner(many > 24 ? 0 : 0.16);
        const density = window.devicePixelRatio || 1;
        this.canvas.width = Math.round(this.width * density);
        this.canvas.height = Math.round(this.height * density);
        this.canvas.style.height = `${this.height}px`;
        this.context = this.canvas.getContext("2d");
        this.context.setTransform(density, 0, 0, density, 0, 0);
        this.drawLabels();
    }

    drawLabels() {
        const every = Math.ceil(12 / this.y.step());
        const axis = d3.axisLeft(this.y).tickSize(0).tickPadding(6)
            .tickValues(this.y.domain().filter(i => i % every === 0))
            .tickFormat(i => this.run.threads[i]);
        this.labels.attr("viewBox", [0, 0, this.left, this.height])
            .style("width", `${this.left}px`).style("height", `${this.height}px`)
            .selectAll("g").data([0]).join("g").attr("class", "axis bare")
            .attr("transform", `translate(${this.left},0)`).call(axis);
    }

    draw(x, hidden, hover) {
        const context = this.context;
        const pixels = Math.max(1, Math.round(this.width - this.left));
        context.clearRect(0, 0, this.width, this.height);
        context.save();
        context.beginPath();
        context.rect(this.left, 0, this.width - this.left, this.height);
        context.clip();
        context.fillStyle = colourOf("--lane");
        this.y.domain().forEach(i =>
            context.fillRect(this.left, this.y(i), pixels, this.y.bandwidth()));
        this.lanes.forEach((lane, i) =>
            this.drawLane(laneView(lane, this.kinds, x, pixels), this.y(i), hidden));
        this.drawEnd(x);
        if (hover && hover.run === this)
            this.outline(x, hover);
        context.restore();
    }

    drawLane({ blocks, shares }, top, hidden) {
        const context = this.context;
        const height = this.y.bandwidth();
        const filled = new Float32Array(Math.ceil(this.width) + 2);
        this.kinds.forEach((kind, index) => {
            if (hidden.has(kind.key))
                return;
            const [plain, light] = shadesOf(kind);
            context.fillStyle = plain;
            (shares[index] || []).forEach((part, pixel) => {
                const used = Math.min(1 - filled[pixel], part);
                if (used <= 0)
                    return;
                filled[pixel] += used;
                context.fillRect(this.left + pixel, top + height * (1 - filled[pixel]), 1,
                    height * used);
            });
            for (const block of blocks.filter(each => each.kind === index)) {
                context.fillStyle = block.light ? light : plain;
                context.fillRect(this.left + block.first, top, block.width, height);
            }
        });
    }

    // Where the run ended, since the axis goes on to the end of the longest.
    drawEnd(x) {
        const end = this.left + x(this.run.seconds) - x.range()[0];
        this.context.fillStyle = colourOf("--rule");
        this.context.fillRect(end, 0, 1, this.height);
    }

    outline(x, { lane, index }) {
        const tasks = this.lanes[lane];
        const a = x(tasks.start[index]), b = x(tasks.stop[index]);
        this.context.strokeStyle = colourOf("--text");
        this.context.lineWidth = 1.5;
        this.context.strokeRect(a, this.y(lane) + 0.75, Math.max(1, b - a),
            this.y.bandwidth() - 1.5);
    }

    // The task under a point of the canvas, or null.
    find(x, [px, py], hidden) {
        const lane = Math.floor(py / this.y.step());
        const tasks = this.lanes[lane];
        if (!tasks || px < this.left)
            return null;
        const slack = Math.abs(x.invert(1) - x.invert(0));
        const time = x.invert(px);
        const index = d3.bisectRight(tasks.start, time + slack / 2) - 1;
        if (index < 0 || tasks.stop[index] < time - slack ||
            hidden.has(this.kinds[tasks.kind[index]].key))
            return null;
        return { run: this, lane, index };
    }

    tooltip({ lane, index }) {
        const tasks = this.lanes[lane];
        const kind = this.kinds[tasks.kind[index]];
        const chunk = tasks.chunk[index];
        return [
            [kind.name, colourOf(kind.variable)],
            ...(isNumber(chunk) && chunk >= 0 ? [[`chunk ${chunk}`, null]] : []),
            [`start ${significant(tasks.start[index], 5)} s`, null],
            [`duration ${duration(tasks.stop[index] - tasks.start[index])}`, null],
            [`thread ${this.run.threads[lane]}`, null],
        ];
    }
}

// All kinds of the report with their colours, in the order of first appearance.
function kindsOf(problems) {
    const kinds = new Map();
    const runs = d3.merge(problems.map(entry => [...entry.runs, setupRun(entry)]));
    runs.filter(Boolean).forEach(run => run.kinds.forEach(kind => {
        if (!kinds.has(kind))
            kinds.set(kind, { key: kind, name: kind, variable: `--kind-${kinds.size % 9}` });
    }));
    return kinds;
}

function drawStream(parent, title, caption, runs, kinds, timed) {
    const frame = figureFrame(parent, title, `${caption} Where tasks are narrower than a ` +
        "pixel, the height of a colour is its share of the time.");
    const plot = slot(frame, "plot");
    const area = d3.select(plot).append("div").attr("class", "streams")
        .attr("role", "group").attr("aria-label", title);
    const streams = runs.map(run => new StreamRun(area.node(), run, kinds, timed));
    const axis = area.append("svg").attr("class", "chart");
    const ends = runs.map(run => Math.max(run.seconds, d3.max(run.tasks, t => t[4]) || 0));
    const longest = d3.max(ends) || 1;
    const names = d3.merge(runs.map(run => run.threads));
    const left = Math.min(110, 14 + 7 * (d3.max(names, name => name.length) || 1));
    const used = Array.from(kinds.values()).filter(kind =>
        runs.some(run => run.kinds.includes(kind.key)));
    let width = 0, hidden = new Set(), hover = null, transform = d3.zoomIdentity;

    const x = () => transform.rescaleX(
        d3.scaleLinear().domain([0, longest]).range([left, Math.max(left + 1, width)]));
    const drawRuns = () => streams.forEach(stream => stream.draw(x(), hidden, hover));
    const draw = () => {
        drawRuns();
        axis.selectAll("g").data([0]).join("g").attr("class", "axis")
            .call(timeAxis(x(), width - left, false));
        axis.selectAll("text.axis-label").data([0]).join("text").attr("class", "axis-label")
            .attr("x", width).attr("y", 33).text("seconds");
    };
    const frameRequest = coalesced(draw);
    legend(frame, "Kinds of tasks", used.map(kind => ({
        key: kind.key, name: kind.name, colour: `var(${kind.variable})`, block: true,
    })), off => { hidden = off; draw(); });
    width = area.node().clientWidth;
    const zoom = timeZoom(frame, [area.node()],
        () => [[left, 0], [Math.max(left + 1, width), 1]],
        moved => { transform = moved; frameRequest(); });
    keepDrawn(area.node(), () => {
        width = area.node().clientWidth;
        axis.attr("viewBox", [0, 0, width, 36]).style("height", "36px");
        streams.forEach(stream => stream.layout(left));
        zoom.resize();
        draw();
    });
    streams.forEach(stream => d3.select(stream.canvas)
        .on("pointermove.tip", () => {
            hover = stream.find(x(), d3.mouse(stream.canvas), hidden);
            if (hover)
                showTooltip(d3.event, stream.tooltip(hover));
            else
                hideTooltip();
            drawRuns();
        })
        .on("pointerleave.tip", () => { hover = null; hideTooltip(); drawRuns(); }));
    return frame;
}

// At most one drawing for each picture that the screen shows.
function coalesced(draw) {
    let waiting = false;
    return () => {
        if (waiting)
            return;
        waiting = true;
        requestAnimationFrame(() => { waiting = false; draw(); });
    };
}

function drawStreams(parent, entry, kinds) {
    const setup = setupRun(entry);
    FORMS.filter(form => entry.runs.some(run => run.form === form)).forEach(form => {
        const runs = entry.runs.filter(run => run.form === form);
        const frame = drawStream(parent, `Task stream, ${form} form`,
            "Which worker thread ran what, when: one row a thread, one block a task, " +
            "wide neighbours in two shades. The thin line is the end of the run.", runs, kinds, true);
        kindTable(slot(frame, "plot"), runs);
    });
    if (setup)
        drawStream(parent, "Task stream, set-up", "What was done once before all runs.",
            [setup], kinds, false);
}

// The set-up's tasks in the shape of a run.
function setupRun({ problem }) {
    const tasks = problem.setup_tasks;
    if (tasks.length === 0)
        return null;
    const kinds = Array.from(new Set(tasks.map(task => task[1])));
    const known = problem.setup_threads || [];
    const many = d3.max(tasks, task => task[0]) + 1;
    return {
        threads: d3.range(many).map(i => known[i] || `thread ${i}`),
        kinds,
        tasks: tasks.map(([thread, kind, start, stop]) =>
            [thread, kinds.indexOf(kind), null, start, stop]),
        seconds: d3.max(tasks, task => task[3]),
    };
}

// The same in numbers, for those who read rather than look.
function kindTable(parent, runs) {
    const details = d3.select(parent).append("details");
    details.append("summary").text("Time by kind of task");
    const scroll = details.append("div").attr("class", "table-scroll")
        .attr("tabindex", 0).attr("role", "region").attr("aria-label", "Time by kind of task");
    const table = scroll.append("table");
    table.append("thead").append("tr").selectAll("th")
        .data(["Variant", "Kind", "Tasks", "Total", "Median", "Longest"]).enter()
        .append("th").attr("scope", "col").attr("class", (d, i) => i < 2 ? "word" : null)
        .text(d => d);
    const body = table.append("tbody");
    runs.forEach(run => run.kinds.forEach((kind, index) => {
        const times = run.tasks.filter(task => task[1] === index).map(t => t[4] - t[3]);
        const row = body.append("tr");
        row.append("th").attr("scope", "row").text(variantName(run));
        row.selectAll("td").data([kind, whole(times.length), duration(d3.sum(times)),
            duration(d3.median(times)), duration(d3.max(times))]).enter()
            .append("td").attr("class", (d, i) => i === 0 ? "word" : null).text(d => d);
    }));
}
