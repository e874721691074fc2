/* Whatever a manager answers to STATUS is read without harm; each value is found once, in the order of the lines. */
#include "smtp/cpq_status.h"

#include "base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str lines = str_of(data, size), rest = lines, value, first = STR_NONE;
    struct arena a;
    size_t n = 0, left = size + 1;

    arena_init(&a, 4096, 8 << 20);
    while (cpq_status_next(&a, &rest, "migration-map", &value)) {
        must(rest.n < left && value.n <= size);
        left = rest.n;
        if (!n++)
            first = value;
    }
    value = cpq_status_value(&a, lines, "migration-map");
    must(n ? str_eq(value, first) : !value.n);
    arena_done(&a);
    return 0;
}
