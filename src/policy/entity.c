/*
 * The check digits. See entity.h.
 *
 * Called by dictionary and DLP for each candidate. Pure; a candidate is at most a few dozen octets. Rules are those of the
 * public descriptions: ISO/IEC 7812 (cards), ISO 13616 (IBAN), and of the offices that give the numbers out.
 */
#include "policy/entity.h"

enum { CLEAN_MAX = 40, ENTITY_MIN = 6 };

/* The candidate without separators, letters in upper case; how many are in `out`. */
static size_t clean(struct str s, char *out)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n && n < CLEAN_MAX; i++) {
        char c = s.p[i];

        if (c == ' ' || c == '-' || c == '.')
            continue;
        out[n++] = c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
    }
    return n;
}

static unsigned digit(char c)
{
    return (unsigned)(c - '0');
}

static bool all_same(const char *d, size_t n)
{
    for (size_t i = 1; i < n; i++)
        if (d[i] != d[0])
            return false;
    return true;
}

static bool luhn(const char *d, size_t n)
{
    unsigned sum = 0;

    for (size_t i = 0; i < n; i++) {
        unsigned v = digit(d[n - 1 - i]) << (i & 1);

        sum += v > 9 ? v - 9 : v;
    }
    return sum % 10 == 0 && !all_same(d, n);
}

/* Prefixes and lengths of the issuers. */
static bool entity_check_luhn_card(struct str s)
{
    static const struct {
        unsigned from, to; /* first four digits */
        size_t least, most;
    } issuers[] = {{4000, 4999, 13, 19}, {5100, 5599, 16, 16}, {2221, 2720, 16, 16}, {3400, 3499, 15, 15},
                   {3700, 3799, 15, 15}, {6011, 6011, 16, 19}, {6440, 6599, 16, 19}, {3528, 3589, 16, 19},
                   {3000, 3059, 14, 19}, {3600, 3699, 14, 19}, {3800, 3999, 14, 19}, {5000, 5099, 12, 19},
                   {5600, 5899, 12, 19}, {6200, 6299, 16, 19}};
    char d[CLEAN_MAX];
    size_t n = clean(s, d);
    unsigned first = n < 4 ? 0 : digit(d[0]) * 1000 + digit(d[1]) * 100 + digit(d[2]) * 10 + digit(d[3]);

    for (size_t i = 0; i < sizeof issuers / sizeof *issuers; i++)
        if (first >= issuers[i].from && first <= issuers[i].to && n >= issuers[i].least && n <= issuers[i].most)
            return luhn(d, n);
    return false;
}

static bool entity_check_luhn9(struct str s)
{
    char d[CLEAN_MAX];

    return clean(s, d) == 9 && luhn(d, 9);
}

static bool entity_check_ssn(struct str s)
{
    char d[CLEAN_MAX];
    unsigned area;

    if (clean(s, d) != 9)
        return false;
    area = digit(d[0]) * 100 + digit(d[1]) * 10 + digit(d[2]);
    return area && area != 666 && area < 900 && (d[3] != '0' || d[4] != '0') && memcmp(d + 5, "0000", 4) != 0;
}

static unsigned weighted(const char *d, const unsigned char *weights, size_t n)
{
    unsigned sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += digit(d[i]) * weights[i];
    return sum;
}

static bool entity_check_aba(struct str s)
{
    static const unsigned char weights[] = {3, 7, 1, 3, 7, 1, 3, 7, 1};
    char d[CLEAN_MAX];
    unsigned first;

    if (clean(s, d) != 9)
        return false;
    first = digit(d[0]) * 10 + digit(d[1]);
    return (first <= 12 || (first >= 21 && first <= 32)) && weighted(d, weights, 9) % 10 == 0 && !all_same(d, 9);
}

static bool entity_check_cusip(struct str s)
{
    char d[CLEAN_MAX];
    unsigned sum = 0;

    if (clean(s, d) != 9)
        return false;
    for (size_t i = 0; i < 8; i++) {
        unsigned v = ascii_digit(d[i]) ? digit(d[i]) : (unsigned)(d[i] - 'A') + 10;

        v <<= i & 1;
        sum += v / 10 + v % 10;
    }
    return (10 - sum % 10) % 10 == digit(d[8]);
}

static bool entity_check_iban(struct str s)
{
    static const char lengths[] =
        "AD24AE23AT20AZ28BA20BE16BG22BH22BR29CH21CR22CY28CZ24DE22DK18DO28EE20ES24FI18FO18FR27GB22GE22GI23GL18"
        "GR27GT28HR21HU28IE22IL23IS26IT27JO30KW30KZ20LB28LI21LT20LU20LV21MC27MD24ME22MK19MR27MT31MU30NL18"
        "NO15PK24PL28PS29PT25QA29RO24RS22SA24SE24SI19SK24SM27TN24TR26UA29VA22VG24XK20";
    char d[CLEAN_MAX];
    size_t n = clean(s, d);
    unsigned rest = 0;

    for (size_t i = 0; i + 4 < sizeof lengths; i += 4) {
        size_t wanted = digit(lengths[i + 2]) * 10 + digit(lengths[i + 3]);

        if (n < wanted || memcmp(lengths + i, d, 2) != 0)
            continue;
        for (size_t k = 0; k < wanted; k++) {
            char c = d[(k + 4) % wanted];

            rest = ascii_digit(c) ? (rest * 10 + digit(c)) % 97 : (rest * 100 + (unsigned)(c - 'A') + 10) % 97;
        }
        return rest == 1;
    }
    return false;
}

