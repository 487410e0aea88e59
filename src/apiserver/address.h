/* address.h - IP addresses and ranges as numbers. Internal to apiserver/. Threads: any. */
#pragma once
#include "base/err.h"
#include "base/str.h"

struct address {
    unsigned __int128 n; /* IPv4: 32 bits */
    bool v6;
};
struct cidr {
    struct address base; /* the network's address */
    unsigned bits;       /* of the prefix */
};
/** Parses "10.0.0.1" or "fd00::1" in canonical or other valid form; false if it is none. */
bool address_parse(struct str s, struct address *ret_a);
/** The canonical text, in @arena. */
struct str address_str(struct address a, struct arena *arena);
/** "IPv4" or "IPv6". */
struct str address_family(struct address a);
/** Parses "10.96.0.0/16". ERR_INVALID. */
MUST_USE int cidr_parse(struct str s, struct cidr *ret_c, struct err *err);
/** How many addresses Services may get: without the network's own, and for IPv4 without the
 *  broadcast address; at most 2^32. They are base + 1, base + 2, ... */
uint64_t cidr_usable(const struct cidr *c);
/** True if @a is one of the usable addresses of @c; *@ret_at (may be NULL) is its place from 0. */
bool cidr_holds(const struct cidr *c, struct address a, uint64_t *ret_at);
/** Usable address number @at. */
struct address cidr_at(const struct cidr *c, uint64_t at);
