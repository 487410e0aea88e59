/* SPDX-License-Identifier: Apache-2.0 */
/* plugins.c - the table of plugins, and what several of them share. */
#include "scheduler/framework.h"

extern const struct plugin plugin_node_unschedulable, plugin_node_name, plugin_taint_toleration,
    plugin_node_affinity, plugin_node_ports, plugin_resources_fit, plugin_balanced_allocation,
    plugin_image_locality;

const struct plugin *const scheduler_plugins[] = {
    &plugin_node_unschedulable,  &plugin_node_name,      &plugin_taint_toleration,
    &plugin_node_affinity,       &plugin_node_ports,     &plugin_resources_fit,
    &plugin_balanced_allocation, &plugin_image_locality, NULL,
};

void filter_reject(struct filter_result *r, enum filter_code code, const char *reason)
{
    if (code > r->code)
        r->code = code;
    if (r->n < REASONS_MAX)
        r->reasons[r->n++] = reason;
}

void normalize_by_max(int64_t *scores, size_t n, bool reverse)
{
    int64_t max = 0;

    for (size_t i = 0; i < n; i++)
        max = MAX(max, scores[i]);
    for (size_t i = 0; i < n; i++) {
        int64_t s = max == 0 ? 0 : SCORE_MAX * scores[i] / max;

        scores[i] = reverse ? SCORE_MAX - s : s;
    }
}

bool tolerates(const struct core_toleration *t, const struct core_taint *taint)
{
    if (t->effect.len > 0 && !str_eq(t->effect, taint->effect))
        return false;
    if (t->key.len > 0 && !str_eq(t->key, taint->key))
        return false;
    if (str_eq(t->operator, STR("Exists")))
        return true;
    return t->key.len > 0 && (t->operator.len == 0 || str_eq(t->operator, STR("Equal"))) &&
           str_eq(t->value, taint->value);
}

bool pod_tolerates(const struct core_pod *pod, const struct core_taint *taint)
{
    for (size_t i = 0; i < pod->spec.tolerations.n; i++) {
        if (tolerates(&pod->spec.tolerations.v[i], taint))
            return true;
    }
    return false;
}

static bool in_list(const struct string_list *l, struct str s)
{
    for (size_t i = 0; i < l->n; i++) {
        if (str_eq(l->v[i], s))
            return true;
    }
    return false;
}

/* @value is STR_NULL when the key is absent. */
static bool requirement_matches(const struct core_node_selector_requirement *r, struct str value)
{
    int64_t have, want;

    if (str_eq(r->operator, STR("In")))
        return value.p && in_list(&r->values, value);
    if (str_eq(r->operator, STR("NotIn")))
        return !value.p || !in_list(&r->values, value);
    if (str_eq(r->operator, STR("Exists")))
        return value.p;
    if (str_eq(r->operator, STR("DoesNotExist")))
        return !value.p;
    if (r->values.n != 1 || !value.p || !str_to_i64(value, &have) ||
        !str_to_i64(r->values.v[0], &want))
        return false;
    if (str_eq(r->operator, STR("Gt")))
        return have > want;
    return str_eq(r->operator, STR("Lt")) && have < want;
}

bool node_term_matches(const struct core_node_selector_term *term, const struct core_node *n)
{
    if (term->match_expressions.n == 0 && term->match_fields.n == 0)
        return false;
    for (size_t i = 0; i < term->match_expressions.n; i++) {
        const struct core_node_selector_requirement *r = &term->match_expressions.v[i];

        if (!requirement_matches(r, string_map_get(&n->metadata.labels, r->key)))
            return false;
    }
    for (size_t i = 0; i < term->match_fields.n; i++) {
        const struct core_node_selector_requirement *r = &term->match_fields.v[i];

        if (!str_eq(r->key, STR("metadata.name")) || !requirement_matches(r, n->metadata.name))
            return false;
    }
    return true;
}
