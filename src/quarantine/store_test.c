/* What is on disk: crash points between record and index, torn tails, damage, lost indexes; time and space. */
#include "base/io.h"
#include "quarantine/quarantine_testing.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#define SETTINGS "system.serial=SER1\nsystem.hostname=gw.test\n"

static struct letter letter(uint64_t mid)
{
    return (struct letter){"pvo",           "a@out.test", "b@in.test", "From: a@out.test\r\nSubject: x\r\n\r\nheld\r\n",
                           HOLD(IN_POLICY), mid};
}

static void put(struct place *p, uint64_t mid)
{
    struct letter l = letter(mid);
    char wanted[80];

    snprintf(wanted, sizeof wanted, "250 ok:  Message %d accepted\r\n", (int)mid);
    assert_string_equal(post(p, &l), wanted);
}

static void shell(const char *fmt, const char *a, const char *b)
{
    char line[600];

    snprintf(line, sizeof line, fmt, a, b);
    assert_int_equal(system(line), 0);
}

/* The only segment file; "" = there is none or several. */
static const char *segment(struct place *p)
{
    static char path[600];
    char dir[300];
    struct dirent *one;
    DIR *d;
    unsigned n = 0;

    snprintf(dir, sizeof dir, "%s", store_file(p, "data"));
    d = opendir(dir);
    assert_non_null(d);
    while ((one = readdir(d)))
        if (one->d_name[0] != '.') {
            snprintf(path, sizeof path, "%s/%.200s", dir, one->d_name);
            n++;
        }
    closedir(d);
    return n == 1 ? path : "";
}

static void lose_index(struct place *p)
{
    shell("rm -f %s/index.db*%s", p->store, "");
}

static bool is_held(struct place *p, uint64_t id)
{
    return sql_number(&p->q->sql, Q_message_has, 0, "i", id) == 1;
}

/* G2: the index is lost: everything held is found again, with its reasons, and nothing of what has left. */
static void test_index_lost(void **state)
{
    struct place p;
    struct letter spam = {"spam", "s@out.test", "b@in.test c@in.test", "x\r\n", "{\"spam\":{\"verdict\":\"positive\"}}", 62};
    uint64_t sizes;

    (void)state;
    place_start(&p, SETTINGS);
    for (uint64_t mid = 1; mid <= 5; mid++)
        put(&p, mid);
    post(&p, &spam);
    decide(&p, 2, "Policy", HOLD_DELETE);
    decide(&p, 3, "Policy", HOLD_RELEASE);
    sizes = held_now(&p, CPQ_PVO);
    place_close(&p);
    lose_index(&p);
    place_open(&p);
    assert_int_equal(held_now(&p, CPQ_PVO), sizes);
    assert_int_equal(held_now(&p, CPQ_SPAM), 1);
    assert_int_equal(sql_number(&p.q->sql, Q_entry_count, 0, ""), 2);
    assert_true(is_held(&p, 1) && !is_held(&p, 2) && !is_held(&p, 3) && is_held(&p, 4));
    assert_non_null(strstr((verb(&p, "quarantine search quarantine=Policy reason=hold_invoices"), p.json), "\"id\":5,"));
    assert_int_equal(decide(&p, 4, "Policy", HOLD_RELEASE), RC_OK);
    assert_non_null(strstr(p.release, "held\r\n"));
    place_end(&p);
}

/* A crash behind the sync and before the index: the older index catches up; a replay is a duplicate, not a second message.
 */
static void test_crash_before_index(void **state)
{
    struct place p;
    struct letter l = letter(7);

    (void)state;
    place_start(&p, SETTINGS);
    put(&p, 6);
    place_close(&p);
    shell("cp -a %s/index.db %s/old.db", p.store, p.dir);
    place_open(&p);
    put(&p, 7);
    put(&p, 8);
    place_close(&p);
    lose_index(&p);
    shell("cp -a %s/old.db %s/index.db", p.dir, p.store);
    place_open(&p);
    assert_int_equal(held_now(&p, CPQ_PVO), 3);
    assert_string_equal(post(&p, &l), "250 ok:  Message 7 accepted (duplicate)\r\n");
    place_end(&p);
}

