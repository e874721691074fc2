/*
 * The tags of a DKIM-Signature (RFC 6376 3.5, 6.1.1), an ARC-Message-Signature and an ARC-Seal (RFC 8617 4.1). See
 * dkim_inside.h.
 *
 * Called by dkim_verify and arc_read. Memory is the arena's. One row a tag: which fields must or may have it, and who reads
 * it. What is malformed is `neutral`, what asks for what we do not do `permerror`, what is against a rule of ours `policy`
 * (RFC 8601 2.7.1).
 */
#include "mail/dkim_inside.h"

#include "mail/address.h"

struct reading {
    struct arena *a;
    const struct dkim_options *o;
    struct dkim_signature *s;
    struct dkim_tags tags;
    bool no_memory;
};

void dkim_settle(struct dkim_signature *s, enum auth_result result, struct str reason)
{
    if (!s->open)
        return;
    s->open = false;
    s->result.result = result;
    s->result.reason = reason;
}

static void refuse(struct reading *r, const char *reason)
{
    dkim_settle(r->s, AUTH_NEUTRAL, str_c(reason));
}

static struct str text(struct reading *r, struct str value)
{
    struct str out = dkim_unspaced(r->a, value);

    r->no_memory |= value.n && !out.p;
    return out;
}

/* ---- one function a tag -------------------------------------------------------------------------------------------- */

static void read_version(struct reading *r, struct str value)
{
    if (r->s->kind == DKIM_KIND_SIGNATURE && !str_eq(value, str_lit("1")))
        refuse(r, "version is not 1");
}

static void read_algorithm(struct reading *r, struct str value)
{
    static const struct {
        const char *name;
        enum dkim_algorithm algorithm;
    } known[] = {{"rsa-sha256", DKIM_RSA_SHA256}, {"ed25519-sha256", DKIM_ED25519_SHA256}, {"rsa-sha1", DKIM_RSA_SHA1}};

    r->s->result.algorithm = value;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (!str_eqi(value, str_c(known[i].name)))
            continue;
        r->s->algorithm = known[i].algorithm;
        return;
    }
    dkim_settle(r->s, AUTH_PERMERROR, str_lit("algorithm is not known"));
}

static void decode(struct reading *r, struct str value, struct str *out, const char *why)
{
    enum rc rc = dkim_base64_decode(r->a, value, out);

    if (rc == RC_NO_MEMORY)
        r->no_memory = true;
    else if (rc != RC_OK || !out->n)
        refuse(r, why);
}

static void read_b(struct reading *r, struct str value)
{
    enum { SHOWN = 8 }; /* RFC 6008 */

    r->s->result.b = str_first(text(r, value), SHOWN);
    decode(r, value, &r->s->b, "b= is no base64");
}

static void read_bh(struct reading *r, struct str value)
{
    decode(r, value, &r->s->bh, "bh= is no base64");
}

static bool canon_of(struct str word, enum dkim_canon *out)
{
    *out = str_eqi(word, str_lit("relaxed")) ? DKIM_RELAXED : DKIM_SIMPLE;
    return *out == DKIM_RELAXED || str_eqi(word, str_lit("simple"));
}

static void read_canon(struct reading *r, struct str value)
{
    size_t slash = str_find(value, '/');

    r->s->body = DKIM_SIMPLE;
    if (!canon_of(str_first(value, slash), &r->s->header) ||
        (slash < value.n && !canon_of(str_from(value, slash + 1), &r->s->body)))
        dkim_settle(r->s, AUTH_PERMERROR, str_lit("canonicalization is not known"));
}

static void read_domain(struct reading *r, struct str value)
{
    r->s->domain = r->s->result.domain = value;
    if (!address_is_domain(value, true) || str_find(value, '.') == value.n)
        refuse(r, "d= is no domain");
    else if (!address_is_domain(value, false))
        refuse(r, "d= is not written in A-labels");
}

static void read_selector(struct reading *r, struct str value)
{
    r->s->selector = r->s->result.selector = value;
    if (!address_is_domain(value, false))
        refuse(r, "s= is no selector");
}

