/* A link token that somebody types: never crashes; what is taken is written as it was. */
#include "admin/link_token.h"
#include "base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf out = BUF(1024);
    struct link_token t;

    if (link_token_read(str_of(data, size), &t, NULL) == RC_OK) {
        link_token_write(&t, &out);
        must(str_eq(buf_str(&out), str_trim(str_of(data, size))));
    }
    buf_done(&out);
    return 0;
}
