/* Receiving: who may send to whom, limits, what queue is told, what the log says. Real sockets, real spool. */
#include "receive/receive_testing.h"

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static int greeted(struct receive_fixture *f, unsigned which)
{
    int fd = receive_dial(f, which, NULL);

    receive_expect(f, fd, "", "220 mx.test ESMTP\r\n");
    receive_expect(f, fd, "EHLO me.test\r\n", "250-mx.test\r\n");
    return fd;
}

/* FW-06: mail from outside for a recipient of ours is taken, stored, told to queue, and the log tells all of it. */
static void mail_for_us_is_taken(void **state)
{
    struct receive_fixture *f = receive_fixture_new(NULL, NULL);
    int fd = greeted(f, 0);
    char line[200];

    (void)state;
    receive_expect(f, fd, "MAIL FROM:<a@b.test>\r\n", "250 2.1.0 sender <a@b.test> ok\r\n");
    receive_expect(f, fd, "RCPT TO:<bob@Ours.Test>\r\n", "250 2.1.5 recipient <bob@ours.test> ok\r\n");
    receive_expect(f, fd, "DATA\r\n", "354 go ahead\r\n");
    receive_expect(f, fd, "Subject: hi\r\nMessage-ID: <1@b>\r\n\r\nx\r\n.\r\n", "250 2.0.0 ok:  Message 1 accepted\r\n");
    receive_expect(f, fd, "QUIT\r\n", "221 2.0.0 mx.test\r\n");
    receive_fixture_settle(f);
    assert_int_equal(f->n_stored, 1);
    assert_int_equal(f->stored[0].mid, 1);
    assert_true(announce_empty(f->r->announce));
    assert_int_equal(f->board->receivers[0].answered, f->stored[0].offset);
    assert_true(
        receive_logged(f, "New SMTP ICID 1 interface In (127.0.0.1) address 127.0.0.1 reverse dns host unknown verified no\n"
                          "ICID 1 ACCEPT SG None match ALL SBRS not enabled country not enabled\n"
                          "Start MID 1 ICID 1\n"
                          "MID 1 ICID 1 From: <a@b.test>\n"
                          "MID 1 ICID 1 RID 0 To: <bob@ours.test>\n"
                          "MID 1 Message-ID '<1@b>'\n"
                          "MID 1 Subject 'hi'\n"));
    snprintf(line, sizeof line, "bytes from <a@b.test>\nICID 1 close\n");
    assert_true(receive_logged(f, line));
    close(fd);
    receive_fixture_free(f);
}

/* HD-07: a public listener relays for nobody. */
static void an_unknown_recipient_gets_550_511_and_a_foreign_one_550_571(void **state)
{
    struct receive_fixture *f = receive_fixture_new(NULL, NULL);
    int fd = greeted(f, 0);

    (void)state;
    receive_expect(f, fd, "MAIL FROM:<a@b.test>\r\n", "250 ");
    receive_expect(f, fd, "RCPT TO:<nobody@ours.test>\r\n", "550 5.1.1 unknown recipient\r\n");
    receive_expect(f, fd, "RCPT TO:<a@elsewhere.test>\r\n", "550 5.7.1 relaying denied\r\n");
    receive_expect(f, fd, "RCPT TO:<nodomain>\r\n", "501 5.5.2 recipient address needs a domain\r\n");
    receive_expect(f, fd, "RCPT TO:<postmaster>\r\n", "250 2.1.5 recipient <postmaster@mx.test> ok\r\n");
    assert_true(receive_logged(f, "MID 1 ICID 1 To: <a@elsewhere.test> Rejected by RAT\n"));
    close(fd);
    receive_fixture_free(f);
}

/* HD-08: who has logged in may relay on a public listener, others not. */
static void a_user_who_logged_in_may_relay(void **state)
{
    struct receive_fixture *f = receive_fixture_new(NULL, NULL);
    int fd = greeted(f, 0);

    (void)state;
    receive_expect(f, fd, "AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n", "538 5.7.11 ");
    receive_expect(f, fd, "XCLIENT ADDR=192.0.2.1 LOGIN=alice\r\n", "220 ");
    receive_expect(f, fd, "MAIL FROM:<a@b.test>\r\n", "250 ");
    receive_expect(f, fd, "RCPT TO:<a@elsewhere.test>\r\n", "250 ");
    close(fd);
    receive_fixture_free(f);
}

