/* Mail authentication of a message as the settings want it: what is evaluated, logged, written into the header, held or
 * dropped. */
#include "policy/authenticate.h"

#include "mail/dmarc_report.h"
#include "mail/dns_canned.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct {
    struct arena arena;
    struct conf_source *conf;
    struct events *events;
    struct suffixes *suffixes;
    struct message_world world;
    struct message m;
    struct envelope env;
    struct dns_canned dns;
    const struct auth_results *r;
    struct auth_results dkim; /* what the canned verifier says */
} w;

static const char ZONE[] = "example.org TXT v=spf1 ip4:192.0.2.1 -all\n"
                           "_dmarc.example.org TXT v=DMARC1; p=reject; rua=mailto:r@example.org\n"
                           "quiet.example TXT v=spf1 ip4:192.0.2.1 -all\n"
                           "_dmarc.quiet.example TXT v=DMARC1; p=quarantine\n"
                           "mx.example.org TXT v=spf1 a -all\nmx.example.org A 192.0.2.1";

static const char MAIL[] = "From: Anna <anna@example.org>\r\nSubject: x\r\n\r\nHello\r\n";

static int setup(void **state)
{
    (void)state;
    memset(&w, 0, sizeof w);
    arena_init(&w.arena, 4096, 16 << 20);
    w.events = events_test_new();
    w.suffixes = suffixes_load(NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_done(&w.arena);
    events_free(w.events);
    suffixes_free(w.suffixes);
    conf_source_free(w.conf);
    return 0;
}

static uint64_t fifty(void *ctx, uint64_t below)
{
    (void)ctx;
    return below / 2;
}

static void verify(void *ctx, struct message *m, bool dkim, bool arc, struct auth_results *out)
{
    (void)ctx, (void)m;
    out->dkim_checked = dkim;
    out->dkim = w.dkim.dkim;
    out->n_dkim = dkim ? w.dkim.n_dkim : 0;
    out->arc_checked = arc;
    out->arc = w.dkim.arc;
}

static void judge(const char *settings, const char *mail, const char *ip, const char *sender)
{
    char lines[1000];
    struct auth_tools tools = {.suffixes = w.suffixes, .dkim = verify};
    struct err e = ERR_NONE;

    snprintf(lines, sizeof lines,
             "system.hostname=gw.example.net\nmail_flow_policy.ACCEPTED\nmail_flow_policy.RELAYED.spf=off\n%s", settings);
    w.conf = conf_source_test(lines, &e);
    if (!w.conf)
        fail_msg("%s", err_text(&e));
    w.dns = (struct dns_canned){.lines = ZONE};
    w.env = (struct envelope){.sender = str_c(sender),
                              .icid = 1,
                              .client_ip = str_c(ip),
                              .helo = str_lit("mx.example.org"),
                              .flow_policy = str_lit("ACCEPTED")};
    w.world = (struct message_world){.dns = dns_canned(&w.dns), .random = fifty};
    w.m = (struct message){.conf = conf_now(w.conf), .world = &w.world, .events = w.events, .mid = 7};
    assert_int_equal(message_init(&w.m, &w.arena, str_c(mail), &w.env, &e), RC_OK);
    w.r = auth_evaluate(&w.m, &tools);
    auth_apply(&w.m, w.r);
}

static const char *log_text(void)
{
    return events_test_text(w.events).p;
}

static void assert_log(const char *line)
{
    if (!strstr(log_text(), line))
        fail_msg("no line \"%s\" in:\n%s", line, log_text());
}

static const char *text(void)
{
    return arena_printf(&w.arena, "%.*s", STR(message_octets(&w.m))).p;
}

/* logs.md 5 and the worked example of 15. */
static void a_good_message_is_logged_and_marked(void **state)
{
    struct auth_dkim dkim = {.result = AUTH_PASS,
                             .domain = str_lit("example.org"),
                             .selector = str_lit("sel1"),
                             .identity = str_lit("@example.org"),
                             .reason = str_lit("signature verified")};

    (void)state;
    w.dkim = (struct auth_results){.dkim = &dkim, .n_dkim = 1};
    judge("", MAIL, "192.0.2.1", "anna@example.org");
    assert_string_equal(log_text(),
                        "MID 7 SPF: helo identity postmaster@mx.example.org Pass (v=spf1)\n"
                        "MID 7 SPF: mailfrom identity anna@example.org Pass (v=spf1)\n"
                        "MID 7 DKIM: pass signature verified (d=example.org s=sel1 i=@example.org)\n"
                        "MID 7 DMARC: Message from domain example.org, DMARC pass (SPF aligned True, DKIM aligned True)\n"
                        "MID 7 DMARC: Verification passed\n");
    assert_non_null(strstr(text(), "Authentication-Results: gw.example.net;\r\n\tspf=pass smtp.helo=mx.example.org;\r\n"
                                   "\tspf=pass smtp.mailfrom=anna@example.org;\r\n\tdkim=pass header.d=example.org"));
    assert_non_null(strstr(text(), "\tdmarc=pass header.from=example.org policy.published-domain-policy=reject "
                                   "policy.applied-disposition=none;\r\n\tarc=none\r\nFrom: Anna"));
    assert_int_equal(w.m.outcome.n_holds, 0);
}

static void the_action_is_that_of_the_policy(void **state)
{
    (void)state;
    judge("", MAIL, "192.0.2.99", "anna@example.org");
    assert_log("MID 7 SPF: mailfrom identity anna@example.org Fail (v=spf1)\nMID 7 DKIM: no signature\n"
               "MID 7 DMARC: Message from domain example.org, DMARC fail (SPF aligned False, DKIM aligned False)\n"
               "MID 7 DMARC: Verification failed\n");
    assert_int_equal(w.m.outcome.n_holds, 1);
    assert_true(str_eq(w.m.outcome.holds[0].quarantine, str_lit("Policy")));
}

static void a_fail_may_drop_bounce_or_pass(void **state)
{
    (void)state;
    judge("authentication.on_reject=drop\n", MAIL, "192.0.2.99", "anna@example.org");
    assert_log("Message aborted MID 7 Dropped by DMARC\n");
    assert_int_equal(w.m.outcome.final, FINAL_DROP);
    conf_source_free(w.conf);
    judge("authentication.on_reject=bounce\n", MAIL, "192.0.2.99", "anna@example.org");
    assert_int_equal(w.m.outcome.final, FINAL_BOUNCE);
    assert_true(str_eq(w.m.outcome.bounce_text, str_lit("5.7.1 DMARC unauthenticated mail is prohibited")));
    conf_source_free(w.conf);
    judge("authentication.on_reject=deliver\nauthentication.on_quarantine=drop\n", MAIL, "192.0.2.99", "anna@example.org");
    assert_true(w.m.outcome.final == FINAL_NONE && w.m.outcome.n_holds == 0);
}

static void a_lost_answer_has_an_action_of_its_own(void **state)
{
    static const char mail[] = "From: a@lost.example\r\n\r\n";

    (void)state;
    judge("authentication.on_temperror=quarantine\nauthentication.quarantine=Later\n", mail, "192.0.2.1", "");
    assert_int_equal(w.m.outcome.n_holds, 0); /* no record: nothing asked */
    conf_source_free(w.conf);
    judge("authentication.on_temperror=quarantine\nauthentication.quarantine=Later\n", mail, "192.0.2.1", "");
    w.dns.away = true;
    w.r = auth_evaluate(&w.m, &(struct auth_tools){.suffixes = w.suffixes});
    assert_int_equal(w.r->dmarc.result, AUTH_TEMPERROR);
    auth_apply(&w.m, w.r);
    assert_true(w.m.outcome.n_holds == 1 && str_eq(w.m.outcome.holds[0].quarantine, str_lit("Later")));
    assert_log("MID 7 DMARC: Verification skipped (temporary error)\n");
}

static void fields_that_claim_to_be_ours_go(void **state)
{
    (void)state;
    judge("",
          "Authentication-Results: gw.example.net; dmarc=pass\r\nReceived: x\r\nauthentication-results: GW.example.net\r\n "
          "; spf=pass\r\n"
          "Authentication-Results: other.example; spf=pass\r\nFrom: a@nobody.example\r\n\r\nx",
          "192.0.2.1", "a@nobody.example");
    assert_null(strstr(text(), "dmarc=pass"));
    assert_null(strstr(text(), "GW.example"));
    assert_non_null(strstr(text(), "\r\nReceived: x\r\nAuthentication-Results: other.example; spf=pass\r\nFrom:"));
    assert_int_equal(strncmp(text(), "Authentication-Results: gw.example.net;", 39), 0);
}

/* The mail flow policy says whose mail is checked; mail made here is not. */
static void what_is_off_is_not_asked(void **state)
{
    (void)state;
    judge("mail_flow_policy.ACCEPTED.spf=off\nmail_flow_policy.ACCEPTED.dkim_verify=no\nmail_flow_policy.ACCEPTED.dmarc_"
          "verify=no\n",
          MAIL, "192.0.2.99", "anna@example.org");
    assert_int_equal(w.dns.asked, 0);
    assert_string_equal(log_text(), "");
    assert_false(patch_changed(&w.m.patch));
    conf_source_free(w.conf);
    judge("", MAIL, "192.0.2.99", "anna@example.org");
    assert_true(w.r->spf_mailfrom.checked);
    w.env.auth_user = str_lit("anna"); /* may write from anywhere */
    w.r = auth_evaluate(&w.m, &(struct auth_tools){0});
    assert_false(w.r->spf_mailfrom.checked);
    w.env.auth_user = STR_NONE;
    w.env.icid = 0;
    w.r = auth_evaluate(&w.m, &(struct auth_tools){0});
    assert_false(w.r->spf_mailfrom.checked);
}

static void senders_and_headers_may_be_exempt(void **state)
{
    static const char *const settings[] = {"dmarc.bypass_senders=anna@example.org\n",
                                           "dmarc.bypass_senders=other.example,example.org\n",
                                           "dmarc.bypass_header=X-Ours\n"};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        judge(settings[i], "X-Ours: 1\r\nFrom: Anna <anna@example.org>\r\n\r\n", "192.0.2.99", "x@elsewhere.example");
        assert_int_equal(w.m.outcome.n_holds, 0);
        assert_log("MID 7 DMARC: Verification skipped (sender or header is exempt)\n");
        conf_source_free(w.conf);
    }
    judge("dmarc.bypass_senders=.example.org\n", MAIL, "192.0.2.99", "x@elsewhere.example");
    assert_int_equal(w.m.outcome.n_holds, 1); /* .domain: only what lies below */
}

