/* SPDX-License-Identifier: Apache-2.0 */
/* etcd_flags.c - etcd's flags: which there are, and where they may come from.
 * https://etcd.io/docs/v3.5/op-guide/configuration/ */
#include "cmd/etcd_flags.h"
#include "base/buf.h"
#include "cmd/etcd_listen.h"
#include "cmd/files.h"
#include "cmd/flags.h"
#include "codec/json.h"
#include "codec/timefmt.h"
#include "codec/yaml.h"

#include <stdlib.h>

enum { FLAGS_MAX = 128, STREAMS_DEFAULT = 10000 };

static const struct etcd_flags defaults = {
    .name = "default",
    .listen = "http://127.0.0.1:2379",
    .advertise_peer = "http://localhost:2380",
    .compact_mode = "periodic",
    .compact_keep = "0",
    .log_level = "info",
    .request_max = 3 << 19,
    .txn_max = 128,
    .streams_max = STREAMS_DEFAULT,
    .cert_years = 1,
    .progress_ms = 10 * 60 * 1000,
};
static const char usage[] =
    "Usage: skiff etcd [flags]\n\n"
    "Runs the store alone, served as an etcd v3 of one member. The flags are etcd's; those about\n"
    "other members, the log of Raft and the like are taken and have no effect. Each may be given "
    "as a\n"
    "variable: ETCD_DATA_DIR is --data-dir. --config-file is etcd's file of flags in YAML: then "
    "all\n"
    "else is ignored.";

/* Of etcd, and without effect here. */
static const char *const taken[] = {
    "initial-cluster-state",
    "initial-cluster-token",
    "initial-election-tick-advance",
    "peer-cert-file",
    "peer-key-file",
    "peer-trusted-ca-file",
    "peer-crl-file",
    "peer-cert-allowed-cn",
    "peer-cert-allowed-hostname",
    "snapshot-count",
    "heartbeat-interval",
    "election-timeout",
    "max-snapshots",
    "max-wals",
    "wal-dir",
    "backend-batch-interval",
    "backend-batch-limit",
    "backend-bbolt-freelist-type",
    "grpc-keepalive-min-time",
    "grpc-keepalive-interval",
    "grpc-keepalive-timeout",
    "logger",
    "log-outputs",
    "metrics",
    "v2-deprecation",
    "experimental-corrupt-check-time",
    "experimental-compact-hash-check-time",
    "experimental-compaction-batch-limit",
    "experimental-compaction-sleep-interval",
    "experimental-warning-apply-duration",
    "experimental-warning-unary-request-duration",
    "experimental-wait-cluster-ready-timeout",
    "experimental-snapshot-catchup-entries",
    "experimental-bootstrap-defrag-threshold-megabytes",
    "experimental-max-learners",
    /* as of etcd 3.6 */
    "feature-gates",
    "bootstrap-defrag-threshold-megabytes",
    "compact-hash-check-time",
    "compaction-batch-limit",
    "compaction-sleep-interval",
    "corrupt-check-time",
    "downgrade-check-time",
    "max-learners",
    "snapshot-catchup-entries",
    "warning-apply-duration",
    "warning-unary-request-duration",
};
static const char *const taken_bools[] = {
    "peer-client-cert-auth",
    "peer-auto-tls",
    "strict-reconfig-check",
    "pre-vote",
    "experimental-initial-corrupt-check",
    "experimental-compact-hash-check-enabled",
    "experimental-enable-lease-checkpoint",
    "experimental-enable-lease-checkpoint-persist",
    "experimental-peer-skip-client-san-verification",
    "experimental-memory-mlock",
    "experimental-txn-mode-write-with-shared-buffer",
    "experimental-stop-grpc-service-on-defrag",
    /* as of etcd 3.6 */
    "memory-mlock",
    "peer-skip-client-san-verification",
};
#define NO_EFFECT "taken, no effect"

