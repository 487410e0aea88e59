/* SPDX-License-Identifier: Apache-2.0 */
/* sub_token.c - POST serviceaccounts/<name>/token: a signed token for a ServiceAccount. */
#include "apiserver/write.h"
#include "base/random.h"
#include "net/crypto.h"

enum { TOKEN_MIN_SEC = 600, TOKEN_DEFAULT_SEC = 3600, TOKEN_WARN_SEC = 3607 };
#define TOKEN_MAX_SEC      (INT64_C(1) << 32)
#define TOKEN_EXTENDED_SEC (INT64_C(365) * 24 * 3600)

struct bound {                          /* what a token is bound to */
    struct object *pod, *secret, *node; /* references */
};

static void bound_release(struct bound *b)
{
    object_unref(b->pod);
    object_unref(b->secret);
    object_unref(b->node);
}

static enum stage_result check(struct request *rq, const struct authentication_token_request *t)
{
    struct field_errors errs = {.arena = rq->arena};
    struct path spec = path_field(NULL, "spec"), exp = path_field(&spec, "expirationSeconds");
    int64_t sec = *t->spec.expiration_seconds;

    if (sec < TOKEN_MIN_SEC)
        err_invalid(&errs, &exp, doc_int(sec), "may not specify a duration less than 10 minutes");
    if (sec > TOKEN_MAX_SEC)
        err_invalid(&errs, &exp, doc_int(sec),
                    "may not specify a duration larger than 2^32 seconds");
    if (errs.n > 0)
        return request_fail_invalid(rq, "authentication.k8s.io", "TokenRequest", STR(""), &errs);
    return STAGE_NEXT;
}

static enum stage_result find_bound(struct request *rq, const struct resource *res, struct str ns,
                                    const struct authentication_bound_object_reference *ref,
                                    struct object **ret_o)
{
    struct object *o =
        cache_find(store_cache(rq->as->store, res), resource_key(res, ns, ref->name, rq->arena));
    enum stage_result r;

    if (!o)
        return request_fail_object(rq, ERR_NOT_FOUND, res, ref->name, NULL);
    if (!str_empty(ref->uid) && !str_eq(ref->uid, o->uid)) {
        r = request_fail_object(rq, ERR_CONFLICT, res, ref->name,
                                "the UID in the bound object reference (%.*s) does not match the "
                                "UID in record. The object might have been deleted and then "
                                "recreated",
                                STR_ARG(ref->uid));
        object_unref(o);
        return r;
    }
    *ret_o = o;
    return STAGE_NEXT;
}

static enum stage_result bind_pod(struct request *rq, struct bound *b)
{
    const struct core_pod *pod = OBJECT_AS(core_pod, b->pod);

    if (!str_eq(pod->spec.service_account_name, rq->name))
        return request_failf(rq, ERR_BAD_REQUEST,
                             "cannot bind token for serviceaccount \"%.*s\" to pod running with "
                             "different serviceaccount name.",
                             STR_ARG(rq->name));
    if (!str_empty(pod->spec.node_name))
        b->node =
            cache_find(store_cache(rq->as->store, &res_core_nodes),
                       resource_key(&res_core_nodes, STR(""), pod->spec.node_name, rq->arena));
    return STAGE_NEXT;
}

static enum stage_result bind(struct request *rq, const struct authentication_token_request *t,
                              struct bound *b)
{
    const struct authentication_bound_object_reference *ref = t->spec.bound_object_ref;
    enum stage_result r;

    if (!ref)
        return STAGE_NEXT;
    if (str_eqz(ref->kind, "Pod") && str_eqz(ref->api_version, "v1")) {
        r = find_bound(rq, &res_core_pods, rq->ns, ref, &b->pod);
        return r == STAGE_NEXT ? bind_pod(rq, b) : r;
    }
    if (str_eqz(ref->kind, "Secret") && str_eqz(ref->api_version, "v1"))
        return find_bound(rq, &res_core_secrets, rq->ns, ref, &b->secret);
    if (str_eqz(ref->kind, "Node") && str_eqz(ref->api_version, "v1"))
        return find_bound(rq, &res_core_nodes, STR(""), ref, &b->node);
    return request_failf(rq, ERR_BAD_REQUEST, "cannot bind token to object of type %.*s, Kind=%.*s",
                         STR_ARG(ref->api_version), STR_ARG(ref->kind));
}

static void write_ref(struct buf *out, const char *key, const struct object *o)
{
    if (!o)
        return;
    buf_printf(out, ",\"%s\":{\"name\":", key);
    json_write_string(out, o->name);
    buf_puts(out, ",\"uid\":");
    json_write_string(out, o->uid);
    buf_putc(out, '}');
}

