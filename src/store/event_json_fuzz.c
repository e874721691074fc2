/* Lines that say they are events: what is read can be written, and is then read as the same. */
#include "store/event_json.h"

#include "base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct event_record first, second;
    struct buf one = BUF(16 << 20), two = BUF(16 << 20);
    struct arena a;
    uint64_t number;

    arena_init(&a, 4096, 32 << 20);
    if (event_json_read(&a, str_of(data, size), &number, &first, NULL) == RC_OK && first.type != EVENT_NONE) {
        event_json_write(number, &first, &one);
        must(!one.failed && str_find(buf_str(&one), '\n') == one.n - 1);
        must(event_json_read(&a, str_first(buf_str(&one), one.n - 1), &number, &second, NULL) == RC_OK);
        event_json_write(number, &second, &two);
        must(str_eq(buf_str(&one), buf_str(&two)));
    }
    buf_done(&one);
    buf_done(&two);
    arena_done(&a);
    return 0;
}
