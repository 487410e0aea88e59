/* SPDX-License-Identifier: Apache-2.0 */
/* validate_container.c - containers of pods: names, ports, environment, mounts. Layer: api. */
#include "api/pod_spec.h"
#include "api/pod_visit.h"
#include "api/validate.h"
#include "schema/format.h"
#include "schema/typed.h"

static const char *const pull_policies[] = {"Always", "IfNotPresent", "Never", NULL};
static const char *const message_policies[] = {"File", "FallbackToLogsOnError", NULL};
static const char *const restart_policies[] = {"Always", "Never", "OnFailure", NULL};
static const char *const propagations[] = {"Bidirectional", "HostToContainer", "None", NULL};
static const char *const recursions[] = {"Disabled", "Enabled", "IfPossible", NULL};
static const char *const env_fields[] = {"metadata.name",
                                         "metadata.namespace",
                                         "metadata.uid",
                                         "spec.nodeName",
                                         "spec.serviceAccountName",
                                         "status.hostIP",
                                         "status.hostIPs",
                                         "status.podIP",
                                         "status.podIPs",
                                         NULL};
/* What field references of pods can be read as at all. */
static const char *const known_fields[] = {"metadata.name",
                                           "metadata.namespace",
                                           "metadata.uid",
                                           "metadata.labels",
                                           "metadata.annotations",
                                           "spec.nodeName",
                                           "spec.schedulerName",
                                           "spec.restartPolicy",
                                           "spec.serviceAccountName",
                                           "spec.hostNetwork",
                                           "status.phase",
                                           "status.podIP",
                                           "status.podIPs",
                                           "status.nominatedNodeName",
                                           "status.hostIP",
                                           "status.hostIPs",
                                           NULL};

/* ---- ports ---- */

static void check_ports(struct field_errors *errs, const struct path *at,
                        const struct core_container *c)
{
    auto_map names = {0};

    for (size_t i = 0; i < c->ports.n; i++) {
        const struct core_container_port *port = &c->ports.v[i];
        const struct path *p = AT_INDEX(at, i);
        const char *why = port->name.len ? format_port_name(port->name) : NULL;

        if (why)
            check_why(errs, AT(p, "name"), port->name, why);
        else if (port->name.len)
            check_unique(errs, &names, AT(p, "name"), port->name);
        if (port->container_port == 0)
            err_required(errs, AT(p, "containerPort"), "");
        else
            check_port(errs, AT(p, "containerPort"), port->container_port);
        if (port->host_port)
            check_port(errs, AT(p, "hostPort"), port->host_port);
        check_one_of_given(errs, AT(p, "protocol"), port->protocol, protocols);
    }
}

static void check_host_ports(struct field_errors *errs, struct map *seen, const struct path *at,
                             const struct core_container *c)
{
    for (size_t i = 0; i < c->ports.n; i++) {
        const struct core_container_port *port = &c->ports.v[i];

        if (!port->host_port)
            continue;
        check_unique(errs, seen, AT(AT_INDEX(AT(at, "ports"), i), "hostPort"),
                     str_printf(errs->arena, "%.*s/%.*s/%d", STR_ARG(port->protocol),
                                STR_ARG(port->host_ip), port->host_port));
    }
}

/* ---- environment ---- */

static bool subscript(struct str path, const char *prefix, struct str *ret_key)
{
    struct str head = str_from(prefix);

    if (!str_has_prefix(path, head) || !str_has_suffix(path, STR("']")) ||
        path.len < head.len + 4 || path.p[head.len] != '[' || path.p[head.len + 1] != '\'')
        return false;
    *ret_key = str_sub(path, head.len + 2, path.len - head.len - 4);
    return true;
}

void check_field_ref(struct field_errors *errs, const struct path *p,
                     const struct core_object_field_selector *f, const char *const *supported,
                     bool labels)
{
    const struct path *at = AT(p, "fieldPath");
    struct str key;

    if (str_empty(f->api_version)) {
        err_required(errs, AT(p, "apiVersion"), "");
    } else if (str_empty(f->field_path)) {
        err_required(errs, at, "");
    } else if (subscript(f->field_path, "metadata.labels", &key) ||
               subscript(f->field_path, "metadata.annotations", &key)) {
        check_why(errs, p, key, format_qualified_name(key));
    } else if (!one_of(f->field_path, known_fields)) {
        err_invalid(errs, at, doc_string(f->field_path),
                    "error converting fieldPath: field label not supported: %.*s",
                    STR_ARG(f->field_path));
    } else if (!one_of(f->field_path, supported) &&
               !(labels && (str_eqz(f->field_path, "metadata.labels") ||
                            str_eqz(f->field_path, "metadata.annotations")))) {
        err_not_supported(errs, at, f->field_path, supported);
    }
}

