/* Aliases: what a recipient is, whom it stands for, what is refused. */
#include "base/buf.h"
#include "policy/alias.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const char base[] = "system.hostname=mx.test\n"
                           "listener.In.default_domain=ours.test\n"
                           "listener.Out.host_name=out.test\n";

struct fixture {
    struct conf_source *source;
    const struct conf *conf;
    struct arena arena;
    struct aliases *table;
};

static void fixture_new(struct fixture *f, const char *lines, const char *listener)
{
    struct buf all = BUF(4 << 20);
    struct err e = ERR_NONE;

    buf_addf(&all, "%s%s%c", base, lines, 0);
    f->source = conf_source_test(all.p, &e);
    buf_done(&all);
    if (!f->source)
        fail_msg("%s", e.text);
    f->conf = conf_now(f->source);
    arena_init(&f->arena, 4096, 16 << 20);
    assert_int_equal(alias_compile(&f->arena, f->conf, conf_find(&f->conf->listener, str_c(listener)), &f->table, &e),
                     RC_OK);
}

static void fixture_done(struct fixture *f)
{
    arena_done(&f->arena);
    conf_source_free(f->source);
}

/* The new targets of local@domain with spaces between them, "none" when it is no alias. */
static enum rc expand(struct fixture *f, struct address_set *seen, const char *local, const char *domain, size_t most,
                      char *text, size_t room)
{
    uint32_t at = alias_match(f->table, str_c(local), str_c(domain));
    struct alias_targets t;
    struct err e = ERR_NONE;
    enum rc rc;
    size_t n = 0;

    snprintf(text, room, "none");
    if (at == ALIAS_NONE)
        return RC_OK;
    rc = alias_expand(f->table, at, &f->arena, seen, most, &t, &e);
    *text = 0;
    if (rc != RC_OK)
        return rc;
    for (size_t i = 0; i < t.fresh.n; i++)
        n += (size_t)snprintf(text + n, room - n, "%s%.*s", n ? " " : "", STR(t.fresh.items[i]));
    if (t.dropped)
        snprintf(text + n, room - n, "%s/dev/null", n ? " " : "");
    return RC_OK;
}

static void expands(struct fixture *f, const char *local, const char *domain, const char *wanted)
{
    struct address_set seen;
    char text[1000];

    address_set_begin(&seen, &f->arena);
    assert_int_equal(expand(f, &seen, local, domain, 1000, text, sizeof text), RC_OK);
    assert_string_equal(text, wanted);
}

static void the_address_decides_before_the_user_before_the_domain(void **state)
{
    struct fixture f;

    (void)state;
    fixture_new(&f,
                "alias[Sales@Ours.test].to=ann@A.Test,bob@b.test\n"
                "alias[sales].to=wrong@a.test\n"
                "alias[root].to=admin@a.test\n"
                "alias[@ours.test].to=rest@a.test\n"
                "alias[@gone.test].to=/dev/null\n"
                "alias[only@ours.test].to=x@a.test\n"
                "alias[only@ours.test].listener=Out\n",
                "In");
    expands(&f, "sales", "ours.test", "ann@a.test bob@b.test");
    expands(&f, "SALES", "ours.test", "ann@a.test bob@b.test");
    expands(&f, "root", "ours.test", "admin@a.test");
    expands(&f, "root", "other.test", "none");
    expands(&f, "only", "ours.test", "rest@a.test");
    expands(&f, "anybody", "gone.test", "/dev/null");
    expands(&f, "anybody", "sub.gone.test", "none");
    expands(&f, "", "", "none");
    fixture_done(&f);
    fixture_new(&f, "alias[root].to=admin@a.test\nalias[root].listener=Out\n", "Out");
    expands(&f, "root", "out.test", "admin@a.test");
    expands(&f, "root", "ours.test", "none");
    fixture_done(&f);
}

static void aliases_among_the_targets_are_expanded_and_each_address_comes_once(void **state)
{
    struct fixture f;
    struct address_set seen;
    char text[200];

    (void)state;
    fixture_new(&f,
                "alias[all@ours.test].to=a@ours.test,b@ours.test,x@z.test\n"
                "alias[a@ours.test].to=x@z.test,y@z.test\n"
                "alias[b@ours.test].to=c@ours.test,y@z.test,/dev/null\n"
                "alias[c@ours.test].to=a@ours.test,w@z.test\n",
                "In");
    expands(&f, "all", "ours.test", "x@z.test y@z.test w@z.test /dev/null");
    address_set_begin(&seen, &f.arena);
    assert_int_equal(address_set_add(&seen, str_lit("y@z.test")), RC_OK);
    assert_int_equal(expand(&f, &seen, "all", "ours.test", 2, text, sizeof text), RC_OK);
    assert_string_equal(text, "x@z.test w@z.test /dev/null");
    assert_int_equal(expand(&f, &seen, "all", "ours.test", 0, text, sizeof text), RC_OK);
    assert_string_equal(text, "/dev/null");
    address_set_begin(&seen, &f.arena);
    assert_int_equal(expand(&f, &seen, "all", "ours.test", 2, text, sizeof text), RC_TOO_MANY_RECIPIENTS);
    fixture_done(&f);
}

