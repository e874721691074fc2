/*
 * Reading JSON (RFC 8259) strictly and without a tree: values are views into the text, looked at on demand.
 *
 * json_whole() checks the whole text once (syntax, depth, UTF-8); after it returned true, the other functions may walk it
 * without looking for errors, and give nothing for what is not there.
 */
#ifndef BASE_JSON_READ_H
#define BASE_JSON_READ_H

#include "base/arena.h"
#include "base/buf.h"

enum { JSON_DEPTH = 32 };

enum json_type { JSON_NONE, JSON_NULL, JSON_FALSE, JSON_TRUE, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

/* One value, as it stands in the text. */
struct json {
    struct str text;
};

/* Is this one JSON value and nothing behind it? *out is the value. */
bool json_whole(struct str text, struct json *out);
enum json_type json_type(struct json v);
/* Member of an object by name (names with escapes are never found; the first of several); JSON_NONE when there is none. */
struct json json_member(struct json object, const char *name);
/* Walks the members of an object or the values of an array (name empty): *rest begins as the value itself. */
bool json_next(struct json *rest, struct str *name_out, struct json *value_out);
/* A finite number; false when it is none. */
bool json_number(struct json v, double *out);
/* A string with its escapes undone, UTF-8, in the arena when it has any; empty when it is none. */
struct str json_string(struct arena *a, struct json v);

#endif
