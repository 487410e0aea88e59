# SPDX-License-Identifier: Apache-2.0
"""Writes tables.c: the types' fields, the resources, the groups."""
import re

from model import RAW_TYPES, SchemaError, c_struct, short_group

# The order in which /apis lists the groups; what is not here comes last, by name.
GROUP_ORDER = ["apiregistration.k8s.io", "", "apps", "events.k8s.io", "authentication.k8s.io",
               "authorization.k8s.io", "autoscaling", "batch", "certificates.k8s.io",
               "networking.k8s.io", "policy", "rbac.authorization.k8s.io", "storage.k8s.io",
               "admissionregistration.k8s.io", "apiextensions.k8s.io", "scheduling.k8s.io",
               "coordination.k8s.io", "node.k8s.io", "discovery.k8s.io", "resource.k8s.io",
               "flowcontrol.apiserver.k8s.io"]
# Features that are off by default: their fields are dropped by typed_drop_gated().
GATES_OFF = {"ClusterTrustBundleProjection", "ContainerStopSignals", "CoordinatedLeaderElection",
             "CRDObservedGenerationTracking", "CrossNamespaceVolumeDataSource",
             "DRAListTypeAttributes", "DRANodeAllocatableResources", "GenericWorkload",
             "ImageVolumeWithDigest", "MaxUnavailableStatefulSet", "MemoryQoS",
             "PodCertificateProjection", "PodLogsQuerySplitStreams",
             "ResourceHealthStatusMessage", "ShardedListAndWatch", "StorageCapacityScoring",
             "VolumeLimitScaling"}
# Structs of upstream's own language: written even when empty unless marked omitzero.
STRUCT_KINDS = {"FIELD_MESSAGE", "FIELD_TIME", "FIELD_MICRO_TIME", "FIELD_QUANTITY",
                "FIELD_INT_OR_STRING", "FIELD_RAW", "FIELD_DURATION"}
RESOURCE_FLAGS = {"create-on-update": "RESOURCE_CREATE_ON_UPDATE",
                  "needs-resource-version": "RESOURCE_NEEDS_RESOURCE_VERSION",
                  "returns-deleted": "RESOURCE_RETURNS_DELETED",
                  "ephemeral": "RESOURCE_EPHEMERAL", "lazy": "RESOURCE_LAZY",
                  "default-orphan": "RESOURCE_DEFAULT_ORPHAN"}
RAW_FORMS = {"struct{}": "RAW_EMPTY", "JSONSchemaPropsOrArray": "RAW_SCHEMA_OR_ARRAY",
             "JSONSchemaPropsOrBool": "RAW_SCHEMA_OR_BOOL",
             "JSONSchemaPropsOrStringArray": "RAW_SCHEMA_OR_STRINGS"}