static void check_divisor(struct field_errors *errs, const struct path *p, struct str resource,
                          struct quantity divisor)
{
    static const char *const cpu[] = {"1m", "1", NULL};
    static const char *const bytes[] = {"1",   "1k",  "1M",  "1G",  "1T",  "1P",  "1E",
                                        "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei", NULL};
    bool is_cpu = str_has_suffix(resource, STR(".cpu"));
    const char *what = str_has_suffix(resource, STR(".memory")) ? "memory"
                       : str_has_suffix(resource, STR("ephemeral-storage"))
                           ? "local ephemeral storage"
                           : "hugepages";
    struct str text;

    if (!divisor.set || quantity_sign(divisor) == 0)
        return;
    text = quantity_str(errs->arena, divisor);
    if (is_cpu && !one_of(text, cpu))
        err_invalid(errs, AT(p, "divisor"), doc_string(resource),
                    "only divisor's values 1m and 1 are supported with the cpu resource");
    if (!is_cpu && !one_of(text, bytes))
        err_invalid(errs, AT(p, "divisor"), doc_string(resource),
                    "only divisor's values 1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, "
                    "1Ei are supported with the %s resource",
                    what);
}

void check_resource_ref(struct field_errors *errs, const struct path *p,
                        const struct core_resource_field_selector *f, bool in_volume)
{
    static const char *const resources[] = {"limits.cpu",
                                            "limits.memory",
                                            "limits.ephemeral-storage",
                                            "requests.cpu",
                                            "requests.memory",
                                            "requests.ephemeral-storage",
                                            NULL};

    if (in_volume && str_empty(f->container_name))
        err_required(errs, AT(p, "containerName"), "");
    else if (str_empty(f->resource))
        err_required(errs, AT(p, "resource"), "");
    else if (!one_of(f->resource, resources) &&
             !str_has_prefix(f->resource, STR("limits.hugepages-")) &&
             !str_has_prefix(f->resource, STR("requests.hugepages-")))
        err_not_supported(errs, AT(p, "resource"), f->resource, resources);
    else
        check_divisor(errs, p, f->resource, f->divisor);
}

static void check_key_ref(struct field_errors *errs, const struct path *p, struct str name,
                          struct str key)
{
    check_why(errs, AT(p, "name"), name, format_dns_subdomain(name));
    check_named(errs, AT(p, "key"), key, format_config_key);
}

static void check_file_ref(struct field_errors *errs, const struct path *p,
                           const struct core_file_key_selector *f)
{
    check_named(errs, AT(p, "volumeName"), f->volume_name, format_dns_label);
    check_named(errs, AT(p, "key"), f->key, format_env_name);
    check_given(errs, AT(p, "path"), f->path);
    check_descending(errs, AT(p, "path"), f->path);
}

static void check_env_source(struct field_errors *errs, const struct path *p,
                             const struct core_env_var *e)
{
    const struct core_env_var_source *s = e->value_from;
    unsigned n = 0;

    if (s->field_ref && ++n)
        check_field_ref(errs, AT(p, "fieldRef"), s->field_ref, env_fields, false);
    if (s->resource_field_ref && ++n)
        check_resource_ref(errs, AT(p, "resourceFieldRef"), s->resource_field_ref, false);
    if (s->config_map_key_ref && ++n)
        check_key_ref(errs, AT(p, "configMapKeyRef"), s->config_map_key_ref->name,
                      s->config_map_key_ref->key);
    if (s->secret_key_ref && ++n)
        check_key_ref(errs, AT(p, "secretKeyRef"), s->secret_key_ref->name, s->secret_key_ref->key);
    if (s->file_key_ref && ++n)
        check_file_ref(errs, AT(p, "fileKeyRef"), s->file_key_ref);
    if (!n)
        check_why(errs, p, STR(""),
                  "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, "
                  "`secretKeyRef` or `fileKeyRef`");
    else if (e->value.len)
        check_why(errs, p, STR(""), "may not be specified when `value` is not empty");
    else if (n > 1)
        check_why(errs, p, STR(""), "may not have more than one field specified at a time");
}

static void check_env(struct field_errors *errs, const struct path *at,
                      const struct core_container *c)
{
    for (size_t i = 0; i < c->env.n; i++) {
        const struct path *p = AT_INDEX(at, i);

        check_named(errs, AT(p, "name"), c->env.v[i].name, format_env_name);
        if (c->env.v[i].value_from)
            check_env_source(errs, AT(p, "valueFrom"), &c->env.v[i]);
    }
}

