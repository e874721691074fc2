/* What a client demands of its peer: names, authorities, DANE. */
#include "net/tls_world.h"

static void names_are_checked(void **state)
{
    static const struct {
        const char *name, *further;
        bool fits;
    } cases[] = {{"mx.example.test", NULL, true},
                 {"MX.EXAMPLE.TEST", NULL, true},
                 {"example.test", NULL, false},
                 {"example.test", "mx.example.test", true},
                 {"192.0.2.1", NULL, false}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct plan p = {.ca_file = ca_path};
        struct str further = str_c(cases[i].further);
        struct world w;

        setup(&w, &p);
        w.how = (struct tls_client){.check = TLS_CHECK_NAME, .name = str_c(cases[i].name), .names = &further, .n_names = 1};
        talk(&w);
        assert_int_equal(w.c.tls, cases[i].fits);
        assert_int_equal(w.c.verified, cases[i].fits);
        if (!cases[i].fits)
            assert_non_null(strstr(w.c.why, "certificate verify failed"));
        teardown(&w);
    }
}

static void an_unknown_authority_is_refused(void **state)
{
    const struct plan p = {0};
    struct world w;

    (void)state;
    setup(&w, &p);
    w.how = (struct tls_client){.check = TLS_CHECK_NAME, .name = str_lit("mx.example.test")};
    talk(&w);
    assert_false(w.c.tls);
    assert_non_null(strstr(w.c.why, "self-signed"));
    teardown(&w);
}

/* RFC 7672: 3 1 1 fits without any authority or date; a wrong digest fails; records of unusable kinds only leave the
 * connection encrypted and unchecked. */
static void dane_records_decide(void **state)
{
    const struct plan p = {0};

    (void)state;
    for (int i = 0; i < 3; i++) {
        const struct identity *id = i == 1 ? &other : &mx;
        struct tls_record record = {
            .usage = i == 2 ? 0 : 3, .selector = 1, .matching = 1, .data = str_of(id->spki_sha256, 32)};
        struct world w;

        setup(&w, &p);
        w.how = (struct tls_client){
            .check = TLS_CHECK_DANE, .name = str_lit("mx.example.test"), .records = &record, .n_records = 1};
        talk(&w);
        assert_int_equal(w.c.tls, i != 1);
        assert_int_equal(w.c.dane, i == 0);
        assert_int_equal(w.c.verified, i == 0);
        if (i == 1)
            assert_non_null(strstr(w.c.why, "matching DANE TLSA records"));
        teardown(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_checked),
        cmocka_unit_test(an_unknown_authority_is_refused),
        cmocka_unit_test(dane_records_decide),
    };

    return cmocka_run_group_tests(tests, make_identities, remove_file);
}
