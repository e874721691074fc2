/* The local leg of CPQ: what deliver sends is what the quarantine has, and what the log says of it. Two rooms in one loop.
 */
#include "deliver/deliver_testing.h"
#include "quarantine/inside.h"

#define SETTINGS "system.serial=SER1\nsystem.hostname=gw.test\ndelivery.connect_ms=2000\n"

struct leg {
    struct world w;
    struct quarantine *q;
    char store[100], socket[120];
};

static void leg_open(struct leg *l)
{
    struct err e = ERR_NONE;

    if (quarantine_new(&(struct quarantine_options){.loop = l->w.loop,
                                                    .conf = l->w.conf,
                                                    .events = l->w.events,
                                                    .board = l->w.board,
                                                    .dir = l->store,
                                                    .socket = l->socket},
                       &l->q, &e) != RC_OK)
        fail_msg("%s", err_text(&e));
}

static void leg_start(struct leg *l, bool open)
{
    *l = (struct leg){0};
    snprintf(l->store, sizeof l->store, "/tmp/local-leg-test.%d", (int)getpid());
    snprintf(l->socket, sizeof l->socket, "/tmp/local-leg-test.%d.socket", (int)getpid());
    l->w.holder = l->socket;
    world_start(&l->w, "127.0.0.1", SETTINGS "delivery.greeting_ms=%d\n", NULL);
    if (open)
        leg_open(l);
}

static void leg_end(struct leg *l)
{
    char command[300];

    quarantine_free(l->q);
    world_end(&l->w);
    snprintf(command, sizeof command, "rm -rf %s %s", l->store, l->socket);
    assert_int_equal(system(command), 0);
}

static uint64_t held(struct leg *l, enum cpq_class class)
{
    return sql_number(&l->q->sql, Q_pool, 0, "i", (uint64_t) class);
}

static const char MADE[] =
    "{\"class\":\"pvo\",\"holds\":[{\"quarantine\":\"Policy\",\"kind\":\"policy\",\"reason\":\"content "
    "filter:f1\",\"rule\":\"f1\","
    "\"level\":3,\"exit\":1999999999999,\"action\":\"release\",\"matched\":[{\"part\":\"1\",\"text\":\"x\"}]}],"
    "\"verdicts\":{\"antispam\":{\"verdict\":\"negative\",\"score\":1.5,\"detail\":\"\"}},\"auth\":{\"spf_mailfrom\":"
    "\"pass\","
    "\"dkim\":[{\"result\":\"pass\",\"domain\":\"out.test\",\"selector\":\"s\"}]},\"hdr\":{\"from\":\"Ann <me@gw.test>\","
    "\"subject\":\"Gr\xc3\xbc\xc3\x9f"
    "e\",\"message_id\":\"<1@gw.test>\"},\"attachments\":[{\"name\":\"a.zip\",\"type\":"
    "\"application/zip\",\"size\":9,\"sha256\":\"00\"}],\"stage\":\"content_filters\",\"pending\":{\"tags\":[\"t\"]},"
    "\"client\":{\"ip\":\"192.0.2.1\",\"helo\":\"h\",\"rdns\":\"r\",\"rdns_verified\":true,\"reputation\":-1.5},\"later\":["
    "1,{\"k\":2}]}";

static const char BODY[] = "Subject: x\r\n\r\n.dots\r\n..more\r\nno end";

/* CPQ-05: every field equal on both ends, unknown ones too; content octet for octet. */
static void test_every_field(void **state)
{
    struct leg l;
    struct buf meta = BUF(1 << 20);
    const struct json *sent, *got;
    struct cpq_meta m;
    struct held h;
    struct arena a;
    char body[200] = "";
    uint64_t offset;
    int fd;

    (void)state;
    leg_start(&l, true);
    l.w.meta = MADE;
    work(&l.w, 7, "the.cpq.host", "b@in.test c@in.test", str_c(BODY));
    turn_until(&l.w, &l.w.done, 1);
    assert_string_equal(l.w.results, "0 delivered 250  ok:  Message 7 accepted|1 delivered 250  ok:  Message 7 accepted|");
    arena_init(&a, 4096, 4 << 20);
    assert_true(held_get(l.q, 7, &a, &h));
    assert_int_equal(store_read(l.q, &h, &meta, &fd, &offset, NULL), RC_OK);
    assert_int_equal(pread(fd, body, h.body_bytes, (off_t)offset), sizeof BODY - 1);
    close(fd);
    assert_string_equal(body, BODY);
    assert_int_equal(json_read(&a, str_c(MADE), &sent, NULL), RC_OK);
    assert_int_equal(cpq_meta_read(&a, buf_str(&meta), &m, NULL), RC_OK);
    for (const struct json *one = sent->first; one; one = one->next) {
        got = json_get(m.root, arena_str(&a, one->key).p);
        assert_non_null(got);
        assert_true(str_eq(got->raw, one->raw));
    }
    assert_true(str_eq(m.serial, str_lit("SER1")) && str_eq(m.host, str_lit("gw.test")) && m.mid == 7);
    assert_true(str_eq(m.envelope.sender, str_lit("me@gw.test")) && m.envelope.n_recipients == 2);
    assert_true(str_eq(m.envelope.recipients[1].address, str_lit("c@in.test")) && m.size == sizeof BODY - 1);
    assert_int_equal(m.holds[0].exit, 1999999999999);
    assert_int_equal(m.holds[0].level, 3);
    arena_done(&a);
    buf_done(&meta);
    leg_end(&l);
}

