/* SPDX-License-Identifier: Apache-2.0 */
/* validate_pod.c - pods and pod templates as a whole. Layer: api. */
#include "api/pod_spec.h"
#include "api/validate.h"
#include "schema/format.h"
#include "schema/typed.h"

static const char *const restart_policies[] = {"Always", "OnFailure", "Never", NULL};
static const char *const dns_policies[] = {"ClusterFirstWithHostNet", "ClusterFirst", "Default",
                                           "None", NULL};

/* ---- names and DNS ---- */

static void check_search(struct field_errors *errs, const struct path *p, struct str s)
{
    char *z = str_dupz(errs->arena, s);
    size_t len = s.len;

    if (str_eqz(s, "."))
        return;
    if (len && z[len - 1] == '.')
        len--;
    for (size_t i = 0; i < len; i++) {
        if (z[i] == '_') /* names of services have them */
            z[i] = '-';
    }
    if (len && z[0] == '-' && s.p[0] == '_')
        z[0] = 'x';
    check_why(errs, p, s, format_dns_subdomain((struct str){z, len}));
}

static void check_dns_config(struct field_errors *errs, const struct path *at,
                             const struct core_pod_spec *spec)
{
    enum { SERVERS_MAX = 3, SEARCHES_MAX = 32, SEARCH_CHARS_MAX = 2048 };
    const struct core_pod_dns_config *d = spec->dns_config;
    const struct path *servers = AT(at, "nameservers"), *searches = AT(at, "searches");
    size_t chars = 0;

    if (str_eqz(spec->dns_policy, "None") && (!d || !d->nameservers.n))
        err_required(errs, servers,
                     "must provide at least one DNS nameserver when `dnsPolicy` is None");
    if (!d)
        return;
    if (d->nameservers.n > SERVERS_MAX)
        err_too_many(errs, servers, d->nameservers.n, SERVERS_MAX);
    for (size_t i = 0; i < d->nameservers.n; i++)
        check_why(errs, AT_INDEX(servers, i), d->nameservers.v[i], format_ip(d->nameservers.v[i]));
    if (d->searches.n > SEARCHES_MAX)
        err_too_many(errs, searches, d->searches.n, SEARCHES_MAX);
    for (size_t i = 0; i < d->searches.n; i++) {
        check_search(errs, AT_INDEX(searches, i), d->searches.v[i]);
        chars += d->searches.v[i].len + (i > 0);
    }
    if (chars > SEARCH_CHARS_MAX)
        err_add(errs, FIELD_ERROR_INVALID, searches,
                "Invalid value: \"\": must not have more than %d characters (including spaces) in "
                "the search list",
                SEARCH_CHARS_MAX);
    for (size_t i = 0; i < d->options.n; i++) {
        if (str_empty(d->options.v[i].name))
            err_required(errs, AT_INDEX(AT(at, "options"), i), "must not be empty");
    }
}

static void check_host_names(struct field_errors *errs, const struct path *at,
                             const struct core_pod_spec *s)
{
    const struct path *p = AT(at, "hostnameOverride");

    check_if_set(errs, AT(at, "hostname"), s->hostname, format_dns_label);
    check_if_set(errs, AT(at, "subdomain"), s->subdomain, format_dns_label);
    if (s->hostname_override) {
        check_why(errs, p, *s->hostname_override, format_dns_subdomain(*s->hostname_override));
        if (s->hostname_override->len > 64)
            err_too_long(errs, p, 64);
        if (s->set_hostname_as_fqdn && *s->set_hostname_as_fqdn)
            err_forbidden(errs, p, "may not be specified when setHostnameAsFQDN is true");
        if (s->host_network)
            err_forbidden(errs, p, "may not be specified when hostNetwork is true");
    }
    for (size_t i = 0; i < s->host_aliases.n; i++) {
        const struct core_host_alias *h = &s->host_aliases.v[i];
        const struct path *alias = AT_INDEX(AT(at, "hostAliases"), i);

        check_why(errs, AT(alias, "ip"), h->ip, format_ip(h->ip));
        for (size_t k = 0; k < h->hostnames.n; k++)
            check_why(errs, AT(alias, "hostnames"), h->hostnames.v[k],
                      format_dns_subdomain(h->hostnames.v[k]));
    }
}

