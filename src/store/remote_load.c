/* remote_load.c - reads resources whole. The first page says the revision, all others are read at
 * it; if its history goes meanwhile, everything is read again. */
#include "store/remote.h"

static void read_page(struct remote_load *l);

static void drop(struct remote_load *l)
{
    for (size_t i = 0; i < l->n; i++) {
        omap_deinit(&l->of[i].objects);
        omap_init(&l->of[i].objects, &object_omap_ops);
    }
    l->at = 0;
    l->revision = 0;
    buf_reset(&l->from);
}

void remote_load_deinit(struct remote_load *l)
{
    timer_stop(&l->retry);
    for (size_t i = 0; i < l->n; i++) {
        omap_deinit(&l->of[i].objects);
        if (l->of[i].was.ops)
            omap_deinit(&l->of[i].was);
    }
    buf_deinit(&l->from);
}

static void take(struct remote_load *l, const Mvccpb__KeyValue *kv)
{
    struct remote_load_one *one = &l->of[l->at];
    auto_arena a = {0};
    struct str key = remote_store_key(l->r, pb_view(kv->key), &a);
    struct object *o = one->was.ops ? omap_find(&one->was, key) : NULL;
    struct err err = {0};

    if (o && o->revision == kv->mod_revision) {
        (void)omap_put(&one->objects, o);
        return;
    }
    if (remote_object(l->r, one->res, kv, &o, &err) < 0) {
        remote_tell(l->r, false, "not shown: %s", err.msg);
        return;
    }
    (void)omap_put(&one->objects, o);
    (void)object_unref(o);
}

/* Goes on to the next resource that has keys, or to the end. False at the end. */
static bool next_resource(struct remote_load *l)
{
    auto_arena a = {0};

    while (l->at < l->n && l->of[l->at].res->store_prefix[0] == '\0')
        l->at++;
    buf_reset(&l->from);
    if (l->at == l->n)
        return false;
    buf_str(&l->from, remote_key(l->r, str_from(l->of[l->at].res->store_prefix), &a));
    return true;
}

static void load_end(struct remote_load *l, const struct err *err)
{
    struct remote_load **at = &l->r->loads;

    while (*at && *at != l)
        at = &(*at)->next;
    if (!*at)
        return; /* ended before */
    *at = l->next;
    l->done(l, err);
}

void remote_load_end_all(struct remote *r)
{
    struct err err = {0};

    (void)err_new(&err, ERR_UNAVAILABLE, "the store is closing");
    while (r->loads)
        load_end(r->loads, &err);
}

static void try_again(struct remote_load *l, const struct err *err)
{
    if (l->r->ended || (l->until_ms && remote_now_ms(l->r) >= l->until_ms)) {
        load_end(l, err);
        return;
    }
    l->backoff_ms = MIN(MAX(l->backoff_ms * 2, REMOTE_RETRY_MIN_MS), REMOTE_RETRY_MAX_MS);
    timer_start(&l->retry, l->backoff_ms, 0);
}

static void on_retry(struct timer *t)
{
    read_page(container_of(t, struct remote_load, retry));
}

/* A page has to come within the time of a call, and stands in memory: not many large values. */
static void size_page(struct remote_load *l, const Etcdserverpb__RangeResponse *page)
{
    size_t bytes = 0;

    for (size_t i = 0; i < page->n_kvs; i++)
        bytes += page->kvs[i]->value.len;
    if (bytes > REMOTE_PAGE_BYTES)
        l->page = MAX(l->page / 4, 1);
    else if (bytes < REMOTE_PAGE_BYTES / 8)
        l->page = MIN(l->page * 2, REMOTE_PAGE);
}

static void on_page(void *arg, const void *answer, enum grpc_status status, struct str text)
{
    const Etcdserverpb__RangeResponse *page = answer;
    struct remote_load *l = arg;
    struct err err = {0};

    if (!page) {
        (void)remote_error(&err, status, text);
        if (status == GRPC_OUT_OF_RANGE) /* compacted meanwhile */
            drop(l);
        if (status == GRPC_RESOURCE_EXHAUSTED || status == GRPC_DEADLINE_EXCEEDED)
            l->page = MAX(l->page / 4, 1);
        try_again(l, &err);
        return;
    }
    l->backoff_ms = 0;
    size_page(l, page);
    if (!l->revision)
        l->revision = page->header->revision;
    for (size_t i = 0; i < page->n_kvs; i++)
        take(l, page->kvs[i]);
    if (page->more && page->n_kvs > 0) {
        buf_reset(&l->from);
        buf_str(&l->from, pb_view(page->kvs[page->n_kvs - 1]->key));
        buf_putc(&l->from, '\0'); /* the key that follows */
    } else {
        l->at++;
        (void)next_resource(l);
    }
    read_page(l);
}

static void read_page(struct remote_load *l)
{
    Etcdserverpb__RangeRequest rq = ETCDSERVERPB__RANGE_REQUEST__INIT;
    auto_arena a = {0};
    auto_buf end = {0};

    if (l->from.len == 0 && !next_resource(l)) {
        load_end(l, NULL);
        return;
    }
    buf_str(&end, remote_key(l->r, str_from(l->of[l->at].res->store_prefix), &a));
    end.p[end.len - 1]++; /* behind all that begins with the prefix, which ends in '/' */
    rq.key = pb_bytes(buf_view(&l->from));
    rq.range_end = pb_bytes(buf_view(&end));
    rq.limit = l->page;
    rq.revision = l->revision;
    remote_call(l->r, "/etcdserverpb.KV/Range", &rq.base,
                &etcdserverpb__range_response__descriptor, on_page, l);
}

void remote_load_start(struct remote_load *l)
{
    for (size_t i = 0; i < l->n; i++)
        omap_init(&l->of[i].objects, &object_omap_ops);
    l->next = l->r->loads;
    l->r->loads = l;
    timer_init(&l->retry, l->r->loop, on_retry);
    l->page = REMOTE_PAGE_FIRST;
    read_page(l);
}
