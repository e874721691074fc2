/*
 * findevent on the worked example of logs.md section 15 (cases 1 and 4) and on what messages become (logs.md 14).
 */
#include "console/log_findevent.h"
#include "console/log_testing.h"

static const struct log_out to_buffer = {.line = gather};

static const char clean_log[] =
    "Sat Nov 21 10:00:06 2026 Info: New SMTP ICID 901 interface Data 1 (192.0.2.10) address 203.0.113.25 reverse dns host "
    "mail.example.org verified yes\n"
    "Sat Nov 21 10:00:06 2026 Info: ICID 901 ACCEPT SG UNKNOWNLIST match sbrs[-1.0:10.0] SBRS 4.1 country Netherlands\n"
    "Sat Nov 21 10:00:06 2026 Info: ICID 901 TLS success protocol TLSv1.3 cipher TLS_AES_256_GCM_SHA384\n"
    "Sat Nov 21 10:00:06 2026 Info: Start MID 5501 ICID 901\n"
    "Sat Nov 21 10:00:06 2026 Info: MID 5501 ICID 901 From: <anna@example.org>\n"
    "Sat Nov 21 10:00:06 2026 Info: MID 5501 ICID 901 RID 0 To: <bob@example.net>\n"
    "Sat Nov 21 10:00:06 2026 Info: MID 5501 SPF: helo identity postmaster@mail.example.org None\n"
    "Sat Nov 21 10:00:06 2026 Info: MID 5501 SPF: mailfrom identity anna@example.org Pass (v=spf1)\n"
    "Sat Nov 21 10:00:06 2026 Info: MID 5501 DKIM: pass signature verified (d=example.org s=sel1 i=@example.org)\n"
    "Sat Nov 21 10:00:06 2026 Info: MID 5501 DMARC: Message from domain example.org, DMARC pass (SPF aligned True, DKIM "
    "aligned True)\n"
    "Sat Nov 21 10:00:06 2026 Info: MID 5501 DMARC: Verification passed\n"
    "Sat Nov 21 10:00:06 2026 Info: MID 5501 Message-ID '<q1@mail.example.org>'\n"
    "Sat Nov 21 10:00:06 2026 Info: MID 5501 Subject 'Minutes of Monday'\n"
    "Sat Nov 21 10:00:06 2026 Info: MID 5501 ready 4821 bytes from <anna@example.org>\n"
    "Sat Nov 21 10:00:06 2026 Info: MID 5501 matched all recipients for per-recipient policy DEFAULT in the inbound table\n"
    "Sat Nov 21 10:00:06 2026 Info: ICID 901 close\n"
    "Sat Nov 21 10:00:07 2026 Info: MID 5501 interim verdict using engine: CASE spam negative\n"
    "Sat Nov 21 10:00:07 2026 Info: MID 5501 using engine: CASE spam negative\n"
    "Sat Nov 21 10:00:07 2026 Info: MID 5501 interim AV verdict using Sophos CLEAN\n"
    "Sat Nov 21 10:00:07 2026 Info: MID 5501 antivirus negative \n"
    "Sat Nov 21 10:00:07 2026 Info: MID 5501 Outbreak Filters: verdict negative\n"
    "Sat Nov 21 10:00:07 2026 Info: MID 5501 queued for delivery\n"
    "Sat Nov 21 10:00:07 2026 Info: New SMTP DCID 701 interface 192.0.2.10 address 198.51.100.7 port 25\n"
    "Sat Nov 21 10:00:07 2026 Info: DCID 701 TLS success protocol TLSv1.3 cipher TLS_AES_256_GCM_SHA384 \n"
    "Sat Nov 21 10:00:07 2026 Info: Delivery start DCID 701 MID 5501 to RID [0]\n"
    "Sat Nov 21 10:00:07 2026 Info: Message done DCID 701 MID 5501 to RID [0] \n"
    "Sat Nov 21 10:00:07 2026 Info: MID 5501 RID [0] Response '2.0.0 Ok: queued as 4Xk2'\n"
    "Sat Nov 21 10:00:07 2026 Info: Message finished MID 5501 done\n"
    "Sat Nov 21 10:00:12 2026 Info: DCID 701 close\n";

