/* Transactions: how deep and how large they may be, and what they may not write. */
#include "etcd_calls.h"
#include <time.h>

static void put_varint(struct buf *b, size_t v)
{
    for (; v >= 0x80; v >>= 7)
        buf_putc(b, (char)(v | 0x80));
    buf_putc(b, (char)v);
}

/* Puts the head of field @tag before what begins at *@at, the @len bytes to the end. */
static void put_before(char *bytes, size_t *at, char tag, size_t len)
{
    auto_buf head = {0};

    buf_putc(&head, tag);
    put_varint(&head, len);
    assert_true(*at >= head.len);
    *at -= head.len;
    memcpy(bytes + *at, head.p, head.len);
}

/* A transaction in a transaction, @depth of them: TxnRequest.success.request_txn */
static void nest(struct buf *b, int depth)
{
    size_t cap = (size_t)depth * 10, at = cap;
    char *bytes = xcalloc(1, cap);

    for (int i = 0; i < depth; i++) { /* from the innermost on */
        put_before(bytes, &at, 0x22, cap - at);
        put_before(bytes, &at, 0x12, cap - at);
    }
    buf_append(b, bytes + at, cap - at);
    free(bytes);
}

static void test_deep_transactions_are_refused_before_they_are_decoded(void **state)
{
    static const int depths[] = {1, 127, 128, 129, 5000, 60000};
    struct fixture f;

    (void)state;
    setup(&f, false, (struct etcd_config){0});
    for (size_t i = 0; i < ARRAY_LEN(depths); i++) {
        bool ok = depths[i] <= 128;
        struct rpc rpc;
        auto_buf b = {0};

        nest(&b, depths[i]);
        rpc_start(&rpc, f.loop, f.ours.client, "/etcdserverpb.KV/Txn", buf_view(&b));
        wait_for(f.loop, &rpc.done);
        assert_string_equal(rpc.text, ok ? "" : "etcdserver: too many operations in txn request");
        assert_int_equal(rpc.status, ok ? GRPC_OK : GRPC_INVALID_ARGUMENT);
        buf_deinit(&rpc.answer);
    }
    teardown(&f);
}

/* A list of operations, @depth levels of @n transactions each, that puts, or deletes, many keys. */
static void many_writes(struct buf *b, int n, int depth, bool puts, int *counter)
{
    for (int i = 0; i < n; i++) {
        auto_buf inner = {0}, op = {0};

        if (depth) {
            many_writes(&inner, n, depth - 1, puts, counter);
            buf_putc(&op, 0x22); /* request_txn */
        } else {
            buf_printf(&inner, "%c%c%c%05d", 0x0a, 6, puts ? 'p' : 'd', (*counter)++);
            buf_putc(&op, puts ? 0x12 : 0x1a); /* request_put, request_delete_range */
        }
        put_varint(&op, inner.len);
        buf_str(&op, buf_view(&inner));
        buf_putc(b, 0x12); /* success */
        put_varint(b, op.len);
        buf_str(b, buf_view(&op));
    }
}

/* 27,000 puts beside as many deletions: not each is compared with each. */
static void test_large_transactions_are_checked_quickly(void **state)
{
    enum { N = 30, DEPTH = 2 };
    struct fixture f;
    struct rpc rpc;
    auto_buf all = {0};
    int counter = 0;
    clock_t began;

    (void)state;
    for (int puts = 0; puts < 2; puts++) {
        auto_buf list = {0}, op = {0};

        counter = 0;
        many_writes(&list, N, DEPTH, puts, &counter);
        buf_putc(&op, 0x22);
        put_varint(&op, list.len);
        buf_str(&op, buf_view(&list));
        buf_putc(&all, 0x12);
        put_varint(&all, op.len);
        buf_str(&all, buf_view(&op));
    }
    setup(&f, false, (struct etcd_config){0});
    began = clock();
    rpc_start(&rpc, f.loop, f.ours.client, "/etcdserverpb.KV/Txn", buf_view(&all));
    wait_for(f.loop, &rpc.done);
    assert_string_equal(rpc.text, "");
    assert_int_equal(rpc.status, GRPC_OK);
    buf_deinit(&rpc.answer);
    assert_int_equal(count(&f, "p26999"), 1);
    assert_in_range(clock() - began, 0, 5 * CLOCKS_PER_SEC); /* of CPU */
    teardown(&f);
}

