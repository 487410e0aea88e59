/* SPDX-License-Identifier: Apache-2.0 */
/* kubeconfig.c - the current context of a kubeconfig file, resolved to one server and one identity.
 */
#include "client/client_https.h"
#include "codec/base64.h"
#include "codec/json.h"
#include "codec/yaml.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

enum { KUBECONFIG_BYTES_MAX = 1024 * 1024 };

void kubeconfig_deinit(struct kubeconfig *k)
{
    char **all[] = {&k->server,  &k->ca_pem,          &k->cert_pem,   &k->key_pem, &k->token,
                    &k->context, &k->tls_server_name, &k->namespace_, &k->user,    &k->cluster};

    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        free(*all[i]);
        *all[i] = NULL;
    }
}

static int read_file(const char *path, struct arena *a, struct str *ret_text, struct err *err)
{
    auto_fd fd = open(path, O_RDONLY | O_CLOEXEC);
    char *p = arena_alloc(a, KUBECONFIG_BYTES_MAX);
    size_t len = 0;
    ssize_t n;

    if (fd < 0)
        return err_new(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "open %s: %s", path,
                       strerror(errno));
    while (len < KUBECONFIG_BYTES_MAX && (n = read(fd, p + len, KUBECONFIG_BYTES_MAX - len)) != 0) {
        if (n < 0)
            return err_new(err, ERR_IO, "read %s: %s", path, strerror(errno));
        len += (size_t)n;
    }
    if (len == KUBECONFIG_BYTES_MAX)
        return err_new(err, ERR_TOO_LARGE, "%s is larger than %d bytes", path,
                       KUBECONFIG_BYTES_MAX);
    *ret_text = (struct str){p, len};
    return 0;
}

/* The member @inner of the item of list @list that is named @name. */
static const struct doc *find_named(const struct doc *d, struct str list, struct str name,
                                    struct str inner)
{
    const struct doc *items = doc_find(d, list);

    for (uint32_t i = 0; items && items->kind == DOC_ARRAY && i < items->n; i++) {
        if (str_eq(doc_path_str(&items->items[i], "name"), name))
            return doc_find(&items->items[i], inner);
    }
    return NULL;
}

static char *copy(struct str s)
{
    return s.len > 0 ? xmemdupz(s.p, s.len) : NULL;
}

/* A PEM that stands in the file (base64, @data) or in another file (@file). */
static int load_pem(const struct doc *d, const char *data, const char *file, const char *dir,
                    char **ret_pem, struct err *err)
{
    auto_arena a = {0};
    struct str text = doc_path_str(d, data), pem;
    const char *path;
    int r;

    if (text.len > 0) {
        r = base64_decode(text, &a, &pem, err);
        if (r < 0)
            return err_wrap(err, ERR_BAD_REQUEST, "%s", data);
        *ret_pem = copy(pem);
        return 0;
    }
    text = doc_path_str(d, file);
    if (text.len == 0)
        return 0;
    path = text.p[0] == '/' ? str_dupz(&a, text)
                            : arena_printf(&a, "%s/%.*s", dir ? dir : ".", STR_ARG(text));
    r = read_file(path, &a, &pem, err);
    if (r < 0)
        return r;
    *ret_pem = copy(pem);
    return 0;
}

static int resolve(const struct doc *d, const char *dir, const char *context, struct kubeconfig *k,
                   struct err *err)
{
    struct str name = context ? str_from(context) : doc_path_str(d, "current-context");
    const struct doc *ctx = find_named(d, STR("contexts"), name, STR("context"));
    const struct doc *cluster, *user;
    int r;

    if (!ctx)
        return err_new(err, ERR_NOT_FOUND, "context \"%.*s\" does not exist", STR_ARG(name));
    k->context = copy(name);
    k->namespace_ = copy(doc_path_str(ctx, "namespace"));
    k->cluster = copy(doc_path_str(ctx, "cluster"));
    k->user = copy(doc_path_str(ctx, "user"));
    cluster = find_named(d, STR("clusters"), doc_path_str(ctx, "cluster"), STR("cluster"));
    if (!cluster)
        return err_new(err, ERR_NOT_FOUND, "cluster \"%.*s\" does not exist",
                       STR_ARG(doc_path_str(ctx, "cluster")));
    k->server = copy(doc_path_str(cluster, "server"));
    k->tls_server_name = copy(doc_path_str(cluster, "tls-server-name"));
    k->insecure = doc_path_bool(cluster, "insecure-skip-tls-verify", false);
    r = load_pem(cluster, "certificate-authority-data", "certificate-authority", dir, &k->ca_pem,
                 err);
    if (r < 0)
        return r;
    user = find_named(d, STR("users"), doc_path_str(ctx, "user"), STR("user"));
    k->token = copy(doc_path_str(user, "token"));
    r = load_pem(user, "client-certificate-data", "client-certificate", dir, &k->cert_pem, err);
    if (r < 0)
        return r;
    return load_pem(user, "client-key-data", "client-key", dir, &k->key_pem, err);
}

int kubeconfig_parse(struct str text, const char *dir, const char *context,
                     struct kubeconfig *ret_k, struct err *err)
{
    auto_arena a = {0};
    struct kubeconfig k = {0};
    struct doc d;
    int r = yaml_parse(text, &a, &d, NULL, err);

    if (r < 0)
        return err_wrap(err, ERR_BAD_REQUEST, "kubeconfig");
    r = resolve(&d, dir, context, &k, err);
    if (r < 0) {
        kubeconfig_deinit(&k);
        return r;
    }
    *ret_k = k;
    return 0;
}

int kubeconfig_load(const char *path, const char *context, struct kubeconfig *ret_k,
                    struct err *err)
{
    auto_arena a = {0};
    struct str text;
    char *dir = arena_strdup(&a, path), *slash = strrchr(dir, '/');
    int r = read_file(path, &a, &text, err);

    if (r < 0)
        return r;
    if (slash)
        *slash = '\0';
    r = kubeconfig_parse(text, slash ? dir : ".", context, ret_k, err);
    if (r < 0)
        return err_wrap(err, r, "%s", path);
    return 0;
}

void kubeconfig_write(struct buf *out, const char *name, const char *server, struct str ca_pem,
                      struct str cert_pem, struct str key_pem)
{
    buf_printf(out,
               "apiVersion: v1\nkind: Config\ncurrent-context: %s\nclusters:\n"
               "- name: %s\n  cluster:\n    server: %s\n    certificate-authority-data: ",
               name, name, server);
    base64_write(out, ca_pem);
    buf_printf(out,
               "\ncontexts:\n- name: %s\n  context:\n    cluster: %s\n    user: %s\n"
               "users:\n- name: %s\n  user:\n    client-certificate-data: ",
               name, name, name, name);
    base64_write(out, cert_pem);
    buf_puts(out, "\n    client-key-data: ");
    base64_write(out, key_pem);
    buf_putc(out, '\n');
}