/* @out has room for FLAGS_MAX. */
static void make_table(struct etcd_flags *f, struct flag *out)
{
    /* clang-format off */
    const struct flag flags[] = {
        {"name", FLAG_STRING, &f->name, "NAME", "this member's name"},
        {"data-dir", FLAG_STRING, &f->data_dir, "DIR", "where the data is; <name>.etcd if unset"},
        {"config-file", FLAG_STRING, &f->config_file, "FILE", "has the flags instead; YAML"},
        {"listen-client-urls", FLAG_STRING, &f->listen, "URLS",
         "where clients are served: http, https, unix"},
        {"advertise-client-urls", FLAG_STRING, &f->advertise, "URLS",
         "what the member list says; where it listens if unset"},
        {"listen-metrics-urls", FLAG_STRING, &f->listen_metrics, "URLS",
         "where only /metrics and /health are served, to anyone over http"},
        {"listen-peer-urls", FLAG_STRING, &f->listen_peer, "URLS",
         "taken; one member has no peers"},
        {"initial-advertise-peer-urls", FLAG_STRING, &f->advertise_peer, "URLS",
         "what the member list says"},
        {"initial-cluster", FLAG_STRING, &f->initial, "LIST", "of this member alone"},
        {"cert-file", FLAG_STRING, &f->cert, "FILE",
         "certificate for https; read again when it changes"},
        {"key-file", FLAG_STRING, &f->key, "FILE", "its key"},
        {"auto-tls", FLAG_BOOL, &f->auto_tls, NULL,
         "make a certificate for https, signed by itself"},
        {"self-signed-cert-validity", FLAG_INT, &f->cert_years, "YEARS", "of that certificate"},
        {"client-cert-auth", FLAG_BOOL, &f->client_cert_auth, NULL,
         "serve over https only clients with a certificate"},
        {"trusted-ca-file", FLAG_STRING, &f->ca, "FILE",
         "CA of clients' certificates, which each must have then"},
        {"client-crl-file", FLAG_STRING, &f->crl, "FILE", "clients' certificates that are revoked"},
        {"client-cert-allowed-hostname", FLAG_STRING, &f->allowed_hostname, "NAME",
         "host name that clients' certificates must be for"},
        {"cipher-suites", FLAG_STRING, &f->ciphers, "LIST", "suites of TLS 1.2, by commas"},
        {"tls-min-version", FLAG_STRING, &f->tls_min, "VERSION", "TLS1.2 or TLS1.3"},
        {"tls-max-version", FLAG_STRING, &f->tls_max, "VERSION", "TLS1.2 or TLS1.3"},
        {"auto-compaction-mode", FLAG_STRING, &f->compact_mode, "MODE", "periodic or revision"},
        {"auto-compaction-retention", FLAG_STRING, &f->compact_keep, "KEEP",
         "history to keep: hours or \"10m\", or revisions; 0: all"},
        {"quota-backend-bytes", FLAG_INT, &f->quota, "N", "largest size of the data, 0: 2 GiB"},
        {"max-request-bytes", FLAG_INT, &f->request_max, "N", "largest request that writes"},
        {"max-txn-ops", FLAG_INT, &f->txn_max, "N", "most operations of a transaction"},
        {"max-concurrent-streams", FLAG_INT, &f->streams_max, "N",
         "most calls at once of a connection"},
        {"watch-progress-notify-interval", FLAG_DURATION, &f->progress_ms, "TIME",
         "between progress notifications"},
        {"experimental-watch-progress-notify-interval", FLAG_DURATION, &f->progress_ms, "TIME",
         "its name before etcd 3.6"},
        {"log-level", FLAG_STRING, &f->log_level, "LEVEL", "debug, info, warn or error"},
        {"version", FLAG_BOOL, &f->version, NULL, "print the version and end"},
    };
    /* clang-format on */
    size_t n = ARRAY_LEN(flags);

    assert(n + ARRAY_LEN(taken) + ARRAY_LEN(taken_bools) < FLAGS_MAX);
    memcpy(out, flags, sizeof(flags));
    for (size_t i = 0; i < ARRAY_LEN(taken); i++)
        out[n++] = (struct flag){taken[i], FLAG_STRING, &f->taken, "VALUE", NO_EFFECT};
    for (size_t i = 0; i < ARRAY_LEN(taken_bools); i++)
        out[n++] = (struct flag){taken_bools[i], FLAG_BOOL, &f->taken_bool, NULL, NO_EFFECT};
    out[n] = (struct flag){0};
}

/* ---- the environment ---- */

static int read_environment(const struct flag *flags, struct arena *a, struct err *err)
{
    for (const struct flag *f = flags; f->name; f++) {
        char *name = arena_printf(a, "ETCD_%s", f->name);
        const char *value;
        int r;

        for (char *p = name; *p; p++)
            *p = (char)(*p == '-' ? '_' : *p >= 'a' && *p <= 'z' ? *p - 'a' + 'A' : *p);
        value = getenv(name);
        if (!value || !*value)
            continue;
        r = flags_set(flags, f->name, arena_strdup(a, value), err);
        if (r < 0)
            return err_wrap(err, r, "%s", name);
    }
    return 0;
}

/* ---- the file ---- */

static int set_member(const struct flag *flags, const char *name, const struct doc *value,
                      struct arena *a, struct err *err)
{
    auto_buf text = {0};

    switch (value->kind) {
    case DOC_NULL:
        return 0; /* etcd's sample names all keys */
    case DOC_STRING:
        buf_str(&text, value->s);
        break;
    case DOC_ARRAY:
        for (uint32_t i = 0; i < value->n; i++)
            if (value->items[i].kind == DOC_STRING)
                buf_printf(&text, "%s%.*s", i ? "," : "", STR_ARG(value->items[i].s));
        break;
    case DOC_OBJECT:
        return err_new(err, ERR_BAD_REQUEST, "%s: a single value is expected", name);
    default:
        json_write(&text, value);
        break;
    }
    return text.len ? flags_set(flags, name, str_dupz(a, buf_view(&text)), err) : 0;
}

