/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/controller.h"

void plan_add(struct plan *p, const struct plan_op *op)
{
    if (p->n == p->cap) {
        size_t cap = p->cap ? p->cap * 2 : 8;

        p->ops = arena_grow(p->arena, p->ops, p->n, cap, sizeof(*p->ops));
        p->batches = arena_grow(p->arena, p->batches, p->n, cap, sizeof(*p->batches));
        p->cap = cap;
    }
    p->ops[p->n] = *op;
    p->batches[p->n++] = p->batch;
}

void plan_barrier(struct plan *p)
{
    p->batch++;
}

void plan_requeue(struct plan *p, uint64_t ms)
{
    if (p->requeue_ms == 0 || ms < p->requeue_ms)
        p->requeue_ms = ms > 0 ? ms : 1;
}

void plan_event(struct plan *p, const struct object *o, const char *type, const char *reason,
                const char *fmt, ...)
{
    struct plan_event_text *e;
    va_list args;

    p->events = arena_grow(p->arena, p->events, p->n_events, p->n_events + 1, sizeof(*p->events));
    e = &p->events[p->n_events++];
    *e = (struct plan_event_text){.on = o, .type = type, .reason = reason};
    va_start(args, fmt);
    e->text.p = arena_vprintf(p->arena, &e->text.len, fmt, args);
    va_end(args);
}