static void a_private_listener_relays_for_its_group_and_refuses_others(void **state)
{
    struct receive_fixture *f = receive_fixture_new(NULL, NULL);
    int fd = greeted(f, 1), other;

    (void)state;
    receive_expect(f, fd, "MAIL FROM:<a@b.test>\r\n", "250 ");
    receive_expect(f, fd, "RCPT TO:<a@elsewhere.test>\r\n", "250 ");
    other = receive_dial(f, 1, "127.0.0.2");
    receive_expect(f, other, "", "554 5.7.1 ");
    assert_true(receive_logged(f, "ICID 2 REJECT SG None match ALL"));
    close(fd);
    close(other);
    receive_fixture_free(f);
}

static void too_many_recipients_get_452(void **state)
{
    struct receive_fixture *f = receive_fixture_new("mail_flow_policy.ACCEPTED.max_recipients=2\n", NULL);
    int fd = greeted(f, 0);

    (void)state;
    receive_expect(f, fd, "MAIL FROM:<a@b.test>\r\n", "250 ");
    receive_expect(f, fd, "RCPT TO:<a@ours.test>\r\n", "250 ");
    receive_expect(f, fd, "RCPT TO:<b@ours.test>\r\n", "250 ");
    receive_expect(f, fd, "RCPT TO:<c@ours.test>\r\n", "452 4.5.3 too many recipients\r\n");
    close(fd);
    receive_fixture_free(f);
}

static void a_queue_that_takes_no_mail_makes_452_431(void **state)
{
    struct receive_fixture *f = receive_fixture_new(NULL, NULL);
    int fd = greeted(f, 0);

    (void)state;
    bus_send(f->far, f->queue_side, BUS_receiving_state, &(struct bus_receiving_state){.rc = RC_QUEUE_FULL});
    receive_fixture_settle(f);
    receive_expect(f, fd, "MAIL FROM:<a@b.test>\r\n", "452 4.3.1 insufficient queue space, try again later\r\n");
    bus_send(f->far, f->queue_side, BUS_receiving_state, &(struct bus_receiving_state){.rc = RC_OK});
    receive_fixture_settle(f);
    receive_expect(f, fd, "MAIL FROM:<a@b.test>\r\n", "250 ");
    close(fd);
    receive_fixture_free(f);
}

static void a_full_disk_makes_452_431(void **state)
{
    struct receive_fixture *f = receive_fixture_new("spool.min_free_bytes=1T\n", NULL);
    int fd = greeted(f, 0);

    (void)state;
    receive_expect(f, fd, "MAIL FROM:<a@b.test>\r\n", "452 4.3.1 insufficient system storage\r\n");
    close(fd);
    receive_fixture_free(f);
}

static void least_free_space_follows_the_settings_at_once(void **state)
{
    struct receive_fixture *f = receive_fixture_new(NULL, NULL);
    int fd = greeted(f, 0);
    struct err e = ERR_NONE;

    (void)state;
    receive_expect(f, fd, "MAIL FROM:<a@b.test>\r\n", "250 ");
    receive_expect(f, fd, "RSET\r\n", "250 ");
    assert_int_equal(receive_fixture_conf(f, "spool.min_free_bytes=1T\n", &e), RC_OK);
    receive_expect(f, fd, "MAIL FROM:<a@b.test>\r\n", "452 4.3.1 insufficient system storage\r\n");
    assert_true(receive_logged(f, "Receiving stopped: only"));
    assert_false(receive_logged(f, "Receiving resumed:"));
    assert_int_equal(receive_fixture_conf(f, "spool.min_free_bytes=16M\n", &e), RC_OK);
    receive_expect(f, fd, "MAIL FROM:<a@b.test>\r\n", "250 ");
    assert_true(receive_logged(f, "Receiving resumed:"));
    close(fd);
    receive_fixture_free(f);
}

/* F5: 16 MiB of events that nobody could write down. */
static void events_that_cannot_be_written_make_452_431(void **state)
{
    struct receive_fixture *f = receive_fixture_new(NULL, NULL);
    int fd = greeted(f, 0);
    char text[4000];

    (void)state;
    memset(text, 'x', sizeof text);
    for (unsigned i = 0; i < 6000 && !events_full(f->events); i++)
        event(f->events, message_subject, .mid = 1, .subject = str_of(text, sizeof text));
    assert_true(events_full(f->events));
    receive_expect(f, fd, "MAIL FROM:<a@b.test>\r\n", "452 4.3.1 insufficient queue space, try again later\r\n");
    close(fd);
    receive_fixture_free(f);
}

