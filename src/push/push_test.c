/* What role push keeps and makes of lines: forms, places in logs over roll-overs, what is sent again, states, host keys. */
#include "base/clock.h"
#include "base/io.h"
#include "push/hostkey.h"
#include "push/line.h"
#include "push/state.h"
#include "push/window.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* --- lines ------------------------------------------------------------------------------------------------------------- */

static void assert_line(const char *line, const char *wanted)
{
    const struct syslog_header h = {.facility = 20, .host = str_lit("mail.example.org"), .tag = str_lit("mail_logs")};
    struct buf out = BUF(100000);
    bool got = syslog_line(&h, str_c(line), &out);

    assert_int_equal(got, wanted != NULL);
    buf_addc(&out, '\0');
    assert_string_equal(out.p, wanted ? wanted : "");
    buf_done(&out);
}

/* FW-40: header, severity and text of logs.md 10. */
static void lines_have_the_bsd_form(void **state)
{
    (void)state;
    assert_line("Sat Nov 21 10:00:06 2026 Info: MID 1 antivirus negative ",
                "<166>Nov 21 10:00:06 mail.example.org mail_logs: Info: MID 1 antivirus negative \n");
    assert_line("Thu Nov  3 01:02:03 2026 Critical: x", "<162>Nov  3 01:02:03 mail.example.org mail_logs: Critical: x\n");
    assert_line("Thu Nov  3 01:02:03 2026 Warning: x", "<164>Nov  3 01:02:03 mail.example.org mail_logs: Warning: x\n");
    assert_line("Thu Nov  3 01:02:03 2026 Debug: x", "<167>Nov  3 01:02:03 mail.example.org mail_logs: Debug: x\n");
    assert_line("Thu Nov  3 01:02:03 2026 Trace: x", "<167>Nov  3 01:02:03 mail.example.org mail_logs: Trace: x\n");
}

static void cef_lines_have_no_level(void **state)
{
    (void)state;
    assert_line("Sat Nov 21 10:00:06 2026: CEF:0|Cisco|C100V|15.5|X|Y|5|end=1",
                "<166>Nov 21 10:00:06 mail.example.org mail_logs: CEF:0|Cisco|C100V|15.5|X|Y|5|end=1\n");
}

static void lines_that_frame_a_file_are_not_sent(void **state)
{
    (void)state;
    assert_line("Sat Nov 21 10:00:06 2026 Info: Begin Logfile", NULL);
    assert_line("Sat Nov 21 10:00:06 2026 Info: Version: 15.5.0-048 SN: 0A1B2C3D4E5F-ABC1234", NULL);
    assert_line("Sat Nov 21 10:00:06 2026 Info: Time offset from UTC: -21600 seconds", NULL);
    assert_line("Sat Nov 21 10:00:06 2026 Info: End Logfile", NULL);
    assert_line("", NULL);
}

static void foreign_lines_go_whole_with_the_time_of_now(void **state)
{
    struct syslog_header h = {.facility = 2, .tag = str_lit("t")};
    struct buf out = BUF(1000);

    (void)state;
    assert_true(syslog_line(&h, str_lit("no date here"), &out));
    assert_true(str_starts(buf_str(&out), str_lit("<22>")));
    assert_true(str_ends(buf_str(&out), str_lit(" t: no date here\n")));
    buf_done(&out);
}

static void long_lines_are_cut_between_characters(void **state)
{
    struct syslog_header h = {.facility = 20, .tag = str_lit("t")};
    struct buf line = BUF(100000), out = BUF(100000);

    (void)state;
    buf_add(&line, str_lit("Sat Nov 21 10:00:06 2026 Info: x"));
    while (line.n < 9000)
        buf_add(&line, str_lit("\xc3\xa4"));
    assert_true(syslog_line(&h, buf_str(&line), &out));
    assert_in_range(out.n, SYSLOG_LINE_MAX - 2, SYSLOG_LINE_MAX);
    assert_int_equal((unsigned char)out.p[out.n - 2], 0xa4);
    assert_int_equal(out.p[out.n - 1], '\n');
    buf_done(&line);
    buf_done(&out);
}

