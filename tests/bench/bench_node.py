#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures the budgets of a node: server start to an answer, one pod to Ready, a rollout, memory and
CPU when idle. Needs root, containerd and CNI plugins; without them it says so and measures nothing."""
import argparse
import json
import os
import shutil
import subprocess
import threading
import time

from bench import TOKEN, Server, row

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
IMAGE = "skiff.local/hello:1"
PODS, RUNS = 30, 10
NS = "/api/v1/namespaces/default"
APPS = "/apis/apps/v1/namespaces/default/deployments"


def why_not():
    if os.geteuid() != 0:
        return "a node needs root"
    for path in ("/usr/bin/containerd", "/usr/lib/cni/bridge"):
        if not os.path.exists(path):
            return path + " is not installed"
    return ""


class Node(Server):
    """A server with all its parts."""

    def call(self, method, path, body=None, want=(200, 201, 202)):
        c = self.connection()
        c.request(method, path, json.dumps(body) if body else None,
                  {"Authorization": "Bearer " + TOKEN, "Content-Type": "application/json"})
        r = c.getresponse()
        text = r.read()
        c.close()
        assert r.status in want, (method, path, r.status, text)
        return json.loads(text) if text.startswith(b"{") else text

    def watch(self, path, seen):
        """Opens a watch; runs seen(object) for each event on a thread. seen returns True to end it.
        Returns the thread once the watch is open."""
        c = self.connection()
        c.request("GET", path + ("&" if "?" in path else "?") + "watch=1",
                  headers={"Authorization": "Bearer " + TOKEN})
        r = c.getresponse()
        assert r.status == 200

        def work():
            for line in r:
                e = json.loads(line)
                if seen(e["type"], e["object"]):
                    break
            c.close()
        t = threading.Thread(target=work, daemon=True)
        t.start()
        return t

    def processes_mib(self):
        """Resident memory of containerd and its shims, for comparison."""
        total = 0
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open("/proc/%s/cmdline" % pid, "rb") as f:
                    if self.dir.encode() not in f.read() or int(pid) == self.process.pid:
                        continue
                with open("/proc/%s/status" % pid, encoding="ascii") as f:
                    total += sum(int(l.split()[1]) for l in f if l.startswith("VmRSS"))
            except OSError:
                pass
        return total / 1024


def until(check, seconds=60, what=""):
    end = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < end, "not so within %d s: %s" % (seconds, what)
        time.sleep(0.005)


def container():
    return {"name": "c", "image": IMAGE, "imagePullPolicy": "IfNotPresent",
            "command": ["httpd", "-f", "-p", "80", "-h", "/www"]}


def ready(o):
    return any(c["type"] == "Ready" and c["status"] == "True"
               for c in o.get("status", {}).get("conditions") or [])


def one_pod(s, name):
    """Milliseconds from the POST to the event that says Ready."""
    at = []

    def seen(_, o):
        if ready(o):
            at.append(time.monotonic())
        return bool(at)
    t = s.watch(NS + "/pods?fieldSelector=metadata.name%3D" + name, seen)
    began = time.monotonic()
    s.call("POST", NS + "/pods", {"metadata": {"name": name}, "spec": {
        "terminationGracePeriodSeconds": 0, "containers": [container()]}})
    t.join(60)
    assert at, "%s was not ready within 60 s" % name
    return (at[0] - began) * 1000


def gone(s, path):
    until(lambda: not s.call("GET", path)["items"], what=path)


def rollout(s):
    at = []

    def seen(_, o):
        if o.get("status", {}).get("availableReplicas", 0) == PODS:
            at.append(time.monotonic())
        return bool(at)
    t = s.watch(APPS + "?fieldSelector=metadata.name%3Dmany", seen)
    began = time.monotonic()
    s.call("POST", APPS, {"metadata": {"name": "many"}, "spec": {
        "replicas": PODS, "selector": {"matchLabels": {"app": "many"}},
        "template": {"metadata": {"labels": {"app": "many"}}, "spec": {
            "terminationGracePeriodSeconds": 0, "containers": [container()]}}}})
    t.join(120)
    assert at, "%d pods were not available within 120 s" % PODS
    return at[0] - began


def import_image(s):
    tar = s.dir + "/hello.tar"
    subprocess.check_call([ROOT + "/examples/hello/image.sh", tar])
    ctr = ["ctr", "-a", s.dir + "/run/containerd/containerd.sock", "-n", "k8s.io"]
    until(lambda: subprocess.call(ctr + ["images", "import", tar], stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL) == 0, what="image import")


def hello(s, began):
    """Seconds from the start of the server to the answer of a Service with a pod behind it."""
    s.call("POST", NS + "/pods", {"metadata": {"name": "hello", "labels": {"app": "hello"}},
                                  "spec": {"terminationGracePeriodSeconds": 0,
                                           "containers": [container()]}})
    ip = s.call("POST", NS + "/services", {"metadata": {"name": "hello"}, "spec": {
        "selector": {"app": "hello"}, "ports": [{"port": 80}]}})["spec"]["clusterIP"]
    until(lambda: subprocess.run(["curl", "-fs", "--max-time", "0.2", "http://%s/" % ip],
                                 stdout=subprocess.PIPE, check=False).stdout
          == b"hello from skiff\n", what="http://%s/" % ip)
    return time.monotonic() - began


def run(s, began):
    import_image(s)
    until(lambda: any(ready(n) for n in s.call("GET", "/api/v1/nodes")["items"]), what="node Ready")
    until(lambda: s.call("GET", NS + "/serviceaccounts")["items"], what="service account")
    row("server start to the answer of a Service", "%.2f s" % hello(s, began), budget="at most 5 s")
    s.call("DELETE", NS + "/pods/hello")
    gone(s, NS + "/pods")
    times = []
    for i in range(RUNS):
        times.append(one_pod(s, "one-%d" % i))
        s.call("DELETE", NS + "/pods/one-%d" % i)
        gone(s, NS + "/pods")
    times.sort()
    row("one pod, created to Ready, median of %d" % RUNS,
        "%.0f ms (%.0f-%.0f)" % (times[RUNS // 2], times[0], times[-1]), budget="at most 400 ms")
    row("rollout of %d pods to available" % PODS, "%.2f s" % rollout(s), budget="at most 3 s")
    time.sleep(10)
    row("resident memory with %d pods" % PODS, "%.1f MiB" % s.rss_mib(),
        "%.0f MiB containerd, shims" % s.processes_mib())
    s.call("DELETE", APPS + "/many")
    gone(s, NS + "/pods")
    time.sleep(10)
    row("resident memory, idle, with kubelet and proxy", "%.1f MiB" % s.rss_mib(),
        "%.0f MiB containerd" % s.processes_mib(), budget="at most 30 MB")
    cpu = s.cpu_s()
    time.sleep(20)
    row("CPU, idle, with kubelet and proxy", "%.2f %% of a core" % ((s.cpu_s() - cpu) * 5),
        budget="under 0.5 %")


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("--build", default="build")
    ap.add_argument("--log", help="keep the server's log here")
    o = ap.parse_args()
    if why_not():
        print("figures of a node: skipped: %s" % why_not())
        return
    row("what", "value", "beside it", "", "budget")
    began = time.monotonic()
    s = Node(os.path.join(o.build, "src/cmd/skiff"), ("--kubelet-port=20251",))
    try:
        run(s, began)
    finally:
        if o.log:
            shutil.copy(s.dir + "/log", o.log)
        s.end()
        env = dict(os.environ, SKIFF_DATA=s.dir + "/data", SKIFF_RUN=s.dir + "/run")
        subprocess.call([ROOT + "/tools/down.sh"], env=env, stdout=subprocess.DEVNULL)
        shutil.rmtree(s.dir, ignore_errors=True)


if __name__ == "__main__":
    main()
