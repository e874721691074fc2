/* Who and what is kept out: hosts, addresses, sizes, garbage, too many, too slow. */
#include "web/world.h"

/* HD-04, HD-05 */
static void a_forged_host_is_refused_unless_that_is_off(void **state)
{
    static const char forged[] = "GET / HTTP/1.1\r\nHost: evil.test\r\nConnection: close\r\n\r\n";
    static const char none[] = "GET / HTTP/1.1\r\nConnection: close\r\n\r\n";
    static const char two[] = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.test\r\nConnection: close\r\n\r\n";
    struct world *t = world("", "http.M.4"), *off = world("access.host_header=no\nsystem.hostname=gw.test", "http.M.4");
    (void)state;

    has(exchange(t, forged, sizeof forged - 1), "HTTP/1.1 400 ");
    has(exchange(t, none, sizeof none - 1), "HTTP/1.1 400 ");
    has(exchange(t, two, sizeof two - 1), "HTTP/1.1 400 ");
    has(get(t, "/", ""), "HTTP/1.1 200 ");
    has(exchange(off, forged, sizeof forged - 1), "HTTP/1.1 200 ");
    end(t);
    end(off);
}

/* HD-02: nobody else gets an answer; a proxy is asked whom it speaks for. */
static void only_listed_addresses_come_in(void **state)
{
    struct world *out = world("access.mode=restrict\naccess.allowed=192.0.2.0/24", "http.M.4");
    struct world *in = world("access.mode=restrict\naccess.allowed=127.0.0.0-127.0.0.9", "http.M.4");
    struct world *proxy = world("access.mode=proxy\naccess.allowed=192.0.2.0/24\naccess.proxies=127.0.0.1", "http.M.4");
    (void)state;

    assert_int_equal(get(out, "/", "").n, 1);
    has(get(in, "/", ""), "HTTP/1.1 200 ");
    has(get(proxy, "/", ""), "HTTP/1.1 403 ");
    has(get(proxy, "/", "X-Forwarded-For: 192.0.2.9, 198.51.100.1\r\n"), "HTTP/1.1 403 ");
    has(get(proxy, "/", "X-Forwarded-For: 198.51.100.1, 192.0.2.9\r\n"), "HTTP/1.1 200 ");
    has(get(proxy, "/", "X-Forwarded-For: 192.0.2.9\r\nX-Forwarded-For: 198.51.100.1\r\n"), "HTTP/1.1 403 ");
    has(get(proxy, "/xml/status", ANA "X-Forwarded-For: 192.0.2.9\r\n"), "HTTP/1.1 200 ");
    assert_string_equal(proxy->last_peer, "192.0.2.9");
    end(out);
    end(in);
    end(proxy);
}

