/* The hidden listener: what a stranger sees, what an enrolled manager may, what becomes of a release. */
#include "mail/carried.h"
#include "mail/edits.h"
#include "receive/receive_testing.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <unistd.h>

#define PRINT "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define HELLO(class) "XCPQ HELLO proto=1 serial=MGR1 role=manager ver=1 class=" class "\r\n"
#define ENVELOPE "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\n"
#define ENVELOPE_OK "250 2.1.0 sender <a@x.test> ok\r\n250 2.1.5 recipient <b@y.test> ok\r\n"
#define BODY "Subject: hi\r\n\r\nx\r\n"

static const char lines[] = "interface.M.address=127.0.0.1\ncpq_listener.enabled=yes\n"
                            "cpq_peer.mgr.serial=MGR1\ncpq_peer.mgr.fingerprint=" PRINT "\n"
                            "cpq_peer.gw.serial=GW1\ncpq_peer.gw.role=gateway\n"
                            "cpq_peer.gw.fingerprint=f123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n";

static const struct tls_facts manager = {.version = {"TLSv1.3", 7}, .cipher = {"X", 1}, .peer_print = {PRINT, 64}};

struct place {
    struct receive_fixture *f;
    struct conversation *c;
    int fd;
    char out[8000];
};

static const char *says(struct place *p, const char *octets)
{
    buf_clear(&p->c->out);
    conversation_feed(p->c, str_c(octets));
    snprintf(p->out, sizeof p->out, "%.*s", STR(buf_str(&p->c->out)));
    return p->out;
}

/* A conversation without socket on the hidden listener. */
static void begin(struct place *p)
{
    struct receive_socket socket = {"hidden.cpq_listener.4", -1};
    struct address_ip at;
    struct sockaddr_in sa;
    socklen_t n = sizeof sa;
    struct listener *l;

    *p = (struct place){.f = receive_fixture_new(lines, NULL)};
    assert_true(ip_parse(str_lit("127.0.0.1"), &at));
    assert_int_equal(listen_tcp(&at, 128, &socket.fd, NULL), RC_OK);
    assert_int_equal(getsockname(socket.fd, (struct sockaddr *)&sa, &n), 0);
    p->f->port[0] = ntohs(sa.sin_port);
    receive_sockets(p->f->r, &socket, 1);
    for (l = p->f->r->listeners; l && !l->hidden; l = l->next)
        ;
    assert_non_null(l);
    assert_true(str_eq(l->name, str_lit("cpq_listener")));
    p->c = conversation_test_new(&release_kind, l);
    smtp_server_of(p->c)->offers |= SMTP_OFFER_TLS; /* the test plays TLS */
}

static void under_tls(struct place *p)
{
    begin(p);
    says(p, "EHLO mgr.test\r\n");
    assert_string_equal(says(p, "STARTTLS\r\n"), "220 2.0.0 go ahead with TLS\r\n");
    conversation_test_tls(p->c, &manager);
    assert_non_null(strstr(says(p, "EHLO mgr.test\r\n"), "XCPQ 1\r\n"));
}

static void end(struct place *p)
{
    if (!p->c->ended)
        conversation_feed_eof(p->c);
    conversation_test_free(p->c);
    assert_int_equal(receive_open(p->f->r), 0);
    receive_fixture_free(p->f);
}

static const char *meta(const char *class, const char *more)
{
    static char text[3000], json[2500];
    unsigned char sum[32];
    char hex[65];

    assert_int_equal(EVP_Digest(BODY, strlen(BODY), sum, NULL, EVP_sha256(), NULL), 1);
    for (size_t i = 0; i < 32; i++)
        snprintf(hex + 2 * i, 3, "%02x", sum[i]);
    snprintf(
        json, sizeof json,
        "{\"v\":1,\"class\":\"%s\",\"serial\":\"MGR1\",\"host\":\"gw\",\"mid\":7,\"uid\":\"u\",\"held\":1,"
        "\"direction\":\"in\",\"env_from\":\"a@x.test\",\"rcpts\":[{\"addr\":\"b@y.test\"}],\"body\":\"7BIT\",\"size\":%zu,"
        "\"sha256\":\"%s\",\"hdr\":{\"subject\":\"hi\"},\"mail_policy\":\"Sales\",\"holds\":[{\"quarantine\":\"Virus\","
        "\"kind\":\"virus\",\"reason\":\"r\"}]%s}",
        class, strlen(BODY), hex, more);
    snprintf(text, sizeof text, "XMETA %zu\r\n%s", strlen(json), json);
    return text;
}