static void reject_and_tcprefuse_peers_learn_nothing(void **state)
{
    struct receive_fixture *f = receive_fixture_new("mail_flow_policy.BLOCKED.behavior=reject\n"
                                                    "mail_flow_policy.BLOCKED.reject_code=550\n"
                                                    "mail_flow_policy.BLOCKED.reject_text=go away\n"
                                                    "mail_flow_policy.REFUSED.behavior=tcprefuse\n"
                                                    "sender_group.BLOCKLIST.policy=BLOCKED\n"
                                                    "sender_group.BLOCKLIST.members=127.0.0.2\n"
                                                    "sender_group.DROPLIST.policy=REFUSED\n"
                                                    "sender_group.DROPLIST.members=127.0.0.3\n",
                                                    NULL);
    int fd = receive_dial(f, 0, "127.0.0.2");

    (void)state;
    receive_expect(f, fd, "", "550 5.7.1 go away\r\n");
    close(fd);
    fd = receive_dial(f, 0, "127.0.0.3");
    assert_string_equal(receive_says(f, fd, "", 1), "");
    assert_true(receive_logged(f, "ICID 0 TCPREFUSE SG DROPLIST match 127.0.0.3 SBRS not enabled"));
    assert_false(receive_logged(f, "New SMTP ICID 2"));
    close(fd);
    receive_fixture_free(f);
}

static void limits_of_connections_and_messages_hold(void **state)
{
    struct receive_fixture *f =
        receive_fixture_new("mail_flow_policy.ACCEPTED.max_connections=2\nmail_flow_policy.ACCEPTED.max_messages=1\n", NULL);
    int a = greeted(f, 0), b = greeted(f, 0), c = receive_dial(f, 0, NULL);

    (void)state;
    receive_expect(f, c, "", "421 4.7.0 too many connections\r\n");
    assert_true(receive_logged(f, "ICID 3 Receiving Failed: Connection limit exceeded\n"));
    close(c);
    close(b);
    receive_fixture_settle(f);
    b = greeted(f, 0);
    receive_expect(f, a, "MAIL FROM:<a@b.test>\r\n", "250 ");
    receive_expect(f, a, "RSET\r\n", "250 ");
    receive_expect(f, a, "MAIL FROM:<a@b.test>\r\n", "421 4.7.0 too many messages");
    assert_true(receive_logged(f, "ICID 1 Receiving Failed: Too Many Messages\n"));
    close(a);
    close(b);
    receive_fixture_free(f);
}

static void recipients_an_hour_are_counted_per_host_and_per_sender(void **state)
{
    struct receive_fixture *f = receive_fixture_new("mail_flow_policy.ACCEPTED.recipients_per_hour=3\n"
                                                    "mail_flow_policy.ACCEPTED.recipients_per_hour_text=slow down\n"
                                                    "mail_flow_policy.ACCEPTED.recipients_per_hour_sender=2\n",
                                                    NULL);
    int fd = greeted(f, 0);

    (void)state;
    receive_expect(f, fd, "MAIL FROM:<a@b.test>\r\n", "250 ");
    receive_expect(f, fd, "RCPT TO:<a@ours.test>\r\n", "250 ");
    receive_expect(f, fd, "RCPT TO:<b@ours.test>\r\n", "250 ");
    receive_expect(f, fd, "RCPT TO:<c@ours.test>\r\n", "452 4.7.1 slow down\r\n");
    receive_expect(f, fd, "RSET\r\n", "250 ");
    receive_expect(f, fd, "MAIL FROM:<z@b.test>\r\n", "250 ");
    receive_expect(f, fd, "RCPT TO:<c@ours.test>\r\n", "250 ");
    receive_expect(f, fd, "RCPT TO:<d@ours.test>\r\n", "452 4.7.1 slow down\r\n");
    close(fd);
    receive_fixture_free(f);
}