static void check_env_from(struct field_errors *errs, const struct path *at,
                           const struct core_container *c)
{
    for (size_t i = 0; i < c->env_from.n; i++) {
        const struct core_env_from_source *e = &c->env_from.v[i];
        const struct path *p = AT_INDEX(at, i);

        check_if_set(errs, AT(p, "prefix"), e->prefix, format_env_name);
        if (e->config_map_ref)
            check_named(errs, AT(AT(p, "configMapRef"), "name"), e->config_map_ref->name,
                        format_dns_subdomain);
        if (e->secret_ref)
            check_named(errs, AT(AT(p, "secretRef"), "name"), e->secret_ref->name,
                        format_dns_subdomain);
        if (!e->config_map_ref && !e->secret_ref)
            check_why(errs, p, STR(""), "must specify one of: `configMapRef` or `secretRef`");
        else if (e->config_map_ref && e->secret_ref)
            check_why(errs, p, STR(""), "may not have more than one field specified at a time");
    }
}

/* ---- mounts ---- */

struct places { /* of one container: what is mounted and what is a device, by name and path */
    const struct map *volumes; /* name -> struct core_volume of the pod */
    struct map devices, device_paths, mounts;
};
struct pod_check { /* what the checks of all containers of a pod share */
    const struct core_pod_spec *spec;
    bool is_template;
    struct map volumes; /* as of struct places */
    struct map names;   /* of the containers so far */
};

static void places_deinit(struct places *x)
{
    map_deinit(&x->devices);
    map_deinit(&x->device_paths);
    map_deinit(&x->mounts);
}

static void places_init(struct places *x, const struct core_container *c)
{
    for (size_t i = 0; i < c->volume_devices.n; i++) {
        (void)map_set(&x->devices, c->volume_devices.v[i].name, x);
        (void)map_set(&x->device_paths, c->volume_devices.v[i].device_path, x);
    }
    for (size_t i = 0; i < c->volume_mounts.n; i++)
        (void)map_set(&x->mounts, c->volume_mounts.v[i].name, x);
}

static void check_propagation(struct field_errors *errs, const struct path *at,
                              const struct path *p, const struct core_volume_mount *m,
                              const struct core_container *c)
{
    bool privileged =
        c->security_context && c->security_context->privileged && *c->security_context->privileged;

    if (m->mount_propagation) {
        check_one_of(errs, AT(at, "mountPropagation"), *m->mount_propagation, propagations);
        if (str_eqz(*m->mount_propagation, "Bidirectional") && !privileged)
            err_forbidden(errs, AT(at, "mountPropagation"),
                          "Bidirectional mount propagation is available only to privileged "
                          "containers");
    }
    if (!m->recursive_read_only)
        return;
    p = AT(p, "recursiveReadOnly");
    check_one_of(errs, p, *m->recursive_read_only, recursions);
    if (!str_eqz(*m->recursive_read_only, "Enabled") &&
        !str_eqz(*m->recursive_read_only, "IfPossible"))
        return;
    if (!m->read_only)
        err_forbidden(errs, p, "may only be specified when readOnly is true");
    if (m->mount_propagation && !str_eqz(*m->mount_propagation, "None"))
        err_forbidden(errs, p,
                      "may only be specified when mountPropagation is None or not specified");
}

static void check_mounts(struct field_errors *errs, const struct path *at,
                         const struct core_container *c, const struct places *x)
{
    auto_map paths = {0};

    for (size_t i = 0; i < c->volume_mounts.n; i++) {
        const struct core_volume_mount *m = &c->volume_mounts.v[i];
        const struct path *p = AT_INDEX(at, i);

        check_given(errs, AT(p, "name"), m->name);
        if (!map_find(x->volumes, m->name))
            err_not_found(errs, AT(p, "name"), doc_string(m->name));
        check_given(errs, AT(p, "mountPath"), m->mount_path);
        if (map_set(&paths, m->mount_path, &paths))
            check_why(errs, AT(p, "mountPath"), m->mount_path, "must be unique");
        if (map_find(&x->devices, m->name))
            check_why(errs, AT(p, "name"), m->name, "must not already exist in volumeDevices");
        if (map_find(&x->device_paths, m->mount_path))
            check_why(errs, AT(p, "mountPath"), m->mount_path,
                      "must not already exist as a path in volumeDevices");
        check_descending(errs, AT(at, "subPath"), m->sub_path);
        if (m->sub_path.len && m->sub_path_expr.len)
            check_why(errs, AT(p, "subPathExpr"), m->sub_path_expr,
                      "subPathExpr and subPath are mutually exclusive");
        check_descending(errs, AT(at, "subPathExpr"), m->sub_path_expr);
        check_propagation(errs, at, p, m, c);
    }
}

