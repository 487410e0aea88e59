/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_etcd.c - `skiff etcd`: the store alone, as an etcd of one member. */
#include "base/log.h"
#include "base/loop_signal.h"
#include "cmd/cmd.h"
#include "cmd/etcd_listen.h"
#include "cmd/files.h"
#include "cmd/flags.h"
#include "cmd/server.h"
#include "codec/timefmt.h"
#include "net/tls.h"

#include <signal.h>
#include <stdio.h>

struct etcd_flags {
    const char *name, *data_dir, *listen, *advertise, *listen_peer, *advertise_peer, *initial;
    const char *initial_state, *initial_token;
    const char *cert, *key, *ca, *compact_mode, *compact_keep, *log_level, *logger;
    bool client_cert_auth;
    int64_t quota, request_max, txn_max, snapshot_count, heartbeat, election;
    int64_t progress_ms;
};
struct etcd_cmd {
    struct etcd_flags flags;
    struct arena arena;
    struct loop *loop;
    struct store *store;
    struct etcd *etcd;
    struct tls_context *tls;
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
                                    .tls = c->tls,
                                    .needs_cert = c->flags.client_cert_auth,
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

static int open_tls(struct etcd_cmd *c, struct err *err)
{
    const struct etcd_flags *f = &c->flags;
    struct str cert, key, ca = STR("");
    int r;

    if (!f->cert && !f->key)
        return f->client_cert_auth
                   ? err_new(err, ERR_BAD_REQUEST, "--client-cert-auth needs --cert-file")
                   : 0;
    if (!f->cert || !f->key)
        return err_new(err, ERR_BAD_REQUEST, "--cert-file and --key-file go together");
    if (f->client_cert_auth && !f->ca)
        return err_new(err, ERR_BAD_REQUEST, "--client-cert-auth needs --trusted-ca-file");
    r = file_read(f->cert, &c->arena, &cert, err);
    if (r == 0)
        r = file_read(f->key, &c->arena, &key, err);
    if (r == 0 && f->ca)
        r = file_read(f->ca, &c->arena, &ca, err);
    return r < 0 ? r : tls_server_context(cert, key, ca, &c->tls, err);
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

/* --auto-compaction-retention: of revisions a number, of time "10m", or hours without a unit */
static int parse_compaction(const struct etcd_flags *f, struct etcd_config *config, struct err *err)
{
    struct str keep = str_from(f->compact_keep);
    bool periodic = strcmp(f->compact_mode, "periodic") == 0;
    int64_t n, ns;

    if (!periodic && strcmp(f->compact_mode, "revision") != 0)
        return err_new(err, ERR_BAD_REQUEST,
                       "--auto-compaction-mode: \"%s\" is neither periodic nor revision",
                       f->compact_mode);
    if (str_to_i64(keep, &n) && n >= 0 && n < INT64_C(1) << 40) {
        if (periodic)
            config->compact_keep_ms = (uint64_t)n * 3600 * 1000;
        else
            config->compact_keep_revisions = n;
        return 0;
    }
    if (!periodic || duration_parse(keep, &ns, err) < 0 || ns < 0)
        return err_new(err, ERR_BAD_REQUEST, "--auto-compaction-retention: bad value \"%s\"",
                       f->compact_keep);
    config->compact_keep_ms = (uint64_t)ns / 1000000;
    return 0;
}

static int positive(const char *name, int64_t v, int64_t max, struct err *err)
{
    if (v >= 0 && v <= max)
        return 0;
    return err_new(err, ERR_BAD_REQUEST, "--%s: %lld is not from 0 to %lld", name, (long long)v,
                   (long long)max);
}

static int make_config(struct etcd_cmd *c, struct etcd_config *config, struct err *err)
{
    const struct etcd_flags *f = &c->flags;
    int r = parse_compaction(f, config, err);

    if (r == 0)
        r = positive("quota-backend-bytes", f->quota, INT64_MAX, err);
    if (r == 0)
        r = positive("max-request-bytes", f->request_max, 1 << 30, err);
    if (r == 0)
        r = positive("max-txn-ops", f->txn_max, 1 << 20, err);
    if (r == 0)
        r = etcd_urls_split(f->advertise ? f->advertise : f->listen, &c->arena,
                            &config->client_urls, &config->n_client_urls, err);
    if (r == 0)
        r = etcd_urls_split(f->advertise_peer, &c->arena, &config->peer_urls, &config->n_peer_urls,
                            err);
    config->name = f->name;
    config->quota_bytes = (uint64_t)f->quota;
    config->request_max_bytes = (uint32_t)f->request_max;
    config->txn_ops_max = (uint32_t)f->txn_max;
    config->progress_ms = (uint32_t)MIN(f->progress_ms, UINT32_MAX);
    return r;
}

static int run(struct etcd_cmd *c, struct err *err)
{
    struct etcd_config config = {0};
    int r = make_config(c, &config, err);

    if (!c->flags.data_dir)
        c->flags.data_dir = arena_printf(&c->arena, "%s.etcd", c->flags.name);
    if (r == 0)
        r = open_tls(c, err);
    if (r == 0)
        r = open_store(c, err);
    if (r < 0)
        return r;
    if (c->flags.listen_peer)
        LOG_INFO("etcd", "--listen-peer-urls: one member has no peers; nothing listens there");
    c->loop = loop_new("etcd");
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
    if (c->loop) {
        loop_hold(c->loop, false);
        loop_run(c->loop); /* closes what was freed last */
        c->loop = loop_free(c->loop);
    }
    c->tls = tls_context_free(c->tls);
    arena_deinit(&c->arena);
}

static const char usage[] =
    "Usage: skiff etcd [flags]\n\n"
    "Runs the store alone, served as an etcd v3 of one member. The flags are etcd's; those about\n"
    "other members are taken and have no effect.";

static const struct etcd_flags defaults = {
    .name = "default",
    .listen = "http://127.0.0.1:2379",
    .advertise_peer = "http://localhost:2380",
    .compact_mode = "periodic",
    .compact_keep = "0",
    .log_level = "info",
    .request_max = 3 << 19,
    .txn_max = 128,
    .progress_ms = 10 * 60 * 1000,
};

int cmd_etcd(int argc, char **argv)
{
    struct etcd_cmd c = {.flags = defaults};
    struct etcd_flags *f = &c.flags;
    /* clang-format off */
    const struct flag flags[] = {
        {"name", FLAG_STRING, &f->name, "NAME", "this member's name"},
        {"data-dir", FLAG_STRING, &f->data_dir, "DIR", "where the data is; <name>.etcd if unset"},
        {"listen-client-urls", FLAG_STRING, &f->listen, "URLS",
         "where clients are served: http, https, unix"},
        {"advertise-client-urls", FLAG_STRING, &f->advertise, "URLS",
         "what the member list says; where it listens if unset"},
        {"listen-peer-urls", FLAG_STRING, &f->listen_peer, "URLS",
         "taken; one member has no peers"},
        {"initial-advertise-peer-urls", FLAG_STRING, &f->advertise_peer, "URLS",
         "what the member list says"},
        {"initial-cluster", FLAG_STRING, &f->initial, "LIST", "taken, no effect"},
        {"initial-cluster-state", FLAG_STRING, &f->initial_state, "STATE", "taken, no effect"},
        {"initial-cluster-token", FLAG_STRING, &f->initial_token, "TOKEN", "taken, no effect"},
        {"cert-file", FLAG_STRING, &f->cert, "FILE", "certificate for https"},
        {"key-file", FLAG_STRING, &f->key, "FILE", "its key"},
        {"client-cert-auth", FLAG_BOOL, &f->client_cert_auth, NULL,
         "serve over https only clients with a certificate"},
        {"trusted-ca-file", FLAG_STRING, &f->ca, "FILE", "CA of clients' certificates"},
        {"auto-compaction-mode", FLAG_STRING, &f->compact_mode, "MODE", "periodic or revision"},
        {"auto-compaction-retention", FLAG_STRING, &f->compact_keep, "KEEP",
         "history to keep: hours or \"10m\", or revisions; 0: all"},
        {"quota-backend-bytes", FLAG_INT, &f->quota, "N", "largest size of the data, 0: 2 GiB"},
        {"max-request-bytes", FLAG_INT, &f->request_max, "N", "largest request that writes"},
        {"max-txn-ops", FLAG_INT, &f->txn_max, "N", "most operations of a transaction"},
        {"experimental-watch-progress-notify-interval", FLAG_DURATION, &f->progress_ms, "TIME",
         "between progress notifications"},
        {"snapshot-count", FLAG_INT, &f->snapshot_count, "N", "taken, no effect"},
        {"heartbeat-interval", FLAG_INT, &f->heartbeat, "MS", "taken, no effect"},
        {"election-timeout", FLAG_INT, &f->election, "MS", "taken, no effect"},
        {"logger", FLAG_STRING, &f->logger, "NAME", "taken, no effect"},
        {"log-level", FLAG_STRING, &f->log_level, "LEVEL", "debug, info, warn or error"},
        {0}};
    /* clang-format on */
    struct err err = {0};
    int words = 0;
    int r = flags_parse(flags, argc, argv, &words, &err);

    if (r == FLAGS_HELP) {
        flags_help(flags, usage, stdout);
        return 0;
    }
    if (r == 0 && words > 0)
        r = err_new(&err, ERR_BAD_REQUEST, "unexpected word \"%s\"; see --help", argv[1]);
    if (r == 0)
        r = flags_set_log_level(f->log_level, &err);
    if (r < 0) {
        fprintf(stderr, "skiff etcd: %s\n", err.msg);
        return 2;
    }
    r = run(&c, &err);
    if (r < 0)
        fprintf(stderr, "skiff etcd: %s\n", err.msg);
    deinit(&c);
    return r < 0 ? 1 : 0;
}
