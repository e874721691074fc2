/* What passes the check can be walked to its end, and every value inside passes it too. */
#include "base/json_read.h"
#include "base/must.h"

static void walk(struct arena *a, struct json v)
{
    struct json rest = v, value;
    struct str name;
    double d;

    json_string(a, v);
    json_number(v, &d);
    while ((json_type(v) == JSON_OBJECT || json_type(v) == JSON_ARRAY) && json_next(&rest, &name, &value)) {
        struct json again;

        must(json_whole(value.text, &again) && again.text.n == value.text.n);
        walk(a, value);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a;
    struct json v;

    if (!json_whole(str_of(data, size), &v))
        return 0;
    arena_init(&a, 1024, 1 << 20);
    walk(&a, v);
    json_member(v, "a");
    arena_done(&a);
    return 0;
}