static const char bounce_log[] =
    "Sat Nov 21 10:00:06 2026 Info: New SMTP ICID 904 interface Data 1 (192.0.2.10) address 203.0.113.25 reverse dns host "
    "mail.example.org verified yes\n"
    "Sat Nov 21 10:00:06 2026 Info: ICID 904 RELAY SG UNKNOWNLIST match sbrs[-1.0:10.0] SBRS 4.1 country Netherlands\n"
    "Sat Nov 21 10:00:06 2026 Info: ICID 904 TLS success protocol TLSv1.3 cipher TLS_AES_256_GCM_SHA384\n"
    "Sat Nov 21 10:00:06 2026 Info: Start MID 5504 ICID 904\n"
    "Sat Nov 21 10:00:06 2026 Info: MID 5504 ICID 904 From: <app@example.net>\n"
    "Sat Nov 21 10:00:06 2026 Info: MID 5504 ICID 904 RID 0 To: <nobody@example.org>\n"
    "Sat Nov 21 10:00:06 2026 Info: MID 5504 SPF: helo identity postmaster@mail.example.org None\n"
    "Sat Nov 21 10:00:06 2026 Info: MID 5504 SPF: mailfrom identity anna@example.org Pass (v=spf1)\n"
    "Sat Nov 21 10:00:06 2026 Info: MID 5504 DKIM: pass signature verified (d=example.org s=sel1 i=@example.org)\n"
    "Sat Nov 21 10:00:06 2026 Info: MID 5504 DMARC: Message from domain example.org, DMARC pass (SPF aligned True, DKIM "
    "aligned True)\n"
    "Sat Nov 21 10:00:06 2026 Info: MID 5504 DMARC: Verification passed\n"
    "Sat Nov 21 10:00:06 2026 Info: MID 5504 Message-ID '<q1@mail.example.org>'\n"
    "Sat Nov 21 10:00:06 2026 Info: MID 5504 Subject 'Anna\\'s \"x\"'\n"
    "Sat Nov 21 10:00:06 2026 Info: MID 5504 ready 4821 bytes from <app@example.net>\n"
    "Sat Nov 21 10:00:06 2026 Info: MID 5504 matched all recipients for per-recipient policy DEFAULT in the inbound table\n"
    "Sat Nov 21 10:00:06 2026 Info: ICID 904 close\n"
    "Sat Nov 21 10:08:20 2026 Info: MID 5504 queued for delivery\n"
    "Sat Nov 21 10:08:20 2026 Info: New SMTP DCID 705 interface 192.0.2.10 address 203.0.113.25 port 25\n"
    "Sat Nov 21 10:08:20 2026 Info: Delivery start DCID 705 MID 5504 to RID [0]\n"
    "Sat Nov 21 10:08:20 2026 Info: Bounced: DCID 705 MID 5504 to RID 0 - 5.1.1 - Bad destination email address ('550', "
    "['5.1.1 User unknown'])\n"
    "Sat Nov 21 10:08:20 2026 Info: Start MID 5505 ICID 0\n"
    "Sat Nov 21 10:08:20 2026 Info: MID 5505 was generated for bounce of MID 5504\n"
    "Sat Nov 21 10:08:20 2026 Info: MID 5505 ICID 0 From: <>\n"
    "Sat Nov 21 10:08:20 2026 Info: MID 5505 ICID 0 RID 0 To: <app@example.net>\n"
    "Sat Nov 21 10:08:20 2026 Info: MID 5505 ready 3120 bytes from <>\n"
    "Sat Nov 21 10:08:20 2026 Info: MID 5505 queued for delivery\n"
    "Sat Nov 21 10:08:20 2026 Info: Message finished MID 5504 done\n"
    "Sat Nov 21 10:08:20 2026 Info: DCID 705 close\n"
    "Sat Nov 21 10:08:20 2026 Info: New SMTP DCID 706 interface 192.0.2.10 address 198.51.100.7 port 25\n"
    "Sat Nov 21 10:08:20 2026 Info: Delivery start DCID 706 MID 5505 to RID [0]\n"
    "Sat Nov 21 10:08:20 2026 Info: Message done DCID 706 MID 5505 to RID [0] \n"
    "Sat Nov 21 10:08:20 2026 Info: MID 5505 RID [0] Response '2.0.0 Ok: queued as 9Zb1'\n"
    "Sat Nov 21 10:08:20 2026 Info: Message finished MID 5505 done\n"
    "Sat Nov 21 10:08:20 2026 Info: DCID 706 close\n";

