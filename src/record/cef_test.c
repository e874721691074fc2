/*
 * The consolidated event log (logs.md 11): keys, order, forms and labels of a line; what a fold keeps, forgets and saves.
 */
#include "record/cef.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

static struct cef *cef;
static struct buf out = {.max = 1 << 20};
static const uint64_t T0 = 1795255206000ull; /* Sat Nov 21 10:00:06 2026 */
static struct cef_form modern = {.model = {"C100V Email Security Virtual Appliance", 38},
                                 .serial = {"42A9C3D17E5B08F46D21-9B3E70C4A5D8", 33}};

#define S(text) str_lit(text)
#define RID0 str_of("\0", 1)
#define TAKE(name, ...) take(&modern, EVENT_##name, T0, &(struct event_##name){__VA_ARGS__})

static bool take(const struct cef_form *form, enum event_type type, uint64_t ms, const void *fields)
{
    struct event_record rec;

    event_record_set(&rec, type, ms, fields);
    buf_clear(&out);
    return cef_take(cef, form, &rec, &out);
}

static const char *finish(const struct cef_form *form, uint64_t mid)
{
    assert_true(take(form, EVENT_message_finished, T0 + 1000, &(struct event_message_finished){.mid = mid}));
    buf_addc(&out, '\0');
    return out.p;
}

static int fresh(void **state)
{
    (void)state;
    cef = cef_new();
    return 0;
}

static int gone(void **state)
{
    (void)state;
    cef_free(cef);
    return 0;
}

static void connect_in(void)
{
    TAKE(connection_incoming, .icid = 901, .interface = S("Data 1"), .local_ip = S("192.0.2.10"),
         .peer_ip = S("203.0.113.25"), .ptr = S("mail.example.org"), .verified = 1, .listener = S("InboundMail"));
    TAKE(connection_verdict, .icid = 901, .group = S("UNKNOWNLIST"), .match = S("ALL"), .sbrs = S("4.1"),
         .country = S("Netherlands"));
    TAKE(tls_incoming, .icid = 901, .protocol = S("TLSv1.3"), .cipher = S("TLS_AES_256_GCM_SHA384"));
}

static void receive(void)
{
    TAKE(message_start, .mid = 5501, .icid = 901, .helo = S("mx.example.org"));
    TAKE(message_sender, .mid = 5501, .icid = 901, .sender = S("an=na@example.org"));
    TAKE(message_recipient, .mid = 5501, .icid = 901, .recipient = S("bob@example.net"));
    TAKE(message_recipient, .mid = 5501, .icid = 901, .rid = 1, .recipient = S("eve@example.net"));
    TAKE(connection_closed, .icid = 901);
    TAKE(message_id, .mid = 5501, .message_id = S("<q1@mail.example.org>"));
    TAKE(message_subject, .mid = 5501, .subject = S("Anna's =?x?="));
    TAKE(message_ready, .mid = 5501, .bytes = 4821);
    TAKE(spf_mailfrom, .mid = 5501, .identity = S("anna@example.org"), .result = S("Pass"));
    TAKE(spf_helo, .mid = 5501, .identity = S("postmaster@mail.example.org"), .result = S("None"));
    TAKE(dkim, .mid = 5501, .result = S("pass"));
    TAKE(dmarc, .mid = 5501, .domain = S("example.org"), .result = S("pass"));
    TAKE(message_policy, .mid = 5501, .policy = S("DEFAULT"));
}

static void deliver(void)
{
    TAKE(delivery_connection, .dcid = 701);
    TAKE(delivery_tls, .dcid = 701, .protocol = S("TLSv1.2"), .cipher = S("ECDHE-RSA-AES256-GCM-SHA384"));
    TAKE(delivery_start, .dcid = 701, .mid = 5501, .rids = RID0);
    TAKE(delivery_done, .dcid = 701, .mid = 5501, .rids = RID0);
}

