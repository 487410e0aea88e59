/* documents.c - documents made on demand and kept for a while. */
#include "apiserver/documents.h"
#include "base/queue.h"
#include "net/crypto.h"

struct documents {
    struct ref ref;      /* the server's, and one for each message to the main loop */
    struct loop *loop;   /* the main API loop: the timer lives there */
    struct timer timer;
    struct mutex *lock;  /* guards `kept`: requests of several loops look here */
    VEC(struct document *) kept;
};
struct making { /* one document on its way through the worker pool; in the request's arena */
    struct request *rq;
    struct str key;
    bool (*make)(struct apiserver *as, struct str key, struct buf *out);
    stage_fn then;
    struct document *made; /* rq->state points here */
};

struct document *document_unref(struct document *d)
{
    if (!d || !ref_put(&d->ref))
        return NULL;
    buf_deinit(&d->body);
    free(d->key);
    free(d->etag);
    free(d);
    return NULL;
}

static void documents_unref(struct documents *ds)
{
    if (!ref_put(&ds->ref))
        return;
    for (size_t i = 0; i < ds->kept.n; i++)
        (void)document_unref(ds->kept.v[i]);
    vec_deinit(&ds->kept);
    ds->lock = mutex_free(ds->lock);
    free(ds);
}

/* Nothing was made or asked for lately: an idle server holds no documents. */
static void on_timer(struct timer *t)
{
    struct documents *ds = container_of(t, struct documents, timer);

    mutex_lock(ds->lock);
    for (size_t i = 0; i < ds->kept.n; i++)
        (void)document_unref(ds->kept.v[i]);
    vec_deinit(&ds->kept);
    mutex_unlock(ds->lock);
}

int documents_start(struct apiserver *as, struct err *err)
{
    struct documents *ds = xnew(struct documents);

    (void)err;
    ref_init(&ds->ref);
    ds->loop = as->loop;
    ds->lock = mutex_new();
    timer_init(&ds->timer, as->loop, on_timer);
    as->documents = ds;
    return 0;
}

void documents_free(struct apiserver *as)
{
    struct documents *ds = as->documents;

    if (!ds)
        return;
    timer_stop(&ds->timer);
    ds->loop = NULL; /* messages under way change nothing any more */
    as->documents = NULL;
    documents_unref(ds);
}

static void on_used(void *arg)
{
    struct documents *ds = arg;

    if (ds->loop)
        timer_start(&ds->timer, DOCUMENT_KEEP_MS, 0);
    documents_unref(ds);
}

static void used(struct apiserver *as)
{
    ref_get(&as->documents->ref);
    loop_post(as->loop, on_used, as->documents);
}

static struct document *find_locked(const struct documents *ds, struct str key)
{
    for (size_t i = 0; i < ds->kept.n; i++)
        if (str_eqz(key, ds->kept.v[i]->key))
            return ds->kept.v[i];
    return NULL;
}

struct document *document_find(struct apiserver *as, struct str key)
{
    struct documents *ds = as->documents;
    struct document *d;

    mutex_lock(ds->lock);
    d = find_locked(ds, key);
    if (d)
        ref_get(&d->ref);
    mutex_unlock(ds->lock);
    if (d)
        used(as);
    return d;
}

static void keep(struct apiserver *as, struct document *d)
{
    struct documents *ds = as->documents;

    mutex_lock(ds->lock);
    if (!find_locked(ds, str_from(d->key))) { /* else another request was faster */
        ref_get(&d->ref);
        vec_push(&ds->kept, d);
    }
    mutex_unlock(ds->lock);
    used(as);
}

static void work(void *arg)
{
    struct making *m = arg;
    struct document *d = xnew(struct document);
    auto_arena a = {0};

    ref_init(&d->ref);
    d->key = xmemdupz(m->key.p, m->key.len);
    if (!m->make(m->rq->as, m->key, &d->body)) {
        (void)document_unref(d);
        return;
    }
    d->etag = xstrdup(document_etag(buf_view(&d->body), &a).p);
    m->made = d;
}

static void done(void *arg)
{
    struct making *m = arg;
    struct request *rq = m->rq;

    if (m->made)
        keep(rq->as, m->made);
    if (rq->finished) /* nobody waits for it any more */
        m->made = document_unref(m->made);
    request_resume(rq, m->then);
}

enum stage_result document_make(struct request *rq, struct str key,
                                bool (*make)(struct apiserver *as, struct str key,
                                             struct buf *out),
                                stage_fn then)
{
    struct making *m = arena_new(rq->arena, struct making);

    m->rq = rq;
    m->key = str_dup(rq->arena, key);
    m->make = make;
    m->then = then;
    rq->state = &m->made;
    loop_work(rq->loop, work, done, m);
    return STAGE_WAIT;
}

struct str document_etag(struct str body, struct arena *a)
{
    static const char hex[] = "0123456789ABCDEF";
    uint8_t digest[64];
    char *text = arena_alloc(a, 2 * sizeof(digest) + 3);

    sha512(body, digest);
    text[0] = '"';
    for (size_t i = 0; i < sizeof(digest); i++) {
        text[1 + 2 * i] = hex[digest[i] >> 4];
        text[2 + 2 * i] = hex[digest[i] & 15];
    }
    text[2 * sizeof(digest) + 1] = '"';
    return (struct str){text, 2 * sizeof(digest) + 2};
}

bool document_unchanged(const struct request *rq, struct str etag)
{
    struct str rest = http_header_find(rq->head, "if-none-match");

    while (rest.len) {
        struct str one = str_trim(str_cut(rest, ',', &rest));

        if (str_has_prefix(one, STR("W/")))
            one = str_sub(one, 2, one.len);
        if (str_eq(one, etag) || str_eqz(one, "*"))
            return true;
    }
    return false;
}
