/* Verbs over SSH against a server of our own: who is let in, what comes back, what every failure says. */
#include "central/gateway_testing.h"
#include "central/ssh_line.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct world {
    struct gateway_testing *gateway;
    char *key, *public_key;
    char address[200];
    struct ssh_dial dial;
    struct ssh_line *line;
    struct err e;
};

static int verbs(void *ctx, struct str command, struct str input, struct buf *reply)
{
    (void)ctx;
    if (str_eq(command, str_lit("hello")))
        buf_addf(reply, "OK {\"got\":\"%.*s\"}\n", STR(input));
    else if (str_eq(command, str_lit("list")))
        buf_add(reply, str_lit("OK {}\nline 1\nline 2\n"));
    else if (str_eq(command, str_lit("evicted")))
        buf_add(reply, str_lit("ERR 410 evicted\n"));
    else if (str_eq(command, str_lit("busy")))
        buf_add(reply, str_lit("ERR 429 retry after 1000 ms\n"));
    else if (str_eq(command, str_lit("escape")))
        buf_add(reply, str_lit("ERR 500 \033[2Jgone\n"));
    else if (str_eq(command, str_lit("big"))) {
        buf_add(reply, str_lit("OK\n"));
        for (unsigned i = 0; i < 3u << 18; i++)
            buf_put_u32(reply, i * 2654435761u);
    } else if (str_eq(command, str_lit("cut"))) {
        buf_add(reply, str_lit("OK\nhalf of it"));
        return GATEWAY_CUT;
    } else if (str_eq(command, str_lit("short"))) {
        buf_add(reply, str_lit("OK\nhalf of it"));
        return 1;
    } else if (str_eq(command, str_lit("hang"))) {
        return GATEWAY_HANG;
    } else if (str_eq(command, str_lit("nothing"))) {
        return 0;
    } else {
        buf_add(reply, str_lit("welcome to a shell\n"));
    }
    return 0;
}

static void begin(struct world *w, struct gateway_testing_options o)
{
    *w = (struct world){0};
    gateway_testing_key(&w->key, &w->public_key);
    o.user = "manager";
    o.verb = verbs;
    if (!o.passphrase)
        o.public_key = w->public_key;
    w->gateway = gateway_testing_new(&o);
    snprintf(w->address, sizeof w->address, o.unix_path ? "unix:%s" : "127.0.0.1", o.unix_path);
    w->dial = (struct ssh_dial){.address = w->address,
                                .port = gateway_testing_port(w->gateway),
                                .user = "manager",
                                .key = w->key,
                                .host_key = gateway_testing_host_key(w->gateway),
                                .connect_ms = 5000,
                                .step_ms = 5000};
}

static void end(struct world *w)
{
    ssh_line_close(w->line);
    gateway_testing_free(w->gateway);
    free(w->key);
    free(w->public_key);
}

static void assert_open(struct world *w)
{
    if (ssh_line_open(&w->dial, &w->line, NULL, &w->e) != RC_OK)
        fail_msg("%s", err_text(&w->e));
}

static void assert_verb(struct world *w, const char *command, const char *input, const char *wanted)
{
    struct buf reply = BUF(1000);

    if (ssh_line_verb(w->line, str_c(command), str_c(input), &reply, -1, &w->e) != RC_OK)
        fail_msg("%s: %s", command, err_text(&w->e));
    buf_addc(&reply, '\0');
    assert_string_equal(reply.p, wanted);
    buf_done(&reply);
}

static enum rc refused(struct world *w, const char *command, unsigned code, const char *why)
{
    struct buf reply = BUF(1000);
    enum rc rc = ssh_line_verb(w->line, str_c(command), STR_NONE, &reply, -1, &w->e);

    assert_int_equal(ssh_line_code(w->line), code);
    if (!strstr(w->e.text, why))
        fail_msg("%s: '%s' says nothing of '%s'", command, w->e.text, why);
    buf_done(&reply);
    return rc;
}

static void verbs_run_one_after_the_other_over_one_connection(void **state)
{
    struct world w;

    (void)state;
    begin(&w, (struct gateway_testing_options){0});
    assert_open(&w);
    for (int i = 0; i < 20; i++)
        assert_verb(&w, "hello", "abc", "{\"got\":\"abc\"}");
    assert_verb(&w, "list", "", "{}\nline 1\nline 2\n");
    assert_int_equal(gateway_testing_connections(w.gateway), 1);
    assert_false(ssh_line_gone(w.line));
    end(&w);
}

