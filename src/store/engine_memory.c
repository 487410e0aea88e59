/* engine_memory.c - the engine for simulations and throw-away clusters: everything on the heap.
 *
 * Every change is one record; records of a key are linked old <-> new, the key points to the
 * newest. log[] holds all records in the order of their revisions, NULL where one was compacted
 * away. An aborted batch takes its records off the end again; notes go back to a snapshot.
 */
#include "base/omap.h"
#include "base/ref.h"
#include "base/vec.h"
#include "store/engine.h"

enum { COMPACT_SLICE = 512 }; /* records a call */

struct mkey {
    struct ref ref;
    struct str key;
    struct mrec *latest; /* NULL: nothing is known of it any more */
};
struct mrec {
    struct mkey *key;
    struct mrec *older, *newer;
    int64_t revision, create, version, lease;
    uint32_t sub;
    bool deleted;
    size_t at; /* in log[] */
    struct str value;
};
struct mnote {
    struct ref ref;
    struct str name, value;
};
struct engine_memory {
    struct engine base;
    struct omap keys;
    struct omap notes, notes_committed;
    bool noted; /* in the open batch */
    VEC(struct mrec *) log;
    size_t holes;   /* NULLs in log[] */
    size_t batch;   /* log[] from here on is the open batch */
    size_t scanned; /* compaction has seen log[] up to here */
    int64_t current, compacted;
    uint64_t bytes;
};

static void mkey_ref(void *v)
{
    ref_get(&((struct mkey *)v)->ref);
}

static void mkey_unref(void *v)
{
    struct mkey *k = v;

    if (ref_put(&k->ref))
        free(k);
}

static struct str mkey_key(const void *v)
{
    return ((const struct mkey *)v)->key;
}

static const struct omap_ops mkey_omap_ops = {mkey_ref, mkey_unref, mkey_key};

static void mnote_ref(void *v)
{
    ref_get(&((struct mnote *)v)->ref);
}

static void mnote_unref(void *v)
{
    struct mnote *n = v;

    if (ref_put(&n->ref))
        free(n);
}

static struct str mnote_name(const void *v)
{
    return ((const struct mnote *)v)->name;
}

static const struct omap_ops mnote_omap_ops = {mnote_ref, mnote_unref, mnote_name};

static struct engine_memory *mem_of(struct engine *e)
{
    return (struct engine_memory *)(void *)e;
}

static struct engine_kv kv_of(const struct mrec *m)
{
    return (struct engine_kv){.key = m->key->key,
                              .value = m->value,
                              .mod_revision = m->revision,
                              .create_revision = m->create,
                              .version = m->version,
                              .lease = m->lease,
                              .sub = m->sub,
                              .deleted = m->deleted};
}

static int64_t newest(const struct engine_memory *e)
{
    return e->log.n > e->batch ? e->log.v[e->log.n - 1]->revision : e->current;
}

static int check_revision(struct engine_memory *e, int64_t revision, struct err *err)
{
    if (revision < e->compacted)
        return err_new(err, ERR_EXPIRED, "revision %lld has been compacted (%lld)",
                       (long long)revision, (long long)e->compacted);
    if (revision > newest(e))
        return err_new(err, ERR_TIMEOUT, "revision %lld is in the future (%lld)",
                       (long long)revision, (long long)newest(e));
    return 0;
}

static void mem_revisions(struct engine *base, int64_t *ret_current, int64_t *ret_compacted)
{
    *ret_current = mem_of(base)->current;
    *ret_compacted = mem_of(base)->compacted;
}

static int mem_range(struct engine *base, struct str from, struct str end, int64_t revision,
                     int (*each)(void *arg, const struct engine_kv *kv), void *arg,
                     struct err *err)
{
    struct engine_memory *e = mem_of(base);
    struct omap_iter it;
    struct mkey *k;
    int r = revision ? check_revision(e, revision, err) : 0;

    if (r < 0)
        return r;
    omap_seek(&e->keys, from, &it);
    while ((k = omap_next(&it)) && (!end.len || str_cmp(k->key, end) < 0)) {
        const struct mrec *m = k->latest;
        struct engine_kv kv;

        while (m && revision && m->revision > revision)
            m = m->older;
        if (!m || m->deleted)
            continue;
        kv = kv_of(m);
        r = each(arg, &kv);
        if (r)
            return r;
    }
    return 0;
}

static int mem_get(struct engine *base, struct str key, struct engine_kv *ret_kv, struct err *err)
{
    struct mkey *k = omap_find(&mem_of(base)->keys, key);

    (void)err;
    if (!k || k->latest->deleted)
        return ERR_NOT_FOUND;
    *ret_kv = kv_of(k->latest);
    return 0;
}

static int mem_changes(struct engine *base, int64_t from, int64_t to,
                       int (*each)(void *arg, const struct engine_kv *kv), void *arg,
                       struct err *err)
{
    struct engine_memory *e = mem_of(base);
    size_t i = e->log.n;

