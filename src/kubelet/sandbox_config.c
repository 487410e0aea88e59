/* SPDX-License-Identifier: Apache-2.0 */
/* sandbox_config.c - the pod as the runtime makes it: name, DNS, ports, namespaces, cgroup. */
#include "kubelet/files.h"
#include "kubelet/pod_config.h"
#include "kubelet/pod_internal.h"

enum {
    HOSTNAME_MAX = 63,
    FQDN_MAX = 64,
    RESOLV_CONF_MAX = 64 * 1024,
    NAMESERVERS_MAX = 3,
    SEARCHES_MAX = 32,
    SEARCH_CHARS_MAX = 2048,
    FIXED_LABELS = 3,
};

static char *text(const char *s) /* protobuf-c's text fields are not const, and are only read */
{
    return (char *)(uintptr_t)s;
}

int pod_hostname(const struct kpod *kp, struct arena *a, char **ret_host, char **ret_domain,
                 struct err *err)
{
    const struct core_pod *pod = kp->pod;
    struct str host = str_empty(pod->spec.hostname) ? pod->metadata.name : pod->spec.hostname;

    host = str_sub(host, 0, HOSTNAME_MAX);
    while (host.len > 0 && (host.p[host.len - 1] == '-' || host.p[host.len - 1] == '.'))
        host.len--;
    *ret_host = str_dupz(a, host);
    *ret_domain = NULL;
    if (pod->spec.hostname_override) {
        *ret_host = str_dupz(a, *pod->spec.hostname_override);
        return 0;
    }
    if (str_empty(pod->spec.subdomain))
        return 0;
    *ret_domain = arena_printf(a, "%.*s.%.*s.svc.%s", STR_ARG(pod->spec.subdomain),
                               STR_ARG(pod->metadata.namespace), kp->kl->opts.cluster_domain);
    if (pod->spec.set_hostname_as_fqdn && *pod->spec.set_hostname_as_fqdn) {
        char *fqdn = arena_printf(a, "%s.%s", *ret_host, *ret_domain);

        if (strlen(fqdn) > FQDN_MAX)
            return err_new(err, ERR_INVALID,
                           "failed to construct FQDN from pod hostname and cluster domain, FQDN "
                           "%s is too long (%d characters is the max, %zu characters requested)",
                           fqdn, FQDN_MAX, strlen(fqdn));
        *ret_host = fqdn;
    }
    return 0;
}

void resolv_conf_deinit(struct resolv_conf *rc)
{
    vec_deinit(&rc->servers);
    vec_deinit(&rc->searches);
    vec_deinit(&rc->options);
}

static struct str next_word(struct str *line)
{
    struct str word = STR("");

    while (str_empty(word) && line->p && line->len > 0) {
        size_t n = 0;

        while (n < line->len && line->p[n] != ' ' && line->p[n] != '\t')
            n++;
        word = str_sub(*line, 0, n);
        *line = str_sub(*line, n + 1, line->len);
    }
    return word;
}

void resolv_conf_parse(struct resolv_conf *rc, struct str text_, struct arena *a)
{
    while (text_.p && text_.len > 0) {
        struct str line = str_trim(str_cut(text_, '\n', &text_)), key = next_word(&line), word;

        if (str_eq(key, STR("nameserver"))) {
            word = next_word(&line);
            if (!str_empty(word))
                vec_push(&rc->servers, str_dupz(a, word));
        } else if (str_eq(key, STR("search"))) {
            vec_clear(&rc->searches); /* the last one counts */
            while (!str_empty(word = next_word(&line))) {
                if (!str_eq(word, STR(".")) && word.p[word.len - 1] == '.')
                    word.len--;
                vec_push(&rc->searches, str_dupz(a, word));
            }
        } else if (str_eq(key, STR("options"))) {
            vec_clear(&rc->options);
            while (!str_empty(word = next_word(&line)))
                vec_push(&rc->options, str_dupz(a, word));
        }
    }
}

typedef VEC(char *) Texts;

static void add_text(void *list, char *s)
{
    Texts *v = list;

    for (size_t i = 0; i < v->n; i++) {
        if (strcmp(v->v[i], s) == 0)
            return;
    }
    vec_push(v, s);
}

