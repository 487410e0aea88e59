/* filters.h - what a response body passes on its way out: indentation and gzip, both pulled chunk
 * by chunk, so that a body of any size needs no buffer of its own. Internal to apiserver/.
 * Layer: apiserver. Threads: the request's loop. */
#pragma once
#include "base/buf.h"
#include "net/http.h"

enum { GZIP_MIN_BYTES = 128 * 1024 }; /* smaller bodies are not worth it */

/** Takes over @in, which gives compact JSON, and indents it by two spaces a level. */
struct http_source filter_indent(struct http_source in);
/** Takes over @in and gives its gzip form (level 1). */
struct http_source filter_gzip(struct http_source in);
/** Reads @in to its end into @out and closes it. False if it failed; it must not wait. */
bool source_drain(struct http_source in, struct buf *out);
/** A source of the bytes of @b, which it takes over. */
struct http_source source_of_buf(struct buf *b);
