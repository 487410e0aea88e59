/* http.c - what is asked over plain HTTP: /health, /version, /metrics. */
#include "etcd/etcd_internal.h"

enum { OK = 200, NOT_FOUND = 404, NOT_ALLOWED = 405, UNAVAILABLE = 503 };

struct health {
    struct raw_txn txn;
    struct etcd *e;
    struct http_exchange *x;
    bool alarm, overlook;
};

static int health_run(struct raw *raw, void *arg, struct err *err)
{
    struct health *h = arg;

    return alarm_active(h->e, raw, &h->alarm, err);
}

static void health_done(struct raw_txn *txn)
{
    struct health *h = txn->arg;
    struct etcd *e = h->e;
    bool alarm = h->alarm && !h->overlook;
    const char *text = txn->code ? "{\"health\":\"false\",\"reason\":\"STORE ERROR\"}"
                       : alarm   ? "{\"health\":\"false\",\"reason\":\"ALARM NOSPACE\"}"
                                 : "{\"health\":\"true\",\"reason\":\"\"}";

    http_respond(h->x, txn->code || alarm ? UNAVAILABLE : OK, "application/json", str_from(text),
                 NULL, 0);
    free(h);
    etcd_idle(e);
}

/* The query asks to overlook the alarm (/health?exclude=NOSPACE). */
static bool overlooks(struct http_exchange *x, struct str query)
{
    struct http_header *params;
    struct err err = {0};
    size_t n;

    if (http_query_parse(query, http_arena(x), &params, &n, &err) < 0)
        return false;
    for (size_t i = 0; i < n; i++)
        if (str_eqz(params[i].name, "exclude") && str_eqz(params[i].value, "NOSPACE"))
            return true;
    return false;
}

static void health(struct etcd *e, struct http_exchange *x, struct str query)
{
    struct health *h = xnew(struct health);

    *h = (struct health){.e = e, .x = x, .overlook = overlooks(x, query)};
    h->txn = (struct raw_txn){
        .run = health_run, .loop = e->config.loop, .on_done = health_done, .arg = h};
    etcd_busy(e);
    raw_commit(e->config.store, &h->txn);
}

/* ---- /livez and /readyz, of etcd 3.5.11 ---- */

static void probe_done(struct raw_txn *txn)
{
    struct health *h = txn->arg;
    struct etcd *e = h->e;

    if (txn->code)
        http_respond(h->x, UNAVAILABLE, "text/plain; charset=utf-8",
                     STR("[-]serializable_read failed: store error\n"), NULL, 0);
    else
        http_respond(h->x, OK, "text/plain; charset=utf-8", STR("ok\n"), NULL, 0);
    free(h);
    etcd_idle(e);
}

static void probe(struct etcd *e, struct http_exchange *x)
{
    struct health *h = xnew(struct health);

    *h = (struct health){.e = e, .x = x};
    h->txn = (struct raw_txn){
        .run = health_run, .loop = e->config.loop, .on_done = probe_done, .arg = h};
    etcd_busy(e);
    raw_commit(e->config.store, &h->txn);
}

static void metric(struct buf *b, const char *name, const char *type, const char *help,
                   uint64_t value)
{
    buf_printf(b, "# HELP %s %s\n# TYPE %s %s\n%s %llu\n", name, help, name, type, name,
               (unsigned long long)value);
}

static void metrics(struct etcd *e, struct http_exchange *x)
{
    struct store_stats s;
    auto_buf b = {0};

    store_stats(e->config.store, &s);
    metric(&b, "etcd_server_has_leader", "gauge", "Whether or not a leader exists.", 1);
    metric(&b, "etcd_server_is_leader", "gauge", "Whether or not this member is a leader.", 1);
    metric(&b, "etcd_mvcc_db_total_size_in_bytes", "gauge", "Size of the store's file in bytes.",
           s.size_bytes);
    metric(&b, "etcd_server_quota_backend_bytes", "gauge", "Quota of data in bytes.",
           e->config.quota_bytes);
    metric(&b, "etcd_debugging_mvcc_current_revision", "gauge", "The current revision.",
           (uint64_t)s.revision);
    metric(&b, "etcd_debugging_mvcc_compact_revision", "gauge", "The compacted revision.",
           (uint64_t)s.compacted);
    metric(&b, "etcd_mvcc_range_total", "counter", "Ranges answered.", e->ranges);
    metric(&b, "etcd_mvcc_put_total", "counter", "Puts answered.", e->puts);
    metric(&b, "etcd_mvcc_delete_total", "counter", "Deletions answered.", e->deletes);
    metric(&b, "etcd_mvcc_txn_total", "counter", "Transactions answered.", e->txns);
    metric(&b, "etcd_debugging_mvcc_watch_stream_total", "gauge", "Streams of watches.",
           e->streams);
    metric(&b, "etcd_debugging_mvcc_watcher_total", "gauge", "Watches.", e->watchers);
    metric(&b, "etcd_debugging_mvcc_events_total", "counter", "Events sent.", e->watch_events);
    metric(&b, "etcd_debugging_lease_total", "gauge", "Leases.", e->leases.n);
    metric(&b, "process_resident_memory_bytes", "gauge", "Resident memory size in bytes.",
           mem_resident_bytes());
    metric(&b, "skiff_etcd_calls_total", "counter", "Calls with one answer, begun.", e->calls);
    http_respond(x, OK, "text/plain; version=0.0.4", buf_view(&b), NULL, 0);
}

void etcd_http(struct etcd *e, struct http_exchange *x, const struct http_request *rq)
{
    static const char version[] = "{\"etcdserver\":\"" ETCD_VERSION "\",\"etcdcluster\":\"3.5.0\"}";

    if (e->stopping) /* also to calls: their clients try again elsewhere, or later */
        http_respond(x, UNAVAILABLE, "text/plain", STR("stopping\n"), NULL, 0);
    else if (!str_eqz(rq->method, "GET") && !str_eqz(rq->method, "HEAD"))
        http_respond(x, NOT_ALLOWED, "text/plain", STR("Method Not Allowed\n"), NULL, 0);
    else if (str_eqz(rq->path, "/health"))
        health(e, x, rq->query);
    else if (str_eqz(rq->path, "/livez") || str_eqz(rq->path, "/readyz"))
        probe(e, x);
    else if (str_eqz(rq->path, "/version"))
        http_respond(x, OK, "application/json", str_from(version), NULL, 0);
    else if (str_eqz(rq->path, "/metrics"))
        metrics(e, x);
    else
        http_respond(x, NOT_FOUND, "text/plain", STR("404 page not found\n"), NULL, 0);
}
