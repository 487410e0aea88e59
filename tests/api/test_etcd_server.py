# SPDX-License-Identifier: Apache-2.0
"""`skiff etcd` and `skiff server --etcd-listen` as Debian's etcdctl sees them; snapshots as Debian's
etcd restores them. Skipped where these are not installed."""
import base64
import json
import os
import shutil
import signal
import subprocess
import tempfile

import pytest
import requests
from conftest import ROOT, Server, eventually, free_port
from kubernetes import client as k8s

pytestmark = pytest.mark.skipif(not shutil.which("etcdctl"), reason="etcd-client is not installed")
needs_etcd = pytest.mark.skipif(not shutil.which("etcd"), reason="etcd-server is not installed")


def run_ctl(args, flags=(), stdin=None, check=True, timeout=30):
    p = subprocess.run(["etcdctl"] + list(flags) + list(args), input=stdin, timeout=timeout,
                       env=dict(os.environ, ETCDCTL_API="3"), stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, check=False)
    if check:
        assert p.returncode == 0, p.stderr.decode()
        return p.stdout.decode()
    return p


class Etcd:
    """One process that speaks etcd, on a folder of its own."""

    def __init__(self, command, directory=None):
        self.dir = directory or tempfile.mkdtemp(prefix="skiff-etcd-test-")
        self.port = free_port()
        self.url = "http://127.0.0.1:%d" % self.port
        self.command = command
        self.start()

    def start(self):
        with open(os.path.join(self.dir, "log"), "ab") as log:
            self.process = subprocess.Popen(self.command(self), stderr=log, stdout=log)
        eventually(self.ready, 20)

    def ready(self):
        assert self.process.poll() is None, open(os.path.join(self.dir, "log")).read()
        try:
            return requests.get(self.url + "/health", timeout=2).json()["health"] == "true"
        except (requests.exceptions.RequestException, ValueError):
            return False

    def ctl(self, *args, **more):
        return run_ctl(args, ["--endpoints=" + self.url], **more)

    def json(self, *args):
        return json.loads(self.ctl(*args, "-w", "json"))

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(20)
        return code

    def close(self):
        if self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.dir, ignore_errors=True)


def skiff_etcd(e):
    build = os.environ.get("SKIFF_BUILD", os.path.join(ROOT, "build-test"))
    return [os.path.join(build, "src", "cmd", "skiff"), "etcd", "--name=one",
            "--data-dir=" + os.path.join(e.dir, "data"), "--listen-client-urls=" + e.url]


@pytest.fixture
def etcd():
    e = Etcd(skiff_etcd)
    yield e
    e.close()


def test_put_get_del(etcd):
    assert etcd.ctl("put", "a/1", "one") == "OK\n"
    assert etcd.ctl("put", "a/2", "two") == "OK\n"
    assert etcd.ctl("put", "a/2", "zwei", "--prev-kv") == "OK\na/2\ntwo\n"
    assert etcd.ctl("put", "b", "x") == "OK\n"
    assert etcd.ctl("get", "a/1") == "a/1\none\n"
    assert etcd.ctl("get", "a/", "--prefix", "--print-value-only") == "one\nzwei\n"
    assert etcd.ctl("get", "a/2", "--from-key", "--keys-only") == "a/2\n\nb\n\n"
    assert etcd.ctl("get", "a/2", "--rev=3") == "a/2\ntwo\n"
    assert etcd.ctl("get", "a", "b", "--limit=1", "--sort-by=MODIFY", "--order=DESCEND") == "a/2\nzwei\n"
    got = etcd.json("get", "", "--prefix", "--limit=2")
    assert (got["count"], got["more"], got["header"]["revision"]) == (3, True, 5)
    kv = got["kvs"][1]
    assert base64.b64decode(kv["key"]) == b"a/2"
    assert (kv["create_revision"], kv["mod_revision"], kv["version"]) == (3, 4, 2)
    assert etcd.ctl("del", "a/", "--prefix", "--prev-kv") == "2\na/1\none\na/2\nzwei\n"
    assert etcd.ctl("del", "a/", "--prefix") == "0\n"


