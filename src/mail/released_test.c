/* What goes into the queue with a message that leaves quarantine. */
#include "mail/carried.h"
#include "mail/edits.h"
#include "mail/released.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct recipient kept[] = {{.address = {"b@y.test", 8}, .notify = NOTIFY_NEVER}};
static const struct recipient chosen[] = {{.address = {"c@y.test", 8}}, {.address = {"d@y.test", 8}}};

struct place {
    struct arena a;
    struct buf out;
    struct cpq_meta meta;
    const struct json *release;
    struct envelope env;
    struct carried on;
};

static void begin(struct place *p, const char *pending, const char *release)
{
    *p = (struct place){.out = BUF(ENVELOPE_BYTES)};
    arena_init(&p->a, 1024, 1 << 20);
    assert_int_equal(json_read(&p->a, str_c(pending), &p->meta.pending, NULL), RC_OK);
    assert_int_equal(json_read(&p->a, str_c(release), &p->release, NULL), RC_OK);
    p->meta.mail_policy = str_lit("Sales");
    p->meta.envelope = (struct envelope){.sender = str_lit("a@x.test"), .recipients = kept, .n_recipients = 1};
}

static void made(struct place *p, struct released r)
{
    r.meta = &p->meta;
    r.release = p->release;
    r.mid = 7;
    buf_clear(&p->out);
    released_envelope(&r, &p->out);
    assert_false(p->out.failed);
    assert_int_equal(envelope_decode(&p->a, buf_str(&p->out), &p->env, NULL), RC_OK);
    assert_int_equal(carried_decode(p->env.carried, &p->on, NULL), RC_OK);
    assert_int_equal(p->env.parent_mid, 7);
}

static void end(struct place *p)
{
    buf_done(&p->out);
    arena_done(&p->a);
}

#define PENDING "{\"resume\":6,\"skip\":5,\"alt_host\":\"h:26\",\"spam\":\"positive 97\",\"tags\":\"t\"}"

static void it_goes_on_where_it_was_held(void **state)
{
    struct place p;

    (void)state;
    begin(&p, PENDING, "{\"resume\":true}");
    made(&p, (struct released){.edits = str_lit("E")});
    assert_int_equal(p.on.resume, RESUME_OUTBREAK);
    assert_int_equal(p.on.skip, 5);
    assert_int_equal(p.on.original_mid, 7);
    assert_true(str_eq(p.on.policy, str_lit("Sales")) && str_eq(p.on.route, str_lit("h:26")));
    assert_true(str_eq(p.on.spam, str_lit("positive 97")) && str_eq(p.on.edits, str_lit("E")));
    assert_int_equal(p.env.n_recipients, 1);
    assert_int_equal(p.env.recipients[0].notify, NOTIFY_NEVER);
    end(&p);
}

/* Without the word of the release it is looked at by anti-virus again; out of the spam quarantine it is not, and its spam
 * verdict does not send it back there; a copy takes along nothing. */
static void the_kinds_of_release(void **state)
{
    struct place p;

    (void)state;
    begin(&p, PENDING, "{\"id\":\"1\"}");
    made(&p, (struct released){0});
    assert_int_equal(p.on.resume, RESUME_RESCAN);
    made(&p, (struct released){.spam = true});
    assert_int_equal(p.on.resume, RESUME_DELIVER);
    assert_int_equal(p.on.spam.n, 0);
    made(&p, (struct released){.copy = true, .recipients = chosen, .n_recipients = 2});
    assert_int_equal(p.on.resume, RESUME_DELIVER);
    assert_int_equal(p.on.tags.n + p.on.route.n + p.on.policy.n, 0);
    assert_int_equal(p.env.n_recipients, 2);
    end(&p);
}

static void edits_change_subject_and_header(void **state)
{
    static const char with[] = "To: b\r\nSubject: hi\r\n\r\nx\r\n", without[] = "To: b\r\n\r\nx\r\n";
    struct place p;
    struct edits list;
    struct str coded;

    (void)state;
    begin(&p, "{}",
          "{\"subject_prefix\":\"[A]\",\"subject_suffix\":\"[B]\",\"headers\":[{\"name\":\"X-H\",\"value\":\"v\"},"
          "{\"name\":\"bad name\",\"value\":\"v\"}]}");
    coded = released_edits(&p.a, str_c(with), p.release);
    assert_int_equal(edits_decode(&p.a, coded, strlen(with), &list, NULL), RC_OK);
    assert_int_equal(list.n, 3);
    assert_true(str_eq(list.items[0].replacement, str_lit("X-H: v\r\n")));
    assert_int_equal(list.items[1].offset, 16);
    assert_true(str_eq(list.items[1].replacement, str_lit("[A] ")));
    assert_int_equal(list.items[2].offset, 18);
    assert_true(str_eq(list.items[2].replacement, str_lit(" [B]")));
    coded = released_edits(&p.a, str_c(without), p.release);
    assert_int_equal(edits_decode(&p.a, coded, strlen(without), &list, NULL), RC_OK);
    assert_int_equal(list.n, 1);
    assert_true(str_eq(list.items[0].replacement, str_lit("X-H: v\r\nSubject: [A] [B]\r\n")));
    assert_int_equal(released_edits(&p.a, str_c(with), NULL).n, 0);
    end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_goes_on_where_it_was_held),
        cmocka_unit_test(the_kinds_of_release),
        cmocka_unit_test(edits_change_subject_and_header),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
