/* SPDX-License-Identifier: Apache-2.0 */
/* address.c - IP addresses and ranges as numbers. See address.h. */
#include "apiserver/address.h"
#include <arpa/inet.h>

enum { TEXT_MAX = 64 };

bool address_parse(struct str s, struct address *ret_a)
{
    char text[TEXT_MAX];
    uint8_t bytes[16];
    struct address a = {0};
    size_t n;

    if (s.len == 0 || s.len >= sizeof(text) || memchr(s.p, 0, s.len))
        return false;
    memcpy(text, s.p, s.len);
    text[s.len] = 0;
    a.v6 = strchr(text, ':') != NULL;
    if (inet_pton(a.v6 ? AF_INET6 : AF_INET, text, bytes) != 1)
        return false;
    n = a.v6 ? 16 : 4;
    for (size_t i = 0; i < n; i++)
        a.n = a.n << 8 | bytes[i];
    *ret_a = a;
    return true;
}

struct str address_str(struct address a, struct arena *arena)
{
    char text[TEXT_MAX];
    uint8_t bytes[16];
    size_t n = a.v6 ? 16 : 4;

    for (size_t i = 0; i < n; i++)
        bytes[i] = (uint8_t)(a.n >> (8 * (n - 1 - i)));
    if (!inet_ntop(a.v6 ? AF_INET6 : AF_INET, bytes, text, sizeof(text)))
        return STR_NULL; /* cannot be: the buffer holds every address */
    return str_dup(arena, str_from(text));
}

struct str address_family(struct address a)
{
    return a.v6 ? STR("IPv6") : STR("IPv4");
}

int cidr_parse(struct str s, struct cidr *ret_c, struct err *err)
{
    struct str bits, ip = str_cut(s, '/', &bits);
    struct cidr c = {0};
    uint64_t n;
    unsigned width;

    if (!address_parse(ip, &c.base) || !str_to_u64(bits, &n) || n > (c.base.v6 ? 128U : 32U))
        return err_new(err, ERR_INVALID, "invalid CIDR address: %.*s", STR_ARG(s));
    c.bits = (unsigned)n;
    width = c.base.v6 ? 128 : 32;
    if (c.bits == 0)
        c.base.n = 0;
    else if (c.bits < width)
        c.base.n = c.base.n >> (width - c.bits) << (width - c.bits);
    *ret_c = c;
    return 0;
}

uint64_t cidr_usable(const struct cidr *c)
{
    unsigned host = (c->base.v6 ? 128U : 32U) - c->bits;
    uint64_t all = host >= 32 ? UINT64_C(1) << 32 : UINT64_C(1) << host;

    if (c->base.v6 && host > 32)
        return all;
    all = all > 0 ? all - 1 : 0;
    if (!c->base.v6 && all > 0)
        all--;
    return all;
}

bool cidr_holds(const struct cidr *c, struct address a, uint64_t *ret_at)
{
    if (a.v6 != c->base.v6 || a.n <= c->base.n || a.n - c->base.n > cidr_usable(c))
        return false;
    if (ret_at)
        *ret_at = (uint64_t)(a.n - c->base.n - 1);
    return true;
}

struct address cidr_at(const struct cidr *c, uint64_t at)
{
    return (struct address){c->base.n + 1 + at, c->base.v6};
}
