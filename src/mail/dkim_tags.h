/*
 * Tag lists (RFC 6376 3.2): "v=1; a=rsa-sha256; ..." of DKIM-Signature, ARC-Message-Signature, ARC-Seal and key records, and
 * the values that stand in them.
 *
 * Strict: a name twice, an empty list entry, a character that no value may hold make the whole list RC_SYNTAX. Results are
 * views into the input, or come from the arena where white space had to go.
 */
#ifndef MAIL_DKIM_TAGS_H
#define MAIL_DKIM_TAGS_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum { DKIM_TAGS_MAX = 64 };

struct dkim_tag {
    struct str name;  /* case matters */
    struct str value; /* without white space around it; folds inside are kept */
    struct str place; /* everything between "=" and the next ";" */
};
struct dkim_tags {
    struct dkim_tag items[DKIM_TAGS_MAX];
    size_t n;
};

/* RC_SYNTAX with a text such as `tag "b" stands twice`. More than DKIM_TAGS_MAX tags are RC_SYNTAX too. */
enum rc dkim_tags_parse(struct str in, struct dkim_tags *out, struct err *e);
/* NULL when the tag is absent. */
const struct dkim_tag *dkim_tag(const struct dkim_tags *tags, const char *name);
/* The value, empty when the tag is absent. */
struct str dkim_tag_value(const struct dkim_tags *tags, const char *name);

/* Next item of a list with colons between, without the white space around it; *rest.p NULL ends it (as str_split). */
bool dkim_list_next(struct str *rest, struct str *item_out);
/* Does the list hold this word (case ignored)? */
bool dkim_list_has(struct str list, struct str word);

/* Base64 with folds inside (RFC 6376 2.10). RC_SYNTAX when it is none, RC_NO_MEMORY. */
enum rc dkim_base64_decode(struct arena *a, struct str in, struct str *out);
void dkim_base64_encode(struct str in, struct buf *out);
/* Copy without any white space; the view itself when there is none. */
struct str dkim_unspaced(struct arena *a, struct str s);

#endif
