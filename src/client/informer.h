/* informer.h - a local, always current copy of a resource, shared by all who want it.
 *
 * Lists and watches (with initial events), re-establishes by itself with back-off, and tells
 * its handlers of every change. Objects are the shared records themselves.
 *
 * Layer: client. Threads: the client's loop.
 */
#pragma once
#include "base/omap.h"
#include "client/client.h"

struct informer;
struct informers; /* a factory: one informer for each (resource, namespace, selectors) */
struct informer_handler {
    void (*on_add)(void *arg, struct object *o); /* may be NULL, as the others */
    void (*on_update)(void *arg, struct object *old, struct object *o);
    void (*on_delete)(void *arg, struct object *o);
    void *arg;
};
struct informers *informers_new(struct client *c);     /** A factory over @c (borrowed). */
struct informers *informers_free(struct informers *f); /** Stops and frees all. Returns NULL. */
/** The informer of @res in @ns (empty: all) with selectors (NULL: none); started at once. */
struct informer *informers_get(struct informers *f, const struct resource *res, struct str ns,
                               const char *label_selector, const char *field_selector);
/** Adds a handler (copied); for objects already known on_add runs soon, from the loop. */
void informer_add_handler(struct informer *i, const struct informer_handler *h);
/** True once the first full state has arrived and been handed out. */
bool informer_synced(const struct informer *i);
/** Everything up to this revision has been handed out; 0 before the first event. */
int64_t informer_revision(const struct informer *i);
/** True once all informers of the factory are synced. */
bool informers_synced(const struct informers *f);
/** Runs @fn(@arg) once, on the loop, when all present informers are synced. */
void informers_on_synced(struct informers *f, void (*fn)(void *arg), void *arg);
/** The object, borrowed until the next return to the loop, or NULL. */
struct object *informer_find(const struct informer *i, struct str ns, struct str name);
/** All objects by store key order; borrowed, do not change during iteration (handlers run from the
 * loop). */
const struct omap *informer_objects(const struct informer *i);
/* for (struct object *o = informer_first(i, ns, &it); o; o = informer_next(&it)) ... */
struct informer_iter {
    struct omap_iter it;
    struct str ns; /* borrowed from the caller */
};
/** Begins to walk the objects of @ns (empty: all). */
struct object *informer_first(const struct informer *i, struct str ns, struct informer_iter *it);
struct object *informer_next(struct informer_iter *it); /** The next, or NULL. */
