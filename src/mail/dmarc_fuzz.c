/* Fuzzes DMARC: the octets as a record, and as the header section of a message whose authors are looked for and checked. */
#include "mail/dmarc.h"
#include "mail/dns_canned.h"
#include "mail/domain.h"

#include "base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = str_of(data, size), authors[DMARC_AUTHORS_MAX];
    struct dns_canned dns = {
        .lines = "_dmarc.example.org TXT v=DMARC1; p=reject\n_dmarc.b.example.org TXT v=DMARC1; p=none; psd=y"};
    struct dns_source asker = dns_canned(&dns);
    struct dmarc_query q = {.headers = in, .method = size & 1 ? DMARC_BY_WALK : DMARC_BY_LIST};
    const struct dmarc_record *r;
    struct auth_dmarc d;
    struct arena a;
    size_t n;

    arena_init(&a, 4096, 64 << 20);
    r = dmarc_record_parse(&a, in);
    must(!r || (r->n_rua <= DMARC_URIS_MAX && r->percent <= 100 && r->p < DMARC_POLICY_COUNT && r->np < DMARC_POLICY_COUNT));
    dmarc_author_domains(&a, in, authors, &n);
    for (size_t i = 0; i < n; i++)
        must(domain_fits_dns(authors[i]));
    dmarc_check(&a, &asker, &q, &d);
    must(d.result != AUTH_PASS && dns.asked <= DMARC_AUTHORS_MAX * (ORGDOMAIN_STEPS + 3));
    arena_done(&a);
    return 0;
}