/* A valid chain of trusted sealers, the first of which saw DMARC pass, outweighs a fail. */
static void a_trusted_forwarder_is_believed(void **state)
{
    static const char mail[] = "ARC-Seal: i=1; a=rsa-sha256; d=list.example; s=x\r\nFrom: anna@example.org\r\n\r\n";

    (void)state;
    w.dkim.arc = (struct auth_arc){.result = AUTH_PASS,
                                   .first_results = str_lit("i=1; list.example; dmarc=pass header.from=example.org")};
    judge("authentication.arc_trusted=list.example\n", mail, "192.0.2.99", "x@list.example");
    assert_int_equal(w.m.outcome.n_holds, 0);
    assert_true(str_eq(w.r->dmarc.override, str_lit("trusted_forwarder")));
    conf_source_free(w.conf);
    judge("authentication.arc_trusted=other.example\n", mail, "192.0.2.99", "x@list.example");
    assert_int_equal(w.m.outcome.n_holds, 1);
    conf_source_free(w.conf);
    w.dkim.arc.first_results = str_lit("i=1; list.example; dmarc=fail header.from=example.org");
    judge("authentication.arc_trusted=list.example\n", mail, "192.0.2.99", "x@list.example");
    assert_int_equal(w.m.outcome.n_holds, 1);
}

