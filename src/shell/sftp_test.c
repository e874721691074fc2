/*
 * SFTP: packets one by one, and OpenSSH's sftp and scp as real clients (FW-02). Called as `sftp_test serve HOME` it is the
 * server they start.
 */
#include "shell/files_testing.h"
#include "shell/sftp_inside.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static char self[500];

/* --- packets ------------------------------------------------------------------------------------------------------- */

struct talk {
    struct files_home *h;
    struct sftp *s;
    struct buf in, out;
};

static void begin(struct talk *t)
{
    *t = (struct talk){.h = files_home_new(), .in = BUF(1 << 20), .out = BUF(4 << 20)};
    t->s = sftp_new(&t->h->v, &t->out);
}

static void end(struct talk *t)
{
    sftp_free(t->s);
    buf_done(&t->in);
    buf_done(&t->out);
    files_home_free(t->h);
}

/* Sends what is in t->in behind `from` as one packet's body. */
static bool send_packet(struct talk *t)
{
    struct buf whole = BUF(2 << 20);
    size_t taken;
    bool ok;

    sftp_put_u32(&whole, (uint32_t)t->in.n);
    buf_add(&whole, buf_str(&t->in));
    buf_clear(&t->out);
    ok = sftp_input(t->s, buf_str(&whole), &taken);
    if (ok)
        assert_int_equal(taken, whole.n);
    buf_done(&whole);
    buf_clear(&t->in);
    return ok;
}

static void put_init(struct talk *t)
{
    buf_put_u8(&t->in, 1);
    sftp_put_u32(&t->in, 3);
}

/* The status code of the one answer. */
static uint32_t status(struct talk *t)
{
    struct str in = str_from(buf_str(&t->out), 9);
    uint32_t code;

    assert_int_equal(t->out.p[4], SFTP_STATUS);
    assert_true(sftp_take_u32(&in, &code));
    return code;
}

static uint32_t ask_path(struct talk *t, uint8_t type, const char *path)
{
    buf_put_u8(&t->in, type);
    sftp_put_u32(&t->in, 7);
    sftp_put_str(&t->in, str_c(path));
    assert_true(send_packet(t));
    return t->out.p[4] == SFTP_STATUS ? status(t) : SFTP_OK;
}

static void broken_packets_end_or_are_answered(void **state)
{
    struct talk t;

    (void)state;
    begin(&t);
    buf_put_u8(&t.in, 17);
    sftp_put_u32(&t.in, 1);
    assert_false(send_packet(&t)); /* before INIT */
    put_init(&t);
    assert_true(send_packet(&t));
    assert_int_equal(t.out.p[4], 2);
    put_init(&t);
    assert_false(send_packet(&t)); /* twice */
    buf_put_u8(&t.in, 99);
    sftp_put_u32(&t.in, 1);
    assert_true(send_packet(&t));
    assert_int_equal(status(&t), SFTP_UNSUPPORTED);
    buf_put_u8(&t.in, 17); /* STAT with a string longer than the packet */
    sftp_put_u32(&t.in, 1);
    sftp_put_u32(&t.in, 100);
    assert_true(send_packet(&t));
    assert_int_equal(status(&t), SFTP_BAD);
    sftp_put_u32(&t.in, 0);
    buf_clear(&t.in);
    assert_false(send_packet(&t)); /* length 0 */
    assert_non_null(buf_reserve(&t.in, SFTP_PACKET_MAX + 1));
    t.in.n = SFTP_PACKET_MAX + 1;
    memset(t.in.p, 0, t.in.n);
    assert_false(send_packet(&t));
    end(&t);
}

static void folders_cannot_be_made_and_handles_not_guessed(void **state)
{
    struct talk t;

    (void)state;
    begin(&t);
    put_init(&t);
    assert_true(send_packet(&t));
    assert_int_equal(ask_path(&t, 14, "/configuration/x"), SFTP_DENIED);
    assert_int_equal(ask_path(&t, 15, "/captures"), SFTP_DENIED);
    assert_int_equal(ask_path(&t, 19, "/captures/c.cap"), SFTP_UNSUPPORTED);
    assert_int_equal(ask_path(&t, 17, "/keys/host"), SFTP_NO_FILE);
    assert_int_equal(ask_path(&t, 13, "/mail_logs/mail.current"), SFTP_DENIED);
    assert_int_equal(ask_path(&t, 4, "abc"), SFTP_FAILURE);
    assert_int_equal(ask_path(&t, 4, "\1\1\1\1\1\1\1\1"), SFTP_FAILURE);
    end(&t);
}

/* A client cannot hold more than its share: the 101st folder is refused, the session goes on. */
static void handles_are_bounded(void **state)
{
    struct talk t;

    (void)state;
    begin(&t);
    put_init(&t);
    assert_true(send_packet(&t));
    for (int i = 0; i < SFTP_HANDLES; i++)
        assert_int_equal(ask_path(&t, 11, "/mail_logs"), SFTP_OK);
    assert_int_equal(ask_path(&t, 11, "/mail_logs"), SFTP_FAILURE);
    assert_int_equal(ask_path(&t, 17, "/mail_logs"), SFTP_OK);
    end(&t);
}

