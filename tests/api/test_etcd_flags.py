# SPDX-License-Identifier: Apache-2.0
"""Flags of `skiff etcd`: TLS and its clients, the environment, the file, limits."""
import json
import os
import shutil
import socket
import ssl
import subprocess
import tempfile

import pytest
import requests
from conftest import ROOT, Server, eventually, free_port
from pki import Authority
from test_etcd_server import Etcd, run_ctl, skiff_etcd

pytestmark = pytest.mark.skipif(not shutil.which("etcdctl"), reason="etcd-client is not installed")
BINARY = os.path.join(os.environ.get("SKIFF_BUILD", os.path.join(ROOT, "build-test")), "src", "cmd", "skiff")


@pytest.fixture(scope="module")
def pki():
    folder = tempfile.mkdtemp(prefix="skiff-pki-test-")
    ca = Authority(folder)
    ca.server = ca.issue("server", "serverAuth", "IP:127.0.0.1")
    ca.client = ca.issue("client", "clientAuth", "DNS:client.example.com", "admins")
    ca.other_host = ca.issue("other-host", "clientAuth", "DNS:other.example.com")
    ca.old = ca.issue("old", "clientAuth", days=0)
    ca.revoked = ca.issue("revoked", "clientAuth", "DNS:client.example.com")
    ca.crl = ca.revoke(ca.revoked[0])
    ca.stranger = Authority(os.path.join(folder, "other"), "other").issue("stranger", "clientAuth",
                                                                          "DNS:client.example.com")
    yield ca
    shutil.rmtree(folder)


class Secure(Etcd):
    """Over https; plain metrics beside it tell when it is ready."""

    def __init__(self, ca, *flags):
        self.ca, self.flags = ca, flags
        self.metrics = "http://127.0.0.1:%d" % free_port()
        super().__init__(self.secure_command)

    def secure_command(self, _):
        self.url = "https://127.0.0.1:%d" % self.port
        return skiff_etcd(self) + ["--listen-metrics-urls=" + self.metrics] + list(self.flags)

    def ready(self):
        assert self.process.poll() is None, open(os.path.join(self.dir, "log"), encoding="utf-8").read()
        try:
            return requests.get(self.metrics + "/health", timeout=5).json()["health"] == "true"
        except requests.exceptions.ConnectionError:
            return False

    def ctl_as(self, pair, *args, check=True):
        flags = ["--endpoints=" + self.url, "--cacert=" + self.ca.cert, "--dial-timeout=2s", "--command-timeout=5s"]
        if pair:
            flags += ["--cert=" + pair[0], "--key=" + pair[1]]
        return run_ctl(args, flags, check=check)

    def status(self, pair):
        return requests.get(self.url + "/health", verify=self.ca.cert, cert=pair, timeout=5).status_code


@pytest.fixture(scope="module")
def secure(pki):
    e = Secure(pki, "--cert-file=" + pki.server[0], "--key-file=" + pki.server[1], "--client-cert-auth",
               "--trusted-ca-file=" + pki.cert, "--client-crl-file=" + pki.crl,
               "--client-cert-allowed-hostname=client.example.com", "--tls-min-version=TLS1.2")
    yield e
    e.close()


def test_a_client_with_a_certificate(secure, pki):
    assert secure.ctl_as(pki.client, "put", "a", "1") == "OK\n"
    assert secure.ctl_as(pki.client, "get", "a") == "a\n1\n"
    assert secure.status(pki.client) == 200
    member = json.loads(secure.ctl_as(pki.client, "member", "list", "-w", "json"))["members"][0]
    assert member["clientURLs"] == [secure.url]


@pytest.mark.parametrize("who", ["none", "stranger", "old", "revoked", "other_host", "server"])
def test_other_clients_are_refused(secure, pki, who):
    """No certificate, one of another CA, one that has ended, is revoked, is for another host, is no client's."""
    pair = None if who == "none" else getattr(pki, who)
    p = secure.ctl_as(pair, "get", "", "--prefix", check=False)
    assert p.returncode != 0 and p.stdout == b""
    assert b"401" in p.stderr or b"bad certificate" in p.stderr or b"certificate" in p.stderr
    assert secure.status(pair) == 401
    # The others are served as before.
    assert secure.ctl_as(pki.client, "get", "none") == ""


