/* remote_lease.c - leases for keys that end. As upstream, one lease serves the keys of a minute, so
 * that etcd has few of them, and lives a minute longer for it. */
#include "store/remote.h"

enum { REUSE_SEC = 60, KEYS_MAX = 1000 };

static void on_granted(void *arg, const void *message, enum grpc_status status, struct str text)
{
    const Etcdserverpb__LeaseGrantResponse *grant = message;
    struct remote *r = arg;
    struct err err = {0};

    r->lease_asked = false;
    if (!grant) {
        (void)remote_error(&err, status, text);
        remote_commit_leased(r, &err);
        return;
    }
    r->lease = grant->id;
    r->lease_n = 0;
    r->lease_until_ms = remote_now_ms(r) + REUSE_SEC * 1000;
    remote_commit_leased(r, NULL);
}

int64_t remote_lease(struct remote *r, uint32_t ttl_sec)
{
    Etcdserverpb__LeaseGrantRequest rq = ETCDSERVERPB__LEASE_GRANT_REQUEST__INIT;

    if (r->lease && r->lease_ttl == ttl_sec && r->lease_n < KEYS_MAX &&
        remote_now_ms(r) < r->lease_until_ms) {
        r->lease_n++;
        return r->lease;
    }
    if (r->lease_asked)
        return 0;
    r->lease = 0;
    r->lease_ttl = ttl_sec;
    r->lease_asked = true;
    rq.ttl = (int64_t)ttl_sec + REUSE_SEC;
    remote_call(r, "/etcdserverpb.Lease/LeaseGrant", &rq.base,
                &etcdserverpb__lease_grant_response__descriptor, on_granted, r);
    return 0;
}
