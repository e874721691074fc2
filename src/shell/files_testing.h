/* For tests of the file servers: a home with a few files, and servers as child processes that real clients talk to. */
#ifndef SHELL_FILES_TESTING_H
#define SHELL_FILES_TESTING_H

#include "shell/vroot.h"

/* A new folder below /tmp with configuration, captures and two logs, beside files that nobody may reach (they hold
 * "SECRET"). Ends the process on failure. */
struct files_home {
    char path[64];
    struct vroot v;
    char told[16384]; /* what vroot told, a line each */
};
struct files_home *files_home_new(void);
void files_home_free(struct files_home *h);
/* Removes what was written into /configuration; fails (must) when an upload was left half. */
void files_home_tidy(struct files_home *h);

/* Writes and reads HOME/name for the test itself. */
void files_put(const struct files_home *h, const char *name, const void *p, size_t n);
/* NULL when it does not exist; a copy that files_home_free does not free. */
char *files_get(const struct files_home *h, const char *name);
/* Fuzzers: did the answer show a file that nobody may reach? An input that spells the secret itself, with anything between
 * its letters (a name that is echoed without its NULs), says nothing. */
bool files_leaked(struct str said, struct str input);
/* Runs a shell command made by the format; its output (both streams) into out; the exit status. */
int files_shell(char *out, size_t room, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