static void check_devices(struct field_errors *errs, const struct path *at,
                          const struct core_container *c, const struct places *x)
{
    auto_map names = {0}, paths = {0};

    for (size_t i = 0; i < c->volume_devices.n; i++) {
        const struct core_volume_device *d = &c->volume_devices.v[i];
        const struct core_volume *v = map_find(x->volumes, d->name);
        const struct path *p = AT_INDEX(at, i);

        check_given(errs, AT(p, "name"), d->name);
        if (map_set(&names, d->name, &names))
            check_why(errs, AT(p, "name"), d->name, "must be unique");
        if (v && !v->persistent_volume_claim && !v->ephemeral)
            check_why(errs, AT(p, "name"), d->name,
                      "can only use volume source type of PersistentVolumeClaim or Ephemeral for "
                      "block mode");
        if (!v)
            err_not_found(errs, AT(p, "name"), doc_string(d->name));
        check_given(errs, AT(p, "devicePath"), d->device_path);
        if (map_set(&paths, d->device_path, &paths))
            check_why(errs, AT(p, "devicePath"), d->device_path, "must be unique");
        if (str_find(d->device_path, STR("..")) >= 0)
            check_no_backsteps(errs, AT(p, "devicePath"), d->device_path);
        if (map_find(&x->mounts, d->name))
            check_why(errs, AT(p, "name"), d->name, "must not already exist in volumeMounts");
    }
}

static void check_resize(struct field_errors *errs, const struct path *at,
                         const struct core_container *c, const struct core_pod_spec *spec)
{
    static const char *const names[] = {"cpu", "memory", NULL};
    static const char *const policies[] = {"NotRequired", "RestartContainer", NULL};
    auto_map seen = {0};

    for (size_t i = 0; i < c->resize_policy.n; i++) {
        const struct core_container_resize_policy *r = &c->resize_policy.v[i];

        check_unique(errs, &seen, AT_INDEX(at, i), r->resource_name);
        check_one_of_given(errs, at, r->resource_name, names);
        check_one_of_given(errs, at, r->restart_policy, policies);
        if (str_eqz(spec->restart_policy, "Never") && !str_eqz(r->restart_policy, "NotRequired"))
            check_why(errs, at, r->restart_policy,
                      "must be 'NotRequired' when `restartPolicy` is 'Never'");
    }
}

/* ---- all of a container ---- */

static void check_common(struct field_errors *errs, const struct path *at,
                         const struct core_container *c, const struct pod_check *pod)
{
    scope_cleanup(places_deinit) struct places x = {.volumes = &pod->volumes};
    const struct core_pod_spec *spec = pod->spec;

    places_init(&x, c);
    check_named(errs, AT(at, "name"), c->name, format_dns_label);
    check_given(errs, AT(at, "image"), c->image);
    if (!pod->is_template && c->image.len && str_trim(c->image).len != c->image.len)
        check_why(errs, AT(at, "image"), c->image, "must not have leading or trailing whitespace");
    check_one_of_given(errs, AT(at, "terminationMessagePolicy"), c->termination_message_policy,
                       message_policies);
    check_ports(errs, AT(at, "ports"), c);
    check_env(errs, AT(at, "env"), c);
    check_env_from(errs, AT(at, "envFrom"), c);
    check_mounts(errs, AT(at, "volumeMounts"), c, &x);
    check_devices(errs, AT(at, "volumeDevices"), c, &x);
    check_one_of_given(errs, AT(at, "imagePullPolicy"), c->image_pull_policy, pull_policies);
    check_container_resources(errs, AT(at, "resources"), &c->resources);
    check_resize(errs, AT(at, "resizePolicy"), c, spec);
    check_security(errs, AT(at, "securityContext"), c->security_context, spec);
    if (c->restart_policy)
        check_one_of(errs, AT(at, "restartPolicy"), *c->restart_policy, restart_policies);
}

static void check_init(struct field_errors *errs, const struct path *at,
                       const struct core_container *c, const struct core_pod_spec *spec)
{
    static const char why[] = "may not be set for init containers without restartPolicy=Always";

    if (pod_container_is_sidecar(c)) {
        check_probes(errs, at, c, spec);
        return;
    }
    if (c->lifecycle)
        err_forbidden(errs, AT(at, "lifecycle"), why);
    if (c->liveness_probe)
        err_forbidden(errs, AT(at, "livenessProbe"), why);
    if (c->readiness_probe)
        err_forbidden(errs, AT(at, "readinessProbe"), why);
    if (c->startup_probe)
        err_forbidden(errs, AT(at, "startupProbe"), why);
}

