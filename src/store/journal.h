/* journal.h - the recent events of one resource, in order.
 *
 * Events stand in chunks. The store thread appends; a reader sees a chunk's events up to its
 * atomic count. Which chunks there are is said by a view, an immutable list that is replaced when a
 * chunk comes or goes. A reader takes a reference to the view when it moves from one chunk to
 * the next, and holds only its chunk in between: a slow reader keeps one chunk alive, not what
 * follows it. Trimmed chunks are marked dead, so that readers notice without asking for the view.
 *
 * Layer: store. Threads: each function says.
 */
#pragma once
#include "base/queue.h"
#include "base/ref.h"
#include "store/store.h"

enum { JOURNAL_CHUNK_EVENTS = 128 };
struct journal_event {
    struct event event;
    bool ends; /* the last one of its revision */
};
struct journal_chunk {
    struct ref ref;
    uint64_t seq;     /* rises by one from chunk to chunk */
    atomic_uint n;    /* events that readers may see */
    atomic_bool dead; /* trimmed */
    uint32_t filled;  /* events put in so far; the store thread's */
    uint64_t last_ms; /* when the newest was put in; the store thread's */
    size_t bytes;     /* of JSON in the events; the store thread's */
    atomic_uint cap;  /* events that there will be at most: becomes less when they are large */
    struct journal_event events[];
};
struct journal_view {
    struct ref ref;
    int64_t floor; /* revision of the newest event that is gone: all after it are here */
    size_t n;
    struct journal_chunk *chunks[];
};
struct journal {
    struct cell *view;
    struct journal_view *own; /* the same view, borrowed from the cell, for the store thread */
    struct journal_event *last; /* newest, to correct its `ends` before it is published */
    uint64_t next_seq;
    size_t n, bytes;       /* events held, and the JSON in them */
    uint32_t events_max;
    uint64_t bytes_max;
};

/** An empty journal that knows nothing of what came up to @floor, for about so many events and
 *  bytes of JSON. Store thread. */
void journal_init(struct journal *j, int64_t floor, uint32_t events_max, uint64_t bytes_max);
void journal_deinit(struct journal *j); /** Drops all; cursors keep their chunks. */
/** Appends; takes over the references of @ev. Not seen before journal_publish(). Store thread. */
void journal_append(struct journal *j, const struct event *ev, uint64_t now_ms);
/** Shows what was appended to readers, and trims to the limits. Store thread. */
void journal_publish(struct journal *j);
/** Drops chunks whose newest event came before @before_ms. Store thread. */
void journal_trim(struct journal *j, uint64_t before_ms);
/** Drops all events, and knows nothing any more of what came up to @floor. Store thread. */
void journal_forget(struct journal *j, int64_t floor);
/** When the newest event of the oldest chunk came; 0 when there is none. Store thread. */
uint64_t journal_oldest_ms(const struct journal *j);
/** A reference to the current view. Any thread. */
struct journal_view *journal_view_get(const struct journal *j);
/** Drops it; NULL is a no-op. Returns NULL. Any thread. */
struct journal_view *journal_view_unref(struct journal_view *v);
/** Drops a reference; NULL is a no-op. Returns NULL. Any thread. */
struct journal_chunk *journal_chunk_unref(struct journal_chunk *c);
/** How many of @c's events may be read. Any thread. */
uint32_t journal_chunk_n(const struct journal_chunk *c);
/** The first event after @revision: its chunk (referenced for the caller) and place; the end when
 *  there is none; NULL while there are no chunks. Any thread. */
struct journal_chunk *journal_seek(const struct journal_view *v, int64_t revision,
                                   uint32_t *ret_at);
/** The chunk that follows the one numbered @seq, referenced for the caller, or NULL. Any thread. */
struct journal_chunk *journal_next(const struct journal_view *v, uint64_t seq);
