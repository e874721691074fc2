/*
 * Asking `lookup` for DNS records, with a small cache in front (design-notes D5).
 *
 * All questions of one step go in one bus message; the callback runs once with all answers in the order of the questions.
 * Answers are kept at most 60 s or their TTL, 4,096 of them; temporary failures are not kept. A peer that is away or a
 * passed deadline gives DNS_TEMPORARY answers: asking never fails otherwise.
 */
#ifndef BUS_ASK_H
#define BUS_ASK_H

#include "bus/bus.h"
#include "mail/dns.h"

enum { DNS_ASK_TIMEOUT_MS = 6000 }; /* lookup itself gives up after dns.timeout_ms (5 s) */

struct dns_asker;

/* `bus` may be NULL: every answer is DNS_TEMPORARY but the canned ones. */
struct dns_asker *dns_asker_new(struct bus *bus, struct loop *loop);
/* Outstanding asks are dropped without their callbacks. */
void dns_asker_free(struct dns_asker *a);
/* Forgets all cached answers. */
void dns_asker_flush(struct dns_asker *a);

/* The answers are views valid during the call. */
typedef void dns_answers_fn(void *ctx, const struct dns_answer *answers, size_t n);
/* Asks n (1..DNS_QUESTIONS_MAX) questions. Returns 0 when everything was cached: fn has run already, inside this call. Else
 * a number for dns_ask_cancel(), and fn runs later. */
uint64_t dns_ask(struct dns_asker *a, const struct dns_question *q, size_t n, uint64_t timeout_ms, dns_answers_fn *fn,
                 void *ctx);
void dns_ask_cancel(struct dns_asker *a, uint64_t ask);

/*
 * Tests: answers from text instead of lookup, one record a line:
 *   example.com MX 10 mx.example.com      mx.example.com A 192.0.2.1      x.test TXT some text      _25._tcp.mx TLSA hex
 *   y.test A !temporary   z.test MX !bogus     (result instead of a record)
 * A line that begins with '+' is secure. Names that no line has are DNS_NXDOMAIN, types that no line has DNS_NODATA. The
 * text is copied. Answers come at once (dns_ask returns 0) unless `later`: then dns_asker_canned_run() gives them.
 */
void dns_asker_canned(struct dns_asker *a, const char *zone, bool later);
void dns_asker_canned_run(struct dns_asker *a);

#endif
