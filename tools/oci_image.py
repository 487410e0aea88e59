#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes a small OCI image of one layer, as a tar that `ctr images import` takes.

    oci_image.py --name NAME --entrypoint CMD[,ARG...] [--output FILE.tar | --c-array FILE.c SYMBOL]
                 [--link PATH=TARGET] [--folder PATH] PATH=FILE...

The same input gives the same bytes: times are zero, names are sorted.
"""
import argparse
import hashlib
import io
import json
import os
import platform
import tarfile

ARCH = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def add(tar, name, data, mode=0o644, kind=tarfile.REGTYPE, link=""):
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.type, info.linkname = len(data), mode, kind, link
    tar.addfile(info, io.BytesIO(data))


def make_layer(files, links, empty):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        folders = set()
        for path in sorted(list(files) + list(links) + [e.rstrip("/") + "/" for e in empty]):
            parent = os.path.dirname(path.lstrip("/"))
            parts = parent.split("/") if parent else []
            for i in range(len(parts)):
                folder = "/".join(parts[:i + 1])
                if folder not in folders:
                    folders.add(folder)
                    add(tar, folder, b"", 0o1777 if folder == "tmp" else 0o755, tarfile.DIRTYPE)
            if path.endswith("/"):
                continue
            name = path.strip("/")
            if path in links:
                add(tar, name, b"", 0o777, tarfile.SYMTYPE, links[path])
                continue
            with open(files[path], "rb") as f:
                add(tar, name, f.read(), 0o755 if os.access(files[path], os.X_OK) else 0o644)
    return out.getvalue()


def make_image(name, entrypoint, files, links, empty):
    layer = make_layer(files, links, empty)
    config = json.dumps({
        "architecture": ARCH, "os": "linux",
        "config": {"Entrypoint": entrypoint, "Env": ["PATH=/bin:/usr/bin:/sbin:/usr/sbin"]},
        "rootfs": {"type": "layers", "diff_ids": [digest(layer)]},
    }, sort_keys=True).encode()
    manifest = json.dumps({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json",
                   "digest": digest(config), "size": len(config)},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar",
                    "digest": digest(layer), "size": len(layer)}],
    }, sort_keys=True).encode()
    index = json.dumps({
        "schemaVersion": 2,
        "manifests": [{"mediaType": "application/vnd.oci.image.manifest.v1+json",
                       "digest": digest(manifest), "size": len(manifest),
                       "annotations": {"io.containerd.image.name": name,
                                       "org.opencontainers.image.ref.name":
                                           name.rsplit(":", 1)[-1]}}],
    }, sort_keys=True).encode()
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        add(tar, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        add(tar, "index.json", index)
        for blob in (config, layer, manifest):
            add(tar, "blobs/sha256/" + digest(blob).split(":")[1], blob)
    return out.getvalue()


def write_c(path, symbol, data):
    with open(path, "w", encoding="ascii") as f:
        f.write("/* Made by tools/oci_image.py; do not edit. */\n#include <stddef.h>\n")
        f.write("extern const unsigned char %s[];\nextern const size_t %s_len;\n" %
                (symbol, symbol))
        f.write("const unsigned char %s[] = {\n" % symbol)
        for i in range(0, len(data), 24):
            f.write(",".join(str(b) for b in data[i:i + 24]) + ",\n")
        f.write("};\nconst size_t %s_len = %d;\n" % (symbol, len(data)))


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("--name", required=True)
    ap.add_argument("--entrypoint", default="")
    ap.add_argument("--output")
    ap.add_argument("--c-array", nargs=2)
    ap.add_argument("--link", action="append", default=[])
    ap.add_argument("--folder", action="append", default=[])
    ap.add_argument("files", nargs="*")
    o = ap.parse_args()
    image = make_image(o.name, [w for w in o.entrypoint.split(",") if w],
                       dict(w.split("=", 1) for w in o.files),
                       dict(w.split("=", 1) for w in o.link), o.folder)
    if o.output:
        with open(o.output, "wb") as f:
            f.write(image)
    if o.c_array:
        write_c(o.c_array[0], o.c_array[1], image)


if __name__ == "__main__":
    main()
