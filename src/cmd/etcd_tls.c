/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/etcd_tls.h"
#include "base/mem.h"
#include "cmd/etcd_listen.h"
#include "cmd/files.h"
#include "cmd/pair_watch.h"

#define YEAR_SEC INT64_C(31536000)

struct etcd_tls {
    struct tls_context *context;
    const char *cert_path, *key_path; /* in arena */
    struct arena arena;
    struct pair_watch *watch;
};

/* ---- a certificate of its own ---- */

struct hosts {
    const char **dns, **ips;
    size_t n_dns, n_ips;
};

static bool is_address(struct str host)
{
    for (size_t i = 0; i < host.len; i++)
        if (!strchr("0123456789abcdefABCDEF.:", host.p[i]))
            return false;
    return str_find_char(host, ':') >= 0 || (host.len > 0 && host.p[host.len - 1] <= '9');
}

static int find_hosts(const char *urls, struct arena *a, struct hosts *h, struct err *err)
{
    const char *const *list;
    size_t n;
    int r = etcd_urls_split(urls, a, &list, &n, err);

    if (r < 0)
        return r;
    h->dns = arena_calloc(a, n + 1, sizeof(*h->dns));
    h->ips = arena_calloc(a, n + 1, sizeof(*h->ips));
    for (size_t i = 0; i < n; i++) {
        struct str host = str_from(list[i]);
        long colon;

        if (!str_has_prefix(host, STR("https://")))
            continue;
        host = str_sub(host, strlen("https://"), host.len);
        colon = str_rfind_char(host, ':');
        if (colon >= 0 && !str_has_suffix(host, STR("]")))
            host.len = (size_t)colon;
        if (str_has_prefix(host, STR("[")) && str_has_suffix(host, STR("]")))
            host = str_sub(host, 1, host.len - 2);
        if (is_address(host))
            h->ips[h->n_ips++] = str_dupz(a, host);
        else
            h->dns[h->n_dns++] = str_dupz(a, host);
    }
    return 0;
}

static int make_pair(const struct etcd_flags *f, int64_t now_sec, struct etcd_tls *t,
                     struct err *err)
{
    static const char *const organization[] = {"skiff etcd", NULL};
    struct cert_request rq = {.common_name = f->name,
                              .organizations = organization,
                              .server = true,
                              .not_before_sec = now_sec - 60,
                              .lifetime_sec = f->cert_years * YEAR_SEC};
    struct hosts h = {0};
    auto_arena a = {0};
    struct str key, cert;
    int r = find_hosts(f->listen, &a, &h, err);

    if (r < 0)
        return r;
    rq.dns_names = h.dns;
    rq.ips = h.ips;
    r = cert_new_key(&a, &key, err);
    if (r == 0)
        r = cert_issue(&rq, key, STR(""), STR(""), &a, &cert, err);
    if (r == 0)
        r = file_write(t->key_path, key, 0600, err);
    if (r == 0)
        r = file_write(t->cert_path, cert, 0644, err);
    return r;
}

/* Where etcd has it, too. */
static int own_pair(const struct etcd_flags *f, int64_t now_sec, struct etcd_tls *t,
                    struct err *err)
{
    const char *dir = arena_printf(&t->arena, "%s/fixtures/client", f->data_dir);
    int r = folder_make(dir, 0700, err);

    t->cert_path = arena_printf(&t->arena, "%s/cert.pem", dir);
    t->key_path = arena_printf(&t->arena, "%s/key.pem", dir);
    if (r == 0 && (!file_exists(t->cert_path) || !file_exists(t->key_path)))
        r = make_pair(f, now_sec, t, err);
    return r;
}

/* ---- open ---- */

static int read_pair(struct etcd_tls *t, struct arena *a, struct str *ret_cert, struct str *ret_key,
                     struct err *err)
{
    int r = file_read(t->cert_path, a, ret_cert, err);

