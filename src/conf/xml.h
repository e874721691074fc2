/*
 * The configuration file (spec/cli.md section 4): written by hand so that each of its traps is in one place, read with
 * libxml2.
 *
 * <config>, then each section; a LIST is an element around its items, an item is an element named as the section with <name>
 * first; lists of lines are repeated elements, one empty element is the empty list. Values are ISO-8859-1 with everything
 * beyond ASCII as character references.
 */
#ifndef CONF_XML_H
#define CONF_XML_H

#include "conf/draft.h"

/* What the header comment of a stored version says beside the machine's own lines. Texts may be empty. */
struct conf_header {
    uint64_t version; /* 0 = not a stored version: the three lines are left out */
    struct str user, comment;
    uint64_t time_ms; /* of Current Time; UTC */
};

/* Appends the file. Secrets print as ******** unless `secrets`. Check out->failed. */
void conf_xml_write(const struct conf *c, const struct conf_header *h, bool secrets, struct buf *out);
/* The same with the sections alone that differ from `base`: what a commit brings. `each` is told their names. */
void conf_xml_write_changed(const struct conf *c, const struct conf *base,
                            void (*each)(void *ctx, const struct conf_section *s), void *ctx, struct buf *out);
/* Reads the header lines back; texts live in a. Missing ones stay empty. */
void conf_xml_header(struct arena *a, struct str file, struct conf_header *out);
/* Puts the sections of the file in place of those in d; other sections stay. The error names line, path and reason; then d
 * is half changed and only good to be freed. */
enum rc conf_xml_read(struct conf_draft *d, struct str file, struct err *e);

/* Appends the document type (config.dtd). */
void conf_dtd_write(struct buf *out);

/* "Sun Nov 22 00:41:10 2026 GMT" into at least 40 octets. */
struct str conf_time_text(uint64_t ms, char out[40]);

#endif
