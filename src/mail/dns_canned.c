/*
 * Canned DNS answers. See dns_canned.h.
 *
 * Called by tests and fuzzers only; the linker leaves it out of roles. Memory is the arena of the call.
 */
#include "mail/dns_canned.h"

#include <arpa/inet.h>
#include <stdio.h>

enum { CANNED_MAX = 64 };

static struct str octets(struct arena *a, struct str text)
{
    char *to = arena_must_alloc(a, 16), name[64];

    snprintf(name, sizeof name, "%.*s", STR(text));
    if (inet_pton(AF_INET, name, to) == 1)
        return str_of(to, 4);
    return inet_pton(AF_INET6, name, to) == 1 ? str_of(to, 16) : STR_NONE;
}

static void take_line(struct arena *a, struct dns_answer *d, struct dns_record *to, struct str type, struct str value)
{
    struct str preference;
    uint64_t type_number = dns_type_of(type);

    if (str_eq(type, str_lit("TEMPORARY")))
        d->result = DNS_TEMPORARY;
    else if (d->result == DNS_NXDOMAIN)
        d->result = DNS_NODATA;
    if (type_number != d->question.type || d->n == CANNED_MAX || d->result == DNS_TEMPORARY)
        return;
    if (type_number == DNS_MX && str_word(&value, &preference)) {
        str_u64(preference, &to->preference);
        value = str_trim(value);
    }
    to->data = type_number == DNS_A || type_number == DNS_AAAA ? octets(a, value) : value;
    d->result = DNS_OK;
    d->n++;
}

static enum rc ask(void *ctx, struct arena *a, const struct dns_question *q, size_t n, const struct dns_answer **out)
{
    struct dns_canned *c = ctx;
    struct dns_answer *d = arena_must_alloc(a, sizeof *d * (n + 1));

    c->asked += n;
    if (c->away)
        return RC_UNAVAILABLE;
    for (size_t i = 0; i < n; i++) {
        struct dns_record *r = arena_must_alloc(a, sizeof *r * CANNED_MAX);
        struct str rest = str_c(c->lines), line, name, type;

        d[i] = (struct dns_answer){.question = q[i], .result = DNS_NXDOMAIN, .records = r};
        while (str_split(&rest, '\n', &line))
            if (str_word(&line, &name) && str_eqi(name, q[i].name) && str_word(&line, &type))
                take_line(a, &d[i], &r[d[i].n], type, str_trim(line));
    }
    *out = d;
    return RC_OK;
}

struct dns_source dns_canned(struct dns_canned *c)
{
    return (struct dns_source){ask, c};
}
