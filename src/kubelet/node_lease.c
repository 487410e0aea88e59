/* SPDX-License-Identifier: Apache-2.0 */
/* node_lease.c - the node's heartbeat: its Lease in kube-node-lease, renewed every ten seconds. */
#include "base/log.h"
#include "codec/json.h"
#include "kubelet/node_agent.h"

enum { RENEW_MS = 10000, RETRY_MS = 1000, LEASE_SEC = 40 };

static void on_created(void *arg, const struct client_result *r)
{
    struct node_agent *na = arg;

    if (node_agent_done(na))
        return;
    if (r->code < 0 && r->code != ERR_EXISTS)
        LOG_WARN("kubelet", "cannot make the node's lease: %s", r->err->msg);
    timer_start(&na->lease_timer, r->code < 0 ? RETRY_MS : RENEW_MS, 0);
}

static void create(struct node_agent *na)
{
    struct str name = str_from(na->kl->opts.node_name);
    int32_t seconds = LEASE_SEC;
    struct meta_owner_reference owner = {.api_version = STR("v1"),
                                         .kind = STR("Node"),
                                         .name = name,
                                         .uid = na->node_uid};
    struct coordination_lease lease = {
        .metadata = {.name = name, .namespace = STR("kube-node-lease")},
        .spec = {.holder_identity = &name,
                 .lease_duration_seconds = &seconds,
                 .renew_time = time_from_ns(loop_wall_ns(na->kl->loop))},
    };

    if (!str_empty(na->node_uid)) {
        lease.metadata.owner_references.v = &owner;
        lease.metadata.owner_references.n = 1;
    }
    na->busy++;
    client_create(na->kl->client, &res_coordination_leases, STR("kube-node-lease"), STR(""), NULL,
                  &lease, NULL, on_created, na);
}

static void on_renewed(void *arg, const struct client_result *r)
{
    struct node_agent *na = arg;

    if (node_agent_done(na))
        return;
    if (r->code == ERR_NOT_FOUND) {
        create(na);
        return;
    }
    if (r->code < 0)
        LOG_WARN("kubelet", "cannot renew the node's lease: %s", r->err->msg);
    timer_start(&na->lease_timer, r->code < 0 ? RETRY_MS : RENEW_MS, 0);
}

static void on_timer(struct timer *t)
{
    struct node_agent *na = container_of(t, struct node_agent, lease_timer);
    const char *name = na->kl->opts.node_name;
    auto_buf patch = {0};

    buf_puts(&patch, "{\"spec\":{\"holderIdentity\":");
    json_write_string(&patch, str_from(name));
    buf_printf(&patch, ",\"leaseDurationSeconds\":%d,\"renewTime\":\"", LEASE_SEC);
    time_write_micro(&patch, time_from_ns(loop_wall_ns(na->kl->loop)));
    buf_puts(&patch, "\"}}");
    na->busy++;
    client_patch(na->kl->client, &res_coordination_leases, STR("kube-node-lease"), str_from(name),
                 CLIENT_MERGE_PATCH, buf_view(&patch), NULL, on_renewed, na);
}

void node_lease_start(struct node_agent *na)
{
    timer_init(&na->lease_timer, na->kl->loop, on_timer);
    timer_start(&na->lease_timer, 0, 0);
}
