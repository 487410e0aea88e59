# SPDX-License-Identifier: Apache-2.0
"""What is wrong gets upstream's Status, and changes nothing."""
import os
import re

import pytest
from conftest import ROOT, Server, eventually

CM = "/api/v1/namespaces/default/configmaps"


def status_of(r, code, reason):
    assert r.status_code == code, r.text[:500]
    s = r.json()
    assert (s["kind"], s["status"], s["code"]) == ("Status", "Failure", code)
    assert s.get("reason", "") == reason
    return s


def post(server, path, data, kind="application/json", **kw):
    return server.call("POST", path, data=data, headers={"Content-Type": kind}, **kw)


UNRECOGNIZED = "the object provided is unrecognized (must be of type ConfigMap): "
NO_KIND = UNRECOGNIZED + "couldn't get version/kind; json parse error: "
NO_STRUCT = ('json: cannot unmarshal %s into Go value of type struct { APIVersion string '
             '"json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" } ')


@pytest.mark.parametrize("body,message", [
    ("", "unexpected end of JSON input (<empty>)"),
    ("{", "unexpected end of JSON input ({)"),
    ('{"metadata":', 'unexpected end of JSON input ({"metadata":)'),
    ("[1,2", "unexpected end of JSON input (5b312c32)"),
    ("nul", "unexpected end of JSON input (6e756c)"),
    ('{"a":1}}', 'invalid character \'}\' after top-level value ({"a":1}})'),
    ('{"a":"\\x"}', 'invalid character \'x\' in string escape code ({"a":"\\x"})'),
    ('{"a":1,}', 'invalid character \'}\' looking for beginning of object key string ({"a":1,})'),
    ('{"a" 1}', 'invalid character \'1\' after object key ({"a" 1})'),
    ('{"a":1 "b":2}', 'invalid character \'"\' after object key:value pair ({"a":1 "b":2})'),
    ("[1 2]", "invalid character '2' after array element (5b3120325d)"),
    ('{"a":tru}', 'invalid character \'}\' in literal true (expecting \'e\') ({"a":tru})'),
    ('{"a":1.}', 'invalid character \'}\' after decimal point in numeric literal ({"a":1.})'),
    ("[]", NO_STRUCT % "array" + "(5b5d)"), ("1", NO_STRUCT % "number" + "(31)"),
    ('"x"', NO_STRUCT % "string" + "(227822)"),
    ('{"kind":1}', 'json: cannot unmarshal number into Go struct field .kind of type string '
                   '({"kind":1})')])
def test_malformed_json(server, body, message):
    assert status_of(post(server, CM, body), 400, "BadRequest")["message"] == NO_KIND + message


@pytest.mark.parametrize("kind,body", [("application/json", "null"), ("application/yaml", "")])
def test_a_body_that_says_nothing_is_an_empty_object(server, kind, body):
    s = status_of(post(server, CM, body, kind), 422, "Invalid")
    assert s["message"] == ('ConfigMap "" is invalid: metadata.name: Required value: name or '
                            "generateName is required")


@pytest.mark.parametrize("body,message", [
    ('{"kind":"Nope"}', 'Nope in version "v1" cannot be handled as a ConfigMap: no kind "Nope" is '
                        'registered for version "v1" in scheme "pkg/api/legacyscheme/scheme.go:30"'),
    ('{"metadata":1}', 'ConfigMap in version "v1" cannot be handled as a ConfigMap: json: cannot '
                       "unmarshal number into Go struct field ConfigMap.metadata of type "
                       "v1.ObjectMeta"),
    ('{"binaryData":{"a":"!"}}', 'ConfigMap in version "v1" cannot be handled as a ConfigMap: '
                                 "illegal base64 data at input byte 0")])
def test_objects_that_do_not_fit(server, body, message):
    assert status_of(post(server, CM, body), 400, "BadRequest")["message"] == message


@pytest.mark.parametrize("body", ["a: [", "a: &x {b: *y}", "\t- a", "a: b: c"])
def test_malformed_yaml(server, body):
    status_of(post(server, CM, body, "application/yaml"), 400, "BadRequest")


