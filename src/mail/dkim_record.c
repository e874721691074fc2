/*
 * Key records in the DNS (RFC 6376 3.6.1, RFC 8463 3). See dkim_inside.h, dkim.h.
 *
 * Called by dkim_verify for what strangers publish, and for what we show of our own keys. Owns nothing. Tags that we do not
 * know, g= of the former standard among them, are passed over as RFC 6376 3.2 asks.
 */
#include "mail/dkim_inside.h"

static enum rc key_type(const struct dkim_tags *t, enum dkim_key_type *out, struct err *e)
{
    const struct dkim_tag *k = dkim_tag(t, "k");

    if (!k || str_eqi(k->value, str_lit("rsa")))
        *out = DKIM_RSA;
    else if (str_eqi(k->value, str_lit("ed25519")))
        *out = DKIM_ED25519;
    else
        return err_set(e, RC_SYNTAX, "key type \"%.*s\" is not known", STR(str_first(k->value, 40)));
    return RC_OK;
}

enum rc dkim_record_parse(struct str text, struct dkim_record *out, struct err *e)
{
    const struct dkim_tag *v, *p, *s;
    struct dkim_tags t;

    *out = (struct dkim_record){0};
    TRY(dkim_tags_parse(text, &t, e));
    v = dkim_tag(&t, "v");
    if (v && (v != &t.items[0] || !str_eq(v->value, str_lit("DKIM1"))))
        return err_set(e, RC_SYNTAX, "v= is not first or not DKIM1");
    p = dkim_tag(&t, "p");
    if (!p)
        return err_set(e, RC_SYNTAX, "p= is missing");
    TRY(key_type(&t, &out->type, e));
    s = dkim_tag(&t, "s");
    out->public_text = p->value;
    out->hashes = dkim_tag_value(&t, "h");
    out->services = s ? s->value : str_lit("*");
    out->testing = dkim_list_has(dkim_tag_value(&t, "t"), str_lit("y"));
    out->strict = dkim_list_has(dkim_tag_value(&t, "t"), str_lit("s"));
    return RC_OK;
}

/* White space in the first does not count. */
static bool same_base64(struct str spaced, struct str plain)
{
    size_t n = 0;

    for (size_t i = 0; i < spaced.n; i++) {
        if (spaced.p[i] == ' ' || spaced.p[i] == '\t')
            continue;
        if (n == plain.n || spaced.p[i] != plain.p[n++])
            return false;
    }
    return n == plain.n;
}

bool dkim_record_holds(struct str record, enum dkim_key_type type, struct str public_text)
{
    struct dkim_record r;

    return dkim_record_parse(record, &r, NULL) == RC_OK && r.type == type && same_base64(r.public_text, public_text);
}

void dkim_key_record(enum dkim_key_type type, struct str public_text, bool testing, struct buf *out)
{
    buf_addf(out, "v=DKIM1; k=%s; ", type == DKIM_RSA ? "rsa" : "ed25519");
    if (testing)
        buf_add(out, str_lit("t=y; "));
    buf_add(out, str_lit("p="));
    buf_add(out, public_text);
}

void dkim_key_zone_line(struct str domain, struct str selector, struct str record, struct buf *out)
{
    enum { PIECE = 255 };

    buf_addf(out, "%.*s._domainkey.%.*s. IN TXT (", STR(selector), STR(domain));
    do {
        buf_addf(out, " \"%.*s\"", STR(str_first(record, PIECE)));
        record = str_from(record, PIECE);
    } while (record.n);
    buf_add(out, str_lit(" )"));
}
