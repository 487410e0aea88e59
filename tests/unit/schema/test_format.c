/* test_format.c - formats of single strings: what is good, and what is said of the rest. */
#include "schema/format.h"
#include "test.h"

#define A10  "aaaaaaaaaa"
#define A60  A10 A10 A10 A10 A10 A10
#define A63  A60 "aaa"
#define A240 A60 A60 A60 A60
#define A253 A240 A10 "aaa"

static const struct {
    const char *format, *text;
    const char *begins; /* of what is wrong; NULL: good */
} cases[] = {
    {"dns-label", "a", NULL},
    {"dns-label", "0a-b9", NULL},
    {"dns-label", A63, NULL},
    {"dns-label", A63 "a", "must be no more than 63 bytes"},
    {"dns-label", "a.b", "must not contain dots"},
    {"dns-label", "", "a lowercase RFC 1123 label must consist of lower case alphanumeric "},
    {"dns-label", "-a", "a lowercase RFC 1123 label must"},
    {"dns-label", "a-", "a lowercase RFC 1123 label must"},
    {"dns-label", "A", "a lowercase RFC 1123 label must"},
    {"dns-label", "a_b", "a lowercase RFC 1123 label must"},
    {"dns1035-label", "a1", NULL},
    {"dns1035-label", "1a", "a DNS-1035 label must consist of"},
    {"dns1035-label", A63 "a", "must be no more than 63 bytes"},
    {"dns-subdomain", "a.b-c.9", NULL},
    {"dns-subdomain", A253, NULL},
    {"dns-subdomain", A253 "a", "must be no more than 253 bytes"},
    {"dns-subdomain", "a..b", "a lowercase RFC 1123 subdomain must consist of"},
    {"dns-subdomain", ".a", "a lowercase RFC 1123 subdomain must"},
    {"dns-subdomain", "a.", "a lowercase RFC 1123 subdomain must"},
    {"dns-subdomain", "", "a lowercase RFC 1123 subdomain must"},
    {"wildcard-subdomain", "*.a.b", NULL},
    {"wildcard-subdomain", "a.b", "a wildcard DNS-1123 subdomain must start with '*.'"},
    {"wildcard-subdomain", "*.", "a wildcard DNS-1123 subdomain must"},
    {"wildcard-subdomain", "*.*.a", "a wildcard DNS-1123 subdomain must"},
    {"qualified-name", "a", NULL},
    {"qualified-name", "A_b.C-1", NULL},
    {"qualified-name", "example.com/Name", NULL},
    {"qualified-name", "a/b/c", "a valid label key must consist of alphanumeric characters"},
    {"qualified-name", "/b", "prefix part must be non-empty"},
    {"qualified-name", "A/b", "prefix part a lowercase RFC 1123 subdomain must"},
    {"qualified-name", "", "name part must be non-empty"},
    {"qualified-name", "a/", "name part must be non-empty"},
    {"qualified-name", A63 "a", "name part must be no more than 63 bytes"},
    {"qualified-name", "-a", "name part must consist of alphanumeric characters, '-', '_' or '.'"},
    {"label-value", "", NULL},
    {"label-value", "A.b_c-9", NULL},
    {"label-value", "a b", "a valid label must be an empty string or consist of"},
    {"label-value", A63 "a", "must be no more than 63 bytes"},
    {"port-name", "http-2", NULL},
    {"port-name", "a23456789012345", NULL},
    {"port-name", "a234567890123456", "must be no more than 15 bytes"},
    {"port-name", "123", "must contain at least one letter (a-z)"},
    {"port-name", "Http", "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)"},
    {"port-name", "", "must contain only alpha-numeric characters"},
    {"port-name", "a--b", "must not contain consecutive hyphens"},
    {"port-name", "-a", "must not begin or end with a hyphen"},
    {"env-name", "A b.c-1", NULL},
    {"env-name", "", "environment variable name must be non-empty"},
    {"env-name", "a=b", "a valid environment variable name must consist only of printable ASCII"},
    {"env-name", "\xc3\xa9", "a valid environment variable name must consist only"},
    {"config-key", "a.b_C-1", NULL},
    {"config-key", "", "a valid config key must consist of"},
    {"config-key", "a/b", "a valid config key must consist of"},
    {"config-key", ".", "must not be '.'"},
    {"config-key", "..", "must not be '..'"},
    {"config-key", "..a", "must not start with '..'"},
    {"config-key", A253 "a", "must be no more than 253 bytes"},
    {"percent", "0%", NULL},
    {"percent", "100%", NULL},
    {"percent", "%", "a valid percent string must be a numeric string followed by an ending '%'"},
    {"percent", "10", "a valid percent string"},
    {"percent", "-1%", "a valid percent string"},
    {"path-segment", "system:node", NULL},
    {"path-segment", ".", "may not be '.'"},
    {"path-segment", "..", "may not be '..'"},
    {"path-segment", "a/b", "may not contain '/'"},
    {"path-segment", "a%b", "may not contain '%'"},
    {"ip", "10.9.8.7", NULL},
    {"ip", "0.0.0.0", NULL},
    {"ip", "2001:db8::ffff", NULL},
    {"ip", "::", NULL},
    {"ip", "010.1.2.3", "must not have leading 0s"},
    {"ip", "::ffff:1.2.3.4", "must not be an IPv4-mapped IPv6 address"},
    {"ip", "300.1.2.3", "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"},
    {"ip", "1.2.3", "must be a valid IP address"},
    {"ip", "1.2.3.4.5", "must be a valid IP address"},
    {"ip", "fe80::1%eth0", "must be a valid IP address"},
    {"ip", "", "must be a valid IP address"},
    {"ip", " 1.2.3.4", "must be a valid IP address"},
    {"cidr", "10.0.0.0/8", NULL},
    {"cidr", "0.0.0.0/0", NULL},
    {"cidr", "2001:db8::/64", NULL},
    {"cidr", "10.0.0.1/8", "must not have bits set beyond the prefix length"},
    {"cidr", "2001:db8::1/64", "must not have bits set beyond the prefix length"},
    {"cidr", "10.0.0.0/08", "must not have leading 0s in IP or prefix length"},
    {"cidr", "::ffff:10.0.0.0/104", "must not have an IPv4-mapped IPv6 address"},
    {"cidr", "10.0.0.0", "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"},
    {"cidr", "10.0.0.0/33", "must be a valid CIDR value"},
    {"cidr", "10.0.0.0/", "must be a valid CIDR value"},
    {"cidr", "10.0.0.0/-1", "must be a valid CIDR value"},
};

