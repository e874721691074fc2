/* Tests of the control role's rooms: store, verbs, logins, control socket. */
#include "admin/client.h"
#include "admin/verbs.h"
#include "admin/wire.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/must.h"
#include "conf/rules.h"
#include "conf/versions.h"

#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* A home with one version in it, and the control role's bundle on it, without other roles. */
struct bench {
    char home[64];
    struct admin admin;
    enum rc rc; /* of the last verb */
    char text[65536];
    bool done;
};

static const char first_lines[] =
    "interface.Management.address=127.0.0.1\n"
    "mail_flow_policy.ACCEPTED\nmail_flow_policy.RELAYED.behavior=relay\n"
    "listener.InboundMail.interface=Management\nlistener.InboundMail.port=2025\n"
    "listener.OutboundMail.interface=Management\nlistener.OutboundMail.type=private\nlistener.OutboundMail.port=2587\n"
    "user.admin.role=administrator\nuser.op.role=operator\nuser.guest.role=guest\n"
    "roles.scan=1";

static void bench_open(struct bench *b)
{
    struct conf_draft *d = conf_draft_new();
    struct err e = ERR_NONE;
    char run[80];
    uint64_t version;

    *b = (struct bench){0};
    strcpy(b->home, "/tmp/admin_test_XXXXXX");
    must(mkdtemp(b->home));
    snprintf(run, sizeof run, "%s/run", b->home);
    mkdir(run, 0700);
    snprintf(run, sizeof run, "%s/keys", b->home);
    mkdir(run, 0700);
    must(conf_versions_init(b->home, &e) == RC_OK);
    must(conf_draft_lines(d, str_c(first_lines), &e) == RC_OK);
    must(conf_check(&d->conf, NULL, false, &e) == RC_OK);
    must(conf_versions_commit(b->home, &d->conf, str_lit("admin"), str_lit("first"), &version, &e) == RC_OK);
    conf_draft_free(d);
    b->admin = (struct admin){.loop = loop_new(), .conf = conf_source_new(), .events = events_test_new(), .home = b->home};
    must(seal_open(&b->admin, &e) == RC_OK && store_open(&b->admin, &e) == RC_OK);
    auth_open(&b->admin);
    login_open(&b->admin);
    sessions_open(&b->admin);
}

static void bench_close(struct bench *b)
{
    char command[100];

    control_socket_close(&b->admin);
    loop_turn(b->admin.loop, false);
    loop_turn(b->admin.loop, false);
    auth_close(&b->admin);
    login_close(&b->admin);
    sessions_close(&b->admin);
    seal_close(&b->admin);
    store_close(&b->admin);
    conf_source_free(b->admin.conf);
    events_free(b->admin.events);
    loop_free(b->admin.loop);
    snprintf(command, sizeof command, "rm -rf %s", b->home);
    must(system(command) == 0);
}

static void keep(void *ctx, struct verb_call *c)
{
    struct bench *b = ctx;

    b->rc = c->rc;
    snprintf(b->text, sizeof b->text, "%.*s", STR(buf_str(&c->text)));
    b->done = true;
}

/* Runs one command line as `user` and waits for its reply. */
static const char *say(struct bench *b, const char *user, const char *command)
{
    struct str line = str_c(command);
    struct strs words;
    struct err e = ERR_NONE;
    struct arena a;

    arena_init(&a, 65536, 1 << 20);
    must(words_take(&a, &line, &words, &e));
    b->done = false;
    verb_start(&b->admin, str_c(user), NULL, words, keep, b);
    while (!b->done)
        loop_turn(b->admin.loop, true);
    arena_done(&a);
    return b->text;
}

