/* remote_older.c - values that older releases of Kubernetes have left: in versions that are served
 * no more (up to 1.24), of which most have the form of the version that followed and the others are
 * brought to it; and without what readers fill in. */
#include "api/api.h"
#include "codec/pb.h"
#include "store/remote.h"

#define NONE_KEY   "pdb.kubernetes.io/deprecated-v1beta1-empty-selector-match"
#define NODE_LABEL "kubernetes.io/hostname"
#define ZONE_LABEL "topology.kubernetes.io/zone"

/* ---- Ingress v1beta1: another form of backends ---- */

struct step { /* a field of a message that is changed */
    uint32_t number;
    const struct step *inner;                                     /* of the message in it; or: */
    int (*leaf)(struct str in, struct buf *out, struct err *err); /* makes its content anew */
};

static void copy_field(const struct pb_field *f, struct buf *out)
{
    if (f->wire == PB_BYTES)
        pb_put_bytes(out, f->number, f->bytes);
    else if (f->wire == PB_VARINT)
        pb_put_uint(out, f->number, f->varint);
}

/* An IntOrString as the ServiceBackendPort that says the same. */
static int port_pb(struct str in, struct buf *out, struct err *err)
{
    struct pb_reader r = pb_reader(in);
    uint64_t kind = 0, number = 0;
    struct str name = STR("");
    struct pb_field f;
    int more;

    while ((more = pb_next(&r, &f, err)) > 0) {
        if (f.number == 1)
            kind = f.varint;
        else if (f.number == 2)
            number = f.varint;
        else if (f.number == 3)
            name = f.bytes;
    }
    if (more == 0 && kind == 0)
        pb_put_uint(out, 2, number);
    else if (more == 0)
        pb_put_bytes(out, 1, name);
    return more;
}

static int backend_pb(struct str in, struct buf *out, struct err *err)
{
    struct pb_reader r = pb_reader(in);
    struct str name = STR(""), port = STR_NULL;
    struct pb_field f;
    size_t service, inner;
    int more;

    while ((more = pb_next(&r, &f, err)) > 0) {
        if (f.number == 1)
            name = f.bytes;
        else if (f.number == 2)
            port = f.bytes;
        else
            copy_field(&f, out);
    }
    if (more < 0 || str_empty(name)) /* without a name it is a resource */
        return more;
    service = pb_begin(out, 4);
    pb_put_bytes(out, 1, name);
    inner = pb_begin(out, 2);
    more = port_pb(port, out, err);
    pb_end(out, inner);
    pb_end(out, service);
    return more;
}

static const struct step in_path[] = {{2, NULL, backend_pb}, {0}};
static const struct step in_http[] = {{1, in_path, NULL}, {0}};
static const struct step in_value[] = {{1, in_http, NULL}, {0}};
static const struct step in_rule[] = {{2, in_value, NULL}, {0}};
static const struct step in_spec[] = {{1, NULL, backend_pb}, {3, in_rule, NULL}, {0}};
static const struct step in_ingress[] = {{2, in_spec, NULL}, {0}};

/* Goes as deep as the table of steps. */
static int rewrite(struct str in, const struct step *steps, struct buf *out, struct err *err)
{
    struct pb_reader r = pb_reader(in);
    struct pb_field f;
    int more;

    while ((more = pb_next(&r, &f, err)) > 0) {
        const struct step *s = steps;
        size_t mark;

        while (s->number && (s->number != f.number || f.wire != PB_BYTES))
            s++;
        if (!s->number) {
            copy_field(&f, out);
            continue;
        }
        mark = pb_begin(out, f.number);
        more = s->leaf ? s->leaf(f.bytes, out, err) : rewrite(f.bytes, s->inner, out, err);
        pb_end(out, mark);
        if (more < 0)
            break;
    }
    return more;
}

/* ---- what is changed in structs ---- */

/* Node and zone were labels among those of the topology. */
static void fix_slice(void *obj, struct arena *a)
{
    struct discovery_endpoint_slice *slice = obj;

    for (size_t i = 0; i < slice->endpoints.n; i++) {
        struct discovery_endpoint *e = &slice->endpoints.v[i];
        struct string_map *topology = &e->deprecated_topology;
        struct str node = string_map_get(topology, STR(NODE_LABEL));
        struct str zone = string_map_get(topology, STR(ZONE_LABEL));

        if (!e->node_name && node.p)
            e->node_name = arena_box(a, node);
        e->zone = zone.p ? arena_box(a, zone) : NULL; /* its number was of the hints */
        e->hints = NULL;
        (void)string_map_remove(topology, STR(NODE_LABEL));
        (void)string_map_remove(topology, STR(ZONE_LABEL));
    }
}

