# SPDX-License-Identifier: Apache-2.0
"""The real kubectl, old and new, against a node with real containers. Skipped where missing."""
import contextlib
import os
import pty
import select
import signal
import subprocess
import termios
import time

import pytest
import requests
from conftest import IMAGE, eventually, pod, web
from kubectl_versions import VERSIONS, find_kubectl


class Kubectl:
    def __init__(self, binary, version, cluster, ns, home):
        self.version, self.ns = version, ns
        self.args = [binary, "-n", ns]
        self.env = dict(os.environ, KUBECONFIG=cluster.kubeconfig, HOME=str(home))

    def run(self, *args, **kw):
        return subprocess.run(self.args + list(args), text=True, timeout=60, env=self.env,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, **kw)

    def __call__(self, *args, **kw):
        p = self.run(*args, **kw)
        assert p.returncode == 0, (args, p.stdout, p.stderr)
        return p.stdout

    def start(self, *args, **kw):
        return subprocess.Popen(self.args + list(args), env=self.env, **kw)


@pytest.fixture(params=VERSIONS)
def kubectl(request, cluster, ns, tmp_path):
    binary = find_kubectl(request.param)
    if not binary:
        pytest.skip("kubectl.%s is not installed" % request.param)
    return Kubectl(binary, request.param, cluster, ns, tmp_path)


def test_logs_wait_and_describe(cluster, kubectl):
    cluster.core.create_namespaced_pod(kubectl.ns, pod("p", "echo one; sleep 1; echo two"
                                                            "; sleep 1000"))
    assert kubectl("wait", "pod/p", "--for=condition=Ready", "--timeout=30s") == \
        "pod/p condition met\n"
    with kubectl.start("logs", "-f", "p", stdout=subprocess.PIPE, text=True) as p:
        assert (p.stdout.readline(), p.stdout.readline()) == ("one\n", "two\n")
        p.kill()
    assert kubectl("logs", "p", "--tail=1") == "two\n"
    text = kubectl("describe", "pod", "p")
    assert "Status:           Running\n" in text
    assert "Container started" in text
    assert "Ready             True" in text or "Ready                       True" in text
    node = kubectl("get", "nodes", "-o", "name").strip()
    assert "containerd://" in kubectl("describe", node)
    row = kubectl("get", "pod", "p", "--no-headers", "-o", "wide").split()
    assert row[:4] == ["p", "1/1", "Running", "0"] and row[6] == node.split("/")[1]
    assert kubectl("delete", "pod", "p").startswith('pod "p" deleted')


def test_a_deployment_rolls_out(cluster, kubectl):
    kubectl("create", "deployment", "d", "--image=" + IMAGE, "--", "sleep", "1000")
    done = 'deployment "d" successfully rolled out\n'
    assert kubectl("rollout", "status", "deployment/d", "--timeout=30s").endswith(done)
    kubectl("set", "env", "deployment/d", "A=b")
    assert kubectl("rollout", "status", "deployment/d", "--timeout=50s").endswith(done)
    new = [o.metadata.name for o in cluster.core.list_namespaced_pod(kubectl.ns).items
           if not o.metadata.deletion_timestamp]
    assert [kubectl("exec", name, "--", "sh", "-c", "echo $A") for name in new] == ["b\n"]
    assert kubectl("wait", "deployment/d", "--for=condition=Available") == \
        "deployment.apps/d condition met\n"
    kubectl("scale", "deployment", "d", "--replicas=0")
    kubectl("delete", "pods", "--all", "--grace-period=0", "--force")


def test_exec(cluster, kubectl):
    cluster.core.create_namespaced_pod(kubectl.ns, pod("p", "sleep 1000"))
    kubectl("wait", "pod/p", "--for=condition=Ready", "--timeout=30s")
    assert kubectl("exec", "-i", "p", "--", "cat", input="in\n") == "in\n"
    p = kubectl.run("exec", "p", "--", "sh", "-c", "exit 7")
    assert (p.returncode, p.stderr) == (7, "command terminated with exit code 7\n")


def read_until(fd, what, seconds=20):
    text, end = b"", time.monotonic() + seconds
    while what not in text:
        assert time.monotonic() < end, text
        if select.select([fd], [], [], 0.1)[0]:
            text += os.read(fd, 4096)
    return text


@contextlib.contextmanager
def terminal(kubectl, *args):
    """kubectl on a terminal: the process and our end."""
    master, slave = pty.openpty()
    try:
        with kubectl.start(*args, stdin=slave, stdout=slave, stderr=slave,
                           start_new_session=True) as p:
            try:
                yield p, master
            finally:
                p.kill()
    finally:
        os.close(master)
        os.close(slave)


