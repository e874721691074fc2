/* chronyc's output, whatever it holds: every text stays inside its field and prints. */
#include "clock/report.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct clock_report r;
    struct buf text = BUF(1 << 20);

    clock_report_read(str_of(data, n), &r);
    clock_report_text(&r, &text);
    if (text.failed || text.n == 0)
        abort();
    buf_done(&text);
    return 0;
}