/* "ndots:5" replaces "ndots:2". */
static void add_option(struct resolv_conf *rc, char *option)
{
    struct str name = str_cut(str_from(option), ':', &(struct str){0});

    for (size_t i = 0; i < rc->options.n; i++) {
        if (str_eq(str_cut(str_from(rc->options.v[i]), ':', &(struct str){0}), name)) {
            rc->options.v[i] = option;
            return;
        }
    }
    vec_push(&rc->options, option);
}

static void add_own(struct resolv_conf *rc, const struct core_pod_dns_config *c, struct arena *a)
{
    for (size_t i = 0; i < c->nameservers.n; i++)
        add_text(&rc->servers, str_dupz(a, c->nameservers.v[i]));
    for (size_t i = 0; i < c->searches.n; i++)
        add_text(&rc->searches, str_dupz(a, c->searches.v[i]));
    for (size_t i = 0; i < c->options.n; i++) {
        const struct core_pod_dns_config_option *o = &c->options.v[i];

        add_option(rc, o->value && !str_empty(*o->value)
                           ? arena_printf(a, "%.*s:%.*s", STR_ARG(o->name), STR_ARG(*o->value))
                           : str_dupz(a, o->name));
    }
}

static void cut_to_limits(struct resolv_conf *rc)
{
    size_t chars = 0, n = 0;

    rc->servers.n = MIN(rc->servers.n, NAMESERVERS_MAX);
    for (; n < MIN(rc->searches.n, SEARCHES_MAX); n++) {
        chars += strlen(rc->searches.v[n]) + 1;
        if (chars > SEARCH_CHARS_MAX)
            break;
    }
    rc->searches.n = n;
}

void pod_dns(const struct core_pod *pod, const char *cluster_dns, const char *cluster_domain,
             struct str host, struct arena *a, struct resolv_conf *ret_rc)
{
    struct str policy = pod->spec.dns_policy, ns = pod->metadata.namespace;
    bool first = str_eq(policy, STR("ClusterFirstWithHostNet")) ||
                 (str_eq(policy, STR("ClusterFirst")) && !pod->spec.host_network);

    if (!str_eq(policy, STR("None")))
        resolv_conf_parse(ret_rc, host, a);
    if (first && cluster_dns) {
        struct resolv_conf of_host = *ret_rc;

        *ret_rc = (struct resolv_conf){0};
        vec_push(&ret_rc->servers, arena_strdup(a, cluster_dns));
        add_text(&ret_rc->searches,
                 arena_printf(a, "%.*s.svc.%s", STR_ARG(ns), cluster_domain));
        add_text(&ret_rc->searches, arena_printf(a, "svc.%s", cluster_domain));
        add_text(&ret_rc->searches, arena_strdup(a, cluster_domain));
        for (size_t i = 0; i < of_host.searches.n; i++)
            add_text(&ret_rc->searches, of_host.searches.v[i]);
        vec_push(&ret_rc->options, arena_strdup(a, "ndots:5"));
        resolv_conf_deinit(&of_host);
    }
    if (pod->spec.dns_config)
        add_own(ret_rc, pod->spec.dns_config, a);
    cut_to_limits(ret_rc);
}

int host_resolv_conf(const char *path, struct arena *a, struct str *ret_text, struct err *err)
{
    static const char *const real = "/run/systemd/resolve/resolv.conf";
    struct resolv_conf rc = {0};
    struct str other;
    bool stub;
    int r = kfile_read(path ? path : "/etc/resolv.conf", RESOLV_CONF_MAX, a, ret_text, err);

    if (r == ERR_NOT_FOUND && !path) {
        *ret_text = STR("");
        return 0;
    }
    if (r < 0 || path)
        return r;
    resolv_conf_parse(&rc, *ret_text, a);
    stub = rc.servers.n == 1 && str_has_prefix(str_from(rc.servers.v[0]), STR("127."));
    resolv_conf_deinit(&rc);
    if (stub && kfile_read(real, RESOLV_CONF_MAX, a, &other, &(struct err){0}) == 0)
        *ret_text = other;
    return 0;
}

static char **texts(struct arena *a, char **v, size_t n)
{
    char **copy = arena_calloc(a, n + 1, sizeof(*copy));

    for (size_t i = 0; i < n; i++)
        copy[i] = v[i];
    return copy;
}

