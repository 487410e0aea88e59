/* SPDX-License-Identifier: Apache-2.0 */
/* apply.c - `kubectl apply` and `create`: what the file says is merged into what is there.
 *
 * The annotation last-applied-configuration remembers what was applied: one side of the three-way
 * merge (kubectl/merge.h). */
#include "kubectl/kubectl.h"

#include "codec/json.h"
#include "kubectl/merge.h"

#define LAST_APPLIED "kubectl.kubernetes.io/last-applied-configuration"
enum { ATTEMPTS = 5 };

static struct doc with_annotation(struct kubectl *k, const struct doc *d)
{
    struct doc copy = doc_clone(&k->arena, d, false), bare = doc_clone(&k->arena, d, false);
    struct doc *notes = doc_make_object(&k->arena, doc_make_object(&k->arena, &copy,
                                                                   STR("metadata")),
                                        STR("annotations"));
    struct doc *old = doc_path(&bare, "metadata.annotations");
    auto_buf text = {0};

    if (old)
        (void)doc_remove(old, STR(LAST_APPLIED));
    json_write(&text, &bare);
    buf_putc(&text, '\n');
    (void)doc_set(&k->arena, notes, STR(LAST_APPLIED),
                  doc_string(str_dup(&k->arena, buf_view(&text))));
    return copy;
}

static struct str query(struct kubectl *k, struct str path, const char *manager)
{
    auto_buf b = {0};
    char sep = '?';

    buf_str(&b, path);
    add_param(&b, &sep, "fieldManager", manager);
    add_param(&b, &sep, "fieldValidation", "Strict");
    if (k->dry_run && strcmp(k->dry_run, "server") == 0)
        add_param(&b, &sep, "dryRun", "All");
    return str_dup(&k->arena, buf_view(&b));
}

static void say(struct kubectl *k, const struct manifest *m, struct str name, const char *what)
{
    printf("%.*s %s%s\n", STR_ARG(short_name(k, m->res, name)), what,
           k->dry_run ? " (dry run)" : "");
}

static int post(struct kubectl *k, const struct manifest *m, const struct doc *d,
                const char *manager)
{
    struct answer a;
    struct doc made;

    if (request(k, "POST", query(k, path_of(k, m->res, m->ns, STR_NULL), manager), NULL,
                "application/json", json_to_str(&k->arena, d), &a) < 0)
        return 1;
    if (a.status >= 400)
        return print_status(&a);
    if (json_parse(a.body, &k->arena, &made, NULL, &k->err) < 0)
        return fail("the answer cannot be read: %s", k->err.msg);
    if (k->output && strcmp(k->output, "name") != 0)
        return print_object(k, &made) ? 0 : 1;
    say(k, m, doc_path_str(&made, "metadata.name"), "created");
    return 0;
}

/* The live object with the file's content merged in. */
static int merge(struct kubectl *k, const struct manifest *m, const struct doc *file,
                 struct doc *live)
{
    const struct doc *notes = doc_path(live, "metadata.annotations");
    const struct doc *text = doc_find(notes, STR(LAST_APPLIED));
    struct doc last;
    /* An annotation that cannot be read tells as little as none. */
    bool known = text && text->kind == DOC_STRING &&
                 json_parse(text->s, &k->arena, &last, NULL, &k->err) == 0;

    return merge_apply(&k->arena, m->res->type, known ? &last : NULL, file, live, &k->err);
}

/* One attempt; -1: the object changed meanwhile, try again. */
static int apply_once(struct kubectl *k, const struct manifest *m, const struct doc *file)
{
    struct answer a;
    struct doc live, before;
    struct str path = path_of(k, m->res, m->ns, m->name);

    if (request(k, "GET", path, NULL, NULL, STR_NULL, &a) < 0)
        return 1;
    if (a.status == 404)
        return post(k, m, file, "kubectl-client-side-apply");
    if (a.status >= 400)
        return print_status(&a);
    if (json_parse(a.body, &k->arena, &live, NULL, &k->err) < 0)
        return fail("the answer cannot be read: %s", k->err.msg);
    before = doc_clone(&k->arena, &live, false);
    if (merge(k, m, file, &live) < 0)
        return fail("%s", k->err.msg);
    if (doc_equal(&before, &live)) {
        say(k, m, m->name, "unchanged");
        return 0;
    }
    if (request(k, "PUT", query(k, path, "kubectl-client-side-apply"), NULL, "application/json",
                json_to_str(&k->arena, &live), &a) < 0)
        return 1;
    if (a.status == 409)
        return -1;
    if (a.status >= 400)
        return print_status(&a);
    say(k, m, m->name, "configured");
    return 0;
}