static void a_change_becomes_a_version_and_rollback_brings_the_old_one_back(void **state)
{
    struct bench b;

    (void)state;
    bench_open(&b);
    assert_string_equal(say(&b, "", "settings set -m more roles.scan=3 logs.headers=a-b"),
                        "roles.scan: 1 -> 3\nlogs.headers:  -> a-b\nConfiguration 000002 is in force.\n");
    assert_true(conf_now(b.admin.conf)->roles.scan == 3 && conf_now(b.admin.conf)->version == 2);
    assert_non_null(strstr(say(&b, "", "settings versions"), "* 000002"));
    assert_non_null(strstr(b.text, "  more\n"));
    assert_non_null(strstr(b.text, "  000001"));
    assert_string_equal(say(&b, "", "settings set roles.scan=3"), "No changes detected from current configuration.\n");
    assert_string_equal(say(&b, "", "settings rollback 1"),
                        "roles.scan: 3 -> 1\nlogs.headers: a-b -> \nConfiguration 000003 is in force.\n");
    assert_true(conf_now(b.admin.conf)->roles.scan == 1);
    assert_string_equal(say(&b, "", "settings rollback 77"), "Configuration 000077 does not exist\n");
    assert_string_equal(say(&b, "", "settings show roles.scan"), "roles.scan=1\n");
    bench_close(&b);
}

static void a_refused_change_leaves_everything_as_it_was(void **state)
{
    struct bench b;

    (void)state;
    bench_open(&b);
    assert_string_equal(say(&b, "", "settings set roles.scan=2 listener.InboundMail.port=notanumber"),
                        "listener.InboundMail.port: \"notanumber\" is not a number\n");
    assert_int_equal(b.rc, RC_INVALID);
    assert_string_equal(say(&b, "", "settings set listener.InboundMail.interface=Nowhere"),
                        "listener.InboundMail.interface: interface \"Nowhere\" does not exist\n");
    assert_string_equal(say(&b, "", "settings set listener.OutboundMail.port=2025"),
                        "listener.OutboundMail.port: 2025 is taken by listener InboundMail\n");
    assert_string_equal(say(&b, "",
                            "settings set system.role=manager link_listener.enabled=yes link_listener.ports=25,tls:8443 "
                            "interface.Management.https=yes interface.Management.https_port=8443"),
                        "link_listener.ports: 8443 is taken by HTTPS of interface Management (interfaceconfig)\n");
    assert_string_equal(say(&b, "", "settings set interface.Management.address=host"),
                        "interface.Management.address: \"host\" is not an IPv4 address\n");
    assert_string_equal(say(&b, "", "settings set user.op.password=secret"),
                        "user.op.password: not an Argon2id hash; use `passwd` to set a passphrase\n");
    assert_string_equal(say(&b, "", "settings load \"<config><roles><scan>900</scan></roles></config>\""),
                        "Parsing failed.  Aborting.\nline 1: roles.scan: 900 is not between 0 and 64 processes\n");
    assert_non_null(
        strstr(say(&b, "", "settings set sender_group.X.members=10.0.0.0/99"), "sender_group.X.members: \"10.0.0.0/99\""));
    assert_non_null(strstr(say(&b, "", "settings set listener.InboundMail.xclient_from=nonsense"),
                           "listener.InboundMail.xclient_from: "));
    assert_non_null(
        strstr(say(&b, "", "settings set \"listener.InboundMail.rat=a.test PERHAPS\""), "listener.InboundMail.rat: "));
    assert_non_null(
        strstr(say(&b, "", "settings set route.a.test.hosts=b.test:99999"), "route[a.test].hosts: \"b.test:99999\""));
    assert_non_null(strstr(say(&b, "", "settings set route.a.test.hosts=fe80::1"), "route[a.test].hosts: "));
    assert_non_null(
        strstr(say(&b, "", "settings set listener.New.port=26"), "listener.New.interface: an open listener needs"));
    assert_true(conf_now(b.admin.conf)->version == 1 && conf_now(b.admin.conf)->roles.scan == 1);
    bench_close(&b);
}