/* An empty selector chose nothing then, and chooses everything now. */
static void fix_budget(void *obj, struct arena *a)
{
    struct meta_label_selector *s = ((struct policy_pod_disruption_budget *)obj)->spec.selector;
    struct meta_label_selector_requirement none = {.key = STR(NONE_KEY), .operator= STR("Exists")};

    if (!s || s->match_labels.n || s->match_expressions.n)
        return;
    s->match_expressions.v = arena_box(a, none);
    s->match_expressions.n = 1;
}

/* Services that are older than the plural have one address, and no families. Of headless ones
 * nothing tells the family; an update gives them theirs. */
static void fill_addresses(struct core_service *svc, struct arena *a)
{
    struct core_service_spec *s = &svc->spec;

    if (str_empty(s->cluster_ip) || str_eqz(s->cluster_ip, "None") ||
        str_eqz(s->type, "ExternalName"))
        return;
    if (s->cluster_ips.n == 0) {
        s->cluster_ips.v = arena_new(a, struct str);
        s->cluster_ips.v[0] = s->cluster_ip;
        s->cluster_ips.n = 1;
    }
    if (s->ip_families.n > 0)
        return;
    s->ip_families.n = s->cluster_ips.n;
    s->ip_families.v = arena_calloc(a, s->cluster_ips.n, sizeof(struct str));
    for (size_t i = 0; i < s->cluster_ips.n; i++)
        s->ip_families.v[i] =
            str_find_char(s->cluster_ips.v[i], ':') >= 0 ? STR("IPv6") : STR("IPv4");
    s->ip_family_policy = arena_new(a, struct str);
    *s->ip_family_policy = s->cluster_ips.n == 1 ? STR("SingleStack") : STR("RequireDualStack");
}

void remote_fill(const struct resource *res, void *obj, struct arena *a)
{
    if (res == &res_core_services)
        fill_addresses(obj, a);
}

/* ---- CustomResourceDefinition v1beta1 ---- */

static void move_member(struct doc *from, const char *name, struct doc *to, const char *as,
                        struct arena *a)
{
    struct doc *d = doc_find(from, str_from(name));
    struct doc value = d ? *d : doc_null();

    if (!d)
        return;
    (void)doc_remove(from, str_from(name));
    if (value.kind != DOC_NULL && to && !doc_find(to, str_from(as)))
        (void)doc_add(a, to, str_from(as), value);
}

static void fix_columns(struct doc *version, struct arena *a)
{
    struct doc *columns = doc_find(version, STR("additionalPrinterColumns"));

    for (uint32_t i = 0; columns && columns->kind == DOC_ARRAY && i < columns->n; i++)
        if (columns->items[i].kind == DOC_OBJECT)
            move_member(&columns->items[i], "JSONPath", &columns->items[i], "jsonPath", a);
}

/* What was said for all versions once is said for each. */
static void fix_definition(struct doc *d, struct arena *a)
{
    static const char *const shared[][2] = {
        {"validation", "schema"},
        {"subresources", "subresources"},
        {"additionalPrinterColumns", "additionalPrinterColumns"}};
    struct doc *spec = doc_find(d, STR("spec")), *conversion, *versions;

    if (!spec || spec->kind != DOC_OBJECT)
        return;
    for (size_t k = 0; k < ARRAY_LEN(shared); k++) {
        const struct doc *all = doc_find(spec, str_from(shared[k][0]));

        versions = doc_find(spec, STR("versions")); /* each time: a removal moves it */
        if (!versions || versions->kind != DOC_ARRAY)
            return;

        for (uint32_t i = 0; all && all->kind != DOC_NULL && i < versions->n; i++)
            if (versions->items[i].kind == DOC_OBJECT &&
                !doc_find(&versions->items[i], str_from(shared[k][1])))
                (void)doc_add(a, &versions->items[i], str_from(shared[k][1]),
                              doc_clone(a, all, false));
        (void)doc_remove(spec, str_from(shared[k][0]));
    }
    (void)doc_remove(spec, STR("version"));
    if (!doc_path_bool(spec, "preserveUnknownFields", true))
        (void)doc_remove(spec, STR("preserveUnknownFields"));
    versions = doc_find(spec, STR("versions"));
    for (uint32_t i = 0; i < versions->n; i++)
        fix_columns(&versions->items[i], a);
    conversion = doc_find(spec, STR("conversion"));
    if (conversion && doc_find(conversion, STR("webhookClientConfig"))) {
        struct doc *webhook = doc_make_object(a, conversion, STR("webhook"));

        move_member(conversion, "webhookClientConfig", webhook, "clientConfig", a);
    }
    if (conversion)
        move_member(conversion, "conversionReviewVersions", doc_find(conversion, STR("webhook")),
                    "conversionReviewVersions", a);
}

