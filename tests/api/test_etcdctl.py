# SPDX-License-Identifier: Apache-2.0
"""The same commands of Debian's etcdctl against Debian's etcd and ours: what is printed must be the same."""
import json
import os
import re
import shutil
import signal
import subprocess

import pytest
import requests
from conftest import eventually, free_port
from test_etcd_server import Etcd, skiff_etcd

pytestmark = pytest.mark.skipif(not shutil.which("etcdctl"), reason="etcd-client is not installed")
needs_etcd = pytest.mark.skipif(not shutil.which("etcd"), reason="etcd-server is not installed")


def theirs_command(e):
    return ["etcd", "--name=one", "--data-dir", os.path.join(e.dir, "data"), "--listen-client-urls", e.url,
            "--advertise-client-urls", e.url, "--listen-peer-urls", "http://127.0.0.1:%d" % free_port()]


@pytest.fixture(scope="module")
def pair():
    """(Debian's, ours) with the same history."""
    if not shutil.which("etcd"):
        pytest.skip("etcd-server is not installed")
    both = (Etcd(theirs_command), Etcd(skiff_etcd))
    for e in both:
        for key, value in (("a", "1"), ("a/b", "22"), ("a/c", "1"), ("b", "\u00fc\x01"), ("a", "3"), ("c", "0")):
            e.ctl("put", key, value)
        e.ctl("put", "a/b", "222")
        e.ctl("del", "c")
        e.ctl("put", "c", "again")
    yield both
    for e in both:
        e.close()


# Who answers, and at which term of which election.
OWN = [(rb'"(cluster_id|member_id|raft_term)":\d+', b""), (rb'"(ClusterID|MemberID|RaftTerm)" : \d+', b""),
       (rb"http://127.0.0.1:\d+", b"URL")]


def said(e, args, stdin=None):
    p = e.ctl(*args, stdin=stdin, check=False)
    out, err = p.stdout, p.stderr
    if b"-wprotobuf" in [a.encode() for a in args]:
        out = out[2 + out[1]:]  # behind the header, its first field
    for pattern, by in OWN:
        out, err = re.sub(pattern, by, out), re.sub(pattern, by, err)
    # etcdctl's log lines have the time in them
    err = b"\n".join(line for line in err.split(b"\n") if not line.startswith(b'{"level"'))
    return p.returncode, out, err


GETS = ["a", "none", "a --prefix", "'' --prefix", "a --from-key", "a b", "a --prefix --limit=2", "'' --prefix --limit=1 -wjson",
        "a --prefix --order=DESCEND", "'' --prefix --sort-by=CREATE", "'' --prefix --sort-by=MODIFY --order=DESCEND",
        "'' --prefix --sort-by=VALUE", "'' --prefix --sort-by=VERSION --order=DESCEND", "'' --prefix --sort-by=KEY --order=ASCEND",
        "'' --prefix --sort-by=KEY --order=DESCEND --limit=2", "'' --prefix --sort-by=VALUE --keys-only --limit=3",
        "a --rev=2", "a --rev=5", "'' --prefix --rev=4", "c --rev=9", "c --rev=7", "a --rev=1000", "a --rev=-1", "'' --prefix --keys-only",
        "'' --prefix --print-value-only", "a --consistency=s", "a --consistency=l", "a --consistency=x", "b --hex", "b --hex --print-value-only",
        "'' --prefix -wjson", "a --prefix -wfields", "a --prefix -wtable", "a -wsimple", "'' --prefix -wprotobuf",
        "a -wnothing", "a --prefix --from-key", "a b --prefix", "a --sort-by=X", "a --order=X", "--prefix", "'' --from-key"]


@needs_etcd
@pytest.mark.parametrize("args", GETS)
def test_get(pair, args):
    words = ["get"] + [a if a != "''" else "" for a in args.split(" ")]
    theirs, ours = (said(e, words) for e in pair)
    assert ours == theirs


