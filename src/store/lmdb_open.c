/* lmdb_open.c - the LMDB environment's life: open, lock, checkpoints, clean and unclean ends. */
#include "store/lmdb_internal.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

enum {
    MAP_START_BYTES = 64 << 20,
    TABLES = 4,
    READERS = 8,
    EARLY_BYTES = 4 << 20, /* a log whose checkpoint is long */
};
static const unsigned NEW_FLAGS = MDB_NOSUBDIR | MDB_NOLOCK | MDB_NOTLS;

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
int lmdb_dir_sync(const char *dir, struct err *err)
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
    lmdb_txn_drop(e);
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

/* Opens the tables, or makes them. An LMDB code. */
static int tables_open(struct engine_lmdb *e, MDB_txn *txn)
{
    int rc = mdb_dbi_open(txn, "rev", MDB_CREATE, &e->rev);

    if (!rc)
        rc = mdb_dbi_open(txn, "key", MDB_CREATE, &e->key);
    if (!rc)
        rc = mdb_dbi_open(txn, "note", MDB_CREATE, &e->note);
    if (!rc)
        rc = mdb_dbi_open(txn, "state", MDB_CREATE, &e->meta);
    return rc;
}

/* Makes an empty environment in the file @path, durably. An LMDB code. */
static int env_make(struct engine_lmdb *e, const char *path)
{
    MDB_txn *txn;
    MDB_env *env;
    int rc = mdb_env_create(&env);

    if (rc)
        return rc;
    rc = mdb_env_set_mapsize(env, MAP_START_BYTES);
    if (!rc)
        rc = mdb_env_set_maxdbs(env, TABLES);
    if (!rc)
        rc = mdb_env_open(env, path, NEW_FLAGS, 0600);
    if (!rc)
        rc = mdb_txn_begin(env, NULL, 0, &txn);
    if (!rc) {
        rc = tables_open(e, txn);
        if (rc)
            mdb_txn_abort(txn);
        else
            rc = mdb_txn_commit(txn);
    }
    mdb_env_close(env);
    return rc;
}

/* A store that is new: LMDB does not sync a file's first pages before it needs them, so it is made
 * under another name, and has its own when it is complete. The log is made after it: a log without
 * it is what is left of a store. */
static int data_make(struct engine_lmdb *e, struct err *err)
{
    auto_arena a = {0};
    const char *data = arena_printf(&a, "%s/data.mdb", e->dir);
    const char *fresh = arena_printf(&a, "%s/new.mdb", e->dir);
    struct stat st;
    int rc;

    if (unlink(fresh) && errno != ENOENT) /* of an open or a defragmentation that did not end */
        return fail_errno(err, "remove", fresh);
    if (stat(data, &st) == 0 && st.st_size)
        return 0;
    if (stat(arena_printf(&a, "%s/wal", e->dir), &st) == 0 && st.st_size)
        return err_new(err, ERR_PARSE, "store in %s: there is a log, but data.mdb is %s", e->dir,
                       access(data, F_OK) ? "missing" : "empty");
    rc = env_make(e, fresh);
    if (rc)
        return lmdb_fail(e, rc, "make", err);
    if (rename(fresh, data))
        return fail_errno(err, "make", data);
    return lmdb_dir_sync(e->dir, err);
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
    rc = tables_open(e, txn);
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
    e->scanned = e->state.scanned;
    return 0;
}

/* Writes @s and ends the transaction. An LMDB code. */
static int txn_end(struct engine_lmdb *e, const struct engine_state *s)
{
    MDB_txn *txn = e->txn;
    int rc = lmdb_state_write(e, txn, s);

    if (rc)
        return rc;
    e->txn = NULL; /* commit frees it even when it fails */
    return mdb_txn_commit(txn);
}

static int checkpoint(struct engine_lmdb *e, const struct engine_state *state, struct err *err)
{
    struct engine_state s = *state;
    MDB_txn *txn;
    struct early *early = NULL;
    int r = e->renamed ? lmdb_dir_sync(e->dir, err) : 0, rc = 0;

    assert(e->ops.n == e->ops_done);
    /* Until the folder is synced the next open may find the file of before, which needs the log. */
    if (r < 0)
        return r;
    e->renamed = false;
    if (e->log_done >= EARLY_BYTES)
        early = early_start(e);
    s.salt = wal_new_salt();
    do {
        r = lmdb_ready(e, err);
        if (r < 0)
            break;
        s.scanned = e->scanned; /* what the transaction has, if it was not lost */
        rc = e->txn ? 0 : mdb_txn_begin(e->env, NULL, 0, &txn);
        if (!rc && !e->txn)
            e->txn = txn;
        if (!rc)
            rc = txn_end(e, &s);
        lmdb_txn_drop(e);
        r = rc == MDB_MAP_FULL ? lmdb_grow(e, err) : 0;
    } while (rc == MDB_MAP_FULL && r == 0);
    early = early_end(early);
    if (r < 0 || rc)
        return r < 0 ? r : lmdb_fail(e, rc, "checkpoint", err);
    e->unsure = false;
    e->state = s;
    e->scanned = s.scanned;
    e->read_bytes += e->log_done; /* about as much was read of the trees to change them */
    wal_reset(e);
    lmdb_release_pages(e);
    return 0;
}

