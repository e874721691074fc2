/*
 * Fuzz target of the metadata of held mail and of JSON below it: any octets, read; then what was read is completed again the
 * way deliver does it, and must be read once more with the same facts.
 */
#include "base/must.h"
#include "mail/cpq_meta.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void again(struct arena *a, const struct cpq_meta *m)
{
    struct cpq_facts f = {.class = m->class,
                          .serial = m->serial,
                          .host = m->host,
                          .mid = m->mid,
                          .now_ms = 1,
                          .size = m->size,
                          .sha256 = m->sha256,
                          .envelope = &m->envelope};
    struct buf out = BUF(CPQ_META_MAX);
    struct cpq_meta back;
    struct err e = ERR_NONE;
    enum rc rc = cpq_meta_complete(a, m->raw, &f, &out, &e);

    if (rc == RC_OK)
        rc = cpq_meta_read(a, buf_str(&out), &back, &e);
    if (rc == RC_OK) {
        must(back.mid == m->mid && back.size == m->size && back.n_holds == m->n_holds);
        must(back.envelope.n_recipients == m->envelope.n_recipients);
        must(str_eq(back.envelope.sender, m->envelope.sender));
    }
    must(rc == RC_OK || rc == RC_NO_MEMORY || rc == RC_TOO_LARGE);
    buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cpq_meta m;
    struct arena a;

    arena_init(&a, 4096, 8 << 20);
    if (cpq_meta_read(&a, str_of(data, size), &m, NULL) == RC_OK)
        again(&a, &m);
    arena_done(&a);
    return 0;
}
