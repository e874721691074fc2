/* Tests of the resolver against a name server of our own on loopback: results, negative answers, dead servers, odd names. */
#include "lookup/resolver.h"

#include "base/clock.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

/* Answers for zone "lab.test": a.lab.test A, m.lab.test MX + null MX at n.lab.test, t TXT; x.lab.test NXDOMAIN; f SERVFAIL.
 */
struct server {
    uv_poll_t poll;
    int fd;
    uint16_t port;
    unsigned asked;
};

static size_t put_rr(unsigned char *out, uint16_t type, const unsigned char *data, size_t n)
{
    const unsigned char head[] = {
        0xc0, 12, (unsigned char)(type >> 8), (unsigned char)type, 0, 1, 0, 0, 0, 60, 0, (unsigned char)n};

    memcpy(out, head, sizeof head);
    memcpy(out + sizeof head, data, n);
    return sizeof head + n;
}

static void serve(uv_poll_t *poll, int status, int events)
{
    static const unsigned char A[] = {192, 0, 2, 1}, MX[] = {0, 10, 1, 'a', 3, 'l', 'a', 'b', 4, 't', 'e', 's', 't', 0},
                               NULL_MX[] = {0, 0, 0}, TXT[] = {3, 'o', 'n', 'e', 3, 't', 'w', 'o'};
    struct server *s = poll->data;
    unsigned char b[1500];
    struct sockaddr_in from;
    socklen_t from_n = sizeof from;
    ssize_t n = recvfrom(s->fd, b, 512, 0, (struct sockaddr *)&from, &from_n);
    size_t at = 12, end;
    unsigned answers = 0, rcode = 0, type;

    (void)status;
    (void)events;
    if (n < 17)
        return;
    s->asked++;
    char first = (char)(b[13] | 0x20);
    while (at < (size_t)n && b[at])
        at += b[at] + 1u;
    type = b[at + 2];
    end = at + 5;
    if (b[12] != 1)
        first = 0; /* lab.test itself, or test */
    if (first == 'a' && type == DNS_A)
        answers = 1, end += put_rr(b + end, DNS_A, A, sizeof A);
    else if (first == 'm' && type == DNS_MX)
        answers = 1, end += put_rr(b + end, DNS_MX, MX, sizeof MX);
    else if (first == 'n' && type == DNS_MX)
        answers = 1, end += put_rr(b + end, DNS_MX, NULL_MX, sizeof NULL_MX);
    else if (first == 't' && type == DNS_TXT)
        answers = 1, end += put_rr(b + end, DNS_TXT, TXT, sizeof TXT);
    else if (first == 'x')
        rcode = 3;
    else if (first == 'f')
        rcode = 2;
    b[2] = 0x84;
    b[3] = (unsigned char)rcode;
    b[7] = (unsigned char)answers;
    b[8] = b[9] = b[10] = b[11] = 0;
    sendto(s->fd, b, end, 0, (struct sockaddr *)&from, from_n);
}

struct world {
    struct loop *loop;
    struct server server;
    struct resolver *resolver;
    struct seen {
        unsigned calls;
        enum dns_result result;
        size_t n;
        uint64_t preference, ttl;
        char data[64];
    } seen;
};

static void start(struct world *w)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof at;
    char line[64];
    struct str domain;
    struct err e = ERR_NONE;

    w->loop = loop_new();
    w->server.fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(w->server.fd, (struct sockaddr *)&at, sizeof at), 0);
    getsockname(w->server.fd, (struct sockaddr *)&at, &n);
    uv_poll_init(loop_uv(w->loop), &w->server.poll, w->server.fd);
    w->server.poll.data = &w->server;
    uv_poll_start(&w->server.poll, UV_READABLE, serve);
    snprintf(line, sizeof line, "lab.test 127.0.0.1@%u", ntohs(at.sin_port));
    domain = str_c(line);
    struct conf_dns settings = {.domain_servers = {&domain, 1}, .dnssec = 1, .timeout_ms = 2000, .cache_bytes = 1 << 20};
    assert_int_equal(resolver_new(w->loop, &settings, &w->resolver, &e), RC_OK);
    assert_string_equal(e.text, "");
}

