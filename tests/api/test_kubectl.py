# SPDX-License-Identifier: Apache-2.0
"""The real kubectl, old and new, against a server without a node. Skipped where it is missing."""
import base64
import json
import os
import re
import subprocess

import pytest
import requests
from conftest import eventually
from kubectl_versions import VERSIONS, find_kubectl


class Kubectl:
    def __init__(self, binary, version, server, namespace, home):
        self.binary, self.version, self.namespace = binary, version, namespace
        self.home, self.server = home, server
        self.env = dict(os.environ, KUBECONFIG=server.kubeconfig, HOME=str(home))

    def run(self, *args, **env):
        stdin = env.pop("stdin", None)
        return subprocess.run([self.binary, "-n", self.namespace, *args], text=True, timeout=40,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, input=stdin,
                              env=dict(self.env, **env))

    def __call__(self, *args, **env):
        """What it says, when all is well."""
        p = self.run(*args, **env)
        assert p.returncode == 0, (args, p.stdout, p.stderr)
        return p.stdout

    def fails(self, *args, **env):
        """What it complains of, when it ends with 1."""
        p = self.run(*args, **env)
        assert p.returncode == 1, (args, p.returncode, p.stdout, p.stderr)
        return p.stderr

    def file(self, name, *objects):
        path = self.home / name
        path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
                        if len(objects) > 1 else json.dumps(objects[0]))
        return str(path)


@pytest.fixture(params=VERSIONS)
def kubectl(request, server, namespace, tmp_path):
    binary = find_kubectl(request.param)
    if not binary:
        pytest.skip("kubectl.%s is not installed" % request.param)
    return Kubectl(binary, request.param, server, namespace, tmp_path)


def rows(text):
    return [line.split() for line in text.splitlines()]


def config_map(name="c", value="v", **labels):
    return {"apiVersion": "v1", "kind": "ConfigMap", "data": {"k": value},
            "metadata": {"name": name, "labels": labels}}


def test_a_deployment_rolls_out_and_back(kubectl):
    assert kubectl("create", "deployment", "web", "--image=i:1", "--port=80") == \
        "deployment.apps/web created\n"
    assert kubectl.fails("create", "deployment", "web", "--image=i:1") == (
        'error: failed to create deployment: deployments.apps "web" already exists\n')
    eventually(lambda: "1" in kubectl("rollout", "history", "deployment/web").split())
    assert kubectl("set", "image", "deployment/web", "i=i:2") == \
        "deployment.apps/web image updated\n"
    two = "deployment.apps/web \nREVISION  CHANGE-CAUSE\n1         <none>\n2         <none>\n\n"
    eventually(lambda: kubectl("rollout", "history", "deployment/web") == two)
    first = kubectl("rollout", "history", "deployment/web", "--revision=1")
    assert first.startswith("deployment.apps/web with revision #1\nPod Template:\n")
    assert "    Image:\ti:1\n" in first
    assert kubectl("rollout", "undo", "deployment/web") == "deployment.apps/web rolled back\n"
    eventually(lambda: kubectl("rollout", "history", "deployment/web") ==
               two.replace("2  ", "3  ").replace("1  ", "2  "))
    p = kubectl.run("rollout", "status", "deployment/web", "--timeout=1s")
    assert p.returncode == 1 and p.stdout.startswith('Waiting for deployment "web" rollout to fi')
    assert p.stderr == "error: timed out waiting for the condition\n"
    assert kubectl("rollout", "pause", "deployment/web") == "deployment.apps/web paused\n"
    assert kubectl.fails("rollout", "pause", "deployment/web") == \
        'error: deployments.apps "web" is already paused\n'
    assert kubectl("rollout", "resume", "deployment/web") == "deployment.apps/web resumed\n"
    assert kubectl.fails("rollout", "resume", "deployment/web") == \
        'error: deployments.apps "web" is not paused\n'
    assert kubectl("rollout", "restart", "deployment/web") == "deployment.apps/web restarted\n"


