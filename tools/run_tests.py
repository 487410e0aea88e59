#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs every kind of test and counts them in one place.

    run_tests.py --build DIR [--only unit,fuzz,lint,api,e2e] [-k WORD]

Unit tests are cmocka programs that speak TAP; fuzz corpora are replayed by one program each;
api and e2e are pytest folders that write JUnit XML. The last line is what counts.
"""
import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from concurrent.futures import ThreadPoolExecutor

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
KINDS = ("lint", "unit", "fuzz", "api", "e2e")
UNIT_TIMEOUT_S = 300


class Count:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def add(self, passed, failed, skipped):
        self.passed += passed
        self.failed += failed
        self.skipped += skipped


def sanitizer_env():
    env = dict(os.environ)
    env["ASAN_OPTIONS"] = "detect_leaks=1:abort_on_error=0:exitcode=99"
    env["UBSAN_OPTIONS"] = "halt_on_error=1:print_stacktrace=1"
    return env


def run_program(args, env):
    try:
        p = subprocess.run(args, env=env, cwd=ROOT, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, timeout=UNIT_TIMEOUT_S)
        return p.returncode, p.stdout.decode("utf-8", "replace")
    except subprocess.TimeoutExpired as e:
        return 124, (e.stdout or b"").decode("utf-8", "replace") + "\ntimed out"


def run_unit(path):
    env = sanitizer_env()
    env["CMOCKA_MESSAGE_OUTPUT"] = "TAP"
    code, out = run_program([path], env)
    passed = len(re.findall(r"^ok \d+(?!.*# SKIP)", out, re.M))
    skipped = len(re.findall(r"^ok \d+.*# SKIP|^not ok \d+ # SKIP", out, re.M))
    failed = len(re.findall(r"^not ok \d+(?! # SKIP)", out, re.M))
    if code != 0 and failed == 0:
        failed = 1  # a crash, a leak, a time-out
    if code == 0 and passed + skipped == 0:
        failed = 1  # a program that ran no test has tested nothing
    return path, (passed, failed, skipped), out


def run_fuzz(path):
    corpus = os.path.join(ROOT, "tests", "fuzz", "corpus",
                          os.path.basename(path).replace("replay_", "", 1))
    code, out = run_program([path, corpus], sanitizer_env())
    return path, (1, 0, 0) if code == 0 else (0, 1, 0), out


def report(kind, results, count):
    total = [0, 0, 0]
    for path, numbers, out in results:
        total = [a + b for a, b in zip(total, numbers)]
        if numbers[1]:
            print("FAIL %s" % os.path.relpath(path, ROOT))
            lines = [l for l in out.splitlines() if not l.startswith("ok ")]
            if len(lines) > 80:  # what went wrong first, and what the sanitizers say at the end
                lines = lines[:20] + ["..."] + lines[-60:]
            print("\n".join("    " + l for l in lines))
    count.add(*total)
    print("%-5s %d passed, %d failed, %d skipped" % ((kind,) + tuple(total)), flush=True)


def programs(build, folder, prefix):
    found = []
    for base, _, names in os.walk(os.path.join(build, "tests", folder)):
        found += [os.path.join(base, n) for n in names
                  if n.startswith(prefix) and os.access(os.path.join(base, n), os.X_OK) and
                  "." not in n]
    return sorted(found)


def run_pool(kind, one, paths, count):
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 2) as pool:
        report(kind, list(pool.map(one, paths)), count)


def run_pytest(kind, build, words, count):
    folder = os.path.join(ROOT, "tests", kind)
    if not any(n.startswith("test_") for n in os.listdir(folder)):
        return
    with tempfile.NamedTemporaryFile(suffix=".xml") as xml:
        args = ["/usr/bin/python3", "-m", "pytest", "-q", "-rs", "--tb=short",
                "-p", "no:cacheprovider", "--junitxml=" + xml.name, folder]
        if words:
            args += ["-k", words]
        env = sanitizer_env()
        env["SKIFF_BUILD"] = os.path.abspath(build)
        env["SKIFF_RELEASE"] = os.path.join(ROOT, "build")
        code = subprocess.call(args, cwd=ROOT, env=env)
        try:
            suite = ET.parse(xml.name).getroot().find("testsuite")
            n, bad, skip = (int(suite.get("tests")),
                            int(suite.get("failures")) + int(suite.get("errors")),
                            int(suite.get("skipped")))
        except (ET.ParseError, AttributeError):
            n, bad, skip = 1, 1, 0
        if code not in (0, 5) and bad == 0:
            n, bad = n + 1, 1
        count.add(n - bad - skip, bad, skip)
        print("%-5s %d passed, %d failed, %d skipped" % (kind, n - bad - skip, bad, skip),
              flush=True)


def run_lint(build, count):
    results = []
    for args in (["lint.py"], ["clang.py", os.path.abspath(build)]):
        path = os.path.join("tools", "lint", args[0])
        code, out = run_program([sys.executable, os.path.join(ROOT, path)] + args[1:],
                                dict(os.environ))
        results.append((path, (1, 0, 0) if code == 0 else (0, 1, 0), out))
    report("lint", results, count)


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("--build", default=os.path.join(ROOT, "build-test"))
    ap.add_argument("--only", default=",".join(KINDS))
    ap.add_argument("-k", dest="words", default="")
    opts = ap.parse_args()
    kinds = opts.only.split(",")
    count, began = Count(), time.monotonic()
    if "lint" in kinds:
        run_lint(opts.build, count)
    if "unit" in kinds:
        run_pool("unit", run_unit, [p for p in programs(opts.build, "unit", "test_")
                                    if opts.words in p], count)
    if "fuzz" in kinds:
        run_pool("fuzz", run_fuzz, programs(opts.build, "fuzz", "replay_"), count)
    for kind in ("api", "e2e"):
        if kind in kinds:
            run_pytest(kind, opts.build, opts.words, count)
    print("took %d s" % (time.monotonic() - began))
    print("%d passed, %d failed, %d skipped" % (count.passed, count.failed, count.skipped))
    return 1 if count.failed or not count.passed else 0


if __name__ == "__main__":
    sys.exit(main())