def test_txn(etcd):
    etcd.ctl("put", "a", "1")
    both = b'value("a") = "1"\nmod("none") = "0"\n\nput a 2\nget a\ndel a\n\nget a\n\n'
    p = etcd.ctl("txn", stdin=both, check=False)
    assert b"duplicate key given in txn request" in p.stderr
    yes = b'value("a") = "1"\nmod("none") = "0"\n\nput a 2\nget a\n\nget a\n\n'
    assert etcd.ctl("txn", stdin=yes) == "SUCCESS\n\nOK\n\na\n2\n"
    assert etcd.ctl("txn", stdin=yes) == "FAILURE\n\na\n2\n"


def watch_lines(etcd, n, *args):
    """The first n lines that a watch prints; it is ended then."""
    p = subprocess.Popen(["etcdctl", "--endpoints=" + etcd.url, "watch"] + list(args),
                         env=dict(os.environ, ETCDCTL_API="3"), stdout=subprocess.PIPE)
    try:
        return [p.stdout.readline().decode().rstrip("\n") for _ in range(n)]
    finally:
        p.kill()
        p.wait()
        p.stdout.close()


def test_watch_history_and_compaction(etcd):
    etcd.ctl("put", "a", "1")
    etcd.ctl("put", "b", "1")
    etcd.ctl("put", "a", "2")
    etcd.ctl("del", "a")
    assert watch_lines(etcd, 8, "a", "--rev=2") == ["PUT", "a", "1", "PUT", "a", "2", "DELETE", "a"]
    assert watch_lines(etcd, 7, "", "--prefix", "--rev=4", "--prev-kv") == [
        "PUT", "a", "1", "a", "2", "DELETE", "a"]
    assert etcd.ctl("compact", "5") == "compacted revision 5\n"
    for args, text in ((["compact", "5"], b"required revision has been compacted"),
                       (["compact", "50"], b"required revision is a future revision"),
                       (["get", "b", "--rev=4"], b"required revision has been compacted"),
                       (["watch", "a", "--rev=2"], b"required revision has been compacted")):
        p = etcd.ctl(*args, check=False)
        assert p.returncode != 0 and text in p.stderr + p.stdout


def test_a_watch_sees_what_comes(etcd):
    p = subprocess.Popen(["etcdctl", "--endpoints=" + etcd.url, "watch", "k", "--prefix"],
                         env=dict(os.environ, ETCDCTL_API="3"), stdout=subprocess.PIPE)
    try:
        def watching():
            text = requests.get(etcd.url + "/metrics", timeout=5).text
            return "etcd_debugging_mvcc_watcher_total 1\n" in text
        eventually(watching)
        for i in range(3):
            etcd.ctl("put", "k%d" % i, "v%d" % i)
        got = [p.stdout.readline().decode().strip() for _ in range(9)]
        assert got == ["PUT", "k0", "v0", "PUT", "k1", "v1", "PUT", "k2", "v2"]
    finally:
        p.kill()
        p.wait()
        p.stdout.close()


def test_leases(etcd):
    lease = etcd.ctl("lease", "grant", "100").split()[1]
    other = etcd.ctl("lease", "grant", "50").split()[1]
    etcd.ctl("put", "--lease=" + lease, "k", "v")
    told = etcd.ctl("lease", "timetolive", lease, "--keys")
    assert told.startswith("lease %s granted with TTL(100s), remaining(" % lease)
    assert told.endswith("attached keys([k])\n")
    assert etcd.ctl("lease", "list").split("\n") == ["found 2 leases", other, lease, ""]
    assert etcd.ctl("lease", "keep-alive", "--once", lease) == "lease %s keepalived with TTL(100)\n" % lease
    p = etcd.ctl("put", "--lease=1234", "k", "v", check=False)
    assert b"etcdserver: requested lease not found" in p.stderr
    assert etcd.ctl("lease", "revoke", lease) == "lease %s revoked\n" % lease
    assert etcd.ctl("get", "k") == ""
    assert etcd.ctl("lease", "timetolive", lease) == "lease %s already expired\n" % lease
    # A kill takes nothing away: neither the lease nor what is written.
    etcd.ctl("put", "--lease=" + other, "kept", "v")
    etcd.kill()
    etcd.start()
    assert etcd.ctl("get", "kept") == "kept\nv\n"
    assert "granted with TTL(50s)" in etcd.ctl("lease", "timetolive", other)


