/* The report of a trace, of canned messages and settings. */
#include "scan/stages_testing.h"

#include "base/json_read.h"
#include "scan/trace.h"

struct run {
    struct fix *f;
    struct trace t;
    struct compiled *compiled;
    struct str text, json;
    const struct json *all;
    struct buf out;
};

static const char *const defaults[] = {"--ip", "192.0.2.4", "--rdns", "mx.sender.test", "--from", "anna@sender.test"};

/* Traces `message` to `to` with these settings and further words, separated by spaces. */
static void traced(struct run *r, struct fix *f, const char *settings, const char *to, const char *more, const char *message)
{
    struct str words[40], rest = str_c(more);
    char lines[4096];
    struct err e = ERR_NONE;
    size_t n = 0;

    *r = (struct run){.f = f, .out = BUF(1 << 20)};
    conf_source_free(f->conf);
    snprintf(lines, sizeof lines,
             "%slistener.In.rat=rcpt.test ACCEPT,ALL REJECT\nlistener.In.interface=M\nreceiving.reverse_dns=no\n"
             "mail_flow_policy.ACCEPTED.banner=hi\nsender_group.UNKNOWNLIST.policy=ACCEPTED\n"
             "sender_group.UNKNOWNLIST.members=ALL\nsender_group.UNKNOWNLIST.listener=In\nroute[ALL].hosts=10.0.0.5:2525\n",
             settings);
    f->conf = conf_source_test(lines, &e);
    if (!f->conf)
        fail_msg("%s", err_text(&e));
    for (size_t i = 0; i < sizeof defaults / sizeof *defaults; i++)
        words[n++] = str_c(defaults[i]);
    words[n++] = str_lit("--to");
    words[n++] = str_c(to);
    while (str_word(&rest, &words[n]))
        n++;
    assert_int_equal(compiled_new(conf_now(f->conf), &r->compiled, &e), RC_OK);
    assert_int_equal(trace_options_read(&f->arena, (struct strs){words, n}, &r->t.o, &e), RC_OK);
    r->t.arena = &f->arena;
    r->t.octets = str_c(message);
    trace_all(&r->t, &f->world, conf_now(f->conf), r->compiled);
    trace_text(&r->t, &r->out);
    r->text = arena_str(&f->arena, buf_str(&r->out));
    buf_clear(&r->out);
    trace_json(&r->t, &r->out);
    r->json = arena_str(&f->arena, buf_str(&r->out));
    if (json_read(&f->arena, r->json, &r->all, &e) != RC_OK)
        fail_msg("no JSON: %s: %.*s", err_text(&e), STR(r->json));
}

static void done(struct run *r)
{
    buf_done(&r->out);
    compiled_free(r->compiled);
}

static bool is(const struct json *v, const char *name, const char *text)
{
    return str_eq(json_str_of(json_get(v, name)), str_c(text));
}

static bool has(struct str s, const char *text)
{
    return str_find_str(s, str_c(text)) < s.n;
}

static const struct json *recipient(struct run *r, const char *address)
{
    for (const struct json *v = json_get(r->all, "recipients")->first; v; v = v->next)
        if (is(v, "address", address))
            return v;
    fail_msg("no recipient %s in %.*s", address, STR(r->json));
    return NULL;
}

static void a_message_is_delivered(void **state)
{
    struct run r;

    traced(&r, *state, "", "bob@rcpt.test", "", "Subject: x\r\n\r\nsee http://a.test/\r\n");
    assert_true(is(r.all, "action", "deliver") && is(r.all, "listener", "In"));
    assert_true(is(json_get(r.all, "connection"), "group", "UNKNOWNLIST"));
    assert_true(is(json_get(r.all, "connection"), "policy", "ACCEPTED"));
    assert_true(is(recipient(&r, "bob@rcpt.test"), "next_hop", "10.0.0.5:2525"));
    assert_true(is(recipient(&r, "bob@rcpt.test"), "policy", "DEFAULT"));
    assert_true(str_eq(json_str_of(json_get(r.all, "urls")->first), str_lit("http://a.test/")));
    assert_true(has(r.text, "\n  Message Enqueued for Delivery\n"));
    assert_true(has(r.text, "log: MID 0 matched all recipients for per-recipient policy DEFAULT in the inbound table"));
    assert_int_equal(events_test_text(r.f->world.events).n, 0); /* nothing in the worker's log */
    done(&r);
}

