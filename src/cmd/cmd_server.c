/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_server.c - `skiff server`: store, API server, controllers, scheduler and a node in one
 * process. */
#include "api/api.h"
#include "base/log.h"
#include "base/loop_signal.h"
#include "cmd/cmd.h"
#include "cmd/etcd_listen.h"
#include "cmd/files.h"
#include "cmd/flags.h"
#include "cmd/host.h"
#include "cmd/renewal.h"
#include "cmd/server.h"
#include "net/crypto.h"

#include <signal.h>
#include <stdio.h>

enum { DRAIN_MS = 5000, READY_POLL_MS = 5 };

struct server {
    struct server_config config;
    struct arena arena;
    struct pki pki;
    struct pki_names names; /* what the certificates cover */
    const char *url;        /* of the API, for clients on this machine */
    struct renewal *renewal;
    struct snapshot_schedule *snapshots;
    struct loop *loop;
    struct store *store;
    struct jwt_key *token_key;
    struct tls_context *tls, *kubelet_tls;
    struct etcd_client_tls *etcd_tls;
    struct apiserver *apiserver;
    struct etcd *etcd; /* serves the store to others, if asked to */
    struct etcd_listen *etcd_listen;
    bool etcd_stopped;
    struct http_server *http;
    struct control *control;
    struct node *node;
    struct loop_signal *on_term, *on_int;
    struct timer ready;
    int64_t began_ns;
    bool stopping;
};

bool server_enabled(const struct server_config *c, const char *part)
{
    struct str rest = str_from(c->disable);

    while (rest.len > 0) {
        if (str_eqz(str_trim(str_cut(rest, ',', &rest)), part))
            return false;
    }
    return true;
}

static bool node_wanted(const struct server_config *c)
{
    return server_enabled(c, "kubelet") || server_enabled(c, "proxy") || server_enabled(c, "dns");
}

static int resolve_config(struct server *s, struct err *err)
{
    struct server_config *c = &s->config;
    int r;

    if (!c->node_name)
        c->node_name = host_name(&s->arena);
    if (!c->node_ip) {
        r = host_address(&s->arena, &c->node_ip, err);
        if (r < 0)
            return r;
    }
    if (!c->advertise_address)
        c->advertise_address = c->node_ip;
    r = cidr_nth(c->service_cidr, 1, &s->arena, &c->service_ip, err);
    if (r < 0)
        return err_wrap(err, r, "--service-cluster-ip-range");
    r = snapshot_flags_check(&c->snapshots, c->etcd_servers != NULL, err);
    if (r < 0)
        return r;
    if (!c->dns_ip) {
        r = cidr_nth(c->service_cidr, 10, &s->arena, &c->dns_ip, err);
        if (r < 0)
            return err_wrap(err, r, "--service-cluster-ip-range");
    }
    return folder_make(c->data_dir, 0700, err);
}

static const char *const *texts(struct arena *a, size_t n, const char *const *v)
{
    const char **copy = arena_calloc(a, n + 1, sizeof(*copy));

    for (size_t i = 0; i < n; i++)
        copy[i] = arena_strdup(a, v[i]);
    return copy;
}

/* What the certificates must cover, and where clients on this machine find the API. */
static void name_server(struct server *s)
{
    struct server_config *c = &s->config;
    struct arena *a = &s->arena;
    const char *ips[] = {"127.0.0.1", c->node_ip, c->advertise_address, c->service_ip};
    const char *dns_names[] = {"localhost", c->node_name, "kubernetes", "kubernetes.default",
                               "kubernetes.default.svc",
                               arena_printf(a, "kubernetes.default.svc.%s", c->cluster_domain)};

    s->names = (struct pki_names){.node_name = c->node_name,
                                  .ips = texts(a, ARRAY_LEN(ips), ips),
                                  .dns_names = texts(a, ARRAY_LEN(dns_names), dns_names)};
    s->url = arena_printf(a, "https://%s:%lld",
                          strcmp(c->bind_address, "0.0.0.0") == 0 ? "127.0.0.1" : c->bind_address,
                          (long long)c->secure_port);
}

