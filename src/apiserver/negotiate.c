/* negotiate.c - in which form bodies come and go: Accept and Content-Type against what there is. */
#include "apiserver/stages.h"

enum { CLAUSES_MAX = 32, PARAMS_MAX = 16 };

struct param {
    struct str name, value;
};
struct clause { /* of an Accept header: one media range */
    struct str type, subtype;
    struct param params[PARAMS_MAX];
    size_t n_params;
    int q; /* thousandths */
};
static const struct offered {
    const char *type, *subtype;
    enum media media;
} offers[] = {
    {"application", "json", MEDIA_JSON},
    {"application", "yaml", MEDIA_YAML},
    {"application", "vnd.kubernetes.protobuf", MEDIA_PROTOBUF},
};
#define ALL_MEDIA    "application/json, application/yaml, application/vnd.kubernetes.protobuf"
#define STREAM_MEDIA "application/json, application/vnd.kubernetes.protobuf"
#define PATCH_MEDIA                                                                                \
    "application/json-patch+json, application/merge-patch+json, "                                  \
    "application/strategic-merge-patch+json"
#define UNKNOWN_FORMAT                                                                             \
    "the body of the request was in an unknown format - accepted media types include: "

/* "0.8" as 800; what is no number counts as 1. */
static int parse_q(struct str s)
{
    int q = 0, scale = 1000;
    bool fraction = false;

    for (size_t i = 0; i < s.len; i++) {
        char c = s.p[i];

        if (c == '.' && !fraction) {
            fraction = true;
        } else if (c >= '0' && c <= '9') {
            if (fraction)
                scale /= 10;
            q = fraction ? q + (c - '0') * scale : (c - '0') * 1000;
        } else {
            return 1000;
        }
    }
    return MIN(q, 1000);
}

static struct str unquote(struct str s)
{
    if (s.len >= 2 && s.p[0] == '"' && s.p[s.len - 1] == '"')
        return str_sub(s, 1, s.len - 2);
    return s;
}

static bool parse_clause(struct str text, struct clause *c)
{
    struct str params, range = str_trim(str_cut(text, ';', &params));

    *c = (struct clause){.q = 1000};
    if (str_empty(range))
        return false;
    c->type = str_trim(str_cut(range, '/', &c->subtype));
    c->subtype = str_trim(c->subtype);
    if (str_empty(c->subtype) && str_eqz(c->type, "*"))
        c->subtype = STR("*");
    while (params.len) {
        struct str value, name = str_trim(str_cut(params, ';', &params));

        name = str_trim(str_cut(name, '=', &value));
        value = unquote(str_trim(value));
        if (str_ieq(name, STR("q")))
            c->q = parse_q(value);
        else if (c->n_params < PARAMS_MAX)
            c->params[c->n_params++] = (struct param){name, value};
    }
    return true;
}

static size_t count_clauses(struct str accept)
{
    size_t n = 1;

    for (size_t i = 0; i < accept.len; i++)
        n += accept.p[i] == ',';
    return MIN(n, (size_t)CLAUSES_MAX);
}

/* The clauses of @accept, best first; equal ones as they came. */
static size_t parse_accept(struct str accept, struct clause *clauses, size_t max)
{
    size_t n = 0;

    while (accept.len && n < max) {
        struct clause c;
        size_t at = n;

        if (!parse_clause(str_cut(accept, ',', &accept), &c))
            continue;
        while (at > 0 && clauses[at - 1].q < c.q) {
            clauses[at] = clauses[at - 1];
            at--;
        }
        clauses[at] = c;
        n++;
    }
    return n;
}

static struct str clause_param(const struct clause *c, const char *name)
{
    for (size_t i = 0; i < c->n_params; i++) {
        if (str_eqz(c->params[i].name, name))
            return c->params[i].value;
    }
    return STR_NULL;
}

/* The form that a clause's as= asks for; false if it is none that is offered with @media. */
static bool clause_transform(const struct clause *c, enum media media, enum transform *ret_form)
{
    struct str as = clause_param(c, "as"), group = clause_param(c, "g");
    struct str version = clause_param(c, "v");

    *ret_form = AS_OBJECT;
    if (str_empty(as))
        return true;
    if (!str_eqz(group, "meta.k8s.io") || !(str_eqz(version, "v1") || str_eqz(version, "v1beta1")))
        return false;
    if (str_eqz(as, "Table")) {
        *ret_form = AS_TABLE;
        return media != MEDIA_PROTOBUF;
    }
    *ret_form = AS_PARTIAL;
    return str_eqz(as, "PartialObjectMetadata") || str_eqz(as, "PartialObjectMetadataList");
}

static bool clause_offers(const struct clause *c, const struct offered *o)
{
    return (str_eqz(c->type, "*") || str_ieq(c->type, str_from(o->type))) &&
           (str_eqz(c->subtype, "*") || str_ieq(c->subtype, str_from(o->subtype)));
}

/* Takes the first clause that fits. False: nothing does. */
static bool choose(struct request *rq, struct str accept)
{
    size_t max = count_clauses(accept);
    struct clause *clauses = arena_calloc(rq->arena, max, sizeof(*clauses));
    size_t n = parse_accept(accept, clauses, max);

    for (size_t i = 0; i < n; i++) {
        const struct clause *c = &clauses[i];

        for (size_t k = 0; k < ARRAY_LEN(offers); k++) {
            enum transform form;

            if (!clause_offers(c, &offers[k]) || !clause_transform(c, offers[k].media, &form))
                continue;
            rq->out_media = offers[k].media;
            rq->as_form = form;
            rq->pretty = str_eqz(clause_param(c, "pretty"), "1");
            return true;
        }
    }
    return false;
}

