/* respond.h - writing answers in the negotiated form: as JSON, YAML or protobuf, as object, Table
 * or PartialObjectMetadata, compressed when asked for; or into an in-process call. Internal to
 * apiserver/.
 *
 * All go to the HTTP exchange through request_send() or request_send_source(), or, for a call in
 * the process, into its struct. They set the answer and return STAGE_DONE; status.c is how stages
 * reach them (request_answer_*(), request_fail*()).
 *
 * Layer: apiserver. Threads: the request's
 * loop. */
#pragma once
#include "apiserver/stages.h"

struct meta_status;

/** The stored object @o (of rq->res->storage; borrowed) as rq->res shows it, in rq->out_media and
 *  rq->as_form. */
enum stage_result respond_object(struct request *rq, int status, struct object *o);
/** The struct @obj of @type in rq->out_media, with kind and apiVersion of @type set where the
 * struct has none. AS_TABLE and AS_PARTIAL apply only when @type is rq->res->type. */
enum stage_result respond_typed(struct request *rq, int status, const struct type *type,
                                const void *obj);
/** A Status: as respond_typed(), never as Table; it falls back to JSON when nothing was
 *  negotiated yet. In-process: code (an ERR_* or 0), http_status and the message go into the
 * call. */
enum stage_result respond_status(struct request *rq, int code, const struct meta_status *st);
/** Plain bytes. In-process: answer_json. */
enum stage_result respond_bytes(struct request *rq, int status, const char *type, struct str body);
/** A body of any length, 200: what @src gives (taken over; it does not wait), compressed when it is
 *  large and the client takes that. */
enum stage_result respond_stream(struct request *rq, const char *type, struct http_source src);
