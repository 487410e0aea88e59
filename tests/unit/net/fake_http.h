/* fake_http.h - a scripted HTTP server for tests: one thread, one connection at a time, on a Unix
 * socket. It answers the nth request with the nth step, byte for byte, right or wrong. */
#pragma once
#include "base/buf.h"
#include "base/queue.h"
#include <assert.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/un.h>

struct fake_step {
    const char *reply; /* NULL: none, and the connection stays open until the client ends it */
    size_t piece;      /* bytes a write; 0: all at once */
    bool close;        /* close after it */
};
struct fake_http {
    char dir[32], socket[64];
    int listener, fd, stop[2];
    struct thread *thread;
    const struct fake_step *steps;
    size_t n_steps, at;
    struct buf in;  /* bytes of the connection not used yet */
    struct buf log; /* all requests; to be read after fake_http_stop() */
    atomic_int n_connections;
};

/* Waits for bytes; false at the end of the connection or of the server. */
static inline bool fake_http_fill(struct fake_http *f, bool *ret_stop)
{
    struct pollfd fds[2] = {{f->fd, POLLIN, 0}, {f->stop[0], POLLIN, 0}};
    char in[16384];
    ssize_t n;

    (void)poll(fds, 2, -1);
    if (fds[1].revents) {
        *ret_stop = true;
        return false;
    }
    n = read(f->fd, in, sizeof(in));
    if (n > 0)
        buf_append(&f->in, in, (size_t)n);
    return n > 0;
}

/* Length of the request at the front, 0 if it is not whole. */
static inline size_t fake_http_request(struct fake_http *f)
{
    struct str s = buf_view(&f->in);
    long end = str_find(s, STR("\r\n\r\n")), cl = str_find(s, STR("Content-Length: "));
    size_t n;

    if (end < 0)
        return 0;
    n = (size_t)end + 4;
    if (cl >= 0 && cl < end)
        n += (size_t)atol(buf_cstr(&f->in) + cl + 16);
    return n <= s.len ? n : 0;
}

static inline bool fake_http_write(struct fake_http *f, const struct fake_step *step)
{
    size_t n = strlen(step->reply), piece = step->piece ? step->piece : n;

    for (size_t at = 0; at < n;) {
        ssize_t w = send(f->fd, step->reply + at, MIN(piece, n - at), MSG_NOSIGNAL);

        if (w <= 0)
            return false;
        at += (size_t)w;
        if (step->piece)
            (void)poll(NULL, 0, 1); /* so that each piece is read on its own */
    }
    return true;
}

static inline void fake_http_run(void *arg)
{
    struct fake_http *f = arg;
    bool stop = false;

    while (!stop) {
        struct pollfd fds[2] = {{f->listener, POLLIN, 0}, {f->stop[0], POLLIN, 0}};

        (void)poll(fds, 2, -1);
        if (fds[1].revents)
            break;
        f->fd = accept(f->listener, NULL, NULL);
        f->n_connections++;
        buf_reset(&f->in);
        for (;;) {
            const struct fake_step *step;
            size_t n;

            while ((n = fake_http_request(f)) == 0 && fake_http_fill(f, &stop))
                ;
            if (n == 0)
                break;
            assert(f->at < f->n_steps);
            step = &f->steps[f->at++];
            buf_append(&f->log, f->in.p, n);
            buf_consume(&f->in, n);
            if ((step->reply && !fake_http_write(f, step)) || step->close)
                break;
        }
        (void)close(f->fd);
    }
}

/* Listens and serves; end it with fake_http_stop(). @steps is borrowed. */
static inline void fake_http_start(struct fake_http *f, const struct fake_step *steps, size_t n)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};

    *f = (struct fake_http){.dir = "/tmp/skiff-http-XXXXXX", .steps = steps, .n_steps = n};
    assert(mkdtemp(f->dir));
    (void)snprintf(f->socket, sizeof(f->socket), "%s/s", f->dir);
    (void)snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", f->socket);
    f->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert(f->listener >= 0 && pipe(f->stop) == 0);
    assert(bind(f->listener, (struct sockaddr *)&sa, sizeof(sa)) == 0);
    assert(listen(f->listener, 8) == 0);
    f->thread = thread_start("fake-http", fake_http_run, f);
}

/* Ends the server; @f->log stays for the test, which frees it. */
static inline void fake_http_stop(struct fake_http *f)
{
    assert(write(f->stop[1], "x", 1) == 1);
    (void)thread_join(f->thread);
    (void)close(f->stop[0]);
    (void)close(f->stop[1]);
    (void)close(f->listener);
    (void)unlink(f->socket);
    (void)rmdir(f->dir);
    buf_deinit(&f->in);
}
