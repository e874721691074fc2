/* Signing in deliver: which mail, with which profile, what the log says, and that what leaves verifies. */
#include "deliver/deliver_testing.h"

#include "mail/dkim_testing.h"

#define LETTER "From: \"Ann, of (sales)\" <ann@gw.test>\r\nTo: b@x.test\r\nSubject: hello\r\n\r\n.dot first\r\nbody\r\n"

/* Settings with a key pair made now; %s's: private key, and whatever the test adds. */
struct signed_world {
    struct world w;
    char settings[8000], record[1000];
};

static void signed_start(struct signed_world *s, const char *more)
{
    struct buf secret = BUF(8192), public = BUF(2048), record = BUF(999);

    assert_int_equal(dkim_key_generate(DKIM_ED25519, 0, &secret, &public, NULL), RC_OK);
    dkim_key_record(DKIM_ED25519, buf_str(&public), false, &record);
    snprintf(s->record, sizeof s->record, "%.*s", STR(buf_str(&record)));
    snprintf(s->settings, sizeof s->settings,
             "route[ALL].hosts=127.0.0.1:%%d\nsigning_key.k.type=ed25519\nsigning_key.k.private_key=%.*s\n"
             "mail_flow_policy.RELAYED.dkim_signing=yes\nmail_flow_policy.ACCEPTED.dkim_signing=no\n"
             "domain_profile.main.domain=gw.test\ndomain_profile.main.selector=s1\ndomain_profile.main.key=k\n%s",
             STR(buf_str(&secret)), more);
    world_start(&s->w, "127.0.0.1", s->settings, NULL);
    s->w.flow_policy = "RELAYED";
    s->w.body_flags = BODY_HAS_DOT;
    buf_done(&secret);
    buf_done(&public);
    buf_done(&record);
}

/* The last message at the server as it was sent: lines with CRLF, dots taken off. */
static struct str arrived(struct world *w, struct arena *a)
{
    struct str got = buf_str(&w->fake.got), line;
    struct buf b = BUF(1 << 20);
    struct str out;
    bool data = false;

    while (str_split(&got, '\n', &line)) {
        if (str_eq(line, str_lit("DATA"))) {
            data = true;
            buf_clear(&b);
        } else if (str_eq(line, str_lit("."))) {
            data = false;
        } else if (data) {
            buf_add(&b, str_starts(line, str_lit(".")) ? str_from(line, 1) : line);
            buf_add(&b, str_lit("\r\n"));
        }
    }
    out = arena_str(a, buf_str(&b));
    buf_done(&b);
    return out;
}

static void deliver_one(struct world *w, uint64_t mid, struct str body)
{
    unsigned want = w->done + 1;

    work(w, mid, "x.test", "b@x.test", body);
    turn_until(w, &w->done, want);
}

static enum auth_result verified(struct signed_world *s, size_t *n_out)
{
    const struct dkim_zone zone[] = {
        {"s1._domainkey.gw.test", {s->record}, DNS_OK}, {"s2._domainkey.gw.test", {s->record}, DNS_OK}, {0}};
    struct dkim_world dns = {.zone = zone};
    struct dkim_options o = {.now_s = clock_wall_ms() / 1000, .skew_s = 300, .dkim = true, .arc = true};
    struct auth_results r = {0};
    struct dkim *d = dkim_new();
    enum auth_result result;
    struct arena a;

    arena_init(&a, 65536, 16 << 20);
    assert_int_equal(dkim_verify(d, &a, arrived(&s->w, &a), &o, dkim_world_asker(&dns), &r), RC_OK);
    *n_out = r.n_dkim;
    result = r.n_dkim ? r.dkim[0].result : r.arc.result;
    for (size_t i = 0; i < r.n_dkim; i++)
        if (r.dkim[i].result != AUTH_PASS)
            result = r.dkim[i].result;
    arena_done(&a);
    dkim_free(d);
    return result;
}

