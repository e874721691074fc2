/*
 * Rendering: the worked example of logs.md section 15, the forms of section 3, dialects, conditions.
 */
#include "event/render.h"

#include "base/clock.h"
#include "base/crc32c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

static struct buf out = {.max = 1 << 20};

static const char *shown(struct renderer *r, enum log_type log, enum event_type type, uint64_t wall_ms, const void *fields)
{
    struct event_record rec;

    event_record_set(&rec, type, wall_ms, fields);
    buf_clear(&out);
    render_line(r, log, &rec, &out);
    buf_addc(&out, '\0');
    return out.p;
}

/* Saturday 21 November 2026, 10:00:06 UTC. */
static const uint64_t T0 = 1795255206000ull;
static const uint64_t ALL_ON = IF_SUBJECT | IF_MESSAGE_ID | IF_RESPONSE;

#define LINE(ms, name, want, ...) \
    assert_string_equal(shown(r, LOG_TYPE_MAIL, EVENT_##name, (ms), &(struct event_##name){__VA_ARGS__}), want "\n")
#define TEXT(name, want, ...) LINE(T0, name, "Sat Nov 21 10:00:06 2026 Info: " want, __VA_ARGS__)

#define S(text) str_lit(text)
#define RID0 str_of("\0", 1)

/* logs.md 15, case 1: every line that needs no scanning engine, trailing spaces included. */
static void clean_message(void **state)
{
    struct renderer *r = renderer_new(DIALECT_MODERN, ALL_ON);

    (void)state;
    TEXT(connection_incoming,
         "New SMTP ICID 901 interface Data 1 (192.0.2.10) address 203.0.113.25 reverse dns host mail.example.org verified "
         "yes",
         .icid = 901, .interface = S("Data 1"), .local_ip = S("192.0.2.10"), .peer_ip = S("203.0.113.25"),
         .ptr = S("mail.example.org"), .verified = 1);
    TEXT(connection_verdict, "ICID 901 ACCEPT SG UNKNOWNLIST match sbrs[-1.0:10.0] SBRS 4.1 country Netherlands",
         .icid = 901, .group = S("UNKNOWNLIST"), .match = S("sbrs[-1.0:10.0]"), .sbrs = S("4.1"),
         .country = S("Netherlands"));
    TEXT(tls_incoming, "ICID 901 TLS success protocol TLSv1.3 cipher TLS_AES_256_GCM_SHA384", .icid = 901,
         .protocol = S("TLSv1.3"), .cipher = S("TLS_AES_256_GCM_SHA384"));
    TEXT(message_start, "Start MID 5501 ICID 901", .mid = 5501, .icid = 901);
    TEXT(message_sender, "MID 5501 ICID 901 From: <anna@example.org>", .mid = 5501, .icid = 901,
         .sender = S("anna@example.org"));
    TEXT(message_recipient, "MID 5501 ICID 901 RID 0 To: <bob@example.net>", .mid = 5501, .icid = 901,
         .recipient = S("bob@example.net"));
    TEXT(spf_helo, "MID 5501 SPF: helo identity postmaster@mail.example.org None", .mid = 5501,
         .identity = S("postmaster@mail.example.org"), .result = S("None"));
    TEXT(spf_mailfrom, "MID 5501 SPF: mailfrom identity anna@example.org Pass (v=spf1)", .mid = 5501,
         .identity = S("anna@example.org"), .result = S("Pass"));
    TEXT(dkim, "MID 5501 DKIM: pass signature verified (d=example.org s=sel1 i=@example.org)", .mid = 5501,
         .result = S("pass"), .why = S("signature verified"), .domain = S("example.org"), .selector = S("sel1"),
         .identity = S("@example.org"));
    TEXT(dmarc, "MID 5501 DMARC: Message from domain example.org, DMARC pass (SPF aligned True, DKIM aligned True)",
         .mid = 5501, .domain = S("example.org"), .result = S("pass"), .spf_aligned = 1, .dkim_aligned = 1);
    TEXT(dmarc_verification, "MID 5501 DMARC: Verification passed", .mid = 5501, .result = S("passed"));
    TEXT(message_id, "MID 5501 Message-ID '<q1@mail.example.org>'", .mid = 5501, .message_id = S("<q1@mail.example.org>"));
    TEXT(message_subject, "MID 5501 Subject 'Minutes of Monday'", .mid = 5501, .subject = S("Minutes of Monday"));
    TEXT(message_ready, "MID 5501 ready 4821 bytes from <anna@example.org>", .mid = 5501, .bytes = 4821,
         .sender = S("anna@example.org"));
    TEXT(message_policy, "MID 5501 matched all recipients for per-recipient policy DEFAULT in the inbound table",
         .mid = 5501, .policy = S("DEFAULT"));
    TEXT(connection_closed, "ICID 901 close", .icid = 901);
    TEXT(message_queued, "MID 5501 queued for delivery", .mid = 5501);
    TEXT(delivery_connection, "New SMTP DCID 701 interface 192.0.2.10 address 198.51.100.7 port 25", .dcid = 701,
         .local_ip = S("192.0.2.10"), .remote_ip = S("198.51.100.7"), .port = 25);
    TEXT(delivery_tls, "DCID 701 TLS success protocol TLSv1.3 cipher TLS_AES_256_GCM_SHA384 ", .dcid = 701,
         .protocol = S("TLSv1.3"), .cipher = S("TLS_AES_256_GCM_SHA384"));
    TEXT(delivery_start, "Delivery start DCID 701 MID 5501 to RID [0]", .dcid = 701, .mid = 5501, .rids = RID0);
    TEXT(delivery_done, "Message done DCID 701 MID 5501 to RID [0] ", .dcid = 701, .mid = 5501, .rids = RID0);
    TEXT(delivery_response, "MID 5501 RID [0] Response '2.0.0 Ok: queued as 4Xk2'", .mid = 5501, .rids = RID0,
         .response = S("2.0.0 Ok: queued as 4Xk2"));
    TEXT(message_finished, "Message finished MID 5501 done", .mid = 5501);
    LINE(T0 + 6000, delivery_closed, "Sat Nov 21 10:00:12 2026 Info: DCID 701 close", .dcid = 701);
    renderer_free(r);
}

/* logs.md 15, case 4, and its line in `bounces`. */
static void bounce(void **state)
{
    struct renderer *r = renderer_new(DIALECT_MODERN, ALL_ON);
    struct event_delivery_bounced b = {.dcid = 705,
                                       .mid = 5504,
                                       .code = 550,
                                       .lines = S("5.1.1 User unknown"),
                                       .sender = S("app@example.net"),
                                       .recipient = S("nobody@example.org"),
                                       .reason = 1};
    struct event_class class = event_class_of(S("5.1.1"), 550);

    (void)state;
    b.enhanced = class.enhanced;
    b.class = class.text;
    TEXT(connection_verdict, "ICID 904 RELAY SG None match ALL SBRS not enabled country not enabled", .icid = 904,
         .action = 1);
    TEXT(message_policy, "MID 5504 matched all recipients for per-recipient policy DEFAULT in the outbound table",
         .mid = 5504, .policy = S("DEFAULT"), .outbound = 1);
    assert_string_equal(
        shown(r, LOG_TYPE_MAIL, EVENT_delivery_bounced, T0, &b),
        "Sat Nov 21 10:00:06 2026 Info: Bounced: DCID 705 MID 5504 to RID 0 - 5.1.1 - Bad destination email address ('550', "
        "['5.1.1 User unknown'])\n");
    assert_string_equal(shown(r, LOG_TYPE_BOUNCES, EVENT_delivery_bounced, T0, &b),
                        "Sat Nov 21 10:00:06 2026 Info: Bounced: DCID 705 MID 5504 From:<app@example.net> "
                        "To:<nobody@example.org> RID 0 - 5.1.1 - "
                        "Bad destination email address ('550', ['5.1.1 User unknown'])\n");
    TEXT(message_start, "Start MID 5505 ICID 0", .mid = 5505);
    TEXT(message_generated_bounce, "MID 5505 was generated for bounce of MID 5504", .mid = 5505, .parent = 5504,
         .recipients = 1);
    TEXT(message_sender, "MID 5505 ICID 0 From: <>", .mid = 5505);
    TEXT(message_recipient, "MID 5505 ICID 0 RID 0 To: <app@example.net>", .mid = 5505, .recipient = S("app@example.net"));
    TEXT(message_ready, "MID 5505 ready 3120 bytes from <>", .mid = 5505, .bytes = 3120);
    renderer_free(r);
}

static void other_lines(void **state)
{
    struct renderer *r = renderer_new(DIALECT_MODERN, ALL_ON);

    (void)state;
    TEXT(connection_incoming,
         "New SMTP ICID 1 interface Data 1 (::1) address 2001:db8::1 reverse dns host unknown verified no", .icid = 1,
         .interface = S("Data 1"), .local_ip = S("::1"), .peer_ip = S("2001:db8::1"));
    TEXT(connection_verdict, "ICID 0 TCPREFUSE SG BLOCKED match 192.0.2.0/24 SBRS None country None", .action = 3,
         .group = S("BLOCKED"), .match = S("192.0.2.0/24"), .sbrs = S("None"), .country = S("None"));
    TEXT(tls_incoming_failed, "ICID 3 TLS failed: (336109761, 'no shared cipher')", .icid = 3, .code = 336109761,
         .why = S("no shared cipher"));
    TEXT(tls_incoming_failed, "ICID 3 TLS failed", .icid = 3);
    TEXT(smtp_auth, "SMTP Auth: (ICID 3) succeeded for user: anna using AUTH mechanism: PLAIN with profile: local",
         .icid = 3, .ok = 1, .user = S("anna"), .mechanism = S("PLAIN"), .profile = S("local"));
    TEXT(connection_timeout, "ICID 3 disconnected address 192.0.2.1, exceeded allowable connection time", .icid = 3,
         .peer_ip = S("192.0.2.1"), .total = 1);
    LINE(T0, connection_harvest,
         "Sat Nov 21 10:00:06 2026 Warning: Dropping connection due to potential Directory Harvest Attack from "
         "host=('192.0.2.1', 'a.test'), "
         "dhap_limit=25, sender_group=UNKNOWNLIST, listener=InboundMail, reverse_dns=a.test, sender=x@a.test",
         .icid = 3, .peer_ip = S("192.0.2.1"), .host = S("a.test"), .limit = 25, .group = S("UNKNOWNLIST"),
         .listener = S("InboundMail"), .ptr = S("a.test"), .sender = S("x@a.test"));
    TEXT(delivery_done, "Message done DCID 1 MID 2 to RID [0, 1, 300] [('from', 'Anna <a@b>'), ('x-hdr', \"it's\")]",
         .dcid = 1, .mid = 2, .rids = str_of("\0\1\xac\2", 4), .headers = str_of("\4from\12Anna <a@b>\5x-hdr\4it's", 27));
    TEXT(delivery_done, "Message done DCID 702 MID 5502 to RID [0] (external quarantine) ", .dcid = 702, .mid = 5502,
         .rids = RID0, .note = S("external quarantine"));
    TEXT(delivery_start, "Delivery start DCID 702 MID 5502 to RID [0] to offbox IronPort Spam Quarantine", .dcid = 702,
         .mid = 5502, .rids = RID0, .target = S("to offbox IronPort Spam Quarantine"));
    TEXT(delivery_tls, "DCID 1 TLS success protocol TLSv1.3 cipher X CN=mx.test", .dcid = 1, .protocol = S("TLSv1.3"),
         .cipher = S("X"), .cn = S("mx.test"));
    TEXT(delivery_tls, "DCID 1 TLS success protocol TLSv1.3 cipher X for mx.test", .dcid = 1, .protocol = S("TLSv1.3"),
         .cipher = S("X"), .host = S("mx.test"));
    TEXT(delivery_delayed, "Delayed: DCID 0 MID 2 to RID 1 - 4.4.0 - Other network problem ('000', [])", .mid = 2, .rid = 1,
         .enhanced = S("4.4.0"), .class = S("Other network problem"));
    TEXT(delivery_bounced, "Bounced: DCID 1 MID 2 to RID 1 - 5.1.0 - Unknown address error ('550', ['a', \"b's\"])",
         .dcid = 1, .mid = 2, .rid = 1, .enhanced = S("5.1.0"), .class = S("Unknown address error"), .code = 550,
         .lines = S("a\nb's"));
    TEXT(delivery_pending, "Message 2 to RID [0] pending till Sun Nov 22 10:00:06 2026", .mid = 2, .rids = RID0,
         .until_ms = T0 + 86400000);
    LINE(T0 + 12ull * 86400000, role_fault, "Thu Dec  3 10:00:06 2026 Critical: An application fault occurred: queue",
         .error = S("queue"));
    TEXT(alert_sent, "A System/Critical alert was sent to a@b with subject \"Disk\".", .class = S("System"), .severity = 2,
         .recipient = S("a@b"), .subject = S("Disk"));
    renderer_free(r);
}

/* logs.md 3: Python 2 quoting; a value never breaks its line. */
static void quoting(void **state)
{
    struct renderer *r = renderer_new(DIALECT_MODERN, ALL_ON);

    (void)state;
    TEXT(message_subject, "MID 1 Subject \"Anna's invoice\"", .mid = 1, .subject = S("Anna's invoice"));
    TEXT(message_subject, "MID 1 Subject 'say \"no\"'", .mid = 1, .subject = S("say \"no\""));
    TEXT(message_subject, "MID 1 Subject 'it\\'s \"so\"'", .mid = 1, .subject = S("it's \"so\""));
    TEXT(message_subject, "MID 1 Subject 'a\\r\\n\\tb\\\\c\\x00'", .mid = 1, .subject = str_of("a\r\n\tb\\c\0", 8));
    TEXT(message_subject,
         "MID 1 Subject 'Gr\xc3\xbc\xc3\x9f"
         "e'",
         .mid = 1,
         .subject = S("Gr\xc3\xbc\xc3\x9f"
                      "e"));
    TEXT(message_subject, "MID 1 Subject ''", .mid = 1);
    TEXT(message_sender, "MID 1 ICID 2 From: <a\\r\\nb\\x1b@c>", .mid = 1, .icid = 2, .sender = S("a\r\nb\x1b@c"));
    renderer_free(r);
}

/* logs.md 2: classic leaves out the country and the reputation lines; settings switch lines off. */
static void dialect_and_conditions(void **state)
{
    struct renderer *r = renderer_new(DIALECT_CLASSIC, IF_STATUS_IN_MAIL);

    (void)state;
    TEXT(connection_verdict, "ICID 901 ACCEPT SG UNKNOWNLIST match ALL SBRS 4.1", .icid = 901, .group = S("UNKNOWNLIST"),
         .sbrs = S("4.1"), .country = S("Netherlands"));
    assert_string_equal(shown(r, LOG_TYPE_MAIL, EVENT_sdr_tracker, T0, &(struct event_sdr_tracker){.mid = 1}), "");
    assert_string_equal(shown(r, LOG_TYPE_MAIL, EVENT_message_subject, T0, &(struct event_message_subject){.mid = 1}), "");
    assert_string_equal(shown(r, LOG_TYPE_MAIL, EVENT_delivery_response, T0, &(struct event_delivery_response){.mid = 1}),
                        "");
    TEXT(status_line, "Status: CPULd 1", .values = S("CPULd 1"));
    renderer_free(r);
}

/* Every row compiles in every log and dialect, and its struct fits a record. */
static void every_row(void **state)
{
    struct err e = ERR_NONE;

    (void)state;
    for (unsigned type = EVENT_NONE + 1; type < EVENT_TYPE_COUNT; type++) {
        const struct event_info *row = event_info(type);

        assert_true(row->size <= EVENT_FIELDS_BYTES);
        assert_true(row->size == fields_size(row->fields));
        assert_non_null(row->text);
    }
    for (int dialect = 0; dialect < 2; dialect++)
        renderer_free(renderer_new((enum log_dialect)dialect, ALL_ON | IF_STATUS_IN_MAIL));
    assert_int_equal(e.rc, RC_OK);
}

static void classes(void **state)
{
    (void)state;
    assert_true(str_eq(event_class_of(STR_NONE, 550).enhanced, S("5.1.0")));
    assert_true(str_eq(event_class_of(S("5.7.1"), 550).enhanced, S("5.3.0")));
    assert_true(str_eq(event_class_of(STR_NONE, 451).enhanced, S("4.3.2")));
    assert_true(str_eq(event_class_of(STR_NONE, 0).enhanced, S("4.4.0")));
    assert_true(str_eq(event_class_of(S("5.4.7"), 0).text, S("Delivery expired (message too old)")));
}

/* Not a limit, a figure to watch: what the 14 lines of a message cost. */
static void speed(void **state)
{
    struct renderer *r = renderer_new(DIALECT_MODERN, ALL_ON);
    struct event_record rec;
    uint64_t start = clock_mono_ns(), n = 200000;

    (void)state;
    event_record_set(&rec, EVENT_message_recipient, T0,
                     &(struct event_message_recipient){5501, 901, 0, S("bob@example.net")});
    for (uint64_t i = 0; i < n; i++) {
        if (out.n > 500000)
            buf_clear(&out);
        render_line(r, LOG_TYPE_MAIL, &rec, &out);
    }
    printf("render: %.0f ns a line\n", (double)(clock_mono_ns() - start) / (double)n);
    renderer_free(r);
}

/* logs.md 12: the choices of the setting are the words of the table, in its order. */
static void log_types_of_settings(void **state)
{
#define SETTING(name, kind, initial, least, most, extra, ...) {#name, extra},
    static const struct {
        const char *name, *extra;
    } rows[] = {
#include "spec/settings/log.def"
    };
#undef SETTING
    struct buf words = BUF(4096);

    (void)state;
    for (unsigned t = 0; t < LOG_TYPE_COUNT; t++)
        buf_addf(&words, "%s%.*s", t ? "|" : "", STR(log_type_word((enum log_type)t)));
    assert_string_equal(rows[0].name, "type");
    assert_true(str_eq(buf_str(&words), str_c(rows[0].extra)));
    assert_true(str_eq(log_type_title(LOG_TYPE_AMP), S("AMP Engine Logs")));
    for (size_t i = 0; log_default(i); i++)
        if (log_default(i)->type == LOG_TYPE_MAIL)
            assert_true(log_default(i)->gateway && log_default(i)->manager);
    buf_done(&words);
}

/* logs.md 12: gui_logs, and our cli_logs and ftpd_logs. */
static void lines_of_operators(void **state)
{
    struct renderer *r = renderer_new(DIALECT_MODERN, ALL_ON);
    struct event_http_request q = {
        .peer_ip = S("192.0.2.9"), .session = S("k3"), .status = 200, .method = S("GET"), .path = S("/login")};

    (void)state;
    assert_string_equal(shown(r, LOG_TYPE_GUI, EVENT_http_request, T0, &q),
                        "Sat Nov 21 10:00:06 2026 Info: req:192.0.2.9 user:- id:k3 200 GET /login HTTP/1.1 -\n");
    assert_string_equal(shown(r, LOG_TYPE_CLI, EVENT_cli_note, T0,
                              &(struct event_cli_note){S("admin"), S("192.0.2.9"), S("entered 'version'")}),
                        "Sat Nov 21 10:00:06 2026 Info: User admin from 192.0.2.9: entered 'version'\n");
    assert_string_equal(shown(r, LOG_TYPE_FTPD, EVENT_ftp_note, T0, &(struct event_ftp_note){.text = S("refused")}),
                        "Sat Nov 21 10:00:06 2026 Info: User -: refused\n");
    renderer_free(r);
}

/* A type is a number on disk (event files, steps of the tracking store): rows of an earlier version keep theirs, so new rows
 * go to the end of events.def. When this fails, move the new row; with a new version, count its rows in. */
static void types_keep_their_numbers(void **state)
{
    enum { ROWS = 295, SUM = (int)0x8e494b99 };
    uint32_t sum = 0;

    (void)state;
    for (unsigned type = 0; type <= ROWS; type++)
        if (event_info(type))
            sum = crc32c(sum, str_c(event_info(type)->name));
    assert_int_equal(sum, (uint32_t)SUM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_keep_their_numbers),
        cmocka_unit_test(clean_message),
        cmocka_unit_test(bounce),
        cmocka_unit_test(other_lines),
        cmocka_unit_test(quoting),
        cmocka_unit_test(dialect_and_conditions),
        cmocka_unit_test(every_row),
        cmocka_unit_test(classes),
        cmocka_unit_test(log_types_of_settings),
        cmocka_unit_test(lines_of_operators),
        cmocka_unit_test(speed),
    };
    int failed;

    setenv("TZ", "UTC", 1);
    tzset();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    buf_done(&out);
    return failed;
}