int lmdb_checkpoint(struct engine_lmdb *e, const struct engine_state *state, struct err *err)
{
    struct err why = {0};
    int r = checkpoint(e, state, &why);

    e->trouble = why;
    if (r < 0 && err)
        *err = why;
    return r;
}

/* Reads the state and the log, and marks on disk that from now on any end is unclean until
 * close. */
static int state_begin(struct engine_lmdb *e, struct err *err)
{
    struct engine_state s;
    MDB_txn *txn;
    int r = lmdb_read_begin(e, &txn, err);

    if (r < 0)
        return r;
    r = state_load(e, txn, err);
    lmdb_read_end(e);
    if (r == 0)
        r = wal_open(e, err);
    if (r < 0)
        return r;
    if (e->ops.n) /* what was given out after the last commit is not known */
        e->current = MAX(e->current, MAX(e->log_revision, e->state.ceiling));
    s = e->state;
    s.clean = false;
    s.current = e->current;
    s.ceiling = e->current + 2 * ENGINE_REVISIONS_AHEAD;
    r = lmdb_checkpoint(e, &s, err);
    if (r == 0)
        wal_release(e);
    return r;
}

static void engine_free(struct engine_lmdb *e)
{
    env_close(e);
    if (e->lock_fd >= 0)
        (void)close(e->lock_fd); /* unlocks */
    wal_close(e);
    vec_deinit(&e->ops);
    buf_deinit(&e->log);
    free(e->dir);
    free(e);
}

int lmdb_setup(struct engine_lmdb *e, const char *dir, struct err *err)
{
    int r = 0;

    crc32c_init(&e->crc);
    e->dir = xstrdup(dir);
    e->lock_fd = e->wal_fd = e->direct_fd = -1;
    e->checkpoint_bytes = WAL_CHECKPOINT_MAX_BYTES;
    if (mkdir(dir, 0700) && errno != EEXIST)
        r = fail_errno(err, "make", dir);
    if (r == 0)
        r = lock_take(e, err);
    if (r == 0)
        r = data_make(e, err);
    if (r == 0)
        r = lmdb_check(dir, "data.mdb", err);
    if (r == 0)
        r = env_open(e, err);
    if (r == 0)
        r = state_begin(e, err);
    if (r == 0)
        r = lmdb_dir_sync(dir, err);
    if (r < 0)
        engine_free(e);
    return r;
}

void lmdb_close(struct engine *base)
{
    struct engine_lmdb *e = lmdb_of(base);
    struct engine_state s = e->state;

    e->base.ops->abort(base);
    s.clean = true;
    s.current = e->current;
    /* After a lost batch, or when this write fails, the next open starts at the ceiling: revisions
     * are skipped, none is given twice. */
    if (!e->lost && lmdb_checkpoint(e, &s, NULL) == 0)
        wal_shorten(e); /* the next open reads it */
    engine_free(e);
}

/* A checkpoint that reported an error may have reached the disk all the same: the salt tells. */
static int state_again(struct engine_lmdb *e, struct err *err)
{
    uint64_t salt = e->state.salt;
    int64_t current = e->current, ceiling = e->state.ceiling, compacted = e->state.compacted;
    MDB_txn *txn;
    int r, rc = mdb_txn_renew(e->read);

    if (rc)
        return lmdb_fail(e, rc, "begin to read", err);
    txn = e->read;
    r = state_load(e, txn, err);
    mdb_txn_reset(txn);
    e->current = current;
    e->state.ceiling = MAX(e->state.ceiling, ceiling);
    e->state.compacted = MAX(e->state.compacted, compacted);
    if (r == 0 && e->state.salt != salt) {
        e->lost |= e->ops.n > e->ops_done;
        wal_reset(e);
    }
    return r;
}

int lmdb_revive(struct engine_lmdb *e, struct err *err)
{
    int r;

    e->broken = true; /* until all of this has worked */
    env_close(e);
    r = env_open(e, err);
    if (r == 0)
        r = state_again(e, err);
    if (r == 0)
        e->broken = false;
    return r;
}
