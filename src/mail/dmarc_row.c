/*
 * Rows of aggregate reports as lines, and their counting. See dmarc_report.h.
 *
 * scan makes lines, record keeps them in files and counts them here. A line is words of printable octets, all others
 * percent-encoded, so whatever a stranger's domain or record holds stays inside its word. Owns the table of a tally.
 */
#include "mail/dmarc_report.h"

#include "base/clock.h"
#include "base/must.h"

#include <stdlib.h>

enum { WORD_MAX = 4096, TABLE_FIRST = 1024 };

/* --- lines --------------------------------------------------------------------------------------------------------- */

static void add_word(struct buf *out, struct str s)
{
    s = str_first(s, WORD_MAX / 3);
    if (out->n)
        buf_addc(out, ' ');
    if (!s.n)
        buf_addc(out, '-');
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if (c <= 0x20 || c >= 0x7f || c == '%' || (c == '-' && s.n == 1))
            buf_addf(out, "%%%02X", c);
        else
            buf_addc(out, (char)c);
    }
}

static void add_flag(struct buf *out, uint64_t v)
{
    buf_addc(out, ' ');
    buf_add_u64(out, v);
}

void dmarc_row_write(const struct dmarc_row *r, struct buf *out)
{
    struct buf line = BUF(DMARC_ROW_BYTES);

    add_word(&line, r->domain);
    add_word(&line, r->source_ip);
    add_flag(&line, r->method);
    add_flag(&line, r->disposition);
    add_flag(&line, r->passed);
    add_flag(&line, r->spf_aligned);
    add_flag(&line, r->dkim_aligned);
    add_word(&line, r->override);
    add_word(&line, r->header_from);
    add_word(&line, r->envelope_from);
    add_flag(&line, r->spf);
    add_word(&line, r->spf_domain);
    add_word(&line, r->record);
    for (size_t i = 0; i < r->n_dkim; i++) {
        add_word(&line, r->dkim[i].domain);
        add_word(&line, r->dkim[i].selector);
        add_flag(&line, r->dkim[i].result);
    }
    if (line.failed)
        out->failed = true;
    else
        buf_add(out, buf_str(&line));
    buf_done(&line);
}

static bool take_word(struct arena *a, struct str *line, struct str *out)
{
    struct str w;
    char *to;
    size_t n = 0;
    uint64_t v;

    if (!str_word(line, &w))
        return false;
    to = arena_alloc(a, w.n + 1);
    if (!to)
        return false;
    for (size_t i = 0; i < w.n; i++) {
        bool code = w.p[i] == '%' && i + 2 < w.n && str_hex(str_of(w.p + i + 1, 2), &v);

        to[n++] = code ? (char)v : w.p[i];
        i += code ? 2 : 0;
    }
    *out = str_eq(w, str_lit("-")) ? str_lit("") : str_of(to, n);
    return true;
}

static bool take_flag(struct str *line, uint64_t below, uint64_t *out)
{
    struct str w;

    return str_word(line, &w) && str_u64(w, out) && *out < below;
}

enum rc dmarc_row_read(struct arena *a, struct str line, struct dmarc_row *out, struct err *e)
{
    struct dmarc_row r = {.count = 1};
    uint64_t f[6];

    if (!take_word(a, &line, &r.domain) || !take_word(a, &line, &r.source_ip) || !take_flag(&line, 2, &f[0]) ||
        !take_flag(&line, DMARC_POLICY_COUNT, &f[1]) || !take_flag(&line, 2, &f[2]) || !take_flag(&line, 2, &f[3]) ||
        !take_flag(&line, 2, &f[4]) || !take_word(a, &line, &r.override) || !take_word(a, &line, &r.header_from) ||
        !take_word(a, &line, &r.envelope_from) || !take_flag(&line, AUTH_RESULT_COUNT, &f[5]) ||
        !take_word(a, &line, &r.spf_domain) || !take_word(a, &line, &r.record))
        return err_set(e, RC_CORRUPT, "a row of a DMARC report that is cut");
    r.method = (enum dmarc_method)f[0];
    r.disposition = (enum dmarc_policy)f[1];
    r.passed = f[2];
    r.spf_aligned = f[3];
    r.dkim_aligned = f[4];
    r.spf = (enum auth_result)f[5];
    while (r.n_dkim < DMARC_ROW_DKIM && take_word(a, &line, &r.dkim[r.n_dkim].domain)) {
        if (!take_word(a, &line, &r.dkim[r.n_dkim].selector) || !take_flag(&line, AUTH_RESULT_COUNT, &f[0]))
            return err_set(e, RC_CORRUPT, "a row of a DMARC report that is cut");
        r.dkim[r.n_dkim++].result = (enum auth_result)f[0];
    }
    *out = r;
    return RC_OK;
}

static struct str domain_of(struct str address)
{
    return str_from(address, str_find_last(address, '@') + 1);
}

bool dmarc_row_of(const struct auth_results *r, enum dmarc_method method, struct str source_ip, struct str envelope_from,
                  struct dmarc_row *out)
{
    const struct auth_dmarc *d = &r->dmarc;