def test_plain_text_at_the_secure_port(secure):
    with socket.create_connection(("127.0.0.1", secure.port), timeout=10) as s:
        s.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = b""
        while True:
            piece = s.recv(4096)
            if not piece:
                break
            answer += piece
    assert b"health" not in answer
    p = run_ctl(["get", "a"], ["--endpoints=http://127.0.0.1:%d" % secure.port, "--dial-timeout=1s",
                               "--command-timeout=2s"], check=False)
    assert p.returncode != 0 and p.stdout == b""


def test_what_the_metrics_port_serves(secure):
    assert "etcd_server_has_leader 1\n" in requests.get(secure.metrics + "/metrics", timeout=5).text
    p = run_ctl(["get", "a"], ["--endpoints=" + secure.metrics, "--dial-timeout=1s", "--command-timeout=2s"],
                check=False)
    assert p.returncode != 0 and p.stdout == b""


def negotiated(e, **limits):
    """(version, cipher) of a connection."""
    context = ssl.create_default_context(cafile=e.ca.cert)
    context.load_cert_chain(*e.ca.client)
    for name, value in limits.items():
        setattr(context, name, value)
    with socket.create_connection(("127.0.0.1", e.port), timeout=10) as s:
        with context.wrap_socket(s, server_hostname="127.0.0.1") as t:
            return t.version(), t.cipher()[0]


def test_versions_and_ciphers(pki):
    v12, v13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
    pair = ["--cert-file=" + pki.server[0], "--key-file=" + pki.server[1]]
    e = Secure(pki, *pair, "--tls-min-version=TLS1.3")
    try:
        assert negotiated(e)[0] == "TLSv1.3"
        with pytest.raises(ssl.SSLError):
            negotiated(e, maximum_version=v12)
    finally:
        e.close()
    e = Secure(pki, *pair, "--tls-max-version=TLS1.2",
               "--cipher-suites=TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305,TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256")
    try:
        assert negotiated(e) == ("TLSv1.2", "ECDHE-ECDSA-CHACHA20-POLY1305")
        with pytest.raises(ssl.SSLError):
            negotiated(e, minimum_version=v13)
        # Without a CA of clients, none needs a certificate.
        assert e.status(None) == 200
    finally:
        e.close()


def test_a_ca_alone_asks_for_certificates(pki):
    """As in etcd: --trusted-ca-file implies --client-cert-auth."""
    e = Secure(pki, "--cert-file=" + pki.server[0], "--key-file=" + pki.server[1], "--trusted-ca-file=" + pki.cert)
    try:
        assert e.status(None) == 401
        assert e.status(pki.client) == 200
    finally:
        e.close()


def peer_certificate(port):
    return ssl.get_server_certificate(("127.0.0.1", port))


def test_a_changed_certificate_is_taken_while_it_runs(pki):
    pair = [os.path.join(pki.folder, name) for name in ("used.crt", "used.key")]
    for source, target in zip(pki.server, pair):
        shutil.copy(source, target)
    e = Secure(pki, "--cert-file=" + pair[0], "--key-file=" + pair[1])
    try:
        first = peer_certificate(e.port)
        for source, target in zip(pki.issue("server-2", "serverAuth", "IP:127.0.0.1"), pair):
            shutil.copy(source, target)
        eventually(lambda: peer_certificate(e.port) != first, 15, 0.1)
        assert e.status(None) == 200
    finally:
        e.close()


def test_auto_tls(pki):
    e = Secure(pki, "--auto-tls")
    try:
        path = os.path.join(e.dir, "data", "fixtures", "client", "cert.pem")
        assert requests.get(e.url + "/health", verify=path, timeout=5).status_code == 200
        first = peer_certificate(e.port)
        assert e.stop() == 0
        e.start()
        assert peer_certificate(e.port) == first  # kept
        assert run_ctl(["put", "a", "1"], ["--endpoints=" + e.url, "--cacert=" + path]) == "OK\n"
    finally:
        e.close()


