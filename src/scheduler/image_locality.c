/* SPDX-License-Identifier: Apache-2.0 */
/* image_locality.c - prefers nodes that hold the pod's images already; images that few nodes have
 * count less, so that pods do not all flock to one. */
#include "scheduler/framework.h"

static const int64_t mib = 1024 * 1024;

/* The name that nodes report: without a tag it is "latest". */
static bool same_image(struct str asked, struct str have)
{
    long slash = str_rfind_char(asked, '/');
    struct str last = str_sub(asked, (size_t)(slash + 1), asked.len);

    if (str_eq(asked, have))
        return true;
    return str_find_char(last, ':') < 0 && str_find_char(last, '@') < 0 &&
           have.len == asked.len + 7 && str_has_prefix(have, asked) &&
           str_has_suffix(have, STR(":latest"));
}

static int64_t size_of(struct str image, const struct node_info *n, size_t n_nodes)
{
    for (size_t i = 0; i < n->n_images; i++) {
        if (same_image(image, n->images[i].name))
            return (int64_t)((double)n->images[i].size_bytes * n->images[i].n_nodes /
                             (double)n_nodes);
    }
    return 0;
}

static int64_t score(const struct pod_info *pod, const struct node_info *n, size_t n_nodes)
{
    const struct core_pod_spec *spec = &pod->pod->spec;
    int64_t containers = (int64_t)(spec->containers.n + spec->init_containers.n);
    int64_t min = 23 * mib, max = 1000 * mib * containers, sum = 0;

    if (n->n_images == 0)
        return 0;
    for (size_t i = 0; i < spec->containers.n; i++)
        sum += size_of(spec->containers.v[i].image, n, n_nodes);
    for (size_t i = 0; i < spec->init_containers.n; i++)
        sum += size_of(spec->init_containers.v[i].image, n, n_nodes);
    if (max <= min)
        return 0;
    sum = MIN(MAX(sum, min), max);
    return SCORE_MAX * (sum - min) / (max - min);
}

const struct plugin plugin_image_locality = {.name = "ImageLocality", .score = score, .weight = 1};
