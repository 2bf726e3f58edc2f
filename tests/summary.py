"""Counts the test cases of a Meson run: summary.py BUILD/meson-logs

Shows the failed ones with their output and ends with "N passed, N failed, N skipped".
The cases are those of Meson's JUnit file. It has no word of a program that crashed,
stopped early or ran out of time after its last good case, so each test's own result
(testlog.json) is looked at as well: a bad one without a failed case is one failure.
So is a sanitizer's report, in a file of its own or in what a good test printed.
"""

import glob
import json
import os
import re
import sys
import xml.etree.ElementTree as ElementTree

MOST_LINES = 200
# Beside the address sanitizer, that for undefined behaviour writes to no file.
# Said of every program with fibers, which do tell the sanitizer of their stacks.
HARMLESS = re.compile(r"^==\d+==WARNING: ASan doesn't fully support makecontext/swapcontext "
                      r"functions and may produce false positives in some cases!\n", re.M)
REPORT = re.compile(r": runtime error: |(?:ERROR|WARNING): \w+Sanitizer")


def read_cases(path):
    """[(test, case, verdict)] with verdict one of passed, failed, skipped."""
    cases = []
    for suite in ElementTree.parse(path).getroot().iter("testsuite"):
        # A TAP test is a suite "project.test"; a test without cases is a case itself.
        _, _, test = suite.get("name").partition(".")
        for case in suite.iter("testcase"):
            tags = {child.tag for child in case}
            verdict = "passed"
            if tags & {"failure", "error"}:
                verdict = "failed"
            elif "skipped" in tags:
                verdict = "skipped"
            cases.append((test or case.get("name"), case.get("name"), verdict))
    return cases


def read_tests(path):
    with open(path, encoding="utf-8", errors="replace") as lines:
        return [json.loads(line) for line in lines]


def whole_failure(test, cases):
    """What is wrong with a test beyond its cases, or None."""
    mine = [case for case in cases if case[0] == test["name"]]
    if any(verdict == "failed" for _, _, verdict in mine):
        return None
    if test["result"] not in ("OK", "SKIP", "EXPECTEDFAIL"):
        return test["result"].lower()
    # Meson takes a TAP program without a word for one that was skipped.
    without_cases = [case[1] for case in mine] == [test["name"]]
    if test["result"] == "SKIP" and without_cases and test.get("returncode") == 0:
        if "1..0" not in test.get("stdout", ""):
            return "said nothing"
    if REPORT.search(test.get("stdout", "") + test.get("stderr", "")):
        return "sanitizer report"
    return None


def show(title, text):
    print(f"\n=== FAILED: {title}")
    lines = text.rstrip("\n").split("\n")
    if len(lines) > MOST_LINES:
        print(f"[{len(lines) - MOST_LINES} lines left out]")
    print("\n".join(lines[-MOST_LINES:]))


def test_output(test):
    good = [line for line in test.get("stdout", "").split("\n") if not line.startswith("ok ")]
    return "\n".join(good) + "\n" + test.get("stderr", "")


def main(logs):
    if not os.path.exists(os.path.join(logs, "testlog.junit.xml")):
        print("no test ran")
        print("0 passed, 1 failed, 0 skipped")
        return 1
    cases = read_cases(os.path.join(logs, "testlog.junit.xml"))
    for test in read_tests(os.path.join(logs, "testlog.json")):
        wrong = whole_failure(test, cases)
        if wrong:
            # A case that stands for the whole program is replaced, not joined.
            whole = (test["name"], test["name"])
            cases = [case for case in cases if case[:2] != whole]
            cases.append((test["name"], wrong, "failed"))
        failed = [name for owner, name, verdict in cases
                  if owner == test["name"] and verdict == "failed"]
        if failed:
            show(f"{test['name']}: {'; '.join(failed)}", test_output(test))
    for report in sorted(glob.glob(os.path.join(glob.escape(logs), "sanitizer.*"))):
        with open(report, encoding="utf-8", errors="replace") as file:
            text = HARMLESS.sub("", file.read())
        if text:
            show("sanitizer report", text)
            cases.append(("sanitizer", report, "failed"))
    count = {verdict: sum(case[2] == verdict for case in cases)
             for verdict in ("passed", "failed", "skipped")}
    print(f"\n{count['passed']} passed, {count['failed']} failed, {count['skipped']} skipped")
    return 1 if count["failed"] or not cases else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