/* ---- gates, claims, resources ---- */

static void check_gates(struct field_errors *errs, const struct path *at,
                        const struct core_pod_spec *s)
{
    auto_map seen = {0};

    for (size_t i = 0; i < s->readiness_gates.n; i++) {
        struct str type = s->readiness_gates.v[i].condition_type;

        check_why(errs, AT(AT_INDEX(AT(at, "readinessGates"), i), "conditionType"), type,
                  format_qualified_name(type));
    }
    for (size_t i = 0; i < s->scheduling_gates.n; i++) {
        const struct path *p = AT_INDEX(AT(at, "schedulingGates"), i);
        struct str name = s->scheduling_gates.v[i].name;

        check_why(errs, p, name, format_qualified_name(name));
        if (map_set(&seen, name, &seen))
            err_duplicate(errs, p, doc_string(name));
    }
}

static void check_claims(struct field_errors *errs, const struct path *at,
                         const struct core_pod_spec *s)
{
    auto_map seen = {0};

    for (size_t i = 0; i < s->resource_claims.n; i++) {
        const struct core_pod_resource_claim *c = &s->resource_claims.v[i];
        const struct path *p = AT_INDEX(at, i);

        if (str_empty(c->name))
            err_required(errs, AT(p, "name"), "");
        else if (map_set(&seen, c->name, &seen))
            err_duplicate(errs, AT(p, "name"), doc_string(c->name));
        else
            check_why(errs, AT(p, "name"), c->name, format_dns_label(c->name));
        if (c->resource_claim_name && c->resource_claim_template_name)
            err_invalid(errs, p, doc_string(c->name),
                        "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be "
                        "specified");
        else if (!c->resource_claim_name && !c->resource_claim_template_name)
            err_invalid(errs, p, doc_string(c->name),
                        "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`");
        if (c->resource_claim_name)
            check_why(errs, AT(p, "resourceClaimName"), *c->resource_claim_name,
                      format_dns_subdomain(*c->resource_claim_name));
        if (c->resource_claim_template_name)
            check_why(errs, AT(p, "resourceClaimTemplateName"), *c->resource_claim_template_name,
                      format_dns_subdomain(*c->resource_claim_template_name));
    }
}

static void check_pod_resource_names(struct field_errors *errs, const struct path *at,
                                     const struct quantity_map *m)
{
    static const char *const supported[] = {"cpu", "memory", "hugepages-*", NULL};

    for (size_t i = 0; i < m->n; i++) {
        if (!one_of(m->v[i].key, supported) && !str_has_prefix(m->v[i].key, STR("hugepages-")))
            err_not_supported(errs, AT_KEY(at, m->v[i].key), m->v[i].key, supported);
    }
}

/* The requests of all containers together may not be above those of the pod. */
static void check_sums(struct field_errors *errs, const struct path *at,
                       const struct core_pod_spec *s)
{
    const struct quantity_map *all = &s->resources->requests;
    struct quantity *sums = arena_calloc(errs->arena, all->n + 1, sizeof(*sums));
    auto_map by_name = {0};
    struct str text;

    for (size_t i = 0; i < all->n; i++)
        (void)map_set(&by_name, all->v[i].key, &sums[i]);
    for (size_t i = 0; i < s->containers.n; i++) {
        const struct quantity_map *r = &s->containers.v[i].resources.requests;

        for (size_t k = 0; k < r->n; k++) {
            struct quantity *sum = map_find(&by_name, r->v[k].key);

            if (sum)
                *sum = quantity_add(*sum, r->v[k].value);
        }
    }
    for (size_t i = 0; i < all->n; i++) {
        if (quantity_cmp(sums[i], all->v[i].value) <= 0)
            continue;
        text = quantity_str(errs->arena, sums[i]);
        err_invalid(errs, AT_KEY(AT(at, "requests"), all->v[i].key),
                    doc_string(quantity_str(errs->arena, all->v[i].value)),
                    "must be greater than or equal to aggregate container requests of %.*s",
                    STR_ARG(text));
    }
}

