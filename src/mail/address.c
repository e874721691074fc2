/*
 * Reading of addresses and ESMTP parameters. See address.h.
 *
 * Called by the SMTP server, the client, QMQP and policy. Owns nothing; copies (lower-cased domains, decoded xtext) go to
 * the caller's arena. Every refusal names what was wrong, for the 501 reply and the log line.
 */
#include "mail/address.h"

static bool is_high(char c)
{
    return (unsigned char)c >= 0x80;
}

/* atext of RFC 5322 3.2.3, and U-labels of RFC 6531. */
static bool is_atext(char c)
{
    return ascii_alpha(c) || ascii_digit(c) || is_high(c) || (c && strchr("!#$%&'*+-/=?^_`{|}~", c));
}

static bool is_control(char c)
{
    return (unsigned char)c < 0x20 || c == 0x7f;
}

bool address_is_domain(struct str domain, bool utf8)
{
    size_t label = 0;

    if (!domain.n || domain.n > ADDRESS_DOMAIN_MAX)
        return false;
    for (size_t i = 0; i < domain.n; i++) {
        char c = domain.p[i];

        if (c == '.') {
            if (!label)
                return false;
            label = 0;
            continue;
        }
        if (!(ascii_alpha(c) || ascii_digit(c) || c == '-' || c == '_' || (utf8 && is_high(c))))
            return false;
        if ((c == '-' && !label) || ++label > (utf8 ? 252u : 63u))
            return false;
    }
    return label > 0 || domain.n > 1;
}

bool address_is_literal(struct str domain)
{
    struct str inner;

    if (domain.n < 3 || domain.p[0] != '[' || domain.p[domain.n - 1] != ']')
        return false;
    inner = str_of(domain.p + 1, domain.n - 2);
    for (size_t i = 0; i < inner.n; i++)
        if (!(ascii_digit(inner.p[i]) || ascii_alpha(inner.p[i]) || strchr(".:-", inner.p[i])))
            return false;
    return inner.n <= 64;
}

bool address_cut(struct str address, struct str *local_out, struct str *domain_out)
{
    size_t at = str_find_last(address, '@');

    if (at == address.n || (address.p[0] == '"' && address.p[address.n - 1] == '"'))
        return false;
    *local_out = str_first(address, at);
    *domain_out = str_from(address, at + 1);
    return true;
}

struct str address_lower(struct arena *a, struct str s)
{
    struct str copy = arena_str(a, s);
    char *p = (char *)(uintptr_t)copy.p;

    for (size_t i = 0; i < copy.n; i++)
        p[i] = ascii_lower(p[i]);
    return copy;
}

/* Octets of the local part at the start of s: a quoted string or a dot-string; 0 when there is none. */
static size_t local_length(struct str s, enum address_mode mode)
{
    size_t i = 0;

    if (s.n && s.p[0] == '"') {
        for (i = 1; i < s.n && s.p[i] != '"'; i++) {
            if (s.p[i] == '\\')
                i++;
            if (i >= s.n || is_control(s.p[i]))
                return 0;
        }
        return i < s.n ? i + 1 : 0;
    }
    while (i < s.n) {
        char c = s.p[i];
        bool dot = c == '.';

        if (dot && mode == ADDRESS_STRICT && (i == 0 || s.p[i - 1] == '.'))
            return 0;
        if (!dot && !is_atext(c) && !(mode == ADDRESS_LOOSE && c && strchr("()[]:;,\\", c)))
            break;
        i++;
    }
    if (i && mode == ADDRESS_STRICT && s.p[i - 1] == '.')
        return 0;
    return i;
}

/* "@a,@b:" before the mailbox is read and forgotten (RFC 5321 appendix C). */
static struct str skip_route(struct str s)
{
    size_t colon = str_find(s, ':');

    if (!s.n || s.p[0] != '@' || colon == s.n)
        return s;
    for (size_t i = 0; i < colon; i++)
        if (!(ascii_alpha(s.p[i]) || ascii_digit(s.p[i]) || strchr("@,.-_", s.p[i])))
            return s;
    return str_from(s, colon + 1);
}

static enum rc parse_mailbox(struct arena *a, struct str s, enum address_mode mode, struct path *out, struct err *e)
{
    struct path p = {.address = s};
    size_t n = local_length(s, mode);

