/*
 * Writing a signature field (RFC 6376 3.5, 5.4). See dkim.h.
 *
 * Called by deliver and by arc_seal. Memory is the stream's arena. The field is hashed as it is written, folds included, so
 * either canonical form of the header fits.
 */
#include "mail/dkim_inside.h"

#include "mail/address.h"

enum { LINE = 76, FIELDS_MOST = 500 };

#define NAME(text) \
    { \
        text, sizeof text - 1 \
    }
static const struct str usual[] = {NAME("From"),
                                   NAME("Sender"),
                                   NAME("Reply-To"),
                                   NAME("Subject"),
                                   NAME("Date"),
                                   NAME("Message-ID"),
                                   NAME("To"),
                                   NAME("Cc"),
                                   NAME("MIME-Version"),
                                   NAME("Content-Type"),
                                   NAME("Content-Transfer-Encoding"),
                                   NAME("Content-ID"),
                                   NAME("Content-Description"),
                                   NAME("Resent-Date"),
                                   NAME("Resent-From"),
                                   NAME("Resent-Sender"),
                                   NAME("Resent-To"),
                                   NAME("Resent-Cc"),
                                   NAME("Resent-Message-ID"),
                                   NAME("In-Reply-To"),
                                   NAME("References"),
                                   NAME("List-Id"),
                                   NAME("List-Help"),
                                   NAME("List-Unsubscribe"),
                                   NAME("List-Unsubscribe-Post"),
                                   NAME("List-Subscribe"),
                                   NAME("List-Post"),
                                   NAME("List-Owner"),
                                   NAME("List-Archive")};
#undef NAME
/* Of these none may be added behind our back: what a reader sees, and how he sees it. */
static const char *const guarded[] = {"From", "Reply-To", "Subject",      "Date",         "Message-ID",
                                      "To",   "Cc",       "MIME-Version", "Content-Type", "Content-Transfer-Encoding"};
/* Of these some change on the way, or are put in front by it. */
static const char *const passing[] = {"Return-Path",
                                      "Received",
                                      "Authentication-Results",
                                      "DKIM-Signature",
                                      "DomainKey-Signature",
                                      "ARC-Seal",
                                      "ARC-Message-Signature",
                                      "ARC-Authentication-Results",
                                      "Bcc",
                                      "Resent-Bcc",
                                      "Comments",
                                      "Keywords"};

struct strs dkim_usual_fields(void)
{
    return (struct strs){usual, sizeof usual / sizeof *usual};
}

static bool is_among(const char *const *words, size_t n, struct str name)
{
    for (size_t i = 0; i < n; i++)
        if (str_eqi(name, str_c(words[i])))
            return true;
    return false;
}

/* ---- writing -------------------------------------------------------------------------------------------------------- */

void dkim_write_begin(struct dkim_writer *w, struct buf *out, const char *field)
{
    *w = (struct dkim_writer){.out = out, .from = out->n};
    buf_addf(out, "%s:", field);
    w->column = out->n - w->from;
}

/* Text that must stay on one line, a space or a fold in front of it (none when `glued` and it fits). */
static void put(struct dkim_writer *w, struct str s, bool glued)
{
    if (w->column + s.n + !glued > LINE) {
        buf_add(w->out, str_lit("\r\n\t"));
        w->column = 8;
    } else if (!glued) {
        buf_addc(w->out, ' ');
        w->column++;
    }
    buf_add(w->out, s);
    w->column += s.n;
}

void dkim_write_tag(struct dkim_writer *w, const char *name, struct str value)
{
    struct buf tag = BUF(4096);

    buf_addf(&tag, "%s=%.*s;", name, STR(value));
    put(w, buf_str(&tag), false);
    w->out->failed |= tag.failed;
    buf_done(&tag);
}

static void write_number(struct dkim_writer *w, const char *name, uint64_t value)
{
    struct buf digits = BUF(32);

    buf_add_u64(&digits, value);
    dkim_write_tag(w, name, buf_str(&digits));
    buf_done(&digits);
}

/* Text that may be broken anywhere, right behind what is there. */
static void put_broken(struct dkim_writer *w, struct str rest)
{
    while (rest.n) {
        size_t n = w->column < LINE ? LINE - w->column : LINE - 8;

        put(w, str_first(rest, n), true);
        rest = str_from(rest, n);
    }
}

