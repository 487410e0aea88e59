/* SPDX-License-Identifier: Apache-2.0 */
/* exec.c - `kubectl exec` over WebSocket (v5.channel.k8s.io, else v4): the first byte of a message
 * names its stream - 0 input, 1 output, 2 errors, 3 the final Status, 4 the terminal's size, 255
 * the end of one. */
#include "kubectl/kubectl.h"

#include "codec/json.h"
#include "net/websocket.h"

#include <sys/ioctl.h>
#include <termios.h>

enum { CHANNEL_IN, CHANNEL_OUT, CHANNEL_ERR, CHANNEL_STATUS, CHANNEL_SIZE, CHANNEL_CLOSE = 255 };
enum { INPUT_BYTES = 16384 };

struct session {
    struct kubectl *k;
    struct websocket *ws;
    bool v5, closed, raw, reading, full;
    int status; /* exit status; -1: not told yet */
    struct termios saved;
    char input[INPUT_BYTES + 1];
    ssize_t n_read;
};

static void send_on(struct session *s, char channel, struct str data)
{
    auto_buf b = {0};

    buf_putc(&b, channel);
    buf_str(&b, data);
    if (!websocket_send(s->ws, buf_view(&b), true))
        s->full = true;
}

/* Reading blocks, so it is done on a pool thread, a piece at a time. */
static void read_input(void *arg)
{
    struct session *s = arg;

    s->n_read = read(0, s->input, INPUT_BYTES);
}

static void ask_input(struct session *s);

static void on_input(void *arg)
{
    struct session *s = arg;

    s->reading = false;
    if (s->closed)
        return;
    if (s->n_read <= 0) {
        if (s->v5)
            send_on(s, (char)CHANNEL_CLOSE, (struct str){"\0", 1});
        return;
    }
    send_on(s, CHANNEL_IN, (struct str){s->input, (size_t)s->n_read});
    if (!s->full)
        ask_input(s);
}

static void ask_input(struct session *s)
{
    if (s->reading || s->closed)
        return;
    s->reading = true;
    loop_work(s->k->loop, read_input, on_input, s);
}

static void on_drain(void *arg)
{
    struct session *s = arg;

    s->full = false;
    if (s->k->stdin_)
        ask_input(s);
}

static void take_status(struct session *s, struct str json)
{
    auto_arena a = {0};
    struct doc d;
    struct err err = {0};
    const struct doc *causes;
    int64_t code = 1;

    if (json_parse(json, &a, &d, NULL, &err) < 0) {
        s->status = fail("%.*s", STR_ARG(json));
        return;
    }
    if (str_eq(doc_path_str(&d, "status"), STR("Success"))) {
        s->status = 0;
        return;
    }
    causes = doc_path(&d, "details.causes");
    for (uint32_t i = 0; causes && causes->kind == DOC_ARRAY && i < causes->n; i++) {
        if (str_eq(doc_path_str(&causes->items[i], "reason"), STR("ExitCode")))
            (void)str_to_i64(doc_path_str(&causes->items[i], "message"), &code);
    }
    s->status = (int)code;
    if (str_eq(doc_path_str(&d, "reason"), STR("NonZeroExitCode")))
        fprintf(stderr, "command terminated with exit code %d\n", s->status);
    else
        (void)fail("%.*s", STR_ARG(doc_path_str(&d, "message")));
}

static void on_message(void *arg, struct str data, bool binary)
{
    struct session *s = arg;
    struct str rest = str_sub(data, 1, data.len);

    (void)binary;
    if (data.len == 0)
        return;
    switch ((unsigned char)data.p[0]) {
    case CHANNEL_OUT:
        (void)fwrite(rest.p, 1, rest.len, stdout);
        (void)fflush(stdout);
        return;
    case CHANNEL_ERR:
        (void)fwrite(rest.p, 1, rest.len, stderr);
        return;
    case CHANNEL_STATUS:
        if (rest.len > 0)
            take_status(s, rest);
        return;
    default:
        return;
    }
}

