/* Numbers with a right check digit are known, the same with a wrong one are not. */
#include "policy/entity.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void check_digits_decide(void **state)
{
    static const struct {
        const char *entity, *good, *bad;
    } rows[] = {
        {"credit-card", "4111 1111 1111 1111", "4111 1111 1111 1112"},
        {"credit-card", "378282246310005", "378282246310006"},
        {"us-ssn", "123-45-6789", "666-45-6789"},
        {"aba-routing", "021000021", "021000022"},
        {"cusip", "38259P508", "38259P509"},
        {"iban", "DE89 3704 0044 0532 0130 00", "DE89 3704 0044 0532 0130 01"},
        {"iban", "GB82WEST12345698765432", "GB82WEST12345698765431"},
        {"ca-sin", "130 692 544", "130 692 545"},
        {"uk-nhs", "943 476 5919", "943 476 5918"},
        {"uk-nino", "AB 12 34 56 C", "BG 12 34 56 C"},
        {"de-tax-id", "86095742719", "86095742718"},
        {"fr-insee", "2 55 08 14 168 025 38", "2 55 08 14 168 025 39"},
        {"ch-ahv", "756.9217.0769.85", "756.9217.0769.84"},
        {"nl-bsn", "111222333", "111222334"},
        {"es-dni", "12345678Z", "12345678A"},
        {"it-cf", "RSSMRA85T10A562S", "RSSMRA85T10A562T"},
        {"br-cpf", "529.982.247-25", "529.982.247-26"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct entity *e = entity_find(str_c(rows[i].entity));
        struct str good = str_c(rows[i].good), bad = str_c(rows[i].bad);

        assert_non_null(e);
        if (!entity_fits(e, good, 0, good.n) || entity_fits(e, bad, 0, bad.n))
            fail_msg("%s: '%s' or '%s'", rows[i].entity, rows[i].good, rows[i].bad);
    }
    assert_ptr_equal(entity_find(str_lit("*CREDIT")), entity_find(str_lit("credit-card")));
    assert_null(entity_find(str_lit("*")));
}

static void a_part_of_a_longer_number_is_none(void **state)
{
    struct str text = str_lit("x4111111111111111 4111111111111111");
    const struct entity *e = entity_find(str_lit("credit-card"));

    (void)state;
    assert_false(entity_fits(e, text, 1, 17));
    assert_true(entity_fits(e, text, 18, 34));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check_digits_decide),
        cmocka_unit_test(a_part_of_a_longer_number_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
