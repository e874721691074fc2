/* Tests of LDAP coding: templates and hostile values, filters, messages, lists on the bus; mailboxes of header fields. */
#include "mail/ber.h"
#include "mail/ldap.h"
#include "mail/ldap_filter.h"
#include "mail/ldap_message.h"
#include "mail/mailbox.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct arena arena;

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 1024, 1 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_done(&arena);
    return 0;
}

static struct str kept(struct buf *b)
{
    struct str s = arena_str(&arena, buf_str(b));

    buf_done(b);
    return s;
}

static void assert_str(struct str s, const char *wanted)
{
    assert_string_equal(arena_str(&arena, s).p, wanted);
}

static struct str filled(const char *text, const struct ldap_tokens *t)
{
    struct buf b = BUF(LDAP_FILTER_MAX);

    assert_int_equal(ldap_template_fill(str_c(text), t, &b, NULL), RC_OK);
    return kept(&b);
}

static void templates_are_filled(void **state)
{
    struct ldap_tokens t = {str_lit("ann@x.test"), str_lit("from@y.test"), str_lit("cn=sales,ou=g"),
                            str_lit("uid=ann,dc=x")};
    struct buf b = BUF(LDAP_FILTER_MAX);
    struct err e = ERR_NONE;

    (void)state;
    assert_str(filled("(&(mail={a})(uid={u})(d={d})(f={f})(g={g})(cn={cn})(m={dn}))", &t),
               "(&(mail=ann@x.test)(uid=ann)(d=x.test)(f=from@y.test)(g=cn=sales,ou=g)(cn=sales)(m=uid=ann,dc=x))");
    t.address = str_lit("bob");
    assert_str(filled("{u}|{d}|{a}", &t), "bob||bob");
    assert_int_equal(ldap_template_fill(str_lit("(uid={x})"), &t, &b, &e), RC_SYNTAX);
    assert_int_equal(ldap_template_fill(str_lit("(uid={u"), &t, &b, &e), RC_SYNTAX);
    buf_done(&b);
}

/* FW-19: whatever an address holds is a value and nothing else: the structure of the filter stays. */
static void hostile_values_stay_values(void **state)
{
    static const char hostile[] = "*)(uid=*))(|(uid=\\2a\0\x01\xc3\xa9 x";
    struct ldap_tokens t = {.address = {hostile, sizeof hostile - 1}};
    struct buf b = BUF(LDAP_FILTER_MAX);
    struct str text = filled("(mail={a})", &t), in, value;

    (void)state;
    assert_str(text, "(mail=\\2a\\29\\28uid=\\2a\\29\\29\\28|\\28uid=\\5c2a\\00\\01\\c3\\a9\\20x)");
    assert_int_equal(ldap_filter_encode(text, &b, NULL), RC_OK);
    in = buf_str(&b);
    assert_true(ber_get(&in, 0xa3, &value)); /* one comparison for equality */
    assert_int_equal(in.n, 0);
    assert_true(ber_get(&value, BER_OCTETS, &text) && str_eq(text, str_lit("mail")));
    assert_true(ber_get(&value, BER_OCTETS, &text) && str_eq(text, t.address));
    buf_done(&b);
}

static void filters_become_octets(void **state)
{
    static const struct {
        const char *text, *octets;
        size_t n;
    } cases[] = {
#define CASE(text, octets) {text, octets, sizeof octets - 1}
        CASE("(uid=ann)", "\xa3\x84\0\0\0\x0e\x04\3uid\x04\x84\0\0\0\3ann"),
        CASE("uid=*", "\x87\3uid"),
        CASE("(!(uid=*))", "\xa2\x84\0\0\0\5\x87\3uid"),
        CASE("(a=b*c*d)", "\xa4\x84\0\0\0\x1e\x04\1a\x30\x84\0\0\0\x15\x80\x84\0\0\0\1b\x81\x84\0\0\0\1c\x82\x84\0\0\0\1d"),
        CASE("(a=*c*)", "\xa4\x84\0\0\0\x10\x04\1a\x30\x84\0\0\0\7\x81\x84\0\0\0\1c"),
        CASE("(a>=1)", "\xa5\x84\0\0\0\x0a\x04\1a\x04\x84\0\0\0\1"
                       "1"),
        CASE("(a:dn:1.2:=x)", "\xa9\x84\0\0\0\x12\x81\3"
                              "1.2\x82\1a\x83\x84\0\0\0\1x\x84\1\xff"),
#undef CASE
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf b = BUF(1000);
        struct str s;

        assert_int_equal(ldap_filter_encode(str_c(cases[i].text), &b, NULL), RC_OK);
        s = buf_str(&b);
        assert_int_equal(s.n, cases[i].n);
        assert_memory_equal(s.p, cases[i].octets, s.n);
        buf_done(&b);
    }
}

