/* stages.h - every stage of the pipeline and what they share, by the file that has it. Internal to
 * apiserver/.
 *
 * A stage_fn returns STAGE_NEXT, STAGE_DONE or STAGE_WAIT (see request.h). The order of an
 * HTTP request is the table in pipeline.c:
 *
 *     route, authenticate, inflight, authorize, negotiate, options, fresh, dispatch
 *
 * and of a call in the process: authorize, fresh, dispatch. A stage that waits calls
 * request_resume(rq, fn) later: fn takes the place of the stage that waited, so its STAGE_NEXT goes
 * on behind that.
 *
 * While a stage waits it may set rq->on_cancel, called once on the request's loop when the peer
 * went away, the time ran out, or the server stops; the stage still has to resume (soon), and the
 * answer that it then gives goes nowhere. References held by callbacks are the callbacks' to drop.
 *
 * Layer: apiserver. Threads: the request's
 * loop. */
#pragma once
#include "apiserver/admission.h"
#include "apiserver/apiserver_internal.h"

/* route.c */
/** method, path, params, and for resources verb .. subres. Also the target's validity (400), and
 *  methods that no resource has (405): rq->verb is a verb in all later stages. An unknown resource
 * is no error here: res stays NULL, and dispatch answers once authorized. */
enum stage_result stage_route(struct request *rq);

/* authenticate.c */
/** user, from certificate, bearer token or nothing (anonymous); Impersonate-* headers. 401. */
enum stage_result stage_authenticate(struct request *rq);

/* pipeline.c */
/** Bounds how many short requests run at a time. 429. */
enum stage_result stage_inflight(struct request *rq);

/* authorize.c */
/** May @rq->user do this? 403 with upstream's text. */
enum stage_result stage_authorize(struct request *rq);
struct authz_attributes { /* one question to the authorizers */
    const struct user_info *user;
    struct str verb, api_group, api_version, resource, sub, ns, name; /* of a resource */
    struct str path;                                                  /* of anything else */
    bool is_resource;
    struct str field_selector; /* text; of list, watch, deletecollection */
};
/** True if allowed; @ret_reason (may be NULL; in @a or static) says why or why not. RBAC, Node. */
bool authorize(struct apiserver *as, struct arena *a, const struct authz_attributes *at,
               struct str *ret_reason);

/* negotiate.c */
/** in_media, out_media, as_form, pretty, table_include. 406, 415. */
enum stage_result stage_negotiate(struct request *rq);
/** True if the client asked (Accept, Accept-Encoding: gzip) for compressed answers. */
bool negotiate_gzip(const struct request *rq);

/* options.c */
/** Reads a decimal revision (capped to int64) into *@ret_v. NULL when good; else what is wrong, in
 *  the words of upstream's language, in the request's arena. */
const char *options_revision(struct request *rq, struct str text, int64_t *ret_v);
/** list, write or del (as the verb wants) from the query; the deadline from timeout=. 400, 422. */
enum stage_result stage_options(struct request *rq);
/** Takes a DeleteOptions body (JSON, YAML or protobuf) into @rq->del and @rq->write.dry_run. Called
 * by delete.c, and by sub_eviction.c with the struct that an Eviction carries. 400, 422. */
enum stage_result options_take_delete_body(struct request *rq);
struct meta_delete_options;
/** As above from a struct already decoded; NULL gives nothing. */
enum stage_result options_take_delete(struct request *rq, const struct meta_delete_options *o);

/* fresh.c */
/** Waits, where other servers write to the same store, until this one knows what they have written,
 *  unless the request takes older state. 503, 504. */
enum stage_result stage_fresh(struct request *rq);

struct meta_status;
/* status.c: beside what request.h declares */
/** Answers with @st (kind and apiVersion are set here): adds Retry-After, then respond_status(). */
enum stage_result status_send(struct request *rq, int code, struct meta_status *st);
/** An error that upstream makes no Status reason for: HTTP @http, reason "". */
enum stage_result status_fail_plain(struct request *rq, int http, const char *text);
/** Upstream's answers to paths and methods of a served group that do not exist: 404 and 405. */
enum stage_result status_fail_unrouted(struct request *rq, int http);
/** AlreadyExists of a name that was generated. */
enum stage_result status_fail_generated(struct request *rq, struct str name);

/* dispatch.c */
/** Hands on to the verb, the subresource (subresources.c) or, for what is no resource, to the path
 *  (endpoints.c). 404, 405. */
enum stage_result stage_dispatch(struct request *rq);

/* endpoints.c: paths that are no resources */
struct endpoint {
    const char *path; /* "/version" */
    bool below;       /* also everything below it: "/livez" serves "/livez/ping" */
    stage_fn get;     /* GET and HEAD; other methods are 405 */
};
/** Searched in order; ended by a NULL path. */
extern const struct endpoint endpoints[];

/* subresources.c: subresources that are not a view of the object itself */
struct subresource_handler {
    const char *group, *plural, *sub;
    unsigned verbs; /* VERB_BIT()s */
    stage_fn fn;
};
/** Ended by a NULL plural. What is not in it (status, finalize, ephemeralcontainers, resize,
 * approval) goes to get, update and patch like the object. "*" as plural stands for every
 * resource. */
extern const struct subresource_handler subresource_handlers[];
/** Resources that are computed, never stored (reviews, ComponentStatus). NULL plural ends; sub
 *  unused. */
extern const struct subresource_handler ephemeral_handlers[];

