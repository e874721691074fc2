/* Directories: what is wrong with servers, templates and queries is said with its path before a commit. */
#include "conf/rules.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define GOOD "ldap_server.s.hosts=a.test:389,[2001:db8::1]:636\nldap_query.q.server=s\nldap_query.q.filter=(mail={a})\n"

static void settings_are_checked(void **state)
{
    static const struct {
        const char *lines, *says;
    } cases[] = {
        {GOOD, ""},
        {GOOD "ldap_query.c.form=chain\nldap_query.c.parts=q\nldap_query.d.form=domain\nldap_query.d.parts=a.test q,ALL c\n",
         ""},
        {"ldap_server.s.hosts=a b\n", "ldap_server.s.hosts: \"a b\" is no host name or address"},
        {"ldap_server.s.hosts=-x\n", "ldap_server.s.hosts: \"-x\" is no host name or address"},
        {"ldap_server.s.hosts=a\nldap_server.s.auth=passphrase\n", "ldap_server.s.bind_dn: is needed to log in"},
        {"ldap_query.q.filter=(a=b)\n", "ldap_query.q.server: which LDAP server is asked?"},
        {"ldap_query.q.server=s\nldap_query.q.filter=(mail={a}\n", "ldap_query.q.filter: column 23: expected )"},
        {"ldap_query.q.server=s\nldap_query.q.filter=(mail={z})\n",
         "ldap_query.q.filter: \"{z})\" is none of {a} {u} {d} {f} {g} {cn} {dn}"},
        {"ldap_query.c.form=chain\nldap_query.c.parts=none\n", "ldap_query.c.parts: ldap_query \"none\" does not exist"},
        {"ldap_query.c.form=chain\nldap_query.c.parts=c\n", "ldap_query.c.parts: \"c\" is a chain itself"},
        {GOOD "listener.L.port=25\nlistener.L.ldap_routing=q\n", "listener.L.ldap_routing: query \"q\" is of another kind"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct conf_draft *d = conf_draft_new();
        struct err e = ERR_NONE;
        enum rc rc;

        assert_int_equal(conf_draft_lines(d, str_c(cases[i].lines), &e), RC_OK);
        rc = conf_check_ldap(&d->conf, &e);
        assert_string_equal(rc == RC_OK ? "" : err_text(&e), cases[i].says);
        conf_draft_free(d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(settings_are_checked)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
