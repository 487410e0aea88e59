/* test_crypto.c - digests and tokens. */
#include "codec/base64.h"
#include "net/crypto.h"
#include "net/tls.h"
#include "test.h"
#include <stdio.h>

static struct str hex(struct arena *a, const uint8_t *p, size_t n)
{
    auto_buf out = {0};

    for (size_t i = 0; i < n; i++)
        buf_printf(&out, "%02x", p[i]);
    return str_dup(a, buf_view(&out));
}

static void test_digests_are_the_standards(void **state)
{
    auto_arena a = {0};
    uint8_t d[64];

    (void)state;
    sha256(STR("abc"), d); /* FIPS 180-4 */
    assert_str_equal(hex(&a, d, 32),
                     "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    sha256(STR_NULL, d);
    assert_str_equal(hex(&a, d, 32),
                     "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    sha512(STR("abc"), d);
    assert_str_equal(hex(&a, d, 64),
                     "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
                     "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
}

static void test_hmac_is_the_standards(void **state)
{
    auto_arena a = {0};
    uint8_t d[32];

    (void)state;
    hmac_sha256(STR("Jefe"), STR("what do ya want for nothing?"), d); /* RFC 4231, case 2 */
    assert_str_equal(hex(&a, d, 32),
                     "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

static struct jwt_key *new_key(struct arena *a)
{
    struct jwt_key *k = NULL;
    struct err err = {0};
    struct str pem;

    assert_ok(cert_new_key(a, &pem, &err), &err);
    assert_ok(jwt_key_load(pem, &k, &err), &err);
    return k;
}

static void test_token_comes_back_as_signed(void **state)
{
    auto_arena a = {0};
    struct jwt_key *k = new_key(&a), *other = new_key(&a);
    struct str token, claims;
    struct err err = {0};

    (void)state;
    for (int i = 0; i < 20; i++) { /* signatures of all lengths in DER */
        assert_ok(jwt_sign(k, STR("{\"sub\":\"a\"}"), &a, &token, &err), &err);
        assert_ok(jwt_verify(k, token, &a, &claims, &err), &err);
        assert_str_equal(claims, "{\"sub\":\"a\"}");
    }
    assert_int_equal(jwt_verify(other, token, &a, &claims, &err), ERR_UNAUTHORIZED);
    (void)jwt_key_free(k);
    (void)jwt_key_free(other);
}

static void test_every_changed_byte_is_noticed(void **state)
{
    auto_arena a = {0};
    struct jwt_key *k = new_key(&a);
    struct str token, claims;
    struct err err = {0};

    (void)state;
    assert_ok(jwt_sign(k, STR("{\"a\":1}"), &a, &token, &err), &err);
    for (size_t i = 0; i + 1 < token.len; i++) { /* the last character has unused bits */
        char *copy = str_dupz(&a, token);

        copy[i] = copy[i] == 'A' ? 'B' : 'A';
        assert_int_equal(jwt_verify(k, (struct str){copy, token.len}, &a, &claims, &err),
                         ERR_UNAUTHORIZED);
    }
    for (size_t n = 0; n < token.len; n++)
        assert_int_equal(jwt_verify(k, str_sub(token, 0, n), &a, &claims, &err),
                         ERR_UNAUTHORIZED);
    (void)jwt_key_free(k);
}

static void test_other_algorithms_are_refused(void **state)
{
    static const char *const heads[] = {"{\"alg\":\"none\"}", "{\"alg\":\"HS256\"}", "{}", "[]",
                                        "{\"alg\":5}", "x"};
    auto_arena a = {0};
    struct jwt_key *k = new_key(&a);
    struct str token, claims;
    struct err err = {0};

    (void)state;
    assert_ok(jwt_sign(k, STR("{}"), &a, &token, &err), &err);
    for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
        auto_buf forged = {0};
        struct str rest;

        (void)str_cut(token, '.', &rest);
        base64url_write(&forged, str_from(heads[i]));
        buf_putc(&forged, '.');
        buf_str(&forged, rest);
        assert_int_equal(jwt_verify(k, buf_view(&forged), &a, &claims, &err), ERR_UNAUTHORIZED);
    }
    (void)jwt_key_free(k);
}

static void test_long_tokens_are_refused(void **state)
{
    auto_arena a = {0};
    struct jwt_key *k = new_key(&a);
    char *big = arena_alloc(&a, 20000);
    struct str claims;
    struct err err = {0};

    (void)state;
    memset(big, 'a', 20000);
    assert_int_equal(jwt_verify(k, (struct str){big, 20000}, &a, &claims, &err),
                     ERR_UNAUTHORIZED);
    (void)jwt_key_free(k);
}

static void test_public_key_verifies_and_does_not_sign(void **state)
{
    /* made by: openssl ecparam -name prime256v1 -genkey | openssl ec -pubout */
    static const char pub[] =
        "-----BEGIN PUBLIC KEY-----\n"
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqfyctkFhZto+GhYrhbCkLqA6fdA7\n"
        "q3m9woanLqYRVOg1Y8rvZrd313XrXOKIPXjCq71hWZF1zvysnTdfw3NPhw==\n"
        "-----END PUBLIC KEY-----\n";
    auto_arena a = {0};
    auto_buf jwk = {0};
    struct jwt_key *k;
    struct str token;
    struct err err = {0};

    (void)state;
    assert_ok(jwt_key_load(str_from(pub), &k, &err), &err);
    assert_int_equal(jwt_sign(k, STR("{}"), &a, &token, &err), ERR_INTERNAL);
    jwt_key_jwk(k, &jwk);
    assert_true(str_find(buf_view(&jwk), STR("\"x\":\""
                                             "qfyctkFhZto-GhYrhbCkLqA6fdA7q3m9woanLqYRVOg\"")) > 0);
    assert_true(str_find(buf_view(&jwk), STR("\"y\":\""
                                             "NWPK72a3d9d161ziiD14wqu9YVmRdc78rJ03X8NzT4c\"")) > 0);
    (void)jwt_key_free(k);
}

static void test_other_keys_are_refused(void **state)
{
    struct jwt_key *k;
    struct err err = {0};

    (void)state;
    assert_int_equal(jwt_key_load(STR("nonsense"), &k, &err), ERR_PARSE);
    assert_int_equal(jwt_key_load(STR(""), &k, &err), ERR_PARSE);
    assert_null(jwt_key_free(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_digests_are_the_standards),
        cmocka_unit_test(test_hmac_is_the_standards),
        cmocka_unit_test(test_token_comes_back_as_signed),
        cmocka_unit_test(test_every_changed_byte_is_noticed),
        cmocka_unit_test(test_other_algorithms_are_refused),
        cmocka_unit_test(test_long_tokens_are_refused),
        cmocka_unit_test(test_public_key_verifies_and_does_not_sign),
        cmocka_unit_test(test_other_keys_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
