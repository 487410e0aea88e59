/* watcher.h - one watch: the state at its start, then what changes, as its selectors see it; and
 * the hub that wakes all watches of a loop with one subscription per resource. Internal to
 * apiserver/.
 *
 * A watcher is a cursor into the journal of its resource and holds no events. Its owner pulls items
 * with watcher_next() until there are none, and goes on when on_wake is called.
 *
 * Layer: apiserver. Threads: the loop given to watcher_new().
 */
#pragma once
#include "apiserver/apiserver_internal.h"

enum {
    WATCH_BOOKMARK_MS = 60000,      /* between bookmarks, at least; spread by a tenth */
    WATCH_BOOKMARK_EARLY_MS = 2000, /* the last one, before the timeout */
    WATCH_TIMEOUT_MIN_SEC = 1800,   /* without timeoutSeconds: random from here to the double */
};
enum watch_type { WATCH_TYPE_ADDED, WATCH_TYPE_MODIFIED, WATCH_TYPE_DELETED, WATCH_TYPE_BOOKMARK };
extern const char *const watch_type_names[]; /* "ADDED", ... */

struct watch_item {
    enum watch_type type;
    struct object *object; /* of opts.res; a reference of the receiver. BOOKMARK: an empty object
                              with resourceVersion, and the annotation when initial_end */
    int64_t revision;
    bool initial_end;      /* the BOOKMARK behind the initial state */
};
struct watcher_opts {
    struct cache *cache;
    const struct resource *res;  /* what is shown; its storage's cache is `cache` */
    struct str prefix;           /* of the keys; borrowed */
    const struct selector *labels, *fields; /* borrowed */
    int64_t revision;    /* events after it; 0: what there is now comes first, as ADDED */
    bool from_now;       /* no state, only changes from now on; revision is ignored */
    bool initial_end;    /* a BOOKMARK follows the state */
    bool bookmarks;
    int64_t timeout_sec; /* 0: random */
    void (*on_wake)(void *arg);
    void *arg;
};
struct watcher;
/** Opens a watch on @loop. ERR_EXPIRED "too old resource version: N (M)". */
MUST_USE int watcher_new(struct apiserver *as, struct loop *loop, const struct watcher_opts *opts,
                         struct watcher **ret_w, struct err *err);
/** 1 with the next item; 0: none yet, on_wake will be called; ERR_EXPIRED: too slow; ERR_EOF: its
 *  time is over. */
MUST_USE int watcher_next(struct watcher *w, struct watch_item *ret_item, struct err *err);
/** Ends it. NULL is a no-op; returns NULL. */
struct watcher *watcher_free(struct watcher *w);
/** Makes watcher_next() return ERR_EOF from now on, and wakes the owner. */
void watcher_stop(struct watcher *w);

/** A watcher for the options of @rq (a list or watch request); common to HTTP and calls in the
 *  process. */
MUST_USE int watcher_for_request(struct request *rq, void (*on_wake)(void *arg), void *arg,
                                 struct watcher **ret_w, struct err *err);

/** stage_watch() for a client that asks for a WebSocket; watch_websocket.c. */
enum stage_result watch_websocket(struct request *rq);

struct watch_hubs; /* one hub a loop */
int watch_hubs_start(struct apiserver *as, struct err *err); /** A part of the server. */
void watch_hubs_free(struct apiserver *as);                  /** Its end; no watch is left. */
/** How many watches are open, on all loops. Any thread. */
unsigned watch_count(const struct apiserver *as);
/** Watch events handed out since the start, on all loops. Any thread. */
uint64_t watch_events_total(const struct apiserver *as);
