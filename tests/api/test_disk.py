# SPDX-License-Identifier: Apache-2.0
"""A server on a disk that is full, fails or is slow: writes fail or wait with a clear Status, reads
and watches go on, the process lives, and writing resumes when the disk does. After kill -9 all that
was acknowledged is there."""
import errno
import json
import os
import subprocess
import threading
import time

import pytest

from conftest import Server, eventually

HERE = os.path.dirname(os.path.abspath(__file__))
MAPS = "/api/v1/namespaces/default/configmaps"
BIG = "x" * 20000


@pytest.fixture(scope="session")
def shim(tmp_path_factory):
    """The preloaded library; behind the sanitizer's, which wants to be first."""
    path = str(tmp_path_factory.mktemp("shim") / "disk_shim.so")
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", path,
                    os.path.join(HERE, "disk_shim.c")], check=True)
    return path


class Disk:
    """What a server's disk does."""

    def __init__(self, folder, shim):
        self.control = os.path.join(folder, "disk")
        self.shim = shim
        self.set()

    def set(self, sync=0, write=0, delay_ms=0, name="-"):
        with open(self.control + ".new", "w", encoding="ascii") as f:
            f.write("%d %d %d %s\n" % (sync, write, delay_ms, name))
        os.rename(self.control + ".new", self.control)

    def env(self, binary):
        libs = subprocess.run(["ldd", binary], stdout=subprocess.PIPE, check=True).stdout.decode()
        first = [line.split()[2] for line in libs.splitlines() if "libasan" in line]
        return dict(os.environ, LD_PRELOAD=" ".join(first + [self.shim]), SKIFF_DISK=self.control)

    def syncs(self):
        return os.path.getsize(self.control + ".syncs")


@pytest.fixture
def disk_server(shim, tmp_path):
    disk = Disk(str(tmp_path), shim)
    s = Server(env=disk.env)
    s.disk = disk
    yield s
    disk.set()
    s.stop()


class Watch:
    """The names of the configmaps that come, in order."""

    def __init__(self, server):
        r = server.call("GET", MAPS)
        self.response = server.session.get(
            server.url + MAPS, params={"watch": "1", "timeoutSeconds": "300",
                                       "resourceVersion": r.json()["metadata"]["resourceVersion"]},
            stream=True, timeout=300)
        self.seen = []
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        try:
            for line in self.response.iter_lines():
                event = json.loads(line)
                self.seen.append((event["type"], event["object"]["metadata"]["name"]))
        except Exception:  # the server was killed
            pass

    def added(self):
        return [name for kind, name in self.seen if kind == "ADDED" and name != "small"]


def config_map(name, value=BIG):
    return {"metadata": {"name": name}, "data": {"v": value}}


def check_failed(r, reason):
    """A failed write's whole answer."""
    assert r.status_code == 500, r.text
    status = r.json()
    message = status.pop("message")
    assert message.startswith("Internal error occurred: store in ") and reason in message
    status["details"].pop("causes", None)
    assert status == {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                      "reason": "InternalError", "details": {}, "code": 500}


class Book:
    """What was written, by answer."""

    def __init__(self, server):
        self.server, self.good, self.bad = server, [], []
        assert server.call("POST", MAPS, config_map("small", "")).status_code == 201

    def write(self, reason=""):
        name = "cm-%d" % (len(self.good) + len(self.bad))
        r = self.server.call("POST", MAPS, config_map(name))
        if r.status_code == 201:
            self.good.append(name)
            return True
        check_failed(r, reason)
        self.bad.append(name)
        return False

    def write_until(self, outcome, reason="", limit=400):
        for _ in range(limit):
            if self.write(reason) == outcome:
                return
        raise AssertionError("still not %s" % outcome)

    def check(self):
        """All that was acknowledged, and nothing else; the server answers and is fine."""
        s = self.server
        r = s.call("GET", MAPS, params={"limit": "0"})
        assert r.status_code == 200
        got = {o["metadata"]["name"]: o["data"]["v"] for o in r.json()["items"]
               if o["metadata"]["name"].startswith("cm-")}
        assert sorted(got) == sorted(self.good)
        assert set(got.values()) <= {BIG}
        for name, want in ((self.good[-1:], 200), (self.bad[-1:], 404)):
            if name:
                assert s.call("GET", MAPS + "/" + name[0]).status_code == want
        for path in ("/healthz", "/livez", "/readyz"):
            assert s.call("GET", path).text == "ok"

    def check_after_kill(self):
        self.server.kill()
        self.server.start()
        self.check()


