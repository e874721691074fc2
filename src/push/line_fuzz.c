/* Any line of a log becomes at most one line of syslog, no longer than allowed, whatever peers put into it. */
#include "push/line.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct syslog_header h = {.facility = 20, .host = str_lit("h"), .tag = str_lit("t")};
    struct str rest = str_of(data, size), line;
    struct buf out = BUF(1 << 20);

    while (str_split(&rest, '\n', &line)) {
        buf_clear(&out);
        if (!syslog_line(&h, line, &out)) {
            if (out.n)
                abort();
            continue;
        }
        if (out.n > SYSLOG_LINE_MAX || str_find(buf_str(&out), '\n') != out.n - 1 || out.p[0] != '<')
            abort();
    }
    buf_done(&out);
    return 0;
}
