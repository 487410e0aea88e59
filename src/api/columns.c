/* SPDX-License-Identifier: Apache-2.0 */
/* columns.c - the texts that cells of tables are made of. Layer: api. */
#include "api/columns.h"
#include "schema/selector.h"

struct doc cell_text(struct str s)
{
    return doc_string(s.p ? s : STR(""));
}

struct doc cell_text_or(struct str s, const char *otherwise)
{
    return doc_string(s.len ? s : str_from(otherwise));
}

struct doc cell_ptr_or(const struct str *s, const char *otherwise)
{
    return cell_text(s ? *s : str_from(otherwise));
}

struct doc cell_buf(const struct buf *b, const struct table_ctx *ctx)
{
    return doc_string(str_dup(ctx->arena, buf_view(b)));
}

struct str column_duration(int64_t seconds, const struct table_ctx *ctx)
{
    auto_buf b = {0};

    duration_write_human(&b, seconds);
    return str_dup(ctx->arena, buf_view(&b));
}

struct str column_age(struct time_value t, const struct table_ctx *ctx)
{
    return t.set ? column_duration(ctx->now_sec - t.sec, ctx) : STR("<unknown>");
}

struct requirement {
    struct str key, text;
};

static int cmp_requirement(const void *x, const void *y)
{
    const struct requirement *a = x, *b = y;
    int c = str_cmp(a->key, b->key);

    return c ? c : str_cmp(a->text, b->text);
}

static int cmp_str(const void *x, const void *y)
{
    return str_cmp(*(const struct str *)x, *(const struct str *)y);
}

static struct str sorted_values(const struct string_list *l, const struct table_ctx *ctx)
{
    struct str *v = arena_calloc(ctx->arena, l->n + 1, sizeof(*v));

    if (l->n)
        memcpy(v, l->v, l->n * sizeof(*v));
    qsort(v, l->n, sizeof(*v), cmp_str);
    return column_join(v, l->n, ",", ctx);
}

static struct str requirement_text(const struct meta_label_selector_requirement *r,
                                   const struct table_ctx *ctx)
{
    struct str values = sorted_values(&r->values, ctx);

    if (str_eqz(r->operator, "Exists"))
        return r->key;
    if (str_eqz(r->operator, "DoesNotExist"))
        return str_printf(ctx->arena, "!%.*s", STR_ARG(r->key));
    return str_printf(ctx->arena, "%.*s %s (%.*s)", STR_ARG(r->key),
                      str_eqz(r->operator, "In") ? "in" : "notin", STR_ARG(values));
}

struct str column_selector(const struct meta_label_selector *s, const char *none, const char *bad,
                           const struct table_ctx *ctx)
{
    struct requirement *all;
    struct selector parsed;
    auto_buf b = {0};
    size_t n = 0;

    if (!s)
        return str_from(none);
    if (selector_from_label_selector(s, ctx->arena, &parsed, NULL) < 0)
        return str_from(bad);
    if (!parsed.n)
        return str_from(none);
    all = arena_calloc(ctx->arena, parsed.n, sizeof(*all));
    for (size_t i = 0; i < s->match_labels.n; i++) {
        const struct string_pair *p = &s->match_labels.v[i];

        all[n++] = (struct requirement){
            p->key, str_printf(ctx->arena, "%.*s=%.*s", STR_ARG(p->key), STR_ARG(p->value))};
    }
    for (size_t i = 0; i < s->match_expressions.n; i++)
        all[n++] = (struct requirement){s->match_expressions.v[i].key,
                                        requirement_text(&s->match_expressions.v[i], ctx)};
    qsort(all, n, sizeof(*all), cmp_requirement);
    for (size_t i = 0; i < n; i++) {
        buf_puts(&b, i ? "," : "");
        buf_str(&b, all[i].text);
    }
    return str_dup(ctx->arena, buf_view(&b));
}

struct str column_labels(const struct string_map *m, const struct table_ctx *ctx)
{
    auto_buf b = {0};

    if (!m->n)
        return STR("<none>");
    for (size_t i = 0; i < m->n; i++)
        buf_printf(&b, "%s%.*s=%.*s", i ? "," : "", STR_ARG(m->v[i].key), STR_ARG(m->v[i].value));
    return str_dup(ctx->arena, buf_view(&b));
}

struct str column_join(const struct str *v, size_t n, const char *sep, const struct table_ctx *ctx)
{
    auto_buf b = {0};

    for (size_t i = 0; i < n; i++) {
        buf_puts(&b, i ? sep : "");
        buf_str(&b, v[i]);
    }
    return str_dup(ctx->arena, buf_view(&b));
}

struct str column_join_set(const struct str *v, size_t n, const struct table_ctx *ctx)
{
    struct str *all = arena_calloc(ctx->arena, n + 1, sizeof(*all));
    size_t kept = 0;

    if (n)
        memcpy(all, v, n * sizeof(*all));
    qsort(all, n, sizeof(*all), cmp_str);
    for (size_t i = 0; i < n; i++) {
        if (!kept || !str_eq(all[kept - 1], all[i]))
            all[kept++] = all[i];
    }
    return column_join(all, kept, ",", ctx);
}

struct str column_containers(const struct core_pod_spec *spec, const struct table_ctx *ctx)
{
    struct str *names = arena_calloc(ctx->arena, spec->containers.n + 1, sizeof(*names));

    for (size_t i = 0; i < spec->containers.n; i++)
        names[i] = spec->containers.v[i].name;
    return column_join(names, spec->containers.n, ",", ctx);
}

struct str column_images(const struct core_pod_spec *spec, const struct table_ctx *ctx)
{
    struct str *images = arena_calloc(ctx->arena, spec->containers.n + 1, sizeof(*images));

    for (size_t i = 0; i < spec->containers.n; i++)
        images[i] = spec->containers.v[i].image;
    return column_join(images, spec->containers.n, ",", ctx);
}

struct str column_modes(const struct str *v, size_t n, const struct table_ctx *ctx)
{
    static const struct {
        const char *mode, *text;
    } modes[] = {{"ReadWriteOnce", "RWO"},
                 {"ReadOnlyMany", "ROX"},
                 {"ReadWriteMany", "RWX"},
                 {"ReadWriteOncePod", "RWOP"}};
    auto_buf b = {0};

    for (size_t m = 0; m < ARRAY_LEN(modes); m++) {
        for (size_t i = 0; i < n; i++) {
            if (!str_eqz(v[i], modes[m].mode))
                continue;
            buf_puts(&b, b.len ? "," : "");
            buf_puts(&b, modes[m].text);
            break;
        }
    }
    return str_dup(ctx->arena, buf_view(&b));
}

struct str column_lower(struct str s, const struct table_ctx *ctx)
{
    char *z = str_dupz(ctx->arena, s);

    for (size_t i = 0; i < s.len; i++) {
        if (z[i] >= 'A' && z[i] <= 'Z')
            z[i] = (char)(z[i] - 'A' + 'a');
    }
    return (struct str){z, s.len};
}

struct doc cell_age(const void *obj, const struct table_ctx *ctx)
{
    return cell_text(column_age(((const struct any_kind *)obj)->metadata.creation_timestamp, ctx));
}