static void relayed_mail_leaves_signed(void **state)
{
    struct signed_world s = {0};
    size_t n;

    (void)state;
    signed_start(&s, "domain_profile.main.second_selector=s2\ndomain_profile.main.second_key=k\n"
                     "domain_profile.main.header_canonicalization=simple\ndomain_profile.main.body_length_sign=yes\n");
    deliver_one(&s.w, 1, str_lit(LETTER));
    assert_non_null(strstr(events_of(&s.w), "MID 1 DKIM: signing with main - matches ann@gw.test\n"));
    assert_int_equal(verified(&s, &n), AUTH_PASS);
    assert_int_equal(n, 2);
    world_end(&s.w);
}

static void what_is_not_signed_says_why(void **state)
{
    struct signed_world s = {0};
    size_t n;

    (void)state;
    signed_start(&s, "domain_profile.lost.domain=lost.test\ndomain_profile.lost.selector=s1\n");
    deliver_one(&s.w, 1, str_lit("From: bob@other.test\r\n\r\nx\r\n"));
    assert_non_null(strstr(events_of(&s.w), "MID 1 DKIM: cannot sign - no profile matches bob@other.test\n"));
    deliver_one(&s.w, 2, str_lit("DKIM-Signature: v=1; d=GW.test; s=s1; b=\r\n" LETTER));
    assert_non_null(strstr(events_of(&s.w), "MID 2 DKIM: cannot sign - already signed\n"));
    deliver_one(&s.w, 3, str_lit("From: a@lost.test\r\n\r\nx\r\n"));
    assert_non_null(strstr(events_of(&s.w), "MID 3 DKIM: cannot sign - key  is of no use\n"));
    deliver_one(&s.w, 4, str_lit("To: nobody\r\n\r\nx\r\n"));
    assert_non_null(strstr(events_of(&s.w), "MID 4 DKIM: cannot sign - the message has no From field\n"));
    s.w.flow_policy = "ACCEPTED";
    deliver_one(&s.w, 5, str_lit(LETTER));
    s.w.flow_policy = NULL; /* made here */
    deliver_one(&s.w, 6, str_lit(LETTER));
    assert_null(strstr(events_of(&s.w), "MID 5 DKIM"));
    assert_null(strstr(events_of(&s.w), "MID 6 DKIM"));
    assert_int_equal(verified(&s, &n), AUTH_NONE);
    assert_int_equal(s.w.fake.messages, 6);
    world_end(&s.w);
}

static void profiles_match_in_order(void **state)
{
    static const struct {
        const char *from, *profile;
    } cases[] = {{"joe@a.test", "joe"},      {"JOE@A.test", "joe"}, {"ann@a.test", "domain"}, {"x@b.test", "at"},
                 {"x@deep.c.test", "below"}, {"x@c.test", NULL},    {"x@gw.test", "main"},    {"x@sub.gw.test", NULL}};
    struct signed_world s = {0};

    (void)state;
    signed_start(
        &s, "domain_profile.joe.domain=a.test\ndomain_profile.joe.users=joe@a.test\n"
            "domain_profile.domain.domain=a.test\ndomain_profile.domain.users=a.test\n"
            "domain_profile.at.domain=b.test\ndomain_profile.at.users=q@z.test,@b.test\n"
            "domain_profile.below.domain=c.test\ndomain_profile.below.users=.c.test\n"
            "domain_profile.joe.key=k\ndomain_profile.domain.key=k\ndomain_profile.at.key=k\ndomain_profile.below.key=k\n"
            "domain_profile.joe.selector=s\ndomain_profile.domain.selector=s\ndomain_profile.at.selector=s\n"
            "domain_profile.below.selector=s\n");
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        char body[200], line[200];

        snprintf(body, sizeof body, "From: (c <n@o.test>) %s (d)\r\n\r\nx\r\n", cases[i].from);
        deliver_one(&s.w, i + 1, str_c(body));
        if (cases[i].profile)
            snprintf(line, sizeof line, "MID %u DKIM: signing with %s - matches %s\n", i + 1, cases[i].profile,
                     cases[i].from);
        else
            snprintf(line, sizeof line, "MID %u DKIM: cannot sign - no profile matches %s\n", i + 1, cases[i].from);
        if (!strstr(events_of(&s.w), line))
            fail_msg("no line %s in %s", line, events_of(&s.w));
    }
    world_end(&s.w);
}

