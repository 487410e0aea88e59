/* SPDX-License-Identifier: Apache-2.0 */
/* admission.c - whether a pod bound to this node may run on it: system, labels, taints, room. */
#include "kubelet/pod_internal.h"

#include "codec/quantity.h"

enum { MAX_PODS_DEFAULT = 110 };

static bool is_cpu(struct str resource)
{
    return str_eqz(resource, "cpu");
}

static int64_t amount(const struct core_container *c, struct str resource)
{
    for (size_t i = 0; i < c->resources.requests.n; i++) {
        if (str_eq(c->resources.requests.v[i].key, resource)) {
            struct quantity q = c->resources.requests.v[i].value;

            return is_cpu(resource) ? quantity_milli(q) : quantity_value(q);
        }
    }
    return 0;
}

int64_t admission_request(const struct core_pod *pod, struct str resource)
{
    const struct core_pod_spec *spec = &pod->spec;
    int64_t sum = 0, sidecars = 0, init = 0;

    for (size_t i = 0; i < spec->containers.n; i++)
        sum += amount(&spec->containers.v[i], resource);
    for (size_t i = 0; i < spec->init_containers.n; i++) {
        const struct core_container *c = &spec->init_containers.v[i];

        if (c->restart_policy && str_eq(*c->restart_policy, STR("Always")))
            sidecars += amount(c, resource);
        else
            init = MAX(init, sidecars + amount(c, resource));
    }
    sum = MAX(sum + sidecars, init);
    for (size_t i = 0; i < spec->overhead.n; i++) {
        if (str_eq(spec->overhead.v[i].key, resource))
            sum += is_cpu(resource) ? quantity_milli(spec->overhead.v[i].value)
                                    : quantity_value(spec->overhead.v[i].value);
    }
    return sum;
}

/* Pods that hold their share of the node. */
static bool counts(const struct kpod *kp)
{
    return kp->admitted && kp->pod && kp->phase < KPOD_CLEAN && !kp->terminal;
}

int64_t admission_used(const struct kubelet *kl, struct str resource, const struct kpod *but)
{
    int64_t sum = 0;
    struct str uid;
    void *value;

    for (size_t it = 0; map_next(&kl->by_uid, &it, &uid, &value);) {
        if (value != but && counts(value))
            sum += admission_request(((struct kpod *)value)->pod, resource);
    }
    return sum;
}

static bool fits(struct kpod *kp, struct str resource)
{
    const struct kubelet *kl = kp->kl;
    int64_t want = admission_request(kp->pod, resource), used, have;
    struct quantity q;
    auto_arena a = {0};

    if (want == 0 || !node_allocatable(kl, resource, &q))
        return true;
    have = is_cpu(resource) ? quantity_milli(q) : quantity_value(q);
    used = admission_used(kl, resource, kp);
    if (want <= have - used)
        return true;
    kpod_fail(kp, arena_printf(&a, "OutOf%.*s", STR_ARG(resource)), 0,
              "Pod was rejected: Node didn't have enough resource: %.*s, requested: %lld, used: "
              "%lld, capacity: %lld",
              STR_ARG(resource), (long long)want, (long long)used, (long long)have);
    return false;
}

static bool room_for_pod(struct kpod *kp)
{
    const struct kubelet *kl = kp->kl;
    int64_t max = kl->opts.max_pods ? kl->opts.max_pods : MAX_PODS_DEFAULT, used = 0;
    struct str uid;
    void *value;

    for (size_t it = 0; map_next(&kl->by_uid, &it, &uid, &value);)
        used += value != kp && counts(value);
    if (used < max)
        return true;
    kpod_fail(kp, "OutOfpods", 0,
              "Pod was rejected: Node didn't have enough resource: pods, requested: 1, used: %lld, "
              "capacity: %lld",
              (long long)used, (long long)max);
    return false;
}

static const struct core_node *this_node(const struct kubelet *kl)
{
    struct object *o = kl->node ? informer_find(kl->node, STR(""), str_from(kl->opts.node_name))
                                : NULL;

    return o ? OBJECT_AS(core_node, o) : NULL;
}

static struct str label(const struct core_node *n, struct str key)
{
    for (size_t i = 0; i < n->metadata.labels.n; i++)
        if (str_eq(n->metadata.labels.v[i].key, key))
            return n->metadata.labels.v[i].value;
    return STR_NULL;
}

