/*
 * Reading v=spf1 records. See spf_record.h.
 *
 * Called by spf for each record; the text comes from a stranger's DNS. One pass over the terms, each by the row of its
 * mechanism; the first error ends it (4.6: an error anywhere is a permerror, before anything is evaluated).
 */
#include "mail/spf_record.h"

#include "mail/spf_macro.h"

#include <arpa/inet.h>

enum argument { ARG_NONE, ARG_DOMAIN, ARG_DOMAIN_OR_NONE, ARG_NETWORK4, ARG_NETWORK6 };

static const struct {
    struct str name;
    enum argument argument;
    bool cidr, asks;
} MECHANISMS[] = {
#define SPF_ROW(constant, name, argument, cidr, asks) {{name, sizeof name - 1}, ARG_##argument, cidr, asks},
    SPF_MECHANISM_ROWS(SPF_ROW)
#undef SPF_ROW
};

bool spf_mechanism_asks(enum spf_mechanism m)
{
    return MECHANISMS[m].asks;
}

bool spf_is_record(struct str txt)
{
    return str_startsi(txt, str_lit("v=spf1")) && (txt.n == 6 || txt.p[6] == ' ');
}

/* Names a term in an error: its first octets, when they can be shown. */
static enum rc wrong(struct err *e, struct str term, const char *why)
{
    struct str shown = str_first(term, 80);

    for (size_t i = 0; i < shown.n; i++)
        if (shown.p[i] <= 0x20 || shown.p[i] >= 0x7f)
            return err_set(e, RC_SYNTAX, "%s", "a character that no SPF record may have");
    return err_set(e, RC_SYNTAX, "%s in \"%.*s%s\"", why, STR(shown), term.n > shown.n ? "..." : "");
}

/* "0" or a number without leading zero, at most max (12: ip4-cidr-length, ip6-cidr-length). */
static bool prefix_length(struct str digits, unsigned max, unsigned *out)
{
    uint64_t v;

    if (digits.n == 0 || digits.n > 3 || (digits.n > 1 && digits.p[0] == '0') || !str_u64(digits, &v) || v > max)
        return false;
    *out = (unsigned)v;
    return true;
}

/* Cuts digits and the slash before them off the end; false when the text does not end so. */
static bool cut_digits(struct str *s, struct str slashes, struct str *digits_out)
{
    size_t at = s->n;

    while (at > 0 && ascii_digit(s->p[at - 1]))
        at--;
    if (at == s->n || !str_ends(str_first(*s, at), slashes))
        return false;
    *digits_out = str_from(*s, at);
    s->n = at - slashes.n;
    return true;
}

/* dual-cidr-length at the end of the argument of a and mx (5.3). */
static bool dual_cidr(struct str *s, struct spf_term *t)
{
    struct str digits;

    if (cut_digits(s, str_lit("//"), &digits) && !prefix_length(digits, 128, &t->bits6))
        return false;
    return !cut_digits(s, str_lit("/"), &digits) || prefix_length(digits, 32, &t->bits4);
}

/* ip4 and ip6: an address and perhaps a prefix length (5.6). */
static bool network(struct str s, int family, struct spf_term *t)
{
    unsigned *bits = family == AF_INET ? &t->bits4 : &t->bits6;
    size_t slash = str_find(s, '/');
    char text[64];

    if (slash >= sizeof text || (slash < s.n && !prefix_length(str_from(s, slash + 1), *bits, bits)))
        return false;
    memcpy(text, s.p, slash);
    text[slash] = '\0';
    return strlen(text) == slash && inet_pton(family, text, t->ip) == 1;
}

/* What follows the name: ":argument", "/cidr" or nothing. */
static enum rc argument(struct str rest, struct spf_term *t, struct err *e)
{
    enum argument kind = MECHANISMS[t->mechanism].argument;
    bool colon;
    const char *why;

