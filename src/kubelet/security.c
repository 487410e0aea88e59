/* SPDX-License-Identifier: Apache-2.0 */
/* security.c - security contexts: who a container runs as, and what it may do. Fails closed. */
#include "kubelet/pod_config.h"

static const char *const masked_paths[] = {
    "/proc/asound",      "/proc/acpi",        "/proc/interrupts",  "/proc/kcore",
    "/proc/keys",        "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats",
    "/proc/sched_debug", "/proc/scsi",        "/sys/firmware",
    "/sys/devices/virtual/powercap",
};
static const char *const readonly_paths[] = {
    "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
};

Runtime__V1__Int64Value *int64_value(struct arena *a, const int64_t *v)
{
    Runtime__V1__Int64Value *out;

    if (!v)
        return NULL;
    out = arena_new(a, Runtime__V1__Int64Value);
    runtime__v1__int64_value__init(out);
    out->value = *v;
    return out;
}

/* The container whose processes an ephemeral one joins; NULL: none named. */
static const char *target_id(const struct kpod *kp, const struct kcontainer *kc)
{
    for (size_t i = 0; i < kp->pod->spec.ephemeral_containers.n; i++) {
        const struct core_ephemeral_container *e = &kp->pod->spec.ephemeral_containers.v[i];

        if (str_eqz(e->name, kc->name) && !str_empty(e->target_container_name))
            return kpod_container_id(kp, e->target_container_name, false);
    }
    return NULL;
}

Runtime__V1__NamespaceOption *namespace_options(const struct kpod *kp, const struct kcontainer *kc,
                                                struct arena *a)
{
    const struct core_pod_spec *s = &kp->pod->spec;
    Runtime__V1__NamespaceOption *o = arena_new(a, Runtime__V1__NamespaceOption);
    const char *target = kc && kc->kind == KC_EPHEMERAL ? target_id(kp, kc) : NULL;

    runtime__v1__namespace_option__init(o);
    o->network =
        s->host_network ? RUNTIME__V1__NAMESPACE_MODE__NODE : RUNTIME__V1__NAMESPACE_MODE__POD;
    o->ipc = s->host_ipc ? RUNTIME__V1__NAMESPACE_MODE__NODE : RUNTIME__V1__NAMESPACE_MODE__POD;
    if (s->host_pid)
        o->pid = RUNTIME__V1__NAMESPACE_MODE__NODE;
    else if (s->share_process_namespace && *s->share_process_namespace)
        o->pid = RUNTIME__V1__NAMESPACE_MODE__POD;
    else if (target)
        o->pid = RUNTIME__V1__NAMESPACE_MODE__TARGET;
    else
        o->pid = RUNTIME__V1__NAMESPACE_MODE__CONTAINER;
    if (o->pid == RUNTIME__V1__NAMESPACE_MODE__TARGET)
        o->target_id = arena_strdup(a, target);
    return o;
}

int64_t *supplemental_groups(const struct core_pod *pod, struct arena *a, size_t *ret_n)
{
    const struct core_pod_security_context *sc = pod->spec.security_context;
    int64_t *groups;
    size_t n = 0;

    *ret_n = 0;
    if (!sc)
        return NULL;
    groups = arena_calloc(a, sc->supplemental_groups.n + 1, sizeof(*groups));
    for (; n < sc->supplemental_groups.n; n++)
        groups[n] = sc->supplemental_groups.v[n];
    if (sc->fs_group)
        groups[n++] = *sc->fs_group;
    *ret_n = n;
    return groups;
}

static char **paths(struct arena *a, const char *const *list, size_t n, size_t *ret_n)
{
    char **v = arena_calloc(a, n, sizeof(*v));

    for (size_t i = 0; i < n; i++)
        v[i] = arena_strdup(a, list[i]);
    *ret_n = n;
    return v;
}

