/* SPDX-License-Identifier: Apache-2.0 */
/* validate_security.c - security contexts of containers and pods. What is not known to be safe is
 * refused: an empty or unknown profile never means "unconfined". Layer: api. */
#include "api/validate.h"
#include "schema/format.h"

static const char *const profiles[] = {"Localhost", "RuntimeDefault", "Unconfined", NULL};

static void check_id(struct field_errors *errs, const struct path *p, const int64_t *id)
{
    if (id)
        check_range_of(errs, p, *id, 0, INT32_MAX);
}

static void check_seccomp(struct field_errors *errs, const struct path *at,
                          const struct core_seccomp_profile *s)
{
    const struct path *p = AT(at, "localhostProfile");

    if (!s)
        return;
    check_one_of_given(errs, AT(at, "type"), s->type, profiles);
    if (str_eqz(s->type, "Localhost")) {
        if (!s->localhost_profile || !s->localhost_profile->len)
            err_required(errs, p, "must be set when seccomp type is Localhost");
        else
            check_descending(errs, p, *s->localhost_profile);
    } else if (s->localhost_profile) {
        check_why(errs, p, *s->localhost_profile, "can only be set when seccomp type is Localhost");
    }
}

static void check_apparmor(struct field_errors *errs, const struct path *at,
                           const struct core_app_armor_profile *s)
{
    enum { NAME_MAX_BYTES = 4095 };
    const struct path *p = AT(at, "localhostProfile");
    struct str name;

    if (!s)
        return;
    check_one_of_given(errs, AT(at, "type"), s->type, profiles);
    name = s->localhost_profile ? *s->localhost_profile : STR_NULL;
    if (!str_eqz(s->type, "Localhost")) {
        if (s->localhost_profile)
            check_why(errs, p, name, "can only be set when AppArmor type is Localhost");
        return;
    }
    if (!str_trim(name).len)
        err_required(errs, p, "must be set when AppArmor type is Localhost");
    else if (str_trim(name).len != name.len)
        check_why(errs, p, name, "must not be padded with whitespace");
    if (name.len > NAME_MAX_BYTES)
        err_too_long(errs, p, NAME_MAX_BYTES);
}

static bool adds_admin(const struct core_capabilities *c)
{
    for (size_t i = 0; c && i < c->add.n; i++) {
        if (str_eqz(c->add.v[i], "CAP_SYS_ADMIN"))
            return true;
    }
    return false;
}

void check_security(struct field_errors *errs, const struct path *at,
                    const struct core_security_context *s, const struct core_pod_spec *spec)
{
    static const char *const mounts[] = {"Default", "Unmasked", NULL};

    if (!s)
        return;
    check_id(errs, AT(at, "runAsUser"), s->run_as_user);
    check_id(errs, AT(at, "runAsGroup"), s->run_as_group);
    if (s->proc_mount) {
        check_one_of(errs, AT(at, "procMount"), *s->proc_mount, mounts);
        if (str_eqz(*s->proc_mount, "Unmasked") && (!spec->host_users || *spec->host_users))
            check_why(errs, AT(at, "procMount"), *s->proc_mount,
                      "`hostUsers` must be false to use `Unmasked`");
    }
    check_seccomp(errs, AT(at, "seccompProfile"), s->seccomp_profile);
    if (s->allow_privilege_escalation && !*s->allow_privilege_escalation) {
        if (s->privileged && *s->privileged)
            err_invalid(errs, at, doc_null(),
                        "cannot set `allowPrivilegeEscalation` to false and `privileged` to true");
        if (adds_admin(s->capabilities))
            err_invalid(errs, at, doc_null(),
                        "cannot set `allowPrivilegeEscalation` to false and "
                        "`capabilities.Add` CAP_SYS_ADMIN");
    }
    check_apparmor(errs, AT(at, "appArmorProfile"), s->app_armor_profile);
}

/* "kernel.shm_rmid_forced": lower-case words between dots or slashes. */
static bool is_sysctl(struct str s)
{
    bool start = true;

    for (size_t i = 0; i < s.len; i++) {
        char c = s.p[i];
        bool alnum = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');

        if (c == '.' || c == '/') {
            if (start)
                return false;
            start = true;
        } else if (!alnum && (start || (c != '-' && c != '_'))) {
            return false;
        } else {
            start = false;
        }
    }
    return !start;
}

static bool of_ipc(struct str name)
{
    return str_has_prefix(name, STR("kernel.shm")) || str_has_prefix(name, STR("kernel.msg")) ||
           str_eqz(name, "kernel.sem") || str_has_prefix(name, STR("fs.mqueue."));
}

static void check_sysctls(struct field_errors *errs, const struct path *at,
                          const struct core_pod_security_context *s,
                          const struct core_pod_spec *spec)
{
    enum { SYSCTL_MAX = 253 };
    auto_map seen = {0};

    for (size_t i = 0; i < s->sysctls.n; i++) {
        const struct path *p = AT(AT_INDEX(at, i), "name");
        struct str name = s->sysctls.v[i].name;

        if (!name.len)
            err_required(errs, p, "");
        else if (name.len > SYSCTL_MAX || !is_sysctl(name))
            check_why(errs, p, name,
                      "must have at most 253 characters and match regex "
                      "^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$");
        else
            check_unique(errs, &seen, p, name);
        if (spec->host_network && str_has_prefix(name, STR("net.")))
            check_why(errs, p, name, "may not be specified when 'hostNetwork' is true");
        if (spec->host_ipc && of_ipc(name))
            check_why(errs, p, name, "may not be specified when 'hostIPC' is true");
    }
}

void check_pod_security(struct field_errors *errs, const struct path *at,
                        const struct core_pod_security_context *s, const struct core_pod_spec *spec)
{
    static const char *const changes[] = {"Always", "OnRootMismatch", NULL};
    static const char *const groups[] = {"Merge", "Strict", NULL};
    static const char *const labels[] = {"MountOption", "Recursive", NULL};

    if (spec->share_process_namespace && *spec->share_process_namespace && spec->host_pid)
        err_invalid(errs, AT(at, "shareProcessNamespace"), doc_bool(true),
                    "ShareProcessNamespace and HostPID cannot both be enabled");
    if (!s)
        return;
    check_id(errs, AT(at, "fsGroup"), s->fs_group);
    check_id(errs, AT(at, "runAsUser"), s->run_as_user);
    check_id(errs, AT(at, "runAsGroup"), s->run_as_group);
    for (size_t i = 0; i < s->supplemental_groups.n; i++)
        check_id(errs, AT_INDEX(AT(at, "supplementalGroups"), i), &s->supplemental_groups.v[i]);
    check_sysctls(errs, AT(at, "sysctls"), s, spec);
    if (s->fs_group_change_policy)
        check_one_of(errs, AT(at, "fsGroupChangePolicy"), *s->fs_group_change_policy, changes);
    if (s->supplemental_groups_policy)
        check_one_of(errs, AT(at, "supplementalGroupsPolicy"), *s->supplemental_groups_policy,
                     groups);
    if (s->se_linux_change_policy)
        check_one_of(errs, AT(at, "seLinuxChangePolicy"), *s->se_linux_change_policy, labels);
    check_seccomp(errs, AT(at, "seccompProfile"), s->seccomp_profile);
    check_apparmor(errs, AT(at, "appArmorProfile"), s->app_armor_profile);
}
