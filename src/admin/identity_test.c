/* The identity of an appliance: made once, signed by a manager's authority, pinned by its key. */
#include "admin/identity.h"

#include "admin/certificate.h"
#include "base/clock.h"
#include "conf/snapshot.h"
#include "net/authority.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct conf_draft *draft(const char *role, const char *serial)
{
    struct conf_draft *d = conf_draft_new();

    assert_non_null(d);
    assert_int_equal(conf_draft_set(d, str_lit("system.role"), str_c(role), NULL), RC_OK);
    assert_int_equal(conf_draft_set(d, str_lit("system.serial"), str_c(serial), NULL), RC_OK);
    return d;
}

static bool made(struct conf_draft *d)
{
    bool changed;

    assert_int_equal(identity_need(d, &changed, NULL), RC_OK);
    return changed;
}

static void a_gateway_gets_certificate_and_key_once(void **state)
{
    struct conf_draft *d = draft("gateway", "42AA-BB");
    const struct conf_cpq_identity *own = &d->conf.cpq_identity;
    struct str key, ssh;

    (void)state;
    assert_true(made(d));
    assert_int_equal(authority_fits(own->certificate, own->key, str_lit("42AA-BB"), NULL), RC_OK);
    assert_true(str_starts(d->conf.ssh_identity.public_key, str_lit("ssh-ed25519 AAAA")));
    assert_true(str_starts(d->conf.ssh_identity.key, str_lit("-----BEGIN OPENSSH PRIVATE KEY-----")));
    assert_int_equal(d->conf.cpq_authority.key.n, 0); /* only a manager has one */
    key = own->key;
    ssh = d->conf.ssh_identity.key;
    assert_false(made(d));
    assert_ptr_equal(key.p, own->key.p);
    assert_ptr_equal(ssh.p, d->conf.ssh_identity.key.p);
    conf_draft_free(d);
}

static bool is_told(const struct conf_draft *d, const char *role, struct str secret)
{
    struct buf blob = BUF(1 << 24);
    bool found;

    conf_encode(&d->conf, role, &blob);
    assert_false(blob.failed);
    found = str_find_str(buf_str(&blob), secret) < blob.n;
    buf_done(&blob);
    return found;
}

/* Who is taken over has the keys of his own work and no others. */
static void each_role_is_told_its_own_keys_alone(void **state)
{
    static const char *const roles[] = {"receive", "deliver", "quarantine", "central", "shell", "scan", "record"};
    struct conf_draft *d = draft("manager", "42AA-BB");

    (void)state;
    assert_true(made(d));
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
        assert_int_equal(is_told(d, roles[i], d->conf.cpq_identity.key), i < 4);
        assert_int_equal(is_told(d, roles[i], d->conf.ssh_identity.key), i == 3);
        assert_false(is_told(d, roles[i], d->conf.cpq_authority.key));
    }
    conf_draft_free(d);
}

static void without_a_serial_number_nothing_is_made(void **state)
{
    struct conf_draft *d = draft("manager", "");

    (void)state;
    assert_false(made(d));
    assert_int_equal(d->conf.cpq_identity.key.n, 0);
    conf_draft_free(d);
}

