/* Any text as lines of path=value. */
#include "base/must.h"
#include "conf/draft.h"

#include <stddef.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct conf_draft *d = conf_draft_new();
    struct str text = str_of(data, size), line;
    struct err e = ERR_NONE;

    must(d);
    while (str_split(&text, '\n', &line))
        conf_draft_line(d, line, &e);
    conf_draft_free(d);
    return 0;
}
