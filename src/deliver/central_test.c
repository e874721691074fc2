/* What deliver does for central quarantines besides carrying mail to them: copies of outbreak mail, XCPQ commands, the way
 * back of released mail. */
#include "deliver/deliver_testing.h"

#include <fcntl.h>

#define BODY str_lit("Subject: worm\r\n\r\nhello\r\n")
#define META \
    "{\"holds\":[{\"quarantine\":\"Outbreak\",\"kind\":\"outbreak\",\"reason\":\"Outbreak " \
    "rule:R1\",\"rule\":\"R1\"}],\"uid\":\"U\"}"

/* Ends of quarantine and central. */
struct ends {
    struct world w;
    struct bus *quarantine, *central;
    struct bus_peer *from_quarantine;
    unsigned copies, questions, answers;
    uint64_t copy_rc, rc;
    char copied[600], why[300], answered[600], asked[300];
    bool mute;
    struct bus_gateway_answer where;
};

static void on_copy(void *ctx, const struct bus_in *in)
{
    const struct bus_copy_new *m = in->msg;
    struct ends *n = ctx;
    char body[200] = "";

    assert_true(fcntl(in->fd, F_GET_SEALS) & F_SEAL_WRITE);
    assert_int_equal(pread(in->fd, body, sizeof body - 1, 0), (int)m->bytes);
    close(in->fd);
    snprintf(n->copied, sizeof n->copied, "%s|%d", body, str_find_str(m->meta, str_lit("\"rule\":\"R1\"")) < m->meta.n);
    n->copies++;
    if (!n->mute)
        bus_reply(n->quarantine, in->from, in->call, BUS_copy_kept, &(struct bus_copy_kept){.rc = n->copy_rc});
}

static void on_where(void *ctx, const struct bus_in *in)
{
    const struct bus_gateway_question *m = in->msg;
    struct ends *n = ctx;
    size_t at = strlen(n->asked);

    snprintf(n->asked + at, sizeof n->asked - at, "%.*s %d|", STR(m->serial), (int)m->failed);
    n->questions++;
    bus_reply(n->central, in->from, in->call, BUS_gateway_answer, &n->where);
}

static struct bus *neighbour(struct ends *n, enum role role, struct bus_peer **to)
{
    struct bus *b = bus_new(n->w.loop, role, 0);
    struct bus_peer *peer;
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    peer = bus_attach(b, fds[0], ROLE_deliver, 0, 1);
    bus_attach(n->w.deliver_bus, fds[1], role, 0, 1);
    if (to)
        *to = peer;
    return b;
}

static void open_quarantine(struct ends *n)
{
    n->quarantine = neighbour(n, ROLE_quarantine, &n->from_quarantine);
    bus_on(n->quarantine, BUS_copy_new, on_copy, n);
}

static void start(struct ends *n, const char *settings)
{
    *n = (struct ends){0};
    world_start(&n->w, "127.0.0.1", settings, NULL);
    open_quarantine(n);
    n->central = neighbour(n, ROLE_central, NULL);
    bus_on(n->central, BUS_gateway_question, on_where, n);
    for (int i = 0; i < 5; i++)
        loop_turn(n->w.loop, false);
}

static void end(struct ends *n)
{
    bus_free(n->quarantine);
    bus_free(n->central);
    world_end(&n->w);
}

static void turns(struct ends *n, int count)
{
    for (int i = 0; i < count; i++)
        loop_turn(n->w.loop, false);
}

#define SETTINGS "system.serial=GW-1\ndelivery.connect_ms=%d\n"

/* ---- copies ----------------------------------------------------------------------------------------------------------- */

/* A piece as it is when the manager has said 250. */
static struct piece *taken(struct ends *n, uint64_t mid, const char *meta)
{
    struct recipient to = {.address = str_lit("b@x.test")};
    struct envelope env = {.sender = str_lit("a@x.test"), .recipients = &to, .n_recipients = 1};
    struct buf octets = BUF(1 << 16), carried = BUF(1 << 16), indices = BUF(100);
    struct spool_body *b = spool_body_new(n->w.writer);
    struct bus_deliver_work work;
    struct piece *p;
    struct err e = ERR_NONE;

