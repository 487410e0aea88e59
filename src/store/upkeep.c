/* upkeep.c - what the store does on its own: forget old events and old history.
 *
 * Nothing is due while nothing was written: then the store sleeps without a timeout.
 */
#include "store/store_internal.h"

enum {
    STEPS = 16, /* history is forgotten in so many steps */
    REST_MS = 1000,
};

static uint64_t step_ms(const struct store *st)
{
    return MAX(st->opts.history_ms / STEPS, 1u);
}

/* True if what came after @s is more than 1/@part of what history may be. */
static bool is_behind(const struct store *st, const struct sample *s, uint64_t now, unsigned part)
{
    return now - s->at_ms >= MAX(st->opts.history_ms / part, 1u) ||
           st->revision - s->revision >= MAX(st->opts.history_max / part, 1u) ||
           st->written_bytes - s->bytes >= MAX(st->opts.history_bytes / part, 1u);
}

/* Remembers when the store was at which revision: the newest always, older ones a step apart. */
static void sample(struct store *st, uint64_t now)
{
    size_t n = st->n_samples;

    if (n && st->samples[n - 1].revision == st->revision)
        return;
    if (n == STORE_SAMPLES || (n >= 2 && !is_behind(st, &st->samples[n - 2], now, STEPS)))
        n--;
    st->samples[n] = (struct sample){now, st->written_bytes, st->revision};
    st->n_samples = n + 1;
    if (is_behind(st, &st->samples[0], now, 1))
        st->compact_due_ms = now;
    else if (!st->compact_due_ms)
        st->compact_due_ms = st->samples[0].at_ms + st->opts.history_ms;
}

void upkeep_note(struct store *st)
{
    uint64_t now = store_now_ms(st);

    if (st->engine->ops->rest)
        st->rest_due_ms = now + REST_MS;
    if (st->opts.history_ms == UINT32_MAX)
        return;
    sample(st, now);
    if (!st->trim_due_ms)
        st->trim_due_ms = now + st->opts.history_ms + 1;
}

void upkeep_compact(struct store *st, int64_t revision)
{
    st->compact_to = MAX(st->compact_to, revision);
    st->compact_due_ms = 1; /* now */
}

static void trim(struct store *st, uint64_t now)
{
    uint64_t oldest = 0;

    for (size_t i = 0; i < st->caches.n; i++) {
        struct journal *j = &st->caches.v[i]->journal;
        uint64_t at;

        journal_trim(j, now - st->opts.history_ms);
        at = journal_oldest_ms(j);
        if (at && (!oldest || at < oldest))
            oldest = at;
    }
    st->trim_due_ms =
        oldest ? MAX(oldest + st->opts.history_ms + 1, now + step_ms(st)) : 0;
}

/* The newest revision that is a whole history behind becomes the one to compact to. */
static void choose_compaction(struct store *st, uint64_t now)
{
    size_t n = 0;

    while (n < st->n_samples && is_behind(st, &st->samples[n], now, 1))
        n++;
    if (n) {
        st->compact_to = MAX(st->compact_to, st->samples[n - 1].revision);
        st->n_samples -= n;
        memmove(st->samples, st->samples + n, st->n_samples * sizeof(st->samples[0]));
    }
}

int64_t upkeep_held(struct store *st, uint64_t now)
{
    int64_t oldest = INT64_MAX;
    size_t to = 0;

    for (size_t i = 0; i < st->holds.n; i++) {
        struct raw_hold *h = st->holds.v[i];

        if (atomic_load(&h->ended) || h->until_ms <= now) {
            raw_hold_unref(h);
            continue;
        }
        oldest = MIN(oldest, h->revision);
        st->holds.v[to++] = h;
    }
    st->holds.n = to;
    return oldest;
}

/* One slice. True when there are more. */
static bool compact(struct store *st, uint64_t now)
{
    int64_t current, compacted;
    struct err err = {0};
    bool more = false;
    int r = 0;

    choose_compaction(st, now);
    st->engine->ops->revisions(st->engine, &current, &compacted);
    current = MIN(current, upkeep_held(st, now));
    /* Lazy writes may be ahead of the engine. */
    if (st->compact_to)
        r = st->engine->ops->compact(st->engine, MIN(st->compact_to, current), &more, &err);
    store_tell(st, &st->compacting, "compaction", r < 0 ? err.msg : NULL);
    if (r < 0) { /* a full or failing disk: the history stays a little longer */
        st->compact_due_ms = now + STORE_RETRY_MS;
        return false;
    }
    st->engine->ops->revisions(st->engine, &current, &compacted);
    atomic_store_explicit(&st->compacted, compacted, memory_order_relaxed);
    if (!more && st->n_samples)
        st->compact_due_ms = MAX(st->samples[0].at_ms + st->opts.history_ms, now + step_ms(st));
    else if (!more)
        st->compact_due_ms = 0;
    if (!more && compacted < st->compact_to) /* held back: look again whether it is over */
        st->compact_due_ms = now + STORE_RETRY_MS;
    return more;
}

static void rest(struct store *st, uint64_t now)
{
    bool idle = st->rest_due_ms && st->rest_due_ms <= now;

    if (!st->engine->ops->rest)
        return;
    st->engine->ops->rest(st->engine, now, idle);
    if (st->engine->ops->trouble(st->engine))
        store_tell(st, &st->writing, "writing to disk", st->engine->ops->trouble(st->engine));
    if (idle)
        st->rest_due_ms = 0;
}

bool upkeep_run(struct store *st)
{
    uint64_t now = store_now_ms(st);

    rest(st, now);
    if (st->trim_due_ms && st->trim_due_ms <= now)
        trim(st, now);
    return st->compact_due_ms && st->compact_due_ms <= now && compact(st, now);
}

int64_t upkeep_wait_ms(const struct store *st)
{
    uint64_t due = st->lazy_due_ms, now;

    if (st->rest_due_ms && (!due || st->rest_due_ms < due))
        due = st->rest_due_ms;
    if (st->trim_due_ms && (!due || st->trim_due_ms < due))
        due = st->trim_due_ms;
    if (st->compact_due_ms && (!due || st->compact_due_ms < due))
        due = st->compact_due_ms;
    if (!due)
        return -1;
    now = store_now_ms(st);
    return due > now ? (int64_t)(due - now) : 0;
}
