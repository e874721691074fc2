/* Fuzzes reading Authentication-Results; what was read is put into a field of ours, which must read back with the same
 * texts. */
#include "mail/auth_header.h"

#include "base/must.h"

static void round_trip(struct arena *a, struct str text)
{
    struct auth_dkim k = {.result = AUTH_PASS, .domain = text};
    struct auth_results r = {.dkim = &k, .n_dkim = 1, .spf_mailfrom = {.checked = true, .identity = text, .problem = text}};
    struct auth_header h;
    struct buf b = BUF(65536);

    auth_header_value(&r, str_lit("gw.example"), &b);
    must(auth_header_parse(a, buf_str(&b), &h, NULL) == RC_OK && h.n_methods == 2);
    must(auth_header_is_ours(buf_str(&b), str_lit("gw.example")));
    buf_done(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = str_of(data, size);
    struct auth_header h;
    struct arena a;

    arena_init(&a, 4096, 16 << 20);
    if (auth_header_parse(&a, in, &h, NULL) == RC_OK) {
        must(h.n_methods <= AUTH_METHODS_MAX);
        for (size_t i = 0; i < h.n_methods; i++)
            for (size_t k = 0; k < h.methods[i].n_properties; k++)
                round_trip(&a, h.methods[i].properties[k].value);
    }
    round_trip(&a, in);
    auth_header_is_ours(in, str_lit("gw.example"));
    arena_done(&a);
    return 0;
}
