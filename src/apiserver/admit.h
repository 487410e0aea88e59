/* admit.h - the admission plugins, by file, and what they share. Internal to apiserver/.
 * Threads: the request's loop. */
#pragma once
#include "apiserver/admission.h"
#include "apiserver/stages.h"

/** How messages name the object of @rq: its name, or what it will be generated from. */
struct str admit_name(const struct request *rq);
/** 403 "<resource> \"<name>\" is forbidden: <why>". */
enum stage_result admit_forbid(struct request *rq, const char *why, ...) PRINTF_LIKE(2, 3);
/** True if @rq is about a @res itself, not one of its subresources. */
bool admit_is(const struct request *rq, const struct resource *res);
/** A random suffix of five characters, as generated names have; in the request's arena. */
struct str admit_suffix(struct request *rq);

/* admit_namespace.c */
enum stage_result admit_namespace(struct request *rq); /** NamespaceLifecycle. */

/* admit_account.c */
enum stage_result admit_account(struct request *rq); /** ServiceAccount. */

/* admit_priority.c */
enum stage_result admit_priority(struct request *rq);       /** Priority: of pods. */
enum stage_result admit_priority_class(struct request *rq); /** Priority: one global default. */

/* admit_defaults.c */
enum stage_result admit_tolerations(struct request *rq);   /** DefaultTolerationSeconds. */
enum stage_result admit_node_taint(struct request *rq);    /** TaintNodesByCondition. */
enum stage_result admit_storage_class(struct request *rq); /** DefaultStorageClass. */
enum stage_result admit_ingress_class(struct request *rq); /** DefaultIngressClass. */
enum stage_result admit_runtime_class(struct request *rq); /** RuntimeClass. */
enum stage_result admit_topology(struct request *rq);      /** PodTopologyLabels: bound pods. */
/** Copies zone and region of the node that @pod is bound to onto the pod. */
void admit_copy_topology(struct request *rq, struct core_pod *pod);

/* admit_limits.c */
enum stage_result admit_limit_defaults(struct request *rq); /** LimitRanger: fills. */
enum stage_result admit_limits(struct request *rq);         /** LimitRanger: checks. */

/* admit_rbac.c */
/** Nobody grants by a role or a binding what he does not have: upstream's checks in the storage of
 *  roles and bindings. */
enum stage_result admit_rbac(struct request *rq);

/* admit_node.c */
enum stage_result admit_node(struct request *rq); /** NodeRestriction. */

/* admit_certificates.c */
/** CertificateApproval and CertificateSigning. */
enum stage_result admit_certificates(struct request *rq);
