/* The word that a match needs is never more than it needs, and one pass over a text finds the same as every expression. */
#include "policy/filter_gate.h"
#include "policy/filter_regex.h"
#include "policy/filters.h"
#include "policy/rules_testing.h"

static void the_word_of_an_expression(void **state)
{
    static const struct {
        const char *pattern, *word;
    } cases[] = {
        {"invoice", "invoice"},
        {"Invoice [0-9]+ paid", "invoice "},
        {"a(bcdef)gh", ""},
        {"ab|cdef", ""},
        {"(ab|cd)efgh", "efgh"},
        {"abcd?efg", "abc"},
        {"abcd*", "abc"},
        {"abc+def", "abc"},
        {"abcd{0,3}ef", "abc"},
        {"abc{def", "def"},
        {"foo\\.bar", "foo.bar"},
        {"foo\\d+barbaz", "barbaz"},
        {"foo\\x41bar", ""},
        {"\\Qa.b\\E", ""},
        {"(?i)invoice", "invoice"},
        {"(?x)in voice", ""},
        {"(a(?x) # )\n b)def", ""},
        {"(*UTF)abc", ""},
        {"[]abc]defg", "defg"},
        {"[[:alpha:]]]def", "]def"},
        {"[^\\]a]xyz", "xyz"},
        {"pr\xc3\xa9sent", "sent"},
        {"(?!secret)plan", "plan"},
        {"ab", ""},
        {"^start$", "start"},
        {"a.b.c", ""},
        {"abc\\K", ""},
        {"(?#(abc)xyz)", ""},
        {"abc)", ""},
        {"(abc", ""},
        {"abc\\", ""},
        {"[abc", ""},
        {"abc++d", "abc"},
    };
    struct arena a;

    (void)state;
    arena_init(&a, 4096, 1 << 20);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (!str_eq(filter_regex_word(&a, str_c(cases[i].pattern)), str_c(cases[i].word)))
            fail_msg("%s: %s", cases[i].pattern, arena_str(&a, filter_regex_word(&a, str_c(cases[i].pattern))).p);
    arena_done(&a);
}

static const char *const pieces[] = {"abc",      "DEF",    "(gh|ij)", "k+",    "l?", "m*",    "[no]",
                                     "\\.",      "x{0,2}", "yy{2}",   ".",     "^",  "$",     "s s",
                                     "\xc3\xa9", "\\d",    "(?:z)",   "(?!q)", "ss", "kelvin"};
static const char *const scraps[] = {"abc",
                                     "def",
                                     "gh",
                                     "ij",
                                     "k",
                                     "kk",
                                     "l",
                                     "m",
                                     "n",
                                     "o",
                                     ".",
                                     "xx",
                                     "yyyy",
                                     " ",
                                     "\xc3\xa9",
                                     "7",
                                     "z",
                                     "s s",
                                     "ss",
                                     "kelvin",
                                     "\xe2\x84\xaa"
                                     "elvin",
                                     "\xc5\xbf\xc5\xbf",
                                     "\xff"};

static uint64_t seed = 7;
static uint64_t pick(uint64_t below)
{
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    return (seed >> 33) % below;
}

static struct str any(struct arena *a, const char *const *from, size_t n, size_t most)
{
    struct buf b = BUF(4096);
    struct str s;

    for (size_t i = 1 + pick(most); i > 0; i--)
        buf_add(&b, str_c(from[pick(n)]));
    s = arena_str(a, buf_str(&b));
    buf_done(&b);
    return s;
}

/* Random expressions over random texts: whatever one finds, the gate lets through. */
static void the_gate_hides_no_match(void **state)
{
    enum { PATTERNS = 60, TEXTS = 400 };
    struct filter_rule *rules[PATTERNS];
    size_t found = 0, closed = 0, n = 0;
    struct filter_gate *g = NULL;
    struct err e = ERR_NONE;
    struct arena a;

    (void)state;
    arena_init(&a, 65536, 64 << 20);
    assert_int_equal(filter_gate_begin(&a, &g, &e), RC_OK);
    while (n < PATTERNS) {
        struct buf b = BUF(8192);
        const struct filter_value v = {.text = any(&a, pieces, sizeof pieces / sizeof *pieces, 6)};

        buf_addf(&b, "body-contains('%.*s')", STR(v.text));
        if (filter_parse_rule(&a, arena_str(&a, buf_str(&b)), &rules[n], &e) == RC_OK)
            filter_gate_add(g, rules[n++]);
        buf_done(&b);
    }
    assert_int_equal(filter_gate_end(g, &e), RC_OK);
    for (size_t t = 0; t < TEXTS; t++) {
        struct str text = any(&a, scraps, sizeof scraps / sizeof *scraps, 12);
        uint64_t bits[4] = {0};

        assert_true(filter_gate_words(g) <= 256);
        filter_gate_scan(g, text, bits);
        for (size_t i = 0; i < PATTERNS; i++) {
            size_t word = filter_gate_word(g, rules[i]->args[0].regex);
            bool open = word == SIZE_MAX || bits[word / 64] >> word % 64 & 1;
            bool there = filter_regex_find(rules[i]->args[0].regex, text, 0, NULL, NULL, NULL) == FILTER_FOUND;

            if (there && !open)
                fail_msg("%.*s in %.*s", STR(rules[i]->args[0].text), STR(text));
            found += there;
            closed += !open;
        }
    }
    assert_true(found > 100 && closed > 1000); /* the test does look at something */
    arena_done(&a);
}

static void filters_of_a_snapshot_share_one_pass(void **state)
{
    struct buf settings = BUF(1 << 20);
    struct fixture f;

    (void)state;
    for (int i = 0; i < 50; i++)
        buf_addf(&settings, "message_filter.f%d.text=f%d: if (body-contains('unusual word %d')) { no-op(); }\n", i, i, i);
    buf_addf(&settings, "message_filter.last.text=last: if (body-contains('GREEN +door')) { no-op(); }\n");
    buf_addc(&settings, 0);
    fixture_open(&f, settings.p);
    assert_int_equal(filter_gate_words(f.compiled->gate), 51);
    fixture_message(&f, fixture_plain);
    for (size_t i = 0; i < f.compiled->filters->n; i++)
        assert_int_equal(filter_true(&f.m, f.compiled->filters->items[i]->body.items[0].branches[0].rule), i == 50);
    buf_done(&settings);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_word_of_an_expression),
        cmocka_unit_test(the_gate_hides_no_match),
        cmocka_unit_test(filters_of_a_snapshot_share_one_pass),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
