/* Answers of engines: the first octet chooses whose. What is read stays inside what came. */
#include "base/must.h"
#include "scan/engines.h"
#include "scan/http_reply.h"

static void http(struct arena *a, struct str in)
{
    struct http_reply r, whole;
    struct spam_answer s;

    if (http_reply_read(a, in, false, &r) == HTTP_WHOLE) {
        /* what is whole stays whole when the connection ends */
        must(http_reply_read(a, in, true, &whole) == HTTP_WHOLE && whole.status == r.status && str_eq(whole.body, r.body));
        rspamd_answer_read(a, r.body, &s, NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = size ? str_of(data + 1, size - 1) : STR_NONE;
    struct virus_item item = {.octets = STR_NONE};
    struct spam_answer s;
    struct arena a;

    arena_init(&a, 4096, 16 << 20);
    switch (size ? data[0] % 4 : 4) {
    case 0:
        http(&a, in);
        break;
    case 1:
        if (rspamd_answer_read(&a, in, &s, NULL) == RC_OK)
            must(s.score >= 0 && s.score <= 100 && s.n_symbols <= SYMBOLS_MAX);
        break;
    case 2:
        if (spamd_answer_read(&a, in, &s, NULL) == RC_OK)
            must(s.score >= 0 && s.score <= 100 && s.n_symbols <= SYMBOLS_MAX);
        break;
    case 3:
        clamd_answer_read(&a, in, &item, NULL);
        break;
    default:
        break;
    }
    arena_done(&a);
    return 0;
}
