# SPDX-License-Identifier: Apache-2.0
"""skiff server --snapshot-interval: snapshots that a server makes on its own."""
import calendar
import collections
import json
import os
import re
import subprocess
import time

import pytest

from conftest import Server, eventually
from fake_s3 import BUCKET, ID, REGION, SECRET, FakeS3, Refusal

MAPS = "/api/v1/namespaces/default/configmaps"
FORM = re.compile(r"skiff-(\d{8}T\d{6}Z)-r(\d+)\.snapshot")
OLD = "skiff-20200101T000000Z-r1.snapshot"


@pytest.fixture
def servers():
    """Starts servers, and stops them all."""
    all_of_them = []

    def start(*args):
        all_of_them.append(Server(args))
        return all_of_them[-1]

    yield start
    for s in all_of_them:
        s.stop()


@pytest.fixture
def s3(monkeypatch):
    s = FakeS3()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_REGION", REGION)
    monkeypatch.setenv("no_proxy", "*")
    yield s
    s.stop()


def ours(names):
    return sorted(n for n in names if FORM.fullmatch(n))


def when(name):
    return calendar.timegm(time.strptime(FORM.fullmatch(name).group(1), "%Y%m%dT%H%M%SZ"))


def write(path, data=b""):
    with open(path, "wb") as f:
        f.write(data)


def read(path):
    with open(path, "rb") as f:
        return f.read()


def metrics(server):
    found = re.findall(r"^skiff_snapshot_(\w+) (\d+)$", server.call("GET", "/metrics").text, re.M)
    return collections.defaultdict(int, {k: int(v) for k, v in found})


def snapshot(server, *args):
    return subprocess.run([server.binary, "snapshot"] + list(args), capture_output=True, text=True,
                          timeout=60, check=False)


def test_into_a_folder_with_retention(servers, tmp_path):
    to = str(tmp_path / "a" / "b")
    os.makedirs(to)
    others = ["notes.txt", OLD + ".bak", "x" + OLD, "skiff-20200101T000000Z-r01.snapshot",
              "skiff-20201301T000000Z-r1.snapshot", "other.partial"]
    for name in others + [OLD, OLD + ".partial"]:
        write(os.path.join(to, name))
    os.mkdir(os.path.join(to, "skiff-20200102T000000Z-r1.snapshot"))  # so named, but no file
    others.append("skiff-20200102T000000Z-r1.snapshot")
    server = servers("--snapshot-interval=1s", "--snapshot-to=" + to, "--snapshot-retention=3")
    assert server.call("POST", MAPS, {"metadata": {"name": "it"}, "data": {"v": "kept"}}
                       ).status_code == 201
    seen = set()

    def six():
        seen.update(n for n in ours(os.listdir(to)) if n > OLD and n not in others)
        return len(seen) >= 6
    eventually(six, 30)
    eventually(lambda: len([n for n in ours(os.listdir(to)) if n not in others]) == 3)
    server.stop_process()
    left = [n for n in ours(os.listdir(to)) if n not in others]
    # It may have been stopped between keeping the newest and deleting the oldest.
    assert len(left) in (3, 4) and left == sorted(seen | set(left))[-len(left):]
    assert sorted(set(os.listdir(to)) - set(left)) == sorted(others)
    for n in left:
        assert os.stat(os.path.join(to, n)).st_mode & 0o777 == 0o600
    found = json.loads(snapshot(server, "list", to, "--verify", "--output=json").stdout)
    assert [f["name"] for f in found if f["state"] == "good"] == left
    for f in found[:len(left)]:
        assert when(f["name"]) == calendar.timegm(time.strptime(f["time"], "%Y-%m-%dT%H:%M:%SZ"))
        assert f["revision"] == int(FORM.fullmatch(f["name"]).group(2))
    new = os.path.join(server.dir, "data")
    os.rename(new, new + ".old")
    done = snapshot(server, "restore", os.path.join(to, left[-1]), "--data-dir=" + new)
    assert done.returncode == 0, done.stderr
    os.rename(new + ".old/pki", new + "/pki")
    server.start()
    assert server.call("GET", MAPS + "/it").json()["data"]["v"] == "kept"


def test_a_restart_changes_nothing_until_one_is_due(servers, tmp_path):
    to = str(tmp_path / "new")  # is made
    server = servers("--snapshot-interval=1h", "--snapshot-to=" + to)
    first = eventually(lambda: os.path.isdir(to) and ours(os.listdir(to)))
    assert len(first) == 1 and abs(when(first[0]) - time.time()) < 60
    size = os.stat(os.path.join(to, first[0])).st_size
    want = {"last_success_timestamp_seconds": when(first[0]), "last_bytes": size,
            "last_revision": int(FORM.fullmatch(first[0]).group(2)), "failures_total": 0}
    eventually(lambda: metrics(server) == want)
    server.stop_process()
    server.start()
    eventually(lambda: metrics(server) == want)
    assert os.listdir(to) == first
    server.stop_process()
    aged = "skiff-%s-r1.snapshot" % time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(time.time() - 3601))
    os.rename(os.path.join(to, first[0]), os.path.join(to, aged))
    server.start()
    eventually(lambda: len(ours(os.listdir(to))) == 2)


