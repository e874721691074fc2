/*
 * Many patterns in one pass. See patterns.h.
 *
 * Called by dictionary.c, dlp and groups of filters. Owns two libhs databases (literals, expressions), their scratch and
 * compiled PCRE2 expressions for what libhs only finds roughly; all of it is given back with the arena. Scratch serves one
 * scan at a time. A text that libhs cannot scan for want of memory is RC_NO_MEMORY: callers treat the part as unscannable.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "policy/patterns.h"

#include <hs/hs.h>
#include <pcre2.h>
#include <stdlib.h>

enum { KIND_LITERAL, KIND_EXPRESSION, KIND_ROUGH };
enum { MANY = 100, NOBODY = PATTERNS_MAX };

struct one {
    unsigned char kind;
    bool whole_word, want_from;
    uint32_t length;   /* literals */
    pcre2_code *exact; /* KIND_ROUGH */
    bool seen;         /* KIND_ROUGH: libhs says it may be in this text */
};

struct patterns {
    struct one *items;
    size_t n;
    hs_database_t *literals, *expressions;
    hs_scratch_t *scratch;
    pcre2_match_context *limits;
    pcre2_match_data *match;
    bool rough;      /* some are KIND_ROUGH */
    bool one_by_one; /* libhs takes the expressions singly, not together: all are KIND_ROUGH and looked for by PCRE2 */
};

/* What one database is made from. */
struct set {
    const char **texts;
    size_t *lengths;
    unsigned *flags, *ids;
    unsigned n;
};

static void patterns_drop(void *ctx)
{
    struct patterns *p = ctx;

    for (size_t i = 0; i < p->n; i++)
        pcre2_code_free(p->items[i].exact);
    pcre2_match_data_free(p->match);
    pcre2_match_context_free(p->limits);
    hs_free_scratch(p->scratch);
    hs_free_database(p->literals);
    hs_free_database(p->expressions);
}

bool pattern_is_literal(struct str text)
{
    for (size_t i = 0; i < text.n; i++)
        if (strchr("\\^$.|?*+()[]{}", text.p[i]) || !text.p[i])
            return false;
    return true;
}

static bool set_init(struct arena *a, struct set *s, size_t n)
{
    s->texts = arena_array(a, const char *, n + 1); /* add_short takes one more */
    s->lengths = arena_array(a, size_t, n + 1);
    s->flags = arena_array(a, unsigned, n + 1);
    s->ids = arena_array(a, unsigned, n + 1);
    return s->texts && s->lengths && s->flags && s->ids;
}

static enum rc add(struct arena *a, struct set *s, struct str text, unsigned flags, size_t id, struct err *e)
{
    struct str copy = arena_str(a, text); /* with its NUL */

    if (!copy.p)
        return err_set(e, RC_NO_MEMORY, "patterns");
    s->texts[s->n] = copy.p;
    s->lengths[s->n] = copy.n;
    s->flags[s->n] = flags;
    s->ids[s->n++] = (unsigned)id;
    return RC_OK;
}

/* The expression for PCRE2, which says what libhs finds only roughly. */
static enum rc make_exact(const struct pattern *p, pcre2_code **out, struct err *e)
{
    int error;
    PCRE2_SIZE at;
    PCRE2_UCHAR why[120] = "";

    *out = pcre2_compile((PCRE2_SPTR)p->text.p, p->text.n, p->match_case ? 0 : PCRE2_CASELESS, &error, &at, NULL);
    if (!*out) {
        pcre2_get_error_message(error, why, sizeof why);
        return err_set(e, RC_INVALID, "'%.*s': %s at character %zu", STR(str_first(p->text, 100)), (const char *)why,
                       at + 1);
    }
    pcre2_jit_compile(*out, PCRE2_JIT_COMPLETE);
    return RC_OK;
}

static unsigned expression_flags(const struct pattern *p)
{
    return (p->match_case ? 0 : HS_FLAG_CASELESS) | (p->want_from ? HS_FLAG_SOM_LEFTMOST : 0);
}

/* How libhs takes this expression: exactly, roughly with PCRE2 behind it, or not at all. */
static enum rc sort_expression(struct arena *a, const struct pattern *p, struct one *one, unsigned *flags_out,
                               struct str *text_out, struct err *e)
{
    struct str text = p->whole_word ? arena_printf(a, "\\b(?:%.*s)\\b", STR(p->text)) : arena_str(a, p->text);
    unsigned flags = expression_flags(p);
    hs_expr_info_t *info = NULL;
    hs_compile_error_t *error = NULL;

