# SPDX-License-Identifier: Apache-2.0
"""skiff snapshot with S3, and its list, against a service that checks signatures on its own."""
import datetime
import ipaddress
import json
import os
import re
import shutil
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from fake_s3 import BUCKET, ID, SECRET, TOKEN, FakeS3, Refusal

MAPS = "/api/v1/namespaces/default/configmaps"
URL = "s3://%s/" % BUCKET


@pytest.fixture
def s3():
    s = FakeS3()
    yield s
    s.stop()


@pytest.fixture(scope="module")
def file(server, tmp_path_factory):
    """A snapshot, its bytes, and what `save` said of it."""
    path = str(tmp_path_factory.mktemp("snapshot") / "file")
    done = run(server, "save", path, "--data-dir=" + os.path.join(server.dir, "data"),
               "--output=json")
    assert done.returncode == 0, done.stderr
    with open(path, "rb") as f:
        return path, f.read(), json.loads(done.stdout)


def run(server, *args, env=None):
    return subprocess.run([server.binary, "snapshot"] + list(args), capture_output=True, text=True,
                          timeout=60, check=False, env=env)


def ask(server, s3, *args, **env):
    args = list(args)
    if not any(a.startswith("--s3-endpoint") for a in args):
        args.append("--s3-endpoint=" + s3.endpoint)
    done = run(server, *args, env=s3.env(**env))
    assert SECRET not in done.stdout + done.stderr and TOKEN not in done.stdout + done.stderr
    return done


def listed(done):
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_saved_to_s3_and_restored_from_it(own_server, s3):
    own = own_server
    data = os.path.join(own.dir, "data")
    for name in "it", "more", "most":
        assert own.call("POST", MAPS, {"metadata": {"name": name}, "data": {"v": "y" * 900000}}
                        ).status_code == 201
    key = "a folder/ä+b=c&d.snapshot"
    s3.plan = [Refusal(503, "SlowDown", "too fast")]
    done = ask(own, s3, "save", URL + key, "--data-dir=" + data, "--output=json")
    assert done.returncode == 0, done.stderr
    info = json.loads(done.stdout)
    assert list(s3.objects) == [key] and len(s3.objects[key]) == info["bytes"] > 2700000
    assert s3.requests == [("PUT", key)] * 2
    again = ask(own, s3, "status", URL + key, "--output=json")
    assert (again.returncode, json.loads(again.stdout)) == (0, info)
    own.kill()
    os.rename(data, data + ".old")
    done = ask(own, s3, "restore", URL + key, "--data-dir=" + data)
    assert (done.returncode, done.stdout) == (0, "restored to revision %d\n" % info["revision"])
    # Nothing is left beside it.
    assert [n for n in os.listdir(own.dir) if "snapshot" in n or n.startswith("data.r")] == []
    if not os.path.exists(data + "/pki"):
        shutil.copytree(data + ".old/pki", data + "/pki")
    own.start()
    assert own.call("GET", MAPS + "/it").json()["data"]["v"] == "y" * 900000


@pytest.mark.parametrize("end", ["/", "//"])
def test_restored_into_a_folder_with_a_slash_behind_it(server, s3, file, tmp_path, end):
    s3.objects["k"] = file[1]
    done = ask(server, s3, "restore", URL + "k", "--data-dir=" + str(tmp_path / "new") + end)
    assert (done.returncode, done.stderr) == (0, "")
    assert os.listdir(str(tmp_path)) == ["new"] and os.listdir(str(tmp_path / "new")) == ["store"]


def test_what_may_pass_is_tried_again(server, s3, file):
    s3.objects["k"] = file[1]
    s3.plan = [Refusal(500, "InternalError", "oops"), Refusal(503, "SlowDown", "too fast")]
    done = ask(server, s3, "status", URL + "k", "--output=json")
    assert (done.returncode, json.loads(done.stdout)) == (0, file[2])
    assert s3.requests == [("GET", "k")] * 3
    # A body that ends too early, and one that does not begin.
    s3.plan = ["truncate", "hang"]
    done = ask(server, s3, "status", URL + "k", "--output=json", "--s3-timeout=1s")
    assert (done.returncode, json.loads(done.stdout)) == (0, file[2])
    assert s3.requests == [("GET", "k")] * 6


