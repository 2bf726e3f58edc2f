#!/usr/bin/env python3
"""The report's page in a real browser: everything is drawn, nothing fails, nothing
is asked of a network, zooming and the legends work.

    test_report.py REPORT_PAGE
"""
import json
import os
import re
import subprocess
import sys
import tempfile

import browser

HERE = os.path.dirname(os.path.abspath(__file__))
HOSTILE = "<img src=https://example.invalid/x onerror=\"throw 1\"></script> & \u2028"

COUNT = "document.querySelectorAll('{}').length"
STATE = "document.documentElement.dataset.state"
# A number for what a canvas shows, and how many colours that is.
CANVASES = """[...document.querySelectorAll('{}')].map(canvas => {{
    const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
    const words = new Uint32Array(data.buffer);
    return [words.reduce((sum, word) => (sum * 31 + word) | 0, 7), new Set(words).size];
}})"""
FIRST_STREAMS = "#figure-2 canvas"
FIRST_AXIS = ("[...document.querySelectorAll('#figure-2 .streams > svg text')]"
              ".map(text => text.textContent).join(' ')")


class Tests:
    """Counts and prints results in TAP."""

    def __init__(self):
        self.done = 0
        self.failed = 0

    def check(self, name, found, wanted=True):
        self.done += 1
        if found == wanted:
            print(f"ok {self.done} - {name}", flush=True)
        else:
            self.failed += 1
            print(f"not ok {self.done} - {name}: {found!r}, not {wanted!r}", flush=True)


def fake_report(*options):
    output = subprocess.run([sys.executable, f"{HERE}/fake_report.py", *options],
                            check=True, stdout=subprocess.PIPE)
    return json.loads(output.stdout)


def write_page(tool, report, folder):
    source, page = f"{folder}/report.json", f"{folder}/report.html"
    with open(source, "w", encoding="utf-8") as file:
        json.dump(report, file)
    subprocess.run([tool, source, page], check=True)
    return page


def bare_report(report):
    """A run that recorded nothing, one that diverged, a hostile name, no runs."""
    first, second = report["problems"]
    empty, diverged = first["runs"][:2]
    for name in ("objective", "gap", "kkt", "duality_gap", "busy_fraction",
                 "updates_per_second"):
        empty[name] = None
    empty.update(tasks=[], trace=[], seconds=0, updates=0, status=HOSTILE,
                 seconds_to_gap={"1e-2": None, "1e-4": None, "1e-6": None})
    diverged["trace"] = [[0.1 * i, i, 10.0 ** (3 * i), None, 0.0] for i in range(30)]
    first["problem"].update(name=HOSTILE, setup_tasks=[], nonzero=None, objective=None)
    second["runs"] = []
    return report


def check_file(tests, page):
    with open(page, encoding="utf-8") as file:
        text = file.read()
    loads = re.findall(r"(?:\bsrc\s*=|\bhref\s*=\s*[\"'][^#]|\burl\(\s*[\"']?[^#)\"'$]"
                       r"|@import)[^;>]{0,60}", text.split("<script>")[0])
    tests.check("the page names no other file", loads, [])
    tests.check("the browser may load nothing", "default-src 'none'" in text)


def check_drawn(tests, chrome):
    tests.check("everything is drawn", chrome.run(STATE), "drawn")
    tests.check("convergence pictures", chrome.run(COUNT.format("svg[data-chart]")), 6)
    tests.check("task streams", chrome.run(COUNT.format("canvas[data-chart=tasks]")), 11)
    tests.check("pictures", chrome.run(COUNT.format("canvas[data-chart=picture]")), 1)
    tests.check("rows of the tables of runs", chrome.run(COUNT.format(".runs tbody tr")), 9)
    lines = chrome.run("[...document.querySelectorAll('.line')]"
                       ".filter(path => path.getAttribute('d')).length")
    tests.check("lines of the convergence pictures", lines, 3 * 6 + 3 * 3)
    colours = [colours for _, colours in chrome.run(CANVASES.format("canvas"))]
    tests.check("no canvas is blank", min(colours) > 2)
    tests.check("the verdict", chrome.run(
        "document.querySelector('.verdict').textContent.includes('✓ Certified')"))


def stream_point(chrome):
    chrome.run("document.querySelector('#figure-2')"
               ".scrollIntoView({block: 'start', behavior: 'instant'})")
    chrome.frame()
    return chrome.run(f"""(() => {{
        const box = document.querySelector('{FIRST_STREAMS}').getBoundingClientRect();
        return [box.left + box.width / 2, box.top + box.height / 4];
    }})()""")


