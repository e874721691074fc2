/*
 * Quoted-printable and base64. See transfer.h.
 *
 * Called by downgrade.c. Owns nothing; fails only by the buffer.
 */
#include "mail/transfer.h"

enum { LINE_MOST = 76, BASE64_IN_LINE = 57 };

/* ---- quoted-printable ------------------------------------------------------------------------------------------- */

static bool at_line_end(struct str in, size_t i)
{
    return i == in.n || (in.p[i] == '\r' && i + 1 < in.n && in.p[i + 1] == '\n');
}

static bool is_plain(struct str in, size_t i, size_t column, bool broken)
{
    char c = in.p[i];

    if (column == 0 && (c == '.' || (c == '-' && broken)))
        return false;
    if (c == ' ' || c == '\t')
        return !at_line_end(in, i + 1);
    return c > 32 && c < 127 && c != '=';
}

void transfer_quoted_printable(struct str in, struct buf *out)
{
    static const char HEX[] = "0123456789ABCDEF";
    size_t column = 0;
    bool broken = false; /* the present line began by a soft break */

    for (size_t i = 0; i < in.n; i++) {
        unsigned char c = (unsigned char)in.p[i];
        bool plain;

        if (at_line_end(in, i)) {
            buf_add(out, str_lit("\r\n"));
            column = 0;
            broken = false;
            i++;
            continue;
        }
        plain = is_plain(in, i, column, broken);
        if (column + (plain ? 1 : 3) + !at_line_end(in, i + 1) > LINE_MOST) {
            buf_add(out, str_lit("=\r\n"));
            column = 0;
            broken = true;
            plain = is_plain(in, i, column, broken);
        }
        if (plain) {
            buf_addc(out, (char)c);
            column++;
        } else {
            buf_add(out, str_of((const char[]){'=', HEX[c >> 4], HEX[c & 15]}, 3));
            column += 3;
        }
    }
}

/* ---- base64 ----------------------------------------------------------------------------------------------------- */

static void put_three(const unsigned char *p, size_t n, struct buf *out)
{
    static const char ALPHABET[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned v = (unsigned)p[0] << 16 | (n > 1 ? (unsigned)p[1] << 8 : 0) | (n > 2 ? p[2] : 0);
    char four[4] = {ALPHABET[v >> 18], ALPHABET[v >> 12 & 63], n > 1 ? ALPHABET[v >> 6 & 63] : '=',
                    n > 2 ? ALPHABET[v & 63] : '='};

    buf_add(out, str_of(four, 4));
}

void transfer_base64(struct str in, struct buf *out)
{
    const unsigned char *p = (const unsigned char *)in.p;

    for (size_t i = 0; i < in.n; i += 3) {
        put_three(p + i, in.n - i, out);
        if ((i + 3) % BASE64_IN_LINE == 0 || i + 3 >= in.n)
            buf_add(out, str_lit("\r\n"));
    }
}
