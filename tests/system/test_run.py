"""tests/run, tests/summary.py and .ci/run, tried on a small project with bad tests."""

import os

import tap
from small_clone import call, small_clone, write

PROJECT = "project('small', 'c')\n"
TEST = "test('{0}', find_program('{0}.sh'), protocol: '{1}', timeout: 2)\n"
PROGRAM = """executable('{0}', '{0}.c')
test('{0}', find_program('unwatched.sh'), args: [meson.current_build_dir() / '{0}'],
    protocol: 'tap')
"""
# Runs a program without looking at how it ends, as a test may run a daemon.
UNWATCHED = '#!/bin/sh\n"$1" >/dev/null\necho 1..1\necho ok 1 fine\n'
GOOD = "#!/bin/sh\necho 1..2\necho ok 1 a\necho 'ok 2 b # SKIP no luck'\n"
LEAK = "#include <stdlib.h>\nint main(void)\n{\n    return malloc(7) == 0;\n}\n"
OVERFLOW = """#include <limits.h>
int main(int count, char **words)
{
    (void)words;
    int limit = INT_MAX;
    limit += count;
    return limit == 7;
}
"""
RACE = """#include <pthread.h>
static int shared;
static void *step(void *unused)
{
    shared++;
    return unused;
}
int main(void)
{
    pthread_t thread;
    pthread_create(&thread, 0, step, 0);
    shared++;
    return pthread_join(thread, 0);
}
"""


def shell_tests(protocol="tap", **bodies):
    files = {"meson.build": PROJECT}
    for name, body in bodies.items():
        files["meson.build"] += TEST.format(name, protocol)
        files[f"{name}.sh"] = body
    return files


def last_line(said):
    return said.stdout.rstrip("\n").split("\n")[-1]


def expect(files, closing, status, *options, shown=()):
    with small_clone({"build/data/fashion-mnist/train-images-idx3-ubyte": "x", **files}) as root:
        said = call(root, "tests/run", *options)
        assert last_line(said) == closing, said
        assert said.returncode == status, said
        for words in shown:
            assert words in said.stdout, (words, said)


def counts_cases():
    """Cases are counted, one by one"""
    expect(shell_tests(good=GOOD), "1 passed, 0 failed, 1 skipped", 0)


def counts_failures():
    """A failed case is counted and shown with the program's output"""
    bad = "#!/bin/sh\necho 1..2\necho ok 1 a\necho 'not ok 2 b: too small'\necho why >&2\nexit 1\n"
    expect(shell_tests(good=GOOD, bad=bad), "2 passed, 1 failed, 1 skipped", 1,
           shown=("FAILED: bad: 2 b: too small", "not ok 2 b: too small", "why"))


def counts_deaths():
    """A program that dies after its last good case is a failure"""
    crash = "#!/bin/sh\necho 1..1\necho ok 1 a\nkill -SEGV $$\n"
    short = "#!/bin/sh\necho 1..2\necho ok 1 a\n"
    slow = "#!/bin/sh\necho 1..1\necho ok 1 a\nexec sleep 30\n"
    expect(shell_tests(crash=crash, short=short, slow=slow), "3 passed, 3 failed, 0 skipped", 1)


def counts_plain_programs():
    """Programs without cases count as one each, also when they run out of time"""
    files = shell_tests("exitcode", fine="#!/bin/sh\n", bad="#!/bin/sh\nexit 1\n",
                        away="#!/bin/sh\nexit 77\n", slow="#!/bin/sh\nexec sleep 30\n")
    expect(files, "1 passed, 2 failed, 1 skipped", 1)


def counts_silence():
    """A program that says nothing has failed; one that says why it does not run has not"""
    away = "#!/bin/sh\necho '1..0 # SKIP no engine'\n"
    expect(shell_tests(good=GOOD, silent="#!/bin/sh\n", away=away),
           "1 passed, 1 failed, 2 skipped", 1)


def chooses():
    """A name runs that test alone; an unknown one is one line"""
    bad = "#!/bin/sh\necho 1..1\necho not ok 1 a\n"
    expect(shell_tests(good=GOOD, bad=bad), "1 passed, 0 failed, 1 skipped", 0, "good")
    with small_clone(shell_tests(good=GOOD)) as root:
        assert call(root, "deploy/setup", "--no-data").returncode == 0
        said = call(root, "tests/run", "good", "goo")
        assert said.returncode == 1 and said.stdout == "", said
        assert said.stderr.splitlines()[-1] == "tests/run: tests: no test is called 'goo'", said


def stale_logs():
    """A run in which no test ran does not show an earlier run's count"""
    with small_clone(shell_tests(good=GOOD)) as root:
        assert call(root, "tests/run").returncode == 0
        write(os.path.join(root, "meson.build"), PROJECT)
        said = call(root, "tests/run")
        assert said.returncode == 1, said
        assert last_line(said) == "0 passed, 1 failed, 0 skipped", said


def sanitized(name, source, sanitizer, *shown):
    files = {"meson.build": PROJECT + PROGRAM.format(name), f"{name}.c": source,
             "unwatched.sh": UNWATCHED}
    expect(files, "1 passed, 0 failed, 0 skipped", 0)
    expect(files, "1 passed, 1 failed, 0 skipped", 1, f"--sanitize={sanitizer}", shown=shown)


def sees_leaks():
    """A leak in a program that nobody watches is a failure"""
    sanitized("leak", LEAK, "address,undefined", "detected memory leaks")


def sees_undefined():
    """Undefined behaviour in a program that nobody watches is a failure"""
    sanitized("overflow", OVERFLOW, "address,undefined", "signed integer overflow")


def sees_races():
    """A data race in a program that nobody watches is a failure"""
    files = {"meson.build": PROJECT + PROGRAM.format("race").replace(
        "'race.c'", "'race.c', dependencies: dependency('threads')")}
    files.update({"race.c": RACE, "unwatched.sh": UNWATCHED})
    expect(files, "1 passed, 1 failed, 0 skipped", 1, "--sanitize=thread",
           shown=("data race",))


def ci(closings, status):
    """Runs .ci/run with a pretended tests/run that ends with these lines, in turn."""
    lines = "\n".join(f"{option}) echo '{line}'; exit {code};;"
                      for option, line, code in closings)
    with small_clone({"tests/run": f"#!/bin/sh\ncase $1 in\n{lines}\nesac\n"}) as root:
        said = call(root, ".ci/run", CI="true")
        assert said.returncode == status, said
        return last_line(said)


def ci_adds_up():
    """.ci/run adds the three runs up"""
    closing = ci([("''", "5 passed, 0 failed, 2 skipped", 0),
                  ("*thread", "3 passed, 0 failed, 0 skipped", 0),
                  ("*", "4 passed, 0 failed, 1 skipped", 0)], 0)
    assert closing == "12 passed, 0 failed, 3 skipped", closing


def ci_sees_failures():
    """.ci/run fails for a failed case, a run without a count, and a bad exit"""
    closing = ci([("''", "5 passed, 1 failed, 2 skipped", 1),
                  ("*thread", "setup: build: failed", 1),
                  ("*", "4 passed, 0 failed, 0 skipped", 3)], 1)
    assert closing == "9 passed, 3 failed, 2 skipped", closing


if __name__ == "__main__":
    tap.run(counts_cases, counts_failures, counts_deaths, counts_plain_programs,
            counts_silence, chooses, stale_logs, sees_leaks, sees_undefined, sees_races,
            ci_adds_up, ci_sees_failures)
