/*
 * Texts of parts: their character sets and transfer encodings, written. See part.h.
 *
 * Called by actions and part.c. Owns nothing beyond the message's arena. Where the new text does not fit what a part says
 * about itself its fields change with it: no text is lost for want of an encoding.
 */
#include "policy/part_inside.h"

#include "mail/transfer.h"

enum { TEXT_MAX = 64 << 20, LINE_MOST = 998 };

bool part_is_ascii(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] >= 0x80 || !s.p[i])
            return false;
    return true;
}

static struct str taken(struct arena *a, struct buf *b)
{
    struct str s = b->failed ? STR_NONE : arena_str(a, buf_str(b));

    buf_done(b);
    return s;
}

static struct str spliced(struct arena *a, struct str text, size_t at, struct str more)
{
    struct buf b = BUF(TEXT_MAX);

    buf_add(&b, str_first(text, at));
    buf_add(&b, more);
    buf_add(&b, str_from(text, at));
    return taken(a, &b);
}

struct str part_joined(struct arena *a, struct str one, struct str two)
{
    return spliced(a, one, SIZE_MAX, two);
}

struct str part_lines(struct arena *a, struct str text)
{
    struct buf b = BUF(TEXT_MAX);

    while (text.n && (text.p[text.n - 1] == '\n' || text.p[text.n - 1] == '\r'))
        text.n--;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '\r' && (i + 1 == text.n || text.p[i + 1] == '\n'))
            continue;
        if (text.p[i] == '\n' || text.p[i] == '\r')
            buf_add(&b, str_lit("\r\n"));
        else
            buf_addc(&b, text.p[i]);
    }
    return taken(a, &b);
}

struct str part_quoted(struct arena *a, struct str text)
{
    struct buf b = BUF(TEXT_MAX);

    transfer_quoted_printable(part_lines(a, text), &b);
    return taken(a, &b);
}

struct str part_text_entity(struct arena *a, struct str text)
{
    return part_joined(a,
                       str_lit("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n"
                               "Content-Disposition: inline\r\n\r\n"),
                       part_quoted(a, text));
}

/* --- character sets
 * ---------------------------------------------------------------------------------------------------------
 */

static bool is_one_of(struct str s, const char *const *names)
{
    for (; *names; names++)
        if (str_eqi(s, str_c(*names)))
            return true;
    return false;
}

static bool is_utf8(struct str charset)
{
    static const char *const names[] = {"utf-8", "utf8", NULL};

    return is_one_of(charset, names);
}

/* Character sets in which an octet below 0x80 is not that ASCII character. */
static bool is_wide(struct str charset)
{
    return str_startsi(charset, str_lit("utf-16")) || str_startsi(charset, str_lit("utf-32")) ||
           str_startsi(charset, str_lit("utf-7")) || str_startsi(charset, str_lit("ucs")) ||
           str_startsi(charset, str_lit("iso-10646")) || str_startsi(charset, str_lit("ibm")) ||
           str_startsi(charset, str_lit("ebcdic")) || str_startsi(charset, str_lit("hz-"));
}

static bool to_latin1(struct str text, struct buf *out)
{
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];

        if (c < 0x80) {
            buf_addc(out, (char)c);
            continue;
        }
        if ((c != 0xc2 && c != 0xc3) || i + 1 == text.n || (c == 0xc2 && (unsigned char)text.p[i + 1] < 0xa0))
            return false;
        buf_addc(out, (char)((c & 3) << 6 | ((unsigned char)text.p[++i] & 0x3f)));
    }
    return true;
}

/* The text in the part's character set; false when it does not fit it. */
static bool to_charset(struct arena *a, struct str text, struct str charset, struct str *out)
{
    static const char *const latin1[] = {"iso-8859-1", "windows-1252", "latin1", "cp1252", NULL};
    struct buf b = BUF(TEXT_MAX);
    bool fits;

    *out = text;
    if (is_utf8(charset) || (part_is_ascii(text) && !is_wide(charset)))
        return true;
    if (!is_one_of(charset, latin1))
        return false;
    fits = to_latin1(text, &b);
    if (fits)
        *out = taken(a, &b);
    else
        buf_done(&b);
    return fits;
}