def test_status_health_members(etcd):
    etcd.ctl("put", "a", "1")
    status = etcd.json("endpoint", "status")[0]["Status"]
    assert status["leader"] == status["header"]["member_id"]
    assert status["dbSize"] >= status["dbSizeInUse"] > 0
    assert "is healthy" in etcd.ctl("endpoint", "health") + etcd.ctl("endpoint", "health", check=False).stderr.decode()
    member = etcd.json("member", "list")["members"]
    assert [(m["name"], m["clientURLs"]) for m in member] == [("one", [etcd.url])]
    assert etcd.ctl("alarm", "list") == ""
    version = requests.get(etcd.url + "/version", timeout=5).json()
    assert version["etcdserver"] == status["version"]
    assert requests.get(etcd.url + "/nothing", timeout=5).status_code == 404
    assert etcd.stop() == 0


def test_lock_and_elect(etcd):
    assert etcd.ctl("lock", "name", "echo", "in") == "in\n"
    assert etcd.ctl("get", "name", "--prefix") == ""  # let go
    leader = subprocess.Popen(["etcdctl", "--endpoints=" + etcd.url, "elect", "post", "me"],
                              env=dict(os.environ, ETCDCTL_API="3"), stdout=subprocess.PIPE)
    try:
        key = leader.stdout.readline().decode().strip()
        assert key.startswith("post/")
        assert etcd.ctl("get", "post", "--prefix") == "%s\nme\n" % key
    finally:
        leader.send_signal(signal.SIGINT)
        leader.wait(10)
        leader.stdout.close()


def test_check_perf_writes_at_the_rate_of_a_small_load(etcd):
    p = etcd.ctl("check", "perf", "--load=s", check=False, timeout=120)
    text = (p.stdout + p.stderr).decode()
    assert "PASS: Throughput is" in text
    assert "error" not in text.lower()


def kvs_of(etcd, *args):
    return etcd.json("get", "", "--prefix", *args).get("kvs")


@needs_etcd
def test_etcd_restores_a_snapshot(etcd):
    """Many keys (branches of several levels), large values (pages that run over), history, leases."""
    lease = etcd.ctl("lease", "grant", "1000").split()[1]
    for i in range(40):
        ops = "".join("put key/%04d/%s %s\n" % (i * 100 + k, "n" * 40, "v%d" % k) for k in range(100))
        etcd.ctl("txn", stdin=("\n" + ops + "\n\n").encode())
    etcd.ctl("put", "large", stdin=b"x" * 100000)
    etcd.ctl("put", "--lease=" + lease, "leased", "v")
    etcd.ctl("del", "key/0", "key/0005")
    etcd.ctl("compact", "10")
    path = os.path.join(etcd.dir, "snapshot.db")
    etcd.ctl("snapshot", "save", path)
    status = json.loads(run_ctl(["snapshot", "status", path, "-w", "json"]))
    revision = etcd.json("get", "x")["header"]["revision"]
    assert status["revision"] == revision
    data = os.path.join(etcd.dir, "restored")
    run_ctl(["snapshot", "restore", path, "--data-dir", data])
    peer = free_port()

    def theirs(e):
        return ["etcd", "--data-dir", data, "--listen-client-urls", e.url, "--advertise-client-urls",
                e.url, "--listen-peer-urls", "http://127.0.0.1:%d" % peer]

    restored = Etcd(theirs)
    try:
        assert kvs_of(restored) == kvs_of(etcd)
        assert kvs_of(restored, "--rev=20") == kvs_of(etcd, "--rev=20")
        assert "TTL(1000s)" in restored.ctl("lease", "timetolive", lease)
        p = restored.ctl("get", "large", "--rev=9", check=False)
        assert b"required revision has been compacted" in p.stderr
        hashes = [e.json("endpoint", "hashkv")[0]["HashKV"]["hash"] for e in (etcd, restored)]
        assert hashes[0] == hashes[1]
    finally:
        restored.close()