static void receipt_decides_as_smtp_does(void **state)
{
    char large[2000];
    struct run r;

    traced(&r, *state, "", "bob@other.test,eve@rcpt.test", "", "x: y\r\n\r\n");
    assert_true(is(recipient(&r, "bob@other.test"), "action", "refuse"));
    assert_true(is(recipient(&r, "eve@rcpt.test"), "action", "deliver"));
    done(&r);
    traced(&r, *state, "", "bob@other.test", "--auth anna", "x: y\r\n\r\n");
    assert_true(is(recipient(&r, "bob@other.test"), "action", "deliver"));
    done(&r);
    traced(&r, *state, "mail_flow_policy.ACCEPTED.behavior=reject\nmail_flow_policy.ACCEPTED.reject_text=go away\n",
           "eve@rcpt.test", "", "x: y\r\n\r\n");
    assert_true(is(r.all, "action", "refuse") && is(json_get(r.all, "smtp"), "text", "5.7.1 go away"));
    assert_true(is(recipient(&r, "eve@rcpt.test"), "action", "refuse"));
    done(&r);
    traced(&r, *state, "mail_flow_policy.ACCEPTED.tls=required\n", "eve@rcpt.test", "", "x: y\r\n\r\n");
    assert_true(is(r.all, "action", "refuse"));
    done(&r);
    traced(&r, *state, "mail_flow_policy.ACCEPTED.tls=required\n", "eve@rcpt.test", "--tls", "x: y\r\n\r\n");
    assert_true(is(r.all, "action", "deliver"));
    done(&r);
    memset(large, 'x', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    traced(&r, *state, "mail_flow_policy.ACCEPTED.max_message_bytes=1024\n", "eve@rcpt.test", "", large);
    assert_true(is(r.all, "action", "refuse") && has(r.json, "\"code\":552"));
    done(&r);
}

static void reputation_chooses_the_group(void **state)
{
    static const char settings[] = "sender_group.BAD.policy=BLOCKED\nsender_group.BAD.members=sbrs[-10.0:-3.0]\n"
                                   "sender_group.BAD.listener=In\nmail_flow_policy.BLOCKED.behavior=tcprefuse\n";
    struct run r;

    traced(&r, *state, settings, "bob@rcpt.test", "--reputation -3.4", "x: y\r\n\r\n");
    assert_true(has(r.json, "\"group\":\"BAD\",\"policy\":\"BLOCKED\",\"action\":\"tcprefuse\",\"reputation\":-3.4"));
    assert_true(is(r.all, "action", "refuse"));
    done(&r);
    traced(&r, *state, settings, "bob@rcpt.test", "--reputation none", "x: y\r\n\r\n");
    assert_true(has(r.json, "\"group\":\"UNKNOWNLIST\"") && has(r.json, "\"reputation\":null"));
    done(&r);
}

static void policies_split_and_keep_what_came_before(void **state)
{
    struct run r;

    traced(&r, *state,
           "mail_policy.VIP.recipients=boss@rcpt.test\n"
           "message_filter.h.text=h: if (subject == \"x\") { quarantine(\"Policy\"); }\n"
           "alias.team@rcpt.test.to=a@rcpt.test,boss@rcpt.test\n",
           "boss@rcpt.test,team@rcpt.test", "", "Subject: x\r\n\r\n");
    assert_true(is(recipient(&r, "boss@rcpt.test"), "policy", "VIP"));
    assert_true(is(recipient(&r, "a@rcpt.test"), "policy", "DEFAULT"));
    for (const struct json *v = json_get(r.all, "recipients")->first; v; v = v->next) {
        assert_true(is(v, "action", "quarantine"));
        assert_true(is(json_get(v, "steps")->first, "stage", "message filters"));
        assert_true(str_eq(json_str_of(json_get(v, "quarantines")->first), str_lit("Policy")));
    }
    assert_false(has(r.text, "Message Enqueued"));
    done(&r);
}

static void filters_end_it(void **state)
{
    struct run r;

    traced(&r, *state, "message_filter.d.text=d: if (true) { drop(); }\n", "bob@rcpt.test", "", "Subject: x\r\n\r\n");
    assert_true(is(r.all, "action", "drop") && is(recipient(&r, "bob@rcpt.test"), "reason", "filter 'd'"));
    done(&r);
    traced(&r, *state, "message_filter.d.text=d: if (true) { bounce(); }\n", "bob@rcpt.test", "", "Subject: x\r\n\r\n");
    assert_true(is(r.all, "action", "bounce"));
    done(&r);
    traced(&r, *state, "message_filter.d.text=d: if (true) { bcc(\"copy@other.test\"); alt-mailhost(\"[10.0.0.9]\"); }\n",
           "bob@rcpt.test", "", "Subject: x\r\n\r\n");
    assert_true(is(r.all, "action", "deliver"));
    assert_true(has(r.text, "<copy@other.test> (further message)"));
    assert_null(strstr(r.json.p, "copy@other.test\",\"policy"));
    done(&r);
}

static void engines_speak(void **state)
{
    struct run r;
    struct fix *f = *state;

    rspamd_says(f, 20, "reject", "\"GTUBE\":{\"score\":5.0}");
    traced(&r, f, "antispam.enabled=yes\nmail_policy.DEFAULT.antispam=yes\n", "bob@rcpt.test", "", "Subject: x\r\n\r\n");
    assert_true(is(r.all, "action", "quarantine"));
    assert_true(has(r.json, "{\"stage\":\"antispam\",\"verdict\":\"positive\",\"score\":"));
    assert_true(has(r.json, "\"rules\":[\"GTUBE\"]"));
    assert_true(has(r.json, "\"quarantines\":[\"Spam Quarantine\"]"));
    done(&r);
    f->says[ENGINE_RSPAMD] = STR_NONE;
    traced(&r, f, "antispam.enabled=yes\nmail_policy.DEFAULT.antispam=yes\nantispam.timeout_ms=1s\n", "bob@rcpt.test", "",
           "Subject: x\r\n\r\n");
    assert_true(is(r.all, "action", "wait"));
    done(&r);
}

static void delivery_reports_are_read(void **state)
{
    struct run r;

    traced(&r, *state, "", "bob@rcpt.test", "",
           "MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; "
           "boundary=b\r\n\r\n--b\r\n\r\nhi\r\n"
           "--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x.test\r\n\r\nFinal-Recipient: rfc822; "
           "no@x.test\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n--b--\r\n");
    assert_true(is(json_get(r.all, "bounce"), "recipient", "no@x.test"));
    assert_true(is(json_get(r.all, "bounce"), "status", "5.1.1") && is(json_get(r.all, "bounce"), "class", "hard"));
    done(&r);
}

static void secrets_are_counted(void **state)
{
    static const char settings[] = "dlp_classifier.Cards.rules=entity credit-card weight 35\n"
                                   "dlp_policy.Cards.classifiers=Cards\nmail_policy.out/DEFAULT.dlp=yes\n"
                                   "mail_policy.out/DEFAULT.dlp_policies=Cards\ndlp_policy.Cards.actions_low=drop()\n"
                                   "dlp_policy.Cards.actions_medium=drop()\n";
    static const char message[] = "Subject: x\r\n\r\ncard 4111 1111 1111 1111\r\n";
    struct run r;
    const struct json *hit;

    traced(&r, *state, settings, "bob@other.test", "--auth anna", message);
    hit = json_get(r.all, "dlp")->first;
    assert_non_null(hit);
    assert_true(is(hit, "policy", "Cards") && is(hit, "classifier", "Cards"));
    assert_true(is(r.all, "action", "drop"));
    done(&r);
    traced(&r, *state, settings, "bob@rcpt.test", "", message); /* incoming mail is not looked at */
    assert_null(json_get(r.all, "dlp")->first);
    done(&r);
}

static void words_are_checked(void **state)
{
    static const char *const bad[] = {"--ip 1.2.3", "--rdns a..b",         "--reputation 11", "--reputation x",
                                      "--time -1",  "--time 999999999999", "--orgdomain a b", "--nonsense",
                                      "--to",       "--ip 192.0.2.1"};
    struct fix *f = *state;
    struct trace_options o;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct str words[4], rest = str_c(bad[i]);
        struct err e = ERR_NONE;
        size_t n = 0;

        while (n < 4 && str_word(&rest, &words[n]))
            n++;
        assert_int_not_equal(trace_options_read(&f->arena, (struct strs){words, n}, &o, &e), RC_OK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_message_is_delivered),
        TEST(receipt_decides_as_smtp_does),
        TEST(reputation_chooses_the_group),
        TEST(policies_split_and_keep_what_came_before),
        TEST(filters_end_it),
        TEST(engines_speak),
        TEST(delivery_reports_are_read),
        TEST(secrets_are_counted),
        TEST(words_are_checked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