#define DAY "Sat Nov 21 10:00:06 2026 Info: "

static const char *find(enum findevent_kind kind, const char *pattern, bool ignore_case)
{
    forget();
    assert_int_equal(log_findevent(home, str_lit("mail_logs"), kind, str_c(pattern), ignore_case, &to_buffer, NULL), RC_OK);
    return shown_text();
}

static const char *trace(uint64_t mid)
{
    forget();
    assert_int_equal(log_findevent_mid(home, str_lit("mail_logs"), mid, &to_buffer, NULL), RC_OK);
    return shown_text();
}

/* `MID n ({ctime}) {value}`, in MID order, ICID 0 left out. */
static void messages_by_value(void **state)
{
    (void)state;
    put("mail.@20261121T100000.s", "w", bounce_log);
    put("mail.current", "w", clean_log);
    assert_string_equal(find(FINDEVENT_FROM, "example", false), "MID 5501 (Sat Nov 21 10:00:06 2026) <anna@example.org>\n"
                                                                "MID 5504 (Sat Nov 21 10:00:06 2026) <app@example.net>\n");
    assert_string_equal(find(FINDEVENT_FROM, "^<>$", false), "");
    assert_string_equal(find(FINDEVENT_TO, "BOB@", false), "");
    assert_string_equal(find(FINDEVENT_TO, "BOB@", true), "MID 5501 (Sat Nov 21 10:00:06 2026) <bob@example.net>\n");
    assert_string_equal(find(FINDEVENT_TO, "app", false), "");
    assert_string_equal(find(FINDEVENT_SUBJECT, "Minutes", false),
                        "MID 5501 (Sat Nov 21 10:00:06 2026) Minutes of Monday\n");
}

static void subjects(void **state)
{
    (void)state;
    put("mail.current", "w",
        DAY "MID 9 Subject \"Anna's invoice\"\n" DAY "MID 10 Subject 'the invoice'\n" DAY "Start MID 11 ICID 0\n" DAY
            "MID 11 Subject 'invoice notice'\n" DAY "MID 2 Subject no quotes, invoice\n");
    assert_string_equal(find(FINDEVENT_SUBJECT, "invoice", false), "MID 2 (Sat Nov 21 10:00:06 2026) no quotes, invoice\n"
                                                                   "MID 9 (Sat Nov 21 10:00:06 2026) Anna's invoice\n"
                                                                   "MID 10 (Sat Nov 21 10:00:06 2026) the invoice\n");
}

/* The lines as logged without trailing spaces; the connection's own TLS line, and other messages, are not among them. */
static void lines_of_a_message(void **state)
{
    struct str want = str_c(clean_log), line;
    struct buf b = BUF(1 << 16);

    (void)state;
    put("mail.@20261121T100000.s", "w", bounce_log);
    put("mail.current", "w", clean_log);
    put("mail.current", "a", DAY "ICID 77 Unknown command: MID 5501 x\n" DAY "DCID 70 close\n" DAY "ICID 9 close\n");
    while (str_split(&want, '\n', &line)) {
        if (!line.n || str_find_str(line, str_lit("ICID 901 TLS success")) < line.n)
            continue;
        while (line.p[line.n - 1] == ' ')
            line.n--;
        buf_add(&b, line);
        buf_addc(&b, '\n');
    }
    buf_addc(&b, '\0');
    assert_string_equal(trace(5501), b.p);
    assert_string_equal(trace(4), "");
    buf_done(&b);
}