static void check_pod_resources(struct field_errors *errs, const struct path *at,
                                const struct core_pod_spec *s)
{
    const struct core_resource_requirements *r = s->resources;

    if (!r)
        return;
    if (r->claims.n)
        err_forbidden(errs, AT(at, "claims"), "claims may not be set at pod level");
    check_pod_resource_names(errs, AT(at, "limits"), &r->limits);
    check_pod_resource_names(errs, AT(at, "requests"), &r->requests);
    check_container_resources(errs, at, r);
    check_sums(errs, at, s);
}

/* ---- the spec ---- */

static void check_host_users(struct field_errors *errs, const struct path *at,
                             const struct core_pod_spec *s)
{
    static const char why[] = "when `hostUsers` is false";

    if (!s->host_users || *s->host_users)
        return;
    if (s->host_network)
        err_forbidden(errs, AT(at, "hostNetwork"), why);
    if (s->host_pid)
        err_forbidden(errs, AT(at, "HostPID"), why);
    if (s->host_ipc)
        err_forbidden(errs, AT(at, "HostIPC"), why);
}

static void check_names(struct field_errors *errs, const struct path *at,
                        const struct core_pod_spec *s)
{
    check_if_set(errs, AT(at, "serviceAccountName"), s->service_account_name, format_dns_subdomain);
    check_if_set(errs, AT(at, "nodeName"), s->node_name, format_dns_subdomain);
    if (s->active_deadline_seconds)
        check_range_of(errs, AT(at, "activeDeadlineSeconds"), *s->active_deadline_seconds, 1,
                       INT32_MAX);
    check_host_names(errs, at, s);
    check_tolerations(errs, AT(at, "tolerations"), s->tolerations.v, s->tolerations.n);
    check_if_set(errs, AT(at, "priorityClassName"), s->priority_class_name, format_dns_subdomain);
    if (s->runtime_class_name)
        check_why(errs, AT(at, "runtimeClassName"), *s->runtime_class_name,
                  format_dns_subdomain(*s->runtime_class_name));
}

static void check_os(struct field_errors *errs, const struct path *at,
                     const struct core_pod_spec *s)
{
    static const char *const systems[] = {"linux", "windows", NULL};
    static const char why[] = "cannot be set for a windows pod";
    const struct core_pod_security_context *c = s->security_context;

    if (!s->os)
        return;
    check_one_of_given(errs, AT(AT(at, "os"), "name"), s->os->name, systems);
    if (str_eqz(s->os->name, "linux") && c && c->windows_options)
        err_forbidden(errs, AT(AT(at, "securityContext"), "windowsOptions"),
                      "windows options cannot be set for a linux pod");
    if (!str_eqz(s->os->name, "windows"))
        return;
    if (s->host_pid)
        err_forbidden(errs, AT(at, "hostPID"), why);
    if (s->host_ipc)
        err_forbidden(errs, AT(at, "hostIPC"), why);
    if (c && c->se_linux_options)
        err_forbidden(errs, AT(AT(at, "securityContext"), "seLinuxOptions"), why);
    if (c && c->seccomp_profile)
        err_forbidden(errs, AT(AT(at, "securityContext"), "seccompProfile"), why);
    if (c && c->run_as_user)
        err_forbidden(errs, AT(AT(at, "securityContext"), "runAsUser"), why);
    if (c && c->fs_group)
        err_forbidden(errs, AT(AT(at, "securityContext"), "fsGroup"), why);
}

