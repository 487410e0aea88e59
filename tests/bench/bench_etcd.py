#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures `skiff etcd` beside Debian's etcd: the same client, the same disk, both running, in turns
of a second, so that what else the machine does meets both. Prints ours, etcd's and the ratio."""
import argparse
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from bench import free_port, row

POINTS = ((1, 1), (8, 64), (100, 1000))  # connections, clients: as etcd's own benchmark has them
VALUES = (256, 8192)
KEYS = 100000
MILLION = 1000000
TURNS, TURN_S = 3, 1.0
WATCHES = 100
QUOTA = "--quota-backend-bytes=%d" % (8 << 30)
SETTLED_S, SETTLE_MAX_S = 4, 30


class Server:
    """One of the two, on a free port and a folder of its own."""

    def __init__(self, name, command, folder, client):
        self.name, self.client = name, client
        self.port = free_port()
        self.dir = os.path.join(folder, name + "-%d" % self.port)
        os.mkdir(self.dir)
        url, peer = ("http://127.0.0.1:%d" % p for p in (self.port, free_port()))
        self.log = open(self.dir + "/log", "wb")
        self.process = subprocess.Popen(
            [*command, "--data-dir=" + self.dir + "/data", "--listen-client-urls=" + url,
             "--advertise-client-urls=" + url, "--listen-peer-urls=" + peer,
             "--initial-advertise-peer-urls=" + peer, "--initial-cluster=default=" + peer,
             "--logger=zap", QUOTA], stdout=self.log, stderr=self.log)
        end = time.monotonic() + 20
        while True:
            assert self.process.poll() is None, open(self.dir + "/log", encoding="utf-8").read()
            assert time.monotonic() < end, name + " does not answer"
            try:
                self.load("put", 1, 1, 0.05, 16, 1)  # it answers when it has elected itself
                return
            except (OSError, subprocess.CalledProcessError):
                time.sleep(0.02)

    def load(self, kind, conns, clients, amount, value, keys):
        """calls, seconds, mean, p50, p99 in microseconds"""
        socket.create_connection(("127.0.0.1", self.port), 1).close()
        out = subprocess.run([self.client, str(self.port), kind, str(conns), str(clients),
                              str(amount), str(value), str(keys)], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, check=True).stdout.split()
        return [float(x) for x in out[:5]]

    def cpu_s(self):
        with open("/proc/%d/stat" % self.process.pid, encoding="ascii") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def rss_kib(self):
        with open("/proc/%d/status" % self.process.pid, encoding="ascii") as f:
            return next(int(l.split()[1]) for l in f if l.startswith("VmRSS"))

    def settled_kib(self):
        """Resident memory, when it has been the same for some seconds."""
        end = time.monotonic() + SETTLE_MAX_S
        seen = [self.rss_kib()]
        while time.monotonic() < end:
            time.sleep(1)
            seen.append(self.rss_kib())
            if len(seen) > SETTLED_S and max(seen[-SETTLED_S:]) - min(seen[-SETTLED_S:]) < 1024:
                break
        return seen[-1]

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)
        self.log.close()
        shutil.rmtree(self.dir, ignore_errors=True)


class Both:
    def __init__(self, o, folder):
        client = os.path.join(o.build, "tests/bench/bench_etcd")
        commands = {"etcd": ["etcd"], "skiff": [os.path.join(o.build, "src/cmd/skiff"), "etcd"]}
        self.servers = [Server(n, c, folder, client) for n, c in commands.items()]

    def stop(self):
        for s in self.servers:
            s.stop()


class Sum:
    """What the turns of one server come to."""

    def __init__(self):
        self.calls = self.seconds = self.cpu = 0.0
        self.means, self.p50, self.p99 = 0.0, [], []

    def add(self, result, cpu):
        self.calls += result[0]
        self.seconds += result[1]
        self.means += result[0] * result[2]
        self.p50.append(result[3])
        self.p99.append(result[4])
        self.cpu += cpu

    def text(self):
        middle = len(self.p50) // 2
        return "%.0f/s" % self.rate(), "%s %s %s ms" % tuple(
            ("%.3g" % (us / 1000)) for us in
            (self.mean_us(), sorted(self.p50)[middle], sorted(self.p99)[middle]))

    def rate(self):
        return self.calls / self.seconds

    def mean_us(self):
        return self.means / self.calls

    def cpu_us(self):
        return self.cpu * 1e6 / self.calls


