# SPDX-License-Identifier: Apache-2.0
"""What a kubelet must do, with real containers."""
import time

import requests
from conftest import IMAGE, eventually, pod, web


def state(cluster, ns, name):
    return cluster.core.read_namespaced_pod(name, ns).status


def container(cluster, ns, name):
    s = state(cluster, ns, name).container_statuses
    return s[0] if s else None


def running(cluster, ns, name):
    return eventually(lambda: (c := container(cluster, ns, name)) and c.state.running and c, 20,
                      what=name)


def terminated(cluster, ns, name):
    return eventually(lambda: (c := container(cluster, ns, name)) and c.state.terminated, 20,
                      what=name)


def logs(cluster, ns, name, **kw):
    return cluster.core.read_namespaced_pod_log(name, ns, **kw)


def test_a_pod_runs_logs_and_executes(cluster, ns):
    began = time.monotonic()
    cluster.core.create_namespaced_pod(ns, pod("p", "echo one; echo two >&2; sleep 1000"))
    running(cluster, ns, "p")
    took = time.monotonic() - began
    assert took < 5, took
    # Two streams have no order between them.
    text = eventually(lambda: (t := logs(cluster, ns, "p")).count("\n") == 2 and t)
    assert sorted(text.splitlines()) == ["one", "two"]
    assert logs(cluster, ns, "p", tail_lines=1) == text.splitlines()[1] + "\n"
    out = cluster.kubectl("-n", ns, "exec", "p", "--", "sh", "-c", "echo $((6*7)); hostname")
    assert out == "42\np\n"
    bad = cluster.kubectl("-n", ns, "exec", "p", "--", "sh", "-c", "exit 7", check=False)
    assert bad.returncode == 7
    echoed = cluster.kubectl("-n", ns, "exec", "-i", "p", "--", "cat", input=b"through\n")
    assert echoed == "through\n"
    s = state(cluster, ns, "p")
    assert s.phase == "Running" and s.pod_ip.startswith("10.244.") and s.qos_class == "BestEffort"
    assert {c.type: c.status for c in s.conditions}["Ready"] == "True"


def test_restart_policies(cluster, ns):
    for name, policy, code in (("always", "Always", 0), ("fail", "OnFailure", 3),
                               ("once", "OnFailure", 0), ("never", "Never", 5)):
        cluster.core.create_namespaced_pod(ns, pod(name, "exit %d" % code, restartPolicy=policy))
    eventually(lambda: container(cluster, ns, "always").restart_count >= 1, 30)
    eventually(lambda: container(cluster, ns, "fail").restart_count >= 1, 30)
    assert eventually(lambda: state(cluster, ns, "once").phase == "Succeeded")
    assert eventually(lambda: state(cluster, ns, "never").phase == "Failed")
    assert terminated(cluster, ns, "never").exit_code == 5
    assert container(cluster, ns, "never").restart_count == 0
    assert container(cluster, ns, "once").restart_count == 0


def test_a_failing_liveness_probe_restarts_the_container(cluster, ns):
    cluster.core.create_namespaced_pod(ns, pod("l", "touch /tmp/ok; sleep 2; rm /tmp/ok; sleep 1000", {
        "livenessProbe": {"exec": {"command": ["cat", "/tmp/ok"]}, "periodSeconds": 1,
                          "failureThreshold": 1, "initialDelaySeconds": 1}}))
    eventually(lambda: container(cluster, ns, "l") and container(cluster, ns, "l").restart_count >= 1,
               30)
    assert container(cluster, ns, "l").last_state.terminated


def test_readiness_takes_a_pod_out_of_its_service_and_back(cluster, ns):
    cluster.core.create_namespaced_pod(ns, web("r", readinessProbe={
        "exec": {"command": ["test", "-e", "/tmp/ready"]}, "periodSeconds": 1}))
    cluster.core.create_namespaced_service(ns, {"metadata": {"name": "r"}, "spec": {
        "selector": {"app": "r"}, "ports": [{"port": 80, "targetPort": "http"}]}})
    running(cluster, ns, "r")
    ip = cluster.core.read_namespaced_service("r", ns).spec.cluster_ip
    session = requests.Session()
    session.trust_env = False

    def answers():
        try:
            return session.get("http://%s/" % ip, timeout=2).text == "hello from skiff\n"
        except requests.exceptions.ConnectionError:
            return False

    assert not answers()
    cluster.kubectl("-n", ns, "exec", "r", "--", "touch", "/tmp/ready")
    eventually(answers, 10)
    cluster.kubectl("-n", ns, "exec", "r", "--", "rm", "/tmp/ready")
    eventually(lambda: not answers(), 15)
    cluster.kubectl("-n", ns, "exec", "r", "--", "touch", "/tmp/ready")
    eventually(answers, 10)


def test_a_startup_probe_holds_the_others(cluster, ns):
    cluster.core.create_namespaced_pod(ns, pod("s", "sleep 3; touch /tmp/up; sleep 1000", {
        "startupProbe": {"exec": {"command": ["cat", "/tmp/up"]}, "periodSeconds": 1,
                         "failureThreshold": 30},
        "livenessProbe": {"exec": {"command": ["cat", "/tmp/up"]}, "periodSeconds": 1,
                          "failureThreshold": 1}}))
    running(cluster, ns, "s")
    eventually(lambda: container(cluster, ns, "s").ready, 20)
    assert container(cluster, ns, "s").restart_count == 0
    assert container(cluster, ns, "s").started is True


