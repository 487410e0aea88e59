/* selector_fields.c - the text form of field selectors: "metadata.name=x,spec.nodeName!=y".
 * Layer: schema. */
#include "schema/selector.h"

/* Names that a kind takes for another's. */
static const struct {
    const char *group, *plural, *alias, *name;
} aliases[] = {{"", "pods", "spec.host", "spec.nodeName"}};
/* Kinds that refuse a name in their own words; the name follows or stands in quotes. */
static const struct {
    const char *group, *plural, *before, *after;
} refusals[] = {
    {"batch", "jobs", "field label \"", "\" not supported for Job"},
    {"resource.k8s.io", "resourceslices",
     "field label not supported for resource.k8s.io/v1, Kind=ResourceSlice: ", ""},
};

static bool is_of(const struct resource *res, const char *group, const char *plural)
{
    return strcmp(res->group, group) == 0 && strcmp(res->plural, plural) == 0;
}

static struct str resolve_alias(const struct resource *res, struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(aliases); i++)
        if (is_of(res, aliases[i].group, aliases[i].plural) && str_eqz(name, aliases[i].alias))
            return str_from(aliases[i].name);
    return name;
}

/* Groups of this project's own API: the others are of custom resources. */
static bool builtin_group(struct str group)
{
    return str_find_char(group, '.') < 0 || str_has_suffix(group, STR(".k8s.io"));
}

static bool is_selectable(const struct resource *res, struct str name)
{
    for (unsigned i = 0; i < res->n_selectable; i++)
        if (str_eqz(name, res->selectable[i].name))
            return true;
    return false;
}

static int refuse(const struct resource *res, bool own, struct str name, struct err *err)
{
    if (!own)
        return err_new(err, ERR_BAD_REQUEST,
                       "\"%.*s\" is not a known field selector: only \"metadata.name\", "
                       "\"metadata.namespace\"",
                       STR_ARG(name));
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++)
        if (is_of(res, refusals[i].group, refusals[i].plural))
            return err_new(err, ERR_BAD_REQUEST, "%s%.*s%s", refusals[i].before, STR_ARG(name),
                           refusals[i].after);
    return err_new(err, ERR_BAD_REQUEST, "field label not supported: %.*s", STR_ARG(name));
}

/* Kinds without fields of their own take both names whatever their scope; the others list what they
 * take, and a cluster-scoped one has no namespace. */
static int check_name(const struct resource *res, struct str *name, struct err *err)
{
    bool own = res->n_selectable > 0 || !builtin_group(str_from(res->group));

    *name = resolve_alias(res, *name);
    if (str_eqz(*name, "metadata.name") || is_selectable(res, *name))
        return 0;
    if (str_eqz(*name, "metadata.namespace") && (!own || resource_namespaced(res)))
        return 0;
    return refuse(res, own, *name, err);
}

/* Cuts the first term off *@rest, at a comma that no backslash escapes. */
static struct str cut_term(struct str *rest)
{
    struct str s = *rest;
    bool escaped = false;

    for (size_t i = 0; i < s.len; i++) {
        if (escaped)
            escaped = false;
        else if (s.p[i] == '\\')
            escaped = true;
        else if (s.p[i] == ',') {
            *rest = str_sub(s, i + 1, SIZE_MAX);
            return str_sub(s, 0, i);
        }
    }
    *rest = STR_NULL;
    return s;
}

/* The value that @s escapes. */
static int unescape(struct str s, struct arena *a, struct str *ret_v, struct err *err)
{
    char *out = arena_alloc(a, s.len + 1);
    size_t n = 0;

    for (size_t i = 0; i < s.len; i++) {
        char c = s.p[i];

        if (c == ',' || c == '=')
            return err_new(err, ERR_BAD_REQUEST,
                           "invalid field selector: unescaped character in value: %d", c);
        if (c == '\\') {
            if (++i == s.len || !strchr("\\,=", s.p[i]))
                return err_new(err, ERR_BAD_REQUEST,
                               "invalid field selector: invalid escape sequence: \\%.*s", i < s.len,
                               i < s.len ? s.p + i : "");
            c = s.p[i];
        }
        out[n++] = c;
    }
    *ret_v = (struct str){out, n};
    return 0;
}

static bool split_term(struct str term, struct str *ret_name, enum selector_op *ret_op,
                       struct str *ret_value)
{
    for (size_t i = 0; i < term.len; i++) {
        struct str at = str_sub(term, i, SIZE_MAX);
        bool two = str_has_prefix(at, STR("!=")) || str_has_prefix(at, STR("=="));
        size_t op_len = two ? 2 : 1;

        if (!two && at.p[0] != '=')
            continue;
        *ret_name = str_sub(term, 0, i);
        *ret_op = at.p[0] == '!' ? SELECTOR_NOT_IN : SELECTOR_IN;
        *ret_value = str_sub(at, op_len, SIZE_MAX);
        return true;
    }
    return false;
}

static int parse_term(const struct resource *res, struct str text, struct str term, struct arena *a,
                      struct selector_term *ret_t, struct err *err)
{
    struct str *value = arena_new(a, struct str), raw;
    struct selector_term t = {.values = value, .n = 1};
    int r;

    if (!split_term(term, &t.key, &t.op, &raw))
        return err_new(err, ERR_BAD_REQUEST, "invalid selector: '%.*s'; can't understand '%.*s'",
                       STR_ARG(text), STR_ARG(term));
    r = unescape(raw, a, value, err);
    if (r < 0)
        return r;
    r = check_name(res, &t.key, err);
    if (r < 0)
        return r;
    *ret_t = t;
    return 0;
}

int selector_parse_fields(const struct resource *res, struct str text, struct arena *a,
                          struct selector *ret_s, struct err *err)
{
    struct str rest = str_dup(a, text);
    struct selector_term *terms = NULL;
    size_t n = 0, cap = 0;
    int r;

    while (rest.len) {
        struct str term = cut_term(&rest);

        if (!term.len)
            continue;
        if (n == cap) {
            cap = cap ? cap * 2 : 4;
            terms = arena_grow(a, terms, n, cap, sizeof(*terms));
        }
        r = parse_term(res, text, term, a, &terms[n], err);
        if (r < 0)
            return r;
        n++;
    }
    *ret_s = (struct selector){.terms = terms, .n = n};
    return 0;
}
