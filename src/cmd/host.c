/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/host.h"

#include "cmd/files.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <sys/utsname.h>

const char *host_name(struct arena *a)
{
    struct utsname u;
    char *name;

    if (uname(&u) < 0 || !u.nodename[0])
        return "localhost";
    name = arena_strdup(a, u.nodename);
    for (char *p = name; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    return name;
}

struct str route_interface(struct str table)
{
    struct str rest;

    (void)str_cut(table, '\n', &rest); /* the names of the columns */
    while (rest.len > 0) {
        struct str fields, name = str_cut(str_cut(rest, '\n', &rest), '\t', &fields);

        if (str_has_prefix(fields, STR("00000000\t")))
            return name;
    }
    return STR_NULL;
}

static struct str default_interface(struct arena *a)
{
    struct str table;
    struct err err = {0};

    if (file_read("/proc/net/route", a, &table, &err) < 0)
        return STR_NULL; /* no IPv4 routes: the first interface that is up will do */
    return route_interface(table);
}

int host_address(struct arena *a, const char **ret_ip, struct err *err)
{
    struct str want = default_interface(a);
    struct ifaddrs *all, *best = NULL;
    char text[INET_ADDRSTRLEN];

    if (getifaddrs(&all) < 0)
        return err_new(err, ERR_IO, "list the network interfaces of this machine");
    for (struct ifaddrs *i = all; i; i = i->ifa_next) {
        if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET || !(i->ifa_flags & IFF_UP) ||
            (i->ifa_flags & IFF_LOOPBACK))
            continue;
        if (!best || str_eqz(want, i->ifa_name))
            best = i;
        if (str_eqz(want, i->ifa_name))
            break;
    }
    if (best)
        (void)inet_ntop(AF_INET, &((struct sockaddr_in *)(void *)best->ifa_addr)->sin_addr, text,
                        sizeof(text));
    freeifaddrs(all);
    if (!best)
        return err_new(err, ERR_NOT_FOUND,
                       "no network interface with an IPv4 address is up; give --node-ip");
    *ret_ip = arena_strdup(a, text);
    return 0;
}

int cidr_nth(const char *cidr, uint32_t nth, struct arena *a, const char **ret_ip, struct err *err)
{
    struct str bits, net = str_cut(str_from(cidr), '/', &bits);
    char text[INET_ADDRSTRLEN];
    struct in_addr addr;
    int64_t n;

    if (inet_pton(AF_INET, str_dupz(a, net), &addr) != 1 || !str_to_i64(bits, &n) || n < 8 ||
        n > 30 || nth >= (1u << (32 - n)))
        return err_new(err, ERR_BAD_REQUEST,
                       "\"%s\" is no IPv4 network of a fitting size (a.b.c.d/n)", cidr);
    addr.s_addr = htonl((ntohl(addr.s_addr) & ~((1u << (32 - n)) - 1)) + nth);
    (void)inet_ntop(AF_INET, &addr, text, sizeof(text));
    *ret_ip = arena_strdup(a, text);
    return 0;
}
