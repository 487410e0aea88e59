/* SPDX-License-Identifier: Apache-2.0 */
/* volume_sources.c - what volumes get from the API for one pod alone: tokens of its account, which
 * are renewed long before they end, and the volumes behind its claims. */
#include "codec/json.h"
#include "kubelet/volumes.h"

enum {
    TOKEN_DEFAULT_SEC = 3600,
    RENEW_PERCENT = 80,
    RENEW_MAX_SEC = 24 * 3600,
};

struct volume_token {
    char *audience;
    int64_t asked_sec; /* lifetime asked for */
    char *token;       /* NULL: none yet */
    uint64_t renew_ms; /* loop time */
    char *why;         /* there is none; NULL: not asked */
};

void volume_tokens_free(struct pod_volumes *pv)
{
    for (size_t i = 0; i < pv->tokens.n; i++) {
        struct volume_token *t = pv->tokens.v[i];

        free(t->audience);
        free(t->token);
        free(t->why);
        free(t);
    }
    vec_deinit(&pv->tokens);
}

static int64_t lifetime_sec(const struct core_service_account_token_projection *src)
{
    return src->expiration_seconds ? *src->expiration_seconds : TOKEN_DEFAULT_SEC;
}

static struct volume_token *find(const struct pod_volumes *pv,
                                 const struct core_service_account_token_projection *src)
{
    for (size_t i = 0; i < pv->tokens.n; i++) {
        struct volume_token *t = pv->tokens.v[i];

        if (str_eqz(src->audience, t->audience) && t->asked_sec == lifetime_sec(src))
            return t;
    }
    return NULL;
}

struct str volume_token_find(const struct pod_volumes *pv,
                             const struct core_service_account_token_projection *src,
                             struct err *err)
{
    const struct volume_token *t = find(pv, src);

    if (t && t->token)
        return str_from(t->token);
    (void)err_new(err, ERR_UNAVAILABLE, "failed to fetch token: %s",
                  t && t->why ? t->why : "not asked for");
    return STR_NULL;
}

struct asked { /* a token on its way */
    struct volume_pass *pass;
    struct volume_token *token;
};

static void on_token(void *arg, const struct client_result *r)
{
    struct asked *q = arg;
    struct volume_token *t = q->token;
    struct loop *loop = q->pass->pv->kl->loop;
    auto_arena a = {0};
    struct doc d;
    struct err err = {0};
    struct str text;
    struct time_value ends;
    int64_t left_ms = t->asked_sec * 1000;

    if (r->code < 0 || json_parse(r->json, &a, &d, NULL, &err) < 0 ||
        str_empty(text = doc_path_str(&d, "status.token"))) {
        free(t->why);
        t->why = xstrdup(r->code < 0 && r->err ? r->err->msg : "the answer holds none");
    } else {
        free(t->token);
        t->token = xmemdupz(text.p, text.len);
        if (time_parse(doc_path_str(&d, "status.expirationTimestamp"), &ends, &err) == 0)
            left_ms = (time_ns(ends) - loop_wall_ns(loop)) / 1000000;
        left_ms = MIN(left_ms * RENEW_PERCENT / 100, (int64_t)RENEW_MAX_SEC * 1000);
        t->renew_ms = loop_now_ms(loop) + (uint64_t)MAX(left_ms, 0);
    }
    volume_pass_step(q->pass);
}

static void request(struct volume_pass *p, const struct core_service_account_token_projection *src)
{
    struct pod_volumes *pv = p->pv;
    const struct meta_object_meta *m = &p->pod->metadata;
    struct volume_token *t = find(pv, src);
    struct authentication_bound_object_reference pod = {
        .kind = STR("Pod"), .api_version = STR("v1"), .name = m->name, .uid = m->uid};
    struct authentication_token_request rq = {0};
    struct client_opts opts = {.sub = "token"};
    struct str audience = src->audience;
    struct asked *q;
    int64_t sec = lifetime_sec(src);

    if (!t) {
        t = xnew(struct volume_token);
        t->audience = xmemdupz(audience.p ? audience.p : "", audience.len);
        t->asked_sec = sec;
        vec_push(&pv->tokens, t);
    } else if (t->token && loop_now_ms(pv->kl->loop) < t->renew_ms) {
        return;
    }
    q = arena_new(&p->arena, struct asked);
    q->pass = p;
    q->token = t;
    if (!str_empty(audience)) {
        rq.spec.audiences.v = &audience;
        rq.spec.audiences.n = 1;
    }
    rq.spec.expiration_seconds = &sec;
    rq.spec.bound_object_ref = &pod;
    p->left++;
    client_create(pv->kl->client, &res_core_serviceaccounts, m->namespace,
                  p->pod->spec.service_account_name, &type_authentication_token_request, &rq,
                  &opts, on_token, q);
}