/* HD-07: no relay rule on a public listener, unless it is forced; and once forced, other changes go through. */
static void HD_07_relay_on_a_public_listener_needs_force(void **state)
{
    struct bench b;

    (void)state;
    bench_open(&b);
    assert_non_null(
        strstr(say(&b, "", "settings set sender_group.R.policy=RELAYED sender_group.R.members=10.0.0.0/8"), "(HD-07)"));
    assert_int_equal(b.rc, RC_NOT_PERMITTED);
    assert_non_null(strstr(say(&b, "",
                               "settings set sender_group.R.listener=OutboundMail sender_group.R.policy=RELAYED "
                               "sender_group.R.members=10.0.0.0/8"),
                           "in force"));
    assert_non_null(strstr(say(&b, "", "settings set sender_group.R.listener=all"), "(HD-07)"));
    assert_non_null(strstr(say(&b, "", "settings set listener.OutboundMail.type=public"), "(HD-07)"));
    assert_non_null(strstr(say(&b, "",
                               "settings set mail_flow_policy.ACCEPTED.behavior=relay sender_group.A.policy=ACCEPTED "
                               "sender_group.A.members=ALL"),
                           "(HD-07)"));
    assert_non_null(strstr(say(&b, "", "settings set --force sender_group.R.listener=all"), "in force"));
    assert_non_null(strstr(say(&b, "", "settings set roles.scan=2"), "in force"));
    bench_close(&b);
}

static void a_broken_current_version_leaves_the_last_good_one_in_force(void **state)
{
    struct admin again;
    struct bench b;
    struct err e = ERR_NONE;
    char path[128];

    (void)state;
    bench_open(&b);
    say(&b, "", "settings set roles.scan=2");
    say(&b, "", "settings set roles.scan=3");
    snprintf(path, sizeof path, "%s/conf/versions/000003.xml", b.home);
    assert_int_equal(io_replace_file("test", path, str_lit("<config>\n<roles>\n</config>\n"), &e), RC_OK);
    again = (struct admin){.conf = conf_source_new(), .events = events_test_new(), .home = b.home};
    assert_int_equal(store_open(&again, &e), RC_OK);
    assert_true(conf_now(again.conf)->version == 2 && conf_now(again.conf)->roles.scan == 2);
    assert_true(conf_now(again.conf)->log.n == 27 && conf_find(&conf_now(again.conf)->log, str_lit("mail_logs")));
    store_close(&again);
    conf_source_free(again.conf);
    events_free(again.events);
    bench_close(&b);
}

/* Every write, sync and rename of a commit fails once: the change is refused, the old version stays in force here and on
 * disk. */
static void a_disk_that_fails_leaves_the_old_version_in_force(void **state)
{
    static const char *const points[] = {"conf.version", "conf.current"};
    unsigned hits = 0;

    (void)state;
    for (unsigned i = 0; i < 10; i++) {
        struct conf_draft *d = NULL;
        char fault[60];
        struct err e = ERR_NONE;
        struct bench b;

        bench_open(&b);
        snprintf(fault, sizeof fault, "control:%s:%u:%s", points[i / 5], i % 5 + 1, i % 2 ? "eio" : "enospc");
        setenv("POSTERN_FAULT", fault, 1);
        io_init("control");
        say(&b, "", "settings set roles.scan=2");
        unsetenv("POSTERN_FAULT");
        io_init("control");
        hits += b.rc != RC_OK; /* not every pass can fail in every way */
        assert_true(conf_now(b.admin.conf)->roles.scan == (b.rc == RC_OK ? 2 : 1));
        assert_int_equal(conf_versions_current(b.home, &d, NULL, &e), RC_OK);
        assert_true(d->conf.roles.scan == conf_now(b.admin.conf)->roles.scan);
        conf_draft_free(d);
        assert_non_null(strstr(say(&b, "", "settings set roles.scan=3"), "in force"));
        bench_close(&b);
    }
    assert_true(hits >= 6);
}

static void verbs_are_known_permitted_and_used_as_their_rows_say(void **state)
{
    struct bench b;

    (void)state;
    bench_open(&b);
    assert_string_equal(say(&b, "", "bogus"), "Unknown command or missing feature key: bogus\n");
    assert_string_equal(say(&b, "guest", "settings show"), "Unknown command or missing feature key: settings\n");
    assert_string_equal(say(&b, "nobody", "version"), "Unknown command or missing feature key: version\n");
    assert_string_equal(say(&b, "op", "showrecipients all"), "The queue service is not running; try again in a moment.\n");
    assert_int_equal(b.rc, RC_UNAVAILABLE);
    assert_non_null(strstr(say(&b, "", "settings frobnicate"), "Invalid arguments\nUsage: settings show"));
    assert_non_null(strstr(say(&b, "guest", "VERSION"), "\nSerial #: "));
    assert_null(strstr(say(&b, "guest", "help"), "deleterecipients"));
    assert_non_null(strstr(say(&b, "", "?"), "deleterecipients"));
    assert_non_null(strstr(say(&b, "op", "suspendlistener 10 Nobody"), "does not exist"));
    bench_close(&b);
}