static int load_keys(struct server *s, struct err *err)
{
    struct arena *a = &s->arena;
    const char *dir = s->config.data_dir;
    int r;

    name_server(s);
    r = pki_load(arena_printf(a, "%s/pki", dir), &s->names,
                 clock_real()->wall_ns(clock_real()) / 1000000000, a, &s->pki, err);
    if (r < 0)
        return r;
    r = jwt_key_load(s->pki.token_key, &s->token_key, err);
    if (r < 0)
        return r;
    r = tls_server_context(s->pki.server_cert, s->pki.server_key, s->pki.ca_cert, &s->tls, err);
    if (r < 0)
        return r;
    r = tls_client_context(s->pki.ca_cert, s->pki.kubelet_client_cert, s->pki.kubelet_client_key,
                           false, &s->kubelet_tls, err);
    if (r < 0)
        return r;
    return admin_kubeconfig_write(arena_printf(a, "%s/admin.kubeconfig", dir), s->url, &s->pki,
                                  err);
}

static void told(int code, const char *what, const struct err *err)
{
    if (code < 0)
        LOG_ERROR("server", "%s keeps its old certificate: %s", what, err->msg);
}

static void on_renewed(void *arg, const struct pki *pki)
{
    struct server *s = arg;
    struct err err = {0};

    if (s->stopping)
        return; /* the node may be going, on a pool thread */
    s->pki = *pki;
    told(tls_context_reload(s->tls, pki->server_cert, pki->server_key, &err), "the API server",
         &err);
    told(tls_context_reload(s->kubelet_tls, pki->kubelet_client_cert, pki->kubelet_client_key,
                            &err),
         "the client of kubelets", &err);
    if (s->node)
        told(node_renew(s->node, pki, &err), "the kubelet", &err);
}

static void start_renewal(struct server *s)
{
    struct arena *a = &s->arena;
    struct renewal_opts opts = {
        .loop = s->loop,
        .dir = arena_printf(a, "%s/pki", s->config.data_dir),
        .names = s->names,
        .pki = &s->pki,
        .kubeconfig = arena_printf(a, "%s/admin.kubeconfig", s->config.data_dir),
        .url = s->url,
        .on_renewed = on_renewed,
        .arg = s,
    };

    s->renewal = renewal_new(&opts);
}

static void on_figures(void *arg, const struct snapshot_figures *f)
{
    struct server *s = arg;
    struct apiserver_snapshots shown = {f->last_sec, f->revision, f->bytes, f->failures};

    apiserver_set_snapshots(s->apiserver, &shown);
}

static void start_snapshots(struct server *s)
{
    struct snapshot_schedule_opts opts = {.loop = s->loop,
                                          .store = s->store,
                                          .flags = &s->config.snapshots,
                                          .data_dir = s->config.data_dir,
                                          .on_figures = on_figures,
                                          .arg = s};

    if (s->config.snapshots.interval_ms)
        s->snapshots = snapshot_schedule_new(&opts);
}

static int open_api(struct server *s, struct err *err)
{
    struct server_config *c = &s->config;
    struct apiserver_opts opts = {
        .store = s->store,
        .loop = s->loop,
        .advertise_address = c->advertise_address,
        .secure_port = (uint16_t)c->secure_port,
        .service_cidr = c->service_cidr,
        .token_key = s->token_key,
        .token_issuer =
            arena_printf(&s->arena, "https://kubernetes.default.svc.%s", c->cluster_domain),
        .ca_pem = s->pki.ca_cert,
        .anonymous_auth = c->anonymous_auth,
        .kubelet_client_tls = s->kubelet_tls,
    };
    struct http_server_opts http = {
        .address = c->bind_address, .port = (uint16_t)c->secure_port, .tls = s->tls};
    int r;

    if (c->token_file) {
        r = file_read(c->token_file, &s->arena, &opts.static_tokens, err);
        if (r < 0)
            return err_wrap(err, r, "--token-auth-file");
    }
    r = apiserver_new(&opts, &s->apiserver, err);
    if (r < 0)
        return r;
    http.handler = apiserver_handler(s->apiserver);
    return http_server_new(s->loop, &http, &s->http, err);
}

