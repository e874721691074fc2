/* The verbs quarantine and spamquarantine (cli.md 12.5): who sees what, what is found, what is decided. */
#include "quarantine/quarantine_testing.h"

#define SETTINGS \
    "system.serial=SER1\nsystem.hostname=gw.test\nuser.op.role=operator\nuser.tech.role=technician\nuser.hd.role=help_" \
    "desk\n" \
    "user.adm.role=administrator\nquarantine.Policy.users=op\nquarantine.Virus.groups=technician,help_desk\nquarantine." \
    "Own.action=release\n"

#define OUTBREAK "{\"quarantine\":\"Outbreak\",\"kind\":\"outbreak\",\"reason\":\"Outbreak rule:R1\",\"rule\":\"R1\"}"

static void put(struct place *p, uint64_t mid, const char *from, const char *to, const char *subject, const char *holds,
                const char *name)
{
    char made[2000];
    struct letter l = {.class = "pvo", .from = from, .to = to, .body = subject, .made = made, .mid = mid};

    snprintf(made, sizeof made,
             "{\"holds\":[%s],\"hdr\":{\"subject\":\"%s\"},\"attachments\":[{\"name\":\"%s\",\"size\":%d}]}", holds, subject,
             name, (int)mid * 1000);
    assert_non_null(strstr(post(p, &l), "accepted"));
}

static void fill(struct place *p)
{
    place_start(p, SETTINGS);
    put(p, 1, "anna@out.test", "bob@in.test", "Invoice of May", IN_POLICY, "may.zip");
    put(p, 2, "carl@other.test", "bob@in.test", "Re: 100% sure_thing", IN_VIRUS, "x.exe");
    put(p, 3, "anna@out.test", "eve@in.test",
        "Gr\xc3\xbc\xc3\x9f"
        "e",
        IN_POLICY "," IN_VIRUS, "gruss.txt");
    put(p, 4, "dan@out.test", "bob@in.test", "Minutes", OUTBREAK, "m.doc");
}

/* Numbers of the messages in an answer's json, in its order: "3 1". */
static const char *numbers(struct place *p)
{
    static char text[1000];
    const char *at = p->json;
    size_t n = 0;

    text[0] = '\0';
    while ((at = strstr(at, "{\"id\":"))) {
        n += (size_t)snprintf(text + n, sizeof text - n, n ? " %d" : "%d", atoi(at + 6));
        at++;
    }
    return text;
}

static const char *found(struct place *p, const char *words)
{
    char line[500];

    snprintf(line, sizeof line, "quarantine search %s", words);
    verb(p, line);
    if (p->reply_rc)
        return p->reply;
    return numbers(p);
}

static void test_list(void **state)
{
    struct place p;

    (void)state;
    fill(&p);
    verb(&p, "quarantine list");
    assert_int_equal(p.reply_rc, RC_OK);
    assert_non_null(strstr(p.reply, "Policy                  policy         2"));
    assert_non_null(strstr(p.reply, "Own                     policy         0"));
    assert_non_null(strstr(p.json, "{\"name\":\"Virus\",\"kind\":\"virus\",\"messages\":2,\"bytes\":"));
    verb(&p, "quarantine list --json");
    assert_string_equal(p.reply, p.json);
    place_end(&p);
}

/* Each key of central.md 9. */
static void test_search(void **state)
{
    static const struct {
        const char *words, *ids;
    } cases[] = {
        {"order=received", "1 2 3 4"},
        {"order=-received", "4 3 2 1"},
        {"order=sender", "1 3 2 4"},
        {"order=subject", "3 1 4 2"},
        {"quarantine=Policy order=received", "1 3"},
        {"quarantine=Policy,Outbreak order=received", "1 3 4"},
        {"quarantine=Own", ""},
        {"sender=anna order=received", "1 3"},
        {"sender:is=anna order=received", ""},
        {"sender:is=anna@out.test order=received", "1 3"},
        {"sender:not-ends=out.test order=received", "2"},
        {"recipient=eve", "3"},
        {"subject=invoice", "1"},
        {"subject:starts=inv", "1"},
        {"subject:ends=may", "1"},
        {"subject:not-contains=MIN order=received", "1 2 3"},
        {"subject=100%", "2"},
        {"subject=sure_", "2"},
        {"subject=sureX", ""},
        {"subject=\xc3\xbc\xc3\x9f"
         "e",
         "3"},
        {"subject=%", "2"},
        {"attachment=.zip", "1"},
        {"min_attachment_size=2500 order=received", "3 4"},
        {"max_attachment_size=1000", "1"},
        {"min_size=14 max_size=18 order=received", "1"},
        {"host=gw.test order=received", "1 2 3 4"},
        {"host=gw2.test", ""},
        {"mid=2", "2"},
        {"reason=hold_invoices order=received", "1 3"},
        {"reason=R1", "4"},
        {"others=yes", "3"},
        {"others=no order=received", "1 2 4"},
        {"from=2020-01-01 order=received limit=2", "1 2"},
        {"from=2020-01-01 order=received limit=2 offset=2", "3 4"},
        {"to=2020-01-01T10:00", ""},
        {"2 4", "2 4"},
        {"quarantine=Nope", "there is no quarantine \"Nope\"\n"},
        {"colour=red", "unknown condition colour\n"},
        {"order=up", "order is received, exit, sender, subject or size, with - before it for downwards\n"},
    };
    struct place p;

    (void)state;
    fill(&p);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (strcmp(found(&p, cases[i].words), cases[i].ids) != 0)
            fail_msg("%s: got '%s', wanted '%s'", cases[i].words, found(&p, cases[i].words), cases[i].ids);
    place_end(&p);
}

