/* remote_upgrade.c - what upstream's readers make of values that older releases have left. */
#include "api/api.h"
#include "store/remote.h"

/* Versions that upstream does not serve any more, but reads: what an old cluster never wrote again.
 * Their protobuf and JSON are those of the versions that are kept. */
static const struct {
    const char *group, *version, *kind;
} old_versions[] = {
    {"batch", "v1beta1", "CronJob"},
    {"coordination.k8s.io", "v1beta1", "Lease"},
    {"networking.k8s.io", "v1beta1", "IngressClass"},
    {"node.k8s.io", "v1beta1", "RuntimeClass"},
    {"policy", "v1beta1", "PodDisruptionBudget"},
    {"rbac.authorization.k8s.io", "v1beta1", "ClusterRole"},
    {"rbac.authorization.k8s.io", "v1beta1", "ClusterRoleBinding"},
    {"rbac.authorization.k8s.io", "v1beta1", "Role"},
    {"rbac.authorization.k8s.io", "v1beta1", "RoleBinding"},
    {"scheduling.k8s.io", "v1beta1", "PriorityClass"},
    {"storage.k8s.io", "v1beta1", "CSIDriver"},
    {"storage.k8s.io", "v1beta1", "CSINode"},
    {"storage.k8s.io", "v1beta1", "StorageClass"},
    {"storage.k8s.io", "v1beta1", "VolumeAttachment"},
};

bool remote_old_version(const struct resource *res, struct str api_version, struct arena *a)
{
    for (size_t i = 0; i < ARRAY_LEN(old_versions); i++) {
        struct str name = str_printf(a, "%s/%s", old_versions[i].group, old_versions[i].version);

        if (str_eq(api_version, name) && strcmp(res->group, old_versions[i].group) == 0 &&
            strcmp(res->kind, old_versions[i].kind) == 0)
            return true;
    }
    return false;
}

/* In policy/v1beta1 an empty selector is of no pods, in v1 of all. Upstream's label. */
static void keep_empty_selector(struct policy_pod_disruption_budget *pdb, struct arena *a)
{
    struct meta_label_selector *s = pdb->spec.selector;
    struct meta_label_selector_requirement *never;

    if (!s || s->match_labels.n > 0 || s->match_expressions.n > 0)
        return;
    never = arena_new(a, struct meta_label_selector_requirement);
    never->key = STR("pdb.kubernetes.io/deprecated-v1beta1-empty-selector-match");
    never->operator = STR("Exists");
    s->match_expressions.v = never;
    s->match_expressions.n = 1;
}

/* Services that are older than the plural have one address, and no families. Of headless ones
 * nothing tells the family; an update gives them theirs. */
static void fill_addresses(struct core_service *svc, struct arena *a)
{
    struct core_service_spec *s = &svc->spec;

    if (str_empty(s->cluster_ip) || str_eqz(s->cluster_ip, "None") ||
        str_eqz(s->type, "ExternalName"))
        return;
    if (s->cluster_ips.n == 0) {
        s->cluster_ips.v = arena_new(a, struct str);
        s->cluster_ips.v[0] = s->cluster_ip;
        s->cluster_ips.n = 1;
    }
    if (s->ip_families.n > 0)
        return;
    s->ip_families.n = s->cluster_ips.n;
    s->ip_families.v = arena_calloc(a, s->cluster_ips.n, sizeof(struct str));
    for (size_t i = 0; i < s->cluster_ips.n; i++)
        s->ip_families.v[i] =
            str_find_char(s->cluster_ips.v[i], ':') >= 0 ? STR("IPv6") : STR("IPv4");
    s->ip_family_policy = arena_new(a, struct str);
    *s->ip_family_policy = s->cluster_ips.n == 1 ? STR("SingleStack") : STR("RequireDualStack");
}

void remote_upgrade(const struct resource *res, struct str api_version, void *obj, struct arena *a)
{
    if (res == &res_core_services)
        fill_addresses(obj, a);
    if (res == &res_policy_poddisruptionbudgets && str_eqz(api_version, "policy/v1beta1"))
        keep_empty_selector(obj, a);
}
