/*
 * The reply of an HTTP/1.1 server to one request (RFC 9112), as far as a scan engine gives one: status, body by length, by
 * chunks or until the connection ends. Pure.
 */
#ifndef SCAN_HTTP_REPLY_H
#define SCAN_HTTP_REPLY_H

#include "base/arena.h"

enum { HTTP_HEAD_MAX = 64 << 10, HTTP_BODY_MAX = 4 << 20 };

enum http_state { HTTP_WHOLE, HTTP_MORE, HTTP_BAD };

struct http_reply {
    unsigned status;
    struct str reason; /* text of the status line */
    struct str body;   /* view into the input, or the arena's when it came in chunks */
};

/* What came so far; `ended`: nothing will follow. HTTP_BAD: no HTTP, or over the limits. 1xx replies are passed over. */
enum http_state http_reply_read(struct arena *a, struct str in, bool ended, struct http_reply *out);

#endif
