// Builds the page from the data in it.

const report = JSON.parse(document.getElementById("report-data").textContent);

function describeTask(problem) {
    const what = FAMILIES[problem.family] || problem.family;
    return `ℓ₁-regularised ${what} on ${whole(problem.rows)} rows × ` +
        `${whole(problem.columns)} columns, in ` +
        `${count(problem.chunks, "chunk", "chunks")} of ${whole(problem.chunk_rows)} rows; ` +
        `λ = ${problem.l1} on the sum of losses, ` +
        `${problem.intercept ? "with" : "without"} an intercept.`;
}

function describeProof(problem) {
    const parts = [];
    if (isNumber(problem.duality_gap))
        parts.push("The duality gap proves the objective to be within a relative " +
            `${scientific(problem.duality_gap)} of the minimum.`);
    if (isNumber(problem.kkt))
        parts.push("The optimality (KKT) conditions hold to within " +
            `${scientific(problem.kkt)}.`);
    return parts;
}

// An answer is certified when a run of this problem has certified it.
function fillVerdict(root, { problem, runs }) {
    const certified = runs.filter(run => run.certified);
    const verdict = slot(root, "verdict");
    verdict.classList.add(certified.length ? "good" : "open");
    slot(root, "verdict-word").textContent = certified.length ?
        "✓ Certified" : "✗ Not certified";
    const sentences = certified.length ? describeProof(problem) :
        ["No run proved its answer optimal.", ...describeProof(problem)];
    if (certified.length > 1)
        sentences.push(`${certified.length} of the ${runs.length} runs were certified.`);
    slot(root, "verdict-text").textContent = sentences.join(" ");
}

// The run that was first at a relative gap of 1e-6, or null.
function fastest(runs) {
    const done = runs.filter(run => isNumber(run.seconds_to_gap["1e-6"]));
    return done.length === 0 ? null :
        done.reduce((a, b) => b.seconds_to_gap["1e-6"] < a.seconds_to_gap["1e-6"] ? b : a);
}

function fillFacts(root, { problem, runs }) {
    const first = fastest(runs);
    const { memory } = problem;
    const facts = [
        ["Objective", significant(problem.objective, 10)],
        ["Duality gap, relative", scientific(problem.duality_gap)],
        ["KKT residual", scientific(problem.kkt)],
        ["Coefficients not zero", isNumber(problem.nonzero) ?
            `${whole(problem.nonzero)} of ${whole(problem.columns)}` : NONE],
        ["Set-up", `${seconds(problem.setup_seconds)} s`],
        ["First at a gap of 10⁻⁶", first ?
            `${seconds(first.seconds_to_gap["1e-6"])} s` : NONE, first && runName(first)],
    ];
    if (memory)
        facts.push(["Memory of all processes, at most", bytes(memory.peak_bytes),
            isNumber(memory.limit_bytes) && `of ${bytes(memory.limit_bytes)} enforced`]);
    const each = d3.select(slot(root, "facts")).selectAll("div").data(facts).enter()
        .append("div");
    each.append("dt").text(d => d[0]);
    const value = each.append("dd");
    value.append("span").text(d => d[1]);
    value.filter(d => d[2]).append("small").text(d => d[2]);
}

// The smallest value of a column of times, to be set off in the table.
function best(runs, value) {
    return runs.length > 1 ? d3.min(runs, run => isNumber(value(run)) ? value(run) : undefined)
        : undefined;
}

function runCells(run) {
    const gaps = run.seconds_to_gap;
    return [
        { text: run.certified ? "✓ certified" : run.status, word: true,
            state: run.certified ? "good" : "open" },
        { text: run.local, word: true },
        { text: whole(run.updates) },
        { text: significant(run.updates_per_second, 3) },
        ...["1e-2", "1e-4", "1e-6"].map(level => ({ text: seconds(gaps[level]), level })),
        { text: seconds(run.seconds) },
        { text: significant(run.objective, 10) },
        { text: scientific(run.gap) },
        { text: scientific(run.kkt) },
        { text: scientific(run.duality_gap) },
        { text: percent(run.busy_fraction), share: run.busy_fraction },
    ];
}