static void test_show(void **state)
{
    struct place p;

    (void)state;
    fill(&p);
    verb(&p, "quarantine show 3");
    assert_non_null(strstr(p.reply, "Quarantine:       Virus\n  Reason:         a/v verdict:X\n"));
    assert_non_null(strstr(p.reply, "Attachment:       gruss.txt\n"));
    assert_non_null(strstr(p.json, "\"in_other_quarantines\":true,\"metadata\":{\"v\":1,"));
    verb(&p, "quarantine show 1 --message");
    assert_string_equal(p.reply, "Invoice of May");
    verb(&p, "quarantine show 77");
    assert_int_equal(p.reply_rc, RC_NOT_FOUND);
    place_end(&p);
}

/* central.md 9, Access: administrators always, technicians never, others where they are named; copies by administrators
 * alone. */
static void test_rights(void **state)
{
    struct place p;

    (void)state;
    fill(&p);
    verb_as(&p, "op", "quarantine search order=received");
    assert_string_equal(numbers(&p), "1 3");
    assert_non_null(strstr(p.json, "\"in_other_quarantines\":true,\"quarantines\":[{\"name\":\"Policy\""));
    assert_null(strstr(p.json, "Virus"));
    verb_as(&p, "op", "quarantine show 2");
    assert_int_equal(p.reply_rc, RC_NOT_FOUND);
    verb_as(&p, "op", "quarantine delete 2");
    assert_int_equal(p.reply_rc, RC_NOT_FOUND);
    verb_as(&p, "op", "quarantine search quarantine=Virus");
    assert_int_equal(p.reply_rc, RC_NOT_PERMITTED);
    verb_as(&p, "op", "quarantine copy x@in.test 1");
    assert_int_equal(p.reply_rc, RC_NOT_PERMITTED);
    verb_as(&p, "op", "quarantine move Virus 1");
    assert_int_equal(p.reply_rc, RC_NOT_PERMITTED);
    verb_as(&p, "tech", "quarantine search");
    assert_string_equal(numbers(&p), "");
    verb_as(&p, "hd", "quarantine search order=received");
    assert_string_equal(numbers(&p), "2 3");
    verb_as(&p, "adm", "quarantine search order=received");
    assert_string_equal(numbers(&p), "1 2 3 4");
    verb_as(&p, "op", "spamquarantine list");
    assert_int_equal(p.reply_rc, RC_NOT_PERMITTED);
    place_end(&p);
}

static void test_decide(void **state)
{
    struct place p;

    (void)state;
    fill(&p);
    assert_string_equal(verb(&p, "quarantine release 3 from=Virus"), "1 message released.\n");
    assert_int_equal(p.taken, 0);
    assert_non_null(
        strstr((verb(&p, "quarantine search quarantine=Virus order=received"), p.json), "\"state\":\"released\""));
    assert_string_equal(verb(&p, "quarantine release 3"), "1 message released.\n");
    assert_int_equal(p.taken, 1);
    assert_string_equal(verb(&p, "quarantine release 3"), "No such message is held.\n");
    assert_string_equal(verb(&p, "quarantine count sender=out.test"), "2\n");
    assert_string_equal(verb(&p, "quarantine delete -y sender=out.test quarantine=Policy"), "1 message deleted.\n");
    assert_true(logged(&p, "MID 1 deleted from quarantine \"Policy\" (manual) t=0"));
    assert_string_equal(verb(&p, "quarantine delete"), "Which messages? Give their numbers, or conditions KEY=VALUE.\n");
    assert_string_equal(found(&p, "order=received"), "2 4");
    place_end(&p);
}

