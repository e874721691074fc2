/*
 * Values in exchange form. See value.h.
 *
 * Called by the path editor, the file reader and writer, `postern settings` and the HTTP schema. Owns nothing: text goes
 * into the caller's arena. A bad value leaves the field as it was and says why, without the path.
 */
#include "conf/value.h"

#include <inttypes.h>

struct suffix {
    const char *text;
    uint64_t factor;
};

/* Largest first, so that the written form takes the first that divides. */
static const struct suffix suffixes_ms[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000},
                                            {"s", 1000},     {"ms", 1},      {NULL, 0}};
static const struct suffix suffixes_s[] = {{"d", 86400}, {"h", 3600}, {"m", 60}, {"s", 1}, {NULL, 0}};
static const struct suffix suffixes_bytes[] = {{"T", 1ull << 40}, {"G", 1ull << 30}, {"M", 1ull << 20},
                                               {"K", 1ull << 10}, {"", 1},           {NULL, 0}};
static const struct suffix suffixes_none[] = {{"", 1}, {NULL, 0}};

static const struct suffix *suffixes_of(const char *unit)
{
    if (strcmp(unit, "ms") == 0)
        return suffixes_ms;
    if (strcmp(unit, "s") == 0)
        return suffixes_s;
    return strcmp(unit, "bytes") == 0 ? suffixes_bytes : suffixes_none;
}

bool conf_choice(const struct conf_setting *f, uint64_t n, struct str *out)
{
    struct str rest = str_c(f->unit);

    while (str_split(&rest, '|', out)) {
        if (n-- == 0)
            return true;
    }
    return false;
}

static enum rc parse_choice(const struct conf_setting *f, struct str text, uint64_t *out, struct err *e)
{
    struct str choice;

    for (uint64_t i = 0; conf_choice(f, i, &choice); i++) {
        if (str_eqi(choice, text)) {
            *out = i;
            return RC_OK;
        }
    }
    return err_set(e, RC_INVALID, "\"%.*s\" is not one of %s", STR(str_first(text, 80)), f->unit);
}

static enum rc parse_bool(struct str text, uint64_t *out, struct err *e)
{
    bool yes = str_eqi(text, str_lit("yes"));

    if (!yes && !str_eqi(text, str_lit("no")))
        return err_set(e, RC_INVALID, "\"%.*s\" is neither yes nor no", STR(str_first(text, 80)));
    *out = yes;
    return RC_OK;
}

static enum rc range(const struct conf_setting *f, uint64_t v, struct err *e)
{
    if (v < f->least || v > f->most)
        return err_set(e, RC_INVALID, "%" PRIu64 " is not between %" PRIu64 " and %" PRIu64 "%s%s", v, f->least, f->most,
                       *f->unit ? " " : "", f->unit);
    return RC_OK;
}

static enum rc parse_number(const struct conf_setting *f, struct str text, uint64_t *out, struct err *e)
{
    size_t digits = 0;
    uint64_t v, factor = 0;
    struct str tail;

    while (digits < text.n && ascii_digit(text.p[digits]))
        digits++;
    tail = str_trim(str_from(text, digits));
    if (!str_u64(str_first(text, digits), &v))
        return err_set(e, RC_INVALID, "\"%.*s\" is not a number", STR(str_first(text, 80)));
    if (tail.n == 0)
        factor = 1;
    for (const struct suffix *s = suffixes_of(f->unit); s->text && !factor; s++) {
        if (str_eqi(tail, str_c(s->text)))
            factor = s->factor;
    }
    if (!factor)
        return err_set(e, RC_INVALID, "\"%.*s\" has an unknown unit", STR(str_first(text, 80)));
    if (v > UINT64_MAX / factor)
        return err_set(e, RC_INVALID, "\"%.*s\" is too large", STR(str_first(text, 80)));
    TRY(range(f, v * factor, e));
    *out = v * factor;
    return RC_OK;
}

/* A sealed secret (control's) is longer than the text in it. */
static size_t text_most(const struct conf_setting *f, struct str text)
{
    size_t most = f->most ? (size_t)f->most : CONF_TEXT_MAX;

    return f->type == CONF_TYPE_SECRET && str_starts(text, str_lit("$sealed$")) ? 2 * most + 128 : most;
}

/* RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF. */
static bool is_utf8(struct str s)
{
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};

    for (size_t i = 0; i < s.n;) {
        unsigned char c = (unsigned char)s.p[i++];
        unsigned more = c < 0x80 ? 0 : (c & 0xe0) == 0xc0 ? 1 : (c & 0xf0) == 0xe0 ? 2 : (c & 0xf8) == 0xf0 ? 3 : 9;
        uint32_t v = more ? c & (0x3fu >> more) : c;

        if (more > 3 || more > s.n - i)
            return false;
        for (unsigned k = 0; k < more; k++, i++) {
            if (((unsigned char)s.p[i] & 0xc0) != 0x80)
                return false;
            v = v << 6 | ((unsigned char)s.p[i] & 0x3f);
        }
        if (v < least[more] || (v >= 0xd800 && v < 0xe000) || v > 0x10ffff)
            return false;
    }
    return true;
}

/* What a value may hold: no NUL and no control character but tab and line feed (PEM blocks, banners of several lines). */
static enum rc check_text(const struct conf_setting *f, struct str text, struct err *e)
{
    if (text.n < f->least || text.n > text_most(f, text))
        return err_set(e, RC_INVALID, "%zu octets long, not between %" PRIu64 " and %zu", text.n, f->least,
                       text_most(f, text));
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];

        if ((c < 0x20 && c != '\t' && c != '\n') || c == 0x7f)
            return err_set(e, RC_INVALID, "holds the control character %u", c);
    }
    return is_utf8(text) ? RC_OK : err_set(e, RC_INVALID, "is not UTF-8");
}

static enum rc keep(struct arena *a, struct str text, struct str *out, struct err *e)
{
    struct str copy = arena_str(a, text);

    if (!copy.p)
        return err_set(e, RC_NO_MEMORY, "no room left");
    *out = copy;
    return RC_OK;
}

enum rc conf_value_add_line(struct arena *a, void *item, const struct conf_setting *f, struct str line, struct err *e)
{
    struct strs *list = (struct strs *)(void *)((char *)item + f->offset);
    struct str *items = (struct str *)(void *)list->items;
    struct str copy;

    TRY(check_text(f, line, e));
    if (list->n >= CONF_LINES_MAX)
        return err_set(e, RC_LIMIT, "more than %d lines", CONF_LINES_MAX);
    TRY(keep(a, line, &copy, e));
    if ((list->n & (list->n - 1)) == 0) { /* full: the room is always the next power of two */
        struct str *more = arena_array(a, struct str, list->n ? 2 * list->n : 1);

        if (!more)
            return err_set(e, RC_NO_MEMORY, "no room left");
        if (list->n)
            memcpy(more, items, list->n * sizeof *more);
        items = more;
    }
    items[list->n] = copy;
    *list = (struct strs){items, list->n + 1};
    return RC_OK;
}

/* Cuts the next value of a comma list off *rest and undoes its backslashes into `out`. */
static bool next_line(struct str *rest, struct buf *out)
{
    size_t i = 0;

    buf_clear(out);
    if (!rest->p)
        return false;
    for (; i < rest->n && rest->p[i] != ','; i++) {
        if (rest->p[i] == '\\' && i + 1 < rest->n && (rest->p[i + 1] == ',' || rest->p[i + 1] == '\\'))
            i++;
        buf_addc(out, rest->p[i]);
    }
    *rest = i < rest->n ? str_from(*rest, i + 1) : STR_NONE;
    return true;
}

static enum rc parse_lines(struct arena *a, void *item, const struct conf_setting *f, struct str text, struct err *e)
{
    struct strs *list = (struct strs *)(void *)((char *)item + f->offset), old = *list;
    struct buf line = BUF(text.n + 64);
    enum rc rc = RC_OK;

    *list = (struct strs){NULL, 0};
    while (rc == RC_OK && text.n && next_line(&text, &line)) {
        struct str one = str_trim(buf_str(&line));

        rc = one.n ? conf_value_add_line(a, item, f, one, e) : RC_OK;
    }
    buf_done(&line);
    if (rc != RC_OK)
        *list = old;
    return rc;
}

