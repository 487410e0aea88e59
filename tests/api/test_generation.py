# SPDX-License-Identifier: Apache-2.0
"""What raises metadata.generation, kind by kind."""
import pytest

CONTAINERS = [{"name": "c", "image": "i"}]
TEMPLATE = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": CONTAINERS}}
WORKLOAD = {"selector": {"matchLabels": {"a": "b"}}, "template": TEMPLATE}
HOOKS = [{"name": "x.example.com", "clientConfig": {"url": "https://x.example.com/"},
          "admissionReviewVersions": ["v1"], "sideEffects": "None", "timeoutSeconds": 1,
          "rules": [{"apiGroups": ["x.example.com"], "apiVersions": ["v1"], "operations": ["CREATE"],
                     "resources": ["none"]}]}]
NS = "/namespaces/%s/"
# path, object, what a change is, generation when made and after the change, and after annotations
KINDS = [
    ("/apis/apps/v1" + NS + "deployments", {"spec": dict(WORKLOAD, replicas=0)},
     {"spec": {"minReadySeconds": 1}}, (1, 2, 3)),
    ("/apis/apps/v1" + NS + "replicasets", {"spec": dict(WORKLOAD, replicas=0)},
     {"spec": {"minReadySeconds": 1}}, (1, 2, 2)),
    ("/apis/batch/v1" + NS + "cronjobs",
     {"spec": {"schedule": "0 0 1 1 *", "suspend": True, "jobTemplate": {"spec": {"template": {
         "spec": {"restartPolicy": "Never", "containers": CONTAINERS}}}}}},
     {"spec": {"schedule": "1 0 1 1 *"}}, (1, 2, 2)),
    ("/api/v1" + NS + "podtemplates", {"template": TEMPLATE},
     {"template": {"metadata": {"labels": {"a": "c"}}}}, (1, 2, 2)),
    ("/api/v1" + NS + "configmaps", {"data": {"a": "b"}}, {"data": {"a": "c"}}, (None,) * 3),
    ("/api/v1" + NS + "services", {"spec": {"ports": [{"port": 80}]}},
     {"spec": {"sessionAffinity": "ClientIP"}}, (None,) * 3),
    ("/apis/discovery.k8s.io/v1" + NS + "endpointslices",
     {"addressType": "IPv4", "endpoints": [{"addresses": ["10.9.9.9"]}]},
     {"endpoints": [{"addresses": ["10.9.9.8"]}]}, (1, 2, 2)),
    ("/apis/scheduling.k8s.io/v1/priorityclasses", {"value": 5}, {"description": "d"}, (1, 1, 1)),
    ("/apis/storage.k8s.io/v1/csidrivers", {"spec": {"attachRequired": False}},
     {"spec": {"requiresRepublish": True}}, (None, 1, 1)),
    ("/apis/resource.k8s.io/v1/deviceclasses", {"spec": {}},
     {"spec": {"selectors": [{"cel": {"expression": "true"}}]}}, (1, 2, 2)),
    ("/apis/networking.k8s.io/v1/ingressclasses", {"spec": {"controller": "example.com/c"}},
     {"spec": {"parameters": {"kind": "K", "name": "n", "scope": "Cluster"}}}, (1, 2, 2)),
    ("/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations", {"webhooks": HOOKS},
     {"webhooks": [dict(HOOKS[0], timeoutSeconds=2)]}, (1, 2, 2)),
]


@pytest.mark.parametrize("path,obj,change,want", KINDS, ids=[k[0].split("/")[-1] for k in KINDS])
def test_generation_counts_what_upstream_counts(server, namespace, path, obj, change, want):
    path = path % namespace if "%s" in path else path
    # Controllers leave a kind's object alone or write its status only: neither counts.
    name = "g-" + namespace

    def patch(body):
        r = server.call("PATCH", "%s/%s" % (path, name), body,
                        headers={"Content-Type": "application/merge-patch+json"})
        assert r.status_code == 200, r.text
        return r.json()["metadata"].get("generation")

    made = server.call("POST", path, dict(obj, metadata={"name": name, "generation": 7}))
    assert made.status_code == 201, made.text
    try:
        got = (made.json()["metadata"].get("generation"), patch(change),
               patch({"metadata": {"annotations": {"example.com/x": "y"}}}))
        assert got == want
        assert patch({"metadata": {"labels": {"example.com": "l"}}}) == want[2]
    finally:
        server.call("DELETE", "%s/%s" % (path, name))


def test_annotations_in_a_status_write_do_not_count(server, namespace):
    path = "/apis/apps/v1/namespaces/%s/deployments" % namespace
    r = server.call("POST", path, {"metadata": {"name": "d"}, "spec": dict(WORKLOAD, replicas=0)})
    assert r.status_code == 201, r.text
    r = server.call("PATCH", path + "/d/status", {"metadata": {"annotations": {"a": "b"}}},
                    headers={"Content-Type": "application/merge-patch+json"})
    assert r.status_code == 200 and r.json()["metadata"]["annotations"]["a"] == "b"
    assert r.json()["metadata"]["generation"] == server.call(
        "GET", path + "/d").json()["metadata"]["generation"]
    scaled = server.call("PATCH", path + "/d/scale", {"spec": {"replicas": 0}},
                         headers={"Content-Type": "application/merge-patch+json"})
    assert scaled.status_code == 200, scaled.text