void dkim_write_base64(struct dkim_writer *w, struct str octets, bool last)
{
    struct buf text = BUF(4096);

    dkim_base64_encode(octets, &text);
    if (!last)
        buf_addc(&text, ';');
    put_broken(w, buf_str(&text));
    w->out->failed |= text.failed;
    buf_done(&text);
}

void dkim_write_name(struct dkim_writer *w, const char *name)
{
    char text[8];
    size_t n = strlen(name);

    if (n + 1 > sizeof text)
        return;
    memcpy(text, name, n);
    text[n] = '=';
    put(w, str_of(text, n + 1), false);
}

void dkim_write_list(struct dkim_writer *w, const char *name, const struct str *items, size_t n)
{
    struct buf word = BUF(4096);

    for (size_t i = 0; i < n; i++) {
        buf_clear(&word);
        if (i == 0)
            buf_addf(&word, "%s=", name);
        buf_add(&word, items[i]);
        buf_addc(&word, i + 1 < n ? ':' : ';');
        put(w, buf_str(&word), i > 0);
        w->out->failed |= word.failed;
    }
    buf_done(&word);
}

/* ---- which fields ---------------------------------------------------------------------------------------------------- */

struct chosen {
    struct str *items;
    size_t n;
    bool full;
};

static void choose(struct chosen *c, struct str name)
{
    if (c->n == FIELDS_MOST)
        c->full = true;
    else
        c->items[c->n++] = name;
}

static bool is_chosen(const struct chosen *c, struct str name)
{
    for (size_t i = 0; i < c->n; i++)
        if (str_eqi(c->items[i], name))
            return true;
    return false;
}

/* The name as often as it stands in the message, and once more to guard it. */
static void choose_all(struct chosen *c, struct dkim_fields *f, struct str name, bool oversign)
{
    if (is_chosen(c, name))
        return;
    dkim_fields_restart(f);
    while (!c->full && dkim_fields_take(f, name))
        choose(c, name);
    if (oversign && is_among(guarded, sizeof guarded / sizeof *guarded, name))
        choose(c, name);
}

static enum rc choose_fields(struct dkim_stream *s, const struct dkim_profile *p, struct chosen *c, struct err *e)
{
    struct strs names = p->fields.n ? p->fields : dkim_usual_fields();

    c->items = arena_array(s->a, struct str, FIELDS_MOST);
    if (!c->items)
        return err_set(e, RC_NO_MEMORY, "signing");
    dkim_fields_restart(&s->fields);
    if (!dkim_fields_take(&s->fields, str_lit("From")))
        return err_set(e, RC_INVALID, "the message has no From field");
    choose_all(c, &s->fields, str_lit("From"), p->oversign);
    for (size_t i = 0; i < names.n; i++)
        choose_all(c, &s->fields, str_trim(names.items[i]), p->oversign);
    for (size_t i = 0; p->every_field && i < s->fields.n && !c->full; i++)
        if (!is_among(passing, sizeof passing / sizeof *passing, s->fields.items[i].name))
            choose_all(c, &s->fields, s->fields.items[i].name, p->oversign);
    for (size_t i = 0; i < c->n; i++)
        c->items[i] = address_lower(s->a, c->items[i]);
    return c->full ? err_set(e, RC_INVALID, "more than %d fields to sign", FIELDS_MOST) : RC_OK;
}

/* ---- the field ---------------------------------------------------------------------------------------------------------
 */

const char *dkim_algorithm_word(const struct dkim_key *k)
{
    return k->type == DKIM_RSA ? "rsa-sha256" : "ed25519-sha256";
}

static void write_identity(struct dkim_writer *w, struct str identity)
{
    struct buf text = BUF(2048);

    for (size_t i = 0; i < identity.n; i++) {
        unsigned char c = (unsigned char)identity.p[i];

        if (c <= 0x20 || c >= 0x7f || c == ';' || c == '=')
            buf_addf(&text, "=%02X", (unsigned)c);
        else
            buf_addc(&text, (char)c);
    }
    dkim_write_tag(w, "i", buf_str(&text));
    w->out->failed |= text.failed;
    buf_done(&text);
}

