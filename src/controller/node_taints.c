/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/node_taints.h"

#define TAINT_NOT_READY   "node.kubernetes.io/not-ready"
#define TAINT_UNREACHABLE "node.kubernetes.io/unreachable"

static struct str condition_status(const struct core_node *node, const char *type)
{
    for (size_t i = 0; i < node->status.conditions.n; i++) {
        if (str_eqz(node->status.conditions.v[i].type, type))
            return node->status.conditions.v[i].status;
    }
    return STR_NULL;
}

struct str node_ready_status(const struct core_node *node)
{
    return condition_status(node, "Ready");
}

const struct core_taint *node_own_no_execute(const struct core_node *node)
{
    for (size_t i = 0; i < node->spec.taints.n; i++) {
        const struct core_taint *t = &node->spec.taints.v[i];

        if (str_eqz(t->effect, "NoExecute") &&
            (str_eqz(t->key, TAINT_NOT_READY) || str_eqz(t->key, TAINT_UNREACHABLE)))
            return t;
    }
    return NULL;
}

struct wanted { /* a taint that this process alone sets and clears */
    const char *key, *effect;
    bool on;
};

/* Puts or takes each of @w in the list of @node. */
static void apply(struct core_node *node, const struct wanted *w, size_t n, struct time_value now)
{
    for (size_t i = 0; i < n; i++) {
        size_t at = 0;

        while (at < node->spec.taints.n && !(str_eqz(node->spec.taints.v[at].key, w[i].key) &&
                                             str_eqz(node->spec.taints.v[at].effect, w[i].effect)))
            at++;
        if (at < node->spec.taints.n && !w[i].on) {
            memmove(&node->spec.taints.v[at], &node->spec.taints.v[at + 1],
                    (node->spec.taints.n - at - 1) * sizeof(node->spec.taints.v[0]));
            node->spec.taints.n--;
        } else if (at == node->spec.taints.n && w[i].on) {
            node->spec.taints.v[node->spec.taints.n++] =
                (struct core_taint){.key = str_from(w[i].key), .effect = str_from(w[i].effect)};
        }
    }
    for (size_t i = 0; i < node->spec.taints.n; i++) {
        struct core_taint *t = &node->spec.taints.v[i];

        if (str_eqz(t->effect, "NoExecute") && !t->time_added.set)
            t->time_added = now; /* tolerationSeconds count from here */
    }
}

struct core_node *node_with_taints(const struct core_node *node, bool evict, struct time_value now,
                                   struct arena *a)
{
    struct str ready = node_ready_status(node);
    bool not_ready = str_eqz(ready, "False"), unknown = str_eqz(ready, "Unknown");
    const struct wanted want[] = {
        {TAINT_NOT_READY, "NoSchedule", not_ready},
        {TAINT_UNREACHABLE, "NoSchedule", unknown},
        {TAINT_NOT_READY, "NoExecute", not_ready && evict},
        {TAINT_UNREACHABLE, "NoExecute", unknown && evict},
        {"node.kubernetes.io/memory-pressure", "NoSchedule",
         str_eqz(condition_status(node, "MemoryPressure"), "True")},
        {"node.kubernetes.io/disk-pressure", "NoSchedule",
         str_eqz(condition_status(node, "DiskPressure"), "True")},
        {"node.kubernetes.io/pid-pressure", "NoSchedule",
         str_eqz(condition_status(node, "PIDPressure"), "True")},
        {"node.kubernetes.io/network-unavailable", "NoSchedule",
         str_eqz(condition_status(node, "NetworkUnavailable"), "True")},
        {"node.kubernetes.io/unschedulable", "NoSchedule", node->spec.unschedulable},
    };
    struct core_node *out = arena_new(a, struct core_node);
    size_t n = node->spec.taints.n;

    *out = *node;
    out->spec.taints.v = arena_calloc(a, n + ARRAY_LEN(want), sizeof(*out->spec.taints.v));
    if (n > 0)
        memcpy(out->spec.taints.v, node->spec.taints.v, n * sizeof(*out->spec.taints.v));
    apply(out, want, ARRAY_LEN(want), now);
    return out;
}

static bool tolerates(const struct core_toleration *tol, const struct core_taint *t)
{
    if (tol->effect.len > 0 && !str_eq(tol->effect, t->effect))
        return false;
    if (tol->key.len > 0 && !str_eq(tol->key, t->key))
        return false;
    if (str_eqz(tol->operator, "Exists"))
        return true;
    return tol->key.len > 0 && (tol->operator.len == 0 || str_eqz(tol->operator, "Equal")) &&
           str_eq(tol->value, t->value);
}

bool taint_tolerated(const struct core_taint *t, const struct core_pod *pod, int64_t *ret_min_sec)
{
    int64_t min = INT64_MAX;
    bool any = false;

    for (size_t i = 0; i < pod->spec.tolerations.n; i++) {
        const struct core_toleration *tol = &pod->spec.tolerations.v[i];

        if (!tolerates(tol, t))
            continue;
        any = true;
        if (tol->toleration_seconds)
            min = MIN(min, *tol->toleration_seconds);
    }
    if (any && ret_min_sec)
        *ret_min_sec = min;
    return any;
}
