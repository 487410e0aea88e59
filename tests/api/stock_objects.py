# SPDX-License-Identifier: Apache-2.0
"""One object or more of each built-in kind that Kubernetes 1.20 and skiff both serve, as a client would create
them: (path of the collection, object). In the namespace `zoo`, or in none."""

META = {"labels": {"app": "zoo"}, "annotations": {"note": "ä \"quoted\" <&>"}}
CONTAINER = {
    "name": "c", "image": "registry.example/app:1", "command": ["/bin/app"], "args": ["-x", "$(A)"],
    "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
    "env": [{"name": "A", "value": "1"},
            {"name": "B", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "status.podIP"}}},
            {"name": "C", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k", "optional": True}}},
            {"name": "D", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "1m"}}}],
    "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"cpu": "1500m", "memory": "1Gi"}},
    "volumeMounts": [{"name": "cm", "mountPath": "/etc/cm", "readOnly": True}],
    "livenessProbe": {"httpGet": {"path": "/h", "port": "http"}, "initialDelaySeconds": 3},
    "readinessProbe": {"tcpSocket": {"port": 8080}}, "startupProbe": {"exec": {"command": ["true"]}},
    "lifecycle": {"preStop": {"exec": {"command": ["sleep", "1"]}}},
    "securityContext": {"runAsUser": 1000, "capabilities": {"drop": ["ALL"]}, "privileged": False}}
POD = {
    "containers": [CONTAINER], "initContainers": [{"name": "i", "image": "registry.example/init"}],
    "volumes": [{"name": "cm", "configMap": {"name": "cm", "items": [{"key": "a", "path": "b"}]}},
                {"name": "empty", "emptyDir": {"sizeLimit": "1Gi"}}, {"name": "host", "hostPath": {"path": "/x"}},
                {"name": "all", "projected": {"sources": [
                    {"serviceAccountToken": {"path": "t", "expirationSeconds": 3600}},
                    {"downwardAPI": {"items": [{"path": "l", "fieldRef": {"fieldPath": "metadata.labels"}}]}}]}}],
    "nodeSelector": {"disk": "ssd"}, "tolerations": [{"key": "k", "operator": "Exists", "effect": "NoExecute",
                                                     "tolerationSeconds": 60}],
    "affinity": {
        "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
            {"matchExpressions": [{"key": "z", "operator": "In", "values": ["a", "b"]}]}]}},
        "podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
            {"weight": 7, "podAffinityTerm": {"topologyKey": "kubernetes.io/hostname", "labelSelector": {
                "matchLabels": {"app": "zoo"}}}}]}},
    "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule",
                                   "labelSelector": {"matchLabels": {"app": "zoo"}}}],
    "hostAliases": [{"ip": "192.0.2.1", "hostnames": ["h"]}], "dnsConfig": {"nameservers": ["192.0.2.2"]},
    "securityContext": {"fsGroup": 5, "sysctls": [{"name": "kernel.shm_rmid_forced", "value": "1"}]},
    "terminationGracePeriodSeconds": 5}
SELECTOR = {"matchLabels": {"app": "zoo"}, "matchExpressions": [{"key": "app", "operator": "Exists"}]}
TEMPLATE = {"metadata": META, "spec": POD}
LABELLED = {"metadata": META, "spec": dict(POD)}
JOB = dict(POD, restartPolicy="Never")
RULES = [{"apiGroups": ["", "apps"], "resources": ["pods", "pods/log"], "verbs": ["get"], "resourceNames": ["x"]}]
WEBHOOK = {"name": "a.example.com", "clientConfig": {"url": "https://192.0.2.9/x"}, "sideEffects": "None",
           "admissionReviewVersions": ["v1"], "failurePolicy": "Ignore",
           "rules": [{"apiGroups": ["none.example"], "apiVersions": ["v1"], "operations": ["CREATE"],
                      "resources": ["things"], "scope": "Namespaced"}]}
NS = "/api/v1/namespaces/zoo/"


def group(name):
    return "/apis/%s/" % name


def spaced(name):
    return "/apis/%s/namespaces/zoo/" % name


