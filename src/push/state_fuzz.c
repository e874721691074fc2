/* A state file of any content is read or refused; what was read is written in a form that reads the same. */
#include "push/state.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct push_state a, b;
    struct buf text = BUF(1 << 20);

    if (push_state_parse(str_of(data, size), &a, NULL) != RC_OK)
        return 0;
    push_state_format(&a, &text);
    if (push_state_parse(buf_str(&text), &b, NULL) != RC_OK || a.n_pushed != b.n_pushed || a.ok_ms != b.ok_ms)
        abort();
    buf_done(&text);
    return 0;
}
