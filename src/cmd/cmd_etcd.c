/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_etcd.c - `skiff etcd`: the store alone, as an etcd of one member. */
#include "base/clock.h"
#include "base/log.h"
#include "base/loop_signal.h"
#include "cmd/cmd.h"
#include "cmd/etcd_flags.h"
#include "cmd/etcd_listen.h"
#include "cmd/etcd_tls.h"
#include "cmd/files.h"
#include "cmd/flags.h"
#include "cmd/server.h"

#include <signal.h>
#include <stdio.h>

#define SEC_NS INT64_C(1000000000)

struct etcd_cmd {
    struct etcd_flags flags;
    struct arena arena;
    struct loop *loop;
    struct store *store;
    struct etcd *etcd;
    struct etcd_tls *tls;
    struct etcd_listen *listen;
    struct loop_signal *on_term, *on_int;
    bool stopping;
    struct err err; /* why it ended */
};

/* ---- stop ---- */

static void on_closed(void *arg)
{
    struct etcd_cmd *c = arg;

    c->listen = NULL;
    loop_stop(c->loop);
}

static void on_stopped(void *arg)
{
    struct etcd_cmd *c = arg;

    etcd_listen_close(c->listen, on_closed, c);
}

static void stop(struct etcd_cmd *c)
{
    if (c->stopping)
        return;
    c->stopping = true;
    etcd_stop(c->etcd, on_stopped, c);
}

static void on_signal(void *arg)
{
    struct etcd_cmd *c = arg;

    LOG_INFO("etcd", "stopping");
    stop(c);
}

/* ---- start ---- */

static void on_ready(void *arg, const struct err *err)
{
    struct etcd_cmd *c = arg;
    struct etcd_listen_opts opts = {.loop = c->loop,
                                    .urls = c->flags.listen,
                                    .metrics_urls = c->flags.listen_metrics,
                                    .tls = etcd_tls_context(c->tls),
                                    .needs_cert = c->flags.client_cert_auth || c->flags.ca,
                                    .streams_max = (uint32_t)c->flags.streams_max,
                                    .plain_anywhere = true};

    if (c->stopping)
        return;
    if (err)
        c->err = *err;
    else if (etcd_listen_open(&opts, c->etcd, &c->listen, &c->err) == 0)
        LOG_INFO("etcd", "ready urls=%s data=%s version=%s", c->flags.listen, c->flags.data_dir,
                 ETCD_VERSION);
    if (c->err.code)
        stop(c);
}

static int open_store(struct etcd_cmd *c, struct err *err)
{
    const struct etcd_flags *f = &c->flags;
    struct store_opts opts = {.history_ms = UINT32_MAX, .tell = store_log};
    int r;

    if (file_exists(arena_printf(&c->arena, "%s/member/snap/db", f->data_dir)))
        return err_new(err, ERR_BAD_REQUEST,
                       "--data-dir %s holds the data of an etcd, which this is not the same as: "
                       "name another folder",
                       f->data_dir);
    r = folder_make(f->data_dir, 0700, err);
    if (r == 0)
        r = engine_lmdb_open(f->data_dir, &opts.engine, err);
    return r < 0 ? r : store_open(&opts, NULL, 0, &c->store, err);
}

static int run(struct etcd_cmd *c, struct err *err)
{
    struct etcd_config config = {0};
    int r = etcd_flags_config(&c->flags, &c->arena, &config, err);

    if (!c->flags.data_dir)
        c->flags.data_dir = arena_printf(&c->arena, "%s.etcd", c->flags.name);
    if (r == 0)
        r = etcd_tls_open(&c->flags, clock_real()->wall_ns(clock_real()) / SEC_NS, &c->tls, err);
    if (r == 0)
        r = open_store(c, err);
    if (r < 0)
        return r;
    if (c->flags.listen_peer)
        LOG_INFO("etcd", "--listen-peer-urls: one member has no peers; nothing listens there");
    c->loop = loop_new("etcd");
    etcd_tls_watch(c->tls, c->loop);
    c->on_term = loop_signal_new(c->loop, SIGTERM, on_signal, c);
    c->on_int = loop_signal_new(c->loop, SIGINT, on_signal, c);
    config.store = c->store;
    config.loop = c->loop;
    loop_hold(c->loop, true);
    c->etcd = etcd_new(&config, on_ready, c);
    loop_run(c->loop);
    *err = c->err;
    return c->err.code;
}

static void deinit(struct etcd_cmd *c)
{
    c->etcd = etcd_free(c->etcd);
    c->store = store_close(c->store);
    c->on_term = loop_signal_free(c->on_term);
    c->on_int = loop_signal_free(c->on_int);
    c->tls = etcd_tls_free(c->tls);
    if (c->loop) {
        loop_hold(c->loop, false);
        loop_run(c->loop); /* closes what was freed last */
        c->loop = loop_free(c->loop);
    }
    arena_deinit(&c->arena);
}

int cmd_etcd(int argc, char **argv)
{
    struct etcd_cmd c = {0};
    struct err err = {0};
    int r = etcd_flags_read(argc, argv, &c.arena, &c.flags, &err);

    if (r == 0 && c.flags.version)
        printf("etcd Version: %s\nskiff Version: %s\n", ETCD_VERSION, SKIFF_VERSION);
    if (r == FLAGS_HELP || (r == 0 && c.flags.version)) {
        arena_deinit(&c.arena);
        return 0;
    }
    if (r < 0) {
        fprintf(stderr, "skiff etcd: %s\n", err.msg);
        arena_deinit(&c.arena);
        return 2;
    }
    r = run(&c, &err);
    if (r < 0)
        fprintf(stderr, "skiff etcd: %s\n", err.msg);
    deinit(&c);
    return r < 0 ? 1 : 0;
}