@pytest.mark.parametrize("flags,text", [
    (["--no-such-flag=1"], "unknown flag --no-such-flag; see --help"),
    (["word"], 'unexpected word "word"; see --help'),
    (["--client-cert-auth"], "--client-cert-auth needs --cert-file"),
    (["--cert-file=x"], "--cert-file and --key-file go together"),
    (["--cert-file=/none", "--key-file=/none"], "/none"),
    (["--auto-tls", "--tls-min-version=TLS1.1"], '--tls-min-version: "TLS1.1" is neither TLS1.2 nor TLS1.3'),
    (["--auto-tls", "--tls-min-version=TLS1.3", "--tls-max-version=TLS1.2"],
     "the lowest version of TLS is above the highest"),
    (["--auto-tls", "--cipher-suites=TLS_NONE"], 'unknown cipher suite "TLS_NONE"'),
    (["--listen-client-urls=https://127.0.0.1:1"], "https needs a certificate and key"),
    (["--listen-client-urls=ftp://x"], '"ftp://x" is no http://IP:PORT'),
    (["--initial-cluster=a=http://x:1,b=http://y:1"], "this is an etcd of one"),
    (["--auto-compaction-mode=x"], "is neither periodic nor revision"),
    (["--auto-compaction-retention=x"], 'bad value "x"'),
    (["--max-txn-ops=x"], 'is no whole number'),
    (["--quota-backend-bytes=-1"], "is not from 0 to"),
    (["--log-level=x"], '--log-level: "x" is none of'),
    (["--config-file=/none"], "--config-file /none"),
])
def test_bad_flags(flags, text):
    with tempfile.TemporaryDirectory() as folder:
        p = subprocess.run([BINARY, "etcd", "--data-dir", folder + "/data"] + flags, stderr=subprocess.PIPE,
                           stdout=subprocess.PIPE, timeout=20, check=False)
    assert p.returncode in (1, 2)
    assert text in p.stderr.decode()


@pytest.mark.parametrize("of_version", [
    ["--experimental-initial-corrupt-check=true", "--experimental-watch-progress-notify-interval=5s"],
    ["--feature-gates=InitialCorruptCheck=true", "--watch-progress-notify-interval=5s"],
], ids=["etcd 3.5", "etcd 3.6"])
def test_flags_of_a_kubeadm_cluster(pki, of_version):
    """What `kubeadm init` gives to etcd, but for where it listens."""
    peer = "https://127.0.0.1:%d" % free_port()
    e = Secure(pki, "--cert-file=" + pki.server[0], "--client-cert-auth=true", "--advertise-client-urls=https://10.0.0.1:2379",
               "--initial-advertise-peer-urls=" + peer, "--initial-cluster=one=" + peer, "--key-file=" + pki.server[1],
               "--listen-peer-urls=" + peer, "--peer-cert-file=x", "--peer-client-cert-auth=true", "--peer-key-file=x",
               "--peer-trusted-ca-file=x", "--snapshot-count=10000", "--trusted-ca-file=" + pki.cert,
               *of_version)
    try:
        member = json.loads(e.ctl_as(pki.client, "member", "list", "-w", "json"))["members"][0]
        assert (member["clientURLs"], member["peerURLs"]) == (["https://10.0.0.1:2379"], [peer])
        # Its probes, old and new.
        for path in ("/health?serializable=false", "/health?exclude=NOSPACE&serializable=true", "/livez",
                     "/readyz", "/readyz?exclude=data_corruption"):
            assert requests.get(e.metrics + path, timeout=5).status_code == 200, path
    finally:
        e.close()


SAMPLE = """
name: 'filed'
data-dir: %(data)s
wal-dir:
snapshot-count: 10000
heartbeat-interval: 100
quota-backend-bytes: 0
listen-client-urls: %(url)s
max-wals: 5
cors:
discovery-fallback: 'proxy'
initial-cluster-state: 'new'
strict-reconfig-check: false
enable-pprof: true
proxy: 'off'
client-transport-security:
  cert-file:
  client-cert-auth: false
  auto-tls: false
peer-transport-security:
  client-cert-auth: false
self-signed-cert-validity: 1
log-level: debug
logger: zap
log-outputs: [stderr]
force-new-cluster: false
auto-compaction-mode: revision
auto-compaction-retention: "1000"
max-txn-ops: 3
"""


