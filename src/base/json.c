/*
 * Text as a JSON string. See json.h.
 *
 * Called by whoever writes JSON without a library. Owns nothing; a full buffer shows in out->failed.
 */
#include "base/json.h"

/* Octets of the UTF-8 character that begins here, 0 = none does. */
static size_t utf8_length(struct str s)
{
    unsigned char c = (unsigned char)s.p[0];
    size_t n = c < 0x80 ? 1 : c >= 0xc2 && c < 0xe0 ? 2 : c >= 0xe0 && c < 0xf0 ? 3 : c >= 0xf0 && c < 0xf5 ? 4 : 0;

    for (size_t i = 1; i < n; i++)
        if (i >= s.n || ((unsigned char)s.p[i] & 0xc0) != 0x80)
            return 0;
    return n;
}

static bool is_plain(char c)
{
    return c >= 32 && c < 127 && c != '"' && c != '\\';
}

void json_str(struct buf *out, struct str s)
{
    buf_addc(out, '"');
    while (s.n) {
        size_t run = 0, n;

        while (run < s.n && is_plain(s.p[run]))
            run++;
        buf_add(out, str_first(s, run));
        s = str_from(s, run);
        if (!s.n)
            break;
        n = utf8_length(s);
        if (n > 1)
            buf_add(out, str_first(s, n));
        else if (!n)
            buf_add(out, str_lit("\xef\xbf\xbd"));
        else
            buf_addf(out, "\\u%04x", (unsigned char)s.p[0]);
        s = str_from(s, n ? n : 1);
    }
    buf_addc(out, '"');
}
