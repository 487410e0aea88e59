# SPDX-License-Identifier: Apache-2.0
"""One cluster with a real node - containerd, runc, CNI, nftables - for all tests of this folder.
Skipped, and counted so, where this machine cannot run a node."""
import base64
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import pytest
import requests
import yaml
from kubernetes import client as k8s

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, ROOT + "/tests")  # for what the folders of tests share
IMAGE = "skiff.local/hello:1"


def eventually(check, seconds=30, every=0.05, what=""):
    """Polls check() until it returns something true, and returns that."""
    end = time.monotonic() + seconds
    while True:
        try:
            value = check()
        except (requests.exceptions.RequestException, k8s.exceptions.ApiException) as e:
            value, error = None, e
        else:
            error = None
        if value:
            return value
        assert time.monotonic() < end, "not so within %s s: %s %r %r" % (seconds, what, value, error)
        time.sleep(every)


class Cluster:
    def __init__(self, binary):
        self.binary = binary
        self.dir = tempfile.mkdtemp(prefix="skiff-e2e-")
        self.data, self.run = self.dir + "/data", self.dir + "/run"
        self.port = 26443
        self.start()
        self.import_image()

    def start(self):
        self.log = open(self.dir + "/log", "ab")
        self.process = subprocess.Popen(
            [self.binary, "server", "--data-dir=" + self.data, "--run-dir=" + self.run,
             "--secure-port=%d" % self.port, "--kubelet-port=20250"],
            stderr=self.log, stdout=self.log, start_new_session=True)
        self.kubeconfig = self.data + "/admin.kubeconfig"
        eventually(self.ready, 30, what=self.dir + "/log")
        config = k8s.Configuration()
        config.host, config.ssl_ca_cert = self.url, self.dir + "/ca"
        config.cert_file, config.key_file = self.dir + "/crt", self.dir + "/key"
        client = k8s.ApiClient(config)
        self.core, self.apps = k8s.CoreV1Api(client), k8s.AppsV1Api(client)

    def ready(self):
        assert self.process.poll() is None, "the server ended: " + self.read_log()
        if not os.path.exists(self.kubeconfig):
            return False
        with open(self.kubeconfig, encoding="utf-8") as f:
            config = yaml.safe_load(f)
        for name, text in (
                ("ca", config["clusters"][0]["cluster"]["certificate-authority-data"]),
                ("crt", config["users"][0]["user"]["client-certificate-data"]),
                ("key", config["users"][0]["user"]["client-key-data"])):
            with open(self.dir + "/" + name, "wb") as f:
                f.write(base64.b64decode(text))
        self.url = "https://127.0.0.1:%d" % self.port
        s = requests.Session()
        s.trust_env = False
        return s.get(self.url + "/readyz", verify=self.dir + "/ca", timeout=2).status_code == 200

    def import_image(self):
        tar = self.dir + "/hello.tar"
        subprocess.check_call([ROOT + "/examples/hello/image.sh", tar])
        ctr = ["ctr", "-a", self.run + "/containerd/containerd.sock", "-n", "k8s.io"]
        eventually(lambda: subprocess.call(ctr + ["images", "import", tar],
                                           stdout=subprocess.DEVNULL,
                                           stderr=subprocess.DEVNULL) == 0, 30)
        eventually(lambda: any(c.type == "Ready" and c.status == "True"
                               for n in self.core.list_node().items
                               for c in n.status.conditions or []), 30, what="node Ready")

    def kubectl(self, *args, check=True, **kw):
        """Our own client. Returns its output."""
        p = subprocess.run([self.binary, "kubectl", "--kubeconfig", self.kubeconfig, *args],
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, **kw)
        assert not check or p.returncode == 0, p.stderr.decode()
        return p.stdout.decode() if check else p

    def read_log(self):
        with open(self.dir + "/log", encoding="utf-8", errors="replace") as f:
            return f.read()[-6000:]

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self, keep_log=False):
        """Takes everything back; a leak or a memory error of the server fails the run."""
        ran = self.process.poll() is None
        if ran:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()
        env = dict(os.environ, SKIFF_DATA=self.data, SKIFF_RUN=self.run)
        subprocess.call([ROOT + "/tools/down.sh"], env=env, stdout=subprocess.DEVNULL)
        self.log.close()
        failed = ran and self.process.returncode != 0
        log = self.read_log() if failed else ""
        for name in os.listdir(self.dir):
            if name == "log" and keep_log:
                continue
            path = os.path.join(self.dir, name)
            (shutil.rmtree if os.path.isdir(path) else os.remove)(path)
        if not keep_log:
            os.rmdir(self.dir)
        assert not failed, log


def why_not():
    if os.geteuid() != 0:
        return "a node needs root"
    for path in ("/usr/bin/containerd", "/usr/lib/cni/bridge"):
        if not os.path.exists(path):
            return path + " is not installed"
    return ""


def pytest_collection_modifyitems(items):
    """Tests with a cluster of their own run before the common one starts: it stays to the end."""
    items.sort(key=lambda item: "cluster" in item.fixturenames)


@pytest.fixture(scope="session")
def cluster(request):
    if why_not():
        pytest.skip(why_not())
    c = Cluster(os.path.join(os.environ.get("SKIFF_RELEASE", ROOT + "/build"), "src/cmd/skiff"))
    yield c
    c.stop(keep_log=request.session.testsfailed > 0)


@pytest.fixture
def ns(cluster, request):
    """A fresh namespace, removed with all that is in it."""
    name = "e-%x" % (hash((request.node.name, time.monotonic())) & 0xffffffff)
    cluster.core.create_namespace({"metadata": {"name": name}})
    eventually(lambda: cluster.core.read_namespaced_service_account("default", name))
    yield name
    cluster.core.delete_namespace(name, grace_period_seconds=0)


def pod(name, command, container=None, **spec):
    """A pod of one container that runs a shell command."""
    c = {"name": "c", "image": IMAGE, "imagePullPolicy": "IfNotPresent",
         "command": ["/bin/sh", "-c", command]}
    c.update(container or {})
    return {"metadata": {"name": name, "labels": {"app": name}},
            "spec": dict({"containers": [c], "terminationGracePeriodSeconds": 1}, **spec)}


def web(name, **container):
    """A pod that serves /www on 8080."""
    return pod(name, "exec httpd -f -p 8080 -h /www",
               dict({"ports": [{"containerPort": 8080, "name": "http"}]}, **container))
