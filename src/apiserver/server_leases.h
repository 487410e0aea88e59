/* server_leases.h - this server's entry among those that share a store, and the Endpoints of the
 * Service default/kubernetes made of all of them. Internal to apiserver/. Layer: apiserver.
 * Threads: the main API loop. */
#pragma once
#include "apiserver/apiserver_internal.h"

int server_leases_start(struct apiserver *as, struct err *err); /** Begins to renew. A part. */
void server_leases_stop(struct apiserver *as);                  /** Takes the entry out. */
void server_leases_free(struct apiserver *as);                  /** Frees what start made. */
