/* SPDX-License-Identifier: Apache-2.0 */
/* node_status.c - registers the node and keeps its status: a round looks at the runtime and the
 * host, and writes what has changed, or the same again once in five minutes. */
#include "base/log.h"
#include "codec/json.h"
#include "kubelet/node_agent.h"
#include "schema/typed.h"

enum {
    ROUND_MS = 10000,
    FAST_ROUND_MS = 200, /* until the node is ready */
    RETRY_MS = 1000,
    IMAGES_MAX = 50,
    IMAGE_NAMES_MAX = 5,
};
#define WRITE_EVERY_NS (INT64_C(300) * 1000000000)
#define IMAGES_EVERY_NS (INT64_C(60) * 1000000000)

struct round { /* one look at everything */
    struct node_agent *na;
    struct arena arena;      /* of texts */
    struct arena host_arena; /* becomes the agent's */
    struct node_host host;
    const char *why_not; /* ready; NULL: it is */
};

bool node_agent_done(struct node_agent *na)
{
    na->busy--;
    if (!na->stopped)
        return false;
    if (na->busy == 0) {
        arena_deinit(&na->host_arena);
        arena_deinit(&na->images_arena);
        free(na->last_status);
        free((char *)(uintptr_t)na->node_uid.p);
        kubelet_unref(na->kl);
        free(na);
    }
    return true;
}

static void event(struct node_agent *na, const char *reason, const char *text)
{
    struct str name = str_from(na->kl->opts.node_name);
    struct event_target t = {.res = &res_core_nodes, .kind = "Node", .name = name, .uid = name};

    event_record(na->kl->events, &t, "Normal", reason, "%s", text);
}

static void set_uid(struct node_agent *na, struct str uid)
{
    free((char *)(uintptr_t)na->node_uid.p);
    na->node_uid = (struct str){xmemdupz(uid.p, uid.len), uid.len};
}

/* ---- registration ---- */

static void labels_of(const struct node_agent *na, struct arena *a, struct string_map *m)
{
    string_map_set(a, m, STR("beta.kubernetes.io/arch"), str_from(na->host.arch));
    string_map_set(a, m, STR("beta.kubernetes.io/os"), STR("linux"));
    string_map_set(a, m, STR("kubernetes.io/arch"), str_from(na->host.arch));
    string_map_set(a, m, STR("kubernetes.io/hostname"), str_from(na->kl->opts.node_name));
    string_map_set(a, m, STR("kubernetes.io/os"), STR("linux"));
}

static void write_status(struct node_agent *na);

static void registered(struct node_agent *na, const struct object *o)
{
    bool first = str_empty(na->node_uid);

    na->registered = true;
    set_uid(na, o->uid);
    LOG_INFO("kubelet", "registered node=%s", na->kl->opts.node_name);
    if (first) {
        event(na, "Starting", "Starting kubelet.");
        node_lease_start(na);
    }
    write_status(na);
}

/* What the node said before this kubelet began goes on, times of transition too. */
static void adopt_conditions(struct node_agent *na, const struct core_node *node)
{
    static const char *const types[] = {"MemoryPressure", "DiskPressure", "PIDPressure", "Ready"};

    for (size_t i = 0; i < node->status.conditions.n; i++) {
        const struct core_node_condition *c = &node->status.conditions.v[i];

        for (size_t k = 0; k < NODE_CONDITION__N; k++) {
            struct node_condition_state *s = &na->conditions[k];

            if (str_eqz(c->type, types[k]) && s->known &&
                str_eq(c->status, s->value ? STR("True") : STR("False")))
                s->changed = c->last_transition_time;
        }
    }
}

static void on_labelled(void *arg, const struct client_result *r)
{
    struct node_agent *na = arg;

    if (node_agent_done(na))
        return;
    if (r->code < 0) {
        LOG_WARN("kubelet", "cannot register the node: %s", r->err->msg);
        timer_start(&na->status_timer, RETRY_MS, 0);
        return;
    }
    adopt_conditions(na, OBJECT_AS(core_node, r->object));
    registered(na, r->object);
}

static void label(struct node_agent *na)
{
    struct string_map labels = {0};
    auto_arena a = {0};
    auto_buf patch = {0};

    labels_of(na, &a, &labels);
    buf_puts(&patch, "{\"metadata\":{\"labels\":{");
    for (size_t i = 0; i < labels.n; i++) {
        if (i > 0)
            buf_putc(&patch, ',');
        json_write_string(&patch, labels.v[i].key);
        buf_putc(&patch, ':');
        json_write_string(&patch, labels.v[i].value);
    }
    buf_puts(&patch, "}}}");
    na->busy++;
    client_patch(na->kl->client, &res_core_nodes, STR(""), str_from(na->kl->opts.node_name),
                 CLIENT_STRATEGIC_PATCH, buf_view(&patch), NULL, on_labelled, na);
}