static void a_harvester_of_addresses_is_dropped(void **state)
{
    struct receive_fixture *f = receive_fixture_new("mail_flow_policy.ACCEPTED.harvest_limit=2\n", NULL);
    int fd = greeted(f, 0);

    (void)state;
    receive_expect(f, fd, "MAIL FROM:<a@b.test>\r\n", "250 ");
    receive_expect(f, fd, "RCPT TO:<nobody@ours.test>\r\n", "550 5.1.1");
    receive_expect(f, fd, "RCPT TO:<nobody@ours.test>\r\n", "550 5.1.1");
    receive_says(f, fd, "RCPT TO:<nobody@ours.test>\r\n", 2);
    assert_string_equal(f->reply, "550 5.1.1 unknown recipient\r\n421 4.7.1 too many unknown recipients\r\n");
    assert_true(receive_logged(f, "Dropping connection due to potential Directory Harvest Attack from host=('127.0.0.1'"));
    close(fd);
    receive_fixture_free(f);
}

static const char zone[] = "9.2.0.192.in-addr.arpa PTR mx.good.test\nmx.good.test A 192.0.2.9\n"
                           "10.2.0.192.in-addr.arpa PTR liar.test\nliar.test A 192.0.2.77\n"
                           "11.2.0.192.bl.test A 127.0.0.2\n"
                           "sender.test MX 10 mx.sender.test\nslow.test MX !temporary\nnullmx.test MX 0 .\n";

static void a_peer_is_known_by_its_verified_name(void **state)
{
    struct receive_fixture *f = receive_fixture_new("receiving.reverse_dns=yes\n"
                                                    "mail_flow_policy.BLOCKED.behavior=reject\n"
                                                    "sender_group.GOOD.policy=ACCEPTED\n"
                                                    "sender_group.GOOD.members=127.0.0.1,.good.test,.liar.test\n"
                                                    "sender_group.BAD.policy=BLOCKED\n"
                                                    "sender_group.BAD.members=dnslist[bl.test]\n",
                                                    zone);
    int fd = receive_dial(f, 0, NULL);

    (void)state;
    receive_expect(f, fd, "", "220 ");
    receive_expect(f, fd, "XCLIENT ADDR=192.0.2.9\r\n", "220 ");
    assert_true(receive_logged(
        f, "New SMTP ICID 2 interface In (127.0.0.1) address 192.0.2.9 reverse dns host mx.good.test verified yes\n"
           "ICID 2 ACCEPT SG GOOD match .good.test"));
    receive_expect(f, fd, "XCLIENT ADDR=192.0.2.10\r\n", "220 ");
    assert_true(
        receive_logged(f, "address 192.0.2.10 reverse dns host liar.test verified no\nICID 3 ACCEPT SG None match ALL"));
    receive_expect(f, fd, "XCLIENT ADDR=192.0.2.11\r\n", "554 5.7.1");
    assert_true(receive_logged(
        f, "address 192.0.2.11 reverse dns host unknown verified no\nICID 4 REJECT SG BAD match dnslist[bl.test]"));
    close(fd);
    receive_fixture_free(f);
}

static void the_domain_of_the_sender_must_exist_where_the_policy_says_so(void **state)
{
    struct receive_fixture *f = receive_fixture_new("mail_flow_policy.ACCEPTED.sender_dns_check=yes\n"
                                                    "mail_flow_policy.ACCEPTED.sender_dns_exceptions=trusted.test\n",
                                                    zone);
    int fd = greeted(f, 0);

    (void)state;
    receive_expect(f, fd, "MAIL FROM:<a@nowhere.test>\r\n", "553 5.1.8 sender domain does not exist\r\n");
    receive_expect(f, fd, "MAIL FROM:<a@slow.test>\r\n", "451 4.1.8 sender domain could not be resolved\r\n");
    receive_expect(f, fd, "MAIL FROM:<a@sender.test>\r\nRSET\r\n", "250 2.1.0");
    receive_expect(f, fd, "NOOP\r\n", "250 ");
    receive_expect(f, fd, "MAIL FROM:<a@trusted.test>\r\n", "250 ");
    receive_expect(f, fd, "RSET\r\n", "250 ");
    receive_expect(f, fd, "MAIL FROM:<nodomain>\r\n", "501 5.5.2 sender address needs a domain\r\n");
    receive_expect(f, fd, "MAIL FROM:<>\r\n", "250 ");
    assert_true(
        receive_logged(f, "ICID 1 Address: <a@nowhere.test> sender rejected, envelope sender domain does not exist\n"));
    assert_true(
        receive_logged(f, "ICID 1 Address: <a@trusted.test> sender allowed, envelope sender matched domain exception\n"));
    close(fd);
    receive_fixture_free(f);
}

