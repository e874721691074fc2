/*
 * How the tests talk to the server conversation. See server_fixture.h.
 *
 * Linked into test programs only.
 */
#include "smtp/server_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct testing_fixture *testing_make(unsigned offers)
{
    struct testing_fixture *f = calloc(1, sizeof *f);

    f->t.ctx.handler = &testing_handler;
    f->t.offers = offers;
    f->t.max_bytes = 100000;
    f->t.body = BUF(1 << 20);
    return f;
}

void testing_start(struct testing_fixture *f)
{
    f->c = conversation_test_new(&testing_kind, &f->t);
    conversation_run(f->c);
}

struct testing_fixture *testing_begin(unsigned offers)
{
    struct testing_fixture *f = testing_make(offers);

    testing_start(f);
    assert_true(str_starts(buf_str(&f->c->out), str_lit("220 mx.test ESMTP")));
    buf_clear(&f->c->out);
    return f;
}

void testing_end(struct testing_fixture *f)
{
    conversation_test_free(f->c);
    assert_int_equal(f->t.ends, 1);
    buf_done(&f->t.body);
    free(f);
}

/* Says it and compares all replies; "*" at the end of `wanted` = whatever follows. */
void testing_says(struct testing_fixture *f, const char *command, const char *wanted)
{
    struct str want = str_c(wanted), got;

    buf_clear(&f->c->out);
    conversation_feed(f->c, str_c(command));
    got = buf_str(&f->c->out);
    if (str_ends(want, str_lit("*")))
        want.n--, got = str_first(got, want.n);
    if (!str_eq(got, want))
        fail_msg("said %s\ngot  <%.*s>\nwant <%.*s>", command, STR(buf_str(&f->c->out)), STR(want));
}

void testing_hello(struct testing_fixture *f)
{
    testing_says(f, "EHLO me.test\r\n", "250-mx.test\r\n*");
}

void testing_ready(struct testing_fixture *f)
{
    testing_hello(f);
    testing_says(f, "MAIL FROM:<a@b.test>\r\n", "250 2.1.0 sender <a@b.test> ok\r\n");
    testing_says(f, "RCPT TO:<c@d.test>\r\n", "250 2.1.5 ok\r\n");
}
