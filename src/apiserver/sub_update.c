/* sub_update.c - subresources that show the whole object but change one part of it. */
#include "api/validate_certificates.h"
#include "apiserver/write.h"
#include "schema/format.h"
#include "schema/typed.h"

void sub_update_take(const struct type *type, void *obj, const void *old, struct str name)
{
    const struct field *f = type_field(type, name);
    size_t size;

    if (!f)
        return;
    if (f->card == CARD_ONE)
        size = f->kind == FIELD_RAW ? sizeof(void *) : field_elem_size(f);
    else
        size = f->card == CARD_PTR ? sizeof(void *) : sizeof(struct any_list);
    memcpy(field_ptr(f, obj), field_ptr(f, old), size);
}

/* All of @old, but labels, annotations and finalizers as given: what a status write may say there.
 */
static void keep_only_metadata(const struct type *type, void *obj, const void *old)
{
    struct meta_object_meta *m = metadata_of(type, obj), given = *m;
    const struct meta_object_meta *om = metadata_of(type, old);

    memcpy(obj, old, type->size);
    *m = *om;
    m->name = given.name;
    m->namespace = given.namespace;
    m->uid = given.uid;
    m->labels = given.labels;
    m->annotations = given.annotations;
    m->finalizers = given.finalizers;
}

void sub_update_keep_status(const struct type *type, void *obj, const void *old)
{
    const struct field *f = type_field(type, STR("status"));
    auto_arena a = {0};
    char *given = arena_alloc(&a, type->size);

    memcpy(given, obj, type->size);
    keep_only_metadata(type, obj, old);
    if (f)
        sub_update_take(type, obj, given, STR("status"));
}

/* ---- namespaces/finalize ---- */

static void prepare_finalize(void *obj, const void *old, struct arena *a)
{
    struct core_namespace *ns = obj;
    struct core_namespace_spec spec = ns->spec;

    (void)a;
    keep_only_metadata(&type_core_namespace, obj, old);
    ns->spec = spec;
}

static void validate_finalize(const void *obj, const void *old, struct field_errors *errs)
{
    const struct core_namespace *ns = obj;
    struct path spec = path_field(NULL, "spec"), list = path_field(&spec, "finalizers");

    (void)old;
    for (size_t i = 0; i < ns->spec.finalizers.n; i++) {
        struct path p = path_index(&list, i);
        struct str f = ns->spec.finalizers.v[i];
        const char *msg = format_qualified_name(f);

        if (msg)
            err_invalid(errs, &p, doc_string(f), "%s", msg);
        else if (str_find_char(f, '/') < 0 && !str_eqz(f, "kubernetes"))
            err_invalid(errs, &p, doc_string(f),
                        "name is neither a standard finalizer name nor is it fully qualified");
    }
}

/* ---- pods/ephemeralcontainers ---- */

static void prepare_ephemeral(void *obj, const void *old, struct arena *a)
{
    struct core_pod *pod = obj;
    __typeof__(pod->spec.ephemeral_containers) given = pod->spec.ephemeral_containers;

    (void)a;
    keep_only_metadata(&type_core_pod, obj, old);
    pod->spec.ephemeral_containers = given;
}

static const struct core_ephemeral_container *find_ephemeral(const struct core_pod *pod,
                                                             struct str name)
{
    for (size_t i = 0; i < pod->spec.ephemeral_containers.n; i++) {
        if (str_eq(pod->spec.ephemeral_containers.v[i].name, name))
            return &pod->spec.ephemeral_containers.v[i];
    }
    return NULL;
}

static void validate_ephemeral(const void *obj, const void *old, struct field_errors *errs)
{
    const struct core_pod *pod = obj, *was = old;
    struct path spec = path_field(NULL, "spec"), p = path_field(&spec, "ephemeralContainers");
    const struct strategy *s = res_core_pods.strategy;

    for (size_t i = 0; i < was->spec.ephemeral_containers.n; i++) {
        const struct core_ephemeral_container *o = &was->spec.ephemeral_containers.v[i];
        const struct core_ephemeral_container *n = find_ephemeral(pod, o->name);

        if (!n)
            err_forbidden(errs, &p, "existing ephemeral containers \"%.*s\" may not be removed\n",
                          STR_ARG(o->name));
        else if (!typed_equal(&type_core_ephemeral_container, n, o))
            err_forbidden(errs, &p, "existing ephemeral containers \"%.*s\" may not be changed\n",
                          STR_ARG(o->name));
    }
    /* A new pod with these containers must be a valid one. */
    check_typed(&type_core_pod, pod, NULL, NULL, errs);
    if (s && s->validate)
        s->validate(pod, NULL, errs);
}

