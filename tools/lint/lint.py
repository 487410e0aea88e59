#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""make lint: what the house forbids, checked from the text of the sources.

Layers and owned system headers (tools/layers.txt); length of files, functions, lines and headers;
documentation of every prototype in a header; calls that have a replacement; words the project
does not use. Prints file:line: what; exits 1 if it printed anything.
"""
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FILE_MAX, FUNCTION_MAX, LINE_MAX, HEADER_MAX = 800, 70, 100, 300
# A call, and the folders (or files) that may make it.
BANNED = [
    (r"\b(time|gettimeofday|clock_gettime|uv_hrtime|uv_now)\s*\(", ("base/",)),
    (r"\b(usleep|nanosleep|sleep)\s*\(", ()),
    (r"\b(rand|random|srand|getrandom|arc4random)\s*\(", ("base/",)),
    (r"\bpthread_\w+\s*\(", ("base/",)),
    (r"\b(system|popen)\s*\(", ()),
    (r"\balloca\s*\(", ()),
    (r"\bsetjmp\s*\(|\blongjmp\s*\(", ()),
]
LIBRARY = ("base", "codec", "schema", "api", "net", "store")  # these log at debug only


class Lint:
    def __init__(self):
        self.problems = []
        self.load_layers()

    def say(self, path, line, text):
        self.problems.append("%s:%d: %s" % (os.path.relpath(path, ROOT), line, text))

    def load_layers(self):
        self.order, self.owned = [], {}
        self.components, self.forbidden = [], []
        for line in open(os.path.join(ROOT, "tools", "layers.txt")):
            line = line.strip()
            if not line or line.startswith("#"):
                continue
            key, colon, rest = line.partition(":")
            if not colon:
                self.order = line.split()
            elif key == "components":
                self.components = rest.split()
            elif key == "forbidden":
                self.forbidden = rest.split()
            else:
                self.owned[key] = rest.split()

    def includes(self, path, rel, lines):
        layer = rel.split("/")[0]
        for n, line in enumerate(lines, 1):
            m = re.match(r'\s*#\s*include\s*([<"])([^>"]+)', line)
            if not m:
                continue
            quote, name = m.groups()
            if quote == "<":
                for key, places in self.owned.items():
                    if (name == key or name.startswith(key + "/")) and not any(
                            rel.startswith(p) for p in places):
                        self.say(path, n, "<%s> belongs to %s" % (name, " ".join(places)))
                continue
            to = name.split("/")[0]
            if to not in self.order or layer not in self.order:
                continue
            if self.order.index(to) > self.order.index(layer):
                self.say(path, n, "%s/ may not include %s (tools/layers.txt)" % (layer, name))
            if layer in self.components and to != layer and (
                    to in self.components or to in self.forbidden):
                self.say(path, n, "component %s/ may not include %s" % (layer, name))

    def lengths(self, path, lines):
        limit = HEADER_MAX if path.endswith(".h") else FILE_MAX
        if len(lines) > limit:
            self.say(path, limit, "file has %d lines, limit %d" % (len(lines), limit))
        for n, line in enumerate(lines, 1):
            if len(line) > LINE_MAX:
                self.say(path, n, "line has %d columns, limit %d" % (len(line), LINE_MAX))
        start = None
        for n, line in enumerate(lines, 1):
            if line == "{":
                start = n
            elif line.startswith("}") and start is not None:
                if n - start - 1 > FUNCTION_MAX and line == "}":
                    self.say(path, start, "function has %d lines, limit %d" %
                             (n - start - 1, FUNCTION_MAX))
                start = None

    def banned(self, path, rel, lines):
        comment = False
        for n, line in enumerate(lines, 1):
            code = re.sub(r'"(?:[^"\\]|\\.)*"', '""', line)
            code = re.sub(r"//.*|/\*.*?\*/", "", code)
            if comment or "/*" in code:
                comment = "*/" not in line
                continue
            for pattern, places in BANNED:
                m = re.search(r"(?<![\w>.])" + pattern, code)
                if m and not any(rel.startswith(p) for p in places):
                    self.say(path, n, "banned call: %s" % m.group(0).strip())
            if rel.split("/")[0] in LIBRARY and not rel.startswith("base/log") and re.search(
                    r"\bLOG_(INFO|WARN|ERROR)\b", code):
                self.say(path, n, "library code logs at debug only")

    def prototypes(self, path, lines):
        """A prototype needs /** before it, or /** at the end of its line."""
        depth = 0
        for n, line in enumerate(lines, 1):
            here = depth
            depth += line.count("{") - line.count("}")
            if here > 0 or not re.match(
                    r"^(?!static|typedef|struct \w+ \{|#|extern const|return|\s)[\w].*\w \**\w+\(", line):
                continue
            if re.match(r"^(#|/\*| \*|typedef)", line) or "PRINTF_LIKE" in line[:12]:
                continue
            end = n
            while end <= len(lines) and not re.search(r"[;{]", lines[end - 1]):
                end += 1
            tail = " ".join(lines[n - 1:end])
            if "/**" in tail:
                continue
            back = n - 2
            while back >= 0 and re.match(r"^(MUST_USE|__attribute__)", lines[back]):
                back -= 1
            before = lines[back] if back >= 0 else ""
            if not before.rstrip().endswith("*/"):
                self.say(path, n, "prototype without /** doc */")

    def words(self, path, lines):
        for n, line in enumerate(lines, 1):
            if re.search(r"\b(TODO|FIXME|XXX|HACK)\b", line):
                self.say(path, n, "unfinished: write it or leave it out")
            if re.search(r"/(work|root|home)/", line):
                self.say(path, n, "path of one machine")

    def run(self):
        names = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT,
                               stdout=subprocess.PIPE, check=True).stdout.decode().split("\n")
        for name in names:
            path = os.path.join(ROOT, name)
            if not re.search(r"\.(c|h|py|sh|schema|md)$", name) or not os.path.isfile(path):
                continue
            lines = open(path, encoding="utf-8").read().split("\n")
            if lines and lines[-1] == "":
                lines.pop()
            if name != "tools/lint/lint.py":
                self.words(path, lines)
            if re.search(r"\.[ch]$", name):
                self.lengths(path, lines)
            if name.startswith("src/") and re.search(r"\.[ch]$", name):
                rel = name[4:]
                self.includes(path, rel, lines)
                self.banned(path, rel, lines)
                if name.endswith(".h"):
                    self.prototypes(path, lines)
        for p in sorted(self.problems):
            print(p)
        print("lint: %d problems in %d files" % (len(self.problems), len(names)))
        return 1 if self.problems else 0


if __name__ == "__main__":
    sys.exit(Lint().run())