static void limits_of_a_request(void **state)
{
    struct world *t = world("", "http.M.4");
    static char big[90000];
    int n;
    (void)state;

    memset(big, 'a', sizeof big);
    n = snprintf(big, sizeof big, "GET /%0*d HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", 33000, 1);
    has(exchange(t, big, (size_t)n), "HTTP/1.1 414 ");
    n = snprintf(big, sizeof big, "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: %0*d\r\nConnection: close\r\n\r\n", 17000, 1);
    has(exchange(t, big, (size_t)n), "\"code\":\"431\"");
    n = snprintf(big, sizeof big,
                 "GET /xml/status HTTP/1.1\r\nHost: 127.0.0.1\r\n" ANA
                 "Content-Length: 5\r\nConnection: close\r\n\r\n{\"a\":");
    has(exchange(t, big, (size_t)n), "HTTP/1.1 200 "); /* a body on GET is taken */
    n = snprintf(big, sizeof big,
                 "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    has(exchange(t, big, (size_t)n), "HTTP/1.1 400 ");
    n = snprintf(big, sizeof big, "GET / HTTP/1.0\r\n\r\n");
    has(exchange(t, big, (size_t)n), "Connection: close\r\n");
    end(t);
}

static void a_body_that_is_too_large(void **state)
{
    struct world *t = world("", "http.M.4");
    size_t n = 2 << 20;
    char *big = calloc(1, n + 300);
    int head;
    (void)state;

    must(big);
    head = snprintf(big, 300,
                    "GET /xml/status HTTP/1.1\r\nHost: 127.0.0.1\r\n" ANA "Content-Length: %zu\r\nConnection: close\r\n\r\n",
                    n);
    has(exchange(t, big, (size_t)head + n), "HTTP/1.1 413 ");
    assert_int_equal(t->logins, 0);
    free(big);
    end(t);
}

/* Garbage, requests cut off, clients that leave while control thinks: the next one is served. */
static void nothing_a_client_sends_matters_to_the_next(void **state)
{
    static const char *const bad[] = {"\r\n\r\n",
                                      "GET\r\n\r\n",
                                      "\x16\x03\x01\x02",
                                      "GET / HTTP/9.9\r\nHost: 127.0.0.1\r\n\r\n",
                                      "GET /xml/sta",
                                      "GET / HTTP/1.1\r\nHost",
                                      "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"};
    static const char left[] = "GET /xml/status HTTP/1.1\r\nHost: 127.0.0.1\r\n" ANA "\r\n";
    struct world *t = world("", "http.M.4");
    (void)state;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        exchange(t, bad[i], strlen(bad[i]));
    t->silent = true;
    exchange(t, left, sizeof left - 1);
    assert_int_equal(t->web->n_logins, 1);
    t->silent = false;
    has(get(t, "/xml/status", ANA), "HTTP/1.1 200 ");
    end(t); /* with one suspended */
}

static void too_many_logins_at_once(void **state)
{
    static const char one[] = "GET /xml/status HTTP/1.1\r\nHost: 127.0.0.1\r\n" ANA "\r\n";
    struct world *t = world("", "http.M.4");
    int fds[LOGINS_MOST_ADDRESS];
    (void)state;

    t->silent = true;
    for (size_t i = 0; i < LOGINS_MOST_ADDRESS; i++) {
        fds[i] = dial(t);
        must(send(fds[i], one, sizeof one - 1, 0) == sizeof one - 1);
        for (int k = 0; k < 5; k++)
            loop_turn(t->loop, false);
    }
    has(get(t, "/xml/status", ANA), "HTTP/1.1 503 ");
    has(get(t, "/", ""), "HTTP/1.1 200 ");
    for (size_t i = 0; i < LOGINS_MOST_ADDRESS; i++)
        close(fds[i]);
    end(t);
}

/* A socket that master takes back is closed. */
static void a_socket_taken_back_is_closed(void **state)
{
    struct world *t = world("", "http.M.4");
    (void)state;

    web_sockets(t->web, NULL, 0);
    for (int i = 0; i < 5; i++)
        loop_turn(t->loop, false);
    assert_null(t->web->servers);
    end(t);
}

/* HTTPS without a certificate closes at once instead of leaving clients waiting. */
static void https_without_a_certificate(void **state)
{
    struct world *t = world("", "https.M.4");
    (void)state;

    assert_int_equal(get(t, "/", "").n, 1);
    has(events_test_text(t->events), "https.M.4 cannot");
    end(t);
}

static void without_control_there_are_no_figures(void **state)
{
    struct world *t = world("", "http.M.4");
    struct str got;
    (void)state;

    bus_free(t->control);
    t->control = bus_new(t->loop, ROLE_control, 0);
    got = get(t, "/xml/status", ANA);
    has(got, "HTTP/1.1 503 ");
    has(got, "Retry-After: 2\r\n");
    end(t);
}

/* Slow headers and idle connections are cut off by the clock (api.md 12). The clock stands from here on: the last test. */
static void the_slow_are_cut_off(void **state)
{
    static const char part[] = "GET / HTTP/1.1\r\nHost: 127";
    struct world *t;
    int quiet, slow;
    char c;
    (void)state;

    clock_test_set(1000000, 1000000);
    t = world("", "http.M.4");
    quiet = dial(t);
    slow = dial(t);
    for (int i = 0; i < 20; i++) {
        if (i < 10)
            must(send(slow, part + i, 1, 0) == 1); /* never quiet for long, never done */
        for (int k = 0; k < 5; k++)
            loop_turn(t->loop, false);
        clock_test_advance(900);
    }
    assert_int_equal(recv(quiet, &c, 1, MSG_DONTWAIT), 0);
    assert_int_equal(recv(slow, &c, 1, MSG_DONTWAIT), 0);
    assert_int_equal(t->web->n_visitors, 0);
    close(quiet);
    close(slow);
    end(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_forged_host_is_refused_unless_that_is_off),
        cmocka_unit_test(only_listed_addresses_come_in),
        cmocka_unit_test(limits_of_a_request),
        cmocka_unit_test(a_body_that_is_too_large),
        cmocka_unit_test(nothing_a_client_sends_matters_to_the_next),
        cmocka_unit_test(too_many_logins_at_once),
        cmocka_unit_test(https_without_a_certificate),
        cmocka_unit_test(without_control_there_are_no_figures),
        cmocka_unit_test(a_socket_taken_back_is_closed),
        cmocka_unit_test(the_slow_are_cut_off),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
