/*
 * Regular expressions with bounds. See filter_regex.h.
 *
 * Called by everything in policy that looks for an expression. Owns the compiled code, freed with the arena. PCRE2 counts
 * backtracks for each place where a match might begin, so a long text could still cost the square of its length: a search
 * goes on in windows of such places and looks at the clock between them.
 */
#include "policy/filter_regex.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/must.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>

enum {
    BACKTRACKS = 250000, /* for one place to begin */
    DEPTH = 10000,
    HEAP_KB = 4096,
    WINDOW = 1024, /* places to begin between two looks at the clock */
    STACK_FIRST = 32 << 10,
    STACK_MOST = 1 << 20,
    REPLACED_MOST = 64 << 20
};

struct filter_regex {
    struct str source;
    bool octets;
    pcre2_code *code;
    pcre2_match_data *data;
    pcre2_match_context *limits;
};

static void release(void *ctx)
{
    struct filter_regex *r = ctx;

    pcre2_match_context_free(r->limits);
    pcre2_match_data_free(r->data);
    pcre2_code_free(r->code);
}

static enum rc compile(struct filter_regex *r, size_t *offset_out, struct err *e)
{
    uint32_t options = PCRE2_CASELESS | PCRE2_NEVER_BACKSLASH_C | PCRE2_USE_OFFSET_LIMIT |
                       (r->octets ? (uint32_t)PCRE2_NEVER_UTF : (uint32_t)(PCRE2_UTF | PCRE2_UCP));
    PCRE2_SIZE at = 0;
    int number = 0;

    r->code = pcre2_compile((PCRE2_SPTR)(r->source.p ? r->source.p : ""), r->source.n, options, &number, &at, NULL);
    if (!r->code) {
        char why[200] = "";

        pcre2_get_error_message(number, (PCRE2_UCHAR *)why, sizeof why);
        *offset_out = at;
        return err_set(e, RC_SYNTAX, "%s", why);
    }
    pcre2_jit_compile(r->code, PCRE2_JIT_COMPLETE); /* where memory must not be executable it runs without */
    r->data = pcre2_match_data_create_from_pattern(r->code, NULL);
    r->limits = pcre2_match_context_create(NULL);
    must(r->data && r->limits);
    pcre2_set_match_limit(r->limits, BACKTRACKS);
    pcre2_set_depth_limit(r->limits, DEPTH);
    pcre2_set_heap_limit(r->limits, HEAP_KB);
    return RC_OK;
}

enum rc filter_regex_new(struct arena *a, struct str pattern, bool octets, const struct filter_regex **out,
                         size_t *offset_out, struct err *e)
{
    struct filter_regex *r;
    enum rc rc;

    *offset_out = 0;
    if (pattern.n > FILTER_REGEX_MOST)
        return err_set(e, RC_SYNTAX, "longer than %d octets", FILTER_REGEX_MOST);
    r = arena_new(a, struct filter_regex);
    if (!r || !arena_defer(a, release, r))
        return err_set(e, RC_NO_MEMORY, "too many regular expressions");
    r->source = pattern;
    r->octets = octets;
    rc = compile(r, offset_out, e);
    if (rc == RC_OK)
        *out = r;
    return rc;
}

struct str filter_regex_source(const struct filter_regex *r)
{
    return r->source;
}

/* --- UTF-8 --------------------------------------------------------------------------------------------------------- */

static bool tail(unsigned char c)
{
    return (c & 0xc0) == 0x80;
}

/* Octets of the character at p, 0 = none is there (RFC 3629 4). */
static size_t character(const unsigned char *p, size_t n)
{
    if (p[0] < 0x80)
        return 1;
    if (p[0] >= 0xc2 && p[0] < 0xe0)
        return n > 1 && tail(p[1]) ? 2 : 0;
    if (p[0] >= 0xe0 && p[0] < 0xf0)
        return n > 2 && tail(p[1]) && tail(p[2]) && !(p[0] == 0xe0 && p[1] < 0xa0) && !(p[0] == 0xed && p[1] > 0x9f) ? 3 : 0;
    if (p[0] >= 0xf0 && p[0] < 0xf5)
        return n > 3 && tail(p[1]) && tail(p[2]) && tail(p[3]) && !(p[0] == 0xf0 && p[1] < 0x90) &&
                       !(p[0] == 0xf4 && p[1] > 0x8f)
                   ? 4
                   : 0;
    return 0;
}

/* Offset of the first octet that is no UTF-8, or text.n. */
static size_t bad_octet(struct str text, size_t from)
{
    const unsigned char *p = (const unsigned char *)text.p;
    size_t i = from, n;

    while (i < text.n) {
        uint64_t eight;

        if (i + 8 <= text.n) {
            memcpy(&eight, p + i, 8);
            if (!(eight & 0x8080808080808080ull)) {
                i += 8;
                continue;
            }
        }
        n = character(p + i, text.n - i);
        if (!n)
            return i;
        i += n;
    }
    return text.n;
}

/* The text with 0x7f for each octet that is no UTF-8, so places stay what they are; to be freed. */
static char *mended(struct str text)
{
    char *copy = malloc(text.n + 1);

    if (!copy)
        return NULL;
    memcpy(copy, text.p, text.n);
    for (size_t i = 0; (i = bad_octet(str_of(copy, text.n), i)) < text.n;)
        copy[i++] = 0x7f;
    return copy;
}

