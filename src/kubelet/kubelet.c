/* SPDX-License-Identifier: Apache-2.0 */
/* kubelet.c - start and stop, and how the pods of the API reach their workers. */
#include "kubelet/pod_internal.h"

#include "base/log.h"

static const char *keep(struct kubelet *kl, const char *s)
{
    return s ? arena_strdup(&kl->arena, s) : NULL;
}

static void copy_opts(struct kubelet *kl, const struct kubelet_opts *o)
{
    kl->opts = *o;
    kl->opts.node_name = keep(kl, o->node_name);
    kl->opts.node_ip = keep(kl, o->node_ip);
    kl->opts.root_dir = keep(kl, o->root_dir);
    kl->opts.runtime_endpoint = keep(kl, o->runtime_endpoint);
    kl->opts.events_endpoint = keep(kl, o->events_endpoint);
    kl->opts.log_dir = keep(kl, o->log_dir);
    kl->opts.containers_log_dir = keep(kl, o->containers_log_dir);
    kl->opts.address = keep(kl, o->address);
    kl->opts.cluster_dns = keep(kl, o->cluster_dns);
    kl->opts.cluster_domain = keep(kl, o->cluster_domain);
    kl->opts.resolv_conf = keep(kl, o->resolv_conf);
    kl->opts.pause_image = keep(kl, o->pause_image);
    kl->opts.ca_file = keep(kl, o->ca_file);
}

static void on_pod_add(void *arg, struct object *o)
{
    struct kubelet *kl = arg;
    struct kpod *kp = kpod_find_uid(kl, o->uid);

    if (kp && kp->orphan)
        return; /* its rest is being cleared away */
    if (kp)
        kpod_set_object(kp, o);
    else
        kp = kpod_new(kl, o);
    kpod_kick(kp);
}

static void on_pod_delete(void *arg, struct object *o)
{
    struct kubelet *kl = arg;
    struct kpod *kp = kpod_find_uid(kl, o->uid);

    if (!kp)
        return;
    kp->gone = true;
    if (kp->phase == KPOD_DONE)
        kpod_forget(kp);
    else
        kpod_kick(kp);
}

static void on_pod_update(void *arg, struct object *old, struct object *o)
{
    if (!str_eq(old->uid, o->uid)) /* deleted and made anew between two looks */
        on_pod_delete(arg, old);
    on_pod_add(arg, o);
}

static void on_synced(void *arg)
{
    struct kubelet *kl = arg;

    runtime_state_pods_synced(kl->runtime);
}

static void watch_cluster(struct kubelet *kl)
{
    struct informer_handler h = {on_pod_add, on_pod_update, on_pod_delete, kl};

    kl->informers = informers_new(kl->client);
    kl->pods = informers_get(kl->informers, &res_core_pods, STR_NULL, NULL,
                             arena_printf(&kl->arena, "spec.nodeName=%s", kl->opts.node_name));
    kl->services = informers_get(kl->informers, &res_core_services, STR_NULL, NULL, NULL);
    kl->node = informers_get(kl->informers, &res_core_nodes, STR_NULL, NULL,
                             arena_printf(&kl->arena, "metadata.name=%s", kl->opts.node_name));
    informer_add_handler(kl->pods, &h);
    informers_on_synced(kl->informers, on_synced, kl);
}

int kubelet_new(const struct kubelet_opts *opts, struct kubelet **ret_k, struct err *err)
{
    struct kubelet *kl = xnew(struct kubelet);
    int r;

    kl->refs = 1;
    copy_opts(kl, opts);
    kl->client = opts->client;
    kl->loop = client_loop(opts->client);
    kl->events = event_recorder_new(kl->client, "kubelet", kl->opts.node_name);
    kl->cri = cri_new(kl->loop, kl->opts.runtime_endpoint);
    kl->images = images_new(kl);
    kl->status = status_manager_new(kl);
    r = cgroups_start(kl, err);
    if (r < 0) { /* without them pods run, unbounded as a group: the pod's own ensure tells */
        LOG_WARN("kubelet", "cgroups of the node: %s", err->msg);
        *err = (struct err){0};
    }
    volumes_start(kl);
    r = kubelet_server_start(kl, err);
    if (r < 0) {
        kubelet_free(kl);
        return err_wrap(err, r, "the kubelet's server");
    }
    watch_cluster(kl);
    node_agent_start(kl);
    kl->runtime = runtime_state_new(kl);
    kl->logs = log_rotator_new(kl);
    LOG_INFO("kubelet", "started node=%s port=%u", kl->opts.node_name, (unsigned)kl->opts.port);
    *ret_k = kl;
    return 0;
}

static void forget_pods(struct kubelet *kl)
{
    struct str uid;
    void *value;

    for (size_t it = 0; map_next(&kl->by_uid, &it, &uid, &value);) {
        struct kpod *kp = value;

        for (size_t i = 0; i < kp->containers.n; i++)
            probes_stop(kp->containers.v[i]);
        timer_stop(&kp->again);
        status_stop(kp);
        map_remove(&kl->by_uid, uid);
        kpod_unref(kp);
    }
}

struct kubelet *kubelet_free(struct kubelet *kl)
{
    if (!kl)
        return NULL;
    kl->stopping = true;
    if (kl->server)
        kubelet_server_stop(kl);
    if (kl->runtime) {
        node_agent_stop(kl);
        kl->runtime = runtime_state_free(kl->runtime);
    }
    kl->logs = log_rotator_free(kl->logs);
    kl->informers = informers_free(kl->informers);
    kl->pods = kl->services = kl->node = NULL;
    forget_pods(kl);
    kl->images = images_free(kl->images);
    kl->cri = cri_free(kl->cri);
    volumes_stop(kl);
    cgroups_stop(kl);
    kl->events = event_recorder_free(kl->events);
    kl->status = status_manager_free(kl->status);
    client_cancel_all(kl->client);
    kubelet_unref(kl);
    return NULL;
}
