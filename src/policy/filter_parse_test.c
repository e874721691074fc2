/* The filter language: what is read, what is refused and where, and that what is written is read again. */
#include "policy/filter.h"
#include "policy/filter_regex.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct arena arena;

static int open_arena(void **state)
{
    (void)state;
    arena_init(&arena, 4096, 64 << 20);
    setenv("TZ", "UTC", 1);
    return 0;
}

static int close_arena(void **state)
{
    (void)state;
    arena_done(&arena);
    return 0;
}

static struct filters parsed(const char *text)
{
    struct filters f = {0};
    struct err e = ERR_NONE;

    if (filter_parse(&arena, str_c(text), &f, &e) != RC_OK)
        fail_msg("%s\n%s", e.text, text);
    return f;
}

static struct filter_rule *rule(const char *text)
{
    struct filter_rule *r = NULL;
    struct err e = ERR_NONE;

    if (filter_parse_rule(&arena, str_c(text), &r, &e) != RC_OK)
        fail_msg("%s\n%s", e.text, text);
    return r;
}

static struct str written(const struct filter_rule *r)
{
    struct buf b = BUF(1 << 20);
    struct str s;

    filter_write_rule(r, &b);
    s = arena_str(&arena, buf_str(&b));
    buf_done(&b);
    return s;
}

/* The error of a text, whole. */
static const char *wrong(const char *text)
{
    static struct err e;
    struct filters f = {0};

    e = ERR_NONE;
    if (filter_parse(&arena, str_c(text), &f, &e) == RC_OK)
        fail_msg("was taken: %s", text);
    assert_int_equal(e.rc, RC_SYNTAX);
    return e.text;
}

static void a_file_of_filters_is_read(void **state)
{
    struct filters f = parsed("# first\n"
                              "big_mail: if (body-size > 2M and not (rcpt-to == 'boss@' or true)) {\n"
                              "    log-entry(\"big \\\"one\\\"\"); # why not\n"
                              "    if (subject != \"\\.exe$\") { archive('x'); }\n"
                              "    drop();\n"
                              "}\n"
                              "second-one: if (true) { deliver; } elif (valid) { skip-filters(); }\n"
                              "else { bounce('no'); no-op; }\n");
    const struct filter_statement *top;

    (void)state;
    assert_int_equal(f.n, 2);
    assert_true(str_eq(f.items[0].name, str_lit("big_mail")));
    assert_int_equal(f.items[0].at.line, 2);
    assert_true(str_starts(f.items[0].text, str_lit("big_mail: if")));
    assert_true(str_ends(f.items[0].text, str_lit("drop();\n}")));
    assert_true(str_ends(f.items[1].text, str_lit("no-op; }")));
    top = &f.items[0].body.items[0];
    assert_int_equal(top->n_branches, 1);
    assert_int_equal(top->branches[0].body.n, 3);
    assert_true(str_eq(top->branches[0].body.items[0].action.args[0].text, str_lit("big \"one\"")));
    assert_null(top->branches[0].body.items[1].action.row);
    assert_int_equal(top->branches[0].body.items[2].action.row->when, FILTER_FINAL);
    assert_int_equal(f.items[1].body.items[0].n_branches, 3);
    assert_null(f.items[1].body.items[0].branches[2].rule);
    assert_int_equal(f.items[1].body.items[0].branches[2].body.n, 2);
    assert_int_equal(parsed("").n, 0);
    assert_int_equal(parsed("# nothing").n, 0);
}

static void not_binds_before_and_before_or(void **state)
{
    const struct filter_rule *r = rule("true or not valid and signed or encrypted");

    (void)state;
    assert_int_equal(r->node, FILTER_OR);
    assert_int_equal(r->n_parts, 3);
    assert_int_equal(r->written[1]->node, FILTER_AND);
    assert_int_equal(r->written[1]->written[0]->node, FILTER_NOT);
    assert_string_equal(written(r).p, "true or not valid and signed or encrypted");
    assert_string_equal(written(rule("(true or valid) and (signed)")).p, "(true or valid) and signed");
    assert_string_equal(written(rule("not (true or (valid or signed))")).p, "not (true or (valid or signed))");
    assert_string_equal(written(rule("not not true")).p, "not not true");
}

