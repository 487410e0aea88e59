# SPDX-License-Identifier: Apache-2.0
"""Controllers, scheduler, accounts, discovery - without a node - and what a kill leaves."""
import threading

from conftest import Server, eventually
from kubernetes import client as k8s


def deployment(name, replicas=2, image="i:1", **spec):
    return {"metadata": {"name": name}, "spec": dict({
        "replicas": replicas, "selector": {"matchLabels": {"app": name}},
        "template": {"metadata": {"labels": {"app": name}},
                     "spec": {"containers": [{"name": "c", "image": image}]}}}, **spec)}


def node(name, cpu="4", memory="8Gi", pods="110", **spec):
    return {"metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}}, "spec": spec,
            "status": {"capacity": {"cpu": cpu, "memory": memory, "pods": pods},
                       "allocatable": {"cpu": cpu, "memory": memory, "pods": pods},
                       "conditions": [{"type": "Ready", "status": "True"}]}}


def test_a_deployment_makes_a_replica_set_and_pods(server, namespace):
    apps, core = server.api(k8s.AppsV1Api), server.api(k8s.CoreV1Api)
    apps.create_namespaced_deployment(namespace, deployment("web", 3))
    pods = eventually(lambda: (p := core.list_namespaced_pod(namespace).items) and len(p) == 3 and p)
    sets = apps.list_namespaced_replica_set(namespace).items
    assert len(sets) == 1
    assert sets[0].metadata.annotations["deployment.kubernetes.io/revision"] == "1"
    for pod in pods:
        owner = pod.metadata.owner_references[0]
        assert (owner.kind, owner.name, owner.controller) == ("ReplicaSet", sets[0].metadata.name,
                                                              True)
    apps.patch_namespaced_deployment("web", namespace, {"spec": {"replicas": 1}})
    eventually(lambda: len(core.list_namespaced_pod(namespace).items) == 1)
    status = eventually(lambda: (s := apps.read_namespaced_deployment("web", namespace).status)
                        and s.replicas == 1 and s)
    assert {c.type: c.status for c in status.conditions}["Available"] == "False"


def test_a_new_template_rolls_out_and_back(server, namespace):
    apps = server.api(k8s.AppsV1Api)
    apps.create_namespaced_deployment(namespace, deployment("roll", 1))

    def sets():
        return {s.spec.template.spec.containers[0].image:
                s.metadata.annotations["deployment.kubernetes.io/revision"]
                for s in apps.list_namespaced_replica_set(namespace).items}

    eventually(lambda: sets() == {"i:1": "1"})
    apps.patch_namespaced_deployment("roll", namespace, {"spec": {"template": {"spec": {
        "containers": [{"name": "c", "image": "i:2"}]}}}})
    eventually(lambda: sets() == {"i:1": "1", "i:2": "2"})
    apps.patch_namespaced_deployment("roll", namespace, {"spec": {"template": {"spec": {
        "containers": [{"name": "c", "image": "i:1"}]}}}})
    eventually(lambda: sets() == {"i:1": "3", "i:2": "2"})


def test_deleting_an_owner_deletes_its_dependents(server, namespace):
    apps, core = server.api(k8s.AppsV1Api), server.api(k8s.CoreV1Api)
    apps.create_namespaced_deployment(namespace, deployment("tree", 2))
    eventually(lambda: len(core.list_namespaced_pod(namespace).items) == 2)
    apps.delete_namespaced_deployment("tree", namespace)
    eventually(lambda: not apps.list_namespaced_replica_set(namespace).items and
               not core.list_namespaced_pod(namespace).items, 20)


def test_pods_without_a_node_that_fits_say_why(own_server):
    core = own_server.api(k8s.CoreV1Api)
    for name, kw in (("small", {"cpu": "1"}),
                     ("tainted", {"taints": [{"key": "k", "value": "v", "effect": "NoSchedule"}]}),
                     ("closed", {"unschedulable": True})):
        core.create_node(node(name, **kw))
        own_server.call("PATCH", "/api/v1/nodes/%s" % name,
                        data='{"spec":{"taints":%s}}' % (
                            '[{"key":"k","value":"v","effect":"NoSchedule"}]'
                            if name == "tainted" else "null"),
                        headers={"Content-Type": "application/merge-patch+json"})
    eventually(lambda: own_server.call("GET", "/api/v1/namespaces/default/serviceaccounts/default")
               .status_code == 200)
    core.create_namespaced_pod("default", {"metadata": {"name": "big"}, "spec": {"containers": [
        {"name": "c", "image": "i", "resources": {"requests": {"cpu": "2"}}}]}})

    def reason():
        pod = core.read_namespaced_pod("big", "default")
        found = [c for c in pod.status.conditions or [] if c.type == "PodScheduled"]
        return found and found[0].reason == "Unschedulable" and found[0].message

    message = eventually(reason)
    assert message.startswith(
        "0/3 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint(s), "
        "1 node(s) were unschedulable."), message
    # More room makes it schedulable.
    core.create_node(node("large", cpu="8"))
    own_server.call("PATCH", "/api/v1/nodes/large", data='{"spec":{"taints":null}}',
                    headers={"Content-Type": "application/merge-patch+json"})
    eventually(lambda: core.read_namespaced_pod("big", "default").spec.node_name == "large", 20)