static int apply_one(struct kubectl *k, const struct manifest *m)
{
    struct doc file = with_annotation(k, &m->doc);

    if (m->name.len == 0)
        return fail("an object to apply needs a name");
    for (int i = 0; i < ATTEMPTS; i++) {
        int r = apply_once(k, m, &file);

        if (r >= 0)
            return r;
    }
    return fail("%.*s changed again and again while it was applied",
                STR_ARG(short_name(k, m->res, m->name)));
}

int kubectl_apply(struct kubectl *k)
{
    struct manifest *m;
    size_t n;
    int status = 0;

    if (k->n_files == 0)
        return fail("apply needs -f FILE");
    if (!read_manifests(k, &m, &n))
        return 1;
    for (size_t i = 0; i < n; i++)
        status |= apply_one(k, &m[i]);
    return status;
}

static struct doc new_object(struct kubectl *k, const struct resource *res, const char *name)
{
    struct doc d = doc_object();
    struct doc *meta;

    (void)doc_add(&k->arena, &d, STR("apiVersion"),
                  doc_string(resource_api_version(res, &k->arena)));
    (void)doc_add(&k->arena, &d, STR("kind"), doc_string(str_from(res->kind)));
    meta = doc_make_object(&k->arena, &d, STR("metadata"));
    (void)doc_add(&k->arena, meta, STR("name"), doc_string(str_from(name)));
    return d;
}

static bool fill_config_map(struct kubectl *k, struct doc *d)
{
    struct doc *data = doc_make_object(&k->arena, d, STR("data"));

    for (size_t i = 0; i < k->n_literals; i++) {
        struct str value, key = str_cut(str_from(k->literals[i]), '=', &value);

        if (!value.p) {
            (void)fail("--from-literal needs KEY=VALUE, not \"%s\"", k->literals[i]);
            return false;
        }
        (void)doc_set(&k->arena, data, key, doc_string(value));
    }
    return true;
}

static bool is_number(struct str s)
{
    size_t at = s.len > 0 && (s.p[0] == '-' || s.p[0] == '+');

    for (size_t i = at; i < s.len; i++)
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
    return s.len > at;
}

/* A number of 32 bits given on the command line; NULL: the default. Complains when it is none, in
 * upstream's words. @flag: "-r, --replicas". */
static bool flag_number(const char *flag, const char *text, int64_t otherwise, int64_t *ret_n)
{
    auto_buf quoted = {0};

    *ret_n = otherwise;
    if (!text)
        return true;
    if (str_to_i64(str_from(text), ret_n) && *ret_n >= INT32_MIN && *ret_n <= INT32_MAX)
        return true;
    json_go_quote(&quoted, str_from(text));
    (void)fail("invalid argument %s for \"%s\" flag: strconv.ParseInt: parsing %s: %s\n"
               "See 'kubectl create deployment --help' for usage.",
               buf_cstr(&quoted), flag, buf_cstr(&quoted),
               is_number(str_from(text)) ? "value out of range" : "invalid syntax");
    return false;
}

/* A name with characters that a container's may not have: without them, and made unique. */
static struct str sanitized(struct kubectl *k, struct str name)
{
    static const char letters[] = "bcdfghjklmnpqrstvwxz2456789";
    char *p = arena_memdupz(&k->arena, name.p, name.len), suffix[6] = "";
    bool changed = false;

    for (size_t i = 0; i < name.len; i++) {
        if (p[i] != '_' && p[i] != '.')
            continue;
        p[i] = '-';
        changed = true;
    }
    for (size_t i = 0; i < sizeof(suffix) - 1; i++)
        suffix[i] = letters[random_below(loop_random(k->loop), sizeof(letters) - 1)];
    return changed ? str_printf(&k->arena, "%s-%s", p, suffix) : name;
}