/* A power cut in the middle of a record: what was acknowledged is there, the torn one is not, and writing goes on behind it.
 */
static void test_torn_tail(void **state)
{
    struct place p;
    struct stat st;
    char path[600];

    (void)state;
    place_start(&p, SETTINGS);
    put(&p, 10);
    put(&p, 11);
    place_close(&p);
    snprintf(path, sizeof path, "%s", segment(&p));
    assert_int_equal(stat(path, &st), 0);
    lose_index(&p);
    assert_int_equal(truncate(path, st.st_size - 30), 0);
    place_open(&p);
    assert_true(is_held(&p, 10) && !is_held(&p, 11));
    put(&p, 12);
    place_close(&p);
    lose_index(&p);
    place_open(&p);
    assert_true(is_held(&p, 10) && !is_held(&p, 11) && is_held(&p, 12));
    put(&p, 11);
    place_end(&p);
}

/* Octets that are damaged in the middle are said, the rest is found, and the file is not thrown away. */
static void test_damage(void **state)
{
    struct place p;
    char path[600], zeros[64];
    int fd;

    (void)state;
    memset(zeros, 0xff, sizeof zeros);
    place_start(&p, SETTINGS);
    put(&p, 20);
    put(&p, 21);
    place_close(&p);
    lose_index(&p);
    snprintf(path, sizeof path, "%s", segment(&p));
    fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, zeros, sizeof zeros, 100), sizeof zeros);
    close(fd);
    place_open(&p);
    assert_true(!is_held(&p, 20) && is_held(&p, 21));
    assert_true(logged(&p, "is damaged"));
    decide(&p, 21, "Policy", HOLD_DELETE);
    assert_string_equal(segment(&p), "");
    place_end(&p);
}

/* An index that is no database any more is put aside and made anew. */
static void test_index_damaged(void **state)
{
    struct place p;

    (void)state;
    place_start(&p, SETTINGS);
    put(&p, 25);
    place_close(&p);
    shell("rm -f %s/index.db-wal; head -c 20000 /dev/zero | tr '\\0' x > %s/index.db", p.store, p.store);
    place_open(&p);
    assert_true(is_held(&p, 25));
    assert_true(logged(&p, "Quarantine file index.db is damaged"));
    place_end(&p);
}

/* A disk that refuses one write or sync: 451, nothing is held, an alert, and the next message is taken, in another file. */
static void test_write_fails(void **state)
{
    static const char *const faults[] = {"quarantine:quarantine.append:1:eio", "quarantine:quarantine.append:2:eio"};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct place p;
        struct letter l = letter(30);

        place_start(&p, SETTINGS);
        setenv("POSTERN_FAULT", faults[i], 1);
        io_init("quarantine");
        assert_int_equal(strncmp(post(&p, &l), "451 ", 4), 0);
        unsetenv("POSTERN_FAULT");
        io_init("quarantine");
        assert_int_equal(held_now(&p, CPQ_PVO), 0);
        assert_true(logged(&p, "Quarantine: cannot be written to"));
        assert_string_equal(post(&p, &l), "250 ok:  Message 30 accepted\r\n");
        place_end(&p);
    }
}

/* Whole files die together: nothing is left of a day when its last message leaves. */
static void test_files_die(void **state)
{
    struct place p;

    (void)state;
    place_start(&p, SETTINGS);
    for (uint64_t mid = 1; mid <= 3; mid++)
        put(&p, mid);
    assert_string_not_equal(segment(&p), "");
    verb(&p, "quarantine delete quarantine=Policy");
    assert_string_equal(segment(&p), "");
    put(&p, 4);
    assert_string_not_equal(segment(&p), "");
    place_end(&p);
}

