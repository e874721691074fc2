/*
 * The organizational domain of a domain: by the public suffix list (RFC 7489 3.2) or by the DNS tree walk (RFC 9989 4.10).
 *
 * Called by dmarc, by trace --orgdomain and by whoever groups domains by owner. The list is the system's (package
 * publicsuffix) or the one built into libpsl, whichever is newer: load it once, before a process gives up its files.
 */
#ifndef MAIL_ORGDOMAIN_H
#define MAIL_ORGDOMAIN_H

#include "mail/dns_ask.h"

struct suffixes; /* the loaded list; owned by whoever called suffixes_load() */

/* NULL path: the system's list. NULL when there is none. */
struct suffixes *suffixes_load(const char *path);
void suffixes_free(struct suffixes *s); /* NULL is fine */

/* One label more than the public suffix; the name itself when it is a public suffix or has one label. A-labels in, a view
 * into the name out; `s` NULL (no list): the last two labels. */
struct str orgdomain_by_list(const struct suffixes *s, struct str name);

struct dmarc_record;

enum { ORGDOMAIN_STEPS = 8 }; /* names that a walk looks at, at most */

/* What a walk from a domain up to its top label found. */
struct tree_walk {
    size_t n;
    struct str names[ORGDOMAIN_STEPS];                   /* the domain itself first */
    const struct dmarc_record *records[ORGDOMAIN_STEPS]; /* NULL = no single valid record there */
    struct str org;                                      /* the organizational domain */
    bool temporary;                                      /* an answer was missing that could change the outcome */
};

/* RFC 9989 4.10: asks for all names at once. */
void orgdomain_walk(struct arena *a, const struct dns_source *dns, struct str name, struct tree_walk *out);

#endif
