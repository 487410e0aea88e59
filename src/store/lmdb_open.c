/* lmdb_open.c - the LMDB environment's life: open, lock, clean and unclean ends. */
#include "store/lmdb_internal.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

enum { MAP_START_BYTES = 64 << 20, TABLES = 4, READERS = 8 };

static int fail_errno(struct err *err, const char *what, const char *path)
{
    return err_new(err, ERR_IO, "store: %s %s: %s", what, path, strerror(errno));
}

/* One process at a time: revisions are given in memory. */
static int lock_take(struct engine_lmdb *e, struct err *err)
{
    auto_arena a = {0};
    const char *path = arena_printf(&a, "%s/LOCK", e->dir);

    e->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (e->lock_fd < 0)
        return fail_errno(err, "open", path);
    if (flock(e->lock_fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    if (errno == EWOULDBLOCK)
        return err_new(err, ERR_IO, "store in %s is in use by another process", e->dir);
    return fail_errno(err, "lock", path);
}

/* A new file's name must survive a crash as its contents do. */
static int dir_sync(const char *dir, struct err *err)
{
    auto_fd fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 || fsync(fd))
        return fail_errno(err, "sync", dir);
    return 0;
}

static size_t map_bytes(const char *dir)
{
    auto_arena a = {0};
    size_t bytes = MAP_START_BYTES;
    struct stat st;

    if (stat(arena_printf(&a, "%s/data.mdb", dir), &st) == 0)
        while (bytes < (size_t)st.st_size + (size_t)st.st_size / 4)
            bytes *= 2;
    return bytes;
}

static void env_close(struct engine_lmdb *e)
{
    if (e->read)
        mdb_txn_abort(e->read);
    e->read = NULL;
    if (e->env)
        mdb_env_close(e->env);
    e->env = NULL;
}

/* A file that was cut short would end the process when LMDB reads behind its end. Zeros there are
 * found to be damage. */
static int file_complete(struct engine_lmdb *e)
{
    MDB_envinfo info;
    MDB_stat s;
    struct stat st;
    off_t bytes;
    int fd, rc = mdb_env_info(e->env, &info);

    if (!rc)
        rc = mdb_env_stat(e->env, &s);
    if (!rc)
        rc = mdb_env_get_fd(e->env, &fd);
    if (rc)
        return rc;
    if (fstat(fd, &st))
        return errno;
    bytes = (off_t)((info.me_last_pgno + 1) * s.ms_psize);
    return st.st_size < bytes && ftruncate(fd, bytes) ? errno : 0;
}

static int env_open(struct engine_lmdb *e, struct err *err)
{
    MDB_txn *txn;
    int rc = mdb_env_create(&e->env);

    if (rc) {
        e->env = NULL;
        return lmdb_fail(e, rc, "open", err);
    }
    rc = mdb_env_set_mapsize(e->env, map_bytes(e->dir));
    if (!rc)
        rc = mdb_env_set_maxdbs(e->env, TABLES);
    if (!rc)
        rc = mdb_env_set_maxreaders(e->env, READERS);
    if (!rc)
        rc = mdb_env_open(e->env, e->dir, MDB_NOTLS | MDB_NORDAHEAD, 0600);
    if (!rc)
        rc = file_complete(e);
    if (!rc)
        rc = mdb_txn_begin(e->env, NULL, 0, &txn);
    if (rc)
        return lmdb_fail(e, rc, "open", err);
    rc = mdb_dbi_open(txn, "rev", MDB_CREATE, &e->rev);
    if (!rc)
        rc = mdb_dbi_open(txn, "key", MDB_CREATE, &e->key);
    if (!rc)
        rc = mdb_dbi_open(txn, "note", MDB_CREATE, &e->note);
    if (!rc)
        rc = mdb_dbi_open(txn, "state", MDB_CREATE, &e->meta);
    if (rc)
        mdb_txn_abort(txn);
    else
        rc = mdb_txn_commit(txn);
    if (!rc)
        rc = mdb_txn_begin(e->env, NULL, MDB_RDONLY, &e->read);
    if (rc) {
        e->read = NULL;
        return lmdb_fail(e, rc, "open", err);
    }
    mdb_txn_reset(e->read);
    return 0;
}

/* The revision of the last record; 0 when there is none. */
static int last_revision(struct engine_lmdb *e, MDB_txn *txn, int64_t *ret_revision,
                         struct err *err)
{
    MDB_val k, v;
    MDB_cursor *c;
    struct rev_at at = {0};
    int rc = mdb_cursor_open(txn, e->rev, &c);

    if (rc)
        return lmdb_fail(e, rc, "read", err);
    rc = mdb_cursor_get(c, &k, &v, MDB_LAST);
    if (rc == 0 && !rev_key_read(val_str(&k), &at))
        rc = MDB_CORRUPTED;
    mdb_cursor_close(c);
    if (rc && rc != MDB_NOTFOUND)
        return lmdb_fail(e, rc, "read", err);
    *ret_revision = at.revision;
    return 0;
}

static int state_load(struct engine_lmdb *e, MDB_txn *txn, struct err *err)
{
    MDB_val k = val_of(STR("state")), v;
    int64_t last = 0;
    int rc = mdb_get(txn, e->meta, &k, &v), r;

    if (rc == MDB_NOTFOUND)
        e->state = (struct engine_state){.current = 1, .clean = true}; /* 1: as etcd's first */
    else if (rc)
        return lmdb_fail(e, rc, "read", err);
    else if ((r = state_read(&e->crc, val_str(&v), &e->state, err)) < 0)
        return err_wrap(err, r, "store in %s", e->dir);
    r = last_revision(e, txn, &last, err);
    if (r < 0)
        return r;
    if (rc == MDB_NOTFOUND && last)
        return err_new(err, ERR_PARSE, "store in %s: its state record is missing", e->dir);
    e->current = MAX(last, e->state.clean ? e->state.current : e->state.ceiling);
    return 0;
}

static int state_save(struct engine_lmdb *e, const struct engine_state *s, struct err *err)
{
    MDB_txn *txn;
    int r, rc;

    do {
        rc = mdb_txn_begin(e->env, NULL, 0, &txn);
        if (rc)
            break;
        rc = lmdb_state_write(e, txn, s);
        if (rc)
            mdb_txn_abort(txn);
        else
            rc = mdb_txn_commit(txn);
        r = rc == MDB_MAP_FULL ? lmdb_grow(e, err) : 0;
        if (r < 0)
            return r;
    } while (rc == MDB_MAP_FULL);
    if (rc)
        return lmdb_fail(e, rc, "write", err);
    e->state = *s;
    return 0;
}

/* Reads the state, and marks on disk that from now on any end is unclean until close. */
static int state_begin(struct engine_lmdb *e, struct err *err)
{
    struct engine_state s;
    MDB_txn *txn;
    int r = lmdb_read_begin(e, &txn, err);

    if (r < 0)
        return r;
    r = state_load(e, txn, err);
    lmdb_read_end(e);
    if (r < 0)
        return r;
    s = e->state;
    s.clean = false;
    s.current = e->current;
    s.ceiling = e->current + 2 * ENGINE_REVISIONS_AHEAD;
    return state_save(e, &s, err);
}

static void engine_free(struct engine_lmdb *e)
{
    env_close(e);
    if (e->lock_fd >= 0)
        (void)close(e->lock_fd); /* unlocks */
    vec_deinit(&e->ops);
    buf_deinit(&e->batch_bytes);
    vec_deinit(&e->notes_were);
    buf_deinit(&e->notes_bytes);
    free(e->dir);
    free(e);
}

int lmdb_setup(struct engine_lmdb *e, const char *dir, struct err *err)
{
    int r = 0;

    crc32c_init(&e->crc);
    e->dir = xstrdup(dir);
    e->lock_fd = -1;
    if (mkdir(dir, 0700) && errno != EEXIST)
        r = fail_errno(err, "make", dir);
    if (r == 0)
        r = lock_take(e, err);
    if (r == 0)
        r = env_open(e, err);
    if (r == 0)
        r = state_begin(e, err);
    if (r == 0)
        r = dir_sync(dir, err);
    if (r < 0)
        engine_free(e);
    return r;
}

void lmdb_close(struct engine *base)
{
    struct engine_lmdb *e = lmdb_of(base);
    struct engine_state s = e->state;
    bool clean = !e->lost && !e->broken && !e->ops.n;

    e->base.ops->abort(base);
    s.clean = true;
    s.current = e->current;
    /* After a lost batch, or when this write fails, the next open starts at the ceiling: revisions
     * are skipped, none is given twice. */
    if (clean)
        (void)state_save(e, &s, NULL);
    engine_free(e);
}

/* Makes the entry of @r's key what it was before @r. An LMDB code, or 0 with @ret_r < 0. */
static int entry_undo(struct engine_lmdb *e, MDB_txn *txn, const struct record *r, int *ret_r,
                      struct err *err)
{
    unsigned char bytes[ENTRY_BYTES];
    struct record older;
    MDB_val k = val_of(r->key), v = {sizeof(bytes), bytes};
    int rc;

    *ret_r = r->older.revision ? record_load(e, txn, r->older, &older, err) : ERR_NOT_FOUND;
    if (*ret_r == ERR_NOT_FOUND) {
        *ret_r = 0;
        rc = mdb_del(txn, e->key, &k, NULL);
        return rc == MDB_NOTFOUND ? 0 : rc;
    }
    if (*ret_r < 0)
        return 0;
    entry_write(&(struct entry){older.at, older.create, older.version, older.deleted}, bytes);
    return mdb_put(txn, e->key, &k, &v, 0);
}

/* Takes the last record back if it lies behind revision @to; @ret_done when none does. */
static int undo_last(struct engine_lmdb *e, MDB_txn *txn, int64_t to, bool *ret_done,
                     struct err *err)
{
    MDB_cursor *c;
    MDB_val k, v;
    struct record rec;
    struct rev_at at;
    int r = 0, rc = mdb_cursor_open(txn, e->rev, &c);

    *ret_done = false;
    if (rc)
        return lmdb_fail(e, rc, "undo", err);
    rc = mdb_cursor_get(c, &k, &v, MDB_LAST);
    if (rc == MDB_NOTFOUND || (rc == 0 && rev_key_read(val_str(&k), &at) && at.revision <= to)) {
        *ret_done = true;
        rc = 0;
    } else if (rc == 0) {
        auto_buf copy = {0};

        buf_append(&copy, v.mv_data, v.mv_size); /* views into the page would not last */
        r = record_read(&e->crc, at, buf_view(&copy), &rec, err);
        if (r == 0)
            rc = entry_undo(e, txn, &rec, &r, err);
        if (r == 0 && rc == 0)
            rc = mdb_cursor_del(c, 0);
    }
    mdb_cursor_close(c);
    return r < 0 ? r : rc ? lmdb_fail(e, rc, "undo", err) : 0;
}

static int undo(struct engine_lmdb *e, int64_t to, struct err *err)
{
    MDB_txn *txn;
    bool done = false;
    int r = 0, rc = mdb_txn_begin(e->env, NULL, 0, &txn);

    if (rc)
        return lmdb_fail(e, rc, "undo", err);
    while (r == 0 && !done)
        r = undo_last(e, txn, to, &done, err);
    rc = r < 0 ? 0 : note_undo(e, txn);
    if (r < 0 || rc) {
        mdb_txn_abort(txn);
        return r < 0 ? r : lmdb_fail(e, rc, "undo", err);
    }
    rc = mdb_txn_commit(txn);
    if (rc)
        return lmdb_fail(e, rc, "undo", err);
    note_forget(e);
    return 0;
}

int lmdb_revive(struct engine_lmdb *e, struct err *err)
{
    struct engine_state s = e->state;
    int r;

    e->broken = true; /* until all of this has worked */
    env_close(e);
    r = env_open(e, err);
    if (r == 0)
        r = undo(e, e->current, err);
    if (r == 0)
        r = state_save(e, &s, err);
    if (r == 0)
        e->broken = false;
    return r;
}