def metric(server, name):
    for line in server.call("GET", "/metrics").text.splitlines():
        if line.startswith(name + " "):
            return int(line.split()[1])
    raise AssertionError(name)


def told(server):
    """What the log says of the disk, in order: fails, works again."""
    with open(os.path.join(server.dir, "log"), encoding="utf-8") as f:
        return ["fails" if "fails: " in line else "works" for line in f
                if "writing to disk " in line]


MERGE = "application/merge-patch+json"


def patch_map(server, name, data):
    return server.call("PATCH", MAPS + "/" + name, {"data": data},
                       headers={"Content-Type": MERGE})


def check_trouble(server, book, reason):
    """While the disk does not take writes, not even small ones."""
    watch_from = len(book.good)
    for i in range(2000):  # what is left of the log takes some
        r = patch_map(server, "small", {"n": str(i)})
        if r.status_code != 200:
            break
    check_failed(r, reason)
    check_failed(server.call("DELETE", MAPS + "/" + book.good[0]), reason)
    book.check()
    assert len(book.good) == watch_from
    assert metric(server, "skiff_store_failed_commits_total") > 0
    assert told(server)[-1] == "fails"


def check_mended(server):
    """It is told when nothing has failed for a second, with the next commit."""
    eventually(lambda: patch_map(server, "small", {"n": str(time.monotonic())}).status_code == 200
               and told(server)[-1] == "works", every=0.1)


def fill(folder):
    """Leaves no room; returns the file to remove."""
    path = os.path.join(folder, "ballast")
    with open(path, "wb", buffering=0) as f:
        for size in (1 << 20, 4096):
            try:
                while True:
                    f.write(b"\0" * size)
            except OSError as e:
                assert e.errno == errno.ENOSPC
    return path


@pytest.fixture
def small_disk_server():
    if os.geteuid() != 0:
        pytest.skip("needs root to mount a tmpfs")
    mounted = []

    def mount(folder):
        os.mkdir(folder, 0o700)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m,mode=0700", "tmpfs", folder],
                       check=True)
        mounted.append(folder)

    s = Server(prepare=mount)
    yield s
    s.stop(keep=True)
    subprocess.run(["umount", mounted[0]], check=True)
    s.remove()


def test_full_disk(small_disk_server):
    s = small_disk_server
    book, watch = Book(s), Watch(s)
    for _ in range(10):
        assert book.write()
    for _ in range(2):
        ballast = fill(os.path.join(s.dir, "data"))
        book.write_until(False, "No space left on device")
        check_trouble(s, book, "No space left on device")
        os.unlink(ballast)
        book.write_until(True)
        check_mended(s)
        book.check()
    assert told(s) == ["fails", "works", "fails", "works"]
    eventually(lambda: len(watch.added()) >= len(book.good))
    assert watch.added() == book.good
    book.check_after_kill()
    assert book.write()


def test_full_disk_at_the_end(small_disk_server):
    """Killed while the disk is full, and started on it."""
    s = small_disk_server
    book = Book(s)
    for _ in range(10):
        assert book.write()
    ballast = fill(os.path.join(s.dir, "data"))
    book.write_until(False, "No space left on device")
    s.kill()
    os.unlink(ballast)
    s.start()
    book.check()
    assert book.write()


@pytest.mark.parametrize("fault", [{"sync": errno.EIO, "name": "wal"},
                                   {"write": errno.EIO, "name": "wal"},
                                   {"sync": errno.EIO, "write": errno.EIO}])
def test_io_errors(disk_server, fault):
    s = disk_server
    book, watch = Book(s), Watch(s)
    for _ in range(3):
        assert book.write()
    s.disk.set(**fault)
    for _ in range(5):
        assert not book.write("Input/output error")
    check_trouble(s, book, "Input/output error")
    s.disk.set()
    for _ in range(3):
        assert book.write()
    check_mended(s)
    assert told(s) == ["fails", "works"]
    eventually(lambda: len(watch.added()) >= len(book.good))
    assert watch.added() == book.good
    check_controllers(s)
    book.check_after_kill()
    assert book.write()


def check_controllers(s):
    """They work, or work again."""
    body = {"metadata": {"name": "d"}, "spec": {
        "replicas": 1, "selector": {"matchLabels": {"a": "d"}},
        "template": {"metadata": {"labels": {"a": "d"}},
                     "spec": {"containers": [{"name": "c", "image": "i"}]}}}}
    path = "/apis/apps/v1/namespaces/default/deployments"
    assert s.call("POST", path, body).status_code == 201
    eventually(lambda: s.call("GET", path + "/d").json().get("status", {})
               .get("unavailableReplicas") == 1, 20)


