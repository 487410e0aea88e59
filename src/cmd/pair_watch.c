/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/pair_watch.h"
#include "base/log.h"
#include "base/mem.h"
#include "cmd/files.h"

enum { LOOK_MS = 2000 };

struct pair_watch {
    const char *what;
    struct tls_context *context;
    char *cert_path, *key_path;
    struct str cert, key; /* in use; own */
    struct timer timer;
    bool started;
    bool told; /* that the files do not do */
};

static void keep(struct pair_watch *w, struct str cert, struct str key)
{
    free((char *)(uintptr_t)w->cert.p);
    free((char *)(uintptr_t)w->key.p);
    w->cert = (struct str){xmemdupz(cert.p, cert.len), cert.len};
    w->key = (struct str){xmemdupz(key.p, key.len), key.len};
}

static void on_look(struct timer *timer)
{
    struct pair_watch *w = container_of(timer, struct pair_watch, timer);
    auto_arena a = {0};
    struct str cert, key;
    struct err err = {0};
    int r = file_read(w->cert_path, &a, &cert, &err);

    if (r == 0)
        r = file_read(w->key_path, &a, &key, &err);
    if (r == 0 && str_eq(cert, w->cert) && str_eq(key, w->key))
        return;
    if (r == 0)
        r = tls_context_reload(w->context, cert, key, &err);
    if (r == 0) {
        keep(w, cert, key);
        LOG_INFO(w->what, "new connections use the new certificate of %s", w->cert_path);
    } else if (!w->told) { /* half written, perhaps: the next look tells */
        LOG_WARN(w->what, "the old certificate stays in use: %s", err.msg);
    }
    w->told = r < 0;
}

struct pair_watch *pair_watch_new(const char *what, struct tls_context *context,
                                  const char *cert_path, const char *key_path, struct str cert,
                                  struct str key)
{
    struct pair_watch *w = xnew(struct pair_watch);

    w->what = what;
    w->context = context;
    w->cert_path = xstrdup(cert_path);
    w->key_path = xstrdup(key_path);
    keep(w, cert, key);
    return w;
}

void pair_watch_start(struct pair_watch *w, struct loop *loop)
{
    timer_init(&w->timer, loop, on_look);
    timer_start(&w->timer, LOOK_MS, LOOK_MS);
    w->started = true;
}

struct pair_watch *pair_watch_free(struct pair_watch *w)
{
    if (!w)
        return NULL;
    if (w->started)
        timer_stop(&w->timer);
    free((char *)(uintptr_t)w->cert.p);
    free((char *)(uintptr_t)w->key.p);
    free(w->cert_path);
    free(w->key_path);
    free(w);
    return NULL;
}