void check_pod_spec(struct field_errors *errs, const struct path *at,
                    const struct meta_object_meta *meta, const struct core_pod_spec *s,
                    bool is_template)
{
    static const char *const preemption[] = {"PreemptLowerPriority", "Never", NULL};

    check_volumes(errs, AT(at, "volumes"), s, is_template ? STR_NULL : meta->name);
    check_claims(errs, AT(at, "resourceClaims"), s);
    check_containers(errs, at, s, is_template);
    check_pod_resources(errs, AT(at, "resources"), s);
    check_one_of_given(errs, AT(at, "restartPolicy"), s->restart_policy, restart_policies);
    check_one_of_given(errs, AT(at, "dnsPolicy"), s->dns_policy, dns_policies);
    check_labels(errs, AT(at, "nodeSelector"), &s->node_selector);
    check_pod_security(errs, AT(at, "securityContext"), s->security_context, s);
    for (size_t i = 0; i < s->image_pull_secrets.n; i++)
        check_given(errs, AT(AT_INDEX(AT(at, "imagePullSecrets"), i), "name"),
                    s->image_pull_secrets.v[i].name);
    check_affinity(errs, AT(at, "affinity"), s->affinity);
    check_dns_config(errs, AT(at, "dnsConfig"), s);
    check_gates(errs, at, s);
    check_spread(errs, AT(at, "topologySpreadConstraints"), s);
    check_host_users(errs, at, s);
    check_names(errs, at, s);
    if (s->preemption_policy)
        check_one_of(errs, AT(at, "preemptionPolicy"), *s->preemption_policy, preemption);
    for (size_t i = 0; i < s->overhead.n; i++) {
        const struct path *p = AT_KEY(AT(at, "overhead"), s->overhead.v[i].key);

        check_container_resource_name(errs, p, s->overhead.v[i].key);
        check_quantity(errs, p, s->overhead.v[i].key, s->overhead.v[i].value);
    }
    check_os(errs, at, s);
}

void check_template(struct field_errors *errs, const struct path *at,
                    const struct core_pod_template_spec *t)
{
    const struct path *meta = AT(at, "metadata");

    check_labels(errs, AT(meta, "labels"), &t->metadata.labels);
    for (size_t i = 0; i < t->metadata.annotations.n; i++) {
        struct str key = t->metadata.annotations.v[i].key;
        auto_arena a = {0};
        char *lower = str_dupz(&a, key);

        for (size_t k = 0; k < key.len; k++) {
            if (lower[k] >= 'A' && lower[k] <= 'Z')
                lower[k] = (char)(lower[k] - 'A' + 'a');
        }
        check_why(errs, AT(meta, "annotations"), key,
                  format_qualified_name((struct str){lower, key.len}));
    }
    check_pod_spec(errs, AT(at, "spec"), &t->metadata, &t->spec, true);
}

/* ---- the kinds ---- */

static void check_pod_annotations(struct field_errors *errs, const struct core_pod *pod)
{
    const struct path *p = AT(AT(NULL, "metadata"), "annotations");
    const struct string_map *m = &pod->metadata.annotations;
    struct str cost = string_map_get(m, STR("controller.kubernetes.io/pod-deletion-cost"));
    int64_t v;

    if (string_map_get(m, STR("kubernetes.io/config.mirror")).p && str_empty(pod->spec.node_name))
        check_why(errs, AT_KEY(p, STR("kubernetes.io/config.mirror")),
                  string_map_get(m, STR("kubernetes.io/config.mirror")),
                  "must set spec.nodeName if mirror pod annotation is set");
    if (cost.p && (!str_to_i64(cost, &v) || v < INT32_MIN || v > INT32_MAX))
        check_why(errs, AT_KEY(p, STR("controller.kubernetes.io/pod-deletion-cost")), cost,
                  "must be a 32bit integer");
}