static bool entity_check_nhs(struct str s)
{
    static const unsigned char weights[] = {10, 9, 8, 7, 6, 5, 4, 3, 2};
    char d[CLEAN_MAX];
    unsigned check;

    if (clean(s, d) != 10 || all_same(d, 10))
        return false;
    check = (11 - weighted(d, weights, 9) % 11) % 11;
    return check < 10 && check == digit(d[9]);
}

static bool entity_check_nino(struct str s)
{
    static const char never[] = "BGGBKNNKNTTNZZ";
    char d[CLEAN_MAX];

    if (clean(s, d) != 9 || strchr("DFIQUV", d[0]) || strchr("DFIQUVO", d[1]))
        return false;
    for (size_t i = 0; i + 1 < sizeof never; i += 2)
        if (memcmp(never + i, d, 2) == 0)
            return false;
    return true;
}

/* ISO 7064 mod 11,10. */
static bool entity_check_de_tax(struct str s)
{
    char d[CLEAN_MAX];
    unsigned product = 10, check;

    if (clean(s, d) != 11 || d[0] == '0' || all_same(d, 10))
        return false;
    for (size_t i = 0; i < 10; i++) {
        unsigned sum = (digit(d[i]) + product) % 10;

        product = (sum ? sum : 10) * 2 % 11;
    }
    check = (11 - product) % 10;
    return check == digit(d[10]);
}

static bool entity_check_insee(struct str s)
{
    char d[CLEAN_MAX];
    uint64_t number = 0;

    if (clean(s, d) != 15)
        return false;
    for (size_t i = 0; i < 13; i++) {
        if (!ascii_digit(d[i]) && i != 6)
            return false;
        number = number * 10 + (ascii_digit(d[i]) ? digit(d[i]) : 0);
    }
    number -= d[6] == 'A' ? 1000000 : d[6] == 'B' ? 2000000 : 0; /* Corsica: 2A counts as 19, 2B as 18 */
    return 97 - number % 97 == digit(d[13]) * 10 + digit(d[14]);
}

static bool entity_check_ean13(struct str s)
{
    static const unsigned char weights[] = {1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1};
    char d[CLEAN_MAX];

    return clean(s, d) == 13 && weighted(d, weights, 13) % 10 == 0;
}

static bool entity_check_bsn(struct str s)
{
    static const unsigned char weights[] = {9, 8, 7, 6, 5, 4, 3, 2};
    char d[CLEAN_MAX];
    unsigned sum;

    if (clean(s, d) != 9 || all_same(d, 9))
        return false;
    sum = weighted(d, weights, 8);
    return sum >= digit(d[8]) && (sum - digit(d[8])) % 11 == 0;
}

static bool entity_check_dni(struct str s)
{
    char d[CLEAN_MAX];
    unsigned number = 0;

    if (clean(s, d) != 9)
        return false;
    for (size_t i = 0; i < 8; i++)
        number = number * 10 + digit(d[i]);
    return "TRWAGMYFPDXBNJZSQVHLCKE"[number % 23] == d[8];
}

static bool entity_check_codice(struct str s)
{
    static const unsigned char odd[] = {1,  0,  5, 7, 9, 13, 15, 17, 19, 21, 2,  4,  18,
                                        20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23};
    char d[CLEAN_MAX];
    unsigned sum = 0;

    if (clean(s, d) != 16)
        return false;
    for (size_t i = 0; i < 15; i++) {
        unsigned v = ascii_digit(d[i]) ? digit(d[i]) : (unsigned)(d[i] - 'A');

        sum += i & 1 ? v : odd[v];
    }
    return sum % 26 == (unsigned)(d[15] - 'A');
}

static bool entity_check_cpf(struct str s)
{
    static const unsigned char weights[] = {11, 10, 9, 8, 7, 6, 5, 4, 3, 2};
    char d[CLEAN_MAX];

    if (clean(s, d) != 11 || all_same(d, 11))
        return false;
    for (size_t k = 0; k < 2; k++) {
        unsigned check = weighted(d, weights + 1 - k, 9 + k) * 10 % 11 % 10;

        if (check != digit(d[9 + k]))
            return false;
    }
    return true;
}

static bool entity_check_any(struct str s)
{
    return s.n > 0;
}

static const struct entity rows[] = {
#define ENTITY(name, smart, checker, expression, help) {name, smart, entity_check_##checker, expression, help},
#include "spec/entities.def"
#undef ENTITY
};

enum { ROWS = sizeof rows / sizeof *rows };

const struct entity *entity_row(size_t i)
{
    return i < ROWS ? &rows[i] : NULL;
}

const struct entity *entity_find(struct str name)
{
    for (size_t i = 0; i < ROWS; i++)
        if (str_eqi(name, str_c(rows[i].name)) || (rows[i].smart[0] && str_eqi(name, str_c(rows[i].smart))))
            return &rows[i];
    return NULL;
}

static bool joins(char c)
{
    return ascii_alpha(c) || ascii_digit(c);
}

bool entity_fits(const struct entity *e, struct str text, size_t from, size_t to)
{
    if (from >= to || to > text.n || (from && joins(text.p[from - 1])) || (to < text.n && joins(text.p[to])))
        return false;
    return e->check(str_of(text.p + from, to - from));
}

bool entity_fits_end(const struct entity *e, struct str text, size_t *from, size_t to)
{
    if (to > text.n || (to < text.n && joins(text.p[to])))
        return false;
    for (size_t at = *from; at < to && to - at >= ENTITY_MIN; at++)
        if ((at == *from || joins(text.p[at])) && (at == 0 || !joins(text.p[at - 1])) && entity_fits(e, text, at, to)) {
            *from = at;
            return true;
        }
    return false;
}
