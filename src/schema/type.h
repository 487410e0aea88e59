/* type.h - what a type of the API is: tables that schemac makes from src/api/(*).schema.
 *
 * Every engine of this folder - decode, encode, default, validate, patch, OpenAPI - walks
 * these tables; none knows a kind by name. A built-in type also has a C struct
 * (api/types.h) whose layout the table's offsets describe:
 *
 *     API type            C member
 *     string              struct str            (p NULL or len 0: absent)
 *     bool int32 int64    bool int32_t int64_t  (uint64_t, double likewise)
 *     bytes               struct str            (decoded)
 *     quantity            struct quantity       (.set)
 *     intOrString         struct int_or_string  (.kind)
 *     time, microTime     struct time_value     (.set)
 *     duration            int64_t               nanoseconds
 *     raw                 struct doc *          (NULL: absent)
 *     message T           struct g_t            embedded; a pointer where absent and empty differ
 *     scalar with "ptr"   pointer to it         (NULL: absent)
 *     []T                 struct { T *v; size_t n; }
 *     map<string,T>       struct { struct { struct str key; T value; } *v; size_t n; }
 *                         sorted by key (messages: *v is a struct g_t_entry)
 *     map<string,[]T>     as map, value struct { T *v; size_t n; }
 *     (inline) T          the members of T, in place
 *
 * Layer: schema. Threads: immutable tables, any thread.
 */
#pragma once
#include "codec/doc.h"
#include "codec/quantity.h"
#include "codec/timefmt.h"

enum int_or_string_kind { INT_OR_STRING_ABSENT, INT_OR_STRING_INT, INT_OR_STRING_STRING };
struct int_or_string {
    uint8_t kind;
    int32_t i;
    struct str s;
};

enum field_kind {
    FIELD_STRING,
    FIELD_BOOL,
    FIELD_INT32,
    FIELD_INT64,
    FIELD_UINT64,
    FIELD_DOUBLE,
    FIELD_BYTES,
    FIELD_QUANTITY,
    FIELD_INT_OR_STRING,
    FIELD_TIME,
    FIELD_MICRO_TIME,
    FIELD_DURATION,
    FIELD_RAW,
    FIELD_MESSAGE,
};
enum field_card { CARD_ONE, CARD_PTR, CARD_LIST, CARD_MAP, CARD_MAP_LIST };
enum field_flag {
    FIELD_REQUIRED = 1 << 0,      /* a client must give it */
    FIELD_ALWAYS = 1 << 1,        /* written even when empty */
    FIELD_TYPE_META = 1 << 2,     /* kind, apiVersion: in the envelope, not in the message */
    FIELD_IMMUTABLE = 1 << 3,     /* may not change once written */
    FIELD_PATCH_MERGE = 1 << 4,   /* strategic merge: by patch_key; without: as a set */
    FIELD_PATCH_REPLACE = 1 << 5, /* strategic merge: replace as a whole */
    FIELD_PATCH_RETAIN_KEYS = 1 << 6,
    FIELD_STRUCT_ATOMIC = 1 << 7, /* server-side apply: one leaf */
    FIELD_GATED = 1 << 8,         /* of a feature that is off by default: typed_drop_gated() */
    FIELD_NO_PROTO = 1 << 9,      /* has no protobuf form */
    FIELD_UNION = 1 << 10,        /* exactly one of the type's union members may be set */
    FIELD_NULLABLE = 1 << 11,     /* "ptr": absent and zero differ, also of embedded members */
    FIELD_RESOURCE_LIST = 1 << 12, /* quantities by resource: defaults round them up to milli */
};
enum raw_form { /* of FIELD_RAW: its protobuf message */
    RAW_JSON,              /* {1: the JSON text} */
    RAW_EMPTY,             /* {} */
    RAW_SCHEMA_OR_ARRAY,   /* {1: a JSONSchemaProps, or repeated 2: JSONSchemaProps} */
    RAW_SCHEMA_OR_BOOL,    /* {1: whether allowed, 2: a JSONSchemaProps} */
    RAW_SCHEMA_OR_STRINGS, /* {1: a JSONSchemaProps, or repeated 2: string} */
};
enum list_type { LIST_UNSET, LIST_ATOMIC, LIST_SET, LIST_MAP };

struct type;
struct field_errors;

