/* SPDX-License-Identifier: Apache-2.0 */
/* volume_plan.c - what each of a pod's volumes is to hold, and where it is on the host. */
#include "kubelet/volumes.h"

enum { FILE_MODE = 0644, TOKEN_MODE = 0644, TOKEN_OWN_MODE = 0600 };

static const char *plugin_of(const struct core_volume *v)
{
    return v->empty_dir      ? "empty-dir"
           : v->config_map   ? "configmap"
           : v->secret       ? "secret"
           : v->projected    ? "projected"
           : v->downward_api ? "downward-api"
                             : NULL;
}

static char *own_path(const struct kubelet *kl, const char *uid, const struct core_volume *v,
                      struct arena *a)
{
    return arena_printf(a, "%s/volumes/kubernetes.io~%s/%.*s", kpod_dir(kl, uid, a), plugin_of(v),
                        STR_ARG(v->name));
}

static const struct core_volume *volume_named(const struct core_pod *pod, struct str name)
{
    for (size_t i = 0; i < pod->spec.volumes.n; i++) {
        if (str_eq(pod->spec.volumes.v[i].name, name))
            return &pod->spec.volumes.v[i];
    }
    return NULL;
}

int volume_find(const struct kpod *kp, struct str name, struct arena *a,
                struct volume_path *ret_path, struct err *err)
{
    const struct core_volume *v = volume_named(kp->pod, name);
    const struct volumes *vs = kp->kl->volumes;
    const char *path;

    if (!v)
        return err_new(err, ERR_NOT_FOUND, "volume \"%.*s\" not found", STR_ARG(name));
    *ret_path = (struct volume_path){0};
    if (v->host_path) {
        ret_path->path = str_dupz(a, v->host_path->path);
    } else if (v->persistent_volume_claim || v->ephemeral) {
        path = volume_claim_path(vs ? map_find(&vs->by_uid, str_from(kp->uid)) : NULL, name, err);
        if (!path)
            return ERR_UNAVAILABLE;
        ret_path->path = arena_strdup(a, path);
        ret_path->read_only =
            v->persistent_volume_claim && v->persistent_volume_claim->read_only;
    } else if (plugin_of(v)) {
        ret_path->path = own_path(kp->kl, kp->uid, v, a);
        ret_path->read_only = !v->empty_dir;
    } else {
        return err_new(err, ERR_INVALID, "the type of volume \"%.*s\" is not supported",
                       STR_ARG(name));
    }
    return 0;
}

void volume_refs(struct volume_pass *p)
{
    for (size_t i = 0; i < p->pod->spec.volumes.n; i++) {
        const struct core_volume *v = &p->pod->spec.volumes.v[i];

        if (v->config_map)
            refs_add(&p->refs, REF_CONFIG_MAP, v->config_map->name);
        if (v->secret)
            refs_add(&p->refs, REF_SECRET, v->secret->secret_name);
        for (size_t k = 0; v->projected && k < v->projected->sources.n; k++) {
            const struct core_volume_projection *s = &v->projected->sources.v[k];

            if (s->config_map)
                refs_add(&p->refs, REF_CONFIG_MAP, s->config_map->name);
            if (s->secret)
                refs_add(&p->refs, REF_SECRET, s->secret->name);
        }
    }
}

struct fill { /* a volume's files, gathered */
    struct volume_pass *pass;
    struct volume_work *work;
    mode_t mode;
};

/* A later file of the same path counts. */
static void put_file(struct fill *f, struct str path, struct str data, const int32_t *mode,
                     int64_t uid)
{
    struct arena *a = &f->pass->arena;
    struct volume_work *w = f->work;
    struct volume_file file = {.path = str_dup(a, path),
                               .data = str_dup(a, data),
                               .mode = mode ? (mode_t)*mode & 07777 : f->mode,
                               .uid = uid};

    for (size_t i = 0; i < w->n_files; i++) {
        if (str_eq(w->files[i].path, path)) {
            w->files[i] = file;
            return;
        }
    }
    w->files = arena_grow(a, w->files, w->n_files, w->n_files + 1, sizeof(*w->files));
    w->files[w->n_files++] = file;
}

static void put_all(struct fill *f, const struct string_map *m)
{
    for (size_t i = 0; i < m->n; i++)
        put_file(f, m->v[i].key, m->v[i].value, NULL, VOLUME_ID_NONE);
}

typedef struct {
    const struct core_key_to_path *v;
    size_t n;
} Items;