static void on_closed(void *arg)
{
    struct session *s = arg;

    s->closed = true;
    s->ws = NULL;
    loop_stop(s->k->loop);
}

static void send_size(struct session *s)
{
    struct winsize size;
    auto_buf b = {0};

    if (ioctl(0, TIOCGWINSZ, &size) < 0)
        return;
    buf_printf(&b, "{\"Width\":%u,\"Height\":%u}", size.ws_col, size.ws_row);
    send_on(s, CHANNEL_SIZE, buf_view(&b));
}

static void on_open(void *arg, struct websocket *w, int status, struct str protocol,
                    const struct err *err)
{
    struct session *s = arg;

    if (!w) {
        s->status = fail("exec was refused%s%.0d: %s", status ? " with HTTP status " : "", status,
                         err ? err->msg : "");
        s->closed = true;
        loop_stop(s->k->loop);
        return;
    }
    s->ws = w;
    s->v5 = str_eq(protocol, STR("v5.channel.k8s.io"));
    if (s->k->tty)
        send_size(s);
    if (s->k->stdin_)
        ask_input(s);
}

static void set_raw(struct session *s, bool raw)
{
    struct termios t;

    if (!s->k->tty || s->raw == raw)
        return;
    if (raw) {
        if (tcgetattr(0, &s->saved) < 0)
            return;
        t = s->saved;
        cfmakeraw(&t);
        (void)tcsetattr(0, TCSANOW, &t);
    } else {
        (void)tcsetattr(0, TCSANOW, &s->saved);
    }
    s->raw = raw;
}

static struct str exec_target(struct kubectl *k, struct str pod)
{
    auto_buf b = {0};
    char sep = '?';

    buf_str(&b, path_of(k, &res_core_pods, effective_namespace(k), pod));
    buf_puts(&b, "/exec");
    add_param(&b, &sep, "container", k->container);
    for (size_t i = 0; i < k->n_command; i++)
        add_param(&b, &sep, "command", k->command[i]);
    add_param(&b, &sep, "stdin", k->stdin_ ? "true" : NULL);
    add_param(&b, &sep, "stdout", "true");
    add_param(&b, &sep, "stderr", k->tty ? NULL : "true");
    add_param(&b, &sep, "tty", k->tty ? "true" : NULL);
    return str_dup(&k->arena, buf_view(&b));
}

int kubectl_exec(struct kubectl *k)
{
    static const char *const protocols[] = {"v5.channel.k8s.io", "v4.channel.k8s.io", NULL};
    static const struct websocket_handler handler = {
        .on_message = on_message, .on_drain = on_drain, .on_closed = on_closed};
    struct session *s;
    struct websocket_handler h = handler;
    struct http_client_request rq = {.method = "GET"};
    struct str pod, type;
    int status;

    if (k->n_words == 0 || k->n_command == 0)
        return fail("exec needs a pod and, after --, a command");
    type = str_cut(str_from(k->words[0]), '/', &pod);
    if (!pod.p)
        pod = type;
    if (k->tty && !isatty(0)) {
        fprintf(stderr, "Unable to use a TTY - input is not a terminal\n");
        k->tty = false;
    }
    s = arena_new(&k->arena, struct session);
    s->k = k;
    s->status = -1;
    h.arg = s;
    rq.target = exec_target(k, pod);
    rq.arg = s;
    rq.n_headers = client_https_headers(k->client, &rq.headers);
    set_raw(s, true);
    websocket_connect(client_https_http(k->client), &rq, protocols, &h, on_open);
    loop_hold(k->loop, true);
    loop_run(k->loop);
    loop_hold(k->loop, false);
    set_raw(s, false);
    status = s->status < 0 ? fail("the connection ended before the command did") : s->status;
    if (s->reading) {
        /* A thread waits in read(2) and cannot be called back: nothing is left to clean up. */
        (void)fflush(stdout);
        _exit(status);
    }
    return status;
}
