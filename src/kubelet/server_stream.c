/* SPDX-License-Identifier: Apache-2.0 */
/* server_stream.c - exec, attach, port-forward: the caller's WebSocket joined to the runtime's. */
#include "kubelet/server.h"

void server_stream(struct server_request *s)
{
    server_refuse(s, 501, "this node's kubelet does not stream");
}
