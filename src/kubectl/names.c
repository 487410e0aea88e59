/* SPDX-License-Identifier: Apache-2.0 */
/* names.c - what users call resources and objects, and the objects in files. */
#include "kubectl/kubectl.h"

#include "base/vec.h"
#include "codec/yaml.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>

enum { FILE_BYTES_MAX = 32 * 1024 * 1024 };

static bool in_list(const char *list, struct str word)
{
    struct str rest = str_from(list);

    while (rest.len > 0) {
        if (str_ieq(str_cut(rest, ',', &rest), word))
            return true;
    }
    return false;
}

/* "apps", "v1.apps", or "v1" for the group without a name. */
static bool group_matches(const struct resource *r, struct str text)
{
    struct str group, version = str_cut(text, '.', &group);

    return (text.len > 0 && str_eqz(text, r->group)) ||
           (str_eqz(version, r->version) && str_eqz(group, r->group));
}

const struct resource *find_resource(struct str word)
{
    struct str group, name = str_cut(word, '.', &group);

    for (size_t i = 0; name.len > 0 && i < api_n_resources; i++) {
        const struct resource *r = api_resources[i];

        if (r->storage != r || (group.p && !group_matches(r, group)) ||
            !(r->verbs & VERB_BIT(VERB_GET)))
            continue;
        if (str_ieq(name, str_from(r->plural)) || str_ieq(name, str_from(r->singular)) ||
            str_ieq(name, str_from(r->kind)) || in_list(r->short_names, name))
            return r;
    }
    return NULL;
}

static void add_named(struct kubectl *k, struct named **list, size_t *n, const struct resource *r,
                      struct str name)
{
    *list = arena_grow(&k->arena, *list, *n, *n + 1, sizeof(**list));
    (*list)[(*n)++] = (struct named){r, name};
}

/* One comma-separated word of types: "pods,svc" or "all". */
static bool add_types(struct kubectl *k, struct str word, struct named **list, size_t *n)
{
    struct str rest = word;

    while (rest.len > 0) {
        struct str one = str_cut(rest, ',', &rest);
        const struct resource *r = find_resource(one);

        if (str_eq(one, STR("all"))) {
            for (size_t i = 0; i < api_n_resources; i++) {
                if (in_list(api_resources[i]->categories, one) &&
                    api_resources[i]->storage == api_resources[i])
                    add_named(k, list, n, api_resources[i], STR_NULL);
            }
        } else if (!r) {
            (void)fail("the server doesn't have a resource type \"%.*s\"", STR_ARG(one));
            return false;
        } else {
            add_named(k, list, n, r, STR_NULL);
        }
    }
    return true;
}

bool parse_names(struct kubectl *k, struct named **ret_n, size_t *ret_count)
{
    const struct resource *r = NULL;

    *ret_n = NULL;
    *ret_count = 0;
    if (k->n_words == 0) {
        (void)fail("you must say what: a type, TYPE NAME, or TYPE/NAME");
        return false;
    }
    for (size_t i = 0; i < k->n_words; i++) {
        struct str word = str_from(k->words[i]), name, type = str_cut(word, '/', &name);

        if ((name.p && (name.len == 0 || r)) || (i > 0 && word.len == 0)) {
            (void)fail("\"%s\" is no name of an object; give TYPE NAME or TYPE/NAME", k->words[i]);
            return false;
        }
        if (name.p) {
            const struct resource *one = find_resource(type);

            if (!one) {
                (void)fail("the server doesn't have a resource type \"%.*s\"", STR_ARG(type));
                return false;
            }
            add_named(k, ret_n, ret_count, one, name);
        } else if (i == 0 && k->n_words == 1) {
            return add_types(k, word, ret_n, ret_count);
        } else if (i == 0) {
            r = find_resource(word);
            if (!r) {
                (void)fail("the server doesn't have a resource type \"%.*s\"", STR_ARG(word));
                return false;
            }
        } else if (r) {
            add_named(k, ret_n, ret_count, r, word);
        } else {
            (void)fail("there is no need to say a type when names are given as TYPE/NAME");
            return false;
        }
    }
    return true;
}

