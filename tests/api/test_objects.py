# SPDX-License-Identifier: Apache-2.0
"""Create, read, update, patch, delete: through the official client and raw HTTP."""
import json
import threading

import pytest
from conftest import eventually
from kubernetes import client as k8s
from kubernetes import watch as k8s_watch


def config_map(name, **data):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def test_a_created_object_is_complete_and_can_be_read(server, namespace):
    core = server.api(k8s.CoreV1Api)
    made = core.create_namespaced_config_map(namespace, config_map("a", x="1"))
    assert made.data == {"x": "1"}
    assert made.metadata.uid and made.metadata.creation_timestamp
    assert int(made.metadata.resource_version) > 0
    read = core.read_namespaced_config_map("a", namespace)
    assert read.metadata.uid == made.metadata.uid
    assert read.metadata.resource_version == made.metadata.resource_version


def test_generate_name_adds_five_characters(server, namespace):
    body = {"metadata": {"generateName": "gen-"}}
    made = server.call("POST", "/api/v1/namespaces/%s/configmaps" % namespace, body)
    assert made.status_code == 201
    name = made.json()["metadata"]["name"]
    assert name.startswith("gen-") and len(name) == len("gen-") + 5


def test_creating_twice_is_already_exists(server, namespace):
    path = "/api/v1/namespaces/%s/configmaps" % namespace
    assert server.call("POST", path, config_map("twice")).status_code == 201
    again = server.call("POST", path, config_map("twice"))
    assert again.status_code == 409
    assert again.json() == {
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": 'configmaps "twice" already exists', "reason": "AlreadyExists",
        "details": {"name": "twice", "kind": "configmaps"}, "code": 409}


def test_an_update_with_an_old_version_conflicts(server, namespace):
    path = "/api/v1/namespaces/%s/configmaps" % namespace
    first = server.call("POST", path, config_map("c", n="0")).json()
    second = dict(first, data={"n": "1"})
    assert server.call("PUT", path + "/c", second).status_code == 200
    stale = server.call("PUT", path + "/c", dict(first, data={"n": "2"}))
    assert stale.status_code == 409
    assert stale.json()["reason"] == "Conflict"
    assert stale.json()["message"] == (
        'Operation cannot be fulfilled on configmaps "c": the object has been modified; please '
        "apply your changes to the latest version and try again")
    assert server.call("GET", path + "/c").json()["data"] == {"n": "1"}


def test_an_update_that_changes_nothing_keeps_the_version(server, namespace):
    path = "/api/v1/namespaces/%s/configmaps" % namespace
    first = server.call("POST", path, config_map("same", n="0")).json()
    again = server.call("PUT", path + "/same", first).json()
    assert again["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


@pytest.mark.parametrize("kind,patch,want", [
    ("application/merge-patch+json", {"data": {"a": None, "b": "2"}}, {"b": "2"}),
    ("application/strategic-merge-patch+json", {"data": {"b": "2"}}, {"a": "1", "b": "2"}),
    ("application/json-patch+json", [{"op": "replace", "path": "/data/a", "value": "9"}],
     {"a": "9"}),
])
def test_each_kind_of_patch(server, namespace, kind, patch, want):
    path = "/api/v1/namespaces/%s/configmaps" % namespace
    server.call("POST", path, config_map("p", a="1"))
    r = server.call("PATCH", path + "/p", data=json.dumps(patch), headers={"Content-Type": kind})
    assert r.status_code == 200, r.text
    assert r.json()["data"] == want


def test_a_strategic_patch_merges_containers_by_name(server, namespace):
    apps = server.api(k8s.AppsV1Api)
    apps.create_namespaced_deployment(namespace, {
        "metadata": {"name": "d"},
        "spec": {"replicas": 0, "selector": {"matchLabels": {"a": "b"}},
                 "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [
                     {"name": "one", "image": "i:1"}, {"name": "two", "image": "i:2"}]}}}})
    made = apps.patch_namespaced_deployment("d", namespace, {
        "spec": {"template": {"spec": {"containers": [{"name": "two", "image": "i:3"}]}}}})
    images = {c.name: c.image for c in made.spec.template.spec.containers}
    assert images == {"one": "i:1", "two": "i:3"}


def test_dry_run_changes_nothing(server, namespace):
    path = "/api/v1/namespaces/%s/configmaps" % namespace
    r = server.call("POST", path + "?dryRun=All", config_map("dry"))
    assert r.status_code == 201 and r.json()["metadata"]["uid"]
    assert server.call("GET", path + "/dry").status_code == 404


