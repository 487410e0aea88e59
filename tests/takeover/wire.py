# SPDX-License-Identifier: Apache-2.0
"""Protobuf as upstream writes built-in kinds, from types.txt: objects as decoded JSON, to bytes and back.

Upstream writes fields in order of their numbers, those of one value that are no pointers always, maps
in order of their keys, and numbers of a list one by one.
"""
import base64
import datetime
import json
import os
import re

FIELD = re.compile(r"(?:\(([\w.]+)\)=(\d+)|(\w+)=(\d+):((?:\[\]|map:)?)([\w.]+)(\??))$")
MAGIC = b"k8s\0"
NUMBERS = ("int32", "int64", "bool")


class Field:
    def __init__(self, text):
        m = FIELD.match(text)
        assert m, text
        self.inline = m[1] is not None
        self.name = m[3]
        self.number = int(m[2] or m[4])
        self.type = m[1] or m[6]
        self.shape = m[5] or ""
        self.pointer = m[7] == "?"


def load_types():
    types = {}
    with open(os.path.join(os.path.dirname(__file__), "types.txt"), encoding="utf-8") as f:
        for line in f:
            if line.startswith("#"):
                continue
            words = line.split()
            if not line.startswith(" "):
                current = types[words.pop(0)] = []
            current += [Field(word) for word in words]
    for fields in types.values():
        fields.sort(key=lambda field: field.number)
    return types


TYPES = load_types()


# ---- bytes ----

def varint(n):
    n &= (1 << 64) - 1
    out = bytearray()
    while n > 0x7f:
        out.append(n & 0x7f | 0x80)
        n >>= 7
    return bytes(out) + bytes([n])


def number(field, n):
    return varint(field << 3) + varint(n)


def block(field, data):
    return varint(field << 3 | 2) + varint(len(data)) + data


def read_varint(data, at):
    n = shift = 0
    while True:
        n |= (data[at] & 0x7f) << shift
        shift += 7
        at += 1
        if data[at - 1] < 0x80:
            return n, at


def read_fields(data):
    """[(number, int or bytes)]"""
    found, at = [], 0
    while at < len(data):
        tag, at = read_varint(data, at)
        value, at = read_varint(data, at)
        if tag & 7 == 2:
            assert at + value <= len(data), "cut short"
            value, at = data[at:at + value], at + value
        else:
            assert tag & 7 == 0, "wire type %d" % (tag & 7)
        found.append((tag >> 3, value))
    return found


def signed(n):
    return n - (1 << 64) if n >> 63 else n


# ---- to bytes ----

def seconds_of(text):
    micro = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    whole = micro.replace(microsecond=0)
    return int(whole.timestamp()), micro.microsecond * 1000


def encode_one(kind, value):
    """The content of a field of @kind that has a length."""
    if kind == "string":
        return value.encode()
    if kind == "bytes":
        return base64.b64decode(value)
    if kind == "quantity":
        return block(1, value.encode())
    if kind in ("time", "microTime"):
        if not value:
            return b""
        seconds, nanos = seconds_of(value)
        return number(1, seconds) + number(2, nanos)
    if kind == "intOrString":
        is_text = isinstance(value, str)
        return number(1, is_text) + number(2, 0 if is_text else value) + \
            block(3, value.encode() if is_text else b"")
    if kind == "FieldsV1":
        return block(1, json.dumps(value, separators=(",", ":")).encode())
    return encode(kind, value)


def zero(kind):
    if kind in NUMBERS:
        return 0
    return {"string": "", "bytes": "", "quantity": "0", "time": None, "microTime": None,
            "intOrString": 0}.get(kind, {})


def encode_field(field, value):
    if field.shape == "[]":
        return b"".join(number(field.number, v) if field.type in NUMBERS else
                        block(field.number, encode_one(field.type, v)) for v in value or [])
    if field.shape == "map:":
        return b"".join(block(field.number, block(1, k.encode()) +
                              block(2, encode_one(field.type, value[k])))
                        for k in sorted(value or {}, key=lambda k: k.encode()))
    if value is None:
        if field.pointer or field.type == "bytes":
            return b""
        value = zero(field.type)
    if field.type in NUMBERS:
        return number(field.number, int(value))
    return block(field.number, encode_one(field.type, value))


