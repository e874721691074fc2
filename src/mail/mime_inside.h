/* Between the files of the MIME reader; what others call is in mime.h. */
#ifndef MAIL_MIME_INSIDE_H
#define MAIL_MIME_INSIDE_H

#include "mail/mime.h"

enum { MIME_READINGS = 4, MIME_PARAMS = 1000, MIME_PIECES = 64, MIME_PATH = 4096 };

/* --- mime.c */
/* A new part behind the children of `parent` (NULL: the root or another reading of it); NULL beyond the limits. */
struct mime_part *mime_part_new(struct mime *m, struct mime_part *parent);
/* Takes n octets from the budget of looking; false (and cut) when it is used up. */
bool mime_spend(struct mime *m, size_t n);

/* --- mime_part.c */
/* A header section and what follows it: one part, or one for each reading of it. */
void mime_entity(struct mime *m, struct mime_part *parent, struct str octets, bool inside);

/* --- mime_scan.c */
/* Children of a multipart whose content is `content`, by each of the boundaries it might have. */
void mime_multipart(struct mime *m, struct mime_part *p, struct str content, const struct str *boundaries, size_t n);

/* --- mime_param.c: "type/subtype; name=value; ..." */
struct mime_param {
    struct str name;  /* lower case, RFC 2231 marks removed */
    struct str value; /* decoded, UTF-8 where a character set was named */
    struct str plain; /* without the decoding of escapes; what a simple reader shows */
    bool extended;    /* was name*=, or pieces of it */
};
struct mime_params {
    struct str main; /* before the first semicolon: lower case, no white space, no comments */
    struct mime_param *items;
    size_t n, cap;
    bool bad; /* not as RFC 2045 wants it */
};
void mime_params_read(struct arena *a, struct str value, struct mime_params *out);
/* Every value that some reader might take for the parameter, first the one of RFC 2045; at most max. */
size_t mime_params_all(struct arena *a, struct str raw, const struct mime_params *ps, struct str name, struct str *out,
                       size_t max);

/* --- mime_name.c */
/* Sets name, other_name and their flaw from the two fields. */
void mime_name_choose(struct mime *m, struct mime_part *p, const struct mime_params *disposition,
                      const struct mime_params *type);
/* From a name as it lies in an archive; the whole of it, as UTF-8. */
struct str mime_name_set(struct mime *m, struct mime_part *p, struct str name);

/* --- mime_decode.c: each fills out->n <= room octets; false when the octets do not fit the encoding. */
enum mime_encoding { MIME_IDENTITY, MIME_BASE64, MIME_QP, MIME_UU, MIME_UNKNOWN };
enum mime_encoding mime_encoding_of(struct str word);
bool mime_base64(struct str in, char *out, size_t *n);
bool mime_quoted_printable(struct str in, char *out, size_t *n);
bool mime_looks_base64(struct str in);

/* --- mime_uu.c */
/* Adds the uuencoded files inside a text as its children. */
void mime_uu_find(struct mime *m, struct mime_part *p, struct str text);
bool mime_uu_decode(struct str in, char *out, size_t *n);

/* --- helpers */
struct str mime_lower(struct arena *a, struct str s);
/* Octets of the first line with its end (LF). */
static inline size_t mime_line(struct str s)
{
    const char *lf = s.n ? memchr(s.p, '\n', s.n) : NULL;

    return lf ? (size_t)(lf - s.p) + 1 : s.n;
}
static inline bool mime_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\v' || c == '\f';
}

#endif
