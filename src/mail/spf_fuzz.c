/*
 * Fuzzes SPF: the first line is an SPF record, the rest is a zone of canned records that it may reach. A check must end,
 * within its questions, with one of the results; a record that reads must have terms that lie inside it.
 */
#include "mail/dns_canned.h"
#include "mail/spf.h"
#include "mail/spf_macro.h"
#include "mail/spf_record.h"

#include "base/must.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = str_of(data, size), first = STR_NONE, out;
    struct buf zone = BUF(1 << 20);
    struct arena a;
    struct spf_record r;
    struct auth_spf got;
    struct dns_canned dns = {0};
    struct dns_source asker = dns_canned(&dns);
    struct spf_query q = {str_of("\xc0\0\2\1", 4), str_lit("helo.example"), str_lit("l.oc-al@example.org"), STR_NONE, 7};

    arena_init(&a, 4096, 64 << 20);
    str_split(&in, '\n', &first);
    buf_addf(&zone, "example.org TXT v=spf1 ");
    buf_add(&zone, first);
    buf_addc(&zone, '\n');
    buf_add(&zone, in);
    buf_addc(&zone, '\0');
    dns.lines = zone.p;
    spf_check_mailfrom(&a, &asker, &q, &got);
    must(got.result < AUTH_RESULT_COUNT && got.result != AUTH_POLICY);
    must(dns.asked <= 2 + SPF_LOOKUPS_MAX * (SPF_NAMES_MAX + 2));
    must(got.explanation.n <= SPF_EXPLANATION_MAX);
    if (spf_record_parse(&a, buf_str(&zone), &r, NULL) == RC_OK)
        for (size_t i = 0; i < r.n; i++)
            must(r.terms[i].bits4 <= 32 && r.terms[i].bits6 <= 128 && r.terms[i].mechanism < SPF_MECHANISM_COUNT);
    if (spf_macro_expand(&a, first, &(struct spf_macros){.sender = q.sender, .ip = q.ip}, true, 300, &out) == RC_OK)
        must(out.n <= 300 && spf_macro_valid(first, true));
    buf_done(&zone);
    arena_done(&a);
    return 0;
}
