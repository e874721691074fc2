/* What engines may answer, and what counts as nonsense. */
#include "scan/engines.h"
#include "scan/http_reply.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct arena a;

static int setup(void **state)
{
    (void)state;
    arena_init(&a, 4096, 32 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_done(&a);
    return 0;
}

/* --- HTTP --- */

#define OK_HEAD "HTTP/1.1 200 OK\r\n"

static void a_reply_is_read_by_length_chunks_and_end(void **state)
{
    static const char *const whole[] = {
        OK_HEAD "Content-Length: 5\r\n\r\nhello",
        OK_HEAD "content-length:5\r\nX: y\r\n\r\nhello and more",
        OK_HEAD "Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nTrailer: z\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n" OK_HEAD "Content-Length: 5\r\n\r\nhello",
    };
    struct http_reply r;

    (void)state;
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++) {
        size_t n = strlen(whole[i]);

        if (http_reply_read(&a, str_c(whole[i]), false, &r) != HTTP_WHOLE)
            fail_msg("not whole: %zu", i);
        assert_int_equal(r.status, 200);
        assert_true(str_eq(r.body, str_lit("hello")));
        for (size_t cut = 0; i != 1 && cut < n; cut++) {
            assert_int_equal(http_reply_read(&a, str_of(whole[i], cut), false, &r), HTTP_MORE);
            assert_int_equal(http_reply_read(&a, str_of(whole[i], cut), true, &r), HTTP_BAD);
        }
    }
    assert_int_equal(http_reply_read(&a, str_lit("HTTP/1.0 404 Not Found\r\n\r\nhello"), false, &r), HTTP_MORE);
    assert_int_equal(http_reply_read(&a, str_lit("HTTP/1.0 404 Not Found\r\n\r\nhello"), true, &r), HTTP_WHOLE);
    assert_int_equal(r.status, 404);
    assert_true(str_eq(r.body, str_lit("hello")) && str_eq(r.reason, str_lit("Not Found")));
}

static void replies_that_can_be_taken_in_two_ways_are_refused(void **state)
{
    static const char *const bad[] = {
        "SSH-2.0-x\r\n\r\n",
        "HTTP/2 200\r\n\r\n",
        "HTTP/1.1 2x0 OK\r\n\r\n",
        "HTTP/1.1 099 OK\r\n\r\n",
        "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        OK_HEAD "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        OK_HEAD "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        OK_HEAD "Content-Length: -1\r\n\r\n",
        OK_HEAD "Content-Length: +5\r\n\r\nhello",
        OK_HEAD "Content-Length: 99999999999999999999\r\n\r\n",
        OK_HEAD "Content-Length: 99999999\r\n\r\n",
        OK_HEAD "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        OK_HEAD "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
        OK_HEAD "Transfer-Encoding: chunked\r\n\r\n-2\r\nhe\r\n0\r\n\r\n",
        OK_HEAD "Transfer-Encoding: chunked\r\n\r\n2\r\nhexx0\r\n\r\n",
        OK_HEAD "Transfer-Encoding: chunked\r\n\r\n\r\n",
        OK_HEAD "no colon\r\n\r\n",
        OK_HEAD " folded: x\r\n\r\n",
        OK_HEAD "Content-Length : 5\r\n\r\nhello",
    };
    struct http_reply r;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (http_reply_read(&a, str_c(bad[i]), false, &r) != HTTP_BAD)
            fail_msg("taken: %s", bad[i]);
}

/* --- rspamd --- */

static enum rc rspamd(const char *json, struct spam_answer *out)
{
    struct err e = ERR_NONE;

    return rspamd_answer_read(&a, str_c(json), out, &e);
}

static void rspamds_answer_is_read(void **state)
{
    struct spam_answer s;

    (void)state;
    assert_int_equal(
        rspamd("{\"is_skipped\":false,\"score\":7.5,\"required_score\":15.0,\"action\":\"add header\",\"symbols\":{"
               "\"MAILLIST\":{\"name\":\"MAILLIST\",\"score\":-0.2,\"options\":[\"mailman\",\"x\"]},"
               "\"R_SPF_ALLOW\":{\"score\":0.0}},\"message-id\":\"1@x\",\"milter\":{\"remove_headers\":{}}}",
               &s),
        RC_OK);
    assert_int_equal(s.n_symbols, 2);
    assert_true(str_eq(s.symbols[0].name, str_lit("MAILLIST")) && str_eq(s.symbols[0].option, str_lit("mailman")));
    assert_true(s.symbols[0].score == -0.2 && s.score > 50 && s.score < 60 && !s.skipped);
}

static void rspamds_nonsense_is_refused(void **state)
{
    static const char *const wrong[] = {
        "",
        "[]",
        "pong",
        "{\"score\":1}",
        "{\"score\":\"1\",\"required_score\":15,\"action\":\"no action\"}",
        "{\"score\":1,\"required_score\":0,\"action\":\"no action\"}",
        "{\"score\":1,\"required_score\":-15,\"action\":\"no action\"}",
        "{\"score\":1e999,\"required_score\":15,\"action\":\"no action\"}",
        "{\"score\":1e300,\"required_score\":15,\"action\":\"no action\"}",
        "{\"score\":1,\"required_score\":15,\"action\":7}",
        "{\"score\":1,\"required_score\":15,\"action\":\"no action\",\"symbols\":[]}",
        "{\"score\":1,\"required_score\":15,\"action\":\"no action\",\"symbols\":{\"A\":1}}",
        "{\"score\":1,\"required_score\":15,\"action\":\"soft reject\"}",
        "{\"score\":1,\"required_score\":15,\"action\":\"no action\"} trailing",
    };
    struct spam_answer s;

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (rspamd(wrong[i], &s) != RC_SYNTAX)
            fail_msg("taken: %s", wrong[i]);
}