/* CPQ-27, CPQ-49: anyone sees the banner and the first EHLO, and nothing else without TLS. */
static void a_stranger_sees_banner_and_first_ehlo(void **state)
{
    static const char *const refused[] = {HELLO("pvo-release"), "MAIL FROM:<a@x.test>\r\n", "RSET\r\n", "VRFY a\r\n"};
    struct place p;
    int fd;

    (void)state;
    begin(&p);
    assert_true(str_eq(buf_str(&p.c->out), str_lit("220 mx.test ESMTP Postern CPQ ready\r\n")));
    assert_string_equal(says(&p, "EHLO mgr.test\r\n"), "250-mx.test\r\n250-STARTTLS\r\n250 XCPQ 1\r\n");
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        assert_true(str_starts(str_c(says(&p, refused[i])), str_lit("530 5.7.0 ")));
    says(&p, "STARTTLS\r\n");
    conversation_test_tls(p.c, NULL);
    assert_true(receive_logged(p.f, "CPQ ICID 1 TLS failed: handshake failed (address "));
    fd = receive_dial(p.f, 0, NULL); /* by the socket; without a certificate TLS is not offered */
    receive_expect(p.f, fd, "", "220 mx.test ESMTP Postern CPQ ready\r\n");
    receive_expect(p.f, fd, "EHLO me.test\r\n", "250-mx.test\r\n250 XCPQ 1\r\n");
    receive_expect(p.f, fd, "QUIT\r\n", "221 ");
    receive_fixture_settle(p.f);
    assert_true(receive_logged(p.f, "New SMTP CPQ ICID 2 interface M (127.0.0.1) address 127.0.0.1\n"));
    assert_true(receive_logged(p.f, "CPQ ICID 2 close\n"));
    close(fd);
    end(&p);
}

static void a_serial_belongs_to_a_certificate(void **state)
{
    struct place p;

    (void)state;
    under_tls(&p);
    assert_true(receive_logged(p.f, "CPQ ICID 1 TLS success protocol TLSv1.3 cipher X\n"));
    assert_true(str_starts(str_c(says(&p, "XCPQ HELLO proto=1 serial=GW1 role=manager ver=1 class=pvo-release\r\n")),
                           str_lit("550 5.7.1 ")));
    assert_true(str_starts(str_c(says(&p, HELLO("pvo"))), str_lit("550 5.7.1 ")));
    assert_true(str_starts(str_c(says(&p, HELLO("spam-release"))), str_lit("250 2.0.0 XCPQ proto=1 serial=")));
    assert_string_equal(says(&p, "XCPQ STATUS\r\n"), "250-state=ready\r\n250 2.0.0 end\r\n");
    end(&p);
}

static void stored_as(struct place *p, struct arena *a, struct envelope *env, struct carried *c)
{
    receive_fixture_settle(p->f);
    assert_int_equal(p->f->n_stored, 1);
    assert_int_equal(envelope_decode(a, buf_str(&p->f->r->envelope), env, NULL), RC_OK);
    assert_int_equal(carried_decode(env->carried, c, NULL), RC_OK);
}