static void bad_filters_say_where(void **state)
{
    static const struct {
        const char *text, *says;
    } cases[] = {{"(uid=ann", "column 9: expected )"},  {"(uid=ann))", "column 10: more"},
                 {"(&)", "column 3: expected ("},       {"(=x)", "column 2: expected the name"},
                 {"(uid)", "column 5: expected ="},     {"(uid=\\zz)", "column 6: \\ is followed"},
                 {"(uid=a(b)", "column 7: expected )"}, {"(a:=)(b=c)", "column 6: more"}};
    struct buf deep = BUF(1000), b = BUF(10000);
    struct err e = ERR_NONE;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(ldap_filter_encode(str_c(cases[i].text), &b, &e), RC_SYNTAX);
        assert_non_null(strstr(err_text(&e), cases[i].says));
    }
    for (size_t i = 0; i < 100; i++)
        buf_add(&deep, str_lit("(!"));
    assert_int_equal(ldap_filter_encode(buf_str(&deep), &b, &e), RC_SYNTAX);
    assert_non_null(strstr(err_text(&e), "too deeply"));
    buf_done(&deep);
    buf_done(&b);
}

static void numbers_are_twos_complement(void **state)
{
    static const uint32_t values[] = {0, 1, 127, 128, 255, 256, 32767, 32768, 65535, INT32_MAX};

    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct buf b = BUF(100);
        struct str in;
        uint32_t got;

        ber_put_number(&b, BER_INTEGER, values[i]);
        in = buf_str(&b);
        assert_true(ber_get_number(&in, BER_INTEGER, &got) && in.n == 0);
        assert_int_equal(got, values[i]);
        buf_done(&b);
    }
}

/* An entry and the end of a search as a server sends them. */
static const char ENTRY[] = "\x30\x32\x02\x01\x07\x64\x2d\x04\x0c"
                            "uid=ann,dc=x"
                            "\x30\x1d"
                            "\x30\x1b\x04\x04mail\x31\x13"
                            "\x04\x0b"
                            "ann@x.test1"
                            "\x04\x04"
                            "ann2";
static const char DONE[] = "\x30\x0c\x02\x01\x07\x65\x07\x0a\x01\x20\x04\x00\x04\x00";

static void answers_are_read(void **state)
{
    struct str in = {ENTRY, sizeof ENTRY - 1}, part;
    struct ldap_message m;

    (void)state;
    for (size_t n = 0; n < in.n; n++) { /* cut anywhere it is not whole yet */
        part = str_first(in, n);
        assert_int_equal(ldap_message_take(&arena, &part, &m), RC_UNAVAILABLE);
        assert_int_equal(part.n, n);
    }
    assert_int_equal(ldap_message_take(&arena, &in, &m), RC_OK);
    assert_int_equal(in.n, 0);
    assert_int_equal(m.kind, LDAP_ENTRY);
    assert_int_equal(m.id, 7);
    assert_str(m.dn, "uid=ann,dc=x");
    assert_int_equal(m.n, 1);
    assert_str(m.attributes[0].name, "mail");
    assert_int_equal(m.attributes[0].values.n, 2);
    assert_str(m.attributes[0].values.items[1], "ann2");
    in = str_of(DONE, sizeof DONE - 1);
    assert_int_equal(ldap_message_take(&arena, &in, &m), RC_OK);
    assert_int_equal(m.kind, LDAP_SEARCH_DONE);
    assert_int_equal(m.code, LDAP_CODE_NO_SUCH_OBJECT);
}