def test_scale_expose_autoscale_and_describe(kubectl):
    kubectl("create", "deployment", "web", "--image=i:1", "--replicas=2", "--port=80")
    eventually(lambda: len(rows(kubectl("get", "pods", "--no-headers"))) == 2)
    assert kubectl("scale", "deployment", "web", "--replicas=1") == "deployment.apps/web scaled\n"
    assert kubectl.fails("scale", "deployment", "web", "--replicas=3", "--current-replicas=2") == \
        "error: Expected replicas to be 2, was 1\n"
    assert kubectl("expose", "deployment", "web") == "service/web exposed\n"
    assert kubectl.fails("expose", "deployment", "web") == \
        'Error from server (AlreadyExists): services "web" already exists\n'
    assert kubectl("autoscale", "deployment", "web", "--min=1", "--max=3", "--cpu-percent=50") == \
        "horizontalpodautoscaler.autoscaling/web autoscaled\n"
    assert rows(kubectl("get", "hpa", "--no-headers"))[0][:2] == ["web", "Deployment/web"]
    eventually(lambda: len(rows(kubectl("get", "pods", "--no-headers"))) == 1)
    text = kubectl("describe", "deployment", "web")
    assert "Replicas:               1 desired | 1 updated | 1 total | 0 available | " in text
    eventually(lambda: "ScalingReplicaSet" in kubectl("describe", "deployment", "web"))
    text = kubectl("describe", kubectl("get", "pods", "-o", "name").strip())
    lines = rows(text)
    assert ["Image:", "i:1"] in lines and ["Status:", "Pending"] in lines
    assert any(line[:2] == ["Controlled", "By:"] and line[2].startswith("ReplicaSet/web-")
               for line in lines)
    lines = rows(kubectl("describe", "service", "web"))
    assert ["TargetPort:", "80/TCP"] in lines and ["Selector:", "app=web"] in lines
    address = kubectl("get", "svc", "web", "-o", "jsonpath={.spec.clusterIP}")
    assert address.startswith("10.96.") and ["IPs:", address] in lines


def test_get_in_every_form(kubectl):
    kubectl("run", "p", "--image=i", "--labels=a=b")
    name = kubectl.namespace
    assert kubectl("get", "pods", "-o", "name") == "pod/p\n"
    assert kubectl("get", "pod", "p", "-o", "jsonpath={.spec.containers[0].image}") == "i"
    assert rows(kubectl("get", "pod", "-o", "custom-columns=N:.metadata.name,I:.spec.nodeName")) \
        == [["N", "I"], ["p", "<none>"]]
    wide = rows(kubectl("get", "pods", "-o", "wide"))
    assert wide[0] == ("NAME READY STATUS RESTARTS AGE IP NODE NOMINATED NODE "
                       "READINESS GATES").split()
    assert wide[1][:4] == ["p", "0/1", "Pending", "0"] and wide[1][5:] == ["<none>"] * 4
    everywhere = rows(kubectl("get", "pods", "-A", "-l", "a=b", "--show-labels", "--no-headers"))
    assert [r[:3] + r[-1:] for r in everywhere if r[0] == name] == [[name, "p", "0/1", "a=b"]]
    got = json.loads(kubectl("get", "pod", "p", "-o", "json"))
    assert (got["kind"], got["metadata"]["labels"]) == ("Pod", {"a": "b"})
    assert kubectl("get", "pod", "p", "-o", "yaml").startswith("apiVersion: v1\nkind: Pod\n")
    assert kubectl.fails("get", "pods", "no") == \
        'Error from server (NotFound): pods "no" not found\n'
    assert kubectl.fails("get", "no-such") == \
        'error: the server doesn\'t have a resource type "no-such"\n'
    assert kubectl.run("get", "jobs").stderr == "No resources found in %s namespace.\n" % name