/* The container is called as its image is: "host/path/web:1" makes "web". */
static struct str container_name(struct kubectl *k, struct str image)
{
    for (size_t i = image.len; i > 0; i--)
        if (image.p[i - 1] == '/') {
            image = (struct str){image.p + i, image.len - i};
            break;
        }
    for (size_t i = 0; i < image.len; i++)
        if (image.p[i] == ':' || image.p[i] == '@')
            image.len = i;
    return sanitized(k, image);
}

static struct doc deployment_container(struct kubectl *k, int64_t port)
{
    struct doc c = doc_object();

    (void)doc_add(&k->arena, &c, STR("name"), doc_string(container_name(k, str_from(k->image))));
    (void)doc_add(&k->arena, &c, STR("image"), doc_string(str_from(k->image)));
    if (port >= 0) {
        struct doc *ports = doc_add(&k->arena, &c, STR("ports"), doc_array());
        struct doc *p = doc_append(&k->arena, ports, doc_object());

        (void)doc_add(&k->arena, p, STR("containerPort"), doc_int(port));
    }
    if (k->n_command > 0) {
        struct doc *command = doc_add(&k->arena, &c, STR("command"), doc_array());

        for (size_t i = 0; i < k->n_command; i++)
            (void)doc_append(&k->arena, command, doc_string(str_from(k->command[i])));
    }
    return c;
}

static void label_app(struct kubectl *k, struct doc *parent, struct str key, struct str name)
{
    struct doc *labels = doc_make_object(&k->arena, parent, key);

    (void)doc_set(&k->arena, labels, STR("app"), doc_string(name));
}

static bool fill_deployment(struct kubectl *k, struct doc *d, struct str name)
{
    int64_t replicas, port;
    struct doc *spec, *template, *containers;

    if (!k->image) {
        (void)fail("create deployment needs --image");
        return false;
    }
    if (!flag_number("-r, --replicas", k->replicas, 1, &replicas) ||
        !flag_number("--port", k->port, -1, &port))
        return false;
    label_app(k, doc_make_object(&k->arena, d, STR("metadata")), STR("labels"), name);
    spec = doc_make_object(&k->arena, d, STR("spec"));
    (void)doc_set(&k->arena, spec, STR("replicas"), doc_int(replicas));
    label_app(k, doc_make_object(&k->arena, spec, STR("selector")), STR("matchLabels"), name);
    template = doc_make_object(&k->arena, spec, STR("template"));
    label_app(k, doc_make_object(&k->arena, template, STR("metadata")), STR("labels"), name);
    containers = doc_add(&k->arena, doc_make_object(&k->arena, template, STR("spec")),
                         STR("containers"), doc_array());
    (void)doc_append(&k->arena, containers, deployment_container(k, port));
    return true;
}

static int create_from_flags(struct kubectl *k)
{
    const struct resource *res = k->n_words > 0 ? find_resource(str_from(k->words[0])) : NULL;
    struct manifest m = {.res = res};
    bool good = true;

    if (!res || k->n_words != 2)
        return fail("create needs -f FILE, or namespace|deployment|configmap and a name");
    m.doc = new_object(k, res, k->words[1]);
    if (resource_namespaced(res))
        m.ns = effective_namespace(k);
    if (res == &res_core_configmaps)
        good = fill_config_map(k, &m.doc);
    else if (res == &res_apps_deployments)
        good = fill_deployment(k, &m.doc, str_from(k->words[1]));
    else if (res != &res_core_namespaces && res != &res_core_serviceaccounts)
        return fail("cannot make a %s from flags; write it to a file", res->singular);
    return good ? post(k, &m, &m.doc, "kubectl-create") : 1;
}

int kubectl_create(struct kubectl *k)
{
    struct manifest *m;
    size_t n;
    int status = 0;

    if (k->n_files == 0)
        return create_from_flags(k);
    if (!read_manifests(k, &m, &n))
        return 1;
    for (size_t i = 0; i < n; i++)
        status |= post(k, &m[i], &m[i].doc, "kubectl-create");
    return status;
}