static const char whole[] =
    "Sat Nov 21 10:00:07 2026: CEF:0|Cisco|C100V Email Security Virtual Appliance|15.5.0-048|ESA_CONSOLIDATED_LOG_EVENT|"
    "Consolidated Log Event|5|deviceExternalId=42A9C3D17E5B08F46D21-9B3E70C4A5D8 ESAMID=5501 ESAICID=901 ESADCID=701 "
    "ESAAMPVerdict=NOT_EVALUATED ESAASVerdict=NOT_EVALUATED ESAAVVerdict=NOT_EVALUATED ESACFVerdict=NOT_EVALUATED "
    "end=Sat Nov 21 10:00:07 2026 ESADKIMVerdict=pass ESADLPVerdict=NOT_EVALUATED ESADMARCVerdict=pass dvc=192.0.2.10 "
    "ESAGMVerdict=NOT_EVALUATED start=Sat Nov 21 10:00:06 2026 deviceInboundInterface=InboundMail deviceDirection=0 "
    "ESAMailFlowPolicy=ACCEPT suser=an\\=na@example.org cs1Label=MailPolicy cs1=DEFAULT cs2Label=SenderCountry "
    "cs2=Netherlands ESAMFVerdict=NOT_EVALUATED act=DELIVERED cs4Label=ExternalMsgID cs4='<q1@mail.example.org>' "
    "ESAMsgSize=4821 ESAOFVerdict=NOT_EVALUATED duser=bob@example.net,eve@example.net ESAHeloDomain=mx.example.org "
    "ESAHeloIP=203.0.113.25 cfp1Label=SBRSScore cfp1=4.1 "
    "ESASPFVerdict={'mailfrom': {'result': 'Pass', 'sender': 'anna@example.org'}, 'helo': {'result': 'None', 'sender': "
    "'postmaster@mail.example.org'}} shost=mail.example.org ESASenderGroup=UNKNOWNLIST src=203.0.113.25 "
    "msg=\"Anna's \\=?x?\\=\" ESATLSInCipher=TLS_AES_256_GCM_SHA384 ESATLSInConnStatus=Success ESATLSInProtocol=TLSv1.3 "
    "ESATLSOutCipher=ECDHE-RSA-AES256-GCM-SHA384 ESATLSOutConnStatus=Success ESATLSOutProtocol=TLSv1.2";

static void line_of_a_delivered_message(void **state)
{
    (void)state;
    connect_in();
    receive();
    deliver();
    assert_string_equal(finish(&modern, 5501), whole);
}

/* logs.md 11: the words of the engines' verdicts. */
static void verdicts_of_engines(void **state)
{
    static const struct str chosen[] = {str_lit("ESAASVerdict"), str_lit("ESAAVVerdict"), str_lit("ESAGMVerdict"),
                                        str_lit("ESAOFVerdict")};
    static const char *const antispam[] = {"NEGATIVE", "SUSPECT", "POSITIVE", "BULK_MAIL", "SOCIAL_MAIL", "MARKETING_MAIL"};
    static const char *const antivirus[] = {"NEGATIVE", "POSITIVE", "ENCRYPTED", "UNSCANNABLE", "REPAIRED"};
    struct cef_form form = {.model = S("m"), .serial = S("s"), .keys = {chosen, 4}};
    char want[300];

    (void)state;
    for (uint64_t i = 0; i < 6; i++) {
        TAKE(message_start, .mid = 10 + i);
        TAKE(antispam_verdict, .mid = 10 + i, .verdict = i);
        TAKE(antivirus_verdict, .mid = 10 + i, .result = i % 5);
        TAKE(graymail_verdict, .mid = 10 + i, .positive = i & 1);
        TAKE(outbreak_verdict, .mid = 10 + i, .positive = !(i & 1));
        snprintf(want, sizeof want, "|5|ESAASVerdict=%s ESAAVVerdict=%s ESAGMVerdict=%s ESAOFVerdict=%s", antispam[i],
                 antivirus[i % 5], i & 1 ? "POSITIVE" : "NEGATIVE", i & 1 ? "NEGATIVE" : "POSITIVE");
        assert_non_null(strstr(finish(&form, 10 + i), want));
    }
}

