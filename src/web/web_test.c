/* Whole requests: logins, figures, errors, as a client sees them. */
#include "web/world.h"

static void a_login_sees_the_figures(void **state)
{
    struct world *t = world("", "http.M.4");
    struct str got = get(t, "/xml/status", ANA);
    (void)state;

    has(got, "HTTP/1.1 200 OK\r\n");
    has(got, "Content-Type: text/xml\r\n");
    has(got, "Server: API/2.0\r\n");
    has(got, "Content-Length: ");
    has(got, "X-Content-Type-Options: nosniff\r\n");
    has(got, "<gauge name=\"kbytes_used\" current=\"1\" />\n");
    assert_string_equal(t->last_words, "status|");
    assert_string_equal(t->last_peer, "127.0.0.1");
    has(events_test_text(t->events), "req:127.0.0.1 user:ana id:- 200 GET /xml/status HTTP/1.1 -");
    got = get(t, "/api/v1.0/health/", ANA);
    has(got, "Server: EmailAPI/1.0\r\n");
    has(got, "Content-Type: application/json\r\n");
    has(got, "\"uri\":\"/api/v1.0/health/\"}");
    end(t);
}

/* api.md 3: the challenge, and its absence for browsers; 4: the shape of errors. */
static void without_a_login_there_is_a_challenge(void **state)
{
    struct world *t = world("", "http.M.4");
    struct str got = get(t, "/xml/status", "");
    (void)state;

    has(got, "HTTP/1.1 401 ");
    has(got, "WWW-Authenticate: Basic realm=\"Postern\"\r\n");
    has(got, "Content-Type: application/json\r\n");
    has(got, "\"code\":\"401\",\"explanation\":\"401 = No permission -- see authorization schemes.\"}}");
    lacks(get(t, "/xml/status", "Sec-Fetch-Mode: navigate\r\n"), "WWW-Authenticate");
    lacks(get(t, "/xml/status", "Cookie: __Host-postern=x\r\n"), "WWW-Authenticate");
    got = get(t, "/xml/status", BAD);
    has(got, "{\"error\":{\"message\":\"Invalid username or passphrase.\",\"code\":\"401\",\"explanation\":\"401 = No "
             "permission -- see "
             "authorization schemes.\"}}");
    assert_int_equal(t->verbs, 0);
    end(t);
}

static void who_may_not(void **state)
{
    struct world *t = world("", "http.M.4");
    (void)state;

    t->role = 6;
    has(get(t, "/xml/status", ANA), "HTTP/1.1 403 ");
    t->role = 3;
    has(get(t, "/xml/topin", ANA), "HTTP/1.1 403 ");
    has(get(t, "/xml/status", ANA), "HTTP/1.1 200 ");
    t->must_change = true;
    has(get(t, "/xml/status", ANA), "The passphrase must be changed first");
    end(t);
}

/* api.md 12: login rate. */
static void an_address_that_guesses_is_shut_out(void **state)
{
    struct world *t = world("", "http.M.4");
    struct str got;
    (void)state;

    for (int i = 0; i < 10; i++)
        has(get(t, "/xml/status", BAD), "HTTP/1.1 401 ");
    got = get(t, "/xml/status", ANA);
    has(got, "HTTP/1.1 429 ");
    has(got, "Retry-After: 60\r\n");
    assert_int_equal(t->logins, 10);
    end(t);
}

static void plain_logins_can_be_refused(void **state)
{
    struct world *t = world("http.plaintext_login=refuse", "api_http.M.4");
    struct str got = get(t, "/xml/status", ANA);
    (void)state;

    has(got, "HTTP/1.1 403 ");
    lacks(got, "WWW-Authenticate");
    assert_int_equal(t->logins, 0);
    end(t);
}

static void errors_of_paths_and_parameters(void **state)
{
    static const char delete[] = "DELETE /xml/status HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
    struct world *t = world("", "http.M.4");
    struct str got;
    (void)state;

    has(get(t, "/none", ANA), "\"code\":\"404\",\"explanation\":\"404 = Nothing matches the given URI.\"}}");
    has(get(t, "/api/v1.0/health?x%3Cy=1", ANA), "\"message\":\"Unexpected attribute - x\\u003cy.\"");
    has(get(t, "/xml/hoststatus", ANA), "\"message\":\"Missing attribute - hostname.\"");
    has(get(t, "/a/../xml/status", ANA), "HTTP/1.1 400 ");
    got = exchange(t, delete, sizeof delete - 1);
    has(got, "HTTP/1.1 501 ");
    has(got, "Allow: GET, HEAD\r\n");
    got = get(t, "/xml/tophosts", ANA);
    has(got, "HTTP/1.1 500 ");
    has(got, "\"message\":\"Reference ");
    lacks(got, "secret detail");
    has(events_test_text(t->events), "secret detail");
    end(t);
}

/* HD-06: what names hold reaches the client as text only. */
static void other_figures_become_xml(void **state)
{
    struct world *t = world("", "http.M.4");
    struct str got = get(t, "/xml/hoststatus?hostname=a.test%3Cscript%3E", ANA);
    (void)state;

    assert_string_equal(t->last_words, "hoststatus|a.test<script>|");
    has(got, "<hoststatus host=\"&#60;b&#62;&#38;\" state=\"up\" active=\"3\">\n  <list>\n    <item a=\"yes\" />\n    <item "
             "a=\"1.5\" />\n");
    end(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_login_sees_the_figures),
        cmocka_unit_test(without_a_login_there_is_a_challenge),
        cmocka_unit_test(who_may_not),
        cmocka_unit_test(an_address_that_guesses_is_shut_out),
        cmocka_unit_test(plain_logins_can_be_refused),
        cmocka_unit_test(errors_of_paths_and_parameters),
        cmocka_unit_test(other_figures_become_xml),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