@pytest.mark.parametrize("body", [b"", b"k8s\0\xff\xff", b"nonsense", b"k8s\0\x0a\x7f"])
def test_malformed_protobuf(server, body):
    s = status_of(post(server, CM, body, "application/vnd.kubernetes.protobuf"), 400, "BadRequest")
    assert s["message"].startswith(UNRECOGNIZED)
    if not body.startswith(b"k8s\0"):
        assert s["message"].startswith(
            UNRECOGNIZED + ("empty data" if not body else "provided data does not appear to be a "
                            "protobuf message, expected prefix [107 56 115 0]"))


def test_wrong_type_of_a_field(server):
    s = status_of(server.call("POST", CM, {"metadata": {"name": "x"}, "data": {"a": 1}}),
                  400, "BadRequest")
    assert 'ConfigMap in version "v1" cannot be handled as a ConfigMap' in s["message"]
    assert "cannot unmarshal number into Go struct field ConfigMap.data of type string" in s["message"]


def test_unknown_fields_in_the_three_modes(server):
    body = {"metadata": {"name": "u"}, "spec": {"x": 1}}
    path = CM + "?dryRun=All&fieldValidation="
    quiet = server.call("POST", path + "Ignore", body)
    assert quiet.status_code == 201 and "Warning" not in quiet.headers
    warned = server.call("POST", path + "Warn", body)
    assert warned.status_code == 201
    assert warned.headers["Warning"] == '299 - "unknown field \\"spec\\""'
    s = status_of(server.call("POST", path + "Strict", body), 400, "BadRequest")
    assert s["message"].endswith('strict decoding error: unknown field "spec"')


def test_duplicate_keys(server):
    body = '{"metadata":{"name":"d"},"data":{"a":"1"},"data":{"b":"2"}}'
    r = post(server, CM + "?dryRun=All", body)
    assert r.status_code == 201 and r.headers["Warning"] == '299 - "duplicate field \\"data\\""'
    s = status_of(post(server, CM + "?dryRun=All&fieldValidation=Strict", body), 400, "BadRequest")
    assert 'duplicate field "data"' in s["message"]


def test_a_body_that_is_too_large(server):
    r = post(server, CM, b'{"metadata":{"name":"big"},"data":{"a":"%s"}}' % (b"x" * 4 * 1024 * 1024))
    s = status_of(r, 413, "RequestEntityTooLarge")
    assert s["message"] == "Request entity too large: limit is 3145728"


@pytest.mark.parametrize("kind,body", [
    ("application/json", "[" * 1000000), ("application/json", '{"a":' * 200000),
    ("application/yaml", "[" * 100000), ("application/yaml", "- " * 50000)],
    ids=["json-arrays", "json-objects", "yaml-flow", "yaml-block"])
def test_deep_nesting(server, kind, body):
    s = status_of(post(server, CM, body, kind), 413, "RequestEntityTooLarge")
    assert s["message"] == ("yaml: " if "yaml" in kind else "") + "exceeded max depth"


def test_an_alias_bomb(server):
    lines = ["a0: &a0 [x,x,x,x,x,x,x,x,x]"]
    lines += ["a%d: &a%d [%s]" % (i, i, ",".join(["*a%d" % (i - 1)] * 9)) for i in range(1, 12)]
    s = status_of(post(server, CM, "\n".join(lines), "application/yaml"),
                  413, "RequestEntityTooLarge")
    assert s["message"] == "yaml: document contains excessive aliasing"


def test_wrong_content_types(server):
    s = status_of(post(server, CM, "x", "text/plain"), 415, "UnsupportedMediaType")
    assert s["message"] == (
        "the body of the request was in an unknown format - accepted media types include: "
        "application/json, application/yaml, application/vnd.kubernetes.protobuf")
    s = status_of(server.call("PATCH", CM + "/x", data="{}", headers={"Content-Type": "text/x"}),
                  415, "UnsupportedMediaType")
    assert "application/strategic-merge-patch+json" in s["message"]
    status_of(server.call("GET", CM, headers={"Accept": "image/png"}), 406, "NotAcceptable")


def test_unknown_paths(server):
    s = status_of(server.call("GET", "/api/v1/nonsense"), 404, "NotFound")
    assert s["message"] == "the server could not find the requested resource"
    r = server.call("GET", "/apis/no.such.group/v1/things")
    assert (r.status_code, r.text.strip()) == (404, "404 page not found")
    s = status_of(server.call("GET", CM + "/nothing"), 404, "NotFound")
    assert s["details"] == {"name": "nothing", "kind": "configmaps"}