    envelope_encode(&env, &octets);
    carried_encode(&(struct carried){.meta = str_c(meta)}, &carried);
    buf_put_varint(&indices, 0);
    assert_int_equal(spool_body_add(b, BODY, NULL), RC_OK);
    n->w.stored = false;
    spool_append(n->w.writer, 0, mid, 0, buf_str(&octets), b, on_stored, &n->w);
    while (!n->w.stored)
        loop_turn(n->w.loop, true);
    work = (struct bus_deliver_work){.slot = mid,
                                     .mid = mid,
                                     .segment = n->w.ref.segment,
                                     .generation = n->w.ref.generation,
                                     .offset = n->w.ref.offset,
                                     .recipients = buf_str(&indices),
                                     .carried = buf_str(&carried)};
    p = piece_new(n->w.deliver, &work);
    p->to = destination_get(n->w.deliver, str_lit("the.cpq.host"));
    if (piece_load(n->w.deliver, p, &e) != RC_OK)
        fail_msg("%s", e.text);
    buf_done(&octets);
    buf_done(&carried);
    buf_done(&indices);
    return p;
}

static const struct delivery_result OK250 = {
    .class = RESULT_DELIVERED, .code = 250, .text = {"ok:  Message 9 accepted", 23}, .enhanced = {"2.0.0", 5}};

/* Queue hears that it is done once the copy is kept. */
static void outbreak_mail_is_copied(void **state)
{
    struct ends n;
    struct piece *p;

    (void)state;
    start(&n, SETTINGS);
    p = taken(&n, 1, META);
    assert_true(copy_keep(n.w.deliver, p, &OK250));
    turn_until(&n.w, &n.w.done, 1);
    assert_string_equal(n.copied, "Subject: worm\r\n\r\nhello\r\n|1");
    assert_string_equal(n.w.results, "0 delivered 250 2.0.0 ok:  Message 9 accepted|");
    assert_string_equal(events_of(&n.w), "");
    end(&n);
}

/* Whoever keeps copies dies, and is there again; a copy that cannot be kept is said, and the mail is done all the same. */
static void no_copy_is_worth_a_message(void **state)
{
    struct ends n;

    (void)state;
    start(&n, SETTINGS);
    n.mute = true;
    assert_true(copy_keep(n.w.deliver, taken(&n, 1, META), &OK250));
    turn_until(&n.w, &n.copies, 1);
    bus_free(n.quarantine);
    turns(&n, 10);
    assert_int_equal(n.w.done, 0);
    open_quarantine(&n);
    n.mute = false;
    n.copy_rc = RC_NO_SPACE;
    turn_until(&n.w, &n.w.done, 1);
    assert_int_equal(n.copies, 2);
    assert_non_null(strstr(events_of(&n.w), "Outbreak Filters: no copy of MID 1 is kept here: "));
    n.mute = true; /* the process ends while one waits */
    assert_true(copy_keep(n.w.deliver, taken(&n, 2, META), &OK250));
    copies_done(n.w.deliver);
    turn_until(&n.w, &n.w.done, 2);
    end(&n);
}

static void what_cannot_be_rescanned_is_not_copied(void **state)
{
    struct ends n;
    struct piece *p;

    (void)state;
    start(&n, SETTINGS);
    p = taken(&n, 1, "{\"holds\":[{\"quarantine\":\"Virus\",\"kind\":\"virus\"}]}");
    assert_false(copy_keep(n.w.deliver, p, &OK250));
    piece_free(n.w.deliver, p);
    assert_string_equal(events_of(&n.w), "");
    p = taken(&n, 2, META);
    p->job.body_bytes = 600000; /* above outbreak.max_bytes */
    assert_false(copy_keep(n.w.deliver, p, &OK250));
    piece_free(n.w.deliver, p);
    assert_non_null(strstr(events_of(&n.w), "Outbreak Filters: no copy of MID 2 is kept here: it is too large"));
    assert_int_equal(n.copies, 0);
    end(&n);
}

/* ---- commands -----------------------------------------------------------------------------------------------------------
 */

static void on_answers(void *ctx, enum rc rc, const void *msg)
{
    const struct bus_xcpq_answers *m = msg;
    struct ends *n = ctx;

    assert_int_equal(rc, RC_OK);
    n->rc = m->rc;
    snprintf(n->why, sizeof n->why, "%.*s", STR(m->why));
    snprintf(n->answered, sizeof n->answered, "%.*s", STR(m->answers));
    n->answers++;
}

static void say(struct ends *n, const char *destination, const char *commands)
{
    unsigned before = n->answers;

    bus_call(n->quarantine, n->from_quarantine, BUS_xcpq_commands,
             &(struct bus_xcpq_commands){.destination = str_c(destination), .commands = str_c(commands)}, 20000, on_answers,
             n);
    turn_until(&n->w, &n->answers, before + 1);
    assert_string_equal(n->answered, "");
    assert_int_equal(n->rc, RC_UNAVAILABLE);
}

