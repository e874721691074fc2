/* For tests of the MIME reader: a tree as text, one line a part. Only *_test.c include this. */
#ifndef MAIL_MIME_TESTING_H
#define MAIL_MIME_TESTING_H

#include "base/buf.h"
#include "mail/mime.h"

/* The string every virus scanner takes for a virus, put together here so that this file is none. */
#define EICAR \
    "X5O!P%@AP[4\\PZX54(P^)7CC)7}$" \
    "EICAR-STANDARD-" \
    "ANTIVIRUS-TEST-FILE!$H+H*"
#define EICAR_BASE64 \
    "WDVPIVAlQEFQWzRcUFpYNTQoUF4pN0NDKTd9JEVJ" \
    "Q0FSLVNUQU5EQVJELUFOVElWSVJVUy1URVNULUZJTEUhJEgrSCo="

/* "1.2 text/plain name=a.txt other=b.exe 12 flaw,flaw\n" a part */
static inline void tree_text(struct mime *m, struct buf *out)
{
    for (struct mime_part *p = m->all; p; p = p->all_next) {
        bool any = false;

        mime_body(m, p);
        buf_addf(out, "%.*s %.*s", STR(p->path), STR(p->type));
        if (p->name.n)
            buf_addf(out, " name=%.*s", STR(p->name));
        if (p->other_name.n)
            buf_addf(out, " other=%.*s", STR(p->other_name));
        for (enum mime_flaw f = 0; f < MIME_FLAWS; f++) {
            if (p->flaws >> f & 1) {
                buf_addf(out, "%s%s", any ? "," : " ", mime_flaw_name(f));
                any = true;
            }
        }
        buf_addc(out, '\n');
    }
}

static inline bool any_body_has(struct mime *m, struct str needle)
{
    for (struct mime_part *p = m->all; p; p = p->all_next) {
        struct str body = mime_body(m, p);

        if (body.n && str_find_str(body, needle) < body.n)
            return true;
    }
    return false;
}

#endif
