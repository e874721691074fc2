/*
 * The old scp protocol: command lines, broken clients, and `scp -O` of OpenSSH as the real one (FW-02). Called as
 * `scp_test HOME COMMAND` it is the server that scp starts.
 */
#include "shell/files_testing.h"
#include "shell/scp_inside.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

static char self[500];

static void words_lose_their_quotes(void **state)
{
    static const struct {
        const char *line, *words;
        enum rc rc;
    } rows[] = {
        {"scp -f /mail_logs/*.s", "scp|-f|/mail_logs/*.s", RC_OK},
        {"scp  -f '/a b' \"c'd\" e\\ f", "scp|-f|/a b|c'd|e f", RC_OK},
        {"scp -f ''", "scp|-f|", RC_OK},
        {"scp -f $(reboot);`id`", "scp|-f|$(reboot);`id`", RC_OK},
        {"scp -f 'open", "", RC_SYNTAX},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[200] = "";
        struct strs words = {0};
        struct arena a;

        arena_init(&a, 1024, 1 << 20);
        assert_int_equal(scp_words(&a, str_c(rows[i].line), &words, NULL), rows[i].rc);
        for (size_t k = 0; k < words.n; k++)
            snprintf(text + strlen(text), sizeof text - strlen(text), "%s%.*s", k ? "|" : "", STR(words.items[k]));
        assert_string_equal(text, rows[i].words);
        arena_done(&a);
    }
}

static void commands_are_checked(void **state)
{
    static const struct {
        const char *line;
        enum rc rc;
    } rows[] = {
        {"scp -v -p -d -t -- /configuration", RC_OK},
        {"/usr/bin/scp -pf /a /b", RC_OK},
        {"scp -t /a /b", RC_SYNTAX},
        {"scp -f -t /a", RC_SYNTAX},
        {"scp -f", RC_SYNTAX},
        {"scp /a", RC_SYNTAX},
        {"scp -fS /a", RC_INVALID},
        {"scpx -f /a", RC_UNKNOWN_COMMAND},
        {"", RC_UNKNOWN_COMMAND},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct scp_request r;
        struct arena a;

        arena_init(&a, 1024, 1 << 20);
        assert_int_equal(scp_request_parse(&a, str_c(rows[i].line), &r, NULL), rows[i].rc);
        arena_done(&a);
    }
}

/* What the server answers to these octets. */
static size_t answer(struct files_home *h, const char *command, const void *in, size_t n, char *out, size_t room,
                     int *rc_out)
{
    int from = memfd_create("in", MFD_CLOEXEC), to = memfd_create("out", MFD_CLOEXEC);
    ssize_t got;

    assert_int_equal(write(from, in, n), n);
    lseek(from, 0, SEEK_SET);
    *rc_out = scp_serve(&h->v, str_c(command), from, to, to, 1000);
    got = pread(to, out, room - 1, 0);
    assert_true(got >= 0);
    out[got] = '\0';
    close(from);
    close(to);
    return (size_t)got;
}

#define ANSWERS(h, command, in, expected, expected_rc) \
    do { \
        char out_[4096]; \
        int rc_; \
        size_t n_ = answer((h), (command), (in), sizeof(in) - 1, out_, sizeof out_, &rc_); \
        assert_memory_equal(out_, (expected), n_ < sizeof(expected) - 1 ? n_ : sizeof(expected) - 1); \
        assert_int_equal(n_, sizeof(expected) - 1); \
        assert_int_equal(rc_, (expected_rc)); \
    } while (0)

