/* continue_token.c - where a list that comes in chunks goes on. */
#include "apiserver/continue_token.h"
#include "codec/base64.h"
#include "codec/json.h"

#define TOKEN_VERSION "meta.k8s.io/v1"
#define INVALID "invalid continue token: continue key is not valid: "

struct str continue_encode(const struct continue_token *t, struct arena *a)
{
    auto_buf json = {0}, text = {0};

    buf_printf(&json, "{\"v\":\"" TOKEN_VERSION "\",\"rv\":%lld,\"start\":",
               (long long)t->revision);
    json_write_string(&json, t->start);
    buf_putc(&json, '}');
    base64url_write(&text, buf_view(&json));
    return str_dup(a, buf_view(&text));
}

/* A key may not climb out of the list's prefix. */
static bool clean(struct str start)
{
    struct str rest = start;

    if (str_has_prefix(rest, STR("/")))
        rest = str_sub(rest, 1, rest.len);
    do {
        struct str part = str_cut(rest, '/', &rest);

        if (part.len == 0 || str_eqz(part, ".") || str_eqz(part, ".."))
            return false;
    } while (rest.p);
    return true;
}

int continue_decode(struct str text, struct arena *a, struct continue_token *ret_t,
                    struct err *err)
{
    struct str json, start;
    struct doc doc;
    struct err why = {0};

    if (base64url_decode(text, a, &json, &why) < 0 || json_parse(json, a, &doc, NULL, &why) < 0)
        return err_new(err, ERR_BAD_REQUEST, INVALID "%s", why.msg);
    if (!str_eqz(doc_path_str(&doc, "v"), TOKEN_VERSION))
        return err_new(err, ERR_BAD_REQUEST,
                       INVALID "server does not recognize this encoded version \"%.*s\"",
                       STR_ARG(doc_path_str(&doc, "v")));
    ret_t->revision = doc_path_int(&doc, "rv", 0);
    if (ret_t->revision == 0)
        return err_new(err, ERR_BAD_REQUEST,
                       INVALID "incorrect encoded start resourceVersion (version " TOKEN_VERSION
                               ")");
    start = doc_path_str(&doc, "start");
    if (start.len == 0)
        return err_new(err, ERR_BAD_REQUEST,
                       INVALID "encoded start key empty (version " TOKEN_VERSION ")");
    if (!clean(start))
        return err_new(err, ERR_BAD_REQUEST, INVALID "%.*s", STR_ARG(start));
    ret_t->start = str_has_prefix(start, STR("/")) ? str_sub(start, 1, start.len) : start;
    return 0;
}
