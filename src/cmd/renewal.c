/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/renewal.h"

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "client/client_https.h"
#include "cmd/files.h"

#define SEC_NS ((int64_t)1000000000)
enum { LOOK_SEC = 3600, RETRY_SEC = 60, CA_LOOK_SEC = 24 * 3600 };

struct renewal {
    struct renewal_opts opts;
    struct timer timer;
    struct arena arena; /* of what was made; grows by some kilobytes at each renewal */
    struct pki pki;     /* in use */
    int64_t due_sec;    /* of the first of them */
    int64_t ca_looked_sec;
    bool busy, freed;
    /* Of the work under way. */
    struct pki made;
    int64_t now_sec;
    int code;
    struct err err;
};

int admin_kubeconfig_write(const char *path, const char *url, const struct pki *pki,
                           struct err *err)
{
    auto_buf text = {0};

    kubeconfig_write(&text, "skiff", url, pki->ca_cert, pki->admin_cert, pki->admin_key);
    return file_write(path, buf_view(&text), 0600, err);
}

static void work(void *arg)
{
    struct renewal *r = arg;
    const struct renewal_opts *o = &r->opts;

    r->made = (struct pki){0};
    r->code = pki_load(o->dir, &o->names, r->now_sec, &r->arena, &r->made, &r->err);
    if (r->code == 0)
        r->code = admin_kubeconfig_write(o->kubeconfig, o->url, &r->made, &r->err);
}

static void release(struct renewal *r)
{
    arena_deinit(&r->arena);
    free(r);
}

static void look_again(struct renewal *r, int64_t now_sec)
{
    int64_t left = r->due_sec > now_sec ? r->due_sec - now_sec : RETRY_SEC;

    timer_start(&r->timer, (uint64_t)MIN(left, LOOK_SEC) * 1000, 0);
}

static void on_worked(void *arg)
{
    struct renewal *r = arg;

    r->busy = false;
    if (r->freed) {
        release(r);
        return;
    }
    if (r->code < 0) {
        LOG_ERROR("server", "certificates were not renewed, trying again: %s", r->err.msg);
    } else {
        r->pki = r->made;
        r->due_sec = pki_due_sec(&r->pki);
        LOG_INFO("server", "certificates renewed; new connections use them, kubeconfig=%s",
                 r->opts.kubeconfig);
        r->opts.on_renewed(r->opts.arg, &r->pki);
    }
    look_again(r, r->now_sec);
}

static void tell_of_ca(struct renewal *r, int64_t now_sec)
{
    auto_arena a = {0};
    bool ended;
    const char *todo;

    if (r->ca_looked_sec && now_sec - r->ca_looked_sec < CA_LOOK_SEC)
        return;
    r->ca_looked_sec = now_sec;
    todo = pki_ca_warning(r->pki.ca_cert, r->opts.dir, now_sec, &a, &ended);
    if (!todo)
        return;
    LOG_WARN("server", "the cluster's CA %s: %s", ended ? "has ended" : "ends in less than a year",
             todo);
}

static void on_timer(struct timer *t)
{
    struct renewal *r = container_of(t, struct renewal, timer);
    int64_t now_sec = loop_wall_ns(r->opts.loop) / SEC_NS;

    tell_of_ca(r, now_sec);
    if (now_sec < r->due_sec) {
        look_again(r, now_sec);
        return;
    }
    r->busy = true;
    r->now_sec = now_sec;
    loop_work(r->opts.loop, work, on_worked, r);
}

struct renewal *renewal_new(const struct renewal_opts *opts)
{
    struct renewal *r = xnew(struct renewal);

    r->opts = *opts;
    r->pki = *opts->pki;
    r->due_sec = pki_due_sec(&r->pki);
    timer_init(&r->timer, opts->loop, on_timer);
    timer_start(&r->timer, 0, 0);
    return r;
}

struct renewal *renewal_free(struct renewal *r)
{
    if (!r)
        return NULL;
    timer_stop(&r->timer);
    r->freed = true;
    if (!r->busy)
        release(r);
    return NULL;
}
