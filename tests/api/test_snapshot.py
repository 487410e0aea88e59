# SPDX-License-Identifier: Apache-2.0
"""skiff snapshot: a file of all that the store holds, and a new server made of it."""
import json
import os
import shutil
import subprocess
import threading

import pytest

from conftest import Server

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


def saved(server, path):
    done = snapshot(server, "save", path, "--data-dir=" + os.path.join(server.dir, "data"),
                    "--output=json")
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
    done = snapshot(own, "restore", path, "--data-dir=" + data)
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


def test_damage_is_refused(own):
    path, new = os.path.join(own.dir, "file"), os.path.join(own.dir, "new")
    info = saved(own, path)
    again = snapshot(own, "status", path, "--output=json")
    assert json.loads(again.stdout) == info
    with open(path, "rb") as f:
        good = f.read()
    for bad in (good[:-1], good[:len(good) // 2], good + b"x",
                good[:500] + bytes([good[500] ^ 1]) + good[501:]):
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


def test_only_administrators(server):
    assert server.as_user(None).get(server.url + "/skiff/v1/snapshot").status_code == 403
