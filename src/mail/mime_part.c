/*
 * One entity: its header section, and the part or parts that readers make of it. See mime.h.
 *
 * Called by mime.c for the message and by mime_scan.c for what stands between boundaries. Owns nothing. Every field that
 * decides how octets are read may stand several times or be cut at several places; the first reading is that of the first
 * field, as most clients take it, the others become alternative parts.
 */
#include "mail/mime_inside.h"

struct values {
    struct str items[MIME_READINGS];
    size_t n;
};

struct section {
    struct str headers, body;
    struct values types, encodings, dispositions;
    struct str content_id;
    struct str early_headers, early_body; /* where another reader lets the body begin */
    bool early, junk, ended;
    uint64_t flaws, once; /* bits of the fields of FIELDS that were there */
};

/* Fields that may stand once in a message (RFC 5322 3.6). */
static const char *const FIELDS[] = {"date", "from",       "sender",      "reply-to",   "to",      "cc",
                                     "bcc",  "message-id", "in-reply-to", "references", "subject", "mime-version"};

static void set(struct section *s, enum mime_flaw f)
{
    s->flaws |= 1ULL << f;
}

static void add_value(struct section *s, struct values *to, struct str v)
{
    v = str_trim(v);
    for (size_t i = 0; i < to->n; i++) {
        if (str_eqi(to->items[i], v)) {
            set(s, MIME_FLAW_DUPLICATE_HEADER);
            return;
        }
    }
    if (to->n)
        set(s, MIME_FLAW_CONFLICTING_HEADERS);
    if (to->n < MIME_READINGS)
        to->items[to->n++] = v;
    else
        set(s, MIME_FLAW_TOO_MANY);
}

static void note(struct section *s, struct str name, struct str value)
{
    if (name.n > 8 && str_startsi(name, str_lit("content-"))) {
        struct values *to = str_eqi(name, str_lit("content-type"))                ? &s->types
                            : str_eqi(name, str_lit("content-transfer-encoding")) ? &s->encodings
                            : str_eqi(name, str_lit("content-disposition"))       ? &s->dispositions
                                                                                  : NULL;

        if (to)
            add_value(s, to, value);
        else if (str_eqi(name, str_lit("content-id")) && !s->content_id.n)
            s->content_id = str_trim(value);
        return;
    }
    for (size_t i = 0; i < sizeof FIELDS / sizeof *FIELDS; i++) {
        if (!str_eqi(name, str_c(FIELDS[i])))
            continue;
        if (s->once & 1ULL << i)
            set(s, MIME_FLAW_DUPLICATE_HEADER);
        s->once |= 1ULL << i;
    }
}

/* A reader for whom a bare CR ends a line, or a NUL the text, sees other fields in this one. */
static void note_pieces(struct section *s, const struct header_field *f)
{
    struct str rest = f->whole;
    struct header_field g;

    for (size_t at = 0; at < rest.n;) {
        const char *cr = memchr(rest.p + at, '\r', rest.n - at);
        struct str one;
        size_t end = cr ? (size_t)(cr - rest.p) : rest.n;

        while (end + 1 < rest.n && rest.p[end + 1] == '\n') { /* a line end as it should be */
            cr = memchr(rest.p + end + 1, '\r', rest.n - end - 1);
            end = cr ? (size_t)(cr - rest.p) : rest.n;
        }
        one = str_of(rest.p + at, (end < rest.n ? end : rest.n) - at);
        if (header_next(&one, &g)) {
            g.value = str_first(g.value, str_find(g.value, '\0'));
            if (at || (str_startsi(g.name, str_lit("content-")) && !str_eq(str_trim(g.value), str_trim(f->value))))
                note(s, g.name, g.value);
        }
        at = end + 1;
    }
}

static bool has_bare_cr(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        const char *cr = memchr(s.p + i, '\r', s.n - i);

        if (!cr)
            return false;
        i = (size_t)(cr - s.p);
        if (i + 1 < s.n && s.p[i + 1] != '\n')
            return true;
    }
    return false;
}

static void early(struct section *s, struct str entity, struct str at, struct str body)
{
    if (s->early)
        return;
    s->early = true;
    s->early_headers = str_first(entity, (size_t)(at.p - entity.p));
    s->early_body = body;
}

/* A fold of nothing but white space: for some the empty line behind the header section. */
static void look_at_folds(struct section *s, struct str entity, const struct header_field *f)
{
    struct str rest = f->whole;

    for (size_t n = mime_line(rest); n < rest.n; n = mime_line(rest)) {
        size_t next;

        rest = str_from(rest, n);
        next = mime_line(rest);
        if (str_trim(str_first(rest, next)).n == 0) {
            early(s, entity, rest, str_from(entity, (size_t)(rest.p - entity.p) + next));
            set(s, MIME_FLAW_BAD_HEADER);
        }
    }
}