static void nonsense_is_no_answer(void **state)
{
    static const struct str cases[] = {{"HTTP/1.1 400 Bad", 16},
                                       {"\x30\x80\x02\x01", 4},                 /* indefinite length */
                                       {"\x30\x85\1\1\1\1\1", 7},               /* longer than a number holds */
                                       {"\x30\x84\x7f\xff\xff\xff", 6},         /* larger than we take */
                                       {"\x30\x05\x02\x01\x07\x42\x00", 7},     /* a server that says unbind */
                                       {"\x30\x06\x02\x01\x87\x65\x01\x00", 8}, /* negative number, cut result */
                                       {"\x30\x03\x02\x01\x01", 5}};
    struct ldap_message m;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct str in = cases[i];

        assert_int_equal(ldap_message_take(&arena, &in, &m), RC_SYNTAX);
    }
}

static void lists_travel(void **state)
{
    const struct ldap_question q[2] = {{str_lit("q"), str_lit("a@b"), str_lit("f"), str_lit("g"), str_lit("p")},
                                       {.query = str_lit("r")}};
    const struct ldap_value v[1] = {{str_lit("host"), str_lit("h")}};
    const struct ldap_answer a[2] = {{LDAP_FOUND, STR_NONE, v, 1}, {.result = LDAP_TEMPORARY, .why = str_lit("away")}};
    const struct ldap_question *q2;
    const struct ldap_answer *a2;
    struct buf b = BUF(1000);
    size_t n;

    (void)state;
    ldap_questions_encode(q, 2, &b);
    assert_int_equal(ldap_questions_decode(&arena, buf_str(&b), &q2, &n), RC_OK);
    assert_int_equal(n, 2);
    assert_str(q2[0].password, "p");
    assert_str(q2[1].query, "r");
    assert_int_equal(ldap_questions_decode(&arena, str_first(buf_str(&b), 5), &q2, &n), RC_CORRUPT);
    buf_clear(&b);
    ldap_answers_encode(a, 2, &b);
    assert_int_equal(ldap_answers_decode(&arena, buf_str(&b), &a2, &n), RC_OK);
    assert_str(ldap_answer_value(&a2[0], "host"), "h");
    assert_int_equal(ldap_answer_value(&a2[0], "name").n, 0);
    assert_str(a2[1].why, "away");
    assert_int_equal(ldap_answers_decode(&arena, str_first(buf_str(&b), b.n - 1), &a2, &n), RC_CORRUPT);
    buf_done(&b);
}

static void mailboxes_are_found_in_place(void **state)
{
    static const struct {
        const char *in, *boxes; /* address|name, each with ; */
    } cases[] = {{"a@x.test", "a@x.test|;"},
                 {" \"B, C\" <b@x.test>,\r\n d@y.test (x, <no@z>)", "b@x.test|\"B, C\";d@y.test|;"},
                 {"Friends: e@x.test, F <f@x.test>;, g@x.test", "e@x.test|;f@x.test|F;g@x.test|;"},
                 {"\"q\\\"u, \"@x.test", "\"q\\\"u, \"@x.test|;"},
                 {"undisclosed-recipients:;", ""},
                 {"Name <no address>, h@x.test", "h@x.test|;"},
                 {"(unclosed <i@x.test>", ""},
                 {"< j@x.test >", "j@x.test|;"},
                 {"", ""},
                 {",,;", ""}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct str rest = str_c(cases[i].in);
        struct buf b = BUF(1000);
        struct mailbox m;

        while (mailbox_next(&rest, &m))
            buf_addf(&b, "%.*s|%.*s;", STR(m.address), STR(m.name));
        assert_str(buf_str(&b), cases[i].boxes);
        buf_done(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(templates_are_filled),         cmocka_unit_test(hostile_values_stay_values),
        cmocka_unit_test(filters_become_octets),        cmocka_unit_test(bad_filters_say_where),
        cmocka_unit_test(numbers_are_twos_complement),  cmocka_unit_test(answers_are_read),
        cmocka_unit_test(nonsense_is_no_answer),        cmocka_unit_test(lists_travel),
        cmocka_unit_test(mailboxes_are_found_in_place),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