static int dns_config(const struct kpod *kp, struct arena *a, Runtime__V1__DNSConfig **ret_c,
                      struct err *err)
{
    Runtime__V1__DNSConfig *c = arena_new(a, Runtime__V1__DNSConfig);
    struct resolv_conf rc = {0};
    struct str host;
    int r = host_resolv_conf(kp->kl->opts.resolv_conf, a, &host, err);

    if (r < 0)
        return err_wrap(err, r, "the node's DNS");
    runtime__v1__dnsconfig__init(c);
    pod_dns(kp->pod, kp->kl->opts.cluster_dns, kp->kl->opts.cluster_domain, host, a, &rc);
    c->servers = texts(a, rc.servers.v, c->n_servers = rc.servers.n);
    c->searches = texts(a, rc.searches.v, c->n_searches = rc.searches.n);
    c->options = texts(a, rc.options.v, c->n_options = rc.options.n);
    resolv_conf_deinit(&rc);
    *ret_c = c;
    return 0;
}

static void add_port(Runtime__V1__PodSandboxConfig *c, const struct core_container_port *p,
                     struct arena *a)
{
    Runtime__V1__PortMapping *m;

    if (p->host_port == 0)
        return;
    m = arena_new(a, Runtime__V1__PortMapping);
    runtime__v1__port_mapping__init(m);
    m->protocol = str_eq(p->protocol, STR("UDP"))    ? RUNTIME__V1__PROTOCOL__UDP
                  : str_eq(p->protocol, STR("SCTP")) ? RUNTIME__V1__PROTOCOL__SCTP
                                                     : RUNTIME__V1__PROTOCOL__TCP;
    m->container_port = p->container_port;
    m->host_port = p->host_port;
    m->host_ip = str_dupz(a, p->host_ip);
    c->port_mappings = arena_grow(a, c->port_mappings, c->n_port_mappings, c->n_port_mappings + 1,
                                  sizeof(*c->port_mappings));
    c->port_mappings[c->n_port_mappings++] = m;
}

static void add_ports(const struct core_pod *pod, Runtime__V1__PodSandboxConfig *c,
                      struct arena *a)
{
    if (pod->spec.host_network)
        return;
    for (size_t i = 0; i < pod->spec.containers.n; i++) {
        for (size_t k = 0; k < pod->spec.containers.v[i].ports.n; k++)
            add_port(c, &pod->spec.containers.v[i].ports.v[k], a);
    }
    for (size_t i = 0; i < pod->spec.init_containers.n; i++) {
        const struct core_container *s = &pod->spec.init_containers.v[i];

        for (size_t k = 0; s->restart_policy && k < s->ports.n; k++)
            add_port(c, &s->ports.v[k], a);
    }
}

typedef Runtime__V1__PodSandboxConfig__LabelsEntry Label;
typedef Runtime__V1__PodSandboxConfig__AnnotationsEntry Annotation;
typedef Runtime__V1__LinuxPodSandboxConfig__SysctlsEntry Sysctl;

static void add_label(Runtime__V1__PodSandboxConfig *c, const char *key, const char *value,
                      struct arena *a)
{
    Label *l = arena_new(a, Label);

    runtime__v1__pod_sandbox_config__labels_entry__init(l);
    l->key = text(key);
    l->value = text(value);
    c->labels[c->n_labels++] = l;
}