# Each changes what the next sees.
STEPS = [
    (["put", "x", "1"], None), (["put", "x", "2", "--prev-kv"], None), (["put", "x", "--ignore-value"], None),
    (["put", "none", "--ignore-value"], None), (["put", "x", "3", "--ignore-lease"], None), (["put", "", "v"], None),
    (["put", "x", "4", "-wjson", "--prev-kv"], None), (["put", "y", "5", "-wfields"], None), (["put", "z"], b"from stdin"),
    (["put", "x", "--lease=77"], b"v"), (["get", "x", "-wjson"], None),
    (["txn"], b'value("x") = "4"\ncreate("x") > "1"\nmod("x") != "1"\nversion("x") < "100"\n\n'
              b'put t 1\nget x y\ndel y\n\nget none\n\n'),
    (["txn", "-wjson"], b'value("x") > "4"\n\nput t 2\n\nget x\nget --prefix ""\n\n'),
    (["txn"], b'version("nothing") = "0"\n\nget t\nput t 5 --prev-kv\n\n\n'),
    (["txn"], b'what("x") = "x"\n\nget t\n\n\n'),
    (["txn"], b"\nput k 1\nput k 2\n\n\n"), (["txn"], b"\nput k 1\ndel --prefix k\n\n\n"), (["txn"], b"\n\n\n"),
    (["del", "none"], None), (["del", "x", "--prev-kv"], None), (["del", "a", "b", "-wjson"], None),
    (["del", "q", "--from-key", "--prev-kv"], None), (["del", ""], None), (["get", "", "--prefix", "-wjson"], None),
    (["lease", "grant", "100", "--xyz"], None), (["lease", "grant", "99999999999"], None),
    (["lease", "revoke", "1234"], None), (["lease", "timetolive", "1234"], None), (["lease", "timetolive", "1234", "--keys", "-wjson"], None),
    (["lease", "keep-alive", "--once", "1234"], None), (["lease", "list"], None), (["lease", "list", "-wjson"], None),
    (["compact", "5"], None), (["compact", "5"], None), (["compact", "500"], None), (["get", "a", "--rev=4"], None),
    (["get", "", "--prefix", "--rev=5", "-wjson"], None), (["compact", "8", "--physical"], None),
    (["watch", "a", "--rev=3"], None),
    (["alarm", "list"], None), (["alarm", "disarm"], None), (["move-leader", "1"], None),
    (["endpoint", "hashkv", "-wfields"], None),
    (["auth", "disable"], None), (["auth", "enable"], None),
    (["member", "remove", "1"], None), (["member", "promote", "1"], None),
    (["defrag"], None), (["get", "", "--prefix", "-wjson"], None), (["endpoint", "hashkv", "-wfields"], None),
]


@needs_etcd
def test_a_history_of_commands(pair):
    for args, stdin in STEPS:
        theirs, ours = (said(e, args, stdin) for e in pair)
        assert ours == theirs, "etcdctl " + " ".join(args)


@needs_etcd
def test_watches(pair):
    """Of history: what they print before they are ended."""
    got = []
    for e in pair:
        for i in range(3):
            e.ctl("put", "w/%d" % i, "v%d" % i)
        e.ctl("put", "w/1", "again")
        e.ctl("del", "w/", "--prefix")
        first = e.json("get", "none")["header"]["revision"] - 4
        lines = []
        for n, args in ((13, ["w/1", "w/3"]), (29, ["w/", "--prefix", "--prev-kv"]), (6, ["w/0", "--hex"]), (1, ["w/0", "-wjson"])):
            args = ["watch", "--rev=%d" % first] + args
            p = subprocess.Popen(["etcdctl", "--endpoints=" + e.url] + args, env=dict(os.environ, ETCDCTL_API="3"),
                                 stdout=subprocess.PIPE)
            told = []
            while len(told) < n:
                told.append(p.stdout.readline())
            p.kill()
            p.wait()
            p.stdout.close()
            if args[-1] == "-wjson":
                told = [json.loads(t)["Events"] for t in told]
            lines.append(told)
        got.append(lines)
    assert got[1] == got[0]


@needs_etcd
def test_an_interactive_watch(pair):
    got = []
    for e in pair:
        p = subprocess.Popen(["etcdctl", "--endpoints=" + e.url, "watch", "-i"], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, env=dict(os.environ, ETCDCTL_API="3"))
        e.ctl("put", "i/1", "one")
        first = e.json("get", "i/1")["kvs"][0]["mod_revision"]
        p.stdin.write(b"watch i/1 --rev=%d\nwatch i/2 --rev=%d -- echo changed\nprogress\n" % (first, first))
        p.stdin.flush()
        told = sorted(p.stdout.readline() for _ in range(3))
        e.ctl("put", "i/2", "two")
        told += [p.stdout.readline() for _ in range(4)]
        p.kill()
        p.wait()
        p.stdin.close()
        p.stdout.close()
        got.append([t for t in told if b"progress notify" not in t])
    assert got[1] == got[0]