def c_string(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def c_list(items):
    return "{" + ", ".join([c_string(i) for i in items] + ["NULL"]) + "}"


class Pool:
    """Arrays of strings that several fields share."""

    def __init__(self, out):
        self.out, self.names = out, {}

    def strings(self, items):
        key = tuple(items)
        if key not in self.names:
            self.names[key] = "strings_%d" % len(self.names)
            self.out.append("static const char *const %s[] = %s;" % (self.names[key],
                                                                    c_list(items)))
        return self.names[key]


def enum_symbol(key):
    return "enum_%s_%s" % (short_group(key[0], key[1]), key[2])


def write_enums(api, out):
    used = {f.enum for t in api.order for f in t.fields if f.enum}
    for key in sorted(used):
        values = api.enums[key]
        sym = enum_symbol(key)
        out.append("static const char *const %s_values[] = {%s};" %
                   (sym, ", ".join(c_string(v) for v in values)))
        out.append("static const struct enum_def %s = {%s, %s_values, %d};" %
                   (sym, c_string(key[2]), sym, len(values)))


def field_flags(t, f):
    flags = []
    nullable = "ptr" in f.flags
    if "req" in f.flags:
        flags.append("FIELD_REQUIRED")
    structlike = f.card == "CARD_ONE" and f.kind in STRUCT_KINDS and not nullable
    if "always" in f.flags or (structlike and "omitzero" not in f.flags):
        flags.append("FIELD_ALWAYS")
    if f.type_meta:
        flags.append("FIELD_TYPE_META")
    if "immutable" in f.flags:
        flags.append("FIELD_IMMUTABLE")
    patch = f.opts.get("patch", "")
    if patch.startswith("merge"):
        flags.append("FIELD_PATCH_MERGE")
    if patch == "replace":
        flags.append("FIELD_PATCH_REPLACE")
    if "retainKeys" in patch:
        flags.append("FIELD_PATCH_RETAIN_KEYS")
    if f.opts.get("structType") == "atomic" or f.opts.get("mapType") == "atomic":
        flags.append("FIELD_STRUCT_ATOMIC")
    if f.opts.get("gate") in GATES_OFF:
        flags.append("FIELD_GATED")
    if f.no_proto:
        flags.append("FIELD_NO_PROTO")
    if any(f.name in members for members, _ in t.unions):
        flags.append("FIELD_UNION")
    if nullable:
        flags.append("FIELD_NULLABLE")
    if f.resource_list:
        flags.append("FIELD_RESOURCE_LIST")
    return flags


def limits_of(f):
    o, parts = f.opts, []
    for key in ("min", "max"):
        if key in o:
            parts += [".has_%s = true" % key, ".%s = %s" % (key, int(o[key]))]
    for key, member in (("maxLength", "max_length"), ("maxItems", "max_items"),
                        ("minLength", "min_length")):
        if key in o:
            parts.append(".%s = %d" % (member, int(o[key])))
    if "format" in o:
        parts.append(".format = %s" % c_string(o["format"].strip('"')))
    if "closed" in f.flags:
        parts.append(".closed_enum = true")
    return parts


def write_field(t, f, pool, out, limits):
    init = [".name = STR_INIT(%s)" % c_string(f.name),
            ".offset = offsetof(struct %s, %s)" % (c_struct(t), f.member),
            ".kind = %s" % f.kind, ".card = %s" % f.card]
    for member in ("number", "inline_number", "inline_number2"):
        if getattr(f, member):
            init.append(".%s = %d" % (member, getattr(f, member)))
    m = re.match(r"(atomic|set|map)(?:\(([^)]*)\))?$", f.opts.get("list", ""))
    if "list" in f.opts and not m:
        raise SchemaError("%s: list=%s" % (f.where, f.opts["list"]))
    if m:
        init.append(".list_type = LIST_" + m.group(1).upper())
        if m.group(2):
            init.append(".map_keys = " + pool.strings(m.group(2).split(",")))
    flags = field_flags(t, f)
    if flags:
        init.append(".flags = " + " | ".join(flags))
    if f.type is not None:
        init.append(".type = &type_" + c_struct(f.type))
    if f.enum:
        init.append(".values = &" + enum_symbol(f.enum))
    if f.raw_form in RAW_FORMS:
        init.append(".raw_form = " + RAW_FORMS[f.raw_form])
        if f.raw_form != "struct{}":
            init.append(".type = &type_apiextensions_json_schema_props")
    m = re.search(r"\(([^)]*)\)", f.opts.get("patch", ""))
    if m:
        init.append(".patch_key = " + c_string(m.group(1)))
    if "default" in f.opts:
        init.append(".default_json = " + c_string(f.opts["default"]))
    parts = limits_of(f)
    if parts:
        key = ", ".join(parts)
        if key not in limits:
            limits[key] = "limits_%d" % len(limits)
            pool.out.append("static const struct field_limits %s = {%s};" % (limits[key], key))
        init.append(".limits = &" + limits[key])
    init.append(".doc = " + c_string(f.doc))
    out.append("    {" + ", ".join(init) + "},")


def proto_order(f):
    return (f.inline_number or f.number, f.inline_number2 or f.number, f.number)


def write_type(api, t, pool, limits):
    name = c_struct(t)
    fields = []
    for f in t.fields:
        write_field(t, f, pool, fields, limits)
    out = pool.out
    by_number = [i for i, f in enumerate(t.fields)]
    by_number.sort(key=lambda i: proto_order(t.fields[i]))
    by_name = sorted(range(len(t.fields)), key=lambda i: t.fields[i].name.encode())
    if fields:
        out.append("static const struct field fields_%s[] = {" % name)
        out += fields
        out.append("};")
        for what, order in (("by_name", by_name), ("by_number", by_number)):
            out.append("static const uint16_t %s_%s[] = {%s};" %
                       (what, name, ", ".join(map(str, order))))
    init = [".name = " + c_string(t.name), ".group = " + c_string(t.group),
            ".version = " + c_string(t.version), ".doc = " + c_string(t.doc),
            ".size = sizeof(struct %s)" % name, ".n_fields = %d" % len(t.fields)]
    flags = type_flags(api, t)
    if flags:
        init.append(".flags = " + " | ".join(flags))
    meta = [f for f in t.fields if f.name == "metadata" and f.type is not None and
            f.type.name == "ObjectMeta" and f.card == "CARD_ONE"]
    init.append(".metadata_offset = " + ("offsetof(struct %s, metadata)" % name if meta else "-1"))
    if fields:
        init += [".fields = fields_" + name, ".by_name = by_name_" + name,
                 ".by_number = by_number_" + name]
    if "defaults" in t.marks:
        init.append(".set_defaults = %s_set_defaults" % name)
    if t.unions:
        names = {f.name for f in t.fields}
        groups = []
        for members, where in t.unions:
            for m in members:
                if m not in names:
                    raise SchemaError("%s: no field '%s'" % (where, m))
            groups += members + [""]
        init.append(".unions = " + pool.strings(groups))
    out.append("const struct type type_%s = {%s};" % (name, ", ".join(init)))


def type_flags(api, t):
    flags = []
    names = {f.name: f for f in t.fields}
    if "kind" in names and names["kind"].type_meta:
        flags.append("TYPE_KIND")
    if "structType=atomic" in t.marks:
        flags.append("TYPE_STRUCT_ATOMIC")
    meta = names.get("metadata")
    if "items" in names and meta is not None and meta.type is not None and \
            meta.type.name == "ListMeta":
        flags.append("TYPE_LIST_KIND")
    return flags


def kind_ref(r, text):
    """'autoscaling/v1.Scale' or 'Scale' as (group, version, kind)."""
    if "/" in text:
        group, rest = text.split("/", 1)
        version, kind = rest.split(".", 1)
        return group, version, kind
    if text == "Status":
        return "", "v1", "Status"
    return r.group, r.version, text


def type_symbol(api, r, ref, where):
    t = api.types.get(ref) or api.types.get(("meta.k8s.io", "v1", ref[2]))
    if t is None:
        raise SchemaError("%s: unknown kind '%s' in %s" % (where, ref[2], r.plural))
    return "&type_" + c_struct(t)


def verb_bits(verbs):
    return " | ".join("VERB_BIT(VERB_%s)" % v.upper() for v in verbs) or "0"


def write_subresources(api, r, out):
    out.append("static const struct subresource subresources_%s[] = {" % r.symbol)
    for name, kind, opts in r.subresources:
        ref = kind_ref(r, kind)
        init = [".name = " + c_string(name), ".kind_group = " + c_string(ref[0]),
                ".kind_version = " + c_string(ref[1]), ".kind = " + c_string(ref[2])]
        takes = kind_ref(r, opts["takes"]) if "takes" in opts else None
        if takes:
            init += [".accepts_group = " + c_string(takes[0]),
                     ".accepts_version = " + c_string(takes[1]), ".accepts = " + c_string(takes[2])]
        streams = "query" in opts or opts.get("returns", "").endswith("stream")
        if not streams:
            init.append(".type = " + type_symbol(api, r, takes or ref, r.where))
        init.append(".verbs = " + verb_bits(opts["verbs"].split(",")))
        out.append("    {" + ", ".join(init) + "},")
    out.append("};")


def check_path(r, path, where):
    """A dotted path must name fields; it may pass through a map or end at a map's key."""
    t = r.type
    for word in path.split("."):
        if t is None:
            return
        f = {x.name: x for x in t.fields}.get(word)
        if f is None:
            raise SchemaError("%s: no field '%s' of '%s'" % (where, word, path))
        t = f.type if f.card in ("CARD_ONE", "CARD_PTR") else None


def write_columns(r, out):
    out.append("static const struct column columns_%s[] = {" % r.symbol)
    for name, kind, fmt, priority, source, doc in r.columns:
        init = [".name = " + c_string(name), ".type = " + c_string(kind),
                ".format = " + c_string("" if fmt == "-" else fmt), ".doc = " + c_string(doc),
                ".priority = " + priority]
        if source.endswith("()"):
            init.append(".cell = " + source[:-2])
        else:
            check_path(r, source, r.where)
            init.append(".path = " + c_string(source))
        out.append("    {" + ", ".join(init) + "},")
    out.append("};")


def write_selectables(r, out):
    out.append("static const struct selectable selectables_%s[] = {" % r.symbol)
    for name, opts in r.selectable:
        init = [".name = " + c_string(name)]
        if "fn" in opts:
            init.append(".value = " + opts["fn"])
        else:
            path = opts.get("path", name)
            check_path(r, path, r.where)
            init.append(".path = " + c_string(path))
        out.append("    {" + ", ".join(init) + "},")
    out.append("};")


def find_storage(api, r):
    if not r.storage:
        return r
    gv, plural = r.storage[0], r.storage[1]
    group, version = gv.split("/") if "/" in gv else ("", gv)
    for other in api.resources:
        if (other.group, other.version, other.plural) == (group, version, plural):
            return other
    raise SchemaError("%s: storage %s %s is no resource" % (r.where, gv, plural))


def write_resource(api, r, index, out):
    init = [".%s = %s" % (k, c_string(v)) for k, v in (
        ("group", r.group), ("version", r.version), ("plural", r.plural),
        ("singular", r.singular), ("kind", r.kind), ("short_names", r.short),
        ("categories", r.categories), ("version_hash", r.hash), ("store_prefix", r.store))]
    flags = ["RESOURCE_NAMESPACED"] if r.scope == "namespaced" else []
    for word in r.flags:
        if word not in RESOURCE_FLAGS:
            raise SchemaError("%s: unknown flag '%s'" % (r.where, word))
        flags.append(RESOURCE_FLAGS[word])
    if any(s[0] == "status" for s in r.subresources):
        flags.append("RESOURCE_STATUS")
    init += [".index = %d" % index, ".verbs = " + verb_bits(r.verbs),
             ".flags = " + (" | ".join(flags) or "0"), ".type = &type_" + c_struct(r.type)]
    for what, items, write in (("subresources", r.subresources,
                                lambda: write_subresources(api, r, out)),
                               ("columns", r.columns, lambda: write_columns(r, out)),
                               ("selectable", r.selectable, lambda: write_selectables(r, out))):
        if items:
            write()
            array = "selectables" if what == "selectable" else what
            init += [".n_%s = %d" % (what, len(items)), ".%s = %s_%s" % (what, array, r.symbol)]
    if r.generation:
        init.append(".generation = %d" % r.generation)
    if r.generation_paths:
        for path in r.generation_paths:
            check_path(r, path, r.where)
        out.append("static const char *const generation_paths_%s[] = %s;" %
                   (r.symbol, c_list(r.generation_paths)))
        init.append(".generation_paths = generation_paths_" + r.symbol)
    if r.strategy:
        init.append(".strategy = &" + r.strategy)
    init.append(".storage = &" + find_storage(api, r).symbol)
    opts = dict(w.split("=", 1) for w in (r.storage or [])[2:])
    for key, member in (("from", "from_storage"), ("to", "to_storage")):
        if key in opts:
            init.append(".%s = %s" % (member, opts[key]))
    out.append("const struct resource %s = {\n    %s,\n};" % (r.symbol, ",\n    ".join(init)))


def version_rank(version):
    """GA before beta before alpha, higher first."""
    m = re.match(r"v(\d+)(?:(alpha|beta)(\d+))?$", version)
    if not m:
        return (3, 0, 0)
    return ({None: 0, "beta": 1, "alpha": 2}[m.group(2)], -int(m.group(1)), -int(m.group(3) or 0))


def group_rank(group):
    return (GROUP_ORDER.index(group), "") if group in GROUP_ORDER else (len(GROUP_ORDER), group)


def write_groups(resources, out):
    groups = []
    for r in resources:
        if not groups or groups[-1][0] != r.group:
            groups.append((r.group, []))
        if r.version not in groups[-1][1]:
            groups[-1][1].append(r.version)
    for i, (_, versions) in enumerate(groups):
        out.append("static const char *const versions_%d[] = %s;" % (i, c_list(versions)))
    out.append("const struct api_group api_groups[] = {")
    for i, (name, _) in enumerate(groups):
        out.append("    {%s, versions_%d}," % (c_string(name), i))
    out.append("};\nconst size_t api_n_groups = %d;" % len(groups))


def write_tables(api):
    out = ["/* tables.c - the tables of the API. Made by schemac from src/api; do not edit. */",
           '#include "api/api.h"', "#include <stddef.h>", ""]
    write_enums(api, out)
    pool, limits = Pool(out), {}
    types = [t for t in api.order if t.name not in RAW_TYPES]
    for t in types:
        write_type(api, t, pool, limits)
    resources = sorted(api.resources, key=lambda r: (
        group_rank(r.group), version_rank(r.version), r.plural))
    # autoscaling prefers v2: version_rank() puts it first already.
    for i, r in enumerate(resources):
        write_resource(api, r, i, out)
    out.append("const struct resource *const api_resources[] = {")
    out += ["    &%s," % r.symbol for r in resources]
    out.append("};\nconst size_t api_n_resources = %d;" % len(resources))
    out.append("const struct type *const api_types[] = {")
    for t in sorted(types, key=lambda t: (t.group.encode(), t.version.encode(), t.name.encode())):
        out.append("    &type_%s," % c_struct(t))
    out.append("};\nconst size_t api_n_types = %d;" % len(types))
    write_groups(resources, out)
    return "\n".join(out) + "\n"
