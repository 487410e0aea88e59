/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "cmd/host.h"

#include <arpa/inet.h>
#include <ctype.h>

static void test_nth_address(void **state)
{
    static const struct {
        const char *cidr;
        uint32_t nth;
        const char *want; /* NULL: refused */
    } cases[] = {
        {"10.96.0.0/16", 0, "10.96.0.0"},
        {"10.96.0.0/16", 10, "10.96.0.10"},
        {"10.96.0.0/16", 65535, "10.96.255.255"},
        {"10.96.0.0/16", 65536, NULL},
        {"10.96.7.9/16", 1, "10.96.0.1"}, /* host bits do not count */
        {"192.168.1.4/30", 3, "192.168.1.7"},
        {"192.168.1.4/30", 4, NULL},
        {"255.0.0.0/8", 16777215, "255.255.255.255"},
        {"255.0.0.0/8", 16777216, NULL},
        {"10.0.0.0/7", 1, NULL},
        {"10.0.0.0/31", 0, NULL},
        {"10.0.0.0/-8", 0, NULL},
        {"10.0.0.0/999999999999", 0, NULL},
        {"10.0.0.0/", 0, NULL},
        {"10.0.0.0", 0, NULL},
        {"10.0.0/16", 0, NULL},
        {"10.0.0.256/16", 0, NULL},
        {"fd00::/16", 0, NULL},
        {"10.0.0.0/16 ", 0, NULL},
        {"10.0.0.0/16/16", 0, NULL},
        {"", 0, NULL},
        {"/16", 0, NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_arena a = {0};
        const char *ip = NULL;
        struct err err = {0};
        int r = cidr_nth(cases[i].cidr, cases[i].nth, &a, &ip, &err);

        if (!cases[i].want) {
            if (r != ERR_BAD_REQUEST || ip)
                fail_msg("\"%s\" %u: %d", cases[i].cidr, cases[i].nth, r);
        } else {
            assert_ok(r, &err);
            assert_string_equal(ip, cases[i].want);
        }
    }
}

static void test_host_name_is_lower_case(void **state)
{
    auto_arena a = {0};
    const char *name = host_name(&a);

    (void)state;
    assert_true(*name);
    for (; *name; name++)
        assert_false(isupper((unsigned char)*name));
}

static void test_route_table(void **state)
{
    static const char head[] = "Iface\tDestination\tGateway\n";
    static const struct {
        const char *lines, *want;
    } cases[] = {
        {"", ""},
        {"eth0\t0000FEA9\t0\n", ""},
        {"lan1\t0010A8C0\t0\nwan7\t00000000\t0101A8C0\nwan8\t00000000\t0\n", "wan7"},
        {"cut", ""},
        {"eth0\t00000000", ""},
        {"\n\n\teth0\n", ""},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_arena a = {0};

        assert_str_equal(
            route_interface(str_printf(&a, "%s%s", head, cases[i].lines)), cases[i].want);
    }
    assert_str_equal(route_interface(STR("")), "");
}

static void test_host_address_is_one(void **state)
{
    auto_arena a = {0};
    const char *ip = NULL;
    struct in_addr addr;
    struct err err = {0};
    int r = host_address(&a, &ip, &err);

    (void)state;
    if (r == ERR_NOT_FOUND) /* a machine without network */
        return;
    assert_ok(r, &err);
    assert_int_equal(inet_pton(AF_INET, ip, &addr), 1);
    assert_int_not_equal(ntohl(addr.s_addr) >> 24, 127);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nth_address),
        cmocka_unit_test(test_host_name_is_lower_case),
        cmocka_unit_test(test_route_table),
        cmocka_unit_test(test_host_address_is_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
