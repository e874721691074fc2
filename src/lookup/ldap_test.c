/* Tests of directories: a server of the test's own that answers late, out of order, nonsense or not at all; what is kept;
 * what passphrases fit. */
#include "lookup/ldap.h"

#include "base/clock.h"
#include "mail/ber.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* How the server behaves. */
enum manner { ANSWERS, BACKWARDS, SILENT, NONSENSE, HANGS_UP, LOSES_FIRST, BUSY };

struct server {
    enum manner manner;
    struct loop *loop;
    struct listener_socket *listener;
    uint16_t port;
    unsigned connections, searches, binds;
    uint32_t late[8]; /* searches to be answered backwards */
    size_t n_late;
};

struct world {
    struct loop *loop;
    struct server servers[2];
    struct conf_source *conf;
    struct ldap *ldap;
    unsigned answers;
    struct ldap_answer last;
    char why[200], value[100];
};

/* --- the server ------------------------------------------------------------------------------------------------------ */

static step_fn serve;

static struct step greet(struct conversation *c)
{
    ((struct server *)c->ctx)->connections++;
    return step_read(serve, 0);
}

static void put_result(struct conversation *c, uint32_t id, unsigned tag, uint32_t code)
{
    size_t message = ber_begin(&c->out, BER_SEQUENCE), op;

    ber_put_number(&c->out, BER_INTEGER, id);
    op = ber_begin(&c->out, tag);
    ber_put_number(&c->out, BER_ENUM, code);
    ber_put(&c->out, BER_OCTETS, STR_NONE);
    ber_put(&c->out, BER_OCTETS, STR_NONE);
    ber_end(&c->out, op);
    ber_end(&c->out, message);
}

/* uid=N with mail: vN@x.test, and the end. */
static void put_found(struct conversation *c, uint32_t id)
{
    size_t message = ber_begin(&c->out, BER_SEQUENCE), op, list, attribute, values;
    char text[40];

    ber_put_number(&c->out, BER_INTEGER, id);
    op = ber_begin(&c->out, 0x64);
    ber_put(&c->out, BER_OCTETS, str_lit("uid=ann"));
    list = ber_begin(&c->out, BER_SEQUENCE);
    attribute = ber_begin(&c->out, BER_SEQUENCE);
    ber_put(&c->out, BER_OCTETS, str_lit("MAIL"));
    values = ber_begin(&c->out, BER_SET);
    snprintf(text, sizeof text, "SMTP:v%u@x.test", id);
    ber_put(&c->out, BER_OCTETS, str_c(text));
    ber_end(&c->out, values);
    ber_end(&c->out, attribute);
    ber_end(&c->out, list);
    ber_end(&c->out, op);
    ber_end(&c->out, message);
    put_result(c, id, 0x65, 0);
}

static struct step search(struct conversation *c, struct server *s, uint32_t id)
{
    s->searches++;
    switch (s->manner) {
    case SILENT:
        break;
    case NONSENSE:
        conversation_printf(c, "220 this is no directory\r\n");
        break;
    case HANGS_UP:
        return step_end();
    case LOSES_FIRST:
        s->manner = ANSWERS;
        return step_end();
    case BUSY:
        put_result(c, id, 0x65, 51);
        break;
    case BACKWARDS:
        s->late[s->n_late++] = id;
        if (s->n_late == 3 || s->searches > 3)
            for (; s->n_late; s->n_late--)
                put_found(c, s->late[s->n_late - 1]);
        break;
    default:
        put_found(c, id);
    }
    return step_read(serve, 0);
}

static struct step serve(struct conversation *c)
{
    struct server *s = c->ctx;
    struct str in = conversation_input(c), message;
    size_t before = in.n;
    unsigned tag;
    uint32_t id;