def test_exec_on_a_terminal(cluster, kubectl):
    cluster.core.create_namespaced_pod(kubectl.ns, pod("p", "sleep 1000"))
    kubectl("wait", "pod/p", "--for=condition=Ready", "--timeout=30s")
    with terminal(kubectl, "exec", "-it", "p", "--", "sh") as (p, master):
        os.write(master, b"test -t 0 && echo a-$((40+2))\n")
        read_until(master, b"a-42\r\n")
        termios.tcsetwinsize(master, (33, 77))
        p.send_signal(signal.SIGWINCH)
        os.write(master, b"until [ \"$(stty size)\" = '33 77' ]; do :; done; echo b-$((2+3))\n")
        read_until(master, b"b-5\r\n")
        os.write(master, b"exit 3\n")
        assert p.wait(20) == 3


def test_exec_passes_much_both_ways(cluster, kubectl):
    cluster.core.create_namespaced_pod(kubectl.ns, pod("p", "sleep 1000"))
    kubectl("wait", "pod/p", "--for=condition=Ready", "--timeout=30s")
    text = "%d\n" * 2000000 % tuple(range(2000000))
    assert kubectl("exec", "-i", "p", "--", "cat", input=text) == text


def test_streams_leave_no_descriptors(cluster, kubectl):
    def descriptors():
        return len(os.listdir("/proc/%d/fd" % cluster.process.pid))

    cluster.core.create_namespaced_pod(kubectl.ns, pod("p", "sleep 1000"))
    kubectl("wait", "pod/p", "--for=condition=Ready", "--timeout=30s")
    kubectl("exec", "p", "--", "true")
    before = descriptors()
    for _ in range(10):
        kubectl("exec", "p", "--", "true")
        with kubectl.start("exec", "-i", "p", "--", "cat", stdin=subprocess.PIPE,
                           stdout=subprocess.PIPE) as p:
            p.stdin.write(b"x\n")
            p.stdin.flush()
            assert p.stdout.readline() == b"x\n"
            p.kill()
    eventually(lambda: descriptors() <= before + 5, what="%d before" % before)


def test_attach_on_a_terminal(cluster, kubectl):
    cluster.core.create_namespaced_pod(
        kubectl.ns, pod("p", "", {"command": ["/bin/sh"], "stdin": True, "tty": True}))
    kubectl("wait", "pod/p", "--for=condition=Ready", "--timeout=30s")
    with terminal(kubectl, "attach", "-it", "p") as (p, master):
        os.write(master, b"test -t 0 && echo a-$((40+2))\n")
        read_until(master, b"a-42\r\n")
        os.write(master, b"exit\n")
        assert p.wait(20) == 0
    eventually(lambda: cluster.core.read_namespaced_pod("p", kubectl.ns).status
               .container_statuses[0].restart_count == 1)


def test_run_on_a_terminal_and_remove(cluster, kubectl):
    with terminal(kubectl, "run", "r", "-it", "--rm", "--restart=Never", "--image=" + IMAGE,
                  "--image-pull-policy=IfNotPresent", "--command", "--", "sh") as (p, master):
        eventually(lambda: cluster.core.read_namespaced_pod("r", kubectl.ns).status.phase
                   == "Running")
        os.write(master, b"\necho a-$((40+2))\n")
        read_until(master, b"a-42\r\n")
        os.write(master, b"exit 5\n")
        read_until(master, b'pod "r" deleted')
        assert p.wait(20) == 5
    assert "r" not in [o.metadata.name
                       for o in cluster.core.list_namespaced_pod(kubectl.ns).items]


def test_run_reads_what_is_piped(kubectl):
    assert kubectl("run", "r", "-i", "--rm", "--restart=Never", "--image=" + IMAGE,
                   "--image-pull-policy=IfNotPresent", "--command", "--", "cat",
                   input="one\ntwo\n").startswith("one\ntwo\n")


def test_cp(cluster, kubectl, tmp_path):
    cluster.core.create_namespaced_pod(kubectl.ns, pod("p", "sleep 1000"))
    kubectl("wait", "pod/p", "--for=condition=Ready", "--timeout=30s")
    there, back = tmp_path / "there", tmp_path / "back"
    there.write_bytes(bytes(range(256)) * 4096)
    kubectl("cp", str(there), "p:/tmp/there")
    kubectl("cp", "p:/tmp/there", str(back))
    assert back.read_bytes() == there.read_bytes()


def test_port_forward(cluster, kubectl):
    cluster.core.create_namespaced_pod(kubectl.ns, web("w"))
    kubectl("wait", "pod/w", "--for=condition=Ready", "--timeout=30s")
    with kubectl.start("port-forward", "pod/w", ":8080", stdout=subprocess.PIPE, text=True) as p:
        try:
            line = p.stdout.readline()
            assert line.startswith("Forwarding from 127.0.0.1:") and line.endswith(" -> 8080\n")
            port = int(line.split()[2].rsplit(":", 1)[1])
            with requests.Session() as s:
                s.trust_env = False
                answer = eventually(lambda: s.get("http://127.0.0.1:%d/" % port, timeout=10))
            assert answer.status_code == 200
        finally:
            p.kill()
