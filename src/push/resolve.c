/*
 * Addresses of log servers. See resolve.h.
 *
 * Called by the syslog sender and the carrier of files. Owns the question under way. No answer is a reason in words; the
 * caller tries again later.
 */
#include "push/resolve.h"

enum { ADDRESSES = 16 };

static size_t take(const struct dns_answer *a, uint16_t port, struct address_ip *out, size_t n)
{
    size_t octets = a->question.type == DNS_AAAA ? 16 : 4;

    for (size_t i = 0; i < a->n && a->result == DNS_OK && n < ADDRESSES; i++) {
        if (a->records[i].data.n != octets)
            continue;
        out[n] = (struct address_ip){.family = octets == 16 ? AF_INET6 : AF_INET, .port = port};
        memcpy(out[n++].octets, a->records[i].data.p, octets);
    }
    return n;
}

static const char *why_not(const struct dns_answer *a, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (a[i].result == DNS_BOGUS)
            return "the server's name has a bad DNSSEC signature";
        if (a[i].result == DNS_TEMPORARY)
            return "the server's name cannot be looked up now";
    }
    return n && a[0].result == DNS_NXDOMAIN ? "the server's name does not exist" : "the server's name has no address";
}

static void on_answers(void *ctx, const struct dns_answer *answers, size_t n)
{
    struct resolve *r = ctx;
    struct address_ip found[ADDRESSES];
    size_t n_found = 0;

    r->asking = false;
    r->number = 0;
    for (size_t i = 0; i < n; i++)
        n_found = take(&answers[i], r->port, found, n_found);
    r->fn(r->ctx, n_found ? &found[r->turn++ % n_found] : NULL, n_found ? "" : why_not(answers, n));
}

void resolve_begin(struct resolve *r, struct str host, uint16_t port)
{
    const struct dns_question questions[] = {{DNS_A, host}, {DNS_AAAA, host}};
    struct address_ip literal;
    uint64_t number;

    resolve_cancel(r);
    r->port = port;
    if (ip_parse(host, &literal)) {
        literal.port = port;
        r->fn(r->ctx, &literal, "");
        return;
    }
    r->asking = true;
    number = dns_ask(r->ask, questions, 2, DNS_ASK_TIMEOUT_MS, on_answers, r);
    if (r->asking)
        r->number = number;
}

void resolve_cancel(struct resolve *r)
{
    if (r->number)
        dns_ask_cancel(r->ask, r->number);
    r->number = 0;
    r->asking = false;
}
