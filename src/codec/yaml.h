/* yaml.h - YAML 1.1 as Kubernetes clients use it, to and from the document tree (libyaml).
 *
 * Plain scalars get JSON types by the YAML 1.1 core rules that sigs.k8s.io/yaml applies
 * (y/n/yes/no/on/off are booleans, 0o and 0x integers, ~ null); map keys become strings; merge
 * keys (<<) add the members that a mapping does not have itself. Aliases are expanded, counted
 * against DOC_NODES_MAX and a limit of their own, so an alias bomb is refused. Iterative.
 *
 * Layer: codec. Threads: any.
 */
#pragma once
#include "base/buf.h"
#include "codec/doc.h"
#include "codec/json.h"

/** Parses the first document of @text (an empty text is null); strings live in @a.
 *  Duplicate keys: as json_parse(). Returns 0, ERR_PARSE ("yaml: line 3: ...") or ERR_TOO_LARGE. */
MUST_USE int yaml_parse(struct str text, struct arena *a, struct doc *ret_doc,
                        struct json_dup **ret_dups, struct err *err);
/** Parses all documents into an array in *@ret_docs, leaving out empty ones. Errors as above. */
MUST_USE int yaml_parse_all(struct str text, struct arena *a, struct doc *ret_docs,
                            struct err *err);
/** Appends block-style YAML as sigs.k8s.io/yaml prints it: keys sorted, 2 spaces, "- " not indented
 *  below its key, strings quoted only where a reader would take them for another type. */
void yaml_write(struct buf *out, const struct doc *d);
