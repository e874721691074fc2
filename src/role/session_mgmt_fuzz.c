/* Verb lines of a manager: words come from the line, are printable and few, whatever it holds. */
#include "role/session_mgmt.h"

#include "base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str line = str_of(data, size), words[MGMT_WORDS];
    struct err e = ERR_NONE;
    enum mgmt_input input;
    size_t n = 0;

    if (mgmt_words(line, words, &n, &input, &e) != RC_OK) {
        must(e.rc == RC_INVALID && e.text[0]);
        return 0;
    }
    must(n >= 1 && n <= MGMT_WORDS && size <= MGMT_COMMAND_MAX);
    for (size_t i = 0; i < n; i++) {
        must(words[i].n && words[i].p >= line.p && words[i].p + words[i].n <= line.p + line.n);
        for (size_t j = 0; j < words[i].n; j++)
            must(words[i].p[j] > ' ' && words[i].p[j] < 0x7f);
    }
    must(input == MGMT_NONE || n >= 1);
    return 0;
}
