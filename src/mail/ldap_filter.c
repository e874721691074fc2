/*
 * Filters of LDAP searches: templates, escaping, RFC 4515 text to RFC 4511 octets. See ldap_filter.h.
 *
 * Called by lookup for each question and by conf's rules for each template. Owns nothing. A filter is read by recursive
 * descent, NEST deep at most.
 */
#include "mail/ldap_filter.h"

#include "mail/address.h"
#include "mail/ber.h"

enum { NEST = 32 };
enum { AND = 0xa0, OR, NOT, EQUAL, SUBSTRINGS, GREATER, LESS, PRESENT = 0x87, APPROXIMATE = 0xa8, EXTENSIBLE };

/* --- templates ------------------------------------------------------------------------------------------------------- */

void ldap_escape(struct str value, struct buf *out)
{
    for (size_t i = 0; i < value.n; i++) {
        unsigned char c = (unsigned char)value.p[i];

        if (c <= ' ' || c >= 127 || c == '*' || c == '(' || c == ')' || c == '\\')
            buf_addf(out, "\\%02x", c);
        else
            buf_addc(out, (char)c);
    }
}

static struct str local_of(struct str address)
{
    struct str local, domain;

    return address_cut(address, &local, &domain) ? local : address;
}

static struct str domain_of(struct str address)
{
    struct str local, domain;

    return address_cut(address, &local, &domain) ? domain : STR_NONE;
}

/* "cn=sales,ou=groups" -> "sales" */
static struct str first_name(struct str group)
{
    size_t equals = str_find(group, '='), comma = str_find(group, ',');

    return equals < comma && comma < group.n ? str_of(group.p + equals + 1, comma - equals - 1) : group;
}

static bool token(struct str name, const struct ldap_tokens *t, struct str *out)
{
    const struct {
        const char *name;
        struct str value;
    } tokens[] = {{"a", t->address},
                  {"u", local_of(t->address)},
                  {"d", domain_of(t->address)},
                  {"f", t->from},
                  {"g", t->group},
                  {"cn", first_name(t->group)},
                  {"dn", t->dn}};

    for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++)
        if (str_eq(name, str_c(tokens[i].name))) {
            *out = tokens[i].value;
            return true;
        }
    return false;
}

enum rc ldap_template_fill(struct str text, const struct ldap_tokens *tokens, struct buf *out, struct err *e)
{
    while (text.n) {
        size_t open = str_find(text, '{'), close;
        struct str value;

        buf_add(out, str_first(text, open));
        text = str_from(text, open);
        if (!text.n)
            break;
        close = str_find(text, '}');
        if (close == text.n || !token(str_of(text.p + 1, close - 1), tokens, &value))
            return err_set(e, RC_SYNTAX, "\"%.*s\" is none of {a} {u} {d} {f} {g} {cn} {dn}", STR(str_first(text, 20)));
        ldap_escape(value, out);
        text = str_from(text, close + 1);
    }
    return out->failed ? err_set(e, RC_LIMIT, "filter is too long") : RC_OK;
}

/* --- filters --------------------------------------------------------------------------------------------------------- */

struct reader {
    struct str in;
    size_t at;
    unsigned depth;
    struct buf *out;
    struct err *e;
};

static enum rc wrong(const struct reader *r, const char *what)
{
    return err_set(r->e, RC_SYNTAX, "column %zu: %s", r->at + 1, what);
}

static char now(const struct reader *r)
{
    return r->at < r->in.n ? r->in.p[r->at] : '\0';
}

