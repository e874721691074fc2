/*
 * Conversion of 8-bit messages for next hops without 8BITMIME. See downgrade.h.
 *
 * Called by deliver through the SMTP client. Pure: views of the message in, octets out. The structure is walked once, an
 * entity at a time; an entity without 8-bit octets is copied as it is, so most of a message is never looked into.
 */
#include "mail/downgrade.h"

#include "mail/header.h"
#include "mail/mime_type.h"
#include "mail/transfer.h"

enum { DEPTH_MAX = 8, PARTS_MAX = 1000, LINE_MAX_OCTETS = 998 };

struct walk {
    struct buf *out;
    unsigned parts;
};

struct entity {
    struct str header, body; /* body without the empty line before it */
    struct header_field type, encoding;
    unsigned n_type, n_encoding, n_version;
    enum label { LABEL_NONE, LABEL_7BIT, LABEL_8BIT, LABEL_BINARY, LABEL_ENCODED } label;
    struct mime_type mime;
};

static bool is_7bit(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] > 127)
            return false;
    return true;
}

/* CR and LF only as a pair, and no NUL: else lines are not the same to everybody. */
static bool has_clean_lines(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '\0' || (s.p[i] == '\n' && (i == 0 || s.p[i - 1] != '\r')) ||
            (s.p[i] == '\r' && (i + 1 == s.n || s.p[i + 1] != '\n')))
            return false;
    return true;
}

static bool has_long_line(struct str s)
{
    struct str line;

    while (str_split(&s, '\n', &line))
        if (line.n > LINE_MAX_OCTETS + 1)
            return true;
    return false;
}

/* ---- header ----------------------------------------------------------------------------------------------------- */

static bool label_read(struct entity *e)
{
    static const struct {
        struct str word;
        enum label label;
    } LABELS[] = {
        {{"7bit", 4}, LABEL_7BIT},      {{"8bit", 4}, LABEL_8BIT},
        {{"binary", 6}, LABEL_BINARY},  {{"quoted-printable", 16}, LABEL_ENCODED},
        {{"base64", 6}, LABEL_ENCODED},
    };
    struct str value = str_trim(e->encoding.value);

    e->label = LABEL_NONE;
    if (!e->n_encoding)
        return true;
    for (size_t i = 0; i < sizeof LABELS / sizeof *LABELS; i++)
        if (str_eqi(value, LABELS[i].word)) {
            e->label = LABELS[i].label;
            return true;
        }
    return false;
}

/* The header section as MIME sees it; false when it says something twice, or nothing clear. */
static bool entity_read(struct str octets, struct entity *e)
{
    struct str rest = octets;
    struct header_field f;

    *e = (struct entity){0};
    while (header_next(&rest, &f)) {
        if (str_eqi(f.name, str_lit("Content-Type"))) {
            e->type = f;
            e->n_type++;
        } else if (str_eqi(f.name, str_lit("Content-Transfer-Encoding"))) {
            e->encoding = f;
            e->n_encoding++;
        } else if (str_eqi(f.name, str_lit("MIME-Version"))) {
            e->n_version++;
        }
    }
    e->header = str_first(octets, octets.n - rest.n);
    if (!str_starts(rest, str_lit("\r\n")) || !is_7bit(e->header) || e->n_type > 1 || e->n_encoding > 1 || e->n_version > 1)
        return false;
    e->body = str_from(rest, 2);
    return label_read(e) && (!e->n_type || mime_type_read(e->type.value, &e->mime));
}

/* The header section with another transfer encoding, and what a reader needs to honour it. */
static void header_put(struct walk *w, const struct entity *e, const char *encoding, bool top)
{
    struct str rest = e->header;
    struct header_field f;

    while (header_next(&rest, &f))
        if (!encoding || !str_eqi(f.name, str_lit("Content-Transfer-Encoding")))
            buf_add(w->out, f.whole);
    if (top && !e->n_version)
        buf_add(w->out, str_lit("MIME-Version: 1.0\r\n"));
    if (!e->n_type)
        buf_add(w->out, str_lit("Content-Type: text/plain; charset=unknown-8bit\r\n"));
    if (encoding) {
        buf_add(w->out, str_lit("Content-Transfer-Encoding: "));
        buf_add(w->out, str_c(encoding));
        buf_add(w->out, str_lit("\r\n"));
    }
    buf_add(w->out, str_lit("\r\n"));
}

/* ---- parts ------------------------------------------------------------------------------------------------------ */