static Etcdserverpb__RequestOp *write_op(struct arena *a, const char *what)
{
    Etcdserverpb__RequestOp *op = arena_new(a, Etcdserverpb__RequestOp);

    etcdserverpb__request_op__init(op);
    if (*what == 'p') {
        op->request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT;
        op->request_put = arena_new(a, Etcdserverpb__PutRequest);
        etcdserverpb__put_request__init(op->request_put);
        op->request_put->key = bytes_of(what + 1);
        return op;
    }
    op->request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_DELETE_RANGE;
    op->request_delete_range = arena_new(a, Etcdserverpb__DeleteRangeRequest);
    etcdserverpb__delete_range_request__init(op->request_delete_range);
    op->request_delete_range->key = bytes_of(arena_printf(a, "%c", what[1]));
    op->request_delete_range->range_end = bytes_of(what + 2);
    return op;
}

/* Adds the words of @text up to its end, or to the end of its parenthesis, to @rq: "|" begins the
 * second list, "( )" is a nested transaction. Returns where it stopped. */
static const char *write_list(struct arena *a, const char *text, Etcdserverpb__TxnRequest *rq)
{
    Etcdserverpb__RequestOp **lists[2];
    size_t *n[2] = {&rq->n_success, &rq->n_failure};
    int at = 0;

    etcdserverpb__txn_request__init(rq);
    lists[0] = rq->success = arena_calloc(a, 8, sizeof(*lists[0]));
    lists[1] = rq->failure = arena_calloc(a, 8, sizeof(*lists[1]));
    for (; *text && *text != ')'; text++) {
        Etcdserverpb__RequestOp *op;
        size_t len = strcspn(text, " ");

        if (*text == ' ')
            continue;
        if (*text == '|') {
            at = 1;
            continue;
        }
        if (*text == '(') {
            op = arena_new(a, Etcdserverpb__RequestOp);
            etcdserverpb__request_op__init(op);
            op->request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_TXN;
            op->request_txn = arena_new(a, Etcdserverpb__TxnRequest);
            text = write_list(a, text + 1, op->request_txn);
        } else {
            op = write_op(a, arena_printf(a, "%.*s", (int)len, text));
            text += len - 1;
        }
        lists[at][(*n[at])++] = op;
    }
    return text;
}

static void test_no_key_is_written_twice(void **state)
{
    static const struct {
        bool ok;
        const char *ops; /* pa: put of a; da: deletion of a; dac: deletion of [a, c) */
    } rows[] = {
        {true, "pa pb"},
        {false, "pa pb pa"},
        {false, "pa da"},
        {false, "da pa"},
        {true, "da da dac"},
        {false, "pb dac"},
        {true, "pc dac"},
        {true, "pb dca"}, /* nothing is in it */
        {true, "pa | pa"},
        {true, "pa | da"},
        {false, "( pa ) pa"},
        {false, "pa ( | pa )"},
        {true, "( pa | pa )"},
        {true, "( pa | da )"},
        {false, "( pa da | pb ) pc"},
        {true, "( pa | dac )"},
        {false, "( pa | dac ) pb"},
        {false, "( pa ) ( pa )"},
        {false, "( pa ) ( da )"},
        {false, "( da ) ( | pa )"},
        {true, "( da ) ( dac )"},
        {false, "( da ) ( pb ) ( ( dac ) )"},
        {true, "( da ) ( pb ) ( ( dcd ) )"},
        {false, "( ( pb | pc ) | pd ) ( pd )"},
        {true, "( ( pb | pb ) | pb ) ( pd )"},
        {false, "daz ( pb dxz )"},
        {true, "( pb dxz )"},
        {false, "( pm daz )"},
        {false, "( dab ) ( daz | pa ) ( pc )"},
        {true, "( dab ) ( pm | daz )"},
        {false, "( dab ) ( pa | daz )"},
    };
    struct fixture f;

    (void)state;
    setup(&f, false, (struct etcd_config){0});
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        Etcdserverpb__TxnRequest rq;
        struct rpc rpc;
        auto_arena a = {0};

        assert_int_equal(*write_list(&a, rows[i].ops, &rq), '\0');
        (void)rpc_call(&rpc, f.loop, f.ours.client, "/etcdserverpb.KV/Txn", &rq, NULL);
        if (strcmp(rpc.text, rows[i].ok ? "" : "etcdserver: duplicate key given in txn request"))
            fail_msg("%s: %s", rows[i].ops, rpc.text);
    }
    teardown(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_deep_transactions_are_refused_before_they_are_decoded),
        cmocka_unit_test(test_large_transactions_are_checked_quickly),
        cmocka_unit_test(test_no_key_is_written_twice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