/* Each fault is one line in the protocol; nothing is written but what is whole and allowed. */
static void broken_clients_get_one_clear_line(void **state)
{
    struct files_home *h = files_home_new();
    char *text;

    (void)state;
    ANSWERS(h, "scp -t /configuration", "C0644 3 x\nabc\0", "\0\0\0", 0);
    text = files_get(h, "configuration/x");
    assert_string_equal(text, "abc");
    free(text);
    ANSWERS(h, "scp -t /configuration", "C0644 3 ../y\n", "\0\1scp: protocol error: not a file line\n", 1);
    ANSWERS(h, "scp -t /configuration", "C0644 3 ..\n", "\0\1scp: protocol error: not a file line\n", 1);
    ANSWERS(h, "scp -t /configuration", "C0644 -3 y\n", "\0\1scp: protocol error: not a file line\n", 1);
    ANSWERS(h, "scp -t /configuration", "hello\n", "\0\1scp: protocol error: unexpected line\n", 1);
    ANSWERS(h, "scp -t /configuration", "D0755 0 sub\n", "\0\1scp: only plain files can be copied here\n", 1);
    ANSWERS(h, "scp -t /configuration", "C0644 9 half\nabc", "\0\0", 0);
    ANSWERS(h, "scp -t /configuration", "C0644 68000000 big\n",
            "\0\1scp: /configuration/big: File too large: the limit is 64 MB\n", 1);
    ANSWERS(h, "scp -t /mail_logs", "C0644 1 x\n", "\0\1scp: /mail_logs/x: Permission denied\n", 1);
    ANSWERS(h, "scp -d -t /configuration/x", "", "\1scp: /configuration/x: Not a directory\n", 1);
    ANSWERS(h, "scp -f /keys/host", "\0", "\1scp: /keys/host: No such file or directory\n", 1);
    ANSWERS(h, "scp -f /mail_logs", "\0", "\1scp: /mail_logs: not a plain file\n", 1);
    ANSWERS(h, "scp -f /mail_logs/*.xml", "\0", "\1scp: /mail_logs/*.xml: No such file or directory\n", 1);
    ANSWERS(h, "scp -f /mail_logs/mail.current", "\0\0", "C0444 4 mail.current\nnow\n\0",
            1); /* the last answer is missing */
    ANSWERS(h, "scp -f /mail_logs/mail.current", "\0\0\0", "C0444 4 mail.current\nnow\n\0", 0);
    ANSWERS(h, "scp -x", "", "scp: unknown option\n", 1);
    assert_int_equal(files_shell(NULL, 0, "test $(ls -A %s/configuration | wc -l) = 2", h->path), 0);
    files_home_free(h);
}

/* FW-02: `scp -O`: patterns expand here, times are kept, uploads are whole, refusals give exit status 1. */
static void openssh_scp_works(void **state)
{
    struct files_home *h = files_home_new();
    char out[8000];

    (void)state;
    assert_int_equal(
        files_shell(out, sizeof out,
                    "cd %s && mkdir local all && printf '#!/bin/sh\\nfor last; do :; done\\nexec %s %s \"$last\"\\n' "
                    ">ssh.sh && chmod +x ssh.sh && head -c 20000000 /dev/urandom >log/mail_logs/large.s && "
                    "touch -d 2026-11-20T10:00Z log/mail_logs/large.s && "
                    "scp -O -p -S ./ssh.sh 'x:/mail_logs/*.s' x:/captures/c.cap local/ && "
                    "cmp local/large.s log/mail_logs/large.s && cmp local/c.cap captures/c.cap && "
                    "test ! local/large.s -nt log/mail_logs/large.s && ls local | wc -l && "
                    "scp -O -S ./ssh.sh local/large.s x://configuration/config.xml && "
                    "cmp local/large.s configuration/config.xml && "
                    "scp -O -S ./ssh.sh local/*.s x:/configuration && ls configuration | wc -l && "
                    "scp -O -r -S ./ssh.sh x:/mail_logs all && ls all/mail_logs | wc -l",
                    h->path, self, h->path),
        0);
    assert_string_equal(out, "4\n5\n4\n");
    files_home_free(h);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_lose_their_quotes),
        cmocka_unit_test(commands_are_checked),
        cmocka_unit_test(broken_clients_get_one_clear_line),
        cmocka_unit_test(openssh_scp_works),
    };
    struct vroot v;
    ssize_t n;

    if (argc == 3 && vroot_open(&v, argv[1], NULL) == RC_OK)
        return scp_serve(&v, str_c(argv[2]), 0, 1, 2, 60000);
    n = readlink("/proc/self/exe", self, sizeof self - 1);
    return n <= 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