// What gaps are measured from.
function reference(runs) {
    return runs.some(run => run.certified) ? "the certified optimum" :
        "the best objective seen";
}

function fillTable(root, { problem, runs }, number) {
    const caption = `Table ${number}. The runs; times in seconds since each run's start, ` +
        `gaps relative to ${reference(runs)}. The shortest times are bold.`;
    slot(root, "runs-caption").textContent = caption;
    slot(root, "runs-region").setAttribute("aria-label", `Runs, ${problem.name}`);
    const shortest = level => best(runs, run => run.seconds_to_gap[level]);
    const fast = { "1e-2": shortest("1e-2"), "1e-4": shortest("1e-4"),
        "1e-6": shortest("1e-6") };
    const body = d3.select(slot(root, "runs"));
    runs.forEach((run, index) => {
        const row = body.append("tr")
            .classed("new-form", index > 0 && runs[index - 1].form !== run.form);
        const head = row.append("th").attr("scope", "row");
        head.append("span").attr("class", isDashed(run) ? "key dashed" : "key")
            .style("border-color", variantColour(run));
        head.append("span").text(runName(run));
        const cells = row.selectAll("td").data(runCells(run)).enter().append("td")
            .attr("class", d => [d.word && "word", d.state].filter(Boolean).join(" "))
            .classed("best", d => d.level && isNumber(fast[d.level]) &&
                run.seconds_to_gap[d.level] === fast[d.level]);
        cells.filter(d => isNumber(d.share)).append("span").attr("class", "share")
            .append("span").style("width", d => percent(Math.min(1, d.share)));
        cells.append("span").text(d => d.text);
    });
}

function sortRuns(runs) {
    const order = run => FORMS.indexOf(run.form) * 10 + VARIANTS.indexOf(run.variant) +
        (run.pinned ? 0 : 0.5);
    return runs.slice().sort((a, b) => order(a) - order(b));
}

function drawProblem(parent, entry, number, kinds) {
    const root = fromTemplate("problem-template");
    root.id = `problem-${number}`;
    slot(root, "name").textContent = entry.problem.name;
    slot(root, "task").textContent = describeTask(entry.problem);
    fillVerdict(root, entry);
    fillFacts(root, entry);
    fillTable(root, entry, number);
    parent.appendChild(root);
    const drawn = slot(root, "figures");
    if (entry.runs.length > 0)
        drawConvergence(drawn, entry.runs);
    drawStreams(drawn, entry, kinds);
    if (entry.problem.image && entry.runs.length > 0)
        drawPicture(drawn, entry);
}

function drawHead({ dusk, created, host, problems }) {
    slot(document, "made").textContent = `dusk ${dusk} · ${dateTime(created)} · ` +
        `${count(host.workers, "worker", "workers")} with ` +
        `${count(host.threads_per_worker, "thread", "threads")} each on ` +
        `${count(host.cores, "core", "cores")}`;
    d3.select(slot(document, "contents")).selectAll("li").data(problems).enter()
        .append("li").append("a").attr("href", (d, i) => `#problem-${i + 1}`)
        .text(d => d.problem.name);
}

function drawReport(report) {
    drawHead(report);
    const results = document.getElementById("results");
    const problems = report.problems.map(({ problem, runs }) =>
        ({ problem, runs: sortRuns(runs) }));
    const kinds = kindsOf(problems);
    problems.forEach((entry, index) => drawProblem(results, entry, index + 1, kinds));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawAll);
    matchMedia("print").addEventListener("change", redrawAll);
}

// Whoever opens the page should see that something went wrong, and what.
function showTrouble(message) {
    const trouble = document.getElementById("trouble");
    trouble.textContent = `This report could not be drawn completely: ${message}`;
    trouble.hidden = false;
    document.documentElement.dataset.state = "failed";
}

window.addEventListener("error", event => showTrouble(event.message));
document.addEventListener("securitypolicyviolation", event =>
    showTrouble(`it asked for ${event.blockedURI}`));
drawReport(report);
if (!document.documentElement.dataset.state)
    document.documentElement.dataset.state = "drawn";
