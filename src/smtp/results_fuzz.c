/* Whatever a deliver process writes into a flight slot, queue reads it without harm; what is read can be written again. */
#include "smtp/results.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a;
    const struct delivery_result *got;
    size_t n;

    arena_init(&a, 4096, 8 << 20);
    if (results_decode(&a, str_of(data, size), &got, &n) == RC_OK) {
        struct buf b = BUF(1 << 20);

        results_encode(got, n, 1000, &b);
        buf_done(&b);
    }
    arena_done(&a);
    return 0;
}
