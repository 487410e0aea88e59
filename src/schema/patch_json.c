/* patch_json.c - JSON patch (RFC 6902), with the leniency and the texts of the library that the API
 * has always used: "replace" adds a missing member, "test" takes a missing one as null, an index
 * may be negative, and what stands before the first "/" of a path is passed over.
 *
 * The work of all operations together is bounded, not only their number.
 *
 * Layer: schema.
 */
#include "base/buf.h"
#include "base/vec.h"
#include "codec/json.h"
#include "schema/patch.h"
#include "schema/patch_internal.h"

enum {
    OPERATIONS_MAX = 10000,
    COPY_BYTES_MAX = 3 * 1024 * 1024,
    WORK_MAX = 100 * 1000 * 1000 /* members and items visited or moved */
};
static const char missing_value[] = "missing value";

struct run {
    struct arena *arena;
    struct doc *root;
    struct err *err;
    size_t copied_bytes;
    uint64_t work;
};
struct place { /* where a pointer leads: a key or an index of a container */
    struct doc *container;
    struct str key;
};

static int fail(struct run *r, const char *fmt, ...) PRINTF_LIKE(2, 3);
static int fail(struct run *r, const char *fmt, ...)
{
    auto_arena a = {0};
    va_list args;
    const char *text;

    va_start(args, fmt);
    text = arena_vprintf(&a, NULL, fmt, args);
    va_end(args);
    return err_new(r->err, ERR_INVALID, "%s", text);
}

static int spend(struct run *r, uint64_t n)
{
    r->work += n;
    if (r->work > WORK_MAX)
        return err_new(r->err, ERR_TOO_LARGE,
                       "Request entity too large: the JSON patch is too much work");
    return 0;
}

/* The token of a JSON pointer with ~1 and ~0 replaced. */
static struct str decode_token(struct arena *a, struct str token)
{
    char *out;
    size_t n = 0;

    if (str_find_char(token, '~') < 0)
        return token;
    out = arena_alloc(a, token.len + 1);
    for (size_t i = 0; i < token.len; i++) {
        char next = i + 1 < token.len ? token.p[i + 1] : 0;

        if (token.p[i] == '~' && (next == '0' || next == '1')) {
            out[n++] = next == '1' ? '/' : '~';
            i++;
        } else {
            out[n++] = token.p[i];
        }
    }
    return (struct str){out, n};
}

/* An index as Go's strconv.Atoi reads it; @ret_why is set where it is none. */
static bool parse_index(struct run *r, struct str text, int64_t *ret_i, struct str *ret_why)
{
    bool negative = text.len && text.p[0] == '-', sign = negative || (text.len && text.p[0] == '+');
    struct str digits = sign ? str_sub(text, 1, SIZE_MAX) : text;
    const char *why = digits.len ? "value out of range" : "invalid syntax";
    auto_buf quoted = {0};
    int64_t i;

    if (str_to_i64(digits, &i) && i >= 0 && digits.p[0] != '-') {
        *ret_i = negative ? -i : i;
        return true;
    }
    for (size_t at = 0; at < digits.len; at++)
        if (digits.p[at] < '0' || digits.p[at] > '9')
            why = "invalid syntax";
    json_go_quote(&quoted, text);
    *ret_why = str_printf(r->arena, "strconv.Atoi: parsing %s: %s", buf_cstr(&quoted), why);
    return false;
}

/* The index @text of an array in which @n places are open to it. */
static bool resolve_index(struct run *r, struct str text, uint32_t n, uint32_t *ret_i,
                          struct str *ret_why)
{
    int64_t i;

    if (!parse_index(r, text, &i, ret_why))
        return false;
    if (i >= n || i < -(int64_t)n) {
        *ret_why =
            str_printf(r->arena, "Unable to access invalid index: %lld: invalid index referenced",
                       (long long)i);
        return false;
    }
    *ret_i = (uint32_t)(i < 0 ? i + n : i);
    return true;
}