static void note(void *ctx, const struct dns_answer *a)
{
    struct world *w = ctx;

    w->seen.calls++;
    w->seen.result = a->result;
    w->seen.n = a->n;
    w->seen.ttl = a->ttl;
    if (a->n) {
        w->seen.preference = a->records->preference;
        memcpy(w->seen.data, a->records->data.p, a->records->data.n < 63 ? a->records->data.n : 63);
    }
}

static struct seen ask(struct world *w, uint64_t type, const char *name)
{
    struct dns_question q = {type, str_c(name)};
    struct dns_answer refused = {0};
    uint64_t until = clock_mono_ms() + 8000;

    w->seen = (struct seen){0};
    if (resolver_ask(w->resolver, &q, note, w, &refused) < 0)
        note(w, &refused);
    while (!w->seen.calls && clock_mono_ms() < until)
        loop_turn(w->loop, true);
    assert_int_equal(w->seen.calls, 1);
    return w->seen;
}

static void finish(struct world *w)
{
    resolver_free(w->resolver);
    uv_poll_stop(&w->server.poll);
    uv_close((uv_handle_t *)&w->server.poll, NULL);
    loop_turn(w->loop, false);
    loop_turn(w->loop, false);
    close(w->server.fd);
    loop_free(w->loop);
}

static void answers_are_told_apart(void **state)
{
    struct world w = {0};
    struct seen s;

    (void)state;
    start(&w);
    s = ask(&w, DNS_A, "a.lab.test");
    assert_int_equal(s.result, DNS_OK);
    assert_memory_equal(s.data, "\xc0\x00\x02\x01", 4);
    assert_true(s.ttl > 0 && s.ttl <= 60);
    s = ask(&w, DNS_MX, "m.lab.test");
    assert_int_equal(s.result, DNS_OK);
    assert_int_equal(s.preference, 10);
    assert_string_equal(s.data, "a.lab.test");
    s = ask(&w, DNS_MX, "n.lab.test");
    assert_int_equal(s.result, DNS_OK);
    assert_string_equal(s.data, ""); /* null MX, RFC 7505 */
    s = ask(&w, DNS_TXT, "t.lab.test");
    assert_string_equal(s.data, "onetwo");
    assert_int_equal(ask(&w, DNS_MX, "a.lab.test").result, DNS_NODATA);
    assert_int_equal(ask(&w, DNS_A, "x.lab.test").result, DNS_NXDOMAIN);
    assert_int_equal(ask(&w, DNS_A, "f.lab.test").result, DNS_TEMPORARY);
    finish(&w);
}

static void what_is_no_name_does_not_exist(void **state)
{
    static const char *const BAD[] = {"", "a..b", ".a", "a b.test", "a\\000.test", "x\"y"};
    struct world w = {0};

    (void)state;
    start(&w);
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++)
        assert_int_equal(ask(&w, DNS_A, BAD[i]).result, DNS_NXDOMAIN);
    assert_int_equal(w.server.asked, 0);
    finish(&w);
}

static void wire_names_are_bounded(void **state)
{
    struct arena a;
    struct str in, out;
    struct dns_record r;

    (void)state;
    arena_init(&a, 512, 1 << 16);
    in = str_lit("\3abc\2de\0rest");
    assert_int_equal(wire_name(&a, &in, &out), RC_OK);
    assert_true(str_eq(out, str_lit("abc.de")) && str_eq(in, str_lit("rest")));
    in = str_lit("\3ab");
    assert_int_equal(wire_name(&a, &in, &out), RC_SYNTAX);
    in = str_lit("\3a.b\0");
    assert_int_equal(wire_name(&a, &in, &out), RC_SYNTAX);
    assert_int_equal(wire_record(&a, DNS_A, str_lit("abc"), &r), RC_SYNTAX);
    assert_int_equal(wire_record(&a, DNS_TXT, str_lit("\5ab"), &r), RC_SYNTAX);
    arena_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_told_apart),
        cmocka_unit_test(what_is_no_name_does_not_exist),
        cmocka_unit_test(wire_names_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
