/* bootstrap.h - the objects that every cluster has: what each part adds to a transaction.
 *
 * Each function adds what is absent, or differs where the server must have its way.
 * Internal to apiserver/. Threads: the main API loop.
 */
#pragma once
#include "apiserver/system_write.h"

void bootstrap_namespaces(struct apiserver *as, struct system_write *w); /** default, kube-*. */
void bootstrap_priorities(struct apiserver *as, struct system_write *w); /** PriorityClasses. */
/** ServiceCIDR, Service default/kubernetes with its address; and where this is the only server,
 *  Endpoints and EndpointSlice. */
void bootstrap_service(struct apiserver *as, struct system_write *w);
/** Endpoints and EndpointSlice default/kubernetes of servers at @ips[n], n > 0. */
void bootstrap_endpoints(struct apiserver *as, struct system_write *w, const struct str *ips,
                         size_t n);
void bootstrap_configmaps(struct apiserver *as, struct system_write *w); /** Of kube-system. */
void bootstrap_rbac(struct apiserver *as, struct system_write *w);       /** Roles, bindings. */
void bootstrap_flow(struct apiserver *as, struct system_write *w); /** Flow schemas and levels. */

/** The stored object, a reference; NULL if absent. */
struct object *bootstrap_find(struct apiserver *as, struct system_write *w,
                              const struct resource *res, struct str ns, struct str name);
/** Puts @typed, with defaults set, unless an object of its name is there. True if it was put. */
bool bootstrap_ensure(struct apiserver *as, struct system_write *w, const struct resource *res,
                      void *typed);
