# SPDX-License-Identifier: Apache-2.0
"""The schema as Python objects: parses .schema files, resolves names, flattens inlines."""
import os
import re
import shlex

SCALARS = {
    "string": ("FIELD_STRING", "struct str"),
    "bool": ("FIELD_BOOL", "bool"),
    "int32": ("FIELD_INT32", "int32_t"),
    "int64": ("FIELD_INT64", "int64_t"),
    "uint64": ("FIELD_UINT64", "uint64_t"),
    "double": ("FIELD_DOUBLE", "double"),
    "bytes": ("FIELD_BYTES", "struct str"),
    "quantity": ("FIELD_QUANTITY", "struct quantity"),
    "intOrString": ("FIELD_INT_OR_STRING", "struct int_or_string"),
    "time": ("FIELD_TIME", "struct time_value"),
    "microTime": ("FIELD_MICRO_TIME", "struct time_value"),
    "duration": ("FIELD_DURATION", "int64_t"),
    "raw": ("FIELD_RAW", "struct doc *"),
}
# Types whose JSON is not an object of their fields: kept as documents.
RAW_TYPES = {"JSON", "JSONSchemaPropsOrArray", "JSONSchemaPropsOrBool",
             "JSONSchemaPropsOrStringArray", "RawExtension", "FieldsV1"}
C_WORDS = set("auto break case char const continue default do double else enum extern float for "
              "goto if inline int long register restrict return short signed sizeof static struct "
              "switch bool typedef union unsigned void volatile while linux unix".split())


class SchemaError(Exception):
    pass


def snake(name):
    name = name.replace("$", "").replace("-", "_").replace(".", "_")
    name = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name)
    name = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", name)
    name = re.sub(r"_I_Ps\b", "_ips", name)
    name = name.lower()
    for bad, good in (("i_ps", "ips"), ("host_i_ps", "host_ips"), ("cluster_i_ps", "cluster_ips"),
                      ("c_ids", "cids"), ("ur_ls", "urls"), ("i_ds", "ids"), ("cid_rs", "cidrs"),
                      ("_o_ss", "_oss"), ("w_w_ns", "wwns"), ("ww_ns", "wwns")):
        name = name.replace(bad, good)
    return name + "_" if name in C_WORDS else name


class Field:
    pass


class Type:
    def __init__(self, name, group, version, marks, where):
        self.name, self.group, self.version = name, group, version
        self.marks, self.where = marks, where
        self.lines, self.fields, self.unions = [], None, []
        self.doc = ""


class Resource:
    def __init__(self):
        self.short = self.categories = self.hash = self.store = self.singular = ""
        self.flags, self.verbs, self.subresources = [], [], []
        self.selectable, self.columns = [], []
        self.strategy = self.storage = None
        self.generation, self.generation_paths = 0, []


class Api:
    def __init__(self):
        self.types, self.enums, self.resources, self.order = {}, {}, [], []


def short_group(group, version):
    base = {"": "core", "meta.k8s.io": "meta", "rbac.authorization.k8s.io": "rbac",
            "flowcontrol.apiserver.k8s.io": "flowcontrol",
            "apiserver.config.k8s.io": "apiserver_config",
            "client.authentication.k8s.io": "clientauthentication",
            "kubelet.config.k8s.io": "kubelet_config",
            "kubescheduler.config.k8s.io": "scheduler_config",
            "custom.metrics.k8s.io": "custom_metrics",
            "external.metrics.k8s.io": "external_metrics"}.get(group, group.split(".")[0])
    only_one = not (group == "autoscaling" and version == "v2")
    return base if only_one else base + "_" + version


def c_struct(t):
    return short_group(t.group, t.version) + "_" + snake(t.name)


def split_doc(line):
    """Cuts '  # text' off: the one-line description of a type, field or column."""
    at = line.find("  # ")
    return (line, "") if at < 0 else (line[:at], line[at + 4:].strip())


def load(paths):
    api = Api()
    for path in paths:
        parse_file(api, path)
    for t in list(api.types.values()):
        resolve(api, t)
    for r in api.resources:
        finish_resource(api, r)
    order_types(api)
    return api