/* client-transport-security and peer-transport-security have names of their own. */
static int set_security(const struct flag *flags, const struct doc *d, bool peer, struct arena *a,
                        struct err *err)
{
    int r = 0;

    for (uint32_t i = 0; d->kind == DOC_OBJECT && i < d->n && r == 0; i++) {
        struct str key = d->members[i].key;

        if (peer && str_eqz(key, "client-crl-file"))
            key = STR("crl-file");
        r = set_member(flags, arena_printf(a, "%s%.*s", peer ? "peer-" : "", STR_ARG(key)),
                       &d->members[i].value, a, err);
    }
    return r;
}

/* What is in etcd's sample and says nothing. */
static bool is_idle(struct str key, const struct doc *value)
{
    return str_has_prefix(key, STR("proxy")) || str_eqz(key, "discovery-fallback") ||
           str_eqz(key, "enable-pprof") ||
           (str_eqz(key, "force-new-cluster") && value->kind == DOC_BOOL && !value->b) ||
           value->kind == DOC_NULL;
}

static int read_file(const struct flag *flags, const char *path, struct arena *a, struct err *err)
{
    struct str text;
    struct doc doc;
    int r = file_read(path, a, &text, err);

    if (r == 0)
        r = yaml_parse(text, a, &doc, NULL, err);
    if (r == 0 && doc.kind != DOC_OBJECT)
        r = err_new(err, ERR_BAD_REQUEST, "no flags in it");
    for (uint32_t i = 0; r == 0 && i < doc.n; i++) {
        struct str key = doc.members[i].key;
        const struct doc *value = &doc.members[i].value;

        if (str_eqz(key, "client-transport-security") || str_eqz(key, "peer-transport-security"))
            r = set_security(flags, value, key.p[0] == 'p', a, err);
        else if (!is_idle(key, value))
            r = set_member(flags, str_dupz(a, key), value, a, err);
    }
    return r < 0 ? err_wrap(err, r, "--config-file %s", path) : 0;
}

/* ---- all of it ---- */

/* Go's flags may have one dash. */
static void two_dashes(int argc, char **argv, struct arena *a)
{
    for (int i = 1; i < argc; i++)
        if (argv[i][0] == '-' && argv[i][1] && argv[i][1] != '-' && strcmp(argv[i], "-h") != 0)
            argv[i] = arena_printf(a, "-%s", argv[i]);
}

static int check(const struct etcd_flags *f, int words, char **argv, struct err *err)
{
    if (words > 0)
        return err_new(err, ERR_BAD_REQUEST, "unexpected word \"%s\"; see --help", argv[1]);
    if (f->initial && str_find(str_from(f->initial), STR(",")) >= 0)
        return err_new(err, ERR_BAD_REQUEST,
                       "--initial-cluster names several members; this is an etcd of one");
    if (strcmp(f->log_level, "panic") == 0 || strcmp(f->log_level, "fatal") == 0)
        return flags_set_log_level("error", err);
    return flags_set_log_level(f->log_level, err);
}

int etcd_flags_read(int argc, char **argv, struct arena *a, struct etcd_flags *f, struct err *err)
{
    struct flag table[FLAGS_MAX];
    int words = 0, r;

    *f = defaults;
    make_table(f, table);
    r = read_environment(table, a, err);
    two_dashes(argc, argv, a);
    if (r == 0)
        r = flags_parse(table, argc, argv, &words, err);
    if (r == FLAGS_HELP) {
        *f = defaults;
        flags_help(table, usage, stdout);
        return r;
    }
    if (r == 0 && f->config_file) {
        const char *path = f->config_file;

        *f = defaults;
        r = read_file(table, path, a, err);
    }
    return r < 0 ? r : check(f, words, argv, err);
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

int etcd_flags_config(const struct etcd_flags *f, struct arena *a, struct etcd_config *config,
                      struct err *err)
{
    int r = parse_compaction(f, config, err);

    if (r == 0)
        r = positive("quota-backend-bytes", f->quota, INT64_MAX, err);
    if (r == 0)
        r = positive("max-request-bytes", f->request_max, 1 << 30, err);
    if (r == 0)
        r = positive("max-txn-ops", f->txn_max, 1 << 20, err);
    if (r == 0)
        r = positive("max-concurrent-streams", f->streams_max, UINT32_MAX, err);
    if (r == 0)
        r = positive("self-signed-cert-validity", f->cert_years, 100, err);
    if (r == 0)
        r = etcd_urls_split(f->advertise ? f->advertise : f->listen, a, &config->client_urls,
                            &config->n_client_urls, err);
    if (r == 0)
        r = etcd_urls_split(f->advertise_peer, a, &config->peer_urls, &config->n_peer_urls, err);
    config->name = f->name;
    config->quota_bytes = (uint64_t)f->quota;
    config->request_max_bytes = (uint32_t)f->request_max;
    config->txn_ops_max = (uint32_t)f->txn_max;
    config->progress_ms = (uint32_t)MIN(f->progress_ms, UINT32_MAX);
    return r;
}