    for (size_t i = 0; i < s.n; i++)
        p.utf8 |= is_high(s.p[i]);
    if (!n)
        return err_set(e, RC_SYNTAX, "Bad local part");
    p.local = str_first(s, n);
    if (n > ADDRESS_LOCAL_MAX && mode == ADDRESS_STRICT)
        return err_set(e, RC_SYNTAX, "Local part too long");
    if (n == s.n) { /* no domain: "postmaster" alone is legal (RFC 5321 4.1.1.3), others by mode */
        *out = p;
        return RC_OK;
    }
    if (s.p[n] != '@')
        return err_set(e, RC_SYNTAX, "Unexpected character in local part");
    p.domain = str_from(s, n + 1);
    if (p.domain.n && p.domain.p[p.domain.n - 1] == '.' && mode == ADDRESS_LOOSE)
        p.domain.n--;
    if (!address_is_domain(p.domain, true) && !address_is_literal(p.domain))
        return err_set(e, RC_SYNTAX, p.domain.n > ADDRESS_DOMAIN_MAX ? "Domain too long" : "Bad domain");
    p.domain = address_lower(a, p.domain);
    p.address = arena_printf(a, "%.*s@%.*s", STR(p.local), STR(p.domain));
    if (!p.domain.p || !p.address.p)
        return err_set(e, RC_NO_MEMORY, "address");
    if (p.address.n > ADDRESS_MAX)
        return err_set(e, RC_SYNTAX, "Address too long");
    *out = p;
    return RC_OK;
}

/* End of "<...>": the > outside quotes. */
static size_t closing(struct str s)
{
    bool quoted = false;

    for (size_t i = 0; i < s.n; i++) {
        if (quoted && s.p[i] == '\\')
            i++;
        else if (s.p[i] == '"')
            quoted = !quoted;
        else if (s.p[i] == '>' && !quoted)
            return i;
    }
    return s.n;
}

enum rc address_parse_path(struct arena *a, struct str in, enum address_mode mode, struct path *out, struct str *rest_out,
                           struct err *e)
{
    struct str s = in, inner, rest;
    size_t end;

    while (s.n && s.p[0] == ' ' && mode == ADDRESS_LOOSE)
        s = str_from(s, 1);
    if (s.n && s.p[0] == '<') {
        s = str_from(s, 1);
        end = closing(s);
        if (end == s.n)
            return err_set(e, RC_SYNTAX, "Missing > in address");
        inner = str_first(s, end);
        rest = str_from(s, end + 1);
    } else if (mode == ADDRESS_LOOSE && s.n) {
        end = str_find(s, ' ');
        inner = str_first(s, end);
        rest = str_from(s, end);
    } else {
        return err_set(e, RC_SYNTAX, "Missing < in address");
    }
    if (rest.n && rest.p[0] != ' ')
        return err_set(e, RC_SYNTAX, "Unexpected text after address");
    if (mode == ADDRESS_LOOSE)
        inner = str_trim(inner);
    if (inner.n == 0)
        *out = (struct path){.address = str_lit("")};
    else
        TRY(parse_mailbox(a, skip_route(inner), mode, out, e));
    *rest_out = str_trim(rest);
    return RC_OK;
}

enum rc address_next_parameter(struct str *rest, struct str *keyword_out, struct str *value_out, struct err *e)
{
    struct str word, key;
    size_t eq;

    if (!str_word(rest, &word))
        return RC_NOT_FOUND;
    eq = str_find(word, '=');
    key = str_first(word, eq);
    for (size_t i = 0; i < key.n; i++)
        if (!(ascii_alpha(key.p[i]) || ascii_digit(key.p[i]) || (i && key.p[i] == '-')))
            return err_set(e, RC_SYNTAX, "Bad parameter");
    for (size_t i = 0; i < word.n; i++)
        if (is_control(word.p[i]))
            return err_set(e, RC_SYNTAX, "Bad parameter");
    if (!key.n || (eq < word.n && eq + 1 == word.n))
        return err_set(e, RC_SYNTAX, "Bad parameter");
    *keyword_out = key;
    *value_out = eq < word.n ? str_from(word, eq + 1) : STR_NONE;
    return RC_OK;
}

enum rc address_xtext_decode(struct arena *a, struct str in, struct str *out, struct err *e)
{
    char *to = arena_alloc(a, in.n + 1);
    size_t n = 0;

    if (!to)
        return err_set(e, RC_NO_MEMORY, "xtext");
    for (size_t i = 0; i < in.n; i++) {
        uint64_t v;

        if (in.p[i] == '=' || is_control(in.p[i]) || in.p[i] == ' ')
            return err_set(e, RC_SYNTAX, "Bad xtext");
        if (in.p[i] != '+') {
            to[n++] = in.p[i];
            continue;
        }
        if (in.n - i < 3 || !str_hex(str_of(in.p + i + 1, 2), &v) || v < 0x20)
            return err_set(e, RC_SYNTAX, "Bad xtext");
        to[n++] = (char)v;
        i += 2;
    }
    *out = str_of(to, n);
    return RC_OK;
}

void address_xtext_encode(struct str in, struct buf *out)
{
    for (size_t i = 0; i < in.n; i++) {
        char c = in.p[i];

        if (c <= 0x20 || c == '+' || c == '=' || (unsigned char)c >= 0x7f)
            buf_addf(out, "+%02X", (unsigned)(unsigned char)c);
        else
            buf_addc(out, c);
    }
}
