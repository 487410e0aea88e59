# SPDX-License-Identifier: Apache-2.0
"""Two API servers over three etcd members, all on nodes of their own that are killed, paused and cut from
each other while clients write and read; what the clients and watchers saw is checked afterwards.

FAILOVER_SECONDS (of faults) and FAILOVER_SEED make it longer, or the same again.
"""
import os
import random
import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import ROOT
from failover import net
from failover.clients import LABEL, PATH, TIMEOUT_S, Api, Client, Lost, Record, read_of
from failover.cluster import SERVERS, Cluster
from failover.linear import CREATE, PUT, READ, Op, check
from failover.nemesis import Nemesis
from failover.truth import Truth, check_revisions, check_watch, seen_upto, settle
from failover.watchers import EtcdWatch, Watcher

SECONDS = float(os.environ.get("FAILOVER_SECONDS", "12"))
SEED = int(os.environ.get("FAILOVER_SEED", random.randrange(1 << 32)))
PERMITTED = {(404, "NotFound"), (409, "Conflict"), (409, "AlreadyExists"), (410, "Expired"),
             (429, "TooManyRequests"), (500, "InternalError"), (503, "ServiceUnavailable"),
             (504, "Timeout")}

WHY_NOT = net.why_not()

pytestmark = [
    pytest.mark.skipif(not shutil.which("etcd") or not shutil.which("etcdctl"),
                       reason="etcd-server and etcd-client are not installed"),
    pytest.mark.skipif(not shutil.which("nft"), reason="nftables is not installed"),
    pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT or "-")]


def say(text):
    print("%s %s" % (time.strftime("%H:%M:%S"), text), file=sys.stderr, flush=True)


@pytest.fixture(scope="module")
def cluster():
    build = os.environ.get("SKIFF_BUILD", os.path.join(ROOT, "build-test"))
    c = Cluster(os.path.join(build, "src", "cmd", "skiff"))
    yield c
    try:
        for server in SERVERS:
            c.nodes[server].stop()
    finally:
        end(c)


def end(c):
    keep = os.environ.get("FAILOVER_KEEP")
    if keep:
        shutil.copytree(c.dir, keep, dirs_exist_ok=True)
    c.close()


@pytest.fixture(scope="module")
def hub(cluster):
    """hub(server, method, path, body=None): one request, from the cluster's network."""
    with ThreadPoolExecutor(1, initializer=cluster.net.enter) as pool:
        def one(server, method, path, body, timeout):
            api = Api(cluster, server, timeout)
            try:
                return api.call(method, path, body)
            finally:
                api.drop()

        def call(server, method, path, body=None, timeout=TIMEOUT_S):
            return pool.submit(one, server, method, path, body, timeout).result()
        yield call


def ready(cluster, hub, server):
    try:
        return hub(server, "GET", "/api/v1/namespaces/default", timeout=5)[0] == 200 and \
            is_ready(hub, server)
    except Lost:
        return False


def is_ready(hub, server):
    try:
        hub(server, "GET", "/readyz", timeout=5)
    except Lost as lost:
        return "JSONDecodeError('Expecting value: line 1 column 1" in str(lost) # "ok"
    return False


def all_ready(cluster, hub):
    for server in SERVERS:
        cluster.wait_for(lambda: ready(cluster, hub, server), 30)


def final_lists(cluster, hub):
    """What both show at last, at one revision."""
    found = {}

    def same():
        for server in SERVERS:
            code, answer = hub(server, "GET", PATH + "?labelSelector=" + LABEL)
            assert code == 200
            found[server] = (int(answer["metadata"]["resourceVersion"]),
                             {i["metadata"]["name"]: read_of(i) for i in answer["items"]})
        return found["a"] == found["b"]

    cluster.wait_for(same, 20)  # their own writes, of leases, may come in between
    return found["a"]


def stop_all(threads, seconds):
    for t in threads:
        t.stopped.set()
    for t in threads:
        t.join(seconds)
        assert not t.is_alive(), "a client hangs"
        assert t.error is None, repr(t.error)


def start_watchers(cluster, record):
    watchers = [Watcher(cluster, record, servers, SEED + i)
                for i, servers in enumerate((["a"], ["b"], ["a"], ["b"], SERVERS, SERVERS))]
    for w in watchers:
        w.start()
    return watchers


def alive(threads):
    for t in threads:
        assert t.error is None, repr(t.error)


