/* service_alloc.h - addresses and node ports of Services: who has which.
 *
 * An address is taken by an IPAddress object of its name, made in the same transaction as the
 * Service and expected to be absent: two Services never get the same one.
 *
 * Which node ports are taken says the index of all Services. Between the moment when a port is
 * given out and the one when its Service is visible there, the port is reserved in memory for the
 * Service's name, so that two requests at a time do not get the same one. A Service that is never
 * written (refused later) gives it back after PORT_RESERVED_MS, or when it is tried again.
 *
 * Internal to apiserver/. Threads: any.
 */
#pragma once
#include "apiserver/address.h"
#include "apiserver/stages.h"
#include "base/queue.h"

enum { PORT_RESERVED_MS = 70000, NODE_PORT_MIN = 30000, NODE_PORT_MAX = 32767 };

struct port_reservation {
    struct port_reservation *next;
    int32_t port;
    uint64_t until_ns; /* of the monotonic clock */
    char *owner;       /* "<namespace>/<name>" of the Service */
};
struct service_alloc {
    struct cidr range;
    uint16_t port_min, port_max;
    struct mutex *lock; /* of reservations: requests run on several loops */
    struct port_reservation *reserved;
};
/** The range of --service-cluster-ip-range. Any thread. */
const struct cidr *service_alloc_range(const struct service_alloc *s);
/** The IPAddress object for @ip, held by the Service @ns/@name; in @a. */
struct networking_ip_address *service_ip_object(struct arena *a, struct address ip, struct str ns,
                                                struct str name);

struct service_ports { /* the node ports that Services other than one have; for one request */
    struct request *rq;
    struct str owner; /* "<namespace>/<name>" */
    uint8_t *taken;   /* by port - port_min */
};
/** Looks up what is taken for everybody but the Service of @rq. */
struct service_ports service_ports_open(struct request *rq, struct str ns, struct str name);
/** Reserves @port, or any (0): *@ret_port. False if it is taken or outside the range, or none is
 *  left. */
bool service_port_take(struct service_ports *p, int32_t port, int32_t *ret_port);
/** True if @port is in the range. */
bool service_port_valid(const struct service_alloc *s, int32_t port);
/** Forgets what is reserved for the Service @ns/@name. */
void service_ports_forget(struct service_alloc *s, struct str ns, struct str name);