/* ---- time and space
 * -------------------------------------------------------------------------------------------------------- */

/* Default actions: Policy deletes, Own releases; each when its time is over and no earlier. */
static void test_expiry(void **state)
{
    struct place p;
    struct letter own = letter(41);
    uint64_t now = clock_wall_ms();

    (void)state;
    own.made = HOLD("{\"quarantine\":\"Own\",\"kind\":\"policy\",\"reason\":\"r\"}");
    place_start(&p, SETTINGS "quarantine.Own.action=release\nquarantine.Own.retention_ms=1h\n");
    put(&p, 40);
    post(&p, &own);
    expire_run(p.q, now + 3500000);
    assert_int_equal(held_now(&p, CPQ_PVO), 2);
    expire_run(p.q, now + 3700000);
    turns(&p, 20);
    assert_int_equal(p.taken, 1);
    assert_true(logged(&p, "MID 41 released from quarantine \"Own\" (expired)"));
    expire_run(p.q, now + 239 * 3600000ULL);
    assert_true(is_held(&p, 40));
    expire_run(p.q, now + 241 * 3600000ULL);
    assert_false(is_held(&p, 40));
    assert_true(logged(&p, "MID 40 deleted from quarantine \"Policy\" (expired)"));
    place_end(&p);
}

static void test_spam_expiry(void **state)
{
    struct place p;
    struct letter spam = {"spam", "s@out.test", "b@in.test c@in.test", "x\r\n", "{\"spam\":{\"verdict\":\"bulk\"}}", 62};
    uint64_t now = clock_wall_ms();

    (void)state;
    place_start(&p, SETTINGS);
    post(&p, &spam);
    expire_run(p.q, now + 13 * 86400000ULL);
    assert_int_equal(held_now(&p, CPQ_SPAM), 1);
    expire_run(p.q, now + 15 * 86400000ULL);
    assert_int_equal(held_now(&p, CPQ_SPAM), 0);
    place_end(&p);
}

static char *large(size_t n)
{
    char *body = malloc(n + 1);

    memset(body, 'y', n);
    body[n] = '\0';
    return body;
}

/* Pool full: the oldest goes by its default action, exempt quarantines are passed over; all exempt: 452 and an alert. */
static void test_overflow(void **state)
{
    struct place p;
    char *body = large(300000);
    struct letter l = letter(50);

    (void)state;
    l.body = body;
    place_start(&p, SETTINGS "quarantine_service.max_bytes=1M\nquarantine.Kept.overflow=no\n");
    l.made = HOLD("{\"quarantine\":\"Kept\",\"kind\":\"policy\",\"reason\":\"r\"}");
    post(&p, &l);
    l.made = HOLD(IN_POLICY);
    for (l.mid = 51; l.mid <= 54; l.mid++)
        assert_non_null(strstr(post(&p, &l), "accepted"));
    assert_true(is_held(&p, 50) && !is_held(&p, 51) && !is_held(&p, 52) && is_held(&p, 53) && is_held(&p, 54));
    assert_true(logged(&p, "MID 51 deleted from quarantine \"Policy\" (queue full)"));
    assert_true(logged(&p, "% of the space for policy mail is in use"));
    verb(&p, "quarantine delete quarantine=Policy");
    l.made = HOLD("{\"quarantine\":\"Kept\",\"kind\":\"policy\",\"reason\":\"r\"}");
    for (l.mid = 60; l.mid <= 61; l.mid++)
        assert_non_null(strstr(post(&p, &l), "accepted"));
    assert_string_equal(post(&p, &l), "452 4.3.1 the quarantine is full\r\n");
    assert_true(logged(&p, "the space for policy mail is used up"));
    place_end(&p);
    free(body);
}

