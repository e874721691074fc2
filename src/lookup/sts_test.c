/* Tests of MTA-STS: records and policy files, the fetch over TLS from a server of our own, when a kept policy goes on. */
#include "lookup/sts.h"

#include "base/clock.h"
#include "lookup/https.h"
#include "net/socket.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static void records_are_read_strictly(void **state)
{
    static const char *const BAD[] = {"",
                                      "v=STSv1;",
                                      "v=STSv1; id=;",
                                      "id=1; v=STSv1",
                                      "v=STSv2; id=1;",
                                      "v=STSv1; id=a b;",
                                      "v=STSv1; id=123456789012345678901234567890123;"};
    struct str id;

    (void)state;
    assert_true(sts_record_id(str_lit("v=STSv1; id=20160831085700Z;"), &id));
    assert_true(str_eq(id, str_lit("20160831085700Z")));
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++)
        assert_false(sts_record_id(str_c(BAD[i]), &id));
}

static void policies_are_read_strictly(void **state)
{
    static const char *const BAD[] = {
        "",
        "mode: enforce\nmx: a.test\nmax_age: 1\n",
        "version: STSv1\nmode: enforce\nmax_age: 1\n",
        "version: STSv1\nmode: strict\nmx: a.test\nmax_age: 1\n",
        "version: STSv1\nmode: enforce\nmx: a.test\nmax_age: 99999999999\n",
        "version: STSv1\nmode: enforce\nmx: a b\nmax_age: 1\n",
        "version: STSv1\nmode: enforce\nmx: a.test\n",
    };
    struct sts_policy p;
    struct arena a;

    (void)state;
    arena_init(&a, 512, 1 << 16);
    assert_int_equal(
        sts_policy_parse(
            &a,
            str_lit("version: STSv1\r\nmode: enforce\r\nmx: mail.x.test\r\nmx: *.y.test\r\nmax_age: 604800\r\nother: 1\r\n"),
            &p),
        RC_OK);
    assert_int_equal(p.mode, STS_ENFORCE);
    assert_true(p.max_age_s == 604800 && str_eq(p.mx, str_lit("mail.x.test\n*.y.test")));
    assert_int_equal(sts_policy_parse(&a, str_lit("version: STSv1\nmode: none\nmax_age: 86400\n"), &p), RC_OK);
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++)
        assert_int_equal(sts_policy_parse(&a, str_c(BAD[i]), &p), RC_SYNTAX);
    arena_done(&a);
}

/* ---- HTTPS without sockets ---------------------------------------------------------------------------------------- */

struct got {
    unsigned calls, status;
    enum rc rc;
    char body[200];
};

static void note(void *ctx, enum rc rc, unsigned status, struct str type, struct str body)
{
    struct got *g = ctx;

    (void)type;
    g->calls++;
    g->rc = rc;
    g->status = status;
    snprintf(g->body, sizeof g->body, "%.*s", STR(body));
}

static struct got get(const char *answer, bool eof)
{
    static const struct tls_facts FACTS = {.verified = true};
    struct got g = {0};
    struct https_get how = {str_lit("mta-sts.x.test"), str_lit("/p"), note, &g};
    struct conversation *c = conversation_test_new(&https_kind, &how);

    conversation_test_tls(c, &FACTS);
    assert_int_equal(strncmp(c->out.p, "GET /p HTTP/1.1\r\nHost: mta-sts.x.test\r\n", 39), 0);
    for (const char *p = answer; *p; p++)
        conversation_feed(c, str_of(p, 1));
    if (eof)
        conversation_feed_eof(c);
    conversation_test_free(c);
    assert_int_equal(g.calls, 1);
    return g;
}

static void bodies_come_by_length_chunks_or_to_the_end(void **state)
{
    (void)state;
    assert_string_equal(get("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", false).body, "hello");
    assert_string_equal(
        get("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x\r\nlo\r\n0\r\nA: b\r\n\r\n", false).body,
        "hello");
    assert_string_equal(get("HTTP/1.0 200 OK\r\n\r\nhello", true).body, "hello");
    assert_string_equal(get("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", false).body, "");
}

static void half_an_answer_is_none(void **state)
{
    static const char *const BAD[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n",
        "SSH-2.0-x\r\n",
        "HTTP/1.1 200",
    };

    (void)state;
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++)
        assert_int_not_equal(get(BAD[i], true).rc, RC_OK);
}

/* ---- the whole, with a TLS server on loopback --------------------------------------------------------------------- */

struct web {
    struct loop *loop;
    struct tls_context *tls;
    const char *policy;
    unsigned requests;
    struct sts *sts;
    const char *txt;
    struct address_ip at;
    /* what sts said */
    unsigned calls;
    enum sts_mode mode;
    char mx[100];
};

static step_fn serve_request;

static struct step serve_tls(struct conversation *c)
{
    return c->tls ? step_read(serve_request, 0) : step_end();
}

static struct step serve_first(struct conversation *c)
{
    (void)c;
    return step_tls(serve_tls, 0);
}

static struct step serve_request(struct conversation *c)
{
    struct web *w = c->ctx;

    w->requests++;
    conversation_printf(c, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n\r\n%s", strlen(w->policy),
                        w->policy);
    return step_end();
}

static struct step serve_broken(struct conversation *c)
{
    (void)c;
    return step_end();
}

static const struct conversation_kind WEB_KIND = {.name = "web",
                                                  .first = serve_first,
                                                  .broken = serve_broken,
                                                  .size = sizeof(struct conversation),
                                                  .timeout_ms = 5000,
                                                  .max_in = 4096};