struct enum_def {
    const char *name;
    const char *const *values; /* as declared; n of them */
    uint16_t n;
};
struct field_limits { /* declarative constraints; has_* say which are meant */
    bool has_min, has_max;
    int64_t min, max; /* of a number; of an int-or-string's number */
    uint32_t max_length;   /* bytes of a string; 0: none */
    uint32_t max_items;    /* 0: none */
    uint32_t min_length;
    const char *format;    /* a name known to schema/format.h ("dns-label", ...), or NULL */
    bool closed_enum;      /* a value outside `values` is an error */
};
struct field {
    struct str name; /* JSON name */
    uint32_t offset; /* in the C struct */
    uint16_t number; /* protobuf; 0: none */
    uint16_t inline_number;  /* protobuf: the message of this number holds the field; 0: none */
    uint16_t inline_number2; /* protobuf: a message within that one holds it; 0: none */
    uint8_t kind, card;     /* enum field_kind (of the elements), enum field_card */
    uint8_t list_type;      /* enum list_type */
    uint8_t raw_form;       /* enum raw_form, of FIELD_RAW */
    uint16_t flags;
    const struct type *type;          /* of FIELD_MESSAGE; of RAW_SCHEMA_*: JSONSchemaProps */
    const struct enum_def *values;    /* known values of a string, or NULL */
    const char *const *map_keys;      /* of LIST_MAP, NULL-terminated */
    const char *patch_key;            /* of FIELD_PATCH_MERGE, or NULL */
    const char *default_json;         /* a JSON value, or NULL */
    const struct field_limits *limits; /* or NULL */
    const char *doc;                  /* one line in our own words; "" if none */
};
enum type_flag {
    TYPE_KIND = 1 << 0,
    TYPE_STRUCT_ATOMIC = 1 << 1,
    TYPE_LIST_KIND = 1 << 2, /* has metadata ListMeta and items */
};
struct type {
    const char *name;    /* "PodSpec" */
    const char *group;   /* "", "apps", "meta.k8s.io" for shared ones */
    const char *version; /* "v1" */
    const char *doc;
    uint32_t size;         /* of the C struct */
    uint16_t n_fields;
    uint16_t flags;
    int32_t metadata_offset; /* of struct meta_object_meta, or -1 */
    const struct field *fields;   /* in declaration order, which is the order of the JSON */
    const uint16_t *by_name;      /* indexes of fields sorted by name */
    /* Indexes of fields in protobuf order: by (inline_number or number), (inline_number2 or
     * number), number. */
    const uint16_t *by_number;
    /* Rules that the table cannot say; NULL if none. Run before the children's. */
    void (*set_defaults)(void *obj, struct arena *a);
    const char *const *unions; /* groups of member names, each ended by ""; by NULL the list */
};

/** The field of @t with JSON name @name, or NULL. O(log n). */
const struct field *type_field(const struct type *t, struct str name);
/** Where field @f of the C struct @obj is. */
static inline void *field_ptr(const struct field *f, const void *obj)
{
    return (char *)obj + f->offset;
}
/** Size in bytes of one element of @f: of the value, list item or map value. */
size_t field_elem_size(const struct field *f);

/* The common head of list and map members. */
struct any_list {
    void *v;
    size_t n;
};
struct string_list {
    struct str *v;
    size_t n;
};
struct string_pair {
    struct str key, value;
};
struct string_map { /* layout of map<string,string> */
    struct string_pair *v;
    size_t n;
};
struct quantity_pair {
    struct str key;
    struct quantity value;
};
struct quantity_map { /* layout of map<string,quantity> */
    struct quantity_pair *v;
    size_t n;
};
/** The value of @key in a map<string,string>, or STR_NULL. */
struct str string_map_get(const struct string_map *m, struct str key);
/** Sets @key, keeping the order by key; strings are kept as views. */
void string_map_set(struct arena *a, struct string_map *m, struct str key, struct str value);
/** Removes @key; false if absent. */
bool string_map_remove(struct string_map *m, struct str key);
/** The value of @key in a map<string,quantity>; not set if absent. */
struct quantity quantity_map_get(const struct quantity_map *m, struct str key);
/** Sets @key, keeping the order by key. Changes the entries in place: copy a shared map first. */
void quantity_map_set(struct arena *a, struct quantity_map *m, struct str key,
                      struct quantity value);
