/*
 * Scores of senders: reading, comparing, showing. See reputation.h.
 *
 * Called by hat.c and by receive. Owns nothing. What is no score in range is none.
 */
#include "policy/reputation.h"

#include <stdio.h>
#include <stdlib.h>

enum { MOST = 100 };

/* "-3.4", "10", "+2.05" (cut to tenths); false when it is no number from -10 to 10. */
static bool read_tenths(struct str s, int *out)
{
    bool minus = s.n && s.p[0] == '-';
    uint64_t whole = 0, tenth = 0;
    size_t dot;
    int value;

    if (minus || (s.n && s.p[0] == '+'))
        s = str_from(s, 1);
    dot = str_find(s, '.');
    if (!str_u64(str_first(s, dot), &whole) || whole > MOST / 10)
        return false;
    if (dot < s.n) {
        struct str rest = str_from(s, dot + 1);

        for (size_t i = 0; i < rest.n; i++)
            if (!ascii_digit(rest.p[i]))
                return false;
        if (!rest.n)
            return false;
        tenth = (uint64_t)(rest.p[0] - '0');
    }
    value = (int)(whole * 10 + tenth);
    if (value > MOST)
        return false;
    *out = minus ? -value : value;
    return true;
}

bool reputation_range_read(struct str text, struct reputation_range *out)
{
    size_t colon;

    if (!str_startsi(text, str_lit("sbrs[")) || !str_ends(text, str_lit("]")))
        return false;
    text = str_of(text.p + 5, text.n - 6);
    *out = (struct reputation_range){.none = str_eqi(text, str_lit("none"))};
    if (out->none)
        return true;
    colon = str_find(text, ':');
    return colon < text.n && read_tenths(str_first(text, colon), &out->from) &&
           read_tenths(str_from(text, colon + 1), &out->to) && out->from <= out->to;
}

bool reputation_fits(const struct reputation_range *range, const struct reputation *r)
{
    if (range->none)
        return r->state == REPUTATION_NONE || r->state == REPUTATION_PRIVATE;
    return r->state == REPUTATION_NUMBER && r->tenths >= range->from && r->tenths <= range->to;
}

struct str reputation_text(const struct reputation *r, char out[8])
{
    static const char *const texts[] = {[REPUTATION_OFF] = "not enabled",
                                        [REPUTATION_NONE] = "None",
                                        [REPUTATION_PRIVATE] = "rfc1918",
                                        [REPUTATION_FAILED] = "unable to retrieve"};

    if (r->state != REPUTATION_NUMBER)
        return str_c(texts[r->state]);
    snprintf(out, 8, "%s%d.%d", r->tenths < 0 ? "-" : "", abs(r->tenths) / 10 % 100, abs(r->tenths) % 10);
    return str_c(out);
}

struct reputation reputation_of(const struct dns_answer *a, bool by_address)
{
    struct reputation r = {.state = REPUTATION_NONE};

    if (a->result == DNS_TEMPORARY || a->result == DNS_BOGUS)
        r.state = REPUTATION_FAILED;
    for (size_t i = 0; a->result == DNS_OK && i < a->n && r.state == REPUTATION_NONE; i++) {
        struct str data = a->records[i].data;
        const unsigned char *ip = (const unsigned char *)data.p;

        if (by_address && data.n == 4 && ip[0] == 127 && ip[2] <= 2 * MOST)
            r = (struct reputation){REPUTATION_NUMBER, (int)ip[2] - MOST};
        if (by_address)
            continue;
        data = str_trim(data);
        if (str_startsi(data, str_lit("sbrs=")))
            data = str_from(data, 5);
        if (read_tenths(data, &r.tenths))
            r.state = REPUTATION_NUMBER;
    }
    return r;
}

bool reputation_private(const struct address_ip *ip)
{
    const unsigned char *o = ip->octets;

    if (ip->family == AF_INET)
        return o[0] == 10 || o[0] == 127 || (o[0] == 172 && (o[1] & 0xf0) == 16) || (o[0] == 192 && o[1] == 168) ||
               (o[0] == 169 && o[1] == 254);
    if ((o[0] & 0xfe) == 0xfc || (o[0] == 0xfe && (o[1] & 0xc0) == 0x80))
        return true;
    for (size_t i = 0; i < 15; i++)
        if (o[i])
            return false;
    return o[15] == 1;
}