/* The chosen keys of a ConfigMap or Secret, or all of them. */
static int put_ref(struct fill *f, enum ref_kind kind, struct str name, Items items,
                   const bool *optional, struct err *err)
{
    const struct named *r = refs_find(&f->pass->refs, kind, name);
    bool may_lack = optional && *optional;

    if (!r->object) {
        if (r->code == ERR_NOT_FOUND && may_lack)
            return 0;
        return err_new(err, r->code, "%.*s", STR_ARG(r->message));
    }
    for (size_t i = 0; i < items.n; i++) {
        struct str value;

        if (ref_value(r, items.v[i].key, &value))
            put_file(f, items.v[i].path, value, items.v[i].mode, VOLUME_ID_NONE);
        else if (!may_lack)
            return err_new(err, ERR_NOT_FOUND, "references non-existent %s key: %.*s",
                           kind == REF_SECRET ? "secret" : "config", STR_ARG(items.v[i].key));
    }
    if (items.n > 0)
        return 0;
    if (kind == REF_SECRET) {
        put_all(f, (const void *)&OBJECT_AS(core_secret, r->object)->data);
    } else {
        put_all(f, &OBJECT_AS(core_config_map, r->object)->data);
        put_all(f, (const void *)&OBJECT_AS(core_config_map, r->object)->binary_data);
    }
    return 0;
}
#define ITEMS(list) ((Items){(list).v, (list).n})

static int put_downward(struct fill *f, const struct core_downward_api_volume_file *v, size_t n,
                        struct err *err)
{
    struct downward_source s = downward_source_of(f->pass->pv->kp);

    s.pod = f->pass->pod;
    for (size_t i = 0; i < n; i++) {
        struct str value = STR("");
        int r = 0;

        if (v[i].field_ref)
            r = downward_field(&s, v[i].field_ref->field_path, &f->pass->arena, &value, err);
        else if (v[i].resource_field_ref)
            r = downward_resource(&s, v[i].resource_field_ref, STR(""), &f->pass->arena, &value,
                                  err);
        if (r < 0)
            return r;
        put_file(f, v[i].path, value, v[i].mode, VOLUME_ID_NONE);
    }
    return 0;
}

/* The one user that all containers run as, or VOLUME_ID_NONE. */
static int64_t common_user(const struct core_pod *pod)
{
    const struct core_pod_security_context *all = pod->spec.security_context;
    int64_t user = VOLUME_ID_NONE;

    for (size_t i = 0; i < pod->spec.containers.n + pod->spec.init_containers.n; i++) {
        const struct core_container *c =
            i < pod->spec.containers.n
                ? &pod->spec.containers.v[i]
                : &pod->spec.init_containers.v[i - pod->spec.containers.n];
        const int64_t *own = c->security_context ? c->security_context->run_as_user : NULL;

        if (!own && all)
            own = all->run_as_user;
        if (!own || (user != VOLUME_ID_NONE && *own != user))
            return VOLUME_ID_NONE;
        user = *own;
    }
    return user;
}

static int put_token(struct fill *f, const struct core_service_account_token_projection *s,
                     struct err *err)
{
    struct str token = volume_token_find(f->pass->pv, s, err);
    int64_t user = common_user(f->pass->pod);
    bool own = user != VOLUME_ID_NONE || f->work->fs_group != VOLUME_ID_NONE;
    int32_t mode = own ? TOKEN_OWN_MODE : TOKEN_MODE;

    if (!token.p)
        return ERR_UNAVAILABLE;
    put_file(f, s->path, token, &mode, user);
    return 0;
}

static int put_projection(struct fill *f, const struct core_volume_projection *s, struct err *err)
{
    if (s->secret)
        return put_ref(f, REF_SECRET, s->secret->name, ITEMS(s->secret->items),
                       s->secret->optional, err);
    if (s->config_map)
        return put_ref(f, REF_CONFIG_MAP, s->config_map->name, ITEMS(s->config_map->items),
                       s->config_map->optional, err);
    if (s->downward_api)
        return put_downward(f, s->downward_api->items.v, s->downward_api->items.n, err);
    if (s->service_account_token)
        return put_token(f, s->service_account_token, err);
    return err_new(err, ERR_INVALID, "this projection is not supported by this node");
}