/* h= (RFC 6376 3.5): field names, From among them. */
static void read_fields(struct reading *r, struct str value)
{
    struct str rest = value, item;
    bool from = false, seal = false;

    r->s->h = value;
    while (dkim_list_next(&rest, &item)) {
        for (size_t i = 0; i < item.n; i++)
            if ((unsigned char)item.p[i] <= ' ' || (unsigned char)item.p[i] >= 0x7f)
                item.n = 0;
        if (!item.n) {
            refuse(r, "h= is no list of field names");
            return;
        }
        from |= str_eqi(item, str_lit("From"));
        seal |= str_eqi(item, str_lit("ARC-Seal"));
    }
    if (!from)
        dkim_settle(r->s, AUTH_PERMERROR, str_lit("From is not signed"));
    else if (seal && r->s->kind == DKIM_KIND_AMS)
        refuse(r, "h= names ARC-Seal");
}

static void read_query(struct reading *r, struct str value)
{
    if (!dkim_list_has(value, str_lit("dns/txt")))
        dkim_settle(r->s, AUTH_PERMERROR, str_lit("no known way to ask for the key"));
}

static bool number(struct str value, size_t digits, uint64_t *out)
{
    if (!value.n || value.n > digits)
        return false;
    for (size_t i = 0; i < value.n; i++)
        if (!ascii_digit(value.p[i]))
            return false;
    if (!str_u64(value, out))
        *out = UINT64_MAX; /* more octets than any message has */
    return true;
}

static void read_length(struct reading *r, struct str value)
{
    r->s->has_length = true;
    if (!number(value, 76, &r->s->length))
        refuse(r, "l= is no number");
}

static void read_time(struct reading *r, struct str value)
{
    r->s->has_time = true;
    if (!number(value, 12, &r->s->time))
        refuse(r, "t= is no time");
}

static void read_expiry(struct reading *r, struct str value)
{
    r->s->has_expiry = true;
    if (!number(value, 12, &r->s->expiry))
        refuse(r, "x= is no time");
}