    if (MECHANISMS[t->mechanism].cidr && !dual_cidr(&rest, t))
        return wrong(e, t->text, "a bad prefix length");
    colon = rest.n && rest.p[0] == ':';
    if (rest.n && (!colon || kind == ARG_NONE))
        return wrong(e, t->text, "something unexpected behind the mechanism");
    if (!colon)
        return kind == ARG_NONE || kind == ARG_DOMAIN_OR_NONE ? RC_OK : wrong(e, t->text, "nothing behind the mechanism");
    rest = str_from(rest, 1);
    if (kind == ARG_NETWORK4 || kind == ARG_NETWORK6)
        return network(rest, kind == ARG_NETWORK4 ? AF_INET : AF_INET6, t) ? RC_OK : wrong(e, t->text, "no valid network");
    t->domain = rest;
    return spf_domain_spec_valid(rest, &why) ? RC_OK : wrong(e, t->text, why);
}

static enum rc mechanism(struct str term, struct spf_term *t, struct err *e)
{
    static const char qualifiers[] = "+-~?";
    static const enum auth_result results[] = {AUTH_PASS, AUTH_FAIL, AUTH_SOFTFAIL, AUTH_NEUTRAL};
    const char *q = term.p[0] ? strchr(qualifiers, term.p[0]) : NULL;
    struct str body = str_from(term, q != NULL);
    size_t name = 0;

    *t = (struct spf_term){.text = term, .result = q ? results[q - qualifiers] : AUTH_PASS, .bits4 = 32, .bits6 = 128};
    while (name < body.n && (ascii_alpha(body.p[name]) || ascii_digit(body.p[name])))
        name++;
    for (unsigned i = 0; i < SPF_MECHANISM_COUNT; i++)
        if (str_eqi(MECHANISMS[i].name, str_first(body, name))) {
            t->mechanism = (enum spf_mechanism)i;
            return argument(str_from(body, name), t, e);
        }
    return wrong(e, term, "an unknown mechanism");
}

/* Octets of the name when the term is a modifier ("name="), else 0. */
static size_t modifier_name(struct str term)
{
    size_t n = 0;

    if (!ascii_alpha(term.p[0]))
        return 0;
    while (n < term.n && (ascii_alpha(term.p[n]) || ascii_digit(term.p[n]) || strchr("-_.", term.p[n])) && term.p[n])
        n++;
    return n < term.n && term.p[n] == '=' ? n : 0;
}

static enum rc modifier(struct str term, size_t name_length, struct spf_record *out, struct err *e)
{
    struct str name = str_first(term, name_length), value = str_from(term, name_length + 1);
    struct str *place = str_eqi(name, str_lit("redirect")) ? &out->redirect
                        : str_eqi(name, str_lit("exp"))    ? &out->explanation
                                                           : NULL;
    const char *why;

    if (!place)
        return spf_macro_valid(value, true) ? RC_OK : wrong(e, term, "a bad character or macro");
    if (place->p)
        return wrong(e, term, "a modifier that stands there twice");
    if (!spf_domain_spec_valid(value, &why))
        return wrong(e, term, why);
    *place = value;
    return RC_OK;
}

static size_t count_terms(struct str txt)
{
    size_t n = 1;

    for (size_t i = 1; i < txt.n; i++)
        n += txt.p[i] != ' ' && txt.p[i - 1] == ' ';
    return n;
}

enum rc spf_record_parse(struct arena *a, struct str txt, struct spf_record *out, struct err *e)
{
    struct spf_term *terms = arena_array(a, struct spf_term, count_terms(txt));
    struct spf_record r = {.terms = terms};
    struct str rest = str_from(txt, 6), term;

    if (!terms)
        return err_set(e, RC_NO_MEMORY, "the record is too long");
    while (rest.n && str_split(&rest, ' ', &term)) {
        size_t name;

        if (!term.n)
            continue;
        name = modifier_name(term);
        if (name)
            TRY(modifier(term, name, &r, e));
        else
            TRY(mechanism(term, &terms[r.n++], e));
    }
    *out = r;
    return RC_OK;
}
