/* SPDX-License-Identifier: Apache-2.0 */
/* open_store.c - the server's store: its own in a folder, or an etcd cluster. */
#include "api/api.h"
#include "base/log.h"
#include "cmd/files.h"
#include "cmd/server.h"
#include "cmd/pair_watch.h"

enum { ENDPOINTS_MAX = 64 };

struct etcd_client_tls {
    struct tls_context *context;
    struct pair_watch *watch; /* NULL: nothing is shown to etcd */
};

void store_log(void *arg, bool good, const char *text)
{
    (void)arg;
    if (good)
        LOG_INFO("store", "%s", text);
    else
        LOG_WARN("store", "%s", text);
}

static int open_embedded(const struct server_config *c, struct arena *a, struct store **ret_st,
                         struct err *err)
{
    const char *dir = arena_printf(a, "%s/store", c->data_dir);
    struct store_opts opts = {.tell = store_log};
    int r = folder_make(dir, 0700, err);

    if (r < 0)
        return r;
    r = engine_lmdb_open(dir, &opts.engine, err);
    if (r < 0)
        return r;
    return store_open(&opts, api_resources, api_n_resources, ret_st, err);
}

static int read_pem(const char *flag, const char *path, struct arena *a, struct str *ret_pem,
                    struct err *err)
{
    int r;

    *ret_pem = STR("");
    if (!path)
        return 0;
    r = file_read(path, a, ret_pem, err);
    return r < 0 ? err_wrap(err, r, "%s", flag) : 0;
}

static int make_tls(const struct server_config *c, struct loop *loop, struct arena *a,
                    struct etcd_client_tls **ret_t, struct err *err)
{
    struct etcd_client_tls *t = *ret_t = xnew(struct etcd_client_tls);
    struct str ca, cert, key;
    int r = read_pem("--etcd-cafile", c->etcd_ca, a, &ca, err);

    if (r == 0)
        r = read_pem("--etcd-certfile", c->etcd_cert, a, &cert, err);
    if (r == 0)
        r = read_pem("--etcd-keyfile", c->etcd_key, a, &key, err);
    if (r == 0)
        r = tls_client_context(ca, cert, key, false, &t->context, err);
    if (r < 0 || !c->etcd_cert || !c->etcd_key)
        return r;
    t->watch = pair_watch_new("store", t->context, c->etcd_cert, c->etcd_key, cert, key);
    pair_watch_start(t->watch, loop);
    return 0;
}

struct etcd_client_tls *etcd_client_tls_free(struct etcd_client_tls *t)
{
    if (!t)
        return NULL;
    t->watch = pair_watch_free(t->watch);
    t->context = tls_context_free(t->context);
    free(t);
    return NULL;
}

static int open_etcd(const struct server_config *c, struct loop *loop, struct arena *a,
                     struct etcd_client_tls **ret_tls, struct store **ret_st, struct err *err)
{
    const char *endpoints[ENDPOINTS_MAX];
    struct etcd_opts etcd = {.endpoints = endpoints,
                             .prefix = c->etcd_prefix,
                             .compact_ms = (uint32_t)MIN(c->etcd_compact_ms, UINT32_MAX),
                             .tell = store_log};
    struct store_opts opts = {.etcd = &etcd};
    struct str rest = str_from(c->etcd_servers);
    int r;

    while (rest.len > 0) {
        struct str one = str_trim(str_cut(rest, ',', &rest));

        if (one.len == 0)
            continue;
        if (etcd.n_endpoints == ENDPOINTS_MAX)
            return err_new(err, ERR_BAD_REQUEST, "--etcd-servers: more than %d", ENDPOINTS_MAX);
        endpoints[etcd.n_endpoints++] = str_dupz(a, one);
    }
    if (str_find(str_from(c->etcd_servers), STR("https://")) >= 0) {
        r = make_tls(c, loop, a, ret_tls, err);
        if (r < 0)
            return r;
        etcd.tls = (*ret_tls)->context;
    }
    return store_open(&opts, api_resources, api_n_resources, ret_st, err);
}

int server_open_store(const struct server_config *c, struct loop *loop, struct arena *a,
                      struct etcd_client_tls **ret_tls, struct store **ret_st, struct err *err)
{
    *ret_tls = NULL;
    return c->etcd_servers ? open_etcd(c, loop, a, ret_tls, ret_st, err)
                           : open_embedded(c, a, ret_st, err);
}
