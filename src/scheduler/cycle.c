/* SPDX-License-Identifier: Apache-2.0 */
#include "scheduler/cycle.h"

struct reason {
    const char *text;
    unsigned count;
};
struct cycle {
    const struct cluster *cluster;
    const struct pod_info *pod;
    struct arena *arena;
    const struct node_info **feasible;
    size_t n_feasible;
    struct reason *reasons;
    size_t n_reasons;
    unsigned retry_on;
    unsigned n_unresolvable, n_unschedulable;
};

size_t cycle_enough(size_t n)
{
    size_t percent;

    if (n < 100)
        return n;
    percent = 50 - MIN(n / 125, (size_t)45);
    percent = MAX(percent, (size_t)5);
    return MAX(n * percent / 100, (size_t)100);
}

static void count_reason(struct cycle *c, const char *text)
{
    for (size_t i = 0; i < c->n_reasons; i++) {
        if (strcmp(c->reasons[i].text, text) == 0) {
            c->reasons[i].count++;
            return;
        }
    }
    c->reasons =
        arena_grow(c->arena, c->reasons, c->n_reasons, c->n_reasons + 1, sizeof(*c->reasons));
    c->reasons[c->n_reasons++] = (struct reason){text, 1};
}

/* Runs the filters; the first that rejects the node says why. */
static bool feasible(struct cycle *c, const struct node_info *n)
{
    for (const struct plugin *const *p = scheduler_plugins; *p; p++) {
        struct filter_result r = {.arena = c->arena};

        if (!(*p)->filter)
            continue;
        (*p)->filter(c->pod, n, &r);
        if (r.code == FILTER_OK)
            continue;
        for (unsigned i = 0; i < r.n; i++)
            count_reason(c, r.reasons[i]);
        c->retry_on |= (*p)->retry_on;
        if (r.code == FILTER_UNSCHEDULABLE)
            c->n_unschedulable++;
        else
            c->n_unresolvable++;
        return false;
    }
    return true;
}

static void filter_nodes(struct cycle *c, size_t *start)
{
    size_t n = c->cluster->nodes.n, enough = cycle_enough(n), seen = 0;

    c->feasible = arena_calloc(c->arena, enough + 1, sizeof(struct node_info *));
    for (; seen < n && c->n_feasible < enough; seen++) {
        const struct node_info *node = c->cluster->nodes.v[(*start + seen) % n];

        if (feasible(c, node))
            c->feasible[c->n_feasible++] = node;
    }
    *start = n > 0 ? (*start + seen) % n : 0;
}

static const struct node_info *select_node(struct cycle *c, struct random *random)
{
    size_t n = c->n_feasible, best = 0, ties = 0;
    int64_t *total = arena_calloc(c->arena, n, sizeof(*total));
    int64_t *scores = arena_calloc(c->arena, n, sizeof(*scores));

    if (n == 1)
        return c->feasible[0];
    for (const struct plugin *const *p = scheduler_plugins; *p; p++) {
        if (!(*p)->score)
            continue;
        for (size_t i = 0; i < n; i++)
            scores[i] = (*p)->score(c->pod, c->feasible[i], c->cluster->nodes.n);
        if ((*p)->normalize)
            (*p)->normalize(scores, n);
        for (size_t i = 0; i < n; i++)
            total[i] += (*p)->weight * scores[i];
    }
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || total[i] > total[best]) {
            best = i;
            ties = 1;
        } else if (total[i] == total[best] && random_below(random, ++ties) == 0) {
            best = i; /* each of the equal ones is chosen with the same probability */
        }
    }
    return c->feasible[best];
}

static int by_text(const void *va, const void *vb)
{
    return strcmp(*(char *const *)va, *(char *const *)vb);
}

/* "2 Insufficient cpu, 1 node(s) were unschedulable": sorted as texts, as upstream sorts them. */
static void write_reasons(struct cycle *c, struct buf *b)
{
    char **texts = arena_calloc(c->arena, c->n_reasons + 1, sizeof(char *));

    for (size_t i = 0; i < c->n_reasons; i++)
        texts[i] = arena_printf(c->arena, "%u %s", c->reasons[i].count, c->reasons[i].text);
    qsort(texts, c->n_reasons, sizeof(*texts), by_text);
    for (size_t i = 0; i < c->n_reasons; i++)
        buf_printf(b, "%s%s", i > 0 ? ", " : "", texts[i]);
}

/* There is no preemption to be had: upstream's texts for that. */
static void write_preemption(struct cycle *c, size_t n_nodes, struct buf *b)
{
    const struct str *policy = c->pod->pod->spec.preemption_policy;
    char *texts[2];
    size_t n = 0;

    if (policy && str_eqz(*policy, "Never")) {
        buf_puts(b, " preemption: not eligible due to preemptionPolicy=Never.");
        return;
    }
    buf_printf(b, " preemption: 0/%zu nodes are available: ", n_nodes);
    if (c->n_unresolvable > 0)
        texts[n++] = arena_printf(c->arena, "%u Preemption is not helpful for scheduling",
                                  c->n_unresolvable);
    if (c->n_unschedulable > 0)
        texts[n++] = arena_printf(c->arena, "%u No preemption victims found for incoming pod",
                                  c->n_unschedulable);
    qsort(texts, n, sizeof(*texts), by_text);
    for (size_t i = 0; i < n; i++)
        buf_printf(b, "%s%s", i > 0 ? ", " : "", texts[i]);
    buf_putc(b, '.');
}

static struct str no_node_message(struct cycle *c)
{
    size_t n = c->cluster->nodes.n;
    auto_buf b = {0};

    if (n == 0)
        return STR("no nodes available to schedule pods");
    buf_printf(&b, "0/%zu nodes are available: ", n);
    write_reasons(c, &b);
    buf_putc(&b, '.');
    write_preemption(c, n, &b);
    return str_dup(c->arena, buf_view(&b));
}

void cycle_run(const struct cluster *cluster, const struct pod_info *pod, struct random *random,
               size_t *start, struct arena *a, struct cycle_result *ret_r)
{
    struct cycle c = {.cluster = cluster, .pod = pod, .arena = a};

    *ret_r = (struct cycle_result){0};
    filter_nodes(&c, start);
    if (c.n_feasible > 0) {
        ret_r->node = select_node(&c, random);
        return;
    }
    ret_r->message = no_node_message(&c);
    ret_r->retry_on = cluster->nodes.n > 0 ? c.retry_on : CHANGE_NODE_ADDED;
}