/* logs.md 8: nothing of a connection for policy quarantines, one line for each quarantine. */
static void test_lines_policy(void **state)
{
    struct leg l;
    const char *text;

    (void)state;
    leg_start(&l, true);
    l.w.meta = MADE;
    work(&l.w, 8, "the.cpq.host", "b@in.test", str_c(BODY));
    turn_until(&l.w, &l.w.done, 1);
    text = events_of(&l.w);
    assert_string_equal(text, "MID 8 quarantined to \"Policy\" (content filter:f1)\n");
    leg_end(&l);
}

/* logs.md 8: the local spam quarantine. */
static void test_lines_spam(void **state)
{
    struct leg l;

    (void)state;
    leg_start(&l, true);
    work(&l.w, 9, "the.euq.queue", "b@in.test", str_c(BODY));
    turn_until(&l.w, &l.w.done, 1);
    assert_string_equal(events_of(&l.w),
                        "RPC Delivery start RCID 1 MID 9 to local IronPort Spam Quarantine\nISQ: Quarantined MID 9\n"
                        "RPC Message done RCID 1 MID 9\n");
    assert_int_equal(held(&l, CPQ_SPAM), 1);
    leg_end(&l);
}

/* CPQ-29, CPQ-64: while the holder is away mail stays in its destination, nothing bounces; later it is taken. */
static void test_away(void **state)
{
    struct leg l;

    (void)state;
    leg_start(&l, false);
    work(&l.w, 10, "the.cpq.host", "b@in.test", str_c(BODY));
    turn_until(&l.w, &l.w.done, 1);
    assert_int_equal(l.w.outcome, 1);
    assert_int_equal(l.w.down, 1);
    leg_open(&l);
    work(&l.w, 11, "the.cpq.host", "b@in.test", str_c(BODY));
    turn_until(&l.w, &l.w.done, 2);
    assert_non_null(strstr(l.w.results, "0 delivered 250  ok:  Message 11 accepted|"));
    assert_non_null(strstr(events_of(&l.w), "MID 11 quarantined to \"Unclassified\" (no reason given)"));
    leg_end(&l);
}

/* A message that the holder will not have stays too: refused, never bounced. */
static void test_refused(void **state)
{
    struct leg l;

    (void)state;
    leg_start(&l, true);
    l.w.meta = "{\"holds\":[{\"kind\":\"policy\"}]}";
    work(&l.w, 12, "the.cpq.host", "b@in.test", str_c(BODY));
    turn_until(&l.w, &l.w.done, 1);
    assert_string_equal(l.w.results, "0 delayed 554 5.6.0 5.6.0 metadata: quarantine is missing|");
    assert_non_null(
        strstr(events_of(&l.w), "MID 12 was not taken by the quarantine: 554 5.6.0 metadata: quarantine is missing"));
    assert_int_equal(held(&l, CPQ_PVO), 0);
    leg_end(&l);
}

/* Pieces of one message for different recipients (a redirected one with very many) are further messages; a repeat is none.
 */
static void test_pieces(void **state)
{
    struct leg l;
    struct buf one = BUF(100);
    struct bus_deliver_work again;

    (void)state;
    leg_start(&l, true);
    board_raise(l.w.board, NUMBER_MID, 500);
    work(&l.w, 13, "the.cpq.host", "b@in.test c@in.test d@in.test", str_c(BODY));
    turn_until(&l.w, &l.w.done, 1);
    buf_put_varint(&one, 2);
    again = (struct bus_deliver_work){.slot = 13,
                                      .mid = 13,
                                      .segment = l.w.ref.segment,
                                      .generation = l.w.ref.generation,
                                      .offset = l.w.ref.offset,
                                      .attempt = 1,
                                      .destination = str_lit("the.cpq.host"),
                                      .recipients = buf_str(&one)};
    l.w.results[0] = '\0';
    bus_send(l.w.queue_bus, l.w.to_deliver, BUS_deliver_work, &again);
    turn_until(&l.w, &l.w.done, 2);
    assert_string_equal(l.w.results, "2 delivered 250  ok:  Message 501 accepted|");
    l.w.results[0] = '\0';
    bus_send(l.w.queue_bus, l.w.to_deliver, BUS_deliver_work, &again);
    turn_until(&l.w, &l.w.done, 3);
    assert_string_equal(l.w.results, "2 delivered 250  ok:  Message 501 accepted (duplicate)|");
    assert_int_equal(held(&l, CPQ_PVO), 2);
    assert_null(strstr(events_of(&l.w), "restarted"));
    buf_done(&one);
    leg_end(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_field), cmocka_unit_test(test_lines_policy), cmocka_unit_test(test_lines_spam),
        cmocka_unit_test(test_away),        cmocka_unit_test(test_refused),      cmocka_unit_test(test_pieces),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