    if (from < e->compacted)
        return err_new(err, ERR_EXPIRED, "revision %lld has been compacted (%lld)",
                       (long long)from, (long long)e->compacted);
    while (i > 0 && (!e->log.v[i - 1] || e->log.v[i - 1]->revision >= from))
        i--;
    for (; i < e->log.n; i++) {
        struct engine_kv kv;
        int r;

        if (!e->log.v[i] || e->log.v[i]->revision < from)
            continue;
        if (e->log.v[i]->revision > to)
            break;
        kv = kv_of(e->log.v[i]);
        r = each(arg, &kv);
        if (r)
            return r;
    }
    return 0;
}

static struct mkey *key_new(struct engine_memory *e, struct str key)
{
    struct mkey *k = xcalloc(1, sizeof(*k) + key.len);

    ref_init(&k->ref);
    memcpy(k + 1, key.p, key.len);
    k->key = (struct str){(const char *)(k + 1), key.len};
    (void)omap_put(&e->keys, k);
    mkey_unref(k); /* the map holds it */
    return k;
}

static bool is_live(const struct mkey *k)
{
    return k && !k->latest->deleted;
}

static int append(struct engine_memory *e, int64_t revision, struct str key, struct str value,
                  int64_t lease, bool deleted, struct err *err)
{
    struct mkey *k = omap_find(&e->keys, key);
    struct mrec *m, *older = k ? k->latest : NULL;
    bool live = is_live(k);

    if (key.len == 0 || key.len > ENGINE_KEY_MAX)
        return err_new(err, ERR_TOO_LARGE, "a key has 1 to %d bytes, not %zu", ENGINE_KEY_MAX,
                       key.len);
    if (revision < newest(e) || revision <= e->current)
        return err_new(err, ERR_INTERNAL, "revision %lld after %lld", (long long)revision,
                       (long long)newest(e));
    if (deleted && !live)
        return err_new(err, ERR_NOT_FOUND, "no key %.*s", STR_ARG(key));
    if (!k)
        k = key_new(e, key);
    m = xcalloc(1, sizeof(*m) + value.len);
    *m = (struct mrec){.key = k,
                       .older = older,
                       .revision = revision,
                       .create = live ? older->create : revision,
                       .version = deleted ? 0 : live ? older->version + 1 : 1,
                       .lease = lease,
                       .deleted = deleted,
                       .at = e->log.n,
                       .value = {(const char *)(m + 1), value.len}};
    if (deleted)
        m->create = 0;
    if (e->log.n > e->batch && e->log.v[e->log.n - 1]->revision == revision)
        m->sub = e->log.v[e->log.n - 1]->sub + 1;
    if (value.len)
        memcpy(m + 1, value.p, value.len);
    if (older)
        older->newer = m;
    k->latest = m;
    e->bytes += sizeof(*m) + value.len;
    vec_push(&e->log, m);
    return 0;
}

static int mem_put(struct engine *base, int64_t revision, struct str key, struct str value,
                   int64_t lease, struct err *err)
{
    return append(mem_of(base), revision, key, value, lease, false, err);
}

static int mem_remove(struct engine *base, int64_t revision, struct str key, struct err *err)
{
    return append(mem_of(base), revision, key, STR_NULL, 0, true, err);
}

static int mem_restore(struct engine *base, const struct engine_kv *kv, struct err *err)
{
    struct engine_memory *e = mem_of(base);
    struct mrec *m;
    int r = engine_restore_check(kv, err);

    if (r == 0 && is_live(omap_find(&e->keys, kv->key)))
        r = err_new(err, ERR_EXISTS, "%.*s exists already", STR_ARG(kv->key));
    if (r == 0)
        r = append(e, kv->mod_revision, kv->key, kv->value, kv->lease, false, err);
    if (r < 0)
        return r;
    m = e->log.v[e->log.n - 1];
    m->create = kv->create_revision;
    m->version = kv->version;
    return 0;
}

static int mem_note(struct engine *base, struct str name, struct str value, struct err *err)
{
    struct engine_memory *e = mem_of(base);
    struct mnote *n;

    if (name.len == 0 || name.len > ENGINE_KEY_MAX)
        return err_new(err, ERR_TOO_LARGE, "a key has 1 to %d bytes, not %zu", ENGINE_KEY_MAX,
                       name.len);
    e->noted = true;
    if (!value.p) {
        (void)omap_remove(&e->notes, name);
        return 0;
    }
    n = xcalloc(1, sizeof(*n) + name.len + value.len);
    ref_init(&n->ref);
    memcpy(n + 1, name.p, name.len);
    n->name = (struct str){(const char *)(n + 1), name.len};
    if (value.len)
        memcpy((char *)(n + 1) + name.len, value.p, value.len);
    n->value = (struct str){n->name.p + name.len, value.len};
    (void)omap_put(&e->notes, n);
    mnote_unref(n); /* the map holds it */
    return 0;
}

