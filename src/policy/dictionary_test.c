/* Terms of a dictionary are found and weighed; bad ones are refused by name. */
#include "policy/dictionary.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct fix {
    struct conf_source *conf;
    struct arena a;
    struct compiled_words *words;
    struct err e;
    enum rc rc;
};

static struct fix make(const char *settings)
{
    struct fix f = {0};

    f.conf = conf_source_test(settings, &f.e);
    if (!f.conf)
        fail_msg("%s", err_text(&f.e));
    arena_init(&f.a, 4096, 64 << 20);
    f.rc = dictionaries_compile(&f.a, conf_now(f.conf), &f.words, &f.e);
    return f;
}

static void end(struct fix *f)
{
    arena_done(&f->a);
    conf_source_free(f->conf);
}

static void terms_are_found_with_their_weights(void **state)
{
    struct fix f =
        make("dictionary.secrets.terms=confidential,proj[aeiou]ct x,*credit\ndictionary.secrets.whole_words=yes\n");
    struct dictionary *d = dictionary_find(f.words, str_lit("Secrets"));
    struct dictionary_result r;

    (void)state;
    assert_int_equal(f.rc, RC_OK);
    assert_non_null(d);
    dictionary_scan(d, str_lit("CONFIDENTIAL: project x pays with 4111 1111 1111 1111, not 4111 1111 1111 1112"), 0, &r);
    assert_int_equal(r.matches, 3);
    assert_int_equal(r.score, 3);
    dictionary_scan(d, str_lit("nonconfidentially projectx 1234"), 0, &r);
    assert_int_equal(r.matches, 0);
    dictionary_scan(d, str_lit("confidential confidential confidential"), 2, &r);
    assert_int_equal(r.matches, 2);
    end(&f);
}

static void a_term_and_its_weight(void **state)
{
    struct dictionary_term t;
    struct err e = ERR_NONE;

    (void)state;
    assert_int_equal(dictionary_term_read(str_lit(" top secret, 7 "), &t, &e), RC_OK);
    assert_int_equal(t.weight, 7);
    assert_true(str_eq(t.term, str_lit("top secret")));
    assert_int_equal(dictionary_term_read(str_lit("a,b"), &t, &e), RC_OK);
    assert_true(str_eq(t.term, str_lit("a,b")));
    assert_int_equal(dictionary_term_read(str_lit("x,11"), &t, &e), RC_INVALID);
    assert_int_equal(dictionary_term_read(str_lit("*nothing"), &t, &e), RC_INVALID);
    assert_non_null(strstr(err_text(&e), "no such smart identifier"));
    assert_int_equal(dictionary_term_read(str_lit("  "), &t, &e), RC_INVALID);
}

static void a_bad_expression_costs_its_own_dictionary_alone(void **state)
{
    struct fix f = make("dictionary.bad.terms=a(b\ndictionary.good.terms=word\n");
    struct dictionary_result r;

    (void)state;
    assert_int_equal(f.rc, RC_INVALID);
    assert_non_null(strstr(err_text(&f.e), "dictionary bad"));
    assert_null(dictionary_find(f.words, str_lit("bad")));
    dictionary_scan(dictionary_find(f.words, str_lit("good")), str_lit("a word"), 0, &r);
    assert_int_equal(r.score, 1);
    end(&f);
}

/* Names of entities are words like any other; only with the asterisk they stand for what they name. */
static void a_word_that_names_an_entity_is_a_word(void **state)
{
    struct fix f = make("dictionary.words.terms=email,iban,*credit\n");
    struct dictionary_result r;

    (void)state;
    dictionary_scan(dictionary_find(f.words, str_lit("words")), str_lit("an email to a@b.example, 4111 1111 1111 1111"), 0,
                    &r);
    assert_int_equal(r.matches, 2);
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_word_that_names_an_entity_is_a_word),
        cmocka_unit_test(terms_are_found_with_their_weights),
        cmocka_unit_test(a_term_and_its_weight),
        cmocka_unit_test(a_bad_expression_costs_its_own_dictionary_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