    if (!d->checked || !d->record || (d->result != AUTH_PASS && d->result != AUTH_FAIL))
        return false;
    *out = (struct dmarc_row){.domain = d->record_domain,
                              .record = d->record->text,
                              .method = method,
                              .source_ip = source_ip,
                              .disposition = d->disposition,
                              .passed = d->result == AUTH_PASS,
                              .spf_aligned = d->spf_aligned,
                              .dkim_aligned = d->dkim_aligned,
                              .override = d->override,
                              .header_from = d->from_domain,
                              .envelope_from = envelope_from.n ? domain_of(envelope_from) : STR_NONE,
                              .count = 1};
    if (r->spf_mailfrom.checked) {
        out->spf = r->spf_mailfrom.result;
        out->spf_domain = r->spf_mailfrom.domain;
    }
    for (size_t i = 0; i < r->n_dkim && out->n_dkim < DMARC_ROW_DKIM; i++) {
        out->dkim[out->n_dkim].domain = r->dkim[i].domain;
        out->dkim[out->n_dkim].selector = r->dkim[i].selector;
        out->dkim[out->n_dkim++].result = r->dkim[i].result;
    }
    return true;
}

/* --- counting ------------------------------------------------------------------------------------------------------ */

struct counted {
    struct str line;
    uint64_t count;
};

struct dmarc_tally {
    struct arena lines;
    struct counted *items; /* in the order they came, until sorted */
    size_t n, cap;
    uint32_t *table; /* index + 1 of an item, by hash; 0 = free */
    size_t slots;
    uint64_t seed, lost;
    bool sorted;
};

struct dmarc_tally *dmarc_tally_new(void)
{
    struct dmarc_tally *t = calloc(1, sizeof *t);

    must(t);
    arena_init(&t->lines, 65536, DMARC_TALLY_BYTES);
    t->seed = random_u64();
    return t;
}

void dmarc_tally_free(struct dmarc_tally *t)
{
    if (!t)
        return;
    arena_done(&t->lines);
    free(t->items);
    free(t->table);
    free(t);
}

static uint32_t *slot_of(const struct dmarc_tally *t, struct str line)
{
    size_t i = str_hash_seed(line, t->seed) & (t->slots - 1);

    while (t->table[i] && !str_eq(t->items[t->table[i] - 1].line, line))
        i = (i + 1) & (t->slots - 1);
    return &t->table[i];
}

static void grow(struct dmarc_tally *t)
{
    size_t cap = t->cap ? 2 * t->cap : TABLE_FIRST;

    must((t->items = realloc(t->items, cap * sizeof *t->items)));
    t->cap = cap;
    free(t->table);
    t->slots = 2 * cap;
    must((t->table = calloc(t->slots, sizeof *t->table)));
    for (size_t i = 0; i < t->n; i++)
        *slot_of(t, t->items[i].line) = (uint32_t)i + 1;
}

bool dmarc_tally_add(struct dmarc_tally *t, struct str line)
{
    uint32_t *slot;
    struct str copy;

    must(!t->sorted);
    if (t->n == t->cap)
        grow(t);
    slot = slot_of(t, line);
    if (*slot) {
        t->items[*slot - 1].count++;
        return true;
    }
    copy = t->n < DMARC_TALLY_ROWS && line.n <= DMARC_ROW_BYTES ? arena_str(&t->lines, line) : STR_NONE;
    if (!copy.p) {
        t->lost++;
        return false;
    }
    t->items[t->n++] = (struct counted){copy, 1};
    *slot = (uint32_t)t->n;
    return true;
}

uint64_t dmarc_tally_lost(const struct dmarc_tally *t)
{
    return t->lost;
}

static struct str domain_word(struct str line)
{
    return str_first(line, str_find(line, ' '));
}

static int by_domain_and_count(const void *a, const void *b)
{
    const struct counted *x = a, *y = b;
    int order = str_cmp(domain_word(x->line), domain_word(y->line));

    return order ? order : x->count != y->count ? (x->count < y->count ? 1 : -1) : str_cmp(x->line, y->line);
}

void dmarc_tally_sort(struct dmarc_tally *t)
{
    if (t->n)
        qsort(t->items, t->n, sizeof *t->items, by_domain_and_count);
    t->sorted = true;
}

bool dmarc_tally_next(const struct dmarc_tally *t, struct arena *a, size_t *at, struct dmarc_report *out)
{
    struct dmarc_row *rows;
    size_t first = *at, n = 0, most;

    must(t->sorted);
    if (first >= t->n)
        return false;
    while (*at < t->n && str_eq(domain_word(t->items[*at].line), domain_word(t->items[first].line)))
        ++*at;
    most = *at - first < DMARC_REPORT_ROWS ? *at - first : DMARC_REPORT_ROWS;
    rows = arena_array(a, struct dmarc_row, most);
    out->omitted = 0;
    for (size_t i = first; i < *at; i++) {
        if (rows && n < most && dmarc_row_read(a, t->items[i].line, &rows[n], NULL) == RC_OK)
            rows[n++].count = t->items[i].count;
        else
            out->omitted += t->items[i].count;
    }
    out->domain = n ? rows[0].domain : STR_NONE;
    out->rows = rows;
    out->n = n;
    return true;
}
