// The coefficients of a model of images, drawn as the picture that they are: one
// square a pixel, zero neutral, the two signs in two colours.

function pictureScale(values) {
    const largest = d3.max(values, Math.abs) || 1;
    const colours = ["--negative-2", "--negative-1", "--neutral", "--positive-1",
        "--positive-2"].map(colourOf);
    return d3.scaleLinear().domain([-1, -0.5, 0, 0.5, 1].map(part => part * largest))
        .range(colours).interpolate(d3.interpolateLab);
}

function paintPicture(canvas, { width, height }, values, colour) {
    canvas.width = width;
    canvas.height = height;
    const context = canvas.getContext("2d");
    const picture = context.createImageData(width, height);
    for (let i = 0; i < width * height; i++) {
        const { r, g, b } = d3.rgb(colour(values[i] || 0));
        picture.data.set([r, g, b, 255], 4 * i);
    }
    context.putImageData(picture, 0, 0);
}

function drawColourBar(svg, colour, length) {
    const [low, , , , high] = colour.domain();
    const y = d3.scaleLinear().domain([low, high]).range([length - 8, 8]);
    const id = `gradient-${figures}`;
    svg.attr("viewBox", [0, 0, 70, length]).style("height", `${length}px`);
    svg.selectAll("*").remove();
    svg.append("linearGradient").attr("id", id)
        .attr("x1", 0).attr("x2", 0).attr("y1", 1).attr("y2", 0)
        .selectAll("stop").data(d3.range(0, 1.001, 0.05)).enter().append("stop")
        .attr("offset", d => d).attr("stop-color", d => colour(low + d * (high - low)));
    svg.append("rect").attr("width", 14).attr("y", 8).attr("height", length - 16)
        .attr("class", "bar").style("fill", `url(#${id})`);
    svg.append("g").attr("class", "axis bare").attr("transform", "translate(14,0)")
        .call(d3.axisRight(y).ticks(5).tickSize(4));
}

function drawPicture(parent, { problem, runs }) {
    const { width, height, title } = problem.image;
    const ordered = runs.slice().sort((a, b) => Number(b.certified) - Number(a.certified));
    const frame = figureFrame(parent, "Coefficients", `${title}: the ${whole(width)} × ` +
        `${whole(height)} coefficients in their places. Zero is neutral; orange pixels ` +
        "raise the prediction, blue ones lower it.");
    const plot = d3.select(slot(frame, "plot")).append("div").attr("class", "picture");
    const canvas = plot.append("canvas").attr("role", "img").attr("data-chart", "picture")
        .style("aspect-ratio", `${width} / ${height}`);
    const bar = plot.append("svg").attr("class", "colour-bar").attr("aria-hidden", "true");
    const summary = plot.append("p").attr("class", "picture-text");
    let run = ordered[0];

    const draw = () => {
        const values = run.coefficients.slice(0, width * height);
        const colour = pictureScale(values);
        const zero = values.filter(value => !value).length;
        const [low, high] = d3.extent(values, value => value || 0);
        paintPicture(canvas.node(), problem.image, values, colour);
        drawColourBar(bar, colour, 240);
        summary.text(`${runName(run)}${run.certified ? ", certified" : ", not certified"}: ` +
            `${whole(zero)} of ${whole(width * height)} pixels are exactly zero; the others ` +
            `lie between ${significant(low, 3)} and ${significant(high, 3)}.`);
        canvas.attr("aria-label", `${title}. ${summary.text()}`);
    };
    choice(frame, "Run", ordered.map(each => ({ name: runName(each), run: each })),
        chosen => { run = chosen.run; draw(); });
    keepDrawn(plot.node(), draw);
    canvas.on("pointermove", () => {
        const box = canvas.node().getBoundingClientRect();
        const column = Math.floor((d3.event.clientX - box.left) / box.width * width);
        const row = Math.floor((d3.event.clientY - box.top) / box.height * height);
        const value = run.coefficients[row * width + column];
        if (column >= 0 && column < width && row >= 0 && row < height)
            showTooltip(d3.event, [[significant(value, 4), null],
                [`row ${row + 1}, column ${column + 1}`, null]]);
    }).on("pointerleave", hideTooltip);
}
