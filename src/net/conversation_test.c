/* The step driver without sockets: lines, parking, breaks, the end. */
#include "net/conversation.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct talk {
    struct conversation c;
    int done_ran, *done_count;
    bool resume_early;
};

static struct step command(struct conversation *c);

static struct step called(struct conversation *c)
{
    conversation_printf(c, "called\r\n");
    return step_goto(command);
}

static struct step secured(struct conversation *c)
{
    conversation_printf(c, c->tls ? "secured%s\r\n" : "plain%s\r\n", c->early ? " early" : "");
    return step_read(command, 0);
}

static struct step slept(struct conversation *c)
{
    conversation_printf(c, "slept\r\n");
    return step_goto(command);
}

static struct step command(struct conversation *c)
{
    struct talk *t = (struct talk *)c;
    struct str line;
    enum rc rc = conversation_line(c, 20, &line);

    if (rc == RC_UNAVAILABLE)
        return step_read(command, 1000);
    if (rc != RC_OK) {
        conversation_printf(c, "long\r\n");
        return step_goto(command);
    }
    if (str_eq(line, str_lit("CALL"))) {
        if (t->resume_early)
            conversation_resume(c);
        return step_call(called, 0);
    }
    if (str_eq(line, str_lit("TLS")))
        return step_tls(secured, 0);
    if (str_eq(line, str_lit("SLEEP")))
        return step_sleep(slept, 50);
    if (str_eq(line, str_lit("IDLE")))
        return step_idle(slept, 50);
    if (str_eq(line, str_lit("QUIT"))) {
        conversation_printf(c, "bye\r\n");
        return step_end();
    }
    conversation_printf(c, "[%.*s]\r\n", STR(line));
    return step_read(command, 0); /* the rest of a pipelined batch comes without another packet */
}

static struct step first(struct conversation *c)
{
    conversation_printf(c, "hello\r\n");
    return step_read(command, 0);
}

static struct step broken(struct conversation *c)
{
    conversation_printf(c, "broken %s %.*s\r\n", rc_info(c->rc)->name, STR(c->why));
    return step_end();
}

static void done(struct conversation *c)
{
    struct talk *t = (struct talk *)c;

    assert_int_equal(t->done_ran++, 0);
    if (c->ctx)
        ++*(int *)c->ctx;
}

static const struct conversation_kind talk_kind = {
    .name = "talk", .first = first, .broken = broken, .done = done, .size = sizeof(struct talk), .max_in = 4096};

static int ends;

static struct conversation *start(void)
{
    struct conversation *c;

    ends = 0;
    c = conversation_test_new(&talk_kind, &ends);
    assert_true(str_eq(buf_str(&c->out), str_lit("hello\r\n")));
    buf_clear(&c->out);
    return c;
}

static void said(struct conversation *c, const char *text)
{
    assert_int_equal(c->out.n, strlen(text));
    assert_memory_equal(c->out.p, text, c->out.n);
    buf_clear(&c->out);
}

static void finish(struct conversation *c)
{
    conversation_test_free(c);
    assert_int_equal(ends, 1);
}

static void lines_come_whole_however_they_are_cut(void **state)
{
    struct conversation *c = start();
    const char *text = "abc\r\nd\re\nf\r\n\r\nx";

    (void)state;
    conversation_feed(c, str_c(text));
    said(c, "[abc]\r\n[d\re\nf]\r\n[]\r\n");
    conversation_feed(c, str_lit("\r\n"));
    said(c, "[x]\r\n");
    for (const char *at = text; *at; at++)
        conversation_feed(c, str_of(at, 1));
    said(c, "[abc]\r\n[d\re\nf]\r\n[]\r\n");
    finish(c);
}

/* A line that is too long is skipped to its end and told once; 18 octets and CRLF still fit into 20. */
static void an_overlong_line_is_told_once(void **state)
{
    struct conversation *c = start();

    (void)state;
    conversation_feed(c, str_lit("123456789012345678\r\n"));
    said(c, "[123456789012345678]\r\n");
    conversation_feed(c, str_lit("1234567890123456789\r"));
    said(c, "");
    conversation_feed(c, str_lit("\n1234567890123456789012345"));
    said(c, "long\r\n");
    for (int i = 0; i < 1000; i++)
        conversation_feed(c, str_lit("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r"));
    assert_true(c->in.n <= 1);
    conversation_feed(c, str_lit("\nb\r\n"));
    said(c, "long\r\n[b]\r\n");
    finish(c);
}