static void cheap_rules_are_tried_first_and_the_rest_stays_in_order(void **state)
{
    const struct filter_rule *r =
        rule("body-contains('x') and dnslist('bl.test') and subject == 'a' and mail-from == 'b' and rcpt-to == 'c'");
    static const char *const order[] = {"mail-from", "rcpt-to", "subject", "body-contains", "dnslist"};

    (void)state;
    for (size_t i = 0; i < 5; i++)
        assert_string_equal(r->parts[i]->row->name, order[i]);
    assert_string_equal(r->written[0]->row->name, "body-contains");
    assert_true(str_starts(written(r), str_lit("body-contains(\"x\") and dnslist")));
}

static void tests_that_ask_the_same_have_one_form(void **state)
{
    const struct filter_rule *eq = rule("subject == 'a'"), *ne = rule("subject  !=  \"a\"");

    (void)state;
    assert_true(str_eq(eq->form, ne->form));
    assert_int_equal(eq->key, ne->key);
    assert_false(str_eq(eq->form, rule("subject == 'b'")->form));
    assert_false(str_eq(rule("body-size > 1")->form, rule("body-size < 1")->form));
    assert_false(str_eq(rule("header('a')")->form, rule("header('b')")->form));
}

static void values_are_read_by_their_letter(void **state)
{
    const struct filter_rule *r;

    (void)state;
    assert_int_equal(rule("body-size > 2M")->operand.number, 2 << 20);
    assert_int_equal(rule("body-size > 10k")->operand.number, 10240);
    assert_int_equal(rule("body-size > 10KB")->operand.number, 10240);
    assert_int_equal(rule("body-size > 77b")->operand.number, 77);
    assert_true(rule("reputation < -2.5")->operand.decimal == -2.5);
    r = rule("url-reputation(-10, 6.0, 'list')");
    assert_true(filter_decimal(r->args, r->n_args, 0, 0) == -10 && filter_decimal(r->args, r->n_args, 1, 0) == 6);
    assert_int_equal(filter_number(r->args, r->n_args, 3, 7), 7);
    assert_int_equal(rule("date > '01/02/2026 03:04:05'")->operand.number, 1767323045000ull);
    assert_int_equal(rule("date > '01/02/2026'")->operand.number, 1767312000000ull);
    r = rule("spf-status('mailfrom') == 'Pass, SoftFail'");
    assert_int_equal(r->operand.list.n, 2);
    assert_true(str_eq(r->operand.list.items[1], str_lit("SoftFail")));
    r = rule("geolocation-rule(['France', 'Peru'], \"\")");
    assert_int_equal(filter_list(r->args, r->n_args, 0).n, 2);
    assert_non_null(rule("remote-ip == '10.1.0.0/16, 10.2.2.10-20'")->operand.ips);
    assert_true(str_eq(rule("subject == \"a\\\\b\\tc\\.d\"")->operand.text, str_lit("a\\b\tc\\.d")));
    assert_true(str_eq(rule("subject == 'it\\'s \"x\"'")->operand.text, str_lit("it's \"x\"")));
}

