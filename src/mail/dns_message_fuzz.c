/* Fuzzes the reading of replies of name servers; a name that was read can be asked for. */
#include "mail/dns_message.h"

#include "base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a;
    struct dns_message m;
    struct buf b = BUF(1 << 20);

    arena_init(&a, 4096, 64 << 20);
    if (dns_message_parse(&a, str_of(data, size), &m, NULL) == RC_OK) {
        for (size_t i = 0; i < m.section[DNS_ANSWER].n; i++)
            must(m.section[DNS_ANSWER].entries[i].text.p && m.section[DNS_ANSWER].entries[i].owner.n);
        if (m.question.n)
            must(dns_message_ask(&b, 1, m.question, m.question_type, NULL) == RC_OK);
    }
    buf_clear(&b);
    dns_message_ask(&b, 1, str_of(data, size), 1, NULL);
    buf_done(&b);
    arena_done(&a);
    return 0;
}