    if (ber_take(&in, 1 << 20, &tag, &message) != RC_OK)
        return c->eof ? step_end() : step_read(serve, 0);
    conversation_take(c, before - in.n);
    assert_true(ber_get_number(&message, BER_INTEGER, &id) && message.n);
    if ((unsigned char)message.p[0] == 0x63) {
        struct step next = search(c, s, id);

        return next.what == STEP_READ ? step_goto(serve) : next;
    }
    if ((unsigned char)message.p[0] == 0x60) {
        s->binds++;
        put_result(c, id, 0x61, str_find_str(message, str_lit("right")) < message.n ? 0 : 49);
    }
    return step_goto(serve);
}

static struct step broken(struct conversation *c)
{
    (void)c;
    return step_end();
}

static const struct conversation_kind SERVER = {.name = "server",
                                                .first = greet,
                                                .broken = broken,
                                                .size = sizeof(struct conversation),
                                                .timeout_ms = 20000,
                                                .max_in = 65536};

static void on_accept(void *ctx, int fd, const struct address_ip *peer)
{
    struct server *s = ctx;

    (void)peer;
    conversation_accept(s->loop, fd, &SERVER, NULL, s);
}

static void server_open(struct world *w, struct server *s, enum manner manner)
{
    struct address_ip at;
    struct sockaddr_storage sa;
    socklen_t n = sizeof sa;
    int fd;

    *s = (struct server){.manner = manner, .loop = w->loop};
    assert_true(ip_parse(str_lit("127.0.0.1"), &at));
    assert_int_equal(listen_tcp(&at, 50, &fd, NULL), RC_OK);
    getsockname(fd, (struct sockaddr *)&sa, &n);
    ip_from_sockaddr((struct sockaddr *)&sa, &at);
    s->port = at.port;
    s->listener = listener_socket_new(w->loop, fd, on_accept, s);
}

/* --- the world ------------------------------------------------------------------------------------------------------- */

/* names.test has the address of the servers; other names have none. */
static void dns(void *owner, const struct dns_question *q, size_t n,
                void (*fn)(void *ctx, const struct dns_answer *a, size_t n), void *ctx)
{
    struct dns_record here = {.data = str_lit("\x7f\0\0\1")};
    struct dns_answer answers[2] = {{.question = q[0], .result = DNS_NXDOMAIN}, {.result = DNS_NODATA}};

    (void)owner;
    if (str_eq(q->name, str_lit("names.test")) && q->type == DNS_A)
        answers[0] = (struct dns_answer){.question = q[0], .result = DNS_OK, .records = &here, .n = 1};
    if (n > 1)
        answers[1].question = q[1];
    fn(ctx, answers, n);
}

static void world_begin(struct world *w, enum manner a, enum manner b, const char *lines)
{
    char text[3000];
    struct err e = ERR_NONE;

    *w = (struct world){.loop = loop_new()};
    server_open(w, &w->servers[0], a);
    server_open(w, &w->servers[1], b);
    snprintf(
        text, sizeof text,
        "ldap_server.s.hosts=names.test:%u,127.0.0.1:%u\nldap_server.s.timeout_ms=300\nldap_server.s.base=dc=x\n"
        "ldap_query.q.server=s\nldap_query.q.filter=(mail={a})\nldap_query.q.kind=isqalias\nldap_query.q.attribute=mail\n"
        "ldap_query.auth.server=s\nldap_query.auth.kind=smtpauth\nldap_query.auth.filter=(uid={u})\n%s",
        w->servers[0].port, w->servers[1].port, lines);
    w->conf = conf_source_test(text, &e);
    assert_non_null(w->conf);
    w->ldap = ldap_new(&(struct ldap_options){.loop = w->loop, .conf = w->conf, .dns = dns, .owner = w});
}

static void world_end(struct world *w)
{
    ldap_free(w->ldap);
    for (int i = 0; i < 2; i++)
        listener_socket_free(w->servers[i].listener);
    for (int i = 0; i < 20; i++)
        loop_turn(w->loop, false);
    conf_source_free(w->conf);
    loop_free(w->loop);
}

static void on_answer(void *ctx, const struct ldap_answer *a)
{
    struct world *w = ctx;

    w->answers++;
    w->last = *a;
    snprintf(w->why, sizeof w->why, "%.*s", STR(a->why));
    snprintf(w->value, sizeof w->value, "%.*s", STR(ldap_answer_value(a, "address")));
}

