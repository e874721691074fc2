/* Fuzz target: the 7-bit form of a hostile message is 7-bit, has no new line with a dot, and is its own 7-bit form. */
#include "mail/downgrade.h"

#include "base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t dots(struct str s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++)
        n += s.p[i] == '.' && (i == 0 || s.p[i - 1] == '\n');
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf out = BUF(DOWNGRADE_OUT_MAX), again = BUF(DOWNGRADE_OUT_MAX);

    if (downgrade_message(str_of(data, size), &out) == RC_OK) {
        for (size_t i = 0; i < out.n; i++)
            must((unsigned char)out.p[i] < 128);
        must(dots(buf_str(&out)) <= dots(str_of(data, size)));
        must(downgrade_message(buf_str(&out), &again) == RC_OK && str_eq(buf_str(&out), buf_str(&again)));
    }
    buf_done(&out);
    buf_done(&again);
    return 0;
}
