/*
 * Filters from anywhere (an imported file, an API): reading never fails but by an error with a place, what is written reads
 * again as the same, and expressions compile within bounds.
 */
#include "policy/filter.h"

#include <stdlib.h>

static struct str written(struct arena *a, struct filters f)
{
    struct buf b = BUF(16 << 20);
    struct str s;

    for (size_t i = 0; i < f.n; i++)
        filter_write(&f.items[i], &b);
    s = b.failed ? STR_NONE : arena_str(a, buf_str(&b));
    buf_done(&b);
    return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a;
    struct filters f = {0}, again = {0};
    struct filter_rule *rule;
    struct filter_action action;
    struct err e = ERR_NONE;

    arena_init(&a, 4096, 64 << 20);
    if (filter_parse(&a, str_of(data, size), &f, &e) == RC_OK) {
        struct str one = written(&a, f), two;

        if (one.p) {
            if (filter_parse(&a, one, &again, &e) != RC_OK)
                abort();
            two = written(&a, again);
            if (two.p && !str_eq(one, two))
                abort();
        }
    } else if (e.rc == RC_SYNTAX && !str_starts(str_c(e.text), str_lit("line "))) {
        abort();
    }
    filter_parse_rule(&a, str_of(data, size), &rule, &e);
    filter_parse_action(&a, str_of(data, size), &action, &e);
    arena_done(&a);
    return 0;
}