def test_what_does_not_pass_is_said(server, s3):
    s3.plan = [Refusal(503, "SlowDown", "Please reduce your request rate.")] * 5
    done = ask(server, s3, "list", URL)
    assert done.returncode == 1 and len(s3.requests) == 4
    assert done.stderr.endswith("4 times: S3 answers 503 SlowDown: Please reduce your request rate.\n")


@pytest.mark.parametrize("args,env,says", [
    ([], {"AWS_SECRET_ACCESS_KEY": "wrong"}, "S3 answers 403 SignatureDoesNotMatch: the signature"),
    ([], {"AWS_ACCESS_KEY_ID": "wrong"}, "S3 answers 403 InvalidAccessKeyId: no such key"),
    (["--s3-region=elsewhere"], {}, "S3 answers 400 AuthorizationHeaderMalformed: expecting eu-test-1"),
])
def test_refusals_are_not_tried_again(server, s3, args, env, says):
    done = ask(server, s3, "status", URL + "k", *args, **env)
    assert done.returncode == 1 and says in done.stderr, done.stderr
    assert len(s3.requests) == 1


def test_a_wrong_clock_is_explained(server, s3):
    s3.plan = [Refusal(403, "RequestTimeTooSkewed", "The difference is too large.")]
    done = ask(server, s3, "status", URL + "k")
    assert done.returncode == 1 and len(s3.requests) == 1
    assert re.search(r"S3 answers 403 RequestTimeTooSkewed: this machine's clock says "
                     r"\d{8}T\d{6}Z; set it right\n$", done.stderr), done.stderr


def test_a_list_without_end(server, s3):
    s3.plan = [b"<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t"
               b"</NextContinuationToken></ListBucketResult>"] * 9
    done = ask(server, s3, "list", "s3://" + BUCKET)
    assert done.returncode == 1 and "goes on where it began" in done.stderr, done.stderr
    assert len(s3.requests) == 2


def test_redirects_are_not_followed(server, s3):
    s3.plan = ["redirect"]
    done = ask(server, s3, "status", URL + "k")
    assert done.returncode == 1 and "S3 sends elsewhere (307 )" in done.stderr, done.stderr
    assert s3.requests == [("GET", "k")]


def test_missing_and_damaged_objects(server, s3, file):
    new = os.path.join(server.dir, "new")
    done = ask(server, s3, "restore", URL + "k", "--data-dir=" + new)
    assert done.returncode == 1 and "S3 answers 404 NoSuchKey: The specified key" in done.stderr
    for bad in (file[1][:-1], file[1][:500] + bytes([file[1][500] ^ 1]) + file[1][501:]):
        s3.objects["k"] = bad
        done = ask(server, s3, "restore", URL + "k", "--data-dir=" + new)
        assert done.returncode == 1 and URL + "k: at byte " in done.stderr, done.stderr
    assert not os.path.exists(new)


def test_hosts_named_after_the_bucket(server, s3, file):
    s3.objects["k"] = file[1]
    for style in ("", "--s3-path-style"):
        done = ask(server, s3, "status", URL + "k", "--output=json", *filter(None, [
            "--s3-endpoint=http://s3.localhost:%d" % s3.port, style]))
        assert (done.returncode, done.stderr) == (0, "")
        assert json.loads(done.stdout) == file[2]