/* central.md 3: the gateway makes key and request, the manager signs; the pin is that of the key and stays. */
static void a_manager_signs_what_a_gateway_asks_for(void **state)
{
    struct conf_draft *m = draft("manager", "42CC-DD"), *g = draft("gateway", "42AA-BB");
    struct buf request = BUF(AUTHORITY_PEM_MAX), cert = BUF(AUTHORITY_PEM_MAX), facts = BUF(4096);
    char before[AUTHORITY_PIN + 1], asked[AUTHORITY_PIN + 1], after[AUTHORITY_PIN + 1];

    (void)state;
    assert_true(made(m) && made(g));
    assert_int_equal(authority_request(str_lit("42AA-BB"), g->conf.cpq_identity.key, &request, NULL), RC_OK);
    assert_int_equal(authority_sign(m->conf.cpq_authority.certificate, m->conf.cpq_authority.key, buf_str(&request),
                                    str_lit("42AA-BB"), &cert, NULL),
                     RC_OK);
    assert_int_equal(authority_fits(buf_str(&cert), g->conf.cpq_identity.key, str_lit("42AA-BB"), NULL), RC_OK);
    assert_int_equal(authority_pin(g->conf.cpq_identity.certificate, before, NULL), RC_OK);
    assert_int_equal(authority_request_pin(buf_str(&request), asked, NULL), RC_OK);
    assert_int_equal(authority_pin(buf_str(&cert), after, NULL), RC_OK);
    assert_string_equal(before, after);
    assert_string_equal(before, asked);
    assert_int_equal(certificate_facts(buf_str(&cert), &facts, NULL), RC_OK);
    assert_true(str_find_str(buf_str(&facts), str_lit("Subject: CN=42AA-BB")) < facts.n);
    assert_true(str_find_str(buf_str(&facts), str_lit("Issuer: CN=42CC-DD")) < facts.n);
    buf_done(&facts);
    buf_done(&cert);
    buf_done(&request);
    conf_draft_free(m);
    conf_draft_free(g);
}

static void what_is_no_honest_request_is_not_signed(void **state)
{
    struct conf_draft *m = draft("manager", "42CC-DD"), *g = draft("gateway", "42AA-BB");
    struct buf request = BUF(AUTHORITY_PEM_MAX), cert = BUF(AUTHORITY_PEM_MAX);
    struct str ca, key;
    struct err e = ERR_NONE;

    (void)state;
    assert_true(made(m) && made(g));
    ca = m->conf.cpq_authority.certificate;
    key = m->conf.cpq_authority.key;
    assert_int_equal(authority_request(str_lit("42AA-BB"), g->conf.cpq_identity.key, &request, NULL), RC_OK);
    assert_int_equal(authority_sign(ca, key, buf_str(&request), str_lit("42AA-BC"), &cert, &e), RC_INVALID);
    assert_string_equal(err_text(&e), "The certificate request is for another serial number");
    assert_int_equal(authority_sign(ca, key, str_lit("nothing"), str_lit("42AA-BB"), &cert, NULL), RC_INVALID);
    assert_int_equal(authority_sign(ca, g->conf.ssh_identity.key, buf_str(&request), str_lit("42AA-BB"), &cert, NULL),
                     RC_INVALID);
    for (size_t i = 100; i < request.n - 60; i += 37) { /* changed on its way: some other text, never another key signed */
        char was = request.p[i];

        request.p[i] = was == 'A' ? 'B' : 'A';
        assert_int_equal(authority_sign(ca, key, buf_str(&request), str_lit("42AA-BB"), &cert, NULL), RC_INVALID);
        request.p[i] = was;
    }
    buf_done(&cert);
    buf_done(&request);
    conf_draft_free(m);
    conf_draft_free(g);
}

static void a_certificate_is_renewed_at_half_its_life(void **state)
{
    struct conf_draft *d = draft("gateway", "42AA-BB");
    uint64_t now = clock_wall_ms(), day = 86400000;
    struct str cert;

    (void)state;
    assert_true(made(d));
    cert = d->conf.cpq_identity.certificate;
    assert_false(authority_half_over(cert, now));
    assert_false(authority_half_over(cert, now + 364 * day));
    assert_true(authority_half_over(cert, now + 366 * day));
    assert_false(authority_over(cert, now + 729 * day));
    assert_true(authority_over(cert, now + 731 * day));
    assert_false(authority_over(str_lit("nothing"), now + 731 * day));
    conf_draft_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_gateway_gets_certificate_and_key_once),
        cmocka_unit_test(each_role_is_told_its_own_keys_alone),
        cmocka_unit_test(without_a_serial_number_nothing_is_made),
        cmocka_unit_test(a_manager_signs_what_a_gateway_asks_for),
        cmocka_unit_test(what_is_no_honest_request_is_not_signed),
        cmocka_unit_test(a_certificate_is_renewed_at_half_its_life),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
