/* pki.h - the cluster's keys and certificates, made at first start under <data-dir>/pki.
 *
 * ECDSA P-256, files 0600. The CA lives 10 years; leaf certificates one year, and are made anew
 * when less than a third of their life is left or when the names they must cover have changed.
 *
 * Layer: cmd. Threads: main thread; blocks on the disk. */
#pragma once
#include "base/clock.h"
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
/** Loads what is in @dir and makes what is missing or near its end. ERR_IO, ERR_PARSE (file named).
 */
MUST_USE int pki_load(const char *dir, const struct pki_names *names, const struct clock *clock,
                      struct arena *a, struct pki *ret_pki, struct err *err);
