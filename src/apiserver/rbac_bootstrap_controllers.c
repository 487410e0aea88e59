/* SPDX-License-Identifier: Apache-2.0 */
/* rbac_bootstrap_controllers.c - roles of the controllers. See rbac_bootstrap.h. */
#include "apiserver/rbac_bootstrap.h"

/* clang-format off */
const struct rbac_default_role rbac_controller_roles[] = {
    {NULL, "system:controller:attachdetach-controller", NULL, NULL,
     "|persistentvolumeclaims,persistentvolumes|list,watch\n"
     "|nodes|get,list,watch\n"
     "|nodes/status|patch,update\n"
     "|pods|list,watch\n"
     ",events.k8s.io|events|create,patch,update\n"
     "storage.k8s.io|volumeattachments|create,delete,get,list,watch\n"
     "storage.k8s.io|csidrivers|get,list,watch\n"
     "storage.k8s.io|csinodes|get,list,watch\n"},
    {NULL, "system:controller:certificate-controller", NULL, NULL,
     "certificates.k8s.io|certificatesigningrequests|delete,get,list,watch\n"
     "certificates.k8s.io|certificatesigningrequests/approval,"
     "certificatesigningrequests/status|update\n"
     "certificates.k8s.io|signers|approve|kubernetes.io/kube-apiserver-client-kubelet\n"
     "certificates.k8s.io|signers|sign|kubernetes.io/kube-apiserver-client,"
     "kubernetes.io/kube-apiserver-client-kubelet,kubernetes.io/kubelet-serving,"
     "kubernetes.io/legacy-unknown\n"
     "authorization.k8s.io|subjectaccessreviews|create\n"
     ",events.k8s.io|events|create,patch,update\n"},
    {NULL, "system:controller:clusterrole-aggregation-controller", NULL, NULL,
     "rbac.authorization.k8s.io|clusterroles|escalate,get,list,patch,update,watch\n"},
    {NULL, "system:controller:cronjob-controller", NULL, NULL,
     "batch|cronjobs|get,list,update,watch\n"
     "batch|jobs|create,delete,get,list,patch,update,watch\n"
     "batch|cronjobs/status|update\n"
     "batch|cronjobs/finalizers|update\n"
     "|pods|delete,list,watch\n"
     ",events.k8s.io|events|create,patch,update\n"},
    {NULL, "system:controller:daemon-set-controller", NULL, NULL,
     "apps,extensions|daemonsets|get,list,watch\n"
     "apps,extensions|daemonsets/status|update\n"
     "apps,extensions|daemonsets/finalizers|update\n"
     "|nodes|list,watch\n"
     "|pods|create,delete,list,patch,watch\n"
     "|pods/binding|create\n"
     "apps|controllerrevisions|create,delete,get,list,patch,update,watch\n"
     ",events.k8s.io|events|create,patch,update\n"},
    {NULL, "system:controller:deployment-controller", NULL, NULL,
     "apps,extensions|deployments|get,list,update,watch\n"
     "apps,extensions|deployments/status|update\n"
     "apps,extensions|deployments/finalizers|update\n"
     "apps,extensions|replicasets|create,delete,get,list,patch,update,watch\n"
     "|pods|get,list,update,watch\n"
     ",events.k8s.io|events|create,patch,update\n"},
    {NULL, "system:controller:device-taint-eviction-controller", NULL, NULL,
     "|pods|delete,get,list,watch\n"
     "|pods/status|patch,update\n"
     "resource.k8s.io|resourceclaims|get,list,watch\n"
     "resource.k8s.io|resourceslices|get,list,watch\n"
     "resource.k8s.io|deviceclasses|get,list,watch\n"
     ",events.k8s.io|events|create,patch,update\n"},
    {NULL, "system:controller:disruption-controller", NULL, NULL,
     "apps,extensions|deployments|get,list,watch\n"
     "apps,extensions|replicasets|get,list,watch\n"
     "|replicationcontrollers|get,list,watch\n"
     "policy|poddisruptionbudgets|get,list,watch\n"
     "apps|statefulsets|get,list,watch\n"
     "policy|poddisruptionbudgets/status|update\n"
     "|pods/status|patch,update\n"
     "*|*/scale|get\n"
     ",events.k8s.io|events|create,patch,update\n"},
    {NULL, "system:controller:endpoint-controller", NULL, NULL,
     "|pods,services|get,list,watch\n"
     "|endpoints|create,delete,get,list,update,watch\n"
     "|endpoints/restricted|create\n"
     ",events.k8s.io|events|create,patch,update\n"},
    {NULL, "system:controller:endpointslice-controller", NULL, NULL,
     "|nodes,pods,services|get,list,watch\n"
     "|services/finalizers|update\n"
     "discovery.k8s.io|endpointslices|create,delete,get,list,update,watch\n"
     "discovery.k8s.io|endpointslices/restricted|create\n"
     ",events.k8s.io|events|create,patch,update\n"},
    {NULL, "system:controller:endpointslicemirroring-controller", NULL, NULL,
     "|endpoints,services|get,list,watch\n"
     "|services/finalizers|update\n"
     "|endpoints/finalizers|update\n"
     "discovery.k8s.io|endpointslices|create,delete,get,list,update,watch\n"
     "discovery.k8s.io|endpointslices/restricted|create\n"
     ",events.k8s.io|events|create,patch,update\n"},
    {NULL, "system:controller:ephemeral-volume-controller", NULL, NULL,
     "|pods|get,list,watch\n"
     "|pods/finalizers|update\n"
     "|persistentvolumeclaims|create,get,list,watch\n"
     ",events.k8s.io|events|create,patch,update\n"},
    {NULL, "system:controller:expand-controller", NULL, NULL,
     "|persistentvolumes|get,list,patch,update,watch\n"
     "|persistentvolumeclaims/status|patch,update\n"
     "|persistentvolumeclaims|get,list,watch\n"
     ",events.k8s.io|events|create,patch,update\n"},
    {NULL, "system:controller:generic-garbage-collector", NULL, NULL,
     "*|*|delete,get,list,patch,update,watch\n"
     ",events.k8s.io|events|create,patch,update\n"},
    {NULL, "system:controller:horizontal-pod-autoscaler", NULL, NULL,
     "autoscaling|horizontalpodautoscalers|get,list,watch\n"
     "autoscaling|horizontalpodautoscalers/status|update\n"
     "*|*/scale|get,update\n"
     "|pods|list,watch\n"
     "metrics.k8s.io|pods|list,watch\n"
     "custom.metrics.k8s.io|*|get,list,watch\n"
     "external.metrics.k8s.io|*|get,list,watch\n"
     ",events.k8s.io|events|create,patch,update\n"},
    {NULL, "system:controller:job-controller", NULL, NULL,
     "batch|jobs|get,list,patch,update,watch\n"
     "batch|jobs/status|update\n"
     "batch|jobs/finalizers|update\n"
     "|pods|create,delete,list,patch,watch\n"
     ",events.k8s.io|events|create,patch,update\n"},
    {NULL, "system:controller:legacy-service-account-token-cleaner", NULL, NULL,
     "|configmaps|get|kube-apiserver-legacy-service-account-token-tracking\n"
     "|secrets|delete,patch\n"},
    {NULL, "system:controller:namespace-controller", NULL, NULL,
     "|namespaces|delete,get,list,watch\n"
     "|namespaces/finalize,namespaces/status|update\n"
     "*|*|delete,deletecollection,get,list,watch\n"},
    {NULL, "system:controller:node-controller", NULL, NULL,
     "|nodes|delete,get,list,patch,update,watch\n"
     "|nodes/status|patch,update\n"
     "|pods/status|patch,update\n"
     "|pods|delete,get,list,watch\n"
     ",events.k8s.io|events|create,patch,update\n"},
    {NULL, "system:controller:persistent-volume-binder", NULL, NULL,
     "|persistentvolumes|create,delete,get,list,update,watch\n"
     "|persistentvolumes/status|update\n"
     "|persistentvolumeclaims|get,list,update,watch\n"
     "|persistentvolumeclaims/status|update\n"
     "|pods|create,delete,get,list,watch\n"
     "storage.k8s.io|storageclasses|get,list,watch\n"
     "|nodes|list,watch\n"
     ",events.k8s.io|events|create,patch,update\n"
     "|events|watch\n"},
    {NULL, "system:controller:pod-garbage-collector", NULL, NULL,
     "|pods|delete,list,watch\n"
     "|nodes|get,list,watch\n"
     "|pods/status|patch\n"},
    {NULL, "system:controller:pv-protection-controller", NULL, NULL,
     "|persistentvolumes|get,list,update,watch\n"
     ",events.k8s.io|events|create,patch,update\n"},
    {NULL, "system:controller:pvc-protection-controller", NULL, NULL,
     "|persistentvolumeclaims|get,list,update,watch\n"
     "|persistentvolumeclaims/status|update\n"
     "|pods|get,list,watch\n"
     ",events.k8s.io|events|create,patch,update\n"},
    {NULL, "system:controller:replicaset-controller", NULL, NULL,
     "apps,extensions|replicasets|get,list,update,watch\n"
     "apps,extensions|replicasets/status|update\n"
     "apps,extensions|replicasets/finalizers|update\n"
     "|pods|create,delete,list,patch,watch\n"
     ",events.k8s.io|events|create,patch,update\n"},
    {NULL, "system:controller:replication-controller", NULL, NULL,
     "|replicationcontrollers|get,list,update,watch\n"
     "|replicationcontrollers/status|update\n"
     "|replicationcontrollers/finalizers|update\n"
     "|pods|create,delete,list,patch,watch\n"
     ",events.k8s.io|events|create,patch,update\n"},
    {NULL, "system:controller:resource-claim-controller", NULL, NULL,
     "|pods|get,list,watch\n"
     "|pods/finalizers|update\n"
     "resource.k8s.io|resourceclaims|create,delete,get,list,watch\n"
     "resource.k8s.io|resourceclaims,resourceclaims/status|patch,update\n"
     "|pods/status|patch,update\n"
     ",events.k8s.io|events|create,patch,update\n"
     "resource.k8s.io|resourceclaims/binding|patch,update\n"},
    {NULL, "system:controller:resourcequota-controller", NULL, NULL,
     "*|*|list,watch\n"
     "|resourcequotas/status|update\n"
     ",events.k8s.io|events|create,patch,update\n"},
    {NULL, "system:controller:root-ca-cert-publisher", NULL, NULL,
     "|configmaps|create,update\n"
     ",events.k8s.io|events|create,patch,update\n"},
    {NULL, "system:controller:route-controller", NULL, NULL,
     "|nodes|list,watch\n"
     "|nodes/status|patch\n"
     ",events.k8s.io|events|create,patch,update\n"},
    {NULL, "system:controller:selinux-warning-controller", NULL, NULL,
     ",events.k8s.io|events|create,patch,update\n"
     "|persistentvolumes|get,list,watch\n"
     "|persistentvolumeclaims|get,list,watch\n"
     "|pods|get,list,watch\n"
     "storage.k8s.io|csidrivers|get,list,watch\n"},
    {NULL, "system:controller:service-account-controller", NULL, NULL,
     "|serviceaccounts|create\n"
     ",events.k8s.io|events|create,patch,update\n"},
    {NULL, "system:controller:service-ca-cert-publisher", NULL, NULL,
     "|configmaps|create,update\n"
     ",events.k8s.io|events|create,patch,update\n"},
    {NULL, "system:controller:service-cidrs-controller", NULL, NULL,
     "networking.k8s.io|servicecidrs|get,list,patch,update,watch\n"
     "networking.k8s.io|servicecidrs/finalizers|patch,update\n"
     "networking.k8s.io|servicecidrs/status|patch,update\n"
     "networking.k8s.io|ipaddresses|get,list,watch\n"
     ",events.k8s.io|events|create,patch,update\n"},
    {NULL, "system:controller:service-controller", NULL, NULL,
     "|services|get,list,watch\n"
     "|services/status|patch,update\n"
     "|nodes|list,watch\n"
     ",events.k8s.io|events|create,patch,update\n"},
    {NULL, "system:controller:statefulset-controller", NULL, NULL,
     "|pods|list,watch\n"
     "apps|statefulsets|get,list,watch\n"
     "apps|statefulsets/status|update\n"
     "apps|statefulsets/finalizers|update\n"
     "|pods|create,delete,get,patch,update\n"
     "apps|controllerrevisions|create,delete,get,list,patch,update,watch\n"
     "|persistentvolumeclaims|create,get,list,watch\n"
     "|persistentvolumeclaims|delete,update\n"
     "|pods/finalizers|update\n"
     ",events.k8s.io|events|create,patch,update\n"},
    {NULL, "system:controller:ttl-after-finished-controller", NULL, NULL,
     "batch|jobs|delete,get,list,watch\n"
     ",events.k8s.io|events|create,patch,update\n"},
    {NULL, "system:controller:ttl-controller", NULL, NULL,
     "|nodes|list,patch,update,watch\n"
     ",events.k8s.io|events|create,patch,update\n"},
    {NULL, "system:controller:validatingadmissionpolicy-status-controller", NULL, NULL,
     "admissionregistration.k8s.io|validatingadmissionpolicies|get,list,watch\n"
     "admissionregistration.k8s.io|validatingadmissionpolicies/status|get,patch,update\n"
     ",events.k8s.io|events|create,patch,update\n"},
    {NULL, "system:controller:volumeattributesclass-protection-controller", NULL, NULL,
     "|persistentvolumeclaims|get,list,watch\n"
     "|persistentvolumes|get,list,watch\n"
     "storage.k8s.io|volumeattributesclasses|get,list,update,watch\n"
     ",events.k8s.io|events|create,patch,update\n"},
    {NULL, NULL, NULL, NULL, NULL},
};
