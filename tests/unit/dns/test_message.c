/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "dns/message.h"

#include <ldns/ldns.h>

static const struct zone zone = {.domain = STR_INIT("cluster.local")};

struct ask {
    const char *name;
    ldns_rr_type type;
    uint16_t edns; /* 0: none */
};

static struct str wire_of(ldns_pkt *pkt, struct arena *a)
{
    uint8_t *wire = NULL;
    size_t n = 0;
    struct str s;

    assert_int_equal(ldns_pkt2wire(&wire, pkt, &n), LDNS_STATUS_OK);
    s = (struct str){arena_memdupz(a, wire, n), n};
    free(wire);
    ldns_pkt_free(pkt);
    return s;
}

static struct str query(struct arena *a, struct ask q)
{
    ldns_pkt *pkt = ldns_pkt_query_new(ldns_dname_new_frm_str(q.name), q.type, LDNS_RR_CLASS_IN,
                                       LDNS_RD);

    ldns_pkt_set_id(pkt, 0x1234);
    if (q.edns)
        ldns_pkt_set_edns_udp_size(pkt, q.edns);
    return wire_of(pkt, a);
}

static struct question question(struct arena *a, struct ask q)
{
    struct question out;
    struct err err = {0};

    assert_ok(message_question(query(a, q), a, &out, &err), &err);
    return out;
}

static ldns_pkt *parse(const struct buf *b)
{
    ldns_pkt *pkt = NULL;

    assert_int_equal(ldns_wire2pkt(&pkt, (const uint8_t *)b->p, b->len), LDNS_STATUS_OK);
    return pkt;
}

static void assert_record(const ldns_rr_list *list, size_t at, const char *want)
{
    char *text;

    assert_true(at < ldns_rr_list_rr_count(list));
    text = ldns_rr2str(ldns_rr_list_rr(list, at));
    assert_string_equal(text, want);
    free(text);
}

static void test_question_is_read(void **state)
{
    auto_arena a = {0};
    struct question q = question(&a, (struct ask){"Web.Default.svc.", LDNS_RR_TYPE_SRV, 0});

    (void)state;
    assert_int_equal(q.id, 0x1234);
    assert_int_equal(q.flags, 1);
    assert_int_equal(q.type, 33);
    assert_int_equal(q.class_, 1);
    assert_str_equal(q.name, "web.default.svc");
    assert_str_equal(q.asked, "Web.Default.svc.");
    assert_true(q.known_type);
    assert_int_equal(q.record, RECORD_SRV);
    assert_false(q.edns);
    q = question(&a, (struct ask){".", LDNS_RR_TYPE_NS, 0});
    assert_str_equal(q.name, "");
    q = question(&a, (struct ask){"a.", LDNS_RR_TYPE_AAAA, 0});
    assert_false(q.known_type);
}

static void test_edns_tells_the_size_within_limits(void **state)
{
    static const struct {
        uint16_t edns;
        size_t want;
    } cases[] = {{0, 512}, {100, 512}, {512, 512}, {1000, 1000}, {1232, 1232}, {65535, 1232}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_arena a = {0};
        struct question q = question(&a, (struct ask){"a.", LDNS_RR_TYPE_A, cases[i].edns});

        assert_int_equal(q.reply_max, cases[i].want);
        assert_int_equal(q.edns, cases[i].edns != 0);
    }
}

static void refuse(struct str bytes)
{
    auto_arena a = {0};
    struct question q;
    struct err err = {0};

    assert_int_equal(message_question(bytes, &a, &q, &err), ERR_PARSE);
}

static void test_malformed_messages_are_refused(void **state)
{
    auto_arena a = {0};
    struct str good = query(&a, (struct ask){"web.default.", LDNS_RR_TYPE_A, 0});
    char *copy = arena_memdupz(&a, good.p, good.len);

    (void)state;
    for (size_t n = 0; n < good.len; n++) {
        auto_free char *cut = xmemdupz(good.p, n); /* its own block: ASan sees its end */

        refuse((struct str){cut, n});
    }
    copy[2] = (char)0x80; /* an answer */
    refuse((struct str){copy, good.len});
    copy[2] = 4 << 3; /* NOTIFY */
    refuse((struct str){copy, good.len});
    copy[2] = 0;
    copy[5] = 0; /* no question */
    refuse((struct str){copy, good.len});
    copy[5] = 1;
    copy[12] = (char)0xc0; /* a name that points to itself */
    copy[13] = 12;
    refuse((struct str){copy, good.len});
}

static void test_answer_has_question_and_records(void **state)
{
    auto_arena a = {0};
    auto_buf out = {0};
    struct question q = question(&a, (struct ask){"_H._tcp.Web.", LDNS_RR_TYPE_SRV, 4096});
    struct record r[] = {{RECORD_SRV, STR("_h._tcp.web."), STR("0 100 80 web."), false},
                         {RECORD_A, STR("web."), STR("10.96.0.20"), true}};
    struct answer answer = {ZONE_FOUND, r, 2};
    ldns_pkt *pkt;

    (void)state;
    message_answer(&q, &zone, &answer, q.reply_max, &out);
    pkt = parse(&out);
    assert_int_equal(ldns_pkt_id(pkt), 0x1234);
    assert_true(ldns_pkt_qr(pkt) && ldns_pkt_aa(pkt) && ldns_pkt_rd(pkt) && ldns_pkt_ra(pkt));
    assert_false(ldns_pkt_tc(pkt));
    assert_true(ldns_pkt_edns(pkt)); /* as RFC 6891 asks */
    assert_int_equal(ldns_pkt_get_rcode(pkt), LDNS_RCODE_NOERROR);
    assert_record(ldns_pkt_question(pkt), 0, "_H._tcp.Web.\tIN\tSRV\n"); /* in its own letters */
    /* Names that point to the question have its letters. */
    assert_record(ldns_pkt_answer(pkt), 0, "_H._tcp.Web.\t5\tIN\tSRV\t0 100 80 web.\n");
    assert_record(ldns_pkt_additional(pkt), 0, "Web.\t5\tIN\tA\t10.96.0.20\n");
    assert_int_equal(ldns_rr_list_rr_count(ldns_pkt_authority(pkt)), 0);
    ldns_pkt_free(pkt);
}

