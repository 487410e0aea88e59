/* inproc.h - calls into the pipeline without HTTP: same authorization, admission, validation.
 *
 * The caller's loop differs from the server's: a call is posted over, and its callbacks are posted
 * back to the caller's loop. Objects cross as shared immutable records.
 * Layer: apiserver. Threads: start and cancel on the caller's loop. */
#pragma once
#include "apiserver/apiserver.h"
#include "schema/object.h"

enum { INPROC_EVENTS_MAX = 256 }; /* a batch of watch events */
struct inproc_event {             /* like struct event; BOOKMARK has only a revision */
    enum { INPROC_ADDED, INPROC_MODIFIED, INPROC_DELETED, INPROC_BOOKMARK } type;
    struct object *object; /* a reference that the receiver owns; NULL for BOOKMARK */
    int64_t revision;
    bool initial_end; /* the BOOKMARK that ends the initial events */
};
struct inproc_call {
    /* What is asked; all views must live until on_done. */
    enum verb verb;
    const struct resource *res;
    const char *sub; /* "" or "status", "binding", ... */
    struct str ns, name;
    struct str user;              /* "system:kube-scheduler" */
    const char *const *groups;    /* NULL-terminated; system:authenticated is added */
    const struct type *body_type; /* of body: res->type, or the subresource's */
    const void *body;             /* the struct to write, or NULL */
    struct str patch_type, patch; /* PATCH: media type and document */
    struct str label_selector, field_selector;
    int64_t revision; /* list, watch: -1 unset */
    bool send_initial_events;
    int64_t grace_sec; /* delete: -1 unset */
    struct str uid_precondition, rv_precondition;
    struct str propagation; /* "" or "Foreground", ... */

    struct loop *loop; /* the caller's; callbacks run there */
    /* Watch: a batch; the receiver owns the references. */
    void (*on_events)(struct inproc_call *call, struct inproc_event *events, size_t n);
    /* Exactly once, last. For watches too (expired, canceled, server stopping). */
    void (*on_done)(struct inproc_call *call);
    void *arg;

    /* The answer, valid in on_done. */
    int http_status;
    int code;                /* 0 or an error */
    struct err err;          /* text = the Status message */
    struct object *object;   /* a reference the receiver owns, or NULL */
    struct object **objects; /* list: references the receiver owns; free() the array */
    size_t n_objects;
    int64_t list_revision;
    struct str answer_json; /* other answers (reviews, token): JSON, lives until on_done returns */
    void *priv;             /* the server's */
};
/** Starts @call (memory of the caller until on_done). */
void inproc_start(struct apiserver *as, struct inproc_call *call);
/** Ends it early: on_done follows with ERR_CANCELED. */
void inproc_cancel(struct apiserver *as, struct inproc_call *call);