static int read_all(int fd, struct buf *out)
{
    for (;;) {
        char *p = buf_reserve(out, 65536);
        ssize_t n;

        if (!p)
            return -1;
        n = read(fd, p, 65536);
        if (n <= 0)
            return (int)n;
        out->len += (size_t)n;
    }
}

struct reader {
    struct kubectl *k;
    struct manifest *v;
    size_t n;
};

static bool add_manifest(struct reader *r, const struct doc *d, const char *path)
{
    struct kubectl *k = r->k;
    struct str group, version, kind = doc_path_str(d, "kind");
    const struct doc *items = doc_find(d, STR("items"));
    struct manifest m = {.doc = *d};

    if (kind.len == 0 || doc_path_str(d, "apiVersion").len == 0) {
        (void)fail("%s: an object needs apiVersion and kind", path);
        return false;
    }
    if (str_has_suffix(kind, STR("List")) && items && items->kind == DOC_ARRAY) {
        for (uint32_t i = 0; i < items->n; i++) {
            if (!add_manifest(r, &items->items[i], path))
                return false;
        }
        return true;
    }
    api_split_version(doc_path_str(d, "apiVersion"), &group, &version);
    m.res = api_find_kind(group, version, kind);
    if (!m.res) {
        (void)fail("%s: no matches for kind \"%.*s\" in version \"%.*s\"", path, STR_ARG(kind),
                   STR_ARG(doc_path_str(d, "apiVersion")));
        return false;
    }
    m.name = doc_path_str(d, "metadata.name");
    if (resource_namespaced(m.res)) {
        m.ns = doc_path_str(d, "metadata.namespace");
        if (m.ns.len == 0)
            m.ns = effective_namespace(k);
    }
    r->v = arena_grow(&k->arena, r->v, r->n, r->n + 1, sizeof(*r->v));
    r->v[r->n++] = m;
    return true;
}

static bool read_file(struct reader *r, const char *path)
{
    auto_fd fd = strcmp(path, "-") == 0 ? dup(0) : open(path, O_RDONLY | O_CLOEXEC);
    auto_buf text = {.limit_bytes = FILE_BYTES_MAX};
    struct doc docs;
    struct err err = {0};

    if (fd < 0 || read_all(fd, &text) < 0) {
        (void)fail("%s: %s", path, strerror(errno));
        return false;
    }
    if (yaml_parse_all(str_dup(&r->k->arena, buf_view(&text)), &r->k->arena, &docs, &err) < 0) {
        (void)fail("%s: %s", path, err.msg);
        return false;
    }
    for (uint32_t i = 0; i < docs.n; i++) {
        if (!add_manifest(r, &docs.items[i], path))
            return false;
    }
    return true;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool read_folder(struct reader *r, DIR *dir, const char *path)
{
    VEC(char *) names = {0};
    bool good = true;

    for (const struct dirent *e = readdir(dir); e; e = readdir(dir)) {
        struct str name = str_from(e->d_name);

        if (str_has_suffix(name, STR(".yaml")) || str_has_suffix(name, STR(".yml")) ||
            str_has_suffix(name, STR(".json")))
            vec_push(&names, arena_printf(&r->k->arena, "%s/%s", path, e->d_name));
    }
    if (names.n > 0)
        qsort(names.v, names.n, sizeof(char *), by_name);
    for (size_t i = 0; i < names.n && good; i++)
        good = read_file(r, names.v[i]);
    vec_deinit(&names);
    return good;
}

bool read_manifests(struct kubectl *k, struct manifest **ret_m, size_t *ret_n)
{
    struct reader r = {.k = k};

    for (size_t i = 0; i < k->n_files; i++) {
        DIR *dir = opendir(k->files[i]);
        bool good = dir ? read_folder(&r, dir, k->files[i]) : read_file(&r, k->files[i]);

        if (dir)
            (void)closedir(dir);
        if (!good)
            return false;
    }
    if (r.n == 0) {
        (void)fail("no objects found in the files given");
        return false;
    }
    *ret_m = r.v;
    *ret_n = r.n;
    return true;
}
