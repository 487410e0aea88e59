/* fake_etcd.h - an etcd that misbehaves as a test wants: one member, without leases' ends and
 * without compaction, on a thread of its own. Two of them may be of two clusters. */
#pragma once
#include "base/loop.h"
#include "base/queue.h"
#include "base/str.h"
#include "base/vec.h"
#include <stdatomic.h>
#include <stdbool.h>

struct fake_change {
    struct str key, value; /* own */
    int64_t create, revision, version;
    bool deleted, newest; /* newest: what the key is now */
};
struct fake_watch;
struct fake_etcd {
    struct loop *loop;
    struct thread *thread;
    struct http_server *http;
    struct grpc_server *server;
    char url[40];
    VEC(struct fake_change) changes;
    VEC(struct fake_watch *) watches;
    int64_t leases;
    /* What the test says, and sees: */
    atomic_uint_fast64_t cluster_id;
    atomic_int_fast64_t revision;
    atomic_uint hidden;      /* so many watches that come are not fed */
    atomic_uint leases_lost; /* so many transactions with a lease find it gone */
    atomic_uint split;       /* events of a fragment; 0: all */
    atomic_uint n_ranges, n_txns, n_watches, n_grants;
    atomic_size_t page_max; /* bytes of values in the largest page */
};

/** Listens; nothing runs yet: changes may be put in. */
void fake_etcd_init(struct fake_etcd *f, uint64_t cluster_id, int64_t revision);
void fake_etcd_start(struct fake_etcd *f);
void fake_etcd_stop(struct fake_etcd *f); /** And frees what it has. */
/** Keeps a change of @key, at @revision. On its thread, or before it starts. */
void fake_change(struct fake_etcd *f, struct str key, struct str value, bool deleted,
                 int64_t revision);
/** Another client puts the configmaps @names[n] in "n", labelled with @value, all at the next
 *  revision. */
void fake_put(struct fake_etcd *f, const char *const *names, size_t n, const char *value);