/* --- encodings
 * ------------------------------------------------------------------------------------------------------------- */

enum encoding { PLAIN, PLAIN_8BIT, QUOTED, BASE64, OTHER };

static enum encoding encoding_of(const struct mime_part *p)
{
    static const char *const plain[] = {"", "7bit", NULL}, *const eight[] = {"8bit", "binary", NULL};

    return is_one_of(p->encoding, plain)                       ? PLAIN
           : is_one_of(p->encoding, eight)                     ? PLAIN_8BIT
           : str_eqi(p->encoding, str_lit("quoted-printable")) ? QUOTED
           : str_eqi(p->encoding, str_lit("base64"))           ? BASE64
                                                               : OTHER;
}

static bool lines_fit(struct str s)
{
    struct str line;

    while (str_split(&s, '\n', &line))
        if (line.n > LINE_MOST)
            return false;
    return true;
}

/* The octets as they go between the part's header section and its end; its encoding changes if they do not fit it. */
static struct str encoded(struct part_changes *c, struct mime_part *p, struct str octets)
{
    struct buf b = BUF(TEXT_MAX);
    enum encoding e = encoding_of(p);

    if (lines_fit(octets) && (e == PLAIN_8BIT || (e == PLAIN && part_is_ascii(octets))))
        return octets;
    if (e == BASE64) {
        transfer_base64(octets, &b);
    } else {
        transfer_quoted_printable(octets, &b);
        if (e != QUOTED)
            part_set_field(c, p, str_lit("Content-Transfer-Encoding"), str_lit("quoted-printable"));
    }
    if (b.failed)
        c->m->patch.failed = true;
    return taken(c->m->arena, &b);
}

static void put_body(struct part_changes *c, struct mime_part *p, struct str octets)
{
    struct str body = encoded(c, p, octets);

    part_change_add(c, part_offset(c, p->raw.p), p->raw.n, body);
}

/* The parameters of the present Content-Type but for the character set, each with its semicolon. */
static struct str other_params(struct part_changes *c, struct mime_part *p)
{
    struct str rest = p->headers, value;
    struct header_field f;
    struct buf b = BUF(65536);
    size_t from;

    while (header_next(&rest, &f) && !str_eqi(f.name, str_lit("Content-Type")))
        f.name = STR_NONE;
    if (!str_eqi(f.name, str_lit("Content-Type")))
        return STR_NONE;
    value = header_unfold(c->m->arena, f.value, 8192);
    from = str_find(value, ';');
    while (from < value.n) {
        size_t to = from + 1;
        struct str param;

        for (bool quoted = false; to < value.n && (quoted || value.p[to] != ';'); to++) {
            if (value.p[to] == '\\' && quoted && to + 1 < value.n)
                to++;
            else if (value.p[to] == '"')
                quoted = !quoted;
        }
        param = str_trim(str_of(value.p + from + 1, to - from - 1));
        if (param.n && !str_startsi(param, str_lit("charset")))
            buf_addf(&b, "; %.*s", STR(param));
        from = to;
    }
    return taken(c->m->arena, &b);
}

static void set_type(struct part_changes *c, struct mime_part *p, struct str type, struct str charset)
{
    part_set_field(c, p, str_lit("Content-Type"),
                   arena_printf(c->m->arena, "%.*s; charset=%.*s%.*s", STR(type), STR(charset), STR(other_params(c, p))));
    if (!p->parent)
        part_set_field(c, p, str_lit("MIME-Version"), str_lit("1.0"));
}

/* A text ends with a line end if the part's did. */
static struct str ended_like(struct part_changes *c, const struct mime_part *p, struct str text)
{
    bool line_end = p->raw.n && p->raw.p[p->raw.n - 1] == '\n';

    text = part_lines(c->m->arena, text);
    return line_end ? part_joined(c->m->arena, text, str_lit("\r\n")) : text;
}