/* The value at @p: 1, or 0 if the object has no such member, or -1 with @ret_why. */
static int get(struct run *r, const struct place *p, struct doc **ret_v, struct str *ret_why)
{
    uint32_t i;

    if (p->container->kind == DOC_OBJECT) {
        *ret_v = doc_find(p->container, p->key);
        return *ret_v != NULL;
    }
    if (!resolve_index(r, p->key, p->container->n, &i, ret_why))
        return -1;
    *ret_v = &p->container->items[i];
    return 1;
}

/* Where @pointer leads; container NULL if that does not exist. */
static int find_place(struct run *r, struct str pointer, struct place *ret_p)
{
    struct str rest, token;
    struct doc *at = r->root;
    struct str why;
    int e;

    *ret_p = (struct place){0};
    (void)str_cut(pointer, '/', &rest);
    if (!rest.p)
        return 0;
    for (;;) {
        struct place p;

        token = str_cut(rest, '/', &rest);
        p = (struct place){at, decode_token(r->arena, token)};
        if (at->kind != DOC_OBJECT && at->kind != DOC_ARRAY)
            return 0;
        e = spend(r, at->n + 1);
        if (e < 0)
            return e;
        if (!rest.p) {
            *ret_p = p;
            return 0;
        }
        if (get(r, &p, &at, &why) <= 0)
            return 0;
    }
}

static bool add_at(struct run *r, const struct place *p, struct doc value, struct str *ret_why)
{
    struct doc *c = p->container;
    uint32_t i = c->n;

    if (c->kind == DOC_OBJECT) {
        (void)doc_set(r->arena, c, p->key, value);
        return true;
    }
    if (!str_eqz(p->key, "-")) {
        int64_t index;

        if (!parse_index(r, p->key, &index, ret_why)) {
            *ret_why = str_printf(r->arena, "value was not a proper array index: '%.*s': %.*s",
                                  STR_ARG(p->key), STR_ARG(*ret_why));
            return false;
        }
        if (!resolve_index(r, p->key, c->n + 1, &i, ret_why))
            return false;
    }
    (void)doc_insert(r->arena, c, i, value);
    return true;
}

static bool remove_at(struct run *r, const struct place *p, struct str *ret_why)
{
    uint32_t i;

    if (p->container->kind == DOC_OBJECT) {
        if (doc_remove(p->container, p->key))
            return true;
        *ret_why = str_printf(r->arena, "Unable to remove nonexistent key: %.*s: %s",
                              STR_ARG(p->key), missing_value);
        return false;
    }
    if (!resolve_index(r, p->key, p->container->n, &i, ret_why))
        return false;
    doc_remove_at(p->container, i);
    return true;
}

/* A copy of the operation's value; null if it has none. */
static struct doc value_of(struct run *r, const struct doc *op)
{
    const struct doc *v = doc_find(op, STR("value"));

    return v ? doc_clone(r->arena, v, false) : doc_null();
}

static int op_add(struct run *r, const struct doc *op, struct str path)
{
    struct place p;
    struct str why;
    int e = find_place(r, path, &p);

    if (e < 0)
        return e;
    if (!p.container)
        return fail(r, "add operation does not apply: doc is missing path: \"%.*s\": %s",
                    STR_ARG(path), missing_value);
    if (!add_at(r, &p, value_of(r, op), &why))
        return fail(r, "error in add for path: '%.*s': %.*s", STR_ARG(path), STR_ARG(why));
    return 0;
}

static int op_remove(struct run *r, const struct doc *op, struct str path)
{
    struct place p;
    struct str why;
    int e = find_place(r, path, &p);

    if (e < 0)
        return e;
    if (!p.container)
        return fail(r, "remove operation does not apply: doc is missing path: \"%.*s\": %s",
                    STR_ARG(path), missing_value);
    if (!remove_at(r, &p, &why))
        return fail(r, "error in remove for path: '%.*s': %.*s", STR_ARG(path), STR_ARG(why));
    return 0;
}

