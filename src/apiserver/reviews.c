/* SPDX-License-Identifier: Apache-2.0 */
/* reviews.c - questions about users and rights: computed on create, never stored. */
#include "apiserver/authn.h"
#include "apiserver/rbac.h"
#include "apiserver/write.h"
#include "schema/typed.h"

struct extra_map { /* layout of map<string,[]string> */
    struct extra_entry {
        struct str key;
        struct string_list values;
    } * v;
    size_t n;
};

static void show_user(const struct user_info *u, struct arena *a,
                      struct authentication_user_info *out)
{
    struct extra_map *x = (void *)&out->extra;

    out->username = u->name;
    out->uid = u->uid;
    out->groups = u->groups;
    x->v = arena_calloc(a, u->n_extra + 1, sizeof(*x->v));
    x->n = 0;
    for (size_t i = 0; i < u->n_extra; i++) {
        size_t at = x->n++;

        for (; at > 0 && str_cmp(x->v[at - 1].key, u->extra[i].key) > 0; at--)
            x->v[at] = x->v[at - 1];
        x->v[at] = (struct extra_entry){u->extra[i].key, u->extra[i].values};
    }
    if (x->n == 0)
        x->v = NULL;
}

enum stage_result stage_self_subject_review(struct request *rq)
{
    struct authentication_self_subject_review *review;
    void *body;
    enum stage_result r = decode_body(rq, rq->res->type, &body);

    if (r != STAGE_NEXT)
        return r;
    review = body;
    review->metadata.creation_timestamp = time_from_ns(loop_wall_ns(rq->loop));
    review->metadata.creation_timestamp.nsec = 0;
    show_user(&rq->user, rq->arena, &review->status.user_info);
    return request_answer_typed(rq, 201, rq->res->type, review);
}

enum stage_result stage_token_review(struct request *rq)
{
    struct authentication_token_review *review;
    struct user_info user = {0};
    struct err err = {0};
    void *body;
    enum stage_result r = decode_body(rq, rq->res->type, &body);

    if (r != STAGE_NEXT)
        return r;
    review = body;
    if (str_empty(review->spec.token))
        return request_failf(rq, ERR_BAD_REQUEST,
                             "token is required for TokenReview in "
                             "authentication");
    memset(&review->status, 0, sizeof(review->status));
    if (authn_token(rq->as, rq->arena, review->spec.token, &review->spec.audiences, &user,
                    &review->status.audiences, &err) < 0) {
        review->status.error = str_dup(rq->arena, str_from(err.msg));
    } else {
        review->status.authenticated = true;
        show_user(&user, rq->arena, &review->status.user);
    }
    return request_answer_typed(rq, 201, rq->res->type, review);
}

/* "a=b,c!=d" of a field selector's requirements, as the authorizers read it. */
static struct str selector_text(struct arena *a,
                                const struct authorization_field_selector_attributes *f)
{
    auto_buf t = {0};

    if (!f)
        return STR("");
    if (!str_empty(f->raw_selector))
        return f->raw_selector;
    for (size_t i = 0; i < f->requirements.n; i++) {
        const struct meta_field_selector_requirement *q = &f->requirements.v[i];

        if (!str_eqz(q->operator, "In") || q->values.n != 1)
            continue; /* one that says less restricts less */
        buf_printf(&t, "%s%.*s=%.*s", t.len ? "," : "", STR_ARG(q->key), STR_ARG(q->values.v[0]));
    }
    return str_dup(a, buf_view(&t));
}

static void decide(struct request *rq, const struct user_info *user,
                   const struct authorization_resource_attributes *res,
                   const struct authorization_non_resource_attributes *path,
                   struct authorization_subject_access_review_status *out)
{
    struct authz_attributes at = {.user = user, .is_resource = res != NULL};
    struct str reason = STR("");

    if (res) {
        at.verb = res->verb;
        at.api_group = res->group;
        at.api_version = res->version;
        at.resource = res->resource;
        at.sub = res->subresource;
        at.ns = res->namespace;
        at.name = res->name;
        at.field_selector = selector_text(rq->arena, res->field_selector);
    } else {
        at.verb = path->verb;
        at.path = path->path;
    }
    memset(out, 0, sizeof(*out));
    out->allowed = authorize(rq->as, rq->arena, &at, &reason);
    out->reason = reason;
}

/* Exactly one of the two must be asked about. */
static enum stage_result check_one(struct request *rq, bool resource, bool path)
{
    struct field_errors errs = {.arena = rq->arena};
    struct path spec = path_field(NULL, "spec"), at = path_field(&spec, "nonResourceAttributes");
    struct path other = path_field(&spec, "resourceAttributes");

    if (resource != path)
        return STAGE_NEXT;
    if (resource)
        err_invalid(&errs, &at, doc_string(STR("")),
                    "cannot be specified in combination with resourceAttributes");
    else
        err_invalid(&errs, &other, doc_null(),
                    "exactly one of nonResourceAttributes or resourceAttributes must be specified");
    return request_fail_invalid(rq, rq->res->group, rq->res->kind, STR(""), &errs);
}

