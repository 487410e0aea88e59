/* etcd_flags.h - the flags of `skiff etcd`: etcd's own, also as ETCD_* variables and in a file.
 * Layer: cmd. Threads: main thread. */
#pragma once
#include "base/err.h"
#include "base/str.h"
#include "etcd/etcd.h"

struct etcd_flags {
    const char *config_file, *name, *data_dir;
    const char *listen, *advertise, *listen_metrics, *listen_peer, *advertise_peer, *initial;
    const char *cert, *key, *ca, *crl, *allowed_hostname, *ciphers, *tls_min, *tls_max;
    const char *compact_mode, *compact_keep, *log_level;
    const char *taken; /* where go the values of flags that have no effect */
    bool client_cert_auth, auto_tls, version, taken_bool;
    int64_t cert_years, streams_max;
    int64_t quota, request_max, txn_max;
    int64_t progress_ms;
};
/** Fills @f from the defaults, the environment and @argv, or all but --config-file from that file;
 * texts that are not of @argv in @a. FLAGS_HELP: printed. ERR_BAD_REQUEST, and what reading the
 * file says. */
MUST_USE int etcd_flags_read(int argc, char **argv, struct arena *a, struct etcd_flags *f,
                             struct err *err);
/** What they mean for the server, but for store and loop; lists in @a. ERR_BAD_REQUEST. */
MUST_USE int etcd_flags_config(const struct etcd_flags *f, struct arena *a,
                               struct etcd_config *config, struct err *err);
