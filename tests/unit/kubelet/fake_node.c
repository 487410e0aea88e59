/* fake_node.c - the kubelet's other half, pretended, and the set-up of a test. */
#include "fake_node.h"

#include <stdio.h>
#include <stdlib.h>

static struct fake_node *the_node; /* the functions below are not told whose they are */

struct later { /* a callback that comes after a while */
    struct timer timer;
    struct kubelet *kl;
    kpod_done done;
    void *arg;
    const char *error;
};

static void on_later(struct timer *t)
{
    struct later *l = container_of(t, struct later, timer);
    struct err err = {0};
    int code = l->error ? err_new(&err, ERR_IO, "%s", l->error) : 0;

    l->done(l->arg, code, &err);
    free(l);
}

static void later(struct kubelet *kl, uint32_t ms, const char *error, kpod_done done, void *arg)
{
    struct later *l = xnew(struct later);

    *l = (struct later){.kl = kl, .done = done, .arg = arg, .error = error};
    timer_init(&l->timer, kl->loop, on_later);
    timer_start(&l->timer, ms, 0);
}

void volumes_start(struct kubelet *kl)
{
}

void volumes_stop(struct kubelet *kl)
{
}

void volumes_setup(struct kpod *kp, kpod_done done, void *arg)
{
    the_node->setups++;
    later(kp->kl, 1, the_node->volumes_error, done, arg);
}

void volumes_teardown(struct kubelet *kl, const char *uid, kpod_done done, void *arg)
{
    the_node->teardowns++;
    later(kl, 1, NULL, done, arg);
}

int cgroups_start(struct kubelet *kl, struct err *err)
{
    return 0;
}

void cgroups_stop(struct kubelet *kl)
{
}

void cgroup_pod_ensure(struct kpod *kp, kpod_done done, void *arg)
{
    later(kp->kl, 1, NULL, done, arg);
}

void cgroup_pod_remove(struct kubelet *kl, const char *uid, kpod_done done, void *arg)
{
    later(kl, 1, NULL, done, arg);
}

const char *qos_class(const struct core_pod *pod)
{
    return "BestEffort";
}

static char *text(const char *s)
{
    return (char *)(uintptr_t)s;
}

int sandbox_config_make(struct kpod *kp, struct arena *a,
                        Runtime__V1__PodSandboxConfig **ret_config, struct err *err)
{
    Runtime__V1__PodSandboxConfig *c = arena_new(a, Runtime__V1__PodSandboxConfig);

    runtime__v1__pod_sandbox_config__init(c);
    c->metadata = arena_new(a, Runtime__V1__PodSandboxMetadata);
    runtime__v1__pod_sandbox_metadata__init(c->metadata);
    c->metadata->name = text(kp->name);
    c->metadata->namespace_ = text(kp->ns);
    c->metadata->uid = text(kp->uid);
    c->metadata->attempt = kp->sandbox_attempt;
    *ret_config = c;
    return 0;
}

struct making {
    struct arena *a;
    container_config_done done;
    void *arg;
};

static void on_config(void *arg, int code, const struct err *err)
{
    struct making *m = arg;
    struct container_config_result r = {0};

    if (code < 0) {
        r.reason = "CreateContainerConfigError";
        r.message = str_from(err->msg);
    } else {
        r.config = arena_new(m->a, Runtime__V1__ContainerConfig);
        runtime__v1__container_config__init(r.config);
    }
    m->done(m->arg, &r);
    free(m);
}

void container_config_make(struct kcontainer *kc, struct arena *a, container_config_done done,
                           void *arg)
{
    struct making *m = xnew(struct making);

    *m = (struct making){a, done, arg};
    later(kc->pod->kl, 1, the_node->config_error, on_config, m);
}

void probes_start(struct kcontainer *kc, bool was_ready)
{
    the_node->probe_starts++;
}

void probes_stop(struct kcontainer *kc)
{
    the_node->probe_stops++;
}

void hooks_run(struct kcontainer *kc, const struct core_lifecycle_handler *h, int64_t timeout_sec,
               kpod_done done, void *arg)
{
    the_node->hooks++;
    later(kc->pod->kl, the_node->hook_ms, the_node->hook_error, done, arg);
}

void node_agent_start(struct kubelet *kl)
{
}

void node_agent_stop(struct kubelet *kl)
{
}

