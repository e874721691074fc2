/* Enrolment without a network: the control rooms of a manager and a gateway hear each other's cards. */
#include "admin/enrol_manager.h"

#include "admin/identity.h"
#include "admin/link_token.h"
#include "admin/openssh_key.h"
#include "admin/slbl.h"
#include "admin/verbs.h"
#include "base/must.h"
#include "conf/rules.h"
#include "conf/snapshot.h"
#include "conf/versions.h"
#include "net/authority.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cmocka.h>

struct box {
    char home[64];
    struct admin admin;
    enum rc rc; /* of the last verb */
    char text[4096];
    struct buf json;
};

static void box_open(struct box *b, const char *role, const char *serial)
{
    struct conf_draft *d = conf_draft_new();
    char lines[400];
    uint64_t version;

    *b = (struct box){.json = BUF(1 << 20)};
    strcpy(b->home, "/tmp/enrol_test_XXXXXX");
    must(mkdtemp(b->home));
    snprintf(lines, sizeof lines, "%s/keys", b->home);
    mkdir(lines, 0700);
    snprintf(lines, sizeof lines,
             "system.role=%s\nsystem.serial=%s\nsystem.hostname=%s.example.org\ninterface.Management.address=127.0.0.1\n"
             "user.admin.role=administrator\n",
             role, serial, role);
    must(conf_versions_init(b->home, NULL) == RC_OK && conf_draft_lines(d, str_c(lines), NULL) == RC_OK);
    must(conf_versions_commit(b->home, &d->conf, str_lit("admin"), str_lit("first"), &version, NULL) == RC_OK);
    conf_draft_free(d);
    b->admin = (struct admin){.loop = loop_new(), .conf = conf_source_new(), .events = events_test_new(), .home = b->home};
    must(seal_open(&b->admin, NULL) == RC_OK && store_open(&b->admin, NULL) == RC_OK);
    identity_open(&b->admin);
    must(slbl_open(&b->admin, NULL) == RC_OK);
}

static void box_close(struct box *b)
{
    char command[100];

    loop_timer_cancel(b->admin.loop, &b->admin.identity);
    slbl_close(&b->admin);
    seal_close(&b->admin);
    store_close(&b->admin);
    conf_source_free(b->admin.conf);
    events_free(b->admin.events);
    loop_free(b->admin.loop);
    buf_done(&b->json);
    snprintf(command, sizeof command, "rm -rf %s", b->home);
    must(system(command) == 0);
}

static const struct conf *now(const struct box *b)
{
    return &b->admin.current->conf;
}

static void done(void *ctx, struct verb_call *c)
{
    struct box *b = ctx;

    b->rc = c->rc;
    snprintf(b->text, sizeof b->text, "%.*s", STR(buf_str(&c->text)));
    buf_clear(&b->json);
    buf_add(&b->json, buf_str(&c->json));
}

/* The card of `b` for that partner, with what a test changes. */
static struct str card_of(struct box *b, struct arena *a, struct str partner, void (*change)(struct enrol_card *card))
{
    struct enrol_card card;
    struct buf out = BUF(ENROL_JSON_MAX);
    struct str text;

    assert_int_equal(enrol_own(&b->admin, partner, a, &card, NULL), RC_OK);
    if (change)
        change(&card);
    enrol_say(&card, &out);
    text = arena_str(a, buf_str(&out));
    buf_done(&out);
    return text;
}

static enum rc enrol(struct box *g, struct str card)
{
    struct str words[] = {str_lit("enrol"), card};

    verb_start(&g->admin, STR_NONE, NULL, (struct strs){words, 2}, done, g);
    return g->rc;
}

struct pair {
    struct box m, g;
    struct arena a;
};

static int setup(void **state)
{
    struct pair *p = calloc(1, sizeof *p);

    must(p);
    box_open(&p->m, "manager", "42CC-DD");
    box_open(&p->g, "gateway", "42AA-BB");
    arena_init(&p->a, 4096, 1 << 22);
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct pair *p = *state;

    box_close(&p->m);
    box_close(&p->g);
    arena_done(&p->a);
    free(p);
    return 0;
}

