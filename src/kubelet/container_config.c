/* SPDX-License-Identifier: Apache-2.0 */
/* container_config.c - a container as the runtime makes it: first what its environment names is
 * fetched, then its mounts are made, then the configuration is handed over. */
#include "kubelet/pod_config.h"

struct making {
    struct kcontainer *kc;
    struct kpod *pod;        /* a reference */
    struct object *object;   /* @spec is of this version */
    struct object *planned;  /* @plan points into this version */
    const struct core_container *spec;
    struct arena *arena;     /* the caller's */
    struct refs refs;
    struct env env;
    struct mount_plan *plan;
    Runtime__V1__ContainerConfig *config;
    int code;
    struct err err;
    container_config_done done;
    void *arg;
};

static void making_end(struct making *m, const char *reason)
{
    struct container_config_result r = {.config = m->code < 0 ? NULL : m->config,
                                        .reason = m->code < 0 ? reason : NULL,
                                        .message = str_from(m->err.msg)};

    m->done(m->arg, &r);
    refs_deinit(&m->refs);
    env_deinit(&m->env);
    object_unref(m->object);
    object_unref(m->planned);
    kpod_unref(m->pod);
    free(m);
}

static char **expand_all(const struct making *m, const struct string_list *l, size_t *ret_n)
{
    char **v = arena_calloc(m->arena, l->n + 1, sizeof(*v));

    for (size_t i = 0; i < l->n; i++)
        v[i] = str_dupz(m->arena, env_expand(&m->env, NULL, l->v[i], m->arena, NULL));
    *ret_n = l->n;
    return v;
}

static void set_env(struct making *m)
{
    Runtime__V1__ContainerConfig *c = m->config;

    c->envs = arena_calloc(m->arena, m->env.list.n + 1, sizeof(*c->envs));
    for (size_t i = 0; i < m->env.list.n; i++) {
        Runtime__V1__KeyValue *kv = arena_new(m->arena, Runtime__V1__KeyValue);
        struct str value = str_dup(m->arena, m->env.list.v[i].value);

        runtime__v1__key_value__init(kv);
        kv->key = str_dupz(m->arena, m->env.list.v[i].name);
        kv->value.data = (uint8_t *)(uintptr_t)value.p;
        kv->value.len = value.len;
        c->envs[c->n_envs++] = kv;
    }
}

static void add_hugepages(Runtime__V1__LinuxContainerResources *res,
                          const struct core_container *c, struct arena *a)
{
    for (size_t i = 0; i < c->resources.limits.n; i++) {
        struct str key = c->resources.limits.v[i].key;
        Runtime__V1__HugepageLimit *h;

        if (!str_has_prefix(key, STR("hugepages-")) || key.len < sizeof("hugepages-Mi"))
            continue;
        h = arena_new(a, Runtime__V1__HugepageLimit);
        runtime__v1__hugepage_limit__init(h);
        key = str_sub(key, sizeof("hugepages-") - 1, key.len);
        h->page_size = arena_printf(a, "%.*sB", (int)key.len - 1, key.p); /* "2Mi" is "2MB" */
        h->limit = (uint64_t)quantity_value(c->resources.limits.v[i].value);
        res->hugepage_limits =
            arena_grow(a, res->hugepage_limits, res->n_hugepage_limits,
                       res->n_hugepage_limits + 1, sizeof(*res->hugepage_limits));
        res->hugepage_limits[res->n_hugepage_limits++] = h;
    }
}

static Runtime__V1__LinuxContainerResources *resources(const struct making *m)
{
    const struct core_container *c = m->spec;
    const struct kubelet *kl = m->pod->kl;
    Runtime__V1__LinuxContainerResources *res =
        arena_new(m->arena, Runtime__V1__LinuxContainerResources);
    struct quantity limit = resource_amount(&c->resources.limits, STR("cpu"));
    struct quantity request = resource_amount(&c->resources.requests, STR("cpu"));
    struct quantity memory = resource_amount(&c->resources.limits, STR("memory"));

    runtime__v1__linux_container_resources__init(res);
    res->cpu_shares = cpu_shares(quantity_milli(request.set ? request : limit));
    res->cpu_period = CPU_PERIOD_US;
    res->cpu_quota = cpu_quota_us(quantity_milli(limit));
    res->memory_limit_in_bytes = quantity_value(memory);
    res->oom_score_adj = oom_score_adj(m->pod->pod, c, node_memory_bytes(kl));
    if (kl->opts.no_oom_score_adj)
        res->oom_score_adj = MAX(res->oom_score_adj, 0);
    add_hugepages(res, c, m->arena);
    return res;
}

static int fill(struct making *m)
{
    Runtime__V1__ContainerConfig *c = m->config;
    const struct core_container *spec = m->spec;

    c->command = expand_all(m, &spec->command, &c->n_command);
    c->args = expand_all(m, &spec->args, &c->n_args);
    c->working_dir = str_dupz(m->arena, spec->working_dir);
    c->stdin = spec->stdin;
    c->stdin_once = spec->stdin_once;
    c->tty = spec->tty;
    set_env(m);
    c->linux = arena_new(m->arena, Runtime__V1__LinuxContainerConfig);
    runtime__v1__linux_container_config__init(c->linux);
    c->linux->resources = resources(m);
    return container_security(m->kc, spec, m->arena, &c->linux->security_context, &m->err);
}

static void prepare(void *arg)
{
    struct making *m = arg;

    m->code = mounts_prepare(m->plan, &m->err);
}

static void prepared(void *arg)
{
    struct making *m = arg;

    if (m->code == 0)
        mounts_apply(m->plan, m->config);
    making_end(m, "CreateContainerConfigError");
}

static void on_refs(void *arg)
{
    struct making *m = arg;
    struct kpod *kp = m->pod;
    struct downward_source source;
    struct env services = {0};
    bool links = !kp->pod->spec.enable_service_links || *kp->pod->spec.enable_service_links;

    if (kp->kl->stopping) {
        m->code = err_new(&m->err, ERR_CANCELED, "the kubelet is stopping");
        making_end(m, "CreateContainerConfigError");
        return;
    }
    source = downward_source_of(kp);
    env_add_services(&services, kp->kl, str_from(kp->ns), links, m->arena);
    m->code = env_make(&source, m->spec, &m->refs, &services, m->arena, &m->env, &m->err);
    env_deinit(&services);
    if (m->code == 0)
        m->code = fill(m);
    m->planned = object_ref(kp->object);
    if (m->code == 0)
        m->code = mounts_plan(m->kc, m->spec, &m->env, m->arena, &m->plan, &m->err);
    if (m->code < 0) {
        making_end(m, "CreateContainerConfigError");
        return;
    }
    loop_work(kp->kl->loop, prepare, prepared, m);
}

void container_config_make(struct kcontainer *kc, struct arena *a, container_config_done done,
                           void *arg)
{
    struct making *m = xnew(struct making);

    m->kc = kc;
    m->pod = kpod_ref(kc->pod);
    m->object = object_ref(kc->pod->object);
    m->spec = kcontainer_spec(kc);
    m->arena = a;
    m->done = done;
    m->arg = arg;
    m->refs.arena = a;
    m->config = arena_new(a, Runtime__V1__ContainerConfig);
    runtime__v1__container_config__init(m->config);
    refs_add_env(&m->refs, m->spec);
    refs_fetch(&m->refs, kc->pod->kl, str_from(kc->pod->ns), on_refs, m);
}
