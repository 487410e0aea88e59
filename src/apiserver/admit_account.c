/* SPDX-License-Identifier: Apache-2.0 */
/* admit_account.c - ServiceAccount: every pod runs as one, and finds its token in a volume. */
#include "apiserver/admit.h"
#include "apiserver/pod_refs.h"

#define MOUNT_PATH "/var/run/secrets/kubernetes.io/serviceaccount"
enum { TOKEN_LIFE_SEC = 3607, FILE_MODE = 0644 };

#define BOXED(a, type, value)                                                                      \
    ({                                                                                             \
        type *boxed_ = arena_new((a), type);                                                       \
        *boxed_ = (value);                                                                         \
        boxed_;                                                                                    \
    })

static bool mounted(const struct core_container *c)
{
    for (size_t i = 0; i < c->volume_mounts.n; i++)
        if (str_eqz(c->volume_mounts.v[i].mount_path, MOUNT_PATH))
            return true;
    return false;
}

/* Mounts @name in each container that has nothing at that path. How many there were. */
static size_t mount_in(struct arena *a, struct core_container *v, size_t n, struct str name)
{
    size_t added = 0;

    for (size_t i = 0; i < n; i++) {
        struct core_container *c = &v[i];
        struct core_volume_mount *m;

        if (mounted(c))
            continue;
        c->volume_mounts.v = arena_grow(a, c->volume_mounts.v, c->volume_mounts.n,
                                        c->volume_mounts.n + 1, sizeof(*c->volume_mounts.v));
        m = &c->volume_mounts.v[c->volume_mounts.n++];
        *m = (struct core_volume_mount){
            .name = name, .read_only = true, .mount_path = STR(MOUNT_PATH)};
        added++;
    }
    return added;
}

static struct core_projected_volume_source *token_volume(struct arena *a)
{
    struct core_projected_volume_source *p = arena_new(a, struct core_projected_volume_source);
    struct core_service_account_token_projection *token =
        arena_new(a, struct core_service_account_token_projection);
    struct core_config_map_projection *ca = arena_new(a, struct core_config_map_projection);
    struct core_downward_api_projection *down = arena_new(a, struct core_downward_api_projection);

    token->path = STR("token");
    token->expiration_seconds = BOXED(a, int64_t, TOKEN_LIFE_SEC);
    ca->name = STR("kube-root-ca.crt");
    ca->items.v = arena_new(a, struct core_key_to_path);
    ca->items.n = 1;
    ca->items.v[0] = (struct core_key_to_path){.key = STR("ca.crt"), .path = STR("ca.crt")};
    down->items.v = arena_new(a, struct core_downward_api_volume_file);
    down->items.n = 1;
    down->items.v[0].path = STR("namespace");
    down->items.v[0].field_ref = arena_new(a, struct core_object_field_selector);
    down->items.v[0].field_ref->api_version = STR("v1");
    down->items.v[0].field_ref->field_path = STR("metadata.namespace");
    p->sources.v = arena_calloc(a, 3, sizeof(*p->sources.v));
    p->sources.n = 3;
    p->sources.v[0].service_account_token = token;
    p->sources.v[1].config_map = ca;
    p->sources.v[2].downward_api = down;
    p->default_mode = BOXED(a, int32_t, FILE_MODE);
    return p;
}

static void mount_token(struct request *rq, struct core_pod *pod)
{
    struct arena *a = rq->arena;
    struct str name = STR_NULL;
    struct core_volume *v;
    size_t n;

    for (size_t i = 0; i < pod->spec.volumes.n; i++)
        if (str_has_prefix(pod->spec.volumes.v[i].name, STR("kube-api-access-")))
            name = pod->spec.volumes.v[i].name; /* a copied pod has it already */
    n = str_empty(name) ? 0 : 1;
    if (n == 0)
        name = str_printf(a, "kube-api-access-%.*s", STR_ARG(admit_suffix(rq)));
    if (mount_in(a, pod->spec.init_containers.v, pod->spec.init_containers.n, name) +
                mount_in(a, pod->spec.containers.v, pod->spec.containers.n, name) ==
            0 ||
        n > 0)
        return;
    pod->spec.volumes.v = arena_grow(a, pod->spec.volumes.v, pod->spec.volumes.n,
                                     pod->spec.volumes.n + 1, sizeof(*pod->spec.volumes.v));
    v = &pod->spec.volumes.v[pod->spec.volumes.n++];
    *v = (struct core_volume){.name = name, .projected = token_volume(a)};
}

static bool wants_token(const struct core_pod *pod, const struct core_service_account *sa)
{
    if (pod->spec.automount_service_account_token)
        return *pod->spec.automount_service_account_token;
    return !sa->automount_service_account_token || *sa->automount_service_account_token;
}

static bool any_secret(void *arg, enum pod_ref_kind kind, struct str ns, struct str name)
{
    *(enum pod_ref_kind *)arg = kind;
    return true;
}

/* Mirror pods show what a node runs by itself: they refer to nothing of the cluster. */
static enum stage_result check_mirror(struct request *rq, const struct core_pod *pod)
{
    enum pod_ref_kind kind;

    if (!str_empty(pod->spec.service_account_name))
        return admit_forbid(rq, "a mirror pod may not reference service accounts");
    if (pod_refs_visit(&type_core_pod_spec, &pod->spec, any_secret, &kind)) {
        if (kind == POD_REF_SECRET)
            return admit_forbid(rq, "a mirror pod may not reference secrets");
        if (kind == POD_REF_CONFIG_MAP)
            return admit_forbid(rq, "a mirror pod may not reference configmaps");
        return admit_forbid(rq, "a mirror pod may not reference persistentvolumeclaims");
    }
    return STAGE_NEXT;
}

enum stage_result admit_account(struct request *rq)
{
    struct core_pod *pod = rq->obj;
    const struct resource *res = &res_core_serviceaccounts;
    const struct core_service_account *sa;
    struct object *o;
    struct str name;

    if (!admit_is(rq, &res_core_pods))
        return STAGE_NEXT;
    if (string_map_get(&pod->metadata.annotations, STR("kubernetes.io/config.mirror")).p)
        return check_mirror(rq, pod);
    if (str_empty(pod->spec.service_account_name))
        pod->spec.service_account_name =
            str_empty(pod->spec.service_account) ? STR("default") : pod->spec.service_account;
    name = pod->spec.service_account_name;
    pod->spec.service_account = name;
    o = cache_find(store_cache(rq->as->store, res), resource_key(res, rq->ns, name, rq->arena));
    if (!o)
        return admit_forbid(rq,
                            "error looking up service account %.*s/%.*s: serviceaccount \"%.*s\" "
                            "not found",
                            STR_ARG(rq->ns), STR_ARG(name), STR_ARG(name));
    sa = OBJECT_AS(core_service_account, o);
    if (wants_token(pod, sa))
        mount_token(rq, pod);
    if (pod->spec.image_pull_secrets.n == 0 && sa->image_pull_secrets.n > 0) {
        struct core_local_object_reference *v =
            arena_calloc(rq->arena, sa->image_pull_secrets.n, sizeof(*v));

        for (size_t i = 0; i < sa->image_pull_secrets.n; i++)
            v[i].name = str_dup(rq->arena, sa->image_pull_secrets.v[i].name);
        pod->spec.image_pull_secrets.v = v;
        pod->spec.image_pull_secrets.n = sa->image_pull_secrets.n;
    }
    object_unref(o);
    return STAGE_NEXT;
}