def test_failures_break_no_promise(cluster, hub):
    say("FAILOVER_SEED=%d" % SEED)
    all_ready(cluster, hub)
    record, truth_watch = Record(), EtcdWatch(cluster)
    keys = ["reg-%d" % i for i in range(5)]
    clients = [Client(cluster, record, i, SERVERS[i % 2], keys, SEED + i) for i in range(8)]
    watchers = start_watchers(cluster, record)
    for c in clients:
        c.start()
    try:
        nemesis = Nemesis(cluster, truth_watch, SEED, 1.0 if SECONDS < 60 else 8.0, say)
        nemesis.run(SECONDS, lambda: alive(clients + watchers + [truth_watch]))
        nemesis.heal()
        say("healed")
        all_ready(cluster, hub)
        stop_all(clients, TIMEOUT_S + 5)
        for server in SERVERS:  # both can write again, and all watchers see it
            code, _ = hub(server, "POST", PATH, {
                "metadata": {"name": "reg-last-" + server, "labels": {LABEL: "yes"}},
                "data": {"v": "v:0:%d;" % (0 if server == "a" else 1 << 30)}})
            assert code == 201
        revision, items = final_lists(cluster, hub)
        last = items["reg-last-b"][0]
        cluster.wait_for(lambda: truth_watch.revision() >= last, 30)
        for w in watchers:
            cluster.wait_for(lambda w=w: seen_upto(w.records) >= last, 30,
                             lambda w=w: (last, w.error, w.is_alive(), w.records[-5:], w.breaks))
        stop_all(watchers, 15)
    finally:
        for t in clients + watchers:
            t.stopped.set()
        truth_watch.stop()
    truth = Truth(truth_watch.changes)
    assert truth.state_at(revision) == items
    judge(cluster, record, truth, watchers, nemesis)


def judge(cluster, record, truth, watchers, nemesis):
    unknown = sum(op.end == float("inf") for op in record.ops)
    say("%d operations (%d of unknown outcome), %d lists, %d changes, slowest answer %.1f s, "
        "watches %d, 410s %d, statuses %s" % (
            len(record.ops), unknown, len(record.lists), len(truth.changes), record.slowest,
            sum(w.breaks for w in watchers), sum(len(w.expired) for w in watchers),
            sorted(record.statuses)))
    assert not record.broken
    assert set(record.statuses) <= PERMITTED, record.statuses
    assert record.slowest < TIMEOUT_S
    ops = settle(record.ops, truth)
    faults = [check(ops), check_revisions(ops, truth, record.lists)]
    faults += [check_watch(w.records, truth) for w in watchers]
    assert not any(faults), "\n\n".join(filter(None, faults))
    for w in watchers:
        # History is missing only where a server began anew, or etcd had forgotten it.
        assert set(w.expired) <= nemesis.restarted | nemesis.compacted
    done = {op.kind for op in ops if op.end != float("inf") and not op.error}
    assert len(done) == 5 and len(ops) > 200 and len(record.lists) > 10  # it was a test


def test_a_stale_read_would_be_noticed(cluster, hub):
    """Reads of resourceVersion=0, which may be old, recorded as if they promised more."""
    all_ready(cluster, hub)
    _, answer = hub("a", "GET", PATH)
    truth_watch, ops = EtcdWatch(cluster, int(answer["metadata"]["resourceVersion"])), []

    def note(kind, server, method, path, value=None):
        op = Op(server, "reg-stale", kind, time.monotonic(), 0, value)
        body = value and {"metadata": {"name": "reg-stale", "labels": {LABEL: "yes"}},
                          "data": {"v": value}}
        code, answer = hub(server, method, path, body)
        assert code in (200, 201), answer
        op.revision, op.value = read_of(answer)
        op.end = time.monotonic()
        ops.append(op)

    try:
        note(CREATE, "a", "POST", PATH, "v:100:1;")
        note(READ, "b", "GET", PATH + "/reg-stale")
        for m in ("m0", "m1", "m2"):
            cluster.net.refuse("b", m)
        note(PUT, "a", "PUT", PATH + "/reg-stale", "v:100:2;")
        cluster.wait_for(lambda: truth_watch.revision() >= ops[-1].revision, 10)
        truth = Truth([c for c in truth_watch.changes if c.key == "reg-stale"])
        assert check(ops) is None and check_revisions(ops, truth) is None
        note(READ, "b", "GET", PATH + "/reg-stale?resourceVersion=0")
        assert ops[-1].value == "v:100:1;"
        assert "no place for" in check(ops)
        assert "began after" in check_revisions(ops, truth)
        code, answer = hub("b", "GET", PATH + "/reg-stale")
        assert (code, answer["reason"]) in {(503, "ServiceUnavailable"), (504, "Timeout")}
    finally:
        truth_watch.stop()
        cluster.net.heal()
    all_ready(cluster, hub)
