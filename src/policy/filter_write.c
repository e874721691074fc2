/*
 * Filters as text, in one layout. See filter.h.
 *
 * Called by the console (DETAIL, EXPORT of what was never text) and by filter_order.c (what a test asks). Reading what is
 * written gives the same tree. Blocks and parentheses are bounded by the parser, so recursion is.
 */
#include "policy/filter.h"

static void write_string(struct str s, struct buf *out)
{
    static const char from[] = "\n\r\t\\\"", to[] = "nrt\\\"";

    buf_addc(out, '"');
    for (size_t i = 0; i < s.n; i++) {
        const char *at = s.p[i] ? strchr(from, s.p[i]) : NULL;

        if (at)
            buf_addc(out, '\\');
        buf_addc(out, at ? to[at - from] : s.p[i]);
    }
    buf_addc(out, '"');
}

static bool is_number(char type)
{
    return type == 'n' || type == 'f' || type == 'z';
}

static void write_value(const struct filter_value *v, struct buf *out)
{
    if (is_number(v->type)) {
        buf_add(out, v->text);
        return;
    }
    if (!v->bracket) {
        write_string(v->text, out);
        return;
    }
    buf_addc(out, '[');
    for (size_t i = 0; i < v->list.n; i++) {
        buf_add(out, i ? str_lit(", ") : STR_NONE);
        write_string(v->list.items[i], out);
    }
    buf_addc(out, ']');
}

static void write_args(const struct filter_value *args, size_t n, struct buf *out)
{
    buf_addc(out, '(');
    for (size_t i = 0; i < n; i++) {
        buf_add(out, i ? str_lit(", ") : STR_NONE);
        write_value(&args[i], out);
    }
    buf_addc(out, ')');
}

static void write_test(const struct filter_rule *r, struct buf *out)
{
    static const char *const marks[] = {"", " == ", " != ", " < ", " > ", " <= ", " >= "};

    buf_add(out, str_c(r->row->name));
    if (r->n_args)
        write_args(r->args, r->n_args, out);
    buf_add(out, str_c(marks[r->op]));
    if (r->op != FILTER_ALONE)
        write_value(&r->operand, out);
}

static void write_part(const struct filter_rule *r, bool parentheses, struct buf *out)
{
    buf_add(out, parentheses ? str_lit("(") : STR_NONE);
    filter_write_rule(r, out);
    buf_add(out, parentheses ? str_lit(")") : STR_NONE);
}

void filter_write_rule(const struct filter_rule *r, struct buf *out)
{
    if (r->node == FILTER_TEST) {
        write_test(r, out);
    } else if (r->node == FILTER_NOT) {
        buf_add(out, str_lit("not "));
        write_part(r->parts[0], r->parts[0]->node == FILTER_AND || r->parts[0]->node == FILTER_OR, out);
    } else {
        for (size_t i = 0; i < r->n_parts; i++) {
            const struct filter_rule *part = r->written ? r->written[i] : r->parts[i];

            buf_add(out, i ? (r->node == FILTER_AND ? str_lit(" and ") : str_lit(" or ")) : STR_NONE);
            write_part(part, part->node == FILTER_OR || part->node == r->node, out);
        }
    }
}

void filter_write_action(const struct filter_action *a, struct buf *out)
{
    buf_add(out, str_c(a->row->name));
    write_args(a->args, a->n_args, out);
}

static void indent(unsigned depth, struct buf *out)
{
    for (unsigned i = 0; i < depth; i++)
        buf_add(out, str_lit("    "));
}

static void write_block(const struct filter_block *b, unsigned depth, struct buf *out);

static void write_if(const struct filter_statement *s, unsigned depth, struct buf *out)
{
    for (size_t i = 0; i < s->n_branches; i++) {
        const struct filter_branch *b = &s->branches[i];

        buf_add(out, b->rule ? (i ? str_lit(" elif (") : str_lit("if (")) : str_lit(" else {\n"));
        if (b->rule) {
            filter_write_rule(b->rule, out);
            buf_add(out, str_lit(") {\n"));
        }
        write_block(&b->body, depth + 1, out);
        indent(depth, out);
        buf_addc(out, '}');
    }
}

static void write_block(const struct filter_block *b, unsigned depth, struct buf *out)
{
    for (size_t i = 0; i < b->n; i++) {
        const struct filter_statement *s = &b->items[i];

        indent(depth, out);
        if (s->action.row) {
            filter_write_action(&s->action, out);
            buf_addc(out, ';');
        } else {
            write_if(s, depth, out);
        }
        buf_addc(out, '\n');
    }
}

void filter_write(const struct filter *f, struct buf *out)
{
    buf_add(out, f->name);
    buf_add(out, str_lit(": "));
    write_if(&f->body.items[0], 0, out);
    buf_addc(out, '\n');
}