static int hex(char c)
{
    return ascii_digit(c) ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* DKIM quoted-printable (RFC 6376 2.11): white space means nothing, =XX is an octet. */
static struct str unquote(struct reading *r, struct str value)
{
    struct str in = text(r, value);
    char *to = arena_alloc(r->a, in.n + 1);
    size_t n = 0;

    r->no_memory |= !to;
    for (size_t i = 0; to && i < in.n; i++) {
        if (in.p[i] == '=' && i + 2 < in.n && hex(in.p[i + 1]) >= 0 && hex(in.p[i + 2]) >= 0) {
            to[n++] = (char)(hex(in.p[i + 1]) << 4 | hex(in.p[i + 2]));
            i += 2;
        } else {
            to[n++] = in.p[i];
        }
    }
    return str_of(to, n);
}

static void read_identity(struct reading *r, struct str value)
{
    struct dkim_signature *s = r->s;
    size_t at;

    if (s->kind != DKIM_KIND_SIGNATURE) {
        if (!number(value, 2, &s->instance) || s->instance < 1 || s->instance > ARC_SETS_MOST)
            refuse(r, "i= is no instance");
        return;
    }
    s->identity = s->result.identity = unquote(r, value);
    at = str_find_last(s->identity, '@');
    s->identity_domain = str_from(s->identity, at + 1);
    if (at == s->identity.n || !s->identity_domain.n)
        refuse(r, "i= is no identity");
}

static void read_status(struct reading *r, struct str value)
{
    r->s->cv = value;
    if (!str_eq(value, str_lit("none")) && !str_eq(value, str_lit("pass")) && !str_eq(value, str_lit("fail")))
        refuse(r, "cv= is not known");
}

/* A seal names no fields; one that does is no seal (RFC 8617 4.1.3). */
static void read_never(struct reading *r, struct str value)
{
    (void)value;
    refuse(r, "ARC-Seal with h=");
}

/* ---- all tags ------------------------------------------------------------------------------------------------------ */

enum { S = 1 << DKIM_KIND_SIGNATURE, M = 1 << DKIM_KIND_AMS, A = 1 << DKIM_KIND_SEAL };

static const struct row {
    const char *tag;
    unsigned needed, known; /* kinds */
    const char *missing;
    void (*read)(struct reading *r, struct str value);
} rows[] = {
    {"v", S, S, "v= is missing", read_version},
    {"d", S | M | A, S | M | A, "d= is missing", read_domain},
    {"s", S | M | A, S | M | A, "s= is missing", read_selector},
    {"i", M | A, S | M | A, "i= is missing", read_identity},
    {"a", S | M | A, S | M | A, "a= is missing", read_algorithm},
    {"b", S | M | A, S | M | A, "b= is missing", read_b},
    {"bh", S | M, S | M, "bh= is missing", read_bh},
    {"h", S | M, S | M, "h= is missing", read_fields},
    {"h", 0, A, NULL, read_never},
    {"c", 0, S | M, NULL, read_canon},
    {"q", 0, S | M, NULL, read_query},
    {"l", 0, S | M, NULL, read_length},
    {"t", 0, S | M | A, NULL, read_time},
    {"x", 0, S | M, NULL, read_expiry},
    {"cv", A, A, "cv= is missing", read_status},
};

static void read_row(struct reading *r, const struct row *row)
{
    unsigned kind = 1U << r->s->kind;
    const struct dkim_tag *t;

    if (!(row->known & kind))
        return;
    t = dkim_tag(&r->tags, row->tag);
    if (t && str_eq(t->name, str_lit("b")))
        r->s->b_place = t->place;
    if (t)
        row->read(r, t->value);
    else if (row->needed & kind)
        refuse(r, row->missing);
}

static bool is_below(struct str domain, struct str parent)
{
    return str_eqi(domain, parent) ||
           (domain.n > parent.n + 1 && str_endsi(domain, parent) && domain.p[domain.n - parent.n - 1] == '.');
}

/* What tags say together. */
static void compare(struct reading *r)
{
    struct dkim_signature *s = r->s;
    const struct dkim_options *o = r->o;

    if (s->kind == DKIM_KIND_SIGNATURE && s->identity.p && !is_below(s->identity_domain, s->domain))
        refuse(r, "i= is not below d=");
    if (s->has_time && s->has_expiry && s->expiry <= s->time)
        refuse(r, "x= is not after t=");
    if (s->has_time && s->time > o->now_s + o->skew_s)
        dkim_settle(s, AUTH_FAIL, str_lit("signature comes from the future"));
    if (s->has_expiry && s->expiry + o->skew_s < o->now_s)
        dkim_settle(s, AUTH_FAIL, str_lit("signature expired"));
    if (s->algorithm == DKIM_RSA_SHA1)
        dkim_settle(s, AUTH_POLICY, str_lit("rsa-sha1 is no longer taken"));
    if (s->kind != DKIM_KIND_SEAL && s->bh.n != DKIM_HASH)
        refuse(r, "bh= has the wrong length");
}

enum rc dkim_signature_read(struct arena *a, enum dkim_kind kind, const struct header_field *field,
                            const struct dkim_options *o, struct dkim_signature *s)
{
    enum dkim_canon canon = kind == DKIM_KIND_SEAL ? DKIM_RELAXED : DKIM_SIMPLE;
    struct reading r = {.a = a, .o = o, .s = s};
    struct err e = ERR_NONE;

    *s = (struct dkim_signature){.kind = kind, .field = field, .open = true, .header = canon, .body = canon};
    if (dkim_tags_parse(field->value, &r.tags, &e) != RC_OK) {
        refuse(&r, "its list of tags is malformed");
        return RC_OK;
    }
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        read_row(&r, &rows[i]);
    if (!s->identity.p && kind == DKIM_KIND_SIGNATURE)
        s->result.identity = arena_printf(a, "@%.*s", STR(str_first(s->domain, 255)));
    compare(&r);
    s->name = arena_printf(a, "%.*s._domainkey.%.*s", STR(str_first(s->selector, 255)), STR(str_first(s->domain, 255)));
    if (!s->name.p || r.no_memory)
        return RC_NO_MEMORY;
    if (s->name.n > 253)
        refuse(&r, "the name of its key is too long");
    return RC_OK;
}