static void errors_say_where_what_was_expected_and_what_was_found(void **state)
{
    static const struct {
        const char *text, *error;
    } cases[] = {
        {"x: if (subjct == 'a') { drop(); }", "line 1, column 8: expected a rule, found 'subjct'; did you mean 'subject'?"},
        {"x: if (true) { dropp(); }", "line 1, column 16: expected an action, found 'dropp'; did you mean 'drop'?"},
        {"x: if (true) { frobnicate(); }", "line 1, column 16: expected an action, found 'frobnicate'"},
        {"x: if (true) { duplicate_quarantine('P'); }",
         "line 1, column 16: expected an action, found 'duplicate_quarantine'; did you mean 'duplicate-quarantine'?"},
        {"x: if (drop) { drop(); }", "line 1, column 8: expected a rule, found the action 'drop'"},
        {"x: if (true) { subject; }", "line 1, column 16: expected an action, found the rule 'subject'"},
        {"x: if (true)\n{\n  drop()\n}", "line 4, column 1: expected ';', found '}'"},
        {"x: if (true) { drop();", "line 1, column 23: expected an action or '}', found the end of the text"},
        {"x: if true { drop(); }", "line 1, column 7: expected '(', found 'true'"},
        {"x if (true) { drop(); }", "line 1, column 3: expected ':' behind the name of the filter, found 'if'"},
        {"x: (true) { drop(); }", "line 1, column 4: expected 'if', found '('"},
        {"7: if (true) { drop(); }", "line 1, column 1: expected the name of a filter, found '7'"},
        {"if: if (true) { drop(); }", "line 1, column 1: expected the name of a filter, found 'if'"},
        {"x: if (true {drop();}", "line 1, column 13: expected 'and', 'or' or ')', found '{'"},
        {"x: if (subject) {drop();}", "line 1, column 15: expected == or != behind subject, found ')'"},
        {"x: if (subject > 'a') {drop();}", "line 1, column 16: expected == or != behind subject, found '>'"},
        {"x: if (subject == 5) {drop();}", "line 1, column 19: expected a regular expression in quotes, found '5'"},
        {"x: if (body-size) {}", "line 1, column 17: expected a comparison (== != < > <= >=) behind body-size, found ')'"},
        {"x: if (body-size > '5') {}", "line 1, column 20: expected a size such as 2048, 100K or 5M, found '5'"},
        {"x: if (body-size > 5X) {}", "line 1, column 20: expected a size such as 2048, 100K or 5M, found '5X'"},
        {"x: if (body-size > 99999999999999999999) {}",
         "line 1, column 20: expected a size such as 2048, 100K or 5M, found '99999999999999999999'"},
        {"x: if (true == 'a') {}", "line 1, column 13: expected no comparison: true stands alone, found '=='"},
        {"x: if (body-contains) {}", "line 1, column 21: expected '(' and a regular expression in quotes, found ')'"},
        {"x: if (body-contains()) {}",
         "line 1, column 22: expected a regular expression in quotes (argument 1 of body-contains), found ')'"},
        {"x: if (body-contains('a', 1, 2)) {}",
         "line 1, column 30: expected no further argument of body-contains, found '2'"},
        {"x: if (body-contains('a',)) {}", "line 1, column 26: expected an argument of body-contains, found ')'"},
        {"x: if (body-contains('a' 'b')) {}", "line 1, column 26: expected ',' or ')', found 'b'"},
        {"x: if (subject == '(a') {}",
         "line 1, column 19: the regular expression is not valid: missing closing parenthesis (at "
         "its character 2)"},
        {"x: if (subject == 'a) {}\n", "line 1, column 19: expected ' at the end of the string, found the end of the line"},
        {"x: if (subject == \"a", "line 1, column 19: expected \" at the end of the string, found the end of the text"},
        {"x: if (date > '13/01/2026 00:00:00') {}",
         "line 1, column 15: expected a date \"MM/DD/YYYY hh:mm:ss\", found '13/01/2026 00:00:00'"},
        {"x: if (date > '02/30/2026 00:00:00') {}",
         "line 1, column 15: expected a date \"MM/DD/YYYY hh:mm:ss\", found '02/30/2026 00:00:00'"},
        {"x: if (remote-ip == '10.1.1.300') {}",
         "line 1, column 21: expected an IP address, range or network in quotes, found '10.1.1.300'"},
        {"x: if (header('a b') == 'x') {}", "line 1, column 15: expected the name of a header in quotes, found 'a b'"},
        {"x: if (spf-status == 'Fial') {}", "line 1, column 22: expected an SPF result "
                                            "(none|neutral|pass|fail|softfail|temperror|permerror), found \"Fial\""},
        {"x: if (attachment-filetype == 'spoon') {}", "line 1, column 31: expected a kind of file such as \"Executable\", "
                                                      "\"Document\" or \"pdf\", found 'spoon'"},
        {"x: if (true) { bcc('nobody'); }", "line 1, column 20: expected a mail address in quotes, found 'nobody'"},
        {"x: if (true) { alt-rcpt-to(); }",
         "line 1, column 28: expected a mail address in quotes (argument 1 of alt-rcpt-to), found ')'"},
        {"x: if (geolocation-rule(['a' 'b'])) {}", "line 1, column 30: expected ',' or ']', found 'b'"},
        {"x: if (geolocation-rule([5])) {}", "line 1, column 26: expected a string in quotes, found '5'"},
        {"x: if (subject == ['a']) {}", "line 1, column 19: expected a regular expression in quotes, found '['"},
        {"x: if (and) {}", "line 1, column 8: expected a rule, found 'and'"},
        {"x: if (true and) {}", "line 1, column 16: expected a rule, found ')'"},
        {"x: if () {}", "line 1, column 8: expected a rule, found ')'"},
        {"x: if (true & valid) {}", "line 1, column 13: expected a rule, an action or punctuation, found '&'"},
        {"x: if (true) {} else {} else {}", "line 1, column 25: expected the name of a filter, found 'else'"},
        {"x: if (true) {}\nX: if (true) {}", "line 2, column 1: the name 'X' is taken by the filter of line 1"},
        {"x: if (true) {} }", "line 1, column 17: expected the name of a filter, found '}'"},
        {"\n\t # c\n  x: if (true) { \001 }", "line 3, column 18: expected a rule, an action or punctuation, found '?'"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(wrong(cases[i].text), cases[i].error);
}

static void a_condition_and_an_action_are_read_alone(void **state)
{
    struct filter_action a = {0};
    struct filter_rule *r = NULL;
    struct err e = ERR_NONE;

    (void)state;
    assert_int_equal(filter_parse_action(&arena, str_lit("insert-header('X-A', 'b')"), &a, &e), RC_OK);
    assert_int_equal(a.n_args, 2);
    assert_int_equal(filter_parse_action(&arena, str_lit("drop;"), &a, &e), RC_OK);
    assert_int_equal(filter_parse_action(&arena, str_lit("drop; drop;"), &a, &e), RC_SYNTAX);
    assert_string_equal(e.text, "line 1, column 7: expected the end of the action, found 'drop'");
    assert_int_equal(filter_parse_action(&arena, str_lit(""), &a, &e), RC_SYNTAX);
    assert_string_equal(e.text, "line 1, column 1: expected an action, found the end of the text");
    assert_int_equal(filter_parse_rule(&arena, str_lit("true true"), &r, &e), RC_SYNTAX);
    assert_string_equal(e.text, "line 1, column 6: expected 'and', 'or' or the end of the condition, found 'true'");
}

static void depth_and_lists_are_bounded(void **state)
{
    struct buf b = BUF(1 << 20);
    struct filter_rule *r = NULL;
    struct err e = ERR_NONE;

    (void)state;
    for (int i = 0; i < 5000; i++)
        buf_addc(&b, '(');
    assert_int_equal(filter_parse_rule(&arena, buf_str(&b), &r, &e), RC_SYNTAX);
    assert_string_equal(e.text, "line 1, column 101: nested deeper than 100 levels");
    buf_clear(&b);
    for (int i = 0; i < 5000; i++)
        buf_add(&b, str_lit("not "));
    assert_int_equal(filter_parse_rule(&arena, buf_str(&b), &r, &e), RC_SYNTAX);
    buf_clear(&b);
    buf_add(&b, str_lit("geolocation-rule(["));
    for (int i = 0; i < 1001; i++)
        buf_add(&b, str_lit("'a',"));
    assert_int_equal(filter_parse_rule(&arena, buf_str(&b), &r, &e), RC_SYNTAX);
    assert_true(str_ends(str_c(e.text), str_lit("a list has 1000 members at most")));
    buf_done(&b);
}

/* Every row has a type behind each letter, can be written, and is read again as the same. */
static struct str sample_value(char letter)
{
    static const struct {
        char letter;
        const char *text;
    } samples[] = {{'n', "7"},
                   {'f', "-1.5"},
                   {'z', "20K"},
                   {'r', "\"a\\\\.b\""},
                   {'R', "\"\\\\x50\""},
                   {'h', "\"X-Some\""},
                   {'m', "\"a@b.test\""},
                   {'l', "[\"a\", \"b\"]"},
                   {'D', "\"01/02/2026 03:04:05\""},
                   {'a', "\"10.0.0.0/8\""},
                   {'T', "\"Executable\""}};
    const struct filter_type_row *t = filter_type(letter);
    struct str choices, first;

    assert_non_null(t);
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++)
        if (samples[i].letter == letter)
            return str_c(samples[i].text);
    choices = str_c(t->choices);
    if (choices.n && str_split(&choices, '|', &first))
        return arena_printf(&arena, "\"%.*s\"", STR(first));
    return str_lit("\"Some name\"");
}

static struct str sample(const char *name, const char *arguments, bool all)
{
    struct buf b = BUF(4096);
    struct str s;
    bool any = false;

    buf_add(&b, str_c(name));
    for (const char *p = arguments; *p && (all || *p != '|'); p++) {
        if (*p == '|')
            continue;
        buf_add(&b, any ? str_lit(", ") : str_lit("("));
        buf_add(&b, sample_value(*p == '*' ? p[-1] : *p));
        any = true;
    }
    buf_add(&b, any ? str_lit(")") : STR_NONE);
    s = arena_str(&arena, buf_str(&b));
    buf_done(&b);
    return s;
}

static void every_rule_is_read_and_written_as_it_was(void **state)
{
    const struct filter_rule_row *row;

    (void)state;
    for (size_t i = 0; (row = filter_rule_row(i)); i++) {
        for (int all = 0; all < 2; all++) {
            struct str text = sample(row->name, row->arguments, all);

            if (row->operators[0] && (row->operators[0] != '?' || all))
                text = arena_printf(&arena, "%.*s != %.*s", STR(text), STR(sample_value(row->operand)));
            assert_string_equal(written(rule(text.p)).p, text.p);
        }
        assert_ptr_equal(filter_rule_named(str_c(row->name)), row);
        assert_int_equal(filter_rule_index(row), i);
    }
}

static void every_action_is_read_and_written_as_it_was(void **state)
{
    const struct filter_action_row *row;

    (void)state;
    for (size_t i = 0; (row = filter_action_row(i)); i++) {
        for (int all = 0; all < 2; all++) {
            struct str text = sample(row->name, row->arguments, all);
            struct filter_action a = {0};
            struct buf b = BUF(4096);
            struct err e = ERR_NONE;

            if (!str_ends(text, str_lit(")")))
                text = arena_printf(&arena, "%.*s()", STR(text));
            if (filter_parse_action(&arena, text, &a, &e) != RC_OK)
                fail_msg("%s: %s", text.p, e.text);
            filter_write_action(&a, &b);
            assert_true(str_eq(buf_str(&b), text));
            buf_done(&b);
        }
        assert_ptr_equal(filter_action_named(str_c(row->name)), row);
    }
}

static void whole_filters_are_written_and_read_again(void **state)
{
    struct filters f =
        parsed("a: if (subject == '(?-i)x\\'y\"' or header(\"X\") and not (true or valid)) { if (valid) { drop; }\n"
               "else { log-entry('a\\nb'); } } elif (spf-status == [ 'fail' ] or geolocation-rule(['a'])) "
               "{ deliver(); }\nelse { }");
    struct buf one = BUF(1 << 20), two = BUF(1 << 20);
    struct filters again;

    (void)state;
    filter_write(&f.items[0], &one);
    again = parsed(arena_str(&arena, buf_str(&one)).p);
    filter_write(&again.items[0], &two);
    assert_true(str_eq(buf_str(&one), buf_str(&two)));
    assert_string_equal(arena_str(&arena, buf_str(&one)).p,
                        "a: if (subject == \"(?-i)x'y\\\"\" or header(\"X\") and not (true or valid)) {\n"
                        "    if (valid) {\n"
                        "        drop();\n"
                        "    } else {\n"
                        "        log-entry(\"a\\nb\");\n"
                        "    }\n"
                        "} elif (spf-status == [\"fail\"] or geolocation-rule([\"a\"])) {\n"
                        "    deliver();\n"
                        "} else {\n"
                        "}\n");
    buf_done(&one);
    buf_done(&two);
}

static void names_of_filters(void **state)
{
    (void)state;
    assert_true(filter_name_fits(str_lit("a-b_9")));
    assert_true(filter_name_fits(str_lit("_a")));
    assert_false(filter_name_fits(str_lit("9a")));
    assert_false(filter_name_fits(str_lit("")));
    assert_false(filter_name_fits(str_lit("Else")));
    assert_false(filter_name_fits(str_lit("a b")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_file_of_filters_is_read, open_arena, close_arena),
        cmocka_unit_test_setup_teardown(not_binds_before_and_before_or, open_arena, close_arena),
        cmocka_unit_test_setup_teardown(cheap_rules_are_tried_first_and_the_rest_stays_in_order, open_arena, close_arena),
        cmocka_unit_test_setup_teardown(tests_that_ask_the_same_have_one_form, open_arena, close_arena),
        cmocka_unit_test_setup_teardown(values_are_read_by_their_letter, open_arena, close_arena),
        cmocka_unit_test_setup_teardown(errors_say_where_what_was_expected_and_what_was_found, open_arena, close_arena),
        cmocka_unit_test_setup_teardown(a_condition_and_an_action_are_read_alone, open_arena, close_arena),
        cmocka_unit_test_setup_teardown(depth_and_lists_are_bounded, open_arena, close_arena),
        cmocka_unit_test_setup_teardown(every_rule_is_read_and_written_as_it_was, open_arena, close_arena),
        cmocka_unit_test_setup_teardown(every_action_is_read_and_written_as_it_was, open_arena, close_arena),
        cmocka_unit_test_setup_teardown(whole_filters_are_written_and_read_again, open_arena, close_arena),
        cmocka_unit_test(names_of_filters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