/* logs.md 2: keys, serial and times of dialect classic; a message that goes out names the outbound interface; labels stand
 * with their value only; keys may be chosen. */
static void dialect_direction_and_choice(void **state)
{
    static const struct str chosen[] = {
        str_lit("ESAMID"),          str_lit("endTime"), str_lit("cs1"), str_lit("cs3"), str_lit("deviceOutboundInterface"),
        str_lit("DEVICEDIRECTION"), str_lit("src")};
    struct cef_form classic = {.classic = true, .model = S("C|390"), .serial = S("s"), .keys = {chosen, 7}};

    (void)state;
    connect_in();
    TAKE(connection_verdict, .icid = 901, .action = 1, .sbrs = S("rfc1918"));
    receive();
    TAKE(message_policy, .mid = 5501, .policy = S("P|x"), .outbound = 1);
    assert_string_equal(finish(&classic, 5501),
                        "Sat Nov 21 10:00:07 2026: CEF:0|Cisco|C\\|390|15.5.0-048|ESA_CONSOLIDATED_LOG_EVENT|"
                        "Consolidated Log Event|5|ESAMID=5501 endTime=Sat Nov 21 10:00:07 2026 "
                        "deviceOutboundInterface=InboundMail deviceDirection=1 cs1Label=MailPolicy cs1=P|x "
                        "sourceAddress=203.0.113.25");
}

static void verdicts_of_filters(void **state)
{
    static const struct str chosen[] = {str_lit("ESAMFVerdict"), str_lit("ESACFVerdict")};
    struct cef_form form = {.model = S("C"), .serial = S("s"), .keys = {chosen, 2}};

    (void)state;
    connect_in();
    receive();
    TAKE(message_filters_done, .mid = 5501, .matched = 1, .filters = S("a,b"));
    TAKE(content_filters_done, .mid = 5501);
    assert_non_null(strstr(finish(&form, 5501), "|5|ESACFVerdict=NO_MATCH ESAMFVerdict=MATCH"));
}

static void ends_of_messages(void **state)
{
    static const struct str chosen[] = {str_lit("act"), str_lit("ESAFinalActionDetails"), str_lit("cfp1")};
    struct cef_form form = {.keys = {chosen, 3}};
    const char *begin = "|Consolidated Log Event|5|";

    (void)state;
#define ENDS(mid, want) assert_string_equal(strstr(finish(&form, mid), begin) + strlen(begin), want)
    TAKE(delivery_bounced, .mid = 1, .enhanced = S("5.1.0"), .class = S("Unknown address error"));
    ENDS(1, "act=BOUNCED ESAFinalActionDetails=5.1.0 - Unknown address error");
    TAKE(delivery_bounced, .mid = 2, .enhanced = S("5.1.0"), .class = S("Unknown address error"));
    TAKE(delivery_done, .mid = 2);
    ENDS(2, "act=DELIVERED");
    TAKE(message_aborted, .mid = 3, .by_sender = 1);
    ENDS(3, "act=ABORTED ESAFinalActionDetails=Receiving aborted by sender");
    TAKE(message_dropped, .mid = 4, .by = 1);
    ENDS(4, "act=DROPPED ESAFinalActionDetails=Dropped by antivirus");
    TAKE(recipients_deleted, .mid = 5);
    ENDS(5, "act=DROPPED");
    TAKE(message_split, .mid = 6, .child = 7);
    ENDS(6, "act=SPLINTERED");
    TAKE(connection_verdict, .icid = 5);
    TAKE(message_start, .mid = 7, .icid = 5);
    ENDS(7, "cfp1Label=SBRSScore cfp1=not enabled");
    TAKE(connection_verdict, .icid = 6, .sbrs = S("unable to retrieve"));
    TAKE(message_start, .mid = 8, .icid = 6);
    ENDS(8, "cfp1Label=SBRSScore cfp1=None");
}

