/* Any octets as an SFTP client: never a fault, never an octet of the home's other files, no half upload left behind. */
#include "base/must.h"
#include "shell/files_testing.h"
#include "shell/sftp.h"

#include <stdlib.h>
#include <string.h>

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
    struct buf out = BUF(4 << 20);
    struct str in = str_of(data, n);
    struct sftp *s = sftp_new(&home->v, &out);
    size_t taken = 0;

    home->told[0] = '\0';
    must(sftp_input(s, str_lit("\0\0\0\5\1\0\0\0\3"), &taken));
    while (sftp_input(s, in, &taken) && taken) {
        in = str_from(in, taken);
        must(!files_leaked(buf_str(&out), str_of(data, n)));
        buf_clear(&out);
    }
    sftp_free(s);
    buf_done(&out);
    files_home_tidy(home);
    return 0;
}