def test_verbs_that_are_not_served(server):
    status_of(server.call("DELETE", "/api/v1/namespaces"), 405, "MethodNotAllowed")
    status_of(server.call("PUT", CM, {}), 405, "MethodNotAllowed")


def test_kind_and_namespace_must_fit_the_path(server):
    s = status_of(server.call("POST", CM, {"apiVersion": "v1", "kind": "Secret",
                                           "metadata": {"name": "x"}}), 400, "BadRequest")
    assert s["message"]
    s = status_of(server.call("POST", CM, {"metadata": {"name": "x", "namespace": "other"}}),
                  400, "BadRequest")
    assert s["message"] == ("the namespace of the provided object does not match the namespace "
                            "sent on the request")


@pytest.mark.parametrize("name", ["", "UPPER", "a_b", "a" * 300, "../x", "a/b"],
                         ids=["none", "upper", "underscore", "long", "dots", "slash"])
def test_bad_names(server, name):
    r = server.call("POST", CM, {"metadata": {"name": name}})
    assert r.status_code == 422, r.text
    causes = r.json()["details"]["causes"]
    assert causes[0]["field"] == "metadata.name"


@pytest.mark.parametrize("version", ["abc", "-1", "1e9"])
def test_bad_resource_versions(server, namespace, version):
    path = "/api/v1/namespaces/%s/configmaps" % namespace
    made = server.call("POST", path, {"metadata": {"name": "x"}}).json()
    syntax = 'strconv.ParseUint: parsing "%s": invalid syntax' % version
    why = 'resourceVersion: Invalid value: "%s": %s' % (version, syntax)
    for what in ("", "/x"):
        s = status_of(server.call("GET", path + what + "?resourceVersion=" + version),
                      400, "BadRequest")
        assert s["message"] == "invalid resource version: " + why
    s = status_of(server.call("GET", path + "?watch=1&resourceVersion=" + version), 422, "Invalid")
    assert s["message"] == 'configmaps "" is invalid: ' + why
    body = {"metadata": {"name": "x", "resourceVersion": version}}
    assert status_of(server.call("PUT", path + "/x", body), 500, "")["message"] == syntax
    r = server.call("PATCH", path + "/x", body,
                    headers={"Content-Type": "application/merge-patch+json"})
    assert status_of(r, 500, "")["message"] == syntax
    s = status_of(server.call("DELETE", path + "/x", {"preconditions": {
        "resourceVersion": version}}), 409, "Conflict")
    assert s["message"] == (
        'Operation cannot be fulfilled on configmaps "x": the ResourceVersion in the precondition '
        "(%s) does not match the ResourceVersion in record (%s). The object might have been "
        "modified" % (version, made["metadata"]["resourceVersion"]))
    s = status_of(server.call("POST", path, {"metadata": {"name": "y", "resourceVersion": version}}),
                  500, "")
    assert s["message"] == "resourceVersion should not be set on objects to be created"
    assert server.call("GET", path + "/x").json() == made


def test_a_resource_version_is_a_number(server, namespace):
    """What PUT and PATCH compare is the number, not its text; 0 stands for none."""
    path = "/api/v1/namespaces/%s/configmaps" % namespace
    made = server.call("POST", path, {"metadata": {"name": "x"}}).json()["metadata"]
    for version in ("0", "000", "00" + made["resourceVersion"]):
        r = server.call("PUT", path + "/x", {"metadata": {"name": "x",
                                                          "resourceVersion": version}})
        assert (r.status_code, r.json()["metadata"]) == (200, made)
    s = status_of(server.call("PUT", path + "/x", {"metadata": {
        "name": "x", "resourceVersion": "1"}}), 409, "Conflict")
    assert s["message"] == (
        'Operation cannot be fulfilled on configmaps "x": the object has been modified; please '
        "apply your changes to the latest version and try again")
    huge = "99999999999999999999"
    range_error = 'strconv.ParseUint: parsing "%s": value out of range' % huge
    for method, at, kind in (("PUT", "/x", None), ("PATCH", "/x", "application/merge-patch+json")):
        r = server.call(method, path + at, {"metadata": {"name": "x", "resourceVersion": huge}},
                        headers={"Content-Type": kind or "application/json"})
        assert status_of(r, 500, "")["message"] == range_error
    # A kind that PUT may create reads the number before it creates.
    leases = "/apis/coordination.k8s.io/v1/namespaces/%s/leases" % namespace
    r = server.call("PUT", leases + "/x", {"metadata": {"name": "x", "resourceVersion": "abc"}})
    assert status_of(r, 500, "")["message"] == 'strconv.ParseUint: parsing "abc": invalid syntax'
    assert server.call("GET", leases + "/x").status_code == 404