def encode(kind, value):
    """@value, a JSON object of the type @kind, whose fields all must be known."""
    out, left = b"", dict(value)
    names = {f.name for f in TYPES[kind]}
    for f in TYPES[kind]:
        if f.inline:
            inner = set(all_fields(f.type)) - names
            out += block(f.number, encode(f.type, {k: left.pop(k) for k in inner & set(left)}))
        else:
            out += encode_field(f, left.pop(f.name, None))
    assert not left, "%s has no %s" % (kind, sorted(left))
    return out


def envelope(api_version, kind, raw):
    return MAGIC + block(1, block(1, api_version.encode()) + block(2, kind.encode())) + \
        block(2, raw) + block(3, b"") + block(4, b"")


# ---- from bytes ----

def decode_one(kind, data):
    if kind == "string":
        return data.decode()
    if kind == "bytes":
        return base64.b64encode(data).decode()
    if kind in TYPES:
        return decode(kind, data)
    parts = dict(read_fields(data))
    if kind == "quantity":
        assert set(parts) <= {1}
        return parts.get(1, b"").decode()
    if kind in ("time", "microTime"):
        assert set(parts) <= {1, 2}
        if not parts:
            return None
        when = datetime.datetime.fromtimestamp(signed(parts[1]), datetime.timezone.utc)
        text = when.strftime("%Y-%m-%dT%H:%M:%S")
        return text + (".%06dZ" % (parts[2] // 1000) if kind == "microTime" else "Z")
    if kind == "intOrString":
        assert set(parts) == {1, 2, 3}
        return parts[3].decode() if parts[1] else signed(parts[2])
    assert kind == "FieldsV1" and set(parts) == {1}, kind
    return json.loads(parts[1])


def decode(kind, data):
    """The JSON object of what is there; absent and empty as they are in the bytes."""
    out, by_number = {}, {f.number: f for f in TYPES[kind]}
    for n, value in read_fields(data):
        assert n in by_number, "%s has no field %d" % (kind, n)
        f = by_number[n]
        if f.inline:
            out.update(decode(f.type, value))
        elif f.shape == "map:":
            entry = dict(read_fields(value))
            assert set(entry) == {1, 2}
            out.setdefault(f.name, {})[entry[1].decode()] = decode_one(f.type, entry[2])
        else:
            if f.type in NUMBERS:
                assert isinstance(value, int), f.name
                value = bool(value) if f.type == "bool" else signed(value)
            else:
                assert isinstance(value, bytes), f.name
                value = decode_one(f.type, value)
            if f.shape:
                out.setdefault(f.name, []).append(value)
            else:
                assert f.name not in out, "%s twice" % f.name
                out[f.name] = value
    return out


def open_envelope(data):
    """(apiVersion, kind, raw)"""
    assert data.startswith(MAGIC)
    parts = read_fields(data[4:])
    assert [n for n, _ in parts] == [1, 2, 3, 4] and parts[2][1] == parts[3][1] == b""
    meta = read_fields(parts[0][1])
    assert [n for n, _ in meta] == [1, 2]
    return meta[0][1].decode(), meta[1][1].decode(), parts[1][1]


# ---- to compare ----

def normal(kind, value):
    """@value without what is the same as nothing; every name must be known."""
    if kind not in TYPES:
        return value
    out, fields = {}, all_fields(kind)
    for name, v in value.items():
        assert name in fields, "%s has no %s" % (kind, name)
        f = fields[name]
        if f.shape == "[]":
            v = [normal(f.type, x) for x in v or []] or None
        elif f.shape == "map:":
            v = {k: normal(f.type, x) for k, x in (v or {}).items()} or None
        elif v is not None:
            v = normal(f.type, v)
            if not f.pointer and f.type != "intOrString" and not v:
                v = None
        if v is not None:
            out[name] = v
    return out


def all_fields(kind):
    found = {}
    for f in TYPES[kind]:
        found.update(all_fields(f.type) if f.inline else {f.name: f})
    return found