static void mail_made_here_is_signed_when_asked(void **state)
{
    struct signed_world s = {0};
    size_t n;

    (void)state;
    signed_start(&s, "signing.own_mail=yes\nsigning.from_header=no\n");
    s.w.flow_policy = NULL;
    deliver_one(&s.w, 1, str_lit(LETTER));
    assert_non_null(strstr(events_of(&s.w), "MID 1 DKIM: signing with main - matches me@gw.test\n")); /* envelope */
    assert_int_equal(verified(&s, &n), AUTH_PASS);
    world_end(&s.w);
}

static void a_large_message_is_signed_as_it_is_read(void **state)
{
    struct signed_world s = {0};
    struct buf body = BUF(4 << 20);
    size_t n;

    (void)state;
    signed_start(&s, "");
    buf_add(&body, str_lit(LETTER));
    for (unsigned i = 0; i < 6000; i++)
        buf_addf(&body, "%u lines, the spaces  of which matter \r\n", i);
    deliver_one(&s.w, 1, buf_str(&body));
    assert_int_equal(verified(&s, &n), AUTH_PASS);
    assert_int_equal(n, 1);
    buf_done(&body);
    world_end(&s.w);
}

/* The 7-bit form for an old host is made first, then signed. */
static void what_is_signed_is_what_leaves(void **state)
{
    struct signed_world s = {0};
    size_t n;

    (void)state;
    signed_start(&s, "");
    s.w.body_flags = BODY_HAS_8BIT;
    deliver_one(&s.w, 1,
                str_lit("From: ann@gw.test\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
                        "Content-Transfer-Encoding: 8bit\r\n\r\ngr\xc3\xbc\xc3\x9f\r\n"));
    assert_non_null(strstr(buf_str(&s.w.fake.got).p, "quoted-printable"));
    assert_int_equal(verified(&s, &n), AUTH_PASS);
    assert_int_equal(n, 1);
    world_end(&s.w);
}

/* Incoming mail that goes on is sealed; the seal repeats what validation said. */
static void forwarded_mail_is_sealed(void **state)
{
    struct signed_world s = {0};
    size_t n;

    (void)state;
    signed_start(
        &s, "signing.arc_seal=yes\nsigning.arc_seal_domain=gw.test\nsigning.arc_seal_selector=s1\nsigning.arc_seal_key=k\n");
    s.w.flow_policy = "ACCEPTED";
    deliver_one(&s.w, 1,
                str_lit("Authentication-Results: gw.test;\r\n\tspf=pass smtp.mailfrom=a@b.test;\r\n\tarc=none\r\n"
                        "Received: from x by y\r\n" LETTER));
    assert_non_null(strstr(events_of(&s.w), "MID 1 ARC: sealed (d=gw.test s=s1)\n"));
    assert_non_null(strstr(buf_str(&s.w.fake.got).p, "ARC-Authentication-Results: i=1; gw.test;\n\tspf=pass"));
    assert_int_equal(verified(&s, &n), AUTH_PASS);
    assert_int_equal(n, 0);
    deliver_one(
        &s.w, 2,
        str_lit(
            "Received: from x by y\r\nAuthentication-Results: gw.test; arc=pass\r\nARC-Seal: i=1; cv=none; a=rsa-sha256; "
            "d=q.test; s=s; b=AAAA\r\n" LETTER));
    assert_non_null(strstr(events_of(&s.w), "MID 2 ARC: sealed (d=gw.test s=s1)\n"));
    assert_non_null(strstr(buf_str(&s.w.fake.got).p, "ARC-Seal: i=2;")); /* whose form is broken */
    assert_non_null(strstr(buf_str(&s.w.fake.got).p, "cv=fail"));
    world_end(&s.w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(relayed_mail_leaves_signed),
        cmocka_unit_test(what_is_not_signed_says_why),
        cmocka_unit_test(profiles_match_in_order),
        cmocka_unit_test(mail_made_here_is_signed_when_asked),
        cmocka_unit_test(a_large_message_is_signed_as_it_is_read),
        cmocka_unit_test(what_is_signed_is_what_leaves),
        cmocka_unit_test(forwarded_mail_is_sealed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
