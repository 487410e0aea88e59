/* SPDX-License-Identifier: Apache-2.0 */
/* leader.c - whoever renews the Lease leads; it is taken when its holder has been silent for its
 * duration by OUR clock, so clocks need not agree (client-go's rule). */
#include "client/leader.h"

#include "base/log.h"
#include "schema/typed.h"

struct leader {
    struct client *client;
    struct leader_opts opts;
    struct timer timer;
    struct object *seen;   /* the Lease as last read */
    uint64_t seen_ms;      /* when it last changed */
    uint64_t began_ms;     /* when the last write of the Lease was sent */
    struct timer deadline; /* ends our leadership unless we renew it in time, whatever calls do */
    bool leading, busy, freed;
};

static void attempt(struct leader *l);

static void release(struct leader *l)
{
    if (!l->freed || l->busy)
        return;
    object_unref(l->seen);
    free(l);
}

static void set_leading(struct leader *l, bool leading)
{
    if (l->leading == leading)
        return;
    l->leading = leading;
    LOG_INFO("leader", "%s lease=%s/%s identity=%s", leading ? "leading" : "stopped leading",
             l->opts.ns, l->opts.name, l->opts.identity);
    if (leading)
        l->opts.on_started(l->opts.arg);
    else
        l->opts.on_stopped(l->opts.arg);
}

/* The turn is over: try again, or notice that the Lease has been lost. */
static void end_turn(struct leader *l)
{
    l->busy = false;
    if (l->freed) {
        release(l);
        return;
    }
    timer_start(&l->timer, l->opts.retry_ms, 0);
}

static void saw(struct leader *l, struct object *o)
{
    if (l->seen && o && l->seen->revision == o->revision)
        return;
    object_unref(l->seen);
    l->seen = o ? object_ref(o) : NULL;
    l->seen_ms = loop_now_ms(client_loop(l->client));
}

static bool ours(const struct leader *l)
{
    const struct coordination_lease *lease =
        l->seen ? OBJECT_AS(coordination_lease, l->seen) : NULL;

    return lease && lease->spec.holder_identity &&
           str_eqz(*lease->spec.holder_identity, l->opts.identity);
}

/* The Lease is ours, from the moment at which the write was sent. */
static void renewed(struct leader *l)
{
    uint64_t took_ms = loop_now_ms(client_loop(l->client)) - l->began_ms;

    if (l->freed)
        return;
    if (took_ms >= l->opts.renew_ms) {
        set_leading(l, false); /* too late: another may have taken it as abandoned */
        return;
    }
    timer_start(&l->deadline, l->opts.renew_ms - took_ms, 0);
    set_leading(l, true);
}

static void on_deadline(struct timer *t)
{
    set_leading(container_of(t, struct leader, deadline), false);
}

static void on_written(void *arg, const struct client_result *r)
{
    struct leader *l = arg;

    if (r->code == 0) {
        saw(l, r->object);
        renewed(l);
    } else if (r->code == ERR_CONFLICT || r->code == ERR_EXISTS) {
        if (!l->freed)
            set_leading(l, false);
    }
    end_turn(l);
}

static void write_lease(struct leader *l, bool create)
{
    struct coordination_lease lease = {0};
    struct str identity = str_from(l->opts.identity);
    struct time_value now = time_from_ns(loop_wall_ns(client_loop(l->client)));
    int32_t seconds = (int32_t)(l->opts.lease_ms / 1000), transitions = 0;
    const struct coordination_lease *old = create ? NULL : OBJECT_AS(coordination_lease, l->seen);

    if (old)
        lease = *old;
    if (old && old->spec.lease_transitions)
        transitions = *old->spec.lease_transitions;
    if (old && !ours(l))
        transitions++;
    if (!old || !ours(l))
        lease.spec.acquire_time = now;
    lease.metadata.name = str_from(l->opts.name);
    lease.metadata.namespace = str_from(l->opts.ns);
    lease.spec.holder_identity = &identity;
    lease.spec.lease_duration_seconds = &seconds;
    lease.spec.lease_transitions = &transitions;
    lease.spec.renew_time = now;
    l->began_ms = loop_now_ms(client_loop(l->client));
    if (create)
        client_create(l->client, &res_coordination_leases, str_from(l->opts.ns), STR_NULL, NULL,
                      &lease, NULL, on_written, l);
    else
        client_update(l->client, &res_coordination_leases, str_from(l->opts.ns),
                      str_from(l->opts.name), &lease, NULL, on_written, l);
}

/* How long the holder may be silent, as it says itself: it need not be one of ours. */
static uint64_t duration_ms(const struct leader *l, const struct coordination_lease *lease)
{
    const int32_t *seconds = lease->spec.lease_duration_seconds;

    return seconds && *seconds > 0 ? (uint64_t)*seconds * 1000 : l->opts.lease_ms;
}

static void on_read(void *arg, const struct client_result *r)
{
    struct leader *l = arg;
    const struct coordination_lease *lease;
    uint64_t now = loop_now_ms(client_loop(l->client));
    bool held;

    if (l->freed || (r->code != 0 && r->code != ERR_NOT_FOUND)) {
        end_turn(l);
        return;
    }
    saw(l, r->code == 0 ? r->object : NULL);
    if (!l->seen) {
        write_lease(l, true);
        return;
    }
    lease = OBJECT_AS(coordination_lease, l->seen);
    held = lease->spec.holder_identity && lease->spec.holder_identity->len > 0 && !ours(l);
    if (held && now - l->seen_ms < duration_ms(l, lease)) {
        set_leading(l, false);
        end_turn(l);
        return;
    }
    write_lease(l, false);
}

static void attempt(struct leader *l)
{
    l->busy = true;
    client_get(l->client, &res_coordination_leases, str_from(l->opts.ns), str_from(l->opts.name),
               NULL, on_read, l);
}

static void on_timer(struct timer *t)
{
    attempt(container_of(t, struct leader, timer));
}

struct leader *leader_new(struct client *c, const struct leader_opts *opts)
{
    struct leader *l = xnew(struct leader);

    l->client = c;
    l->opts = *opts;
    if (l->opts.lease_ms == 0)
        l->opts.lease_ms = 15000;
    if (l->opts.renew_ms == 0)
        l->opts.renew_ms = 10000;
    if (l->opts.retry_ms == 0)
        l->opts.retry_ms = 2000;
    timer_init(&l->timer, client_loop(c), on_timer);
    timer_init(&l->deadline, client_loop(c), on_deadline);
    timer_start(&l->timer, 0, 0);
    return l;
}

static void on_given_up(void *arg, const struct client_result *r)
{
    (void)arg;
    if (r->code < 0 && r->code != ERR_CANCELED)
        LOG_DEBUG("leader", "lease not given up: %s", r->err->msg);
}

struct leader *leader_free(struct leader *l)
{
    if (!l)
        return NULL;
    timer_stop(&l->timer);
    timer_stop(&l->deadline);
    if (l->leading && ours(l)) {
        struct coordination_lease lease = *OBJECT_AS(coordination_lease, l->seen);
        struct str nobody = STR("");

        lease.spec.holder_identity = &nobody;
        client_update(l->client, &res_coordination_leases, str_from(l->opts.ns),
                      str_from(l->opts.name), &lease, NULL, on_given_up, NULL);
    }
    l->freed = true;
    release(l);
    return NULL;
}
