/* The visible text of HTML, and the addresses that lead out of a message, whatever tricks hide them. */
#include "mail/mime_testing.h"
#include "mail/mime_url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static int start(void **state)
{
    struct arena *a = calloc(1, sizeof *a);

    arena_init(a, 4096, 256 << 20);
    *state = a;
    return 0;
}

static int end(void **state)
{
    arena_done(*state);
    free(*state);
    return 0;
}

static void visible_text(void **state)
{
    static const char *const t[][2] = {
        {"<p>a<b>b</b> c</p><p>d", "ab c\nd"},
        {"a<br>b<BR/>c", "a\nb\nc"},
        {"v<!-- x -->i<!-->a<!---->gr<!--> --x--!>a", "viagr --x--!>a"},
        {"v<!-- x -- > -->i", "vi"},
        {"&lt;b&gt;&eacute;&#65;&#x42;&#0;&nosuch;&amp", "<b>\xc3\xa9"
                                                         "AB\xef\xbf\xbd&nosuch;&amp"},
        {"<script>if (a<b) x='</b>'</script>y<style>p{}</style>z", "yz"},
        {"<title>t</title>a", "a"},
        {"vi<span style=\"display : NONE\">x<span>y</span></span>agra", "viagra"},
        {"<p style='display:none'>a<p>b", "b"},
        {"<div style='display:none'>never closed", "never closed"},
        {"1 < 2 and <3", "1 < 2 and <3"},
        {"<a title=\">\">x</a>", "x"},
        {"<td>a</td><td>b</td>", "a b"},
        {"", ""},
        {"<", "<"},
        {"a<open", "a"},
    };
    struct arena *a = *state;

    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct str got = str_trim(mime_html_text(a, str_c(t[i][0])));

        if (!str_eq(got, str_c(t[i][1])))
            fail_msg("%s: '%.*s'", t[i][0], STR(got));
    }
}

static void normal_form(void **state)
{
    static const char *const t[][2] = {
        {"HTTP://Example.COM", "http://example.com/"},
        {"https://example.com:443/a/../b/./c?d#e", "https://example.com/b/c?d#e"},
        {"http://example.com:8080/", "http://example.com:8080/"},
        {"http://user:pass@example.com/", "http://example.com/"},
        {"http://bank.example@evil.test/x", "http://evil.test/x"},
        {"http:\\\\evil.test\\a", "http://evil.test/a"},
        {"http:/evil.test/", "http://evil.test/"},
        {"http:evil.test", "http://evil.test/"},
        {"ht\ttp://ev\r\nil.test/", "http://evil.test/"},
        {"http://%65vil.test/%7euser/%2fa%20", "http://evil.test/~user/%2Fa%20"},
        {"http://3232235777/", "http://192.168.1.1/"},
        {"http://0xC0.0250.1.1/", "http://192.168.1.1/"},
        {"http://b\xc3\xbc"
         "cher.example./",
         "http://xn--bcher-kva.example/"},
        {"http://e\xef\xbd\x96il.test/", "http://evil.test/"},
        {"http://[2001:db8::1]:80/", "http://[2001:db8::1]/"},
        {"ftp://a.test/b c", "ftp://a.test/b%20c"},
        {"http://a.test/../../..", "http://a.test/"},
        {"javascript:alert(1)", ""},
        {"http://", ""},
        {"http:///", ""},
    };
    struct arena *a = *state;

    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct str got = mime_url_normal(a, str_c(t[i][0]));

        if (!str_eq(got, str_c(t[i][1])))
            fail_msg("%s: '%.*s'", t[i][0], STR(got));
    }
}

static void list(struct arena *a, const char *message, struct buf *out)
{
    struct mime_urls u = mime_urls(mime_read(a, str_c(message)));

    buf_clear(out);
    for (size_t i = 0; i < u.n; i++)
        buf_addf(out, "%.*s[%.*s] ", STR(u.items[i].url), STR(u.items[i].shown));
    buf_addc(out, '\0');
}

static void addresses(void **state)
{
#define HTML "Content-Type: text/html\r\n\r\n"
    static const char *const t[][2] = {
        {"\r\nsee (http://a.test/x_(y)), www.b.test. And HTTPS://c.test!",
         "http://a.test/x_(y)[] http://www.b.test/[] https://c.test/[] "},
        {"\r\nnothing: here, awww.b.test or www. x", ""},
        {"\r\nxhttp://a.test/ <http://b.test>", "http://a.test/[] http://b.test/[] "},
        {HTML "<a href=http://a.test/>click <b>here</b></a> http://b.test", "http://a.test/[click here] http://b.test/[] "},
        {HTML "<a href='http://evil.test/'>http://bank.example/</a>", "http://evil.test/[http://bank.example/] "},
        {HTML "<a\nHREF = \"&#104;ttp&colon;//a.test/?a=1&amp;b=2\">x</a>", "http://a.test/?a=1&b=2[x] "},
        {HTML "<base href=http://a.test/d/><a href=e>x</a><img src=//b.test/i>",
         "http://a.test/d/[] http://a.test/d/e[x] https://b.test/i[] "},
        {HTML "<meta http-equiv=refresh content=\"0; URL='http://a.test/'\">", "http://a.test/[] "},
        {HTML "<form action=http://a.test/><area href=http://b.test/>", "http://a.test/[] http://b.test/[] "},
        {HTML "<a href=mailto:a@b.test>x</a><a href='#top'>y</a>", ""},
        {"Content-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nhttp://a.te=\r\nst/=41",
         "http://a.test/A[] "},
    };
    struct buf out = BUF(65536);

    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        list(*state, t[i][0], &out);
        if (strcmp(out.p, t[i][1]) != 0)
            fail_msg("%s: '%s'", t[i][0], out.p);
    }
    buf_done(&out);
}

/* The place is a view into the text, so that what stands there can be replaced. */
static void places(void **state)
{
    struct mime *m = mime_read(*state, str_lit(HTML "<a href=\"http://a.test/?x&amp;y\">z</a>"));
    struct mime_urls u = mime_urls(m);

    assert_int_equal(u.n, 1);
    assert_true(str_eq(u.items[0].place, str_lit("http://a.test/?x&amp;y")));
    assert_true(u.items[0].place.p > m->root->text.p && u.items[0].place.p < m->root->text.p + m->root->text.n);
    assert_ptr_equal(u.items[0].part, m->root);
}

static void many_addresses_end_in_a_cut(void **state)
{
    struct buf b = BUF(1 << 20);
    struct mime *m;
    struct mime_urls u;

    buf_addc(&b, '\n');
    for (int i = 0; i < MIME_URLS + 5; i++)
        buf_add(&b, str_lit("www.a.test "));
    m = mime_read(*state, buf_str(&b));
    u = mime_urls(m);
    assert_int_equal(u.n, MIME_URLS);
    assert_true(m->cut);
    buf_done(&b);
}

#define T(name) cmocka_unit_test_setup_teardown(name, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(visible_text), T(normal_form), T(addresses), T(places), T(many_addresses_end_in_a_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
