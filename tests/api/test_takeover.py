# SPDX-License-Identifier: Apache-2.0
"""The data in etcd are upstream's, both ways: what skiff writes is read, and what upstream would have left
there is written, by code that knows only upstream's facts (tests/takeover).
"""
import base64
import copy
import json
import os
import shutil
import subprocess

import pytest
import yaml
from conftest import ROOT, Server
from takeover.wire import MAGIC, block, decode, encode, envelope, normal, open_envelope
from test_etcd import Etcd

pytestmark = pytest.mark.skipif(not shutil.which("etcd") or not shutil.which("etcdctl"),
                                reason="etcd-server and etcd-client are not installed")
with open(os.path.join(ROOT, "tests", "takeover", "objects.yaml"), encoding="utf-8") as objects:
    OBJECTS = {o["key"]: o for o in yaml.safe_load(objects)}
PLURALS = {"minions": "nodes", "controllers": "replicationcontrollers", "ingress": "ingresses"}


def url_of(key, api_version):
    """The API's path of what upstream keeps at @key."""
    words = key.split("/")[2:]
    if words[0] == "services":
        words = ["services" if words[1] == "specs" else "endpoints"] + words[2:]
    plural = PLURALS.get(words[0], words[0])
    base = ("/api/" if "/" not in api_version else "/apis/") + api_version
    if plural == "namespaces" or len(words) == 2:
        return "%s/%s/%s" % (base, plural, words[-1])
    return "%s/namespaces/%s/%s/%s" % (base, words[1], plural, words[2])


def url(key):
    return url_of(key, OBJECTS[key]["object"]["apiVersion"])


def stored_form(answer):
    """What of an answer stands in the value."""
    o = copy.deepcopy(answer)
    del o["apiVersion"], o["kind"], o["metadata"]["resourceVersion"]
    for claim in o.get("spec", {}).get("volumeClaimTemplates", []):
        assert (claim.pop("apiVersion"), claim.pop("kind")) == ("v1", "PersistentVolumeClaim")
    return o


def contents(etcd):
    """key -> (value, mod_revision) of all that is there."""
    found = json.loads(etcd.ctl("get", "--prefix", "/", "-w", "json"))
    return {base64.b64decode(kv["key"]).decode():
            (base64.b64decode(kv["value"]), kv["mod_revision"]) for kv in found["kvs"]}


@pytest.fixture(scope="module")
def written():
    """(answers by key, contents): OBJECTS, written through a server."""
    etcd, server, answers = Etcd(), None, {}
    try:
        server = Server(["--etcd-servers=" + etcd.url], command="apiserver")
        for key, o in OBJECTS.items():
            made = server.call("POST", url(key).rsplit("/", 1)[0], o["object"])
            assert made.status_code == 201, (key, made.text)
            answers[key] = made.json()
        for group, o in (("apiextensions.k8s.io/v1/customresourcedefinitions", custom_kind()),
                         ("apiregistration.k8s.io/v1/apiservices", api_service())):
            made = server.call("POST", "/apis/" + group, o)
            assert made.status_code == 201, made.text
        yield answers, contents(etcd)
    finally:
        if server:
            server.stop()
        etcd.stop()


def custom_kind():
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "things.example.com"}, "spec": {
                "group": "example.com", "scope": "Namespaced",
                "names": {"plural": "things", "kind": "Thing", "singular": "thing",
                          "listKind": "ThingList"},
                "versions": [{"name": "v1", "served": True, "storage": True,
                              "schema": {"openAPIV3Schema": schema}}]}}


def api_service():
    return {"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
            "metadata": {"name": "v1.example.com"}, "spec": {
                "group": "example.com", "version": "v1", "groupPriorityMinimum": 1000,
                "versionPriority": 10, "insecureSkipTLSVerify": True,
                "service": {"name": "s", "namespace": "default"}}}


# ---- what skiff writes ----