def test_get_follows_changes(kubectl):
    args = [kubectl.binary, "-n", kubectl.namespace, "get", "cm", "-l", "w=x", "-w",
            "--no-headers", "--output-watch-events"]
    with subprocess.Popen(args, env=kubectl.env, stdout=subprocess.PIPE, text=True) as p:
        try:
            path = kubectl.file("c", config_map(w="x"))
            kubectl("apply", "-f", path)
            assert p.stdout.readline().split()[:3] == ["ADDED", "c", "1"]
            kubectl("delete", "-f", path)
            assert p.stdout.readline().split()[:3] == ["DELETED", "c", "1"]
        finally:
            p.kill()


def test_apply_diff_and_prune(kubectl):
    a, b = kubectl.file("a", config_map(p="1")), kubectl.file("b", config_map(value="w", p="1"))
    other = kubectl.file("o", config_map("other", p="1"))
    assert kubectl("apply", "-f", a) == "configmap/c created\n"
    assert kubectl("apply", "-f", a) == "configmap/c unchanged\n"
    assert kubectl("diff", "-f", a) == ""
    p = kubectl.run("diff", "-f", b)
    assert p.returncode == 1 and "\n-  k: v\n+  k: w\n" in p.stdout
    assert kubectl("apply", "-f", b, "--dry-run=server") == \
        "configmap/c configured (server dry run)\n"
    assert kubectl("apply", "-f", b) == "configmap/c configured\n"
    assert "\ndata:\n  k: w\n" in kubectl("apply", "view-last-applied", "cm/c")
    assert kubectl("apply", "--prune", "-l", "p=1", "--prune-allowlist=core/v1/ConfigMap", "-f",
                   other) == "configmap/other created\nconfigmap/c pruned\n"
    assert kubectl("replace", "-f", other) == "configmap/other replaced\n"
    assert kubectl("replace", "--force", "-f", other) == \
        'configmap "other" deleted\nconfigmap/other replaced\n'
    assert kubectl.fails("replace", "-f", a).endswith(': configmaps "c" not found\n')


def test_edit_patch_label_annotate(kubectl):
    kubectl("create", "cm", "c", "--from-literal=k=v")
    assert kubectl("edit", "cm", "c", KUBE_EDITOR="sed -i 's/k: v/k: edited/'") == \
        "configmap/c edited\n"
    p = kubectl.run("edit", "cm", "c", KUBE_EDITOR="true")
    assert (p.returncode, p.stderr) == (0, "Edit cancelled, no changes made.\n")
    assert kubectl("get", "cm", "c", "-o", "jsonpath={.data.k}") == "edited"
    for verb in ("patched", "patched (no change)"):
        assert kubectl("patch", "cm", "c", "--type=merge", "-p", '{"data":{"x":"y"}}') == \
            "configmap/c %s\n" % verb
    assert kubectl("patch", "cm", "c", "--type=json", "-p",
                   '[{"op":"remove","path":"/data/x"}]') == "configmap/c patched\n"
    kubectl("create", "deployment", "d", "--image=i:1")
    assert kubectl("patch", "deployment", "d", "-p", json.dumps({"spec": {"template": {"spec": {
        "containers": [{"name": "j", "image": "j"}]}}}})) == "deployment.apps/d patched\n"
    assert kubectl("get", "deployment", "d", "-o",
                   "jsonpath={.spec.template.spec.containers[*].image}") == "j i:1"
    noted = "annotate" if kubectl.version == "1.27" else "annotated"
    for verb, done in (("label", "labeled"), ("annotate", noted)):
        assert kubectl(verb, "cm", "c", "a=b") == "configmap/c %s\n" % done
        assert kubectl.fails(verb, "cm", "c", "a=c").startswith("error: ")
        assert kubectl(verb, "cm", "c", "a=c", "--overwrite") == "configmap/c %s\n" % done
        assert kubectl(verb, "cm", "c", "a-") == \
            "configmap/c %s\n" % ("unlabeled" if verb == "label" else noted)