static void web_accept(void *ctx, int fd, const struct address_ip *peer)
{
    struct web *w = ctx;

    (void)peer;
    conversation_accept(w->loop, fd, &WEB_KIND, w->tls, w);
}

static void web_dns(void *owner, const struct dns_question *q, size_t n,
                    void (*fn)(void *ctx, const struct dns_answer *a, size_t n), void *ctx)
{
    struct web *w = owner;
    struct dns_record txt = {.data = str_c(w->txt)}, a = {.data = str_lit("\x7f\0\0\1")};
    struct dns_answer answers[2] = {{.question = q[0], .result = DNS_NXDOMAIN}, {.result = DNS_NODATA}};

    if (q->type == DNS_TXT && w->txt)
        answers[0] = (struct dns_answer){.question = q[0], .result = DNS_OK, .records = &txt, .n = 1};
    if (q->type == DNS_A)
        answers[0] = (struct dns_answer){.question = q[0], .result = DNS_OK, .records = &a, .n = 1};
    if (n > 1)
        answers[1].question = q[1];
    fn(ctx, answers, n);
}

static void on_policy(void *ctx, const struct sts_policy *p, uint64_t expires_ms)
{
    struct web *w = ctx;

    (void)expires_ms;
    w->calls++;
    w->mode = p->mode;
    snprintf(w->mx, sizeof w->mx, "%.*s", STR(p->mx));
}

static void web_ask(struct web *w)
{
    uint64_t until = clock_mono_ms() + 5000;

    w->calls = 0;
    sts_ask(w->sts, str_lit("x.test"), on_policy, w);
    while (!w->calls && clock_mono_ms() < until)
        loop_turn(w->loop, true);
    assert_int_equal(w->calls, 1);
}

static void a_policy_is_fetched_once_and_outlives_its_server(void **state)
{
    char dir[] = "/tmp/sts-test.XXXXXX", command[600], settings[300], path[100];
    struct web w = {.policy = "version: STSv1\nmode: enforce\nmx: m.x.test\nmax_age: 86400\n", .txt = "v=STSv1; id=1;"};
    struct buf cert = BUF(1 << 16), key = BUF(1 << 16);
    struct listener_socket *listener;
    struct conf_source *conf;
    struct sockaddr_storage sa;
    socklen_t n = sizeof sa;
    struct err e = ERR_NONE;
    FILE *f;
    int fd;

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(command, sizeof command,
             "cd %s && openssl req -x509 -nodes -days 2 -subj /CN=mta-sts.x.test -addext subjectAltName=DNS:mta-sts.x.test "
             "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -keyout k.pem -out c.pem 2>/dev/null",
             dir);
    assert_int_equal(system(command), 0);
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s.pem", dir, i ? "k" : "c");
        f = fopen(path, "r");
        assert_non_null(f);
        struct buf *b = i ? &key : &cert;
        b->n = fread(buf_reserve(b, 20000), 1, 20000, f);
        fclose(f);
    }
    w.loop = loop_new();
    assert_int_equal(tls_server_new(&(struct tls_server_options){.cert_pem = buf_str(&cert),
                                                                 .key_pem = buf_str(&key),
                                                                 .ciphers = str_lit("HIGH"),
                                                                 .min_version = 0x0303},
                                    &w.tls, &e),
                     RC_OK);
    assert_true(ip_parse(str_lit("127.0.0.1"), &w.at));
    assert_int_equal(listen_tcp(&w.at, 10, &fd, &e), RC_OK);
    getsockname(fd, (struct sockaddr *)&sa, &n);
    ip_from_sockaddr((struct sockaddr *)&sa, &w.at);
    listener = listener_socket_new(w.loop, fd, web_accept, &w);
    snprintf(settings, sizeof settings, "dns.sts_port=%u\ndns.sts_ca_file=%s/c.pem\n", w.at.port, dir);
    conf = conf_source_test(settings, &e);
    assert_non_null(conf);
    w.sts = sts_new(w.loop, conf, web_dns, &w);
    web_ask(&w);
    assert_int_equal(w.mode, STS_ENFORCE);
    assert_string_equal(w.mx, "m.x.test");
    web_ask(&w);
    assert_int_equal(w.requests, 1);
    w.txt = NULL; /* the record is gone, the policy is not (RFC 8461 5.1) */
    web_ask(&w);
    assert_int_equal(w.mode, STS_ENFORCE);
    w.txt = "v=STSv1; id=2;";
    w.policy = "version: STSv1\nmode: none\nmax_age: 86400\n";
    web_ask(&w);
    assert_int_equal(w.mode, STS_NONE);
    assert_int_equal(w.requests, 2);
    w.txt = "v=STSv1; id=3;"; /* a file that is none: the newest good policy goes on */
    w.policy = "hello";
    web_ask(&w);
    assert_int_equal(w.mode, STS_NONE);
    sts_free(w.sts);
    listener_socket_free(listener);
    for (int i = 0; i < 10; i++)
        loop_turn(w.loop, false);
    conf_source_free(conf);
    tls_unref(w.tls);
    loop_free(w.loop);
    buf_done(&cert);
    buf_done(&key);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_are_read_strictly),
        cmocka_unit_test(policies_are_read_strictly),
        cmocka_unit_test(bodies_come_by_length_chunks_or_to_the_end),
        cmocka_unit_test(half_an_answer_is_none),
        cmocka_unit_test(a_policy_is_fetched_once_and_outlives_its_server),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