def test_delete_answers_success_and_removes(server, namespace):
    path = "/api/v1/namespaces/%s/configmaps" % namespace
    made = server.call("POST", path, config_map("gone")).json()
    r = server.call("DELETE", path + "/gone")
    assert r.status_code == 200
    assert r.json()["status"] == "Success"
    assert r.json()["details"] == {"name": "gone", "kind": "configmaps",
                                   "uid": made["metadata"]["uid"]}
    assert server.call("GET", path + "/gone").status_code == 404


def test_a_finalizer_holds_the_object_until_it_is_removed(server, namespace):
    path = "/api/v1/namespaces/%s/configmaps" % namespace
    body = config_map("held")
    body["metadata"]["finalizers"] = ["example.com/hold"]
    server.call("POST", path, body)
    held = server.call("DELETE", path + "/held").json()
    assert held["metadata"]["deletionTimestamp"]
    assert server.call("GET", path + "/held").status_code == 200
    server.call("PATCH", path + "/held", data='{"metadata":{"finalizers":null}}',
                headers={"Content-Type": "application/merge-patch+json"})
    assert server.call("GET", path + "/held").status_code == 404


def test_preconditions_guard_a_deletion(server, namespace):
    path = "/api/v1/namespaces/%s/configmaps" % namespace
    server.call("POST", path, config_map("guarded"))
    r = server.call("DELETE", path + "/guarded", {"preconditions": {"uid": "other"}})
    assert r.status_code == 409
    assert server.call("GET", path + "/guarded").status_code == 200


def test_lists_are_ordered_paged_and_selected(server, namespace):
    path = "/api/v1/namespaces/%s/secrets" % namespace
    for i in range(7):
        server.call("POST", path, {"metadata": {"name": "s%d" % i,
                                                "labels": {"odd": str(i % 2)}}})
    everything = server.call("GET", path).json()
    assert [s["metadata"]["name"] for s in everything["items"]] == ["s%d" % i for i in range(7)]
    assert "kind" not in everything["items"][0]
    seen, token = [], ""
    while True:
        page = server.call("GET", path + "?limit=3&continue=" + token).json()
        seen += [s["metadata"]["name"] for s in page["items"]]
        token = page["metadata"].get("continue", "")
        if not token:
            break
        assert page["metadata"]["remainingItemCount"] == 7 - len(seen)
    assert seen == ["s%d" % i for i in range(7)]
    odd = server.call("GET", path + "?labelSelector=odd%3D1").json()
    assert [s["metadata"]["name"] for s in odd["items"]] == ["s1", "s3", "s5"]
    one = server.call("GET", path + "?fieldSelector=metadata.name%3Ds4").json()
    assert [s["metadata"]["name"] for s in one["items"]] == ["s4"]


