/* SPDX-License-Identifier: Apache-2.0 */
#include "kubectl/kubectl.h"

#include "base/vec.h"
#include "codec/json.h"

enum { POLL_MS = 100, WAIT_MS = 300000 };

struct victim {
    const struct resource *res;
    struct str ns, name, uid;
};

static const char *policy(struct kubectl *k)
{
    if (!k->cascade || strcmp(k->cascade, "background") == 0 || strcmp(k->cascade, "true") == 0)
        return "Background";
    return strcmp(k->cascade, "foreground") == 0 ? "Foreground" : "Orphan";
}

static int delete_one(struct kubectl *k, struct victim *v)
{
    auto_buf body = {0};
    struct answer a;
    struct doc d;

    buf_printf(&body, "{\"kind\":\"DeleteOptions\",\"apiVersion\":\"v1\",\"propagationPolicy\":"
                      "\"%s\"",
               policy(k));
    if (k->force)
        buf_puts(&body, ",\"gracePeriodSeconds\":0");
    else if (k->grace_period)
        buf_printf(&body, ",\"gracePeriodSeconds\":%s", k->grace_period);
    buf_putc(&body, '}');
    if (request(k, "DELETE", path_of(k, v->res, v->ns, v->name), NULL, "application/json",
                buf_view(&body), &a) < 0)
        return 1;
    if (a.status == 404 && k->ignore_not_found)
        return 0;
    if (a.status >= 400)
        return print_status(&a);
    if (json_parse(a.body, &k->arena, &d, NULL, &k->err) == 0) {
        v->uid = doc_path_str(&d, "metadata.uid");
        if (v->uid.len == 0)
            v->uid = doc_path_str(&d, "details.uid");
    }
    printf("%s%s%s \"%.*s\" %sdeleted\n", v->res->singular, v->res->group[0] ? "." : "",
           v->res->group, STR_ARG(v->name), k->force ? "force " : "");
    return 0;
}

/* Waits until the object, or rather this one and no other of its name, is gone. */
static int wait_gone(struct kubectl *k, const struct victim *v, int64_t timeout_ms)
{
    uint64_t until = loop_now_ms(k->loop) + (uint64_t)timeout_ms;

    for (;;) {
        struct answer a;
        struct doc d;

        if (request(k, "GET", path_of(k, v->res, v->ns, v->name), NULL, NULL, STR_NULL, &a) < 0)
            return 1;
        if (a.status == 404)
            return 0;
        if (a.status >= 400)
            return print_status(&a);
        if (v->uid.len > 0 && json_parse(a.body, &k->arena, &d, NULL, &k->err) == 0 &&
            !str_eq(doc_path_str(&d, "metadata.uid"), v->uid))
            return 0;
        if (loop_now_ms(k->loop) >= until)
            return fail("timed out waiting for the deletion of %.*s",
                        STR_ARG(short_name(k, v->res, v->name)));
        pause_ms(k, POLL_MS);
    }
}

struct victims {
    VEC(struct victim) v;
};

/* All objects of a type that the selectors choose. */
static int collect(struct kubectl *k, const struct resource *res, struct victims *out)
{
    struct str ns = resource_namespaced(res) && !k->all_namespaces ? effective_namespace(k)
                                                                   : STR_NULL;
    auto_buf target = {0};
    char sep = '?';
    struct answer a;
    struct doc d;
    const struct doc *items;

    buf_str(&target, path_of(k, res, ns, STR_NULL));
    add_param(&target, &sep, "labelSelector", k->selector);
    add_param(&target, &sep, "fieldSelector", k->field_selector);
    if (request(k, "GET", buf_view(&target), NULL, NULL, STR_NULL, &a) < 0)
        return 1;
    if (a.status >= 400)
        return print_status(&a);
    if (json_parse(a.body, &k->arena, &d, NULL, &k->err) < 0)
        return fail("the answer cannot be read: %s", k->err.msg);
    items = doc_find(&d, STR("items"));
    for (uint32_t i = 0; items && i < items->n; i++) {
        struct victim v = {res, doc_path_str(&items->items[i], "metadata.namespace"),
                           doc_path_str(&items->items[i], "metadata.name"), STR_NULL};

        vec_push(&out->v, v);
    }
    return 0;
}

static int gather(struct kubectl *k, struct victims *out)
{
    struct named *names;
    size_t n;
    int status = 0;

    if (k->n_files > 0) {
        struct manifest *m;

        if (!read_manifests(k, &m, &n))
            return 1;
        for (size_t i = 0; i < n; i++) {
            struct victim v = {m[i].res, m[i].ns, m[i].name, STR_NULL};

            vec_push(&out->v, v);
        }
        return 0;
    }
    if (!parse_names(k, &names, &n))
        return 1;
    for (size_t i = 0; i < n && status == 0; i++) {
        struct victim v = {names[i].res, effective_namespace(k), names[i].name, STR_NULL};

        if (names[i].name.len > 0)
            vec_push(&out->v, v);
        else if (k->all || k->selector || k->field_selector)
            status = collect(k, names[i].res, out);
        else
            status = fail("say which: names, --all, or -l SELECTOR");
    }
    return status;
}

int kubectl_delete(struct kubectl *k)
{
    struct victims list = {0};
    int64_t timeout_ms = parse_timeout(k->timeout, WAIT_MS);
    int status = timeout_ms < 0 ? 1 : gather(k, &list);

    for (size_t i = 0; status == 0 && i < list.v.n; i++)
        status |= delete_one(k, &list.v.v[i]);
    for (size_t i = 0; status == 0 && k->wait && !k->force && i < list.v.n; i++)
        status |= wait_gone(k, &list.v.v[i], timeout_ms);
    if (status == 0 && list.v.n == 0)
        printf("No resources found\n");
    vec_deinit(&list.v);
    return status;
}
