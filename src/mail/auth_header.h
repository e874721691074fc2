/*
 * The Authentication-Results field (RFC 8601): writing ours, telling forged ones, reading others.
 *
 * Called by scan (adds the field, removes forged ones by a patch), by ARC (the same text behind "i=1;") and by filters.
 * Pure.
 */
#ifndef MAIL_AUTH_HEADER_H
#define MAIL_AUTH_HEADER_H

#include "base/buf.h"
#include "base/err.h"
#include "mail/auth.h"

/* "authserv-id;\r\n\tspf=pass smtp.mailfrom=a@b;\r\n\tdkim=..." without name and last line end; methods that were not
 * checked are left out, and "none" stands there when nothing was. Texts of strangers are quoted or cleaned, lines folded. */
void auth_header_value(const struct auth_results *r, struct str authserv_id, struct buf *out);
/* "Authentication-Results: VALUE\r\n". */
void auth_header_field(const struct auth_results *r, struct str authserv_id, struct buf *out);

/* True when a reader could take the value of an Authentication-Results field for one of ours: its authserv-id is ours (case,
 * comments, quotes and folds aside), or it has none that can be read. Such a field from outside is forged (RFC 8601 5). */
bool auth_header_is_ours(struct str value, struct str authserv_id);

struct auth_property {
    struct str type, name; /* "smtp", "mailfrom" */
    struct str value;      /* unquoted */
};

struct auth_method {
    struct str method; /* "dkim", lower or upper case as written, without version */
    struct str result; /* "pass" */
    struct str reason; /* empty = none */
    const struct auth_property *properties;
    size_t n_properties;
};

struct auth_header {
    struct str authserv_id;
    uint64_t instance; /* of an ARC-Authentication-Results field, 0 = none */
    const struct auth_method *methods;
    size_t n_methods;
};

enum { AUTH_METHODS_MAX = 100, AUTH_PROPERTIES_MAX = 20 };

/* Reads a value (also with "i=N;" in front). RC_SYNTAX with what is wrong; RC_LIMIT beyond the limits. */
enum rc auth_header_parse(struct arena *a, struct str value, struct auth_header *out, struct err *e);
/* Next method of that name from index *at on (start with 0), which then stands behind it; NULL = none. */
const struct auth_method *auth_header_find(const struct auth_header *h, struct str method, size_t *at);
/* Value of a property such as "header.d"; empty = none. */
struct str auth_method_property(const struct auth_method *m, struct str type, struct str name);

#endif
