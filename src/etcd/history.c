/* history.c - all changes that are kept, as etcd's own files would have them. */
#include "etcd/etcd_internal.h"

static char *put_be64(char *p, uint64_t v)
{
    for (int shift = 56; shift >= 0; shift -= 8)
        *p++ = (char)(v >> shift);
    return p;
}

struct str rev_bytes(int64_t revision, uint32_t sub, bool deleted, char buf[REV_BYTES])
{
    char *p = put_be64(buf, (uint64_t)revision);

    *p++ = '_';
    p = put_be64(p, sub);
    if (deleted)
        *p++ = 't';
    return (struct str){buf, (size_t)(p - buf)};
}

struct str kv_bytes(const struct raw_kv *kv, struct arena *a)
{
    Mvccpb__KeyValue m = MVCCPB__KEY_VALUE__INIT;
    char *p;
    size_t n;

    m.key = pb_of(kv->key);
    if (!kv->deleted) { /* of a deletion etcd keeps the key only */
        m.value = pb_of(kv->value);
        m.create_revision = kv->create_revision;
        m.mod_revision = kv->mod_revision;
        m.version = kv->version;
        m.lease = kv->lease;
    }
    n = mvccpb__key_value__get_packed_size(&m);
    p = arena_alloc(a, n + 1);
    (void)mvccpb__key_value__pack(&m, (uint8_t *)p);
    return (struct str){p, n};
}

struct old { /* alive, and compacted */
    int64_t revision;
    uint32_t sub;
    struct str value;
};
struct walk {
    void (*each)(void *arg, struct str key, struct str value);
    void *arg;
    int64_t compacted;
    bool alive; /* something is */
    struct arena arena;
    VEC(struct old) olds;
};

static int old_one(void *arg, const struct raw_kv *kv)
{
    struct walk *w = arg;

    w->alive = true;
    if (kv->mod_revision <= w->compacted)
        vec_push(&w->olds, ((struct old){kv->mod_revision, kv->sub, kv_bytes(kv, &w->arena)}));
    return 0;
}

static int change_one(void *arg, const struct raw_kv *kv)
{
    struct walk *w = arg;
    char key[REV_BYTES];
    auto_arena a = {0};

    w->each(w->arg, rev_bytes(kv->mod_revision, kv->sub, kv->deleted, key), kv_bytes(kv, &a));
    return 0;
}

static int old_compare(const void *va, const void *vb)
{
    const struct old *a = va, *b = vb;

    if (a->revision != b->revision)
        return a->revision < b->revision ? -1 : 1;
    return a->sub < b->sub ? -1 : a->sub > b->sub;
}

int history_walk(struct raw *raw, int64_t alive_at, int64_t upto,
                 void (*each)(void *arg, struct str key, struct str value), void *arg,
                 struct err *err)
{
    struct walk w = {.each = each, .arg = arg, .compacted = raw_compacted(raw)};
    int r = 0;

    if (w.compacted > 0)
        r = raw_range(raw, STR(""), STR_NULL, alive_at, old_one, &w, err);
    if (r == 0 && w.compacted > 0 && !w.alive)
        r = raw_range(raw, STR(""), STR_NULL, w.compacted, old_one, &w, err);
    if (r == 0 && w.olds.n)
        qsort(w.olds.v, w.olds.n, sizeof(w.olds.v[0]), old_compare);
    for (size_t i = 0; i < w.olds.n && r == 0; i++) {
        char key[REV_BYTES];

        each(arg, rev_bytes(w.olds.v[i].revision, w.olds.v[i].sub, false, key), w.olds.v[i].value);
    }
    if (r == 0)
        r = raw_changes(raw, w.compacted + 1, upto, change_one, &w, err);
    vec_deinit(&w.olds);
    arena_deinit(&w.arena);
    return r;
}
