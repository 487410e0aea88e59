# SPDX-License-Identifier: Apache-2.0
"""skiff snapshot: a file of all that the store holds, and a new server made of it."""
import fcntl
import http.server
import json
import os
import shutil
import ssl
import subprocess
import threading
import time

import pytest

from conftest import Server, free_port

MAPS = "/api/v1/namespaces/default/configmaps"


def snapshot(server, *args):
    return subprocess.run([server.binary, "snapshot"] + list(args), capture_output=True, text=True,
                          timeout=60, check=False)


def config_map(name, value):
    return {"metadata": {"name": name}, "data": {"v": value}}


@pytest.fixture
def own():
    s = Server()
    yield s
    s.stop()


def saved(server, path, *args):
    done = snapshot(server, "save", path, "--data-dir=" + os.path.join(server.dir, "data"),
                    "--output=json", *args)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_save_under_writes_and_restore(own):
    for i in range(40):
        assert own.call("POST", MAPS, config_map("m%d" % i, "x" * 20000)).status_code == 201
    stop = threading.Event()

    def write():
        n = 0
        while not stop.is_set():
            n += 1
            own.call("PUT", MAPS + "/m%d" % (n % 40), config_map("m%d" % (n % 40), "n%d" % n))

    writer = threading.Thread(target=write)
    writer.start()
    path = os.path.join(own.dir, "file")
    try:
        info = saved(own, path)
    finally:
        stop.set()
        writer.join()
    assert os.stat(path).st_mode & 0o777 == 0o600
    at = own.call("GET", MAPS + "?resourceVersion=%d&resourceVersionMatch=Exact"
                  % info["revision"]).json()
    assert at["metadata"]["resourceVersion"] == str(info["revision"])
    own.kill()
    data = os.path.join(own.dir, "data")
    os.rename(data, data + ".old")
    done = snapshot(own, "restore", path, "--data-dir=" + data + "/")
    assert (done.returncode, done.stdout) == (0, "restored to revision %d\n" % info["revision"])
    shutil.copytree(data + ".old/pki", data + "/pki")
    own.start()
    names = {"m%d" % i for i in range(40)}
    now = own.call("GET", MAPS).json()
    assert [o for o in now["items"] if o["metadata"]["name"] in names] == \
        [o for o in at["items"] if o["metadata"]["name"] in names]
    assert int(now["metadata"]["resourceVersion"]) > info["revision"] + 100000
    assert own.call("GET", MAPS + "?watch=1&resourceVersion=%d" % info["revision"]
                    ).json()["object"]["code"] == 410
    assert own.call("POST", MAPS, config_map("after", "y")).status_code == 201


def test_a_new_server_that_its_clients_know(own):
    """save --include-pki, restore, start: certificates, tokens and objects are those of before."""
    name = {"metadata": {"name": "client"}}
    accounts = "/api/v1/namespaces/default/serviceaccounts"
    assert own.call("POST", MAPS, config_map("one", "1")).status_code == 201
    assert own.call("POST", accounts, name).status_code == 201
    token = own.call("POST", accounts + "/client/token", {"spec": {}}).json()["status"]["token"]
    path, data = os.path.join(own.dir, "file"), os.path.join(own.dir, "data")
    info = saved(own, path, "--include-pki")
    assert info["pki"] is True
    assert json.loads(snapshot(own, "status", path, "--output=json").stdout) == info
    one = own.call("GET", MAPS + "/one").json()
    session, old = own.session, os.path.join(own.dir, "old")
    own.kill()
    os.rename(data, old)
    assert snapshot(own, "restore", path, "--data-dir=" + data).returncode == 0
    assert sorted(os.listdir(data)) == ["pki", "store"]
    for folder in (data, data + "/pki"):
        assert os.stat(folder).st_mode & 0o777 == 0o700
    assert sorted(os.listdir(data + "/pki")) == sorted(os.listdir(old + "/pki"))
    for file in os.listdir(old + "/pki"):
        with open(old + "/pki/" + file, "rb") as was, open(data + "/pki/" + file, "rb") as now:
            assert was.read() == now.read()
        assert os.stat(data + "/pki/" + file).st_mode & 0o777 == 0o600
    own.start()
    url = own.url + MAPS + "/one"
    assert session.get(url, timeout=30).json() == one  # with the old CA and certificate
    as_account = own.as_user(token).get(own.url + "/api/v1", timeout=30)
    assert as_account.status_code == 200, as_account.text
    again = subprocess.run([own.binary, "kubectl", "--kubeconfig=" + old + "/admin.kubeconfig",
                            "get", "configmap", "one", "-n", "default", "-o", "name"],
                           capture_output=True, text=True, timeout=60, check=False)
    assert (again.returncode, again.stdout) == (0, "configmap/one\n"), again.stderr


