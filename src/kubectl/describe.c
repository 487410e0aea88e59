/* SPDX-License-Identifier: Apache-2.0 */
/* describe.c - `kubectl describe`: the whole object in readable form, then its events. */
#include "kubectl/kubectl.h"

#include "codec/json.h"
#include "codec/timefmt.h"

enum { DEPTH_MAX = 64, LABEL_WIDTH = 20 };

/* "restartPolicy" -> "Restart Policy". */
static struct str title(struct arena *a, struct str key)
{
    auto_buf b = {0};

    for (size_t i = 0; i < key.len; i++) {
        char c = key.p[i];
        bool upper = c >= 'A' && c <= 'Z';
        bool after_lower = i > 0 && key.p[i - 1] >= 'a' && key.p[i - 1] <= 'z';

        if (upper && after_lower)
            buf_putc(&b, ' ');
        buf_putc(&b, (char)(i == 0 && c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c));
    }
    return str_dup(a, buf_view(&b));
}

static void print_value(struct arena *a, struct str name, const struct doc *d, int depth)
{
    int indent = depth * 2;

    if (depth > DEPTH_MAX)
        return;
    switch (d->kind) {
    case DOC_OBJECT:
        printf("%*s%.*s:%s\n", indent, "", STR_ARG(name), d->n == 0 ? "  <none>" : "");
        for (uint32_t i = 0; i < d->n; i++)
            print_value(a, title(a, d->members[i].key), &d->members[i].value, depth + 1);
        return;
    case DOC_ARRAY:
        for (uint32_t i = 0; i < d->n; i++)
            print_value(a, i == 0 || d->items[i].kind == DOC_OBJECT ? name : STR(""), &d->items[i],
                        depth);
        return;
    default: {
        struct str text = d->kind == DOC_STRING ? d->s : json_to_str(a, d);
        int width = LABEL_WIDTH - indent - (int)name.len;

        printf("%*s%.*s%s%*s%.*s\n", indent, "", STR_ARG(name), name.len ? ":" : " ",
               width > 1 ? width : 1, "", STR_ARG(text));
    }
    }
}

static void print_labels(struct str name, const struct doc *m)
{
    if (!m || m->n == 0) {
        printf("%.*s:%*s<none>\n", STR_ARG(name), LABEL_WIDTH - (int)name.len, "");
        return;
    }
    for (uint32_t i = 0; i < m->n; i++)
        printf("%.*s%s%*s%.*s=%.*s\n", i == 0 ? (int)name.len : 0, name.p, i == 0 ? ":" : " ",
               i == 0 ? LABEL_WIDTH - (int)name.len : LABEL_WIDTH, "", STR_ARG(m->members[i].key),
               STR_ARG(m->members[i].value.s));
}

static struct str age_text(struct kubectl *k, struct str time)
{
    auto_buf b = {0};
    struct time_value t;
    struct err err = {0};

    if (time_parse(time, &t, &err) < 0)
        return STR("<unknown>");
    duration_write_human(&b, loop_wall_ns(k->loop) / 1000000000 - t.sec);
    return str_dup(&k->arena, buf_view(&b));
}

static void print_events(struct kubectl *k, const struct doc *d)
{
    auto_buf target = {0};
    char sep = '?';
    struct answer a;
    struct doc list;
    const struct doc *items;
    struct str ns = doc_path_str(d, "metadata.namespace");

    buf_str(&target, path_of(k, &res_core_events, ns, STR_NULL));
    add_param(&target, &sep, "fieldSelector",
              arena_printf(&k->arena, "involvedObject.uid=%.*s",
                           STR_ARG(doc_path_str(d, "metadata.uid"))));
    if (request(k, "GET", buf_view(&target), NULL, NULL, STR_NULL, &a) < 0 || a.status >= 400 ||
        json_parse(a.body, &k->arena, &list, NULL, &k->err) < 0)
        return;
    items = doc_find(&list, STR("items"));
    if (!items || items->n == 0) {
        printf("Events:              <none>\n");
        return;
    }
    printf("Events:\n  %-8s %-20s %-6s %-24s %s\n", "Type", "Reason", "Age", "From", "Message");
    for (uint32_t i = 0; i < items->n; i++) {
        const struct doc *e = &items->items[i];

        printf("  %-8.*s %-20.*s %-6.*s %-24.*s %.*s\n", STR_ARG(doc_path_str(e, "type")),
               STR_ARG(doc_path_str(e, "reason")),
               STR_ARG(age_text(k, doc_path_str(e, "lastTimestamp"))),
               STR_ARG(doc_path_str(e, "source.component")), STR_ARG(doc_path_str(e, "message")));
    }
}

static void describe(struct kubectl *k, const struct resource *res, const struct doc *d)
{
    print_value(&k->arena, STR("Name"), &(struct doc){.kind = DOC_STRING,
                                                      .s = doc_path_str(d, "metadata.name")}, 0);
    if (resource_namespaced(res))
        print_value(&k->arena, STR("Namespace"),
                    &(struct doc){.kind = DOC_STRING, .s = doc_path_str(d, "metadata.namespace")},
                    0);
    print_labels(STR("Labels"), doc_path(d, "metadata.labels"));
    print_labels(STR("Annotations"), doc_path(d, "metadata.annotations"));
    for (uint32_t i = 0; i < d->n; i++) {
        struct str key = d->members[i].key;

        if (str_eq(key, STR("kind")) || str_eq(key, STR("apiVersion")) ||
            str_eq(key, STR("metadata")))
            continue;
        print_value(&k->arena, title(&k->arena, key), &d->members[i].value, 0);
    }
    print_events(k, d);
}

static int describe_one(struct kubectl *k, const struct named *n, bool *first)
{
    struct answer a;
    struct doc d;
    const struct doc *items;

    if (request(k, "GET", path_of(k, n->res, effective_namespace(k), n->name), NULL, NULL, STR_NULL,
                &a) < 0)
        return 1;
    if (a.status >= 400)
        return print_status(&a);
    if (json_parse(a.body, &k->arena, &d, NULL, &k->err) < 0)
        return fail("the answer cannot be read: %s", k->err.msg);
    items = n->name.len > 0 ? NULL : doc_find(&d, STR("items"));
    for (uint32_t i = 0; i < (items ? items->n : 1); i++) {
        if (!*first)
            printf("\n\n");
        *first = false;
        describe(k, n->res, items ? &items->items[i] : &d);
    }
    return 0;
}

int kubectl_describe(struct kubectl *k)
{
    struct named *names;
    size_t n;
    bool first = true;
    int status = 0;

    if (!parse_names(k, &names, &n))
        return 1;
    for (size_t i = 0; i < n; i++)
        status |= describe_one(k, &names[i], &first);
    return status;
}
