/* The verb slbl: entries come and go, are kept in a file, and what is wrong changes nothing. */
#include "admin/slbl.h"

#include "admin/verbs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

struct fix {
    struct admin admin;
    char home[40];
    char text[4096], json[4096];
    enum rc rc;
};

static int setup(void **state)
{
    struct fix *f = calloc(1, sizeof *f);

    snprintf(f->home, sizeof f->home, "/tmp/slblXXXXXX");
    assert_non_null(mkdtemp(f->home));
    f->admin.home = f->home;
    assert_int_equal(slbl_open(&f->admin, NULL), RC_OK);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fix *f = *state;
    char path[80];

    slbl_close(&f->admin);
    snprintf(path, sizeof path, "%s/slbl", f->home);
    unlink(path);
    rmdir(f->home);
    free(f);
    return 0;
}

static void done(void *ctx, struct verb_call *c)
{
    struct fix *f = ctx;

    f->rc = c->rc;
    snprintf(f->text, sizeof f->text, "%.*s", (int)c->text.n, c->text.p ? c->text.p : "");
    snprintf(f->json, sizeof f->json, "%.*s", (int)c->json.n, c->json.p ? c->json.p : "");
}

static enum rc say(struct fix *f, const char *a, const char *b, const char *c, const char *d)
{
    struct str words[] = {str_lit("slbl"), str_c(a), str_c(b), str_c(c), str_c(d)};
    size_t n = d ? 5 : c ? 4 : b ? 3 : 2;

    verb_start(&f->admin, STR_NONE, NULL, (struct strs){words, n}, done, f);
    return f->rc;
}

static void entries_come_and_go_and_outlive_the_process(void **state)
{
    struct fix *f = *state;

    assert_int_equal(say(f, "add", "Bob@example.org", "safe", "anna@example.net"), RC_OK);
    assert_int_equal(say(f, "add", "bob@example.org", "block", ".example.com"), RC_OK);
    assert_int_equal(say(f, "add", "eve@example.org", "block", "[192.0.2.1]"), RC_OK);
    slbl_close(&f->admin);
    assert_int_equal(slbl_open(&f->admin, NULL), RC_OK);
    assert_int_equal(say(f, "show", "bob@example.org", NULL, NULL), RC_OK);
    assert_string_equal(f->text, "bob@example.org safe anna@example.net\nbob@example.org block .example.com\n");
    assert_string_equal(f->json,
                        "{\"entries\":[{\"user\":\"bob@example.org\",\"list\":\"safe\",\"entry\":\"anna@example.net\"},"
                        "{\"user\":\"bob@example.org\",\"list\":\"block\",\"entry\":\".example.com\"}]}");
    assert_int_equal(say(f, "remove", "bob@example.org", "safe", "ANNA@example.net"), RC_OK);
    assert_int_equal(say(f, "remove", "bob@example.org", "safe", "anna@example.net"), RC_NOT_FOUND);
    say(f, "status", NULL, NULL, NULL);
    assert_non_null(strstr(f->text, "Users: 2\n"));
}

static void what_is_wrong_changes_nothing(void **state)
{
    struct fix *f = *state;

    say(f, "add", "bob@example.org", "safe", "example.net");
    assert_int_equal(say(f, "add", "bob@example.org", "safe", "example.net"), RC_EXISTS);
    assert_int_equal(say(f, "add", "bob@example.org", "block", "Example.net"), RC_EXISTS);
    assert_string_equal(f->text, "Example.net is on the other list of bob@example.org\n");
    assert_int_equal(say(f, "add", "bob@example.org", "safe", "no entry"), RC_INVALID);
    assert_int_equal(say(f, "add", "bob@example.org", "safe", "a@b\tc"), RC_INVALID);
    assert_int_equal(say(f, "add", "bob", "safe", "x.example"), RC_SYNTAX);
    assert_int_equal(say(f, "add", "b\tob@example.org", "safe", "x.example"), RC_SYNTAX);
    assert_int_equal(say(f, "add", "bob@example.org", "maybe", "x.example"), RC_SYNTAX);
    say(f, "show", NULL, NULL, NULL);
    assert_string_equal(f->text, "bob@example.org safe example.net\n");
}

