# SPDX-License-Identifier: Apache-2.0
"""The server on an external etcd: several of them at once, and what a killed etcd leaves."""
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import pytest
import requests
from conftest import Server, eventually
from kubernetes import client as k8s

pytestmark = pytest.mark.skipif(not shutil.which("etcd") or not shutil.which("etcdctl"),
                                reason="etcd-server and etcd-client are not installed")


def port():
    """Not of those that the kernel gives to clients: one of them might take it while etcd is down."""
    while True:
        n = random.randrange(20000, 32000)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", n))
                return n
            except OSError:
                pass


class Etcd:
    """One member, on a folder and ports of its own."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="skiff-etcd-")
        self.url, self.peer = ("http://127.0.0.1:%d" % port() for _ in range(2))
        self.start()

    def start(self):
        with open(os.path.join(self.dir, "log"), "ab") as log:
            self.process = subprocess.Popen(
                ["etcd", "--data-dir", os.path.join(self.dir, "data"), "--logger", "zap",
                 "--listen-client-urls", self.url, "--advertise-client-urls", self.url,
                 "--listen-peer-urls", self.peer, "--initial-advertise-peer-urls", self.peer,
                 "--initial-cluster", "default=" + self.peer], stdout=log, stderr=log)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def ctl(self, *args):
        return subprocess.run(["etcdctl", "--endpoints=" + self.url, *args], check=True,
                              env=dict(os.environ, ETCDCTL_API="3"), capture_output=True).stdout

    def keys(self, prefix):
        return self.ctl("get", "--keys-only", "--prefix", prefix).decode().split()

    def stop(self):
        self.kill()
        shutil.rmtree(self.dir, ignore_errors=True)


@pytest.fixture(scope="module")
def etcd():
    e = Etcd()
    yield e
    e.stop()


@pytest.fixture(scope="module")
def first(etcd):
    s = Server(["--etcd-servers=" + etcd.url])
    yield s
    s.stop()


@pytest.fixture(scope="module")
def second(etcd, first):
    s = Server(["--etcd-servers=" + etcd.url, "--advertise-address=198.51.100.2"], keys_of=first,
               command="apiserver")
    yield s
    s.stop()


def config_map(name, **data):
    return {"metadata": {"name": name}, "data": data}


def test_layout_is_upstreams(etcd, first):
    core, rbac = first.api(k8s.CoreV1Api), first.api(k8s.RbacAuthorizationV1Api)
    core.create_namespaced_config_map("default", config_map("layout", a="b"))
    core.create_namespaced_service("default", {"metadata": {"name": "svc"}, "spec": {
        "ports": [{"port": 80}]}})
    core.create_node({"metadata": {"name": "n1"}})
    rbac.create_namespaced_role("default", {"metadata": {"name": "r"}, "rules": []})
    keys = etcd.keys("/registry/")
    for key in ("/registry/configmaps/default/layout", "/registry/services/specs/default/svc",
                "/registry/services/specs/default/kubernetes", "/registry/minions/n1",
                "/registry/namespaces/kube-system", "/registry/roles/default/r",
                "/registry/clusterroles/cluster-admin"):
        assert key in keys
    value = etcd.ctl("get", "--print-value-only", "/registry/configmaps/default/layout")
    assert value.startswith(b"k8s\0\n\x0f\n\x02v1\x12\tConfigMap\x12")
    assert value.endswith(b"\x12\x06\n\x01a\x12\x01b\x1a\0\"\0\n")
    value = etcd.ctl("get", "--print-value-only", "/registry/roles/default/r")
    assert value.startswith(b"k8s\0\n$\n\x1crbac.authorization.k8s.io/v1\x12\x04Role\x12")
    core.delete_node("n1")


def test_events_end_by_lease(etcd, first):
    first.api(k8s.CoreV1Api).create_namespaced_event("default", {
        "metadata": {"name": "e"}, "reason": "r", "type": "Normal", "message": "m",
        "involvedObject": {"kind": "Pod", "name": "p", "namespace": "default"}})
    leases = etcd.ctl("lease", "list").decode().split()[3:]
    held = [etcd.ctl("lease", "timetolive", "--keys", lease).decode() for lease in leases]
    assert any("/registry/events/default/e" in h and "TTL(3660s)" in h for h in held)


def test_what_one_server_writes_the_other_has_at_once(first, second):
    a, b = first.api(k8s.CoreV1Api), second.api(k8s.CoreV1Api)
    for i in range(30):
        name = "shared-%d" % i
        made = a.create_namespaced_config_map("default", config_map(name, n="1"))
        seen = b.read_namespaced_config_map(name, "default")
        assert seen.metadata.resource_version == made.metadata.resource_version
        seen.data["n"] = "2"
        changed = b.replace_namespaced_config_map(name, "default", seen)
        listed = a.list_namespaced_config_map("default", field_selector="metadata.name=" + name)
        assert [o.data["n"] for o in listed.items] == ["2"]
        with pytest.raises(k8s.exceptions.ApiException) as e: # older than what the other wrote
            a.replace_namespaced_config_map(name, "default", made)
        assert e.value.status == 409
        assert int(listed.metadata.resource_version) >= int(changed.metadata.resource_version)
        a.delete_namespaced_config_map(name, "default")
        with pytest.raises(k8s.exceptions.ApiException) as e:
            b.read_namespaced_config_map(name, "default")
        assert e.value.status == 404


def test_writers_on_two_servers_count_without_loss(first, second):
    core = first.api(k8s.CoreV1Api)
    core.create_namespaced_config_map("default", config_map("count", n="0"))

    def work(server):
        api = server.api(k8s.CoreV1Api)
        done = 0
        while done < 25:
            o = api.read_namespaced_config_map("count", "default")
            o.data["n"] = str(int(o.data["n"]) + 1)
            try:
                api.replace_namespaced_config_map("count", "default", o)
                done += 1
            except k8s.exceptions.ApiException as e:
                assert e.status == 409

    threads = [threading.Thread(target=work, args=(s,)) for s in (first, second, first, second)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
    assert core.read_namespaced_config_map("count", "default").data["n"] == "100"


def test_a_watch_on_one_server_shows_what_the_other_writes(first, second):
    path = "/api/v1/namespaces/default/configmaps"
    start = first.call("GET", path).json()["metadata"]["resourceVersion"]
    core = second.api(k8s.CoreV1Api)
    for i in range(20):
        core.create_namespaced_config_map("default", config_map("w-%d" % i))
    core.delete_namespaced_config_map("w-3", "default")
    seen = []
    with first.call("GET", path + "?watch=1&timeoutSeconds=20&resourceVersion=" + start,
                    stream=True) as answer:
        for line in answer.iter_lines():
            event = json.loads(line)
            seen.append((event["type"], event["object"]["metadata"]["name"]))
            if len(seen) == 21:
                break
    assert seen == [("ADDED", "w-%d" % i) for i in range(20)] + [("DELETED", "w-3")]


def test_controllers_work_on_it(first, second):
    apps, core = second.api(k8s.AppsV1Api), second.api(k8s.CoreV1Api)
    apps.create_namespaced_deployment("default", {"metadata": {"name": "web"}, "spec": {
        "replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "c", "image": "i"}]}}}})
    eventually(lambda: len(core.list_namespaced_pod("default", label_selector="app=web").items)
               == 2, 20)
    apps.delete_namespaced_deployment("web", "default")
    eventually(lambda: not core.list_namespaced_pod("default", label_selector="app=web").items,
               20)


def test_of_several_servers_one_has_the_controllers(etcd, first, second):
    third, fourth = (Server(["--etcd-servers=" + etcd.url, "--advertise-address=" + ip],
                            keys_of=first) for ip in ("198.51.100.3", "198.51.100.4"))
    core, apps = first.api(k8s.CoreV1Api), first.api(k8s.AppsV1Api)
    leases = first.api(k8s.CoordinationV1Api)

    def holder(name):
        return leases.read_namespaced_lease(name, "kube-system").spec.holder_identity

    for name in ("kube-controller-manager", "kube-scheduler"):
        assert holder(name).endswith("_%d" % first.port)

    def addresses():
        parts = core.read_namespaced_endpoints("kubernetes", "default").subsets
        slices = discovery.read_namespaced_endpoint_slice("kubernetes", "default").endpoints
        names = {a.ip for part in parts for a in part.addresses}
        return names if names == {e.addresses[0] for e in slices} else None

    discovery = first.api(k8s.DiscoveryV1Api)
    others = {"198.51.100.2", "198.51.100.3", "198.51.100.4"}
    everyone = eventually(lambda: (a := addresses()) and others < a and a, 30)
    assert len(everyone) == 4
    core.create_node({"metadata": {"name": "ha"}, "status": {
        "capacity": {"cpu": "4", "memory": "8Gi", "pods": "10"},
        "conditions": [{"type": "Ready", "status": "True"}]}})
    first.kill() # its leases run out, and others take them
    apps = third.api(k8s.AppsV1Api)
    apps.create_namespaced_deployment("default", {"metadata": {"name": "ha"}, "spec": {
        "replicas": 2, "selector": {"matchLabels": {"app": "ha"}}, "template": {
            "metadata": {"labels": {"app": "ha"}},
            "spec": {"containers": [{"name": "c", "image": "i"}]}}}})
    core, leases = third.api(k8s.CoreV1Api), third.api(k8s.CoordinationV1Api)
    discovery = third.api(k8s.DiscoveryV1Api)
    ports = ("_%d" % third.port, "_%d" % fourth.port)
    for name in ("kube-controller-manager", "kube-scheduler"):
        eventually(lambda: holder(name).endswith(ports), 40)
    eventually(lambda: len(core.list_namespaced_pod("default", label_selector="app=ha").items) == 2,
               20)
    eventually(lambda: addresses() == others, 40)
    first.start()
    apps.delete_namespaced_deployment("ha", "default")
    core.delete_node("ha")
    third.stop() # gives its leases up, if it has them
    fourth.stop()
    core, leases = first.api(k8s.CoreV1Api), first.api(k8s.CoordinationV1Api)
    discovery = first.api(k8s.DiscoveryV1Api)
    eventually(lambda: addresses() == everyone - {"198.51.100.3", "198.51.100.4"}, 40)
    eventually(lambda: holder("kube-scheduler").endswith("_%d" % first.port), 40)


def test_a_killed_etcd_loses_nothing_acknowledged(etcd, first):
    good, failed, stop = [], [], threading.Event()

    def work(n):
        s = requests.Session()
        s.trust_env, s.verify, s.cert = False, first.ca, first.session.cert
        i = 0
        while not stop.is_set():
            i += 1
            name = "load-%d-%d" % (n, i)
            status = s.post(first.url + "/api/v1/namespaces/default/configmaps", timeout=40,
                            json=config_map(name)).status_code
            (good if status == 201 else failed).append((name, status))
            if status != 201:
                time.sleep(0.05)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for t in threads:
        t.start()
    for _ in range(2):
        before = len(good)
        eventually(lambda: len(good) > before + 100, 30)
        etcd.kill()
        n_failed = len(failed)
        eventually(lambda: len(failed) > n_failed + 8, 30)
        answer = first.call("GET", "/readyz")
        assert answer.status_code == 500 and "[-]etcd failed" in answer.text
        assert first.call("GET", "/api/v1/namespaces/default/configmaps").status_code in (503, 504)
        assert first.call("GET", "/api/v1/namespaces/default/configmaps?resourceVersion=0"
                          ).status_code == 200
        etcd.start()
        before = len(good)
        eventually(lambda: len(good) > before + 100, 30)
    stop.set()
    for t in threads:
        t.join(60)
    assert {status for _, status in failed} <= {500, 503, 504}
    eventually(lambda: first.call("GET", "/readyz").status_code == 200, 20)
    there = {key.rsplit("/", 1)[1] for key in etcd.keys("/registry/configmaps/default/load-")}
    assert {name for name, _ in good} <= there
    listed = {o["metadata"]["name"] for o in first.call(
        "GET", "/api/v1/namespaces/default/configmaps").json()["items"]}
    assert there == {name for name in listed if name.startswith("load-")}