@pytest.mark.parametrize("key", OBJECTS)
def test_values_are_upstreams(written, key):
    answers, kvs = written
    o = OBJECTS[key]
    api_version, kind, raw = open_envelope(kvs[key][0])
    assert (api_version, kind) == (o["object"]["apiVersion"], o["object"]["kind"])
    value = decode(o["type"], raw)
    assert not value["metadata"]["resourceVersion"] and not value["metadata"]["selfLink"]
    assert normal(o["type"], value) == normal(o["type"], stored_form(answers[key]))
    assert encode(o["type"], value) == raw  # also in order and in what is left out


def test_what_the_server_itself_keeps_is_upstreams(written):
    kinds = {o["object"]["kind"]: o["type"] for o in OBJECTS.values()}
    checked = set()
    for key, (value, _) in written[1].items():
        assert not key.startswith("/registry/") or value.startswith((MAGIC, b'{"')), key
        if not value.startswith(MAGIC):
            continue
        _, kind, raw = open_envelope(value)
        if kind in kinds:
            assert encode(kinds[kind], decode(kinds[kind], raw)) == raw, key
            checked.add(kind)
    assert {"ClusterRole", "ClusterRoleBinding", "Namespace", "Service", "EndpointSlice"} <= checked


def test_extensions_are_json(written):
    kvs = written[1]
    crd = json.loads(kvs["/registry/apiextensions.k8s.io/customresourcedefinitions/"
                         "things.example.com"][0])
    assert (crd["apiVersion"], crd["kind"]) == ("apiextensions.k8s.io/v1",
                                                "CustomResourceDefinition")
    assert crd["spec"]["versions"] == custom_kind()["spec"]["versions"]
    service = json.loads(kvs["/registry/apiregistration.k8s.io/apiservices/v1.example.com"][0])
    assert (service["apiVersion"], service["kind"]) == ("apiregistration.k8s.io/v1", "APIService")
    assert service["spec"]["group"] == "example.com"
    for o in (crd, service):
        assert "resourceVersion" not in o["metadata"]


# ---- what upstream has left ----

def put(etcd, key, value):
    subprocess.run(["etcdctl", "--endpoints=" + etcd.url, "put", key], input=value, check=True,
                   env=dict(os.environ, ETCDCTL_API="3"), capture_output=True)


def meta(name, namespace="default", **more):
    return {"name": name, "namespace": namespace, "uid": "00000000-0000-4000-8000-%012x" % (
        hash(name) & 0xffffffff), "creationTimestamp": "2021-06-01T10:00:00Z", **more}


def config_map(name, **data):
    return encode("core.ConfigMap", {"metadata": meta(name), "data": data})


def odd_values():
    """key -> value: what is no everyday value."""
    maps = "/registry/configmaps/default/"
    return {
        maps + "empty-lists": envelope("v1", "ConfigMap", encode("core.ConfigMap", {
            "metadata": meta("empty-lists", labels={}, finalizers=[]), "data": {}})),
        maps + "garbage": b"\x00\xff not a value",
        maps + "cut-short": envelope("v1", "ConfigMap", config_map("cut-short", a="b"))[:-9],
        maps + "other-name": envelope("v1", "ConfigMap", config_map("another", a="b")),
        "/registry/secrets/default/encrypted": b"k8s:enc:aescbc:v1:key1:\x01\x02\x03",
    }


