/* The engine of the console's `grep` alone, for bench/grep: HOME LOG PATTERN [count|lines] [i]. */
#include "console/log_grep.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool print(void *ctx, struct str line)
{
    (void)ctx;
    fwrite_unlocked(line.p, 1, line.n, stdout);
    putc_unlocked('\n', stdout);
    return true;
}

int main(int argc, char **argv)
{
    struct log_out out = {.line = print};
    struct log_grep what = {0};
    struct err e = ERR_NONE;

    if (argc < 5)
        return 2;
    what.pattern = str_c(argv[3]);
    what.count = strcmp(argv[4], "count") == 0;
    what.ignore_case = argc > 5;
    if (log_grep(argv[1], str_c(argv[2]), &what, &out, &e) == RC_OK)
        return 0;
    fprintf(stderr, "%s\n", err_text(&e));
    return 1;
}
