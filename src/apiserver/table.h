/* table.h - objects as rows of a Table, by the columns of their resource. Internal to apiserver/.
 * Layer: apiserver. Threads: the request's loop. */
#pragma once
#include "apiserver/frames.h"

/** Appends a Table up to its rows; @columns: with its definitions. @m as of a list. */
void table_head(const struct view *v, const struct list_meta *m, bool columns, struct buf *out);
/** Appends the row of @o (an object of v->res). */
void table_row(const struct view *v, struct object *o, struct buf *out);
/** Appends what closes the rows and the Table. */
void table_tail(struct buf *out);
/** Appends a Table of one row. */
void table_single(const struct view *v, struct object *o, bool columns, struct buf *out);