/* Moving keeps exit and reason, and overwrites those of a copy already there; delay adds hours; a copy changes nothing. */
static void test_move_delay_copy(void **state)
{
    struct place p;
    const char *exit;
    char before[40];

    (void)state;
    fill(&p);
    verb(&p, "quarantine search 1");
    exit = strstr(p.json, "\"exit\":");
    snprintf(before, sizeof before, "%.20s", exit);
    assert_string_equal(verb(&p, "quarantine move Own 1"), "1 message moved.\n");
    verb(&p, "quarantine search 1");
    assert_non_null(strstr(p.json, "{\"name\":\"Own\""));
    assert_null(strstr(p.json, "Policy"));
    assert_non_null(strstr(p.json, before));
    assert_non_null(strstr(p.json, "content filter:hold_invoices"));
    assert_string_equal(verb(&p, "quarantine move Policy 3 from=Virus"), "1 message moved.\n");
    verb(&p, "quarantine search 3");
    assert_non_null(strstr(p.json, "\"quarantines\":[{\"name\":\"Policy\""));
    assert_non_null(strstr(p.json, "a/v verdict:X"));
    assert_null(strstr(p.json, "hold_invoices"));
    assert_true(logged(&p, "MID 3 quarantine \"Policy\" new reason (a/v verdict:X)"));
    assert_string_equal(verb(&p, "quarantine delay 48 1"), "1 message delayed.\n");
    verb(&p, "quarantine search 1");
    assert_true(strtoull(strstr(p.json, "\"exit\":") + 7, NULL, 10) == strtoull(before + 7, NULL, 10) + 48 * 3600000ULL);
    assert_string_equal(verb(&p, "quarantine delay soon 1"), "");
    assert_int_equal(p.reply_rc, RC_SYNTAX);
    assert_string_equal(verb(&p, "quarantine copy x@in.test 1"), "1 message copied.\n");
    turns(&p, 20);
    assert_string_equal(p.release, "10 <anna@out.test> x@in.test|Invoice of May");
    assert_true(logged(&p, "MID 1 copied to <x@in.test> as MID 9001"));
    assert_string_equal(found(&p, "1"), "1");
    assert_string_equal(verb(&p, "quarantine release 3"), "1 message released.\n");
    assert_int_equal(p.taken, 2);
    place_end(&p);
}

static void test_spam(void **state)
{
    struct place p;
    struct letter l = {"spam",
                       "s@out.test",
                       "bob@in.test eve@in.test",
                       "Subject: x\r\n\r\nbuy\r\n",
                       "{\"spam\":{\"verdict\":\"positive\",\"score\":97},\"hdr\":{\"subject\":\"Cheap pills\","
                       "\"from\":\"S. P. \\\"Am\\\" <sales@shop.test>\"}}",
                       50};

    (void)state;
    place_start(&p, SETTINGS);
    post(&p, &l);
    assert_non_null(strstr(verb(&p, "spamquarantine list"), "Spam                    spam           2"));
    verb(&p, "spamquarantine search recipient:is=BOB@in.test");
    assert_string_equal(numbers(&p), "1");
    verb(&p, "spamquarantine search subject=pills order=received");
    assert_string_equal(numbers(&p), "1 2");
    assert_non_null(strstr(verb(&p, "spamquarantine show 2"), "Subject:          Cheap pills"));
    assert_string_equal(verb(&p, "spamquarantine release --safelist 1"), "1 message released.\n");
    turns(&p, 20);
    assert_string_equal(p.release, "10 <s@out.test> bob@in.test|Subject: x\r\n\r\nbuy\r\n");
    assert_string_equal(p.wanted, "bob@in.test: s@out.test sales@shop.test by admin|");
    assert_string_equal(verb(&p, "spamquarantine release 2"), "1 message released.\n");
    turns(&p, 20);
    assert_string_equal(p.release, "10 <s@out.test> eve@in.test|Subject: x\r\n\r\nbuy\r\n");
    assert_string_equal(p.wanted, "bob@in.test: s@out.test sales@shop.test by admin|");
    assert_int_equal(held_now(&p, CPQ_SPAM), 0);
    l.mid = 51;
    post(&p, &l);
    assert_string_equal(verb(&p, "spamquarantine delete subject=pills"), "2 messages deleted.\n");
    assert_int_equal(held_now(&p, CPQ_SPAM), 0);
    assert_string_equal((verb(&p, "spamquarantine move Own 1"), p.reply), "");
    assert_int_equal(p.reply_rc, RC_SYNTAX);
    place_end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list),   cmocka_unit_test(test_search), cmocka_unit_test(test_show),
        cmocka_unit_test(test_rights), cmocka_unit_test(test_decide), cmocka_unit_test(test_move_delay_copy),
        cmocka_unit_test(test_spam),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