def test_a_version_of_the_future(server):
    s = status_of(server.call("GET", CM + "?resourceVersion=99999999999&limit=0"), 504, "Timeout")
    assert "Too large resource version" in s["message"]


@pytest.mark.parametrize("query,message", [
    ("labelSelector=a%3D%3D%3D", "unable to parse requirement: found '=', expected: identifier"),
    ("labelSelector=!", "unable to parse requirement: found '', expected: identifier"),
    ("labelSelector=a+in+(", "unable to parse requirement: found '', expected: ',', ')' or identifier"),
    ("fieldSelector=x%3Dy", '"x" is not a known field selector: only "metadata.name", '
                            '"metadata.namespace"'),
    ("limit=x", 'strconv.ParseInt: parsing "x": invalid syntax')])
def test_bad_queries(server, query, message):
    s = status_of(server.call("GET", CM + "?" + query), 400, "BadRequest")
    assert s["message"] == message


def test_a_bad_continue_token(server):
    s = status_of(server.call("GET", CM + "?continue=zzz"), 400, "BadRequest")
    assert s["message"].startswith("invalid continue token: continue key is not valid: ")


def test_bad_tokens_and_no_credentials(server):
    for token in ("x", "a.b.c", "eyJhbGciOiJub25lIn0.e30."):
        r = server.as_user(token).get(server.url + CM)
        status_of(r, 401, "Unauthorized")
    s = status_of(server.as_user(None).get(server.url + CM), 403, "Forbidden")
    assert s["message"] == ('configmaps is forbidden: User "system:anonymous" cannot list resource '
                            '"configmaps" in API group "" in the namespace "default"')
    assert server.as_user(None).get(server.url + "/version").status_code == 200
    assert server.as_user(None).get(server.url + "/healthz").text == "ok"


def rss_kib(pid):
    with open("/proc/%d/status" % pid, encoding="utf-8") as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1))


def send_bad_requests(server):
    """One of each kind that has cost other servers memory."""
    bomb = ["a0: &a0 [x,x,x,x,x,x,x,x,x]"]
    bomb += ["a%d: &a%d [%s]" % (i, i, ",".join(["*a%d" % (i - 1)] * 9)) for i in range(1, 12)]
    half = '{"metadata":{"name":"m"},"data":{"a":"' + "x" * 2000000 + '"'
    wanted = [(400, half, "application/json"), (413, "x" * 4 * 1024 * 1024, "application/json"),
              (413, "[" * 1000000, "application/json"), (413, '{"a":' * 200000, "application/json"),
              (413, "[" * 100000, "application/yaml"), (413, "\n".join(bomb), "application/yaml"),
              (400, b"k8s\0" + b"\xff" * 1000000, "application/vnd.kubernetes.protobuf"),
              (415, "x" * 1000000, "text/plain")]
    for code, body, kind in wanted:
        assert post(server, CM, body, kind).status_code == code
    assert server.as_user("x" * 4000).get(server.url + CM).status_code == 401
    assert server.call("GET", "/apis/no.such.group/v1/things").status_code == 404
    assert server.call("GET", "/api/v1/nonsense").status_code == 404


def test_memory_returns_after_bad_input(monkeypatch):
    """In the release build: a sanitizer keeps freed memory back."""
    if not os.access(os.path.join(ROOT, "build", "src", "cmd", "skiff"), os.X_OK):
        pytest.skip("no release build in build/")
    monkeypatch.setenv("SKIFF_BUILD", os.path.join(ROOT, "build"))
    server = Server()
    try:
        send_bad_requests(server)  # once before: what is made on first use stays
        before = rss_kib(server.process.pid)
        for _ in range(20):
            send_bad_requests(server)
        eventually(lambda: rss_kib(server.process.pid) < before + 8 * 1024, 20)
    finally:
        server.stop()
