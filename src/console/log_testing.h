/* A home with a log for the tests of this room, and a reader that gathers what is shown. */
#ifndef CONSOLE_LOG_TESTING_H
#define CONSOLE_LOG_TESTING_H

#include "console/log_files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static char home[64];
static struct buf shown = {.max = 16 << 20};
static size_t lines_shown, lines_wanted;

static inline void put(const char *file, const char *mode, const char *text)
{
    char path[200];
    FILE *f;

    snprintf(path, sizeof path, "%s/log/mail_logs/%s", home, file);
    f = fopen(path, mode);
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static inline int fresh(void **state)
{
    char command[200];

    (void)state;
    strcpy(home, "/tmp/postern-console-XXXXXX");
    assert_non_null(mkdtemp(home));
    snprintf(command, sizeof command, "mkdir -p %s/log/mail_logs", home);
    return system(command);
}

static inline int gone(void **state)
{
    char command[200];

    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", home);
    buf_done(&shown);
    return system(command);
}

static inline bool gather(void *ctx, struct str line)
{
    (void)ctx;
    buf_add(&shown, line);
    buf_addc(&shown, '\n');
    return ++lines_shown != lines_wanted;
}

static inline const char *shown_text(void)
{
    buf_addc(&shown, '\0');
    shown.n--;
    return shown.p;
}

static inline void forget(void)
{
    buf_clear(&shown);
    lines_shown = lines_wanted = 0;
}

#endif