/* The state of record, in the middle of a message and of its delivery. */
static void kept_over_a_restart(void **state)
{
    struct buf saved = BUF(4 << 20), again = BUF(4 << 20);
    struct str in;

    (void)state;
    connect_in();
    receive();
    TAKE(delivery_tls, .dcid = 701, .protocol = S("TLSv1.2"), .cipher = S("ECDHE-RSA-AES256-GCM-SHA384"));
    TAKE(message_sender, .mid = 5502, .sender = S("x@y"));
    cef_save(cef, &saved);
    cef_free(cef);
    cef = cef_new();
    in = buf_str(&saved);
    assert_true(cef_restore(cef, &in) && in.n == 0);
    cef_save(cef, &again);
    assert_true(str_eq(buf_str(&saved), buf_str(&again)));
    TAKE(delivery_start, .dcid = 701, .mid = 5501, .rids = RID0);
    TAKE(delivery_done, .dcid = 701, .mid = 5501, .rids = RID0);
    assert_string_equal(finish(&modern, 5501), whole);
    for (size_t n = 0; n < saved.n; n++) { /* cut anywhere: refused, nothing read beyond */
        cef_free(cef);
        cef = cef_new();
        in = str_first(buf_str(&saved), n);
        assert_false(cef_restore(cef, &in));
    }
    buf_done(&saved);
    buf_done(&again);
}

static void oldest_are_forgotten(void **state)
{
    struct buf saved = BUF(8 << 20);

    (void)state;
    for (uint64_t mid = 1; mid <= CEF_MESSAGES + 10; mid++)
        TAKE(message_sender, .mid = mid, .sender = S("someone@example.org"));
    assert_int_equal(cef_forgotten(cef), 10);
    assert_null(strstr(finish(&modern, 10), "suser="));
    assert_non_null(strstr(finish(&modern, 12), "suser=someone@example.org"));
    cef_save(cef, &saved);
    assert_true(!saved.failed && saved.n < CEF_SAVED_BYTES + (64 << 10));
    buf_done(&saved);
}

/* What DLP said: nothing there, something but too little, a violation. */
static void verdicts_of_dlp(void **state)
{
    const char *line;

    (void)state;
    TAKE(message_start, .mid = 81);
    TAKE(dlp_clear, .mid = 81);
    line = finish(&modern, 81);
    assert_non_null(strstr(line, " ESADLPVerdict=NO_TRIGGER "));
    TAKE(message_start, .mid = 82);
    TAKE(dlp_clear, .mid = 82, .found = 1);
    line = finish(&modern, 82);
    assert_non_null(strstr(line, " ESADLPVerdict=NO_VIOLATION "));
    TAKE(message_start, .mid = 83);
    TAKE(dlp_violation, .mid = 83, .severity = 3, .risk = 70, .policy = S("Cards"));
    line = finish(&modern, 83);
    assert_non_null(strstr(line, " ESADLPVerdict=VIOLATION "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(line_of_a_delivered_message, fresh, gone),
        cmocka_unit_test_setup_teardown(dialect_direction_and_choice, fresh, gone),
        cmocka_unit_test_setup_teardown(verdicts_of_engines, fresh, gone),
        cmocka_unit_test_setup_teardown(verdicts_of_filters, fresh, gone),
        cmocka_unit_test_setup_teardown(verdicts_of_dlp, fresh, gone),
        cmocka_unit_test_setup_teardown(ends_of_messages, fresh, gone),
        cmocka_unit_test_setup_teardown(kept_over_a_restart, fresh, gone),
        cmocka_unit_test_setup_teardown(oldest_are_forgotten, fresh, gone),
    };
    int failed;

    setenv("TZ", "UTC", 1);
    tzset();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    buf_done(&out);
    return failed;
}
