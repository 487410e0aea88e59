/* journal.c - chunks of events and the views that list them. */
#include "store/journal.h"

enum { BYTES_PARTS = 16 }; /* of a journal's bytes, that a chunk has about one at most */

static void event_drop(struct event *ev)
{
    ev->object = object_unref(ev->object);
    ev->prev = object_unref(ev->prev);
}

static struct journal_chunk *chunk_ref(struct journal_chunk *c)
{
    ref_get(&c->ref);
    return c;
}

struct journal_chunk *journal_chunk_unref(struct journal_chunk *c)
{
    if (!c || !ref_put(&c->ref))
        return NULL;
    for (uint32_t i = 0; i < c->filled; i++)
        event_drop(&c->events[i].event);
    free(c);
    return NULL;
}

uint32_t journal_chunk_n(const struct journal_chunk *c)
{
    return atomic_load_explicit(&c->n, memory_order_acquire);
}

static void view_ref(void *v)
{
    ref_get(&((struct journal_view *)v)->ref);
}

static void view_unref(void *v)
{
    (void)journal_view_unref(v);
}

struct journal_view *journal_view_unref(struct journal_view *v)
{
    if (!v || !ref_put(&v->ref))
        return NULL;
    for (size_t i = 0; i < v->n; i++)
        (void)journal_chunk_unref(v->chunks[i]);
    free(v);
    return NULL;
}

struct journal_view *journal_view_get(const struct journal *j)
{
    return cell_get(j->view);
}

/* Replaces the view by one without the first @drop chunks and with @add (may be NULL; taken over)
 * behind the others. */
static void view_change(struct journal *j, size_t drop, struct journal_chunk *add, int64_t floor)
{
    const struct journal_view *old = j->own;
    size_t keep = old ? old->n - drop : 0, n = keep + (add ? 1 : 0);
    struct journal_view *v = xcalloc(1, sizeof(*v) + n * sizeof(struct journal_chunk *));

    ref_init(&v->ref);
    v->floor = floor;
    v->n = n;
    for (size_t i = 0; i < keep; i++)
        v->chunks[i] = chunk_ref(old->chunks[drop + i]);
    if (add)
        v->chunks[keep] = add;
    j->own = v;
    cell_set(j->view, v);
}

void journal_init(struct journal *j, int64_t floor, uint32_t events_max, uint64_t bytes_max)
{
    *j = (struct journal){.events_max = MAX(events_max, 1u), .bytes_max = MAX(bytes_max, 1u)};
    j->view = cell_new(view_ref, view_unref);
    view_change(j, 0, NULL, floor);
}

void journal_deinit(struct journal *j)
{
    j->view = cell_free(j->view);
    j->own = NULL;
    j->last = NULL;
}

static struct journal_chunk *tail_of(const struct journal *j)
{
    return j->own->n ? j->own->chunks[j->own->n - 1] : NULL;
}

static struct journal_chunk *chunk_add(struct journal *j)
{
    /* Small journals want small chunks, since whole chunks are trimmed. */
    uint32_t cap = MIN((uint32_t)JOURNAL_CHUNK_EVENTS, MAX(j->events_max / 4, 1u));
    struct journal_chunk *c = xcalloc(1, sizeof(*c) + cap * sizeof(c->events[0]));

    ref_init(&c->ref);
    atomic_init(&c->cap, cap);
    c->seq = j->next_seq++;
    view_change(j, 0, c, j->own->floor);
    return c;
}

/* Whole chunks are trimmed: one that holds much gets no more. Readers leave a chunk when they have
 * had as many events as it will ever have. */
static bool is_full(const struct journal *j, struct journal_chunk *c)
{
    if (c->bytes >= j->bytes_max / BYTES_PARTS)
        atomic_store_explicit(&c->cap, c->filled, memory_order_relaxed);
    return c->filled == atomic_load_explicit(&c->cap, memory_order_relaxed);
}

void journal_append(struct journal *j, const struct event *ev, uint64_t now_ms)
{
    struct journal_chunk *c = tail_of(j);

    if (!c || is_full(j, c))
        c = chunk_add(j);
    if (j->last && j->last->event.revision == ev->revision)
        j->last->ends = false; /* unpublished still: a revision is published whole */
    c->events[c->filled] = (struct journal_event){*ev, true};
    j->last = &c->events[c->filled++];
    c->last_ms = now_ms;
    c->bytes += ev->object->json.len;
    j->bytes += ev->object->json.len;
    j->n++;
}

static void drop_chunks(struct journal *j, size_t n)
{
    int64_t floor = j->own->floor;

    for (size_t i = 0; i < n; i++) {
        struct journal_chunk *c = j->own->chunks[i];

        floor = c->events[c->filled - 1].event.revision;
        if (j->last == &c->events[c->filled - 1])
            j->last = NULL;
        j->n -= c->filled;
        j->bytes -= c->bytes;
        atomic_store_explicit(&c->dead, true, memory_order_release);
    }
    if (n)
        view_change(j, n, NULL, floor);
}

void journal_publish(struct journal *j)
{
    size_t i = j->own->n, n = 0, left = j->n, bytes = j->bytes;

    /* Chunks that got events since the last time stand at the end. */
    while (i > 0) {
        struct journal_chunk *c = j->own->chunks[--i];

        if (atomic_load_explicit(&c->n, memory_order_relaxed) == c->filled)
            break;
        atomic_store_explicit(&c->n, c->filled, memory_order_release);
    }
    for (; (left > j->events_max || bytes > j->bytes_max) && n + 1 < j->own->n; n++) {
        left -= j->own->chunks[n]->filled;
        bytes -= j->own->chunks[n]->bytes;
    }
    drop_chunks(j, n);
}

void journal_trim(struct journal *j, uint64_t before_ms)
{
    size_t n = 0;

    while (n < j->own->n && j->own->chunks[n]->last_ms < before_ms)
        n++;
    drop_chunks(j, n);
}

void journal_forget(struct journal *j, int64_t floor)
{
    drop_chunks(j, j->own->n);
    view_change(j, j->own->n, NULL, floor);
}

uint64_t journal_oldest_ms(const struct journal *j)
{
    return j->own->n ? j->own->chunks[0]->last_ms : 0;
}

struct journal_chunk *journal_seek(const struct journal_view *v, int64_t revision,
                                   uint32_t *ret_at)
{
    size_t lo = 0, hi = v->n;
    struct journal_chunk *c;
    uint32_t at = 0, n;

    if (v->n == 0)
        return NULL;
    while (lo < hi) { /* the first chunk whose first event is after @revision, ... */
        size_t mid = (lo + hi) / 2;

        c = v->chunks[mid];
        if (journal_chunk_n(c) && c->events[0].event.revision <= revision)
            lo = mid + 1;
        else
            hi = mid;
    }
    c = v->chunks[lo ? lo - 1 : 0]; /* ... and the one before it, where the place is */
    n = journal_chunk_n(c);
    while (at < n && c->events[at].event.revision <= revision)
        at++;
    *ret_at = at;
    return chunk_ref(c);
}

struct journal_chunk *journal_next(const struct journal_view *v, uint64_t seq)
{
    if (v->n == 0 || v->chunks[0]->seq > seq + 1 || v->chunks[v->n - 1]->seq < seq + 1)
        return NULL;
    return chunk_ref(v->chunks[seq + 1 - v->chunks[0]->seq]);
}
