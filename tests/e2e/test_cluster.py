# SPDX-License-Identifier: Apache-2.0
"""Deployments, Services, names, and a server that is killed again and again."""
import random
import threading
import time

import requests
from conftest import IMAGE, eventually, pod


def deployment(name, replicas, text="hello", **spec):
    return {"metadata": {"name": name}, "spec": dict({
        "replicas": replicas, "selector": {"matchLabels": {"app": name}},
        "template": {"metadata": {"labels": {"app": name}}, "spec": {
            "terminationGracePeriodSeconds": 10,
            "containers": [{
                "name": "web", "image": IMAGE, "env": [{"name": "TEXT", "value": text}],
                "command": ["sh", "-c", "mkdir -p /tmp/w; echo $TEXT > /tmp/w/index.html; "
                            "exec httpd -f -p 8080 -h /tmp/w"],
                # Connections under way end before the server does.
                "lifecycle": {"preStop": {"exec": {"command": ["sleep", "2"]}}},
                "ports": [{"name": "http", "containerPort": 8080}],
                "readinessProbe": {"httpGet": {"path": "/", "port": "http"},
                                   "periodSeconds": 1}}]}}}, **spec)}


def expose(cluster, ns, name, **spec):
    made = cluster.core.create_namespaced_service(ns, {"metadata": {"name": name}, "spec": dict({
        "selector": {"app": name}, "ports": [{"port": 80, "targetPort": "http"}]}, **spec)})
    return made.spec


def get(url):
    with requests.Session() as s:
        s.trust_env = False
        return s.get(url, timeout=3).text.strip()


def available(cluster, ns, name, n, seconds=30):
    return eventually(lambda: (d := cluster.apps.read_namespaced_deployment(name, ns)) and
                      d.status.updated_replicas == n and d.status.available_replicas == n and
                      d.status.replicas == n and d, seconds, what=name)


def test_a_service_answers_by_address_port_and_name(cluster, ns):
    cluster.apps.create_namespaced_deployment(ns, deployment("web", 3))
    spec = expose(cluster, ns, "web", type="NodePort")
    available(cluster, ns, "web", 3)
    assert eventually(lambda: get("http://%s/" % spec.cluster_ip) == "hello")
    node = cluster.core.list_node().items[0].status.addresses
    ip = [a.address for a in node if a.type == "InternalIP"][0]
    assert get("http://%s:%d/" % (ip, spec.ports[0].node_port)) == "hello"
    cluster.core.create_namespaced_pod(ns, pod("asker", "sleep 1000"))
    eventually(lambda: cluster.core.read_namespaced_pod("asker", ns).status.phase == "Running")
    for name in ("web", "web." + ns, "web.%s.svc.cluster.local" % ns):
        out = cluster.kubectl("-n", ns, "exec", "asker", "--", "fetch", name)
        assert out == "hello\n"
    slices = cluster.kubectl("-n", ns, "get", "endpointslices", "-o",
                             "jsonpath={.items[*].endpoints[*].conditions.ready}")
    assert slices == "true true true"


def test_a_rolling_update_loses_no_request(cluster, ns):
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    cluster.apps.create_namespaced_deployment(ns, deployment("roll", 2, "one", strategy=strategy))
    ip = expose(cluster, ns, "roll").cluster_ip
    available(cluster, ns, "roll", 2)
    eventually(lambda: get("http://%s/" % ip) == "one")
    seen, lost, stop = {"one": 0, "two": 0}, [], threading.Event()

    def ask():
        while not stop.is_set():
            try:
                seen[get("http://%s/" % ip)] += 1
            except (requests.exceptions.RequestException, KeyError) as e:
                lost.append(repr(e))

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for t in threads:
        t.start()
    body = deployment("roll", 2, "two", strategy=strategy)
    cluster.apps.patch_namespaced_deployment("roll", ns, body)
    available(cluster, ns, "roll", 2, 60)
    eventually(lambda: seen["two"] > 20)
    stop.set()
    for t in threads:
        t.join()
    assert not lost, "%d of %d lost: %s" % (len(lost), sum(seen.values()), lost[:3])
    assert seen["one"] > 0 and seen["two"] > 0


def test_thirty_pods_become_available(cluster, ns):
    began = time.monotonic()
    body = deployment("many", 30)
    body["spec"]["template"]["spec"]["containers"][0].pop("lifecycle")
    cluster.apps.create_namespaced_deployment(ns, body)
    available(cluster, ns, "many", 30, 90)
    print("30 pods available after %.1f s" % (time.monotonic() - began))


def test_a_killed_server_comes_back_and_nothing_is_lost(cluster, ns):
    """20 kills at random moments under load: acknowledged writes stay, no container restarts, the
    Service answers all the time."""
    cluster.apps.create_namespaced_deployment(ns, deployment("steady", 2))
    ip = expose(cluster, ns, "steady").cluster_ip
    available(cluster, ns, "steady", 2)
    eventually(lambda: get("http://%s/" % ip) == "hello")
    before = {p.metadata.name: [(c.container_id, c.restart_count)
                                for c in p.status.container_statuses]
              for p in cluster.core.list_namespaced_pod(ns).items}
    written, failed, asked, stop = {}, [], [0], threading.Event()

    def write():
        i = 0
        while not stop.is_set():
            name = "k%d" % i
            i += 1
            try:
                cluster.core.create_namespaced_config_map(
                    ns, {"metadata": {"name": name}, "data": {"n": name}}, _request_timeout=2)
                written[name] = True
            except Exception:  # while the server is down
                time.sleep(0.02)

    def ask():
        while not stop.is_set():
            asked[0] += 1
            try:
                if get("http://%s/" % ip) != "hello":
                    failed.append("wrong answer")
            except requests.exceptions.RequestException as e:
                failed.append(repr(e))
            time.sleep(0.01)

    threads = [threading.Thread(target=write), threading.Thread(target=ask)]
    for t in threads:
        t.start()
    dice = random.Random(20)
    for _ in range(20):
        time.sleep(dice.uniform(0.05, 0.8))
        cluster.kill()
        cluster.start()
    stop.set()
    for t in threads:
        t.join()
    have = {m.metadata.name for m in cluster.core.list_namespaced_config_map(ns).items}
    assert set(written) <= have, sorted(set(written) - have)
    assert len(written) > 20
    assert not failed, "%d of %d: %s" % (len(failed), asked[0], failed[:3])
    time.sleep(2)  # what an adoption would break shows soon after it
    after = {p.metadata.name: [(c.container_id, c.restart_count)
                               for c in p.status.container_statuses]
             for p in cluster.core.list_namespaced_pod(ns).items}
    assert after == before
