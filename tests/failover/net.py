# SPDX-License-Identifier: Apache-2.0
"""A network of its own: nodes in network namespaces, on a bridge that stands in one, too. Nothing of it
has a name on the host, and all of it is gone when its processes are, however the test ends.
"""
import ctypes
import os
import signal
import subprocess
import time

CLONE_NEWNET, PR_SET_PDEATHSIG = 0x40000000, 1
LIBC = ctypes.CDLL(None, use_errno=True)


def die_with_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def why_not():
    """Why there can be no such network here, or ""."""
    if os.geteuid() != 0:
        return "not root"
    try:
        Net({"a": 2}).close()
    except (OSError, subprocess.CalledProcessError) as e:
        return "no network namespaces: %s" % (getattr(e, "stderr", None) or e)
    return ""


class Space:
    """A network namespace, held by a process that sleeps."""

    def __init__(self):
        self.holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"],
                                       preexec_fn=die_with_parent, stderr=subprocess.DEVNULL)
        self.path = "/proc/%d/ns/net" % self.holder.pid
        while os.readlink(self.path) == os.readlink("/proc/self/ns/net"):
            if self.holder.poll() is not None:
                raise OSError("unshare --net failed")
            time.sleep(0.002)
        self.fd = os.open(self.path, os.O_RDONLY)

    def run(self, *args, text=None):
        return subprocess.run(["nsenter", "--net=" + self.path, *args], input=text, check=True,
                              capture_output=True, text=True).stdout

    def start(self, args, log):
        """A process in it, which ends with the thread that calls this."""
        return subprocess.Popen(["nsenter", "--net=" + self.path, *args], stdout=log, stderr=log,
                                preexec_fn=die_with_parent)

    def popen(self, args):
        """As start(), with its output to be read."""
        return subprocess.Popen(["nsenter", "--net=" + self.path, *args], stdout=subprocess.PIPE,
                                stderr=subprocess.DEVNULL, preexec_fn=die_with_parent)

    def close(self):
        os.close(self.fd)
        self.holder.kill()
        self.holder.wait()


class Net:
    """@nodes: name -> last number of its address. Their names are the keys of all else here."""

    def __init__(self, nodes):
        self.ip = {name: "10.0.0.%d" % n for name, n in nodes.items()}
        self.spaces = {}
        try:
            self.hub = self.spaces[""] = Space()
            self.hub.run("ip", "-batch", "-", text="link set lo up\nlink add br0 type bridge\n"
                         "addr add 10.0.0.1/24 dev br0\nlink set br0 up\n")
            for name in nodes:
                self.add(name)
        except BaseException:
            self.close()
            raise

    def add(self, name):
        space = self.spaces[name] = Space()
        self.hub.run("ip", "link", "add", "to-" + name, "type", "veth", "peer", "name", "eth0",
                     "netns", str(space.holder.pid))
        self.hub.run("ip", "link", "set", "to-" + name, "master", "br0", "up")
        space.run("ip", "-batch", "-", text="link set lo up\naddr add %s/24 dev eth0\n"
                  "link set eth0 up\nroute add default via 10.0.0.1\n" % self.ip[name])
        space.run("nft", "-f", "-", text="table ip cut {\n chain in { type filter hook input "
                  "priority 0; }\n chain out { type filter hook output priority 0; }\n}\n")

    def enter(self):
        """The calling thread (never the main one) makes its sockets at the hub from now on."""
        if LIBC.setns(self.hub.fd, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")

    def cut(self, a, b, one_way=False):
        """@a hears no more of @b, and, unless @one_way, @b no more of @a."""
        self.spaces[a].run("nft", "add", "rule", "ip", "cut", "in", "ip", "saddr", self.ip[b],
                           "drop")
        if not one_way:
            self.spaces[a].run("nft", "add", "rule", "ip", "cut", "out", "ip", "daddr",
                               self.ip[b], "drop")

    def refuse(self, a, b):
        """@a's connections to @b break at once, with nothing more from it, and it gets no new ones."""
        self.spaces[a].run("nft", "add", "rule", "ip", "cut", "in", "iifname", "!=", "lo", "ip",
                           "saddr", self.ip[b], "drop")
        self.spaces[a].run("nft", "add", "rule", "ip", "cut", "out", "ip", "daddr", self.ip[b],
                           "meta", "l4proto", "tcp", "reject", "with", "tcp", "reset")

    def lossy(self, name, percent):
        """Of what reaches @name, a part is lost: what it answers comes late."""
        self.spaces[name].run("nft", "add", "rule", "ip", "cut", "in", "numgen", "random", "mod",
                              "100", "<", str(percent), "drop")

    def heal(self):
        for name in self.ip:
            self.spaces[name].run("nft", "flush", "table", "ip", "cut")

    def close(self):
        for space in self.spaces.values():
            space.close()