def test_a_file_of_flags():
    def command(e):
        with open(os.path.join(e.dir, "conf.yml"), "w", encoding="utf-8") as f:
            f.write(SAMPLE % {"data": os.path.join(e.dir, "data"), "url": e.url})
        return [BINARY, "etcd", "--name=not-this", "--config-file", os.path.join(e.dir, "conf.yml")]

    e = Etcd(command)
    try:
        assert [m["name"] for m in e.json("member", "list")["members"]] == ["filed"]
        four = "\n" + "".join("put k%d v\n" % i for i in range(4)) + "\n\n"
        p = e.ctl("txn", stdin=four.encode(), check=False)
        assert b"too many operations in txn request" in p.stderr
        with open(os.path.join(e.dir, "conf.yml"), "a", encoding="utf-8") as f:
            f.write("no-such-flag: 1\n")
        p = subprocess.run([BINARY, "etcd", "--config-file", f.name], stderr=subprocess.PIPE, timeout=20, check=False)
        assert p.returncode == 2 and b"unknown flag --no-such-flag" in p.stderr
    finally:
        e.close()


def test_flags_in_the_environment():
    def command(e):
        return ["env", "ETCD_NAME=from-outside", "ETCD_DATA_DIR=" + os.path.join(e.dir, "data"),
                "ETCD_LISTEN_CLIENT_URLS=http://127.0.0.1:1", "ETCD_MAX_REQUEST_BYTES=1000",
                BINARY, "etcd", "-listen-client-urls=" + e.url]  # a flag goes before it; one dash does

    e = Etcd(command)
    try:
        assert [m["name"] for m in e.json("member", "list")["members"]] == ["from-outside"]
        p = e.ctl("put", "a", "x" * 2000, check=False)
        assert b"etcdserver: request is too large" in p.stderr
        p = subprocess.run(["env", "ETCD_CLIENT_CERT_AUTH=maybe", BINARY, "etcd"], stderr=subprocess.PIPE, timeout=20,
                           check=False)
        assert p.returncode == 2 and b"ETCD_CLIENT_CERT_AUTH" in p.stderr
    finally:
        e.close()


def test_version():
    p = subprocess.run([BINARY, "etcd", "--version"], stdout=subprocess.PIPE, timeout=20, check=True)
    assert p.stdout.decode().startswith("etcd Version: 3.")


def test_a_server_shows_the_etcd_its_new_certificate(pki):
    """Its files are written anew, as kubeadm does each year; later etcd takes the old one no more."""
    old = pki.issue("before", "clientAuth")
    flags = ["--cert-file=" + pki.server[0], "--key-file=" + pki.server[1], "--client-cert-auth",
             "--trusted-ca-file=" + pki.cert]
    folder = tempfile.mkdtemp(prefix="skiff-pair-")
    used = [os.path.join(folder, name) for name in ("tls.crt", "tls.key")]
    for path, to in zip(old, used):
        shutil.copy(path, to)
    e = Secure(pki, *flags)
    s = Server(["--etcd-servers=" + e.url, "--etcd-cafile=" + pki.cert, "--etcd-certfile=" + used[0],
                "--etcd-keyfile=" + used[1]], command="apiserver")
    try:
        for path, to in zip(pki.issue("after", "clientAuth"), used):
            shutil.copy(path, to)
        eventually(lambda: "the new certificate of " + used[0] in s.read_log(), 20, 0.1)
        e.flags = flags + ["--client-crl-file=" + pki.revoke(old[0])]
        e.kill()
        e.start()
        assert e.status(old) == 401
        eventually(s.ready, 20, 0.1)
        namespace = s.session.get(s.url + "/api/v1/namespaces/default", timeout=15)
        assert namespace.status_code == 200
    finally:
        s.stop()
        e.close()
        shutil.rmtree(folder)