static void on_created(void *arg, const struct client_result *r)
{
    struct node_agent *na = arg;

    if (node_agent_done(na))
        return;
    if (r->code == ERR_EXISTS) {
        label(na);
    } else if (r->code < 0) {
        LOG_WARN("kubelet", "cannot register the node: %s", r->err->msg);
        timer_start(&na->status_timer, RETRY_MS, 0);
    } else {
        registered(na, r->object);
    }
}

static void register_node(struct node_agent *na)
{
    struct core_node node = {.metadata.name = str_from(na->kl->opts.node_name)};
    auto_arena a = {0};

    labels_of(na, &a, &node.metadata.labels);
    string_map_set(&a, &node.metadata.annotations,
                   STR("volumes.kubernetes.io/controller-managed-attach-detach"), STR("true"));
    node_status_make(na, &a, &node.status);
    na->busy++;
    client_create(na->kl->client, &res_core_nodes, STR(""), STR(""), NULL, &node, NULL, on_created,
                  na);
}

/* ---- status ---- */

static void next_round(struct node_agent *na)
{
    timer_start(&na->status_timer,
                na->conditions[NODE_READY].value ? ROUND_MS : FAST_ROUND_MS, 0);
}

static void on_written(void *arg, const struct client_result *r)
{
    struct node_agent *na = arg;

    if (node_agent_done(na))
        return;
    if (r->code < 0) {
        free(na->last_status);
        na->last_status = NULL;
        if (r->code == ERR_NOT_FOUND) /* someone deleted it */
            na->registered = false;
        else
            LOG_WARN("kubelet", "cannot write the node's status: %s", r->err->msg);
        timer_start(&na->status_timer, RETRY_MS, 0);
        return;
    }
    next_round(na);
}

static void write_status(struct node_agent *na)
{
    struct core_node_status s;
    auto_arena a = {0};
    auto_buf same = {0}, patch = {0};
    int64_t now = loop_wall_ns(na->kl->loop);

    node_status_make(na, &a, &s);
    typed_write_json(&type_core_node_status, &s, &same);
    if (na->last_status && strcmp(na->last_status, buf_cstr(&same)) == 0 &&
        now - na->last_write_ns < WRITE_EVERY_NS) {
        next_round(na);
        return;
    }
    if (!na->last_status && na->conditions[NODE_READY].value)
        event(na, "NodeReady",
              arena_printf(&a, "Node %s status is now: NodeReady", na->kl->opts.node_name));
    free(na->last_status);
    na->last_status = xstrdup(buf_cstr(&same));
    na->last_write_ns = now;
    for (size_t i = 0; i < s.conditions.n; i++)
        s.conditions.v[i].last_heartbeat_time = time_from_ns(now - now % 1000000000);
    buf_puts(&patch, "{\"status\":");
    typed_write_json(&type_core_node_status, &s, &patch);
    buf_putc(&patch, '}');
    na->busy++;
    client_patch(na->kl->client, &res_core_nodes, STR(""), str_from(na->kl->opts.node_name),
                 CLIENT_STRATEGIC_PATCH, buf_view(&patch),
                 &(struct client_opts){.sub = "status"}, on_written, na);
}

static void round_free(struct round *r)
{
    arena_deinit(&r->arena);
    arena_deinit(&r->host_arena);
    free(r);
}

static void read_host(void *arg)
{
    struct round *r = arg;

    node_host_read(&r->host, r->na->kl->opts.root_dir, &r->host_arena);
}

static void host_read(void *arg)
{
    struct round *r = arg;
    struct node_agent *na = r->na;

    if (node_agent_done(na)) {
        round_free(r);
        return;
    }
    arena_deinit(&na->host_arena);
    na->host = r->host;
    na->host_arena = r->host_arena;
    r->host_arena = (struct arena){0};
    node_conditions_update(na, r->why_not ? arena_strdup(&na->host_arena, r->why_not) : NULL,
                           loop_wall_ns(na->kl->loop));
    round_free(r);
    if (na->registered)
        write_status(na);
    else
        register_node(na);
}

static int larger_first(const void *x, const void *y)
{
    const struct node_image *a = x, *b = y;

    return (a->bytes < b->bytes) - (a->bytes > b->bytes);
}

