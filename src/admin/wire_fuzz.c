/* Any octets on the control socket: frames, requests, replies, and a command line of the same octets. */
#include "admin/client.h"
#include "admin/wire.h"

#include <stddef.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = str_of(data, size), line = in, body, user, text, json;
    struct strs words;
    struct err e = ERR_NONE;
    struct arena a;
    bool too_large;
    enum rc rc;

    arena_init(&a, 512, 1 << 24);
    while (wire_take(in, &body, &too_large)) {
        wire_parse_request(&a, body, &user, &words, &e);
        wire_parse_reply(body, &rc, &text, &json);
        in = str_from(in, body.n + 4);
    }
    while (words_take(&a, &line, &words, &e))
        ;
    arena_done(&a);
    return 0;
}