/* ---- pods/resize ---- */

static void resize_container(struct core_container *c, const struct core_pod *given)
{
    const struct core_pod_spec *spec = &given->spec;

    for (size_t i = 0; i < spec->containers.n + spec->init_containers.n; i++) {
        const struct core_container *g = i < spec->containers.n
                                             ? &spec->containers.v[i]
                                             : &spec->init_containers.v[i - spec->containers.n];

        if (str_eq(g->name, c->name)) {
            c->resources = g->resources;
            c->resize_policy.v = g->resize_policy.v;
            c->resize_policy.n = g->resize_policy.n;
            return;
        }
    }
}

/* Resources and resize policies of the containers that are there; nothing else. */
static void prepare_resize(void *obj, const void *old, struct arena *a)
{
    struct core_pod *pod = obj;
    struct core_pod given = *pod;
    struct core_pod_spec *spec = &pod->spec;
    struct core_container *copy;

    keep_only_metadata(&type_core_pod, obj, old);
    copy = arena_calloc(a, spec->containers.n + spec->init_containers.n, sizeof(*copy));
    if (spec->containers.n)
        memcpy(copy, spec->containers.v, spec->containers.n * sizeof(*copy));
    if (spec->init_containers.n)
        memcpy(copy + spec->containers.n, spec->init_containers.v,
               spec->init_containers.n * sizeof(*copy));
    spec->containers.v = copy;
    spec->init_containers.v = copy + spec->containers.n;
    for (size_t i = 0; i < spec->containers.n + spec->init_containers.n; i++)
        resize_container(&copy[i], &given);
}

static bool resizable(const struct core_resource_requirements *now,
                      const struct core_resource_requirements *was)
{
    struct core_resource_requirements x = *now, y = *was;

    x.requests = y.requests;
    x.limits = y.limits;
    return typed_equal(&type_core_resource_requirements, &x, &y);
}

static void validate_resize(const void *obj, const void *old, struct field_errors *errs)
{
    const struct core_pod *pod = obj, *was = old;
    const struct strategy *s = res_core_pods.strategy;
    struct path spec = path_field(NULL, "spec"), list = path_field(&spec, "containers");

    for (size_t i = 0; i < pod->spec.containers.n; i++) {
        struct path at = path_index(&list, i), p = path_field(&at, "resources");

        if (!resizable(&pod->spec.containers.v[i].resources, &was->spec.containers.v[i].resources))
            err_forbidden(errs, &p, "only cpu and memory resources are mutable");
    }
    check_typed(&type_core_pod, pod, NULL, NULL, errs);
    if (s && s->validate)
        s->validate(pod, NULL, errs);
}

/* ---- certificatesigningrequests/approval ---- */

/* The conditions of the body, and nothing else. */
static void prepare_approval(void *obj, const void *old, struct arena *a)
{
    struct certificates_certificate_signing_request *c = obj;
    __typeof__(c->status.conditions) given = c->status.conditions;

    (void)a;
    keep_only_metadata(&type_certificates_certificate_signing_request, obj, old);
    c->status.conditions = given;
}

static const struct sub_update sub_updates[] = {
    {&res_core_namespaces, "finalize", prepare_finalize, validate_finalize},
    {&res_core_pods, "ephemeralcontainers", prepare_ephemeral, validate_ephemeral},
    {&res_core_pods, "resize", prepare_resize, validate_resize},
    {&res_certificates_certificatesigningrequests, "approval", prepare_approval,
     validate_csr_approval},
};

const struct sub_update *sub_update_find(const struct resource *res, struct str sub)
{
    for (size_t i = 0; i < ARRAY_LEN(sub_updates); i++) {
        if (sub_updates[i].res == res && str_eqz(sub, sub_updates[i].sub))
            return &sub_updates[i];
    }
    return NULL;
}
