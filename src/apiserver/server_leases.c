/* server_leases.c - which API servers there are, where several share a store: each has an entry
 * that ends unless it is renewed, below the key that upstream uses for it; the Endpoints of the
 * Service default/kubernetes are the addresses of those entries.
 */
#include "apiserver/server_leases.h"
#include "apiserver/address.h"
#include "apiserver/bootstrap.h"
#include "apiserver/stages.h"
#include <stdio.h>

enum { TTL_SEC = 15, RENEW_MS = 10 * 1000, RETRY_MS = 1000, SERVERS_MAX = 100 };

static const struct resource entries = {.group = "",
                                        .version = "v1",
                                        .plural = "masterleases",
                                        .singular = "masterlease",
                                        .kind = "Endpoints",
                                        .short_names = "",
                                        .categories = "",
                                        .version_hash = "",
                                        .store_prefix = "/registry/masterleases/",
                                        .type = &type_core_endpoints};

struct server_leases {
    struct apiserver *as;
    struct timer timer;
    struct store_txn txn;
    struct store_op op;
    char key[80]; /* of the DELETE */
    bool known; /* the store keeps the entries */
    bool writing, freed;
};

static void release(struct server_leases *s)
{
    if (s->freed && !s->writing)
        free(s);
}

static bool ended(const struct server_leases *s)
{
    return s->freed || atomic_load(&s->as->stopping);
}

static void again(struct server_leases *s, uint32_t after_ms)
{
    if (!ended(s))
        timer_start(&s->timer, after_ms, 0);
}

static void on_endpoints(void *arg, int code, const struct err *err)
{
    struct server_leases *s = arg;

    (void)err; /* another server was quicker, or the store will be back */
    s->writing = false;
    again(s, code == 0 ? RENEW_MS : RETRY_MS);
    release(s);
}

/* Makes the Endpoints say who is there. */
static void reconcile(struct server_leases *s)
{
    struct snapshot *all = cache_snapshot(store_cache(s->as->store, &entries));
    struct system_write *w = system_write_new(s->as);
    struct str ips[SERVERS_MAX];
    struct omap_iter it;
    struct object *o;
    size_t n = 0;

    omap_seek(&all->objects, STR_NULL, &it);
    while (n < SERVERS_MAX && (o = omap_next(&it)))
        ips[n++] = str_dup(system_write_arena(w), o->name);
    (void)snapshot_unref(all);
    if (n > 0)
        bootstrap_endpoints(s->as, w, ips, n);
    if (system_write_n(w) == 0) {
        system_write_drop(w);
        again(s, RENEW_MS);
        return;
    }
    s->writing = true;
    system_write_commit(w, on_endpoints, s);
}

static void on_txn(struct store_txn *txn)
{
    struct server_leases *s = txn->arg;
    enum store_op_kind kind = s->op.kind;

    (void)object_unref(txn->current);
    (void)object_unref(txn->removed);
    s->writing = false;
    if (ended(s)) {
        release(s);
        return;
    }
    if (txn->code == 0 && kind == STORE_PUT) {
        reconcile(s);
        return;
    }
    s->known |= txn->code == 0;
    again(s, txn->code == 0 ? 0 : RETRY_MS);
}

static void commit(struct server_leases *s, struct store_op op)
{
    s->op = op;
    s->op.res = &entries;
    s->op.expect_revision = STORE_ANY;
    s->txn = (struct store_txn){
        .ops = &s->op, .n = 1, .loop = s->as->loop, .on_done = on_txn, .arg = s};
    s->writing = true;
    store_commit(s->as->store, &s->txn);
}

static struct object *own_entry(const struct server_leases *s)
{
    struct core_endpoint_address address = {.ip = str_from(s->as->opts.advertise_address)};
    struct core_endpoint_subset subset = {.addresses = {&address, 1}};
    struct core_endpoints e = {.metadata.name = address.ip, .subsets = {&subset, 1}};

    return object_new(&entries, &e);
}

static void on_timer(struct timer *t)
{
    struct server_leases *s = container_of(t, struct server_leases, timer);

    if (s->known)
        commit(s, (struct store_op){
                      .kind = STORE_PUT, .object = own_entry(s), .ttl_sec = TTL_SEC});
    else
        commit(s, (struct store_op){.kind = STORE_ADOPT});
}

int server_leases_start(struct apiserver *as, struct err *err)
{
    struct server_leases *s;
    struct address own;

    (void)err;
    if (!store_has_peers(as->store) || !address_parse(str_from(as->opts.advertise_address), &own))
        return 0;
    s = xnew(struct server_leases);
    s->as = as;
    as->server_leases = s;
    timer_init(&s->timer, as->loop, on_timer);
    timer_start(&s->timer, 0, 0);
    return 0;
}

void server_leases_stop(struct apiserver *as)
{
    struct server_leases *s = as->server_leases;

    if (!s)
        return;
    timer_stop(&s->timer);
    if (!s->known || s->writing)
        return; /* the entry ends by itself */
    (void)snprintf(s->key, sizeof(s->key), "%s%s", entries.store_prefix,
                   as->opts.advertise_address);
    commit(s, (struct store_op){.kind = STORE_DELETE, .key = str_from(s->key)});
}

void server_leases_free(struct apiserver *as)
{
    struct server_leases *s = as->server_leases;

    as->server_leases = NULL;
    if (!s)
        return;
    timer_stop(&s->timer);
    s->freed = true;
    release(s);
}
