/* health.c - /livez, /readyz, /healthz: each a list of checks, answered as a whole or singly. */
#include "apiserver/stages.h"

enum { IN_LIVEZ = 1, IN_READYZ = 2, IN_HEALTHZ = 4, IN_ALL = 7, EXCLUDES_MAX = 64 };
struct check {
    const char *name;
    unsigned in; /* which of the three show it */
    bool (*good)(struct apiserver *as);
};

static bool always(struct apiserver *as)
{
    (void)as;
    return true;
}

static bool booted(struct apiserver *as)
{
    return atomic_load(&as->ready);
}

static bool not_stopping(struct apiserver *as)
{
    return !atomic_load(&as->stopping);
}

/* A store of our own answers from memory; a disk that fails shows in its transactions, not here. */
bool health_store(struct apiserver *as)
{
    return store_healthy(as->store);
}

static const struct check checks[] = {
    {"ping", IN_ALL, always},
    {"log", IN_ALL, always},
    {"etcd", IN_ALL, health_store},
    {"etcd-readiness", IN_READYZ, health_store},
    {"informer-sync", IN_READYZ, always}, /* caches are filled before the server listens */
    {"poststarthook/start-system-namespaces-controller", IN_ALL, booted},
    {"poststarthook/rbac/bootstrap-roles", IN_ALL, booted},
    {"poststarthook/scheduling/bootstrap-system-priority-classes", IN_ALL, booted},
    {"poststarthook/bootstrap-controller", IN_ALL, booted},
    {"shutdown", IN_READYZ, not_stopping},
};

static const struct root {
    const char *path, *name;
    unsigned bit;
} roots[] = {
    {"/livez", "livez", IN_LIVEZ},
    {"/readyz", "readyz", IN_READYZ},
    {"/healthz", "healthz", IN_HEALTHZ},
};

static enum stage_result answer(struct request *rq, int status, struct str body)
{
    static const struct http_header nosniff = {STR_INIT("X-Content-Type-Options"),
                                               STR_INIT("nosniff")};

    vec_push(&rq->headers, nosniff);
    return request_answer_bytes(rq, status, "text/plain; charset=utf-8", body);
}

/* Whether ?exclude= names @check; marks the parameter as used. */
static bool excluded(const struct request *rq, const char *check, bool *used)
{
    bool found = false;

    for (size_t i = 0; i < rq->n_params && i < EXCLUDES_MAX; i++) {
        if (str_eqz(rq->params[i].name, "exclude") && str_eqz(rq->params[i].value, check))
            found = used[i] = true;
    }
    return found;
}

static void warn_unused(const struct request *rq, const bool *used, struct buf *out)
{
    bool any = false;

    for (size_t i = 0; i < rq->n_params && i < EXCLUDES_MAX; i++) {
        if (!str_eqz(rq->params[i].name, "exclude") || used[i])
            continue;
        buf_puts(out, any ? "," : "warn: some health checks cannot be excluded: no matches for ");
        json_go_quote(out, rq->params[i].value);
        any = true;
    }
    if (any)
        buf_putc(out, '\n');
}

static enum stage_result answer_all(struct request *rq, const struct root *root)
{
    bool used[EXCLUDES_MAX] = {false}, failed = false;
    auto_buf out = {0};

    for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
        const struct check *c = &checks[i];

        if (!(c->in & root->bit))
            continue;
        if (excluded(rq, c->name, used)) {
            buf_printf(&out, "[+]%s excluded: ok\n", c->name);
        } else if (c->good(rq->as)) {
            buf_printf(&out, "[+]%s ok\n", c->name);
        } else {
            buf_printf(&out, "[-]%s failed: reason withheld\n", c->name);
            failed = true;
        }
    }
    warn_unused(rq, used, &out);
    if (failed) {
        buf_printf(&out, "%s check failed\n", root->name);
        return answer(rq, 500, buf_view(&out));
    }
    if (!request_param(rq, "verbose").p)
        return answer(rq, 200, STR("ok"));
    buf_printf(&out, "%s check passed\n", root->name);
    return answer(rq, 200, buf_view(&out));
}

static enum stage_result answer_one(struct request *rq, const struct root *root, struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
        const struct check *c = &checks[i];

        if (!(c->in & root->bit) || !str_eqz(name, c->name))
            continue;
        if (c->good(rq->as))
            return answer(rq, 200, STR("ok"));
        return answer(rq, 500, str_printf(rq->arena, "internal server error: %s is not done\n",
                                          c->name));
    }
    return answer(rq, 404, STR("404 page not found\n"));
}

enum stage_result stage_health(struct request *rq)
{
    for (size_t i = 0; i < ARRAY_LEN(roots); i++) {
        const struct root *root = &roots[i];
        struct str rest;

        if (!str_has_prefix(rq->path, str_from(root->path)))
            continue;
        rest = str_sub(rq->path, strlen(root->path), rq->path.len);
        if (rest.len <= 1)
            return answer_all(rq, root);
        return answer_one(rq, root, str_sub(rest, 1, rest.len));
    }
    return answer(rq, 404, STR("404 page not found\n"));
}