static void a_manager_that_proved_itself_is_kept_once(void **state)
{
    struct pair *p = *state;
    char pin[AUTHORITY_PIN + 1];

    for (int i = 0; i < 2; i++) {
        assert_int_equal(enrol(&p->g, card_of(&p->m, &p->a, STR_NONE, NULL)), RC_OK);
        assert_int_equal(now(&p->g)->manager.n, 1);
        assert_int_equal(now(&p->g)->cpq_peer.n, 1);
    }
    assert_true(str_eq(now(&p->g)->manager.items[0].serial, str_lit("42CC-DD")));
    assert_true(str_eq(now(&p->g)->manager.items[0].ssh_key, now(&p->m)->ssh_identity.public_key));
    assert_true(now(&p->g)->manager.items[0].destination);
    assert_int_equal(authority_pin(now(&p->m)->cpq_identity.certificate, pin, NULL), RC_OK);
    assert_true(str_eq(now(&p->g)->cpq_peer.items[0].fingerprint, str_c(pin)));
    assert_true(str_find_str(buf_str(&p->g.json), str_lit("\"serial\":\"42AA-BB\"")) < p->g.json.n);
    assert_true(str_find_str(buf_str(&p->g.json), str_lit("CERTIFICATE REQUEST")) < p->g.json.n);
}

static void without_version(struct enrol_card *card)
{
    card->ver = STR_NONE;
}

static void older(struct enrol_card *card)
{
    card->ver = str_lit("0.1.99");
}

static void with_odd_serial(struct enrol_card *card)
{
    card->serial = str_lit("../../x");
}

static void without_print(struct enrol_card *card)
{
    card->print = STR_NONE;
}

static void with_our_serial(struct enrol_card *card)
{
    card->serial = str_lit("42AA-BB");
}

/* CPQ-01: too old is refused with text; so is what is no card. */
static void what_does_not_fit_is_refused(void **state)
{
    static const struct {
        void (*change)(struct enrol_card *card);
        const char *why;
    } cards[] = {
        {without_version, "version (none) is too old, at least 0.2.0 is needed\n"},
        {older, "version 0.1.99 is too old, at least 0.2.0 is needed\n"},
        {with_odd_serial, "no serial number\n"},
        {without_print, "a manager says its SSH key and its fingerprint\n"},
        {with_our_serial, "this is the appliance itself\n"},
    };
    struct pair *p = *state;

    for (size_t i = 0; i < sizeof cards / sizeof *cards; i++) {
        assert_int_not_equal(enrol(&p->g, card_of(&p->m, &p->a, STR_NONE, cards[i].change)), RC_OK);
        assert_string_equal(p->g.text, cards[i].why);
    }
    assert_int_not_equal(enrol(&p->g, str_lit("nothing")), RC_OK);
    assert_int_equal(now(&p->g)->manager.n, 0);
    assert_true(enrol_version_fits(str_lit("0.10.0"), "0.2.0") && enrol_version_fits(str_lit("1.0.0"), "0.2.0"));
    assert_false(enrol_version_fits(str_lit("0.2"), "0.2.0") || enrol_version_fits(str_lit("x.y.z"), "0.2.0"));
}

static enum rc hello(struct pair *p, const char *item, struct str card, struct err *e)
{
    struct buf members = BUF(ENROL_JSON_MAX);
    enum rc rc = enrol_hello(&p->g.admin, str_c(item), card, &members, e);

    buf_clear(&p->g.json);
    buf_add(&p->g.json, buf_str(&members));
    buf_done(&members);
    return rc;
}

