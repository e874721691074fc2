/*
 * Uuencoded files in texts. See mime_inside.h.
 *
 * Called by mime_part.c and mime_decode.c. Decoded octets lie in the message's arena. A block without its `end` goes on as
 * far as its lines do; lines whose length does not fit what they hold are decoded as far as they go.
 */
#include "mail/mime_inside.h"

static bool is_uu(char c)
{
    return c >= ' ' && c <= '`';
}

/* Decodes one line at out; false when it is no line of an encoded file (or its end, *end set). */
static bool take_line(struct str line, char *out, size_t *n, bool *end, bool *good)
{
    size_t want, got = 0;

    while (line.n && (line.p[line.n - 1] == '\r' || line.p[line.n - 1] == '\n'))
        line.n--;
    *end = str_eq(str_trim(line), str_lit("end"));
    if (*end || !line.n || !is_uu(line.p[0]))
        return false;
    want = (size_t)(line.p[0] - ' ') & 63;
    for (size_t i = 1; i < line.n; i++)
        if (!is_uu(line.p[i]))
            return false;
    for (size_t i = 1; i < line.n && got < want; i += 4) {
        uint32_t v = 0;

        for (size_t k = 0; k < 4; k++)
            v = v << 6 | (i + k < line.n ? (uint32_t)(line.p[i + k] - ' ') & 63 : 0);
        for (int shift = 16; shift >= 0 && got < want; shift -= 8, got++)
            out[got] = (char)(v >> shift);
    }
    *good &= got == want;
    *n += got;
    return true;
}

static size_t decode_lines(struct str *in, char *out, bool *good)
{
    size_t n = 0;
    bool end = false;

    while (in->n) {
        size_t line = mime_line(*in);

        if (!take_line(str_first(*in, line), out + n, &n, &end, good)) {
            if (end)
                *in = str_from(*in, line);
            break;
        }
        *in = str_from(*in, line);
    }
    *good &= end;
    return n;
}

/* "begin 644 name" at the start of s: the name. */
static bool begins(struct str s, struct str *name)
{
    size_t n = mime_line(s), i = 6;

    if (!str_starts(s, str_lit("begin ")) || n < 10)
        return false;
    while (i < n && s.p[i] >= '0' && s.p[i] <= '7')
        i++;
    if (i < 9 || i > 11 || i >= n || s.p[i] != ' ')
        return false;
    *name = str_trim(str_of(s.p + i, n - i));
    return name->n > 0;
}

bool mime_uu_decode(struct str in, char *out, size_t *n)
{
    struct str rest = in, name;
    bool good = true;

    for (; rest.n; rest = str_from(rest, mime_line(rest))) {
        if (begins(rest, &name)) {
            rest = str_from(rest, mime_line(rest));
            *n = decode_lines(&rest, out, &good);
            return good;
        }
    }
    *n = decode_lines(&in, out, &good);
    return false; /* no begin */
}

static void add_file(struct mime *m, struct mime_part *p, struct str name, struct str block, struct str *rest)
{
    struct str lines = str_from(block, mime_line(block));
    struct mime_part *file;
    bool good = true;
    size_t n;
    char *out = mime_room(m, lines.n);

    if (!out)
        return;
    n = decode_lines(&lines, out, &good);
    *rest = lines;
    m->decoded -= block.n - mime_line(block) - n; /* what was not used */
    file = n ? mime_part_new(m, p) : NULL;
    if (!file)
        return;
    file->type = str_lit("application/octet-stream");
    file->encoding = str_lit("x-uuencode");
    file->attachment = file->decoded = true;
    file->raw = str_of(block.p, (size_t)(lines.p ? lines.p - block.p : (ptrdiff_t)block.n));
    file->body = str_of(out, n);
    file->size = n;
    mime_name_set(m, file, name);
    if (!good)
        mime_flaw(m, file, MIME_FLAW_BAD_ENCODING);
}

/* How far the lines of a file go, so that no more room is taken than it needs. */
static struct str block_of(struct str s)
{
    size_t n = mime_line(s);

    while (n < s.n) {
        struct str line = str_from(s, n);
        size_t more = mime_line(line);

        n += more;
        if (!is_uu(line.p[0]) || str_eq(str_trim(str_first(line, more)), str_lit("end")))
            break;
    }
    return str_first(s, n);
}

void mime_uu_find(struct mime *m, struct mime_part *p, struct str text)
{
    struct str name;

    while (text.n && !m->cut) {
        if (begins(text, &name)) {
            struct str block = block_of(text), rest = str_from(block, block.n);

            add_file(m, p, name, block, &rest);
            text = str_from(text, rest.p && rest.p > text.p ? (size_t)(rest.p - text.p) : block.n);
            continue;
        }
        text = str_from(text, mime_line(text));
    }
}