/* --- following a log ------------------------------------------------------------------------------------------------------
 */

static char dir[64];

static int fresh(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/postern-push-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int gone(void **state)
{
    char command[100];

    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command);
}

static void put(const char *name, const char *text)
{
    char path[200];
    FILE *f;

    snprintf(path, sizeof path, "%s/%s", dir, name);
    f = fopen(path, "a");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void move(const char *from, const char *to)
{
    char a[200], b[200];

    snprintf(a, sizeof a, "%s/%s", dir, from);
    snprintf(b, sizeof b, "%s/%s", dir, to);
    assert_int_equal(rename(a, b), 0);
}

static void drop(const char *name)
{
    char path[200];

    snprintf(path, sizeof path, "%s/%s", dir, name);
    assert_int_equal(unlink(path), 0);
}

static void assert_reads(struct follower *f, const char *wanted)
{
    struct str line = STR_NONE;
    struct buf got = BUF(100000);

    while (follower_line(f, &line)) {
        buf_add(&got, line);
        buf_addc(&got, ' ');
    }
    buf_addc(&got, '\0');
    assert_string_equal(got.p, wanted);
    buf_done(&got);
}

#define FIRST "mail.@20261121T100000.s"
#define SECOND "mail.@20261121T110000.s"
#define THIRD "mail.@20261121T120000.s"

/* FW-40: lines are read on over roll-overs, each once. */
static void lines_are_followed_over_roll_overs(void **state)
{
    struct follower f;

    (void)state;
    follower_init(&f, dir, str_lit("mail"));
    assert_reads(&f, "");
    put("mail.current", "a\nb\npart");
    assert_reads(&f, "a b ");
    put("mail.current", "ial\nc\n");
    move("mail.current", FIRST);
    assert_reads(&f, "partial c "); /* no new file yet */
    put("mail.current", "d\n");
    assert_reads(&f, "d ");
    move("mail.current", SECOND);
    put("mail.current", "e\n");
    move("mail.current", THIRD);
    put("mail.current", "f\n");
    assert_reads(&f, "e f ");
    assert_false(f.gap);
    follower_done(&f);
}

/* A stored place is found again under the file's new name, also when all inodes are new (a copied home). */
static void places_survive_roll_overs_and_copies(void **state)
{
    struct follower f;
    struct place place;
    uint64_t files;

    (void)state;
    follower_init(&f, dir, str_lit("mail"));
    put("mail.current", "a\nb\n");
    assert_reads(&f, "a b ");
    place = f.at;
    put("mail.current", "c\n");
    move("mail.current", FIRST);
    put("mail.current", "d\n");
    follower_seek(&f, &place);
    assert_int_equal(follower_waiting(&f, &files), 4);
    assert_int_equal(files, 1);
    assert_reads(&f, "c d ");
    place.inode = 1;
    follower_seek(&f, &place);
    assert_reads(&f, "c d ");
    assert_false(f.gap);
    follower_done(&f);
}

static void deleted_files_are_a_gap(void **state)
{
    struct follower f;
    struct place place;

    (void)state;
    follower_init(&f, dir, str_lit("mail"));
    put("mail.current", "a\n");
    assert_reads(&f, "a ");
    place = f.at;
    move("mail.current", FIRST);
    put(SECOND, "b\n");
    put("mail.current", "c\n");
    drop(FIRST);
    follower_seek(&f, &place);
    assert_true(f.gap);
    f.gap = false;
    assert_reads(&f, "b c ");
    assert_false(f.gap);
    follower_done(&f);
}

/* record cuts a log back after a kill and makes the lines again: none is given out twice or left out. */
static void a_log_that_is_cut_back_is_waited_for(void **state)
{
    struct follower f;
    char path[200];

    (void)state;
    follower_init(&f, dir, str_lit("mail"));
    put("mail.current", "a\nb\nc\n");
    assert_reads(&f, "a b c ");
    snprintf(path, sizeof path, "%s/mail.current", dir);
    assert_int_equal(truncate(path, 2), 0);
    assert_reads(&f, "");
    put("mail.current", "b\nc\nd\n");
    assert_reads(&f, "d ");
    follower_done(&f);
}

/* --- what is sent again
 * ----------------------------------------------------------------------------------------------------- */

static struct place at(uint64_t offset)
{
    return (struct place){.inode = 1, .offset = offset};
}

static void sending_goes_on_some_time_before_a_break(void **state)
{
    struct window w;

    (void)state;
    window_begin(&w, &(struct place){.inode = 1}, 1000);
    for (uint64_t i = 1; i <= 100; i++) {
        window_sent(&w, i * 10, &(struct place){.inode = 1, .offset = i});
        window_confirm(&w, i * 10, 1000 + i * 1000);
    }
    assert_int_equal(w.confirmed.place.offset, at(100).offset);
    assert_int_equal(window_resume(&w, 101000, 10000, 0).offset, 90);
    assert_int_equal(window_resume(&w, 200000, 10000, 0).offset, 100);
    assert_int_equal(window_resume(&w, 101000, 10000, 300).offset, 70);
    assert_int_equal(window_resume(&w, 101000, 10000, 100000).offset, 37); /* the oldest it knows */
}

static void what_the_server_has_not_confirmed_is_not_passed(void **state)
{
    struct window w;

    (void)state;
    window_begin(&w, &(struct place){.inode = 1}, 0);
    for (uint64_t i = 1; i <= 1000; i++)
        window_sent(&w, i * 10, &(struct place){.inode = 1, .offset = i});
    window_confirm(&w, 55, 5000);
    assert_int_equal(w.confirmed.place.offset, 5);
    window_confirm(&w, 9999, 6000);
    assert_int_equal(w.confirmed.place.offset, 255); /* the last entry covers the rest, which is not whole */
    window_confirm(&w, 10000, 7000);
    assert_int_equal(w.confirmed.place.offset, 1000);
}

/* --- states
 * ----------------------------------------------------------------------------------------------------------------- */

static void states_are_read_as_they_were_written(void **state)
{
    static struct push_state s, back;
    struct buf b = BUF(100000);
    struct err e = ERR_NONE;

    (void)state;
    s = (struct push_state){
        .at = {1, 2, 3, 4}, .safe = {5, 6, 7, 8}, .clean = 1, .lines = 9, .files = 10, .bytes = 11, .ok_ms = 12};
    strcpy(s.pushed[s.n_pushed++], FIRST);
    strcpy(s.pushed[s.n_pushed++], SECOND);
    push_state_format(&s, &b);
    assert_int_equal(push_state_parse(buf_str(&b), &back, &e), RC_OK);
    assert_memory_equal(&s, &back, sizeof s);
    assert_int_equal(push_state_parse(str_lit("postern push 1\nat 1 2 999 4\n"), &back, &e), RC_CORRUPT);
    assert_int_equal(push_state_parse(str_lit("postern push 1\npushed ../x\n"), &back, &e), RC_CORRUPT);
    assert_int_equal(push_state_parse(str_lit(""), &back, &e), RC_CORRUPT);
    buf_done(&b);
}

/* --- host keys
 * ---------------------------------------------------------------------------------------------------------------- */

/* FW-03 */
static void host_keys_are_judged_by_known_lines(void **state)
{
    static const struct str lines[] = {
        {"# comment", 9},
        {"a.test,192.0.2.1 ssh-ed25519 AAAA me", 36},
        {"[a.test]:2222 ssh-ed25519 BBBB", 30},
        {"a.test ssh-rsa CCCC", 19},
        {"@revoked a.test ssh-ed25519 DDDD", 32},
        {"|1|hash|hash ssh-ed25519 EEEE", 29},
        {"broken", 6},
    };
    const struct strs known = {lines, 7};
    const struct str ed = str_lit("ssh-ed25519"), host = str_lit("A.test");
    struct buf types = BUF(1000);

    (void)state;
    assert_int_equal(hostkey_judge(known, host, 22, ed, str_lit("AAAA")), HOSTKEY_SAME);
    assert_int_equal(hostkey_judge(known, str_lit("192.0.2.1"), 22, ed, str_lit("AAAA")), HOSTKEY_SAME);
    assert_int_equal(hostkey_judge(known, host, 22, ed, str_lit("BBBB")), HOSTKEY_OTHER);
    assert_int_equal(hostkey_judge(known, host, 2222, ed, str_lit("BBBB")), HOSTKEY_SAME);
    assert_int_equal(hostkey_judge(known, host, 2222, ed, str_lit("AAAA")), HOSTKEY_OTHER);
    assert_int_equal(hostkey_judge(known, host, 22, ed, str_lit("DDDD")), HOSTKEY_REVOKED);
    assert_int_equal(hostkey_judge(known, str_lit("b.test"), 22, ed, str_lit("AAAA")), HOSTKEY_UNKNOWN);
    assert_int_equal(hostkey_judge(known, host, 23, ed, str_lit("AAAA")), HOSTKEY_UNKNOWN);
    hostkey_types(known, host, 22, &types);
    assert_true(str_eq(buf_str(&types), str_lit("ssh-ed25519,rsa-sha2-512,rsa-sha2-256")));
    buf_done(&types);
}

static void names_of_saved_files(void **state)
{
    struct str time = STR_NONE;
    char stem[LOG_STEM_MAX];

    (void)state;
    assert_true(log_saved_name(str_lit(FIRST), &time));
    assert_true(str_eq(time, str_lit("20261121T100000")));
    assert_true(log_saved_name(str_lit("bounces.text.@20261121T100000.s"), NULL));
    assert_false(log_saved_name(str_lit("mail.current"), NULL));
    assert_false(log_saved_name(str_lit(".@20261121T100000.s"), NULL));
    assert_false(log_saved_name(str_lit("mail.@20261121T100000.c"), NULL));
    assert_false(log_saved_name(str_lit("mail.@20261121100000.s"), NULL));
    log_stem(str_lit("mail_logs"), STR_NONE, stem);
    assert_string_equal(stem, "mail");
    log_stem(str_lit("bounces"), str_lit("../x"), stem);
    assert_string_equal(stem, "bounces.text");
    log_stem(str_lit("status"), str_lit("state"), stem);
    assert_string_equal(stem, "state");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_have_the_bsd_form),
        cmocka_unit_test(cef_lines_have_no_level),
        cmocka_unit_test(lines_that_frame_a_file_are_not_sent),
        cmocka_unit_test(foreign_lines_go_whole_with_the_time_of_now),
        cmocka_unit_test(long_lines_are_cut_between_characters),
        cmocka_unit_test_setup_teardown(lines_are_followed_over_roll_overs, fresh, gone),
        cmocka_unit_test_setup_teardown(places_survive_roll_overs_and_copies, fresh, gone),
        cmocka_unit_test_setup_teardown(deleted_files_are_a_gap, fresh, gone),
        cmocka_unit_test_setup_teardown(a_log_that_is_cut_back_is_waited_for, fresh, gone),
        cmocka_unit_test(sending_goes_on_some_time_before_a_break),
        cmocka_unit_test(what_the_server_has_not_confirmed_is_not_passed),
        cmocka_unit_test(states_are_read_as_they_were_written),
        cmocka_unit_test(host_keys_are_judged_by_known_lines),
        cmocka_unit_test(names_of_saved_files),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