/* Each errand is answered once with the reason, wherever it ends. */
static void commands_that_nobody_hears(void **state)
{
    struct ends n;

    (void)state;
    start(&n, SETTINGS);
    say(&n, "the.cpq.host", "XCPQ RESCAN mid=1 verdict=clean rule=");
    assert_string_equal(n.why, "no manager is enrolled for quarantined mail");
    say(&n, "x.test", "XCPQ DROP mid=1");
    assert_string_equal(n.why, "nobody to say that to");
    say(&n, "the.cpq.host", "");
    assert_string_equal(n.why, "nobody to say that to");
    n.where = (struct bus_gateway_answer){.rc = RC_UNAVAILABLE, .why = str_lit("SSH to gw1 failed: refused")};
    say(&n, "the.cpq.release.host/gw-1", "XCPQ DROP mid=1\nXCPQ DROP mid=2");
    assert_string_equal(n.why, "SSH to gw1 failed: refused");
    assert_string_equal(n.asked, "gw-1 0|");
    bus_free(n.central);
    turns(&n, 5);
    say(&n, "the.cpq.release.host/gw-1", "XCPQ DROP mid=1");
    assert_non_null(strstr(n.why, "over SSH: that part of this manager is being restarted"));
    n.central = neighbour(&n, ROLE_central, NULL);
    end(&n);
}

/* ---- released mail ------------------------------------------------------------------------------------------------------
 */

static void names_of_the_way_back(void **state)
{
    enum cpq_class class;
    struct str serial;

    (void)state;
    assert_true(releaser_is(str_lit("The.CPQ.release.host/gw-1"), &class, &serial));
    assert_true(class == CPQ_PVO_RELEASE && str_eq(serial, str_lit("gw-1")));
    assert_true(releaser_is(str_lit("the.euq.release.queue/x"), &class, &serial) && class == CPQ_SPAM_RELEASE);
    assert_false(releaser_is(str_lit("the.cpq.release.host"), &class, &serial));
    assert_false(releaser_is(str_lit("the.cpq.host"), &class, &serial));
}

static void the_origin_is_in_the_metadata(void **state)
{
    static const char *const bad[] = {"", "{}", "{\"serial\":\"S\"}", "{\"mid\":4}", "{\"serial\":\"S\",\"mid\":\"4\"}"};
    struct cpq_facts f = {0};
    struct err e = ERR_NONE;
    struct arena a;

    (void)state;
    arena_init(&a, 4096, 1 << 20);
    assert_int_equal(releaser_origin(&a, str_lit("{\"serial\":\"S\",\"mid\":4}"), &f, &e), RC_OK);
    assert_true(f.mid == 4 && str_eq(f.serial, str_lit("S")));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_not_equal(releaser_origin(&a, str_c(bad[i]), &f, &e), RC_OK);
    arena_done(&a);
}

/* CPQ-15, CPQ-45: each connection asks first; no answer, no try, and the reason is the one central gave. */
static void releases_wait_for_the_answer(void **state)
{
    struct ends n;

    (void)state;
    start(&n, SETTINGS);
    n.w.meta = "{\"serial\":\"GW-9\",\"mid\":4}";
    n.where = (struct bus_gateway_answer){.rc = RC_UNAVAILABLE, .why = str_lit("SSH to gw9 failed: refused")};
    work(&n.w, 1, "the.cpq.release.host/gw-9", "b@x.test", BODY);
    turn_until(&n.w, &n.w.done, 1);
    assert_int_equal(n.w.outcome, 1); /* everybody stays */
    assert_string_equal(n.w.reason, "SSH to gw9 failed: refused");
    n.where =
        (struct bus_gateway_answer){.rc = RC_OK, .address = str_lit("nonsense"), .port = 7025, .serial = str_lit("GW-9")};
    work(&n.w, 2, "the.cpq.release.host/gw-9", "b@x.test", BODY);
    turn_until(&n.w, &n.w.done, 2);
    assert_int_equal(n.w.outcome, 1);
    assert_string_equal(n.asked, "gw-9 0|gw-9 0|");
    assert_int_equal(n.w.fake.connections, 0);
    end(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outbreak_mail_is_copied),
        cmocka_unit_test(no_copy_is_worth_a_message),
        cmocka_unit_test(what_cannot_be_rescanned_is_not_copied),
        cmocka_unit_test(commands_that_nobody_hears),
        cmocka_unit_test(names_of_the_way_back),
        cmocka_unit_test(the_origin_is_in_the_metadata),
        cmocka_unit_test(releases_wait_for_the_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