static void suspended_listeners_are_a_setting(void **state)
{
    const struct strs *off;
    struct bench b;

    (void)state;
    bench_open(&b);
    say(&b, "op", "suspendlistener");
    off = &conf_now(b.admin.conf)->receiving.suspended;
    assert_true(off->n == 1 && str_eq(off->items[0], str_lit("all")));
    say(&b, "op", "resumelisteners InboundMail");
    off = &conf_now(b.admin.conf)->receiving.suspended;
    assert_true(off->n == 1 && str_eq(off->items[0], str_lit("OutboundMail")));
    say(&b, "op", "resume");
    assert_int_equal(conf_now(b.admin.conf)->receiving.suspended.n, 0);
    bench_close(&b);
}

/* Who may be named in a quarantine's settings may ask for it; technicians never. */
static void held_mail_is_for_those_who_may_be_named(void **state)
{
    static const bool may[] = {true, true, true, true, false, true, false};

    (void)state;
    for (size_t i = 0; i < sizeof may; i++) {
        assert_int_equal(verb_allowed(verb_find(str_lit("quarantine")), i), may[i]);
        assert_int_equal(verb_allowed(verb_find(str_lit("spamquarantine")), i), may[i]);
    }
    assert_false(verb_allowed(verb_find(str_lit("status")), 5));
}

static void on_checked(void *ctx, bool ok)
{
    *(int *)ctx = ok;
}

static int login(struct bench *b, const char *user, const char *password)
{
    int ok = -1;

    auth_check(&b->admin, str_c(user), str_c(password), on_checked, &ok);
    while (ok < 0)
        loop_turn(b->admin.loop, true);
    return ok;
}

static void passphrases_are_checked_and_changed(void **state)
{
    struct bench b;

    (void)state;
    bench_open(&b);
    assert_int_equal(login(&b, "op", ""), 0); /* none set: no login */
    assert_string_equal(say(&b, "", "passwd op \"\" correct-horse"), "Passphrase changed.\n");
    assert_int_equal(login(&b, "op", "correct-horse"), 1);
    assert_int_equal(login(&b, "op", "correct-horse"), 1);
    assert_int_equal(login(&b, "op", "wrong"), 0);
    assert_int_equal(login(&b, "nobody", "correct-horse"), 0);
    assert_string_equal(say(&b, "op", "passwd \"\" wrong battery-staple"), "The old passphrase is wrong.\n");
    assert_string_equal(say(&b, "op", "passwd guest \"\" battery-staple"),
                        "Only an administrator sets the passphrases of others\n");
    assert_string_equal(say(&b, "op", "passwd \"\" correct-horse short"), "A passphrase has at least 8 characters\n");
    assert_string_equal(say(&b, "op", "passwd \"\" correct-horse battery-staple"), "Passphrase changed.\n");
    assert_int_equal(login(&b, "op", "correct-horse"), 0); /* a remembered login ends with its passphrase */
    assert_int_equal(login(&b, "op", "battery-staple"), 1);
    assert_non_null(strstr(say(&b, "", "settings show user.op.password"), "=********\n"));
    assert_null(strstr(say(&b, "", "settings save"), "$argon2id"));
    assert_non_null(strstr(say(&b, "", "settings save --plain"), "$argon2id"));
    bench_close(&b);
}

static void a_good_login_is_remembered_for_five_minutes(void **state)
{
    struct bench b;
    int ok = -1;

    (void)state;
    bench_open(&b);
    say(&b, "", "passwd op \"\" correct-horse");
    assert_int_equal(login(&b, "op", "correct-horse"), 1);
    auth_check(&b.admin, str_lit("op"), str_lit("correct-horse"), on_checked, &ok);
    assert_int_equal(ok, 1); /* at once: no hash */
    clock_test_set(clock_wall_ms(), clock_mono_ms());
    clock_test_advance(300001);
    ok = -1;
    auth_check(&b.admin, str_lit("op"), str_lit("correct-horse"), on_checked, &ok);
    assert_int_equal(ok, -1);
    while (ok < 0)
        loop_turn(b.admin.loop, false);
    assert_int_equal(ok, 1);
    bench_close(&b);
}