static void on_http_closed(void *arg)
{
    struct server *s = arg;

    s->http = NULL;
    loop_stop(s->loop);
}

static void on_etcd_ready(void *arg, const struct err *err)
{
    struct server *s = arg;
    struct etcd_listen_opts opts = {.loop = s->loop,
                                    .urls = s->config.etcd_listen,
                                    .tls = s->tls,
                                    .needs_cert = true,
                                    .needs_group = "system:masters"};
    struct err why = {0};

    if (s->stopping)
        return;
    if (err)
        why = *err;
    else if (etcd_listen_open(&opts, s->etcd, &s->etcd_listen, &why) == 0)
        LOG_INFO("server", "store served as etcd urls=%s", s->config.etcd_listen);
    if (why.code)
        LOG_ERROR("server", "--etcd-listen: %s", why.msg);
}

static int open_etcd(struct server *s, struct err *err)
{
    struct etcd_config config = {.store = s->store, .loop = s->loop, .name = s->config.node_name};
    int r;

    if (!s->config.etcd_listen)
        return 0;
    if (s->config.etcd_servers)
        return err_new(err, ERR_BAD_REQUEST,
                       "--etcd-listen serves the store of this server, and --etcd-servers says "
                       "that it has none");
    r = etcd_urls_split(s->config.etcd_listen, &s->arena, &config.client_urls,
                        &config.n_client_urls, err);
    if (r < 0)
        return err_wrap(err, r, "--etcd-listen");
    s->etcd = etcd_new(&config, on_etcd_ready, s);
    return 0;
}

static void stop_http(void *arg)
{
    struct server *s = arg;

    s->etcd_listen = NULL;
    if (s->http)
        http_server_close(s->http, DRAIN_MS, on_http_closed, s);
    else
        loop_stop(s->loop);
}

static void nothing(void *arg)
{
    (void)arg;
}

static void on_etcd_stopped(void *arg)
{
    struct server *s = arg;

    s->etcd_stopped = true;
    etcd_listen_close(s->etcd_listen, stop_http, s);
}

static void on_api_stopped(void *arg)
{
    struct server *s = arg;

    if (s->etcd)
        etcd_stop(s->etcd, on_etcd_stopped, s);
    else
        stop_http(s);
}

/* The parts that use the API have ended on a pool thread, since stopping them blocks. */
static void on_parts_stopped(void *arg)
{
    struct server *s = arg;

    apiserver_stop(s->apiserver, on_api_stopped, s);
}

static void stop_parts(void *arg)
{
    struct server *s = arg;

    s->node = node_stop(s->node);
    s->control = control_stop(s->control);
}

static void on_signal(void *arg)
{
    struct server *s = arg;

    if (s->stopping) {
        LOG_WARN("server", "second signal: leaving at once");
        loop_stop(s->loop);
        return;
    }
    s->stopping = true;
    LOG_INFO("server", "stopping; containers go on running");
    timer_stop(&s->ready);
    s->snapshots = snapshot_schedule_free(s->snapshots);
    loop_work(s->loop, stop_parts, on_parts_stopped, s);
}

static void on_ready_poll(struct timer *t)
{
    struct server *s = container_of(t, struct server, ready);
    struct err err = {0};

    if (!apiserver_ready(s->apiserver))
        return;
    timer_stop(&s->ready);
    LOG_INFO("server", "ready after_ms=%lld address=%s:%lld kubeconfig=%s/admin.kubeconfig",
             (long long)((loop_wall_ns(s->loop) - s->began_ns) / 1000000), s->config.bind_address,
             (long long)s->config.secure_port, s->config.data_dir);
    start_snapshots(s);
    s->control = control_start(&s->config, &s->pki, s->apiserver);
    if (node_wanted(&s->config) &&
        node_start(&s->config, &s->pki, s->apiserver, &s->node, &err) < 0)
        LOG_ERROR("server", "node not started: %s", err.msg);
}