static bool entity_put(struct walk *w, struct str octets, unsigned depth, bool in_digest);

enum delimiter { DELIMITER_NOT, DELIMITER_NEXT, DELIMITER_LAST, DELIMITER_UNCLEAR };

/* Is this line (with its line end) "--boundary" or "--boundary--"? One that only begins so is read in different ways. */
static enum delimiter delimiter_of(struct str line, struct str boundary)
{
    enum delimiter found = DELIMITER_NEXT;
    struct str rest;

    if (!str_starts(line, str_lit("--")) || !str_starts(str_from(line, 2), boundary))
        return DELIMITER_NOT;
    rest = str_from(line, 2 + boundary.n);
    if (str_starts(rest, str_lit("--"))) {
        found = DELIMITER_LAST;
        rest = str_from(rest, 2);
    }
    return str_trim(rest).n == 0 ? found : DELIMITER_UNCLEAR;
}

static size_t line_end(struct str s, size_t at)
{
    const char *lf = memchr(s.p + at, '\n', s.n - at);

    return lf ? (size_t)(lf - s.p) + 1 : s.n;
}

/* A part between two delimiters; the CRLF at its end belongs to the delimiter behind. */
static bool part_put(struct walk *w, struct str part, unsigned depth, bool in_digest)
{
    if (part.n < 2 || ++w->parts > PARTS_MAX)
        return false;
    if (!entity_put(w, str_first(part, part.n - 2), depth + 1, in_digest))
        return false;
    buf_add(w->out, str_lit("\r\n"));
    return true;
}

/* What lies before the first and behind the last part: it has no transfer encoding. */
static bool plain_put(struct walk *w, struct str octets)
{
    buf_add(w->out, octets);
    return is_7bit(octets);
}

static bool multipart_put(struct walk *w, const struct entity *e, unsigned depth)
{
    bool digest = str_eqi(e->mime.subtype, str_lit("digest")), last = false;
    struct str body = e->body;
    size_t from = 0, next; /* from: start of the part at hand, 0 before the first */

    header_put(w, e, e->label == LABEL_8BIT || e->label == LABEL_BINARY ? "7bit" : NULL, depth == 0);
    for (size_t at = 0; at < body.n; at = next) {
        enum delimiter found;

        next = line_end(body, at);
        found = delimiter_of(str_of(body.p + at, next - at), e->mime.boundary);
        if (found == DELIMITER_NOT)
            continue;
        if (found == DELIMITER_UNCLEAR || last)
            return false;
        if (from ? !part_put(w, str_of(body.p + from, at - from), depth, digest) : !plain_put(w, str_first(body, at)))
            return false;
        buf_add(w->out, str_of(body.p + at, next - at));
        last = found == DELIMITER_LAST;
        if (last && !from)
            return false;
        from = next;
    }
    return last && plain_put(w, str_from(body, from));
}

/* ---- leaves ----------------------------------------------------------------------------------------------------- */

static bool leaf_put(struct walk *w, const struct entity *e, bool top)
{
    bool text = !e->n_type || str_eqi(e->mime.type, str_lit("text"));

    if (e->label == LABEL_ENCODED)
        return false;
    if (text && e->label != LABEL_BINARY && !has_long_line(e->body)) {
        header_put(w, e, "quoted-printable", top);
        transfer_quoted_printable(e->body, w->out);
    } else {
        header_put(w, e, "base64", top);
        transfer_base64(e->body, w->out);
    }
    return true;
}

static bool entity_put(struct walk *w, struct str octets, unsigned depth, bool in_digest)
{
    struct entity e;

    if (is_7bit(octets)) {
        buf_add(w->out, octets);
        return true;
    }
    if (depth > DEPTH_MAX || !entity_read(octets, &e) || (in_digest && !e.n_type))
        return false;
    if (str_eqi(e.mime.type, str_lit("message")) || str_eqi(e.mime.subtype, str_lit("signed")) ||
        str_eqi(e.mime.subtype, str_lit("encrypted")))
        return false;
    if (str_eqi(e.mime.type, str_lit("multipart")))
        return e.mime.boundary.n && e.label != LABEL_ENCODED && multipart_put(w, &e, depth);
    return leaf_put(w, &e, depth == 0);
}

enum rc downgrade_message(struct str message, struct buf *out)
{
    struct walk w = {.out = out};

    if (!has_clean_lines(message) || !entity_put(&w, message, 0, false))
        return RC_NOT_FOUND;
    return out->failed ? RC_NO_MEMORY : RC_OK;
}