static bool parse_bool(struct str s)
{
    return str_eqz(s, "1") || str_eqz(s, "t") || str_eqz(s, "T") || str_eqz(s, "true") ||
           str_eqz(s, "True") || str_eqz(s, "TRUE");
}

static bool wants_pretty(const struct request *rq)
{
    struct str given = request_param(rq, "pretty");
    struct str agent = http_header_find(rq->head, "user-agent");

    if (given.len)
        return parse_bool(given);
    return str_has_prefix(agent, STR("curl")) || str_has_prefix(agent, STR("Wget")) ||
           str_has_prefix(agent, STR("Mozilla/5.0"));
}

bool negotiate_gzip(const struct request *rq)
{
    struct str encodings = rq->head ? http_header_find(rq->head, "accept-encoding") : STR_NULL;

    while (encodings.len) {
        struct str item = str_cut(encodings, ',', &encodings), params;

        if (str_eqz(str_trim(str_cut(item, ';', &params)), "gzip"))
            return !str_eqz(str_trim(params), "q=0");
    }
    return false;
}

/* Logs, exec and their like: bytes, whatever the client says it takes. */
static bool streams(const struct request *rq)
{
    return rq->subres && !rq->subres->type;
}

static enum stage_result negotiate_out(struct request *rq)
{
    struct str accept = http_header_find(rq->head, "accept");
    bool watch = rq->is_resource && rq->verb == VERB_WATCH;

    if (str_empty(str_trim(accept)))
        accept = STR("*/*");
    if (!choose(rq, accept)) {
        if (rq->is_resource && !streams(rq))
            return request_failf(rq, ERR_NOT_ACCEPTABLE,
                                 "only the following media types are accepted: %s",
                                 watch ? STREAM_MEDIA : ALL_MEDIA);
        rq->out_media = MEDIA_JSON; /* of errors; an endpoint with forms reads Accept itself */
    }
    if (watch && rq->out_media == MEDIA_YAML) {
        rq->out_media = MEDIA_JSON;
        return request_failf(rq, ERR_NOT_ACCEPTABLE,
                             "only the following media types are accepted: " STREAM_MEDIA);
    }
    rq->pretty = rq->pretty || wants_pretty(rq);
    return STAGE_NEXT;
}

static enum stage_result negotiate_body(struct request *rq)
{
    struct str type = http_header_find(rq->head, "content-type"), params;

    if (str_empty(type)) {
        rq->in_media = MEDIA_JSON;
        return STAGE_NEXT;
    }
    type = str_trim(str_cut(type, ';', &params));
    for (size_t i = 0; i < ARRAY_LEN(offers); i++) {
        struct str subtype, t = str_cut(type, '/', &subtype);

        if (str_ieq(t, str_from(offers[i].type)) && str_ieq(subtype, str_from(offers[i].subtype))) {
            rq->in_media = offers[i].media;
            return STAGE_NEXT;
        }
    }
    return request_failf(rq, ERR_MEDIA_TYPE, UNKNOWN_FORMAT ALL_MEDIA);
}

static enum stage_result negotiate_patch(struct request *rq)
{
    struct str params;

    rq->patch_type = str_trim(str_cut(http_header_find(rq->head, "content-type"), ';', &params));
    if (str_eqz(rq->patch_type, "application/json-patch+json") ||
        str_eqz(rq->patch_type, "application/merge-patch+json") ||
        str_eqz(rq->patch_type, "application/strategic-merge-patch+json"))
        return STAGE_NEXT;
    return request_failf(rq, ERR_MEDIA_TYPE, UNKNOWN_FORMAT PATCH_MEDIA);
}

static enum stage_result negotiate_table(struct request *rq)
{
    static const char *const values[] = {"", "Metadata", "None", "Object", NULL};
    struct str include = request_param(rq, "includeObject");
    struct field_errors errs = {.arena = rq->arena};
    struct path at = path_field(NULL, "includeObject");

    rq->table_include = INCLUDE_METADATA;
    if (rq->as_form != AS_TABLE || str_empty(include) || str_eqz(include, "Metadata"))
        return STAGE_NEXT;
    if (str_eqz(include, "None")) {
        rq->table_include = INCLUDE_NONE;
        return STAGE_NEXT;
    }
    if (str_eqz(include, "Object")) {
        rq->table_include = INCLUDE_OBJECT;
        return STAGE_NEXT;
    }
    err_not_supported(&errs, &at, include, values);
    return request_fail_invalid(rq, "meta.k8s.io", "TableOptions", STR(""), &errs);
}

enum stage_result stage_negotiate(struct request *rq)
{
    enum stage_result r = negotiate_out(rq);

    if (r != STAGE_NEXT || !rq->is_resource || streams(rq))
        return r;
    r = negotiate_table(rq);
    if (r != STAGE_NEXT)
        return r;
    if (rq->verb == VERB_PATCH)
        return negotiate_patch(rq);
    if (rq->verb == VERB_CREATE || rq->verb == VERB_UPDATE || rq->body.len)
        return negotiate_body(rq);
    return STAGE_NEXT;
}
