/* remote_lease.c - leases for keys that end. As upstream, one lease serves the keys of some time, a
 * twentieth of theirs and at most a minute, and lives that much longer: so etcd has few of them. */
#include "store/remote.h"

enum { REUSE_MAX_SEC = 60, REUSE_PART = 20, KEYS_MAX = 1000 };

static uint32_t reuse_sec(uint32_t ttl_sec)
{
    return MIN(ttl_sec / REUSE_PART, REUSE_MAX_SEC);
}

static void on_granted(void *arg, const void *message, enum grpc_status status, struct str text)
{
    const Etcdserverpb__LeaseGrantResponse *grant = message;
    struct remote_lease *l = arg;
    struct err err = {0};

    l->asked = false;
    if (!grant) {
        (void)remote_error(&err, status, text);
        remote_commit_leased(l->r, l->ttl_sec, &err);
        return;
    }
    l->id = grant->id;
    l->n = 0;
    l->until_ms = remote_now_ms(l->r) + reuse_sec(l->ttl_sec) * 1000 + 1;
    remote_commit_leased(l->r, l->ttl_sec, NULL);
    if (reuse_sec(l->ttl_sec) == 0)
        l->id = 0; /* for those that waited, not for later ones */
}

static struct remote_lease *lease_of(struct remote *r, uint32_t ttl_sec)
{
    for (size_t i = 0; i < REMOTE_LEASES; i++) {
        if (r->leases[i].ttl_sec == ttl_sec)
            return &r->leases[i];
        if (r->leases[i].ttl_sec == 0) {
            r->leases[i] = (struct remote_lease){.r = r, .ttl_sec = ttl_sec};
            return &r->leases[i];
        }
    }
    return NULL;
}

bool remote_lease_known(struct remote *r, uint32_t ttl_sec)
{
    return lease_of(r, ttl_sec) != NULL;
}

void remote_lease_gone(struct remote *r, int64_t id)
{
    for (size_t i = 0; i < REMOTE_LEASES; i++)
        if (r->leases[i].id == id)
            r->leases[i].id = 0;
}

int64_t remote_lease_get(struct remote *r, uint32_t ttl_sec)
{
    Etcdserverpb__LeaseGrantRequest rq = ETCDSERVERPB__LEASE_GRANT_REQUEST__INIT;
    struct remote_lease *l = lease_of(r, ttl_sec);

    if (l->id && l->n < KEYS_MAX && remote_now_ms(r) < l->until_ms) {
        l->n++;
        return l->id;
    }
    if (l->asked)
        return 0;
    l->id = 0;
    l->asked = true;
    rq.ttl = (int64_t)ttl_sec + reuse_sec(ttl_sec);
    remote_call(r, "/etcdserverpb.Lease/LeaseGrant", &rq.base,
                &etcdserverpb__lease_grant_response__descriptor, on_granted, l);
    return 0;
}
