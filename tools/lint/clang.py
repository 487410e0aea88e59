#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Has clang read every source that gcc has compiled: its warnings are errors, too.

    clang.py BUILD-DIR

Prints what clang says; exits 1 if it said anything.
"""
import json
import os
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

WITH_VALUE = ("-o", "-MF", "-MQ")
NOT_FOR_CLANG = ("-O", "-g", "-MD", "-c", "-fsanitize", "-fno-sanitize", "-fdiagnostics-color")


def command(entry):
    words = shlex.split(entry["command"])
    args = iter(words[1 + (os.path.basename(words[0]) == "ccache"):])
    kept = ["clang", "-fsyntax-only", "-Werror"]
    for a in args:
        if a in WITH_VALUE:
            next(args)
        elif not a.startswith(NOT_FOR_CLANG):
            kept.append(a)
    return kept


def check(entry):
    p = subprocess.run(command(entry), cwd=entry["directory"], stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, check=False)
    return p.stdout.decode("utf-8", "replace") if p.returncode else ""


def main():
    with open(os.path.join(sys.argv[1], "compile_commands.json"), encoding="utf-8") as f:
        entries = {e["file"]: e for e in json.load(f)}  # a source of many programs: once
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 2) as pool:
        said = [s for s in pool.map(check, entries.values()) if s]
    print("\n".join(said) if said else "clang: 0 problems in %d files" % len(entries))
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
