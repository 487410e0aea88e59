/* SPDX-License-Identifier: Apache-2.0 */
/* rbac_bootstrap_roles.c - roles of users and components, and bindings. See rbac_bootstrap.h. */
#include "apiserver/rbac_bootstrap.h"

/* clang-format off */
const struct rbac_default_role rbac_default_roles[] = {
    {NULL, "admin", NULL, "admin",
     ""},
    {NULL, "cluster-admin", NULL, NULL,
     "*|*|*\n"
     "url|*|*\n"},
    {NULL, "edit", "admin", "edit",
     ""},
    {NULL, "system:aggregate-to-admin", "admin", NULL,
     "authorization.k8s.io|localsubjectaccessreviews|create\n"
     "rbac.authorization.k8s.io|rolebindings,roles|create,delete,deletecollection,get,list,"
     "patch,update,watch\n"},
    {NULL, "system:aggregate-to-edit", "edit", NULL,
     "|pods/attach,pods/exec,pods/portforward,pods/proxy,secrets,services/proxy|get,list,watch\n"
     "|serviceaccounts|impersonate\n"
     "|pods,pods/attach,pods/exec,pods/portforward,pods/proxy|create,delete,deletecollection,"
     "patch,update\n"
     "|pods/eviction|create\n"
     "|configmaps,persistentvolumeclaims,replicationcontrollers,replicationcontrollers/scale,"
     "secrets,serviceaccounts,services,services/proxy|create,delete,deletecollection,patch,"
     "update\n"
     "|serviceaccounts/token|create\n"
     ",events.k8s.io|events|create,delete,deletecollection,patch,update\n"
     "apps|daemonsets,deployments,deployments/rollback,deployments/scale,replicasets,"
     "replicasets/scale,statefulsets,statefulsets/scale|create,delete,deletecollection,patch,"
     "update\n"
     "autoscaling|horizontalpodautoscalers|create,delete,deletecollection,patch,update\n"
     "batch|cronjobs,jobs|create,delete,deletecollection,patch,update\n"
     "extensions|daemonsets,deployments,deployments/rollback,deployments/scale,ingresses,"
     "networkpolicies,replicasets,replicasets/scale,replicationcontrollers/scale|create,"
     "delete,deletecollection,patch,update\n"
     "policy|poddisruptionbudgets|create,delete,deletecollection,patch,update\n"
     "networking.k8s.io|ingresses,networkpolicies|create,delete,deletecollection,patch,update\n"
     "coordination.k8s.io|leases|create,delete,deletecollection,get,list,patch,update,watch\n"
     "resource.k8s.io|resourceclaims,resourceclaimtemplates|create,delete,deletecollection,"
     "patch,update\n"},
    {NULL, "system:aggregate-to-view", "view", NULL,
     "|configmaps,endpoints,persistentvolumeclaims,persistentvolumeclaims/status,pods,"
     "replicationcontrollers,replicationcontrollers/scale,serviceaccounts,services,"
     "services/status|get,list,watch\n"
     "|bindings,limitranges,namespaces/status,pods/log,pods/status,"
     "replicationcontrollers/status,resourcequotas,resourcequotas/status|get,list,watch\n"
     "|namespaces|get,list,watch\n"
     ",events.k8s.io|events|get,list,watch\n"
     "discovery.k8s.io|endpointslices|get,list,watch\n"
     "apps|controllerrevisions,daemonsets,daemonsets/status,deployments,deployments/scale,"
     "deployments/status,replicasets,replicasets/scale,replicasets/status,statefulsets,"
     "statefulsets/scale,statefulsets/status|get,list,watch\n"
     "autoscaling|horizontalpodautoscalers,horizontalpodautoscalers/status|get,list,watch\n"
     "batch|cronjobs,cronjobs/status,jobs,jobs/status|get,list,watch\n"
     "extensions|daemonsets,daemonsets/status,deployments,deployments/scale,"
     "deployments/status,ingresses,ingresses/status,networkpolicies,replicasets,"
     "replicasets/scale,replicasets/status,replicationcontrollers/scale|get,list,watch\n"
     "policy|poddisruptionbudgets,poddisruptionbudgets/status|get,list,watch\n"
     "networking.k8s.io|ingresses,ingresses/status,networkpolicies|get,list,watch\n"
     "resource.k8s.io|resourceclaims,resourceclaims/status,resourceclaimtemplates|get,list,"
     "watch\n"},
    {NULL, "system:auth-delegator", NULL, NULL,
     "authentication.k8s.io|tokenreviews|create\n"
     "authorization.k8s.io|subjectaccessreviews|create\n"},
    {NULL, "system:basic-user", NULL, NULL,
     "authorization.k8s.io|selfsubjectaccessreviews,selfsubjectrulesreviews|create\n"
     "authentication.k8s.io|selfsubjectreviews|create\n"},
    {NULL, "system:certificates.k8s.io:certificatesigningrequests:nodeclient", NULL, NULL,
     "certificates.k8s.io|certificatesigningrequests/nodeclient|create\n"},
    {NULL, "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient", NULL, NULL,
     "certificates.k8s.io|certificatesigningrequests/selfnodeclient|create\n"},
    {NULL, "system:certificates.k8s.io:kube-apiserver-client-approver", NULL, NULL,
     "certificates.k8s.io|signers|approve|kubernetes.io/kube-apiserver-client\n"},
    {NULL, "system:certificates.k8s.io:kube-apiserver-client-kubelet-approver", NULL, NULL,
     "certificates.k8s.io|signers|approve|kubernetes.io/kube-apiserver-client-kubelet\n"},
    {NULL, "system:certificates.k8s.io:kubelet-serving-approver", NULL, NULL,
     "certificates.k8s.io|signers|approve|kubernetes.io/kubelet-serving\n"},
    {NULL, "system:certificates.k8s.io:legacy-unknown-approver", NULL, NULL,
     "certificates.k8s.io|signers|approve|kubernetes.io/legacy-unknown\n"},
    {NULL, "system:discovery", NULL, NULL,
     "url|/api,/api/*,/apis,/apis/*,/healthz,/livez,/openapi,/openapi/*,/readyz,/version,"
     "/version/|get\n"},
    {NULL, "system:heapster", NULL, NULL,
     "|events,namespaces,nodes,pods|get,list,watch\n"
     "extensions|deployments|get,list,watch\n"},
    {NULL, "system:kube-aggregator", NULL, NULL,
     "|endpoints,services|get,list,watch\n"},
    {NULL, "system:kube-controller-manager", NULL, NULL,
     ",events.k8s.io|events|create,patch,update\n"
     "coordination.k8s.io|leases|create\n"
     "coordination.k8s.io|leases|get,update|kube-controller-manager\n"
     "|secrets,serviceaccounts|create\n"
     "|secrets|delete\n"
     "|configmaps,namespaces,secrets,serviceaccounts|get\n"
     "|secrets,serviceaccounts|update\n"
     "authentication.k8s.io|tokenreviews|create\n"
     "authorization.k8s.io|subjectaccessreviews|create\n"
     "*|*|list,watch\n"
     "|serviceaccounts/token|create\n"},
    {NULL, "system:kube-dns", NULL, NULL,
     "|endpoints,services|list,watch\n"},
    {NULL, "system:kube-scheduler", NULL, NULL,
     ",events.k8s.io|events|create,patch,update\n"
     "coordination.k8s.io|leases|create\n"
     "coordination.k8s.io|leases|get,list,update,watch|kube-scheduler\n"
     "coordination.k8s.io|leasecandidates|create,delete,deletecollection,get,list,patch,"
     "update,watch\n"
     "|nodes|get,list,watch\n"
     "|pods|delete,get,list,watch\n"
     "|bindings,pods/binding|create\n"
     "|pods/status|patch,update\n"
     "|replicationcontrollers,services|get,list,watch\n"
     "apps,extensions|replicasets|get,list,watch\n"
     "apps|statefulsets|get,list,watch\n"
     "policy|poddisruptionbudgets|get,list,watch\n"
     "|persistentvolumeclaims,persistentvolumes|get,list,watch\n"
     "authentication.k8s.io|tokenreviews|create\n"
     "authorization.k8s.io|subjectaccessreviews|create\n"
     "storage.k8s.io|csinodes|get,list,watch\n"
     "storage.k8s.io|volumeattachments|get,list,watch\n"
     "|namespaces|get,list,watch\n"
     "storage.k8s.io|csidrivers|get,list,watch\n"
     "storage.k8s.io|csistoragecapacities|get,list,watch\n"
     "resource.k8s.io|deviceclasses|get,list,watch\n"
     "resource.k8s.io|resourceclaims|get,list,patch,update,watch\n"
     "resource.k8s.io|resourceclaims/status|get,list,patch,update,watch\n"
     "|pods/finalizers|update\n"
     "resource.k8s.io|resourceslices|get,list,watch\n"
     "resource.k8s.io|resourceclaims|create,delete\n"
     "resource.k8s.io|resourceclaims/binding|patch,update\n"},
    {NULL, "system:kubelet-api-admin", NULL, NULL,
     "|nodes|get,list,watch\n"
     "|nodes|proxy\n"
     "|nodes/log,nodes/metrics,nodes/proxy,nodes/stats|*\n"
     "|nodes/configz,nodes/healthz,nodes/pods|*\n"},
    {NULL, "system:monitoring", NULL, NULL,
     "url|/flagz,/healthz,/healthz/*,/livez,/livez/*,/metrics,/metrics/slis,/readyz,/readyz/*,"
     "/statusz|get\n"
     "|nodes/metrics|get\n"},
    {NULL, "system:node", NULL, NULL,
     "authentication.k8s.io|tokenreviews|create\n"
     "authorization.k8s.io|localsubjectaccessreviews,subjectaccessreviews|create\n"
     "|services|get,list,watch\n"
     "|nodes|create,get,list,watch\n"
     "|nodes/status|patch,update\n"
     "|nodes|patch,update\n"
     ",events.k8s.io|events|create,patch,update\n"
     "|pods|get,list,watch\n"
     "|pods|create,delete\n"
     "|pods/status|patch,update\n"
     "|pods/eviction|create\n"
     "|configmaps,secrets|get,list,watch\n"
     "|persistentvolumeclaims,persistentvolumes|get\n"
     "|endpoints|get\n"
     "certificates.k8s.io|certificatesigningrequests|create,get,list,watch\n"
     "coordination.k8s.io|leases|create,delete,get,patch,update\n"
     "storage.k8s.io|volumeattachments|get\n"
     "|serviceaccounts/token|create\n"
     "|persistentvolumeclaims/status|get,patch,update\n"
     "storage.k8s.io|csidrivers|get,list,watch\n"
     "storage.k8s.io|csinodes|create,delete,get,patch,update\n"
     "node.k8s.io|runtimeclasses|get,list,watch\n"
     "resource.k8s.io|resourceclaims|get\n"
     "resource.k8s.io|resourceslices|deletecollection\n"
     "|serviceaccounts|get\n"},
    {NULL, "system:node-bootstrapper", NULL, NULL,
     "certificates.k8s.io|certificatesigningrequests|create,get,list,watch\n"},
    {NULL, "system:node-problem-detector", NULL, NULL,
     "|nodes|get\n"
     "|nodes/status|patch\n"
     ",events.k8s.io|events|create,patch,update\n"},
    {NULL, "system:node-proxier", NULL, NULL,
     "|endpoints,services|list,watch\n"
     "|nodes|get,list,watch\n"
     ",events.k8s.io|events|create,patch,update\n"
     "networking.k8s.io|servicecidrs|list,watch\n"
     "discovery.k8s.io|endpointslices|list,watch\n"},
    {NULL, "system:persistent-volume-provisioner", NULL, NULL,
     "|persistentvolumes|create,delete,get,list,watch\n"
     "|persistentvolumeclaims|get,list,update,watch\n"
     "storage.k8s.io|storageclasses|get,list,watch\n"
     "|events|watch\n"
     ",events.k8s.io|events|create,patch,update\n"},
    {NULL, "system:public-info-viewer", NULL, NULL,
     "url|/healthz,/livez,/readyz,/version,/version/|get\n"},
    {NULL, "system:service-account-issuer-discovery", NULL, NULL,
     "url|/.well-known/openid-configuration,/.well-known/openid-configuration/,"
     "/openid/v1/jwks,/openid/v1/jwks/|get\n"},
    {NULL, "system:volume-scheduler", NULL, NULL,
     "|persistentvolumes|get,list,patch,update,watch\n"
     "storage.k8s.io|storageclasses|get,list,watch\n"
     "|persistentvolumeclaims|get,list,patch,update,watch\n"},
    {NULL, "view", "edit", "view",
     ""},
    {"kube-public", "system:controller:bootstrap-signer", NULL, NULL,
     "|configmaps|get,list,watch\n"
     "|configmaps|update|cluster-info\n"
     ",events.k8s.io|events|create,patch,update\n"},
    {"kube-system", "extension-apiserver-authentication-reader", NULL, NULL,
     "|configmaps|get,list,watch|extension-apiserver-authentication\n"},
    {"kube-system", "system::leader-locking-kube-controller-manager", NULL, NULL,
     "coordination.k8s.io|leases|create,get,list,update,watch\n"
     "coordination.k8s.io|leasecandidates|create,get,list,update,watch\n"},
    {"kube-system", "system::leader-locking-kube-scheduler", NULL, NULL,
     "coordination.k8s.io|leases|create,get,list,update,watch\n"
     "coordination.k8s.io|leasecandidates|create,get,list,update,watch\n"},
    {"kube-system", "system:controller:bootstrap-signer", NULL, NULL,
     "|secrets|get,list,watch\n"},
    {"kube-system", "system:controller:cloud-provider", NULL, NULL,
     "|configmaps|create,get,list,watch\n"},
    {"kube-system", "system:controller:token-cleaner", NULL, NULL,
     "|secrets|delete,get,list,watch\n"
     ",events.k8s.io|events|create,patch,update\n"},
    {NULL, NULL, NULL, NULL, NULL},
};