static void scores_rise_together(void **state)
{
    static const struct {
        double score;
        const char *action;
        double ours;
    } cases[] = {
        {-20, "no action", 0},    {0, "no action", 0},      {3, "no action", 25},   {6, "add header", 50},
        {10.5, "add header", 70}, {15, "reject", 90},       {30, "reject", 100},    {900, "reject", 100},
        {2, "reject", 90},        {14.99, "no action", 49}, {20, "add header", 89}, {1, "rewrite subject", 50},
        {8, "greylist", 49},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_true(rspamd_scale(cases[i].score, 15, str_c(cases[i].action)) == cases[i].ours);
    assert_true(spamd_scale(-3, 5) == 0 && spamd_scale(5, 5) == 50 && spamd_scale(10, 5) == 90 &&
                spamd_scale(1000, 5) == 100);
    assert_true(spamd_scale(2.5, 5) == 25);
}

/* --- spamd --- */

static void spamds_answer_is_read_or_refused(void **state)
{
    static const char *const wrong[] = {
        "",
        "SPAMD/1.1 0 EX_OK\r\n\r\n",
        "SPAMD/1.1 76 Bad header line\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\n",
        "SPAMD/1.1 0 EX_OK\r\nSpam: True ; x / 5.0\r\n\r\n",
        "SPAMD/1.1 0 EX_OK\r\nSpam: True ; 6.0\r\n\r\n",
        "SPAMD/1.1 0 EX_OK\r\nSpam: True ; 6.0 / 0\r\n\r\n",
        "SPAMD/1.1 0 EX_OK\r\nSpam: True ; 6.0 / 5.0\r\nSpam: False ; 1.0 / 5.0\r\n\r\n",
        "SPAMD/1.1 0 EX_OK\r\nContent-length: 10\r\nSpam: True ; 6.0 / 5.0\r\n\r\nA,B",
        "SPAMD/1.1 0 EX_OK\r\nSpam: True ; 6.0 / 5.0\r\n",
    };
    struct err e = ERR_NONE;
    struct spam_answer s;

    (void)state;
    assert_int_equal(
        spamd_answer_read(
            &a, str_lit("SPAMD/1.1 0 EX_OK\r\nContent-length: 11\r\nSpam: True ; 1005.7 / 5.0\r\n\r\nGTUBE,X_Y,Zjunk"), &s,
            &e),
        RC_OK);
    assert_int_equal(s.n_symbols, 3);
    assert_true(str_eq(s.symbols[2].name, str_lit("Z")) && s.score == 100 && s.raw == 1005.7);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (spamd_answer_read(&a, str_c(wrong[i]), &s, &e) != RC_SYNTAX)
            fail_msg("taken: %s", wrong[i]);
}

/* --- clamd --- */

static void clamds_answers_are_sorted(void **state)
{
    static const struct {
        const char *line;
        enum virus_result result;
        const char *virus;
    } cases[] = {
        {"stream: OK", VIRUS_CLEAN, ""},
        {"stream: Eicar-Test-Signature.UNOFFICIAL FOUND", VIRUS_FOUND, "Eicar-Test-Signature.UNOFFICIAL"},
        {"stream: Heuristics.Encrypted.Zip FOUND", VIRUS_ENCRYPTED, "Heuristics.Encrypted.Zip"},
        {"stream: Heuristics.Limits.Exceeded.MaxRecursion FOUND", VIRUS_UNSCANNABLE,
         "Heuristics.Limits.Exceeded.MaxRecursion"},
        {"INSTREAM size limit exceeded. ERROR", VIRUS_UNSCANNABLE, "INSTREAM size limit exceeded."},
        {"stream: Can't allocate memory ERROR", VIRUS_UNSCANNABLE, "Can't allocate memory"},
    };
    static const char *const wrong[] = {"",       "OK",      "stream: ",      "stream: FOUND", "stream:OK",
                                        " FOUND", "X FOUND", "stream: MAYBE", " ERROR",        "PONG"};
    struct err e = ERR_NONE;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct virus_item v = {.octets = STR_NONE};

        assert_int_equal(clamd_answer_read(&a, str_c(cases[i].line), &v, &e), RC_OK);
        assert_int_equal(v.result, cases[i].result);
        assert_true(str_eq(v.virus, str_c(cases[i].virus)));
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct virus_item v = {.octets = STR_NONE};

        if (clamd_answer_read(&a, str_c(wrong[i]), &v, &e) != RC_SYNTAX)
            fail_msg("taken: %s", wrong[i]);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_reply_is_read_by_length_chunks_and_end),
        TEST(replies_that_can_be_taken_in_two_ways_are_refused),
        TEST(rspamds_answer_is_read),
        TEST(rspamds_nonsense_is_refused),
        TEST(scores_rise_together),
        TEST(spamds_answer_is_read_or_refused),
        TEST(clamds_answers_are_sorted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