def check_zoom(tests, chrome):
    x, y = stream_point(chrome)
    axis = chrome.run(FIRST_AXIS)
    before = chrome.run(CANVASES.format(FIRST_STREAMS))

    chrome.mouse("mouseWheel", x, y, deltaX=0, deltaY=-600, modifiers=2)
    chrome.frame()
    after = chrome.run(CANVASES.format(FIRST_STREAMS))
    tests.check("Ctrl and the wheel zoom the time axis", chrome.run(FIRST_AXIS) != axis)
    tests.check("all three streams zoom together",
                [a != b for a, b in zip(before, after)], [True] * 3)

    zoomed = chrome.run(FIRST_AXIS)
    chrome.mouse("mousePressed", x, y, button="left", clickCount=1)
    chrome.mouse("mouseMoved", x - 300, y, button="left", buttons=1)
    chrome.mouse("mouseReleased", x - 300, y, button="left", clickCount=1)
    chrome.frame()
    tests.check("dragging pans", chrome.run(FIRST_AXIS) not in (axis, zoomed))

    chrome.mouse("mouseMoved", x, y)
    chrome.frame()
    tip = chrome.run("document.getElementById('tooltip').innerText")
    tests.check("a task tells its kind, chunk, start, duration and thread",
                re.sub(r"\s+", " ", re.sub(r"[\d.]+", "N", tip)).strip(),
                "glm_prox chunk N start N s duration N ms thread wN/N")

    chrome.run("document.querySelector('#figure-2 .streams').focus()")
    chrome.call("Input.dispatchKeyEvent", type="keyDown", key="0", text="0")
    chrome.frame()
    tests.check("the key 0 shows everything", chrome.run(FIRST_AXIS), axis)


def check_legend(tests, chrome):
    shown = "document.querySelectorAll('#figure-1 .line').length"
    toggle = "document.querySelector('#figure-1 .legend button')"
    chrome.run(f"{toggle}.focus()")
    for code in ("keyDown", "keyUp"):
        chrome.call("Input.dispatchKeyEvent", type=code, key=" ", text=" ", code="Space",
                    windowsVirtualKeyCode=32)
    tests.check("a key on a legend hides a run in all pictures", chrome.run(shown), 15)
    tests.check("and says so", chrome.run(f"{toggle}.getAttribute('aria-pressed')"), "false")
    chrome.run(f"{toggle}.click()")
    tests.check("and shows it again", chrome.run(shown), 18)
    chrome.run("[...document.querySelectorAll('#figure-1 .choice button')]"
               ".find(button => button.textContent === 'log').click()")
    tests.check("a logarithmic time axis", chrome.run(shown), 18)


def check_layouts(tests, chrome, page):
    for width in (360, 820, 1280, 1920):
        chrome.open(page, width)
        chrome.frame()
        tests.check(f"{width} pixels: nothing sticks out",
                    chrome.run("document.documentElement.scrollWidth <= innerWidth"))
    light = chrome.run("getComputedStyle(document.body).backgroundColor")
    canvas = chrome.run(CANVASES.format(FIRST_STREAMS))
    chrome.open(page, dark=True)
    tests.check("dark where the reader wants it", light !=
                chrome.run("getComputedStyle(document.body).backgroundColor"))
    tests.check("the canvases too", canvas != chrome.run(CANVASES.format(FIRST_STREAMS)))


def check_bare(tests, chrome, page):
    chrome.open(page)
    chrome.frame()
    tests.check("missing data: drawn", chrome.run(STATE), "drawn")
    tests.check("missing data: no errors, no requests", chrome.troubles(), [])
    tests.check("a hostile name is text", chrome.run(
        "document.querySelector('h2').textContent"), HOSTILE)
    tests.check("no picture came of it", chrome.run(COUNT.format("img")), 0)


def different_times(report):
    """The same, with a first run of each problem that is a thousand times quicker."""
    report = json.loads(json.dumps(report))
    for problem in report["problems"]:
        run = problem["runs"][0]
        run["seconds"] /= 1000
        for record in run["trace"]:
            record[0] /= 1000
        run["trace"][0][0] = 0
        run["tasks"] = []
    return report


# Lines whose path holds a coordinate that is no number are not drawn at all.
BROKEN = "document.querySelectorAll('path.line[d*=NaN]').length"


def check_times(tests, chrome, page):
    """Runs that took very different times begin on a logarithmic axis."""
    chrome.open(page)
    chrome.frame()
    tests.check("very different times: the axis is logarithmic", chrome.run(
        "document.querySelector('[aria-pressed=true]').textContent"), "log")
    tests.check("very different times: all lines are drawn", chrome.run(BROKEN), 0)
    tests.check("very different times: there are lines",
                chrome.run("document.querySelectorAll('path.line').length > 0"), True)


def main(tool):
    if not browser.find():
        print("1..0 # SKIP chromium is not installed")
        return 0
    tests = Tests()
    with tempfile.TemporaryDirectory(prefix="dusk-report-") as folder, \
            browser.Browser() as chrome:
        page = write_page(tool, fake_report(), folder)
        check_file(tests, page)
        chrome.open(page)
        chrome.frame()
        check_drawn(tests, chrome)
        check_zoom(tests, chrome)
        check_legend(tests, chrome)
        tests.check("no errors, no requests", chrome.troubles(), [])
        check_layouts(tests, chrome, page)
        check_times(tests, chrome, write_page(tool, different_times(fake_report()), folder))
        check_bare(tests, chrome, write_page(tool, bare_report(fake_report()), folder))
        many = fake_report("--task-seconds", "0.0002", "--threads", "48")
        chrome.open(write_page(tool, many, folder))
        chrome.frame()
        tests.check("many threads: drawn", chrome.run(STATE), "drawn")
    print(f"1..{tests.done}")
    return 1 if tests.failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