def test_pki_is_in_the_file_only_when_asked_for(own):
    path, data = os.path.join(own.dir, "file"), os.path.join(own.dir, "data")
    assert saved(own, path)["pki"] is False
    assert snapshot(own, "restore", path, "--data-dir=" + own.dir + "/new").returncode == 0
    assert os.listdir(own.dir + "/new") == ["store"]
    done = snapshot(own, "save", path + "2", "--kubeconfig=" + own.kubeconfig, "--include-pki")
    assert done.returncode == 2 and "--include-pki is of save, and wants --data-dir" in done.stderr
    os.symlink("/etc/hostname", data + "/pki/link")
    done = snapshot(own, "save", path + "2", "--data-dir=" + data, "--include-pki")
    assert done.returncode == 1 and "pki/link is no plain file" in done.stderr, done.stderr
    assert [name for name in os.listdir(own.dir) if name.startswith("file")] == ["file"]


@pytest.mark.skipif(not shutil.which("etcdctl"), reason="etcd-client is not installed")
def test_etcds_clients_see_the_same_again():
    """Revisions, versions and leases of keys, and the leases themselves."""
    url = "http://127.0.0.1:%d" % free_port()

    def ctl(*args):
        done = subprocess.run(["etcdctl", "--endpoints=" + url, *args, "-w", "json"], timeout=30,
                              capture_output=True, check=False,
                              env=dict(os.environ, ETCDCTL_API="3"))
        assert done.returncode == 0, done.stderr.decode()
        return json.loads(done.stdout)

    s = Server(["--etcd-listen=" + url])
    try:
        lease = ctl("lease", "grant", "3600")["ID"]
        ctl("put", "/mine/first", "1")
        for value in ("a", "b", "c"):
            ctl("put", "/mine/leased", value, "--lease=%x" % lease)
        ctl("del", "/mine/first")
        ctl("put", "/mine/first", "again")
        path, data = os.path.join(s.dir, "file"), os.path.join(s.dir, "data")
        revision = saved(s, path, "--include-pki")["revision"]
        before = ctl("get", "/", "--prefix", "--rev=%d" % revision)
        leased = [kv for kv in before["kvs"] if kv.get("lease")]
        assert [(kv["version"], kv["lease"]) for kv in leased] == [(3, lease)]
        assert leased[0]["create_revision"] == leased[0]["mod_revision"] - 2
        s.kill()
        shutil.rmtree(data)
        assert snapshot(s, "restore", path, "--data-dir=" + data).returncode == 0
        s.start()
        after = ctl("get", "/", "--prefix")
        # What the server writes when it starts is newer, and nothing else.
        now = {kv["key"]: kv for kv in after["kvs"] if kv["mod_revision"] <= revision}
        was = {kv["key"]: kv for kv in before["kvs"]}
        changed = {kv["key"] for kv in after["kvs"] if kv["mod_revision"] > revision}
        assert now == {k: kv for k, kv in was.items() if k not in changed}
        assert len(now) > len(was) / 2 and leased[0]["key"] in now
        assert after["header"]["cluster_id"] != before["header"]["cluster_id"]
        assert after["header"]["member_id"] != before["header"]["member_id"]
        lives = ctl("lease", "timetolive", "%x" % lease, "--keys")
        assert lives["granted-ttl"] == 3600 and 3500 < lives["ttl"] <= 3600
        assert lives["keys"] == [leased[0]["key"]]
        ctl("lease", "revoke", "%x" % lease)
        assert "kvs" not in ctl("get", "/mine/leased")
    finally:
        s.stop()


def test_a_file_in_the_way_is_kept_and_remains_are_not(own):
    path = os.path.join(own.dir, "file")
    args = ("save", path, "--data-dir=" + os.path.join(own.dir, "data"))
    with open(path + ".partial", "w", encoding="ascii") as f:
        f.write("of somebody else")
    done = snapshot(own, *args)
    assert done.returncode == 1 and "file.partial is in the way" in done.stderr, done.stderr
    with open(path + ".partial", encoding="ascii") as f:
        assert f.read() == "of somebody else"
    with open(path + ".partial", "wb") as f:  # what a save that was killed leaves behind
        f.write(b"SKIFFBAK" + b"x" * 5000000)
        os.fchmod(f.fileno(), 0o644)
        fcntl.flock(f, fcntl.LOCK_EX)  # it still runs
        done = snapshot(own, *args)
        assert done.returncode == 1 and "is being written by another save" in done.stderr
        assert os.stat(path + ".partial").st_size == 5000008
    info = saved(own, path)
    assert sorted(n for n in os.listdir(own.dir) if n.startswith("file")) == ["file"]
    assert (os.stat(path).st_mode & 0o777, os.stat(path).st_size) == (0o600, info["bytes"])
    os.symlink(path, path + "2.partial")
    done = snapshot(own, "save", path + "2", args[2])
    assert done.returncode == 1 and "create %s2.partial: " % path in done.stderr, done.stderr
    assert json.loads(snapshot(own, "status", path, "--output=json").stdout) == info


