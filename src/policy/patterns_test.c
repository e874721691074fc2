/* Many patterns in one pass find what each of them alone would. */
#include "policy/patterns.h"

#include "base/clock.h"
#include "policy/entity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct seen {
    unsigned n[16];
    size_t from[16], to[16];
    unsigned stop_after;
};

static bool see(void *ctx, size_t pattern, size_t from, size_t to)
{
    struct seen *s = ctx;

    s->n[pattern]++;
    s->from[pattern] = from;
    s->to[pattern] = to;
    return !s->stop_after || s->n[pattern] < s->stop_after;
}

struct only {
    size_t wanted;
    unsigned n, others;
};

static bool see_only(void *ctx, size_t pattern, size_t from, size_t to)
{
    struct only *o = ctx;

    (void)from, (void)to;
    o->n += pattern == o->wanted;
    o->others += pattern != o->wanted;
    return true;
}

static struct patterns *make(struct arena *a, const struct pattern *items, size_t n)
{
    struct patterns *p = NULL;
    struct err e = ERR_NONE;

    arena_init(a, 4096, 64 << 20);
    if (patterns_new(a, items, n, &p, NULL, &e) != RC_OK)
        fail_msg("%s", err_text(&e));
    return p;
}

static void each_kind_is_found_where_it_is(void **state)
{
    static const struct pattern items[] = {
        {.text = str_lit("secret"), .literal = true},
        {.text = str_lit("Secret"), .literal = true, .match_case = true},
        {.text = str_lit("cat"), .literal = true, .whole_word = true},
        {.text = str_lit("a.c"), .literal = true},
        {.text = str_lit("[0-9]{3}-[0-9]{4}"), .want_from = true},
        {.text = str_lit("(?<!x)yz"), .want_from = true}, /* libhs knows no look-behind */
        {.text = str_lit("do+g"), .whole_word = true},
    };
    struct str text = str_lit("top SECRET concatenation cat axc a.c 555-1234 xyz qyz doog doogs");
    struct seen s = {0};
    struct arena a;
    struct patterns *p = make(&a, items, 7);

    (void)state;
    assert_int_equal(patterns_scan(p, text, see, &s), RC_OK);
    assert_int_equal(s.n[0], 1);
    assert_int_equal(s.from[0], 4);
    assert_int_equal(s.to[0], 10);
    assert_int_equal(s.n[1], 0);
    assert_int_equal(s.n[2], 1);
    assert_int_equal(s.n[3], 1);
    assert_int_equal(s.n[4], 1);
    assert_memory_equal(text.p + s.from[4], "555-1234", 8);
    assert_int_equal(s.n[5], 1);
    assert_memory_equal(text.p + s.from[5] - 1, "qyz", 3);
    assert_int_equal(s.n[6], 1);
    arena_done(&a);
}

static void a_bad_expression_is_named(void **state)
{
    static const struct pattern items[] = {{.text = str_lit("good")}, {.text = str_lit("b(d")}};
    struct err e = ERR_NONE;
    struct patterns *p;
    struct arena a;
    size_t bad = 0;

    (void)state;
    arena_init(&a, 4096, 64 << 20);
    assert_int_equal(patterns_new(&a, items, 2, &p, &bad, &e), RC_INVALID);
    assert_int_equal(bad, 1);
    assert_non_null(strstr(err_text(&e), "'b(d'"));
    arena_done(&a);
}

/* A hostile expression ends at its limit and costs the others nothing. */
static void an_expression_that_explodes_ends(void **state)
{
    static const struct pattern items[] = {{.text = str_lit("(?=x)(x+x+)+y\\1")}, {.text = str_lit("end"), .literal = true}};
    struct seen s = {0};
    struct arena a;
    struct patterns *p = make(&a, items, 2);
    char text[4000];
    uint64_t from = clock_mono_ms();

    (void)state;
    memset(text, 'x', sizeof text);
    memcpy(text + 3990, "y x end", 7);
    assert_int_equal(patterns_scan(p, str_of(text, sizeof text), see, &s), RC_LIMIT);
    assert_int_equal(s.n[1], 1);
    assert_true(clock_mono_ms() - from < 10000);
    arena_done(&a);
}

static void a_scan_ends_when_nobody_wants_more(void **state)
{
    static const struct pattern items[] = {{.text = str_lit("x"), .literal = true}};
    struct seen s = {.stop_after = 3};
    struct arena a;
    struct patterns *p = make(&a, items, 1);

    (void)state;
    assert_int_equal(patterns_scan(p, str_lit("xxxxxxxxxxxxxxxx"), see, &s), RC_OK);
    assert_int_equal(s.n[0], 3);
    arena_done(&a);
}

/* Each row of spec/entities.def alone, and all of them at once as data loss prevention may ask for them. */
static void every_entity_compiles(void **state)
{
    struct pattern all[64];
    struct seen s = {0};
    size_t n = 0;
    struct arena a;

    (void)state;
    for (const struct entity *e; n < 64 && (e = entity_row(n)); n++) {
        all[n] = (struct pattern){.text = str_c(e->expression), .want_from = true};
        make(&a, &all[n], 1);
        arena_done(&a);
    }
    assert_int_equal(patterns_scan(make(&a, all, n), str_lit("of anna.b@mail.example.org today"), see, &s), RC_OK);
    arena_done(&a);
}

/* Many long words, and octets that are in the set for the matcher's sake alone. */
static void hundreds_of_words_are_told_apart(void **state)
{
    struct pattern items[300];
    char words[300][40];
    struct arena a;
    struct patterns *p;

    (void)state;
    for (size_t i = 0; i < 300; i++) {
        snprintf(words[i], sizeof words[i], "a long phrase number %zu", i);
        items[i] = (struct pattern){.text = str_c(words[i]), .literal = true, .whole_word = true};
    }
    p = make(&a, items, 300);
    for (size_t i = 0; i < 300; i += 37) {
        struct only only = {.wanted = i};
        char text[100];

        snprintf(text, sizeof text, "\1\2\3\4 A LONG PHRASE NUMBER %zu.", i);
        assert_int_equal(patterns_scan(p, str_c(text), see_only, &only), RC_OK);
        assert_int_equal(only.n, 1);
        assert_int_equal(only.others, 0);
    }
    arena_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_is_found_where_it_is),   cmocka_unit_test(every_entity_compiles),
        cmocka_unit_test(hundreds_of_words_are_told_apart), cmocka_unit_test(a_bad_expression_is_named),
        cmocka_unit_test(an_expression_that_explodes_ends), cmocka_unit_test(a_scan_ends_when_nobody_wants_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
