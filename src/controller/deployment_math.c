/* SPDX-License-Identifier: Apache-2.0 */
/* deployment_math.c - how many pods each ReplicaSet of a Deployment may have. */
#include "controller/deployment.h"

#include <stdio.h>

#include "schema/typed.h"

bool template_equal(const struct core_pod_template_spec *a, const struct core_pod_template_spec *b,
                    struct arena *arena)
{
    struct core_pod_template_spec x = *a, y = *b;

    x.metadata.labels = y.metadata.labels = (struct string_map){0};
    for (size_t i = 0; i < a->metadata.labels.n; i++)
        string_map_set(arena, &x.metadata.labels, a->metadata.labels.v[i].key,
                       a->metadata.labels.v[i].value);
    for (size_t i = 0; i < b->metadata.labels.n; i++)
        string_map_set(arena, &y.metadata.labels, b->metadata.labels.v[i].key,
                       b->metadata.labels.v[i].value);
    string_map_remove(&x.metadata.labels, STR(LABEL_HASH));
    string_map_remove(&y.metadata.labels, STR(LABEL_HASH));
    return typed_equal(&type_core_pod_template_spec, &x, &y);
}

/* Any hash serves: sets are recognised by their template. The alphabet avoids words, as upstream's.
 */
struct str template_hash(const struct core_pod_template_spec *t, int32_t collisions,
                         struct arena *arena)
{
    static const char alphabet[] = "bcdfghjklmnpqrstvwxz2456789";
    auto_buf json = {0};
    char decimal[16], *text;
    uint32_t hash;
    int n;

    typed_write_json(&type_core_pod_template_spec, t, &json);
    buf_printf(&json, "#%d", collisions);
    hash = (uint32_t)str_hash(buf_view(&json));
    n = snprintf(decimal, sizeof(decimal), "%u", hash);
    text = arena_alloc(arena, (size_t)n + 1);
    for (int i = 0; i < n; i++)
        text[i] = alphabet[(unsigned char)decimal[i] % (sizeof(alphabet) - 1)];
    return (struct str){text, (size_t)n};
}

void rolling_bounds(const struct apps_deployment *d, int32_t replicas, int32_t *ret_surge,
                    int32_t *ret_unavailable)
{
    const struct apps_rolling_update_deployment *r = d->spec.strategy.rolling_update;

    *ret_surge = *ret_unavailable = 0;
    if (!str_eq(d->spec.strategy.type, STR("RollingUpdate")) || replicas == 0)
        return;
    if (r) {
        *ret_surge = scaled_value(r->max_surge, replicas, true);
        *ret_unavailable = scaled_value(r->max_unavailable, replicas, false);
    }
    if (*ret_surge == 0 && *ret_unavailable == 0)
        *ret_unavailable = 1; /* else no step would ever be possible */
    *ret_unavailable = MIN(*ret_unavailable, replicas);
}

int32_t rolling_new_size(int32_t replicas, int32_t max_surge, int32_t all, int32_t new_now)
{
    int32_t room = replicas + max_surge - all;

    if (room <= 0)
        return new_now;
    return new_now + MIN(room, MAX(replicas - new_now, 0));
}

int32_t rolling_scale_down_max(int32_t all, int32_t min_available, int32_t new_unavailable)
{
    return MAX(all - min_available - new_unavailable, 0);
}

int32_t total_replicas(const struct dep *dep)
{
    int32_t sum = 0;

    for (size_t i = 0; i < dep->n; i++)
        sum += dep->sets[i].replicas;
    return sum;
}

static bool annotation_int(const struct dep_set *s, struct str name, int32_t *ret_n)
{
    int64_t n;

    if (!str_to_i64(string_map_get(&s->set->metadata.annotations, name), &n) || n < 0 ||
        n > INT32_MAX)
        return false;
    *ret_n = (int32_t)n;
    return true;
}

bool scaling_event(const struct dep *dep)
{
    for (size_t i = 0; i < dep->n; i++) {
        int32_t desired;

        if (dep->sets[i].replicas > 0 &&
            annotation_int(&dep->sets[i], STR(ANN_DESIRED), &desired) && desired != dep->replicas)
            return true;
    }
    return false;
}

/* What @s would have if it kept its share of the whole; the change, limited to what is @left. */
static int32_t share_change(const struct dep *dep, const struct dep_set *s, int32_t left)
{
    int32_t max_before, allowed = dep->replicas + dep->max_surge, share;

    if (s->replicas == 0 || left == 0)
        return 0;
    if (!annotation_int(s, STR(ANN_MAX), &max_before) || max_before == 0)
        max_before = dep->d->status.replicas;
    if (max_before == 0)
        return 0;
    share =
        (int32_t)(((int64_t)s->replicas * allowed * 2 + max_before) / ((int64_t)max_before * 2));
    share -= s->replicas;
    return left > 0 ? MAX(0, MIN(share, left)) : MIN(0, MAX(share, left));
}

static int by_size_new_first(const void *va, const void *vb)
{
    const struct dep_set *a = *(struct dep_set *const *)va, *b = *(struct dep_set *const *)vb;

    if (a->replicas != b->replicas)
        return a->replicas > b->replicas ? -1 : 1;
    return -time_cmp(a->set->metadata.creation_timestamp, b->set->metadata.creation_timestamp);
}

static int by_size_old_first(const void *va, const void *vb)
{
    const struct dep_set *a = *(struct dep_set *const *)va, *b = *(struct dep_set *const *)vb;

    if (a->replicas != b->replicas)
        return a->replicas > b->replicas ? -1 : 1;
    return time_cmp(a->set->metadata.creation_timestamp, b->set->metadata.creation_timestamp);
}

void proportional_scale(struct dep *dep, struct dep_set **sets, size_t n)
{
    int32_t allowed = dep->replicas > 0 ? dep->replicas + dep->max_surge : 0, left = allowed;

    for (size_t i = 0; i < n; i++)
        left -= sets[i]->replicas;
    if (n == 0 || left == 0)
        return;
    qsort(sets, n, sizeof(*sets), left > 0 ? by_size_new_first : by_size_old_first);
    for (size_t i = 0; i < n; i++) {
        int32_t change = share_change(dep, sets[i], left);

        sets[i]->replicas += change;
        left -= change;
    }
    sets[0]->replicas = MAX(0, sets[0]->replicas + left);
}