def test_delete_cascades_as_told(kubectl):
    def make():
        kubectl("create", "deployment", "d", "--image=i")
        eventually(lambda: kubectl("get", "pods", "-o", "name"))

    make()
    assert kubectl("delete", "deployment", "d", "--cascade=orphan") == \
        'deployment.apps "d" deleted\n'
    sets = rows(kubectl("get", "rs,pods", "--no-headers"))
    assert len(sets) == 2
    kubectl("delete", "rs", "--all", "--cascade=foreground")
    assert kubectl("get", "rs,pods", "-o", "name") == ""
    make()
    kubectl("delete", "deployment", "d", "--cascade=foreground")
    assert kubectl("get", "deployments,rs,pods", "-o", "name") == ""
    make()
    kubectl("delete", "deployment", "d", "--cascade=background")
    eventually(lambda: kubectl("get", "rs,pods", "-o", "name") == "")
    assert kubectl.fails("delete", "cm", "no") == \
        'Error from server (NotFound): configmaps "no" not found\n'
    assert kubectl("delete", "cm", "no", "--ignore-not-found") == ""


def test_wait(kubectl):
    kubectl("create", "deployment", "d", "--image=i")
    assert kubectl("wait", "deployment/d", "--for=condition=Available=False") == \
        "deployment.apps/d condition met\n"
    assert kubectl("wait", "deployment/d", "--for=jsonpath={.spec.replicas}=1") == \
        "deployment.apps/d condition met\n"
    assert kubectl.fails("wait", "deployment/d", "--for=condition=Available", "--timeout=1s") == \
        "error: timed out waiting for the condition on deployments/d\n"
    assert kubectl.fails("wait", "pod/no", "--for=condition=Ready", "--timeout=1s") == \
        'Error from server (NotFound): pods "no" not found\n'
    with subprocess.Popen([kubectl.binary, "-n", kubectl.namespace, "wait", "deployment/d",
                           "--for=delete"], env=kubectl.env, stdout=subprocess.PIPE,
                          text=True) as p:
        kubectl("delete", "deployment", "d")
        assert (p.wait(20), p.stdout.read()) in ((0, "deployment.apps/d condition met\n"), (0, ""))


def test_auth(kubectl):
    assert kubectl("auth", "can-i", "create", "pods") == "yes\n"
    p = kubectl.run("auth", "can-i", "create", "pods", "--as=bob")
    assert (p.returncode, p.stdout) == (1, "no\n")
    table = rows(kubectl("auth", "can-i", "--list"))
    assert table[0] == "Resources Non-Resource URLs Resource Names Verbs".split()
    assert ["*.*", "[]", "[]", "[*]"] in table and ["[*]", "[]", "[*]"] in table
    assert ["*.*", "[]", "[]", "[*]"] not in rows(kubectl("auth", "can-i", "--list", "--as=bob"))
    if kubectl.version != "1.27":
        assert ["Username", "kubernetes-admin"] in rows(kubectl("auth", "whoami"))


CREATED = [
    ("configmap m --from-literal=a=b", "configmap/m"),
    ("secret generic g --from-literal=a=b", "secret/g"),
    ("secret docker-registry d --docker-server=s --docker-username=u --docker-password=p",
     "secret/d"),
    ("serviceaccount s", "serviceaccount/s"),
    ("role r --verb=get --resource=pods", "role.rbac.authorization.k8s.io/r"),
    ("rolebinding rb --role=r --serviceaccount={ns}:s", "rolebinding.rbac.authorization.k8s.io/rb"),
    ("clusterrole {ns} --verb=get --resource=nodes", "clusterrole.rbac.authorization.k8s.io/{ns}"),
    ("clusterrolebinding {ns} --clusterrole={ns} --user=u",
     "clusterrolebinding.rbac.authorization.k8s.io/{ns}"),
    ("namespace {ns}-x", "namespace/{ns}-x"),
    ("quota q --hard=configmaps=50", "resourcequota/q"),
    ("priorityclass {ns} --value=5", "priorityclass.scheduling.k8s.io/{ns}"),
    ("pdb p --selector=a=b --min-available=1", "poddisruptionbudget.policy/p"),
    ("ingress i --rule=h.example/p=web:80", "ingress.networking.k8s.io/i"),
    ("job j --image=i", "job.batch/j"),
    ("cronjob c --image=i --schedule=@daily", "cronjob.batch/c"),
    ("job j2 --from=cronjob/c", "job.batch/j2"),
    ("service clusterip sc --tcp=80:8080", "service/sc"),
    ("service nodeport sn --tcp=80", "service/sn"),
    ("service loadbalancer sl --tcp=80", "service/sl"),
    ("service externalname se --external-name=x.example", "service/se"),
]


