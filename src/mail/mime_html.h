/*
 * HTML as a row of tags and texts, as browsers cut it, for reading visible text and addresses. No tree is made.
 *
 * Called by mime_html.c and mime_url.c. Works on views; never fails: what is no tag is text.
 */
#ifndef MAIL_MIME_HTML_H
#define MAIL_MIME_HTML_H

#include "base/arena.h"

struct html_tag {
    struct str name;       /* view, any case; without "/" */
    struct str attributes; /* between the name and ">" */
    bool closes;           /* </name> */
    struct str whole;
};

/* The text before the next tag, and that tag (name empty at the end of the input, and for comments and the like). *rest
 * begins behind the tag; contents of script, style and their like are passed over with it. False at the end. */
bool html_next(struct str *rest, struct str *text_out, struct html_tag *tag_out);
/* Next attribute off the front of *attributes: name and value as written (a view), quotes removed. */
bool html_attribute(struct str *attributes, struct str *name_out, struct str *value_out);
/* Decodes entities of s at out (room for s.n octets: no entity is shorter than its character); the octets made. */
size_t html_decode(struct str s, char *out);

#endif