def test_pages_show_one_moment_although_objects_come_and_go(server, namespace):
    path = "/api/v1/namespaces/%s/secrets" % namespace
    for i in range(4):
        server.call("POST", path, {"metadata": {"name": "p%d" % i}})
    first = server.call("GET", path + "?limit=2").json()
    server.call("DELETE", path + "/p3")
    server.call("POST", path, {"metadata": {"name": "p9"}})
    rest = server.call("GET", path + "?limit=9&continue=" + first["metadata"]["continue"]).json()
    assert [s["metadata"]["name"] for s in rest["items"]] == ["p2", "p3"]
    assert rest["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


def test_a_watch_tells_every_change_in_order(server, namespace):
    core = server.api(k8s.CoreV1Api)
    start = core.list_namespaced_config_map(namespace).metadata.resource_version
    core.create_namespaced_config_map(namespace, config_map("w", n="1"))
    core.patch_namespaced_config_map("w", namespace, {"data": {"n": "2"}})
    core.delete_namespaced_config_map("w", namespace)
    seen = []
    for e in k8s_watch.Watch().stream(core.list_namespaced_config_map, namespace,
                                      resource_version=start, timeout_seconds=5):
        seen.append((e["type"], e["object"].data.get("n")))
        if e["type"] == "DELETED":
            break
    assert seen == [("ADDED", "1"), ("MODIFIED", "2"), ("DELETED", "2")]


def test_a_watch_with_initial_events_ends_them_with_a_bookmark(server, namespace):
    path = "/api/v1/namespaces/%s/configmaps" % namespace
    server.call("POST", path, config_map("here"))
    query = ("?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
             "&allowWatchBookmarks=true&timeoutSeconds=2")
    lines = [json.loads(l) for l in server.call("GET", path + query, stream=True).iter_lines()]
    types = [l["type"] for l in lines]
    assert types[:-1].count("BOOKMARK") == 0 and types[-1] == "BOOKMARK"
    assert "ADDED" in types
    notes = lines[-1]["object"]["metadata"]["annotations"]
    assert notes == {"k8s.io/initial-events-end": "true"}


def test_selectors_turn_changes_into_added_and_deleted(server, namespace):
    path = "/api/v1/namespaces/%s/configmaps" % namespace
    start = server.call("GET", path).json()["metadata"]["resourceVersion"]
    server.call("POST", path, config_map("sel"))
    for labels in ({"on": "yes"}, {"on": None}):
        server.call("PATCH", path + "/sel", data=json.dumps({"metadata": {"labels": labels}}),
                    headers={"Content-Type": "application/merge-patch+json"})
    r = server.call("GET", path + "?watch=1&labelSelector=on&timeoutSeconds=1&resourceVersion=" +
                    start, stream=True)
    assert [json.loads(l)["type"] for l in r.iter_lines()] == ["ADDED", "DELETED"]


def test_status_and_spec_do_not_mix(server, namespace):
    apps = server.api(k8s.AppsV1Api)
    body = {"metadata": {"name": "s"}, "status": {"replicas": 99},
            "spec": {"replicas": 0, "selector": {"matchLabels": {"a": "b"}},
                     "template": {"metadata": {"labels": {"a": "b"}},
                                  "spec": {"containers": [{"name": "c", "image": "i"}]}}}}
    made = apps.create_namespaced_deployment(namespace, body)
    assert not made.status.replicas
    assert made.metadata.generation == 1
    changed = apps.patch_namespaced_deployment("s", namespace, {"spec": {"replicas": 1}})
    assert changed.metadata.generation == 2


def test_protobuf_and_yaml_bodies_and_answers(server, namespace):
    path = "/api/v1/namespaces/%s/configmaps" % namespace
    r = server.call("POST", path, data="metadata: {name: yam}\ndata: {k: v}\n",
                    headers={"Content-Type": "application/yaml"})
    assert r.status_code == 201
    pb = server.call("GET", path + "/yam",
                     headers={"Accept": "application/vnd.kubernetes.protobuf"}).content
    assert pb[:4] == b"k8s\0"
    # The same bytes go back in: nothing has changed, so nothing is written.
    again = server.call("PUT", path + "/yam", data=pb,
                        headers={"Content-Type": "application/vnd.kubernetes.protobuf"})
    assert again.status_code == 200, again.text
    assert again.json()["data"] == {"k": "v"}
    text = server.call("GET", path + "/yam", headers={"Accept": "application/yaml"}).text
    assert "kind: ConfigMap" in text and "k: v" in text


def test_tables_and_partial_objects(server, namespace):
    path = "/api/v1/namespaces/%s/configmaps" % namespace
    server.call("POST", path, config_map("t", a="1", b="2"))
    table = server.call("GET", path, headers={
        "Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}).json()
    assert table["kind"] == "Table"
    names = [c["name"] for c in table["columnDefinitions"]]
    row = {r["object"]["metadata"]["name"]: r["cells"] for r in table["rows"]}["t"]
    assert row[names.index("Name")] == "t"
    partial = server.call("GET", path + "/t", headers={
        "Accept": "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"}).json()
    assert partial["kind"] == "PartialObjectMetadata" and "data" not in partial


def test_concurrent_writers_lose_nothing(server, namespace):
    path = "/api/v1/namespaces/%s/configmaps" % namespace
    server.call("POST", path, config_map("counter", n="0"))

    def bump():
        for _ in range(10):
            while True:
                now = server.call("GET", path + "/counter").json()
                now["data"]["n"] = str(int(now["data"]["n"]) + 1)
                if server.call("PUT", path + "/counter", now).status_code == 200:
                    break

    threads = [threading.Thread(target=bump) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert server.call("GET", path + "/counter").json()["data"]["n"] == "40"


def test_a_deleted_namespace_takes_everything_along(server):
    core = server.api(k8s.CoreV1Api)
    core.create_namespace({"metadata": {"name": "doomed"}})
    # A finalizer of an object holds the namespace in its last state until it is taken away.
    held = config_map("x")
    held["metadata"]["finalizers"] = ["example.com/hold"]
    core.create_namespaced_config_map("doomed", held)
    core.delete_namespace("doomed")
    refused = server.call("POST", "/api/v1/namespaces/doomed/configmaps", config_map("late"))
    assert refused.status_code == 403
    assert refused.json()["message"] == (
        'configmaps "late" is forbidden: unable to create new content in namespace doomed because '
        "it is being terminated")
    freed = server.call("PATCH", "/api/v1/namespaces/doomed/configmaps/x",
                        {"metadata": {"finalizers": None}},
                        headers={"Content-Type": "application/merge-patch+json"})
    assert freed.status_code == 200, freed.text
    eventually(lambda: server.call("GET", "/api/v1/namespaces/doomed").status_code == 404, 20)
    assert server.call("GET", "/api/v1/namespaces/doomed/configmaps").json()["items"] == []
