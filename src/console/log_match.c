/*
 * Patterns over lines. See log_match.h.
 *
 * Called by log_grep.c and log_findevent.c. Owns the compiled pattern. A text without special characters is found by
 * memmem(). A pattern of plain parts cannot match a line end, so it is run over whole blocks and the line is looked up
 * afterwards; any other one (negated classes, look-around, back references) is run line by line. Match limits keep a pattern
 * that explodes from holding the session: that line counts as given up.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "console/log_match.h"

#include "base/must.h"

#include <pcre2.h>
#include <stdlib.h>

enum { PATTERN_MOST = 8192, MATCH_LIMIT = 1000000, HEAP_LIMIT_KB = 20000, JIT_STACK_MOST = 1 << 20 };

struct log_match {
    struct str literal; /* p NULL: a pattern */
    char *text;
    bool by_block;
    pcre2_code *code;
    pcre2_match_data *data;
    pcre2_match_context *context;
    pcre2_jit_stack *stack;
    uint64_t given_up;
};

static bool is_literal(struct str pattern)
{
    for (size_t i = 0; i < pattern.n; i++)
        if (strchr("\\^$.[]|()?*+{}\n", pattern.p[i]))
            return false;
    return pattern.n > 0;
}

/* What a bracketed class begins with, and escapes, that may stand for a line end. */
static bool class_is_plain(struct str *rest)
{
    bool first = true;

    if (str_starts(*rest, str_lit("^")))
        return false;
    for (; rest->n; first = false) {
        char c = rest->p[0];

        *rest = str_from(*rest, 1);
        if (c == ']' && !first)
            return true;
        if (c == '[') /* a POSIX class, or one inside one */
            return false;
        if (c == '\\' && (!rest->n || !strchr("dw.-]\\[", rest->p[0])))
            return false;
        if (c == '\\')
            *rest = str_from(*rest, 1);
    }
    return false;
}

/* True when no match can contain a line end, and a line has a match exactly when the block around it has one there. */
static bool is_plain(struct str pattern)
{
    while (pattern.n) {
        char c = pattern.p[0];

        pattern = str_from(pattern, 1);
        if (c == '\n')
            return false;
        if (c == '\\') {
            if (!pattern.n || !strchr("dwb.\\()[]{}*+?|^$-/\"'<>=:@", pattern.p[0]))
                return false;
            pattern = str_from(pattern, 1);
        } else if (c == '[') {
            if (!class_is_plain(&pattern))
                return false;
        } else if (c == '(' && str_starts(pattern, str_lit("?"))) {
            if (!str_starts(pattern, str_lit("?:")))
                return false;
            pattern = str_from(pattern, 2);
        } else if (strchr("*+?}", c) && str_starts(pattern, str_lit("+"))) {
            return false; /* possessive */
        } else if (c == '(' && str_starts(pattern, str_lit("*"))) {
            return false; /* verbs */
        }
    }
    return true;
}

static enum rc compile(struct log_match *m, struct str pattern, bool ignore_case, struct err *e)
{
    pcre2_compile_context *how = pcre2_compile_context_create(NULL);
    uint32_t options = PCRE2_MULTILINE | PCRE2_NEVER_UTF | PCRE2_NEVER_BACKSLASH_C | (ignore_case ? PCRE2_CASELESS : 0u);
    PCRE2_SIZE at = 0;
    int number = 0;

    must(how);
    pcre2_set_newline(how, PCRE2_NEWLINE_LF);
    m->code = pcre2_compile((PCRE2_SPTR)(pattern.p ? pattern.p : ""), pattern.n, options, &number, &at, how);
    pcre2_compile_context_free(how);
    if (!m->code) {
        char why[200] = "";

        pcre2_get_error_message(number, (PCRE2_UCHAR *)why, sizeof why);
        return err_set(e, RC_SYNTAX, "invalid regular expression: %s (at character %zu)", why, at + 1);
    }
    pcre2_jit_compile(m->code, PCRE2_JIT_COMPLETE); /* where memory must not be executable it runs without */
    m->data = pcre2_match_data_create(1, NULL);
    m->context = pcre2_match_context_create(NULL);
    must(m->data && m->context);
    pcre2_set_match_limit(m->context, MATCH_LIMIT);
    pcre2_set_heap_limit(m->context, HEAP_LIMIT_KB);
    m->stack = pcre2_jit_stack_create(32 << 10, JIT_STACK_MOST, NULL);
    if (m->stack)
        pcre2_jit_stack_assign(m->context, NULL, m->stack);
    return RC_OK;
}

enum rc log_match_new(struct str pattern, bool ignore_case, struct log_match **out, struct err *e)
{
    struct log_match *m;
    enum rc rc = RC_OK;

    if (pattern.n > PATTERN_MOST)
        return err_set(e, RC_TOO_LARGE, "the regular expression is longer than %d characters", PATTERN_MOST);
    must((m = calloc(1, sizeof *m)));
    if (!ignore_case && is_literal(pattern)) {
        must((m->text = strndup(pattern.p, pattern.n)));
        m->literal = str_of(m->text, pattern.n);
        m->by_block = true;
    } else {
        m->by_block = is_plain(pattern);
        rc = compile(m, pattern, ignore_case, e);
    }
    if (rc == RC_OK)
        *out = m;
    else
        log_match_free(m);
    return rc;
}

void log_match_free(struct log_match *m)
{
    if (!m)
        return;
    pcre2_jit_stack_free(m->stack);
    pcre2_match_context_free(m->context);
    pcre2_match_data_free(m->data);
    pcre2_code_free(m->code);
    free(m->text);
    free(m);
}

enum found { NONE, FOUND, TOO_HARD };

static enum found search(struct log_match *m, struct str s, size_t *at_out)
{
    const char *hit;
    int n;

    if (m->literal.p) {
        hit = s.n ? memmem(s.p, s.n, m->literal.p, m->literal.n) : NULL;
        if (hit)
            *at_out = (size_t)(hit - s.p);
        return hit ? FOUND : NONE;
    }
    n = pcre2_match(m->code, (PCRE2_SPTR)(s.p ? s.p : ""), s.n, 0, 0, m->data, m->context);
    if (n >= 0)
        *at_out = pcre2_get_ovector_pointer(m->data)[0];
    return n >= 0 ? FOUND : n == PCRE2_ERROR_NOMATCH ? NONE : TOO_HARD;
}

bool log_match_line(struct log_match *m, struct str line)
{
    size_t at;
    enum found found = search(m, line, &at);

    m->given_up += found == TOO_HARD;
    return found == FOUND;
}

static size_t find_by_line(struct log_match *m, struct str block)
{
    size_t at = 0;

    while (at < block.n) {
        struct str rest = str_from(block, at);
        size_t n = str_find(rest, '\n');

        if (log_match_line(m, str_first(rest, n)))
            return at;
        at += n + 1;
    }
    return block.n;
}

size_t log_match_find(struct log_match *m, struct str block)
{
    const char *start;
    enum found found;
    size_t at;

    if (!m->by_block)
        return find_by_line(m, block);
    found = search(m, block, &at);
    if (found == TOO_HARD)
        return find_by_line(m, block);
    if (found == NONE || (at == block.n && str_ends(block, str_lit("\n")))) /* behind the last line end is no line */
        return block.n;
    start = memrchr(block.p, '\n', at);
    return start ? (size_t)(start + 1 - block.p) : 0;
}

uint64_t log_match_given_up(const struct log_match *m)
{
    return m->given_up;
}
