/* Notifications are read back the way a mail program would: MIME parts by boundary, fields by name. */
#include "mail/dsn.h"

#include "base/arena.h"
#include "mail/header.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct dsn_recipient recipients[] = {
    {.address = {"bob@example.net", 15},
     .orcpt = {"rfc822;bob@example.com", 22},
     .status = {"5.1.1", 5},
     .code = 550,
     .text = {"5.1.1 User unknown\nsee\x07 https://example.net/help", 48},
     .mta = {"mx.example.net", 14}},
    {.address = {"carl@example.net", 16}, .status = {"5.4.7", 5}, .text = {"Delivery expired (message too old)", 34}},
};

static struct dsn sample(enum dsn_kind kind)
{
    return (struct dsn){.kind = kind,
                        .host = str_lit("gw.example.org"),
                        .to = str_lit("anna@example.org"),
                        .subject = str_lit("Delivery Status Notification"),
                        .mid = 5505,
                        .now_ms = 1795305600000,
                        .arrival_ms = 1795305000000,
                        .retry_until_ms = 1795564200000,
                        .envid = str_lit("QQ314159"),
                        .recipients = recipients,
                        .n_recipients = 2,
                        .original = str_lit("From: anna@example.org\r\nSubject: Hi\r\n\r\nbody\r\n"),
                        .full = true,
                        .boundary = str_lit("b0123456789")};
}

/* The n-th MIME part (0 = before the first boundary). */
static struct str part(struct str message, unsigned n)
{
    struct str mark = str_lit("--b0123456789");

    for (;;) {
        size_t at = str_find_str(message, mark);

        if (n-- == 0)
            return str_first(message, at);
        assert_true(at < message.n);
        message = str_from(message, at + mark.n + 2);
    }
}

static void assert_field(struct str block, const char *name, const char *want)
{
    struct header_field f;
    struct arena a;

    arena_init(&a, 1024, 65536);
    assert_true(header_find(block, str_c(name), &f));
    assert_true(str_eq(header_unfold(&a, f.value, 5000), str_c(want)));
    arena_done(&a);
}

static void assert_lines_are_sound(struct str s)
{
    size_t line = 0;

    for (size_t i = 0; i < s.n; i++) {
        line = s.p[i] == '\n' ? 0 : line + 1;
        assert_true(line < 998);
        assert_true(s.p[i] != '\n' || (i && s.p[i - 1] == '\r'));
        assert_true(s.p[i] != '\r' || (i + 1 < s.n && s.p[i + 1] == '\n'));
        assert_true((unsigned char)s.p[i] >= 32 || s.p[i] == '\r' || s.p[i] == '\n' || s.p[i] == '\t');
    }
}

/* RFC 3464 2: three parts; per-message fields, an empty line, then a block for each recipient. */
static void a_failure_says_what_happened_to_whom(void **state)
{
    struct dsn d = sample(DSN_FAILURE);
    struct buf b = BUF(65536);
    struct str status, first, second;

    (void)state;
    dsn_write(&d, &b);
    assert_false(b.failed);
    assert_lines_are_sound(buf_str(&b));
    assert_field(buf_str(&b), "From", "Mail Delivery System <MAILER-DAEMON@gw.example.org>");
    assert_field(buf_str(&b), "To", "<anna@example.org>");
    assert_field(buf_str(&b), "Auto-Submitted", "auto-replied");
    assert_field(buf_str(&b), "Content-Type", "multipart/report; report-type=delivery-status; boundary=\"b0123456789\"");
    assert_field(part(buf_str(&b), 2), "Content-Type", "message/delivery-status");
    status = str_from(part(buf_str(&b), 2), header_length(part(buf_str(&b), 2)));
    assert_field(status, "Reporting-MTA", "dns; gw.example.org");
    assert_field(status, "Original-Envelope-Id", "QQ314159");
    first = str_from(status, header_length(status));
    assert_field(first, "Original-Recipient", "rfc822;bob@example.com");
    assert_field(first, "Final-Recipient", "rfc822; bob@example.net");
    assert_field(first, "Action", "failed");
    assert_field(first, "Status", "5.1.1");
    assert_field(first, "Remote-MTA", "dns; mx.example.net");
    assert_field(first, "Diagnostic-Code", "smtp; 550 5.1.1 User unknown see? https://example.net/help");
    second = str_from(first, header_length(first));
    assert_field(second, "Final-Recipient", "rfc822; carl@example.net");
    assert_field(second, "Status", "5.4.7");
    assert_field(part(buf_str(&b), 3), "Content-Type", "message/rfc822");
    assert_true(str_find_str(part(buf_str(&b), 3), str_lit("Subject: Hi\r\n\r\nbody\r\n")) < part(buf_str(&b), 3).n);
    assert_true(str_ends(buf_str(&b), str_lit("--b0123456789--\r\n")));
    buf_done(&b);
}