static int op_replace(struct run *r, const struct doc *op, struct str path)
{
    struct doc value = value_of(r, op), *old;
    struct place p;
    struct str why;
    int e;

    if (!path.len) {
        if (value.kind != DOC_OBJECT && value.kind != DOC_ARRAY)
            return fail(r, "replace operation value must be object or array");
        *r->root = value;
        return 0;
    }
    e = find_place(r, path, &p);
    if (e < 0)
        return e;
    if (!p.container)
        return fail(r, "replace operation does not apply: doc is missing path: %.*s: %s",
                    STR_ARG(path), missing_value);
    e = get(r, &p, &old, &why);
    if (e < 0)
        return fail(r, "replace operation does not apply: doc is missing key: %.*s: %s",
                    STR_ARG(path), missing_value);
    if (e)
        *old = value;
    else
        (void)doc_set(r->arena, p.container, p.key, value);
    return 0;
}

static int op_test(struct run *r, const struct doc *op, struct str path)
{
    const struct doc *want = doc_find(op, STR("value"));
    struct doc *have = r->root;
    struct place p;
    struct str why;
    int e;

    if (path.len) {
        e = find_place(r, path, &p);
        if (e < 0)
            return e;
        if (!p.container)
            return fail(r, "test operation does not apply: is missing path: %.*s: %s",
                        STR_ARG(path), missing_value);
        e = get(r, &p, &have, &why);
        if (e < 0)
            return fail(r, "error in test for path: '%.*s': %.*s", STR_ARG(path), STR_ARG(why));
        if (!e || have->kind == DOC_NULL)
            have = NULL;
    }
    if (want && want->kind == DOC_NULL)
        want = NULL;
    if (have == want || (have && want && doc_equal(have, want))) /* missing and null are the same */
        return 0;
    return fail(r, "testing value %.*s failed: test failed", STR_ARG(path));
}

/* The "from" of a move or copy and what stands there. */
static int find_from(struct run *r, const struct doc *op, const char *name, struct place *ret_p,
                     struct str *ret_from)
{
    const struct doc *from = doc_find(op, STR("from"));
    int e;

    if (!from || from->kind == DOC_NULL)
        return fail(r, "%s operation failed to decode from: operation, missing from field: %s",
                    name, missing_value);
    if (from->kind != DOC_STRING)
        return fail(
            r,
            "%s operation failed to decode from: json: cannot unmarshal %s into Go value of "
            "type string",
            name, patch_go_kind(from));
    e = find_place(r, from->s, ret_p);
    if (e < 0)
        return e;
    if (!ret_p->container)
        return fail(r, "%s operation does not apply: doc is missing from path: %.*s: %s", name,
                    STR_ARG(from->s), missing_value);
    *ret_from = from->s;
    return 0;
}

static int find_destination(struct run *r, struct str path, const char *name, struct place *ret_p)
{
    int e = find_place(r, path, ret_p);

    if (e < 0)
        return e;
    if (!ret_p->container)
        return fail(r, "%s operation does not apply: doc is missing destination path: %.*s: %s",
                    name, STR_ARG(path), missing_value);
    return 0;
}

static int op_move(struct run *r, const struct doc *op, struct str path)
{
    struct place p;
    struct str from, why;
    struct doc *at, value = doc_null();
    int e = find_from(r, op, "move", &p, &from);

    if (e < 0)
        return e;
    e = get(r, &p, &at, &why);
    if (e > 0)
        value = *at;
    if (e < 0 || !remove_at(r, &p, &why))
        return fail(r, "error in move for path: '%.*s': %.*s", STR_ARG(p.key), STR_ARG(why));
    e = find_destination(r, path, "move", &p);
    if (e < 0)
        return e;
    if (!add_at(r, &p, value, &why))
        return fail(r, "error in move for path: '%.*s': %.*s", STR_ARG(path), STR_ARG(why));
    return 0;
}

/* Counts the bytes of @d against what copies may add. */
static int charge_copy(struct run *r, const struct doc *d)
{
    auto_buf text = {.limit_bytes = COPY_BYTES_MAX};

    json_write(&text, d);
    r->copied_bytes += text.overflow ? COPY_BYTES_MAX + 1 : text.len;
    if (r->copied_bytes > COPY_BYTES_MAX)
        return err_new(r->err, ERR_TOO_LARGE,
                       "Unable to complete the copy, the accumulated size increase of copy is %zu, "
                       "exceeding the limit %d",
                       r->copied_bytes, COPY_BYTES_MAX);
    return 0;
}