def parse_file(api, path):
    group = version = None
    cur = None
    for n, raw in enumerate(open(path, encoding="utf-8"), 1):
        where = "%s:%d" % (os.path.basename(path), n)
        line, doc = split_doc(raw.rstrip("\n"))
        if not line.strip() or line.startswith("#"):
            continue
        words = line.split()
        if line[0] != " ":
            cur = None
            if words[0] == "group":
                group = "" if words[1] == '""' else words[1]
            elif words[0] == "version":
                version = words[1]
            elif words[0] == "enum":
                api.enums[(group, version, words[1])] = shlex.split(line)[3:]
            elif words[0] == "type":
                marks = line[line.index("[") + 1:line.rindex("]")].split() if "[" in line else []
                cur = Type(words[1], group, version, [m.strip(",") for m in marks], where)
                cur.doc = doc
                api.types[(group, version, words[1])] = cur
            elif words[0] == "resource":
                cur = Resource()
                cur.group, cur.version, cur.where = group, version, where
                cur.plural, cur.kind, cur.scope = words[1:4]
                api.resources.append(cur)
            else:
                raise SchemaError("%s: unknown word '%s'" % (where, words[0]))
        elif isinstance(cur, Type):
            cur.lines.append((line, doc, where))
        elif isinstance(cur, Resource):
            parse_resource_line(cur, line, doc, where)
        else:
            raise SchemaError("%s: a line outside type and resource" % where)


def parse_resource_line(r, line, doc, where):
    words = line.split()
    key, rest = words[0], words[1:]
    if key in ("singular", "short", "categories", "hash", "store", "strategy"):
        setattr(r, key, rest[0])
    elif key == "verbs":
        r.verbs = expand_verbs(rest[0])
    elif key == "flags":
        r.flags = rest
    elif key == "generation":
        if not rest or not rest[0].isdigit():
            raise SchemaError("%s: generation first-number [path...]" % where)
        r.generation, r.generation_paths = int(rest[0]), rest[1:]
    elif key == "storage":
        r.storage = rest
    elif key == "selectable":
        r.selectable.append((rest[0], dict(w.split("=", 1) for w in rest[1:])))
    elif key == "column":
        m = re.match(r'\s*column\s+"([^"]+)"\s+(\S+)\s+(\S+)\s+(\d+)\s*=\s*(\S+)\s*$', line)
        if not m:
            raise SchemaError('%s: column "Name" type format priority = path|fn()' % where)
        r.columns.append(m.groups() + (doc,))
    elif key == "subresource":
        opts = dict(w.split("=", 1) for w in rest[2:])
        r.subresources.append((rest[0], rest[1], opts))
    else:
        raise SchemaError("%s: unknown word '%s' in a resource" % (where, key))


def expand_verbs(text):
    if text == "*":
        text = "create,delete,deletecollection,get,list,patch,update,watch"
    return [] if text == "-" else text.split(",")


def find_type(api, name, group, version, where):
    parts = name.rsplit(".", 2)
    if len(parts) == 3:
        want = {"core": "", "meta": "meta.k8s.io"}.get(parts[0], parts[0])
        for (g, v, n), t in api.types.items():
            if n == parts[2] and v == parts[1] and (g == want or g.split(".")[0] == want or
                                                    short_group(g, v) == want):
                return t
    else:
        for g, v in ((group, version), ("meta.k8s.io", "v1"), ("", "v1")):
            if (g, v, name) in api.types:
                return api.types[(g, v, name)]
    raise SchemaError("%s: unknown type '%s'" % (where, name))


def parse_type_expr(api, f, text, t, where):
    f.card, f.enum, f.type = "CARD_ONE", None, None
    f.resource_list = False  # amounts by the name of a resource
    f.raw_form = None  # of FIELD_RAW: which type it stands for
    m = re.match(r"map<([^,]+),(.*)>$", text)
    if m:
        f.card, text = "CARD_MAP", m.group(2)
        f.resource_list = m.groups() == ("string:ResourceName", "quantity")
        if text.startswith("[]"):
            f.card, text = "CARD_MAP_LIST", text[2:]
    elif text.startswith("[]"):
        f.card, text = "CARD_LIST", text[2:]
    base, _, enum = text.partition(":")
    if enum:
        f.enum = find_enum(api, enum, t, where)
    if base in SCALARS:
        f.kind, f.ctype = SCALARS[base]
        f.base = base
        return
    if base == "struct{}":
        f.kind, f.ctype = SCALARS["raw"]
        f.base, f.raw_form = "raw", base
        return
    if base.rsplit(".", 1)[-1] in RAW_TYPES:
        f.kind, f.ctype = SCALARS["raw"]
        f.base, f.raw_form = "raw", base.rsplit(".", 1)[-1]
        return
    enum = find_enum(api, base, t, None)
    if enum is not None:
        f.kind, f.ctype = SCALARS["string"]
        f.base, f.enum = "string", enum
        return
    f.kind, f.base = "FIELD_MESSAGE", "message"
    f.type = find_type(api, base, t.group, t.version, where)
    f.ctype = "struct " + c_struct(f.type)