/* ---- which there are ---- */

struct remote_older {
    const char *group, *version, *kind;
    bool pb_only; /* as JSON it has another form */
    const struct step *steps;
    void (*fix)(void *obj, struct arena *a);
    void (*fix_doc)(struct doc *d, struct arena *a);
};
static const struct remote_older olders[] = {
    {"admissionregistration.k8s.io", "v1beta1", "MutatingWebhookConfiguration"},
    {"admissionregistration.k8s.io", "v1beta1", "ValidatingWebhookConfiguration"},
    {"apiextensions.k8s.io", "v1beta1", "CustomResourceDefinition", .fix_doc = fix_definition},
    {"apiregistration.k8s.io", "v1beta1", "APIService"},
    {"batch", "v1beta1", "CronJob"},
    {"coordination.k8s.io", "v1beta1", "Lease"},
    {"discovery.k8s.io", "v1beta1", "EndpointSlice", .pb_only = true, .fix = fix_slice},
    {"flowcontrol.apiserver.k8s.io", "v1beta1", "FlowSchema"},
    {"flowcontrol.apiserver.k8s.io", "v1beta1", "PriorityLevelConfiguration", .pb_only = true},
    {"flowcontrol.apiserver.k8s.io", "v1beta2", "FlowSchema"},
    {"flowcontrol.apiserver.k8s.io", "v1beta2", "PriorityLevelConfiguration", .pb_only = true},
    {"flowcontrol.apiserver.k8s.io", "v1beta3", "FlowSchema"},
    {"flowcontrol.apiserver.k8s.io", "v1beta3", "PriorityLevelConfiguration"},
    {"networking.k8s.io", "v1beta1", "Ingress", .pb_only = true, .steps = in_ingress},
    {"networking.k8s.io", "v1beta1", "IngressClass"},
    {"node.k8s.io", "v1beta1", "RuntimeClass"},
    {"policy", "v1beta1", "PodDisruptionBudget", .fix = fix_budget},
    {"rbac.authorization.k8s.io", "v1beta1", "ClusterRole"},
    {"rbac.authorization.k8s.io", "v1beta1", "ClusterRoleBinding"},
    {"rbac.authorization.k8s.io", "v1beta1", "Role"},
    {"rbac.authorization.k8s.io", "v1beta1", "RoleBinding"},
    {"scheduling.k8s.io", "v1beta1", "PriorityClass"},
    {"storage.k8s.io", "v1beta1", "CSIDriver"},
    {"storage.k8s.io", "v1beta1", "CSINode"},
    {"storage.k8s.io", "v1beta1", "CSIStorageCapacity"},
    {"storage.k8s.io", "v1beta1", "StorageClass"},
    {"storage.k8s.io", "v1beta1", "VolumeAttachment"},
};

const struct remote_older *remote_older_find(const struct resource *res, struct str api_version)
{
    struct str group, version;

    api_split_version(api_version, &group, &version);
    for (size_t i = 0; i < ARRAY_LEN(olders); i++)
        if (strcmp(olders[i].kind, res->kind) == 0 && strcmp(olders[i].group, res->group) == 0 &&
            str_eqz(group, olders[i].group) && str_eqz(version, olders[i].version))
            return &olders[i];
    return NULL;
}

int remote_older_pb(const struct remote_older *older, struct str raw, struct arena *a,
                    struct str *ret_raw, struct err *err)
{
    auto_buf out = {0};
    int r = older->steps ? rewrite(raw, older->steps, &out, err) : 0;

    if (r == 0)
        *ret_raw = older->steps ? str_dup(a, buf_view(&out)) : raw;
    return r;
}

void remote_older_fix(const struct remote_older *older, void *obj, struct arena *a)
{
    if (older->fix)
        older->fix(obj, a);
}

bool remote_older_doc(const struct remote_older *older, const struct resource *res, struct doc *d,
                      struct arena *a)
{
    if (older->pb_only)
        return false;
    (void)doc_set(a, d, STR("apiVersion"), doc_string(resource_api_version(res, a)));
    if (older->fix_doc)
        older->fix_doc(d, a);
    return true;
}