def test_a_server_that_falls_silent(own):
    """In the middle of a snapshot: save does not wait forever, and leaves nothing."""
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "1000000")
            self.end_headers()
            self.wfile.write(b"SKIFFBAK\2\0\0\0\0\0\0\0")
            over.wait(30)

        def log_message(self, *args):
            pass

    over = threading.Event()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    pki = os.path.join(own.dir, "data", "pki")
    c.load_cert_chain(pki + "/apiserver.crt", pki + "/apiserver.key")
    server.socket = c.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        with open(own.kubeconfig, encoding="ascii") as f:
            text = f.read().replace(":%d" % own.port, ":%d" % server.server_address[1])
        config, path = os.path.join(own.dir, "config"), os.path.join(own.dir, "file")
        with open(config, "w", encoding="ascii") as f:
            f.write(text)
        done = snapshot(own, "save", path, "--kubeconfig=" + config, "--timeout=1s")
    finally:
        over.set()
        server.shutdown()
        thread.join()
        server.server_close()
    assert done.returncode == 1, done.stderr
    assert "the server has sent nothing for 1 s (--timeout)" in done.stderr, done.stderr
    assert [n for n in os.listdir(own.dir) if n.startswith("file")] == []


def test_damage_is_refused(own):
    path, new = os.path.join(own.dir, "file"), os.path.join(own.dir, "new")
    info = saved(own, path, "--include-pki")
    again = snapshot(own, "status", path, "--output=json")
    assert json.loads(again.stdout) == info
    with open(path, "rb") as f:
        good = f.read()
    for bad in (good[:-1], good[:len(good) // 2], good + b"x",
                good[:500] + bytes([good[500] ^ 1]) + good[501:],
                good[:-500] + bytes([good[-500] ^ 1]) + good[-499:]):  # of the pki
        with open(path, "wb") as f:
            f.write(bad)
        for args in (("status", path), ("restore", path, "--data-dir=" + new)):
            done = snapshot(own, *args)
            assert done.returncode == 1 and ": at byte " in done.stderr, done.stderr
        assert not os.path.exists(new)


def test_a_folder_in_use_is_refused(own):
    path = os.path.join(own.dir, "file")
    saved(own, path)
    data = os.path.join(own.dir, "data")
    before = sorted(os.listdir(data))
    done = snapshot(own, "restore", path, "--data-dir=" + data)
    assert done.returncode == 1 and "Directory not empty" in done.stderr, done.stderr
    assert sorted(os.listdir(data)) == before


def test_what_is_in_the_way_of_a_restore_is_told_and_kept(own):
    path, new = os.path.join(own.dir, "file"), os.path.join(own.dir, "new")
    saved(own, path)
    os.mkdir(new, 0o750)
    os.mkdir(new + ".restoring")
    done = snapshot(own, "restore", path, "--data-dir=" + new)
    assert done.returncode == 1 and "left it behind, to be removed" in done.stderr, done.stderr
    assert os.stat(new).st_mode & 0o777 == 0o750  # it is the folder of before
    os.rmdir(new + ".restoring")
    os.symlink(new, new + "2")
    done = snapshot(own, "restore", path, "--data-dir=" + new + "2")
    assert done.returncode == 1 and "new2 is no folder" in done.stderr, done.stderr
    assert sorted(n for n in os.listdir(own.dir) if n.startswith("new")) == ["new", "new2"]


def test_a_restore_that_is_killed_leaves_no_folder(own):
    """Whenever it is killed: the folder is not there, or whole."""
    for i in range(12):
        assert own.call("POST", MAPS, config_map("m%d" % i, "x" * 900000)).status_code == 201
    path, new = os.path.join(own.dir, "file"), os.path.join(own.dir, "new")
    saved(own, path)
    args = [own.binary, "snapshot", "restore", path, "--data-dir=" + new]
    began = time.monotonic()
    subprocess.run(args, check=True, timeout=60, stdout=subprocess.DEVNULL)
    whole = time.monotonic() - began

    def size():
        return sum(os.stat(os.path.join(new, "store", f)).st_size
                   for f in os.listdir(new + "/store") if f != "lock.mdb")
    full, killed = size(), 0
    for i in range(8):
        shutil.rmtree(new, ignore_errors=True)
        p = subprocess.Popen(args, stdout=subprocess.DEVNULL)
        time.sleep(whole * (i + 0.5) / 8)
        p.kill()
        p.wait()
        killed += not os.path.exists(new)
        assert not os.path.exists(new) or size() == full
        shutil.rmtree(new + ".restoring", ignore_errors=True)
    assert killed


def test_only_administrators(server):
    assert server.as_user(None).get(server.url + "/skiff/v1/snapshot").status_code == 403
