/* metrics.c - GET /metrics: what this server has counted, in Prometheus' text form. */
#include "apiserver/stages.h"
#include "apiserver/watcher.h"

#include <malloc.h>
#include <sys/resource.h>

/* Statuses that are counted each on its own; any other counts as the last, "0". */
static const int codes[] = {200, 201, 202, 301, 302, 304, 400, 401, 403, 404, 405, 406, 409, 410,
                            413, 415, 422, 429, 499, 500, 502, 503, 504, 0};
enum { N_CODES = ARRAY_LEN(codes), N_VERBS = VERB__N + 1 };
static const char *const verb_labels[N_VERBS] = {
    [VERB_GET] = "GET",       [VERB_LIST] = "LIST",
    [VERB_WATCH] = "WATCH",   [VERB_CREATE] = "POST",
    [VERB_UPDATE] = "PUT",    [VERB_PATCH] = "PATCH",
    [VERB_DELETE] = "DELETE", [VERB_DELETECOLLECTION] = "DELETECOLLECTION",
    [VERB__N] = "OTHER", /* paths that are no resources */
};

struct metrics { /* any thread */
    atomic_uint_fast64_t requests[N_VERBS][N_CODES];
    atomic_uint_fast64_t duration_us[N_VERBS];
    atomic_bool snapshots; /* are made; the rest is of them */
    atomic_int_fast64_t snapshot_sec, snapshot_revision;
    atomic_uint_fast64_t snapshot_bytes, snapshot_failures;
};

int metrics_start(struct apiserver *as, struct err *err)
{
    (void)err;
    as->metrics = xnew(struct metrics);
    return 0;
}

void metrics_free(struct apiserver *as)
{
    free(as->metrics);
    as->metrics = NULL;
}

void metrics_request_done(struct request *rq, int status, int64_t duration_ns)
{
    struct metrics *m = rq->as->metrics;
    size_t verb = rq->is_resource ? MIN((size_t)rq->verb, (size_t)VERB__N) : VERB__N;
    size_t code = 0;

    while (codes[code] != status && code < N_CODES - 1)
        code++;
    (void)atomic_fetch_add_explicit(&m->requests[verb][code], 1, memory_order_relaxed);
    (void)atomic_fetch_add_explicit(&m->duration_us[verb], (uint64_t)duration_ns / 1000,
                                    memory_order_relaxed);
}

void apiserver_set_snapshots(struct apiserver *as, const struct apiserver_snapshots *s)
{
    struct metrics *m = as->metrics;

    atomic_store(&m->snapshot_sec, s->last_sec);
    atomic_store(&m->snapshot_revision, s->revision);
    atomic_store(&m->snapshot_bytes, s->bytes);
    atomic_store(&m->snapshot_failures, s->failures);
    atomic_store(&m->snapshots, true);
}