static void a_parked_conversation_keeps_its_input(void **state)
{
    struct conversation *c = start();

    (void)state;
    conversation_feed(c, str_lit("CALL\r\nnext\r\n"));
    conversation_feed(c, str_lit("more\r\n"));
    said(c, "");
    conversation_resume(c);
    said(c, "called\r\n[next]\r\n[more]\r\n");
    finish(c);
}

/* The answer may come before the step that asked has returned. */
static void a_resume_before_parking_counts(void **state)
{
    struct conversation *c = start();

    (void)state;
    ((struct talk *)c)->resume_early = true;
    conversation_feed(c, str_lit("CALL\r\n"));
    said(c, "called\r\n");
    conversation_feed(c, str_lit("CALL\r\nx\r\n"));
    said(c, "called\r\n[x]\r\n");
    finish(c);
}

static void an_idle_conversation_wakes_for_peer_or_work(void **state)
{
    struct conversation *c = start();

    (void)state;
    conversation_feed(c, str_lit("IDLE\r\n"));
    said(c, "");
    conversation_resume(c);
    said(c, "slept\r\n");
    conversation_feed(c, str_lit("IDLE\r\n"));
    conversation_feed(c, str_lit("a\r\n"));
    said(c, "slept\r\n[a]\r\n");
    finish(c);
}

static void a_time_out_breaks_and_a_sleep_ends(void **state)
{
    struct conversation *c = start();

    (void)state;
    conversation_feed(c, str_lit("SLEEP\r\n"));
    conversation_expire(c);
    said(c, "slept\r\n");
    conversation_expire(c);
    said(c, "broken TIMEOUT timed out\r\n");
    assert_true(c->ended);
    assert_int_equal(ends, 1);
    conversation_feed(c, str_lit("x\r\n"));
    conversation_expire(c);
    said(c, "");
    finish(c);
}

static void the_end_of_input_breaks_what_reads_on(void **state)
{
    struct conversation *c = start();

    (void)state;
    conversation_feed(c, str_lit("a\r\nb"));
    conversation_feed_eof(c);
    said(c, "[a]\r\nbroken CLOSED connection closed by peer\r\n");
    finish(c);
}

/* What a call brings back still counts when the peer has gone meanwhile; the break follows. */
static void a_peer_lost_during_a_call_breaks_after_it(void **state)
{
    struct conversation *c = start();

    (void)state;
    conversation_feed(c, str_lit("CALL\r\n"));
    conversation_broke(c, RC_CLOSED, str_lit("reset"), false);
    said(c, "");
    conversation_resume(c);
    said(c, "called\r\nbroken CLOSED reset\r\n");
    finish(c);
}

static void input_behind_starttls_is_dropped_and_told(void **state)
{
    struct conversation *c = start();
    static const struct tls_facts facts = {.verified = false};

    (void)state;
    conversation_feed(c, str_lit("TLS\r\nMAIL\r\n"));
    conversation_test_tls(c, &facts);
    said(c, "secured early\r\n");
    conversation_feed(c, str_lit("a\r\n"));
    said(c, "[a]\r\n");
    conversation_feed(c, str_lit("TLS\r\n"));
    conversation_test_tls(c, NULL);
    said(c, "plain\r\n");
    assert_int_equal(c->rc, RC_TLS_FAILED);
    finish(c);
}

static void the_end_comes_once(void **state)
{
    struct conversation *c = start();

    (void)state;
    conversation_feed(c, str_lit("QUIT\r\nx\r\n"));
    said(c, "bye\r\n");
    assert_int_equal(ends, 1);
    conversation_resume(c);
    conversation_feed_eof(c);
    said(c, "");
    finish(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_come_whole_however_they_are_cut),
        cmocka_unit_test(an_overlong_line_is_told_once),
        cmocka_unit_test(a_parked_conversation_keeps_its_input),
        cmocka_unit_test(a_resume_before_parking_counts),
        cmocka_unit_test(an_idle_conversation_wakes_for_peer_or_work),
        cmocka_unit_test(a_time_out_breaks_and_a_sleep_ends),
        cmocka_unit_test(the_end_of_input_breaks_what_reads_on),
        cmocka_unit_test(a_peer_lost_during_a_call_breaks_after_it),
        cmocka_unit_test(input_behind_starttls_is_dropped_and_told),
        cmocka_unit_test(the_end_comes_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
