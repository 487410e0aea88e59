#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures skiff's budgets beside yardsticks on the same machine in the same run, and prints value,
yardstick and ratio. The yardsticks: nghttpd serving a file of the same size over TLS, and bare LMDB
committing the same bytes."""
import argparse
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import http.client

TOKEN = "bench-token"
CONFIG_MAPS = 10500
PODS = 10000


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def row(what, value, yardstick="", ratio="", budget=""):
    print("%-46s %18s %22s %8s   %s" % (what, value, yardstick, ratio, budget), flush=True)


class Server:
    def __init__(self, binary, args=("--disable=kubelet,proxy,dns",)):
        self.dir = tempfile.mkdtemp(prefix="skiff-bench-")
        self.port = free_port()
        tokens = os.path.join(self.dir, "tokens")
        with open(tokens, "w", encoding="ascii") as f:
            f.write('%s,bench,1,"system:masters"\n' % TOKEN)
        self.context = ssl._create_unverified_context()
        began = time.monotonic()
        self.process = subprocess.Popen(
            [binary, "server", "--data-dir=" + self.dir + "/data", "--run-dir=" + self.dir + "/run",
             "--bind-address=127.0.0.1", "--secure-port=%d" % self.port,
             "--token-auth-file=" + tokens, *args],
            stderr=open(self.dir + "/log", "wb"))
        while True:
            try:
                if self.get("/readyz")[0] == 200:
                    break
            except OSError:
                pass
            assert self.process.poll() is None, open(self.dir + "/log").read()
            time.sleep(0.001)
        self.ready_ms = (time.monotonic() - began) * 1000

    def connection(self):
        return http.client.HTTPSConnection("127.0.0.1", self.port, context=self.context)

    def get(self, path, connection=None):
        c = connection or self.connection()
        c.request("GET", path, headers={"Authorization": "Bearer " + TOKEN})
        r = c.getresponse()
        return r.status, r.read()

    def rss_mib(self):
        with open("/proc/%d/status" % self.process.pid, encoding="ascii") as f:
            return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1)) / 1024

    def cpu_s(self):
        with open("/proc/%d/stat" % self.process.pid, encoding="ascii") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)

    def stop(self):
        self.end()
        shutil.rmtree(self.dir, ignore_errors=True)


def h2load(url, n, clients, streams, *extra):
    out = subprocess.run(["h2load", "-n", str(n), "-c", str(clients), "-m", str(streams), *extra, url],
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True).stdout.decode()
    rate = re.search(r"finished in .*?, ([\d.]+) req/s, ([\d.]+)(\w?B)/s", out)
    codes = re.search(r"status codes: (\d+) 2xx", out)
    assert rate and int(codes.group(1)) == n, out
    unit = {"B": 1e-6, "KB": 1e-3, "MB": 1.0, "GB": 1e3}[rate.group(3)]
    return float(rate.group(1)), float(rate.group(2)) * unit


def yardstick(server, size, n, clients, streams):
    """nghttpd serving a file of @size bytes with the server's own certificate."""
    folder = tempfile.mkdtemp(prefix="skiff-bench-www-")
    with open(folder + "/file", "wb") as f:
        f.write(b"x" * size)
    port = free_port()
    pki = server.dir + "/data/pki/"
    p = subprocess.Popen(["nghttpd", "-d", folder, str(port), pki + "apiserver.key",
                          pki + "apiserver.crt"], stdout=subprocess.DEVNULL,
                         stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.01)
        return h2load("https://127.0.0.1:%d/file" % port, n, clients, streams)
    finally:
        p.terminate()
        p.wait()
        shutil.rmtree(folder, ignore_errors=True)


def config_map(name, size=256):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": name},
            "data": {"k": "x" * size}}


def pod(i):
    return {"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "p-%05d" % i, "namespace": "bench",
                         "labels": {"app": "a%d" % (i % 100)},
                         "annotations": {"pad": "y" * 400}},
            "spec": {"schedulerName": "nobody", "automountServiceAccountToken": False,
                     "containers": [{"name": "c", "image": "registry/app:v1", "env": [
                         {"name": "E%d" % e, "value": "v" * 30} for e in range(8)]}]}}


