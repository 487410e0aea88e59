/* SPDX-License-Identifier: Apache-2.0 */
/* downward.c - what a pod may be told of itself: fields, labels, resources. */
#include "codec/json.h"
#include "kubelet/pod_config.h"

struct downward_source downward_source_of(const struct kpod *kp)
{
    struct downward_source s = {.pod = kp->pod,
                                .node_ip = kp->kl->opts.node_ip,
                                .pod_ips = (const char *const *)kp->sandbox.ips.v,
                                .n_pod_ips = kp->sandbox.ips.n};

    (void)node_allocatable(kp->kl, STR("cpu"), &s.node_cpu);
    (void)node_allocatable(kp->kl, STR("memory"), &s.node_memory);
    (void)node_allocatable(kp->kl, STR("ephemeral-storage"), &s.node_storage);
    return s;
}

static struct str all_pairs(const struct string_map *m, struct arena *a)
{
    auto_buf b = {0};

    for (size_t i = 0; i < m->n; i++) { /* kept in order of the keys */
        if (i > 0)
            buf_putc(&b, '\n');
        buf_str(&b, m->v[i].key);
        buf_putc(&b, '=');
        json_go_quote(&b, m->v[i].value);
    }
    return str_dup(a, buf_view(&b));
}

/* metadata.labels['key']: the value, or an empty text if there is no such key. */
static bool subscript(struct str path, struct str field, const struct string_map *m,
                      struct str *ret_value)
{
    struct str key, value;

    if (!str_has_prefix(path, field))
        return false;
    key = str_sub(path, field.len, path.len);
    if (!str_has_prefix(key, STR("['")) || !str_has_suffix(key, STR("']")) || key.len < 4)
        return false;
    value = string_map_get(m, str_sub(key, 2, key.len - 4));
    *ret_value = value.p ? value : STR("");
    return true;
}

static struct str joined_ips(const struct downward_source *s, struct arena *a)
{
    auto_buf b = {0};

    for (size_t i = 0; i < s->n_pod_ips; i++) {
        if (i > 0)
            buf_putc(&b, ',');
        buf_puts(&b, s->pod_ips[i]);
    }
    return str_dup(a, buf_view(&b));
}

int downward_field(const struct downward_source *s, struct str path, struct arena *a,
                   struct str *ret_value, struct err *err)
{
    const struct meta_object_meta *m = &s->pod->metadata;

    if (str_eq(path, STR("metadata.name")))
        *ret_value = m->name;
    else if (str_eq(path, STR("metadata.namespace")))
        *ret_value = m->namespace;
    else if (str_eq(path, STR("metadata.uid")))
        *ret_value = m->uid;
    else if (str_eq(path, STR("metadata.labels")))
        *ret_value = all_pairs(&m->labels, a);
    else if (str_eq(path, STR("metadata.annotations")))
        *ret_value = all_pairs(&m->annotations, a);
    else if (str_eq(path, STR("spec.nodeName")))
        *ret_value = s->pod->spec.node_name;
    else if (str_eq(path, STR("spec.serviceAccountName")))
        *ret_value = s->pod->spec.service_account_name;
    else if (str_eq(path, STR("status.hostIP")) || str_eq(path, STR("status.hostIPs")))
        *ret_value = str_from(s->node_ip);
    else if (str_eq(path, STR("status.podIP")))
        *ret_value = s->n_pod_ips > 0 ? str_from(s->pod_ips[0]) : STR("");
    else if (str_eq(path, STR("status.podIPs")))
        *ret_value = joined_ips(s, a);
    else if (!subscript(path, STR("metadata.labels"), &m->labels, ret_value) &&
             !subscript(path, STR("metadata.annotations"), &m->annotations, ret_value))
        return err_new(err, ERR_INVALID, "unsupported fieldPath: %.*s", STR_ARG(path));
    return 0;
}

static const struct core_container *find_container(const struct core_pod *pod, struct str name)
{
    for (size_t i = 0; i < pod->spec.containers.n; i++) {
        if (str_eq(pod->spec.containers.v[i].name, name))
            return &pod->spec.containers.v[i];
    }
    for (size_t i = 0; i < pod->spec.init_containers.n; i++) {
        if (str_eq(pod->spec.init_containers.v[i].name, name))
            return &pod->spec.init_containers.v[i];
    }
    return NULL;
}

static int64_t divide_up(int64_t v, int64_t by)
{
    return by <= 0 ? v : v / by + (v % by > 0);
}

int downward_resource(const struct downward_source *s,
                      const struct core_resource_field_selector *sel, struct str fallback,
                      struct arena *a, struct str *ret_value, struct err *err)
{
    struct str name = str_empty(sel->container_name) ? fallback : sel->container_name, resource;
    const struct core_container *c = find_container(s->pod, name);
    bool limits = str_has_prefix(sel->resource, STR("limits."));
    struct quantity q;
    int64_t v, unit;

    if (!c)
        return err_new(err, ERR_INVALID, "container %.*s not found", STR_ARG(name));
    (void)str_cut(sel->resource, '.', &resource);
    if (!limits && !str_has_prefix(sel->resource, STR("requests.")))
        return err_new(err, ERR_INVALID, "unsupported container resource : %.*s",
                       STR_ARG(sel->resource));
    q = limits ? resource_amount(&c->resources.limits, resource)
               : resource_amount(&c->resources.requests, resource);
    if (limits && !q.set)
        q = str_eq(resource, STR("cpu"))                 ? s->node_cpu
            : str_eq(resource, STR("memory"))            ? s->node_memory
            : str_eq(resource, STR("ephemeral-storage")) ? s->node_storage
                                                         : q;
    if (str_eq(resource, STR("cpu"))) {
        unit = sel->divisor.set && sel->divisor.nano ? quantity_milli(sel->divisor) : 1000;
        v = divide_up(quantity_milli(q), unit);
    } else {
        unit = sel->divisor.set && sel->divisor.nano ? quantity_value(sel->divisor) : 1;
        v = divide_up(quantity_value(q), unit);
    }
    *ret_value = str_printf(a, "%lld", (long long)v);
    return 0;
}