/* Mail that is let out early carries what its quarantine adds; mail that an operator releases does not. */
static void test_early(void **state)
{
    struct place p;
    char *body = large(400000);
    struct letter l = letter(55);

    (void)state;
    memcpy(body, "Subject: Hi\r\n\r\n", 15);
    l.body = body;
    place_start(
        &p, SETTINGS
        "quarantine_service.max_bytes=1M\nquarantine.Policy.action=release\nquarantine.Policy.subject_prefix=[EARLY]\n"
        "quarantine.Policy.subject_suffix=\xc3\xbc\nquarantine.Policy.header_name=X-Early\n"
        "quarantine.Policy.header_value=yes\nquarantine.Policy.strip_attachments=yes\n");
    for (; l.mid < 58; l.mid++)
        post(&p, &l);
    turns(&p, 20);
    assert_int_equal(p.taken, 1);
    assert_string_equal(p.edits, "0+0:X-Early: yes\r\n|9+0:[EARLY] |11+0: =?utf-8?Q?=C3=BC?=|");
    assert_non_null(strstr(p.carried_release, "\"strip_attachments\":true"));
    assert_true(logged(&p, "MID 55 released (attachments stripped) from quarantine \"Policy\" (queue full)"));
    decide(&p, 56, "Policy", HOLD_RELEASE);
    assert_int_equal(p.taken, 2);
    assert_string_equal(p.edits, "");
    assert_null(strstr(p.carried_release, "strip"));
    assert_non_null(strstr(p.carried_release, "\"rescan\":[\"file_reputation\",\"antivirus\"]"));
    place_end(&p);
    free(body);
}

/* Spam: delete the oldest, or refuse. */
static void test_spam_full(void **state)
{
    struct place p;
    char *body = large(400000);
    struct letter l = {"spam", "s@out.test", "b@in.test", body, "{\"spam\":{\"verdict\":\"positive\"}}", 70};

    (void)state;
    place_start(&p, SETTINGS "spam_quarantine.max_bytes=1M\n");
    for (; l.mid < 73; l.mid++)
        assert_non_null(strstr(post(&p, &l), "accepted"));
    assert_true(!is_held(&p, 70) && is_held(&p, 72));
    place_end(&p);
    place_start(&p, SETTINGS "spam_quarantine.max_bytes=1M\nspam_quarantine.full=refuse\n");
    post(&p, &l);
    l.mid++;
    post(&p, &l);
    l.mid++;
    assert_int_equal(strncmp(post(&p, &l), "452 ", 4), 0);
    place_end(&p);
    free(body);
}

/* A quarantine that is taken from the settings: its mail goes by its default action; what names it later is Unclassified. */
static void test_removed(void **state)
{
    struct place p;
    struct letter own = letter(80);
    struct err e = ERR_NONE;

    (void)state;
    own.made = HOLD("{\"quarantine\":\"Own\",\"kind\":\"policy\",\"reason\":\"r\"}");
    place_start(&p, SETTINGS "quarantine.Own.action=release\n");
    post(&p, &own);
    place_close(&p);
    conf_source_free(p.conf);
    p.conf = conf_source_test(SETTINGS, &e);
    place_open(&p);
    expire_run(p.q, clock_wall_ms());
    turns(&p, 20);
    assert_int_equal(p.taken, 1);
    own.mid = 81;
    post(&p, &own);
    assert_true(logged(&p, "MID 81 quarantined to \"Unclassified\" (r)"));
    place_end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_index_lost),    cmocka_unit_test(test_crash_before_index),
        cmocka_unit_test(test_torn_tail),     cmocka_unit_test(test_damage),
        cmocka_unit_test(test_index_damaged), cmocka_unit_test(test_write_fails),
        cmocka_unit_test(test_files_die),     cmocka_unit_test(test_expiry),
        cmocka_unit_test(test_spam_expiry),   cmocka_unit_test(test_overflow),
        cmocka_unit_test(test_spam_full),     cmocka_unit_test(test_removed),
        cmocka_unit_test(test_early),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
