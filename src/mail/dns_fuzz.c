/* Fuzzes the decoding of DNS questions and answers as they come over the bus; what decodes must encode and decode again. */
#include "mail/dns.h"

#include "base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a;
    const struct dns_question *q;
    const struct dns_answer *d, *again;
    size_t n, m;
    struct buf b = BUF(4 << 20);

    arena_init(&a, 4096, 8 << 20);
    dns_questions_decode(&a, str_of(data, size), &q, &n);
    if (dns_answers_decode(&a, str_of(data, size), &d, &n) == RC_OK) {
        dns_answers_encode(d, n, &b);
        must(b.failed || (dns_answers_decode(&a, buf_str(&b), &again, &m) != RC_CORRUPT));
    }
    dns_reverse_name(&a, str_of(data, size));
    buf_done(&b);
    arena_done(&a);
    return 0;
}