def test_pre_stop_runs_before_the_end(cluster, ns):
    body = pod("e", "trap 'echo term >> /out/log; exit 0' TERM; while :; do sleep 0.1; done", {
        "lifecycle": {"preStop": {"exec": {"command": ["sh", "-c", "echo prestop >> /out/log"]}}},
        "volumeMounts": [{"name": "out", "mountPath": "/out"}]},
        volumes=[{"name": "out", "hostPath": {"path": cluster.dir + "/out", "type":
                                              "DirectoryOrCreate"}}])
    body["spec"]["terminationGracePeriodSeconds"] = 10
    cluster.core.create_namespaced_pod(ns, body)
    running(cluster, ns, "e")
    cluster.core.delete_namespaced_pod("e", ns)
    cluster.kubectl("-n", ns, "wait", "pod/e", "--for=delete", "--timeout=20s")
    with open(cluster.dir + "/out/log", encoding="ascii") as f:
        assert f.read() == "prestop\nterm\n"


def test_a_failing_init_container_blocks(cluster, ns):
    body = pod("i", "sleep 1000", restartPolicy="Never")
    body["spec"]["initContainers"] = [{"name": "first", "image": IMAGE,
                                       "command": ["sh", "-c", "exit 1"]}]
    cluster.core.create_namespaced_pod(ns, body)
    s = eventually(lambda: (s := state(cluster, ns, "i")).phase == "Failed" and s, 20)
    assert s.init_container_statuses[0].state.terminated.exit_code == 1
    assert s.container_statuses[0].state.waiting.reason == "PodInitializing"


def test_init_containers_run_in_order_before_the_main_one(cluster, ns):
    mount = [{"name": "v", "mountPath": "/v"}]
    body = pod("o", "cat /v/log; sleep 1000", {"volumeMounts": mount},
               volumes=[{"name": "v", "emptyDir": {}}])
    body["spec"]["initContainers"] = [
        {"name": n, "image": IMAGE, "volumeMounts": mount,
         "command": ["sh", "-c", "echo %s >> /v/log" % n]} for n in ("a", "b")]
    cluster.core.create_namespaced_pod(ns, body)
    running(cluster, ns, "o")
    eventually(lambda: logs(cluster, ns, "o") == "a\nb\n")


def test_out_of_memory_is_told(cluster, ns):
    cluster.core.create_namespaced_pod(ns, pod(
        "m", "exec dd if=/dev/zero of=/dev/null bs=64M count=1",
        {"resources": {"limits": {"memory": "16Mi"}}},
        restartPolicy="Never"))
    t = terminated(cluster, ns, "m")
    assert (t.exit_code, t.reason) == (137, "OOMKilled")


def test_environment_and_volumes_from_the_cluster(cluster, ns):
    cluster.core.create_namespaced_config_map(ns, {"metadata": {"name": "cm"},
                                                   "data": {"key": "from-cm", "file": "text"}})
    cluster.core.create_namespaced_secret(ns, {"metadata": {"name": "se"},
                                               "stringData": {"pw": "from-secret"}})
    body = pod("v", "echo $A $B $C $D; cat /cm/file /se/pw; ls /var/run/secrets/kubernetes.io/"
               "serviceaccount; sleep 1000", {
                   "env": [{"name": "A", "value": "a"}, {"name": "B", "value": "$(A)b"},
                           {"name": "C", "valueFrom": {"configMapKeyRef": {"name": "cm",
                                                                           "key": "key"}}},
                           {"name": "D", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
                   "volumeMounts": [{"name": "cm", "mountPath": "/cm"},
                                    {"name": "se", "mountPath": "/se"}]},
               volumes=[{"name": "cm", "configMap": {"name": "cm"}},
                        {"name": "se", "secret": {"secretName": "se"}}])
    cluster.core.create_namespaced_pod(ns, body)
    running(cluster, ns, "v")
    text = eventually(lambda: (t := logs(cluster, ns, "v")).count("\n") >= 3 and t)
    assert text.splitlines()[0] == "a ab from-cm v"
    assert "textfrom-secret" in text
    for name in ("ca.crt", "namespace", "token"):
        assert name in text


def test_a_missing_image_is_told(cluster, ns):
    body = pod("n", "true", {"image": "skiff.local/absent:1", "imagePullPolicy": "Never"})
    cluster.core.create_namespaced_pod(ns, body)
    c = eventually(lambda: (c := container(cluster, ns, "n")) and c.state.waiting and
                   c.state.waiting.reason == "ErrImageNeverPull" and c, 20)
    assert c.state.waiting.message == ('Container image "skiff.local/absent:1" is not present with '
                                       "pull policy of Never")


def test_a_pod_that_fits_nowhere_waits_and_says_why(cluster, ns):
    cluster.core.create_namespaced_pod(ns, pod("big", "true", {
        "resources": {"requests": {"cpu": "1000"}}}))
    cluster.core.create_namespaced_pod(ns, pod("picky", "true", nodeSelector={"no": "such"}))

    def why(name):
        found = [c for c in state(cluster, ns, name).conditions or [] if c.type == "PodScheduled"]
        return found and found[0].message

    assert eventually(lambda: why("big")).startswith(
        "0/1 nodes are available: 1 Insufficient cpu.")
    assert eventually(lambda: why("picky")).startswith(
        "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.")
    assert state(cluster, ns, "big").phase == "Pending"
