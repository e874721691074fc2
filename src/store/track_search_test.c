/*
 * Searches in tracking: every key, ways of comparing, order, limits, readers beside the writer.
 */
#include "store/tracking_inside.h"
#include "store/tracking_testing.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

enum { MAILS = 150 };

static char dir[64];
static struct world w;
static struct tracking *t;
static struct arena a;
static struct tracking_hits hits;
static struct err e;

static void import_from(size_t from)
{
    assert_int_equal(tracking_begin(t, str_lit("SER1"), str_lit("gw1.example.org"), 1, &e), RC_OK);
    for (size_t i = from; i < w.n; i++)
        assert_int_equal(tracking_add(t, w.events[i].number, &w.events[i].rec, &e), RC_OK);
    assert_int_equal(tracking_commit(t, w.events[from].number, w.n, &e), RC_OK);
}

static int with_mail(void **state)
{
    struct tracking_options o = {.partition_rows = 45, .rejected = true};
    char command[100];

    (void)state;
    strcpy(dir, access("/dev/shm", W_OK) == 0 ? "/dev/shm/postern-search-XXXXXX" : "/tmp/postern-search-XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(command, sizeof command, "%s", dir);
    world_init(&w);
    arena_init(&a, 65536, 256 << 20);
    assert_int_equal(tracking_open(dir, &o, &t, &e), RC_OK);
    for (unsigned i = 0; i < MAILS; i++) {
        size_t from = w.n;

        world_message(&w, i);
        if (i % 50 == 0)
            world_reject(&w, i);
        import_from(from);
    }
    return 0;
}

static int gone(void **state)
{
    char command[100];

    (void)state;
    tracking_close(t);
    world_done(&w);
    arena_done(&a);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command);
}

/* Words separated by "|". */
static enum rc ask(const char *words)
{
    struct tracking_query q;
    struct str rest = str_c(words), word;

    tracking_query_init(&q, 10000);
    q.limit = 10000;
    while (rest.n && str_split(&rest, '|', &word))
        TRY(tracking_query_word(&q, &a, word, &e));
    return tracking_search(t, &q, &a, &hits, &e);
}

static size_t count(const char *words)
{
    if (ask(words) != RC_OK)
        fail_msg("%s: %s", words, e.text);
    for (size_t i = 1; i < hits.n; i++)
        assert_true(hits.items[i].at_ms <= hits.items[i - 1].at_ms);
    return hits.n;
}

/* What the world made, counted by its rules: children of splits have no connection, subject or Message-ID. */
static size_t made(bool (*is)(unsigned i))
{
    size_t n = 0;

    for (unsigned i = 0; i < MAILS; i++)
        n += is(i);
    return n;
}

static bool splits(unsigned i)
{
    return i % 8 != 5 && i % 9 == 4;
}
static bool of_sender_3(unsigned i)
{
    return i % 17 == 3 && i % 5 == 3;
}
static bool of_domain_2(unsigned i)
{
    return i % 5 == 2;
}
static bool to_boss_1(unsigned i)
{
    return i % 3 == 0 && i % 2 == 1;
}
static bool without_subject(unsigned i)
{
    return i % 10 == 0;
}
static bool bounced(unsigned i)
{
    return i % 8 != 5 && i % 12 == 7;
}
static bool with_virus(unsigned i)
{
    return i % 13 == 3;
}
static bool outgoing(unsigned i)
{
    return i % 11 == 10;
}
static bool held_as_virus(unsigned i)
{
    return i % 8 == 5 && i % 3 == 1;
}
static bool by_auth_2(unsigned i)
{
    return i % 6 == 0 && i % 3 == 2;
}
static bool with_pdf(unsigned i)
{
    return i % 7 == 0;
}

static bool from_mail_2(unsigned i)
{
    return i % 4 == 2;
}
static bool from_mx_1(unsigned i)
{
    return i % 4 == 2 && i % 9 == 1;
}

static size_t both(bool (*is)(unsigned i))
{
    size_t n = 0; /* the child of a split has the same sender and first recipient */

    for (unsigned i = 0; i < MAILS; i++)
        n += is(i) ? 1 + splits(i) : 0;
    return n;
}