/* The blocking client runs as a child, the loop here. */
static int ask_from_child(struct bench *b, const char *request, size_t n)
{
    pid_t child = fork();
    int status = 0;

    if (child == 0) {
        struct str words[2] = {str_lit("settings"), str_lit("versions")};
        struct buf text = BUF(1 << 16), json = BUF(1 << 16);
        struct err e = ERR_NONE;
        enum rc rc = RC_OK;
        int fd;

        if (client_open(b->home, &fd, &e) != RC_OK)
            _exit(2);
        if (request) {
            if (write(fd, request, n) != (ssize_t)n)
                _exit(3);
            _exit(read(fd, &status, 1) == 0 ? 4 : 5);
        }
        if (client_ask(fd, STR_NONE, words, 2, &rc, &text, &json, &e) != RC_OK)
            _exit(6);
        _exit(rc == RC_OK && str_find_str(buf_str(&text), str_lit("* 000001")) < text.n ? 0 : 7);
    }
    for (int i = 0; i < 5000 && waitpid(child, &status, WNOHANG) == 0; i++) {
        loop_turn(b->admin.loop, false);
        usleep(1000);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 99;
}

static void the_control_socket_answers_its_own_user_and_drops_nonsense(void **state)
{
    static const char large[] = "\xff\xff\xff\xff", cut[] = "\x02\x00\x00\x00\x09x", empty[] = "\x00\x00\x00\x00";
    struct err e = ERR_NONE;
    struct bench b;
    struct stat st;
    char path[100];

    (void)state;
    bench_open(&b);
    assert_int_equal(control_socket_open(&b.admin, &e), RC_OK);
    snprintf(path, sizeof path, "%s/run/control.sock", b.home);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(ask_from_child(&b, NULL, 0), 0);
    assert_int_equal(ask_from_child(&b, large, 4), 4);
    assert_int_equal(ask_from_child(&b, cut, 6), 4);
    assert_int_equal(ask_from_child(&b, empty, 4), 4);
    assert_int_equal(ask_from_child(&b, NULL, 0), 0);
    bench_close(&b);
}

static void words_are_cut_as_exec_mode_says(void **state)
{
    struct str line = str_lit("a \"b c\" d\\\"e;; f ;\"open");
    struct strs words;
    struct err e = ERR_NONE;
    struct arena a;

    (void)state;
    arena_init(&a, 65536, 1 << 20);
    assert_true(words_take(&a, &line, &words, &e));
    assert_int_equal(words.n, 3);
    assert_true(str_eq(words.items[1], str_lit("b c")));
    assert_true(str_eq(words.items[2], str_lit("d\"e")));
    assert_true(words_take(&a, &line, &words, &e));
    assert_true(words.n == 1 && str_eq(words.items[0], str_lit("f")));
    assert_false(words_take(&a, &line, &words, &e));
    assert_int_equal(e.rc, RC_SYNTAX);
    arena_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_change_becomes_a_version_and_rollback_brings_the_old_one_back),
        cmocka_unit_test(a_refused_change_leaves_everything_as_it_was),
        cmocka_unit_test(HD_07_relay_on_a_public_listener_needs_force),
        cmocka_unit_test(a_broken_current_version_leaves_the_last_good_one_in_force),
        cmocka_unit_test(a_disk_that_fails_leaves_the_old_version_in_force),
        cmocka_unit_test(verbs_are_known_permitted_and_used_as_their_rows_say),
        cmocka_unit_test(suspended_listeners_are_a_setting),
        cmocka_unit_test(held_mail_is_for_those_who_may_be_named),
        cmocka_unit_test(passphrases_are_checked_and_changed),
        cmocka_unit_test(the_control_socket_answers_its_own_user_and_drops_nonsense),
        cmocka_unit_test(words_are_cut_as_exec_mode_says),
        cmocka_unit_test(a_good_login_is_remembered_for_five_minutes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
