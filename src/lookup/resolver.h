/*
 * One libunbound context in the loop: resolves and validates. Made anew when the settings change.
 */
#ifndef LOOKUP_RESOLVER_H
#define LOOKUP_RESOLVER_H

#include "conf/conf.h"
#include "mail/dns.h"
#include "net/loop.h"

struct resolver;

/* Any setting that libunbound refuses is left out and named in e (rc stays RC_OK). */
enum rc resolver_new(struct loop *loop, const struct conf_dns *settings, struct resolver **out, struct err *e);
/* Questions under way end without their callbacks. */
void resolver_free(struct resolver *r);
/* The answer is valid during the call; its question is not filled. */
typedef void resolver_fn(void *ctx, const struct dns_answer *answer);
/* Asks; fn runs later, exactly once, unless cancelled. Returns the id for resolver_cancel(), or -1 when it cannot be asked:
 * then *refused_out says what to answer. */
int resolver_ask(struct resolver *r, const struct dns_question *q, resolver_fn *fn, void *ctx,
                 struct dns_answer *refused_out);
void resolver_cancel(struct resolver *r, int id);

/* wire.c: a record's octets as lookup hands them out (names as text, TXT joined). RC_SYNTAX: leave this record out. */
enum rc wire_record(struct arena *a, uint64_t type, struct str octets, struct dns_record *out);
/* Uncompressed name in wire form, at the front of *in, as text without trailing dot; the root is empty. */
enum rc wire_name(struct arena *a, struct str *in, struct str *out);

#endif
