/* Quarantines: the ones that always exist with their own defaults, and what a configuration may not say of them. */
#include "conf/rules.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const char *check(const char *lines)
{
    static struct err e;
    struct conf_draft *d = conf_draft_new();
    enum rc rc;

    e = ERR_NONE;
    assert_non_null(d);
    rc = conf_draft_lines(d, str_c(lines), &e);
    if (rc == RC_OK)
        rc = conf_check_quarantines(&d->conf, &e);
    conf_draft_free(d);
    return rc == RC_OK ? "ok" : err_text(&e);
}

/* central.md 9, Defaults: Policy delete 10 d; Virus delete 30 d; Unclassified release 30 d; File Analysis release 1 h. */
static void they_exist_with_their_defaults(void **state)
{
    static const struct {
        const char *name;
        uint64_t kind, hours, action;
    } rows[] = {{"Policy", 0, 240, 0},
                {"Virus", 1, 720, 0},
                {"Outbreak", 2, 24, 1},
                {"File Analysis", 3, 1, 1},
                {"Unclassified", 4, 720, 1}};
    struct conf_draft *d = conf_draft_new();
    struct err e = ERR_NONE;

    (void)state;
    assert_int_equal(d->conf.quarantine.n, 5);
    for (size_t i = 0; i < 5; i++) {
        const struct conf_quarantine *q = conf_find(&d->conf.quarantine, str_c(rows[i].name));

        assert_non_null(q);
        assert_int_equal(q->kind, rows[i].kind);
        assert_int_equal(q->retention_ms, rows[i].hours * 3600000);
        assert_int_equal(q->action, rows[i].action);
    }
    assert_int_equal(conf_draft_remove(d, str_lit("quarantine.Virus"), &e), RC_NOT_PERMITTED);
    assert_string_equal(err_text(&e), "quarantine.Virus always exists");
    conf_draft_free(d);
}

#define PRINT "0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789abcdef"

/* A partner is known by its serial number and its certificate, neither of which another one has. */
static void partners(void **state)
{
    (void)state;
    assert_string_equal(check("cpq_peer.m.serial=S1\ncpq_peer.m.fingerprint=" PRINT "\n"), "ok");
    assert_string_equal(check("cpq_peer.m.fingerprint=" PRINT "\n"), "cpq_peer.m.serial: a partner has a serial number");
    assert_string_equal(check("cpq_peer.m.serial=S1\n"), "cpq_peer.m.fingerprint: it has 64 hexadecimal digits");
    assert_string_equal(check("cpq_peer.m.serial=S1\ncpq_peer.m.fingerprint=" PRINT "\n"
                              "cpq_peer.n.serial=S2\ncpq_peer.n.fingerprint=" PRINT "\n"),
                        "cpq_peer.n: m has the same serial number or certificate");
}

/* central.md 9, Custom: each line is a policy quarantine of the gateway and where it moves, nowhere being a place too. */
static void maps(void **state)
{
    (void)state;
    assert_string_equal(check("appliance.g.migration_map=Policy=Legal,Own=,Other = Legal\n"), "ok");
    assert_string_equal(check("appliance.g.migration_map=Policy\n"),
                        "appliance.g.migration_map: \"Policy\" is not LOCAL=CENTRAL");
    assert_string_equal(check("appliance.g.migration_map==Legal\n"),
                        "appliance.g.migration_map: \"=Legal\" is not LOCAL=CENTRAL");
    assert_string_equal(check("appliance.g.migration_map=Virus=Legal\n"),
                        "appliance.g.migration_map: \"Virus=Legal\" names a quarantine that moves by itself");
    assert_string_equal(check("appliance.g.migration_map=Own=A,own=B\n"),
                        "appliance.g.migration_map: \"own=B\" maps a quarantine twice");
}

static void what_cannot_be(void **state)
{
    (void)state;
    assert_string_equal(check(""), "ok");
    assert_string_equal(check("quarantine.Own.action=release\nquarantine.Own.groups=operator,help_desk\n"), "ok");
    assert_string_equal(check("quarantine.Own.kind=virus\n"),
                        "quarantine.Own.kind: there is one quarantine of that kind, which exists already");
    assert_string_equal(check("quarantine.Virus.kind=policy\n"), "quarantine.Virus.kind: this quarantine keeps its kind");
    assert_string_equal(check("quarantine.Policy.groups=technician\n"),
                        "quarantine.Policy.groups: a group is operator, read_only_operator, guest or help_desk");
    assert_string_equal(check("quarantine.Policy.header_value=x\n"),
                        "quarantine.Policy.header_value: the header has no name");
    assert_string_equal(
        check("quarantine.Policy.overflow=no\nquarantine.Virus.overflow=no\nquarantine.Outbreak.overflow=no\n"
              "quarantine[File Analysis].overflow=no\nquarantine.Unclassified.overflow=no\n"),
        "quarantine: at least one must free space by its default action (overflow)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(they_exist_with_their_defaults), cmocka_unit_test(partners),
                                       cmocka_unit_test(maps), cmocka_unit_test(what_cannot_be)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