static char **texts(struct arena *a, const struct string_list *l, size_t *ret_n)
{
    char **v = arena_calloc(a, l->n + 1, sizeof(*v));

    for (size_t i = 0; i < l->n; i++)
        v[i] = str_dupz(a, l->v[i]);
    *ret_n = l->n;
    return v;
}

/* A profile of seccomp or AppArmor; @dir is where local ones are. */
static int profile(struct str type, const struct str *local, const char *dir, struct arena *a,
                   Runtime__V1__SecurityProfile **ret_p, struct err *err)
{
    Runtime__V1__SecurityProfile *p = arena_new(a, Runtime__V1__SecurityProfile);

    runtime__v1__security_profile__init(p);
    if (str_eq(type, STR("RuntimeDefault"))) {
        p->profile_type = RUNTIME__V1__SECURITY_PROFILE__PROFILE_TYPE__RuntimeDefault;
    } else if (str_eq(type, STR("Unconfined"))) {
        p->profile_type = RUNTIME__V1__SECURITY_PROFILE__PROFILE_TYPE__Unconfined;
    } else if (str_eq(type, STR("Localhost"))) {
        if (!local || str_empty(*local) || str_find(*local, STR("..")) >= 0)
            return err_new(err, ERR_INVALID,
                           "localhostProfile must be set if profile type is Localhost.");
        p->profile_type = RUNTIME__V1__SECURITY_PROFILE__PROFILE_TYPE__Localhost;
        p->localhost_ref = arena_printf(a, "%s%.*s", dir, STR_ARG(*local));
    } else {
        return err_new(err, ERR_INVALID, "unknown security profile type \"%.*s\"", STR_ARG(type));
    }
    *ret_p = p;
    return 0;
}

static int set_profiles(const struct kpod *kp, const struct core_security_context *own,
                        Runtime__V1__LinuxContainerSecurityContext *sc, struct arena *a,
                        struct err *err)
{
    const struct core_pod_security_context *all = kp->pod->spec.security_context;
    const struct core_seccomp_profile *seccomp = NULL;
    const struct core_app_armor_profile *armor = NULL;
    const char *dir = arena_printf(a, "%s/seccomp/", kp->kl->opts.root_dir);
    int r;

    if (own)
        seccomp = own->seccomp_profile, armor = own->app_armor_profile;
    if (all && !seccomp)
        seccomp = all->seccomp_profile;
    if (all && !armor)
        armor = all->app_armor_profile;
    if (seccomp && !sc->privileged)
        r = profile(seccomp->type, seccomp->localhost_profile, dir, a, &sc->seccomp, err);
    else
        r = profile(STR("Unconfined"), NULL, dir, a, &sc->seccomp, err);
    if (r == 0 && armor)
        r = profile(armor->type, armor->localhost_profile, "", a, &sc->apparmor, err);
    return r;
}

/* "name_namespace(uid)", as the texts name a pod. */
static char *pod_text(const struct kpod *kp, struct arena *a)
{
    return arena_printf(a, "%s_%s(%s)", kp->name, kp->ns, kp->uid);
}

static int check_non_root(const struct kcontainer *kc, const int64_t *user, struct arena *a,
                          struct err *err)
{
    const char *pod = pod_text(kc->pod, a);

    if (user && *user == 0)
        return err_new(err, ERR_INVALID,
                       "container's runAsUser breaks non-root policy (pod: \"%s\", container: %s)",
                       pod, kc->name);
    if (user)
        return 0;
    if (kc->image_user && *kc->image_user)
        return err_new(err, ERR_INVALID,
                       "container has runAsNonRoot and image has non-numeric user (%s), cannot "
                       "verify user is non-root (pod: \"%s\", container: %s)",
                       kc->image_user, pod, kc->name);
    if (!kc->image_has_uid || kc->image_uid == 0)
        return err_new(err, ERR_INVALID,
                       "container has runAsNonRoot and image will run as root (pod: \"%s\", "
                       "container: %s)",
                       pod, kc->name);
    return 0;
}

