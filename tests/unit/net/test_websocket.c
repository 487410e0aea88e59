/* test_websocket.c - the server's side of WebSocket, by a client made of bytes. */
#include "fixture.h"
#include "net/websocket_frame.h"

#define UPGRADE                                                        \
    "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\n" \
    "Upgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\n"              \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

static const uint8_t mask[4] = {0x11, 0x22, 0x33, 0x44};

struct session {
    struct fixture f;
    struct client c;
    struct arena arena;
};

static void put(struct client *c, unsigned first, struct str payload)
{
    char *frame = xcalloc(1, payload.len + WS_HEAD_MAX);
    size_t head = websocket_frame_head(frame, WS_TEXT, payload.len, mask);

    frame[0] = (char)first;
    if (payload.len)
        memcpy(frame + head, payload.p, payload.len);
    websocket_mask(frame + head, payload.len, mask, 0);
    client_send(c, frame, head + payload.len);
    free(frame);
}

/* The next frame of the server; its payload in the session's arena. */
static enum websocket_op get(struct session *s, struct str *ret_payload)
{
    struct websocket_frame f = {0};
    enum websocket_op op;
    long n;

    while ((n = websocket_frame_read(s->c.in.p, s->c.in.len, false, &f, NULL)) == 0)
        assert_true(client_read(&s->c));
    assert_true(n > 0);
    assert_true(f.fin);
    op = f.op;
    *ret_payload = str_dup(&s->arena, f.payload);
    buf_consume(&s->c.in, (size_t)n);
    return op;
}

