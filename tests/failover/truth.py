# SPDX-License-Identifier: Apache-2.0
"""What really happened, in the order of etcd's revisions, and what every client and watcher must have
seen if that is the order.
"""
import bisect
from dataclasses import dataclass

from failover.linear import ABSENT, CAS, CREATE, DELETE, INFINITY, PUT, READ

ADDED, MODIFIED, DELETED = "ADDED", "MODIFIED", "DELETED"


@dataclass(frozen=True)
class Change:
    revision: int
    type: str
    key: str
    value: str  # DELETED: what was there


class Truth:
    """@changes: all of them from the beginning on, in order."""

    def __init__(self, changes):
        self.changes = changes
        self.revisions = [c.revision for c in changes]
        self.by_key, self.by_value = {}, {}
        for c in changes:
            self.by_key.setdefault(c.key, []).append(c)
            if c.type != DELETED:
                self.by_value[c.value] = c

    def between(self, after, upto):
        """The changes in (@after, @upto]."""
        return self.changes[bisect.bisect_right(self.revisions, after):
                            bisect.bisect_right(self.revisions, upto)]

    def state_at(self, revision):
        state = {}
        for c in self.between(0, revision):
            if c.type == DELETED:
                state.pop(c.key, None)
            else:
                state[c.key] = (c.revision, c.value)
        return state

    def spans(self, key):
        """[(first revision, first revision of what follows, value)] of @key."""
        found, at, value = [], 0, ABSENT
        for c in self.by_key.get(key, []):
            found.append((at, c.revision, value))
            at, value = c.revision, ABSENT if c.type == DELETED else c.value
        return found + [(at, INFINITY, value)]


def settle(ops, truth):
    """Operations of unknown outcome, told apart by what etcd has: those that were done get their
    revision, those that never were are left out."""
    found = []
    for op in ops:
        if op.end == INFINITY and op.kind in (CREATE, PUT, CAS):
            change = truth.by_value.get(op.value)
            if not change:
                continue
            op.revision = change.revision
        found.append(op)
    return found


def places(op, truth, spans):
    """[(lowest, highest)] revisions of the global order at which @op can have happened."""
    if op.error:
        return [(a, b - 1) for a, b, v in spans
                if (v is ABSENT) == (op.error == "missing") and
                (op.error != "conflict" or v != op.old)]
    if op.kind == READ:
        return [(a, b - 1) for a, b, v in spans
                if v == op.value and (not op.revision or a == op.revision)]
    if op.kind == DELETE:
        return [(c.revision, c.revision) for c in truth.by_key.get(op.key, [])
                if c.type == DELETED and op.revision in (0, c.revision)]
    change = truth.by_value.get(op.value)
    if not change or op.revision not in (0, change.revision) or change.key != op.key:
        return []
    if op.kind == CREATE and change.type != ADDED or op.kind != CREATE and change.type == ADDED:
        return []
    if op.kind == CAS and (change.revision, op.old) not in {(b, v) for _, b, v in spans}:
        return []  # it stood not on what it expected
    return [(change.revision, change.revision)]


def check_revisions(ops, truth, lists=()):
    """None, or what contradicts the order of revisions: an operation, or a list of all keys, that
    begins after another one ended must not see an older state, on any key.
    @lists: (start, end, revision, {key: (revision, value)})."""
    spans = {op.key: None for op in ops}
    spans = {key: truth.spans(key) for key in spans}
    jobs = [(op.start, op.end, places(op, truth, spans[op.key]), op.text()) for op in ops
            if op.end != INFINITY]
    for start, end, revision, items in lists:
        there = [(revision, revision)] if truth.state_at(revision) == items else []
        jobs.append((start, end, there, "list @%d [%.4f %.4f] of %s" % (revision, start, end,
                                                                        items)))
    jobs.sort(key=lambda job: job[0])
    ended, floor, floor_of = [], 0, ""  # by end: what is running
    for start, end, allowed, text in jobs:
        while ended and ended[0][0] < start:
            _, low, who = ended.pop(0)
            if low > floor:
                floor, floor_of = low, who
        if not allowed:
            return "never true: " + text
        fit = [(low, high) for low, high in allowed if high >= floor]
        if not fit:
            return "%s\nbegan after the end of\n%s\nwhich was at revision %d" % (
                text, floor_of, floor)
        bisect.insort(ended, (end, max(floor, fit[0][0]), text))
    return None


def check_watch(records, truth):
    """None, or what is wrong with a watcher's @records, in order: ("start", revision, items), the
    list that it begins behind, also after a 410; ("event", type, key, revision, value);
    ("bookmark", revision)."""
    at = None  # everything up to here was seen
    for record in records:
        if record[0] == "start":
            _, at, items = record
            if items is not None and items != truth.state_at(at):
                return "list @%d is not the state then: %s" % (at, items)
            continue
        if record[0] == "bookmark":
            missed = truth.between(at, record[1])
            if record[1] < at or missed:
                return "bookmark @%d behind @%d, not shown: %s" % (record[1], at, missed[:3])
            at = record[1]
            continue
        seen = Change(record[3], *record[1:3], record[4])
        if seen.revision <= at:
            return "%s behind @%d" % (seen, at)
        expected = truth.between(at, seen.revision)
        if expected != [seen]:
            return "behind @%d came %s, but it was %s" % (at, seen, expected[:3])
        at = seen.revision
    return None


def seen_upto(records):
    """The revision up to which a watcher with these @records saw everything."""
    last = [r[1] if r[0] != "event" else r[3] for r in records]
    return last[-1] if last else 0
