/*
 * Compiles text templates to programs and runs them. See template.h.
 *
 * Called by render.c: compiled once at start, run for each line. Owns nothing. Recursive descent: parts nest in braces and
 * are separated by bars; outside of braces both are plain text.
 */
#include "event/template.h"

#include "base/must.h"

#include <stdlib.h>

struct compiler {
    struct str text; /* what is not read yet */
    const struct event_info *row;
    enum log_type log;
    enum log_dialect dialect;
    struct op **ops;
    uint32_t *n_ops;
    bool mute; /* a branch that this log or dialect never takes */
    struct err *e;
};

static enum rc wrong(struct compiler *c, const char *what)
{
    return err_set(c->e, RC_SYNTAX, "template of event %s: %s at \"%.*s\"", c->row->name, what, STR(str_first(c->text, 40)));
}

static uint32_t add_op(struct compiler *c, struct op op)
{
    uint32_t at = *c->n_ops;

    if (c->mute)
        return at;
    if ((at & (at - 1)) == 0) { /* 0 and powers of two: full */
        *c->ops = realloc(*c->ops, (at ? at * 2 : 1) * sizeof op);
        must(*c->ops);
    }
    (*c->ops)[at] = op;
    (*c->n_ops)++;
    return at;
}

static void set_target(struct compiler *c, uint32_t op)
{
    if (!c->mute)
        (*c->ops)[op].to = *c->n_ops;
}

static enum rc find_field(struct compiler *c, struct str name, uint16_t *offset_out, enum field_type *type_out)
{
    size_t offset = 0;

    for (const struct field *f = c->row->fields; f->type != FIELD_END; f++) {
        if (str_eq(name, str_c(f->name))) {
            *offset_out = (uint16_t)offset;
            *type_out = f->type;
            return RC_OK;
        }
        offset += f->type == FIELD_U64 ? sizeof(uint64_t) : sizeof(struct str);
    }
    return wrong(c, "no such field");
}

static bool next_is(struct compiler *c, char want)
{
    if (!c->text.n || c->text.p[0] != want)
        return false;
    c->text = str_from(c->text, 1);
    return true;
}

/* A name ends at the first octet that cannot be in one. */
static struct str read_name(struct compiler *c)
{
    size_t n = 0;

    while (n < c->text.n && (ascii_alpha(c->text.p[n]) || ascii_digit(c->text.p[n]) || c->text.p[n] == '_'))
        n++;
    c->text = str_from(c->text, n);
    return str_of(c->text.p - n, n);
}

static enum rc sequence(struct compiler *c, bool nested);

/* x|y} where only one of them is ever wanted. */
static enum rc either(struct compiler *c, bool first)
{
    bool mute = c->mute;

    c->mute = mute || !first;
    TRY(sequence(c, true));
    c->mute = mute || first;
    if (next_is(c, '|'))
        TRY(sequence(c, true));
    c->mute = mute;
    return next_is(c, '}') ? RC_OK : wrong(c, "expected }");
}

/* {?field|x|y} */
static enum rc optional(struct compiler *c)
{
    uint16_t field = 0;
    enum field_type type = FIELD_END;
    uint32_t branch, jump;

    TRY(find_field(c, read_name(c), &field, &type));
    if (!next_is(c, '|'))
        return wrong(c, "expected |");
    branch = add_op(c, (struct op){.kind = type == FIELD_U64 ? OP_IF_U64 : OP_IF_STR, .field = field});
    TRY(sequence(c, true));
    if (next_is(c, '|')) {
        jump = add_op(c, (struct op){.kind = OP_JUMP});
        set_target(c, branch);
        TRY(sequence(c, true));
        set_target(c, jump);
    } else {
        set_target(c, branch);
    }
    return next_is(c, '}') ? RC_OK : wrong(c, "expected }");
}

static uint32_t count_choices(struct str text)
{
    uint32_t n = 1;
    int depth = 0;

    for (size_t i = 0; i < text.n && depth >= 0; i++) {
        depth += text.p[i] == '{' ? 1 : text.p[i] == '}' ? -1 : 0;
        n += text.p[i] == '|' && depth == 0;
    }
    return n;
}

/* {field=a|b|c}, after the '=' */
static enum rc choice(struct compiler *c, uint16_t field)
{
    enum { MOST = 16 };
    uint32_t n = count_choices(c->text), table, ends[MOST];

    if (n > MOST)
        return wrong(c, "too many choices");
    add_op(c, (struct op){.kind = OP_CHOICE, .field = field, .to = n});
    table = *c->n_ops;
    for (uint32_t i = 0; i < n; i++)
        add_op(c, (struct op){.kind = OP_JUMP});
    for (uint32_t i = 0; i < n; i++) {
        set_target(c, table + i);
        TRY(sequence(c, true));
        ends[i] = add_op(c, (struct op){.kind = OP_JUMP});
        if (!next_is(c, i + 1 < n ? '|' : '}'))
            return wrong(c, "expected | or }");
    }
    for (uint32_t i = 0; i < n; i++)
        set_target(c, ends[i]);
    return RC_OK;
}

