/* documents.h - large documents that are made on demand, off the loop, and kept for a few minutes;
 * and what lets clients keep them: ETag. Internal to apiserver/.
 * Layer: apiserver. Threads: any, but where said. */
#pragma once
#include "apiserver/stages.h"
#include "base/ref.h"

enum { DOCUMENT_KEEP_MS = 120000 }; /* after the last use */

struct document { /* immutable */
    struct ref ref;
    char *key;
    struct buf body;
    char *etag; /* with quotes; the hash is what is between them */
};
struct documents; /* of a server */
int documents_start(struct apiserver *as, struct err *err); /** Makes as->documents. */
void documents_free(struct apiserver *as);                  /** Main loop's thread. */

/** A reference to the document @key if it is kept, else NULL. */
struct document *document_find(struct apiserver *as, struct str key);
struct document *document_unref(struct document *d); /** NULL is a no-op; returns NULL. */
/** Makes the document @key with @make on the worker pool and keeps it; then @then runs, with it or
 *  with NULL (make returned false) in *rq->state: a struct document *, whose reference is @then's
 *  to drop. Returns STAGE_WAIT. On the request's loop. */
enum stage_result document_make(struct request *rq, struct str key,
                                bool (*make)(struct apiserver *as, struct str key,
                                             struct buf *out),
                                stage_fn then);

/** The ETag of @body: quoted SHA-512 in upper-case hex. In @a. */
struct str document_etag(struct str body, struct arena *a);
/** True if If-None-Match of @rq holds @etag. */
bool document_unchanged(const struct request *rq, struct str etag);
