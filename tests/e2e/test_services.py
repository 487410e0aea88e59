# SPDX-License-Identifier: Apache-2.0
"""What the proxy does beyond choosing an endpoint."""
import socket
import subprocess
import sys
import threading

import pytest
from kubernetes import client as k8s

from conftest import eventually, pod

VIP = "203.0.113.5"  # of a network that is in no use


class Echo:
    """Answers each datagram on a port of this machine with its name."""

    def __init__(self, ip, name):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((ip, 0))
        self.port = self.socket.getsockname()[1]
        self.name = name
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        try:
            while True:
                _, sender = self.socket.recvfrom(100)
                self.socket.sendto(self.name, sender)
        except OSError:
            pass


@pytest.fixture
def node_ip(cluster):
    return next(a.address for a in cluster.core.list_node().items[0].status.addresses
                if a.type == "InternalIP")


def point(cluster, ns, ip, port):
    """Makes the Service's only endpoint be @ip:@port."""
    body = {"metadata": {"name": "s-1", "labels": {"kubernetes.io/service-name": "s"}},
            "addressType": "IPv4", "ports": [{"port": port, "protocol": "UDP", "name": ""}],
            "endpoints": [{"addresses": [ip]}]}
    api = k8s.DiscoveryV1Api(cluster.core.api_client)
    if any(s.metadata.name == "s-1" for s in api.list_namespaced_endpoint_slice(ns).items):
        api.replace_namespaced_endpoint_slice("s-1", ns, body)
    else:
        api.create_namespaced_endpoint_slice(ns, body)


def service(cluster, ns, endpoint, **spec):
    """A Service of one port, for an endpoint outside the cluster."""
    cluster.core.create_namespaced_service(ns, {"metadata": {"name": "s"}, "spec": dict(
        {"ports": [{"port": 9, "protocol": "UDP"}]}, **spec)})
    point(cluster, ns, *endpoint)
    return cluster.core.read_namespaced_service("s", ns)


def ask(s, address):
    s.settimeout(0.2)
    try:
        s.sendto(b"x", address)
        return s.recv(100)
    except OSError:
        return None


def test_a_udp_flow_leaves_the_endpoint_that_went(cluster, ns, node_ip):
    one, two = Echo(node_ip, b"one"), Echo(node_ip, b"two")
    svc = service(cluster, ns, (node_ip, one.port))
    address = (svc.spec.cluster_ip, 9)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:  # the same flow all the time
        eventually(lambda: ask(s, address) == b"one", 10)
        point(cluster, ns, node_ip, two.port)
        # The kernel would keep it at the first as long as it is in use.
        eventually(lambda: ask(s, address) == b"two", 10)


def test_source_ranges_of_a_load_balancer(cluster, ns, node_ip):
    echo = Echo(node_ip, b"one")
    svc = service(cluster, ns, (node_ip, echo.port), type="LoadBalancer",
                  loadBalancerSourceRanges=["198.51.100.0/24"])
    cluster.core.patch_namespaced_service_status("s", ns, {
        "status": {"loadBalancer": {"ingress": [{"ip": VIP}]}}})
    fresh = lambda address: ask(socket.socket(socket.AF_INET, socket.SOCK_DGRAM), address)
    eventually(lambda: fresh((svc.spec.cluster_ip, 9)) == b"one", 10)  # the ranges are not for it
    assert fresh((VIP, 9)) is None
    cluster.core.patch_namespaced_service("s", ns, {
        "spec": {"loadBalancerSourceRanges": ["198.51.100.0/24", node_ip + "/32"]}})
    eventually(lambda: fresh((VIP, 9)) == b"one", 10)
    cluster.core.patch_namespaced_service("s", ns, {
        "spec": {"loadBalancerSourceRanges": ["198.51.100.0/24"]}})
    eventually(lambda: fresh((VIP, 9)) is None, 10)


@pytest.fixture
def outside():
    """A machine beside this one, which knows no way to the pods: (its address, ours to it)."""
    name, its, ours = "skiff-e2e-out", "198.51.100.2", "198.51.100.1"
    server = ("import socket\ns = socket.create_server(('%s', 8000))\nwhile True:\n"
              "    c, peer = s.accept()\n    c.sendall(peer[0].encode() + b'\\n')\n    c.close()"
              % its)
    for command in ("ip netns add %s" % name,
                    "ip link add sk-out type veth peer name eth0 netns %s" % name,
                    "ip address add %s/30 dev sk-out" % ours, "ip link set sk-out up",
                    "ip -n %s address add %s/30 dev eth0" % (name, its),
                    "ip -n %s link set eth0 up" % name):
        subprocess.check_call(command.split())
    p = subprocess.Popen(["ip", "netns", "exec", name, sys.executable, "-c", server])
    yield its, ours
    p.kill()
    p.wait()
    subprocess.check_call(["ip", "netns", "delete", name])


def test_pods_reach_the_world_behind_the_nodes_address(cluster, ns, outside):
    its, ours = outside
    cluster.core.create_namespaced_pod(ns, pod(
        "p", "until nc %s 8000 </dev/null; do sleep 0.1; done; sleep 600" % its))
    assert eventually(lambda: cluster.core.read_namespaced_pod_log("p", ns).strip(), 20) == ours
