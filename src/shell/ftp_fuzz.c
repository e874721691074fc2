/* Any lines as an FTP client, logged in from the start when the first octet is odd: never a fault, no secret. */
#include "base/must.h"
#include "shell/files_testing.h"
#include "shell/ftp.h"

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

static enum rc login(void *ctx, struct str user, struct str passphrase, struct ftp_user *out, struct err *e)
{
    (void)ctx;
    (void)passphrase;
    if (!str_eq(user, str_lit("a")))
        return err_set(e, RC_AUTH_FAILED, "no");
    *out = (struct ftp_user){0, false};
    return RC_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const char hello[] = "USER a\r\nPASS\r\n";
    struct ftp_options o = {.root = home->v,
                            .gate = {.login = login},
                            .hostname = "mx",
                            .passive_first = 1024,
                            .passive_last = 65535,
                            .active = true,
                            .idle_ms = 100,
                            .login_ms = 100,
                            .data_wait_ms = 1};
    int in = memfd_create("in", MFD_CLOEXEC), out = memfd_create("out", MFD_CLOEXEC);
    char said[65536];
    ssize_t got;

    must(in >= 0 && out >= 0);
    if (n && data[0] & 1)
        must(write(in, hello, sizeof hello - 1) == (ssize_t)sizeof hello - 1);
    must(n == 0 || write(in, data + 1, n - 1) == (ssize_t)n - 1);
    must(lseek(in, 0, SEEK_SET) == 0);
    ftp_serve(&o, in, out);
    got = pread(out, said, sizeof said, 0);
    must(got < 0 || !files_leaked(str_of(said, (size_t)got), str_of(data, n)));
    close(in);
    close(out);
    files_home_tidy(home);
    return 0;
}