void volume_tokens_request(struct volume_pass *p)
{
    for (size_t i = 0; i < p->pod->spec.volumes.n; i++) {
        const struct core_projected_volume_source *s = p->pod->spec.volumes.v[i].projected;

        for (size_t k = 0; s && k < s->sources.n; k++) {
            if (s->sources.v[k].service_account_token)
                request(p, s->sources.v[k].service_account_token);
        }
    }
}

struct volume_claim {
    char *name; /* of the pod's volume */
    char *path; /* on the host; NULL: not known */
    char *why;
    struct volume_pass *pass; /* that asks */
};

void volume_claims_free(struct pod_volumes *pv)
{
    for (size_t i = 0; i < pv->claims.n; i++) {
        free(pv->claims.v[i]->name);
        free(pv->claims.v[i]->path);
        free(pv->claims.v[i]->why);
        free(pv->claims.v[i]);
    }
    vec_deinit(&pv->claims);
}

static struct volume_claim *find_claim(const struct pod_volumes *pv, struct str name)
{
    for (size_t i = 0; pv && i < pv->claims.n; i++) {
        if (str_eqz(name, pv->claims.v[i]->name))
            return pv->claims.v[i];
    }
    return NULL;
}

const char *volume_claim_path(const struct pod_volumes *pv, struct str name, struct err *err)
{
    const struct volume_claim *c = find_claim(pv, name);

    if (c && c->path)
        return c->path;
    (void)err_new(err, ERR_UNAVAILABLE, "%s", c && c->why ? c->why : "the claim is not known yet");
    return NULL;
}

static void claim_fail(struct volume_claim *c, const char *why)
{
    free(c->why);
    c->why = xstrdup(why);
    volume_pass_step(c->pass);
}

static void on_volume(void *arg, const struct client_result *r)
{
    struct volume_claim *c = arg;
    const struct core_persistent_volume_spec *s;

    if (r->code < 0) {
        claim_fail(c, r->err ? r->err->msg : "");
        return;
    }
    s = &OBJECT_AS(core_persistent_volume, r->object)->spec;
    if (s->host_path)
        c->path = xmemdupz(s->host_path->path.p, s->host_path->path.len);
    else if (s->local)
        c->path = xmemdupz(s->local->path.p, s->local->path.len);
    if (c->path)
        volume_pass_step(c->pass);
    else
        claim_fail(c, "this node can mount persistent volumes of types hostPath and local only");
}

static void on_claim(void *arg, const struct client_result *r)
{
    struct volume_claim *c = arg;
    const struct core_persistent_volume_claim *claim;
    struct kubelet *kl = c->pass->pv->kl;
    auto_arena a = {0};

    if (r->code < 0 || kl->stopping) {
        claim_fail(c, r->err ? r->err->msg : "the kubelet is stopping");
        return;
    }
    claim = OBJECT_AS(core_persistent_volume_claim, r->object);
    if (str_empty(claim->spec.volume_name)) {
        claim_fail(c, arena_printf(&a, "PVC %.*s is not bound",
                                   STR_ARG(claim->metadata.name)));
        return;
    }
    client_get(kl->client, &res_core_persistentvolumes, STR(""), claim->spec.volume_name, NULL,
               on_volume, c);
}

void volume_claims_request(struct volume_pass *p)
{
    const struct core_pod *pod = p->pod;

    for (size_t i = 0; i < pod->spec.volumes.n; i++) {
        const struct core_volume *v = &pod->spec.volumes.v[i];
        struct volume_claim *c = find_claim(p->pv, v->name);
        struct str name;

        if ((!v->persistent_volume_claim && !v->ephemeral) || (c && c->path))
            continue;
        if (!c) {
            c = xnew(struct volume_claim);
            c->name = xmemdupz(v->name.p, v->name.len);
            vec_push(&p->pv->claims, c);
        }
        c->pass = p;
        name = v->ephemeral ? str_printf(&p->arena, "%.*s-%.*s", STR_ARG(pod->metadata.name),
                                         STR_ARG(v->name))
                            : v->persistent_volume_claim->claim_name;
        p->left++;
        client_get(p->pv->kl->client, &res_core_persistentvolumeclaims, pod->metadata.namespace,
                   name, NULL, on_claim, c);
    }
}