static void take_field(struct section *s, struct str entity, const struct header_field *f)
{
    bool cr = has_bare_cr(f->whole), nul = f->whole.n && memchr(f->whole.p, '\0', f->whole.n);

    note(s, f->name, f->value);
    if (mime_line(f->whole) < f->whole.n)
        look_at_folds(s, entity, f);
    if (cr)
        set(s, MIME_FLAW_BARE_CR);
    if (nul)
        set(s, MIME_FLAW_NUL);
    if (cr || nul)
        note_pieces(s, f);
}

static bool is_mbox_line(struct str line)
{
    return str_starts(line, str_lit("From ")) || str_starts(line, str_lit(">From "));
}

/* A line that is no field: passed over, though for some the body begins here. */
static void take_junk(struct section *s, struct str entity, struct str rest, size_t n)
{
    struct str line = str_first(rest, n);

    if (memchr(line.p, '\0', line.n))
        set(s, MIME_FLAW_NUL);
    if (rest.p == entity.p && is_mbox_line(line))
        return; /* every reader passes over it */
    set(s, MIME_FLAW_BAD_HEADER);
    s->junk = true;
    early(s, entity, rest, rest);
}

static void read_section(struct mime *m, struct str entity, struct section *s)
{
    struct str rest = entity;
    struct header_field f;

    while (rest.n && !m->cut) {
        size_t n = mime_line(rest);
        struct str line = str_first(rest, n);

        if (n <= 2 && (line.p[0] == '\n' || (n == 2 && line.p[0] == '\r'))) {
            s->headers = str_first(entity, (size_t)(rest.p - entity.p) + n);
            s->body = str_from(rest, n);
            s->ended = true;
            return;
        }
        if (++m->n_fields > MIME_HEADERS || n > MIME_HEADER_OCTETS || rest.p - entity.p > MIME_HEADER_OCTETS) {
            set(s, MIME_FLAW_TOO_MANY);
            mime_cut(m, m->n_fields > MIME_HEADERS ? str_lit("too many header fields") : str_lit("header section too long"));
        } else if (header_next(&rest, &f)) {
            f.value = str_first(f.value, MIME_HEADER_OCTETS);
            take_field(s, entity, &f);
        } else {
            take_junk(s, entity, rest, n);
            rest = str_from(rest, n);
        }
    }
    s->headers = str_first(entity, (size_t)(rest.p ? rest.p - entity.p : 0));
    s->body = rest;
    if (s->junk && !m->cut) { /* no empty line at all: the body began where the fields ended */
        s->headers = s->early_headers;
        s->body = s->early_body;
        s->early = false;
    }
}

/* --- one reading ---------------------------------------------------------------------------------------------------- */

struct reading {
    struct str headers, body, type, encoding;
    bool has_type;
};

static bool in_digest(const struct mime_part *parent)
{
    return parent && str_eq(parent->type, str_lit("multipart/digest"));
}

/* "text/plain" in lower case; what cannot be read counts as text, unless it names a multipart after all. */
static void set_type(struct mime *m, struct mime_part *p, const struct reading *r, const struct mime_params *type)
{
    size_t slash = str_find(type->main, '/');

    if (!r->has_type) {
        p->type = in_digest(p->parent) ? str_lit("message/rfc822") : str_lit("text/plain");
        return;
    }
    p->type = type->main;
    if (type->bad)
        mime_flaw(m, p, MIME_FLAW_BAD_TYPE);
    if (slash && slash + 1 < type->main.n && str_find(str_from(type->main, slash + 1), '/') + slash + 1 == type->main.n)
        return;
    mime_flaw(m, p, MIME_FLAW_BAD_TYPE);
    p->type = str_starts(type->main, str_lit("multipart")) ? str_lit("multipart/mixed") : str_lit("text/plain");
}

static struct str param(const struct mime_params *ps, struct str name)
{
    for (size_t i = 0; i < ps->n; i++)
        if (str_eq(ps->items[i].name, name))
            return ps->items[i].value;
    return STR_NONE;
}

static bool is_message(struct str type)
{
    return str_eq(type, str_lit("message/rfc822")) || str_eq(type, str_lit("message/global")) ||
           str_eq(type, str_lit("message/news"));
}

/* A container that is encoded, which MIME forbids: read as it lies; when that gives nothing, as it decodes. */
static struct str container(struct mime *m, struct mime_part *p, const struct str *boundaries, size_t n)
{
    enum mime_encoding e = mime_encoding_of(p->encoding);
    struct str delimiter = n ? arena_printf(m->arena, "--%.*s", STR(boundaries[0])) : STR_NONE;

    if (e == MIME_IDENTITY)
        return p->raw;
    mime_flaw(m, p, p->message && e != MIME_UNKNOWN ? MIME_FLAW_BAD_ENCODING : MIME_FLAW_UNKNOWN_ENCODING);
    if (e == MIME_UNKNOWN || (p->multipart && (!mime_spend(m, p->raw.n) ||
                                               (delimiter.n && p->raw.n && str_find_str(p->raw, delimiter) < p->raw.n))))
        return p->raw;
    p->inside = true;
    return mime_body(m, p);
}