static const struct {
    const char *name;
    enum op_kind op;
    enum field_type type;
} forms[] = {{"repr", OP_REPR, FIELD_STR},
             {"rids", OP_RIDS, FIELD_STR},
             {"lines", OP_LINES, FIELD_STR},
             {"pairs", OP_PAIRS, FIELD_STR},
             {"ctime", OP_CTIME, FIELD_U64}};

static enum rc value(struct compiler *c)
{
    uint16_t field = 0;
    enum field_type type = FIELD_END;
    struct str form;

    TRY(find_field(c, read_name(c), &field, &type));
    if (next_is(c, '='))
        return type == FIELD_U64 ? choice(c, field) : wrong(c, "choice by a text");
    if (next_is(c, '}')) {
        add_op(c, (struct op){.kind = type == FIELD_U64 ? OP_U64 : OP_PLAIN, .field = field});
        return RC_OK;
    }
    if (!next_is(c, ':'))
        return wrong(c, "expected }");
    form = read_name(c);
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (str_eq(form, str_c(forms[i].name)) && forms[i].type == type && next_is(c, '}')) {
            add_op(c, (struct op){.kind = (uint8_t)forms[i].op, .field = field});
            return RC_OK;
        }
    return wrong(c, "no such form");
}

/* What follows an opening brace. */
static enum rc braces(struct compiler *c)
{
    if (next_is(c, '?'))
        return optional(c);
    if (next_is(c, '~'))
        return either(c, c->dialect == DIALECT_CLASSIC);
    if (next_is(c, '@')) {
        if (!str_eq(read_name(c), str_lit("bounces")) || !next_is(c, '|'))
            return wrong(c, "no such log");
        return either(c, c->log == LOG_TYPE_BOUNCES);
    }
    return value(c);
}

/* Text and braces up to the end, or, nested, up to a bar or the closing brace (left unread). */
static enum rc sequence(struct compiler *c, bool nested)
{
    while (c->text.n && !(nested && (c->text.p[0] == '|' || c->text.p[0] == '}'))) {
        size_t n = 0;

        while (n < c->text.n && c->text.p[n] != '{' && !(nested && (c->text.p[n] == '|' || c->text.p[n] == '}')))
            n++;
        if (str_starts(str_from(c->text, n), str_lit("{{")))
            n++; /* one of the two belongs to the literal */
        else if (!n) {
            c->text = str_from(c->text, 1);
            TRY(braces(c));
            continue;
        }
        add_op(c, (struct op){.kind = OP_LITERAL, .literal = str_first(c->text, n)});
        c->text = str_from(c->text, c->text.p[n - 1] == '{' ? n + 1 : n);
    }
    return RC_OK;
}

enum rc template_compile(const struct event_info *row, enum log_type log, enum log_dialect dialect, struct op **ops,
                         uint32_t *n_ops, uint32_t *start_out, struct err *e)
{
    struct compiler c = {
        .text = str_c(row->text), .row = row, .log = log, .dialect = dialect, .ops = ops, .n_ops = n_ops, .e = e};
    uint32_t start = *n_ops;

    TRY(sequence(&c, false));
    add_op(&c, (struct op){.kind = OP_END});
    *start_out = start;
    return RC_OK;
}

static uint64_t number_at(const unsigned char *fields, const struct op *op)
{
    return *(const uint64_t *)(const void *)(fields + op->field);
}

static struct str text_at(const unsigned char *fields, const struct op *op)
{
    return *(const struct str *)(const void *)(fields + op->field);
}

static void add_ctime(uint64_t ms, struct buf *out)
{
    char date[24];

    render_ctime(ms, date);
    buf_add(out, str_of(date, sizeof date));
}

static void (*const text_forms[])(struct str value, struct buf *out) = {
    [OP_PLAIN] = render_plain, [OP_REPR] = render_repr,   [OP_RIDS] = render_rids,
    [OP_LINES] = render_lines, [OP_PAIRS] = render_pairs,
};

void template_run(const struct op *ops, uint32_t start, const void *fields, struct buf *out)
{
    const struct op *op = ops + start;

    for (;; op++) {
        switch (op->kind) {
        case OP_LITERAL:
            buf_add(out, op->literal);
            break;
        case OP_U64:
            buf_add_u64(out, number_at(fields, op));
            break;
        case OP_CTIME:
            add_ctime(number_at(fields, op), out);
            break;
        case OP_IF_U64:
            if (!number_at(fields, op))
                op = ops + op->to - 1;
            break;
        case OP_IF_STR:
            if (!text_at(fields, op).n)
                op = ops + op->to - 1;
            break;
        case OP_CHOICE: {
            uint64_t n = number_at(fields, op);

            op += n < op->to ? n : op->to - 1; /* the loop steps onto that jump */
            break;
        }
        case OP_JUMP:
            op = ops + op->to - 1;
            break;
        case OP_END:
            return;
        default:
            text_forms[op->kind](text_at(fields, op), out);
        }
    }
}