/* --- searching ----------------------------------------------------------------------------------------------------- */

/* One window of places to begin: from .. to. */
static int search_window(const struct filter_regex *r, struct str text, size_t from, size_t to)
{
    uint32_t options = r->octets ? 0 : PCRE2_NO_UTF_CHECK;
    pcre2_jit_stack *stack;
    int n;

    pcre2_set_offset_limit(r->limits, to);
    n = pcre2_match(r->code, (PCRE2_SPTR)text.p, text.n, from, options, r->data, r->limits);
    if (n != PCRE2_ERROR_JIT_STACKLIMIT)
        return n;
    stack = pcre2_jit_stack_create(STACK_FIRST, STACK_MOST, NULL);
    pcre2_jit_stack_assign(r->limits, NULL, stack);
    n = pcre2_match(r->code, (PCRE2_SPTR)text.p, text.n, from, options, r->data, r->limits);
    pcre2_jit_stack_assign(r->limits, NULL, NULL);
    pcre2_jit_stack_free(stack);
    return n;
}

static size_t window_end(const struct filter_regex *r, struct str text, size_t from)
{
    size_t to = text.n - from > WINDOW ? from + WINDOW : text.n;

    while (!r->octets && to < text.n && tail((unsigned char)text.p[to]))
        to++;
    return to;
}

static enum filter_found search(const struct filter_regex *r, struct str text, size_t from, uint64_t *left_ms)
{
    uint64_t begin = clock_mono_ms(), most = left_ms && *left_ms < FILTER_REGEX_MS ? *left_ms : FILTER_REGEX_MS, took = 0;
    int n = PCRE2_ERROR_NOMATCH;

    while (n == PCRE2_ERROR_NOMATCH && from <= text.n && took <= most) {
        size_t to = window_end(r, text, from);

        n = search_window(r, text, from, to);
        from = to + (to == text.n);
        took = clock_mono_ms() - begin;
    }
    if (left_ms)
        *left_ms -= took < *left_ms ? took : *left_ms;
    if (n == PCRE2_ERROR_NOMATCH && from > text.n)
        return FILTER_NOT_FOUND;
    return n > 0 ? FILTER_FOUND : FILTER_GAVE_UP;
}

enum filter_found filter_regex_find(const struct filter_regex *r, struct str text, size_t from, size_t *start, size_t *end,
                                    uint64_t *left_ms)
{
    enum filter_found found = FILTER_GAVE_UP;
    char *copy = NULL;

    if (left_ms && !*left_ms)
        return FILTER_GAVE_UP;
    if (!text.p)
        text = str_lit("");
    if (!r->octets && bad_octet(text, 0) < text.n) {
        copy = mended(text);
        if (!copy)
            return FILTER_GAVE_UP;
        text.p = copy;
    }
    found = search(r, text, from, left_ms);
    if (found == FILTER_FOUND && start)
        *start = pcre2_get_ovector_pointer(r->data)[0];
    if (found == FILTER_FOUND && end)
        *end = pcre2_get_ovector_pointer(r->data)[1];
    free(copy);
    return found;
}

/* --- replacing ----------------------------------------------------------------------------------------------------- */

/* What takes the place of the match that was found last. */
static void add_replacement(const struct filter_regex *r, struct str text, struct str by, struct buf *out)
{
    const PCRE2_SIZE *places = pcre2_get_ovector_pointer(r->data);
    uint32_t groups = pcre2_get_ovector_count(r->data);

    for (size_t i = 0; i < by.n; i++) {
        bool group = (by.p[i] == '\\' || by.p[i] == '$') && i + 1 < by.n && ascii_digit(by.p[i + 1]);
        uint32_t g = group ? (uint32_t)(by.p[i + 1] - '0') : 0;

        if (!group)
            buf_addc(out, by.p[i]);
        else if (g < groups && places[2 * g] != PCRE2_UNSET && places[2 * g] <= places[2 * g + 1])
            buf_add(out, str_of(text.p + places[2 * g], places[2 * g + 1] - places[2 * g]));
        i += group;
    }
}

struct str filter_regex_replace(const struct filter_regex *r, struct arena *a, struct str text, struct str by,
                                size_t *changed_out)
{
    struct buf out = BUF(REPLACED_MOST);
    uint64_t left = 4 * FILTER_REGEX_MS;
    size_t at = 0, start, end, n = 0;
    struct str result = text;

    while (at <= text.n && filter_regex_find(r, text, at, &start, &end, &left) == FILTER_FOUND) {
        size_t step;

        buf_add(&out, str_of(text.p + at, start - at));
        add_replacement(r, text, by, &out);
        step = end > start || end >= text.n ? 0 : character((const unsigned char *)text.p + end, text.n - end);
        if (end == start && end < text.n && !step)
            step = 1;
        buf_add(&out, str_of(text.p + end, step));
        at = end + step;
        n++;
        if (end == start && end >= text.n)
            break;
    }
    if (n)
        buf_add(&out, str_from(text, at));
    *changed_out = 0;
    if (n && !out.failed) {
        struct str copy = arena_str(a, buf_str(&out));

        if (copy.p) {
            result = copy;
            *changed_out = n;
        }
    }
    buf_done(&out);
    return result;
}
