/* snapshot_name.h - names of snapshots: "skiff-20260102T150405Z-r123.snapshot".
 * Layer: cmd. Threads: any. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum { SNAPSHOT_NAME_BYTES = 64 };
#define SNAPSHOT_PARTIAL ".partial" /* behind the name of one that is being made */

struct snapshot_name {
    int64_t sec; /* since 1970 */
    int64_t revision;
};
/** The name, with a NUL. */
void snapshot_name_write(struct snapshot_name n, char ret_text[SNAPSHOT_NAME_BYTES]);
/** True if @text is exactly what snapshot_name_write() writes for some @ret_n. */
bool snapshot_name_parse(const char *text, struct snapshot_name *ret_n);
/** Less, equal or greater than 0: by time, then by revision. */
int snapshot_name_cmp(struct snapshot_name a, struct snapshot_name b);