static int mem_notes(struct engine *base, struct str prefix,
                     int (*each)(void *arg, struct str name, struct str value), void *arg,
                     struct err *err)
{
    struct omap_iter it;
    struct mnote *n;
    int r = 0;

    (void)err;
    omap_seek(&mem_of(base)->notes, prefix, &it);
    while (r == 0 && (n = omap_next(&it)) && str_has_prefix(n->name, prefix))
        r = each(arg, n->name, n->value);
    return r;
}

/* Makes @to what @from is. */
static void notes_copy(struct omap *to, const struct omap *from)
{
    omap_deinit(to);
    *to = omap_snapshot(from);
}

static int mem_commit(struct engine *base, struct err *err)
{
    struct engine_memory *e = mem_of(base);

    (void)err;
    e->current = newest(e);
    e->batch = e->log.n;
    if (e->noted)
        notes_copy(&e->notes_committed, &e->notes);
    e->noted = false;
    return 0;
}

/* Unlinks and frees @m; its place in log[] becomes a hole. */
static void drop(struct engine_memory *e, struct mrec *m)
{
    struct mkey *k = m->key;

    if (m->older)
        m->older->newer = m->newer;
    if (m->newer)
        m->newer->older = m->older;
    else
        k->latest = m->older;
    if (!k->latest)
        (void)omap_remove(&e->keys, k->key);
    e->log.v[m->at] = NULL;
    e->holes++;
    e->bytes -= sizeof(*m) + m->value.len;
    free(m);
}

static void mem_abort(struct engine *base)
{
    struct engine_memory *e = mem_of(base);

    while (e->log.n > e->batch) {
        drop(e, e->log.v[e->log.n - 1]);
        e->log.n--;
        e->holes--;
    }
    if (e->noted)
        notes_copy(&e->notes, &e->notes_committed);
    e->noted = false;
}

/* Closes the holes of log[] when they are the larger part: amortized, constant work a record. */
static void squeeze(struct engine_memory *e)
{
    size_t to = 0, scanned = e->scanned;

    if (e->holes <= e->log.n / 2)
        return;
    for (size_t i = 0; i < e->log.n; i++) {
        if (i == e->scanned)
            scanned = to;
        if (!e->log.v[i])
            continue;
        e->log.v[i]->at = to;
        e->log.v[to++] = e->log.v[i];
    }
    e->scanned = e->scanned >= e->log.n ? to : scanned;
    e->log.n = e->batch = to;
    e->holes = 0;
}

static int mem_compact(struct engine *base, int64_t revision, bool *ret_more, struct err *err)
{
    struct engine_memory *e = mem_of(base);
    size_t budget = COMPACT_SLICE;

    assert(e->batch == e->log.n);
    if (revision > e->current)
        return err_new(err, ERR_TIMEOUT, "revision %lld is in the future (%lld)",
                       (long long)revision, (long long)e->current);
    e->compacted = MAX(e->compacted, revision);
    for (; e->scanned < e->log.n && budget; e->scanned++, budget--) {
        struct mrec *m = e->log.v[e->scanned];

        if (!m)
            continue;
        /* A deletion at the compacted revision itself stays until the next compaction: then it is
         * reached again. */
        if (m->revision > e->compacted || (m->deleted && m->revision == e->compacted))
            break;
        if (m->older)
            drop(e, m->older);
        if (m->deleted)
            drop(e, m);
    }
    *ret_more = budget == 0;
    squeeze(e);
    return 0;
}

static uint64_t mem_size_bytes(struct engine *base)
{
    return mem_of(base)->bytes;
}

static void mem_close(struct engine *base)
{
    struct engine_memory *e = mem_of(base);

    for (size_t i = 0; i < e->log.n; i++)
        free(e->log.v[i]);
    vec_deinit(&e->log);
    omap_deinit(&e->keys);
    omap_deinit(&e->notes);
    omap_deinit(&e->notes_committed);
    free(e);
}

static const struct engine_ops memory_ops = {
    .name = "memory",
    .revisions = mem_revisions,
    .range = mem_range,
    .get = mem_get,
    .changes = mem_changes,
    .put = mem_put,
    .remove = mem_remove,
    .restore = mem_restore,
    .note = mem_note,
    .notes = mem_notes,
    .commit = mem_commit,
    .abort = mem_abort,
    .compact = mem_compact,
    .size_bytes = mem_size_bytes,
    .used_bytes = mem_size_bytes,
    .close = mem_close,
};

struct engine *engine_memory_new(void)
{
    struct engine_memory *e = xnew(struct engine_memory);

    e->base.ops = &memory_ops;
    e->current = 1; /* as etcd's first */
    omap_init(&e->keys, &mkey_omap_ops);
    omap_init(&e->notes, &mnote_omap_ops);
    omap_init(&e->notes_committed, &mnote_omap_ops);
    return &e->base;
}
