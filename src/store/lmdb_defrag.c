/* lmdb_defrag.c - writes LMDB's file anew, without its free pages.
 *
 * The log is empty before, so the copy and the file have the same state, with the same salt: what
 * is committed later belongs to either of them, until the copy's name is durable (see
 * lmdb_checkpoint()).
 */
#include "store/lmdb_internal.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static const char copy_name[] = "new.mdb"; /* the next open removes it, too */

static int fail_errno(struct engine_lmdb *e, const char *what, struct err *err)
{
    return err_new(err, ERR_IO, "store in %s: %s: %s", e->dir, what, strerror(errno));
}

static int copy_write(struct engine_lmdb *e, const char *path, struct err *err)
{
    auto_fd fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    int rc;

    if (fd < 0)
        return fail_errno(e, "make a copy", err);
    rc = mdb_env_copyfd2(e->env, fd, MDB_CP_COMPACT);
    if (rc)
        return lmdb_fail(e, rc, "copy", err);
    return fsync(fd) ? fail_errno(e, "sync the copy", err) : 0;
}

/* The copy takes the file's place. Whatever a failed rename has done: the one that has the name is
 * opened. */
static int copy_use(struct engine_lmdb *e, const char *path, const char *data, struct err *err)
{
    int r = 0, opened;

    if (rename(path, data))
        r = fail_errno(e, "rename the copy", err);
    e->renamed = true;
    opened = lmdb_revive(e, r < 0 ? NULL : err); /* else at the next use */
    if (r == 0)
        r = opened;
    if (r == 0)
        r = lmdb_dir_sync(e->dir, err); /* else before the next checkpoint */
    e->renamed = r < 0;
    return r;
}

int lmdb_defragment(struct engine *base, struct err *err)
{
    struct engine_lmdb *e = lmdb_of(base);
    auto_arena a = {0};
    const char *path = arena_printf(&a, "%s/%s", e->dir, copy_name);
    const char *data = arena_printf(&a, "%s/data.mdb", e->dir);
    int r = lmdb_checkpoint(e, &e->state, err);

    if (r == 0)
        r = lmdb_check(e->dir, "data.mdb", err); /* the copying trusts it */
    if (r < 0)
        return r;
    if (unlink(path) && errno != ENOENT)
        return fail_errno(e, "remove an old copy", err);
    r = copy_write(e, path, err);
    if (r == 0)
        r = lmdb_check(e->dir, copy_name, err);
    if (r == 0)
        r = copy_use(e, path, data, err);
    if (r < 0)
        (void)unlink(path);
    return r;
}
