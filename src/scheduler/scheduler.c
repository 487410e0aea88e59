/* SPDX-License-Identifier: Apache-2.0 */
/* scheduler.c - takes pods from the queue, finds nodes, binds; what is bound is assumed at once, so
 * that the next cycle counts it, and taken back when the binding fails. */
#include "scheduler/scheduler.h"

#include "base/log.h"
#include "client/events.h"
#include "client/informer.h"
#include "codec/json.h"
#include "scheduler/cycle.h"
#include "scheduler/queue.h"

enum { CYCLES_PER_TURN = 64, BINDINGS_MAX = 512, MESSAGE_MAX = 1024 };
#define SCHEDULER_NAME "default-scheduler"

struct scheduler {
    struct client *client;
    struct loop *loop;
    struct informers *informers;
    struct event_recorder *recorder;
    struct cluster cluster;
    struct pod_queue *queue;
    struct timer again;
    size_t start;      /* node at which the next cycle begins */
    unsigned bindings; /* under way */
    bool synced, images_stale, freed;
};
struct binding {
    struct scheduler *scheduler;
    struct object *pod;
    struct str node; /* owned */
};

static bool finished(const struct core_pod *pod)
{
    return str_eq(pod->status.phase, STR("Succeeded")) || str_eq(pod->status.phase, STR("Failed"));
}

static bool wants_us(const struct core_pod *pod)
{
    return str_eq(pod->spec.scheduler_name, STR(SCHEDULER_NAME)) && !finished(pod) &&
           !pod->metadata.deletion_timestamp.set && pod->spec.scheduling_gates.n == 0;
}

static void on_pod(void *arg, struct object *o)
{
    struct scheduler *s = arg;
    bool placed = object_field(o, STR("spec.nodeName")).len > 0;

    /* By the packed fields first: pods of other schedulers that wait are not decoded. */
    if (!placed && !str_eq(object_field(o, STR("spec.schedulerName")), STR(SCHEDULER_NAME))) {
        pod_queue_remove(s->queue, o->uid);
        return;
    }
    if (placed) {
        pod_queue_remove(s->queue, o->uid);
        if (!finished(OBJECT_AS(core_pod, o)))
            cluster_put_pod(&s->cluster, o);
        else if (cluster_remove_pod(&s->cluster, o->uid))
            pod_queue_changed(s->queue, CHANGE_POD_GONE);
    } else if (!wants_us(OBJECT_AS(core_pod, o))) {
        pod_queue_remove(s->queue, o->uid);
    } else if (!cluster_has_pod(&s->cluster, o->uid)) {
        pod_queue_put(s->queue, o);
    }
}

/* True if only the status differs: our own report of why a pod waits is no reason to try it again.
 */
static bool only_status(const struct object *old, const struct object *o)
{
    const struct core_pod *a = OBJECT_AS(core_pod, old), *b = OBJECT_AS(core_pod, o);

    return a->metadata.generation == b->metadata.generation &&
           a->metadata.labels.n == b->metadata.labels.n &&
           a->metadata.deletion_timestamp.set == b->metadata.deletion_timestamp.set &&
           str_eq(a->spec.node_name, b->spec.node_name) &&
           a->spec.scheduling_gates.n == b->spec.scheduling_gates.n &&
           a->spec.tolerations.n == b->spec.tolerations.n && finished(a) == finished(b);
}

static void on_pod_delete(void *arg, struct object *o)
{
    struct scheduler *s = arg;

    pod_queue_remove(s->queue, o->uid);
    if (cluster_remove_pod(&s->cluster, o->uid))
        pod_queue_changed(s->queue, CHANGE_POD_GONE);
}

static void on_pod_update(void *arg, struct object *old, struct object *o)
{
    struct scheduler *s = arg;

    if (!str_eq(old->uid, o->uid)) {
        on_pod_delete(arg, old); /* another pod has the name now */
        on_pod(arg, o);
    } else if (only_status(old, o)) {
        pod_queue_refresh(s->queue, o);
    } else {
        on_pod(arg, o);
    }
}

