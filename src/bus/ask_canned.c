/*
 * Canned DNS answers from a text of records, for tests of rooms that ask. See ask.h.
 *
 * Called by ask.c when a test has given a zone. Lives in the arena of each ask. A line that cannot be read ends the test
 * (must): it is a mistake of the test.
 */
#include "bus/ask_inside.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include "base/must.h"

void dns_asker_canned(struct dns_asker *a, const char *zone, bool later)
{
    free(a->zone);
    a->zone = strdup(zone);
    must(a->zone);
    a->zone_later = later;
}

void dns_asker_canned_run(struct dns_asker *a)
{
    struct ask *last = NULL;

    /* Oldest first; asks made by the callbacks wait for the next run. */
    uint64_t newest = a->canned_number;
    do {
        last = NULL;
        for (struct ask *k = a->asks; k; k = k->next)
            if (k->number <= newest)
                last = k;
        if (last)
            ask_finish(last);
    } while (last);
}

static struct str hex_octets(struct arena *a, struct str text)
{
    char *out = arena_must_alloc(a, text.n / 2 + 1);

    for (size_t i = 0; i + 1 < text.n; i += 2) {
        uint64_t v;

        must(str_hex(str_of(text.p + i, 2), &v));
        out[i / 2] = (char)v;
    }
    return str_of(out, text.n / 2);
}

static struct dns_record record_read(struct arena *a, uint64_t type, struct str rest)
{
    struct dns_record r = {0};
    struct str word;

    if (type == DNS_A || type == DNS_AAAA) {
        char *octets = arena_must_alloc(a, 16);

        must(inet_pton(type == DNS_A ? AF_INET : AF_INET6, arena_str(a, rest).p, octets) == 1);
        r.data = str_of(octets, type == DNS_A ? 4 : 16);
        return r;
    }
    if (type == DNS_MX)
        must(str_word(&rest, &word) && str_u64(word, &r.preference));
    rest = str_trim(rest);
    r.data = type == DNS_TLSA ? hex_octets(a, rest) : arena_str(a, rest);
    return r;
}

static void line_apply(struct ask *ask, struct dns_answer *d, struct dns_record *records, struct str line)
{
    bool secure = str_starts(line, str_lit("+"));
    struct str name, type, rest = str_from(line, secure);

    if (!str_word(&rest, &name) || !str_eqi(name, d->question.name) || !str_word(&rest, &type))
        return;
    if (d->result == DNS_NXDOMAIN)
        d->result = DNS_NODATA;
    d->secure = d->secure || secure;
    if (dns_type_of(type) != d->question.type)
        return;
    rest = str_trim(rest);
    if (str_starts(rest, str_lit("!"))) {
        d->result = str_eq(rest, str_lit("!bogus")) ? DNS_BOGUS : DNS_TEMPORARY;
        d->why = str_lit("as the test wants");
        return;
    }
    d->result = DNS_OK;
    records[d->n++] = record_read(&ask->arena, d->question.type, rest);
}

void ask_canned_answer(struct ask *ask, size_t i)
{
    struct dns_answer *d = &ask->answers[i];
    struct str rest = str_c(ask->asker->zone), line;
    struct dns_record *records = arena_must_alloc(&ask->arena, 64 * sizeof *records);

    d->result = DNS_NXDOMAIN;
    d->ttl = 300;
    d->records = records;
    while (str_split(&rest, '\n', &line) && d->n < 64)
        line_apply(ask, d, records, str_trim(line));
}