static bool requirement_holds(const struct core_node_selector_requirement *r, struct str value)
{
    bool in = false;
    int64_t have, want;

    for (size_t i = 0; value.p && i < r->values.n; i++)
        in = in || str_eq(r->values.v[i], value);
    if (str_eqz(r->operator, "In"))
        return in;
    if (str_eqz(r->operator, "NotIn"))
        return !in;
    if (str_eqz(r->operator, "Exists"))
        return value.p != NULL;
    if (str_eqz(r->operator, "DoesNotExist"))
        return value.p == NULL;
    if (r->values.n != 1 || !value.p || !str_to_i64(value, &have) ||
        !str_to_i64(r->values.v[0], &want))
        return false;
    return str_eqz(r->operator, "Gt") ? have > want : str_eqz(r->operator, "Lt") && have < want;
}

static bool term_holds(const struct core_node_selector_term *t, const struct core_node *n)
{
    for (size_t i = 0; i < t->match_expressions.n; i++) {
        if (!requirement_holds(&t->match_expressions.v[i], label(n, t->match_expressions.v[i].key)))
            return false;
    }
    for (size_t i = 0; i < t->match_fields.n; i++) {
        if (!str_eqz(t->match_fields.v[i].key, "metadata.name") ||
            !requirement_holds(&t->match_fields.v[i], n->metadata.name))
            return false;
    }
    return t->match_expressions.n + t->match_fields.n > 0;
}

static bool node_matches(const struct core_pod *pod, const struct core_node *n)
{
    const struct core_affinity *a = pod->spec.affinity;
    const struct core_node_selector *s =
        a && a->node_affinity
            ? a->node_affinity->required_during_scheduling_ignored_during_execution
            : NULL;

    for (size_t i = 0; i < pod->spec.node_selector.n; i++) {
        struct str value = label(n, pod->spec.node_selector.v[i].key);

        if (!value.p || !str_eq(value, pod->spec.node_selector.v[i].value))
            return false;
    }
    for (size_t i = 0; s && i < s->node_selector_terms.n; i++) {
        if (term_holds(&s->node_selector_terms.v[i], n))
            return true;
    }
    return !s;
}

static bool tolerates(const struct core_pod *pod, const struct core_taint *t)
{
    for (size_t i = 0; i < pod->spec.tolerations.n; i++) {
        const struct core_toleration *x = &pod->spec.tolerations.v[i];

        if (!str_empty(x->effect) && !str_eq(x->effect, t->effect))
            continue;
        if (!str_empty(x->key) && !str_eq(x->key, t->key))
            continue;
        if (str_eqz(x->operator, "Exists") || (!str_empty(x->key) && str_eq(x->value, t->value)))
            return true;
    }
    return false;
}

static bool node_wants(struct kpod *kp)
{
    const struct core_node *n = this_node(kp->kl);

    if (!n)
        return true; /* not registered yet: what it looks like is not known */
    if (!node_matches(kp->pod, n)) {
        kpod_fail(kp, "NodeAffinity", 0,
                  "Pod was rejected: Predicate NodeAffinity failed: node(s) didn't match Pod's "
                  "node affinity/selector");
        return false;
    }
    for (size_t i = 0; i < n->spec.taints.n; i++) {
        if (str_eqz(n->spec.taints.v[i].effect, "NoExecute") &&
            !tolerates(kp->pod, &n->spec.taints.v[i])) {
            kpod_fail(kp, "TaintToleration", 0,
                      "Pod was rejected: Predicate TaintToleration failed: node(s) had taints that "
                      "the pod didn't tolerate");
            return false;
        }
    }
    return true;
}

static bool system_fits(struct kpod *kp)
{
    const struct core_pod_os *os = kp->pod->spec.os;

    if (!os || str_empty(os->name) || str_eqz(os->name, "linux"))
        return true;
    kpod_fail(kp, "PodOSNotSupported", 0,
              "Pod was rejected: Failed to admit pod as the OS field doesn't match node OS");
    return false;
}

bool admission_check(struct kpod *kp)
{
    if (kp->fail_reason || kpod_deleted(kp))
        return false;
    if (system_fits(kp) && node_wants(kp) && room_for_pod(kp) && fits(kp, STR("cpu")) &&
        fits(kp, STR("memory")) && fits(kp, STR("ephemeral-storage")))
        return true;
    kpod_event(kp, NULL, "Warning", kp->fail_reason, "%s", kp->fail_message);
    return false;
}
