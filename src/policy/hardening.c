/*
 * The table of hardening checks, run and shown. See hardening.h.
 *
 * Called by securitycheck and the page of the same name. Owns nothing: texts live in the caller's arena. No check fails by
 * itself; without memory the process ends (arena_must_alloc).
 */
#include "policy/hardening_checks.h"

#include "base/json.h"

static const struct {
    const char *id;
    hardening_check *check;
    const char *cure;
} checks[] = {
    {"HD-01", check_ssh, "adminaccessconfig ipaccess restrict ADDRESS,...; commit (or interfaceconfig edit NAME ssh=no)"},
    {"HD-02", check_web_access, "adminaccessconfig ipaccess restrict ADDRESS,...; commit"},
    {"HD-03", check_cli_access, "adminaccessconfig ipaccess restrict ADDRESS,...; commit"},
    {"HD-04", check_host_header, "adminaccessconfig hostheader enable; commit -y"},
    {"HD-05", check_host_header_choice, ""},
    {"HD-06", check_scripting, "adminaccessconfig xss enable; adminaccessconfig csrf enable; commit -y"},
    {"HD-07", check_relay_rules, "settings set sender_group.NAME.listener=PRIVATE-LISTENER"},
    {"HD-08", check_auth, "settings set mail_flow_policy.NAME.tls=required"},
    {"HD-10", check_support, "techsupport disable"},
    {"HD-11", check_tls, "interfaceconfig edit NAME SERVICE=no; commit"},
    {"HD-12", check_cloud, "interfaceconfig"},
    {"HD-13", check_visitor, "interfaceconfig"},
    {"SC-01", check_plain_services, "interfaceconfig edit NAME ftp=no http=no api_http=no; commit"},
    {"SC-02", check_snmp_security, "settings set snmp.v2c=no snmp.community= snmp.level=authPriv snmp.trap_version=v3"},
    {"SC-03", check_passphrases, "settings set access.lockout_tries=5 access.passphrase_min=8"},
    {"SC-04", check_lab_names, "servicehosts edit SERVICE HOST; commit"},
};

enum { CHECKS = sizeof checks / sizeof *checks, FOUND_MAX = 4096 };

struct hardening_results hardening_run(const struct hardening_facts *f)
{
    struct hardening_result *r = arena_must_alloc(f->a, CHECKS * sizeof *r);
    struct hardening_results all = {r, CHECKS, 0};
    struct buf found = BUF(FOUND_MAX);

    for (size_t i = 0; i < CHECKS; i++) {
        buf_clear(&found);
        r[i].id = checks[i].id;
        r[i].verdict = checks[i].check(f, &found);
        r[i].found = arena_str(f->a, buf_str(&found));
        r[i].cure = r[i].verdict == HARDENING_FAIL ? checks[i].cure : "";
        all.failed += r[i].verdict == HARDENING_FAIL;
    }
    buf_done(&found);
    return all;
}

static const char *word_of(enum hardening_verdict v)
{
    static const char *const words[] = {"PASS", "FAIL", "N/A"};

    return words[v];
}

void hardening_text(struct hardening_results r, struct buf *out)
{
    for (size_t i = 0; i < r.n; i++) {
        const struct hardening_result *x = &r.items[i];

        buf_addf(out, "%s  %-4s  %.*s%s%s\n", x->id, word_of(x->verdict), STR(x->found), *x->cure ? "  Cure: " : "",
                 x->cure);
    }
    if (r.failed)
        buf_addf(out, "%zu of %zu checks failed.\n", r.failed, r.n);
}

void hardening_json(struct hardening_results r, struct buf *out)
{
    buf_addf(out, "{\"failed\":%zu,\"checks\":[", r.failed);
    for (size_t i = 0; i < r.n; i++) {
        const struct hardening_result *x = &r.items[i];

        buf_addf(out, "%s{\"id\":\"%s\",\"result\":\"%s\",\"found\":", i ? "," : "", x->id, word_of(x->verdict));
        json_str(out, x->found);
        buf_add(out, str_lit(",\"cure\":"));
        json_str(out, str_c(x->cure));
        buf_addc(out, '}');
    }
    buf_add(out, str_lit("]}"));
}
