/* Message octets on their way in: dots, ends, bare line ends, flags; smuggling sequences never end a message. */
#include "smtp/body.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void sink(void *ctx, struct str octets)
{
    buf_add(ctx, octets);
}

/* Feeds `in` in pieces of `piece` octets; returns how many were taken. */
static size_t feed(struct smtp_body *b, enum smtp_body_mode mode, struct str in, size_t piece, struct buf *out)
{
    size_t taken = 0;

    smtp_body_begin(b, mode);
    buf_clear(out);
    while (in.n && !b->ended) {
        size_t n = smtp_body_feed(b, str_first(in, piece), sink, out);

        taken += n;
        in = str_from(in, n);
    }
    return taken;
}

struct row {
    const char *what;
    struct str in, out;
    uint64_t flags;
    size_t left; /* octets behind the end; SIZE_MAX = the end must not be found */
};
#define S(s) \
    { \
        "" s, sizeof(s) - 1 \
    }
#define NOT_ENDED ((size_t)-1)

static const struct row rows[] = {
    {"plain", S("a: b\r\n\r\nx\r\n.\r\n"), S("a: b\r\n\r\nx\r\n"), 0, 0},
    {"empty", S(".\r\nQUIT\r\n"), S(""), 0, 6},
    {"stuffed dot", S("\r\n..\r\n..x\r\n.\r\n"), S("\r\n.\r\n.x\r\n"), SMTP_BODY_HAS_DOT, 0},
    {"dot of a careless client", S(".x\r\n.\r\n"), S("x\r\n"), 0, 0},
    {"LF dot LF", S("a\n.\nMAIL\r\n"), S("a\r\n.\r\nMAIL\r\n"), SMTP_BODY_HAS_BARE | SMTP_BODY_HAS_DOT, NOT_ENDED},
    {"LF dot CRLF", S("a\n.\r\nMAIL\r\n"), S("a\r\n.\r\nMAIL\r\n"), SMTP_BODY_HAS_BARE | SMTP_BODY_HAS_DOT, NOT_ENDED},
    {"CR dot CRLF", S("a\r.\r\nMAIL\r\n"), S("a\r\n.\r\nMAIL\r\n"), SMTP_BODY_HAS_BARE | SMTP_BODY_HAS_DOT, NOT_ENDED},
    {"CR dot CR", S("a\r.\rMAIL\r\n"), S("a\r\n.\r\nMAIL\r\n"), SMTP_BODY_HAS_BARE | SMTP_BODY_HAS_DOT, NOT_ENDED},
    {"CRLF dot LF", S("a\r\n.\nMAIL\r\n"), S("a\r\n\r\nMAIL\r\n"), SMTP_BODY_HAS_BARE, NOT_ENDED},
    {"CRLF dot CR", S("a\r\n.\rMAIL\r\n"), S("a\r\n\r\nMAIL\r\n"), SMTP_BODY_HAS_BARE, NOT_ENDED},
    {"CRLF dot CR CRLF", S("a\r\n.\r\r\nM\r\n"), S("a\r\n\r\n\r\nM\r\n"), SMTP_BODY_HAS_BARE, NOT_ENDED},
    {"CRLF NUL dot CRLF", S("a\r\n\0.\r\nM\r\n"), S("a\r\n.\r\nM\r\n"), SMTP_BODY_HAS_BARE | SMTP_BODY_HAS_DOT, NOT_ENDED},
    {"CRLF dot NUL CRLF", S("a\r\n.\0\r\nM\r\n"), S("a\r\n\r\nM\r\n"), SMTP_BODY_HAS_BARE, NOT_ENDED},
    {"CR NUL LF dot CRLF", S("a\r\0\n.\r\nM\r\n"), S("a\r\n\r\n.\r\nM\r\n"), SMTP_BODY_HAS_BARE | SMTP_BODY_HAS_DOT,
     NOT_ENDED},
    {"CR CRLF dot CRLF is a true end", S("a\r\r\n.\r\nX"), S("a\r\n\r\n"), SMTP_BODY_HAS_BARE, 1},
    {"bare CR and LF in text", S("a\rb\nc\0d\r\n.\r\n"), S("a\r\nb\r\ncd\r\n"), SMTP_BODY_HAS_BARE, 0},
    {"8-bit header", S("a: \xc3\xa4\r\n\r\nx\r\n.\r\n"), S("a: \xc3\xa4\r\n\r\nx\r\n"),
     SMTP_BODY_HAS_8BIT | SMTP_BODY_HAS_8BIT_HEADER, 0},
    {"8-bit body", S("a: b\r\n\r\n\xe4\r\n.\r\n"), S("a: b\r\n\r\n\xe4\r\n"), SMTP_BODY_HAS_8BIT, 0},
};