def test_create_of_each_kind(kubectl):
    ns = kubectl.namespace
    for args, name in CREATED:
        assert kubectl("create", *args.format(ns=ns).split()) == name.format(ns=ns) + " created\n"
    assert kubectl("create", "token", "s").count(".") == 2
    services = {r[0]: (r[1], r[3]) for r in rows(kubectl("get", "svc", "--no-headers"))}
    assert services == {"sc": ("ClusterIP", "<none>"), "sn": ("NodePort", "<none>"),
                        "sl": ("LoadBalancer", "<pending>"), "se": ("ExternalName", "x.example")}
    assert "  ServiceAccount  s     %s\n" % ns in kubectl("describe", "rolebinding", "rb")
    assert "a:  1 bytes\n" in kubectl("describe", "secret", "g")
    assert "a:\n----\nb\n" in kubectl("describe", "cm", "m")
    assert "Status:       Active\n" in kubectl("describe", "ns", ns)
    for kind in ("clusterrolebinding", "clusterrole", "priorityclass"):
        kubectl("delete", kind, ns)
    assert kubectl("delete", "ns", ns + "-x") == 'namespace "%s-x" deleted\n' % ns


def test_tls_secret_and_certificates(kubectl):
    key, cert, csr = (str(kubectl.home / n) for n in ("key", "cert", "csr"))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key,
                    "-out", cert, "-subj", "/CN=x"], check=True, stderr=subprocess.DEVNULL)
    assert kubectl("create", "secret", "tls", "t", "--cert=" + cert, "--key=" + key) == \
        "secret/t created\n"
    subprocess.run(["openssl", "req", "-new", "-key", key, "-subj", "/CN=u", "-out", csr],
                   check=True)
    with open(csr, "rb") as f:
        text = base64.b64encode(f.read()).decode()
    for verb, condition in (("approve", "Approved"), ("deny", "Denied")):
        name = "%s-%s" % (kubectl.namespace, verb)
        kubectl("create", "-f", kubectl.file(verb, {
            "apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest",
            "metadata": {"name": name},
            "spec": {"request": text, "signerName": "example.com/x", "usages": ["client auth"]}}))
        assert kubectl("certificate", verb, name) == \
            "certificatesigningrequest.certificates.k8s.io/%s %s\n" % (name, condition.lower())
        assert kubectl("get", "csr", name, "--no-headers").split()[-1] == condition
        kubectl("delete", "csr", name)


def test_run_and_expose(kubectl):
    assert kubectl("run", "r", "--image=i", "--port=80") == "pod/r created\n"
    assert kubectl("expose", "pod", "r") == "service/r exposed\n"
    assert kubectl("run", "e", "--image=i", "--expose", "--port=80") == \
        "service/e created\npod/e created\n"
    assert kubectl("run", "no", "--image=i", "--dry-run=server") == \
        "pod/no created (server dry run)\n"
    assert kubectl("get", "pods", "-o", "name") == "pod/e\npod/r\n"
    kubectl("delete", "pod", "r", "e")