/* ST-16: every key of a search finds exactly what was sent. */
static void every_key(void **state)
{
    (void)state;
    assert_int_equal(count(""), MAILS + made(splits));
    assert_int_equal(count("sender:is=SENDER3@example3.NET"), both(of_sender_3));
    assert_int_equal(count("sender:begins=sender3@"), count("sender=ender3@"));
    assert_int_equal(count("sender=@example2."), both(of_domain_2));
    assert_int_equal(count("recipient:is=boss1@corp.test"), made(to_boss_1));
    assert_int_equal(count("recipient:begins=boss1"), made(to_boss_1));
    assert_int_equal(count("recipient=s1@"), made(to_boss_1));
    assert_int_equal(count("sender=@example2.|recipient:begins=boss1"), count("recipient:begins=boss1|sender=@example2."));
    assert_int_equal(count("subject=for order \xc3\xa4rger"), MAILS - made(without_subject));
    assert_int_equal(count("subject:begins=INVOICE 14"), 11 - 1); /* 14, 141 ... 149; 140 has none */
    assert_int_equal(count("subject:is=invoice 7 for order \xc3\x84RGER 49"), 1);
    assert_int_equal(count("subject=order \xc3\x84rger 49"), 2); /* 49 and 497; 490 has none */
    assert_int_equal(count("subject:empty"), made(without_subject) + made(splits));
    assert_int_equal(count("subject=in"), MAILS - made(without_subject)); /* too short for the index */
    assert_int_equal(count("message-id=<12.abc@example.net>"), 1);
    assert_int_equal(count("message-id=12.abc@example.net"), 1);
    assert_int_equal(count("ip=192.0.2.7"), 1);
    assert_int_equal(count("domain=mail2.test"), made(from_mail_2));
    assert_int_equal(count("domain=mx1.mail2.test"), made(from_mx_1));
    assert_int_equal(count("user=auth2"), made(by_auth_2));
    assert_int_equal(count("policy=Policy1"), MAILS / 2);
    assert_int_equal(count("filter=block_zip"), MAILS / 2);
    assert_int_equal(count("virus=EICAR-Test"), made(with_virus));
    assert_int_equal(count("direction=out"), made(outgoing));
    assert_int_equal(count("events=hard-bounced"), made(bounced));
    assert_int_equal(count("events=quarantined-virus"), made(held_as_virus));
    assert_int_equal(count("events=hard-bounced,quarantined-virus"), made(bounced) + made(held_as_virus));
    assert_int_equal(count("quarantine=policy"), count("events=quarantined"));
    assert_int_equal(count("attachment:begins=report-1"), 8); /* 14, 105, 112 ... 147 */
    assert_int_equal(count("attachment=.pdf"), made(with_pdf));
    assert_int_equal(count("host=gw1.example.org"), MAILS + made(splits));
    assert_int_equal(count("serial=SER1"), MAILS + made(splits));
    assert_int_equal(count("host=gw2.example.org"), 0);
    assert_int_equal(count("group=UNKNOWNLIST"), MAILS);
    assert_int_equal(count("listener=Public"), MAILS);
    assert_int_equal(count("sender=nobody"), 0);
    assert_int_equal(count("subject=no such words"), 0);
}

/* A connection that was refused is a row, when it is asked for. */
static void rejected_connections(void **state)
{
    (void)state;
    assert_int_equal(count("kind=rejected"), 6); /* three by REJECT, three by TCPREFUSE */
    assert_int_equal(count("kind=rejected|group=BLOCKLIST"), 3);
    assert_int_equal(count("kind=rejected|ip=198.51.100.50"), 2);
    assert_int_equal(count("kind=both"), MAILS + made(splits) + 6);
}

/* A message keeps its uid when it is split; both are found by it, and by MID each alone. */
static void by_mid_and_uid(void **state)
{
    uint64_t mid = 0;
    char words[80];

    (void)state;
    for (size_t i = 0; i < w.n && !mid; i++)
        if (w.events[i].rec.type == EVENT_message_split)
            mid = event_as(&w.events[i].rec, message_split)->mid;
    snprintf(words, sizeof words, "%" PRIu64, mid);
    assert_int_equal(count(words), 1);
    assert_true(hits.items[0].mid == mid);
    snprintf(words, sizeof words, "%" PRIx64 "-0011223344556677", mid);
    assert_int_equal(count(words), 2);
    assert_true(hits.items[0].mid == mid + 1 && hits.items[1].mid == mid);
    snprintf(words, sizeof words, "uid=%" PRIx64 "-0011223344556678", mid);
    assert_int_equal(count(words), 0);
    snprintf(words, sizeof words, "mid=%" PRIu64 "|subject=nothing like it", mid);
    assert_int_equal(count(words), 0);
}