/* Everything in front of h=, bh= and b=. */
static void write_tags(struct dkim_writer *w, const struct dkim_stream *s, const struct dkim_profile *p, uint64_t instance,
                       uint64_t now_s)
{
    static const char *const forms[DKIM_CANONS][DKIM_CANONS] = {{"simple/simple", "simple/relaxed"},
                                                                {"relaxed/simple", "relaxed/relaxed"}};

    if (instance)
        write_number(w, "i", instance);
    else
        dkim_write_tag(w, "v", str_lit("1"));
    dkim_write_tag(w, "a", str_c(dkim_algorithm_word(p->key)));
    dkim_write_tag(w, "c", str_c(forms[p->header][p->body]));
    dkim_write_tag(w, "d", p->domain);
    dkim_write_tag(w, "s", p->selector);
    if (!instance && p->identity.n)
        write_identity(w, p->identity);
    if (p->query)
        dkim_write_tag(w, "q", str_lit("dns/txt"));
    if (p->body_length)
        write_number(w, "l", dkim_body_bytes(&s->body, p->body));
    if (p->timestamp)
        write_number(w, "t", now_s);
    if (p->expires_s)
        write_number(w, "x", now_s + p->expires_s);
}

/* b= of the field that has just been written up to it: nothing in front of it changes any more. */
static enum rc write_b(struct dkim_writer *w, struct dkim_stream *s, const struct dkim_profile *p, struct str h,
                       struct err *e)
{
    struct header_field field = {0};
    struct dkim_signature made = {.h = h, .header = p->header, .field = &field};
    unsigned char hash[DKIM_HASH];

    dkim_write_name(w, "b");
    if (w->out->failed)
        return err_set(e, RC_NO_MEMORY, "signature field");
    field.whole = str_from(buf_str(w->out), w->from);
    made.b_place = str_of(field.whole.p + field.whole.n, 0);
    if (!dkim_header_hash(s->d, &s->fields, &made, hash))
        return err_set(e, RC_NO_MEMORY, "signing");
    return dkim_write_b(w, s, p->key, hash, e);
}

enum rc dkim_write_b(struct dkim_writer *w, struct dkim_stream *s, const struct dkim_key *key, const unsigned char *hash,
                     struct err *e)
{
    struct str b;

    TRY(dkim_private_sign(s->d, key, hash, s->a, &b, e));
    dkim_write_base64(w, b, true);
    buf_add(w->out, str_lit("\r\n"));
    return w->out->failed ? err_set(e, RC_NO_MEMORY, "signature field") : RC_OK;
}

enum rc dkim_write_signature(struct dkim_stream *s, const struct dkim_profile *p, uint64_t instance, uint64_t now_s,
                             struct buf *out, struct err *e)
{
    struct chosen c = {0};
    struct dkim_writer w;
    struct buf h = BUF(1 << 20);
    enum rc rc;

    if (p->key->type == DKIM_RSA && p->key->bits < DKIM_BITS_LEAST)
        return err_set(e, RC_INVALID, "a key of %u bits is too short to sign", p->key->bits);
    if (s->hashes[p->body] == SIZE_MAX)
        return err_set(e, RC_INTERNAL, "the body was not hashed in this form");
    TRY(choose_fields(s, p, &c, e));
    dkim_write_begin(&w, out, instance ? "ARC-Message-Signature" : "DKIM-Signature");
    write_tags(&w, s, p, instance, now_s);
    dkim_write_list(&w, "h", c.items, c.n);
    dkim_write_name(&w, "bh");
    dkim_write_base64(&w, str_of(s->body.items[s->hashes[p->body]].value, DKIM_HASH), false);
    for (size_t i = 0; i < c.n; i++)
        buf_addf(&h, "%s%.*s", i ? ":" : "", STR(c.items[i]));
    rc = h.failed ? err_set(e, RC_NO_MEMORY, "signing") : write_b(&w, s, p, buf_str(&h), e);
    buf_done(&h);
    return rc;
}

enum rc dkim_sign(struct dkim_stream *s, const struct dkim_profile *p, uint64_t now_s, struct buf *out, struct err *e)
{
    return dkim_write_signature(s, p, 0, now_s, out, e);
}
