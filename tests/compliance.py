"""Goal: every test that docs/COMPLIANCE.md names exists, and every rule there has one or says "Not yet".

A name is SUITE or SUITE/FUNCTION: SUITE is known to ctest, FUNCTION is defined
and used in the suite's source.
"""
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/COMPLIANCE.md"
NAME = re.compile(r"`([a-z]+\.[a-z0-9_.]+)(?:/(\w+))?`")
SOURCES = ((re.compile(r"unit\.([a-z]+)\.(\w+)"), "tests/unit/%s/test_%s.c", r"^static void %s\("),
           (re.compile(r"scenario\.(\w+)"), "tests/scenario/%s.py", r"^def %s\("))


def suites():
    p = subprocess.run(["ctest", "--test-dir", os.environ["CUNDANG_BUILD"], "-N"], stdout=subprocess.PIPE,
                       stderr=subprocess.DEVNULL, check=True, text=True)
    return set(re.findall(r"^ *Test +#\d+: (\S+)$", p.stdout, re.M))


def rows(text):
    """Number and cells of each row of the first tables."""
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("## What software cannot keep"):
            return
        if line.startswith("|") and not line.startswith(("|---", "| Rule |")):
            yield number, [c.strip() for c in line.strip("|").split("|")]


def missing(suite, function, known):
    if suite not in known:
        return "ctest has no test of this name"
    if not function:
        return None
    for name, path, definition in SOURCES:
        m = name.fullmatch(suite)
        if m:
            text = (ROOT / (path % m.groups())).read_text()
            if not re.search(definition % function, text, re.M):
                return "no such function in %s" % (path % m.groups())
            return None if len(re.findall(r"\b%s\b" % function, text)) > 1 else "the function is not used"
    return "no functions are known of such a suite"


def main():
    known, faults, count = suites(), [], 0
    for number, cells in rows(PAGE.read_text()):
        tests = NAME.findall(cells[-1])
        count += len(tests)
        if len(cells) != 3:
            faults.append((number, "%d cells instead of 3" % len(cells)))
        if not tests and not cells[1].startswith("**Not yet**"):
            faults.append((number, "no test"))
        if len(tests) != cells[-1].count("`") / 2:
            faults.append((number, "not the name of a test"))
        for suite, function in tests:
            why = missing(suite, function, known)
            if why:
                faults.append((number, "%s/%s: %s" % (suite, function, why)))
    for number, why in faults:
        print("docs/COMPLIANCE.md:%d: %s" % (number, why))
    assert count > 50, count
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
