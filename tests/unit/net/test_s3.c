/* SPDX-License-Identifier: Apache-2.0 */
/* test_s3.c - signatures, URLs, endpoints, credentials and XML of the S3 client; its requests are
 * tested against a server in tests/api/test_snapshot_s3.py. */
#include "net/s3_internal.h"
#include "test.h"

/* The examples of the S3 API reference. */
static const struct s3_credentials example = {
    .access_key = "AKIAIOSFODNN7EXAMPLE",
    .secret_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"};

static void test_signatures_are_those_of_the_specification(void **state)
{
    static const struct {
        const char *query, *want;
    } cases[] = {
        {"lifecycle=", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
        {"max-keys=2&prefix=J",
         "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct s3_signing s = {
            .method = "GET",
            .host = "examplebucket.s3.amazonaws.com",
            .path = "/",
            .query = cases[i].query,
            .sha256_hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            .date = "20130524T000000Z",
            .region = "us-east-1",
            .credentials = &example};
        auto_arena a = {0};
        auto_buf out = {0};

        s3_sign(&s, &out);
        assert_str_equal(buf_view(&out),
                         arena_printf(&a,
                                      "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/"
                                      "us-east-1/s3/aws4_request,SignedHeaders=host;"
                                      "x-amz-content-sha256;x-amz-date,Signature=%s",
                                      cases[i].want));
    }
}

static void test_encoding(void **state)
{
    auto_buf out = {0};

    (void)state;
    s3_encode(&out, STR("a/b c+d~e=\xc3\xa4?"), true);
    assert_str_equal(buf_view(&out), "a/b%20c%2Bd~e%3D%C3%A4%3F");
    buf_reset(&out);
    s3_encode(&out, STR("a/b"), false);
    assert_str_equal(buf_view(&out), "a%2Fb");
}

static void test_urls(void **state)
{
    static const struct {
        const char *url, *bucket, *key; /* bucket NULL: refused */
    } cases[] = {
        {"s3://bucket", "bucket", ""},
        {"s3://bucket/", "bucket", ""},
        {"s3://my.bucket-1/a/b c", "my.bucket-1", "a/b c"},
        {"s3://bucket/prefix/", "bucket", "prefix"},
        {"s3://", NULL, NULL},
        {"s3://ab", NULL, NULL},
        {"s3://Bucket/key", NULL, NULL},
        {"s3://-bucket", NULL, NULL},
        {"s3://bucket./key", NULL, NULL},
        {"s3://buc..ket", NULL, NULL},
        {"s3://user@bucket", NULL, NULL},
        {"s3://bucket//key", NULL, NULL},
        {"s3://bucket/a//b", NULL, NULL},
        {"s3://bucket/../b", NULL, NULL},
        {"s3://bucket/a/./b", NULL, NULL},
        {"s3://bucket/a\nb", NULL, NULL},
        {"s3:/bucket/key", NULL, NULL},
        {"S3://bucket/key", NULL, NULL},
        {"/folder", NULL, NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_arena a = {0};
        struct s3_url u = {0};
        struct err err = {0};

        if (!cases[i].bucket) {
            assert_int_equal(s3_url_parse(cases[i].url, &a, &u, &err), ERR_INVALID);
            continue;
        }
        assert_ok(s3_url_parse(cases[i].url, &a, &u, &err), &err);
        assert_string_equal(u.bucket, cases[i].bucket);
        assert_string_equal(u.key, cases[i].key);
    }
}

static void test_endpoints(void **state)
{
    static const struct {
        const char *endpoint, *region, *bucket;
        bool path_style;
        const char *host, *base; /* host NULL: refused */
        bool http;
    } cases[] = {
        {NULL, NULL, "buck", false, "buck.s3.us-east-1.amazonaws.com", "/", false},
        {NULL, "eu-west-1", "buck", true, "s3.eu-west-1.amazonaws.com", "/buck/", false},
        {NULL, NULL, "b.uck", false, "s3.us-east-1.amazonaws.com", "/b.uck/", false},
        {"https://minio.lan:9000", NULL, "buck", false, "buck.minio.lan:9000", "/", false},
        {"https://minio.lan:443/", NULL, "buck", true, "minio.lan", "/buck/", false},
        {"http://minio.lan:443", NULL, "buck", true, "minio.lan:443", "/buck/", true},
        {"http://minio.lan:80", NULL, "buck", true, "minio.lan", "/buck/", true},
        {"http://10.0.0.1:9000", NULL, "buck", false, "10.0.0.1:9000", "/buck/", true},
        {"https://[::1]:9000", NULL, "buck", false, "[::1]:9000", "/buck/", false},
        {"https://[::1]", NULL, "buck", false, "[::1]", "/buck/", false},
        {"http://localhost:1", NULL, "buck", false, "localhost:1", "/buck/", true},
        {"minio.lan", NULL, "buck", false, NULL, NULL, false},
        {"ftp://minio.lan", NULL, "buck", false, NULL, NULL, false},
        {"https://", NULL, "buck", false, NULL, NULL, false},
        {"https://a/b", NULL, "buck", false, NULL, NULL, false},
        {"https://user:secret@a", NULL, "buck", false, NULL, NULL, false},
        {"https://a:0", NULL, "buck", false, NULL, NULL, false},
        {"https://a:65536", NULL, "buck", false, NULL, NULL, false},
        {"https://a b", NULL, "buck", false, NULL, NULL, false},
        {"https://a\r\nX: y", NULL, "buck", false, NULL, NULL, false},
        {NULL, "eu west", "buck", false, NULL, NULL, false},
        {NULL, "", "buck", false, NULL, NULL, false},
        {NULL, NULL, "Buck", false, NULL, NULL, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_arena a = {0};
        struct s3_opts o = {.endpoint = cases[i].endpoint,
                            .region = cases[i].region,
                            .bucket = cases[i].bucket,
                            .path_style = cases[i].path_style};
        struct s3_endpoint e = {0};
        struct err err = {0};

        if (!cases[i].host) {
            assert_int_equal(s3_endpoint_resolve(&o, &a, &e, &err), ERR_INVALID);
            assert_null(strstr(err.msg, "secret"));
            continue;
        }
        assert_ok(s3_endpoint_resolve(&o, &a, &e, &err), &err);
        assert_string_equal(e.host, cases[i].host);
        assert_string_equal(e.base, cases[i].base);
        assert_int_equal(e.https, !cases[i].http);
    }
}

static void test_credentials_file(void **state)
{
    auto_arena a = {0};
    struct s3_credentials c;
    struct err err = {0};

    (void)state;
    assert_ok(s3_credentials_parse(STR("# a comment\r\n[other]\naws_access_key_id=no\n"
                                       "aws_secret_access_key=no\n[ default ]\r\n"
                                       "aws_access_key_id = ID\r\n"
                                       "aws_secret_access_key=se=cr/et+\nregion = x\n"
                                       "[more]\naws_session_token=no"),
                                   &a, &c, &err),
              &err);
    assert_string_equal(c.access_key, "ID");
    assert_string_equal(c.secret_key, "se=cr/et+");
    assert_null(c.session_token);
    assert_ok(s3_credentials_parse(STR("[default]\naws_secret_access_key=s\naws_session_token=t\n"
                                       "aws_access_key_id=i"),
                                   &a, &c, &err),
              &err);
    assert_string_equal(c.session_token, "t");
}

static void test_bad_credentials_are_refused_without_telling_them(void **state)
{
    static const char *const cases[] = {
        "",
        "aws_access_key_id=hidden\naws_secret_access_key=hidden\n",
        "[default]\naws_access_key_id=hidden\n",
        "[default]\naws_secret_access_key=hidden\n",
        "[default]\naws_access_key_id=hidden\naws_secret_access_key=\n",
        "[default]\naws_access_key_id=hid den\naws_secret_access_key=hidden\n",
        "[default]\naws_access_key_id=hidden\naws_secret_access_key=hidden\x01\n",
        "[default\naws_access_key_id=hidden\naws_secret_access_key=hidden\n",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_arena a = {0};
        struct s3_credentials c;
        struct err err = {0};

        assert_int_equal(s3_credentials_parse(str_from(cases[i]), &a, &c, &err), ERR_INVALID);
        assert_null(strstr(err.msg, "hid"));
    }
}

#define PAGE(inner)                                                                        \
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"                                          \
    "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">" inner           \
    "</ListBucketResult>"

static void test_pages_of_a_list(void **state)
{
    auto_arena a = {0};
    struct s3_objects o = {0};
    struct s3_page page;
    struct err err = {0};

    (void)state;
    assert_ok(s3_xml_list(STR(PAGE("<Name>b</Name><Contents><Key>a&amp;b</Key><Size>12</Size>"
                                   "<Owner><ID>x</ID></Owner></Contents>"
                                   "<CommonPrefixes><Prefix>p/</Prefix></CommonPrefixes>"
                                   "<IsTruncated>true</IsTruncated>"
                                   "<NextContinuationToken>t/+=</NextContinuationToken>")),
                          &a, &o, &page, &err),
              &err);
    assert_true(page.truncated);
    assert_string_equal(page.token, "t/+=");
    assert_ok(s3_xml_list(STR(PAGE("<Contents><Size>18446744073709551615</Size>"
                                   "<Key>c+d%2Be%C3%A4%</Key></Contents>"
                                   "<IsTruncated>false</IsTruncated>"
                                   "<EncodingType>url</EncodingType>")),
                          &a, &o, &page, &err),
              &err);
    assert_false(page.truncated);
    assert_int_equal(o.n, 2);
    assert_string_equal(o.v[0].key, "a&b");
    assert_int_equal(o.v[0].bytes, 12);
    assert_string_equal(o.v[1].key, "c d+e\xc3\xa4%");
    assert_true(o.v[1].bytes == UINT64_MAX);
    /* No key is taken for another that it begins with. */
    assert_ok(s3_xml_list(STR(PAGE("<EncodingType>url</EncodingType>"
                                   "<Contents><Key>k%00%0a</Key><Size>1</Size></Contents>")),
                          &a, &o, &page, &err),
              &err);
    assert_int_equal(o.n, 3);
    assert_string_equal(o.v[2].key, "k%00\n");
}

static void test_bad_pages_are_refused(void **state)
{
    static const char *const cases[] = {
        "",
        "rubbish",
        "<html><body>hello</body></html>",
        "<Error><Code>X</Code></Error>",
        "<ListBucketResult>",
        PAGE("<Contents><Size>1</Size></Contents>"),
        PAGE("<Contents><Key>k</Key><Size>-1</Size></Contents>"),
        PAGE("<Contents><Key>k</Key><Size>big</Size></Contents>"),
        PAGE("<IsTruncated>true</IsTruncated>"),
        PAGE("<a><b><c><d><e><f><g><h>deep</h></g></f></e></d></c></b></a>"),
        PAGE("<Contents><Key>&unknown;</Key><Size>1</Size></Contents>"),
        "<!DOCTYPE x [<!ENTITY e \"2\">]><ListBucketResult>&e;</ListBucketResult>",
        "<!DOCTYPE x><ListBucketResult/>",
    };
    auto_buf longer = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_arena a = {0};
        struct s3_objects o = {0};
        struct s3_page page;
        struct err err = {0};

        if (s3_xml_list(str_from(cases[i]), &a, &o, &page, &err) != ERR_PARSE)
            fail_msg("taken: %s", cases[i]);
        assert_true(err.msg[0] != '\0');
    }
    buf_puts(&longer, "<ListBucketResult><Contents><Key>");
    for (int i = 0; i < 4000; i++)
        buf_putc(&longer, 'k');
    buf_puts(&longer, "</Key></Contents></ListBucketResult>");
    auto_arena a = {0};
    struct s3_objects o = {0};
    struct s3_page page;
    assert_int_equal(s3_xml_list(buf_view(&longer), &a, &o, &page, NULL), ERR_PARSE);
}

static void test_faults(void **state)
{
    auto_arena a = {0};
    struct s3_fault f;
    auto_buf longer = {0};

    (void)state;
    assert_true(s3_xml_fault(STR("<Error><Code>NoSuchKey</Code><Message>It is\nnot here.</Message>"
                                 "<AWSAccessKeyId>ID</AWSAccessKeyId></Error>"),
                             &a, &f));
    assert_string_equal(f.code, "NoSuchKey");
    assert_string_equal(f.message, "It is not here.");
    assert_true(s3_xml_fault(STR("<Error></Error>"), &a, &f));
    assert_string_equal(f.code, "");
    assert_string_equal(f.message, "");
    buf_puts(&longer, "<Error><Message>");
    for (int i = 0; i < 1000; i++)
        buf_putc(&longer, 'm');
    buf_puts(&longer, "</Message></Error>");
    assert_true(s3_xml_fault(buf_view(&longer), &a, &f));
    assert_int_equal(strlen(f.message), 200);
    assert_false(s3_xml_fault(STR(""), &a, &f));
    assert_false(s3_xml_fault(STR("<html/>"), &a, &f));
    assert_false(s3_xml_fault(STR("<Error><Code>X</Code>"), &a, &f));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signatures_are_those_of_the_specification),
        cmocka_unit_test(test_encoding),
        cmocka_unit_test(test_urls),
        cmocka_unit_test(test_endpoints),
        cmocka_unit_test(test_credentials_file),
        cmocka_unit_test(test_bad_credentials_are_refused_without_telling_them),
        cmocka_unit_test(test_pages_of_a_list),
        cmocka_unit_test(test_bad_pages_are_refused),
        cmocka_unit_test(test_faults),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