static void a_delay_says_until_when_it_is_tried(void **state)
{
    struct dsn d = sample(DSN_DELAY);
    struct buf b = BUF(65536);
    struct str status, first;

    (void)state;
    d.full = false;
    d.original = str_lit("From: anna@example.org\r\nSubject: Hi\r\n");
    dsn_write(&d, &b);
    status = str_from(part(buf_str(&b), 2), header_length(part(buf_str(&b), 2)));
    first = str_from(status, header_length(status));
    assert_field(first, "Action", "delayed");
    assert_field(first, "Will-Retry-Until", "Tue, 24 Nov 2026 23:50:00 +0000");
    assert_field(part(buf_str(&b), 3), "Content-Type", "text/rfc822-headers");
    buf_done(&b);
}

/* RFC 6533: an internationalized address makes it a global report. */
static void an_address_beyond_ascii_makes_it_global(void **state)
{
    static const struct dsn_recipient r = {
        .address = {"j\xc3\xbcrg@example.net", 17}, .status = {"5.1.1", 5}, .code = 550, .text = {"no", 2}};
    struct dsn d = sample(DSN_FAILURE);
    struct buf b = BUF(65536);
    struct str status;

    (void)state;
    d.recipients = &r;
    d.n_recipients = 1;
    assert_true(dsn_needs_utf8(&d));
    dsn_write(&d, &b);
    assert_field(part(buf_str(&b), 2), "Content-Type", "message/global-delivery-status");
    status = str_from(part(buf_str(&b), 2), header_length(part(buf_str(&b), 2)));
    assert_field(str_from(status, header_length(status)), "Final-Recipient", "utf-8; j\xc3\xbcrg@example.net");
    buf_done(&b);
}

/* A peer's reply cannot bring header fields or parts of its own into our notification. */
static void foreign_text_stays_in_its_field(void **state)
{
    static char longer[3000];
    struct dsn_recipient r = recipients[0];
    struct dsn d = sample(DSN_FAILURE);
    struct buf b = BUF(65536);

    (void)state;
    memset(longer, 'x', sizeof longer);
    memcpy(longer, "no\r\n--b0123456789\r\nTo: <evil@example.com>\n\r", 44);
    r.text = str_of(longer, sizeof longer);
    r.mta = str_lit("mx\r\nStatus: 2.0.0");
    d.recipients = &r;
    d.n_recipients = 1;
    dsn_write(&d, &b);
    assert_lines_are_sound(buf_str(&b));
    assert_true(str_find_str(buf_str(&b), str_lit("\nTo: <evil")) == b.n);
    assert_true(str_find_str(buf_str(&b), str_lit("\nStatus: 2.0.0")) == b.n);
    buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failure_says_what_happened_to_whom),
        cmocka_unit_test(a_delay_says_until_when_it_is_tried),
        cmocka_unit_test(an_address_beyond_ascii_makes_it_global),
        cmocka_unit_test(foreign_text_stays_in_its_field),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