void validate_pod(const void *obj, const void *old, struct field_errors *errs)
{
    const struct core_pod *pod = obj;
    const struct path *spec = AT(NULL, "spec");

    check_pod_annotations(errs, pod);
    check_pod_spec(errs, spec, &pod->metadata, &pod->spec, false);
    if (old) {
        check_pod_update(errs, pod, old);
        return;
    }
    if (pod->spec.node_name.len && pod->spec.scheduling_gates.n)
        err_forbidden(errs, AT(spec, "nodeName"),
                      "cannot be set until all schedulingGates have been cleared");
    /* Stored pods, whose subresources check them anew, may have them. */
    if (pod->spec.ephemeral_containers.n && str_empty(pod->metadata.resource_version))
        err_forbidden(errs, AT(spec, "ephemeralContainers"), "cannot be set on create");
}

/* True if the container of that name, once ended, may run again. */
static bool may_restart(const struct core_pod_spec *spec, struct str name, int32_t exit_code,
                        bool init)
{
    size_t n = init ? spec->init_containers.n : spec->containers.n;
    const struct core_container *v = init ? spec->init_containers.v : spec->containers.v;

    for (size_t i = 0; i < n; i++) {
        if (str_eq(v[i].name, name) && (v[i].restart_policy || v[i].restart_policy_rules.n))
            return true;
    }
    if (str_eqz(spec->restart_policy, "Always"))
        return true;
    return str_eqz(spec->restart_policy, "OnFailure") && exit_code != 0;
}

static void check_states(struct field_errors *errs, const struct path *at,
                         const struct core_container_status *v, size_t n,
                         const struct core_container_status *old, size_t n_old,
                         const struct core_pod_spec *spec, bool init)
{
    auto_map now = {0};

    for (size_t i = 0; i < n; i++)
        (void)map_set(&now, v[i].name, (void *)(uintptr_t)&v[i]);
    for (size_t i = 0; i < n_old; i++) {
        const struct core_container_state_terminated *t = old[i].state.terminated;
        const struct core_container_status *s = map_find(&now, old[i].name);

        if (!t || !s || s->state.terminated || may_restart(spec, old[i].name, t->exit_code, init))
            continue;
        err_forbidden(errs, AT(AT_INDEX(at, (size_t)(s - v)), "state"),
                      "may not be transitioned to non-terminated state");
    }
}

void validate_pod_status(const void *obj, const void *old, struct field_errors *errs)
{
    const struct core_pod *pod = obj, *was = old;
    const struct path *status = AT(NULL, "status");

    if (!str_eq(pod->spec.node_name, was->spec.node_name))
        err_forbidden(errs, AT(AT(NULL, "spec"), "nodeName"), "may not be changed directly");
    check_states(errs, AT(status, "containerStatuses"), pod->status.container_statuses.v,
                 pod->status.container_statuses.n, was->status.container_statuses.v,
                 was->status.container_statuses.n, &pod->spec, false);
    check_states(errs, AT(status, "initContainerStatuses"), pod->status.init_container_statuses.v,
                 pod->status.init_container_statuses.n, was->status.init_container_statuses.v,
                 was->status.init_container_statuses.n, &pod->spec, true);
    check_same(errs, AT(status, "qosClass"),
               str_empty(was->status.qos_class) ||
                   str_eq(pod->status.qos_class, was->status.qos_class),
               doc_string(pod->status.qos_class));
    if (pod->status.host_ips.n && !str_eq(pod->status.host_ips.v[0].ip, pod->status.host_ip))
        check_why(errs, AT(AT_INDEX(AT(status, "hostIPs"), 0), "ip"), pod->status.host_ips.v[0].ip,
                  "must be equal to `hostIP`");
}

void validate_podtemplate(const void *obj, const void *old, struct field_errors *errs)
{
    (void)old;
    check_template(errs, AT(NULL, "template"), &((const struct core_pod_template *)obj)->template);
}