static int hex_digit(char c)
{
    c = ascii_lower(c);
    return ascii_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Octets up to a parenthesis or (of a substring) a star, \XX decoded, as one element. */
static enum rc value(struct reader *r, unsigned tag)
{
    size_t begun = ber_begin(r->out, tag);

    for (; r->at < r->in.n && !strchr("()*", now(r)); r->at++) {
        int high, low;

        if (now(r) != '\\') {
            buf_addc(r->out, now(r));
            continue;
        }
        high = r->at + 1 < r->in.n ? hex_digit(r->in.p[r->at + 1]) : -1;
        low = r->at + 2 < r->in.n ? hex_digit(r->in.p[r->at + 2]) : -1;
        if (high < 0 || low < 0)
            return wrong(r, "\\ is followed by two hexadecimal digits");
        buf_addc(r->out, (char)(high << 4 | low));
        r->at += 2;
    }
    ber_end(r->out, begun);
    return RC_OK;
}

static bool name_octet(char c)
{
    return ascii_alpha(c) || ascii_digit(c) || c == '-' || c == '.' || c == ';' || c == '_';
}

static struct str name(struct reader *r)
{
    size_t from = r->at;

    while (r->at < r->in.n && name_octet(now(r)))
        r->at++;
    return str_of(r->in.p + from, r->at - from);
}

static bool skip(struct reader *r, const char *text)
{
    struct str s = str_c(text);

    if (!str_starts(str_from(r->in, r->at), s))
        return false;
    r->at += s.n;
    return true;
}

/* attr[:dn][:rule]:=value (RFC 4511 4.5.1.7.7) */
static enum rc extensible(struct reader *r, struct str type)
{
    size_t begun = ber_begin(r->out, EXTENSIBLE);
    bool dn = skip(r, ":dn:") && (r->at--, true);

    if (!skip(r, ":=")) {
        struct str rule;

        if (!skip(r, ":"))
            return wrong(r, "expected := behind the attribute");
        rule = name(r);
        if (!rule.n || !skip(r, ":="))
            return wrong(r, "expected a matching rule and :=");
        ber_put(r->out, 0x81, rule);
    }
    if (type.n)
        ber_put(r->out, 0x82, type);
    TRY(value(r, 0x83));
    if (dn)
        ber_put(r->out, 0x84, str_lit("\xff")); /* BOOLEAN true */
    ber_end(r->out, begun);
    return RC_OK;
}

/* attr=* is presence, attr=a*b* a list of parts. */
static enum rc equality(struct reader *r, struct str type)
{
    size_t from = r->at, outer, inner, content = r->out->n;
    bool first = true;

    if (now(r) == '*' && r->at + 1 < r->in.n && r->in.p[r->at + 1] == ')') {
        r->at++;
        ber_put(r->out, PRESENT, type);
        return RC_OK;
    }
    outer = ber_begin(r->out, EQUAL);
    ber_put(r->out, BER_OCTETS, type);
    TRY(value(r, BER_OCTETS));
    ber_end(r->out, outer);
    if (now(r) != '*')
        return RC_OK;
    r->at = from;
    if (r->out->failed)
        return wrong(r, "too long");
    r->out->n = content;
    outer = ber_begin(r->out, SUBSTRINGS);
    ber_put(r->out, BER_OCTETS, type);
    inner = ber_begin(r->out, BER_SEQUENCE);
    for (;; first = false) {
        size_t before = r->at, mark = r->out->n;
        bool last;

        TRY(value(r, first ? 0x80 : 0x81));
        last = now(r) != '*';
        if (r->at == before && !r->out->failed)
            r->out->n = mark; /* nothing before the first or behind the last star, or two stars in a row */
        else if (last && !r->out->failed)
            r->out->p[mark] = (char)0x82;
        if (last)
            break;
        r->at++;
    }
    ber_end(r->out, inner);
    ber_end(r->out, outer);
    return RC_OK;
}

static enum rc item(struct reader *r)
{
    static const struct {
        const char *sign;
        unsigned tag;
    } signs[] = {{">=", GREATER}, {"<=", LESS}, {"~=", APPROXIMATE}};
    struct str type = name(r);

    if (now(r) == ':')
        return extensible(r, type);
    if (!type.n)
        return wrong(r, "expected the name of an attribute");
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++)
        if (skip(r, signs[i].sign)) {
            size_t begun = ber_begin(r->out, signs[i].tag);

            ber_put(r->out, BER_OCTETS, type);
            TRY(value(r, BER_OCTETS));
            ber_end(r->out, begun);
            return RC_OK;
        }
    if (!skip(r, "="))
        return wrong(r, "expected = >= <= ~= or :=");
    return equality(r, type);
}

static enum rc filter(struct reader *r);

static enum rc list(struct reader *r, unsigned tag)
{
    size_t begun = ber_begin(r->out, tag);

    r->at++;
    do
        TRY(filter(r));
    while (tag != NOT && now(r) == '(');
    ber_end(r->out, begun);
    return RC_OK;
}

static enum rc filter(struct reader *r)
{
    char c;

    if (r->depth++ > NEST)
        return wrong(r, "nested too deeply");
    if (!skip(r, "("))
        return wrong(r, "expected (");
    c = now(r);
    TRY(c == '&' ? list(r, AND) : c == '|' ? list(r, OR) : c == '!' ? list(r, NOT) : item(r));
    if (!skip(r, ")"))
        return wrong(r, "expected )");
    r->depth--;
    return RC_OK;
}

enum rc ldap_filter_encode(struct str text, struct buf *out, struct err *e)
{
    struct reader r = {.out = out, .e = e};
    struct buf whole = BUF(LDAP_FILTER_MAX);
    bool bare;
    enum rc rc;

    text = str_trim(text);
    bare = !str_starts(text, str_lit("("));
    if (bare)
        buf_addc(&whole, '(');
    buf_add(&whole, text);
    if (bare)
        buf_addc(&whole, ')');
    r.in = buf_str(&whole);
    rc = whole.failed ? err_set(e, RC_LIMIT, "filter is too long") : filter(&r);
    if (rc == RC_OK && r.at != r.in.n)
        rc = wrong(&r, "more behind the last )");
    if (rc == RC_OK && out->failed)
        rc = err_set(e, RC_LIMIT, "filter is too long");
    buf_done(&whole);
    return rc;
}

enum rc ldap_template_check(struct str text, struct err *e)
{
    static const struct ldap_tokens sample = {{"user@example.com", 16}, {"from@example.com", 16}, {"group", 5}, {"cn=x", 4}};
    struct buf filled = BUF(LDAP_FILTER_MAX), encoded = BUF(2 * LDAP_FILTER_MAX);
    enum rc rc = ldap_template_fill(text, &sample, &filled, e);

    if (rc == RC_OK)
        rc = ldap_filter_encode(buf_str(&filled), &encoded, e);
    buf_done(&filled);
    buf_done(&encoded);
    return rc;
}
