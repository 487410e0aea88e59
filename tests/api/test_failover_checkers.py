# SPDX-License-Identifier: Apache-2.0
"""The checkers of the fail-over test find every kind of fault in histories made by hand."""
import random

import pytest
from failover.linear import ABSENT, CAS, CREATE, DELETE, INFINITY, PUT, READ, Op, check
from failover.truth import (ADDED, DELETED, MODIFIED, Change, Truth, check_revisions, check_watch,
                            settle)


def history(*lines):
    """[Op]: (client, start, end, kind, value[, more]) of the key k."""
    return [Op(client, more.pop("key", "k"), kind, start, end, value, **more)
            for client, start, end, kind, value, more in
            ((*line, {}) if len(line) == 5 else line for line in lines)]


GOOD = {
    "one after another": history(
        ("a", 1, 2, READ, ABSENT), ("a", 3, 4, CREATE, "x"), ("b", 5, 6, READ, "x"),
        ("a", 7, 8, CAS, "y", {"old": "x"}), ("b", 9, 10, DELETE, None), ("a", 11, 12, READ, None)),
    "overlapping operations in either order": history(
        ("a", 1, 2, CREATE, "x"), ("a", 3, 9, PUT, "y"), ("b", 3, 9, PUT, "z"),
        ("c", 4, 5, READ, "z"), ("c", 6, 7, READ, "y"), ("c", 10, 11, READ, "y")),
    "a read during a write sees old or new": history(
        ("a", 1, 2, CREATE, "x"), ("a", 3, 10, PUT, "y"), ("b", 4, 5, READ, "x"),
        ("b", 6, 7, READ, "y")),
    "unknown: done late": history(
        ("a", 1, 2, CREATE, "x"), ("a", 3, INFINITY, PUT, "y"), ("b", 20, 21, READ, "x"),
        ("b", 30, 31, READ, "y")),
    "unknown: never done": history(
        ("a", 1, 2, CREATE, "x"), ("a", 3, INFINITY, PUT, "y"), ("b", 20, 21, READ, "x")),
    "unknown delete explains a missing object": history(
        ("a", 1, 2, CREATE, "x"), ("a", 3, INFINITY, DELETE, None), ("b", 4, 5, READ, "x"),
        ("b", 6, 7, READ, ABSENT), ("b", 8, 9, CREATE, "y")),
    "refusals that are true": history(
        ("a", 1, 2, PUT, "x", {"error": "missing"}), ("a", 3, 4, CREATE, "y"),
        ("b", 5, 6, CREATE, "z", {"error": "exists"}),
        ("b", 7, 8, CAS, "w", {"old": "q", "error": "conflict"})),
    "keys do not depend on each other": history(
        ("a", 1, 2, CREATE, "x"), ("a", 3, 4, READ, ABSENT, {"key": "other"})),
    "touching at one instant is overlapping": history(
        ("a", 1, 2, CREATE, "x"), ("b", 2, 3, READ, ABSENT)),
}
BAD = {
    "stale read": history(
        ("a", 1, 2, CREATE, "x"), ("a", 3, 4, PUT, "y"), ("b", 5, 6, READ, "x")),
    "read from the future": history(("b", 1, 2, READ, "x"), ("a", 3, 4, CREATE, "x")),
    "value from nowhere": history(("a", 1, 2, CREATE, "x"), ("b", 3, 4, READ, "q")),
    "lost update": history(
        ("a", 1, 2, CREATE, "x"), ("a", 3, 10, CAS, "y", {"old": "x"}),
        ("b", 3, 10, CAS, "z", {"old": "x"})),
    "lost write": history(
        ("a", 1, 2, CREATE, "x"), ("a", 3, 4, PUT, "y"), ("a", 5, 6, CAS, "z", {"old": "x"})),
    "seen, then gone again": history(
        ("a", 1, 2, CREATE, "x"), ("a", 3, INFINITY, PUT, "y"), ("b", 4, 5, READ, "y"),
        ("c", 6, 7, READ, "x")),
    "created twice": history(("a", 1, 2, CREATE, "x"), ("b", 3, 4, CREATE, "y")),
    "deleted twice": history(
        ("a", 1, 2, CREATE, "x"), ("b", 3, 6, DELETE, None), ("c", 3, 6, DELETE, None)),
    "deleted and still there": history(
        ("a", 1, 2, CREATE, "x"), ("b", 3, 4, DELETE, None), ("c", 5, 6, READ, "x")),
    "done twice": history(
        ("a", 1, 2, CREATE, "x"), ("a", 3, INFINITY, PUT, "y"), ("b", 4, 5, READ, "y"),
        ("b", 6, 7, PUT, "z"), ("b", 8, 9, READ, "y")),
    "a refusal that is not true: exists": history(
        ("a", 1, 2, CREATE, "x", {"error": "exists"})),
    "a refusal that is not true: missing": history(
        ("a", 1, 2, CREATE, "x"), ("a", 3, 4, PUT, "y", {"error": "missing"})),
    "a refusal that is not true: conflict": history(
        ("a", 1, 2, CREATE, "x"), ("a", 3, 4, CAS, "y", {"old": "x", "error": "conflict"})),
    "an unknown write before its call": history(
        ("a", 1, 2, CREATE, "x"), ("b", 3, 4, READ, "y"), ("a", 5, INFINITY, PUT, "y")),
    "revisions against the order": history(
        ("a", 1, 2, CREATE, "x", {"revision": 9}), ("a", 3, 4, PUT, "y", {"revision": 7})),
    "a value at another revision": history(
        ("a", 1, 2, CREATE, "x", {"revision": 9}), ("b", 3, 4, READ, "x", {"revision": 8})),
    "writes seen in two orders": history(
        ("a", 1, 2, CREATE, "o"), ("a", 3, 20, PUT, "x"), ("b", 3, 20, PUT, "y"),
        ("c", 4, 5, READ, "x"), ("c", 6, 7, READ, "y"), ("d", 8, 9, READ, "x")),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_linearizable_history_is_accepted(name):
    assert check(GOOD[name]) is None


@pytest.mark.parametrize("name", BAD)
def test_a_fault_is_found(name):
    assert "no place for" in check(BAD[name])


def simulate(rng, clients, n):
    """A register that is right, used by clients at once, some of whose answers are lost."""
    ops, busy, now, state, revision = [], {c: 0 for c in range(clients)}, 0, ABSENT, 0
    for i in range(n):
        client = rng.randrange(clients)
        start = max(busy[client], now) + rng.random()
        point = now = max(start, now) + rng.random() * 0.3  # effects happen in this order
        end = point + rng.random() * 2
        kind = rng.choice((READ, CREATE, PUT, CAS, DELETE))
        op = Op(client, "k", kind, start, end, "v%d" % i, old=state or "none")
        if kind == READ:
            op.value, op.revision = state, revision if state else 0
        elif kind == CREATE and state:
            op.error = "exists"
        elif kind != CREATE and not state:
            op.error = "missing"
        else:
            revision += 1
            state = None if kind == DELETE else op.value
            op.revision = revision
        busy[client] = end
        if kind != READ and rng.random() < 0.05:
            op.end, op.error, op.revision, busy[client] = INFINITY, "", 0, end
        ops.append(op)
    return ops


@pytest.mark.parametrize("seed", range(20))
def test_a_right_register_passes_and_a_stale_read_in_it_does_not(seed):
    rng = random.Random(seed)
    ops = simulate(rng, 6, 400)
    assert check(ops) is None
    reads = [op for op in ops if op.kind == READ and op.revision > 20]
    early = {op.value: op.revision for op in ops if op.kind in (CREATE, PUT, CAS) and
             0 < op.revision < 10}
    victim = rng.choice(reads)
    victim.value, victim.revision = rng.choice(sorted(early.items()))
    assert check(ops)


TRUTH = Truth([Change(3, ADDED, "k", "x"), Change(5, ADDED, "other", "o"),
               Change(7, MODIFIED, "k", "y"), Change(9, DELETED, "k", "y"),
               Change(12, ADDED, "k", "z")])


def test_revisions_accept_what_happened():
    ops = history(
        ("a", 1, 2, CREATE, "x", {"revision": 3}), ("b", 1, 4, READ, ABSENT),
        ("a", 3, 4, CREATE, "o", {"revision": 5, "key": "other"}),
        ("a", 5, 6, CAS, "y", {"revision": 7, "old": "x"}),
        ("b", 5, 6, CAS, "q", {"old": "x", "error": "conflict"}), ("a", 7, 8, DELETE, None),
        ("c", 8.5, 9, PUT, "q", {"error": "missing"}), ("c", 9.5, INFINITY, CREATE, "z"),
        ("c", 20, INFINITY, PUT, "never"))
    settled = settle(ops, TRUTH)
    assert [op.value for op in settled] == [op.value for op in ops[:-1]]
    assert settled[-1].revision == 12 and check(settled) is None
    lists = [(6.5, 7.5, 8, {"k": (7, "y"), "other": (5, "o")})]
    assert check_revisions(settled, TRUTH, lists) is None


@pytest.mark.parametrize("ops, lists, words", [
    # a write on one key, then a list that does not have it yet: no register alone shows that
    (history(("a", 1, 2, CREATE, "o", {"revision": 5, "key": "other"})),
     [(3, 4, 4, {"k": (3, "x")})], "began after"),
    # an older state of another key than one that was shown before
    (history(("a", 1, 2, READ, "y", {"revision": 7}), ("b", 3, 4, READ, ABSENT, {"key": "other"})),
     [], "began after"),
    (history(("a", 1, 2, READ, "z", {"revision": 12}), ("b", 3, 4, READ, "y", {"revision": 7})),
     [], "began after"),
    (history(("a", 1, 2, CREATE, "lost", {"revision": 4})), [], "never true"),
    (history(("a", 1, 2, CREATE, "x", {"revision": 4})), [], "never true"),
    (history(("a", 1, 2, CAS, "y", {"revision": 7, "old": "w"})), [], "never true"),
    (history(("a", 1, 2, READ, "y", {"revision": 8})), [], "never true"),
    (history(("a", 1, 2, DELETE, None, {"key": "other"})), [], "never true"),
    ([], [(1, 2, 7, {"k": (7, "y")})], "never true"),
])
def test_revisions_find_faults(ops, lists, words):
    assert words in check_revisions(ops + history(("z", 0, 99, READ, ABSENT)), TRUTH, lists)


def event(i):
    c = TRUTH.changes[i]
    return ("event", c.type, c.key, c.revision, c.value)


ALL = [event(i) for i in range(5)]


@pytest.mark.parametrize("records", [
    [("start", 0, {})] + ALL,
    [("start", 4, {"k": (3, "x")})] + ALL[1:] + [("bookmark", 12), ("bookmark", 15)],
    [("start", 0, {}), ALL[0], ("bookmark", 4), ALL[1], ("bookmark", 5), ("bookmark", 6)] + ALL[2:],
    [("start", 0, {}), ALL[0], ("start", 8, {"k": (7, "y"), "other": (5, "o")})] + ALL[3:],
])
def test_a_right_watch_is_accepted(records):
    assert check_watch(records, TRUTH) is None


@pytest.mark.parametrize("records", [
    [("start", 0, {})] + ALL[:1] + ALL[2:],                         # gap
    [("start", 0, {}), ALL[0], ALL[0]],                             # repeat
    [("start", 0, {}), ALL[1], ALL[0]],                             # order
    [("start", 0, {}), ("event", MODIFIED, "k", 3, "x")],           # type
    [("start", 0, {}), ("event", ADDED, "k", 3, "y")],              # value
    [("start", 0, {}), ("event", ADDED, "k", 4, "x")],              # revision
    [("start", 0, {}), ALL[0], ("bookmark", 5)],                    # ahead of an event
    [("start", 5, None), ("bookmark", 4)],                          # backwards
    [("start", 4, {})],                                             # a list that never was
    [("start", 0, {}), ALL[0], ("bookmark", 4), ("start", 8, {"k": (7, "y")})],
])
def test_a_wrong_watch_is_found(records):
    assert check_watch(records, TRUTH)