static void refusals_come_with_code_and_text(void **state)
{
    struct world w;

    (void)state;
    begin(&w, (struct gateway_testing_options){0});
    assert_open(&w);
    assert_int_equal(refused(&w, "evicted", 410, "410 evicted"), RC_NOT_FOUND);
    assert_int_equal(refused(&w, "busy", 429, "429 retry after 1000 ms"), RC_LIMIT);
    assert_int_equal(refused(&w, "escape", 500, "500 ?[2Jgone"), RC_INTERNAL);
    assert_verb(&w, "hello", "still there", "{\"got\":\"still there\"}");
    end(&w);
}

static void a_reply_that_is_none_or_is_cut_is_an_error(void **state)
{
    struct world w;

    (void)state;
    begin(&w, (struct gateway_testing_options){0});
    assert_open(&w);
    assert_int_equal(refused(&w, "ls", 0, "a reply that is none: welcome to a shell"), RC_CONNECT);
    assert_int_equal(refused(&w, "nothing", 0, "without a reply"), RC_CONNECT);
    assert_int_equal(refused(&w, "short", 0, "cut short"), RC_CONNECT);
    assert_int_equal(refused(&w, "cut", 0, ""), RC_CONNECT);
    end(&w);
}

static void octets_behind_the_reply_go_to_a_file(void **state)
{
    char path[] = "/tmp/postern-ssh-XXXXXX";
    int fd = mkstemp(path);
    struct buf reply = BUF(1000);
    struct stat file;
    struct world w;
    uint32_t last;

    (void)state;
    begin(&w, (struct gateway_testing_options){0});
    assert_open(&w);
    assert_int_equal(ssh_line_verb(w.line, str_lit("big"), STR_NONE, &reply, fd, &w.e), RC_OK);
    assert_int_equal(reply.n, 0);
    fstat(fd, &file);
    assert_int_equal(file.st_size, 3 << 20);
    assert_int_equal(pread(fd, &last, 4, file.st_size - 4), 4);
    assert_int_equal(last, ((3u << 18) - 1) * 2654435761u);
    unlink(path);
    close(fd);
    buf_done(&reply);
    end(&w);
}

static void a_silent_verb_ends_in_time(void **state)
{
    struct world w;
    uint64_t begun = clock_mono_ms();

    (void)state;
    begin(&w, (struct gateway_testing_options){0});
    w.dial.step_ms = 300;
    assert_open(&w);
    assert_int_equal(refused(&w, "hang", 0, "no answer within"), RC_TIMEOUT);
    assert_in_range(clock_mono_ms() - begun, 300, 3000);
    end(&w);
}

static void *give_up(void *ctx)
{
    usleep(200000);
    ssh_abort_now(ctx);
    return NULL;
}

static void another_thread_can_give_up(void **state)
{
    struct ssh_abort stop;
    struct world w;
    uint64_t begun = clock_mono_ms();
    pthread_t thread;

    (void)state;
    begin(&w, (struct gateway_testing_options){0});
    ssh_abort_init(&stop);
    w.dial.abort = &stop;
    assert_open(&w);
    pthread_create(&thread, NULL, give_up, &stop);
    assert_int_not_equal(refused(&w, "hang", 0, ""), RC_OK);
    assert_in_range(clock_mono_ms() - begun, 200, 3000);
    pthread_join(thread, NULL);
    end(&w);
}

static size_t sockets(void)
{
    char path[64], to[64];
    size_t n = 0;

    for (int fd = 0; fd < 200; fd++) {
        ssize_t got;

        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        got = readlink(path, to, sizeof to);
        n += got > 7 && memcmp(to, "socket:", 7) == 0;
    }
    return n;
}

static void a_line_that_is_closed_leaves_no_descriptor(void **state)
{
    struct world w;
    size_t before, open;

    (void)state;
    begin(&w, (struct gateway_testing_options){0});
    before = sockets();
    assert_open(&w);
    assert_verb(&w, "hello", "x", "{\"got\":\"x\"}");
    open = sockets(); /* ours, the server's and its duplicate */
    assert_int_equal(open, before + 3);
    ssh_line_close(w.line);
    w.line = NULL;
    usleep(300000);
    assert_in_range(sockets(), before, before + 2); /* what the server keeps for its end */
    end(&w);
}

