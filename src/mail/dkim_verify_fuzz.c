/*
 * Fuzz target: whole messages with DKIM signatures and ARC sets. The first line of the input is the key record that every
 * question gets; "\n" of the rest are taken as line ends. What does not come from a key is never `pass` with the empty
 * record.
 */
#include "mail/arc.h"

#include "mail/dkim_testing.h"

#include "base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum rc one_record(void *ctx, struct arena *a, const struct dns_question *q, size_t n, const struct dns_answer **out)
{
    struct dns_answer *list = arena_array(a, struct dns_answer, n);
    struct dns_record *r = arena_new(a, struct dns_record);

    if (!list || !r)
        return RC_NO_MEMORY;
    r->data = *(struct str *)ctx;
    for (size_t i = 0; i < n; i++)
        list[i] = (struct dns_answer){.question = q[i], .result = DNS_OK, .records = r, .n = 1};
    *out = list;
    return RC_OK;
}

static void seal(struct dkim *d, struct arena *a, struct str message)
{
    static struct dkim_key *key;
    struct dkim_stream *s = dkim_stream_new(d, a, 3);
    struct arc_sealer sealer = {.results = str_lit("a; none"), .chain = AUTH_PASS};
    struct buf secret = BUF(4096), public = BUF(4096), out = BUF(1 << 20);
    struct err e = ERR_NONE;

    if (!key)
        must(dkim_key_generate(DKIM_ED25519, 0, &secret, &public, NULL) == RC_OK &&
             dkim_key_load(buf_str(&secret), &key, NULL) == RC_OK);
    sealer.profile =
        (struct dkim_profile){.domain = str_lit("a.b"), .selector = str_lit("s"), .every_field = true, .key = key};
    must(s);
    dkim_stream_add(s, message);
    if (dkim_stream_end(s, &e) == RC_OK) {
        dkim_sign(s, &sealer.profile, 1, &out, &e);
        buf_clear(&out);
        arc_seal(s, &sealer, 1, &out, &e);
    }
    dkim_stream_done(s);
    buf_done(&secret);
    buf_done(&public);
    buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct dkim *d;
    struct str in = str_of(data, size), record = str_first(in, str_find(in, '\n')), message = str_from(in, record.n + 1);
    struct dns_source dns = {one_record, &record};
    struct dkim_options o = {.now_s = 1000000, .skew_s = 100000000, .dkim = true, .arc = true};
    struct auth_results r = {0};
    struct arena a;

    d = d ? d : dkim_new();
    must(d);
    arena_init(&a, 65536, 64 << 20);
    must(dkim_verify(d, &a, message, &o, &dns, &r) == RC_OK);
    for (size_t i = 0; i < r.n_dkim; i++) {
        must(r.dkim[i].reason.n > 0);
        must(r.dkim[i].result != AUTH_NONE);
        must(record.n || r.dkim[i].result != AUTH_PASS);
    }
    must(record.n || r.arc.result != AUTH_PASS);
    seal(d, &a, message);
    arena_done(&a);
    return 0;
}
