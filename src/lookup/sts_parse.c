/*
 * Reading of MTA-STS records and policy files (RFC 8461 3.1, 3.2).
 *
 * Pure; called by sts.c with octets of strangers. Unknown fields are passed over, wrong ones make the whole unusable.
 */
#include "lookup/sts.h"

enum { ID_MAX = 32, MX_MAX = 100 };

static const uint64_t MAX_AGE_MOST_S = 31557600;

static bool alphanumeric(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!ascii_alpha(s.p[i]) && !ascii_digit(s.p[i]))
            return false;
    return s.n > 0;
}

bool sts_record_id(struct str txt, struct str *id_out)
{
    struct str rest = txt, part, id = STR_NONE;
    bool first = true;

    while (str_split(&rest, ';', &part)) {
        part = str_trim(part);
        if (first && !str_eq(part, str_lit("v=STSv1")))
            return false;
        first = false;
        if (str_starts(part, str_lit("id=")))
            id = str_from(part, 3);
    }
    if (!alphanumeric(id) || id.n > ID_MAX)
        return false;
    *id_out = id;
    return true;
}

static bool mode_read(struct str value, enum sts_mode *out)
{
    static const char *const MODES[] = {"none", "testing", "enforce"};

    for (unsigned i = 0; i < 3; i++)
        if (str_eq(value, str_c(MODES[i]))) {
            *out = (enum sts_mode)i;
            return true;
        }
    return false;
}

/* A host name, or one with "*." in front. */
static bool pattern_fits(struct str s)
{
    if (str_starts(s, str_lit("*.")))
        s = str_from(s, 2);
    for (size_t i = 0; i < s.n; i++)
        if (!ascii_alpha(s.p[i]) && !ascii_digit(s.p[i]) && s.p[i] != '-' && s.p[i] != '.' && s.p[i] != '_')
            return false;
    return s.n > 0 && s.n <= 253;
}

enum rc sts_policy_parse(struct arena *a, struct str text, struct sts_policy *out)
{
    struct sts_policy p = {0};
    struct str rest = text, line;
    bool version = false, mode = false, age = false;
    struct buf mx = BUF(MX_MAX * 256);
    unsigned n_mx = 0;
    enum rc rc = RC_OK;

    while (rc == RC_OK && str_split(&rest, '\n', &line)) {
        size_t colon = str_find(line, ':');
        struct str key = str_trim(str_first(line, colon)), value = str_trim(str_from(line, colon + 1));

        if (str_eq(key, str_lit("version"))) {
            version = str_eq(value, str_lit("STSv1"));
        } else if (str_eq(key, str_lit("mode"))) {
            mode = mode_read(value, &p.mode);
        } else if (str_eq(key, str_lit("max_age"))) {
            age = str_u64(value, &p.max_age_s) && p.max_age_s <= MAX_AGE_MOST_S;
        } else if (str_eq(key, str_lit("mx"))) {
            if (!pattern_fits(value) || n_mx++ >= MX_MAX)
                rc = RC_SYNTAX;
            if (mx.n)
                buf_addc(&mx, '\n');
            buf_add(&mx, value);
        }
    }
    if (!version || !mode || !age || (p.mode != STS_NONE && mx.n == 0) || mx.failed)
        rc = RC_SYNTAX;
    if (rc == RC_OK) {
        p.mx = arena_str(a, buf_str(&mx));
        *out = p;
    }
    buf_done(&mx);
    return rc;
}