def outdated_values():
    """key -> (value, what it is to become: apiVersion, type, name)"""
    found = {}

    def add(key, old, new, kind, extra=b"", as_json=False, **fields):
        name = key.rsplit("/", 1)[1]
        o = dict(fields, metadata=meta(name, "default" if "/default/" in key else ""))
        short = kind.split(".")[1]
        value = envelope(old, short, encode(kind, o) + extra)
        if as_json:
            value = json.dumps(dict(o, kind=short, apiVersion=old)).encode()
        found["/registry/" + key] = (value, new, kind, name)

    pod = {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}
    rule = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}
    ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "old"}
    rbac, storage = "rbac.authorization.k8s.io/", "storage.k8s.io/"
    add("configmaps/default/newer", "v1", "v1", "core.ConfigMap", block(9000, b"\x08\x01"),
        data={"a": "b"})
    add("configmaps/default/json", "v1", "v1", "core.ConfigMap", as_json=True, data={"a": "b"})
    add("services/specs/default/bare", "v1", "v1", "core.Service", spec={
        "ports": [{"port": 80, "targetPort": 80}], "clusterIP": "10.96.7.7"})
    add("cronjobs/default/old", "batch/v1beta1", "batch/v1", "batch.CronJob", spec={
        "schedule": "0 0 * * *", "jobTemplate": {"spec": {"template": pod}}})
    add("poddisruptionbudgets/default/old", "policy/v1beta1", "policy/v1",
        "policy.PodDisruptionBudget", spec={"minAvailable": 1, "selector": {}})
    add("leases/default/old", "coordination.k8s.io/v1beta1", "coordination.k8s.io/v1",
        "coordination.Lease", spec={"holderIdentity": "h"})
    add("priorityclasses/old", "scheduling.k8s.io/v1beta1", "scheduling.k8s.io/v1",
        "scheduling.PriorityClass", value=5)
    add("storageclasses/old", storage + "v1beta1", storage + "v1", "storage.StorageClass",
        provisioner="p.example.com")
    add("roles/default/old", rbac + "v1beta1", rbac + "v1", "rbac.Role", rules=[rule])
    add("clusterrolebindings/old", rbac + "v1beta1", rbac + "v1", "rbac.ClusterRoleBinding",
        roleRef=ref, subjects=[{"kind": "User", "name": "u", "apiGroup": ref["apiGroup"]}])
    return found


OUTDATED = outdated_values()


@pytest.fixture(scope="module")
def taken(written):
    """(etcd, server, what was stored by key): a server over data that it never saw."""
    etcd, server, stored = Etcd(), None, {}
    try:
        for key, answer in written[0].items():
            o = stored[key] = stored_form(answer)
            o["metadata"].update(uid="aaaaaaaa-0000-4000-8000-%012d" % len(stored),
                                 creationTimestamp="2020-02-29T23:59:59Z", generation=3)
            if "status" in OBJECTS[key]:
                o["status"] = OBJECTS[key]["status"]
            put(etcd, key, envelope(answer["apiVersion"], answer["kind"],
                                    encode(OBJECTS[key]["type"], o)))
        for key, value in [*odd_values().items(), *((k, v[0]) for k, v in OUTDATED.items())]:
            put(etcd, key, value)
        server = Server(["--etcd-servers=" + etcd.url], command="apiserver")
        yield etcd, server, stored
    finally:
        if server:
            server.stop()
        etcd.stop()


@pytest.mark.parametrize("key", OBJECTS)
def test_values_of_upstream_are_served(taken, key):
    etcd, server, stored = taken
    kind, before = OBJECTS[key]["type"], contents(etcd)[key]
    answer = server.call("GET", url(key))
    assert answer.status_code == 200, answer.text
    o = answer.json()
    assert o["metadata"]["resourceVersion"] == str(before[1])
    assert normal(kind, stored_form(o)) == normal(kind, stored[key])
    items = server.call("GET", url(key).rsplit("/", 1)[0]).json()["items"]
    assert stored_form(o) in [stored_form(dict(i, apiVersion=0, kind=0)) for i in items]
    again = server.call("PUT", url(key), o)  # nothing new: nothing is written
    assert again.status_code == 200, again.text
    assert again.json() == o and contents(etcd)[key] == before


@pytest.mark.parametrize("key", OBJECTS)
def test_a_change_changes_only_what_it_says(taken, key):
    etcd, server, _ = taken
    kind = OBJECTS[key]["type"]
    old = decode(kind, open_envelope(contents(etcd)[key][0])[2])
    o = server.call("GET", url(key)).json()
    o["metadata"].setdefault("annotations", {})["example.com/note"] = "n"
    answer = server.call("PUT", url(key), o)
    assert answer.status_code == 200, answer.text
    _, _, raw = open_envelope(contents(etcd)[key][0])
    new = decode(kind, raw)
    assert encode(kind, new) == raw
    assert new["metadata"]["annotations"].pop("example.com/note") == "n"
    for side in (old, new):
        side["metadata"].pop("managedFields", None)
        if kind == "apps.Deployment":
            del side["metadata"]["generation"]  # counts annotations, too
        if not side["metadata"].get("annotations"):
            side["metadata"].pop("annotations", None)
    assert new == old


