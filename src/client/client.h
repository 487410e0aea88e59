/* client.h - how components know the cluster: get, list, watch and write typed objects.
 *
 * One interface over two transports: HTTPS (client_https.h), and in-process calls into the pipeline
 * (client_inproc.h). A component cannot tell which it has. Calls are asynchronous: the callback
 * runs later, on the client's loop, exactly once, never from inside the call.
 *
 * Layer: client. Threads: the client's loop.
 */
#pragma once
#include "api/api.h"
#include "base/loop.h"
#include "schema/object.h"

struct client; /* a transport with an identity, bound to a loop */

struct client_result { /* borrowed by the callback */
    int code;          /* 0, or ERR_NOT_FOUND, ERR_CONFLICT, ... */
    int http_status;
    const struct err *err; /* text = the server's message */
    struct object *object; /* of get, create, update, patch (and delete where the server returns
                              it); object_ref() it to keep it; NULL if none */
    struct object *const *objects; /* list; ref to keep */
    size_t n_objects;
    int64_t revision;        /* list: its resourceVersion */
    struct str json;         /* other answers (reviews, tokens), raw */
    int32_t retry_after_sec; /* of the Status; 0: none */
};
typedef void (*client_cb)(void *arg, const struct client_result *r);

struct client_opts { /* optional details of a call; {0} is fine */
    const char *sub; /* "status", "scale", "binding", "eviction", "token"; NULL: none */
    const char *label_selector, *field_selector;
    const char *resource_version; /* get, list */
    int64_t grace_sec_plus1;      /* delete: 0 unset, else grace + 1 */
    struct str uid_precondition;
    struct str rv_precondition;
    const char *propagation; /* "Foreground", "Background", "Orphan" */
    uint32_t timeout_ms;     /* 0: 30000 */
};
/** The loop whose thread uses @c. */
struct loop *client_loop(const struct client *c);
/** GET of (@ns, @name); @ns empty for cluster-scoped kinds. @opts may be NULL everywhere. */
void client_get(struct client *c, const struct resource *res, struct str ns, struct str name,
                const struct client_opts *opts, client_cb cb, void *arg);
/** LIST of a namespace (empty: all), whole. */
void client_list(struct client *c, const struct resource *res, struct str ns,
                 const struct client_opts *opts, client_cb cb, void *arg);
/** POST of @obj, a struct of res->type, or of @body_type where a subresource takes another type
 * (NULL: res->type).
 *  @obj is copied. @name is "" unless a subresource is addressed. */
void client_create(struct client *c, const struct resource *res, struct str ns, struct str name,
                   const struct type *body_type, const void *obj, const struct client_opts *opts,
                   client_cb cb, void *arg);
/** PUT of @obj (copied; its metadata.resourceVersion guards it); opts->sub "status" writes the
 * status. */
void client_update(struct client *c, const struct resource *res, struct str ns, struct str name,
                   const void *obj, const struct client_opts *opts, client_cb cb, void *arg);
/** PATCH with media type @patch_type (CLIENT_MERGE_PATCH ...) and JSON text @patch (copied). */
void client_patch(struct client *c, const struct resource *res, struct str ns, struct str name,
                  const char *patch_type, struct str patch, const struct client_opts *opts,
                  client_cb cb, void *arg);
/** DELETE of (@ns, @name). */
void client_delete(struct client *c, const struct resource *res, struct str ns, struct str name,
                   const struct client_opts *opts, client_cb cb, void *arg);
/** DELETE of all in @ns that opts' selectors match. */
void client_delete_collection(struct client *c, const struct resource *res, struct str ns,
                              const struct client_opts *opts, client_cb cb, void *arg);
#define CLIENT_JSON_PATCH      "application/json-patch+json"
#define CLIENT_MERGE_PATCH     "application/merge-patch+json"
#define CLIENT_STRATEGIC_PATCH "application/strategic-merge-patch+json"

enum watch_event_type { WATCH_ADDED, WATCH_MODIFIED, WATCH_DELETED, WATCH_BOOKMARK };
struct watch_event {
    enum watch_event_type type;
    struct object *object; /* borrowed; NULL for bookmarks */
    int64_t revision;
    bool initial_end; /* the bookmark after the initial state */
};
struct client_watch;
struct watch_opts {
    struct str ns;
    const char *label_selector, *field_selector;
    int64_t revision;    /* start after this; ignored with initial_events */
    bool initial_events; /* first the state as ADDED, then a bookmark with initial_end */
    void (*on_event)(void *arg, const struct watch_event *ev);
    /* The watch ended: code 0 (server closed: watch again from the last revision), ERR_EXPIRED
     * (start over), or another error. Exactly once, unless client_watch_free() came first. */
    void (*on_end)(void *arg, int code, const struct err *err);
    void *arg;
};
struct client_watch *
client_watch(struct client *c, const struct resource *res,
             const struct watch_opts *opts); /** Starts a watch; freed by the caller. */
struct client_watch *
client_watch_free(struct client_watch *w); /** Ends it silently. NULL ok; returns NULL. */
/** Frees @c when its calls have ended: their callbacks run with ERR_CANCELED first. */
struct client *client_free(struct client *c); /* returns NULL */
/** Cancels every call in flight: callbacks follow on the loop with ERR_CANCELED. */
void client_cancel_all(struct client *c);
