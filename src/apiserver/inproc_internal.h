/* inproc_internal.h - how answers and watch events reach a call in the process. Internal to
 * apiserver/.
 *
 * Each inproc_answer_*() marks the request answered, and posts on_done to the caller's loop; only
 * the first answer of a request counts.
 *
 * Layer: apiserver. Threads: the main API loop.
 */
#pragma once
#include "apiserver/inproc.h"
#include "apiserver/stages.h"

struct meta_status;

/** Answers with @o; takes over the reference. */
void inproc_answer_object(struct request *rq, int status, struct object *o);
/** Answers with @n objects (references and the array, from malloc, are taken over). */
void inproc_answer_list(struct request *rq, struct object **objects, size_t n, int64_t revision);
/** Answers with a JSON document (copied). */
void inproc_answer_json(struct request *rq, int status, struct str json);
/** Answers with @code (an ERR_* or 0) and the message of @st. */
void inproc_answer_status(struct request *rq, int status, int code, const struct meta_status *st);
/** Starts the stream of a VERB_WATCH call whose options are in @rq->list. */
enum stage_result inproc_watch(struct request *rq);
