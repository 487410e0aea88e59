/* SPDX-License-Identifier: Apache-2.0 */
/* get.c - `kubectl get`: the server renders tables; other forms come from the objects. */
#include "kubectl/kubectl.h"

#include "codec/json.h"

#define ACCEPT_TABLE "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"

static bool as_table(const struct kubectl *k)
{
    return !k->output || strcmp(k->output, "wide") == 0;
}

static struct str target_of(struct kubectl *k, const struct named *n, bool watch,
                            const char *revision)
{
    struct str ns = k->all_namespaces ? STR_NULL : effective_namespace(k);
    auto_buf b = {0};
    char sep = '?';

    buf_str(&b, path_of(k, n->res, ns, watch ? STR_NULL : n->name));
    add_param(&b, &sep, "labelSelector", k->selector);
    if (watch && n->name.len > 0)
        add_param(&b, &sep, "fieldSelector",
                  arena_printf(&k->arena, "metadata.name=%.*s", STR_ARG(n->name)));
    else
        add_param(&b, &sep, "fieldSelector", k->field_selector);
    if (watch) {
        add_param(&b, &sep, "watch", "true");
        add_param(&b, &sep, "resourceVersion", revision);
    }
    if (as_table(k))
        add_param(&b, &sep, "includeObject", "Metadata");
    return str_dup(&k->arena, buf_view(&b));
}

static int get_raw(struct kubectl *k)
{
    struct answer a;

    if (request(k, "GET", str_from(k->raw), "*/*", NULL, STR_NULL, &a) < 0)
        return 1;
    if (a.status >= 400)
        return print_status(&a);
    (void)fwrite(a.body.p, 1, a.body.len, stdout);
    return 0;
}

struct watcher {
    struct kubectl *k;
    struct buf line;
    bool first;
    int status;
};

static void show_event(struct watcher *w, struct str line)
{
    auto_arena a = {0};
    struct doc d;
    struct err err = {0};
    const struct doc *object;

    if (json_parse(line, &a, &d, NULL, &err) < 0)
        return;
    object = doc_find(&d, STR("object"));
    if (str_eq(doc_path_str(&d, "type"), STR("BOOKMARK")) || !object)
        return;
    if (str_eq(doc_path_str(&d, "type"), STR("ERROR"))) {
        w->status = fail("%.*s", STR_ARG(doc_path_str(object, "message")));
        return;
    }
    if (as_table(w->k))
        print_table(w->k, object, w->first, STR_NULL);
    else if (strcmp(w->k->output, "name") == 0)
        printf("%.*s\n", STR_ARG(doc_path_str(object, "metadata.name")));
    else
        (void)print_object(w->k, object);
    w->first = false;
    (void)fflush(stdout);
}

static void on_piece(void *arg, struct str piece)
{
    struct watcher *w = arg;
    size_t begin = 0;

    buf_str(&w->line, piece);
    for (size_t i = 0; i < w->line.len; i++) {
        if (w->line.p[i] != '\n')
            continue;
        show_event(w, (struct str){w->line.p + begin, i - begin});
        begin = i + 1;
    }
    buf_consume(&w->line, begin);
}

static int watch(struct kubectl *k, const struct named *n, struct str revision, bool first)
{
    struct watcher w = {.k = k, .first = first};
    struct answer a;
    int r = request_stream(k, target_of(k, n, true, str_dupz(&k->arena, revision)),
                           as_table(k) ? ACCEPT_TABLE : NULL, on_piece, &w, &a);

    buf_deinit(&w.line);
    if (r < 0)
        return 1;
    return a.status >= 400 ? print_status(&a) : w.status;
}

static void print_names(struct kubectl *k, const struct named *n, const struct doc *d)
{
    const struct doc *items = doc_find(d, STR("items"));

    if (!items) {
        printf("%.*s\n", STR_ARG(short_name(k, n->res, doc_path_str(d, "metadata.name"))));
        return;
    }
    for (uint32_t i = 0; i < items->n; i++)
        printf("%.*s\n",
               STR_ARG(short_name(k, n->res, doc_path_str(&items->items[i], "metadata.name"))));
}

/* Items of a list come without kind and apiVersion; in print each has its own. */
static void complete_items(struct kubectl *k, const struct named *n, struct doc *d)
{
    struct doc *items = doc_find(d, STR("items"));

    for (uint32_t i = 0; items && items->kind == DOC_ARRAY && i < items->n; i++) {
        struct doc full = doc_object();
        struct doc *item = &items->items[i];

        (void)doc_add(&k->arena, &full, STR("apiVersion"),
                      doc_string(resource_api_version(n->res, &k->arena)));
        (void)doc_add(&k->arena, &full, STR("kind"), doc_string(str_from(n->res->kind)));
        for (uint32_t m = 0; m < item->n; m++)
            (void)doc_set(&k->arena, &full, item->members[m].key, item->members[m].value);
        *item = full;
    }
    if (items) {
        (void)doc_set(&k->arena, d, STR("kind"), doc_string(STR("List")));
        (void)doc_set(&k->arena, d, STR("apiVersion"), doc_string(STR("v1")));
    }
}

static void none_found(struct kubectl *k)
{
    if (k->all_namespaces)
        fprintf(stderr, "No resources found\n");
    else
        fprintf(stderr, "No resources found in %.*s namespace.\n", STR_ARG(effective_namespace(k)));
}

static int show(struct kubectl *k, const struct named *n, bool many, bool *ret_any)
{
    struct answer a;
    struct doc d;
    const struct doc *rows;

    if (request(k, "GET", target_of(k, n, false, NULL), as_table(k) ? ACCEPT_TABLE : NULL, NULL,
                STR_NULL, &a) < 0)
        return 1;
    if (a.status == 404 && k->ignore_not_found)
        return 0;
    if (a.status >= 400)
        return print_status(&a);
    if (json_parse(a.body, &k->arena, &d, NULL, &k->err) < 0)
        return fail("the answer cannot be read: %s", k->err.msg);
    rows = doc_find(&d, STR("rows"));
    if (as_table(k)) {
        if (rows && rows->n > 0) {
            if (many && *ret_any)
                putchar('\n');
            print_table(k, &d, true, many ? short_name(k, n->res, STR("")) : STR_NULL);
            *ret_any = true;
        }
    } else if (strcmp(k->output, "name") == 0) {
        print_names(k, n, &d);
        *ret_any = true;
    } else {
        complete_items(k, n, &d);
        *ret_any = true;
        if (!print_object(k, &d))
            return 1;
    }
    if (k->watch)
        return watch(k, n, doc_path_str(&d, "metadata.resourceVersion"), !rows || rows->n == 0);
    return 0;
}

int kubectl_get(struct kubectl *k)
{
    struct named *names;
    size_t n;
    bool any = false;
    int status = 0;

    if (k->raw)
        return get_raw(k);
    if (!parse_names(k, &names, &n))
        return 1;
    if (k->watch && n > 1)
        return fail("only one type can be watched at a time");
    for (size_t i = 0; i < n; i++)
        status |= show(k, &names[i], n > 1, &any);
    if (!any && status == 0 && !k->watch && !k->ignore_not_found)
        none_found(k);
    return status;
}