def test_what_cannot_be_read_is_not_shown_and_not_overwritten(taken):
    etcd, server, _ = taken
    before = contents(etcd)
    for kind, name in (("configmaps", "garbage"), ("configmaps", "cut-short"),
                       ("configmaps", "other-name"), ("secrets", "encrypted")):
        path = "/api/v1/namespaces/default/" + kind
        assert server.call("GET", path + "/" + name).status_code == 404
        made = server.call("POST", path, {"metadata": {"name": name}})
        assert (made.status_code, made.json()["reason"]) == (409, "AlreadyExists")
        key = "/registry/%s/default/%s" % (kind, name)
        assert contents(etcd)[key] == before[key]
        assert "not shown: " + key in server.read_log()


def test_absent_fields_get_their_defaults(taken):
    """Those of a value that is older than a field of its kind."""
    _, server, _ = taken
    o = server.call("GET", "/api/v1/namespaces/default/services/bare").json()
    assert o["spec"] == {"ports": [{"protocol": "TCP", "port": 80, "targetPort": 80}],
                         "clusterIP": "10.96.7.7", "type": "ClusterIP", "sessionAffinity": "None",
                         "internalTrafficPolicy": "Cluster", "clusterIPs": ["10.96.7.7"],
                         "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack"}
    o = server.call("GET", "/apis/batch/v1/namespaces/default/cronjobs/old").json()
    assert o["spec"]["concurrencyPolicy"] == "Allow" and not o["spec"]["suspend"]
    assert o["spec"]["jobTemplate"]["spec"]["template"]["spec"]["dnsPolicy"] == "ClusterFirst"


@pytest.mark.parametrize("key", OUTDATED)
def test_an_update_that_changes_nothing_writes_what_is_outdated(taken, key):
    """As upstream's: that is how tools bring the values of a cluster to the newest version."""
    etcd, server, _ = taken
    _, api_version, kind, name = OUTDATED[key]
    path = url_of(key, api_version)
    o = server.call("GET", path)
    assert o.status_code == 200, server.read_log()
    o = o.json()
    assert (o["kind"], o["apiVersion"]) == (kind.split(".")[1], api_version)
    again = server.call("PUT", path, o)
    assert again.status_code == 200, again.text
    assert again.json()["metadata"]["resourceVersion"] != o["metadata"]["resourceVersion"]
    value, revision = contents(etcd)[key]
    assert open_envelope(value)[:2] == (api_version, kind.split(".")[1])
    raw = open_envelope(value)[2]
    assert encode(kind, decode(kind, raw)) == raw  # no unknown field is left
    assert normal(kind, decode(kind, raw)) == normal(kind, stored_form(again.json()))
    assert server.call("PUT", path, again.json()).json() == again.json()
    assert contents(etcd)[key] == (value, revision)


def test_an_empty_selector_of_policy_v1beta1_stays_one_of_nothing(taken):
    _, server, _ = taken
    o = server.call("GET", "/apis/policy/v1/namespaces/default/poddisruptionbudgets/old").json()
    assert o["spec"]["selector"] == {"matchExpressions": [{
        "key": "pdb.kubernetes.io/deprecated-v1beta1-empty-selector-match",
        "operator": "Exists"}]}


def test_json_and_unknown_fields_are_read(taken):
    _, server, _ = taken
    for name in ("newer", "json"):
        o = server.call("GET", "/api/v1/namespaces/default/configmaps/" + name).json()
        assert o["data"] == {"a": "b"} and o["metadata"]["creationTimestamp"] == \
            "2021-06-01T10:00:00Z"
    o = server.call("GET", "/api/v1/namespaces/default/configmaps/empty-lists").json()
    assert set(o["metadata"]) == {"name", "namespace", "uid", "creationTimestamp",
                                  "resourceVersion"} and "data" not in o