/* Newest first over all partitions; limit and offset cut the same list. */
static void order_limit_offset(void **state)
{
    uint64_t mids[MAILS * 2];
    size_t n = count("");

    (void)state;
    for (size_t i = 0; i < n; i++)
        mids[i] = hits.items[i].mid;
    for (size_t at = 0; at < n + 10; at += 37) {
        char words[80];

        snprintf(words, sizeof words, "limit=37|offset=%zu", at);
        assert_int_equal(count(words), at >= n ? 0 : n - at < 37 ? n - at : 37);
        assert_int_equal(hits.more, at + 37 < n);
        for (size_t i = 0; i < hits.n; i++)
            assert_true(hits.items[i].mid == mids[at + i]);
    }
    assert_int_equal(count("limit=5|sender=@example2."), 5);
    assert_true(hits.more);
}

/* Received from and to, both ends included. */
static void times(void **state)
{
    size_t n = count("");
    uint64_t at = hits.items[n / 3].at_ms;
    char words[80];

    (void)state;
    snprintf(words, sizeof words, "from=%" PRIu64, at);
    assert_int_equal(count(words), n / 3 + 1);
    snprintf(words, sizeof words, "to=%" PRIu64, at);
    assert_int_equal(count(words), n - n / 3);
    snprintf(words, sizeof words, "from=%" PRIu64 "|to=%" PRIu64, at, at);
    assert_int_equal(count(words), 1);
    assert_int_equal(count("from=2026-11-22T00:00Z|to=2026-11-22T23:59:59Z"), n);
    assert_int_equal(count("to=2026-11-20"), 0);
}

/* Words that are wrong are refused with what was expected. */
static void wrong_words(void **state)
{
    static const char *const wrong[] = {
        "nonsense", "colour=red",      "sender:ends=x", "mid=x", "from=yesterday",  "events=thunder", "direction=up",
        "kind=all", "limit=100000000", "sender=",       "host=", "from=2026-13-01", "message-id=",    "ip:begins=1"};

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        e = ERR_NONE;
        assert_int_equal(ask(wrong[i]), RC_SYNTAX);
        assert_true(e.text[0] != 0);
    }
}

/* A search that takes longer than it may ends with what it has and says so. */
static void time_out(void **state)
{
    struct tracking_query q;

    (void)state;
    tracking_query_init(&q, 100);
    q.deadline_ms = clock_mono_ms() + 60000;
    assert_int_equal(tracking_search(t, &q, &a, &hits, &e), RC_OK);
    assert_false(hits.timed_out);
    q.deadline_ms = 1;
    q.limit = 1000;
    assert_int_equal(tracking_search(t, &q, &a, &hits, &e), RC_OK);
    assert_true(hits.timed_out);
    assert_true(hits.n > 0 && hits.n < MAILS); /* of the first partition that was looked at */
}

/* --- searches run beside an import, in other threads ---------------------------------------------------------------------
 */

static bool stop;
static unsigned searches, wrong_answers;

static void *search_on(void *ctx)
{
    (void)ctx;
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        struct tracking_query q;
        struct tracking_hits own;
        struct err failure = ERR_NONE;
        struct arena mine;

        arena_init(&mine, 65536, 64 << 20);
        tracking_query_init(&q, 10000);
        q.limit = 10000;
        tracking_query_word(&q, &mine, str_lit("sender=@example2."), &failure);
        if (tracking_search(t, &q, &mine, &own, &failure) != RC_OK || own.n < made(of_domain_2))
            __atomic_add_fetch(&wrong_answers, 1, __ATOMIC_RELAXED);
        for (size_t i = 0; i < own.n; i++)
            if (!own.items[i].sender.n || !own.items[i].recipients.n)
                __atomic_add_fetch(&wrong_answers, 1, __ATOMIC_RELAXED);
        __atomic_add_fetch(&searches, 1, __ATOMIC_RELAXED);
        arena_done(&mine);
    }
    return NULL;
}

static void beside_an_import(void **state)
{
    pthread_t threads[2];

    (void)state;
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, search_on, NULL), 0);
    for (unsigned i = 0; i < 200; i++) {
        size_t from = w.n;

        world_message(&w, i);
        import_from(from);
    }
    while (__atomic_load_n(&searches, __ATOMIC_RELAXED) < 10)
        usleep(1000);
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(wrong_answers, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key),      cmocka_unit_test(rejected_connections),
        cmocka_unit_test(by_mid_and_uid), cmocka_unit_test(order_limit_offset),
        cmocka_unit_test(times),          cmocka_unit_test(wrong_words),
        cmocka_unit_test(time_out),       cmocka_unit_test(beside_an_import),
    };

    return cmocka_run_group_tests(tests, with_mail, gone);
}
