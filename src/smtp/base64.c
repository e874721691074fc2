/*
 * Base64 to octets and back. See base64.h.
 *
 * Called by the AUTH parts of the SMTP server and client. Owns nothing. Fails on foreign characters and wrong padding only.
 */
#include "smtp/base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(struct str in, struct buf *out)
{
    const unsigned char *p = (const unsigned char *)in.p;

    for (size_t i = 0; i < in.n; i += 3) {
        size_t left = in.n - i;
        uint32_t v = (uint32_t)p[i] << 16 | (uint32_t)(left > 1 ? p[i + 1] : 0) << 8 | (uint32_t)(left > 2 ? p[i + 2] : 0);

        buf_addc(out, alphabet[v >> 18]);
        buf_addc(out, alphabet[v >> 12 & 63]);
        buf_addc(out, left > 1 ? alphabet[v >> 6 & 63] : '=');
        buf_addc(out, left > 2 ? alphabet[v & 63] : '=');
    }
}

static int value_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

enum rc base64_decode(struct arena *a, struct str in, struct str *out, struct err *e)
{
    size_t pad = in.n && in.p[in.n - 1] == '=' ? (in.n > 1 && in.p[in.n - 2] == '=' ? 2 : 1) : 0, n = 0;
    char *to = arena_alloc(a, in.n / 4 * 3 + 1);
    uint32_t v = 0;

    if (!to)
        return err_set(e, RC_NO_MEMORY, "base64");
    if (in.n % 4)
        return err_set(e, RC_SYNTAX, "cannot decode base64");
    for (size_t i = 0; i < in.n; i++) {
        int c = i + pad >= in.n ? 0 : value_of(in.p[i]);

        if (c < 0)
            return err_set(e, RC_SYNTAX, "cannot decode base64");
        v = v << 6 | (uint32_t)c;
        if (i % 4 == 3) {
            to[n++] = (char)(v >> 16 & 255);
            to[n++] = (char)(v >> 8 & 255);
            to[n++] = (char)(v & 255);
        }
    }
    *out = str_of(to, n - pad);
    return RC_OK;
}
