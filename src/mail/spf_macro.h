/* Inside spf: macro strings (RFC 7208 7): checking and expanding them. */
#ifndef MAIL_SPF_MACRO_H
#define MAIL_SPF_MACRO_H

#include "base/arena.h"
#include "base/err.h"

/* What letters stand for. p is asked for only when a macro names it. */
struct spf_macros {
    struct str sender, local, sender_domain;               /* s l o */
    struct str domain;                                     /* d: the domain whose record is being evaluated */
    struct str ip;                                         /* 4 or 16 octets: i c v */
    struct str helo;                                       /* h */
    struct str receiver;                                   /* r */
    uint64_t now;                                          /* t */
    struct str (*validated)(void *ctx, struct str domain); /* p */
    void *ctx;
};

/* macro-string: only characters of the grammar, every macro well formed. `explaining` allows the letters c r t. */
bool spf_macro_valid(struct str text, bool explaining);
/* domain-spec: a macro-string that ends in a macro or in "." and a top label. *why_out says what is wrong. */
bool spf_domain_spec_valid(struct str text, const char **why_out);
/* Text with every macro expanded, at most max octets. RC_SYNTAX, RC_TOO_LARGE, RC_NO_MEMORY. */
enum rc spf_macro_expand(struct arena *a, struct str text, const struct spf_macros *m, bool explaining, size_t max,
                         struct str *out);
/* The same as a name to ask for: trailing dot off, whole labels cut at the left until 253 octets remain (7.3). */
enum rc spf_macro_domain(struct arena *a, struct str text, const struct spf_macros *m, struct str *out);

#endif