def test_nodes(kubectl):
    name = "node-" + kubectl.namespace
    kubectl("create", "-f", kubectl.file("node", {
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": name},
        "spec": {"unschedulable": True}}))
    try:
        assert kubectl("taint", "node", name, "a=b:NoSchedule") == "node/%s tainted\n" % name
        assert kubectl.fails("taint", "node", name, "a=b:NoSchedule") == (
            "error: node %s already has a taint(s) with same effect(s) and --overwrite is false\n"
            % name)
        assert kubectl("taint", "node", name, "a-") == "node/%s untainted\n" % name
        assert kubectl.fails("taint", "node", name, "a-") == 'error: taint "a" not found\n'
        assert kubectl("cordon", name) == "node/%s already cordoned\n" % name
        assert kubectl("drain", name) == \
            "node/{0} already cordoned\nnode/{0} drained\n".format(name)
        assert "Unschedulable:      true\n" in kubectl("describe", "node", name)
        assert kubectl("get", "node", name, "--no-headers").split()[1].endswith(
            "SchedulingDisabled")
        assert kubectl("uncordon", name) == "node/%s uncordoned\n" % name
        assert kubectl("cordon", name) == "node/%s cordoned\n" % name
    finally:
        assert kubectl("delete", "node", name) == 'node "%s" deleted\n' % name


def test_drain_evicts_as_budgets_allow(kubectl):
    ns, name = kubectl.namespace, "drained-" + kubectl.namespace
    pod = "/api/v1/namespaces/%s/pods/p" % ns
    budget = "/apis/policy/v1/namespaces/%s/poddisruptionbudgets/b/status" % ns

    def merge(path, body):
        r = kubectl.server.call("PATCH", path, body,
                                headers={"Content-Type": "application/merge-patch+json"})
        assert r.status_code == 200, r.text

    def allow(count):  # as the disruption controller would say it
        generation = kubectl.server.call("GET", budget).json()["metadata"]["generation"]
        merge(budget, {"status": {
            "disruptionsAllowed": count, "currentHealthy": 1 + count, "desiredHealthy": 1,
            "expectedPods": 2, "observedGeneration": generation}})

    kubectl("create", "-f", kubectl.file("n", {"apiVersion": "v1", "kind": "Node",
                                               "metadata": {"name": name}}))
    try:
        kubectl("create", "-f", kubectl.file("p", {
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "labels": {"a": "b"}},
            "spec": {"nodeName": name, "terminationGracePeriodSeconds": 0,
                     "containers": [{"name": "c", "image": "i"}]}}))
        merge(pod + "/status", {"status": {"phase": "Running", "conditions": [
            {"type": "Ready", "status": "True"}]}})
        kubectl("create", "pdb", "b", "--selector=a=b", "--min-available=1")
        allow(0)
        said = kubectl.fails("drain", name)
        assert "cannot delete" in said and "declare no controller" in said
        assert "%s/p" % ns in said
        said = kubectl.fails("drain", name, "--force", "--timeout=1s")
        assert ("Cannot evict pod as it would violate the pod's disruption budget." in said), said
        assert "deletionTimestamp" not in kubectl.server.call("GET", pod).json()["metadata"]
        allow(1)
        out = kubectl("drain", name, "--force", "--timeout=20s")
        assert out.endswith("pod/p evicted\nnode/%s drained\n" % name)
        assert kubectl.fails("get", "pod", "p") == \
            'Error from server (NotFound): pods "p" not found\n'
    finally:
        kubectl("delete", "node", name)


def test_patch_of_subresources(kubectl):
    kubectl("create", "deployment", "d", "--image=i", "--replicas=0")
    assert kubectl("patch", "deployment", "d", "--subresource=scale", "--type=merge", "-p",
                   '{"spec":{"replicas":2}}') == "scale.autoscaling/d patched\n"
    assert kubectl("get", "deployment", "d", "-o", "jsonpath={.spec.replicas}") == "2"
    kubectl("create", "pdb", "b", "--selector=x=y", "--min-available=1")
    assert kubectl("patch", "pdb", "b", "--subresource=status", "--type=merge", "-p",
                   '{"status":{"expectedPods":7},"spec":{"minAvailable":5}}') == \
        "poddisruptionbudget.policy/b patched\n"
    assert kubectl("get", "pdb", "b", "-o",
                   "jsonpath={.status.expectedPods} {.spec.minAvailable}") == "7 1"


