/* datagram.h - UDP sockets, and TCP connections that carry messages behind a 2-byte length
 * (DNS, RFC 1035 4.2.2) as if they were datagrams. Layer: net. Threads: the loop's. */
#pragma once
#include "base/loop.h"
#include "base/str.h"

enum { DATAGRAM_MAX = 65535, DATAGRAM_STREAMS_MAX = 256, DATAGRAM_IDLE_MS = 10000 };
struct datagram_socket;
struct datagram_peer { /* where a message came from; copied freely */
    _Alignas(8) char address[32];
    struct datagram_stream *stream; /* NULL: UDP */
    uint64_t stream_id;             /* guards against a stream that has gone */
};
typedef void (*datagram_fn)(void *arg, const struct datagram_peer *from, struct str message);

/** Binds UDP to @address (NULL: any) and @port (0: a random one of the kernel). With @streams also
 *  listens on the same TCP port. ERR_IO. */
MUST_USE int datagram_open(struct loop *l, const char *address, uint16_t port, bool streams,
                           datagram_fn on_message, void *arg, struct datagram_socket **ret_s,
                           struct err *err);
/** The port that @s is bound to, for UDP and TCP alike. */
uint16_t datagram_port(const struct datagram_socket *s);
/** Sends @message (copied) back to @peer; what cannot be sent is dropped, as UDP does. */
void datagram_send(struct datagram_socket *s, const struct datagram_peer *peer, struct str message);
/** Fills @ret_peer from an address and port. ERR_BAD_REQUEST. */
MUST_USE int datagram_peer(const char *address, uint16_t port, struct datagram_peer *ret_peer,
                           struct err *err);
/** True if both are the same address and port. */
bool datagram_peer_equal(const struct datagram_peer *a, const struct datagram_peer *b);
/** Closes; no callback follows. NULL is a no-op; returns NULL. */
struct datagram_socket *datagram_close(struct datagram_socket *s);