/* The second proof: the key was typed in, hello says whose it is, and brings the certificate that was signed. */
static void hello_makes_a_typed_key_an_enrolled_manager(void **state)
{
    struct pair *p = *state;
    struct conf_draft *d = conf_draft_copy(now(&p->g));
    struct enrol_card own, card;
    struct buf cert = BUF(AUTHORITY_PEM_MAX), out = BUF(ENROL_JSON_MAX);
    struct err e = ERR_NONE;
    uint64_t version;

    assert_int_equal(conf_draft_set(d, str_lit("manager.sma.ssh_key"), now(&p->m)->ssh_identity.public_key, NULL), RC_OK);
    assert_int_equal(store_commit(&p->g.admin, d, str_lit("admin"), STR_NONE, true, &version, NULL, NULL), RC_OK);
    assert_int_equal(hello(p, "other", card_of(&p->m, &p->a, STR_NONE, NULL), &e), RC_NOT_PERMITTED);
    assert_int_equal(hello(p, "sma", card_of(&p->m, &p->a, STR_NONE, NULL), &e), RC_OK);
    assert_true(str_eq(now(&p->g)->manager.items[0].serial, str_lit("42CC-DD")));
    assert_int_equal(hello(p, "sma", card_of(&p->m, &p->a, STR_NONE, with_our_serial), &e), RC_NOT_PERMITTED);
    assert_string_equal(err_text(&e), "this key belongs to the manager with serial number 42CC-DD, not 42AA-BB");
    /* the gateway's request is signed */
    assert_int_equal(enrol_own(&p->g.admin, STR_NONE, &p->a, &card, NULL), RC_OK);
    assert_true(authority_is_own(now(&p->g)->cpq_identity.certificate));
    assert_int_equal(enrol_sign(now(&p->m), &card, &cert, NULL), RC_OK);
    assert_int_equal(enrol_own(&p->m.admin, STR_NONE, &p->a, &own, NULL), RC_OK);
    own.certificate = buf_str(&cert);
    enrol_say(&own, &out);
    assert_int_equal(hello(p, "sma", buf_str(&out), NULL), RC_OK);
    assert_false(authority_is_own(now(&p->g)->cpq_identity.certificate));
    assert_true(str_find_str(buf_str(&p->g.json), str_lit("cpq_csr")) == p->g.json.n);
    /* and nothing is committed for what is known */
    version = now(&p->g)->version;
    assert_int_equal(hello(p, "sma", buf_str(&out), NULL), RC_OK);
    assert_int_equal(now(&p->g)->version, version);
    buf_done(&cert);
    buf_done(&out);
}

static void farewell(struct enrol_card *card)
{
    card->revoke = true;
}

static void a_manager_that_says_farewell_is_forgotten(void **state)
{
    struct pair *p = *state;

    assert_int_equal(enrol(&p->g, card_of(&p->m, &p->a, STR_NONE, NULL)), RC_OK);
    assert_int_equal(hello(p, "manager.example.org", card_of(&p->m, &p->a, STR_NONE, farewell), NULL), RC_OK);
    assert_int_equal(now(&p->g)->manager.n, 0);
    assert_int_equal(now(&p->g)->cpq_peer.n, 0);
}

/* One use, for the appliance it was made for, with no service. */
static void a_token_enrols_once(void **state)
{
    struct pair *p = *state;
    struct buf reply = BUF(ENROL_JSON_MAX);
    struct err e = ERR_NONE;

    assert_int_equal(enrol_by_token(&p->m.admin, str_lit("gw1"), card_of(&p->g, &p->a, STR_NONE, NULL), &reply, NULL),
                     RC_OK);
    assert_int_equal(now(&p->m)->appliance.n, 1);
    assert_true(str_eq(now(&p->m)->appliance.items[0].serial, str_lit("42AA-BB")));
    assert_false(now(&p->m)->appliance.items[0].reporting || now(&p->m)->appliance.items[0].tracking ||
                 now(&p->m)->appliance.items[0].spam || now(&p->m)->appliance.items[0].pvo);
    assert_true(str_find_str(buf_str(&reply), str_lit("BEGIN CERTIFICATE-----")) < reply.n);
    assert_int_equal(enrol_by_token(&p->m.admin, str_lit("gw2"), card_of(&p->g, &p->a, STR_NONE, NULL), &reply, &e),
                     RC_EXISTS);
    assert_string_equal(err_text(&e), "this gateway is the appliance gw1 already");
    buf_done(&reply);
}

