/* Any octets as an scp client: the first line is the command, the rest what the client sends. Never a fault, no secret. */
#include "base/must.h"
#include "shell/files_testing.h"
#include "shell/scp.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct files_home *home;

static void forget(void)
{
    files_home_free(home);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    home = files_home_new();
    atexit(forget);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct str rest = str_of(data, n), command = str_first(rest, str_find(rest, '\n'));
    int in = memfd_create("in", MFD_CLOEXEC), out = memfd_create("out", MFD_CLOEXEC);
    char said[65536];
    ssize_t got;

    home->told[0] = '\0';
    rest = str_from(rest, command.n + 1);
    must(in >= 0 && out >= 0 && write(in, rest.p ? rest.p : "", rest.n) == (ssize_t)rest.n && lseek(in, 0, SEEK_SET) == 0);
    (void)scp_serve(&home->v, command, in, out, out, 100);
    got = pread(out, said, sizeof said, 0);
    must(got < 0 || !files_leaked(str_of(said, (size_t)got), str_of(data, n)));
    close(in);
    close(out);
    files_home_tidy(home);
    return 0;
}
