# SPDX-License-Identifier: Apache-2.0
"""Is a history of one register linearizable? Wing and Gong's search with Lowe's memory: an operation
takes effect at one instant between its call and its return; an operation whose outcome is unknown
takes effect at any time after its call, or never.

The register is absent or holds a value; each value is written once, so that it names its write. What
revision a value has, if anyone was told, must rise along the order found.
"""
from dataclasses import dataclass

INFINITY = float("inf")
READ, CREATE, PUT, CAS, DELETE = "read", "create", "put", "cas", "delete"
ABSENT = None


@dataclass
class Op:
    """One operation on one register, as its client saw it."""
    client: object
    key: str
    kind: str
    start: float
    end: float            # INFINITY: the outcome is unknown
    value: str = None     # written; or what a read saw, ABSENT if nothing
    revision: int = 0     # of the value written or read; 0: not known
    old: str = None       # CAS: the value it expects
    error: str = ""       # "exists", "missing", "conflict": refused, and nothing was done

    def text(self):
        end = "?" if self.end == INFINITY else "%.4f" % self.end
        what = "%s %s" % (self.kind, self.value if self.kind != DELETE else "")
        if self.kind == CAS:
            what += " over " + str(self.old)
        return "%s [%.4f %s] %s%s%s" % (self.client, self.start, end, what,
                                        " @%d" % self.revision if self.revision else "",
                                        " -> " + self.error if self.error else "")


def refused(value, op):
    """A refusal is an observation: it must be true of the register."""
    if op.error == "missing":
        return value is ABSENT
    if op.error == "exists":
        return value is not ABSENT
    return value is not ABSENT and value != op.old  # conflict


def step(state, op):
    """The state after @op, or None if @op cannot have happened in @state: (value, newest revision)."""
    value, newest = state
    if op.error:
        return state if refused(value, op) else None
    if op.kind == READ:
        if value != op.value or op.revision and newest > op.revision:
            return None
        return value, op.revision or newest
    if op.kind == CREATE and value is not ABSENT or op.kind in (PUT, DELETE) and value is ABSENT:
        return None
    if op.kind == CAS and value != op.old or op.revision and op.revision <= newest:
        return None
    return (ABSENT if op.kind == DELETE else op.value), op.revision or newest


class Search:
    """Entries are calls and returns in order of time, doubly linked: entry 2i is the call of
    operation i, 2i+1 its return; an operation that is placed is unlinked."""

    def __init__(self, ops):
        self.ops = ops
        self.n = len(ops)
        times = [(op.start, 0, 2 * i) for i, op in enumerate(ops)]
        times += [(op.end, 1, 2 * i + 1) for i, op in enumerate(ops) if op.end != INFINITY]
        order = [entry for _, _, entry in sorted(times)]
        self.head, self.none = 2 * self.n, -1
        self.next, self.prev = [self.none] * (2 * self.n + 1), [self.none] * (2 * self.n + 1)
        for a, b in zip([self.head] + order, order):
            self.next[a], self.prev[b] = b, a
        self.to_place = sum(op.end != INFINITY for op in ops)

    def unlink(self, entry):
        before, after = self.prev[entry], self.next[entry]
        self.next[before] = after
        if after != self.none:
            self.prev[after] = before

    def link(self, entry):
        before, after = self.prev[entry], self.next[entry]
        self.next[before] = entry
        if after != self.none:
            self.prev[after] = entry

    def place(self, i):
        self.unlink(2 * i)
        if self.ops[i].end != INFINITY:
            self.unlink(2 * i + 1)
            self.to_place -= 1

    def take_back(self, i):
        if self.ops[i].end != INFINITY:
            self.link(2 * i + 1)
            self.to_place += 1
        self.link(2 * i)

    def run(self):
        """None, or the operation that fits nowhere in the longest order found, and that order."""
        state, placed, seen, stack = (ABSENT, 0), 0, set(), []
        best, stuck = (-1, []), None
        entry = self.next[self.head]
        while self.to_place:
            i = entry // 2
            if entry % 2 == 0:
                after = step(state, self.ops[i])
                key = (placed | 1 << i, after)
                if after is not None and key not in seen:
                    seen.add(key)
                    stack.append((i, state))
                    state, placed = after, key[0]
                    self.place(i)
                    entry = self.next[self.head]
                else:
                    entry = self.next[entry]
                continue
            if len(stack) > best[0]:
                best, stuck = (len(stack), [j for j, _ in stack]), i
            if not stack:
                return self.ops[stuck], [self.ops[j] for j in best[1]]
            i, state = stack.pop()
            placed &= ~(1 << i)
            self.take_back(i)
            entry = self.next[2 * i]
        return None


def check(ops):
    """None if every register's history is linearizable, else a text that shows where one is not."""
    for key in sorted({op.key for op in ops}):
        found = Search([op for op in ops if op.key == key]).run()
        if found:
            stuck, order = found
            return "%s: no place for\n  %s\nbehind\n  %s" % (
                key, stuck.text(), "\n  ".join(op.text() for op in order[-8:]))
    return None