def find_enum(api, name, t, where):
    parts = name.rsplit(".", 2)
    short = parts[-1]
    for g, v in ((t.group, t.version), ("meta.k8s.io", "v1"), ("", "v1")):
        if len(parts) == 1 and (g, v, short) in api.enums:
            return (g, v, short)
    for key in api.enums:
        if len(parts) == 3 and key[2] == short and key[1] == parts[1] and (
                short_group(key[0], key[1]) == parts[0] or key[0].split(".")[0] == parts[0] or
                (parts[0] == "core" and key[0] == "")):
            return key
    if where:
        raise SchemaError("%s: unknown enum '%s'" % (where, name))
    return None


def resolve(api, t):
    if t.fields is not None:
        return t.fields
    t.fields = []
    for line, doc, where in t.lines:
        words = line.split()
        if words[0] == "union":
            t.unions.append((words[1:], where))
            continue
        if words[0] == "(inline)":
            inline_fields(api, t, words, where)
            continue
        f = Field()
        f.name, f.where, f.doc = words[0], where, doc
        f.member = snake(words[0])
        f.number = 0 if words[2] == "-" else int(words[2])
        f.inline_number = f.inline_number2 = 0
        f.type_meta = False
        parse_type_expr(api, f, words[1], t, where)
        parse_flags(f, line.split(None, 3)[3] if len(words) > 3 else "", where)
        f.no_proto = words[2] == "-"
        add_field(t, f)
    return t.fields


def add_field(t, f):
    if any(o.name == f.name for o in t.fields):
        if f.type_meta:
            return  # a type that inlines another kind keeps its own
        raise SchemaError("%s: field '%s' twice" % (f.where, f.name))
    t.fields.append(f)


def inline_fields(api, t, words, where):
    base = words[1].lstrip("[]")
    if t.name in RAW_TYPES:
        return
    src = find_type(api, base, t.group, t.version, where)
    number = 0 if words[2] == "-" else int(words[2])
    for g in resolve(api, src):
        f = Field()
        f.__dict__.update(g.__dict__)
        if base == "TypeMeta":
            f.type_meta, f.no_proto = True, True
            f.flags = set(g.flags)
        elif number:
            f.inline_number2 = g.inline_number
            f.inline_number = number
        else:
            f.no_proto = True
        f.where = where
        add_field(t, f)


def parse_flags(f, text, where):
    f.flags, f.opts = set(), {}
    for m in re.finditer(r"(\w+)(?:=(\"(?:[^\"\\]|\\.)*\"|\{[^}]*\}|\S+))?", text):
        if m.group(2) is None:
            f.flags.add(m.group(1))
        else:
            f.opts[m.group(1)] = m.group(2)
    if "ptr" in f.flags and f.card == "CARD_ONE" and f.kind not in ("FIELD_RAW",
                                                                    "FIELD_INT_OR_STRING",
                                                                    "FIELD_TIME",
                                                                    "FIELD_MICRO_TIME",
                                                                    "FIELD_QUANTITY"):
        f.card = "CARD_PTR"
    if f.card == "CARD_ONE" and f.type is not None and f.type.name == "JSONSchemaProps":
        f.card = "CARD_PTR"


def finish_resource(api, r):
    r.type = api.types.get((r.group, r.version, r.kind)) or find_type(
        api, r.kind, r.group, r.version, r.where)
    if "kind" in [m for m in r.type.marks] and "store" == "":
        raise SchemaError("%s: a stored kind needs 'store'" % r.where)
    r.symbol = "res_%s_%s" % (short_group(r.group, r.version), r.plural)


def order_types(api):
    """Structs that embed others come after them; pointers and lists need only a declaration."""
    done, doing = set(), set()

    def visit(t):
        if t in done:
            return
        if t in doing:
            raise SchemaError("%s: type '%s' embeds itself" % (t.where, t.name))
        doing.add(t)
        for f in t.fields:
            if f.type is not None and f.card == "CARD_ONE":
                visit(f.type)
        doing.discard(t)
        done.add(t)
        api.order.append(t)

    for t in api.types.values():
        if t.name not in RAW_TYPES:
            visit(t)
