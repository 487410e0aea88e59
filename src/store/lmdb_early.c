/* lmdb_early.c - writes a long checkpoint to the disk while LMDB still copies it to the kernel.
 *
 * LMDB's commit hands all pages to the kernel, and then syncs: the disk would be idle first, and
 * this process afterwards. The sync that counts is LMDB's own; it finds less to do, and tells of
 * errors here, too (the kernel keeps them for it).
 */
#include "base/queue.h"
#include "store/lmdb_internal.h"
#include <fcntl.h>

enum { EVERY_MS = 3 };

struct early {
    struct queue *end; /* gets something when it is time */
    struct thread *thread;
    int fd;
};

static void early_main(void *arg)
{
    struct early *w = arg;

    while (!queue_pop(w->end, EVERY_MS))
        (void)sync_file_range(w->fd, 0, 0, SYNC_FILE_RANGE_WRITE); /* waits for nothing */
}

struct early *early_start(struct engine_lmdb *e)
{
    struct early *w;
    int fd;

    if (mdb_env_get_fd(e->env, &fd))
        return NULL;
    w = xnew(struct early);
    w->fd = fd;
    w->end = queue_new(1);
    w->thread = thread_start("store-early", early_main, w);
    return w;
}

struct early *early_end(struct early *w)
{
    if (!w)
        return NULL;
    (void)!queue_push(w->end, w); /* there is room for it */
    w->thread = thread_join(w->thread);
    w->end = queue_free(w->end);
    free(w);
    return NULL;
}