static void check_ephemeral(struct field_errors *errs, const struct path *at,
                            const struct core_ephemeral_container *c, const struct map *names)
{
    static const char *const refused[] = {"ports",          "resources",     "resizePolicy",
                                          "restartPolicy",  "livenessProbe", "restartPolicyRules",
                                          "readinessProbe", "startupProbe",  "lifecycle"};
    static const char why[] = "cannot be set for an Ephemeral Container";

    if (c->target_container_name.len && !map_find(names, c->target_container_name))
        err_not_found(errs, AT(at, "targetContainerName"), doc_string(c->target_container_name));
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        const struct field *f = type_field(&type_core_ephemeral_container, str_from(refused[i]));

        if (f && !typed_field_empty(f, c))
            err_forbidden(errs, AT(at, refused[i]), why);
    }
    for (size_t i = 0; i < c->volume_mounts.n; i++) {
        const struct path *p = AT_INDEX(AT(at, "volumeMounts"), i);

        if (c->volume_mounts.v[i].sub_path.len)
            err_forbidden(errs, AT(p, "subPath"), why);
        if (c->volume_mounts.v[i].sub_path_expr.len)
            err_forbidden(errs, AT(p, "subPathExpr"), why);
    }
}

static void check_list(struct field_errors *errs, const struct path *spec_at, struct pod_check *pod,
                       enum pod_container_list list)
{
    const struct core_pod_spec *spec = pod->spec;
    const struct path *list_at = AT(spec_at, pod_container_lists[list]);
    auto_map host_ports = {0};
    struct pod_container c;
    size_t it = 0;

    while (pod_container_next(spec, &it, &c)) {
        const struct path *at = AT_INDEX(list_at, c.index);

        if (c.list != list)
            continue;
        check_common(errs, at, c.container, pod);
        if (c.ephemeral)
            check_ephemeral(errs, at, c.ephemeral, &pod->names);
        /* Ephemeral containers may not have the name of another one either. */
        check_unique(errs, &pod->names, AT(at, "name"), c.container->name);
        if (list == POD_CONTAINERS)
            check_probes(errs, at, c.container, spec);
        else if (list == POD_INIT_CONTAINERS)
            check_init(errs, at, c.container, spec);
        if (list == POD_INIT_CONTAINERS)
            map_deinit(&host_ports); /* they run one after the other */
        check_host_ports(errs, &host_ports, at, c.container);
    }
}

/* On the host's network there is no other port than the host's. */
static void check_host_network(struct field_errors *errs, const struct path *spec_at,
                               const struct core_pod_spec *spec, bool is_template)
{
    struct pod_container c;
    size_t it = 0;

    while (spec->host_network && pod_container_next(spec, &it, &c)) {
        const struct path *at = AT_INDEX(AT(spec_at, pod_container_lists[c.list]), c.index);

        for (size_t i = 0; i < c.container->ports.n && !c.ephemeral; i++) {
            const struct core_container_port *p = &c.container->ports.v[i];

            if (p->host_port != p->container_port && (p->host_port || !is_template))
                err_invalid(errs, AT(AT_INDEX(AT(at, "ports"), i), "hostPort"),
                            doc_int(p->host_port),
                            "must match `containerPort` when `hostNetwork` is true");
        }
    }
}

void check_containers(struct field_errors *errs, const struct path *spec_at,
                      const struct core_pod_spec *spec, bool is_template)
{
    struct pod_check pod = {.spec = spec, .is_template = is_template};

    for (size_t i = 0; i < spec->volumes.n; i++)
        (void)map_set(&pod.volumes, spec->volumes.v[i].name, &spec->volumes.v[i]);
    if (!spec->containers.n)
        err_required(errs, AT(spec_at, "containers"), "");
    check_list(errs, spec_at, &pod, POD_CONTAINERS);
    check_list(errs, spec_at, &pod, POD_INIT_CONTAINERS);
    if (is_template && spec->ephemeral_containers.n)
        err_forbidden(errs, AT(spec_at, "ephemeralContainers"),
                      "ephemeral containers not allowed in pod template");
    else
        check_list(errs, spec_at, &pod, POD_EPHEMERAL_CONTAINERS);
    check_host_network(errs, spec_at, spec, is_template);
    map_deinit(&pod.volumes);
    map_deinit(&pod.names);
}