static int server_run(struct server *s, struct err *err)
{
    int r = resolve_config(s, err);

    if (r < 0)
        return r;
    r = load_keys(s, err);
    if (r < 0)
        return r;
    s->loop = loop_new("api");
    s->began_ns = loop_wall_ns(s->loop);
    r = server_open_store(&s->config, s->loop, &s->arena, &s->etcd_tls, &s->store, err);
    if (r < 0)
        return r;
    r = open_api(s, err);
    if (r == 0)
        r = open_etcd(s, err);
    if (r < 0)
        return r;
    s->on_term = loop_signal_new(s->loop, SIGTERM, on_signal, s);
    s->on_int = loop_signal_new(s->loop, SIGINT, on_signal, s);
    timer_init(&s->ready, s->loop, on_ready_poll);
    timer_start(&s->ready, READY_POLL_MS, READY_POLL_MS);
    start_renewal(s);
    loop_hold(s->loop, true);
    loop_run(s->loop);
    return 0;
}

static void server_deinit(struct server *s)
{
    s->renewal = renewal_free(s->renewal);
    s->snapshots = snapshot_schedule_free(s->snapshots);
    s->apiserver = apiserver_free(s->apiserver);
    if (s->etcd && !s->etcd_stopped) /* left at once: what is under way is not waited for */
        etcd_stop(s->etcd, nothing, NULL);
    else
        s->etcd = etcd_free(s->etcd);
    s->store = store_close(s->store);
    s->etcd_tls = etcd_client_tls_free(s->etcd_tls);
    s->on_term = loop_signal_free(s->on_term);
    s->on_int = loop_signal_free(s->on_int);
    if (s->loop) {
        loop_hold(s->loop, false);
        loop_run(s->loop); /* closes what was freed last */
        s->loop = loop_free(s->loop);
    }
    s->tls = tls_context_free(s->tls);
    s->kubelet_tls = tls_context_free(s->kubelet_tls);
    s->token_key = jwt_key_free(s->token_key);
    arena_deinit(&s->arena);
}

static const char usage_server[] =
    "Usage: skiff server [flags]\n\n"
    "Runs a whole cluster in one process: API server, store, controllers, scheduler, and a node\n"
    "(kubelet, Service proxy, DNS). The administrator's kubeconfig is <data-dir>/admin.kubeconfig.";

static const char usage_apiserver[] =
    "Usage: skiff apiserver [flags]\n\n"
    "Runs the API server alone: `skiff server` without its other parts. Several may run over one\n"
    "etcd (--etcd-servers), each with a copy of <data-dir>/pki and of nothing else.";

static const struct server_config defaults = {
    .data_dir = "/var/lib/skiff",
    .run_dir = "/run/skiff",
    .bind_address = "0.0.0.0",
    .secure_port = 6443,
    .kubelet_port = 10250,
    .service_cidr = "10.96.0.0/16",
    .pod_cidr = "10.244.0.0/24",
    .cni_bridge = "skiff0",
    .cluster_domain = "cluster.local",
    .log_level = "info",
    .etcd_prefix = "/registry",
    .etcd_compact_ms = 5 * 60 * 1000,
    .anonymous_auth = true,
    .snapshots = SNAPSHOT_FLAGS_DEFAULT,
};

static int run_with_flags(struct server *s, const struct flag *flags, int argc, char **argv,
                          const char *usage)
{
    struct err err = {0};
    int words = 0, r = flags_parse(flags, argc, argv, &words, &err);

    if (r == FLAGS_HELP) {
        flags_help(flags, usage, stdout);
        return 0;
    }
    if (r == 0 && words > 0)
        r = err_new(&err, ERR_BAD_REQUEST, "unexpected word \"%s\"; see --help", argv[1]);
    if (r == 0)
        r = flags_set_log_level(s->config.log_level, &err);
    if (r < 0) {
        fprintf(stderr, "skiff %s: %s\n", argv[0], err.msg);
        return 2;
    }
    r = server_run(s, &err);
    if (r < 0)
        fprintf(stderr, "skiff %s: %s\n", argv[0], err.msg);
    server_deinit(s);
    return r < 0 ? 1 : 0;
}

