/* test_cert.c - keys, certificates and contexts. */
#include "fixture.h"
#include <openssl/pem.h>
#include <openssl/x509v3.h>

static X509 *read_pem(struct str pem)
{
    BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.len);
    X509 *x = PEM_read_bio_X509(bio, NULL, NULL, NULL);

    BIO_free(bio);
    assert_non_null(x);
    return x;
}

static void test_certificate_verifies_under_its_ca(void **state)
{
    struct pki p;
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    X509 *ca, *cert;
    BIGNUM *serial;

    (void)state;
    pki_make(&p);
    ca = read_pem(p.ca);
    cert = read_pem(p.cert);
    assert_int_equal(X509_check_ca(ca), 1);
    assert_int_equal(X509_check_ca(cert), 0);
    assert_int_equal(X509_STORE_add_cert(store, ca), 1);
    assert_int_equal(X509_STORE_CTX_init(ctx, store, cert, NULL), 1);
    assert_int_equal(X509_STORE_CTX_set_default(ctx, "ssl_server"), 1);
    X509_VERIFY_PARAM_set_flags(X509_STORE_CTX_get0_param(ctx), X509_V_FLAG_X509_STRICT);
    assert_int_equal(X509_verify_cert(ctx), 1);
    assert_int_equal(X509_get_version(cert), 2);
    serial = ASN1_INTEGER_to_BN(X509_get0_serialNumber(cert), NULL);
    assert_in_range(BN_num_bits(serial), 64, 127);
    BN_free(serial);
    assert_int_equal(X509_check_host(cert, "localhost", 0, 0, NULL), 1);
    assert_int_equal(X509_check_ip_asc(cert, "127.0.0.1", 0), 1);
    assert_int_equal(X509_get_extended_key_usage(cert), XKU_SSL_SERVER);
    assert_non_null(X509_get0_subject_key_id(cert));
    assert_int_equal(ASN1_OCTET_STRING_cmp(X509_get0_authority_key_id(cert),
                                           X509_get0_subject_key_id(ca)), 0);
    X509_STORE_CTX_free(ctx);
    X509_STORE_free(store);
    X509_free(cert);
    X509_free(ca);
    pki_deinit(&p);
}

static void test_not_after_and_covers(void **state)
{
    static const char *const both[] = {"a.example", "b.example", NULL};
    static const char *const one[] = {"B.EXAMPLE", NULL}, *const other[] = {"c.example", NULL};
    static const char *const ips[] = {"10.0.0.1", "fd00::1", NULL};
    static const char *const ip[] = {"10.0.0.2", NULL};
    static const char *const sly[] = {"a.example,DNS:evil.example", NULL};
    static const char *const evil[] = {"evil.example", NULL};
    struct cert_request rq = {.common_name = "x",
                              .dns_names = both,
                              .ips = ips,
                              .server = true,
                              .not_before_sec = 2000000000,
                              .lifetime_sec = 1000};
    auto_arena a = {0};
    struct str key, cert;
    struct err err = {0};
    int64_t end;

    (void)state;
    assert_ok(cert_new_key(&a, &key, &err), &err);
    assert_ok(cert_issue(&rq, key, STR_NULL, STR_NULL, &a, &cert, &err), &err);
    assert_ok(cert_not_after(cert, &end, &err), &err);
    assert_int_equal(end, 2000001000);
    assert_true(cert_covers(cert, both, ips));
    assert_true(cert_covers(cert, one, NULL));
    assert_false(cert_covers(cert, other, NULL));
    assert_false(cert_covers(cert, NULL, ip));
    assert_false(cert_covers(STR("no"), both, NULL));
    assert_int_equal(cert_not_after(STR("no"), &end, &err), ERR_PARSE);
    rq.dns_names = sly;
    assert_ok(cert_issue(&rq, key, STR_NULL, STR_NULL, &a, &cert, &err), &err);
    assert_false(cert_covers(cert, evil, NULL));
    rq.ips = other;
    assert_int_equal(cert_issue(&rq, key, STR_NULL, STR_NULL, &a, &cert, &err), ERR_INVALID);
}

static void test_serials_differ(void **state)
{
    struct pki p;
    X509 *a, *b;

    (void)state;
    pki_make(&p);
    a = read_pem(p.cert);
    b = read_pem(p.client_cert);
    assert_int_not_equal(ASN1_INTEGER_cmp(X509_get0_serialNumber(a), X509_get0_serialNumber(b)), 0);
    X509_free(a);
    X509_free(b);
    pki_deinit(&p);
}

static void test_contexts_refuse_nonsense(void **state)
{
    struct tls_context *c;
    struct pki p;
    struct err err = {0};

    (void)state;
    pki_make(&p);
    assert_int_equal(tls_server_context(STR("x"), p.key, STR_NULL, &c, &err), ERR_PARSE);
    assert_int_equal(tls_server_context(p.cert, STR("x"), STR_NULL, &c, &err), ERR_PARSE);
    assert_int_equal(tls_server_context(p.cert, p.client_key, STR_NULL, &c, &err), ERR_PARSE);
    assert_int_equal(tls_server_context(p.cert, p.key, STR("x"), &c, &err), ERR_PARSE);
    assert_int_equal(tls_client_context(STR("x"), STR_NULL, STR_NULL, false, &c, &err), ERR_PARSE);
    assert_ok(tls_server_context(p.cert, p.key, p.ca, &c, &err), &err);
    assert_int_equal(tls_context_reload(c, p.cert, p.client_key, &err), ERR_PARSE);
    assert_ok(tls_context_reload(c, p.cert, p.key, &err), &err);
    c = tls_context_free(c);
    assert_null(tls_context_free(NULL));
    assert_ok(tls_client_context(STR_NULL, STR_NULL, STR_NULL, true, &c, &err), &err);
    c = tls_context_free(c);
    pki_deinit(&p);
}

static void test_issuing_needs_the_cas_own_key(void **state)
{
    struct cert_request rq = {.common_name = "x", .lifetime_sec = 10};
    auto_arena a = {0};
    struct pki p;
    struct str cert;
    struct err err = {0};

    (void)state;
    pki_make(&p);
    assert_int_equal(cert_issue(&rq, p.key, p.ca, p.key, &a, &cert, &err), ERR_PARSE);
    assert_int_equal(cert_issue(&rq, p.key, STR("x"), p.key, &a, &cert, &err), ERR_PARSE);
    assert_int_equal(cert_issue(&rq, STR("x"), p.ca, p.ca_key, &a, &cert, &err), ERR_PARSE);
    pki_deinit(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_certificate_verifies_under_its_ca),
        cmocka_unit_test(test_not_after_and_covers),
        cmocka_unit_test(test_serials_differ),
        cmocka_unit_test(test_contexts_refuse_nonsense),
        cmocka_unit_test(test_issuing_needs_the_cas_own_key),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