static void wait_answers(struct world *w, unsigned n)
{
    uint64_t until = clock_mono_ms() + 10000;

    while (w->answers < n && clock_mono_ms() < until)
        loop_turn(w->loop, true);
    assert_int_equal(w->answers, n);
}

static enum ldap_result ask(struct world *w, const char *query, const char *address, const char *password)
{
    unsigned n = w->answers + 1;

    ldap_ask(w->ldap, &(struct ldap_question){.query = str_c(query), .address = str_c(address), .password = str_c(password)},
             on_answer, w);
    wait_answers(w, n);
    return w->last.result;
}

/* --- tests ----------------------------------------------------------------------------------------------------------- */

static void searches_share_a_connection_and_answers_are_kept(void **state)
{
    struct world w;

    (void)state;
    world_begin(&w, BACKWARDS, SILENT, "");
    for (unsigned i = 0; i < 3; i++) {
        char address[20];

        snprintf(address, sizeof address, "u%u@x.test", i);
        ldap_ask(w.ldap, &(struct ldap_question){.query = str_lit("q"), .address = str_c(address)}, on_answer, &w);
    }
    wait_answers(&w, 3);
    assert_int_equal(w.servers[0].connections, 1);
    assert_int_equal(w.servers[0].searches, 3);
    assert_string_equal(w.value, "v1@x.test"); /* answered last, asked first; "SMTP:" is off */
    assert_int_equal(ask(&w, "q", "u2@x.test", ""), LDAP_FOUND);
    assert_string_equal(w.value, "v3@x.test");
    assert_int_equal(w.servers[0].searches, 3);
    assert_int_equal(ldap_flush(w.ldap, str_lit("other")), 0);
    assert_int_equal(ldap_flush(w.ldap, str_lit("S")), 3);
    assert_int_equal(ask(&w, "q", "u2@x.test", ""), LDAP_FOUND);
    assert_int_equal(w.servers[0].searches, 4);
    world_end(&w);
}

/* FW-19: the second host answers when the first is silent, talks nonsense or hangs up. */
static void the_next_host_is_asked(void **state)
{
    static const enum manner manners[] = {SILENT, NONSENSE, HANGS_UP};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct world w;

        world_begin(&w, manners[i], ANSWERS, "");
        assert_int_equal(ask(&w, "q", "a@x.test", ""), LDAP_FOUND);
        assert_true(w.servers[0].searches >= 1);
        assert_int_equal(w.servers[1].searches, 1);
        world_end(&w);
    }
}

static void hosts_take_turns(void **state)
{
    struct world w;

    (void)state;
    world_begin(&w, ANSWERS, ANSWERS, "ldap_server.s.mode=balance\nldap_server.s.cache_entries=0\n");
    for (int i = 0; i < 6; i++)
        assert_int_equal(ask(&w, "q", "a@x.test", ""), LDAP_FOUND);
    assert_int_equal(w.servers[0].searches, 3);
    assert_int_equal(w.servers[1].searches, 3);
    world_end(&w);
}

static void a_connection_closed_meanwhile_costs_nothing(void **state)
{
    struct world w;

    (void)state;
    world_begin(&w, LOSES_FIRST, SILENT, "");
    assert_int_equal(ask(&w, "q", "a@x.test", ""), LDAP_FOUND);
    assert_int_equal(w.servers[0].connections, 2);
    assert_int_equal(w.servers[1].connections, 0);
    world_end(&w);
}

