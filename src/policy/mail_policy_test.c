/* Mail policies: who gets which, by table; what is taken from DEFAULT; how recipients are grouped. */
#include "policy/check.h"
#include "policy/judge_testing.h"
#include "policy/mail_policy.h"

static void settings(struct judge *j, const char *lines)
{
    struct err e = ERR_NONE;

    judge_settings(j, lines);
    j->compiled = calloc(1, sizeof *j->compiled);
    must(j->compiled);
    j->compiled->arena = calloc(1, sizeof(struct arena));
    must(j->compiled->arena);
    arena_init(j->compiled->arena, 4096, 256 << 20);
    assert_int_equal(policies_compile(j->compiled->arena, conf_now(j->source), &j->compiled->policies, &e), RC_OK);
}

/* "POLICY: index index / POLICY: index" */
static const char *split(struct judge *j, bool outgoing, const char *sender, const char *recipients)
{
    static char text[4000];
    struct message_group *groups = NULL;
    struct err e = ERR_NONE;
    size_t n = 0, at = 0;
    enum rc rc;

    judge_message(j, sender, recipients, "Subject: x\n\nx\n");
    j->env.outgoing = outgoing;
    rc = message_split(&j->m, &groups, &n, &e);
    text[0] = 0;
    for (size_t i = 0; i < n; i++) {
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%.*s:", i ? " / " : "", STR(groups[i].policy->name));
        for (size_t k = 0; k < groups[i].n; k++)
            at += (size_t)snprintf(text + at, sizeof text - at, " %u", groups[i].recipients[k]);
    }
    if (rc != RC_OK)
        snprintf(text, sizeof text, "%s", rc_info(rc)->name);
    judge_log(j);
    return text;
}

static void test_matching(void **state)
{
    static const char lines[] = "mail_policy.Partners.senders=partner.test,.partner.test,ceo@elsewhere.test\n"
                                "mail_policy.Partners.sender_exceptions=spammer@partner.test\n"
                                "mail_policy.Sales.recipients=sales@,@sales.ours.test\n"
                                "mail_policy.Sales.recipient_exceptions=sales@quiet.ours.test\n"
                                "mail_policy.Both.senders=s.test\nmail_policy.Both.recipients=r.test\n"
                                "mail_policy.Nobody.antispam=no\n"
                                "mail_policy.out/Staff.senders=ours.test\n";
    static const struct {
        bool outgoing;
        const char *sender, *recipients, *groups;
    } rows[] = {
        {false, "a@partner.test", "x@ours.test", "Partners: 0"},
        {false, "A@PARTNER.Test", "x@ours.test", "Partners: 0"},
        {false, "a@deep.er.partner.test", "sales@ours.test", "Partners: 0"},
        {false, "a@notpartner.test", "x@ours.test", "DEFAULT: 0"},
        {false, "ceo@elsewhere.test", "x@ours.test", "Partners: 0"},
        {false, "spammer@partner.test", "x@ours.test", "DEFAULT: 0"},
        {false, "spammer@partner.test", "sales@ours.test", "Sales: 0"},
        {false, "a@b.test", "sales@quiet.ours.test", "DEFAULT: 0"},
        {false, "a@b.test", "Sales@any.test bob@ours.test x@sales.ours.test eve@ours.test", "Sales: 0 2 / DEFAULT: 1 3"},
        {false, "a@s.test", "x@r.test y@other.test", "Both: 0 / DEFAULT: 1"},
        {false, "a@other.test", "x@r.test", "DEFAULT: 0"},
        {false, "", "x@ours.test", "DEFAULT: 0"},
        {false, "a@ours.test", "x@y.test", "DEFAULT: 0"},
        {true, "a@ours.test", "x@y.test", "out/Staff: 0"},
        {true, "a@partner.test", "sales@y.test", "out/DEFAULT: 0"},
    };
    struct judge j;

    (void)state;
    settings(&j, lines);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_string_equal(split(&j, rows[i].outgoing, rows[i].sender, rows[i].recipients), rows[i].groups);
    judge_done(&j);
}

struct directory {
    unsigned asked;
    bool away;
};

static enum rc in_group(void *ctx, struct message *m, struct str query, struct str address, struct str group)
{
    struct directory *d = ctx;

    (void)m;
    d->asked++;
    if (d->away)
        return RC_UNAVAILABLE;
    assert_true(str_eq(query, str_lit("q")));
    return str_starts(address, str_lit("boss")) == str_eq(group, str_lit("bosses")) ? RC_OK : RC_NOT_FOUND;
}