static void keep_images(struct node_agent *na, const Runtime__V1__ListImagesResponse *rp)
{
    struct arena *a = &na->images_arena;

    arena_deinit(a);
    na->images = arena_calloc(a, rp->n_images + 1, sizeof(*na->images));
    na->n_images = 0;
    for (size_t i = 0; i < rp->n_images; i++) {
        const Runtime__V1__Image *im = rp->images[i];
        struct node_image *out = &na->images[na->n_images];

        if (im->n_repo_tags + im->n_repo_digests == 0)
            continue;
        na->n_images++;
        out->bytes = (int64_t)im->size;
        out->names = arena_calloc(a, IMAGE_NAMES_MAX, sizeof(*out->names));
        for (size_t k = 0; k < im->n_repo_digests && out->n_names < IMAGE_NAMES_MAX; k++)
            out->names[out->n_names++] = str_from(arena_strdup(a, im->repo_digests[k]));
        for (size_t k = 0; k < im->n_repo_tags && out->n_names < IMAGE_NAMES_MAX; k++)
            out->names[out->n_names++] = str_from(arena_strdup(a, im->repo_tags[k]));
    }
    qsort(na->images, na->n_images, sizeof(*na->images), larger_first);
    na->n_images = MIN(na->n_images, IMAGES_MAX);
}

static void on_images(void *arg, enum grpc_status status, struct str text,
                      const ProtobufCMessage *response)
{
    struct round *r = arg;
    struct node_agent *na = r->na;

    (void)text;
    if (na->stopped) {
        round_free(r);
        (void)node_agent_done(na);
        return;
    }
    if (status == GRPC_OK) {
        keep_images(na, (const void *)response);
        na->images_ns = loop_wall_ns(na->kl->loop);
    }
    loop_work(na->kl->loop, read_host, host_read, r);
}

/* Why the runtime is not ready; NULL if it is. */
static const char *runtime_trouble(const Runtime__V1__RuntimeStatus *st, struct arena *a)
{
    for (size_t i = 0; st && i < st->n_conditions; i++) {
        const Runtime__V1__RuntimeCondition *c = st->conditions[i];

        if (c->status)
            continue;
        if (strcmp(c->type, "NetworkReady") == 0)
            return arena_printf(a,
                                "container runtime network not ready: NetworkReady=false "
                                "reason:%s message:%s",
                                c->reason, c->message);
        if (strcmp(c->type, "RuntimeReady") == 0)
            return arena_printf(a,
                                "container runtime not ready: RuntimeReady=false reason:%s "
                                "message:%s",
                                c->reason, c->message);
    }
    return st ? NULL : "container runtime status check may not have completed yet";
}

static void on_runtime(void *arg, enum grpc_status status, struct str text,
                       const ProtobufCMessage *response)
{
    struct round *r = arg;
    struct node_agent *na = r->na;
    Runtime__V1__ListImagesRequest rq = RUNTIME__V1__LIST_IMAGES_REQUEST__INIT;

    (void)text;
    if (na->stopped) {
        round_free(r);
        (void)node_agent_done(na);
        return;
    }
    if (status == GRPC_OK)
        r->why_not = runtime_trouble(
            ((const Runtime__V1__StatusResponse *)(const void *)response)->status, &r->arena);
    else
        r->why_not = "container runtime is down";
    if (status == GRPC_OK && loop_wall_ns(na->kl->loop) - na->images_ns > IMAGES_EVERY_NS)
        cri_call(na->kl->cri, CRI_LIST_IMAGES, &rq.base, 0, on_images, r);
    else
        loop_work(na->kl->loop, read_host, host_read, r);
}

static void on_round(struct timer *t)
{
    struct node_agent *na = container_of(t, struct node_agent, status_timer);
    Runtime__V1__StatusRequest rq = RUNTIME__V1__STATUS_REQUEST__INIT;
    struct round *r = xnew(struct round);

    r->na = na;
    na->busy++;
    cri_call(na->kl->cri, CRI_STATUS, &rq.base, 0, on_runtime, r);
}

void node_agent_start(struct kubelet *kl)
{
    struct node_agent *na = xnew(struct node_agent);

    na->kl = kubelet_ref(kl);
    kl->node_agent = na;
    node_host_read(&na->host, kl->opts.root_dir, &na->host_arena); /* known from the first pod on */
    timer_init(&na->status_timer, kl->loop, on_round);
    timer_start(&na->status_timer, 0, 0);
}

void node_agent_stop(struct kubelet *kl)
{
    struct node_agent *na = kl->node_agent;

    if (!na)
        return;
    kl->node_agent = NULL;
    timer_stop(&na->status_timer);
    timer_stop(&na->lease_timer);
    na->stopped = true;
    na->busy++;
    (void)node_agent_done(na);
}
