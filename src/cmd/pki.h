/* pki.h - the cluster's keys and certificates, made at first start under <data-dir>/pki.
 *
 * ECDSA P-256, files 0600. The CA lives 10 years; leaf certificates one year, and are made anew
 * when less than a third of their life is left or when the names they must cover have changed:
 * at start, and while the server runs (renewal.h). The CA is never made anew by itself, since
 * everyone out there would have to be told; pki_ca_warning() says what to do.
 *
 * Layer: cmd. Threads: main thread; blocks on the disk. */
#pragma once
#include "base/err.h"
#include "base/str.h"

struct pki { /* PEM texts, in the arena given to pki_load() */
    struct str ca_cert, ca_key;
    struct str server_cert, server_key;                 /* the API server's */
    struct str kubelet_cert, kubelet_key;               /* the kubelet's serving certificate */
    struct str kubelet_client_cert, kubelet_client_key; /* the API server calling kubelets */
    struct str admin_cert, admin_key;
    struct str token_key; /* signs service account tokens */
};
struct pki_names { /* what certificates must cover */
    const char *node_name;
    const char *const *ips; /* NULL-terminated: addresses of this machine, the service address */
    const char *const *dns_names; /* NULL-terminated: further names of the API server */
};
/** Loads what is in @dir and makes what is missing or near its end at @now_sec (unix seconds).
 *  ERR_IO, ERR_PARSE (file named). */
MUST_USE int pki_load(const char *dir, const struct pki_names *names, int64_t now_sec,
                      struct arena *a, struct pki *ret_pki, struct err *err);
/** When the first of @p's certificates (without the CA's) is to be made anew, unix seconds: then
 *  pki_load() makes it. INT64_MIN if one cannot be read. */
int64_t pki_due_sec(const struct pki *p);

enum { PKI_CA_WARN_DAYS = 365 }; /* with less left, the CA's end is spoken of */
/** If the CA of @ca_cert has less than PKI_CA_WARN_DAYS left at @now_sec: what is to be done about
 *  it, in @a; @dir is the folder of the pki. NULL: nothing. @ret_ended: it has ended. */
const char *pki_ca_warning(struct str ca_cert, const char *dir, int64_t now_sec, struct arena *a,
                           bool *ret_ended);
