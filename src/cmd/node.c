/* SPDX-License-Identifier: Apache-2.0 */
/* node.c - the node's parts of `skiff server`: containerd, kubelet, proxy, DNS; one loop, one
 * thread. */
#include "base/log.h"
#include "base/mem.h"
#include "client/client_inproc.h"
#include "cmd/addons.h"
#include "cmd/server.h"
#include "dns/dns.h"
#include "kubelet/containerd.h"
#include "kubelet/kubelet.h"
#include "net/tls.h"
#include "proxy/proxy.h"

#include <linux/capability.h>
#include <sys/prctl.h>

#define PAUSE_IMAGE "skiff.local/pause:1"
enum { DNS_PORT = 10053 };

struct node {
    const struct server_config *config;
    struct apiserver *as;
    struct arena arena;
    struct worker *worker;
    struct loop *loop; /* of the worker; set by setup() */
    struct tls_context *tls;
    struct containerd *containerd;
    struct client *kubelet_client, *proxy_client, *dns_client, *addons_client;
    struct addons *addons;
    struct kubelet *kubelet;
    struct proxy *proxy;
    struct dns *dns;
    bool no_oom_score_adj;
};

static const char *const no_groups[] = {NULL};
static const char *const node_groups[] = {"system:nodes", NULL};
static const char *const masters[] = {"system:masters", NULL};
static const char *const dns_groups[] = {"system:serviceaccounts",
                                         "system:serviceaccounts:kube-system", NULL};

static void start_kubelet(struct node *n)
{
    const struct server_config *c = n->config;
    struct err err = {0};
    struct kubelet_opts opts = {
        .client = n->kubelet_client,
        .node_name = c->node_name,
        .node_ip = c->node_ip,
        .root_dir = arena_printf(&n->arena, "%s/kubelet", c->data_dir),
        .runtime_endpoint =
            n->containerd ? containerd_endpoint(n->containerd) : c->runtime_endpoint,
        .events_endpoint = n->containerd ? containerd_endpoint(n->containerd) : NULL,
        .log_dir = "/var/log/pods",
        .containers_log_dir = "/var/log/containers",
        .tls = n->tls,
        .address = c->bind_address,
        .port = (uint16_t)c->kubelet_port,
        .cluster_dns = c->dns_ip,
        .cluster_domain = c->cluster_domain,
        .resolv_conf = c->resolv_conf,
        .pause_image = PAUSE_IMAGE,
        .no_oom_score_adj = n->no_oom_score_adj,
    };

    if (kubelet_new(&opts, &n->kubelet, &err) < 0)
        LOG_ERROR("node", "kubelet not started: %s", err.msg);
}

static void on_runtime_ready(void *arg)
{
    struct node *n = arg;

    if (!n->kubelet)
        start_kubelet(n);
}

static void start_runtime(struct node *n)
{
    const struct server_config *c = n->config;
    struct arena *a = &n->arena;
    struct err err = {0};
    struct containerd_opts opts = {
        .loop = n->loop,
        .root_dir = arena_printf(a, "%s/containerd", c->data_dir),
        .state_dir = arena_printf(a, "%s/containerd", c->run_dir),
        .cni_conf_dir = arena_printf(a, "%s/cni", c->data_dir),
        .cni_bin_dir = "/usr/lib/cni",
        .pause_image = PAUSE_IMAGE,
        .restrict_oom_score_adj = n->no_oom_score_adj,
        .log_file = arena_printf(a, "%s/containerd.log", c->data_dir),
        .on_ready = on_runtime_ready,
        .arg = n,
    };

    if (c->runtime_endpoint) {
        start_kubelet(n);
        return;
    }
    if (cni_write_config(opts.cni_conf_dir, c->cni_bridge, c->pod_cidr,
                         !server_enabled(c, "proxy"), &err) < 0 ||
        containerd_start(&opts, &n->containerd, &err) < 0)
        LOG_ERROR("node", "container runtime not started: %s", err.msg);
}

static void start_dns(struct node *n)
{
    const struct server_config *c = n->config;
    struct err err = {0};
    struct dns_opts opts = {.address = c->node_ip,
                            .port = DNS_PORT,
                            .domain = c->cluster_domain,
                            .resolv_conf = c->resolv_conf};
    struct addons_opts addons = {
        .dns_service_ip = c->dns_ip, .dns_address = c->node_ip, .dns_port = DNS_PORT};

    opts.client = n->dns_client =
        client_inproc_new(n->as, n->loop, "system:serviceaccount:kube-system:kube-dns", dns_groups);
    if (dns_new(&opts, &n->dns, &err) < 0) {
        LOG_ERROR("node", "DNS not started: %s", err.msg);
        return;
    }
    addons.client = n->addons_client = client_inproc_new(n->as, n->loop, "system:skiff", masters);
    n->addons = addons_start(&addons);
}

static void setup(struct loop *loop, void *arg)
{
    struct node *n = arg;
    const struct server_config *c = n->config;
    struct err err = {0};

    n->loop = loop;
    if (server_enabled(c, "kubelet")) {
        n->kubelet_client = client_inproc_new(
            n->as, loop, arena_printf(&n->arena, "system:node:%s", c->node_name), node_groups);
        start_runtime(n);
    }
    if (server_enabled(c, "proxy")) {
        struct proxy_opts opts = {.node_name = c->node_name,
                                  .node_ip = c->node_ip,
                                  .pod_cidr = c->pod_cidr,
                                  .backend = "nftables"};

        opts.client = n->proxy_client =
            client_inproc_new(n->as, loop, "system:kube-proxy", no_groups);
        if (proxy_new(&opts, &n->proxy, &err) < 0)
            LOG_ERROR("node", "proxy not started: %s", err.msg);
    }
    if (server_enabled(c, "dns"))
        start_dns(n);
}

static void teardown(void *arg)
{
    struct node *n = arg;

    n->addons = addons_stop(n->addons);
    n->addons_client = client_free(n->addons_client);
    n->dns = dns_free(n->dns);
    n->dns_client = client_free(n->dns_client);
    n->proxy = proxy_free(n->proxy, false);
    n->proxy_client = client_free(n->proxy_client);
    n->kubelet = kubelet_free(n->kubelet);
    n->kubelet_client = client_free(n->kubelet_client);
    n->containerd = containerd_free(n->containerd, false);
}

int node_start(const struct server_config *c, const struct pki *pki, struct apiserver *as,
               struct node **ret_n, struct err *err)
{
    struct node *n = xnew(struct node);
    int r = tls_server_context(pki->kubelet_cert, pki->kubelet_key, pki->ca_cert, &n->tls, err);

    if (r < 0) {
        free(n);
        return err_wrap(err, r, "the kubelet's certificate");
    }
    n->config = c;
    n->as = as;
    n->no_oom_score_adj = prctl(PR_CAPBSET_READ, CAP_SYS_RESOURCE, 0, 0, 0) != 1;
    n->worker = worker_start("node", setup, teardown, n);
    *ret_n = n;
    return 0;
}

int node_renew(struct node *n, const struct pki *pki, struct err *err)
{
    return tls_context_reload(n->tls, pki->kubelet_cert, pki->kubelet_key, err);
}

struct node *node_stop(struct node *n)
{
    if (!n)
        return NULL;
    n->worker = worker_stop(n->worker);
    n->tls = tls_context_free(n->tls);
    arena_deinit(&n->arena);
    free(n);
    return NULL;
}