static int put_files(struct fill *f, const struct core_volume *v, struct err *err)
{
    const int32_t *mode = v->config_map   ? v->config_map->default_mode
                          : v->secret     ? v->secret->default_mode
                          : v->projected  ? v->projected->default_mode
                                          : v->downward_api->default_mode;
    int r = 0;

    f->mode = mode ? (mode_t)*mode & 07777 : FILE_MODE;
    f->work->kind = VOLUME_FILES;
    f->work->tmpfs = !v->config_map;
    if (v->config_map)
        return put_ref(f, REF_CONFIG_MAP, v->config_map->name, ITEMS(v->config_map->items),
                       v->config_map->optional, err);
    if (v->secret)
        return put_ref(f, REF_SECRET, v->secret->secret_name, ITEMS(v->secret->items),
                       v->secret->optional, err);
    if (v->downward_api)
        return put_downward(f, v->downward_api->items.v, v->downward_api->items.n, err);
    for (size_t i = 0; i < v->projected->sources.n && r == 0; i++)
        r = put_projection(f, &v->projected->sources.v[i], err);
    return r;
}

static int plan_empty_dir(struct fill *f, const struct core_empty_dir_volume_source *s,
                          struct err *err)
{
    int64_t limit = pod_resources_of(f->pass->pod).memory_limit_bytes;

    f->work->kind = VOLUME_EMPTY_DIR;
    if (str_empty(s->medium))
        return 0;
    if (!str_eq(s->medium, STR("Memory")))
        return err_new(err, ERR_INVALID, "the medium \"%.*s\" is not supported by this node",
                       STR_ARG(s->medium));
    f->work->tmpfs = true;
    if (s->size_limit.set && quantity_sign(s->size_limit) > 0)
        f->work->tmpfs_bytes = quantity_value(s->size_limit);
    if (limit > 0 && (f->work->tmpfs_bytes == 0 || limit < f->work->tmpfs_bytes))
        f->work->tmpfs_bytes = limit;
    return 0;
}

static int plan_one(struct fill *f, const struct core_volume *v, struct err *err)
{
    struct kubelet *kl = f->pass->pv->kl;

    if (v->host_path) {
        f->work->kind = VOLUME_HOST_PATH;
        f->work->path = str_dupz(&f->pass->arena, v->host_path->path);
        f->work->host_type = v->host_path->type ? *v->host_path->type : STR("");
        return 0;
    }
    if (v->persistent_volume_claim || v->ephemeral) {
        f->work->kind = VOLUME_HOST_PATH;
        f->work->path = volume_claim_path(f->pass->pv, v->name, err);
        return f->work->path ? 0 : ERR_UNAVAILABLE;
    }
    if (!plugin_of(v))
        return err_new(err, ERR_INVALID, "this type of volume is not supported by this node");
    f->work->path = own_path(kl, f->pass->pv->uid, v, &f->pass->arena);
    return v->empty_dir ? plan_empty_dir(f, v->empty_dir, err) : put_files(f, v, err);
}

/* "..2026_01_02_15_04_05.123456789": unlike every other. */
static char *stamp(struct kubelet *kl, struct arena *a)
{
    struct str t = time_str(a, time_from_ns(loop_wall_ns(kl->loop)));
    char *p = arena_printf(a, "..%.*s.%llu", (int)sizeof("2026-01-02T15:04:05") - 1, t.p,
                           (unsigned long long)random_below(loop_random(kl->loop), UINT32_MAX));

    for (char *c = p + 2; *c; c++) {
        if (*c == '-' || *c == 'T' || *c == ':')
            *c = '_';
    }
    return p;
}

void volume_plan(struct volume_pass *p)
{
    const struct core_pod_security_context *sc = p->pod->spec.security_context;

    for (size_t i = 0; i < p->pod->spec.volumes.n; i++) {
        const struct core_volume *v = &p->pod->spec.volumes.v[i];
        struct volume_item item = {.known = pod_volumes_known(p->pv, v->name)};
        struct volume_work *w = &item.work;
        struct fill f = {.pass = p, .work = w};
        struct err err = {0};
        int r;

        w->name = v->name;
        w->fs_group = sc && sc->fs_group ? *sc->fs_group : VOLUME_ID_NONE;
        w->stamp = stamp(p->pv->kl, &p->arena);
        w->written = item.known->written;
        memcpy(w->digest, item.known->digest, sizeof(w->digest));
        r = plan_one(&f, v, &err);
        if (r < 0)
            volume_pass_fail(p, v->name, r, &err);
        else
            vec_push(&p->work, item);
    }
}
