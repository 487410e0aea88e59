# SPDX-License-Identifier: Apache-2.0
"""Writes types.h: the C structs and what tables.c defines."""
from model import c_struct


def member(f):
    ptr = f.ctype.endswith("*")
    decl = f.ctype + ("" if ptr else " ")
    if f.card == "CARD_ONE":
        return "%s%s;" % (decl, f.member)
    if f.card == "CARD_PTR":
        return "%s%s*%s;" % (f.ctype, "" if ptr else " ", f.member)
    if f.card == "CARD_LIST":
        if f.ctype == "struct str" and f.kind == "FIELD_STRING":
            return "struct string_list %s;" % f.member
        return "struct { %s%s*v; size_t n; } %s;" % (f.ctype, "" if ptr else " ", f.member)
    if f.card == "CARD_MAP" and f.kind == "FIELD_QUANTITY":
        return "struct quantity_map %s;" % f.member
    if f.card == "CARD_MAP":
        if f.ctype == "struct str" and f.kind == "FIELD_STRING":
            return "struct string_map %s;" % f.member
        if f.type is not None:
            return "struct { struct %s_entry *v; size_t n; } %s;" % (c_struct(f.type), f.member)
        return ("struct { struct { struct str key; %svalue; } *v; size_t n; } %s;" %
                (decl, f.member))
    return ("struct { struct { struct str key; struct { %s*v; size_t n; } value; } *v; "
            "size_t n; } %s;" % (decl, f.member))


def resource_hooks(r):
    """Declarations of the C functions that a resource names."""
    hooks = set()
    if r.strategy:
        hooks.add("extern const struct strategy %s;" % r.strategy)
    for column in r.columns:
        if column[4].endswith("()"):
            hooks.add("struct doc %s(const void *obj, const struct table_ctx *ctx);" %
                      column[4][:-2])
    for _, opts in r.selectable:
        if "fn" in opts:
            hooks.add("struct str %s(const void *obj, struct arena *a);" % opts["fn"])
    for key, args in (("from", "const void *stored, void *obj"),
                      ("to", "const void *obj, void *stored")):
        for word in (r.storage or [])[2:]:
            if word.startswith(key + "="):
                hooks.add("void %s(%s, struct arena *a);" % (word.split("=", 1)[1], args))
    return hooks


def write_header(api):
    out = ["/* types.h - the structs of the API. Made by schemac from src/api; do not edit. */",
           "#pragma once", '#include "schema/resource.h"', ""]
    for t in api.order:
        out.append("struct %s;" % c_struct(t))
    out.append("")
    for t in api.order:
        if t.doc:
            out.append("/* %s */" % t.doc.replace("*/", "* /"))
        out.append("struct %s {" % c_struct(t))
        for f in t.fields:
            line = "    " + member(f)
            if f.doc:
                line += " /* %s */" % f.doc.replace("*/", "* /").replace("/*", "/ *")
            out.append(line)
        if not t.fields:
            out.append("    char none_;")
        out.append("};")
    entries = {c_struct(f.type) for t in api.order for f in t.fields
               if f.card == "CARD_MAP" and f.type is not None}
    for name in sorted(entries):
        out.append("struct %s_entry { /* of a map */" % name)
        out.append("    struct str key;")
        out.append("    struct %s value;" % name)
        out.append("};")
    out.append("")
    for t in api.order:
        out.append("extern const struct type type_%s;" % c_struct(t))
        if "defaults" in t.marks:
            out.append("void %s_set_defaults(void *obj, struct arena *a);" % c_struct(t))
    out.append("")
    hooks = set()
    for r in api.resources:
        out.append("extern const struct resource %s;" % r.symbol)
        hooks |= resource_hooks(r)
    out += sorted(hooks)
    out.append("/* Every type, by group, version and name. */")
    out.append("extern const struct type *const api_types[];")
    out.append("extern const size_t api_n_types;")
    return "\n".join(out) + "\n"