static void test_formats_accept_and_refuse(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *(*check)(struct str) = format_find(cases[i].format);
        const char *why;

        assert_non_null(check);
        why = check(str_from(cases[i].text));
        if (!cases[i].begins && why)
            fail_msg("%s '%s': %s", cases[i].format, cases[i].text, why);
        if (cases[i].begins && (!why || strncmp(why, cases[i].begins, strlen(cases[i].begins))))
            fail_msg("%s '%s': %s", cases[i].format, cases[i].text, why ? why : "(good)");
    }
}

static void test_texts_are_upstreams(void **state)
{
    assert_string_equal(format_dns_label(STR("A")),
                        "a lowercase RFC 1123 label must consist of lower case alphanumeric "
                        "characters or '-', and must start and end with an alphanumeric character "
                        "(e.g. 'my-name',  or '123-abc', regex used for validation is "
                        "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')");
    assert_string_equal(format_dns_subdomain(STR("A")),
                        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric "
                        "characters, '-' or '.', and must start and end with an alphanumeric "
                        "character (e.g. 'example.com', regex used for validation is "
                        "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')");
    assert_string_equal(format_qualified_name(STR("a/b/c")),
                        "a valid label key must consist of alphanumeric characters, '-', '_' or "
                        "'.', and must start and end with an alphanumeric character (e.g. "
                        "'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
                        "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS "
                        "subdomain prefix and '/' (e.g. 'example.com/MyName')");
}

static void test_strings_with_nul_are_refused(void **state)
{
    assert_non_null(format_ip((struct str){"1.2.3.4\0", 8}));
    assert_non_null(format_ip((struct str){"::1\0", 4}));
    assert_non_null(format_dns_label((struct str){"a\0b", 3}));
}

static void test_unknown_format_is_not_found(void **state)
{
    assert_null(format_find("no-such-format"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_formats_accept_and_refuse),
        cmocka_unit_test(test_texts_are_upstreams),
        cmocka_unit_test(test_strings_with_nul_are_refused),
        cmocka_unit_test(test_unknown_format_is_not_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