@needs_etcd
def test_a_mirror(pair):
    """From Debian's etcd into ours and back, as one would move."""
    for source, target, prefix in ((pair[0], pair[1], "m0/"), (pair[1], pair[0], "m1/")):
        for i in range(20):
            source.ctl("put", "%s%02d" % (prefix, i), "v%d" % i)
        p = subprocess.Popen(["etcdctl", "--endpoints=" + source.url, "make-mirror", "--prefix=" + prefix,
                              "--dest-prefix=copy/" + prefix, target.url.replace("http://", "")],
                             env=dict(os.environ, ETCDCTL_API="3"), stdout=subprocess.DEVNULL)
        try:
            def there():
                return target.ctl("get", "copy/" + prefix, "--prefix", "--print-value-only").split()
            eventually(lambda: len(there()) == 20, 20, 0.1)
            source.ctl("put", prefix + "20", "late")
            source.ctl("del", prefix + "00")
            want = ["v%d" % i for i in range(1, 20)] + ["late"]
            eventually(lambda: there() == want, 20, 0.1)
        finally:
            p.kill()
            p.wait()


@pytest.fixture
def etcd():
    e = Etcd(skiff_etcd)
    yield e
    e.close()


def status_of(e):
    return e.json("endpoint", "status")[0]["Status"]


def fill(e, n, size):
    """Writes until a put is refused, at most @n times; what it said then."""
    for i in range(n):
        p = e.ctl("put", "fill/%04d" % i, stdin=b"x" * size, check=False)
        if p.returncode:
            return i, p.stderr.decode()
    raise AssertionError("%d puts went through" % n)


def test_no_space():
    """The quota, its alarm, and the way out that etcd's handbook gives."""
    quota = 4 << 20
    e = Etcd(lambda e: skiff_etcd(e) + ["--quota-backend-bytes=%d" % quota])
    try:
        n, text = fill(e, 100, 256 << 10)
        assert "etcdserver: mvcc: database space exceeded" in text
        assert 4 <= n <= 16
        member = status_of(e)["header"]["member_id"]
        eventually(lambda: e.ctl("alarm", "list") == "memberID:%d alarm:NOSPACE \n" % member)
        # Small writes, transactions that write and leases are refused too; reads and deletions are not.
        for args, stdin in ((["put", "a", "1"], None), (["txn"], b"\nput a 1\n\n\n"), (["lease", "grant", "9"], None)):
            assert b"etcdserver: mvcc: database space exceeded" in e.ctl(*args, stdin=stdin, check=False).stderr
        r = requests.get(e.url + "/health", timeout=5)
        assert (r.status_code, r.json()) == (503, {"health": "false", "reason": "ALARM NOSPACE"})
        assert requests.get(e.url + "/health?exclude=NOSPACE", timeout=5).json()["health"] == "true"
        assert len(e.ctl("get", "fill/0000", "--print-value-only")) == (256 << 10) + 1
        assert e.ctl("del", "fill/", "--prefix") == "%d\n" % n
        revision = e.json("get", "x")["header"]["revision"]
        e.ctl("compact", str(revision), "--physical")
        assert e.ctl("defrag").startswith("Finished defragmenting etcd member[")
        assert e.ctl("alarm", "disarm") == "memberID:%d alarm:NOSPACE \n" % member
        assert e.ctl("alarm", "list") == ""
        assert e.ctl("put", "a", "1") == "OK\n"
        assert requests.get(e.url + "/health", timeout=5).json() == {"health": "true", "reason": ""}
    finally:
        e.close()