static void head(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void number(struct buf *out, const char *name, const char *type, const char *help,
                   uint64_t value)
{
    head(out, name, type, help);
    buf_printf(out, "%s %llu\n", name, (unsigned long long)value);
}

static void write_requests(const struct apiserver *as, struct buf *out)
{
    const struct metrics *m = as->metrics;

    head(out, "apiserver_request_total", "counter", "Requests answered, by verb and HTTP status.");
    for (size_t v = 0; v < N_VERBS; v++) {
        for (size_t c = 0; c < N_CODES; c++) {
            uint64_t n = atomic_load(&m->requests[v][c]);

            if (n)
                buf_printf(out, "apiserver_request_total{verb=\"%s\",code=\"%d\"} %llu\n",
                           verb_labels[v], codes[c], (unsigned long long)n);
        }
    }
    head(out, "apiserver_request_duration_seconds_total", "counter",
         "Time from the arrival of requests to the start of their answers, by verb.");
    for (size_t v = 0; v < N_VERBS; v++) {
        uint64_t us = atomic_load(&m->duration_us[v]);

        if (us)
            buf_printf(out, "apiserver_request_duration_seconds_total{verb=\"%s\"} %.6f\n",
                       verb_labels[v], (double)us / 1e6);
    }
    head(out, "apiserver_current_inflight_requests", "gauge",
         "Short requests under way, by what they do.");
    buf_printf(out, "apiserver_current_inflight_requests{request_kind=\"readOnly\"} %u\n",
               atomic_load(&as->reading));
    buf_printf(out, "apiserver_current_inflight_requests{request_kind=\"mutating\"} %u\n",
               atomic_load(&as->writing));
    head(out, "apiserver_longrunning_requests", "gauge", "Streams that are open.");
    buf_printf(out, "apiserver_longrunning_requests{verb=\"WATCH\"} %u\n", watch_count(as));
    number(out, "apiserver_watch_events_total", "counter", "Watch events handed to clients.",
           watch_events_total(as));
}

static void write_store(struct apiserver *as, struct buf *out)
{
    struct store_stats st;

    store_stats(as->store, &st);
    number(out, "skiff_store_revision", "gauge", "Newest revision.", (uint64_t)st.revision);
    number(out, "skiff_store_compacted_revision", "gauge", "Oldest revision that can be read.",
           (uint64_t)st.compacted);
    number(out, "skiff_store_commits_total", "counter", "Batches made durable.", st.commits);
    number(out, "skiff_store_failed_commits_total", "counter",
           "Batches that the disk did not take: their writes have had no effect.",
           st.failed_commits);
    number(out, "skiff_store_transactions_total", "counter", "Transactions applied.", st.txns);
    number(out, "skiff_store_lazy_transactions_total", "counter",
           "Transactions that did not wait for the disk.", st.lazy_txns);
    number(out, "apiserver_storage_size_bytes", "gauge", "Size of the store on disk.",
           st.size_bytes);
    head(out, "apiserver_storage_objects", "gauge", "Objects stored, by resource.");
    for (size_t i = 0; i < api_n_resources; i++) {
        const struct resource *r = api_resources[i];
        struct snapshot *s;

        if (r->storage != r || r->flags & RESOURCE_EPHEMERAL)
            continue;
        s = cache_snapshot(store_cache(as->store, r));
        if (s->objects.n)
            buf_printf(out, "apiserver_storage_objects{resource=\"%s%s%s\"} %zu\n", r->plural,
                       r->group[0] ? "." : "", r->group, s->objects.n);
        (void)snapshot_unref(s);
    }
}

static void write_snapshots(const struct apiserver *as, struct buf *out)
{
    const struct metrics *m = as->metrics;

    if (!atomic_load(&m->snapshots))
        return;
    number(out, "skiff_snapshot_last_success_timestamp_seconds", "gauge",
           "Time of the newest scheduled snapshot, 0: none.",
           (uint64_t)atomic_load(&m->snapshot_sec));
    number(out, "skiff_snapshot_last_revision", "gauge", "Its revision.",
           (uint64_t)atomic_load(&m->snapshot_revision));
    number(out, "skiff_snapshot_last_bytes", "gauge", "Its size.",
           atomic_load(&m->snapshot_bytes));
    number(out, "skiff_snapshot_failures_total", "counter",
           "Attempts to save a snapshot or to delete old ones that failed.",
           atomic_load(&m->snapshot_failures));
}

static void write_process(struct apiserver *as, struct buf *out)
{
    struct rusage use;
    struct mallinfo2 heap = mallinfo2();
    int r = getrusage(RUSAGE_SELF, &use);

    assert(r == 0); /* fails for bad arguments only */
    (void)r;
    head(out, "process_cpu_seconds_total", "counter", "Processor time used, user and system.");
    buf_printf(out, "process_cpu_seconds_total %.2f\n",
               (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
                   (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6);
    number(out, "skiff_process_peak_resident_bytes", "gauge", "Most memory ever resident.",
           (uint64_t)use.ru_maxrss * 1024);
    number(out, "skiff_heap_used_bytes", "gauge", "Heap in use.",
           (uint64_t)heap.uordblks + (uint64_t)heap.hblkhd);
    number(out, "skiff_ready", "gauge", "1 when the server is ready.",
           atomic_load(&as->ready) ? 1 : 0);
}

enum stage_result stage_metrics(struct request *rq)
{
    enum stage_result r;
    auto_buf out = {0};

    write_requests(rq->as, &out);
    write_store(rq->as, &out);
    write_snapshots(rq->as, &out);
    write_process(rq->as, &out);
    r = request_answer_bytes(rq, 200, "text/plain; version=0.0.4; charset=utf-8", buf_view(&out));
    return r;
}