static void the_end_is_crlf_dot_crlf_and_nothing_else(void **state)
{
    struct buf out = BUF(1 << 20);
    struct smtp_body b;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct row *r = &rows[i];

        for (size_t piece = 1; piece <= 40; piece++) {
            size_t taken = feed(&b, SMTP_BODY_DOTS, r->in, piece, &out);
            bool waits = r->left == NOT_ENDED;

            if (b.ended == waits || !str_eq(buf_str(&out), r->out) || b.flags != r->flags ||
                taken != r->in.n - (waits ? 0 : r->left))
                fail_msg("%s in pieces of %zu: ended %d, flags %u, taken %zu, <%.*s>", r->what, piece, b.ended,
                         (unsigned)b.flags, taken, STR(buf_str(&out)));
            assert_int_equal(b.bytes, out.n);
        }
    }
    buf_done(&out);
}

static void a_long_line_is_noted(void **state)
{
    struct buf in = BUF(4096), out = BUF(4096);
    struct smtp_body b;

    (void)state;
    for (int i = 0; i < 998; i++)
        buf_addc(&in, 'x');
    buf_add(&in, str_lit("\r\n"));
    feed(&b, SMTP_BODY_DOTS, buf_str(&in), 100, &out);
    assert_int_equal(b.flags, 0);
    in.n -= 2;
    buf_add(&in, str_lit("y\r\n"));
    feed(&b, SMTP_BODY_DOTS, buf_str(&in), 100, &out);
    assert_int_equal(b.flags, SMTP_BODY_LONG_LINE);
    buf_done(&in);
    buf_done(&out);
}

static void a_chunk_has_no_end_of_its_own(void **state)
{
    struct buf out = BUF(4096);
    struct smtp_body b;
    struct str in = str_lit("a\r\n.\r\n.b\r");

    (void)state;
    for (size_t piece = 1; piece < 12; piece++) {
        assert_int_equal(feed(&b, SMTP_BODY_CHUNK, in, piece, &out), in.n);
        smtp_body_finish(&b, sink, &out);
        assert_true(str_eq(buf_str(&out), str_lit("a\r\n.\r\n.b\r\n")));
        assert_int_equal(b.flags, SMTP_BODY_HAS_DOT | SMTP_BODY_HAS_BARE);
    }
    feed(&b, SMTP_BODY_CHUNK, str_lit("last line"), 3, &out);
    smtp_body_finish(&b, sink, &out);
    assert_true(str_eq(buf_str(&out), str_lit("last line\r\n")));
    buf_done(&out);
}

static void binary_octets_stay_as_they_are(void **state)
{
    struct buf out = BUF(4096);
    struct smtp_body b;
    struct str in = {"a\nb\rc\0d\r\r\n.\n", 13};

    (void)state;
    for (size_t piece = 1; piece < 14; piece++) {
        feed(&b, SMTP_BODY_RAW, in, piece, &out);
        smtp_body_finish(&b, sink, &out);
        assert_true(str_eq(buf_str(&out), in));
        assert_true(b.flags & SMTP_BODY_HAS_BARE);
    }
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_end_is_crlf_dot_crlf_and_nothing_else),
        cmocka_unit_test(a_long_line_is_noted),
        cmocka_unit_test(a_chunk_has_no_end_of_its_own),
        cmocka_unit_test(binary_octets_stay_as_they_are),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