static void a_token_is_what_was_typed(void **state)
{
    static const char key[] = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJCTGjzGBe1GeU0EjEzVCjh0oTCnOErV83cNXvNd1jT+ host";
    struct buf text = BUF(1024), file = BUF(16384), line = BUF(4000), line2 = BUF(4000);
    struct link_token t, u;

    (void)state;
    assert_int_equal(link_token_make(str_c(key), &t, NULL), RC_OK);
    link_token_write(&t, &text);
    assert_int_equal(link_token_read(buf_str(&text), &u, NULL), RC_OK);
    assert_memory_equal(&t, &u, sizeof t);
    link_token_keys(&t, &file, &line);
    buf_clear(&file);
    link_token_keys(&u, &file, &line2);
    assert_true(str_eq(buf_str(&line), buf_str(&line2)) && str_starts(buf_str(&line), str_lit("ssh-ed25519 AAAA")));
    assert_true(str_find_str(buf_str(&file), str_c(t.secret)) == file.n);
    for (size_t i = 0; i < text.n; i++) { /* not one sign less */
        assert_int_equal(link_token_read(str_first(buf_str(&text), i), &u, NULL), RC_INVALID);
    }
    buf_addc(&text, 'x');
    assert_int_equal(link_token_read(buf_str(&text), &u, NULL), RC_INVALID);
    buf_done(&text);
    buf_done(&file);
    buf_done(&line);
    buf_done(&line2);
}

/* central.md 4: put-slbl is applied as a whole, and says what it has when it does not lead on. */
static void put_slbl_is_whole_or_not_at_all(void **state)
{
    static const char one[] = "{\"base\":0,\"version\":7,\"full\":true}\n"
                              "{\"op\":\"add\",\"user\":\"A@x.test\",\"list\":\"safe\",\"entry\":\"good.test\"}\n"
                              "{\"op\":\"add\",\"user\":\"a@x.test\",\"list\":\"block\",\"entry\":\"bad.test\"}\n";
    static const char two[] = "{\"base\":7,\"version\":9,\"full\":false}\n"
                              "{\"op\":\"del\",\"user\":\"a@x.test\",\"list\":\"safe\",\"entry\":\"GOOD.test\"}\n"
                              "{\"op\":\"add\",\"user\":\"b@x.test\",\"list\":\"safe\",\"entry\":\"c@y.test\"}\n";
    static const char broken[] = "{\"base\":9,\"version\":10,\"full\":false}\n"
                                 "{\"op\":\"add\",\"user\":\"d@x.test\",\"list\":\"safe\",\"entry\":\"e.test\"}\n"
                                 "{\"op\":\"add\",\"user\":\"d@x.test\",\"list\":\"grey\",\"entry\":\"e.test\"}\n";
    struct str words[] = {str_lit("slbl"), str_lit("show")};
    struct pair *p = *state;
    struct err e = ERR_NONE;

    assert_int_equal(slbl_put(&p->g.admin, str_c(two), &e), RC_CONFLICT);
    assert_string_equal(err_text(&e), "have=0");
    assert_int_equal(slbl_put(&p->g.admin, str_c(one), NULL), RC_OK);
    assert_int_equal(slbl_put(&p->g.admin, str_c(two), NULL), RC_OK);
    assert_int_equal(slbl_version(&p->g.admin), 9);
    assert_int_equal(slbl_put(&p->g.admin, str_c(broken), &e), RC_INVALID);
    assert_string_equal(err_text(&e), "line 3: no op add or del on the list safe or block");
    assert_int_equal(slbl_put(&p->g.admin, str_c(two), &e), RC_CONFLICT);
    assert_string_equal(err_text(&e), "have=9");
    verb_start(&p->g.admin, STR_NONE, NULL, (struct strs){words, 2}, done, &p->g);
    assert_string_equal(p->g.text, "a@x.test block bad.test\nb@x.test safe c@y.test\n");
    slbl_close(&p->g.admin); /* the number outlives the process */
    assert_int_equal(slbl_open(&p->g.admin, NULL), RC_OK);
    assert_int_equal(slbl_version(&p->g.admin), 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_manager_that_proved_itself_is_kept_once, setup, teardown),
        cmocka_unit_test_setup_teardown(what_does_not_fit_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(hello_makes_a_typed_key_an_enrolled_manager, setup, teardown),
        cmocka_unit_test_setup_teardown(a_manager_that_says_farewell_is_forgotten, setup, teardown),
        cmocka_unit_test_setup_teardown(a_token_enrols_once, setup, teardown),
        cmocka_unit_test(a_token_is_what_was_typed),
        cmocka_unit_test_setup_teardown(put_slbl_is_whole_or_not_at_all, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
