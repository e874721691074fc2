/* Fuzzes what lookup reads of strangers: HTTP answers, MTA-STS records and policies, DNS record data. */
#include "lookup/https.h"
#include "lookup/sts.h"

#include "base/must.h"

static void note(void *ctx, enum rc rc, unsigned status, struct str type, struct str body)
{
    (void)status;
    (void)type;
    must(rc == RC_OK || rc != RC_OK);
    must(body.n <= HTTPS_BODY_MAX);
    ++*(int *)ctx;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct tls_facts FACTS = {.verified = true};
    static const uint64_t TYPES[] = {DNS_A, DNS_AAAA, DNS_MX, DNS_PTR, DNS_TXT, DNS_TLSA};
    struct str in = str_of(data, size), id;
    struct sts_policy p;
    struct dns_record r;
    struct arena a;
    int calls = 0;
    struct https_get how = {str_lit("h"), str_lit("/"), note, &calls};
    struct conversation *c = conversation_test_new(&https_kind, &how);

    arena_init(&a, 1024, 1 << 20);
    conversation_test_tls(c, &FACTS);
    for (size_t at = 0; at < size && !c->ended;) {
        size_t n = data[at] % 50 + 1u;

        conversation_feed(c, str_first(str_from(in, at), n));
        at += n;
    }
    conversation_feed_eof(c);
    conversation_test_free(c);
    must(calls == 1);
    sts_record_id(in, &id);
    sts_policy_parse(&a, in, &p);
    for (size_t i = 0; i < sizeof TYPES / sizeof *TYPES; i++)
        wire_record(&a, TYPES[i], in, &r);
    arena_done(&a);
    return 0;
}