/* A gateway's host key is pinned: nothing is shown to another server, not even our key. */
static void another_host_key_is_refused(void **state)
{
    struct world w;
    char *pem, *other;
    struct buf shown = BUF(1000);

    (void)state;
    gateway_testing_key(&pem, &other);
    begin(&w, (struct gateway_testing_options){0});
    w.dial.host_key = other;
    assert_int_equal(ssh_line_open(&w.dial, &w.line, &shown, &w.e), RC_NOT_PERMITTED);
    assert_non_null(strstr(w.e.text, "host key SHA256:"));
    assert_true(str_eq(buf_str(&shown), str_c(gateway_testing_host_key(w.gateway))));
    buf_done(&shown);
    free(pem);
    free(other);
    end(&w);
}

static void without_a_known_key_only_the_host_key_is_asked_for(void **state)
{
    struct buf shown = BUF(1000);
    struct world w;
    char print[64];

    (void)state;
    begin(&w, (struct gateway_testing_options){0});
    w.dial.host_key = "";
    assert_int_equal(ssh_line_open(&w.dial, &w.line, &shown, &w.e), RC_OK);
    assert_null(w.line);
    assert_true(str_eq(buf_str(&shown), str_c(gateway_testing_host_key(w.gateway))));
    ssh_line_fingerprint(buf_str(&shown), print);
    assert_int_equal(strlen(print), strlen("SHA256:") + 43);
    buf_done(&shown);
    end(&w);
}

static void a_wrong_key_is_refused(void **state)
{
    struct world w;
    char *pem, *other;

    (void)state;
    gateway_testing_key(&pem, &other);
    begin(&w, (struct gateway_testing_options){0});
    w.dial.key = pem;
    assert_int_equal(ssh_line_open(&w.dial, &w.line, NULL, &w.e), RC_NOT_PERMITTED);
    assert_non_null(strstr(w.e.text, "does not accept our key"));
    free(pem);
    free(other);
    end(&w);
}

static void passphrases_log_in_by_both_methods(void **state)
{
    struct world w;

    (void)state;
    for (int i = 0; i < 2; i++) {
        begin(&w, (struct gateway_testing_options){.passphrase = "secret", .interactive = i == 1});
        w.dial.key = NULL;
        w.dial.passphrase = "wrong";
        assert_int_equal(ssh_line_open(&w.dial, &w.line, NULL, &w.e), RC_NOT_PERMITTED);
        assert_non_null(strstr(w.e.text, "user and passphrase"));
        w.dial.passphrase = "secret";
        assert_open(&w);
        assert_verb(&w, "hello", "x", "{\"got\":\"x\"}");
        end(&w);
    }
}

static void a_link_is_a_socket_file(void **state)
{
    char path[64];
    struct world w;

    (void)state;
    snprintf(path, sizeof path, "/tmp/postern-link-%d", (int)getpid());
    begin(&w, (struct gateway_testing_options){.unix_path = path});
    assert_open(&w);
    assert_verb(&w, "hello", "x", "{\"got\":\"x\"}");
    end(&w);
    unlink(path);
    w.dial.address = "unix:/tmp/postern-no-such-link";
    assert_int_equal(ssh_line_open(&w.dial, &w.line, NULL, &w.e), RC_CONNECT);
}

static void nobody_there_is_told(void **state)
{
    struct world w;
    uint64_t begun;

    (void)state;
    begin(&w, (struct gateway_testing_options){.silent = true});
    w.dial.connect_ms = 300;
    begun = clock_mono_ms();
    assert_int_equal(ssh_line_open(&w.dial, &w.line, NULL, &w.e), RC_TIMEOUT);
    assert_non_null(strstr(w.e.text, "no SSH server answers"));
    assert_in_range(clock_mono_ms() - begun, 300, 3000);
    end(&w);
    assert_int_equal(ssh_line_open(&w.dial, &w.line, NULL, &w.e), RC_CONNECT);
    assert_non_null(strstr(w.e.text, "refused"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verbs_run_one_after_the_other_over_one_connection),
        cmocka_unit_test(refusals_come_with_code_and_text),
        cmocka_unit_test(a_reply_that_is_none_or_is_cut_is_an_error),
        cmocka_unit_test(octets_behind_the_reply_go_to_a_file),
        cmocka_unit_test(a_silent_verb_ends_in_time),
        cmocka_unit_test(another_thread_can_give_up),
        cmocka_unit_test(a_line_that_is_closed_leaves_no_descriptor),
        cmocka_unit_test(another_host_key_is_refused),
        cmocka_unit_test(without_a_known_key_only_the_host_key_is_asked_for),
        cmocka_unit_test(a_wrong_key_is_refused),
        cmocka_unit_test(passphrases_log_in_by_both_methods),
        cmocka_unit_test(a_link_is_a_socket_file),
        cmocka_unit_test(nobody_there_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