static void a_message_in_a_loop_gets_554_546(void **state)
{
    struct receive_fixture *f = receive_fixture_new("receiving.max_received=10\n", NULL);
    int fd = greeted(f, 0);
    char text[2000] = "";

    (void)state;
    receive_expect(f, fd, "MAIL FROM:<a@b.test>\r\n", "250 ");
    receive_expect(f, fd, "RCPT TO:<a@ours.test>\r\n", "250 ");
    receive_expect(f, fd, "DATA\r\n", "354 ");
    for (int i = 0; i < 11; i++)
        strcat(text, "Received: from x by y; z\r\n");
    strcat(text, "\r\n.\r\n");
    receive_expect(f, fd, text, "554 5.4.6 too many hops, mail loop detected\r\n");
    assert_true(receive_logged(f, "ICID 1 Receiving Failed: Message loop\n"));
    assert_int_equal(f->n_stored, 0);
    close(fd);
    receive_fixture_free(f);
}

static void a_lost_connection_is_lost_and_closed_in_the_log(void **state)
{
    struct receive_fixture *f = receive_fixture_new(NULL, NULL);
    int fd = greeted(f, 0);

    (void)state;
    receive_expect(f, fd, "MAIL FROM:<a@b.test>\r\n", "250 ");
    receive_expect(f, fd, "RCPT TO:<a@ours.test>\r\n", "250 ");
    receive_expect(f, fd, "DATA\r\n", "354 ");
    close(fd);
    receive_fixture_settle(f);
    assert_true(receive_logged(f, "Message aborted MID 1 Receiving aborted by sender\nMessage finished MID 1 done\n"
                                  "ICID 1 lost\nICID 1 close\n"));
    assert_int_equal(f->n_stored, 0);
    receive_fixture_free(f);
}

/* D3: what queue has not confirmed is told again when it comes back. */
static void a_queue_that_returns_is_told_again(void **state)
{
    struct receive_fixture *f = receive_fixture_new(NULL, NULL);
    int fd = greeted(f, 1);

    (void)state;
    f->silent_queue = true;
    for (int i = 0; i < 3; i++) {
        receive_expect(f, fd, "MAIL FROM:<a@b.test>\r\n", "250 ");
        receive_expect(f, fd, "RCPT TO:<a@c.test>\r\n", "250 ");
        receive_expect(f, fd, "DATA\r\n", "354 ");
        receive_expect(f, fd, "\r\nx\r\n.\r\n", "250 ");
    }
    receive_fixture_settle(f);
    assert_int_equal(f->n_stored, 3);
    bus_send(f->far, f->queue_side, BUS_message_known,
             &(struct bus_message_known){f->stored[0].segment, f->stored[0].generation, f->stored[1].offset});
    receive_fixture_settle(f);
    f->silent_queue = false;
    receive_fixture_queue_again(f);
    receive_fixture_settle(f);
    assert_int_equal(f->n_stored, 5);
    assert_int_equal(f->stored[3].mid, 2);
    assert_int_equal(f->stored[4].mid, 3);
    assert_true(announce_empty(f->r->announce));
    close(fd);
    receive_fixture_free(f);
}

static void new_settings_leave_conversations_alone(void **state)
{
    struct receive_fixture *f = receive_fixture_new(NULL, NULL);
    int old = greeted(f, 0), fresh;
    struct err e = ERR_NONE;

    (void)state;
    if (receive_fixture_conf(f, "listener.In.rat=new.test\nmail_flow_policy.ACCEPTED.banner=new days\n", &e) != RC_OK)
        fail_msg("%s", e.text);
    receive_expect(f, old, "MAIL FROM:<a@b.test>\r\n", "250 ");
    receive_expect(f, old, "RCPT TO:<a@ours.test>\r\n", "250 ");
    fresh = receive_dial(f, 0, NULL);
    receive_expect(f, fresh, "", "220 mx.test ESMTP new days\r\n");
    receive_expect(f, fresh, "MAIL FROM:<a@b.test>\r\n", "250 ");
    receive_expect(f, fresh, "RCPT TO:<a@ours.test>\r\n", "550 5.7.1");
    receive_expect(f, fresh, "RCPT TO:<a@new.test>\r\n", "250 ");
    close(old);
    close(fresh);
    receive_fixture_free(f);
}