def test_describe_of_more_kinds(kubectl):
    kubectl("create", "quota", "q", "--hard=pods=5")
    kubectl("create", "pdb", "b", "--selector=a=b", "--min-available=1")
    kubectl("create", "ingress", "i", "--rule=h.example/p=web:80")
    kubectl("create", "job", "j", "--image=i:1")
    kubectl("create", "cronjob", "c", "--image=i:2", "--schedule=@daily")
    lines = rows(kubectl("describe", "quota", "q"))
    assert ["Name:", "q"] in lines and ["Resource", "Used", "Hard"] in lines
    lines = rows(kubectl("describe", "pdb", "b"))
    assert ["Min", "available:", "1"] in lines and ["Selector:", "a=b"] in lines
    lines = rows(kubectl("describe", "ingress", "i"))
    assert ["h.example"] in lines and ["/p", "web:80"] == lines[lines.index(["h.example"]) + 1][:2]
    lines = rows(kubectl("describe", "job", "j"))
    assert ["Completions:", "1"] in lines and ["Image:", "i:1"] in lines
    uid = kubectl("get", "job", "j", "-o", "jsonpath={.metadata.uid}")
    assert ["Selector:", "batch.kubernetes.io/controller-uid=" + uid] in lines
    lines = rows(kubectl("describe", "cronjob", "c"))
    assert ["Schedule:", "@daily"] in lines and ["Image:", "i:2"] in lines
    assert ["Concurrency", "Policy:", "Allow"] in lines


def test_events(kubectl):
    kubectl("create", "deployment", "d", "--image=i")
    said = "Scaled up replica set d-"
    eventually(lambda: said in kubectl("get", "events"))
    text = kubectl("events", "--for", "deployment/d")
    assert said in text and "ReplicaSet/" not in text


def test_the_server_tells_what_it_is(kubectl):
    assert "v1" in kubectl("api-versions").split() and "apps/v1" in kubectl("api-versions").split()
    assert ["deployments", "deploy", "apps/v1", "true", "Deployment"] in rows(
        kubectl("api-resources"))
    text = kubectl("explain", "pods", "--recursive")
    assert text.startswith("KIND:       Pod\nVERSION:    v1\n")
    assert "containerPort <integer> -required-".split() in rows(text)
    assert "FIELD: strategy <DeploymentStrategy>\n" in \
        kubectl("explain", "deployment.spec.strategy")
    p = kubectl.run("cluster-info")
    assert p.returncode == 0 and kubectl.server.url in p.stdout
    dump = kubectl("cluster-info", "dump", "--namespaces=" + kubectl.namespace, "-o", "json")
    assert '"kind": "NodeList"' in dump
    got = json.loads(kubectl("version", "-o", "json"))
    assert got["clientVersion"]["minor"] == kubectl.version.split(".")[1]
    assert got["serverVersion"]["major"] == "1"
    assert kubectl("get", "--raw", "/healthz") == "ok"
    assert rows(kubectl("get", "cs")) == [["NAME", "STATUS", "MESSAGE", "ERROR"]] + [
        [name, "Healthy", "ok"] for name in ("controller-manager", "etcd-0", "scheduler")]
    for what in ("nodes", "pods"):
        assert kubectl.fails("top", what) == "error: Metrics API not available\n"
    assert kubectl.fails("get", "--raw", "/no") == \
        "Error from server (NotFound): the server could not find the requested resource\n"
    assert "server: " + kubectl.server.url in kubectl("config", "view")