void part_set_text_as(struct part_changes *c, struct mime_part *p, struct str type, struct str text)
{
    struct str octets;
    bool fits = to_charset(c->m->arena, ended_like(c, p, text), p->charset, &octets);
    struct str charset = !fits ? str_lit("utf-8") : p->charset.n ? p->charset : str_lit("us-ascii");

    if (p->member || p->inside)
        return; /* what lies in an archive cannot be changed */
    if (!fits || !str_eqi(type, p->type))
        set_type(c, p, type, charset);
    put_body(c, p, octets);
}

void part_set_text(struct part_changes *c, struct mime_part *p, struct str text)
{
    part_set_text_as(c, p, p->type, text);
}

/* --- adding
 * ----------------------------------------------------------------------------------------------------------------- */

/* Offset behind the last (or of the first) place where the tag begins, SIZE_MAX = nowhere. */
static size_t find_tag(struct str html, struct str tag, bool last)
{
    size_t found = SIZE_MAX;

    for (size_t i = 0; i + tag.n <= html.n; i++) {
        const char *lt = memchr(html.p + i, '<', html.n - i);

        if (!lt)
            break;
        i = (size_t)(lt - html.p);
        if (str_startsi(str_from(html, i), tag)) {
            found = i;
            if (!last)
                break;
        }
    }
    return found;
}

static size_t html_place(struct str html, bool above)
{
    size_t at;

    if (!above) {
        at = find_tag(html, str_lit("</body"), true);
        if (at == SIZE_MAX)
            at = find_tag(html, str_lit("</html"), true);
        return at == SIZE_MAX ? html.n : at;
    }
    at = find_tag(html, str_lit("<body"), false);
    if (at == SIZE_MAX)
        at = find_tag(html, str_lit("<html"), false);
    if (at == SIZE_MAX)
        return 0;
    at += str_find(str_from(html, at), '>');
    return at < html.n ? at + 1 : html.n;
}

/* HTML is ASCII (references for the rest), so it fits every character set that ASCII is a part of. */
static void add_html(struct part_changes *c, struct mime_part *p, struct str html, bool above)
{
    struct arena *a = c->m->arena;
    struct str now;
    size_t at;

    if (is_wide(p->charset)) {
        now = mime_text(c->mime, p);
        part_set_text(c, p, spliced(a, now, html_place(now, above), html));
        return;
    }
    now = mime_body(c->mime, p);
    at = html_place(now, above);
    if ((encoding_of(p) == PLAIN || encoding_of(p) == PLAIN_8BIT) && lines_fit(html))
        part_change_add(c, part_offset(c, p->raw.p) + at, 0, html);
    else
        put_body(c, p, spliced(a, now, at, html));
}

/* "\r\n" when the text's last line has no end yet; a soft line break at the end is no end. */
static struct str line_end_for(struct str raw, enum encoding e)
{
    bool ended = raw.n == 0 || raw.p[raw.n - 1] == '\n';
    struct str t = str_trim(raw);

    if (e == QUOTED && t.n && t.p[t.n - 1] == '=')
        return ended ? str_lit("\r\n") : str_lit("\r\n\r\n");
    return ended ? STR_NONE : str_lit("\r\n");
}

void part_add_text(struct part_changes *c, struct mime_part *p, struct str text, struct str html, bool above)
{
    struct arena *a = c->m->arena;
    enum encoding e = encoding_of(p);
    struct str octets, raw = p->raw;

    if (p->member || p->inside)
        return;
    if (str_eq(p->type, str_lit("text/html"))) {
        add_html(c, p, html, above);
        return;
    }
    text = part_joined(a, part_lines(a, text), str_lit("\r\n"));
    if (!to_charset(a, text, p->charset, &octets) || e == OTHER || e == BASE64 || !lines_fit(octets) ||
        (e == PLAIN && !part_is_ascii(octets))) {
        struct str now = mime_text(c->mime, p);

        part_set_text(
            c, p, above ? part_joined(a, text, now) : part_joined(a, part_joined(a, now, line_end_for(now, PLAIN)), text));
        return;
    }
    if (e == QUOTED)
        octets = part_joined(a, part_quoted(a, octets), str_lit("\r\n"));
    if (above)
        part_change_add(c, part_offset(c, raw.p), 0, octets);
    else
        part_change_add(c, part_offset(c, raw.p) + raw.n, 0, part_joined(a, line_end_for(raw, e), octets));
}
