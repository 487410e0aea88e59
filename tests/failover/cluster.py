# SPDX-License-Identifier: Apache-2.0
"""Three etcd members and API servers over them, each on a node of a network of its own."""
import base64
import glob
import json
import os
import shutil
import signal
import ssl
import subprocess
import tempfile
import time

import yaml
from failover import net

MEMBERS = ("m0", "m1", "m2")
SERVERS = ("a", "b")
PREFIX = "skiff-failover-"
NODES = {"m0": 10, "m1": 11, "m2": 12, "a": 20, "b": 21}


def remove_stale():
    """Folders of tests that were killed; all else of them is gone with their processes."""
    for folder in glob.glob(os.path.join(tempfile.gettempdir(), PREFIX + "*-*")):
        if not os.path.exists("/proc/" + os.path.basename(folder)[len(PREFIX):].split("-")[0]):
            shutil.rmtree(folder, ignore_errors=True)


class Process:
    """What runs on a node, may be killed, paused and started again."""

    def __init__(self, network, name, folder, args):
        self.space, self.name, self.args = network.spaces[name], name, args
        self.log = os.path.join(folder, name + ".log")
        self.process = None
        self.paused = self.killed = False
        self.start()

    def start(self):
        self.killed = False
        with open(self.log, "ab") as log:
            self.process = self.space.start(self.args, log)

    def running(self):
        return self.process.poll() is None

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.paused, self.killed = False, True

    def stop(self):
        """Ends it as an administrator would; a leak or a memory error fails the test."""
        self.process.terminate()
        code = self.process.wait(30)
        assert code == 0, "%s: exit status %d: %s" % (self.name, code, self.text()[-6000:])

    def pause(self, paused):
        self.process.send_signal(signal.SIGSTOP if paused else signal.SIGCONT)
        self.paused = paused

    def text(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return f.read()


class Cluster:
    """@binary: skiff."""

    def __init__(self, binary):
        remove_stale()
        self.dir = tempfile.mkdtemp(prefix=PREFIX + "%d-" % os.getpid())
        self.net, self.nodes, self.binary = None, {}, binary
        try:
            self.net = net.Net(NODES)
            for name in MEMBERS:
                self.nodes[name] = Process(self.net, name, self.dir, self.etcd_args(name))
            self.add_server("a", MEMBERS)
            self.wait_for(lambda: os.path.exists(self.kubeconfig("a")), 20)
            shutil.copytree(os.path.join(self.dir, "a", "pki"), os.path.join(self.dir, "b", "pki"))
            self.add_server("b", MEMBERS[::-1])
            self.tls = self.load_identity()
        except BaseException:
            self.close()
            raise

    def etcd_args(self, name):
        ip, client = self.net.ip[name], "http://%s:2379"
        return ["etcd", "--name", name, "--data-dir", os.path.join(self.dir, name), "--logger",
                "zap", "--listen-client-urls", client % ip, "--advertise-client-urls", client % ip,
                "--listen-peer-urls", "http://%s:2380" % ip, "--initial-advertise-peer-urls",
                "http://%s:2380" % ip, "--initial-cluster",
                ",".join("%s=http://%s:2380" % (m, self.net.ip[m]) for m in MEMBERS),
                "--heartbeat-interval", "50", "--election-timeout", "500"]

    def add_server(self, name, members):
        ip = self.net.ip[name]
        self.nodes[name] = Process(self.net, name, self.dir, [
            self.binary, "apiserver", "--data-dir=" + os.path.join(self.dir, name),
            "--run-dir=" + os.path.join(self.dir, name + "-run"), "--secure-port=6443",
            "--bind-address=" + ip, "--advertise-address=" + ip, "--node-ip=" + ip,
            "--etcd-servers=" + ",".join(self.endpoint(m) for m in members),
            "--etcd-compaction-interval=0"])

    def endpoint(self, member):
        return "http://%s:2379" % self.net.ip[member]

    def kubeconfig(self, name):
        return os.path.join(self.dir, name, "admin.kubeconfig")

    def load_identity(self):
        with open(self.kubeconfig("a"), encoding="utf-8") as f:
            config = yaml.safe_load(f)
        context = ssl.create_default_context(cadata=base64.b64decode(
            config["clusters"][0]["cluster"]["certificate-authority-data"]).decode())
        context.check_hostname = False  # it is about the API here
        paths = []
        for part in ("client-certificate-data", "client-key-data"):
            paths.append(os.path.join(self.dir, part))
            with open(paths[-1], "wb") as f:
                f.write(base64.b64decode(config["users"][0]["user"][part]))
        context.load_cert_chain(*paths)
        return context

    def wait_for(self, check, seconds, explain=lambda: ""):
        end = time.monotonic() + seconds
        while not check():
            for node in self.nodes.values():
                assert node.running(), "%s ended: %s" % (node.name, node.text()[-3000:])
            assert time.monotonic() < end, "not so within %d s %s" % (seconds, explain())
            time.sleep(0.02)

    def ctl_args(self, *args, members=MEMBERS):
        return ["env", "ETCDCTL_API=3", "etcdctl",
                "--endpoints=" + ",".join(self.endpoint(m) for m in members), *args]

    def ctl(self, *args, members=MEMBERS):
        return self.net.hub.run(*self.ctl_args(*args, members=members))

    def leader(self):
        """The name of the leader, or None while nobody knows one."""
        for m in MEMBERS:
            if not self.nodes[m].running() or self.nodes[m].paused:
                continue
            try:
                status = json.loads(self.ctl("endpoint", "status", "-w", "json",
                                             "--command-timeout=1s", members=[m]))[0]["Status"]
            except (subprocess.CalledProcessError, ValueError, IndexError, TypeError):
                continue
            if status.get("leader") and status["leader"] == status["header"]["member_id"]:
                return m
        return None

    def close(self):
        for node in self.nodes.values():
            node.kill()
        if self.net:
            self.net.close()
        shutil.rmtree(self.dir, ignore_errors=True)
