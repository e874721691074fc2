/*
 * Fuzz target: canonical forms. However the body is cut the result is the same, the form of a form is itself, and a
 * signature without its b= is no longer than with it.
 */
#include "mail/dkim_canon.h"

#include "base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void sink(void *ctx, struct str octets)
{
    buf_add(ctx, octets);
}

static void body(enum dkim_canon canon, struct str in, size_t step, struct buf *out)
{
    static struct dkim_canon_body b;

    buf_clear(out);
    dkim_canon_begin(&b, canon, sink, out);
    for (; in.n; in = str_from(in, step))
        dkim_canon_add(&b, str_first(in, step));
    dkim_canon_end(&b);
    must(b.bytes == out->n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf whole = BUF(1 << 24), parts = BUF(1 << 24);
    size_t step = size ? data[0] % 9 + 1 : 1;
    struct str in = str_of(data, size);

    for (int i = 0; i < DKIM_CANONS; i++) {
        enum dkim_canon canon = (enum dkim_canon)i;

        body(canon, in, size + 1, &whole);
        body(canon, in, step, &parts);
        must(str_eq(buf_str(&whole), buf_str(&parts)));
        body(canon, buf_str(&whole), 4096, &parts);
        must(str_eq(buf_str(&whole), buf_str(&parts)));
        buf_clear(&parts);
        buf_clear(&whole);
        dkim_canon_field(canon, in, &whole);
        dkim_canon_signature(canon, in, str_first(str_from(in, step), size / 3), &parts);
        must(parts.n <= whole.n);
    }
    buf_done(&whole);
    buf_done(&parts);
    return 0;
}
