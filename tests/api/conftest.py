# SPDX-License-Identifier: Apache-2.0
"""A real server process, without a node, for the tests of this folder: one for all of a run, or one
of its own for tests that stop or restart it."""
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import pytest
import requests
import urllib3
import yaml
from kubernetes import client as k8s

urllib3.disable_warnings()
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, ROOT + "/tests")  # for what the folders of tests share


def eventually(check, seconds=10, every=0.02):
    """Polls check() until it returns something true, and returns that."""
    end = time.monotonic() + seconds
    while True:
        value = check()
        if value:
            return value
        assert time.monotonic() < end, "not so within %s s: last %r" % (seconds, value)
        time.sleep(every)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """`skiff server` on a folder of its own."""

    def __init__(self, args=(), keys_of=None, command="server", env=None, prepare=None):
        """@keys_of: another server, of the same cluster. @env: its environment, by its binary.
        @prepare: makes the folder of its data."""
        self.command = command
        build = os.environ.get("SKIFF_BUILD", os.path.join(ROOT, "build-test"))
        self.binary = os.path.join(build, "src", "cmd", "skiff")
        self.dir = tempfile.mkdtemp(prefix="skiff-test-")
        self.port = free_port()
        self.args = list(args)
        self.process = None
        self.env = env(self.binary) if env else None
        if prepare:
            prepare(os.path.join(self.dir, "data"))
        if keys_of:
            shutil.copytree(os.path.join(keys_of.dir, "data", "pki"),
                            os.path.join(self.dir, "data", "pki"))
        self.start()

    def start(self):
        self.log = open(os.path.join(self.dir, "log"), "ab")
        self.process = subprocess.Popen(
            [self.binary, self.command, "--data-dir=" + os.path.join(self.dir, "data"),
             "--run-dir=" + os.path.join(self.dir, "run"), "--secure-port=%d" % self.port,
             "--bind-address=127.0.0.1"] +
            (["--disable=kubelet,proxy,dns"] if self.command == "server" else []) + self.args,
            stderr=self.log, stdout=self.log, env=self.env)
        self.kubeconfig = os.path.join(self.dir, "data", "admin.kubeconfig")
        eventually(self.ready, 20)

    def ready(self):
        assert self.process.poll() is None, "the server ended: " + self.read_log()
        if not os.path.exists(self.kubeconfig):
            return False
        self.load_identity()
        try:
            return requests.get(self.url + "/readyz", verify=self.ca, timeout=2).status_code == 200
        except requests.exceptions.RequestException:
            return False

    def load_identity(self):
        with open(self.kubeconfig, encoding="utf-8") as f:
            config = yaml.safe_load(f)
        import base64
        parts = {"ca": config["clusters"][0]["cluster"]["certificate-authority-data"],
                 "crt": config["users"][0]["user"]["client-certificate-data"],
                 "key": config["users"][0]["user"]["client-key-data"]}
        for name, text in parts.items():
            with open(os.path.join(self.dir, name), "wb") as f:
                f.write(base64.b64decode(text))
        self.url = "https://127.0.0.1:%d" % self.port
        self.ca = os.path.join(self.dir, "ca")
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.verify = self.ca
        self.session.cert = (os.path.join(self.dir, "crt"), os.path.join(self.dir, "key"))

    def api(self, kind):
        """A client of the official library: kind is e.g. k8s.CoreV1Api."""
        config = k8s.Configuration()
        config.host, config.ssl_ca_cert = self.url, self.ca
        config.cert_file, config.key_file = self.session.cert
        return kind(k8s.ApiClient(config))

    def call(self, method, path, body=None, **kwargs):
        """A raw request as the administrator."""
        if body is not None:
            kwargs["json"] = body
        return self.session.request(method, self.url + path, timeout=30, **kwargs)

    def as_user(self, token):
        """A session that only has a bearer token (none: anonymous)."""
        s = requests.Session()
        s.trust_env = False
        s.verify = self.ca
        if token:
            s.headers["Authorization"] = "Bearer " + token
        return s

    def read_log(self):
        with open(os.path.join(self.dir, "log"), encoding="utf-8", errors="replace") as f:
            return f.read()[-6000:]

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop_process(self):
        """Ends it as an administrator would; a leak or a memory error fails the test."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                code = self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()
                raise AssertionError("did not stop within 30 s: " + self.read_log())
            assert code == 0, "exit status %d: %s" % (code, self.read_log())

    def stop(self, keep=False):
        """stop_process(), and takes its folder away, unless it is to be kept."""
        self.stop_process()
        self.log.close()
        if not keep:
            self.remove()

    def remove(self):
        shutil.rmtree(self.dir, ignore_errors=True)


@pytest.fixture(scope="session")
def server():
    s = Server()
    yield s
    s.stop()


@pytest.fixture
def own_server():
    """A server of this test alone."""
    s = Server()
    yield s
    s.stop()


@pytest.fixture
def namespace(server, request):
    """A fresh namespace; its deletion is asked for at the end."""
    name = "t-%x" % (hash((request.node.name, time.monotonic())) & 0xffffffff)
    server.api(k8s.CoreV1Api).create_namespace({"metadata": {"name": name}})
    eventually(lambda: server.call("GET", "/api/v1/namespaces/%s/serviceaccounts/default" % name)
               .status_code == 200)
    yield name
    server.api(k8s.CoreV1Api).delete_namespace(name)
