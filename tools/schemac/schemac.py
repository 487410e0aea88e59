#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""schemac - the schema compiler: src/api/*.schema -> C structs and the tables that describe them.

    schemac.py header OUT SCHEMA...     types.h: structs, extern declarations
    schemac.py tables OUT SCHEMA...     tables.c: types, resources, groups

The form of a .schema file is described in docs/schema.md. An error names file and line.
"""
import sys

from emit_header import write_header
from emit_tables import write_tables
from model import SchemaError, load


def main(argv):
    if len(argv) < 4 or argv[1] not in ("header", "tables"):
        sys.stderr.write(__doc__)
        return 2
    try:
        api = load(argv[3:])
        text = write_header(api) if argv[1] == "header" else write_tables(api)
    except SchemaError as e:
        sys.stderr.write("schemac: %s\n" % e)
        return 1
    with open(argv[2], "w", encoding="utf-8") as f:
        f.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
