/*
 * Values in the forms of the logs: Python 2 reprs, lists, text that stays one line (logs.md 2 and 3).
 *
 * Called by template.c for each field, and by others that need the same forms. Owns nothing; out->failed says when it is
 * full.
 */
#include "event/render.h"

static bool is_control(unsigned char c)
{
    return c < 0x20 || c == 0x7f;
}

static void add_control(unsigned char c, struct buf *out)
{
    static const char hex[] = "0123456789abcdef";
    char text[4] = {'\\', 'x', hex[c >> 4], hex[c & 15]};

    if (c == '\r' || c == '\n' || c == '\t')
        buf_add(out, c == '\r' ? str_lit("\\r") : c == '\n' ? str_lit("\\n") : str_lit("\\t"));
    else
        buf_add(out, str_of(text, 4));
}

/* Length of the part at the front without controls, backslashes (when `quoted`) and `quote` (0 = none). */
static size_t clean_run(struct str s, char quote, bool quoted)
{
    size_t n = 0;

    while (n < s.n && !is_control((unsigned char)s.p[n]) && !(quoted && (s.p[n] == '\\' || s.p[n] == quote)))
        n++;
    return n;
}

void render_plain(struct str value, struct buf *out)
{
    for (;;) {
        size_t n = clean_run(value, 0, false);

        buf_add(out, str_first(value, n));
        if (n == value.n)
            return;
        add_control((unsigned char)value.p[n], out);
        value = str_from(value, n + 1);
    }
}

void render_repr(struct str value, struct buf *out)
{
    char quote = memchr(value.p ? value.p : "", '\'', value.n) && !memchr(value.p, '"', value.n) ? '"' : '\'';

    buf_addc(out, quote);
    for (;;) {
        size_t n = clean_run(value, quote, true);

        buf_add(out, str_first(value, n));
        if (n == value.n)
            break;
        if (is_control((unsigned char)value.p[n])) {
            add_control((unsigned char)value.p[n], out);
        } else {
            buf_addc(out, '\\');
            buf_addc(out, value.p[n]);
        }
        value = str_from(value, n + 1);
    }
    buf_addc(out, quote);
}

void render_rids(struct str varints, struct buf *out)
{
    const char *between = "[";
    uint64_t rid;

    while (get_varint(&varints, &rid)) {
        buf_add(out, str_c(between));
        buf_add_u64(out, rid);
        between = ", ";
    }
    buf_add(out, *between == '[' ? str_lit("[]") : str_lit("]"));
}

void render_lines(struct str lines, struct buf *out)
{
    struct str line;
    const char *between = "";

    buf_addc(out, '[');
    while (lines.n && str_split(&lines, '\n', &line)) {
        buf_add(out, str_c(between));
        render_repr(line, out);
        between = ", ";
    }
    buf_addc(out, ']');
}

void render_pairs(struct str pairs, struct buf *out)
{
    struct str name, value;
    const char *between = "[(";

    while (get_str(&pairs, &name) && get_str(&pairs, &value)) {
        buf_add(out, str_c(between));
        render_repr(name, out);
        buf_add(out, str_lit(", "));
        render_repr(value, out);
        buf_addc(out, ')');
        between = ", (";
    }
    if (*between == ',')
        buf_addc(out, ']');
}