static int set_user(const struct kcontainer *kc, const struct core_security_context *own,
                    Runtime__V1__LinuxContainerSecurityContext *sc, struct arena *a,
                    struct err *err)
{
    const struct core_pod_security_context *all = kc->pod->pod->spec.security_context;
    const int64_t *user = own ? own->run_as_user : NULL, *group = own ? own->run_as_group : NULL;
    const bool *non_root = own ? own->run_as_non_root : NULL;
    int r;

    if (all && !user)
        user = all->run_as_user;
    if (all && !group)
        group = all->run_as_group;
    if (all && !non_root)
        non_root = all->run_as_non_root;
    if (non_root && *non_root) {
        r = check_non_root(kc, user, a, err);
        if (r < 0)
            return r;
    }
    sc->run_as_group = int64_value(a, group);
    if (user || kc->image_has_uid || !kc->image_user || !*kc->image_user)
        sc->run_as_user = int64_value(a, user ? user : &kc->image_uid);
    else
        sc->run_as_username = arena_strdup(a, kc->image_user);
    return 0;
}

static void set_selinux(const struct kpod *kp, const struct core_security_context *own,
                        Runtime__V1__LinuxContainerSecurityContext *sc, struct arena *a)
{
    const struct core_pod_security_context *all = kp->pod->spec.security_context;
    const struct core_se_linux_options *o = own ? own->se_linux_options : NULL;

    if (!o && all)
        o = all->se_linux_options;
    if (!o)
        return;
    sc->selinux_options = arena_new(a, Runtime__V1__SELinuxOption);
    runtime__v1__selinux_option__init(sc->selinux_options);
    sc->selinux_options->user = str_dupz(a, o->user);
    sc->selinux_options->role = str_dupz(a, o->role);
    sc->selinux_options->type = str_dupz(a, o->type);
    sc->selinux_options->level = str_dupz(a, o->level);
}

int container_security(const struct kcontainer *kc, const struct core_container *c,
                       struct arena *a, Runtime__V1__LinuxContainerSecurityContext **ret_sc,
                       struct err *err)
{
    const struct core_security_context *own = c->security_context;
    const struct kpod *kp = kc->pod;
    Runtime__V1__LinuxContainerSecurityContext *sc =
        arena_new(a, Runtime__V1__LinuxContainerSecurityContext);
    bool unmasked;
    int r;

    runtime__v1__linux_container_security_context__init(sc);
    sc->namespace_options = namespace_options(kp, kc, a);
    sc->privileged = own && own->privileged && *own->privileged;
    sc->readonly_rootfs =
        own && own->read_only_root_filesystem && *own->read_only_root_filesystem;
    sc->no_new_privs =
        own && own->allow_privilege_escalation && !*own->allow_privilege_escalation;
    if (own && own->capabilities) {
        sc->capabilities = arena_new(a, Runtime__V1__Capability);
        runtime__v1__capability__init(sc->capabilities);
        sc->capabilities->add_capabilities =
            texts(a, &own->capabilities->add, &sc->capabilities->n_add_capabilities);
        sc->capabilities->drop_capabilities =
            texts(a, &own->capabilities->drop, &sc->capabilities->n_drop_capabilities);
    }
    unmasked = own && own->proc_mount && str_eq(*own->proc_mount, STR("Unmasked"));
    if (!unmasked) {
        sc->masked_paths = paths(a, masked_paths, ARRAY_LEN(masked_paths), &sc->n_masked_paths);
        sc->readonly_paths =
            paths(a, readonly_paths, ARRAY_LEN(readonly_paths), &sc->n_readonly_paths);
    }
    sc->supplemental_groups = supplemental_groups(kp->pod, a, &sc->n_supplemental_groups);
    set_selinux(kp, own, sc, a);
    r = set_user(kc, own, sc, a, err);
    if (r == 0)
        r = set_profiles(kp, own, sc, a, err);
    if (r == 0)
        *ret_sc = sc;
    return r;
}
