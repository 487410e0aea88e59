/* SPDX-License-Identifier: Apache-2.0 */
#include "kubectl/kubectl.h"

#include "codec/json.h"

enum { POLL_MS = 50, WAIT_MS = 30000 };

struct wish { /* what --for asks */
    enum { WISH_CONDITION, WISH_DELETE, WISH_JSONPATH } kind;
    struct str name, value; /* condition and status, or path and value */
};

static bool parse_wish(struct kubectl *k, struct wish *ret_w)
{
    struct str text = str_from(k->condition), rest, kind;

    if (!k->condition) {
        (void)fail("wait needs --for=condition=NAME, --for=delete or --for=jsonpath=PATH=VALUE");
        return false;
    }
    if (str_eq(text, STR("delete"))) {
        ret_w->kind = WISH_DELETE;
        return true;
    }
    kind = str_cut(text, '=', &rest);
    ret_w->name = str_cut(rest, '=', &ret_w->value);
    if (str_eq(kind, STR("condition"))) {
        ret_w->kind = WISH_CONDITION;
        if (!ret_w->value.p)
            ret_w->value = STR("True");
        return true;
    }
    if (str_eq(kind, STR("jsonpath"))) {
        ret_w->kind = WISH_JSONPATH;
        return true;
    }
    (void)fail("--for=%s is not understood", k->condition);
    return false;
}

static bool condition_holds(const struct doc *d, const struct wish *w)
{
    const struct doc *list = doc_path(d, "status.conditions");

    for (uint32_t i = 0; list && list->kind == DOC_ARRAY && i < list->n; i++) {
        const struct doc *c = &list->items[i];

        if (!str_ieq(doc_path_str(c, "type"), w->name))
            continue;
        /* A condition about an older generation says nothing about this one. */
        if (doc_path_int(c, "observedGeneration", INT64_MAX) <
            doc_path_int(d, "metadata.generation", 0))
            return false;
        return str_ieq(doc_path_str(c, "status"), w->value);
    }
    return false;
}

static bool holds(struct kubectl *k, const struct doc *d, const struct wish *w)
{
    auto_buf out = {0};

    if (w->kind == WISH_CONDITION) {
        if (doc_path_int(d, "status.observedGeneration", INT64_MAX) <
            doc_path_int(d, "metadata.generation", 0))
            return false;
        return condition_holds(d, w);
    }
    if (jsonpath_print(w->name, d, &out, &k->err) < 0)
        return false;
    return w->value.p ? str_eq(buf_view(&out), w->value) : out.len > 0;
}

/* 1: holds; 0: not yet; -1: an error was told. */
static int look(struct kubectl *k, const struct named *n, const struct wish *w)
{
    struct answer a;
    struct doc d;

    if (request(k, "GET", path_of(k, n->res, effective_namespace(k), n->name), NULL, NULL, STR_NULL,
                &a) < 0)
        return -1;
    if (w->kind == WISH_DELETE && a.status == 404)
        return 1;
    if (a.status >= 400)
        return print_status(&a), -1;
    if (w->kind == WISH_DELETE)
        return 0;
    if (json_parse(a.body, &k->arena, &d, NULL, &k->err) < 0)
        return fail("the answer cannot be read: %s", k->err.msg), -1;
    return holds(k, &d, w);
}

static int expand_all(struct kubectl *k, struct named **list, size_t *n)
{
    struct named *out = NULL;
    size_t count = 0;

    for (size_t i = 0; i < *n; i++) {
        auto_buf target = {0};
        char sep = '?';
        struct answer a;
        struct doc d;
        const struct doc *items;

        if ((*list)[i].name.len > 0) {
            out = arena_grow(&k->arena, out, count, count + 1, sizeof(*out));
            out[count++] = (*list)[i];
            continue;
        }
        buf_str(&target, path_of(k, (*list)[i].res, effective_namespace(k), STR_NULL));
        add_param(&target, &sep, "labelSelector", k->selector);
        if (request(k, "GET", buf_view(&target), NULL, NULL, STR_NULL, &a) < 0)
            return 1;
        if (a.status >= 400)
            return print_status(&a);
        if (json_parse(a.body, &k->arena, &d, NULL, &k->err) < 0)
            return fail("the answer cannot be read: %s", k->err.msg);
        items = doc_find(&d, STR("items"));
        for (uint32_t m = 0; items && m < items->n; m++) {
            out = arena_grow(&k->arena, out, count, count + 1, sizeof(*out));
            out[count++] =
                (struct named){(*list)[i].res, doc_path_str(&items->items[m], "metadata.name")};
        }
    }
    *list = out;
    *n = count;
    return count == 0 ? fail("no matching resources found") : 0;
}

int kubectl_wait(struct kubectl *k)
{
    struct wish w = {0};
    struct named *names;
    size_t n;
    int64_t timeout_ms = parse_timeout(k->timeout, WAIT_MS);
    uint64_t until;

    if (timeout_ms < 0 || !parse_wish(k, &w) || !parse_names(k, &names, &n) ||
        expand_all(k, &names, &n) != 0)
        return 1;
    until = loop_now_ms(k->loop) + (uint64_t)timeout_ms;
    for (size_t i = 0; i < n; i++) {
        int r;

        while ((r = look(k, &names[i], &w)) == 0) {
            if (loop_now_ms(k->loop) >= until)
                return fail("timed out waiting for the condition on %s/%.*s", names[i].res->plural,
                            STR_ARG(names[i].name));
            pause_ms(k, POLL_MS);
        }
        if (r < 0)
            return 1;
        printf("%.*s condition met\n", STR_ARG(short_name(k, names[i].res, names[i].name)));
    }
    return 0;
}