def test_proxy(kubectl):
    with subprocess.Popen([kubectl.binary, "proxy", "--port=0"], env=kubectl.env, text=True,
                          stdout=subprocess.PIPE) as p:
        try:
            line = p.stdout.readline()
            assert line.startswith("Starting to serve on 127.0.0.1:")
            port = int(line.rsplit(":", 1)[1])
            with requests.Session() as s:
                s.trust_env = False
                got = s.get("http://127.0.0.1:%d/api/v1/namespaces/%s" % (port, kubectl.namespace),
                            timeout=10).json()
            assert got["metadata"]["name"] == kubectl.namespace
        finally:
            p.kill()


def test_our_own_client_prints_as_kubectl_does(kubectl):
    kubectl("run", "p", "--image=i", "--labels=a=b")
    kubectl("create", "cm", "c", "--from-literal=k=v")
    name = kubectl.namespace
    kubectl("wait", "pod/p", "--for=condition=PodScheduled=False", "--timeout=10s")
    for words in ("get pods", "get pods -o wide", "get pods,cm", "get pods -o name",
                  "get pod p -o yaml", "get cm,pods -o name", "get pods --no-headers",
                  "get pods --show-labels", "get pods -l a=c", "get jobs", "get pods no",
                  "get no-such", "get cm c -o yaml", "delete cm no", "logs p",
                  "get pods -o jsonpath={.items[0].metadata.name}"):
        theirs = kubectl.run(*words.split())
        ours = subprocess.run([kubectl.server.binary, "kubectl", "-n", name, *words.split()],
                              env=kubectl.env, text=True, timeout=40, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE)

        def timeless(text):  # ages go on meanwhile
            return re.sub(r"\b\d+s\b", "AGE", text)

        assert (ours.returncode, timeless(ours.stdout), ours.stderr) == \
            (theirs.returncode, timeless(theirs.stdout), theirs.stderr), words


def test_our_own_client_makes_a_deployment(server, namespace):
    def ours(*args):
        return subprocess.run([server.binary, "kubectl", "--kubeconfig", server.kubeconfig, "-n",
                               namespace, *args], text=True, timeout=40, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE)

    made = ours("create", "deployment", "web", "--image=host/path/tool:1", "--replicas=0",
                "--port=80", "--", "echo", 'a"b')
    assert (made.returncode, made.stdout) == (0, "deployment.apps/web created\n"), made.stderr
    got = server.call("GET", "/apis/apps/v1/namespaces/%s/deployments/web" % namespace).json()
    container = got["spec"]["template"]["spec"]["containers"][0]
    assert (got["metadata"]["labels"], got["spec"]["replicas"]) == ({"app": "web"}, 0)
    assert (container["name"], container["command"]) == ("tool", ["echo", 'a"b'])
    assert container["ports"] == [{"containerPort": 80, "protocol": "TCP"}]
    for flag, name in (("--replicas", "-r, --replicas"), ("--port", "--port")):
        for text, shown, why in (('1,"p":1', '1,\\"p\\":1', "invalid syntax"),
                                 ("", "", "invalid syntax"),
                                 ("99999999999", "99999999999", "value out of range")):
            bad = ours("create", "deployment", "no", "--image=i", flag + "=" + text)
            assert (bad.returncode, bad.stderr) == (1, (
                'error: invalid argument "{0}" for "{1}" flag: strconv.ParseInt: parsing "{0}": {2}'
                "\nSee 'kubectl create deployment --help' for usage.\n").format(shown, name, why))
    odd = ours("create", "deployment", "odd", "--image=x/a_b.c:1", "--replicas=0", "--port=-1")
    assert odd.returncode == 0, odd.stderr
    got = server.call("GET", "/apis/apps/v1/namespaces/%s/deployments/odd" % namespace).json()
    container = got["spec"]["template"]["spec"]["containers"][0]
    assert re.fullmatch("a-b-c-[bcdfghjklmnpqrstvwxz2456789]{5}", container["name"])
    assert "ports" not in container
    assert ours("get", "deployment", "no").stderr == \
        'Error from server (NotFound): deployments.apps "no" not found\n'
