/* Fuzz target: tag lists and key records. What is taken lies in the input, names are unique, base64 comes back as it was. */
#include "mail/dkim_inside.h"

#include "base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_tags(struct str in)
{
    struct dkim_tags t;

    if (dkim_tags_parse(in, &t, NULL) != RC_OK)
        return;
    must(t.n > 0 && t.n <= DKIM_TAGS_MAX);
    for (size_t i = 0; i < t.n; i++) {
        must(t.items[i].place.p >= in.p && t.items[i].place.p + t.items[i].place.n <= in.p + in.n);
        must(t.items[i].name.n > 0);
        for (size_t k = 0; k < i; k++)
            must(!str_eq(t.items[i].name, t.items[k].name));
    }
}

static void check_base64(struct arena *a, struct str in)
{
    struct buf b = BUF(1 << 20);
    struct str out, again;

    if (dkim_base64_decode(a, in, &out) == RC_OK) {
        dkim_base64_encode(out, &b);
        must(dkim_base64_decode(a, buf_str(&b), &again) == RC_OK && str_eq(out, again));
    }
    buf_done(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = str_of(data, size);
    struct dkim_record r;
    struct arena a;
    unsigned bits;

    arena_init(&a, 4096, 8 << 20);
    check_tags(in);
    check_base64(&a, in);
    if (dkim_record_parse(in, &r, NULL) == RC_OK)
        dkim_public_facts(r.type, r.public_text, &bits, NULL);
    arena_done(&a);
    return 0;
}