static void on_node(void *arg, struct object *o)
{
    struct scheduler *s = arg;
    unsigned changes = cluster_put_node(&s->cluster, o);

    s->images_stale = true;
    if (changes)
        pod_queue_changed(s->queue, changes);
}

static void on_node_update(void *arg, struct object *old, struct object *o)
{
    (void)old;
    on_node(arg, o);
}

static void on_node_delete(void *arg, struct object *o)
{
    struct scheduler *s = arg;

    cluster_remove_node(&s->cluster, o->name);
    s->images_stale = true;
}

static void on_patched(void *arg, const struct client_result *r)
{
    (void)arg;
    if (r->code < 0 && r->code != ERR_NOT_FOUND && r->code != ERR_CANCELED)
        LOG_DEBUG("scheduler", "condition not written: %s", r->err->msg);
}

/* Tells why the pod waits: condition PodScheduled and an Event. */
static void report(struct scheduler *s, const struct object *o, const char *reason,
                   struct str message)
{
    const struct core_pod *pod = OBJECT_AS(core_pod, o);
    struct event_target target = event_target_of(o);
    struct client_opts opts = {.sub = "status"};
    auto_buf patch = {0};

    event_record(s->recorder, &target, "Warning", "FailedScheduling", "%.*s",
                 (int)MIN(message.len, (size_t)MESSAGE_MAX), message.p);
    for (size_t i = 0; i < pod->status.conditions.n; i++) {
        const struct core_pod_condition *c = &pod->status.conditions.v[i];

        if (str_eq(c->type, STR("PodScheduled")) && str_eqz(c->reason, reason) &&
            str_eq(c->message, message))
            return;
    }
    buf_puts(&patch, "{\"metadata\":{\"uid\":");
    json_write_string(&patch, o->uid);
    buf_puts(&patch,
             "},\"status\":{\"conditions\":[{\"type\":\"PodScheduled\",\"status\":\"False\","
             "\"lastTransitionTime\":\"");
    time_write(&patch, time_from_ns(loop_wall_ns(s->loop)));
    buf_printf(&patch, "\",\"reason\":\"%s\",\"message\":", reason);
    json_write_string(&patch, message);
    buf_puts(&patch, "}]}}");
    client_patch(s->client, &res_core_pods, o->ns, o->name, CLIENT_STRATEGIC_PATCH,
                 buf_view(&patch), &opts, on_patched, NULL);
}

static void release(struct scheduler *s);

static void binding_free(struct binding *b)
{
    object_unref(b->pod);
    free((void *)b->node.p);
    free(b);
}

static void on_bound(void *arg, const struct client_result *r)
{
    struct binding *b = arg;
    struct scheduler *s = b->scheduler;
    struct event_target target = event_target_of(b->pod);

    s->bindings--;
    if (s->freed) {
        release(s);
        binding_free(b);
        return;
    }
    if (r->code == 0) {
        event_record(s->recorder, &target, "Normal", "Scheduled",
                     "Successfully assigned %.*s/%.*s to %.*s", STR_ARG(b->pod->ns),
                     STR_ARG(b->pod->name), STR_ARG(b->node));
        pod_queue_done(s->queue, b->pod->uid);
    } else {
        struct placed *p = map_find(&s->cluster.pods, b->pod->uid);

        /* The cluster may show the pod bound although the answer was lost: then it stays. */
        if (p && p->assumed && cluster_remove_pod(&s->cluster, b->pod->uid))
            pod_queue_changed(s->queue, CHANGE_POD_GONE);
        if (r->code != ERR_NOT_FOUND && r->code != ERR_CANCELED) {
            LOG_WARN("scheduler", "binding failed pod=%.*s/%.*s node=%.*s: %s", STR_ARG(b->pod->ns),
                     STR_ARG(b->pod->name), STR_ARG(b->node), r->err->msg);
            report(s, b->pod, "SchedulerError", str_from(r->err->msg));
        }
        pod_queue_rejected(s->queue, b->pod, 0);
    }
    if (!timer_active(&s->again))
        timer_start(&s->again, 0, 0);
    binding_free(b);
}