def test_a_folder_of_etcd_is_refused():
    with tempfile.TemporaryDirectory() as folder:
        os.makedirs(os.path.join(folder, "member", "snap"))
        open(os.path.join(folder, "member", "snap", "db"), "w").close()
        build = os.environ.get("SKIFF_BUILD", os.path.join(ROOT, "build-test"))
        p = subprocess.run([os.path.join(build, "src", "cmd", "skiff"), "etcd", "--data-dir", folder],
                           stderr=subprocess.PIPE, timeout=20, check=False)
        assert p.returncode == 1
        assert b"holds the data of an etcd" in p.stderr


def test_a_server_keeps_its_state_in_skiff_etcd(etcd):
    s = Server(["--etcd-servers=" + etcd.url])
    try:
        core = s.api(k8s.CoreV1Api)
        core.create_namespaced_config_map("default", {"metadata": {"name": "there"}, "data": {"a": "1"}})
        key = "/registry/configmaps/default/there"
        kv = etcd.json("get", key)["kvs"][0]
        assert base64.b64decode(kv["value"]).startswith(b"k8s\0")  # as Kubernetes writes it
        seen = core.read_namespaced_config_map("there", "default")
        assert int(seen.metadata.resource_version) == kv["mod_revision"]
        etcd.ctl("del", key)

        def gone():
            try:
                core.read_namespaced_config_map("there", "default")
            except k8s.ApiException as e:
                return e.status == 404
            return False
        eventually(gone)
    finally:
        s.stop()


def test_the_servers_store_is_shown_and_guarded():
    ports = [free_port(), free_port()]
    s = Server(["--etcd-listen=https://127.0.0.1:%d,http://127.0.0.1:%d" % tuple(ports)])
    try:
        plain = ["--endpoints=http://127.0.0.1:%d" % ports[1]]
        secure = ["--endpoints=https://127.0.0.1:%d" % ports[0], "--cacert=" + os.path.join(s.dir, "ca")]
        admin = ["--cert=" + os.path.join(s.dir, "crt"), "--key=" + os.path.join(s.dir, "key")]
        core = s.api(k8s.CoreV1Api)
        core.create_namespaced_config_map("default", {"metadata": {"name": "seen"}, "data": {"a": "1"}})
        key = "/registry/configmaps/default/seen"
        text = run_ctl(["get", key, "--print-value-only"], secure + admin)
        assert json.loads(text)["data"] == {"a": "1"}
        p = run_ctl(["get", key], secure, check=False)
        assert p.returncode != 0 and b"default/seen" not in p.stdout
        # What is written there is an object to the API server; what is none is refused.
        changed = json.loads(text)
        changed["data"] = {"a": "2"}
        run_ctl(["put", key, json.dumps(changed)], plain)
        assert core.read_namespaced_config_map("seen", "default").data == {"a": "2"}
        p = run_ctl(["put", key, "no object"], plain, check=False)
        assert b"no object of configmaps" in p.stderr
        run_ctl(["del", key], plain)
        with pytest.raises(k8s.ApiException) as e:
            core.read_namespaced_config_map("seen", "default")
        assert e.value.status == 404
    finally:
        s.stop()