def test_a_service_gets_an_address_of_its_own(server, namespace):
    core = server.api(k8s.CoreV1Api)
    made = [core.create_namespaced_service(namespace, {
        "metadata": {"name": "s%d" % i}, "spec": {"ports": [{"port": 80}], "selector": {"a": "b"}}})
        for i in range(3)]
    ips = {s.spec.cluster_ip for s in made}
    assert len(ips) == 3 and all(ip.startswith("10.96.") for ip in ips)
    assert made[0].spec.type == "ClusterIP" and made[0].spec.ports[0].target_port == 80
    np = core.create_namespaced_service(namespace, {
        "metadata": {"name": "np"}, "spec": {"type": "NodePort", "ports": [{"port": 80}]}})
    assert 30000 <= np.spec.ports[0].node_port <= 32767
    taken = server.call("POST", "/api/v1/namespaces/%s/services" % namespace, {
        "metadata": {"name": "dup"},
        "spec": {"clusterIP": made[0].spec.cluster_ip, "ports": [{"port": 80}]}})
    assert taken.status_code == 422
    headless = core.create_namespaced_service(namespace, {
        "metadata": {"name": "h"}, "spec": {"clusterIP": "None", "ports": [{"port": 80}]}})
    assert headless.spec.cluster_ip == "None"


def test_accounts_tokens_and_rbac(server, namespace):
    core, rbac = server.api(k8s.CoreV1Api), server.api(k8s.RbacAuthorizationV1Api)
    r = server.call("POST", "/api/v1/namespaces/%s/serviceaccounts/default/token" % namespace,
                    {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}})
    assert r.status_code == 201, r.text
    user = server.as_user(r.json()["status"]["token"])
    path = "%s/api/v1/namespaces/%s/configmaps" % (server.url, namespace)
    refused = user.get(path)
    assert refused.status_code == 403
    assert refused.json()["message"] == (
        'configmaps is forbidden: User "system:serviceaccount:%s:default" cannot list resource '
        '"configmaps" in API group "" in the namespace "%s"' % (namespace, namespace))
    rbac.create_namespaced_role(namespace, {"metadata": {"name": "r"}, "rules": [
        {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]}]})
    rbac.create_namespaced_role_binding(namespace, {
        "metadata": {"name": "b"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"},
        "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": namespace}]})
    eventually(lambda: user.get(path).status_code == 200)
    assert user.delete(path + "/x").status_code == 403
    who = user.post(server.url + "/apis/authentication.k8s.io/v1/selfsubjectreviews",
                    json={"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"})
    info = who.json()["status"]["userInfo"]
    assert info["username"] == "system:serviceaccount:%s:default" % namespace
    assert "system:serviceaccounts" in info["groups"]
    core.delete_namespaced_service_account("default", namespace)
    # The controller makes a new one; the old token names the old one's uid and is worth nothing.
    account = "/api/v1/namespaces/%s/serviceaccounts/default" % namespace
    eventually(lambda: server.call("GET", account).status_code == 200)
    eventually(lambda: user.get(path).status_code == 401)


def test_metrics_that_nobody_measures_are_not_served(server):
    groups = [g["name"] for g in server.call("GET", "/apis").json()["groups"]]
    assert "metrics.k8s.io" not in groups
    assert "apis/metrics.k8s.io/v1beta1" not in server.call("GET", "/openapi/v3").json()["paths"]
    for path in ("", "/v1beta1", "/v1beta1/nodes", "/v1beta1/namespaces/default/pods"):
        r = server.call("GET", "/apis/metrics.k8s.io" + path)
        assert (r.status_code, r.text.strip()) == (404, "404 page not found"), path