def test_checkpoints_fail(disk_server):
    """The log takes writes, LMDB's file does not: known from the first failure, an error when the
    log is full, and nothing is lost."""
    s = disk_server
    book, watch = Book(s), Watch(s)
    s.disk.set(write=errno.ENOSPC, name="data.mdb")
    for _ in range(400):
        assert book.write()
        if told(s):
            break
    assert told(s) == ["fails"]
    assert metric(s, "skiff_store_failed_commits_total") == 0
    book.write_until(False, "No space left on device")
    check_trouble(s, book, "No space left on device")
    s.disk.set()
    assert book.write()
    check_mended(s)
    assert told(s) == ["fails", "works"]
    eventually(lambda: len(watch.added()) >= len(book.good))
    assert watch.added() == book.good
    s.disk.set(write=errno.EIO, name="data.mdb")
    book.write_until(False, "Input/output error")
    s.disk.set()
    book.check_after_kill()
    assert book.write()


def test_slow_disk(disk_server):
    """A sync of three seconds: writes wait and succeed, everything else goes on."""
    s = disk_server
    assert s.call("POST", MAPS, config_map("before")).status_code == 201
    watch = Watch(s)
    assert patch_map(s, "before", {"v": "1"}).status_code == 200
    answers = []

    def write(name, **params):
        began = time.monotonic()
        session = s.as_user(None)  # requests' sessions are not for several threads
        session.cert = s.session.cert
        r = session.post(s.url + MAPS, json=config_map(name, "1"), params=params, timeout=60)
        answers.append((name, r, time.monotonic() - began))

    s.disk.set(delay_ms=3000)
    began = time.monotonic()
    threads = [threading.Thread(target=write, args=("slow-%d" % i,)) for i in range(4)]
    threads.append(threading.Thread(target=write, args=("late",), kwargs={"timeout": "1s"}))
    for t in threads:
        t.start()
    slowest = 0
    while time.monotonic() - began < 2.5:
        at = time.monotonic()
        assert s.call("GET", MAPS + "/before").json()["data"]["v"] == "1"
        assert len(s.call("GET", MAPS, params={"labelSelector": "a=b"}).json()["items"]) == 0
        assert s.call("GET", "/readyz").text == "ok"
        slowest = max(slowest, time.monotonic() - at)
    assert slowest < 1
    assert watch.seen == [("MODIFIED", "before")]
    for t in threads:
        t.join()
    s.disk.set()
    for name, r, took in answers:
        if name == "late":
            assert r.status_code == 504 and took < 2.5
            assert r.json()["reason"] == "Timeout", r.text
        else:
            assert r.status_code == 201 and took >= 2.9
    eventually(lambda: len(watch.seen) >= 5)
    assert told(s) == []
    check_controllers(s)


LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
EVENTS = "/api/v1/namespaces/default/events"


def lease(name, renewed=0, holder="me"):
    return {"metadata": {"name": name}, "spec": {
        "holderIdentity": holder, "leaseDurationSeconds": 40,
        "renewTime": "2026-01-01T00:%02d:%02d.000000Z" % divmod(renewed, 60)}}


def event(count, **changes):
    return dict({"metadata": {"name": "e", "namespace": "default"}, "reason": "Seen",
                 "message": "it was seen", "type": "Normal", "count": count,
                 "firstTimestamp": "2026-01-01T00:00:00Z",
                 "lastTimestamp": "2026-01-01T00:00:%02dZ" % count,
                 "involvedObject": {"kind": "Node", "name": "n"}}, **changes)


def is_lazy(server, method, path, body, kind="application/json"):
    """True if the write did not wait for the disk, by the store's own count; it is seen at once."""
    before = metric(server, "skiff_store_lazy_transactions_total")
    r = server.call(method, path, body, headers={"Content-Type": kind})
    assert r.status_code in (200, 201), r.text
    after = metric(server, "skiff_store_lazy_transactions_total")
    if r.json().get("kind") != "Status":
        got = server.call("GET", path if method != "POST" else
                          path + "/" + body["metadata"]["name"])
        assert got.json() == r.json()
    return after == before + 1