static void read_container(struct mime *m, struct mime_part *p, const struct reading *r, const struct mime_params *type)
{
    struct str boundaries[MIME_READINGS], content;
    size_t n = p->multipart ? mime_params_all(m->arena, r->type, type, str_lit("boundary"), boundaries, MIME_READINGS) : 0;

    content = container(m, p, boundaries, n);
    if (p->multipart)
        mime_multipart(m, p, content, boundaries, n);
    else
        mime_entity(m, p, content, p->inside);
}

static void read_leaf(struct mime *m, struct mime_part *p)
{
    bool text = str_starts(p->type, str_lit("text/"));

    if (mime_encoding_of(p->encoding) == MIME_UNKNOWN)
        mime_flaw(m, p, MIME_FLAW_UNKNOWN_ENCODING);
    if (str_eq(p->type, str_lit("message/partial")) || str_eq(p->type, str_lit("message/external-body")))
        mime_flaw(m, p, MIME_FLAW_PARTIAL);
    if (text && p->raw.n && memchr(p->raw.p, '\0', p->raw.n))
        mime_flaw(m, p, MIME_FLAW_NUL);
    if (text && mime_encoding_of(p->encoding) == MIME_IDENTITY)
        mime_uu_find(m, p, p->raw);
}

static struct mime_part *read_one(struct mime *m, struct mime_part *parent, const struct section *s, const struct reading *r,
                                  bool inside)
{
    struct mime_part *p = mime_part_new(m, parent);
    struct mime_params type, disposition;

    if (!p)
        return NULL;
    p->inside |= inside;
    p->flaws = s->flaws;
    m->flaws |= s->flaws;
    p->headers = r->headers;
    p->raw = r->body;
    p->content_id = s->content_id;
    mime_params_read(m->arena, r->type, &type);
    mime_params_read(m->arena, s->dispositions.n ? s->dispositions.items[0] : STR_NONE, &disposition);
    set_type(m, p, r, &type);
    p->encoding = mime_lower(m->arena, r->encoding);
    p->charset = mime_lower(m->arena, param(&type, str_lit("charset")));
    p->disposition = disposition.main;
    p->multipart = str_starts(p->type, str_lit("multipart/"));
    p->message = is_message(p->type);
    mime_name_choose(m, p, &disposition, &type);
    p->attachment = str_eq(p->disposition, str_lit("attachment")) || p->name.n ||
                    (!p->multipart && !str_starts(p->type, str_lit("text/")));
    if (p->multipart || p->message)
        read_container(m, p, r, &type);
    else
        read_leaf(m, p);
    return p;
}

/* An encoding that nobody knows, over what looks like base64: some readers decode it all the same. */
static bool hides_base64(const struct reading *r)
{
    return mime_encoding_of(r->encoding) == MIME_UNKNOWN && mime_looks_base64(r->body);
}

static void other_readings(struct mime *m, struct mime_part *parent, const struct section *s, struct reading first,
                           bool inside)
{
    size_t types = s->types.n ? s->types.n : 1, encodings = s->encodings.n ? s->encodings.n : 1, made = 1;
    struct reading r;

    for (size_t t = 0; t < types; t++) {
        for (size_t e = 0; e < encodings; e++) {
            if ((t || e) && made++ < MIME_READINGS) {
                r = first;
                r.type = s->types.n ? s->types.items[t] : r.type;
                r.encoding = s->encodings.n ? s->encodings.items[e] : r.encoding;
                read_one(m, parent, s, &r, inside);
            }
        }
    }
    if (hides_base64(&first)) {
        r = first;
        r.encoding = str_lit("base64");
        read_one(m, parent, s, &r, inside);
    }
}

/* The header section ends at an earlier place for some: only what stands before it counts for them. */
static void early_reading(struct mime *m, struct mime_part *parent, const struct section *s, bool inside)
{
    struct section sub = {0};
    struct reading r = {0};

    read_section(m, s->early_headers, &sub);
    sub.flaws |= 1ULL << MIME_FLAW_EARLY_BODY;
    r = (struct reading){.headers = s->early_headers, .body = s->early_body};
    r.has_type = sub.types.n > 0;
    r.type = sub.types.n ? sub.types.items[0] : STR_NONE;
    r.encoding = sub.encodings.n ? sub.encodings.items[0] : STR_NONE;
    read_one(m, parent, &sub, &r, inside);
}

void mime_entity(struct mime *m, struct mime_part *parent, struct str octets, bool inside)
{
    struct section s = {0};
    struct reading r;

    read_section(m, octets, &s);
    r = (struct reading){.headers = s.headers, .body = s.body, .has_type = s.types.n > 0};
    r.type = s.types.n ? s.types.items[0] : STR_NONE;
    r.encoding = s.encodings.n ? s.encodings.items[0] : STR_NONE;
    if (!read_one(m, parent, &s, &r, inside))
        return;
    if (m->reading >= MIME_READINGS || m->cut)
        return;
    m->reading++;
    other_readings(m, parent, &s, r, inside);
    if (s.early && (s.types.n || s.encodings.n || s.dispositions.n)) /* else it is the same text */
        early_reading(m, parent, &s, inside);
    m->reading--;
}
