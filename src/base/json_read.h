/*
 * Reading JSON (RFC 8259) into a tree of views. Strict: UTF-8 only, no surrogates alone, no trailing text, no key twice at
 * one level of an object; at most JSON_DEPTH levels. What the arena's cap allows is the limit of size.
 */
#ifndef BASE_JSON_READ_H
#define BASE_JSON_READ_H

#include "base/arena.h"
#include "base/err.h"

enum { JSON_DEPTH = 32, JSON_KEYS = 1000 /* of one object */ };

enum json_type { JSON_NULL, JSON_FALSE, JSON_TRUE, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json {
    enum json_type type;
    struct str raw;           /* as it stands in the text, quotes included */
    struct str text;          /* STRING: decoded; NUMBER: as written */
    struct str key;           /* of a member of an object, decoded */
    const struct json *first; /* ARRAY, OBJECT */
    const struct json *next;  /* the one behind this in its array or object */
    size_t n;                 /* elements */
};

/* The whole text must be one value. RC_SYNTAX, RC_NO_MEMORY. Views point into `in` or the arena. */
enum rc json_read(struct arena *a, struct str in, const struct json **out, struct err *e);
/* Member of an object; NULL when there is none or `v` is NULL or no object. */
const struct json *json_get(const struct json *v, const char *key);
/* A whole number from 0 below 2^53; false for anything else (also NULL). */
bool json_u64(const struct json *v, uint64_t *out);
/* The string, or empty. */
struct str json_str_of(const struct json *v);
/* The text of a member; STR_NONE when there is none. */
static inline struct str json_text_of(const struct json *v, const char *key)
{
    return json_str_of(json_get(v, key));
}
bool json_is(const struct json *v, enum json_type type);

#endif
