/* cri_events.h - containerd's event stream: containers that started, exited or ran out of memory.
 *
 * Subscribes to the tasks of one containerd namespace, again after every break, with back-off.
 * Events may be lost in a break: on_subscribed tells when to look at everything again.
 *
 * Layer: kubelet. Threads: its loop. */
#pragma once
#include "base/loop.h"
#include "base/str.h"

enum cri_event_kind {
    CRI_EVENT_CREATED,
    CRI_EVENT_STARTED,
    CRI_EVENT_EXITED,
    CRI_EVENT_DELETED,
    CRI_EVENT_OOM,
};
struct cri_event { /* borrowed by the callback */
    enum cri_event_kind kind;
    struct str container_id; /* of a sandbox or a container: containerd has one kind */
    struct str exec_id;      /* EXITED, DELETED: not empty if only an exec in it ended */
    uint32_t pid;            /* 0 with OOM */
    uint32_t exit_status;    /* EXITED, DELETED */
    int64_t exited_ns;       /* EXITED, DELETED: since 1970 */
};
struct cri_events_handler {
    void (*on_event)(void *arg, const struct cri_event *e);
    /* A subscription starts; what happened before it was not seen. May be NULL. */
    void (*on_subscribed)(void *arg);
    /* It broke or could not be had; another try follows. @text is borrowed. May be NULL. */
    void (*on_broken)(void *arg, struct str text);
    void *arg;
};
struct cri_events;
/** Subscribes at containerd's @endpoint ("unix:///run/x.sock") to the tasks of @namespace
 *  ("k8s.io"), from the loop's next turn on. @h is copied. */
struct cri_events *cri_events_new(struct loop *l, const char *endpoint, const char *namespace,
                                  const struct cri_events_handler *h);
/** Ends the subscription without further callbacks; NULL ok; allowed in a callback.
 *  Returns NULL. */
struct cri_events *cri_events_free(struct cri_events *e);