/* The bounce that a message caused belongs to its story, with the bounce's own connection. */
static void follows_a_bounce(void **state)
{
    (void)state;
    put("mail.current", "w", bounce_log);
    assert_non_null(strstr(trace(5504), "Start MID 5505 ICID 0\n"));
    assert_non_null(strstr(shown_text(), "ICID 904 RELAY SG"));
    assert_non_null(strstr(shown_text(), "MID 5505 RID [0] Response '2.0.0 Ok: queued as 9Zb1'\n"));
    assert_non_null(strstr(shown_text(), "DCID 706 close\n"));
    assert_null(strstr(trace(5505), "MID 5504 ICID"));
}

/* Held until the message starts on the connection; a late `rewritten` line is still followed. */
static void held_lines_and_late_relations(void **state)
{
    (void)state;
    put("mail.@20261121T100000.s", "w",
        DAY "New SMTP ICID 5 interface Data 1 (192.0.2.10) address 203.0.113.25 reverse dns host unknown verified no\n" DAY
            "New SMTP ICID 6 interface Data 1 (192.0.2.10) address 203.0.113.26 reverse dns host unknown verified no\n" DAY
            "ICID 5 ACCEPT SG ALL match ALL SBRS None\n" DAY "Start MID 1 ICID 5\n" DAY "Start MID 3 ICID 6\n" DAY
            "New SMTP DCID 8 interface 192.0.2.10 address 198.51.100.7 port 25\n" DAY
            "MID 1 was split creating MID 2 due to a per-recipient policy P in the inbound table\n" DAY
            "MID 2 queued for delivery\n" DAY "DCID 8 TLS success protocol TLSv1.3 cipher X \n" DAY
            "MID 4 queued for delivery\n" DAY "ICID 5 close\n");
    put("mail.current", "w",
        DAY "Delivery start DCID 8 MID 2 to RID [0]\n" DAY "MID 2 rewritten to MID 4 by antispam\n" DAY "ICID 6 close\n" DAY
            "DCID 8 close\n");
    assert_string_equal(
        trace(1),
        DAY "New SMTP ICID 5 interface Data 1 (192.0.2.10) address 203.0.113.25 reverse dns host unknown verified no\n" DAY
            "ICID 5 ACCEPT SG ALL match ALL SBRS None\n" DAY "Start MID 1 ICID 5\n" DAY
            "MID 1 was split creating MID 2 due to a per-recipient policy P in the inbound table\n" DAY
            "MID 2 queued for delivery\n" DAY "MID 4 queued for delivery\n" DAY "ICID 5 close\n" DAY
            "New SMTP DCID 8 interface 192.0.2.10 address 198.51.100.7 port 25\n" DAY
            "DCID 8 TLS success protocol TLSv1.3 cipher X\n" DAY "Delivery start DCID 8 MID 2 to RID [0]\n" DAY
            "MID 2 rewritten to MID 4 by antispam\n" DAY "DCID 8 close\n");
}

/* Whatever stands in the files, nothing is read beyond a line. */
static void lines_that_are_none(void **state)
{
    (void)state;
    put("mail.current", "w",
        "\n \nMID 1\n" DAY "\n" DAY "MID 1\n" DAY "MID 99999999999999999999 x\n" DAY "MID 1 rewritten to \n" DAY
        "Start MID 1 ICID\n" DAY "Delivery start DCID MID 1");
    assert_string_equal(trace(1), "Sat Nov 21 10:00:06 2026 Info: MID 1\n" DAY "MID 1 rewritten to\n" DAY
                                  "Start MID 1 ICID\n" DAY "Delivery start DCID MID 1\n");
    assert_int_equal(log_findevent_mid(home, str_lit("x"), 1, &to_buffer, NULL), RC_NOT_FOUND);
    assert_int_equal(log_findevent(home, str_lit("mail_logs"), FINDEVENT_TO, str_lit("("), false, &to_buffer, NULL),
                     RC_SYNTAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(messages_by_value, fresh, gone),
        cmocka_unit_test_setup_teardown(subjects, fresh, gone),
        cmocka_unit_test_setup_teardown(lines_of_a_message, fresh, gone),
        cmocka_unit_test_setup_teardown(follows_a_bounce, fresh, gone),
        cmocka_unit_test_setup_teardown(held_lines_and_late_relations, fresh, gone),
        cmocka_unit_test_setup_teardown(lines_that_are_none, fresh, gone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