    one->whole_word = false; /* the expression says it */
    *text_out = text;
    TRY(make_exact(p, &one->exact, e));
    if (hs_expression_info(text.p, flags, &info, &error) != HS_SUCCESS) {
        hs_free_compile_error(error);
        flags = (flags & ~(unsigned)HS_FLAG_SOM_LEFTMOST) | HS_FLAG_PREFILTER;
        one->kind = KIND_ROUGH;
        error = NULL;
        if (hs_expression_info(text.p, flags, &info, &error) != HS_SUCCESS) {
            err_set(e, RC_INVALID, "'%.*s': %s", STR(str_first(p->text, 100)), error ? error->message : "too complex");
            hs_free_compile_error(error);
            return RC_INVALID;
        }
        if (p->whole_word) {
            pcre2_code_free(one->exact);
            one->exact = NULL;
            TRY(make_exact(&(struct pattern){.text = text, .match_case = p->match_case}, &one->exact, e));
        }
    } else {
        pcre2_code_free(one->exact);
        one->exact = NULL;
        one->kind = KIND_EXPRESSION;
    }
    free(info);
    *flags_out = flags;
    return RC_OK;
}

static enum rc size_fits(const struct pattern *p, struct err *e)
{
    if (p->text.n && p->text.n <= PATTERN_MAX)
        return RC_OK;
    return err_set(e, RC_INVALID, "a pattern has 1 to %d characters", PATTERN_MAX);
}

enum rc pattern_check(struct arena *a, const struct pattern *p, struct err *e)
{
    struct one one = {0};
    struct str text;
    unsigned flags;
    enum rc rc;

    TRY(size_fits(p, e));
    if (p->literal)
        return RC_OK;
    rc = sort_expression(a, p, &one, &flags, &text, e);
    pcre2_code_free(one.exact);
    return rc;
}

/* Where all of many literals are long libhs chooses a matcher that is three times slower than the one it has for short ones
 * (doc/why/matching.md): one of four octets, which nobody asked for, decides otherwise. */
static void add_short(struct set *s)
{
    s->texts[s->n] = "\1\2\3\4";
    s->lengths[s->n] = 4;
    s->flags[s->n] = 0;
    s->ids[s->n++] = NOBODY;
}

static enum rc compile(struct set *s, bool literal, hs_database_t **out, struct err *e)
{
    hs_compile_error_t *error = NULL;
    hs_error_t rc;

    if (!s->n)
        return RC_OK;
    if (literal && s->n >= MANY)
        add_short(s);
    rc = literal ? hs_compile_lit_multi(s->texts, s->flags, s->ids, s->lengths, s->n, HS_MODE_BLOCK, NULL, out, &error)
                 : hs_compile_multi(s->texts, s->flags, s->ids, s->n, HS_MODE_BLOCK, NULL, out, &error);
    if (rc == HS_SUCCESS)
        return RC_OK;
    err_set(e, RC_INVALID, "patterns: %s", error ? error->message : "no memory");
    hs_free_compile_error(error);
    return RC_INVALID;
}

/* Together they are too much for libhs: each by itself, slower, but nothing is left out. */
static enum rc all_exact(struct patterns *p, const struct set *s, struct err *e)
{
    for (unsigned i = 0; i < s->n; i++) {
        struct one *one = &p->items[s->ids[i]];
        struct pattern text = {.text = str_of(s->texts[i], s->lengths[i]), .match_case = !(s->flags[i] & HS_FLAG_CASELESS)};

        if (!one->exact)
            TRY(make_exact(&text, &one->exact, e));
        one->kind = KIND_ROUGH;
    }
    p->rough = p->one_by_one = true;
    return RC_OK;
}

static enum rc finish(struct patterns *p, struct set *literals, struct set *expressions, struct err *e)
{
    TRY(compile(literals, true, &p->literals, e));
    if (compile(expressions, false, &p->expressions, NULL) != RC_OK)
        TRY(all_exact(p, expressions, e));
    if ((p->literals && hs_alloc_scratch(p->literals, &p->scratch) != HS_SUCCESS) ||
        (p->expressions && hs_alloc_scratch(p->expressions, &p->scratch) != HS_SUCCESS))
        return err_set(e, RC_NO_MEMORY, "patterns: scratch");
    p->limits = pcre2_match_context_create(NULL);
    p->match = pcre2_match_data_create(1, NULL);
    if (!p->limits || !p->match)
        return err_set(e, RC_NO_MEMORY, "patterns");
    pcre2_set_match_limit(p->limits, PATTERN_MATCH_LIMIT);
    pcre2_set_depth_limit(p->limits, PATTERN_MATCH_LIMIT / 10);
    return RC_OK;
}

static enum rc add_one(struct arena *a, const struct pattern *p, struct patterns *to, struct set *literals,
                       struct set *expressions, struct err *e)
{
    struct one *one = &to->items[to->n];
    size_t id = to->n++;
    unsigned flags;
    struct str text;

