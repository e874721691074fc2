/* What is read is a tree whose every value, by itself, is read again to the same kind. */
#include "base/json_read.h"
#include "base/must.h"

static void walk(struct arena *a, const struct json *v)
{
    const struct json *again;
    uint64_t n;

    must(json_read(a, v->raw, &again, NULL) != RC_SYNTAX);
    json_u64(v, &n);
    json_str_of(v);
    for (const struct json *m = v->first; m; m = m->next)
        walk(a, m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct json *v;
    struct arena a;

    arena_init(&a, 1024, 8 << 20);
    if (json_read(&a, str_of(data, size), &v, NULL) == RC_OK) {
        json_get(v, "a");
        walk(&a, v);
    }
    arena_done(&a);
    return 0;
}