def test_the_health_of_components(server):
    def status(name):
        return {"metadata": {"name": name},
                "conditions": [{"type": "Healthy", "status": "True", "message": "ok"}]}

    names, path = ["controller-manager", "etcd-0", "scheduler"], "/api/v1/componentstatuses"
    want = {"kind": "ComponentStatusList", "apiVersion": "v1", "metadata": {},
            "items": [status(n) for n in names]}
    # Controllers and scheduler start when the API server is ready.
    eventually(lambda: server.call("GET", path).json() == want)
    for name in names:
        r = server.call("GET", "%s/%s" % (path, name))
        assert r.headers["Warning"] == '299 - "v1 ComponentStatus is deprecated in v1.19+"'
        assert r.json() == dict(status(name), kind="ComponentStatus", apiVersion="v1")
    table = server.call("GET", path, headers={
        "Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}).json()
    assert [c["name"] for c in table["columnDefinitions"]] == ["Name", "Status", "Message", "Error"]
    assert [r["cells"] for r in table["rows"]] == [[n, "Healthy", "ok", ""] for n in names]
    one = server.call("GET", path + "?fieldSelector=metadata.name%3Dscheduler").json()
    assert one["items"] == [status("scheduler")]
    none = server.call("GET", path + "/x")
    assert (none.status_code, none.json()["message"]) == (500, "Component not found: x")
    for method in ("POST", "DELETE", "PUT"):
        assert server.call(method, path + ("" if method == "POST" else "/x"), {}).status_code == 405


def test_a_component_that_does_not_run_is_not_healthy():
    s = Server(["--disable=kubelet,proxy,dns,scheduler"])
    try:
        def conditions():
            items = s.call("GET", "/api/v1/componentstatuses").json()["items"]
            return {i["metadata"]["name"]: i["conditions"] for i in items}

        good = [{"type": "Healthy", "status": "True", "message": "ok"}]
        eventually(lambda: conditions() == {
            "controller-manager": good, "etcd-0": good, "scheduler": [
                {"type": "Healthy", "status": "False",
                 "message": "does not run in this process"}]})
    finally:
        s.stop()


def test_every_resource_can_be_listed_and_watched(server):
    for path in ["/api/v1"] + ["/apis/" + g["preferredVersion"]["groupVersion"]
                               for g in server.call("GET", "/apis").json()["groups"]]:
        for r in server.call("GET", path).json()["resources"]:
            url = "%s/%s" % (path, r["name"])
            if "list" in r["verbs"]:
                assert server.call("GET", url).status_code == 200, url
                table = server.call("GET", url, headers={
                    "Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"})
                assert table.json()["kind"] == "Table", url
            if "watch" in r["verbs"]:
                w = server.call("GET", url + "?watch=1&timeoutSeconds=1", stream=True)
                assert w.status_code == 200, url
                w.close()


def test_discovery_in_both_forms(server):
    groups = server.call("GET", "/apis").json()["groups"]
    names = [g["name"] for g in groups]
    assert names[0] == "apiregistration.k8s.io" and "apps" in names
    pods = {r["name"]: r for r in server.call("GET", "/api/v1").json()["resources"]}
    assert pods["pods"]["shortNames"] == ["po"] and "pods/log" in pods
    aggregated = server.call("GET", "/apis", headers={
        "Accept": "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"})
    assert aggregated.json()["kind"] == "APIGroupDiscoveryList"
    again = server.call("GET", "/apis", headers={
        "Accept": "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
        "If-None-Match": aggregated.headers["ETag"]})
    assert again.status_code == 304
    v3 = server.call("GET", "/openapi/v3").json()["paths"]
    doc = server.call("GET", v3["apis/apps/v1"]["serverRelativeURL"]).json()
    assert "io.k8s.api.apps.v1.Deployment" in doc["components"]["schemas"]


def test_what_was_acknowledged_survives_a_kill(own_server):
    """Writers note each acknowledged write; after kill -9 all of them are there, with their content."""
    acknowledged, stop = [], threading.Event()

    def write(worker):
        i = 0
        while not stop.is_set():
            name = "k%d-%d" % (worker, i)
            try:
                r = own_server.call("POST", "/api/v1/namespaces/default/configmaps",
                                    {"metadata": {"name": name}, "data": {"n": name}})
            except Exception:  # the kill cuts connections
                return
            if r.status_code == 201:
                acknowledged.append((name, r.json()["metadata"]["resourceVersion"]))
            i += 1

    for _ in range(4):
        stop.clear()
        threads = [threading.Thread(target=write, args=(len(acknowledged) + w,)) for w in range(4)]
        for t in threads:
            t.start()
        want = len(acknowledged) + 40
        eventually(lambda: len(acknowledged) >= want, 30)
        own_server.kill()
        stop.set()
        for t in threads:
            t.join()
        own_server.start()
        items = own_server.call("GET", "/api/v1/namespaces/default/configmaps").json()["items"]
        have = {i["metadata"]["name"]: (i["metadata"]["resourceVersion"], i.get("data"))
                for i in items}
        for name, version in acknowledged:
            assert have[name] == (version, {"n": name})
        top = max(int(v) for _, v in acknowledged)
        fresh = own_server.call("POST", "/api/v1/namespaces/default/configmaps",
                                {"metadata": {"generateName": "after-"}}).json()
        assert int(fresh["metadata"]["resourceVersion"]) > top