static void refused(const char *lines, const char *wanted)
{
    struct fixture f;
    struct err e = ERR_NONE;

    fixture_new(&f, lines, "In");
    assert_int_equal(alias_check(f.conf, &e), wanted ? RC_INVALID : RC_OK);
    if (wanted)
        assert_string_equal(e.text, wanted);
    fixture_done(&f);
}

static void names_targets_and_loops_are_checked(void **state)
{
    (void)state;
    refused("alias[a@x.test].to=b@y.test\nalias[postmaster].to=c@y.test\nalias[@z.test].to=/dev/null\n", NULL);
    refused("alias[\"a, b\"@x.test].to=b@[192.0.2.1]\n", NULL);
    refused("alias[a b].to=b@y.test\n", "alias[a b]: \"a b\" is no address, user or @domain");
    refused("alias[@x..y].to=b@y.test\n", "alias[@x..y]: \"x..y\" is no domain");
    refused("alias[a@x.test].comment=x\n", "alias[a@x.test].to: names no address");
    refused("alias[a@x.test].to=bob\n", "alias[a@x.test].to: \"bob\" is no address and not /dev/null");
    refused("alias[a@x.test].to=a@x.test\n", "alias[a@x.test].to: leads back to itself");
    refused("alias[a@x.test].to=o@z.test,b@x.test\nalias[b@x.test].to=c@x.test\nalias[c@x.test].to=A@X.test\n",
            "alias[a@x.test].to: leads back to itself");
    refused("alias[@x.test].to=bob@x.test\n", "alias[@x.test].to: leads back to itself");
    refused("alias[@x.test].to=bob@x.test\nalias[bob@x.test].to=bob@z.test\n", NULL);
    refused("alias[root].to=root@ours.test\n", "alias[root].to: leads back to itself");
    /* two that hold nowhere together are no loop */
    refused("alias[a@x.test].to=b@x.test\nalias[a@x.test].listener=In\nalias[b@x.test].to=a@x.test\nalias[b@x.test]."
            "listener=Out\n",
            NULL);
}

static void ten_levels_and_no_more(void **state)
{
    struct buf lines = BUF(4096);

    (void)state;
    for (int from = 1; from <= 11; from++) {
        buf_addf(&lines, "alias[a%d@x.test].to=a%d@x.test\n%c", 12 - from, 13 - from, 0);
        lines.n--;
        refused(lines.p, from <= 10 ? NULL : "alias[a1@x.test].to: leads through more than 10 aliases");
    }
    buf_done(&lines);
}

/* Thousands of aliases are the usual case: look-ups among them are by halving. */
static void many_aliases(void **state)
{
    struct buf lines = BUF(4 << 20);
    struct fixture f;
    struct err e = ERR_NONE;
    char local[32];

    (void)state;
    for (int i = 0; i < 2000; i++)
        buf_addf(&lines, "alias[user%d@ours.test].to=u%d@inside.test\n", i, i);
    buf_addc(&lines, 0);
    fixture_new(&f, lines.p, "In");
    buf_done(&lines);
    assert_int_equal(alias_check(f.conf, &e), RC_OK);
    for (int i = 0; i < 100000; i++) {
        snprintf(local, sizeof local, "user%d", i);
        assert_int_equal(alias_match(f.table, str_c(local), str_lit("ours.test")) == ALIAS_NONE, i >= 2000);
    }
    fixture_done(&f);
}

static void a_set_holds_each_address_once(void **state)
{
    struct arena a;
    struct address_set s;
    char text[10000][16];

    (void)state;
    arena_init(&a, 1024, 4 << 20);
    address_set_begin(&s, &a);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 10000; i++) {
            snprintf(text[i], sizeof text[i], "u%d@x", i);
            assert_int_equal(address_set_add(&s, str_c(text[i])), round ? RC_EXISTS : RC_OK);
        }
    }
    assert_int_equal(s.n, 10000);
    arena_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_address_decides_before_the_user_before_the_domain),
        cmocka_unit_test(aliases_among_the_targets_are_expanded_and_each_address_comes_once),
        cmocka_unit_test(names_targets_and_loops_are_checked),
        cmocka_unit_test(ten_levels_and_no_more),
        cmocka_unit_test(many_aliases),
        cmocka_unit_test(a_set_holds_each_address_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
