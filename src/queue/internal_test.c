/* Families of destinations and keys of releases: what queue knows by name, and what it must not take twice. */
#include "queue/internal.h"
#include "queue/queue_testing.h"
#include "queue/taken.h"

#include <fcntl.h>

/* ---- names ------------------------------------------------------------------------------------------------------------ */

static void names_have_bases_and_families(void **state)
{
    static const struct {
        const char *name, *base;
        bool internal, keeps;
        unsigned family;
    } cases[] = {{"the.cpq.host", "the.cpq.host", true, true, FAMILY_NONE},
                 {"the.euq.queue", "the.euq.queue", true, true, FAMILY_NONE},
                 {"the.encryption.queue", "the.encryption.queue", true, false, FAMILY_NONE},
                 {"the.cpq.release.host", "the.cpq.release.host", true, true, FAMILY_POLICY},
                 {"the.cpq.release.host/gw-1", "the.cpq.release.host", true, true, FAMILY_POLICY},
                 {"the.euq.release.queue/gw-1", "the.euq.release.queue", true, true, FAMILY_SPAM},
                 {"the.cpq.hostess", "the.cpq.hostess", false, false, FAMILY_NONE},
                 {"example.net", "example.net", false, false, FAMILY_NONE},
                 {"", "", false, false, FAMILY_NONE}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct str name = str_c(cases[i].name);

        assert_true(str_eq(internal_base(name), str_c(cases[i].base)));
        assert_int_equal(internal_is(name), cases[i].internal);
        assert_int_equal(internal_keeps(name), cases[i].keeps);
        assert_int_equal(internal_family(name), cases[i].family);
    }
}

/* CPQ-41 to CPQ-44: operators see all gateways' releases as one; each is steered by its own name too. */
static void a_family_is_seen_as_one(void **state)
{
    struct fix *f = *state;
    struct queue *q = f->q;
    uint32_t one = destination_for(q, str_lit("the.cpq.release.host/gw-1"));
    uint32_t two = destination_for(q, str_lit("the.cpq.release.host/gw-2"));
    uint32_t other = destination_for(q, str_lit("the.euq.release.queue/gw-1")), base;
    struct destination sum, *d = destination_at(q, one);
    struct selector all, single;
    unsigned n = 0;

    d->recipients = 3;
    d->pieces = 1;
    d->down = true;
    d->reason = strdup("older");
    d->reason_ms = 5;
    d->blocked_until_ms = 900;
    d = destination_at(q, two);
    d->recipients = 4;
    d->reason = strdup("newer");
    d->reason_ms = 6;
    d->blocked_until_ms = 800;
    destination_at(q, other)->recipients = 50;
    assert_true(internal_sum(q, FAMILY_POLICY, &sum));
    assert_true(sum.recipients == 7 && sum.pieces == 1 && sum.down && sum.blocked_until_ms == 800);
    assert_string_equal(sum.reason, "newer");
    assert_string_equal(sum.name, "the.cpq.release.host");
    all = internal_select(q, str_lit("the.cpq.release.host"));
    single = internal_select(q, str_lit("the.cpq.release.host/gw-2"));
    assert_true(internal_meant(q, &all, one) && internal_meant(q, &all, two) && !internal_meant(q, &all, other));
    assert_true(!internal_meant(q, &single, one) && internal_meant(q, &single, two));
    for (uint32_t i = 0; (i = internal_next(q, FAMILY_POLICY, i)); n++)
        assert_true(i == one || i == two);
    assert_int_equal(n, 2);
    assert_false(internal_suspended(q, destination_at(q, one)));
    base = destination_for(q, str_lit("the.cpq.release.host"));
    destination_at(q, base)->suspended = true;
    assert_true(internal_suspended(q, destination_at(q, one)));
    assert_false(internal_suspended(q, destination_at(q, other)));
    destination_at(q, one)->down = false; /* down without mail is not down */
    destination_at(q, two)->down = true;
    assert_true(internal_sum(q, FAMILY_POLICY, &sum));
    assert_true(!sum.down && sum.suspended);
    destination_at(q, one)->pieces = 0;
}

/* ---- keys ------------------------------------------------------------------------------------------------------------- */

/* CPQ-65: what was taken is known to the next process; a record that a death cut short is not, and harms no other. */
static void keys_outlive_the_process(void **state)
{
    struct fix *f = *state;
    struct queue *q = f->q;
    char path[200], key[40];
    struct err e = ERR_NONE;
    int fd;

    for (unsigned i = 1; i <= 1000; i++) { /* the table grows */
        snprintf(key, sizeof key, "GW-1 %u 9", i);
        taken_add(q, str_c(key), i + 50);
    }
    taken_sync(q);
    assert_int_equal(taken_find(q, str_lit("GW-1 1000 9")), 1050);
    taken_close(q);
    snprintf(path, sizeof path, "%s/released", q->dir);
    fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    assert_int_equal(write(fd, "torn record", 11), 11);
    close(fd);
    assert_int_equal(taken_open(q, &e), RC_OK);
    for (unsigned i = 1; i <= 1000; i++) {
        snprintf(key, sizeof key, "GW-1 %u 9", i);
        assert_int_equal(taken_find(q, str_c(key)), i + 50);
    }
    assert_int_equal(taken_find(q, str_lit("GW-1 1001 9")), 0);
    assert_int_equal(taken_find(q, str_lit("")), 0);
    taken_add(q, str_lit("GW-2 1 9"), 7); /* over the torn one */
    taken_close(q);
    assert_int_equal(taken_open(q, &e), RC_OK);
    assert_int_equal(taken_find(q, str_lit("GW-2 1 9")), 7);
    assert_int_equal(taken_find(q, str_lit("GW-1 1 9")), 51);
}

/* A damaged record ends the list there: nothing behind it is believed. */
static void a_damaged_record_ends_the_list(void **state)
{
    struct fix *f = *state;
    struct queue *q = f->q;
    struct err e = ERR_NONE;
    char path[200];
    int fd;

    taken_add(q, str_lit("a"), 1);
    taken_add(q, str_lit("b"), 2);
    taken_close(q);
    snprintf(path, sizeof path, "%s/released", q->dir);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "x", 1, 40 + 3), 1);
    close(fd);
    assert_int_equal(taken_open(q, &e), RC_OK);
    assert_int_equal(taken_find(q, str_lit("a")), 1);
    assert_int_equal(taken_find(q, str_lit("b")), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_have_bases_and_families),
        cmocka_unit_test_setup_teardown(a_family_is_seen_as_one, fix_start, fix_end),
        cmocka_unit_test_setup_teardown(keys_outlive_the_process, fix_start, fix_end),
        cmocka_unit_test_setup_teardown(a_damaged_record_ends_the_list, fix_start, fix_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
