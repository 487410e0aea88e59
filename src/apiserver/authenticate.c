/* SPDX-License-Identifier: Apache-2.0 */
/* authenticate.c - who sends this request: client certificate, bearer token, or nobody in
 * particular. */
#include "apiserver/authn.h"
#include "apiserver/inproc.h"
#include "base/map.h"
#include "codec/base64.h"
#include "net/websocket.h"

struct authn {
    struct arena arena;
    struct map tokens; /* token -> struct user_info */
    const struct clock *clock;
};

void user_add_group(struct user_info *user, struct arena *a, const char *group)
{
    size_t n = user->groups.n;

    for (size_t i = 0; i < n; i++)
        if (str_eqz(user->groups.v[i], group))
            return;
    user->groups.v = arena_grow(a, user->groups.v, n, n + 1, sizeof(*user->groups.v));
    user->groups.v[n] = str_from(group);
    user->groups.n = n + 1;
}

/* Takes the next field of a CSV line; quotes around it are taken off, doubled ones inside are one.
 */
static struct str csv_field(struct str *line, struct arena *a)
{
    char *out;
    size_t n = 0, i = 1;

    if (line->len == 0 || line->p[0] != '"')
        return str_trim(str_cut(*line, ',', line));
    out = arena_alloc(a, line->len);
    for (; i < line->len; i++) {
        if (line->p[i] == '"' && (i + 1 >= line->len || line->p[i + 1] != '"'))
            break;
        if (line->p[i] == '"')
            i++;
        out[n++] = line->p[i];
    }
    *line = str_sub(*line, i + 1, line->len);
    (void)str_cut(*line, ',', line);
    return (struct str){out, n};
}

int authn_read_tokens(struct authn *n, struct str csv, struct err *err)
{
    struct str rest = str_dup(&n->arena, csv);
    unsigned number = 0;

    while (rest.p) {
        struct str line = str_trim(str_cut(rest, '\n', &rest));
        struct user_info *u;
        struct str token, groups;

        number++;
        if (str_empty(line) || line.p[0] == '#')
            continue;
        u = arena_new(&n->arena, struct user_info);
        token = csv_field(&line, &n->arena);
        u->name = csv_field(&line, &n->arena);
        u->uid = csv_field(&line, &n->arena);
        groups = csv_field(&line, &n->arena);
        if (str_empty(token) || str_empty(u->name))
            return err_new(err, ERR_INVALID, "token file: line %u has no token or no user", number);
        while (!str_empty(groups)) {
            struct str g = str_trim(str_cut(groups, ',', &groups));

            if (!str_empty(g))
                user_add_group(u, &n->arena, str_dupz(&n->arena, g));
        }
        user_add_group(u, &n->arena, "system:authenticated");
        map_set(&n->tokens, token, u);
    }
    return 0;
}

const struct user_info *authn_static(const struct authn *n, struct str token)
{
    return map_find(&n->tokens, token);
}

int64_t authn_now_sec(const struct authn *n)
{
    return n->clock->wall_ns(n->clock) / 1000000000;
}

int authn_start(struct apiserver *as, struct err *err)
{
    as->authn = xnew(struct authn);
    as->authn->clock = loop_clock(as->loop); /* for every loop that serves requests */
    return authn_read_tokens(as->authn, as->opts.static_tokens, err);
}

void authn_free(struct apiserver *as)
{
    if (!as->authn)
        return;
    map_deinit(&as->authn->tokens);
    arena_deinit(&as->authn->arena);
    free(as->authn);
    as->authn = NULL;
}

static void add_extra(struct user_info *user, struct arena *a, const char *key, struct str value)
{
    struct user_extra *x;

    user->extra =
        arena_grow(a, user->extra, user->n_extra, user->n_extra + 1, sizeof(*user->extra));
    x = &user->extra[user->n_extra++];
    x->key = str_from(key);
    x->values.v = arena_new(a, struct str);
    x->values.v[0] = value;
    x->values.n = 1;
}

static bool by_certificate(struct request *rq)
{
    const struct http_peer *peer = &rq->head->peer;

    if (!peer->has_cert || str_empty(peer->common_name))
        return false;
    rq->user.name = peer->common_name;
    rq->user.groups.v = arena_calloc(rq->arena, peer->n_organizations + 1, sizeof(struct str));
    for (size_t i = 0; i < peer->n_organizations; i++)
        rq->user.groups.v[rq->user.groups.n++] = peer->organizations[i];
    user_add_group(&rq->user, rq->arena, "system:authenticated");
    add_extra(&rq->user, rq->arena, "authentication.kubernetes.io/credential-id",
              str_printf(rq->arena, "X509SHA256=%.*s", STR_ARG(peer->sha256_hex)));
    return true;
}

/* The token of the Authorization header, or of a WebSocket's sub-protocols. */
static struct str bearer(struct request *rq)
{
    struct str rest, value = str_trim(http_header_find(rq->head, "authorization"));
    struct str scheme = str_cut(value, ' ', &rest);
    struct str *protocols, token;
    size_t n;

    if (str_ieq(scheme, STR("bearer")))
        return str_trim(rest);
    if (!websocket_requested(rq->head))
        return STR_NULL;
    n = websocket_protocols(rq->head, rq->arena, &protocols);
    for (size_t i = 0; i < n; i++)
        if (str_has_prefix(protocols[i], STR(WEBSOCKET_TOKEN_PREFIX)) &&
            base64url_decode(
                str_sub(protocols[i], sizeof(WEBSOCKET_TOKEN_PREFIX) - 1, protocols[i].len),
                rq->arena, &token, NULL) == 0)
            return token;
    return STR_NULL;
}

static void take_inproc(struct request *rq)
{
    const struct inproc_call *call = rq->inproc;

    rq->user.name = call->user;
    for (size_t i = 0; call->groups && call->groups[i]; i++)
        user_add_group(&rq->user, rq->arena, call->groups[i]);
    user_add_group(&rq->user, rq->arena, "system:authenticated");
}

enum stage_result stage_authenticate(struct request *rq)
{
    struct err err = {0};
    struct str token;

    if (rq->inproc) {
        take_inproc(rq);
        return STAGE_NEXT;
    }
    if (by_certificate(rq))
        return authn_impersonate(rq);
    token = bearer(rq);
    if (!str_empty(token)) {
        if (authn_token(rq->as, rq->arena, token, NULL, &rq->user, NULL, &err) < 0)
            return request_failf(rq, ERR_UNAUTHORIZED, "Unauthorized");
        return authn_impersonate(rq);
    }
    if (!rq->as->opts.anonymous_auth)
        return request_failf(rq, ERR_UNAUTHORIZED, "Unauthorized");
    rq->user.name = STR("system:anonymous");
    user_add_group(&rq->user, rq->arena, "system:unauthenticated");
    return authn_impersonate(rq);
}