/* --- real clients -------------------------------------------------------------------------------------------------- */

static int sftp_batch(const struct files_home *h, char *out, size_t room, const char *batch)
{
    char name[200];

    files_put(h, "batch", batch, strlen(batch));
    snprintf(name, sizeof name, "%s/batch", h->path);
    return files_shell(out, room, "cd %s && mkdir -p local && cd local && sftp -b %s -D '%s serve %s'", h->path, name, self,
                       h->path);
}

/* FW-02: OpenSSH's sftp lists, fetches, uploads, renames, deletes; refusals have their own texts. */
static void openssh_sftp_works(void **state)
{
    struct files_home *h = files_home_new();
    char out[8000], *text;

    (void)state;
    files_put(h, "up.xml", "<config/>\n", 10);
    assert_int_equal(sftp_batch(h, out, sizeof out,
                                "pwd\nls -l /\ncd mail_logs\nls -1\nget *.s\nput ../up.xml //configuration/config.xml\n"
                                "ls -l /configuration\nrename /configuration/config.xml /configuration/config.dtd\n"
                                "get -p /configuration/config.dtd\nrm /captures/c.cap\nls -1 /captures\n"),
                     0);
    assert_non_null(strstr(out, "Remote working directory: /\n"));
    assert_non_null(strstr(out, "dr-xr-xr-x"));
    assert_non_null(strstr(out, "mail.@20261121T100000.s\nmail.@20261121T110000.s\nmail.current\n"));
    assert_non_null(strstr(out, "/configuration/config.xml\n"));
    text = files_get(h, "local/mail.@20261121T110000.s");
    assert_string_equal(text, "second\n");
    free(text);
    text = files_get(h, "local/config.dtd");
    assert_string_equal(text, "<config/>\n");
    free(text);
    assert_null(files_get(h, "captures/c.cap"));
    assert_int_equal(sftp_batch(h, out, sizeof out, "put ../up.xml /mail_logs/x\n"), 1);
    assert_non_null(strstr(out, "ermission denied"));
    assert_int_equal(sftp_batch(h, out, sizeof out, "mkdir /configuration/x\n"), 1);
    assert_int_equal(sftp_batch(h, out, sizeof out, "get /keys/host\n"), 1);
    assert_int_equal(sftp_batch(h, out, sizeof out, "reput ../up.xml /configuration/half.xml\n"), 1);
    files_put(h, "configuration/half.xml", "<con", 4);
    assert_int_equal(sftp_batch(h, out, sizeof out, "reput ../up.xml /configuration/half.xml\n"), 0);
    text = files_get(h, "configuration/half.xml");
    assert_string_equal(text, "<config/>\n");
    free(text);
    files_home_free(h);
}

/* FW-02: scp of logs, as today's OpenSSH speaks it (SFTP), patterns included; a large file comes whole. */
static void openssh_scp_over_sftp_works(void **state)
{
    enum { LARGE = 20 << 20 };
    struct files_home *h = files_home_new();
    char out[4000], *large = malloc(LARGE);

    (void)state;
    assert_non_null(large);
    for (size_t i = 0; i < LARGE; i++)
        large[i] = (char)(i * 2654435761u >> 13);
    files_put(h, "log/mail_logs/large.s", large, LARGE);
    files_put(h, "scp.sh", "", 0);
    assert_int_equal(
        files_shell(out, sizeof out,
                    "cd %s && mkdir local && printf '#!/bin/sh\\nexec %s serve %s\\n' >serve.sh && chmod +x serve.sh && "
                    "scp -D ./serve.sh 'x:/mail_logs/*.s' local/ && cmp local/large.s log/mail_logs/large.s && "
                    "scp -D ./serve.sh local/large.s x://configuration/config.xml && "
                    "cmp local/large.s configuration/config.xml && ls local | wc -l",
                    h->path, self, h->path),
        0);
    assert_string_equal(out, "3\n");
    free(large);
    files_home_free(h);
}

static int serve(const char *home)
{
    struct vroot v;

    if (vroot_open(&v, home, NULL) != RC_OK)
        return 1;
    return sftp_serve(&v, 0, 1, 60000);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(broken_packets_end_or_are_answered),
        cmocka_unit_test(folders_cannot_be_made_and_handles_not_guessed),
        cmocka_unit_test(handles_are_bounded),
        cmocka_unit_test(openssh_sftp_works),
        cmocka_unit_test(openssh_scp_over_sftp_works),
    };
    ssize_t n;

    if (argc == 3 && strcmp(argv[1], "serve") == 0)
        return serve(argv[2]);
    n = readlink("/proc/self/exe", self, sizeof self - 1);
    return n <= 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