enum stage_result stage_self_subject_access_review(struct request *rq)
{
    struct authorization_self_subject_access_review *review;
    void *body;
    enum stage_result r = decode_body(rq, rq->res->type, &body);

    if (r != STAGE_NEXT)
        return r;
    review = body;
    r = check_one(rq, review->spec.resource_attributes, review->spec.non_resource_attributes);
    if (r != STAGE_NEXT)
        return r;
    decide(rq, &rq->user, review->spec.resource_attributes, review->spec.non_resource_attributes,
           &review->status);
    return request_answer_typed(rq, 201, rq->res->type, review);
}

static enum stage_result answer_about(struct request *rq,
                                      const struct authorization_subject_access_review_spec *spec,
                                      struct authorization_subject_access_review_status *status,
                                      const void *review)
{
    struct user_info user = {.name = spec->user, .uid = spec->uid, .groups = spec->groups};
    struct field_errors errs = {.arena = rq->arena};
    struct path sp = path_field(NULL, "spec"), at = path_field(&sp, "user");
    enum stage_result r = check_one(rq, spec->resource_attributes, spec->non_resource_attributes);

    if (r != STAGE_NEXT)
        return r;
    if (str_empty(spec->user) && spec->groups.n == 0) {
        err_invalid(&errs, &at, doc_string(STR("")),
                    "at least one of user or group must be specified");
        return request_fail_invalid(rq, rq->res->group, rq->res->kind, STR(""), &errs);
    }
    decide(rq, &user, spec->resource_attributes, spec->non_resource_attributes, status);
    return request_answer_typed(rq, 201, rq->res->type, review);
}

enum stage_result stage_subject_access_review(struct request *rq)
{
    struct authorization_subject_access_review *review;
    void *body;
    enum stage_result r = decode_body(rq, rq->res->type, &body);

    if (r != STAGE_NEXT)
        return r;
    review = body;
    return answer_about(rq, &review->spec, &review->status, review);
}

enum stage_result stage_local_subject_access_review(struct request *rq)
{
    struct authorization_local_subject_access_review *review;
    struct field_errors errs = {.arena = rq->arena};
    struct path spec = path_field(NULL, "spec"), res = path_field(&spec, "resourceAttributes");
    struct path ns = path_field(&res, "namespace"),
                none = path_field(&spec, "nonResourceAttributes");
    void *body;
    enum stage_result r = decode_body(rq, rq->res->type, &body);

    if (r != STAGE_NEXT)
        return r;
    review = body;
    if (review->spec.non_resource_attributes)
        err_invalid(&errs, &none, doc_string(STR("")), "disallowed on this kind of request");
    else if (review->spec.resource_attributes &&
             !str_eq(review->spec.resource_attributes->namespace, rq->ns))
        err_invalid(&errs, &ns, doc_string(review->spec.resource_attributes->namespace),
                    "must match metadata.namespace");
    if (errs.n > 0)
        return request_fail_invalid(rq, rq->res->group, rq->res->kind, STR(""), &errs);
    review->metadata.namespace = rq->ns;
    return answer_about(rq, &review->spec, &review->status, review);
}

enum stage_result stage_self_subject_rules_review(struct request *rq)
{
    struct authorization_self_subject_rules_review *review;
    struct authorization_subject_rules_review_status *st;
    struct rbac_state *s;
    struct rbac_rules rules;
    void *body;
    enum stage_result r = decode_body(rq, rq->res->type, &body);

    if (r != STAGE_NEXT)
        return r;
    review = body;
    if (str_empty(review->spec.namespace))
        return request_failf(rq, ERR_BAD_REQUEST, "no namespace on request");
    st = &review->status;
    memset(st, 0, sizeof(*st));
    s = rbac_state_get(rq->as->rbac);
    rules = rbac_rules_of(s, rq->arena, &rq->user, review->spec.namespace);
    st->resource_rules.v = arena_calloc(rq->arena, rules.n + 1, sizeof(*st->resource_rules.v));
    st->non_resource_rules.v =
        arena_calloc(rq->arena, rules.n + 1, sizeof(*st->non_resource_rules.v));
    for (size_t i = 0; i < rules.n; i++) {
        const struct rbac_policy_rule *p = rules.v[i];

        if (p->resources.n > 0)
            st->resource_rules.v[st->resource_rules.n++] = (struct authorization_resource_rule){
                p->verbs, p->api_groups, p->resources, p->resource_names};
        if (p->non_resource_urls.n > 0)
            st->non_resource_rules.v[st->non_resource_rules.n++] =
                (struct authorization_non_resource_rule){p->verbs, p->non_resource_urls};
    }
    /* What the Node authorizer allows cannot be told as rules. */
    for (size_t i = 0; i < rq->user.groups.n; i++)
        if (str_eqz(rq->user.groups.v[i], "system:nodes")) {
            st->incomplete = true;
            st->evaluation_error = STR("node authorizer does not support user rule resolution");
        }
    r = request_answer_typed(rq, 201, rq->res->type, review);
    rbac_state_unref(s);
    return r;
}
