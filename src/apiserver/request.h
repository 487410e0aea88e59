/* request.h - one API request on its way through the pipeline, and the stages it passes.
 *
 *     http or in-process call -> route -> authenticate -> authorize -> negotiate -> options
 *       -> verb (get | list | watch | create | update | patch | delete | connect)
 *
 * and a verb that writes: decode -> default -> mutate -> prepare -> validate -> admit -> commit ->
 * respond.
 *
 * Each stage is one file with one function `enum stage_result stage_x(struct request *rq)`: it
 * hands the request on, or ends it with an answer, or waits (a commit, a webhook) and later calls
 * request_resume(). Nothing flows back. A request ends exactly once.
 *
 * Layer: apiserver. Threads: the request's loop; what it reads of the cluster are snapshots.
 */
#pragma once
#include "api/api.h"
#include "base/loop.h"
#include "base/vec.h"
#include "codec/json.h"
#include "net/http.h"
#include "schema/selector.h"
#include "store/store.h"

struct apiserver;
struct request;

enum stage_result {
    STAGE_NEXT, /* go on with the next stage */
    STAGE_DONE, /* an answer has been set: request_finish() follows */
    STAGE_WAIT, /* request_resume() will be called with what to do next */
};
typedef enum stage_result (*stage_fn)(struct request *rq);

struct user_info {
    struct str name, uid;
    struct string_list groups;
    struct user_extra {
        struct str key;
        struct string_list values;
    } * extra;
    size_t n_extra;
};

enum media { MEDIA_JSON, MEDIA_YAML, MEDIA_PROTOBUF };
enum transform { AS_OBJECT, AS_TABLE, AS_PARTIAL }; /* PartialObjectMetadata[List] */

struct list_options {
    struct selector labels, fields;
    struct str label_text, field_text;
    bool watch, bookmarks;
    struct str resource_version; /* "" unset */
    int64_t revision;            /* parsed; -1 if unset */
    enum { MATCH_UNSET, MATCH_EXACT, MATCH_NOT_OLDER } match;
    int64_t limit, timeout_sec; /* 0: none */
    struct str continue_token;
    int send_initial_events; /* -1 unset, 0, 1 */
};
struct write_options {
    bool dry_run, force; /* force: apply only; force_set tells whether it was given */
    bool force_set;
    struct str field_manager;
    enum { FIELDS_IGNORE, FIELDS_WARN, FIELDS_STRICT } field_validation;
};
struct delete_options {
    int64_t grace_sec;                /* -1 unset */
    struct str uid, resource_version; /* preconditions; STR_NULL: none */
    enum {
        PROPAGATE_UNSET,
        PROPAGATE_ORPHAN,
        PROPAGATE_BACKGROUND,
        PROPAGATE_FOREGROUND
    } propagation;
    bool orphan_dependents_false; /* orphanDependents=false was given: 202 answers */
};

struct inproc_call; /* apiserver/inproc.h */

struct request {
    struct apiserver *as;
    struct loop *loop;
    struct arena *arena;        /* lives until the request has ended */
    struct http_exchange *http; /* one of these two is set */
    struct inproc_call *inproc;
    const struct http_request *head; /* of http; NULL in-process */
    int64_t received_ns;

    /* route */
    struct str method, path;    /* path as sent, decoded */
    struct http_header *params; /* query, decoded */
    size_t n_params;
    bool is_resource;
    enum verb verb;       /* of a resource request */
    struct str verb_name; /* for authorization: also "proxy", or the lower-case method */
    struct str api_group, api_version, plural, sub, ns, name;
    struct str sub_path; /* what follows a subresource (proxy) */
    const struct resource *res;
    const struct subresource *subres;

    /* authenticate */
    struct user_info user;

    /* negotiate, options */
    enum media in_media, out_media;
    enum transform as_form;
    bool pretty;
    enum { INCLUDE_METADATA, INCLUDE_NONE, INCLUDE_OBJECT } table_include;
    struct list_options list;
    struct write_options write;
    struct delete_options del;
    struct str patch_type; /* media type of a PATCH body without parameters */

    /* the object of a write */
    struct str body;
    struct doc body_doc;      /* decoded body; DOC_NULL if none */
    const void *inproc_typed; /* in-process: the body as a struct of body type */
    struct object *old;       /* stored object (a reference), NULL on create */
    const void *old_typed;    /* struct of res->type; NULL on create */
    void *obj; /* the new object, a struct of res->type (or of the subresource's type) */
    struct store_txn txn;
    unsigned attempt; /* of a write retried after a conflict */
    VEC(struct store_op)
    extra_ops;             /* further writes of the same transaction (address allocation) */
    struct object *result; /* committed object (a reference) */

    /* answer */
    VEC(struct str) warnings;
    VEC(struct http_header) headers;
    stage_fn next_stage; /* where request_resume() goes on */
    void *state;         /* of the stage that waits */
    /* Set by a stage that waits or streams, or NULL: the peer is gone, time is up, or the server
     * stops; end the wait soon. Called once at most, on the request's loop. */
    void (*on_cancel)(struct request *rq);
    bool finished;
};

/** The first query parameter @name, or STR_NULL. */
struct str request_param(const struct request *rq, const char *name);
/** Adds a Warning header (quoted, deduplicated, bounded). @text is copied. */
void request_warn(struct request *rq, struct str text);
/** Continues a request that waited, at @stage. On its loop. */
void request_resume(struct request *rq, stage_fn stage);

/* Answers. Each ends the request and returns STAGE_DONE, so `return request_fail(...)` works. */
/** A Status made from @err's code and text (reason and HTTP code by the code). */
enum stage_result request_fail(struct request *rq, const struct err *err);
/** As request_fail() with printf text. */
enum stage_result request_failf(struct request *rq, int code, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
/** A Status of upstream's per-resource forms: NotFound, AlreadyExists, Conflict, Forbidden... with
 * details (name, group, kind=plural): the text is made for the code; @why is the variable part (may
 * be NULL). */
enum stage_result request_fail_object(struct request *rq, int code, const struct resource *res,
                                      struct str name, const char *why, ...) PRINTF_LIKE(5, 6);
/** 422 with causes from @errs (not empty). */
enum stage_result request_fail_invalid(struct request *rq, const char *group, const char *kind,
                                       struct str name, const struct field_errors *errs);
/** The object @o in the negotiated form, HTTP @status. */
enum stage_result request_answer_object(struct request *rq, int status, struct object *o);
/** A struct that is not stored (reviews, Scale, Status, dry-run results), with kind and apiVersion
 * given. */
enum stage_result request_answer_typed(struct request *rq, int status, const struct type *type,
                                       const void *obj);
/** A Success Status about a deleted object. */
enum stage_result request_answer_deleted(struct request *rq, const struct object *o);
/** Plain bytes (health, version, discovery). */
enum stage_result request_answer_bytes(struct request *rq, int status, const char *type,
                                       struct str body);