OBJECTS = [
    ("/api/v1/namespaces", "zoo", {}),
    (group("scheduling.k8s.io/v1") + "priorityclasses", "zoo", {
        "value": 1000, "description": "d", "preemptionPolicy": "Never"}),
    (NS + "configmaps", "cm", {"data": {"a": "1", "b.c": "ü\ny"}, "binaryData": {"b": "AAH/"}}),
    (NS + "configmaps", "fixed", {"data": {"a": "1"}, "immutable": True}),
    (NS + "secrets", "s", {"data": {"k": "c2VjcmV0"}, "type": "example.com/x"}),
    (NS + "serviceaccounts", "sa", {"secrets": [{"name": "s"}], "imagePullSecrets": [{"name": "p"}]}),
    (NS + "services", "plain", {"spec": {"selector": {"app": "zoo"}, "sessionAffinity": "ClientIP", "ports": [
        {"name": "a", "port": 80, "targetPort": "http"}, {"name": "b", "port": 53, "protocol": "UDP"}]}}),
    (NS + "services", "headless", {"spec": {"clusterIP": "None", "ports": [{"port": 1}]}}),
    (NS + "services", "node", {"spec": {"type": "NodePort", "externalTrafficPolicy": "Local",
                                        "ports": [{"port": 80, "nodePort": 30123}]}}),
    (NS + "services", "outside", {"spec": {"type": "ExternalName", "externalName": "x.example.com"}}),
    (NS + "services", "lb", {"spec": {"type": "LoadBalancer", "loadBalancerSourceRanges": ["192.0.2.0/24"],
                                      "ports": [{"port": 443}]}}),
    (NS + "endpoints", "own", {"subsets": [{"addresses": [{"ip": "192.0.2.7", "nodeName": "n"}],
                                            "notReadyAddresses": [{"ip": "192.0.2.8"}],
                                            "ports": [{"name": "a", "port": 1}]}]}),
    (NS + "pods", "pod", {"spec": dict(POD, serviceAccountName="sa")}),
    (NS + "pods", "host", {"spec": dict(POD, serviceAccountName="sa", hostNetwork=True, hostPID=True, priorityClassName="zoo",
                                        enableServiceLinks=False)}),
    (NS + "podtemplates", "pt", {"template": TEMPLATE}),
    (NS + "replicationcontrollers", "rc", {"spec": {"replicas": 2, "selector": {"app": "zoo"}, "template": TEMPLATE}}),
    (NS + "limitranges", "lr", {"spec": {"limits": [{"type": "Container", "max": {"cpu": "2"},
                                                     "default": {"cpu": "500m"}}]}}),
    (NS + "resourcequotas", "rq", {"spec": {"hard": {"count/secrets": "100", "requests.cpu": "100"}}}),
    (NS + "persistentvolumeclaims", "pvc", {"spec": {
        "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}},
        "storageClassName": "zoo", "volumeMode": "Filesystem"}}),
    ("/api/v1/persistentvolumes", "pv", {"spec": {
        "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce", "ReadOnlyMany"],
        "persistentVolumeReclaimPolicy": "Retain", "hostPath": {"path": "/pv", "type": "Directory"},
        "claimRef": {"namespace": "zoo", "name": "pvc"}}}),
    ("/api/v1/persistentvolumes", "pv-csi", {"spec": {
        "capacity": {"storage": "10G"}, "accessModes": ["ReadWriteMany"], "csi": {
            "driver": "d.example.com", "volumeHandle": "h", "volumeAttributes": {"a": "b"}},
        "nodeAffinity": {"required": {"nodeSelectorTerms": [
            {"matchExpressions": [{"key": "z", "operator": "NotIn", "values": ["a"]}]}]}}}}),
    ("/api/v1/nodes", "node-1", {"spec": {"podCIDR": "10.0.0.0/24", "providerID": "p://1", "taints": [
        {"key": "k", "effect": "NoSchedule", "value": "v"}]}}),
    (NS + "events", "e", {"involvedObject": {"kind": "Pod", "namespace": "zoo", "name": "pod"}, "reason": "R",
                          "message": "m", "type": "Warning", "count": 3, "source": {"component": "x"},
                          "firstTimestamp": "2026-01-01T00:00:00Z", "lastTimestamp": "2026-01-01T00:00:01Z"}),
    (spaced("apps/v1") + "deployments", "d", {"spec": {
        "replicas": 3, "selector": SELECTOR, "template": TEMPLATE, "minReadySeconds": 2,
        "strategy": {"rollingUpdate": {"maxSurge": "50%", "maxUnavailable": 1}}}}),
    (spaced("apps/v1") + "replicasets", "rs", {"spec": {"replicas": 0, "selector": SELECTOR, "template": TEMPLATE}}),
    (spaced("apps/v1") + "daemonsets", "ds", {"spec": {"selector": SELECTOR, "template": TEMPLATE,
                                                       "updateStrategy": {"type": "OnDelete"}}}),
    (spaced("apps/v1") + "statefulsets", "sts", {"spec": {
        "serviceName": "headless", "selector": SELECTOR, "template": TEMPLATE, "podManagementPolicy": "Parallel",
        "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {
            "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}}]}}),
    (spaced("apps/v1") + "controllerrevisions", "cr", {"revision": 3, "data": {"spec": {"a": [1, None, "x"]}}}),
    (spaced("batch/v1") + "jobs", "job", {"spec": {"parallelism": 2, "completions": 4, "backoffLimit": 1,
                                                   "activeDeadlineSeconds": 60, "ttlSecondsAfterFinished": 9,
                                                   "template": {"metadata": META, "spec": JOB}}}),
    (spaced("autoscaling/v1") + "horizontalpodautoscalers", "hpa", {"spec": {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}, "minReplicas": 1,
        "maxReplicas": 5, "targetCPUUtilizationPercentage": 60}}),
    (spaced("networking.k8s.io/v1") + "networkpolicies", "np", {"spec": {
        "podSelector": SELECTOR, "policyTypes": ["Ingress", "Egress"], "ingress": [
            {"from": [{"ipBlock": {"cidr": "192.0.2.0/24", "except": ["192.0.2.0/28"]}},
                      {"namespaceSelector": {}}], "ports": [{"protocol": "TCP", "port": "http"}]}],
        "egress": [{}]}}),
    (spaced("networking.k8s.io/v1") + "ingresses", "ing", {"spec": {
        "ingressClassName": "ic", "defaultBackend": {"service": {"name": "plain", "port": {"number": 80}}},
        "tls": [{"hosts": ["a.example.com"], "secretName": "s"}], "rules": [
            {"host": "a.example.com", "http": {"paths": [
                {"path": "/a", "pathType": "Prefix", "backend": {"service": {"name": "plain", "port": {"name": "a"}}}},
                {"path": "/b", "pathType": "Exact", "backend": {"resource": {
                    "apiGroup": "example.com", "kind": "Bucket", "name": "b"}}}]}},
            {"host": "*.example.org"}]}}),
    (group("networking.k8s.io/v1") + "ingressclasses", "ic", {"spec": {
        "controller": "example.com/c", "parameters": {"apiGroup": "example.com", "kind": "P", "name": "p"}}}),
    (spaced("rbac.authorization.k8s.io/v1") + "roles", "r", {"rules": RULES}),
    (spaced("rbac.authorization.k8s.io/v1") + "rolebindings", "rb", {
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"}, "subjects": [
            {"kind": "ServiceAccount", "name": "sa", "namespace": "zoo"},
            {"kind": "User", "name": "u", "apiGroup": "rbac.authorization.k8s.io"}]}),
    (group("rbac.authorization.k8s.io/v1") + "clusterroles", "zoo", {
        "rules": RULES + [{"nonResourceURLs": ["/x/*"], "verbs": ["*"]}]}),
    (group("rbac.authorization.k8s.io/v1") + "clusterroles", "zoo-sum", {"aggregationRule": {
        "clusterRoleSelectors": [{"matchLabels": {"sum": "zoo"}}]}}),
    (group("rbac.authorization.k8s.io/v1") + "clusterrolebindings", "zoo", {
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "zoo"},
        "subjects": [{"kind": "Group", "name": "g", "apiGroup": "rbac.authorization.k8s.io"}]}),
    (group("storage.k8s.io/v1") + "storageclasses", "zoo", {
        "provisioner": "d.example.com", "parameters": {"a": "b"}, "mountOptions": ["ro"],
        "allowVolumeExpansion": True, "volumeBindingMode": "WaitForFirstConsumer",
        "allowedTopologies": [{"matchLabelExpressions": [{"key": "z", "values": ["a"]}]}]}),
    (group("storage.k8s.io/v1") + "csidrivers", "d.example.com", {"spec": {
        "attachRequired": False, "volumeLifecycleModes": ["Persistent", "Ephemeral"]}}),
    (group("storage.k8s.io/v1") + "csinodes", "node-1", {"spec": {"drivers": [
        {"name": "d.example.com", "nodeID": "x", "topologyKeys": ["z"], "allocatable": {"count": 5}}]}}),
    (group("storage.k8s.io/v1") + "volumeattachments", "va", {"spec": {
        "attacher": "d.example.com", "nodeName": "node-1", "source": {"persistentVolumeName": "pv"}}}),
    (spaced("coordination.k8s.io/v1") + "leases", "l", {"spec": {
        "holderIdentity": "me", "leaseDurationSeconds": 15, "renewTime": "2026-01-01T00:00:00.123456Z"}}),
    (group("admissionregistration.k8s.io/v1") + "validatingwebhookconfigurations", "vw", {"webhooks": [WEBHOOK]}),
    (group("admissionregistration.k8s.io/v1") + "mutatingwebhookconfigurations", "mw", {
        "webhooks": [dict(WEBHOOK, reinvocationPolicy="IfNeeded")]}),
    (group("node.k8s.io/v1") + "runtimeclasses", "zoo", {
        "handler": "h", "overhead": {"podFixed": {"cpu": "10m"}},
        "scheduling": {"nodeSelector": {"a": "b"}, "tolerations": [{"operator": "Exists"}]}}),
    (group("apiregistration.k8s.io/v1") + "apiservices", "v1.none.example", {"spec": {
        "group": "none.example", "version": "v1", "groupPriorityMinimum": 1000, "versionPriority": 10,
        "insecureSkipTLSVerify": True, "service": {"namespace": "zoo", "name": "plain", "port": 443}}}),
    (group("apiextensions.k8s.io/v1") + "customresourcedefinitions", "animals.zoo.example.com", {"spec": {
        "group": "zoo.example.com", "scope": "Namespaced",
        "names": {"plural": "animals", "singular": "animal", "kind": "Animal", "shortNames": ["an"]},
        "versions": [{"name": "v1", "served": True, "storage": True, "subresources": {"status": {}},
                      "additionalPrinterColumns": [{"name": "Legs", "type": "integer", "jsonPath": ".spec.legs"}],
                      "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                          "spec": {"type": "object", "required": ["legs"], "properties": {
                              "legs": {"type": "integer", "minimum": 0},
                              "name": {"type": "string", "default": "nobody"}}},
                          "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}}}}]}}),
]
# Kinds that 1.20 has in an older version than skiff serves, by the version of 1.20.
OLDER = [
    (spaced("batch/v1beta1") + "cronjobs", "cj", {"spec": {
        "schedule": "*/5 * * * *", "suspend": True, "concurrencyPolicy": "Forbid", "successfulJobsHistoryLimit": 1,
        "jobTemplate": {"metadata": META, "spec": {"template": {"metadata": META, "spec": JOB}}}}}),
    (spaced("policy/v1beta1") + "poddisruptionbudgets", "pdb", {"spec": {
        "selector": SELECTOR, "maxUnavailable": "25%"}}),
    (spaced("discovery.k8s.io/v1beta1") + "endpointslices", "es", {
        "addressType": "IPv4", "ports": [{"name": "a", "port": 1, "protocol": "TCP", "appProtocol": "http"}],
        "endpoints": [{"addresses": ["192.0.2.7"], "conditions": {"ready": True}, "hostname": "h",
                       "topology": {"kubernetes.io/hostname": "node-1", "topology.kubernetes.io/zone": "a",
                                    "rack": "9"}}]}),
    (group("flowcontrol.apiserver.k8s.io/v1beta1") + "flowschemas", "zoo", {"spec": {
        "matchingPrecedence": 500, "distinguisherMethod": {"type": "ByUser"},
        "priorityLevelConfiguration": {"name": "zoo"}, "rules": [
            {"subjects": [{"kind": "Group", "group": {"name": "g"}}],
             "nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": ["/x"]}]}]}}),
    (group("flowcontrol.apiserver.k8s.io/v1beta1") + "prioritylevelconfigurations", "zoo", {"spec": {
        "type": "Limited", "limited": {"assuredConcurrencyShares": 7, "limitResponse": {
            "type": "Queue", "queuing": {"queues": 8, "handSize": 2, "queueLengthLimit": 9}}}}}),
]
CUSTOM = ("/apis/zoo.example.com/v1/namespaces/zoo/animals", "rex", {
    "apiVersion": "zoo.example.com/v1", "kind": "Animal", "spec": {"legs": 4}})


def with_meta(name, rest):
    return dict(rest, metadata=dict(META, name=name))