/* CPQ-19: the message is in the spool before its 250, goes on where it was held, with what its release changes. */
static void a_release_becomes_a_message(void **state)
{
    struct place p;
    struct arena a;
    struct envelope env;
    struct carried c;
    struct edits edits;

    (void)state;
    arena_init(&a, 1024, 1 << 20);
    under_tls(&p);
    says(&p, HELLO("pvo-release"));
    says(&p, ENVELOPE);
    assert_string_equal(says(&p, meta("pvo-release", ",\"pending\":{\"resume\":6,\"tags\":\"t\"},\"release\":{\"id\":\"3\","
                                                     "\"from\":[\"Own\"],\"resume\":true,\"edits\":{\"subject_prefix\":"
                                                     "\"[OK]\"}}")),
                        "250 2.0.0 meta ok\r\n");
    assert_string_equal(says(&p, "DATA\r\n"), "354 go ahead\r\n");
    assert_string_equal(says(&p, BODY ".\r\n"), "");
    stored_as(&p, &a, &env, &c);
    assert_true(str_eq(buf_str(&p.c->out), str_lit("250 ok:  Message 1 accepted\r\n")));
    assert_int_equal(env.parent_mid, 7);
    assert_int_equal(env.n_recipients, 1);
    assert_int_equal(c.resume, RESUME_OUTBREAK);
    assert_int_equal(c.original_mid, 7);
    assert_true(str_eq(c.policy, str_lit("Sales")) && str_eq(c.tags, str_lit("t")));
    assert_int_equal(edits_decode(&a, c.edits, strlen(BODY), &edits, NULL), RC_OK);
    assert_int_equal(edits.n, 1);
    assert_int_equal(edits.items[0].offset, 9);
    assert_true(str_eq(edits.items[0].replacement, str_lit("[OK] ")));
    assert_true(
        receive_logged(p.f, "MID 1 received from the SMA mgr.test (MID originally 7) on release from quarantine \"Own\"\n"));
    end(&p);
    arena_done(&a);
}

/* Out of the spam quarantine: delivered, whatever was pending. What does not fit its metadata is refused and nothing kept.
 */
static void spam_is_delivered_and_damage_refused(void **state)
{
    struct place p;
    struct arena a;
    struct envelope env;
    struct carried c;

    (void)state;
    arena_init(&a, 1024, 1 << 20);
    under_tls(&p);
    says(&p, HELLO("spam-release"));
    says(&p, ENVELOPE);
    says(&p, meta("spam-release", ",\"spam\":{\"verdict\":\"positive\",\"score\":\"97\"},\"release\":{\"id\":\"4\"}"));
    says(&p, "DATA\r\n");
    assert_true(str_starts(str_c(says(&p, "Subject: ho\r\n\r\nx\r\n.\r\n")), str_lit("554 5.6.0 ")));
    says(&p, ENVELOPE);
    assert_string_equal(
        says(&p, meta("spam-release", ",\"spam\":{\"verdict\":\"positive\",\"score\":\"97\"},\"release\":{\"id\":\"4\"}")),
        "250 2.0.0 meta ok\r\n");
    says(&p, "DATA\r\n");
    says(&p, BODY ".\r\n");
    stored_as(&p, &a, &env, &c);
    assert_int_equal(c.resume, RESUME_DELIVER);
    end(&p);
    arena_done(&a);
}

/* CPQ-65: a release that was taken before is answered with its message and stored no second time. */
static void a_release_that_was_taken_is_a_duplicate(void **state)
{
    struct place p;

    (void)state;
    under_tls(&p);
    p.f->taken = 5;
    says(&p, HELLO("pvo-release"));
    says(&p, ENVELOPE);
    says(&p, meta("pvo-release", ",\"release\":{\"id\":\"3\"}"));
    says(&p, "DATA\r\n");
    says(&p, BODY ".\r\n");
    receive_fixture_settle(p.f);
    assert_true(str_eq(buf_str(&p.c->out), str_lit("250 ok:  Message 5 accepted (duplicate)\r\n")));
    assert_int_equal(p.f->n_stored, 0);
    end(&p);
}

/* CPQ-21: a suspended listener loses its conversations, too. */
static void suspension_ends_it(void **state)
{
    struct place p;

    (void)state;
    under_tls(&p);
    listeners_suspend(p.f->r, str_lit("all"), true);
    assert_int_equal(receive_open(p.f->r), 1);
    receive_expel_suspended(p.f->r);
    assert_int_equal(receive_open(p.f->r), 0);
    assert_true(p.c->ended);
    end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stranger_sees_banner_and_first_ehlo),
        cmocka_unit_test(a_serial_belongs_to_a_certificate),
        cmocka_unit_test(a_release_becomes_a_message),
        cmocka_unit_test(spam_is_delivered_and_damage_refused),
        cmocka_unit_test(a_release_that_was_taken_is_a_duplicate),
        cmocka_unit_test(suspension_ends_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