enum rc conf_value_set(struct arena *a, void *item, const struct conf_setting *f, struct str text, struct err *e)
{
    uint64_t *number = (uint64_t *)(void *)((char *)item + f->offset);

    switch (f->type) {
    case CONF_TYPE_UINT:
        return parse_number(f, str_trim(text), number, e);
    case CONF_TYPE_BOOL:
        return parse_bool(str_trim(text), number, e);
    case CONF_TYPE_ENUM:
        return parse_choice(f, str_trim(text), number, e);
    case CONF_TYPE_TEXTS:
        return parse_lines(a, item, f, text, e);
    case CONF_TYPE_TEXT:
    case CONF_TYPE_SECRET:
        break;
    }
    TRY(check_text(f, text, e));
    return keep(a, text, (struct str *)(void *)number, e);
}

enum rc conf_value_check(const void *item, const struct conf_setting *f, struct err *e)
{
    struct str choice;

    switch (f->type) {
    case CONF_TYPE_UINT:
        return range(f, *conf_number(item, f), e);
    case CONF_TYPE_BOOL:
        return *conf_number(item, f) <= 1 ? RC_OK : err_set(e, RC_INVALID, "is neither yes nor no");
    case CONF_TYPE_ENUM:
        return conf_choice(f, *conf_number(item, f), &choice) ? RC_OK : err_set(e, RC_INVALID, "is not one of %s", f->unit);
    case CONF_TYPE_TEXT:
    case CONF_TYPE_SECRET:
        return check_text(f, *conf_text(item, f), e);
    case CONF_TYPE_TEXTS:
        break;
    }
    for (size_t i = 0; i < conf_texts(item, f)->n; i++)
        TRY(check_text(f, conf_texts(item, f)->items[i], e));
    return RC_OK;
}

static void format_number(const struct conf_setting *f, uint64_t v, struct buf *out)
{
    const struct suffix *s = suffixes_of(f->unit);

    while (v && v % s->factor)
        s++;
    buf_add_u64(out, v ? v / s->factor : 0);
    if (v)
        buf_add(out, str_c(s->text));
}

static void format_lines(const struct strs *list, struct buf *out)
{
    for (size_t i = 0; i < list->n; i++) {
        if (i)
            buf_addc(out, ',');
        for (size_t j = 0; j < list->items[i].n; j++) {
            char c = list->items[i].p[j];

            if (c == ',' || c == '\\')
                buf_addc(out, '\\');
            buf_addc(out, c);
        }
    }
}

void conf_value_format(const void *item, const struct conf_setting *f, bool secrets, struct buf *out)
{
    struct str choice = STR_NONE;

    switch (f->type) {
    case CONF_TYPE_UINT:
        format_number(f, *conf_number(item, f), out);
        break;
    case CONF_TYPE_BOOL:
        buf_add(out, *conf_number(item, f) ? str_lit("yes") : str_lit("no"));
        break;
    case CONF_TYPE_ENUM:
        conf_choice(f, *conf_number(item, f), &choice);
        buf_add(out, choice);
        break;
    case CONF_TYPE_SECRET:
        if (!secrets) {
            buf_add(out, conf_text(item, f)->n ? str_lit("********") : STR_NONE);
            break;
        }
        /* fall through */
    case CONF_TYPE_TEXT:
        buf_add(out, *conf_text(item, f));
        break;
    case CONF_TYPE_TEXTS:
        format_lines(conf_texts(item, f), out);
        break;
    }
}

bool conf_value_equal(const void *a, const void *b, const struct conf_setting *f)
{
    const struct strs *x = conf_texts(a, f), *y = conf_texts(b, f);

    if (f->type == CONF_TYPE_TEXT || f->type == CONF_TYPE_SECRET)
        return str_eq(*conf_text(a, f), *conf_text(b, f));
    if (f->type != CONF_TYPE_TEXTS)
        return *conf_number(a, f) == *conf_number(b, f);
    if (x->n != y->n)
        return false;
    for (size_t i = 0; i < x->n; i++) {
        if (!str_eq(x->items[i], y->items[i]))
            return false;
    }
    return true;
}
