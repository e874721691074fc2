/*
 * What a request says about its aim and its sender, read from outside octets: path, query, Basic credentials, Host.
 * Everything lands in the arena given; nothing here fails but by returning false (malformed, or no room).
 */
#ifndef WEB_TARGET_H
#define WEB_TARGET_H

#include "base/arena.h"

enum { TARGET_PARAMETERS = 20000 };

struct parameter {
    struct str name, value; /* decoded */
};

struct target {
    struct str path; /* decoded, begins with '/'; no "." or ".." segments, no empty ones, no NUL, no '/' that came as %2F */
    struct str raw;  /* as sent, query included */
    const struct parameter *parameters;
    size_t n_parameters;
};

/* origin-form (RFC 9112 3.2.1) only. In a query '+' is a space, except between octets of an address-valued parameter. */
bool target_parse(struct arena *a, struct str raw, struct target *out);
/* First parameter of that exact name; NULL when there is none. */
const struct parameter *target_find(const struct target *t, struct str name);
/* "Basic b64(user:pass)"; false when it is another scheme, no base64, without colon, or longer than 1,000 octets. */
bool basic_parse(struct arena *a, struct str header, struct str *user_out, struct str *password_out);
/* The value of a Host header without its port and brackets; false when it is no name and no address. */
bool host_parse(struct str header, struct str *name_out);
/* Holds markup: what a page must never be handed (adminaccessconfig XSS). */
bool target_has_markup(const struct target *t);

#endif