static void session_open(struct session *s, const char *extra)
{
    struct str head;

    *s = (struct session){0};
    fixture_start(&s->f);
    client_open(&s->c, &s->f, NULL, NULL, STR_NULL, STR_NULL);
    client_puts(&s->c, UPGRADE);
    client_puts(&s->c, extra);
    assert_int_equal(client_response(&s->c, false, &s->arena, &head, NULL), 101);
    assert_str_equal(head_value(head, "sec-websocket-accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert_str_equal(head_value(head, "upgrade"), "websocket");
    if (extra[0] == 'S')
        assert_str_equal(head_value(head, "sec-websocket-protocol"), "v5.channel.k8s.io");
    else
        assert_null(head_value(head, "sec-websocket-protocol").p);
}

static void session_close(struct session *s)
{
    client_close(&s->c);
    wait_for(&s->f.n_ws_closed, 1);
    fixture_stop(&s->f, 1000);
    arena_deinit(&s->arena);
}

static void expect_close(struct session *s, int code)
{
    struct str p;

    assert_int_equal(get(s, &p), WS_CLOSE);
    assert_int_equal(p.len, 2);
    assert_int_equal((uint8_t)p.p[0] << 8 | (uint8_t)p.p[1], code);
    assert_true(client_sees_end(&s->c));
}

static void test_messages_come_back(void **state)
{
    struct session s;
    struct str p;

    (void)state;
    session_open(&s, "Sec-WebSocket-Protocol: v4.channel.k8s.io, v5.channel.k8s.io\r\n\r\n");
    put(&s.c, 0x81, STR("text"));
    assert_int_equal(get(&s, &p), WS_TEXT);
    assert_str_equal(p, "text");
    put(&s.c, 0x82, STR("\xff\xfe"));
    assert_int_equal(get(&s, &p), WS_BINARY);
    assert_str_equal(p, "\xff\xfe");
    put(&s.c, 0x82, STR(""));
    assert_int_equal(get(&s, &p), WS_BINARY);
    assert_int_equal(p.len, 0);
    session_close(&s);
}

static void test_frames_behind_the_handshake_are_not_lost(void **state)
{
    static const char early[] = "\r\n\x81\x82\0\0\0\0hi";
    struct session s = {0};
    struct str p;
    char rq[sizeof(UPGRADE) + sizeof(early)];

    (void)state;
    memcpy(rq, UPGRADE, sizeof(UPGRADE) - 1);
    memcpy(rq + sizeof(UPGRADE) - 1, early, sizeof(early) - 1);
    fixture_start(&s.f);
    client_open(&s.c, &s.f, NULL, NULL, STR_NULL, STR_NULL);
    client_send(&s.c, rq, sizeof(UPGRADE) - 1 + sizeof(early) - 1);
    assert_int_equal(client_response(&s.c, false, &s.arena, NULL, NULL), 101);
    assert_int_equal(get(&s, &p), WS_TEXT);
    assert_str_equal(p, "hi");
    session_close(&s);
}

static void test_parts_make_one_message_and_pings_go_between(void **state)
{
    struct session s;
    struct str p;

    (void)state;
    session_open(&s, "\r\n");
    put(&s.c, 0x01, STR("one "));
    put(&s.c, 0x89, STR("ping"));
    put(&s.c, 0x00, STR("two "));
    put(&s.c, 0x8a, STR("unasked pong"));
    put(&s.c, 0x80, STR("three"));
    assert_int_equal(get(&s, &p), WS_PONG);
    assert_str_equal(p, "ping");
    assert_int_equal(get(&s, &p), WS_TEXT);
    assert_str_equal(p, "one two three");
    session_close(&s);
}

static void test_large_messages(void **state)
{
    struct session s;
    struct str big, p;

    (void)state;
    session_open(&s, "\r\n");
    big = (struct str){arena_alloc(&s.arena, WS_FRAME_MAX), WS_FRAME_MAX};
    put(&s.c, 0x82, big);
    assert_int_equal(get(&s, &p), WS_BINARY);
    assert_int_equal(p.len, WS_FRAME_MAX);
    put(&s.c, 0x02, big); /* in parts there is no more room either */
    put(&s.c, 0x80, STR("x"));
    expect_close(&s, 1009);
    session_close(&s);
}

static void test_close_is_answered(void **state)
{
    struct session s;

    (void)state;
    session_open(&s, "\r\n");
    put(&s.c, 0x88, STR("\x03\xe8" "bye"));
    expect_close(&s, 1000);
    session_close(&s);
}

static void test_close_without_a_code_is_answered_without(void **state)
{
    struct session s;
    struct str p;

    (void)state;
    session_open(&s, "\r\n");
    put(&s.c, 0x88, STR(""));
    assert_int_equal(get(&s, &p), WS_CLOSE);
    assert_int_equal(p.len, 0);
    assert_true(client_sees_end(&s.c));
    session_close(&s);
}

static void test_server_closes_and_waits_for_the_answer(void **state)
{
    struct session s;
    struct str p;

    (void)state;
    session_open(&s, "\r\n");
    put(&s.c, 0x81, STR("close me"));
    assert_int_equal(get(&s, &p), WS_CLOSE);
    assert_str_equal(p, "\x03\xe9");
    put(&s.c, 0x81, STR("too late"));
    put(&s.c, 0x88, STR("\x03\xe9"));
    assert_true(client_sees_end(&s.c));
    session_close(&s);
}

static void test_violations_are_told_by_code(void **state)
{
    static const struct {
        const char *bytes;
        size_t n;
        int code;
    } cases[] = {
        {"\x81\x02hi", 4, 1002},                         /* not masked */
        {"\xf1\x80\0\0\0\0", 6, 1002},                   /* reserved bits */
        {"\x80\x80\0\0\0\0", 6, 1002},                   /* goes on with nothing */
        {"\x01\x81\0\0\0\0a\x81\x81\0\0\0\0b", 14, 1002}, /* begins anew in the middle */
        {"\x81\x81\0\0\0\0\xff", 7, 1007},               /* not UTF-8 */
        {"\x82\xff\0\0\0\0\0\x10\0\x01", 10, 1009},      /* too large */
        {"\x88\x81\0\0\0\0x", 7, 1002},                  /* half a code */
        {"\x88\x82\0\0\0\0\x03\xed", 8, 1002},           /* 1005 is not to be sent */
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct session s;

        session_open(&s, "\r\n");
        client_send(&s.c, cases[i].bytes, cases[i].n);
        expect_close(&s, cases[i].code);
        session_close(&s);
    }
}

static void test_what_asks_for_no_websocket_gets_none(void **state)
{
    static const char *const requests[] = {
        "GET /ws HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x\r\n\r\n",
        "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 12\r\nSec-WebSocket-Key: x\r\n\r\n",
        "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x\r\n\r\n",
    };
    struct session s = {0};

    (void)state;
    fixture_start(&s.f);
    client_open(&s.c, &s.f, NULL, NULL, STR_NULL, STR_NULL);
    for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
        client_puts(&s.c, requests[i]);
        assert_int_equal(client_response(&s.c, false, &s.arena, NULL, NULL), 400);
    }
    client_close(&s.c);
    fixture_stop(&s.f, 1000);
    arena_deinit(&s.arena);
}

static void test_drain_cuts_websockets_in_the_end(void **state)
{
    struct session s;

    (void)state;
    session_open(&s, "\r\n");
    fixture_stop(&s.f, 50);
    assert_int_equal(atomic_load(&s.f.n_ws_closed), 1);
    client_close(&s.c);
    arena_deinit(&s.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages_come_back),
        cmocka_unit_test(test_frames_behind_the_handshake_are_not_lost),
        cmocka_unit_test(test_parts_make_one_message_and_pings_go_between),
        cmocka_unit_test(test_large_messages),
        cmocka_unit_test(test_close_is_answered),
        cmocka_unit_test(test_close_without_a_code_is_answered_without),
        cmocka_unit_test(test_server_closes_and_waits_for_the_answer),
        cmocka_unit_test(test_violations_are_told_by_code),
        cmocka_unit_test(test_what_asks_for_no_websocket_gets_none),
        cmocka_unit_test(test_drain_cuts_websockets_in_the_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