static void a_suspended_listener_answers_421(void **state)
{
    struct receive_fixture *f = receive_fixture_new("receiving.suspended=In\n", NULL);
    int fd = greeted(f, 1);

    (void)state;
    listeners_suspend(f->r, str_lit("out"), true);
    receive_expect(f, fd, "MAIL FROM:<a@b.test>\r\n", "421 4.3.2 ");
    close(fd);
    fd = receive_dial(f, 0, NULL);
    receive_expect(f, fd, "", "421 4.3.2 ");
    close(fd);
    listeners_suspend(f->r, str_lit("in"), false);
    close(greeted(f, 0));
    receive_fixture_free(f);
}

/* FW-41 */
static void a_qmqp_client_injects(void **state)
{
    struct receive_fixture *f = receive_fixture_new(NULL, NULL);
    int fd = receive_dial(f, 2, NULL);

    (void)state;
    receive_says(f, fd, "48:17:Subject: q\n\nbody\n,8:a@b.test,12:c@d.test.org,,", 1);
    assert_string_equal(f->reply, "3:Kok,");
    receive_fixture_settle(f);
    assert_int_equal(f->n_stored, 1);
    assert_true(receive_logged(f, "MID 1 ICID 1 From: <a@b.test>\nMID 1 ICID 1 RID 0 To: <c@d.test.org>\n"));
    close(fd);
    fd = receive_dial(f, 2, NULL);
    receive_says(f, fd, "99999999999999:", 1);
    assert_string_equal(f->reply, "18:Dmalformed request,");
    close(fd);
    fd = receive_dial(f, 2, "127.0.0.2");
    receive_says(f, fd, "", 1);
    assert_string_equal(f->reply, "14:Dnot permitted,");
    close(fd);
    receive_fixture_free(f);
}

static void a_large_message_is_taken(void **state)
{
    struct receive_fixture *f = receive_fixture_new(NULL, NULL);
    int fd = greeted(f, 1);
    char line[1001];

    (void)state;
    receive_expect(f, fd, "MAIL FROM:<a@b.test> SIZE=600000\r\n", "250 ");
    receive_expect(f, fd, "RCPT TO:<a@c.test>\r\n", "250 ");
    receive_expect(f, fd, "DATA\r\n", "354 ");
    memset(line, 'x', sizeof line);
    memcpy(line + 998, "\r\n", 3);
    for (int i = 0; i < 600; i++) {
        while (send(fd, line, 1000, MSG_NOSIGNAL) != 1000)
            receive_fixture_turn(f);
        receive_fixture_turn(f);
    }
    receive_expect(f, fd, ".\r\n", "250 2.0.0 ok:  Message 1 accepted\r\n");
    receive_fixture_settle(f);
    assert_int_equal(f->n_stored, 1);
    close(fd);
    receive_fixture_free(f);
}

#define T(name) cmocka_unit_test(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(mail_for_us_is_taken),
        T(an_unknown_recipient_gets_550_511_and_a_foreign_one_550_571),
        T(a_user_who_logged_in_may_relay),
        T(a_private_listener_relays_for_its_group_and_refuses_others),
        T(too_many_recipients_get_452),
        T(a_queue_that_takes_no_mail_makes_452_431),
        T(a_full_disk_makes_452_431),
        T(least_free_space_follows_the_settings_at_once),
        T(events_that_cannot_be_written_make_452_431),
        T(reject_and_tcprefuse_peers_learn_nothing),
        T(limits_of_connections_and_messages_hold),
        T(recipients_an_hour_are_counted_per_host_and_per_sender),
        T(a_harvester_of_addresses_is_dropped),
        T(a_peer_is_known_by_its_verified_name),
        T(the_domain_of_the_sender_must_exist_where_the_policy_says_so),
        T(a_message_in_a_loop_gets_554_546),
        T(a_lost_connection_is_lost_and_closed_in_the_log),
        T(a_queue_that_returns_is_told_again),
        T(new_settings_leave_conversations_alone),
        T(a_suspended_listener_answers_421),
        T(a_qmqp_client_injects),
        T(a_large_message_is_taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
