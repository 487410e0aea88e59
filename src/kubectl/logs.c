/* SPDX-License-Identifier: Apache-2.0 */
#include "kubectl/kubectl.h"

#include "codec/json.h"

static void on_piece(void *arg, struct str piece)
{
    (void)arg;
    (void)fwrite(piece.p, 1, piece.len, stdout);
    (void)fflush(stdout);
}

static int print_log(struct kubectl *k, struct str pod, const char *container)
{
    struct answer a;
    auto_buf target = {0};
    char sep = '?';
    int64_t since_ms = parse_timeout(k->since, 0);

    if (since_ms < 0)
        return 1;
    buf_str(&target, path_of(k, &res_core_pods, effective_namespace(k), pod));
    buf_puts(&target, "/log");
    add_param(&target, &sep, "container", container);
    add_param(&target, &sep, "follow", k->follow ? "true" : NULL);
    add_param(&target, &sep, "previous", k->previous ? "true" : NULL);
    add_param(&target, &sep, "timestamps", k->timestamps ? "true" : NULL);
    add_param(&target, &sep, "tailLines", k->tail);
    if (since_ms > 0)
        add_param(&target, &sep, "sinceSeconds",
                  arena_printf(&k->arena, "%lld", (long long)(since_ms + 999) / 1000));
    if (request_stream(k, buf_view(&target), "*/*", on_piece, NULL, &a) < 0)
        return 1;
    return a.status >= 400 ? print_status(&a) : 0;
}

/* The pod behind "pod/x" or "deployment/x": the first whose labels match. */
static bool find_pod(struct kubectl *k, struct str *ret_pod, struct doc *ret_doc)
{
    struct str name, type = k->n_words > 0 ? str_cut(str_from(k->words[0]), '/', &name) : STR_NULL;
    struct answer a;

    if (k->n_words == 0) {
        (void)fail("say which pod");
        return false;
    }
    *ret_pod = name.p ? name : type;
    if (name.p && find_resource(type) != &res_core_pods) {
        (void)fail("only pods have logs; \"%.*s\" is none", STR_ARG(type));
        return false;
    }
    if (request(k, "GET", path_of(k, &res_core_pods, effective_namespace(k), *ret_pod), NULL, NULL,
                STR_NULL, &a) < 0)
        return false;
    if (a.status >= 400) {
        (void)print_status(&a);
        return false;
    }
    return json_parse(a.body, &k->arena, ret_doc, NULL, &k->err) == 0;
}

int kubectl_logs(struct kubectl *k)
{
    struct str pod;
    struct doc d;
    const struct doc *list;
    const char *container = k->container ? k->container : k->n_words > 1 ? k->words[1] : NULL;
    int status = 0;

    if (!find_pod(k, &pod, &d))
        return 1;
    if (!k->all_containers)
        return print_log(k, pod, container);
    list = doc_path(&d, "spec.containers");
    for (uint32_t i = 0; list && i < list->n; i++)
        status |= print_log(k, pod, str_dupz(&k->arena, doc_path_str(&list->items[i], "name")));
    return status;
}
