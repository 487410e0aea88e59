# SPDX-License-Identifier: Apache-2.0
"""CertificateSigningRequests: who asks, who decides, and what neither may say."""
import base64

import pytest

PATH = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
REQUEST = base64.b64encode(b"-----BEGIN CERTIFICATE REQUEST-----\nMAA=\n"
                           b"-----END CERTIFICATE REQUEST-----\n").decode()
PEM = base64.b64encode(b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n").decode()


def merge(server, path, body):
    return server.call("PATCH", path, body, headers={"Content-Type": "application/merge-patch+json"})


@pytest.fixture
def asked(server, namespace):
    """The path of a request as the server stored it, asked for by an impersonated user."""
    spec = {"request": REQUEST, "signerName": "example.com/s", "expirationSeconds": 600,
            "usages": ["digital signature", "s/mime"], "username": "root", "uid": "0",
            "groups": ["system:masters"], "extra": {"forged": ["yes"]}}
    r = server.call("POST", PATH, {"metadata": {"name": namespace}, "spec": spec,
                                   "status": {"certificate": PEM}},
                    headers={"Impersonate-User": "jo", "Impersonate-Uid": "u-1",
                             "Impersonate-Group": "system:masters",
                             "Impersonate-Extra-Zone": "a", "Impersonate-Extra-Area": "b"})
    assert r.status_code == 201, r.text
    yield r.json()
    server.call("DELETE", PATH + "/" + namespace)


def test_who_asks_is_who_was_authenticated(server, asked):
    spec = asked["spec"]
    assert (spec["username"], spec["uid"]) == ("jo", "u-1")
    assert spec["groups"] == ["system:masters", "system:authenticated"]
    assert list(spec["extra"].items()) == [("area", ["b"]), ("zone", ["a"])]
    assert asked.get("status", {}) == {}
    path = PATH + "/" + asked["metadata"]["name"]
    kept = merge(server, path, {"spec": {"username": "root"}, "status": {"certificate": PEM}})
    assert kept.status_code == 200 and kept.json()["spec"] == spec
    assert kept.json().get("status", {}) == {}


def test_a_usage_that_is_none(server):
    r = server.call("POST", PATH, {"metadata": {"name": "bad"}, "spec": {
        "request": REQUEST, "signerName": "example.com/s", "usages": ["signature"]}})
    assert r.status_code == 422
    assert r.json()["details"]["causes"][0]["message"].startswith(
        'Unsupported value: "signature": supported values: "any", "cert sign", "client auth", ')


def test_approval_takes_conditions_and_nothing_else(server, asked):
    path = PATH + "/" + asked["metadata"]["name"]
    verdict = {"type": "Approved", "status": "True", "reason": "R"}
    refused = merge(server, path + "/status", {"status": {"conditions": [verdict]}})
    assert refused.status_code == 422, refused.text
    assert refused.json()["details"]["causes"] == [{
        "reason": "FieldValueForbidden", "field": "status.conditions",
        "message": 'Forbidden: updates may not add a condition of type "Approved"'}]
    r = merge(server, path + "/approval",
              {"status": {"conditions": [verdict], "certificate": PEM}, "spec": {"uid": "9"}})
    assert r.status_code == 200, r.text
    assert r.json()["spec"]["uid"] == "u-1" and "certificate" not in r.json()["status"]
    given = r.json()["status"]["conditions"]
    assert [(c["type"], c["reason"]) for c in given] == [("Approved", "R")]
    assert given[0]["lastUpdateTime"] and given[0]["lastTransitionTime"]
    both = merge(server, path + "/approval", {"status": {"conditions": [
        verdict, {"type": "Denied", "status": "True"}]}})
    assert both.status_code == 422 and "mutually exclusive" in both.json()["message"]
    gone = merge(server, path + "/approval", {"status": {"conditions": []}})
    assert gone.json()["details"]["causes"][0]["message"] == (
        'Forbidden: updates may not remove a condition of type "Approved"')
    # The signer's write keeps the verdict as it is, and sets the certificate once.
    signed = merge(server, path + "/status", {"status": {"certificate": PEM, "conditions": [
        dict(verdict, reason="Other")]}})
    assert signed.status_code == 200, signed.text
    assert signed.json()["status"] == {"conditions": given, "certificate": PEM}
    other = base64.b64encode(base64.b64decode(PEM) + b"x").decode()
    changed = merge(server, path + "/status", {"status": {"certificate": other}})
    assert changed.json()["details"]["causes"][0]["message"] == (
        "Forbidden: updates may not modify existing certificate content")


def test_the_schema_lists_usages_with_blanks(server):
    doc = server.call("GET", "/openapi/v3/apis/certificates.k8s.io/v1").json()
    spec = doc["components"]["schemas"]["io.k8s.api.certificates.v1.CertificateSigningRequestSpec"]
    usages = spec["properties"]["usages"]["items"]["enum"]
    assert usages == [
        "any", "cert sign", "client auth", "code signing", "content commitment", "crl sign",
        "data encipherment", "decipher only", "digital signature", "email protection",
        "encipher only", "ipsec end system", "ipsec tunnel", "ipsec user", "key agreement",
        "key encipherment", "microsoft sgc", "netscape sgc", "ocsp signing", "s/mime",
        "server auth", "signing", "timestamping"]