static int op_copy(struct run *r, const struct doc *op, struct str path)
{
    struct place p;
    struct str from, why;
    struct doc *at, value = doc_null();
    int e = find_from(r, op, "copy", &p, &from);

    if (e < 0)
        return e;
    e = get(r, &p, &at, &why);
    if (e < 0)
        return fail(r, "error in copy for from: '%.*s': %.*s", STR_ARG(from), STR_ARG(why));
    if (e > 0) {
        e = charge_copy(r, at);
        if (e < 0)
            return e;
        value = doc_clone(r->arena, at, false);
    }
    e = find_destination(r, path, "copy", &p);
    if (e < 0)
        return e;
    if (!add_at(r, &p, value, &why))
        return fail(r, "error while adding value during copy: %.*s", STR_ARG(why));
    return 0;
}

static const struct {
    const char *name;
    int (*run)(struct run *r, const struct doc *op, struct str path);
} operations[] = {
    {"add", op_add},   {"remove", op_remove}, {"replace", op_replace},
    {"move", op_move}, {"copy", op_copy},     {"test", op_test},
};

static int run_operation(struct run *r, const struct doc *op)
{
    const struct doc *name = doc_find(op, STR("op")), *path = doc_find(op, STR("path"));
    struct str kind = name && name->kind == DOC_STRING ? name->s : STR("unknown");

    for (size_t i = 0; i < ARRAY_LEN(operations); i++) {
        if (!str_eqz(kind, operations[i].name))
            continue;
        if (!path || path->kind != DOC_STRING)
            return fail(r, "%s operation failed to decode path: %s", operations[i].name,
                        missing_value);
        return operations[i].run(r, op, path->s);
    }
    return fail(r, "Unexpected kind: %.*s", STR_ARG(kind));
}

/* Patching can nest and multiply values; what comes out obeys the limits of a parsed document. */
static int check_limits(const struct doc *root, struct err *err)
{
    struct level {
        const struct doc *d;
        uint32_t next;
    };
    VEC(struct level) stack = {0};
    size_t n_nodes = 1;
    int e = 0;

    vec_push(&stack, ((struct level){root, 0}));
    while (stack.n && !e) {
        struct level *top = &stack.v[stack.n - 1];
        const struct doc *child;

        if (top->next == (top->d->kind >= DOC_ARRAY ? top->d->n : 0)) {
            stack.n--;
            continue;
        }
        child = top->d->kind == DOC_ARRAY ? &top->d->items[top->next]
                                          : &top->d->members[top->next].value;
        top->next++;
        if (++n_nodes > DOC_NODES_MAX || stack.n > DOC_DEPTH_MAX)
            e = err_new(err, ERR_TOO_LARGE,
                        "Request entity too large: the patched object is too %s",
                        stack.n > DOC_DEPTH_MAX ? "deep" : "large");
        else if (child->kind >= DOC_ARRAY)
            vec_push(&stack, ((struct level){child, 0}));
    }
    vec_deinit(&stack);
    return e;
}

static int check_shape(const struct doc *patch, struct err *err)
{
    if (patch->kind != DOC_ARRAY)
        return err_new(err, ERR_BAD_REQUEST,
                       "json: cannot unmarshal %s into Go value of type jsonpatch.Patch",
                       patch_go_kind(patch));
    if (patch->n > OPERATIONS_MAX)
        return err_new(
            err, ERR_TOO_LARGE,
            "Request entity too large: The allowed maximum operations in a JSON patch is "
            "%d, got %u",
            OPERATIONS_MAX, patch->n);
    for (uint32_t i = 0; i < patch->n; i++)
        if (patch->items[i].kind != DOC_OBJECT)
            return err_new(err, ERR_BAD_REQUEST,
                           "json: cannot unmarshal %s into Go value of type jsonpatch.Operation",
                           patch_go_kind(&patch->items[i]));
    return 0;
}

int patch_json(struct arena *a, struct doc *d, const struct doc *patch, struct err *err)
{
    struct run r = {.arena = a, .root = d, .err = err};
    int e = check_shape(patch, err);

    for (uint32_t i = 0; e == 0 && i < patch->n; i++)
        e = run_operation(&r, &patch->items[i]);
    return e < 0 ? e : check_limits(d, err);
}