bool node_allocatable(const struct kubelet *kl, struct str name, struct quantity *ret_q)
{
    if (the_node->cpu_milli == 0 || !str_eqz(name, "cpu"))
        return false;
    *ret_q = (struct quantity){.nano = (__int128)the_node->cpu_milli * 1000000, .set = true};
    return true;
}

int kubelet_server_start(struct kubelet *kl, struct err *err)
{
    return 0;
}

void kubelet_server_stop(struct kubelet *kl)
{
}

int fake_setup(void **state)
{
    struct fake_node *f = xnew(struct fake_node);

    f->sim = sim_new(1);
    f->loop = sim_loop(f->sim, "node");
    f->revision = 10;
    f->stop_exit_code = 143;
    f->stop_ms = 5;
    (void)snprintf(f->dir, sizeof(f->dir), "/tmp/skiff-kubelet-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    the_node = f;
    fake_runtime_use(f);
    f->client = fake_api_new(f);
    *state = f;
    return 0;
}

void fake_start(struct fake_node *f)
{
    auto_arena a = {0};
    struct err err = {0};
    struct kubelet_opts opts = {
        .client = f->client,
        .node_name = "n1",
        .node_ip = "192.0.2.1",
        .root_dir = arena_printf(&a, "%s/root", f->dir),
        .runtime_endpoint = "unix:///nowhere",
        .events_endpoint = "unix:///nowhere",
        .log_dir = arena_printf(&a, "%s/pods", f->dir),
        .containers_log_dir = arena_printf(&a, "%s/containers", f->dir),
        .pause_image = "pause:1",
    };

    assert_ok(kubelet_new(&opts, &f->kl, &err), &err);
    fake_run(f, 500);
}

void fake_restart(struct fake_node *f)
{
    f->kl = kubelet_free(f->kl);
    fake_run(f, 100);
    fake_start(f);
}

void fake_run(struct fake_node *f, uint64_t ms)
{
    sim_run_for(f->sim, ms);
}

int fake_teardown(void **state)
{
    struct fake_node *f = *state;

    f->kl = kubelet_free(f->kl);
    sim_run_for(f->sim, 60000);
    f->client = client_free(f->client);
    sim_run_for(f->sim, 1000);
    for (size_t i = 0; i < f->objects.n; i++)
        object_unref(f->objects.v[i]);
    vec_deinit(&f->objects);
    for (size_t i = 0; i < f->events.n; i++)
        free(f->events.v[i]);
    vec_deinit(&f->events);
    for (size_t i = 0; i < f->containers.n; i++) {
        struct fake_container *c = f->containers.v[i];
        char *all[] = {c->id, c->sandbox, c->name, c->pod_uid, c->pod_ns, c->pod_name, c->hash};

        for (size_t j = 0; j < ARRAY_LEN(all); j++)
            free(all[j]);
        free(c);
    }
    vec_deinit(&f->containers);
    for (size_t i = 0; i < f->sandboxes.n; i++) {
        struct fake_sandbox *s = f->sandboxes.v[i];

        free(s->id);
        free(s->pod_uid);
        free(s->pod_ns);
        free(s->pod_name);
        free(s);
    }
    vec_deinit(&f->sandboxes);
    host_remove_tree(f->dir);
    sim_free(f->sim);
    free(f);
    return 0;
}

unsigned fake_events(const struct fake_node *f, const char *text)
{
    unsigned n = 0;

    for (size_t i = 0; i < f->events.n; i++)
        n += strstr(f->events.v[i], text) != NULL;
    return n;
}

const struct core_container_status *fake_status(const struct core_pod *pod, const char *name)
{
    const struct core_pod_status *st = &pod->status;

    for (size_t i = 0; i < st->container_statuses.n; i++)
        if (str_eqz(st->container_statuses.v[i].name, name))
            return &st->container_statuses.v[i];
    for (size_t i = 0; i < st->init_container_statuses.n; i++)
        if (str_eqz(st->init_container_statuses.v[i].name, name))
            return &st->init_container_statuses.v[i];
    fail_msg("no status of container %s", name);
    return NULL;
}

const struct core_pod_condition *fake_condition(const struct core_pod *pod, const char *type)
{
    for (size_t i = 0; i < pod->status.conditions.n; i++)
        if (str_eqz(pod->status.conditions.v[i].type, type))
            return &pod->status.conditions.v[i];
    fail_msg("no condition %s", type);
    return NULL;
}
