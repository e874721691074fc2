/*
 * postern cli: the command line on the local console (spec/cli.md). With words after the options: exec mode, `;` between
 * commands, stops at the first that fails. Without: prompt and questions on a terminal, a script on any other input.
 *
 * Called by main_postern.c. Becomes postern-session, which connects to HOME/run/control.sock with the rights of whoever
 * typed it. Exit status 0 done, 1 failed or refused, 2 wrong usage.
 */
#include "base/buf.h"
#include "role/commands.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 64 << 20 };

/* Words of the shell as one line: those that the shell grouped are quoted again, a lone word is a line by itself. */
static void join(int argc, char **argv, struct buf *line)
{
    for (int i = 0; i < argc; i++) {
        if (i)
            buf_addc(line, ' ');
        if (argc == 1 || (argv[i][0] && !strpbrk(argv[i], " \t\"\\\n"))) {
            buf_add(line, str_c(argv[i]));
            continue;
        }
        buf_addc(line, '"');
        for (const char *p = argv[i]; *p; p++) {
            if (*p == '"' || *p == '\\')
                buf_addc(line, '\\');
            buf_addc(line, *p);
        }
        buf_addc(line, '"');
    }
    buf_addc(line, '\0');
}

int front_cli(int argc, char **argv)
{
    const char *user = NULL, *home = command_home(argc, argv);
    char exe[PATH_MAX], absolute[PATH_MAX];
    struct buf line = BUF(LINE_MAX_BYTES);
    char *args[8] = {"postern-session"};
    size_t n = 1;
    ssize_t len;
    int i = 0;

    for (; i + 1 < argc && (strcmp(argv[i], "--home") == 0 || strcmp(argv[i], "--user") == 0); i += 2) {
        if (strcmp(argv[i], "--user") == 0)
            user = argv[i + 1];
    }
    if (!home)
        return 1;
    if (!realpath(home, absolute)) {
        fprintf(stderr, "postern: %s: %s\n", home, strerror(errno));
        return 1;
    }
    len = readlink("/proc/self/exe", exe, sizeof exe - 16);
    exe[len > 0 ? len : 0] = '\0';
    strncat(exe, "-session", 15);
    args[n++] = absolute;
    args[n++] = "--local";
    if (user) {
        args[n++] = "--user";
        args[n++] = (char *)(uintptr_t)user;
    }
    if (i < argc) {
        join(argc - i, argv + i, &line);
        args[n++] = "--command";
        args[n++] = line.p;
    }
    args[n] = NULL;
    execv(exe, args);
    fprintf(stderr, "postern: cannot execute %s: %s\n", exe, strerror(errno));
    return 1;
}
