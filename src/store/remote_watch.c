/* remote_watch.c - the one watch, over all keys of etcd. It begins behind the position; when it
 * breaks, another one begins there: nothing is missed or seen twice. When etcd has forgotten what
 * comes behind the position, everything is read again, and who watches us has to do so, too. */
#include "store/remote.h"

struct watch { /* the argument of a call, which may outlive its being r->watch */
    struct remote *r;
    struct grpc_call *call;
    size_t at; /* endpoint */
};

static void drop_fragments(struct remote *r)
{
    for (size_t i = 0; i < r->fragments.n; i++)
        etcdserverpb__watch_response__free_unpacked(r->fragments.v[i], NULL);
    vec_clear(&r->fragments);
}

/* ---- all anew ---- */

static void resync(struct remote *r);

static void resync_done(struct remote_load *l, const struct err *err)
{
    struct remote *r = l->r;

    r->resyncing = false;
    if (!err && !remote_feed_covers(r, l)) { /* a resource came meanwhile, with older objects */
        resync(r);
    } else if (!err) {
        remote_tell(r, false, "etcd read again revision=%lld forgotten_since=%lld",
                    (long long)l->revision, (long long)remote_position(r));
        remote_feed_load(r, l);
        remote_watch_restart(r);
    }
    remote_load_deinit(l);
    free(l->of);
    free(l);
}

static void resync(struct remote *r)
{
    struct remote_load *l = xnew(struct remote_load);

    r->resyncing = true;
    l->r = r;
    l->done = resync_done;
    l->n = r->kept.n;
    l->of = xcalloc(MAX(l->n, 1), sizeof(*l->of));
    for (size_t i = 0; i < l->n; i++) {
        l->of[i].res = r->kept.v[i].cache->res;
        l->of[i].was = omap_snapshot(&r->kept.v[i].cache->objects);
    }
    remote_load_start(l);
}

/* ---- what the watch says ---- */

static void feed(struct remote *r, const Etcdserverpb__WatchResponse *w, int64_t *revision)
{
    for (size_t i = 0; i < w->n_events; i++) {
        const Mvccpb__Event *ev = w->events[i];

        if (!ev->kv || ev->kv->mod_revision <= remote_position(r))
            continue;
        *revision = MAX(*revision, ev->kv->mod_revision);
        remote_feed(r, ev);
    }
}

static void take(struct remote *r, Etcdserverpb__WatchResponse *w)
{
    int64_t revision = remote_position(r);

    vec_push(&r->fragments, w);
    if (w->fragment)
        return; /* the rest of the revision comes */
    for (size_t i = 0; i < r->fragments.n; i++)
        feed(r, r->fragments.v[i], &revision);
    if (w->n_events == 0 && !w->created && w->header) /* progress: all up to there was sent */
        revision = MAX(revision, w->header->revision);
    drop_fragments(r);
    if (revision > remote_position(r))
        remote_feed_publish(r, revision);
}

static void on_message(void *arg, struct str message)
{
    struct watch *wa = arg;
    struct remote *r = wa->r;
    Etcdserverpb__WatchResponse *w =
        etcdserverpb__watch_response__unpack(NULL, message.len, (const uint8_t *)message.p);

    if (!w || r->watch != wa->call) {
        if (w)
            etcdserverpb__watch_response__free_unpacked(w, NULL);
        else
            grpc_call_cancel(wa->call);
        return;
    }
    if (w->header && !remote_same_cluster(r, wa->at, w->header)) {
        etcdserverpb__watch_response__free_unpacked(w, NULL);
        remote_endpoint_failed(r, wa->at, false, STR(REMOTE_OTHER_CLUSTER));
        if (r->watch == wa->call)
            grpc_call_cancel(wa->call);
        return;
    }
    remote_answered(r);
    if (w->created && w->header && w->header->revision < remote_position(r))
        remote_ping(r); /* a member that is behind, or one that was restored */
    if (!w->canceled) {
        r->watch_backoff_ms = REMOTE_RETRY_MIN_MS;
        take(r, w);
        return;
    }
    remote_tell(r, false, "etcd ended the watch compact_revision=%lld reason=\"%s\"",
             (long long)w->compact_revision, w->cancel_reason);
    if (w->compact_revision > 0 && !r->resyncing)
        resync(r);
    etcdserverpb__watch_response__free_unpacked(w, NULL);
    grpc_call_cancel(wa->call);
}

static void on_done(void *arg, enum grpc_status status, struct str text)
{
    struct watch *wa = arg;
    struct remote *r = wa->r;
    bool current = r->watch == wa->call;

    if (current)
        r->watch = NULL;
    if (current && !r->ended) {
        drop_fragments(r);
        if (status != GRPC_CANCELLED)
            remote_endpoint_failed(r, wa->at, false, text);
        remote_watch_restart(r);
    }
    free(wa);
}

/* ---- its life ---- */

void remote_watch_start(struct remote *r)
{
    static const struct http_header leader = {STR_INIT("hasleader"), STR_INIT("true")};
    static const struct str all = STR_INIT("\0");
    Etcdserverpb__WatchCreateRequest create = ETCDSERVERPB__WATCH_CREATE_REQUEST__INIT;
    Etcdserverpb__WatchRequest rq = ETCDSERVERPB__WATCH_REQUEST__INIT;
    struct watch *wa = xnew(struct watch);
    struct grpc_call_opts opts = {.method = "/etcdserverpb.Watch/Watch",
                                  .client_streams = true,
                                  .metadata = &leader, /* a member that lost its quorum ends it */
                                  .n_metadata = 1,
                                  .on_message = on_message,
                                  .on_done = on_done,
                                  .arg = wa};
    auto_buf out = {0};

    assert(!r->watch && !r->resyncing);
    r->following = true;
    r->watch_began_ms = remote_now_ms(r);
    r->watch_late = false;
    create.key = create.range_end = pb_bytes(all);
    create.start_revision = remote_position(r) + 1;
    create.progress_notify = create.fragment = true;
    rq.request_union_case = ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_CREATE_REQUEST;
    rq.create_request = &create;
    out.len = etcdserverpb__watch_request__pack(
        &rq, (uint8_t *)buf_reserve(&out, etcdserverpb__watch_request__get_packed_size(&rq)));
    opts.request = buf_view(&out);
    wa->r = r;
    wa->call = grpc_call_start(remote_client(r, &wa->at), &opts);
    r->watch = wa->call;
}

void remote_watch_retry(struct timer *t)
{
    struct remote *r = container_of(t, struct remote, watch_retry);

    if (!r->watch && !r->resyncing && !r->ended && r->following)
        remote_watch_start(r);
}

void remote_watch_restart(struct remote *r)
{
    struct grpc_call *old = steal(r->watch);

    drop_fragments(r);
    if (old)
        grpc_call_cancel(old);
    if (r->ended || !r->following || timer_active(&r->watch_retry))
        return;
    timer_start(&r->watch_retry, r->watch_backoff_ms, 0);
    r->watch_backoff_ms =
        MIN(MAX(r->watch_backoff_ms * 2, REMOTE_RETRY_MIN_MS), REMOTE_RETRY_MAX_MS);
}

void remote_watch_stop(struct remote *r)
{
    timer_stop(&r->watch_retry);
    if (r->watch)
        grpc_call_cancel(steal(r->watch));
    drop_fragments(r);
    vec_deinit(&r->fragments);
}
