/* snapshot.c - the whole store as a bolt database, which etcd's tools check and restore.
 *
 * It is made in memory by one transaction, so it is of one revision; then sent in pieces as the
 * peer takes them. At its end is the SHA-256 of what came before, as etcdctl expects.
 */
#include "etcd/etcd_internal.h"
#include "net/crypto.h"

enum { PIECE_BYTES = 32 << 10, PENDING_LOW = 256 << 10, SNAPSHOTS_MAX = 4 };

struct snapshot_call {
    struct etcd *e;
    struct grpc_server_call *gc; /* NULL: gone */
    struct raw_txn txn;
    struct buf file;
    size_t sent;
    bool begun, running;
};

/* ---- making it ---- */

static void put_change(void *arg, struct str key, struct str value)
{
    bolt_put(arg, key, value);
}

static char *put_varint(char *p, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        *p++ = (char)(v | 0x80);
    *p++ = (char)v;
    return p;
}

/* leasepb.Lease: 1 the id, 2 the time it lives */
static int put_lease(void *arg, struct str name, struct str value)
{
    char key[8], bytes[24], *p = bytes;
    int64_t id, ttl_sec;

    if (!lease_note_read(name, value, &id, &ttl_sec))
        return 0;
    for (int i = 0; i < 8; i++)
        key[i] = (char)((uint64_t)id >> (56 - 8 * i));
    *p++ = 1 << 3;
    p = put_varint(p, (uint64_t)id);
    *p++ = 2 << 3;
    p = put_varint(p, (uint64_t)ttl_sec);
    bolt_put(arg, (struct str){key, sizeof(key)}, (struct str){bytes, (size_t)(p - bytes)});
    return 0;
}

static void put_meta(struct bolt *b, const struct raw *raw)
{
    char index[8], rev[REV_BYTES];
    int64_t compacted = raw_compacted(raw);

    for (int i = 0; i < 8; i++)
        index[i] = (char)((uint64_t)raw_revision(raw) >> (56 - 8 * i));
    bolt_put(b, STR("consistent_index"), (struct str){index, sizeof(index)});
    if (!compacted)
        return;
    bolt_put(b, STR("finishedCompactRev"), rev_bytes(compacted, 0, false, rev));
    bolt_put(b, STR("scheduledCompactRev"), rev_bytes(compacted, 0, false, rev));
}

static int snapshot_run(struct raw *raw, void *arg, struct err *err)
{
    struct snapshot_call *s = arg;
    struct bolt *b = bolt_new();
    unsigned char sum[32];
    int r;

    bolt_bucket(b, "key");
    r = history_walk(raw, raw_compacted(raw), raw_revision(raw), put_change, b, err);
    bolt_bucket(b, "lease");
    if (r == 0)
        r = raw_notes(raw, STR(NOTE_LEASE), put_lease, b, err);
    bolt_bucket(b, "meta");
    put_meta(b, raw);
    bolt_finish(b, &s->file);
    sha256(buf_view(&s->file), sum);
    buf_append(&s->file, sum, sizeof(sum));
    return r;
}

/* ---- sending it ---- */

static void over(struct snapshot_call *s)
{
    if (s->gc || s->running)
        return;
    s->e->snapshots -= s->begun;
    buf_deinit(&s->file);
    free(s);
}

static void send_some(void *arg)
{
    struct snapshot_call *s = arg;
    struct str file = buf_view(&s->file);

    while (s->sent < file.len && grpc_server_pending(s->gc) < PENDING_LOW) {
        Etcdserverpb__SnapshotResponse rs = ETCDSERVERPB__SNAPSHOT_RESPONSE__INIT;
        struct str piece = str_sub(file, s->sent, PIECE_BYTES);
        auto_arena a = {0};

        s->sent += piece.len;
        rs.header = etcd_header(s->e, &a, store_revision(s->e->config.store));
        rs.blob = pb_of(piece);
        rs.remaining_bytes = file.len - s->sent;
        rs.version = (char *)(uintptr_t) "3.5";
        etcd_send(s->gc, &rs.base);
    }
    if (s->sent < file.len)
        grpc_server_on_drained(s->gc, PENDING_LOW, send_some, s);
    else
        grpc_server_call_end(s->gc, GRPC_OK, "%s", "");
}

static void snapshot_done(struct raw_txn *txn)
{
    struct snapshot_call *s = txn->arg;
    struct etcd *e = s->e;

    s->running = false;
    if (s->gc && txn->code)
        etcd_end(s->gc, txn->code, txn->err);
    else if (s->gc)
        send_some(s);
    over(s);
    etcd_idle(e);
}

static void on_message(void *arg, struct grpc_server_call *gc, struct str message)
{
    struct snapshot_call *s = arg;

    (void)message; /* has no fields */
    if (s->begun)
        return;
    if (s->e->snapshots >= SNAPSHOTS_MAX) { /* each is the size of the data, for as long as it is
                                               being read */
        grpc_server_call_end(gc, etcd_refusal_status(REFUSE_TOO_MANY_REQUESTS), "%s",
                             etcd_refusal_text(REFUSE_TOO_MANY_REQUESTS));
        return;
    }
    s->e->snapshots++;
    s->begun = s->running = true;
    s->txn = (struct raw_txn){
        .run = snapshot_run, .loop = s->e->config.loop, .on_done = snapshot_done, .arg = s};
    etcd_busy(s->e);
    raw_commit(s->e->config.store, &s->txn);
}

static void on_half_close(void *arg, struct grpc_server_call *gc)
{
    if (!((struct snapshot_call *)arg)->begun)
        grpc_server_call_end(gc, GRPC_INTERNAL, "grpc: a message expected");
}

static void on_closed(void *arg, struct grpc_server_call *gc)
{
    struct snapshot_call *s = arg;

    (void)gc;
    s->gc = NULL;
    over(s);
}

void snapshot_start(void *service, struct grpc_server_call *gc)
{
    struct snapshot_call *s = xnew(struct snapshot_call);
    struct grpc_call_handlers h = {
        .on_message = on_message, .on_half_close = on_half_close, .on_closed = on_closed, .arg = s};

    s->e = service;
    s->gc = gc;
    grpc_server_call_on(gc, &h);
}
