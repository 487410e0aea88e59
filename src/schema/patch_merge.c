/* patch_merge.c - JSON merge patch (RFC 7386). Layer: schema. */
#include "base/vec.h"
#include "schema/members.h"
#include "schema/patch.h"
#include "schema/patch_internal.h"

struct step { /* a pair of objects still to merge */
    struct doc *into;
    const struct doc *patch;
};
typedef VEC(struct step) step_vec;

const char *patch_go_kind(const struct doc *d)
{
    if (d->kind == DOC_BOOL)
        return "bool";
    return d->kind == DOC_INT ? "number" : doc_kind_name(d);
}

/* Merges the members of one object and leaves the objects among them for later. Members that will
 * be merged are never added to after they were pushed, so their addresses stay. */
static void merge_one(struct arena *a, struct step s, step_vec *todo)
{
    MEMBERS(m, s.into, s.patch->n);

    for (uint32_t i = 0; i < s.patch->n; i++) {
        const struct doc_member *p = &s.patch->members[i];
        struct doc *old;

        if (p->value.kind == DOC_NULL) {
            members_drop(&m, p->key);
        } else if (p->value.kind == DOC_OBJECT) {
            old = members_find(&m, p->key);
            if (!old || old->kind != DOC_OBJECT)
                members_put(&m, a, p->key, doc_object());
        } else {
            members_put(&m, a, p->key, doc_clone(a, &p->value, false));
        }
    }
    members_close(&m);
    m = members_open(s.into, 0);
    for (uint32_t i = 0; i < s.patch->n; i++) {
        const struct doc_member *p = &s.patch->members[i];

        if (p->value.kind == DOC_OBJECT)
            vec_push(todo, ((struct step){members_find(&m, p->key), &p->value}));
    }
}

int patch_merge(struct arena *a, struct doc *d, const struct doc *patch, struct err *err)
{
    step_vec todo = {0};

    if (patch->kind != DOC_OBJECT)
        return err_new(err, ERR_BAD_REQUEST,
                       "error decoding patch: json: cannot unmarshal %s into Go value of type "
                       "map[string]interface {}",
                       patch_go_kind(patch));
    if (d->kind != DOC_OBJECT)
        *d = doc_object();
    vec_push(&todo, ((struct step){d, patch}));
    while (todo.n) {
        struct step s = vec_pop(&todo);

        merge_one(a, s, &todo);
    }
    vec_deinit(&todo);
    return 0;
}
