# SPDX-License-Identifier: Apache-2.0
"""What Kubernetes 1.20.2 stored in versions that are served no more: stock_1_20.json has the bytes, as its
kube-apiserver wrote them to etcd (test_stock_apiserver.py makes such), and what is to be shown."""
import base64
import json
import os
import shutil

import pytest
from conftest import Server, eventually
from test_etcd_server import Etcd, skiff_etcd

pytestmark = pytest.mark.skipif(not shutil.which("etcdctl"), reason="etcd-client is not installed")
with open(os.path.join(os.path.dirname(__file__), "stock_1_20.json"), encoding="utf-8") as stored:
    OBJECTS = json.load(stored)
# An entry of a stock API server: Endpoints without a name.
ENTRY = b"k8s\0\n\x0f\n\x02v1\x12\tEndpoints\x12\x13\n\x00\x12\x0f\n\r\n\x0b192.0.2.200\x1a\x00\"\x00"


@pytest.fixture(scope="module")
def server():
    etcd = Etcd(skiff_etcd)
    for o in OBJECTS:
        etcd.ctl("put", o["key"], stdin=base64.b64decode(o["value"]))
    etcd.ctl("put", "/registry/masterleases/192.0.2.200", stdin=ENTRY)
    # Its own flow schemas would be in the way of ours if they could not be read.
    s = Server(["--etcd-servers=" + etcd.url], command="apiserver")
    assert s.call("POST", "/api/v1/namespaces", {"metadata": {"name": "zoo"}}).status_code == 201
    yield s
    s.stop()
    etcd.close()


@pytest.mark.parametrize("want", OBJECTS, ids=[o["path"] for o in OBJECTS])
def test_an_object(server, want):
    got = server.call("GET", want["path"])
    assert got.status_code == 200, got.text
    got = got.json()
    assert got["metadata"].pop("resourceVersion").isdigit()
    if "customresourcedefinitions" in want["path"]:  # our controller speaks for itself
        got.pop("status")
        want["object"].pop("status", None)
    if "apiservices" in want["path"]:
        got.pop("status", None)
        want["object"].pop("status", None)
    assert got == want["object"]


def test_they_can_be_changed(server):
    """And are stored in the version of today then."""
    for o in OBJECTS:
        now = server.call("GET", o["path"]).json()
        now["metadata"]["annotations"] = {"note": "changed"}
        r = server.call("PUT", o["path"], now)
        assert r.status_code == 200, "%s: %s" % (o["path"], r.text)
        assert r.json()["metadata"]["annotations"] == {"note": "changed"}


def test_the_entry_of_a_stock_server_counts(server):
    def addresses():
        e = server.call("GET", "/api/v1/namespaces/default/endpoints/kubernetes").json()
        return [a["ip"] for subset in e["subsets"] for a in subset["addresses"]]
    eventually(lambda: "192.0.2.200" in addresses())


def test_nothing_is_hidden(server):
    assert "not shown" not in server.read_log()
