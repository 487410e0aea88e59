/* engines.h - one test, every engine: a folder or memory, opened and opened again. */
#pragma once
#include "test.h"
#include "store/engine.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

struct place { /* where an engine keeps its data; {0} with lmdb false: memory */
    bool lmdb;
    char dir[64];
    struct engine *e;
};

static inline void place_open(struct place *p)
{
    struct err err = {0};

    if (p->lmdb)
        assert_ok(engine_lmdb_open(p->dir, &p->e, &err), &err);
    else
        p->e = engine_memory_new();
}

static inline void place_init(struct place *p, bool lmdb)
{
    *p = (struct place){.lmdb = lmdb};
    (void)snprintf(p->dir, sizeof(p->dir), "/tmp/skiff-store-XXXXXX");
    if (lmdb)
        assert_non_null(mkdtemp(p->dir));
}

static inline void place_close(struct place *p)
{
    if (p->e)
        p->e->ops->close(p->e);
    p->e = NULL;
}

static inline void place_deinit(struct place *p)
{
    static const char *const files[] = {"data.mdb", "lock.mdb", "LOCK", "wal"};

    place_close(p);
    if (!p->lmdb)
        return;
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        char path[128];

        (void)snprintf(path, sizeof(path), "%s/%s", p->dir, files[i]);
        (void)unlink(path);
    }
    assert_int_equal(rmdir(p->dir), 0);
}

static inline void must_put(struct engine *e, int64_t revision, const char *key, const char *value)
{
    struct err err = {0};

    assert_ok(e->ops->put(e, revision, str_from(key), str_from(value), 0, &err), &err);
}

static inline void must_remove(struct engine *e, int64_t revision, const char *key)
{
    struct err err = {0};

    assert_ok(e->ops->remove(e, revision, str_from(key), &err), &err);
}

static inline void must_note(struct engine *e, const char *name, const char *value)
{
    struct err err = {0};

    assert_ok(e->ops->note(e, str_from(name), str_from(value), &err), &err);
}

static inline void must_commit(struct engine *e)
{
    struct err err = {0};

    assert_ok(e->ops->commit(e, &err), &err);
}

static inline void must_compact(struct engine *e, int64_t revision)
{
    struct err err = {0};
    bool more = true;

    while (more)
        assert_ok(e->ops->compact(e, revision, &more, &err), &err);
}

static inline int64_t current_of(struct engine *e)
{
    int64_t current, compacted;

    e->ops->revisions(e, &current, &compacted);
    return current;
}
