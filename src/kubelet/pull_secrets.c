/* SPDX-License-Identifier: Apache-2.0 */
/* pull_secrets.c - names of images, and the credentials that docker configs hold for them. */
#include "kubelet/pod_internal.h"

#include "codec/base64.h"
#include "codec/json.h"

enum { IMAGE_NAME_MAX = 255 };

static bool lower_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool all_of(struct str s, const char *extra, bool upper)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.p[i];

        if (!lower_or_digit(c) && !(upper && c >= 'A' && c <= 'Z') && !strchr(extra, c))
            return false;
    }
    return s.len > 0;
}

/* A registry's host: it has a dot, a port, or is localhost. */
static bool is_host(struct str s)
{
    return str_find_char(s, '.') >= 0 || str_find_char(s, ':') >= 0 || str_eqz(s, "localhost");
}

/* Components between slashes: letters and digits, single separators within. */
static bool path_ok(struct str path)
{
    struct str rest = path;

    while (rest.p) {
        struct str part = str_cut(rest, '/', &rest);

        if (!all_of(part, "._-", false) || !lower_or_digit(part.p[0]) ||
            !lower_or_digit(part.p[part.len - 1]))
            return false;
    }
    return true;
}

static struct str host_of(struct str image, struct str *ret_path)
{
    struct str rest, first = str_cut(image, '/', &rest);

    if (rest.p && is_host(first)) {
        *ret_path = rest;
        return first;
    }
    *ret_path = image;
    return STR("docker.io");
}

bool image_ref_parse(struct str image, struct arena *a, struct str *ret_full)
{
    struct str digest, name = str_cut(image, '@', &digest), host, path, tag = STR_NULL;
    long colon = str_rfind_char(name, ':');

    if (image.len == 64 && all_of(image, "", false))
        return false; /* an id alone is no name */
    if (colon >= 0 && str_find_char(str_sub(name, (size_t)colon, name.len), '/') < 0) {
        tag = str_sub(name, (size_t)colon + 1, name.len);
        name = str_sub(name, 0, (size_t)colon);
        if (tag.len > 128 || !all_of(tag, "._-", true) || tag.p[0] == '.' || tag.p[0] == '-')
            return false;
    }
    if (digest.p && (str_find_char(digest, ':') <= 0 || !all_of(digest, ":+._-", true)))
        return false;
    host = host_of(name, &path);
    if (name.len > IMAGE_NAME_MAX || !all_of(host, ".:-[]", true) || !path_ok(path))
        return false;
    *ret_full = tag.p || digest.p ? str_dup(a, image)
                                  : str_printf(a, "%.*s:latest", STR_ARG(image));
    return true;
}

/* How well the key of a docker config ("https://registry.io/v1/", "registry.io/team") names
 * @image: the length of what matches, or -1. */
static long match(struct str key, struct str host, struct str path)
{
    struct str key_host, key_path;

    if (str_has_prefix(key, STR("https://")))
        key = str_sub(key, 8, key.len);
    else if (str_has_prefix(key, STR("http://")))
        key = str_sub(key, 7, key.len);
    key_host = str_cut(key, '/', &key_path);
    if (str_eqz(key_host, "index.docker.io") || str_eqz(key_host, "registry-1.docker.io"))
        key_host = STR("docker.io");
    if (!str_ieq(key_host, host))
        return -1;
    if (str_eqz(key_path, "v1/") || str_eqz(key_path, "v2/") || str_eqz(key_path, "v1") ||
        str_eqz(key_path, "v2"))
        key_path = STR_NULL;
    if (!str_has_prefix(path, key_path))
        return -1;
    return (long)key_path.len;
}

static bool take_auth(const struct doc *entry, struct arena *a, struct image_auth *ret)
{
    struct str auth = doc_path_str(entry, "auth"), plain, password;

    *ret = (struct image_auth){.username = doc_path_str(entry, "username"),
                               .password = doc_path_str(entry, "password"),
                               .identity_token = doc_path_str(entry, "identitytoken"),
                               .registry_token = doc_path_str(entry, "registrytoken")};
    if (str_empty(ret->username) && !str_empty(auth) &&
        base64_decode(auth, a, &plain, NULL) == 0) {
        ret->username = str_cut(plain, ':', &password);
        ret->password = password;
    }
    return !str_empty(ret->username) || !str_empty(ret->identity_token) ||
           !str_empty(ret->registry_token);
}

bool pull_secret_find(struct str json, bool legacy, struct str image, struct arena *a,
                      struct image_auth *ret_auth)
{
    struct str digest, name = str_cut(image, '@', &digest), path, host = host_of(name, &path);
    struct doc doc;
    const struct doc *auths;
    long best = -1;

    if (json_parse(json, a, &doc, NULL, NULL) < 0)
        return false;
    auths = legacy ? &doc : doc_find(&doc, STR("auths"));
    if (!auths || auths->kind != DOC_OBJECT)
        return false;
    for (uint32_t i = 0; i < auths->n; i++) {
        long m = match(auths->members[i].key, host, path);
        struct image_auth auth;

        if (m > best && take_auth(&auths->members[i].value, a, &auth)) {
            best = m;
            *ret_auth = auth;
        }
    }
    return best >= 0;
}
