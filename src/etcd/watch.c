/* watch.c - the watches of a stream: made, fed, cancelled. */
#include "etcd/etcd_internal.h"

enum { PENDING_MAX = 1 << 20, PENDING_LOW = 1 << 19 };

struct watch_stream {
    struct etcd *e;
    struct grpc_server_call *gc;
    VEC(struct watch *) watches; /* by id */
    int64_t next_id;
    int64_t progress; /* asked for: to be told when all before it has been sent; 0: no */
    bool blocked;     /* its peer does not read */
    struct timer timer;
};

static int64_t revision_now(const struct watch_stream *s)
{
    return store_revision(s->e->config.store);
}

static void send_response(struct watch_stream *s, Etcdserverpb__WatchResponse *rs, int64_t revision)
{
    auto_arena a = {0};

    rs->header = etcd_header(s->e, &a, revision);
    etcd_send(s->gc, &rs->base);
}

/* Where the watch @id is, or would be. */
static size_t watch_place(const struct watch_stream *s, int64_t id)
{
    size_t low = 0, high = s->watches.n;

    if (high && s->watches.v[high - 1]->id < id)
        return high; /* the usual: ids rise */
    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (s->watches.v[mid]->id < id)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static struct watch *watch_find(const struct watch_stream *s, int64_t id)
{
    size_t at = watch_place(s, id);

    return at < s->watches.n && s->watches.v[at]->id == id ? s->watches.v[at] : NULL;
}

static void watch_keep(struct watch_stream *s, struct watch *w)
{
    size_t at = watch_place(s, w->id);

    vec_push(&s->watches, w);
    memmove(&s->watches.v[at + 1], &s->watches.v[at],
            (s->watches.n - 1 - at) * sizeof(s->watches.v[0]));
    s->watches.v[at] = w;
}

static void watch_free(struct watch *w)
{
    struct watch_stream *s = w->stream;
    size_t at = watch_place(s, w->id);

    assert(at < s->watches.n && s->watches.v[at] == w);
    feed_remove(s->e->feed, w);
    s->e->watchers--;
    s->watches.n--;
    memmove(&s->watches.v[at], &s->watches.v[at + 1],
            (s->watches.n - at) * sizeof(s->watches.v[0]));
    free(w);
}

/* ---- events ---- */

bool watch_open_for_more(const struct watch *w)
{
    return !w->stream->blocked;
}

static bool watch_wants(const struct watch *w, const struct feed_event *ev)
{
    return ev->revision >= w->next && !(ev->deleted ? w->no_deletes : w->no_puts) &&
           str_cmp(ev->key, w->keys.from) >= 0 &&
           (str_empty(w->keys.end) || str_cmp(ev->key, w->keys.end) < 0);
}

static void on_drained(void *arg)
{
    struct watch_stream *s = arg;

    s->blocked = false;
    feed_wake(s->e->feed);
}

static void note_pending(struct watch_stream *s)
{
    if (s->blocked || grpc_server_pending(s->gc) < PENDING_MAX)
        return;
    s->blocked = true;
    grpc_server_on_drained(s->gc, PENDING_LOW, on_drained, s);
}

/* Sends @n events, in pieces if the watch takes fragments. */
static void send_events(struct watch *w, Mvccpb__Event **events, size_t n, int64_t upto)
{
    struct watch_stream *s = w->stream;
    size_t max = s->e->config.request_max_bytes + ETCD_REQUEST_OVERHEAD, from = 0;

    while (from < n) {
        Etcdserverpb__WatchResponse rs = ETCDSERVERPB__WATCH_RESPONSE__INIT;
        size_t to = from, bytes = 0;

        do
            bytes += mvccpb__event__get_packed_size(events[to++]);
        while (to < n &&
               (!w->fragment || bytes + mvccpb__event__get_packed_size(events[to]) < max));
        rs.watch_id = w->id;
        rs.events = events + from;
        rs.n_events = to - from;
        rs.fragment = to < n;
        send_response(s, &rs, upto);
        from = to;
    }
    s->e->watch_events += n;
}

void watch_give(struct watch *w, const struct feed_event *events, size_t n, int64_t upto)
{
    Mvccpb__Event **mine = NULL;
    size_t n_mine = 0;

    for (size_t i = 0; i < n; i++) {
        if (!watch_wants(w, &events[i]))
            continue;
        if (!mine)
            mine = xcalloc(n - i, sizeof(*mine));
        mine[n_mine++] = w->prev_kv && events[i].with_prev ? events[i].with_prev : events[i].plain;
    }
    if (n_mine) {
        send_events(w, mine, n_mine, upto);
        w->quiet = false;
        note_pending(w->stream);
    }
    free(mine);
    w->next = upto + 1;
}

void watch_compacted(struct watch *w, int64_t compacted)
{
    Etcdserverpb__WatchResponse rs = ETCDSERVERPB__WATCH_RESPONSE__INIT;

    rs.watch_id = w->id;
    rs.canceled = true;
    rs.compact_revision = compacted;
    send_response(w->stream, &rs, 0);
    watch_free(w);
}

/* ---- progress ---- */

static void check_progress(struct watch_stream *s)
{
    Etcdserverpb__WatchResponse rs = ETCDSERVERPB__WATCH_RESPONSE__INIT;
    int64_t upto = revision_now(s);

    if (!s->progress)
        return;
    for (size_t i = 0; i < s->watches.n; i++)
        upto = MIN(upto, s->watches.v[i]->next - 1);
    if (upto < s->progress)
        return;
    s->progress = 0;
    rs.watch_id = -1;
    send_response(s, &rs, upto);
}

void watch_after(struct watch *w)
{
    if (w == w->stream->watches.v[0]) /* once for all of a stream */
        check_progress(w->stream);
}

static void on_progress_timer(struct timer *t)
{
    struct watch_stream *s = container_of(t, struct watch_stream, timer);
    int64_t revision = revision_now(s);

    for (size_t i = 0; i < s->watches.n && !s->blocked; i++) {
        struct watch *w = s->watches.v[i];
        Etcdserverpb__WatchResponse rs = ETCDSERVERPB__WATCH_RESPONSE__INIT;

        rs.watch_id = w->id;
        if (w->progress && w->quiet && w->next > revision)
            send_response(s, &rs, revision);
        w->quiet = true;
    }
    note_pending(s);
}

/* ---- requests ---- */

static int64_t id_choose(struct watch_stream *s, int64_t wanted)
{
    if (wanted)
        return wanted;
    while (watch_find(s, s->next_id))
        s->next_id++;
    return s->next_id++;
}

/* In one piece with the keys: there may be very many. */
static struct watch *watch_new(struct watch_stream *s, const Etcdserverpb__WatchCreateRequest *rq,
                               int64_t revision)
{
    struct str key = rq->key.len ? pb_str(rq->key) : (struct str){"", 1}; /* \0: the smallest */
    auto_arena a = {0};
    struct key_range keys;
    struct watch *w;

    (void)key_range_of(pb_of(key), rq->range_end, &a, &keys);
    w = xcalloc(1, sizeof(*w) + keys.from.len + keys.end.len);
    w->stream = s;
    memcpy(w->bytes, keys.from.p, keys.from.len);
    w->keys.from = (struct str){w->bytes, keys.from.len};
    if (keys.end.len)
        memcpy(w->bytes + keys.from.len, keys.end.p, keys.end.len);
    w->keys.end = (struct str){w->bytes + keys.from.len, keys.end.len};
    w->next = rq->start_revision > 0 ? rq->start_revision : revision + 1;
    w->prev_kv = rq->prev_kv;
    w->fragment = rq->fragment;
    w->progress = rq->progress_notify;
    for (size_t i = 0; i < rq->n_filters; i++) {
        w->no_puts |= rq->filters[i] == ETCDSERVERPB__WATCH_CREATE_REQUEST__FILTER_TYPE__NOPUT;
        w->no_deletes |=
            rq->filters[i] == ETCDSERVERPB__WATCH_CREATE_REQUEST__FILTER_TYPE__NODELETE;
    }
    return w;
}

static const char *create_refused(struct watch_stream *s,
                                  const Etcdserverpb__WatchCreateRequest *rq)
{
    struct str key = rq->key.len ? pb_str(rq->key) : (struct str){"", 1};
    struct key_range keys;
    auto_arena a = {0};

    if (!key_range_of(pb_of(key), rq->range_end, &a, &keys))
        return "mvcc: watcher range is empty";
    if (rq->watch_id && watch_find(s, rq->watch_id))
        return "mvcc: duplicate watch ID provided on the WatchStream";
    if (s->watches.n >= ETCD_WATCHES_MAX)
        return "mvcc: too many watches on the WatchStream";
    if (rq->start_revision < 0)
        return etcd_refusal_text(REFUSE_COMPACTED);
    return NULL;
}

static void create(struct watch_stream *s, const Etcdserverpb__WatchCreateRequest *rq)
{
    Etcdserverpb__WatchResponse rs = ETCDSERVERPB__WATCH_RESPONSE__INIT;
    const char *refused = create_refused(s, rq);
    int64_t revision = revision_now(s);
    struct watch *w;

    rs.created = true;
    rs.watch_id = -1;
    if (refused) {
        rs.canceled = true;
        rs.cancel_reason = (char *)(uintptr_t)refused;
        send_response(s, &rs, revision);
        return;
    }
    w = watch_new(s, rq, revision);
    w->id = rs.watch_id = id_choose(s, rq->watch_id);
    watch_keep(s, w);
    s->e->watchers++;
    send_response(s, &rs, revision);
    if (w->progress && !timer_active(&s->timer))
        timer_start(&s->timer, s->e->config.progress_ms, s->e->config.progress_ms);
    feed_add(s->e->feed, w);
}

static void cancel(struct watch_stream *s, int64_t id)
{
    Etcdserverpb__WatchResponse rs = ETCDSERVERPB__WATCH_RESPONSE__INIT;
    struct watch *w = watch_find(s, id);

    if (!w)
        return;
    watch_free(w);
    rs.watch_id = id;
    rs.canceled = true;
    send_response(s, &rs, revision_now(s));
}

static void on_message(void *arg, struct grpc_server_call *gc, struct str message)
{
    struct watch_stream *s = arg;
    Etcdserverpb__WatchRequest *rq =
        etcdserverpb__watch_request__unpack(NULL, message.len, (const uint8_t *)message.p);

    if (!rq) {
        grpc_server_call_end(gc, GRPC_INTERNAL, "grpc: failed to unmarshal the received message");
        return;
    }
    switch (rq->request_union_case) {
    case ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_CREATE_REQUEST:
        create(s, rq->create_request);
        break;
    case ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_CANCEL_REQUEST:
        cancel(s, rq->cancel_request->watch_id);
        break;
    case ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_PROGRESS_REQUEST:
        s->progress = revision_now(s);
        check_progress(s);
        break;
    default: /* of a later version: skipped, as etcd does */
        break;
    }
    etcdserverpb__watch_request__free_unpacked(rq, NULL);
    note_pending(s);
}

static void on_closed(void *arg, struct grpc_server_call *gc)
{
    struct watch_stream *s = arg;

    (void)gc;
    timer_stop(&s->timer);
    while (s->watches.n)
        watch_free(s->watches.v[s->watches.n - 1]);
    vec_deinit(&s->watches);
    s->e->streams--;
    free(s);
}

void watch_start(void *service, struct grpc_server_call *gc)
{
    struct watch_stream *s = xnew(struct watch_stream);
    /* A peer that asks for nothing more is still told what it has asked for. */
    struct grpc_call_handlers h = {.on_message = on_message, .on_closed = on_closed, .arg = s};

    s->e = service;
    s->gc = gc;
    s->e->streams++;
    timer_init(&s->timer, s->e->config.loop, on_progress_timer);
    grpc_server_call_on(gc, &h);
}
