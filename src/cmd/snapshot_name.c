/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/snapshot_name.h"

#include "codec/timefmt.h"

static const struct str prefix = STR_INIT("skiff-"), suffix = STR_INIT(".snapshot");

void snapshot_name_write(struct snapshot_name n, char ret_text[SNAPSHOT_NAME_BYTES])
{
    auto_buf b = {.limit_bytes = SNAPSHOT_NAME_BYTES - 1};

    buf_str(&b, prefix);
    time_write_basic(&b, (struct time_value){.sec = n.sec, .set = true});
    buf_printf(&b, "-r%lld", (long long)n.revision);
    buf_str(&b, suffix);
    memcpy(ret_text, b.p, b.len);
    ret_text[b.len] = '\0';
}

bool snapshot_name_parse(const char *text, struct snapshot_name *ret_n)
{
    struct str s = str_from(text), time, rest = STR_NULL;
    struct snapshot_name n = {0};
    struct time_value t;
    auto_arena a = {0};
    char again[SNAPSHOT_NAME_BYTES];

    if (s.len >= SNAPSHOT_NAME_BYTES || !str_has_prefix(s, prefix) || !str_has_suffix(s, suffix) ||
        s.len < prefix.len + suffix.len)
        return false;
    s = str_sub(s, prefix.len, s.len - prefix.len - suffix.len);
    time = str_cut(s, '-', &rest);
    if (time.len != STR("20060102T150405Z").len || !str_has_prefix(rest, STR("r")) ||
        !str_to_i64(str_sub(rest, 1, rest.len), &n.revision) || n.revision < 0)
        return false;
    time = str_printf(&a, "%.4s-%.2s-%.5s:%.2s:%.3s", time.p, time.p + 4, time.p + 6, time.p + 11,
                      time.p + 13);
    if (time_parse(time, &t, NULL) < 0)
        return false;
    n.sec = t.sec;
    /* What can be written in more than one way is not ours. */
    snapshot_name_write(n, again);
    if (strcmp(again, text) != 0)
        return false;
    *ret_n = n;
    return true;
}

int snapshot_name_cmp(struct snapshot_name a, struct snapshot_name b)
{
    if (a.sec != b.sec)
        return a.sec < b.sec ? -1 : 1;
    return a.revision < b.revision ? -1 : a.revision > b.revision;
}