/* get.c, list.c, watch.c */
enum stage_result stage_get(struct request *rq);   /** One object; also of status and its like. */
enum stage_result stage_list(struct request *rq);  /** A list, whole or in chunks. */
enum stage_result stage_watch(struct request *rq); /** A stream of events. */

/** Answers a list with all that @snap holds, taken over, and the request selects. list.c */
enum stage_result list_snapshot(struct request *rq, struct snapshot *snap);

/* components.c */
enum stage_result stage_component_status(struct request *rq); /** GET, LIST of componentstatuses */
/* health.c */
bool health_store(struct apiserver *as); /** Whether the store answers. */

/* create.c, update.c, patch.c, delete.c */
enum stage_result stage_create(struct request *rq); /** POST. */
enum stage_result stage_update(struct request *rq); /** PUT; also of status and its like. */
enum stage_result stage_patch(struct request *rq);  /** PATCH; likewise. */
enum stage_result stage_delete(struct request *rq); /** DELETE of one. */
enum stage_result stage_deletecollection(struct request *rq); /** DELETE of what a list selects. */

/* discovery.c, openapi.c, health.c, version.c, metrics.c: endpoints */
enum stage_result stage_api_versions(struct request *rq);  /** /api, also aggregated. */
enum stage_result stage_api_groups(struct request *rq);    /** /apis, also aggregated. */
enum stage_result stage_api_resources(struct request *rq); /** /api/v1, /apis/<group>... */
enum stage_result stage_root_paths(struct request *rq);    /** / */
enum stage_result stage_openapi_v2(struct request *rq);    /** /openapi/v2 */
enum stage_result stage_openapi_v3(struct request *rq);    /** /openapi/v3 and below. */
enum stage_result stage_health(struct request *rq);  /** /livez, /readyz, /healthz and below. */
enum stage_result stage_version(struct request *rq); /** /version */
enum stage_result stage_metrics(struct request *rq); /** /metrics */
/** Counts an answered request. Any loop. metrics.c */
void metrics_request_done(struct request *rq, int status, int64_t duration_ns);

/* backup.c */
enum stage_result stage_backup(struct request *rq); /** /skiff/v1/snapshot */

/* jwks.c */
enum stage_result stage_openid_configuration(struct request *rq); /** /.well-known/... */
enum stage_result stage_openid_jwks(struct request *rq);          /** /openid/v1/jwks */

/* connect.c: streams to a node */
enum stage_result stage_pod_log(struct request *rq);         /** GET pods/log */
enum stage_result stage_pod_exec(struct request *rq);        /** pods/exec */
enum stage_result stage_pod_attach(struct request *rq);      /** pods/attach */
enum stage_result stage_pod_portforward(struct request *rq); /** pods/portforward */
/** pods/proxy, services/proxy, nodes/proxy. connect_proxy.c */
enum stage_result stage_proxy(struct request *rq);

/* sub_*.c */
enum stage_result stage_pod_binding(struct request *rq);  /** POST pods/binding and bindings. */
enum stage_result stage_pod_eviction(struct request *rq); /** POST pods/eviction */
enum stage_result stage_scale(struct request *rq);        /** GET, PUT, PATCH of <workload>/scale */
enum stage_result stage_account_token(struct request *rq); /** POST serviceaccounts/token */

/* reviews.c: computed on create, answered 201 with request_answer_typed() */
enum stage_result stage_token_review(struct request *rq); /** TokenReview: whose token is this? */
enum stage_result stage_self_subject_review(struct request *rq); /** SelfSubjectReview: who am I? */
enum stage_result stage_subject_access_review(struct request *rq); /** SubjectAccessReview. */
/** The same in one namespace. */
enum stage_result stage_local_subject_access_review(struct request *rq);
enum stage_result stage_self_subject_access_review(struct request *rq); /** May I do this? */
enum stage_result stage_self_subject_rules_review(struct request *rq);  /** What may I do? */

/* The parts of parts.c: start, stop and free of each, as struct apiserver_part says. */
int authn_start(struct apiserver *as, struct err *err);         /** authenticate.c */
void authn_free(struct apiserver *as);                          /** authenticate.c */
int rbac_start(struct apiserver *as, struct err *err);          /** authorize.c */
void rbac_stop(struct apiserver *as);                           /** authorize.c */
void rbac_free(struct apiserver *as);                           /** authorize.c */
int discovery_start(struct apiserver *as, struct err *err);     /** discovery.c */
void discovery_free(struct apiserver *as);                      /** discovery.c */
int inproc_server_start(struct apiserver *as, struct err *err); /** inproc.c */
void inproc_server_stop(struct apiserver *as);            /** inproc.c: ends watches and calls. */
void inproc_server_free(struct apiserver *as);            /** inproc.c */
int metrics_start(struct apiserver *as, struct err *err); /** metrics.c */
void metrics_free(struct apiserver *as);                  /** metrics.c */
int service_alloc_start(struct apiserver *as, struct err *err); /** service_alloc.c */
void service_alloc_free(struct apiserver *as);                  /** service_alloc.c */
int connect_start(struct apiserver *as, struct err *err);       /** connect.c */
void connect_stop(struct apiserver *as);                        /** connect.c */
void connect_free(struct apiserver *as);                        /** connect.c */
int bootstrap_start(struct apiserver *as, struct err *err);     /** bootstrap.c: posts its work. */
void bootstrap_stop(struct apiserver *as);                      /** bootstrap.c */
void bootstrap_free(struct apiserver *as);                      /** bootstrap.c */
