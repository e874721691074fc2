/*
 * Elements of BER to octets and back. See ber.h.
 *
 * Called by ldap_filter.c and ldap_message.c. Owns nothing. Constructed elements get a length of four octets, which is put
 * in at their end: RFC 4511 5.1 allows any definite form. What does not fit is refused, never cut.
 */
#include "mail/ber.h"

enum { LONG_FORM = 0x84, HEAD = 6, INDEFINITE = 0x80, LONG_TAG = 0x1f };

size_t ber_begin(struct buf *b, unsigned tag)
{
    buf_put_u8(b, (uint8_t)tag);
    buf_put_u8(b, LONG_FORM);
    buf_put_u32(b, 0);
    return b->failed ? 0 : b->n;
}

void ber_end(struct buf *b, size_t begun)
{
    uint32_t n;

    if (b->failed || begun < HEAD)
        return;
    n = (uint32_t)(b->n - begun);
    for (size_t i = 0; i < 4; i++)
        b->p[begun - 4 + i] = (char)(n >> (24 - 8 * i));
}

void ber_put(struct buf *b, unsigned tag, struct str octets)
{
    size_t begun;

    if (octets.n < 128) {
        buf_put_u8(b, (uint8_t)tag);
        buf_put_u8(b, (uint8_t)octets.n);
        buf_add(b, octets);
        return;
    }
    begun = ber_begin(b, tag);
    buf_add(b, octets);
    ber_end(b, begun);
}

void ber_put_number(struct buf *b, unsigned tag, uint32_t value)
{
    unsigned char octets[5] = {0, (unsigned char)(value >> 24), (unsigned char)(value >> 16), (unsigned char)(value >> 8),
                               (unsigned char)value};
    size_t from = 4;

    /* two's complement: a leading octet above 127 would be negative (a BOOLEAN has one octet whatever it is) */
    while (from > 0 && ((uint64_t)value >> (8 * (5 - from)) || (octets[from] > 127 && tag != BER_BOOLEAN)))
        from--;
    ber_put(b, tag, str_of(octets + from, 5 - from));
}

enum rc ber_take(struct str *in, size_t most, unsigned *tag_out, struct str *content_out)
{
    const unsigned char *p = (const unsigned char *)in->p;
    size_t head = 2, length, octets;

    if (in->n < 2)
        return RC_UNAVAILABLE;
    length = p[1];
    if ((p[0] & LONG_TAG) == LONG_TAG || length == INDEFINITE)
        return RC_SYNTAX;
    if (length > INDEFINITE) {
        octets = length - INDEFINITE;
        if (octets > 4)
            return RC_SYNTAX;
        if (in->n < 2 + octets)
            return RC_UNAVAILABLE;
        for (length = 0; head < 2 + octets; head++)
            length = length << 8 | p[head];
    }
    if (length > most)
        return RC_SYNTAX;
    if (in->n - head < length)
        return RC_UNAVAILABLE;
    *tag_out = p[0];
    *content_out = str_of(in->p + head, length);
    *in = str_from(*in, head + length);
    return RC_OK;
}

bool ber_get(struct str *in, unsigned tag, struct str *content_out)
{
    struct str rest = *in;
    unsigned found;

    if (ber_take(&rest, in->n, &found, content_out) != RC_OK || found != tag)
        return false;
    *in = rest;
    return true;
}

bool ber_get_number(struct str *in, unsigned tag, uint32_t *value_out)
{
    struct str content;
    uint64_t value = 0;

    if (!ber_get(in, tag, &content) || content.n == 0 || content.n > 5 || (content.p[0] & 0x80))
        return false;
    for (size_t i = 0; i < content.n; i++)
        value = value << 8 | (unsigned char)content.p[i];
    if (value > INT32_MAX)
        return false;
    *value_out = (uint32_t)value;
    return true;
}
