/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/pki.h"

#include "cmd/files.h"
#include "net/tls.h"

#define DAY_SEC ((int64_t)24 * 60 * 60)
static const int64_t ca_life_sec = 3650 * DAY_SEC, leaf_life_sec = 365 * DAY_SEC;

struct maker {
    const char *dir;
    struct arena *arena;
    int64_t now_sec;
    struct pki *pki;
};

static int load_or_make_key(struct maker *m, const char *name, struct str *ret_key, struct err *err)
{
    const char *path = arena_printf(m->arena, "%s/%s.key", m->dir, name);
    int r = file_read(path, m->arena, ret_key, err);

    if (r != ERR_NOT_FOUND)
        return r;
    r = cert_new_key(m->arena, ret_key, err);
    if (r < 0)
        return err_wrap(err, r, "make %s", path);
    return file_write(path, *ret_key, 0600, err);
}

/* A third of a life before it ends. */
static int64_t due_sec(struct str cert)
{
    int64_t end;
    struct err err = {0};

    return cert_not_after(cert, &end, &err) < 0 ? INT64_MIN : end - leaf_life_sec / 3;
}

static bool still_good(struct maker *m, const struct cert_request *rq, struct str cert)
{
    if (m->now_sec >= due_sec(cert))
        return false;
    return cert_covers(cert, rq->dns_names, rq->ips);
}

static int load_or_make(struct maker *m, const char *name, struct cert_request *rq,
                        struct str *ret_cert, struct str *ret_key, struct err *err)
{
    const char *path = arena_printf(m->arena, "%s/%s.crt", m->dir, name);
    int r = load_or_make_key(m, name, ret_key, err);

    if (r < 0)
        return r;
    rq->not_before_sec = m->now_sec - 300; /* clocks of other machines may be behind */
    r = file_read(path, m->arena, ret_cert, err);
    if (r < 0 && r != ERR_NOT_FOUND)
        return r;
    /* A new CA would disown every certificate and token out there: it is only made once. */
    if (r == 0 && (rq->is_ca || still_good(m, rq, *ret_cert)))
        return 0;
    r = cert_issue(rq, *ret_key, rq->is_ca ? STR_NULL : m->pki->ca_cert,
                   rq->is_ca ? STR_NULL : m->pki->ca_key, m->arena, ret_cert, err);
    if (r < 0)
        return err_wrap(err, r, "make %s", path);
    return file_write(path, *ret_cert, 0600, err);
}

static const char *const masters[] = {"system:masters", NULL};

static int make_clients(struct maker *m, struct err *err)
{
    struct cert_request admin = {.common_name = "kubernetes-admin",
                                 .organizations = masters,
                                 .client = true,
                                 .lifetime_sec = leaf_life_sec};
    struct cert_request kubelet_client = {.common_name = "kube-apiserver-kubelet-client",
                                          .organizations = masters,
                                          .client = true,
                                          .lifetime_sec = leaf_life_sec};
    int r = load_or_make(m, "admin", &admin, &m->pki->admin_cert, &m->pki->admin_key, err);

    if (r < 0)
        return r;
    return load_or_make(m, "apiserver-kubelet-client", &kubelet_client,
                        &m->pki->kubelet_client_cert, &m->pki->kubelet_client_key, err);
}

static int make_servers(struct maker *m, const struct pki_names *names, struct err *err)
{
    const char *node_names[] = {names->node_name, "localhost", NULL};
    static const char *const nodes[] = {"system:nodes", NULL};
    struct cert_request server = {.common_name = "kube-apiserver",
                                  .dns_names = names->dns_names,
                                  .ips = names->ips,
                                  .server = true,
                                  .lifetime_sec = leaf_life_sec};
    struct cert_request kubelet = {.organizations = nodes,
                                   .dns_names = node_names,
                                   .ips = names->ips,
                                   .server = true,
                                   .lifetime_sec = leaf_life_sec};
    int r = load_or_make(m, "apiserver", &server, &m->pki->server_cert, &m->pki->server_key, err);

    if (r < 0)
        return r;
    kubelet.common_name = arena_printf(m->arena, "system:node:%s", names->node_name);
    return load_or_make(m, "kubelet", &kubelet, &m->pki->kubelet_cert, &m->pki->kubelet_key, err);
}

int pki_load(const char *dir, const struct pki_names *names, int64_t now_sec, struct arena *a,
             struct pki *ret_pki, struct err *err)
{
    struct maker m = {dir, a, now_sec, ret_pki};
    struct cert_request ca = {
        .common_name = "skiff-ca", .is_ca = true, .lifetime_sec = ca_life_sec};
    int r = folder_make(dir, 0700, err);

    if (r < 0)
        return r;
    r = load_or_make(&m, "ca", &ca, &ret_pki->ca_cert, &ret_pki->ca_key, err);
    if (r < 0)
        return r;
    r = make_servers(&m, names, err);
    if (r < 0)
        return r;
    r = make_clients(&m, err);
    if (r < 0)
        return r;
    return load_or_make_key(&m, "sa", &ret_pki->token_key, err);
}

int64_t pki_due_sec(const struct pki *p)
{
    const struct str certs[] = {p->server_cert, p->kubelet_cert, p->kubelet_client_cert,
                                p->admin_cert};
    int64_t first = INT64_MAX;

    for (size_t i = 0; i < ARRAY_LEN(certs); i++)
        first = MIN(first, due_sec(certs[i]));
    return first;
}

const char *pki_ca_warning(struct str ca_cert, const char *dir, int64_t now_sec, struct arena *a,
                           bool *ret_ended)
{
    static const char todo[] =
        "stop the server, remove %s/ca.crt and start it again: it makes a new one for the same "
        "key, so that certificates and tokens stay valid; then hand out the new "
        "admin.kubeconfig and restart the pods that keep the old ca.crt";
    int64_t end;
    struct err err = {0};

    *ret_ended = false;
    if (cert_not_after(ca_cert, &end, &err) < 0) {
        *ret_ended = true;
        return arena_printf(a, "%s/ca.crt cannot be read (%s): restore it", dir, err.msg);
    }
    if (end - now_sec >= PKI_CA_WARN_DAYS * DAY_SEC)
        return NULL;
    *ret_ended = end <= now_sec;
    return arena_printf(a, todo, dir);
}