def post_all(server, path, bodies, workers=8):
    def work(part):
        c = server.connection()
        for b in part:
            c.request("POST", path, json.dumps(b), {"Authorization": "Bearer " + TOKEN,
                                                    "Content-Type": "application/json"})
            r = c.getresponse()
            text = r.read()
            assert r.status == 201, text
    threads = [threading.Thread(target=work, args=(bodies[i::workers],)) for i in range(workers)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


def measure_create(server, bare_many, bare_one):
    auth = ("-H", "Authorization: Bearer " + TOKEN, "-H", "content-type: application/json")
    path = "https://127.0.0.1:%d/api/v1/namespaces/bench/configmaps" % server.port
    with tempfile.NamedTemporaryFile("w", suffix=".json") as f:
        json.dump(config_map("cm-", 700), f)
        f.flush()
        rate, _ = h2load(path, 20000, 8, 8, *auth, "-d", f.name)
        row("CREATE configmaps, durable, 64 in flight", "%.0f/s" % rate,
            "%.0f/s bare LMDB" % bare_many, "%.2f" % (rate / bare_many), "at least 0.60")
        rate, _ = h2load(path, 2000, 1, 1, *auth, "-d", f.name)
    row("CREATE, one at a time, mean", "%.2f ms" % (1000 / rate),
        "%.2f ms bare LMDB" % (1000 / bare_one), "%.2f" % (bare_one / rate), "at most 1.6")


def measure_memory(server, _):
    """On a server of its own, so that what the other measurements left behind does not count."""
    post_all(server, "/api/v1/namespaces", [{"metadata": {"name": "bench"}}])
    for path, objects in (("configmaps", [config_map("cm-", 700)] * CONFIG_MAPS),
                          ("pods", [pod(i) for i in range(PODS)])):
        post_all(server, "/api/v1/namespaces/bench/" + path, objects)
    size = sum(len(server.get("/api/v1/namespaces/bench/" + path)[1])
               for path in ("configmaps", "pods"))
    time.sleep(2)  # what is kept while writes come is given back a second after the last
    row("resident memory, %d configmaps, %d pods" % (CONFIG_MAPS, PODS),
        "%.0f MB" % (server.rss_mib() * 1.048576), "%.0f MB of JSON" % (size / 1e6),
        budget="at most 70 MB")


def bare_lmdb(build):
    """The yardstick's own numbers out of bench_store: commits a second, 64 at a time and one."""
    folder = tempfile.mkdtemp(prefix="skiff-bench-store-")
    try:
        out = subprocess.run([os.path.join(build, "tests/bench/bench_store"), folder],
                             stdout=subprocess.PIPE, check=True).stdout.decode()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print("\n".join("  " + l for l in out.splitlines()))
    many = [float(x) for x in re.findall(r"in flight.*?bare LMDB\s+([\d.]+)/s", out)]
    one = [float(x) for x in re.findall(r"one write at a time.*?bare LMDB\s+([\d.]+)/s", out)]
    return max(many), max(one)


def measure_churn(build):
    """Keys that are written over: what the file grows to, and who waits for compaction."""
    out = subprocess.run([os.path.join(build, "tests/unit/store/test_churn")],
                         env=dict(os.environ, CHURN_WRITES="2000000", CHURN_HISTORY="1000000"),
                         stdout=subprocess.PIPE, check=True).stdout.decode()
    m = re.search(r"churn: 2000000 writes.*?([\d.]+) a second, file at most ([\d.]+) MB, "
                  r"([\d.]+) x live and history", out)
    row("file, 2,000,000 overwrites of 1,000 keys", "%s MB" % m.group(2),
        "%.1f MB live and history" % (float(m.group(2)) / float(m.group(3))), m.group(3),
        "at most 4")
    m = re.search(r"revisions compacted within (\d+) ms, longest wait ([\d.]+) ms, ([\d.]+) ms", out)
    row("compaction of 1,000,000 revisions, longest wait of a writer", "%s ms" % m.group(2),
        "%s ms without" % m.group(3), "%.2f" % (float(m.group(2)) / float(m.group(3))))


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("--build", default="build")
    o = ap.parse_args()
    for part in (run, measure_memory):
        s = Server(os.path.join(o.build, "src/cmd/skiff"))
        try:
            part(s, o)
        finally:
            s.stop()
    measure_churn(o.build)


def run(s, o):
    row("what", "value", "yardstick", "ratio", "budget")
    row("fresh data directory to /readyz", "%.0f ms" % s.ready_ms, budget="at most 100 ms")
    time.sleep(3)
    row("resident memory, idle, without a node", "%.1f MiB" % s.rss_mib(), budget="at most 20 MB")
    cpu = s.cpu_s()
    time.sleep(10)
    row("CPU, idle", "%.2f %% of a core" % ((s.cpu_s() - cpu) * 10), budget="under 0.5 %")

    auth = ("-H", "Authorization: Bearer " + TOKEN)
    base = "https://127.0.0.1:%d" % s.port
    post_all(s, "/api/v1/namespaces", [{"metadata": {"name": "bench"}}])
    post_all(s, "/api/v1/namespaces/bench/configmaps",
             [{"metadata": {"name": "small"}, "data": {"k": "x" * 100}}])
    size = len(s.get("/api/v1/namespaces/bench/configmaps/small")[1])
    h2load(base + "/api/v1/namespaces/bench/configmaps/small", 2000, 8, 8, *auth)
    rate, _ = h2load(base + "/api/v1/namespaces/bench/configmaps/small", 200000, 8, 8, *auth)
    yard, _ = yardstick(s, size, 400000, 8, 8)
    row("GET of %d bytes, h2load -c8 -m8" % size, "%.0f/s" % rate, "%.0f/s nghttpd" % yard,
        "%.2f" % (rate / yard), "at least 0.40")

    many, one = bare_lmdb(o.build)
    measure_create(s, many, one)

    post_all(s, "/api/v1/namespaces/bench/pods", [pod(i) for i in range(PODS)])
    size = len(s.get("/api/v1/namespaces/bench/pods")[1])
    h2load(base + "/api/v1/namespaces/bench/pods", 2, 1, 1, *auth)
    _, mb = h2load(base + "/api/v1/namespaces/bench/pods", 20, 1, 1, *auth)
    _, yard = yardstick(s, size, 40, 1, 1)
    row("LIST of %d pods, %.1f MB" % (PODS, size / 1e6), "%.0f MB/s" % mb,
        "%.0f MB/s nghttpd" % yard, "%.2f" % (mb / yard), "at least 0.60")
    c, times = s.connection(), []
    for _ in range(50):
        began = time.monotonic()
        status, body = s.get("/api/v1/namespaces/bench/pods?labelSelector=app%3Dnone", c)
        times.append((time.monotonic() - began) * 1000)
        assert status == 200 and len(body) < 400
    row("LIST, selector that matches none of %d" % PODS, "%.2f ms" % sorted(times)[25],
        budget="at most 1 ms")


if __name__ == "__main__":
    main()
