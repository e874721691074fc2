/*
 * DMARC records: tag=value lists of RFC 7489 6.3 and RFC 9989 4.7. See dmarc.h.
 *
 * Called by dmarc, orgdomain and dmarc_report. The text comes from a stranger's DNS: unknown tags are passed over, a broken
 * value counts as missing, of a tag that stands there twice the first counts. Results lie in the arena, texts are views.
 */
#include "mail/dmarc.h"

static bool letter(struct str value, const char *yes, const char *no, bool *out)
{
    if (str_eqi(value, str_c(yes)))
        *out = true;
    else if (str_eqi(value, str_c(no)))
        *out = false;
    else
        return false;
    return true;
}

static bool set_p(struct arena *a, struct dmarc_record *r, struct str v)
{
    (void)a;
    r->has_policy = dmarc_policy_of(v, &r->p);
    return r->has_policy;
}

static bool set_sp(struct arena *a, struct dmarc_record *r, struct str v)
{
    (void)a;
    r->has_sp = dmarc_policy_of(v, &r->sp);
    return r->has_sp;
}

static bool set_np(struct arena *a, struct dmarc_record *r, struct str v)
{
    (void)a;
    r->has_np = dmarc_policy_of(v, &r->np);
    return r->has_np;
}

static bool set_adkim(struct arena *a, struct dmarc_record *r, struct str v)
{
    (void)a;
    return letter(v, "s", "r", &r->strict_dkim);
}

static bool set_aspf(struct arena *a, struct dmarc_record *r, struct str v)
{
    (void)a;
    return letter(v, "s", "r", &r->strict_spf);
}

static bool set_t(struct arena *a, struct dmarc_record *r, struct str v)
{
    (void)a;
    return letter(v, "y", "n", &r->testing);
}

static bool set_psd(struct arena *a, struct dmarc_record *r, struct str v)
{
    bool yes;

    (void)a;
    if (!letter(v, "y", "n", &yes))
        return false;
    r->psd = yes ? DMARC_PSD_YES : DMARC_PSD_NO;
    return true;
}

static bool set_pct(struct arena *a, struct dmarc_record *r, struct str v)
{
    uint64_t n;

    (void)a;
    if (!str_u64(v, &n) || n > 100)
        return false;
    r->percent = (unsigned)n;
    return true;
}

static bool set_fo(struct arena *a, struct dmarc_record *r, struct str v)
{
    (void)a;
    for (size_t i = 0; i < v.n; i++)
        if (!strchr("01dDsS:", v.p[i]) || !v.p[i])
            return false;
    r->fo = str_first(v, 16);
    return true;
}

/* "!10m" behind an address: a number and a unit of powers of 1024 (6.3). */
static bool size_limit(struct str s, uint64_t *out)
{
    static const char units[] = "kmgt";
    unsigned shift = 0;
    uint64_t n;
    const char *u = s.n ? strchr(units, ascii_lower(s.p[s.n - 1])) : NULL;

    if (u && *u) {
        shift = 10 * (unsigned)(u - units + 1);
        s.n--;
    }
    if (!str_u64(s, &n) || n == 0 || n > UINT64_MAX >> shift)
        return false;
    *out = n << shift;
    return true;
}

static bool plain_address(struct str s)
{
    size_t at = str_find_last(s, '@');

    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= 0x20 || s.p[i] >= 0x7f || strchr("<>\"\\,;", s.p[i]))
            return false;
    return at > 0 && at + 1 < s.n && s.n <= 320;
}

/* "%2C" and the like in a URI (RFC 6068). */
static struct str percent_decode(struct arena *a, struct str s)
{
    char *to = arena_alloc(a, s.n + 1);
    size_t n = 0;
    uint64_t v;

    for (size_t i = 0; to && i < s.n; i++) {
        bool code = s.p[i] == '%' && i + 2 < s.n && str_hex(str_of(s.p + i + 1, 2), &v);

        to[n++] = code ? (char)v : s.p[i];
        i += code ? 2 : 0;
    }
    return str_of(to, n);
}

static bool set_rua(struct arena *a, struct dmarc_record *r, struct str v)
{
    struct str one;

    while (str_split(&v, ',', &one) && r->n_rua < DMARC_URIS_MAX) {
        struct dmarc_uri *u = &r->rua[r->n_rua];
        size_t bang;

        one = str_trim(one);
        if (!str_startsi(one, str_lit("mailto:")))
            continue;
        one = str_from(one, 7);
        bang = str_find_last(one, '!');
        u->max_bytes = 0;
        if (bang < one.n && !size_limit(str_from(one, bang + 1), &u->max_bytes))
            continue;
        one = str_first(one, bang);
        u->address = percent_decode(a, str_first(one, str_find(one, '?')));
        r->n_rua += plain_address(u->address);
    }
    return r->n_rua > 0;
}

#define TAG_ROWS(ROW) ROW(p) ROW(sp) ROW(np) ROW(adkim) ROW(aspf) ROW(pct) ROW(t) ROW(psd) ROW(fo) ROW(rua)

static const struct {
    const char *name;
    bool (*set)(struct arena *a, struct dmarc_record *r, struct str value);
} TAGS[] = {
#define TAG_ROW(name) {#name, set_##name},
    TAG_ROWS(TAG_ROW)
#undef TAG_ROW
};

enum { N_TAGS = sizeof TAGS / sizeof *TAGS };

/* Cuts "tag = value" into its parts. */
static bool cut_tag(struct str part, struct str *name_out, struct str *value_out)
{
    size_t eq = str_find(part, '=');

    if (eq == part.n)
        return false;
    *name_out = str_trim(str_first(part, eq));
    *value_out = str_trim(str_from(part, eq + 1));
    return true;
}

/* "v = DMARC1" comes first, exactly so. */
static bool is_version(struct str part)
{
    struct str name, value;

    return cut_tag(part, &name, &value) && str_eqi(name, str_lit("v")) && str_eq(value, str_lit("DMARC1"));
}

const struct dmarc_record *dmarc_record_parse(struct arena *a, struct str txt)
{
    struct dmarc_record *r;
    struct str rest = txt, part, name, value;
    bool seen[N_TAGS] = {false};

    if (!str_split(&rest, ';', &part) || !is_version(part))
        return NULL;
    r = arena_new(a, struct dmarc_record);
    if (!r)
        return NULL;
    *r = (struct dmarc_record){.text = txt, .percent = 100};
    while (str_split(&rest, ';', &part))
        for (size_t i = 0; cut_tag(part, &name, &value) && i < N_TAGS; i++)
            if (!seen[i] && str_eqi(name, str_c(TAGS[i].name)))
                seen[i] = TAGS[i].set(a, r, value);
    if (!r->has_policy && r->n_rua == 0)
        return NULL;
    if (!r->has_sp)
        r->sp = r->p;
    if (!r->has_np)
        r->np = r->sp;
    return r;
}

const struct dmarc_record *dmarc_record_select(struct arena *a, const struct dns_answer *d)
{
    struct str txt = STR_NONE, rest, part;
    size_t n = 0;

    for (size_t i = 0; d->result == DNS_OK && i < d->n; i++) {
        rest = d->records[i].data;
        if (str_split(&rest, ';', &part) && is_version(part)) {
            txt = d->records[i].data;
            n++;
        }
    }
    return n == 1 ? dmarc_record_parse(a, txt) : NULL;
}

struct str dmarc_name(struct arena *a, struct str domain)
{
    return domain.n > 245 ? str_lit("_dmarc.invalid") : arena_printf(a, "_dmarc.%.*s", STR(domain));
}