static void write_claims(struct request *rq, const struct authentication_token_request *t,
                         const struct object *account, const struct bound *b, int64_t now_sec,
                         int64_t life_sec, struct buf *out)
{
    char jti[37];

    random_uuid(loop_random(rq->loop), jti);
    buf_puts(out, "{\"aud\":[");
    for (size_t i = 0; i < t->spec.audiences.n; i++) {
        if (i > 0)
            buf_putc(out, ',');
        json_write_string(out, t->spec.audiences.v[i]);
    }
    buf_printf(out, "],\"exp\":%lld,\"iat\":%lld,\"iss\":", (long long)(now_sec + life_sec),
               (long long)now_sec);
    json_write_string(out, str_from(rq->as->opts.token_issuer));
    buf_printf(out, ",\"jti\":\"%s\",\"kubernetes.io\":{\"namespace\":", jti);
    json_write_string(out, rq->ns);
    write_ref(out, "node", b->node);
    write_ref(out, "pod", b->pod);
    write_ref(out, "secret", b->secret);
    write_ref(out, "serviceaccount", account);
    if (life_sec != *t->spec.expiration_seconds)
        buf_printf(out, ",\"warnafter\":%lld", (long long)(now_sec + *t->spec.expiration_seconds));
    buf_printf(out, "},\"nbf\":%lld,\"sub\":", (long long)now_sec);
    json_write_string(out, str_printf(rq->arena, "system:serviceaccount:%.*s:%.*s", STR_ARG(rq->ns),
                                      STR_ARG(rq->name)));
    buf_putc(out, '}');
}

static enum stage_result sign(struct request *rq, struct authentication_token_request *t,
                              const struct object *account, const struct bound *b)
{
    int64_t now_sec = loop_wall_ns(rq->loop) / 1000000000;
    int64_t life_sec = *t->spec.expiration_seconds;
    bool api_only =
        t->spec.audiences.n == 1 && str_eqz(t->spec.audiences.v[0], rq->as->opts.token_issuer);
    auto_buf claims = {0};
    struct err err = {0};

    /* What kubelets ask for lives a year, so that clients that never read it anew go on. */
    if (b->pod && api_only && life_sec == TOKEN_WARN_SEC)
        life_sec = TOKEN_EXTENDED_SEC;
    write_claims(rq, t, account, b, now_sec, life_sec, &claims);
    if (!rq->as->opts.token_key)
        return request_failf(rq, ERR_INTERNAL, "failed to generate token: there is no key");
    if (jwt_sign(rq->as->opts.token_key, buf_view(&claims), rq->arena, &t->status.token, &err) < 0)
        return request_failf(rq, ERR_INTERNAL, "failed to generate token: %s", err.msg);
    t->status.expiration_timestamp =
        (struct time_value){.sec = now_sec + *t->spec.expiration_seconds, .set = true};
    return request_answer_typed(rq, 201, &type_authentication_token_request, t);
}

enum stage_result stage_account_token(struct request *rq)
{
    struct authentication_token_request *t;
    struct bound b = {0};
    struct object *account;
    void *body;
    enum stage_result r = decode_body(rq, &type_authentication_token_request, &body);

    if (r != STAGE_NEXT)
        return r;
    t = body;
    if (!str_empty(t->metadata.name) && !str_eq(t->metadata.name, rq->name))
        return request_failf(rq, ERR_BAD_REQUEST,
                             "requested name \"%.*s\" does not match the serviceaccount \"%.*s\"",
                             STR_ARG(t->metadata.name), STR_ARG(rq->name));
    if (!t->spec.expiration_seconds) {
        t->spec.expiration_seconds = arena_new(rq->arena, int64_t);
        *t->spec.expiration_seconds = TOKEN_DEFAULT_SEC;
    }
    r = check(rq, t);
    if (r != STAGE_NEXT)
        return r;
    account = cache_find(store_cache(rq->as->store, &res_core_serviceaccounts),
                         resource_key(&res_core_serviceaccounts, rq->ns, rq->name, rq->arena));
    if (!account)
        return request_fail_object(rq, ERR_NOT_FOUND, &res_core_serviceaccounts, rq->name, NULL);
    if (t->spec.audiences.n == 0) {
        t->spec.audiences.v = arena_new(rq->arena, struct str);
        t->spec.audiences.v[0] = str_from(rq->as->opts.token_issuer);
        t->spec.audiences.n = 1;
    }
    t->metadata.name = rq->name;
    t->metadata.namespace = rq->ns;
    t->metadata.creation_timestamp = time_from_ns(loop_wall_ns(rq->loop));
    t->metadata.creation_timestamp.nsec = 0;
    r = bind(rq, t, &b);
    if (r == STAGE_NEXT)
        r = sign(rq, t, account, &b);
    bound_release(&b);
    object_unref(account);
    return r;
}