static void the_responsible_address_is_checked_where_wanted(void **state)
{
    (void)state;
    judge("mail_flow_policy.ACCEPTED.spf=sidf\n", "Sender: S <s@example.org>\r\nFrom: a@nobody.example\r\n\r\n", "192.0.2.1",
          "b@nobody.example");
    assert_log("MID 7 SPF: pra identity s@example.org Pass headers Sender\n");
}

static void a_report_says_what_was_found(void **state)
{
    struct dmarc_row row;

    (void)state;
    judge("", MAIL, "192.0.2.99", "anna@example.org");
    assert_true(dmarc_row_of(w.r, DMARC_BY_WALK, w.env.client_ip, w.env.sender, &row));
    assert_true(str_eq(row.domain, str_lit("example.org")) && str_eq(row.source_ip, str_lit("192.0.2.99")));
    assert_true(row.disposition == DMARC_REJECT && !row.passed && row.spf == AUTH_FAIL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_good_message_is_logged_and_marked, setup, teardown),
        cmocka_unit_test_setup_teardown(the_action_is_that_of_the_policy, setup, teardown),
        cmocka_unit_test_setup_teardown(a_fail_may_drop_bounce_or_pass, setup, teardown),
        cmocka_unit_test_setup_teardown(a_lost_answer_has_an_action_of_its_own, setup, teardown),
        cmocka_unit_test_setup_teardown(fields_that_claim_to_be_ours_go, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_off_is_not_asked, setup, teardown),
        cmocka_unit_test_setup_teardown(senders_and_headers_may_be_exempt, setup, teardown),
        cmocka_unit_test_setup_teardown(a_trusted_forwarder_is_believed, setup, teardown),
        cmocka_unit_test_setup_teardown(the_responsible_address_is_checked_where_wanted, setup, teardown),
        cmocka_unit_test_setup_teardown(a_report_says_what_was_found, setup, teardown),
    };

    return cmocka_run_group_tests_name("policy: mail authentication", tests, NULL, NULL);
}