def measure(both, kind, conns, clients, value, keys):
    """[etcd, skiff]"""
    sums = [Sum(), Sum()]
    for _ in range(TURNS):
        for s, total in zip(both.servers, sums):
            cpu = s.cpu_s()
            result = s.load(kind, conns, clients, TURN_S, value, keys)
            total.add(result, s.cpu_s() - cpu)
    return sums


def show(what, sums, budget=True):
    etcd, ours = sums
    rates, times = zip(ours.text(), etcd.text())
    row(what, rates[0], rates[1] + " etcd", "%.2f" % (ours.rate() / etcd.rate()),
        "at least 3" if budget else "")
    row("   mean, p50, p99", times[0], times[1], "%.2f" % (ours.mean_us() / etcd.mean_us()),
        "mean at most 0.5" if budget else "")
    row("   server's CPU a call", "%.1f us" % ours.cpu_us(), "%.1f us" % etcd.cpu_us(),
        "%.2f" % (ours.cpu_us() / etcd.cpu_us()))


def bare_sync(o, folder, value):
    """Writes with fdatasync, a second: what one client can have at most; what is in the log for a
    put stands at a multiple of 512 bytes."""
    out = subprocess.run([os.path.join(o.build, "tests/bench/bench_etcd"), folder + "/sync", "sync",
                          "1000", str((value + 40 + 24 + 8 + 511) // 512 * 512)],
                         stdout=subprocess.PIPE, check=True).stdout.split()
    os.remove(folder + "/sync")
    return float(out[0]) / float(out[1])


def puts(o, folder):
    both = Both(o, folder)
    try:
        for value in VALUES:
            for conns, clients in POINTS:
                show("etcd: PUT %d B, %d clients, %d connections" % (value, clients, conns),
                     measure(both, "put", conns, clients, value, KEYS))
                if clients == 1:
                    row("   write and fdatasync alone", "%.0f/s" % bare_sync(o, folder, value))
    finally:
        both.stop()
    both = Both(o, folder)
    try:
        for s in both.servers:
            s.load("fill", 8, 64, KEYS, 256, 0)
        for kind, what in (("get", "linearizable"), ("sget", "serializable")):
            show("etcd: GET 256 B, %s, 64 clients" % what, measure(both, kind, 8, 64, 0, KEYS),
                 budget=False)
    finally:
        both.stop()


def memory(o, folder, keys):
    both = Both(o, folder)
    grown = {}
    try:
        for s in both.servers:
            before = s.settled_kib()
            s.load("fill", 8, 64, keys, 256, 0)
            after = s.settled_kib()
            grown[s.name] = ((after - before) * 1024 / keys, after / 1024)
        row("etcd: resident, %d keys of 256 B" % keys, *("%.0f MiB" % grown[n][1]
                                                         for n in ("skiff", "etcd")))
        row("   a key", *("%.0f B" % grown[n][0] for n in ("skiff", "etcd")),
            "%.2f" % (grown["skiff"][0] / grown["etcd"][0]))
    finally:
        both.stop()


def connections(o, folder):
    both = Both(o, folder)
    grown = {}
    try:
        for s in both.servers:
            before = s.settled_kib()
            p = subprocess.Popen([s.client, str(s.port), "watch", str(WATCHES)],
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            assert p.stdout.readline() == b"open\n"
            grown[s.name] = (s.settled_kib() - before) / WATCHES
            p.stdin.close()
            p.wait(10)
        row("etcd: resident, a connection with a watch", *("%.1f KiB" % grown[n]
                                                           for n in ("skiff", "etcd")),
            "%.2f" % (grown["skiff"] / max(grown["etcd"], 0.1)))
    finally:
        both.stop()


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("--build", default="build")
    o = ap.parse_args()
    if not shutil.which("etcd"):
        row("etcd: all rows", "etcd is not installed")
        return
    # Beside the build: /tmp may be no disk.
    folder = tempfile.mkdtemp(prefix="bench-etcd-", dir=o.build)
    try:
        puts(o, folder)
        memory(o, folder, KEYS)
        if os.environ.get("SKIFF_BENCH_LONG"):
            memory(o, folder, MILLION)
        connections(o, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