/* Directories are asked only where nothing earlier decides, for a sender once; one that is away keeps the message waiting.
 */
static void test_groups(void **state)
{
    struct directory d = {0};
    struct judge j;

    (void)state;
    settings(&j, "mail_policy.First.recipients=first@x.test\n"
                 "mail_policy.Bosses.recipient_groups=bosses\nmail_policy.Bosses.group_query=q\n"
                 "mail_policy.FromBoss.sender_groups=bosses\nmail_policy.FromBoss.group_query=q\n");
    j.world = (struct message_world){.ctx = &d, .in_group = in_group};
    assert_string_equal(split(&j, false, "a@b.test", "first@x.test"), "First: 0");
    assert_int_equal(d.asked, 0);
    assert_string_equal(split(&j, false, "a@b.test", "boss@x.test worker@x.test"), "Bosses: 0 / DEFAULT: 1");
    d.asked = 0;
    assert_string_equal(split(&j, false, "boss@b.test", "w1@x.test w2@x.test"), "FromBoss: 0 1");
    assert_int_equal(d.asked, 3); /* each recipient, the sender once */
    d.away = true;
    assert_string_equal(split(&j, false, "a@b.test", "worker@x.test"), "UNAVAILABLE");
    assert_string_equal(split(&j, false, "a@b.test", "first@x.test"), "First: 0");
    judge_done(&j);
}

static void test_defaults(void **state)
{
    const struct conf_mail_policy *p;
    struct judge j;

    (void)state;
    settings(
        &j, "mail_policy.DEFAULT.content_filters=One,Two\nmail_policy.DEFAULT.graymail=no\n"
            "mail_policy.Own.senders=x.test\nmail_policy.Own.content=yes\nmail_policy.Own.content_filters=Three\n"
            "mail_policy.Same.senders=y.test\nmail_policy.Same.content_filters=Ignored\nmail_policy.out/A.senders=x.test\n");
    p = policies_find(j.compiled->policies, str_lit("Same"));
    assert_int_equal(p->antispam, POLICY_STAGE_YES);
    assert_int_equal(p->graymail, POLICY_STAGE_NO);
    assert_int_equal(p->dlp, POLICY_STAGE_NO);
    assert_int_equal(p->content_filters.n, 2);
    assert_int_equal(p->senders.n, 1);
    p = policies_find(j.compiled->policies, str_lit("own"));
    assert_int_equal(p->content_filters.n, 1);
    p = policies_find(j.compiled->policies, str_lit("out/A"));
    assert_int_equal(p->antispam, POLICY_STAGE_NO);
    assert_int_equal(p->antivirus, POLICY_STAGE_YES);
    assert_int_equal(p->dlp, POLICY_STAGE_YES);
    p = policies_find(j.compiled->policies, str_lit("gone"));
    assert_true(str_eq(p->name, str_lit("DEFAULT")));
    judge_done(&j);
}

static void test_many(void **state)
{
    struct buf b = BUF(16 << 20);
    struct judge j;

    (void)state;
    for (unsigned i = 0; i < 5000; i++)
        buf_addf(&b, "mail_policy.P%u.senders=s%u.test\nmail_policy.P%u.recipients=r%u@x.test,d%u.test\n", i, i % 10, i, i,
                 i);
    buf_addc(&b, 0);
    settings(&j, b.p);
    buf_done(&b);
    assert_string_equal(split(&j, false, "a@s7.test", "r4997@x.test y@d17.test r4998@x.test"),
                        "P4997: 0 / P17: 1 / DEFAULT: 2");
    judge_done(&j);
}

static void refused(const char *lines, const char *why)
{
    struct err e = ERR_NONE;
    struct conf_source *s = conf_source_test(lines, &e);

    if (!s)
        fail_msg("%s", e.text);
    assert_int_not_equal(policies_check(conf_now(s), &e), RC_OK);
    if (!strstr(e.text, why))
        fail_msg("%s", e.text);
    conf_source_free(s);
}

static void test_refused(void **state)
{
    (void)state;
    refused("mail_policy.A.senders=a b\n", "mail_policy.A.senders: \"a b\" is not user@domain");
    refused("mail_policy.A.recipients=word\n", "\"word\" is not");
    refused("mail_policy.DEFAULT.recipients=x.test\n",
            "mail_policy.DEFAULT.recipients: the default policy is for everybody else");
    refused("content_filter.out/F.actions=drop();\nmail_policy.A.content_filters=out/F\n",
            "a filter of the other direction");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matching), cmocka_unit_test(test_groups),  cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_many),     cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
