# SPDX-License-Identifier: Apache-2.0
"""A stock kube-apiserver on `skiff etcd`, and the data of either read by the other.

Runs when $KUBE_APISERVER names the binary of a release. Debian 12's source package `kubernetes`
(1.20.2) makes one: `apt-get source kubernetes`, then `make WHAT=cmd/kube-apiserver` in it; later
releases do as well. Skipped otherwise."""
import base64
import json
import os
import shutil
import subprocess
import tempfile
import threading
import time

import pytest
import requests
from conftest import Server, eventually, free_port
from test_etcd_server import Etcd, skiff_etcd

BINARY = os.environ.get("KUBE_APISERVER")
pytestmark = pytest.mark.skipif(not BINARY, reason="$KUBE_APISERVER names no kube-apiserver")


class Stock:
    """`kube-apiserver` on an etcd, with keys of its own."""

    def __init__(self, etcd, args=()):
        self.etcd, self.args = etcd, list(args)
        self.dir = tempfile.mkdtemp(prefix="stock-apiserver-")
        self.port = free_port()
        self.url = "https://127.0.0.1:%d" % self.port
        with open(self.path("tokens"), "w", encoding="utf-8") as f:
            f.write('secret,admin,admin,"system:masters"\n')
        subprocess.run(["openssl", "genrsa", "-out", self.path("sa.key"), "2048"], check=True,
                       stderr=subprocess.DEVNULL)
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["Authorization"] = "Bearer secret"
        self.start()

    def path(self, name):
        return os.path.join(self.dir, name)

    def start(self):
        with open(self.path("log"), "ab") as log:
            self.process = subprocess.Popen(
                [BINARY, "--etcd-servers=" + self.etcd.url, "--secure-port=%d" % self.port,
                 "--bind-address=127.0.0.1", "--cert-dir=" + self.path("pki"),
                 "--token-auth-file=" + self.path("tokens"), "--authorization-mode=RBAC",
                 "--service-account-issuer=https://kubernetes.default.svc",
                 "--service-account-key-file=" + self.path("sa.key"),
                 "--service-account-signing-key-file=" + self.path("sa.key"),
                 "--service-cluster-ip-range=10.96.0.0/16", "--allow-privileged=true",
                 "--disable-admission-plugins=ServiceAccount"] + self.args, stdout=log, stderr=log)
        eventually(self.ready, 60, 0.2)

    def ready(self):
        assert self.process.poll() is None, self.read_log()
        if not os.path.exists(self.path("pki/apiserver.crt")):
            return False
        self.session.verify = self.path("pki/apiserver.crt")
        try:
            return self.call("GET", "/readyz").status_code == 200
        except requests.exceptions.RequestException:
            return False

    def read_log(self):
        with open(self.path("log"), encoding="utf-8", errors="replace") as f:
            return f.read()[-6000:]

    def call(self, method, path, body=None, **more):
        if body is not None:
            more["json"] = body
        return self.session.request(method, self.url + path, timeout=30, **more)

    def stop(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)