    return r < 0 ? r : file_read(t->key_path, a, ret_key, err);
}

static int parse_version(const char *flag, const char *text, int *ret_v, struct err *err)
{
    *ret_v = 0;
    if (!text || !*text)
        return 0;
    if (strcmp(text, "TLS1.2") == 0)
        *ret_v = 2;
    else if (strcmp(text, "TLS1.3") == 0)
        *ret_v = 3;
    else
        return err_new(err, ERR_BAD_REQUEST, "--%s: \"%s\" is neither TLS1.2 nor TLS1.3", flag,
                       text);
    return 0;
}

static int check(const struct etcd_flags *f, struct err *err)
{
    bool for_clients = f->client_cert_auth || f->ca || f->crl || f->allowed_hostname;

    if (!f->cert != !f->key)
        return err_new(err, ERR_BAD_REQUEST, "--cert-file and --key-file go together");
    if (for_clients && !f->cert && !f->auto_tls)
        return err_new(err, ERR_BAD_REQUEST, "--%s needs --cert-file",
                       f->client_cert_auth ? "client-cert-auth"
                       : f->ca             ? "trusted-ca-file"
                       : f->crl            ? "client-crl-file"
                                           : "client-cert-allowed-hostname");
    if (for_clients && !f->ca)
        return err_new(err, ERR_BAD_REQUEST, "--%s needs --trusted-ca-file",
                       f->client_cert_auth ? "client-cert-auth"
                       : f->crl            ? "client-crl-file"
                                           : "client-cert-allowed-hostname");
    return 0;
}

static int open_context(const struct etcd_flags *f, struct etcd_tls *t, struct err *err)
{
    struct tls_server_opts opts = {.client_name = f->allowed_hostname, .ciphers = f->ciphers};
    auto_arena a = {0};
    int r = parse_version("tls-min-version", f->tls_min, &opts.version_min, err);

    if (r == 0)
        r = parse_version("tls-max-version", f->tls_max, &opts.version_max, err);
    if (r == 0)
        r = read_pair(t, &a, &opts.cert_pem, &opts.key_pem, err);
    if (r == 0 && f->ca)
        r = file_read(f->ca, &a, &opts.client_ca_pem, err);
    if (r == 0 && f->crl)
        r = file_read(f->crl, &a, &opts.client_crl, err);
    if (r == 0)
        r = tls_server_context_new(&opts, &t->context, err);
    if (r == 0)
        t->watch = pair_watch_new("etcd", t->context, t->cert_path, t->key_path, opts.cert_pem,
                                  opts.key_pem);
    return r;
}

int etcd_tls_open(const struct etcd_flags *f, int64_t now_sec, struct etcd_tls **ret_t,
                  struct err *err)
{
    struct etcd_tls *t;
    int r = check(f, err);

    *ret_t = NULL;
    if (r < 0 || (!f->cert && !f->auto_tls))
        return r;
    t = xnew(struct etcd_tls);
    if (f->cert) { /* goes before --auto-tls, as in etcd */
        t->cert_path = arena_strdup(&t->arena, f->cert);
        t->key_path = arena_strdup(&t->arena, f->key);
    } else {
        r = own_pair(f, now_sec, t, err);
    }
    if (r == 0)
        r = open_context(f, t, err);
    if (r < 0)
        t = etcd_tls_free(t);
    *ret_t = t;
    return r;
}

/* ---- while it runs ---- */

void etcd_tls_watch(struct etcd_tls *t, struct loop *loop)
{
    if (t)
        pair_watch_start(t->watch, loop);
}

struct tls_context *etcd_tls_context(const struct etcd_tls *t)
{
    return t ? t->context : NULL;
}

struct etcd_tls *etcd_tls_free(struct etcd_tls *t)
{
    if (!t)
        return NULL;
    t->watch = pair_watch_free(t->watch);
    t->context = tls_context_free(t->context);
    arena_deinit(&t->arena);
    free(t);
    return NULL;
}
