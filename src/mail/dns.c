/*
 * Coding of DNS questions and answers for the bus, and names of reverse look-ups. See dns.h.
 *
 * Called by bus/ask (both ways), lookup and their tests. Owns nothing: encoders add to the caller's buffer, decoders give
 * views into the input and arrays from the caller's arena. A list that is cut, too long or names an unknown result is
 * RC_CORRUPT.
 */
#include "mail/dns.h"

static const struct {
    uint64_t type;
    const char *name;
} TYPES[] = {{DNS_A, "A"}, {DNS_PTR, "PTR"}, {DNS_MX, "MX"}, {DNS_TXT, "TXT"}, {DNS_AAAA, "AAAA"}, {DNS_TLSA, "TLSA"}};

enum { N_TYPES = sizeof TYPES / sizeof *TYPES };

const char *dns_type_name(uint64_t type)
{
    for (size_t i = 0; i < N_TYPES; i++)
        if (TYPES[i].type == type)
            return TYPES[i].name;
    return "?";
}

uint64_t dns_type_of(struct str name)
{
    for (size_t i = 0; i < N_TYPES; i++)
        if (str_eqi(str_c(TYPES[i].name), name))
            return TYPES[i].type;
    return 0;
}

static void question_put(const struct dns_question *q, struct buf *out)
{
    buf_put_varint(out, q->type);
    buf_put_str(out, q->name);
}

static bool question_get(struct str *in, struct dns_question *out)
{
    return get_varint(in, &out->type) && get_str(in, &out->name) && out->name.n <= 255;
}

void dns_questions_encode(const struct dns_question *q, size_t n, struct buf *out)
{
    buf_put_varint(out, n);
    for (size_t i = 0; i < n; i++)
        question_put(&q[i], out);
}

enum rc dns_questions_decode(struct arena *a, struct str in, const struct dns_question **out, size_t *n_out)
{
    struct dns_question *q;
    uint64_t n;

    if (!get_varint(&in, &n) || n > DNS_QUESTIONS_MAX)
        return RC_CORRUPT;
    q = arena_array(a, struct dns_question, n + 1);
    if (!q)
        return RC_NO_MEMORY;
    for (size_t i = 0; i < n; i++)
        if (!question_get(&in, &q[i]))
            return RC_CORRUPT;
    *out = q;
    *n_out = n;
    return RC_OK;
}

void dns_answers_encode(const struct dns_answer *answers, size_t n, struct buf *out)
{
    buf_put_varint(out, n);
    for (size_t i = 0; i < n; i++) {
        const struct dns_answer *d = &answers[i];

        question_put(&d->question, out);
        buf_put_u8(out, (uint8_t)d->result);
        buf_put_u8(out, d->secure);
        buf_put_varint(out, d->ttl);
        buf_put_str(out, d->why);
        buf_put_varint(out, d->n);
        for (size_t r = 0; r < d->n; r++) {
            buf_put_str(out, d->records[r].data);
            buf_put_varint(out, d->records[r].preference);
        }
    }
}

static enum rc records_get(struct arena *a, struct str *in, struct dns_answer *d)
{
    struct dns_record *r;
    uint64_t n;

    if (!get_varint(in, &n) || n > DNS_RECORDS_MAX)
        return RC_CORRUPT;
    r = arena_array(a, struct dns_record, n + 1);
    if (!r)
        return RC_NO_MEMORY;
    for (size_t i = 0; i < n; i++)
        if (!get_str(in, &r[i].data) || !get_varint(in, &r[i].preference))
            return RC_CORRUPT;
    d->records = r;
    d->n = n;
    return RC_OK;
}

enum rc dns_answers_decode(struct arena *a, struct str in, const struct dns_answer **out, size_t *n_out)
{
    struct dns_answer *d;
    uint64_t n;

    if (!get_varint(&in, &n) || n > DNS_QUESTIONS_MAX)
        return RC_CORRUPT;
    d = arena_array(a, struct dns_answer, n + 1);
    if (!d)
        return RC_NO_MEMORY;
    for (size_t i = 0; i < n; i++) {
        uint8_t result, secure;

        if (!question_get(&in, &d[i].question) || !get_u8(&in, &result) || !get_u8(&in, &secure) ||
            !get_varint(&in, &d[i].ttl) || !get_str(&in, &d[i].why) || result > DNS_BOGUS)
            return RC_CORRUPT;
        d[i].result = (enum dns_result)result;
        d[i].secure = secure != 0;
        TRY(records_get(a, &in, &d[i]));
    }
    *out = d;
    *n_out = n;
    return RC_OK;
}

struct str dns_reverse_name(struct arena *a, struct str octets)
{
    static const char HEX[] = "0123456789abcdef";
    char name[80];
    size_t n = 0;

    if (octets.n == 4) {
        const unsigned char *o = (const unsigned char *)octets.p;

        return arena_printf(a, "%u.%u.%u.%u.in-addr.arpa", o[3], o[2], o[1], o[0]);
    }
    if (octets.n != 16)
        return STR_NONE;
    for (size_t i = 16; i-- > 0;) {
        unsigned char o = (unsigned char)octets.p[i];

        name[n++] = HEX[o & 15];
        name[n++] = '.';
        name[n++] = HEX[o >> 4];
        name[n++] = '.';
    }
    memcpy(name + n, "ip6.arpa", 8);
    return arena_str(a, str_of(name, n + 8));
}