def test_repeats_are_lazy_and_nothing_else_is(own_server):
    s = own_server
    assert not is_lazy(s, "POST", EVENTS, event(1))
    assert is_lazy(s, "PUT", EVENTS + "/e", event(2))
    assert is_lazy(s, "PATCH", EVENTS + "/e", {
        "count": 3, "lastTimestamp": "2026-01-01T00:00:03Z"}, MERGE)
    assert is_lazy(s, "PATCH", EVENTS + "/e", {
        "series": {"count": 4, "lastObservedTime": "2026-01-01T00:00:04.000000Z"}}, MERGE)
    assert is_lazy(s, "PATCH", "/apis/events.k8s.io/v1/namespaces/default/events/e", {
        "series": {"count": 5}}, MERGE)
    assert not is_lazy(s, "PATCH", EVENTS + "/e", {"count": 6, "message": "other"}, MERGE)
    assert not is_lazy(s, "PATCH", EVENTS + "/e", {"metadata": {"labels": {"a": "b"}}}, MERGE)
    assert not is_lazy(s, "POST", LEASES, lease("l"))
    assert is_lazy(s, "PATCH", LEASES + "/l", lease("l", 1), MERGE)
    assert not is_lazy(s, "PATCH", LEASES + "/l", lease("l", 2, holder="other"), MERGE)
    assert not is_lazy(s, "PUT", LEASES + "/m", lease("m"))  # makes it
    assert not is_lazy(s, "DELETE", LEASES + "/m", None)
    assert is_lazy(s, "PATCH", EVENTS + "/e", {"count": 7}, MERGE)
    s.process.terminate()  # an orderly stop keeps them
    assert s.process.wait(30) == 0
    s.start()
    assert s.call("GET", EVENTS + "/e").json()["count"] == 7
    assert s.call("GET", EVENTS + "/e").json()["series"]["count"] == 5


def test_idle_server_commits_once_in_five_seconds(disk_server):
    """With the Leases of some nodes renewed all the time."""
    s = disk_server
    for i in range(5):
        assert s.call("POST", LEASES, lease("n%d" % i)).status_code == 201
    times, last, began, n = [], s.disk.syncs(), time.monotonic(), 0
    lazy = metric(s, "skiff_store_lazy_transactions_total")
    while time.monotonic() - began < 11.5:
        n += 1
        for i in range(5):
            assert s.call("PATCH", LEASES + "/n%d" % i, lease("n%d" % i, n),
                          headers={"Content-Type": MERGE}).status_code == 200
        end = began + n * 0.5
        while time.monotonic() < end:
            if s.disk.syncs() > last:
                times.append(time.monotonic())
                last += 1
            time.sleep(0.01)
    assert metric(s, "skiff_store_lazy_transactions_total") == lazy + 5 * n
    assert len(times) >= 2 and all(b - a > 4.9 for a, b in zip(times, times[1:])), times


def test_kill_loses_heartbeats_only(disk_server):
    """Acknowledged writes between heartbeats, and the server killed among them."""
    s = disk_server
    assert s.call("POST", LEASES, lease("l")).status_code == 201
    assert s.call("POST", EVENTS, event(1)).status_code == 201
    for turn in range(3):
        done = []

        def beat(turn=turn):
            session = s.as_user(None)
            session.cert = s.session.cert
            try:
                for n in range(2, 10000):
                    session.patch(s.url + LEASES + "/l", json=lease("l", n % 3600), timeout=5,
                                  headers={"Content-Type": MERGE})
                    session.put(s.url + EVENTS + "/e", json=event(n % 60), timeout=5)
            except OSError:  # killed
                pass

        def write(turn=turn):
            session = s.as_user(None)
            session.cert = s.session.cert
            try:
                for n in range(10000):
                    name = "w-%d-%d" % (turn, n)
                    r = session.post(s.url + MAPS, json=config_map(name, "1"), timeout=5)
                    if r.status_code == 201:
                        done.append((name, r.json()["metadata"]["resourceVersion"]))
            except OSError:
                pass

        threads = [threading.Thread(target=beat), threading.Thread(target=write)]
        for t in threads:
            t.start()
        eventually(lambda: len(done) > 30 + 20 * turn)
        s.kill()
        for t in threads:
            t.join()
        s.start()
        r = s.call("GET", MAPS).json()
        got = {o["metadata"]["name"]: o["metadata"]["resourceVersion"] for o in r["items"]}
        assert [w for w in done if got.get(w[0]) != w[1]] == []
        assert int(r["metadata"]["resourceVersion"]) > int(done[-1][1])
        assert s.call("GET", LEASES + "/l").json()["spec"]["holderIdentity"] == "me"