/* Nobody is called unknown because a directory is away or busy. */
static void failures_are_temporary(void **state)
{
    struct world w;

    (void)state;
    world_begin(&w, SILENT, SILENT, "ldap_query.gone.server=s\nldap_query.gone.filter=(mail={nonsense})\n");
    assert_int_equal(ask(&w, "q", "a@x.test", ""), LDAP_TEMPORARY);
    assert_string_equal(w.why, "no answer in time");
    assert_int_equal(ask(&w, "nothing", "a@x.test", ""), LDAP_TEMPORARY);
    assert_int_equal(ask(&w, "gone", "a@x.test", ""), LDAP_TEMPORARY);
    world_end(&w);
    world_begin(&w, BUSY, BUSY, "");
    assert_int_equal(ask(&w, "q", "a@x.test", ""), LDAP_TEMPORARY);
    assert_string_equal(w.why, "busy");
    assert_int_equal(ask(&w, "q", "a@x.test", ""), LDAP_TEMPORARY);
    assert_int_equal(w.servers[0].searches, 2); /* not kept */
    world_end(&w);
}

/* RFC 4513 5.1.2: servers take an empty passphrase from everybody, so it is never sent. */
static void log_ins_are_tried_as_the_user_found(void **state)
{
    struct world w;

    (void)state;
    world_begin(&w, ANSWERS, SILENT, "");
    assert_int_equal(ask(&w, "auth", "ann", "right"), LDAP_FOUND);
    assert_int_equal(w.servers[0].binds, 1);
    assert_int_equal(ask(&w, "auth", "ann", "wrong"), LDAP_NOT_FOUND);
    assert_int_equal(w.servers[0].binds, 2);
    assert_int_equal(ask(&w, "auth", "ann", ""), LDAP_NOT_FOUND);
    assert_int_equal(w.servers[0].binds, 2);
    world_end(&w);
    world_begin(&w, ANSWERS, ANSWERS,
                "ldap_server.s.auth=passphrase\nldap_server.s.bind_dn=cn=me\nldap_server.s.passphrase=no\n");
    assert_int_equal(ask(&w, "q", "a@x.test", ""), LDAP_TEMPORARY); /* the machine's own passphrase is wrong */
    assert_non_null(strstr(w.why, "invalid credentials"));
    world_end(&w);
}

static void settings_may_change_under_way(void **state)
{
    struct world w;

    (void)state;
    world_begin(&w, SILENT, SILENT, "");
    ldap_ask(w.ldap, &(struct ldap_question){.query = str_lit("q"), .address = str_lit("a@b")}, on_answer, &w);
    for (int i = 0; i < 5; i++)
        loop_turn(w.loop, false);
    ldap_free(w.ldap); /* tells who waits */
    assert_int_equal(w.answers, 1);
    assert_int_equal(w.last.result, LDAP_TEMPORARY);
    w.ldap = ldap_new(&(struct ldap_options){.loop = w.loop, .conf = w.conf, .dns = dns, .owner = &w});
    world_end(&w);
}

static void passphrases_fit_their_digests(void **state)
{
    static const struct {
        const char *stored, *password;
        bool fits;
    } cases[] = {
        {"{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "password", true},
        {"{sha}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "Password", false},
        {"{MD5}X03MO1qnZdYdgyfeuILPmQ==", "password", true},
        {"{SSHA}yI6cZwQadOA1e9n4b5eGZyVRRGtzYWx0", "password", false},
        {"{SHA256}XohImNooBHFR0OVvjcYpJ3NgPQ1qq73WKhHvch0VQtg=", "password", true},
        {"plain", "plain", true},
        {"plain", "plai", false},
        {"{CLEARTEXT}open", "open", true},
        {"{CRYPT}$1$x$y", "{CRYPT}$1$x$y", false},
        {"{SHA}", "", false},
        {"{SHA}!!!", "x", false},
        {"", "", false},
        {"{SSHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "password", false}, /* no salt */
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(ldap_secret_fits(str_c(cases[i].stored), str_c(cases[i].password)), cases[i].fits);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(searches_share_a_connection_and_answers_are_kept),
        cmocka_unit_test(the_next_host_is_asked),
        cmocka_unit_test(hosts_take_turns),
        cmocka_unit_test(a_connection_closed_meanwhile_costs_nothing),
        cmocka_unit_test(failures_are_temporary),
        cmocka_unit_test(log_ins_are_tried_as_the_user_found),
        cmocka_unit_test(settings_may_change_under_way),
        cmocka_unit_test(passphrases_fit_their_digests),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