static void test_nothing_there_comes_with_the_soa(void **state)
{
    auto_arena a = {0};
    struct question q = question(&a, (struct ask){"x.cluster.local.", LDNS_RR_TYPE_A, 0});
    static const struct {
        int outcome;
        ldns_pkt_rcode want;
    } cases[] = {{ZONE_FOUND, LDNS_RCODE_NOERROR}, {ZONE_NO_SUCH_NAME, LDNS_RCODE_NXDOMAIN}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_buf out = {0};
        struct answer answer = {0};
        ldns_pkt *pkt;

        answer.outcome = cases[i].outcome;
        message_answer(&q, &zone, &answer, 512, &out);
        pkt = parse(&out);
        assert_int_equal(ldns_pkt_get_rcode(pkt), cases[i].want);
        assert_int_equal(ldns_rr_list_rr_count(ldns_pkt_answer(pkt)), 0);
        assert_record(ldns_pkt_authority(pkt), 0,
                      "cluster.local.\t5\tIN\tSOA\tns.dns.cluster.local. "
                      "hostmaster.cluster.local. 1 7200 1800 86400 5\n");
        assert_false(ldns_pkt_edns(pkt));
        ldns_pkt_free(pkt);
    }
}

static void test_too_many_records_set_tc(void **state)
{
    auto_arena a = {0};
    auto_buf cut = {0}, whole = {0};
    struct question q = question(&a, (struct ask){"db.", LDNS_RR_TYPE_A, 0});
    struct record r[100];
    struct answer answer = {ZONE_FOUND, r, ARRAY_LEN(r)};
    ldns_pkt *pkt;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(r); i++)
        r[i] = (struct record){RECORD_A, STR("db."), str_printf(&a, "10.0.0.%zu", i), false};
    message_answer(&q, &zone, &answer, q.reply_max, &cut);
    assert_true(cut.len <= 512);
    pkt = parse(&cut);
    assert_true(ldns_pkt_tc(pkt));
    assert_int_equal(ldns_rr_list_rr_count(ldns_pkt_answer(pkt)), 0);
    assert_int_equal(ldns_rr_list_rr_count(ldns_pkt_question(pkt)), 1);
    ldns_pkt_free(pkt);
    message_answer(&q, &zone, &answer, 65535, &whole); /* over TCP */
    pkt = parse(&whole);
    assert_false(ldns_pkt_tc(pkt));
    assert_int_equal(ldns_rr_list_rr_count(ldns_pkt_answer(pkt)), 100);
    ldns_pkt_free(pkt);
}

static void test_strange_names_come_back(void **state)
{
    auto_arena a = {0};
    auto_buf out = {0};
    struct question q = question(&a, (struct ask){"a\\.b\\032c\\000\\255.x.", LDNS_RR_TYPE_A, 0});
    struct answer answer = {.outcome = ZONE_NO_SUCH_NAME};
    ldns_pkt *pkt;

    (void)state;
    message_answer(&q, &zone, &answer, 512, &out);
    pkt = parse(&out);
    assert_record(ldns_pkt_question(pkt), 0, "a\\.b\\032c\\000\\255.x.\tIN\tA\n");
    ldns_pkt_free(pkt);
}

static void test_error_keeps_id_and_code(void **state)
{
    auto_arena a = {0};
    auto_buf out = {0};
    struct str q = query(&a, (struct ask){"a.", LDNS_RR_TYPE_A, 0});
    ldns_pkt *pkt;

    (void)state;
    message_error(str_sub(q, 0, 11), MESSAGE_FORMAT_ERROR, &out);
    assert_int_equal(out.len, 0);
    message_error(q, MESSAGE_SERVER_FAILURE, &out);
    pkt = parse(&out);
    assert_int_equal(ldns_pkt_id(pkt), 0x1234);
    assert_true(ldns_pkt_qr(pkt) && ldns_pkt_rd(pkt));
    assert_int_equal(ldns_pkt_get_rcode(pkt), LDNS_RCODE_SERVFAIL);
    ldns_pkt_free(pkt);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_question_is_read),
        cmocka_unit_test(test_edns_tells_the_size_within_limits),
        cmocka_unit_test(test_malformed_messages_are_refused),
        cmocka_unit_test(test_answer_has_question_and_records),
        cmocka_unit_test(test_nothing_there_comes_with_the_soa),
        cmocka_unit_test(test_too_many_records_set_tc),
        cmocka_unit_test(test_strange_names_come_back),
        cmocka_unit_test(test_error_keeps_id_and_code),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
