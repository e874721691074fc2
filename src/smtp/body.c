/*
 * Scans message octets on their way in. See body.h.
 *
 * Called by the SMTP server conversation (DATA, BDAT) and by QMQP. Owns nothing; never fails. The hot loop looks for CR, LF
 * and NUL 16 octets at a time; states exist only for what a packet border may cut (CR, dot, dot CR).
 */
#include "smtp/body.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum { LINE_MAX_OCTETS = 998 };

enum state {
    LINE_START, /* behind a true CRLF: a dot is special */
    AFTER_BARE, /* behind a bare line end: a line begins for the reader, no dot is special */
    IN_LINE,
    CR_SEEN,  /* the last octet was a CR, not given on yet */
    DOT_SEEN, /* a dot behind CRLF, not given on */
    DOT_CR_SEEN
};

void smtp_body_begin(struct smtp_body *b, enum smtp_body_mode mode)
{
    *b = (struct smtp_body){.mode = (uint8_t)mode, .state = LINE_START};
}

/* Length of the run at the start that holds no CR, LF or NUL; *high is set when it holds octets above 127. */
static size_t plain_run(const char *p, size_t n, bool *high)
{
    size_t i = 0;
    unsigned bits = 0;

#ifdef __SSE2__
    const __m128i cr = _mm_set1_epi8('\r'), lf = _mm_set1_epi8('\n'), nul = _mm_setzero_si128();

    for (; i + 16 <= n; i += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(p + i));
        __m128i hit = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(v, cr), _mm_cmpeq_epi8(v, lf)), _mm_cmpeq_epi8(v, nul));
        unsigned stop = (unsigned)_mm_movemask_epi8(hit), above = (unsigned)_mm_movemask_epi8(v);

        if (stop) {
            unsigned k = (unsigned)__builtin_ctz(stop);

            *high |= (bits | (above & ((1U << k) - 1))) != 0;
            return i + k;
        }
        bits |= above;
    }
#endif
    for (; i < n; i++) {
        unsigned char c = (unsigned char)p[i];

        if (c == '\r' || c == '\n' || c == 0)
            break;
        bits |= c & 0x80U;
    }
    *high |= bits != 0;
    return i;
}

static void give(struct smtp_body *b, struct str octets, smtp_body_sink *sink, void *ctx)
{
    if (!octets.n)
        return;
    b->bytes += octets.n;
    sink(ctx, octets);
}

static void line_ended(struct smtp_body *b, enum state next)
{
    if (b->line == 0)
        b->in_body = true;
    b->line = 0;
    b->state = (uint8_t)next;
}

/* A CR, LF or NUL that is no part of CRLF: never passed on raw, except in RAW mode, where it is content. */
static void bare(struct smtp_body *b, char c, smtp_body_sink *sink, void *ctx)
{
    b->flags |= SMTP_BODY_HAS_BARE;
    if (b->mode == SMTP_BODY_RAW) {
        give(b, str_of(&c, 1), sink, ctx);
        b->line++;
        b->state = IN_LINE;
        return;
    }
    if (c == 0) {
        if (b->line == 0)
            b->state = AFTER_BARE; /* a dot behind it begins the line for whoever reads it next */
        return;
    }
    give(b, str_lit("\r\n"), sink, ctx);
    line_ended(b, AFTER_BARE);
}

/* One octet in a state that a packet border made or that begins a line; true when the octet was used up. */
static bool border(struct smtp_body *b, char c, smtp_body_sink *sink, void *ctx)
{
    switch (b->state) {
    case CR_SEEN:
        if (c == '\n') {
            give(b, str_lit("\r\n"), sink, ctx);
            line_ended(b, LINE_START);
            return true;
        }
        bare(b, '\r', sink, ctx);
        return false;
    case DOT_SEEN:
        b->state = c == '\r' ? DOT_CR_SEEN : IN_LINE;
        if (c == '.')
            b->flags |= SMTP_BODY_HAS_DOT;
        return c == '\r';
    case DOT_CR_SEEN:
        if (c == '\n') {
            b->ended = true;
            return true;
        }
        bare(b, '\r', sink, ctx);
        return false;
    case LINE_START:
        b->state = IN_LINE;
        if (c != '.')
            return false;
        if (b->mode == SMTP_BODY_DOTS) {
            b->state = DOT_SEEN;
            return true;
        }
        b->flags |= SMTP_BODY_HAS_DOT;
        return false;
    default: /* AFTER_BARE */
        b->state = IN_LINE;
        if (c == '.')
            b->flags |= SMTP_BODY_HAS_DOT;
        return false;
    }
}

static size_t scan_line(struct smtp_body *b, const char *p, size_t n)
{
    bool high = false;
    size_t k = plain_run(p, n, &high);

    b->line += k;
    if (high)
        b->flags |= b->in_body ? SMTP_BODY_HAS_8BIT : SMTP_BODY_HAS_8BIT | SMTP_BODY_HAS_8BIT_HEADER;
    if (b->line > LINE_MAX_OCTETS)
        b->flags |= SMTP_BODY_LONG_LINE;
    return k;
}

size_t smtp_body_feed(struct smtp_body *b, struct str in, smtp_body_sink *sink, void *ctx)
{
    const char *p = in.p;
    size_t i = 0, from = 0, n = in.n;

    while (i < n && !b->ended) {
        if (b->state != IN_LINE) {
            enum state was = (enum state)b->state;

            if (was != LINE_START && was != AFTER_BARE)
                from = i; /* nothing waits: those states gave what was before */
            else if (p[i] == '.' && was == LINE_START && b->mode == SMTP_BODY_DOTS)
                give(b, str_of(p + from, i - from), sink, ctx);
            if (border(b, p[i], sink, ctx))
                from = ++i;
            continue;
        }
        i += scan_line(b, p + i, n - i);
        if (i == n)
            break;
        if (p[i] == '\r' && i + 1 < n && p[i + 1] == '\n') {
            i += 2;
            line_ended(b, LINE_START);
            continue;
        }
        give(b, str_of(p + from, i - from), sink, ctx);
        if (p[i] == '\r' && i + 1 == n)
            b->state = CR_SEEN;
        else
            bare(b, p[i], sink, ctx);
        from = ++i;
    }
    if (i > from)
        give(b, str_of(p + from, i - from), sink, ctx);
    return i;
}

void smtp_body_finish(struct smtp_body *b, smtp_body_sink *sink, void *ctx)
{
    if (b->state == CR_SEEN)
        bare(b, '\r', sink, ctx);
    if (b->mode == SMTP_BODY_RAW || b->state == LINE_START || b->state == AFTER_BARE)
        return;
    give(b, str_lit("\r\n"), sink, ctx);
    line_ended(b, LINE_START);
}