static void a_user_has_a_hundred_entries_at_most(void **state)
{
    struct fix *f = *state;
    char entry[40];

    for (unsigned i = 0; i < 100; i++) {
        snprintf(entry, sizeof entry, "d%u.example", i);
        assert_int_equal(say(f, "add", "bob@example.org", i % 2 ? "safe" : "block", entry), RC_OK);
    }
    assert_int_equal(say(f, "add", "bob@example.org", "safe", "one.more.example"), RC_LIMIT);
    assert_int_equal(say(f, "add", "eve@example.org", "safe", "one.more.example"), RC_OK);
}

static void a_file_goes_out_and_comes_back(void **state)
{
    struct fix *f = *state;
    char csv[4096];

    say(f, "add", "bob@example.org", "safe", "example.net");
    say(f, "add", "eve@example.org", "block", "a@example.com");
    say(f, "export", NULL, NULL, NULL);
    assert_string_equal(f->text,
                        "user,list,entry\r\nbob@example.org,safe,example.net\r\neve@example.org,block,a@example.com\r\n");
    snprintf(csv, sizeof csv, "%s", f->text);
    say(f, "remove", "bob@example.org", "safe", "example.net");
    assert_int_equal(say(f, "import", csv, NULL, NULL), RC_OK);
    assert_string_equal(f->text, "2 entries imported.\n");
    assert_int_equal(say(f, "import", "bob@example.org,safe,x.example\nbob@example.org;safe;y\n", NULL, NULL), RC_SYNTAX);
    assert_string_equal(f->text, "line 2: not user,safe|block,entry\n");
    assert_int_equal(say(f, "import", "bob@example.org,safe,no entry\n", NULL, NULL), RC_INVALID);
    say(f, "show", NULL, NULL, NULL);
    assert_string_equal(f->text, "bob@example.org safe example.net\neve@example.org block a@example.com\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* Spam released with --safelist: its senders, off the blocklist if they were there, once however often it is told. */
static void released_spam_lists_its_senders(void **state)
{
    struct fix *f = *state;
    struct buf entries = BUF(1000);
    struct bus_peer *to;
    struct bus *quarantine;
    struct err e = ERR_NONE;
    int fds[2];

    slbl_close(&f->admin);
    f->admin.loop = loop_new();
    f->admin.bus = bus_new(f->admin.loop, ROLE_control, 0);
    f->admin.events = events_test_new();
    quarantine = bus_new(f->admin.loop, ROLE_quarantine, 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    to = bus_attach(quarantine, fds[0], ROLE_control, 0, 1);
    bus_attach(f->admin.bus, fds[1], ROLE_quarantine, 0, 1);
    assert_int_equal(slbl_open(&f->admin, &e), RC_OK);
    say(f, "add", "bob@example.org", "block", "shop.example");
    say(f, "add", "bob@example.org", "block", "sales@shop.example");
    buf_put_str(&entries, str_lit("bounce@list.example"));
    buf_put_str(&entries, str_lit("Sales@shop.example"));
    buf_put_str(&entries, str_lit("not an\taddress"));
    for (unsigned i = 0; i < 2; i++)
        bus_send(quarantine, to, BUS_slbl_wanted,
                 &(struct bus_slbl_wanted){
                     .user = str_lit("Bob@example.org"), .entries = buf_str(&entries), .by = str_lit("admin")});
    bus_send(quarantine, to, BUS_slbl_wanted, &(struct bus_slbl_wanted){.user = str_lit("x"), .entries = buf_str(&entries)});
    for (unsigned i = 0; i < 20; i++)
        loop_turn(f->admin.loop, false);
    say(f, "show", NULL, NULL, NULL);
    assert_string_equal(f->text, "bob@example.org block shop.example\nbob@example.org safe bounce@list.example\n"
                                 "bob@example.org safe Sales@shop.example\n");
    assert_non_null(strstr(events_test_text(f->admin.events).p,
                           "SLBL: Sales@shop.example removed from the blocklist of Bob@example.org by admin"));
    bus_free(quarantine);
    bus_free(f->admin.bus);
    events_free(f->admin.events);
    loop_free(f->admin.loop);
    buf_done(&entries);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(entries_come_and_go_and_outlive_the_process),
        TEST(what_is_wrong_changes_nothing),
        TEST(a_user_has_a_hundred_entries_at_most),
        TEST(a_file_goes_out_and_comes_back),
        TEST(released_spam_lists_its_senders),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