static void bind(struct scheduler *s, struct object *o, const struct node_info *node)
{
    struct binding *b = xnew(struct binding);
    struct core_binding body = {.metadata = {.name = o->name, .namespace = o->ns, .uid = o->uid},
                                .target = {.kind = STR("Node"), .name = node->object->name}};
    struct client_opts opts = {.sub = "binding"};

    b->scheduler = s;
    b->pod = object_ref(o);
    b->node = (struct str){xmemdupz(node->object->name.p, node->object->name.len),
                           node->object->name.len};
    s->bindings++;
    client_create(s->client, &res_core_pods, o->ns, o->name, &type_core_binding, &body, &opts,
                  on_bound, b);
}

static void schedule(struct scheduler *s, struct object *o)
{
    auto_arena a = {0};
    struct pod_info *pod = pod_info_new(o);
    struct cycle_result r;

    cycle_run(&s->cluster, pod, loop_random(s->loop), &s->start, &a, &r);
    if (!r.node) {
        report(s, o, "Unschedulable", r.message);
        pod_queue_rejected(s->queue, o, r.retry_on);
        pod_info_free(pod);
        return;
    }
    bind(s, o, r.node);
    cluster_assume(&s->cluster, pod, r.node->object->name);
}

/* A few cycles a turn, so that events are not kept waiting. */
static void turn(struct scheduler *s)
{
    if (!s->synced || s->freed)
        return;
    if (s->images_stale) {
        cluster_count_images(&s->cluster);
        s->images_stale = false;
    }
    for (int i = 0; i < CYCLES_PER_TURN && s->bindings < BINDINGS_MAX; i++) {
        struct object *o = pod_queue_take(s->queue);

        if (!o)
            return;
        schedule(s, o);
        object_unref(o);
    }
    if (s->bindings < BINDINGS_MAX)
        timer_start(&s->again, 0, 0);
}

static void on_again(struct timer *t)
{
    turn(container_of(t, struct scheduler, again));
}

static void on_ready(void *arg)
{
    turn(arg);
}

static void on_synced(void *arg)
{
    struct scheduler *s = arg;

    s->synced = true;
    LOG_INFO("scheduler", "started nodes=%zu", s->cluster.nodes.n);
    turn(s);
}

struct scheduler *scheduler_new(struct client *c)
{
    struct scheduler *s = xnew(struct scheduler);
    struct informer_handler pods = {on_pod, on_pod_update, on_pod_delete, s};
    struct informer_handler nodes = {on_node, on_node_update, on_node_delete, s};

    s->client = c;
    s->loop = client_loop(c);
    s->recorder = event_recorder_new(c, SCHEDULER_NAME, "");
    s->queue = pod_queue_new(s->loop, on_ready, s);
    timer_init(&s->again, s->loop, on_again);
    s->informers = informers_new(c);
    informer_add_handler(informers_get(s->informers, &res_core_nodes, STR_NULL, NULL, NULL),
                         &nodes);
    informer_add_handler(informers_get(s->informers, &res_core_pods, STR_NULL, NULL, NULL), &pods);
    informers_on_synced(s->informers, on_synced, s);
    return s;
}

static void release(struct scheduler *s)
{
    if (s->bindings > 0)
        return;
    s->recorder = event_recorder_free(s->recorder);
    s->queue = pod_queue_free(s->queue);
    cluster_deinit(&s->cluster);
    free(s);
}

struct scheduler *scheduler_free(struct scheduler *s)
{
    if (!s)
        return NULL;
    s->informers = informers_free(s->informers);
    timer_stop(&s->again);
    s->freed = true;
    release(s);
    return NULL;
}