static void add_metadata(const struct kpod *kp, Runtime__V1__PodSandboxConfig *c, struct arena *a)
{
    const struct meta_object_meta *m = &kp->pod->metadata;

    c->metadata = arena_new(a, Runtime__V1__PodSandboxMetadata);
    runtime__v1__pod_sandbox_metadata__init(c->metadata);
    c->metadata->name = arena_strdup(a, kp->name);
    c->metadata->uid = arena_strdup(a, kp->uid);
    c->metadata->namespace_ = arena_strdup(a, kp->ns);
    c->metadata->attempt = kp->sandbox_attempt;
    c->labels = arena_calloc(a, m->labels.n + FIXED_LABELS, sizeof(*c->labels));
    for (size_t i = 0; i < m->labels.n; i++)
        add_label(c, str_dupz(a, m->labels.v[i].key), str_dupz(a, m->labels.v[i].value), a);
    add_label(c, LABEL_POD_NAME, c->metadata->name, a);
    add_label(c, LABEL_POD_NAMESPACE, c->metadata->namespace_, a);
    add_label(c, LABEL_POD_UID, c->metadata->uid, a);
    c->annotations = arena_calloc(a, m->annotations.n + 1, sizeof(*c->annotations));
    for (size_t i = 0; i < m->annotations.n; i++) {
        Annotation *n = arena_new(a, Annotation);

        runtime__v1__pod_sandbox_config__annotations_entry__init(n);
        n->key = str_dupz(a, m->annotations.v[i].key);
        n->value = str_dupz(a, m->annotations.v[i].value);
        c->annotations[c->n_annotations++] = n;
    }
}

static bool any_privileged(const struct core_pod *pod)
{
    bool any = false;

    for (size_t i = 0; i < pod->spec.containers.n + pod->spec.init_containers.n; i++) {
        const struct core_container *c =
            i < pod->spec.containers.n
                ? &pod->spec.containers.v[i]
                : &pod->spec.init_containers.v[i - pod->spec.containers.n];

        any = any || (c->security_context && c->security_context->privileged &&
                      *c->security_context->privileged);
    }
    return any;
}

static Runtime__V1__LinuxPodSandboxConfig *linux_config(const struct kpod *kp, struct arena *a)
{
    const struct core_pod_security_context *sc = kp->pod->spec.security_context;
    Runtime__V1__LinuxPodSandboxConfig *c = arena_new(a, Runtime__V1__LinuxPodSandboxConfig);
    Runtime__V1__LinuxSandboxSecurityContext *s =
        arena_new(a, Runtime__V1__LinuxSandboxSecurityContext);

    runtime__v1__linux_pod_sandbox_config__init(c);
    runtime__v1__linux_sandbox_security_context__init(s);
    c->cgroup_parent = cgroup_pod_path(kp->pod, kp->uid, a);
    c->security_context = s;
    s->namespace_options = namespace_options(kp, NULL, a);
    s->privileged = any_privileged(kp->pod);
    s->seccomp = arena_new(a, Runtime__V1__SecurityProfile);
    runtime__v1__security_profile__init(s->seccomp);
    s->seccomp->profile_type = RUNTIME__V1__SECURITY_PROFILE__PROFILE_TYPE__RuntimeDefault;
    s->supplemental_groups = supplemental_groups(kp->pod, a, &s->n_supplemental_groups);
    if (!sc)
        return c;
    s->run_as_user = int64_value(a, sc->run_as_user);
    s->run_as_group = sc->run_as_user ? int64_value(a, sc->run_as_group) : NULL;
    c->sysctls = arena_calloc(a, sc->sysctls.n + 1, sizeof(*c->sysctls));
    for (size_t i = 0; i < sc->sysctls.n; i++) {
        Sysctl *e = arena_new(a, Sysctl);

        runtime__v1__linux_pod_sandbox_config__sysctls_entry__init(e);
        e->key = str_dupz(a, sc->sysctls.v[i].name);
        e->value = str_dupz(a, sc->sysctls.v[i].value);
        c->sysctls[c->n_sysctls++] = e;
    }
    return c;
}

int sandbox_config_make(struct kpod *kp, struct arena *a,
                        Runtime__V1__PodSandboxConfig **ret_config, struct err *err)
{
    Runtime__V1__PodSandboxConfig *c = arena_new(a, Runtime__V1__PodSandboxConfig);
    char *host, *domain;
    int r = pod_hostname(kp, a, &host, &domain, err);

    if (r < 0)
        return r;
    runtime__v1__pod_sandbox_config__init(c);
    add_metadata(kp, c, a);
    if (!kp->pod->spec.host_network) /* else the node's own */
        c->hostname = host;
    c->log_directory = kpod_log_dir(kp, a);
    r = dns_config(kp, a, &c->dns_config, err);
    if (r < 0)
        return r;
    add_ports(kp->pod, c, a);
    c->linux = linux_config(kp, a);
    *ret_config = c;
    return 0;
}
