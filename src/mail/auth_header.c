/*
 * Writing the Authentication-Results field. See auth_header.h.
 *
 * Called by scan, and by ARC for its own field. Every value that a stranger chose passes through add_value(), so nobody
 * writes a second result into the field. Owns nothing.
 */
#include "mail/auth_header.h"

enum { VALUE_LENGTH = 300 };

/* Token of RFC 2045 with the "@" and "." of addresses and domains: needs no quotes in a pvalue. */
static bool is_plain(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!ascii_alpha(s.p[i]) && !ascii_digit(s.p[i]) && (!s.p[i] || !strchr("@.-_+!#$&'*^`{|}~", s.p[i])))
            return false;
    return s.n > 0;
}

/* A value: as it is, or as a quoted string; octets that no header may have become "?". */
static void add_value(struct str s, struct buf *out)
{
    s = str_first(s, VALUE_LENGTH);
    if (is_plain(s)) {
        buf_add(out, s);
        return;
    }
    buf_addc(out, '"');
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (c == '"' || c == '\\')
            buf_addc(out, '\\');
        buf_addc(out, (unsigned char)c < 0x20 || (unsigned char)c >= 0x7f ? '?' : c);
    }
    buf_addc(out, '"');
}

static void add_property(const char *name, struct str value, struct buf *out)
{
    if (!value.n)
        return;
    buf_addf(out, " %s=", name);
    add_value(value, out);
}

static void add_method(const char *method, enum auth_result result, struct str reason, struct buf *out)
{
    buf_addf(out, ";\r\n\t%s=%s", method, auth_result_word(result));
    if (reason.n) {
        buf_add(out, str_lit(" reason="));
        buf_addc(out, '"');
        for (size_t i = 0; i < reason.n && i < VALUE_LENGTH; i++) {
            char c = reason.p[i];
            bool bad = (unsigned char)c < 0x20 || (unsigned char)c >= 0x7f || c == '"' || c == '\\';

            buf_addc(out, bad ? '?' : c);
        }
        buf_addc(out, '"');
    }
}

static void add_spf(const struct auth_spf *spf, const char *property, struct str value, struct buf *out)
{
    if (!spf->checked)
        return;
    add_method("spf", spf->result, spf->problem, out);
    add_property(property, value, out);
}

static void add_dkim(const struct auth_results *r, struct buf *out)
{
    if (r->dkim_checked && r->n_dkim == 0)
        add_method("dkim", AUTH_NONE, STR_NONE, out);
    for (size_t i = 0; i < r->n_dkim; i++) {
        const struct auth_dkim *k = &r->dkim[i];

        add_method("dkim", k->result, k->result == AUTH_PASS ? STR_NONE : k->reason, out);
        add_property("header.d", k->domain, out);
        add_property("header.i", k->identity, out);
        add_property("header.s", k->selector, out);
        add_property("header.a", k->algorithm, out);
        add_property("header.b", k->b, out);
    }
}

/* The policy and what is done stand in properties of our own choice (RFC 8601 2.7.6 leaves ptype "policy" to us). */
static void add_dmarc(const struct auth_dmarc *d, struct buf *out)
{
    if (!d->checked)
        return;
    add_method("dmarc", d->result, d->problem, out);
    add_property("header.from", d->from_domain, out);
    if (!d->record)
        return;
    add_property("policy.published-domain-policy", str_c(dmarc_policy_word(d->policy)), out);
    add_property("policy.applied-disposition", str_c(dmarc_policy_word(d->disposition)), out);
}

static void add_arc(const struct auth_results *r, struct buf *out)
{
    if (!r->arc_checked)
        return;
    add_method("arc", r->arc.result, r->arc.result == AUTH_FAIL ? r->arc.reason : STR_NONE, out);
    add_property("header.oldest-pass", r->arc.oldest_pass, out);
}

void auth_header_value(const struct auth_results *r, struct str authserv_id, struct buf *out)
{
    size_t before;
    const struct auth_spf *from = &r->spf_mailfrom, *helo = &r->spf_helo;

    add_value(authserv_id.n ? authserv_id : str_lit("localhost"), out);
    before = out->n;
    add_spf(helo, "smtp.helo", helo->domain, out);
    add_spf(from, "smtp.mailfrom", from->identity, out);
    add_dkim(r, out);
    add_dmarc(&r->dmarc, out);
    add_arc(r, out);
    if (out->n == before)
        buf_add(out, str_lit("; none"));
}

void auth_header_field(const struct auth_results *r, struct str authserv_id, struct buf *out)
{
    buf_add(out, str_lit("Authentication-Results: "));
    auth_header_value(r, authserv_id, out);
    buf_add(out, str_lit("\r\n"));
}