def test_credentials(server, s3, file, tmp_path):
    s3.objects["k"] = file[1]
    s3.token = TOKEN
    done = ask(server, s3, "status", URL + "k")
    assert done.returncode == 1 and "403 InvalidToken" in done.stderr
    assert ask(server, s3, "status", URL + "k", AWS_SESSION_TOKEN=TOKEN).returncode == 0
    path = str(tmp_path / "credentials")
    with open(path, "w", encoding="utf-8") as f:
        f.write("[other]\naws_access_key_id = x\n\n[default]\naws_access_key_id = %s\n"
                "aws_secret_access_key = %s\naws_session_token = %s\n" % (ID, SECRET, TOKEN))
    none = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
    for mode, ok in ((0o644, False), (0o640, False), (0o620, False), (0o600, True), (0o400, True)):
        os.chmod(path, mode)
        done = ask(server, s3, "status", URL + "k", "--s3-credentials-file=" + path, **none)
        assert done.returncode == (0 if ok else 1), done.stderr
        assert ok or "is open to others than its owner: chmod 600 it" in done.stderr
    done = ask(server, s3, "status", URL + "k", **none)
    assert done.returncode == 1 and "no credentials for S3: set AWS_ACCESS_KEY_ID" in done.stderr


def certificate(path):
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.utcnow()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "s3")])
    c = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
         .serial_number(1).not_valid_before(now - datetime.timedelta(days=1))
         .not_valid_after(now + datetime.timedelta(days=1))
         .add_extension(x509.BasicConstraints(True, None), True)
         .add_extension(x509.SubjectAlternativeName(
             [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
         .sign(key, hashes.SHA256()))
    with open(path, "wb") as f:
        f.write(c.public_bytes(serialization.Encoding.PEM))
        f.write(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                  serialization.NoEncryption()))
    return path


def test_tls_is_verified(server, file, tmp_path):
    path = certificate(str(tmp_path / "server"))
    s3 = FakeS3(path)
    try:
        s3.objects["k"] = file[1]
        done = ask(server, s3, "status", URL + "k")
        assert done.returncode == 1 and "certificate" in done.stderr, done.stderr
        assert s3.requests == []
        assert ask(server, s3, "status", URL + "k", "--s3-ca-file=" + path).returncode == 0
        done = ask(server, s3, "status", URL + "k", "--s3-ca-file=" + path,
                   "--s3-endpoint=https://localhost:%d" % s3.port)  # not the certificate's name
        assert done.returncode == 1 and "SSL" in done.stderr, done.stderr
        assert s3.requests == [("GET", "k")]
    finally:
        s3.stop()


@pytest.mark.parametrize("args", [
    ["status", "s3://ab/k"], ["status", "s3://" + BUCKET], ["save", "s3://" + BUCKET + "/"],
    ["status", URL + "../k"], ["list", "s3://" + BUCKET, "--s3-endpoint=s3.lan"],
    ["list", "s3://" + BUCKET, "--s3-endpoint=http://u:p@s3.lan"],
    ["list", "s3://" + BUCKET, "--s3-timeout=10ms"],
])
def test_bad_words_ask_nothing(server, s3, args):
    assert ask(server, s3, *args, "--data-dir=" + os.path.join(server.dir, "data")).returncode == 1
    assert s3.requests == []


NAMES = ["skiff-20260102T03040%dZ-r%d.snapshot" % (i, i * 5) for i in range(5)]


def test_list_of_a_bucket(server, s3, file):
    s3.page_size = 2
    for n in NAMES[:3]:
        s3.objects["p q/" + n] = file[1]
    s3.objects["p q/" + NAMES[3]] = file[1][:-1]
    s3.objects.update({"p q/other+file": b"", "p q/": b"", "p q/below/" + NAMES[4]: file[1],
                       "p q2": b""})
    found = listed(ask(server, s3, "list", URL + "p q", "--output=json"))
    size = len(file[1])
    want = [{"name": n, "bytes": size, "state": "unverified", "time": "2026-01-02T03:04:0%dZ" % i,
             "revision": i * 5} for i, n in enumerate(NAMES[:4])]
    want[3]["bytes"] -= 1
    want.append({"name": "other+file", "bytes": 0, "state": "other", "reason": "not named like one"})
    assert found == want
    assert [r[0] for r in s3.requests] == ["GET"] * 3  # pages
    assert listed(ask(server, s3, "list", "s3://" + BUCKET, "--output=json")) == [
        {"name": "p q2", "bytes": 0, "state": "other", "reason": "not named like one"}]
    done = ask(server, s3, "list", URL + "p q", "--output=json", "--verify")
    assert done.returncode == 1 and done.stderr == "skiff snapshot: damaged: 1 of 5\n"
    states = {f["name"]: f["state"] for f in json.loads(done.stdout)}
    assert states == {NAMES[0]: "good", NAMES[1]: "good", NAMES[2]: "good", NAMES[3]: "damaged",
                      "other+file": "other"}


def test_what_is_deleted_while_it_is_listed(server, s3, file):
    """As a server does with its old ones: the rest is verified none the less."""
    s3.objects[NAMES[1]] = file[1]
    s3.plan = [b"<ListBucketResult>%s</ListBucketResult>" % b"".join(
        b"<Contents><Key>%s</Key><Size>%d</Size></Contents>" % (n.encode(), len(file[1]))
        for n in NAMES[:2])]
    found = listed(ask(server, s3, "list", "s3://" + BUCKET, "--output=json", "--verify"))
    assert {f["name"]: f["state"] for f in found} == {NAMES[0]: "other", NAMES[1]: "good"}
    assert "S3 answers 404 NoSuchKey" in next(f["reason"] for f in found if f["name"] == NAMES[0])


@pytest.mark.parametrize("answer,says", [
    (b"<html>hello</html>", "an answer that is no list"),
    (b"\x00\x01", "an answer that is no XML"),
    (b"<!DOCTYPE x [<!ENTITY a \"b\">]><ListBucketResult>&a;</ListBucketResult>", "a DOCTYPE"),
    (b"<ListBucketResult>" + b"<a>" * 10000, "nested too deep"),
    (b"<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>", "does not say where"),
    (b"x" * (9 << 20), "more than 8388608 bytes"),
], ids=["html", "binary", "doctype", "deep", "endless", "long"])
def test_answers_that_are_no_list(server, s3, answer, says):
    s3.plan = [answer]
    done = ask(server, s3, "list", "s3://" + BUCKET)
    assert done.returncode == 1 and says in done.stderr, done.stderr


def test_list_of_a_folder(server, file, tmp_path):
    data, info = file[1], file[2]
    for name, text in (("mine", data), ("cut", data[:-1]), (NAMES[0], b"SKIFF"), ("e\x1b[2Jvil", b"x"),
                       (NAMES[1] + ".partial", data)):
        with open(str(tmp_path / name), "wb") as f:
            f.write(text)
    os.mkdir(str(tmp_path / "sub"))
    os.mkfifo(str(tmp_path / "pipe"))
    os.symlink("mine", str(tmp_path / "link"))
    when = datetime.datetime.utcfromtimestamp(info["time"]).strftime("%Y-%m-%dT%H:%M:%SZ")
    head = {"time": when, "revision": info["revision"]}
    want = [{"name": "cut", "bytes": len(data) - 1, "state": "unverified", **head},
            {"name": "mine", "bytes": len(data), "state": "unverified", **head},
            {"name": "e\x1b[2Jvil", "bytes": 1, "state": "other", "reason": "too short"},
            {"name": "link", "bytes": 0, "state": "other", "reason": "no regular file"},
            {"name": "pipe", "bytes": 0, "state": "other", "reason": "no regular file"},
            {"name": NAMES[0], "bytes": 5, "state": "damaged", "reason": "too short"},
            {"name": NAMES[1] + ".partial", "bytes": len(data), "state": "other",
             "reason": "unfinished"},
            {"name": "sub", "bytes": 0, "state": "other", "reason": "no regular file"}]
    assert listed(run(server, "list", str(tmp_path), "--output=json")) == want
    done = run(server, "list", str(tmp_path), "--verify")
    assert done.returncode == 1 and done.stderr == "skiff snapshot: damaged: 2 of 8\n"
    lines = {line.split()[0]: line for line in done.stdout.splitlines()}
    assert lines["mine"].split() == ["mine", when, str(info["revision"]), str(len(data)), "good"]
    assert "damaged: at byte " in lines["cut"] and "too early" in lines["cut"]
    assert "e?[2Jvil" in lines and "\x1b" not in done.stdout
    done = run(server, "list", str(tmp_path / "none"))
    assert done.returncode == 1 and "No such file or directory" in done.stderr