def test_failures_are_counted_and_tried_again(servers, tmp_path):
    to = str(tmp_path / "to")
    write(to)  # a file, where a folder should be
    server = servers("--snapshot-interval=10s", "--snapshot-to=" + to)
    eventually(lambda: metrics(server)["failures_total"] >= 1)
    assert "snapshot failed, trying again in 1 s: " in server.read_log()
    assert "look whether there is room" in server.read_log()
    assert server.call("GET", MAPS).status_code == 200
    assert metrics(server)["last_success_timestamp_seconds"] == 0
    os.unlink(to)
    eventually(lambda: metrics(server)["last_success_timestamp_seconds"] > 0)
    assert len(ours(os.listdir(to))) == 1


def test_round_trip_over_s3(servers, s3):
    place = "s3://%s/some/where" % BUCKET
    keep = {"some/where/mine": b"", "some/where/below/" + OLD: b"", "some/" + OLD: b""}
    s3.objects.update(keep)
    s3.objects["some/where/" + OLD] = b"x"
    # The list at the start, an upload that is refused, and one that is not.
    s3.plan = [None, Refusal(403, "AccessDenied", "not today")]
    server = servers("--snapshot-interval=3s", "--snapshot-to=" + place, "--snapshot-retention=1",
                     "--s3-endpoint=" + s3.endpoint, "--snapshot-include-pki")
    assert server.call("POST", MAPS, {"metadata": {"name": "it"}, "data": {"v": "kept"}}
                       ).status_code == 201
    eventually(lambda: metrics(server)["last_revision"] > 1, 20)
    assert metrics(server)["failures_total"] == 1
    assert "S3 answers 403 AccessDenied: not today (look at credentials" in server.read_log()
    key = next(k for k in s3.objects if k not in keep)
    assert set(s3.objects) == set(keep) | {key}
    verbs = [r[0] for r in s3.requests]
    assert verbs[:5] == ["GET", "PUT", "PUT", "GET", "DELETE"]
    eventually(lambda: len([r for r in s3.requests if r[0] == "DELETE"]) == 2, 20)  # the next one
    key = next(k for k in s3.objects if k not in keep)
    flag = "--s3-endpoint=" + s3.endpoint
    found = json.loads(snapshot(server, "list", place, "--verify", flag, "--output=json").stdout)
    assert [(f["name"], f["state"]) for f in found] == [
        (key[len("some/where/"):], "good"), ("mine", "other")]
    server.kill()
    data = os.path.join(server.dir, "data")
    assert [n for n in os.listdir(data) if "snapshot" in n] == []
    os.rename(data, data + ".old")
    done = snapshot(server, "restore", "s3://%s/%s" % (BUCKET, key), "--data-dir=" + data, flag)
    assert done.returncode == 0, done.stderr
    ca = read(server.ca)
    server.start()
    assert server.call("GET", MAPS + "/it").json()["data"]["v"] == "kept"
    assert read(server.ca) == ca
    assert SECRET not in server.read_log()


def test_what_a_place_loses_costs_no_old_ones(servers, s3):
    """It says that it has the new one, and does not have it."""
    s3.objects[OLD] = b"x"
    s3.plan = [None, "lose"]
    server = servers("--snapshot-interval=10s", "--snapshot-to=s3://" + BUCKET,
                     "--snapshot-retention=1", "--s3-endpoint=" + s3.endpoint)
    eventually(lambda: metrics(server)["failures_total"] == 1)
    assert "was taken, and is not there with its " in server.read_log()
    assert metrics(server)["last_bytes"] == 1 and set(s3.objects) == {OLD}
    eventually(lambda: metrics(server)["last_bytes"] > 1)
    assert [r[0] for r in s3.requests] == ["GET", "PUT", "GET", "PUT", "GET", "DELETE"]
    assert len(ours(s3.objects)) == 1 and OLD not in s3.objects


def test_stopped_in_the_middle(servers, s3):
    s3.plan = [None, "hang"]
    server = servers("--snapshot-interval=1h", "--snapshot-to=s3://" + BUCKET,
                     "--s3-endpoint=" + s3.endpoint)
    assert s3.hanging.wait(20)
    assert s3.requests[-1][0] == "PUT"
    data = os.path.join(server.dir, "data")
    assert len([n for n in os.listdir(data) if n.endswith(".snapshot.partial")]) == 1
    began = time.monotonic()
    server.stop_process()
    assert time.monotonic() - began < 15
    assert [n for n in os.listdir(data) if "snapshot" in n] == [] and not s3.objects


@pytest.mark.parametrize("args,says", [
    (["--snapshot-interval=1h"], "--snapshot-interval and --snapshot-to want each other"),
    (["--snapshot-to=/x"], "--snapshot-interval and --snapshot-to want each other"),
    (["--snapshot-interval=999ms", "--snapshot-to=/x"], "--snapshot-interval: not below 1s"),
    (["--snapshot-interval=1h", "--snapshot-to=/x", "--snapshot-retention=0"],
     "--snapshot-retention: from 1 to 10000"),
    (["--snapshot-interval=1h", "--snapshot-to=s3://X"], "--snapshot-to: s3://X: \"X\" is no bucket"),
    (["--snapshot-interval=1h", "--snapshot-to=s3://bucket"], "no credentials for S3"),
    (["--snapshot-interval=1h", "--snapshot-to=/x", "--etcd-servers=http://127.0.0.1:1"],
     "--etcd-servers says that it has none: run etcdctl snapshot save"),
])
def test_flags_that_are_refused(server, tmp_path, args, says):
    env = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    done = subprocess.run([server.binary, "server", "--data-dir=" + str(tmp_path / "data")] + args,
                          capture_output=True, text=True, timeout=20, check=False, env=env)
    assert done.returncode == 1 and says in done.stderr, done.stderr
