/* host.h - what the server asks about the machine it runs on. Layer: cmd. Threads: main thread. */
#pragma once
#include "base/err.h"
#include "base/str.h"

/** The host name in lower case, in @a. */
const char *host_name(struct arena *a);
/** The IPv4 address of the interface of the default route, else of the first interface that is up
 * and no loopback. ERR_NOT_FOUND (says to give --node-ip). In @a. */
MUST_USE int host_address(struct arena *a, const char **ret_ip, struct err *err);
/** The interface whose destination is 0.0.0.0 in @table (the text of /proc/net/route), a view into
 *  it, or STR_NULL. */
struct str route_interface(struct str table);
/** The @nth address of the IPv4 network @cidr ("10.96.0.0/16", 10 -> "10.96.0.10"), which has 4 to
 *  16777216 of them. In @a. ERR_BAD_REQUEST. */
MUST_USE int cidr_nth(const char *cidr, uint32_t nth, struct arena *a, const char **ret_ip,
                      struct err *err);