/* @disable: what is not run unless the flags say so. */
static int run_command(int argc, char **argv, const char *usage, const char *disable)
{
    struct server s = {.config = defaults};
    struct server_config *c = &s.config;
    /* clang-format off */
    const struct flag flags[] = {
        {"data-dir", FLAG_STRING, &c->data_dir, "DIR", "state, keys, certificates"},
        {"run-dir", FLAG_STRING, &c->run_dir, "DIR", "sockets and pid files"},
        {"bind-address", FLAG_STRING, &c->bind_address, "IP", "where the API listens"},
        {"secure-port", FLAG_INT, &c->secure_port, "PORT", "port of the API"},
        {"advertise-address", FLAG_STRING, &c->advertise_address, "IP",
         "address of the API inside the cluster; the node's if unset"},
        {"service-cluster-ip-range", FLAG_STRING, &c->service_cidr, "CIDR",
         "addresses of Services"},
        {"cluster-cidr", FLAG_STRING, &c->pod_cidr, "CIDR", "addresses of this node's pods"},
        {"cni-bridge", FLAG_STRING, &c->cni_bridge, "NAME",
         "bridge of the pod network; another server on this machine needs another, and CIDRs"},
        {"cluster-dns", FLAG_STRING, &c->dns_ip, "IP",
         "address of the cluster's DNS; the tenth Service address if unset"},
        {"cluster-domain", FLAG_STRING, &c->cluster_domain, "DOMAIN", "DNS domain of the cluster"},
        {"node-name", FLAG_STRING, &c->node_name, "NAME",
         "this node's name; the host name if unset"},
        {"node-ip", FLAG_STRING, &c->node_ip, "IP",
         "this node's address; that of the default route if unset"},
        {"kubelet-port", FLAG_INT, &c->kubelet_port, "PORT", "port of the kubelet"},
        {"disable", FLAG_STRING, &c->disable, "LIST",
         "parts not to run: kubelet,proxy,dns,scheduler,controller-manager"},
        {"container-runtime-endpoint", FLAG_STRING, &c->runtime_endpoint, "SOCKET",
         "a CRI runtime that runs already; its own containerd if unset"},
        {"token-auth-file", FLAG_STRING, &c->token_file, "FILE",
         "static tokens: token,user,uid,\"group1,group2\""},
        {"anonymous-auth", FLAG_BOOL, &c->anonymous_auth, NULL,
         "let requests without credentials be system:anonymous"},
        {"etcd-servers", FLAG_STRING, &c->etcd_servers, "URLS",
         "an etcd cluster to keep the state in; a store of its own if unset"},
        {"etcd-prefix", FLAG_STRING, &c->etcd_prefix, "KEY", "what all keys in etcd begin with"},
        {"etcd-cafile", FLAG_STRING, &c->etcd_ca, "FILE", "CA of etcd's certificates"},
        {"etcd-certfile", FLAG_STRING, &c->etcd_cert, "FILE", "certificate to show to etcd"},
        {"etcd-keyfile", FLAG_STRING, &c->etcd_key, "FILE", "key of that certificate"},
        {"etcd-compaction-interval", FLAG_DURATION, &c->etcd_compact_ms, "TIME",
         "between compactions of etcd, 0: none"},
        {"etcd-listen", FLAG_STRING, &c->etcd_listen, "URLS",
         "serve the store as etcd v3 there: https for administrators, unix, or http on loopback"},
        {"resolv-conf", FLAG_STRING, &c->resolv_conf, "FILE",
         "servers for names of the world outside, for DNS and pods; /etc/resolv.conf if unset"},
        SNAPSHOT_FLAGS(&c->snapshots),
        {"log-level", FLAG_STRING, &c->log_level, "LEVEL", "debug, info, warn or error"},
        {0}};
    /* clang-format on */

    c->disable = disable;
    return run_with_flags(&s, flags, argc, argv, usage);
}

int cmd_server(int argc, char **argv)
{
    return run_command(argc, argv, usage_server, "");
}

int cmd_apiserver(int argc, char **argv)
{
    return run_command(argc, argv, usage_apiserver,
                       "kubelet,proxy,dns,scheduler,controller-manager");
}
