/* SPDX-License-Identifier: Apache-2.0 */
/* print.c - tables, and objects in the forms that -o names. */
#include "kubectl/kubectl.h"

#include "codec/json.h"
#include "codec/timefmt.h"
#include "codec/yaml.h"

enum { COLUMNS_MAX = 64, GAP = 3, WIDTH_MIN = 3 };

bool print_object(struct kubectl *k, const struct doc *d)
{
    auto_buf out = {0};
    struct str form = str_from(k->output);

    if (str_eq(form, STR("json"))) {
        json_write_indent(&out, d, 4);
        buf_putc(&out, '\n');
    } else if (str_eq(form, STR("yaml"))) {
        yaml_write(&out, d);
    } else if (str_has_prefix(form, STR("jsonpath="))) {
        if (jsonpath_print(str_sub(form, 9, form.len), d, &out, &k->err) < 0) {
            (void)fail("%s", k->err.msg);
            return false;
        }
    } else {
        (void)fail("unknown output form \"%s\" (wide, json, yaml, name, jsonpath=TEMPLATE)",
                   k->output);
        return false;
    }
    (void)fwrite(out.p, 1, out.len, stdout);
    return true;
}

static struct str cell_text(struct arena *a, const struct doc *c)
{
    switch (c->kind) {
    case DOC_STRING:
        return c->s;
    case DOC_NULL:
        return STR("<none>");
    default:
        return json_to_str(a, c);
    }
}

struct table {
    struct arena *arena;
    struct str names[COLUMNS_MAX];
    uint32_t columns[COLUMNS_MAX]; /* of the document, n of them shown */
    size_t n, width[COLUMNS_MAX];
    bool namespaced, labels;
};

static void choose_columns(struct kubectl *k, const struct doc *defs, struct table *t)
{
    bool wide = k->output && strcmp(k->output, "wide") == 0;

    for (uint32_t i = 0; defs && i < defs->n && t->n < COLUMNS_MAX - 2; i++) {
        struct str name = doc_path_str(&defs->items[i], "name");
        char *upper;

        if (doc_path_int(&defs->items[i], "priority", 0) > 0 && !wide)
            continue;
        upper = str_dupz(t->arena, name);
        for (char *p = upper; *p; p++)
            *p = (char)(*p >= 'a' && *p <= 'z' ? *p - 'a' + 'A' : *p);
        t->names[t->n] = str_from(upper);
        t->columns[t->n] = i;
        t->width[t->n] = MAX(k->no_headers ? 0 : name.len, WIDTH_MIN);
        t->n++;
    }
}

/* The text of column @c of a row; names get @prefix ("pod/"). */
static struct str shown(const struct table *t, const struct doc *cells, size_t c, struct str prefix)
{
    struct str text = t->columns[c] < cells->n
                          ? cell_text(t->arena, &cells->items[t->columns[c]])
                          : STR("");

    if (str_empty(prefix) || !str_eqz(t->names[c], "NAME"))
        return text;
    return str_printf(t->arena, "%.*s%.*s", STR_ARG(prefix), STR_ARG(text));
}

static struct str labels_text(struct arena *a, const struct doc *row)
{
    const struct doc *labels = doc_path(row, "object.metadata.labels");
    auto_buf b = {0};

    for (uint32_t i = 0; labels && labels->kind == DOC_OBJECT && i < labels->n; i++)
        buf_printf(&b, "%s%.*s=%.*s", i ? "," : "", STR_ARG(labels->members[i].key),
                   STR_ARG(labels->members[i].value.s));
    return b.len > 0 ? str_dup(a, buf_view(&b)) : STR("<none>");
}

static void put(struct str text, size_t width, bool last)
{
    printf("%.*s", STR_ARG(text));
    if (last)
        putchar('\n');
    else
        printf("%*s", (int)(width - MIN(width, text.len) + GAP), "");
}

void print_table(struct kubectl *k, const struct doc *table, bool header, struct str prefix)
{
    auto_arena a = {0};
    struct table t = {.arena = &a};
    const struct doc *rows = doc_find(table, STR("rows"));
    size_t ns_width = k->no_headers ? 0 : strlen("NAMESPACE");

    choose_columns(k, doc_find(table, STR("columnDefinitions")), &t);
    for (uint32_t i = 0; rows && i < rows->n; i++) {
        const struct doc *cells = doc_find(&rows->items[i], STR("cells"));

        for (size_t c = 0; cells && c < t.n; c++) {
            t.width[c] = MAX(t.width[c], shown(&t, cells, c, prefix).len);
        }
        ns_width = MAX(ns_width, doc_path_str(&rows->items[i], "object.metadata.namespace").len);
    }
    if (header && !k->no_headers) {
        if (k->all_namespaces)
            put(STR("NAMESPACE"), ns_width, false);
        for (size_t c = 0; c < t.n; c++)
            put(t.names[c], t.width[c], c + 1 == t.n && !k->show_labels);
        if (k->show_labels)
            put(STR("LABELS"), 0, true);
    }
    for (uint32_t i = 0; rows && i < rows->n; i++) {
        const struct doc *cells = doc_find(&rows->items[i], STR("cells"));

        if (k->all_namespaces)
            put(doc_path_str(&rows->items[i], "object.metadata.namespace"), ns_width, false);
        for (size_t c = 0; cells && c < t.n; c++)
            put(shown(&t, cells, c, prefix), t.width[c], c + 1 == t.n && !k->show_labels);
        if (k->show_labels)
            put(labels_text(&a, &rows->items[i]), 0, true);
    }
}