const struct rbac_default_binding rbac_default_bindings[] = {
    {NULL, "cluster-admin", "cluster-admin",
     "Group system:masters\n"},
    {NULL, "system:basic-user", "system:basic-user",
     "Group system:authenticated\n"},
    {NULL, "system:discovery", "system:discovery",
     "Group system:authenticated\n"},
    {NULL, "system:kube-controller-manager", "system:kube-controller-manager",
     "User system:kube-controller-manager\n"},
    {NULL, "system:kube-dns", "system:kube-dns",
     "ServiceAccount kube-system/kube-dns\n"},
    {NULL, "system:kube-scheduler", "system:kube-scheduler",
     "User system:kube-scheduler\n"},
    {NULL, "system:monitoring", "system:monitoring",
     "Group system:monitoring\n"},
    {NULL, "system:node", "system:node",
     ""},
    {NULL, "system:node-proxier", "system:node-proxier",
     "User system:kube-proxy\n"},
    {NULL, "system:public-info-viewer", "system:public-info-viewer",
     "Group system:authenticated\n"
     "Group system:unauthenticated\n"},
    {NULL, "system:service-account-issuer-discovery", "system:service-account-issuer-discovery",
     "Group system:serviceaccounts\n"},
    {NULL, "system:volume-scheduler", "system:volume-scheduler",
     "User system:kube-scheduler\n"},
    {"kube-public", "system:controller:bootstrap-signer", "system:controller:bootstrap-signer",
     "ServiceAccount kube-system/bootstrap-signer\n"},
    {"kube-system", "system::extension-apiserver-authentication-reader",
     "extension-apiserver-authentication-reader",
     "User system:kube-controller-manager\n"
     "User system:kube-scheduler\n"},
    {"kube-system", "system::leader-locking-kube-controller-manager",
     "system::leader-locking-kube-controller-manager",
     "User system:kube-controller-manager\n"
     "ServiceAccount kube-system/kube-controller-manager\n"
     "ServiceAccount kube-system/leader-election-controller\n"},
    {"kube-system", "system::leader-locking-kube-scheduler",
     "system::leader-locking-kube-scheduler",
     "User system:kube-scheduler\n"
     "ServiceAccount kube-system/kube-scheduler\n"},
    {"kube-system", "system:controller:bootstrap-signer", "system:controller:bootstrap-signer",
     "ServiceAccount kube-system/bootstrap-signer\n"},
    {"kube-system", "system:controller:cloud-provider", "system:controller:cloud-provider",
     "ServiceAccount kube-system/cloud-provider\n"},
    {"kube-system", "system:controller:token-cleaner", "system:controller:token-cleaner",
     "ServiceAccount kube-system/token-cleaner\n"},
    {NULL, NULL, NULL, NULL},
};
