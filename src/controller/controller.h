/* controller.h - what a controller is: what it watches, and a pure plan.
 *
 * One shared driver (driver.c) does everything else for all of them: informers, work queue, waiting
 * until the caches have seen what the last plan wrote (so a plan never works on a state from before
 * its own writes), executing plans, back-off, events. plan() is pure and level-triggered: it looks
 * at the view and says what to do now; a lost or doubled event is harmless, and the same view gives
 * the same plan.
 *
 * A new controller is one file that defines a `const struct controller`, and one line in table.c.
 *
 * Layer: controller. Threads: the manager's loop.
 */
#pragma once
#include "base/vec.h"
#include "client/events.h"
#include "client/informer.h"

struct driver;
struct view { /* the cluster as the informers know it now; read-only */
    struct driver *driver;
    int64_t now_ns;      /* wall clock */
    struct arena *arena; /* for what the plan makes */
    struct str ca_pem;
    uint32_t node_monitor_grace_ms;
    struct str last_error; /* why the last plan for this key failed, STR_NULL if it did not */
    unsigned failures;     /* how often in a row */
};
/** The object (borrowed until the plan has been carried out), or NULL. @res must be among the
 * controller's watches. */
struct object *view_find(const struct view *v, const struct resource *res, struct str ns,
                         struct str name);
/* for (o = view_first(v, res, ns, &it); o; o = informer_next(&it)) */
/** Begins to walk the objects of @res in @ns (empty: all). */
struct object *view_first(const struct view *v, const struct resource *res, struct str ns,
                          struct informer_iter *it);
/** When @o was last changed as far as this process saw it, loop milliseconds ago; for heartbeats.
 */
uint64_t view_age_ms(const struct view *v, const struct object *o);
/** How long (@ns, @name) of the track_age resource @res has been missing as far as this process
 * saw; 0 while it is there. */
uint64_t view_gone_ms(const struct view *v, const struct resource *res, struct str ns,
                      struct str name);
/** True if objects of @res may be asked for. */
bool view_watches(const struct view *v, const struct resource *res);
/** The objects that name an owner of @uid, by store key; NULL: none. For index_owners controllers.
 */
const struct omap *view_dependents(const struct view *v, struct str uid);
/** True if this process saw the object of @uid go, which settles that it is not there. As above. */
bool view_saw_end(const struct view *v, struct str uid);

enum plan_op_kind {
    PLAN_CREATE,
    PLAN_UPDATE,
    PLAN_UPDATE_STATUS,
    PLAN_PATCH,
    PLAN_DELETE,
    PLAN_DELETE_COLLECTION,
    PLAN_CONFIRM_EMPTY,  /* asks the API: the plan ends, and is made again, if op.ns has op.res */
    PLAN_CONFIRM_ABSENT, /* asks the API: the plan ends, and is made again, if an object with op.uid
                            (STR_NULL: any) is there after all */
};
struct plan_op {
    enum plan_op_kind kind;
    const struct resource *res;
    struct str ns, name;
    const void *obj; /* CREATE, UPDATE, UPDATE_STATUS: a struct of res->type */
    const char *sub; /* UPDATE, CREATE, PATCH: e.g. "finalize"; NULL: none */
    const struct type
        *body_type;         /* CREATE on a subresource that takes another type; NULL: res->type */
    const char *patch_type; /* PATCH */
    struct str patch;
    struct str uid;          /* DELETE: precondition; STR_NULL: none */
    struct str rv;           /* DELETE: precondition, a resourceVersion; STR_NULL: none */
    const char *propagation; /* DELETE: or NULL */
    int64_t grace_sec_plus1; /* DELETE */
    bool ignore_exists, ignore_missing; /* these outcomes are fine */
    /* Events about the outcome; reason NULL: none. %s-free texts; "{name}" stands for the object's
     * name and
     * "{error}" for the failure. */
    const struct object *event_on;
    const char *ok_reason, *ok_text;     /* Normal */
    const char *fail_reason, *fail_text; /* Warning */
};
struct plan_event_text {
    const struct object *on;
    const char *type, *reason;
    struct str text;
};
struct plan { /* what to do, in order; ops of one batch number run in parallel (slow start: 1, 2, 4,
                 ...) */
    struct arena *arena;
    struct plan_op *ops;
    unsigned *batches;
    size_t n, cap;
    unsigned batch; /* of the ops added from now on */
    struct plan_event_text *events;
    size_t n_events;
    uint64_t requeue_ms; /* plan again after this; 0: only when something changes */
};
/** Adds @op to the current batch. */
void plan_add(struct plan *p, const struct plan_op *op);
/** Ops added from now on run after all before them have ended well. */
void plan_barrier(struct plan *p);
/** Plans again after @ms at the latest. */
void plan_requeue(struct plan *p, uint64_t ms);
/** Records an Event about @o. */
void plan_event(struct plan *p, const struct object *o, const char *type, const char *reason,
                const char *fmt, ...) PRINTF_LIKE(5, 6);

struct watch_rule { /* changes of @res enqueue keys */
    const struct resource *res;
    bool track_age; /* view_age_ms() is asked about its objects */
    /* Calls add(arg, key) for each key that @o (new or old state) concerns. NULL: "namespace/name"
     * of @o. */
    void (*keys)(const struct view *v, const struct object *o,
                 void (*add)(void *arg, struct str key), void *arg);
};
struct controller {
    const char *name;            /* "replicaset", in logs */
    const char *identity;        /* "replicaset-controller": its service account in kube-system */
    const char *event_component; /* "replicaset-controller" */
    const struct watch_rule
        *watches; /* ended by a NULL res; the first is the controller's own kind */
    /* Decides what the thing named @key needs now. An error is retried with back-off. */
    int (*plan)(const struct view *v, struct str key, struct plan *plan, struct err *err);
    uint32_t resync_ms; /* plan all keys again this often; 0: never */
    /* Also watches every other resource that can be watched, with this rule's keys(); NULL: no. */
    const struct watch_rule *everything;
    bool index_owners; /* view_dependents() and view_saw_end() are asked */
};
/** All controllers, ended by NULL (table.c). */
extern const struct controller *const controllers_table[];
