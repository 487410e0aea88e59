/* fake_api.h - a small API in memory behind the client's transport, for tests of components on a
 * simulated loop: create, update, patch, delete and watch, with random delays; no validation,
 * admission or selectors. Failures can be injected, writes are counted and logged. */
#pragma once
#include "client/transport.h"

struct fake;
/** An empty API on @l, which must be simulated. */
struct fake *fake_new(struct loop *l);
/** Frees it; all clients must have been freed and their last callbacks run. */
void fake_free(struct fake *f);
/** A client; freed by client_free(). */
struct client *fake_client(struct fake *f);

/** Creates an object from JSON as it stands (with status); fills uid and times if absent. */
void fake_put(struct fake *f, const struct resource *res, const char *json);
/** Applies the merge patch @json to any part of an object. */
void fake_edit(struct fake *f, const struct resource *res, const char *ns, const char *name,
               const char *json);
/** Removes an object at once. */
void fake_remove(struct fake *f, const struct resource *res, const char *ns, const char *name);
/** The object, borrowed until the next write, or NULL. */
struct object *fake_find(struct fake *f, const struct resource *res, const char *ns,
                         const char *name);
/** The @i-th object of @res by key, or NULL. */
struct object *fake_nth(struct fake *f, const struct resource *res, size_t i);
size_t fake_count(struct fake *f, const struct resource *res); /** Objects of @res. */

/** The next @n calls of @verb on @res (NULL: any) fail with @code and text @msg (static). */
void fake_fail(struct fake *f, enum verb verb, const struct resource *res, unsigned n, int code,
               const char *msg);
/** Ends all watches with @code (0: the server closed them). */
void fake_end_watches(struct fake *f, int code);
/** While @stalled, calls are not answered. */
void fake_stall(struct fake *f, bool stalled);
/** While @held, watches deliver nothing. */
void fake_hold_watches(struct fake *f, bool held);
/** From now on the watches of @res, and no others, deliver nothing; NULL: all do. */
void fake_hold_watches_of(struct fake *f, const struct resource *res);
/** How many events with @reason were recorded (their counts summed). */
unsigned fake_events(struct fake *f, const char *reason);
/** The message of the last recorded event with @reason, "" if none; until the next write. */
const char *fake_event_text(struct fake *f, const char *reason);
/** How many calls began with @text, "create pods", "patch pods/status default/a"; those about
 * events are not logged. */
unsigned fake_calls(struct fake *f, const char *text);
void fake_forget_calls(struct fake *f); /** Empties the log of calls. */
/** Prints the calls; for the search after a failure. */
void fake_print_calls(struct fake *f);
