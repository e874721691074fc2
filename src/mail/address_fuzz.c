/* Fuzz target: addresses, parameters, xtext, header fields and envelopes from hostile octets. */
#include "mail/address.h"
#include "mail/envelope.h"
#include "mail/header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = str_of(data, size), rest, key, value;
    struct arena a;
    struct path p;
    struct header_field f;
    struct envelope env;

    arena_init(&a, 256, 1 << 20);
    for (int mode = ADDRESS_STRICT; mode <= ADDRESS_LOOSE; mode++)
        if (address_parse_path(&a, in, mode, &p, &rest, NULL) == RC_OK)
            while (address_next_parameter(&rest, &key, &value, NULL) == RC_OK)
                address_xtext_decode(&a, value, &value, NULL);
    rest = in;
    while (header_next(&rest, &f))
        header_unfold(&a, f.value, 100);
    header_length(in);
    envelope_decode(&a, in, &env, NULL);
    arena_done(&a);
    return 0;
}
