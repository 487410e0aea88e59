/* renewal.h - the server's certificates are made anew while it runs, before they end.
 *
 * A timer looks at the clock at least once an hour; when a certificate is due (pki_due_sec()),
 * pki_load() makes it on a pool thread, admin.kubeconfig is replaced, and the server is told,
 * which hands the new ones to its TLS contexts. What fails is logged and tried again. A CA that
 * comes near its end is logged once a day.
 *
 * Layer: cmd. Threads: the loop's. */
#pragma once
#include "base/loop.h"
#include "cmd/pki.h"

struct renewal;
struct renewal_opts {
    struct loop *loop;
    const char *dir;         /* of the keys and certificates */
    struct pki_names names;  /* what they cover; the texts are kept by the caller */
    const struct pki *pki;   /* what is in use now; kept by the caller */
    const char *kubeconfig;  /* the administrator's, written anew */
    const char *url;         /* the API server's, for it */
    /* @pki is valid until renewal_free(). */
    void (*on_renewed)(void *arg, const struct pki *pki);
    void *arg;
};
struct renewal *renewal_new(const struct renewal_opts *opts); /** Starts to look at the clock. */
/** Ends it; work under way goes on, and is not told of. NULL is a no-op; returns NULL. */
struct renewal *renewal_free(struct renewal *r);
/** Writes the administrator's kubeconfig @path for the API at @url. Blocks. ERR_IO. */
MUST_USE int admin_kubeconfig_write(const char *path, const char *url, const struct pki *pki,
                                    struct err *err);