    *one = (struct one){.whole_word = p->whole_word, .want_from = p->want_from, .length = (uint32_t)p->text.n};
    TRY(size_fits(p, e));
    if (p->literal)
        return add(a, literals, p->text, p->match_case ? 0 : HS_FLAG_CASELESS, id, e);
    TRY(sort_expression(a, p, one, &flags, &text, e));
    to->rough |= one->kind == KIND_ROUGH;
    return add(a, expressions, text, flags, id, e);
}

enum rc patterns_new(struct arena *a, const struct pattern *items, size_t n, struct patterns **out, size_t *bad_out,
                     struct err *e)
{
    struct patterns *p = arena_new(a, struct patterns);
    struct set literals = {0}, expressions = {0};

    if (!p || n > PATTERNS_MAX || !(p->items = arena_array(a, struct one, n + 1)) || !set_init(a, &literals, n) ||
        !set_init(a, &expressions, n) || !arena_defer(a, patterns_drop, p))
        return err_set(e, RC_NO_MEMORY, "patterns");
    for (size_t i = 0; i < n; i++) {
        enum rc rc = add_one(a, &items[i], p, &literals, &expressions, e);

        if (bad_out)
            *bad_out = i;
        if (rc != RC_OK)
            return rc;
    }
    TRY(finish(p, &literals, &expressions, e));
    *out = p;
    return RC_OK;
}

/* --- scanning --------------------------------------------------------------------------------------------------------- */

struct scan {
    struct patterns *p;
    struct str text;
    patterns_fn *fn;
    void *ctx;
    bool ended;
};

static bool is_word(struct str text, size_t at)
{
    unsigned char c = (unsigned char)text.p[at];

    return ascii_alpha((char)c) || ascii_digit((char)c) || c > 127 || c == '_';
}

static bool stands_alone(struct str text, size_t from, size_t to)
{
    return !(from && is_word(text, from - 1) && is_word(text, from)) &&
           !(to < text.n && is_word(text, to) && is_word(text, to - 1));
}

static int found(unsigned id, unsigned long long from, unsigned long long to, unsigned flags, void *ctx)
{
    struct scan *s = ctx;
    struct one *one;

    (void)flags;
    if (id == NOBODY)
        return 0;
    one = &s->p->items[id];
    if (one->kind == KIND_ROUGH) {
        one->seen = true;
        return 0;
    }
    if (one->kind == KIND_LITERAL)
        from = to - one->length;
    else if (!one->want_from)
        from = to;
    if (one->whole_word && !stands_alone(s->text, (size_t)from, (size_t)to))
        return 0;
    s->ended = !s->fn(s->ctx, id, (size_t)from, (size_t)to);
    return s->ended;
}

/* The exact matches of an expression that libhs saw roughly. */
static enum rc confirm(struct scan *s, size_t id)
{
    PCRE2_SIZE *place = pcre2_get_ovector_pointer(s->p->match), at = 0;
    int rc = 0;

    while (!s->ended && at <= s->text.n) {
        rc = pcre2_match(s->p->items[id].exact, (PCRE2_SPTR)s->text.p, s->text.n, at, 0, s->p->match, s->p->limits);
        if (rc < 0)
            break;
        s->ended = !s->fn(s->ctx, id, place[0], place[1]);
        at = place[1] > at ? place[1] : at + 1;
    }
    return rc < 0 && rc != PCRE2_ERROR_NOMATCH ? RC_LIMIT : RC_OK;
}

static enum rc run(struct scan *s, const hs_database_t *db)
{
    hs_error_t rc = HS_SUCCESS;

    if (db && !s->ended)
        rc = hs_scan(db, s->text.p, (unsigned)s->text.n, 0, s->p->scratch, found, s);
    return rc == HS_SUCCESS || rc == HS_SCAN_TERMINATED ? RC_OK : RC_NO_MEMORY;
}

enum rc patterns_scan(struct patterns *p, struct str text, patterns_fn *fn, void *ctx)
{
    struct scan s = {p, text, fn, ctx, false};
    enum rc rc = RC_OK;

    if (!text.n)
        return RC_OK;
    if (text.n > UINT32_MAX)
        return RC_NO_MEMORY;
    TRY(run(&s, p->literals));
    TRY(run(&s, p->expressions));
    for (size_t i = 0; p->rough && i < p->n; i++) {
        if (p->items[i].kind != KIND_ROUGH || !(p->items[i].seen || p->one_by_one))
            continue;
        p->items[i].seen = false;
        if (!s.ended && confirm(&s, i) == RC_LIMIT)
            rc = RC_LIMIT;
    }
    return rc;
}
