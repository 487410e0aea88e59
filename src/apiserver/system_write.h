/* system_write.h - what the server writes on its own account: several objects in one transaction,
 * outside any request.
 *
 * Internal to apiserver/. Threads: the main API loop.
 */
#pragma once
#include "apiserver/apiserver_internal.h"

struct system_write;
/** An empty transaction. Ends with system_write_commit() or system_write_drop(). */
struct system_write *system_write_new(struct apiserver *as);
/** Memory that lives until the end of @w. */
struct arena *system_write_arena(struct system_write *w);
/** Adds the object @typed, a struct of res->type (read at once). @expect: STORE_ABSENT, which gives
 * it uid and creationTimestamp, or the revision to be replaced. */
void system_write_put(struct system_write *w, const struct resource *res, void *typed,
                      int64_t expect);
/** Adds the removal of (@ns, @name) at revision @expect. */
void system_write_delete(struct system_write *w, const struct resource *res, struct str ns,
                         struct str name, int64_t expect);
/** How many operations there are. */
size_t system_write_n(const struct system_write *w);
/** Commits, then calls @on_done once on the main loop, never from inside this call, with the code
 *  of the transaction, and frees @w. */
void system_write_commit(struct system_write *w,
                         void (*on_done)(void *arg, int code, const struct err *err), void *arg);
/** Frees @w without a write. */
void system_write_drop(struct system_write *w);