def test_defragmentation(etcd):
    """The file shrinks, the data stays, and a watch goes on."""
    for i in range(60):
        etcd.ctl("put", "big/%02d" % i, stdin=b"%d" % i + b"x" * (128 << 10))
    for i in range(20):
        etcd.ctl("put", "small/%d" % i, "v%d" % i)
    watch = subprocess.Popen(["etcdctl", "--endpoints=" + etcd.url, "watch", "late"], stdout=subprocess.PIPE,
                             env=dict(os.environ, ETCDCTL_API="3"))
    try:
        eventually(lambda: "etcd_debugging_mvcc_watcher_total 1\n" in requests.get(etcd.url + "/metrics", timeout=5).text)
        lease = etcd.ctl("lease", "grant", "500").split()[1]
        etcd.ctl("put", "--lease=" + lease, "leased", "v")
        etcd.ctl("del", "big/", "--prefix")
        etcd.ctl("compact", str(etcd.json("get", "x")["header"]["revision"]), "--physical")

        def freed():
            s = status_of(etcd)
            return s["dbSizeInUse"] < s["dbSize"] // 2
        eventually(freed, 20, 0.1)
        before, data = status_of(etcd), etcd.json("get", "", "--prefix")
        hashed = etcd.json("endpoint", "hashkv")[0]["HashKV"]["hash"]
        assert etcd.ctl("defrag").startswith("Finished defragmenting etcd member[")
        after = status_of(etcd)
        assert after["dbSize"] < before["dbSize"] // 2
        assert etcd.json("get", "", "--prefix") == data
        assert etcd.json("endpoint", "hashkv")[0]["HashKV"]["hash"] == hashed
        etcd.ctl("put", "late", "1")
        assert [watch.stdout.readline().strip() for _ in range(3)] == [b"PUT", b"late", b"1"]
        # And it is all there after a kill.
        data = etcd.json("get", "", "--prefix")
        etcd.kill()
        etcd.start()
        again = etcd.json("get", "", "--prefix")
        assert again["kvs"] == data["kvs"]
        assert "attached keys([leased])" in etcd.ctl("lease", "timetolive", lease, "--keys")
    finally:
        watch.send_signal(signal.SIGKILL)
        watch.wait()
        watch.stdout.close()


def anonymous_bytes(e):
    """Memory of the process that is no file's."""
    with open("/proc/%d/status" % e.process.pid, encoding="utf-8") as f:
        return int(re.search(r"RssAnon:\s+(\d+) kB", f.read()).group(1)) * 1024


def watchers(e):
    text = requests.get(e.url + "/metrics", timeout=5).text
    return int(re.search(r"^etcd_debugging_mvcc_watcher_total (\d+)$", text, re.M).group(1))


@pytest.mark.parametrize("compacted", [False, True])
def test_a_watch_that_is_not_read(compacted):
    """It takes no memory, holds up nobody, and gets all that it missed; or is told that it is compacted."""
    e = Etcd(lambda e: ["env", "ASAN_OPTIONS=quarantine_size_mb=1"] + skiff_etcd(e))
    watches = []
    try:
        for key in ("big", "small"):
            watches.append(subprocess.Popen(["etcdctl", "--endpoints=" + e.url, "watch", key],
                                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                            env=dict(os.environ, ETCDCTL_API="3")))
        slow, quick = watches
        eventually(lambda: watchers(e) == 2)
        slow.send_signal(signal.SIGSTOP)
        value = b"x" * (1 << 20)
        e.ctl("put", "big", stdin=b"0" + value)
        before = anonymous_bytes(e)
        for i in range(1, 50):
            e.ctl("put", "big", stdin=b"%d" % i + value)
            if i % 10 == 0:
                e.ctl("put", "small", str(i))
                assert [quick.stdout.readline() for _ in range(3)] == [b"PUT\n", b"small\n", b"%d\n" % i]
        assert anonymous_bytes(e) - before < 20 << 20
        if compacted:
            e.ctl("compact", str(e.json("get", "none")["header"]["revision"]), "--physical")
        slow.send_signal(signal.SIGCONT)
        got = []
        while len(got) < 50:
            line = slow.stdout.readline()
            if line[:1].isdigit():
                got.append(int(line.rstrip(b"\n").rstrip(b"x")))
            if not line or b"compacted" in line:
                break
        assert got == list(range(len(got)))
        assert compacted == (len(got) < 50)
        if compacted:
            assert b"required revision has been compacted" in line
    finally:
        for w in watches:
            w.kill()
            w.wait()
            w.stdout.close()
        e.close()
