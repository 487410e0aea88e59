/* attach.c - which keys may have which lease.
 *
 * A key is noted before it is written and looked at again when it counts. So what a failed commit
 * leaves here does no harm: it is only too much. Names that have become wrong are dropped when they
 * are the larger part, and whole leases after their end has been committed.
 */
#include "base/map.h"
#include "etcd/etcd_internal.h"

enum { PRUNE_MIN = 64 };

struct keys {
    struct map names;
    size_t right; /* when last looked at */
};
struct gone { /* a lease that ended, at a revision that may not be committed yet */
    int64_t lease, revision;
};
struct attached {
    struct map leases; /* struct keys by the bytes of the id */
    VEC(struct gone) gone;
};

struct attached *attached_new(void)
{
    return xnew(struct attached);
}

static void keys_free(struct keys *k)
{
    map_deinit(&k->names);
    free(k);
}

struct attached *attached_free(struct attached *at)
{
    struct str name;
    void *value;
    size_t it = 0;

    if (!at)
        return NULL;
    while (map_next(&at->leases, &it, &name, &value))
        keys_free(value);
    map_deinit(&at->leases);
    vec_deinit(&at->gone);
    free(at);
    return NULL;
}

static struct str id_bytes(const int64_t *id)
{
    return (struct str){(const char *)id, sizeof(*id)};
}

void attached_add(struct attached *at, int64_t lease, struct str key)
{
    struct keys *k = map_find(&at->leases, id_bytes(&lease));

    if (!k) {
        k = xnew(struct keys);
        (void)map_set(&at->leases, id_bytes(&lease), k);
    }
    (void)map_set(&k->names, key, k);
}

void attached_end(struct attached *at, int64_t lease, int64_t revision)
{
    vec_push(&at->gone, ((struct gone){lease, revision}));
}

int attached_sweep(struct attached *at, struct raw *raw, int64_t published, struct err *err)
{
    for (size_t i = at->gone.n; i > 0; i--) {
        const struct gone g = at->gone.v[i - 1];
        struct keys *k;
        int64_t ttl_sec;
        int r;

        if (g.revision > published)
            continue;
        r = lease_exists(raw, g.lease, &ttl_sec, err);
        if (r < 0 && r != ERR_NOT_FOUND)
            return r;
        vec_swap_remove(&at->gone, i - 1);
        k = r < 0 ? map_remove(&at->leases, id_bytes(&g.lease)) : NULL;
        if (k)
            keys_free(k);
    }
    return 0;
}

int attached_prune(struct attached *at, struct raw *raw, int64_t lease, int64_t published,
                   struct err *err)
{
    struct keys *k = map_find(&at->leases, id_bytes(&lease));
    struct str name;
    size_t it = 0;
    void *value;

    if (!k || k->names.n < PRUNE_MIN || k->names.n < 2 * k->right || raw_revision(raw) != published)
        return 0;
    while (map_next(&k->names, &it, &name, &value)) {
        struct raw_kv kv;
        int r = raw_get(raw, name, &kv, err);

        if (r < 0 && r != ERR_NOT_FOUND)
            return r;
        if (r < 0 || kv.lease != lease)
            (void)map_remove(&k->names, name);
    }
    k->right = k->names.n;
    return 0;
}

static int name_compare(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

int attached_keys(struct attached *at, struct raw *raw, int64_t lease, struct arena *a,
                  struct str **ret_keys, size_t *ret_n, struct err *err)
{
    struct keys *k = map_find(&at->leases, id_bytes(&lease));
    struct str *names, name;
    size_t n = 0, it = 0;
    void *value;

    names = arena_calloc(a, k ? k->names.n + 1 : 1, sizeof(*names));
    while (k && map_next(&k->names, &it, &name, &value)) {
        struct raw_kv kv;
        int r = raw_get(raw, name, &kv, err);

        if (r < 0 && r != ERR_NOT_FOUND)
            return r;
        if (r == 0 && kv.lease == lease)
            names[n++] = str_dup(a, name);
    }
    qsort(names, n, sizeof(*names), name_compare);
    *ret_keys = names;
    *ret_n = n;
    return 0;
}
