/* faulty.h - an engine in a test that fails on demand. */
#pragma once
#include "engines.h"
#include <stdatomic.h>

/* An engine in front of another: fails when told to, and counts. */
struct faulty {
    struct engine base;
    struct engine *inner;
    atomic_int fail_commits, fail_puts; /* how many from now on */
    atomic_int trouble; /* there is some */
    atomic_int commits;
};
static inline struct faulty *faulty_of(struct engine *e)
{
    return (struct faulty *)(void *)e;
}
static inline void faulty_revisions(struct engine *e, int64_t *c, int64_t *d)
{
    struct engine *i = faulty_of(e)->inner;
    i->ops->revisions(i, c, d);
}
static inline int faulty_range(struct engine *e, struct str from, struct str end, int64_t rev,
                               int (*each)(void *, const struct engine_kv *), void *arg,
                               struct err *err)
{
    struct engine *i = faulty_of(e)->inner;
    return i->ops->range(i, from, end, rev, each, arg, err);
}
static inline int faulty_count(struct engine *e, struct str from, struct str end, int64_t rev,
                               int64_t *n, struct err *err)
{
    struct engine *i = faulty_of(e)->inner;
    return i->ops->count(i, from, end, rev, n, err);
}
static inline bool spend(atomic_int *n)
{
    if (atomic_load(n) <= 0)
        return false;
    atomic_fetch_sub(n, 1);
    return true;
}
static inline int faulty_put(struct engine *e, int64_t rev, struct str key, struct str value,
                             int64_t lease, struct err *err)
{
    struct engine *i = faulty_of(e)->inner;
    if (spend(&faulty_of(e)->fail_puts))
        return err_new(err, ERR_IO, "no space left on device");
    return i->ops->put(i, rev, key, value, lease, err);
}
static inline int faulty_remove(struct engine *e, int64_t rev, struct str key, struct err *err)
{
    struct engine *i = faulty_of(e)->inner;
    if (spend(&faulty_of(e)->fail_puts))
        return err_new(err, ERR_IO, "no space left on device");
    return i->ops->remove(i, rev, key, err);
}
static inline int faulty_get(struct engine *e, struct str key, struct engine_kv *kv,
                             struct err *err)
{
    struct engine *i = faulty_of(e)->inner;
    return i->ops->get(i, key, kv, err);
}
static inline int faulty_changes(struct engine *e, int64_t from, int64_t to,
                                 int (*each)(void *, const struct engine_kv *), void *arg,
                                 struct err *err)
{
    struct engine *i = faulty_of(e)->inner;
    return i->ops->changes(i, from, to, each, arg, err);
}
static inline int faulty_note(struct engine *e, struct str name, struct str value,
                              struct err *err)
{
    struct engine *i = faulty_of(e)->inner;
    if (spend(&faulty_of(e)->fail_puts))
        return err_new(err, ERR_IO, "no space left on device");
    return i->ops->note(i, name, value, err);
}
static inline int faulty_notes(struct engine *e, struct str prefix,
                               int (*each)(void *, struct str, struct str), void *arg,
                               struct err *err)
{
    struct engine *i = faulty_of(e)->inner;
    return i->ops->notes(i, prefix, each, arg, err);
}
static inline int faulty_commit(struct engine *e, struct err *err)
{
    struct engine *i = faulty_of(e)->inner;
    if (spend(&faulty_of(e)->fail_commits)) {
        i->ops->abort(i);
        return err_new(err, ERR_IO, "input/output error");
    }
    atomic_fetch_add(&faulty_of(e)->commits, 1);
    return i->ops->commit(i, err);
}
static inline void faulty_abort(struct engine *e)
{
    struct engine *i = faulty_of(e)->inner;
    i->ops->abort(i);
}
static inline const char *faulty_trouble(struct engine *e)
{
    struct engine *i = faulty_of(e)->inner;
    return atomic_load(&faulty_of(e)->trouble) ? "no checkpoint" : i->ops->trouble(i);
}
static inline int faulty_compact(struct engine *e, int64_t rev, bool *more, struct err *err)
{
    struct engine *i = faulty_of(e)->inner;
    return i->ops->compact(i, rev, more, err);
}
static inline int faulty_defragment(struct engine *e, struct err *err)
{
    struct engine *i = faulty_of(e)->inner;
    if (spend(&faulty_of(e)->fail_puts))
        return err_new(err, ERR_IO, "no space left on device");
    return i->ops->defragment(i, err);
}
static inline uint64_t faulty_size(struct engine *e)
{
    return faulty_of(e)->inner->ops->size_bytes(faulty_of(e)->inner);
}
static inline void faulty_close(struct engine *e) /* the inner one lives on: its place closes it */
{
    (void)e;
}
static inline void faulty_init(struct faulty *f, struct engine_ops *ops, struct engine *inner)
{
    *ops = (struct engine_ops){.name = "faulty",
                               .revisions = faulty_revisions,
                               .range = faulty_range,
                               .count = faulty_count,
                               .get = faulty_get,
                               .changes = faulty_changes,
                               .note = faulty_note,
                               .notes = faulty_notes,
                               .put = faulty_put,
                               .remove = faulty_remove,
                               .commit = faulty_commit,
                               .abort = faulty_abort,
                               .trouble = faulty_trouble,
                               .compact = faulty_compact,
                               .defragment = faulty_defragment,
                               .size_bytes = faulty_size,
                               .close = faulty_close};
    *f = (struct faulty){.base.ops = ops, .inner = inner};
}
