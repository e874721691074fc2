/*
 * Actions on the text that readers see. See action.h.
 *
 * Called by the runners of filters through action_do(). Owns nothing beyond the message's arena. Only parts whose text
 * changes are written anew (policy/part.h).
 */
#include "policy/action.h"

#include "policy/filter_regex.h"
#include "policy/part.h"
#include "policy/variables.h"

#define ACTION(name) \
    enum rc action_##name(struct message *m, const struct filter_action *a, struct filter_run *r, struct err *e)

/* A text of the body, not one in a file or in what cannot be changed. */
static bool is_body(const struct mime_part *p)
{
    return str_starts(p->type, str_lit("text/")) && !p->attachment && !p->member && !p->inside && !p->alternative;
}

ACTION(edit_body_text)
{
    const struct filter_regex *regex = filter_pattern(a->args, a->n_args, 0);
    struct str by = action_text(m, a, r, 1);
    struct part_changes c;

    (void)e;
    part_changes_begin(&c, m);
    for (struct mime_part *p = c.mime->all; p && regex; p = p->all_next) {
        size_t changed = 0;
        struct str text;

        if (!is_body(p))
            continue;
        text = filter_regex_replace(regex, m->arena, mime_text(c.mime, p), by, &changed);
        if (changed)
            part_set_text(&c, p, text);
    }
    part_changes_make(&c);
    return RC_OK;
}

ACTION(html_convert)
{
    struct part_changes c;

    (void)a;
    (void)r;
    (void)e;
    part_changes_begin(&c, m);
    for (struct mime_part *p = c.mime->all; p; p = p->all_next)
        if (is_body(p) && str_eq(p->type, str_lit("text/html")))
            part_set_text_as(&c, p, str_lit("text/plain"), mime_html_text(m->arena, mime_text(c.mime, p)));
    part_changes_make(&c);
    return RC_OK;
}

void action_frame(struct message *m, const struct filter_run *r, const struct conf_text_resource *t, bool above)
{
    struct str text = action_filled(m, r, t->text, false), html;
    struct buf b = BUF(VARIABLES_TEXT_MAX);

    if (t->html.n) {
        variables_references(action_filled(m, r, t->html, true), &b);
    } else {
        buf_add(&b, str_lit("<div>"));
        variables_html(part_lines(m->arena, text), &b);
        buf_add(&b, str_lit("</div>\r\n"));
    }
    html = b.failed ? STR_NONE : arena_str(m->arena, buf_str(&b));
    buf_done(&b);
    part_frame(m, text, html, above);
}

static enum rc frame(struct message *m, const struct filter_action *a, struct filter_run *r, bool above, struct err *e)
{
    const struct conf_text_resource *t = action_resource(m, filter_text(a->args, a->n_args, 0), e);

    if (!t)
        return RC_NOT_FOUND;
    action_frame(m, r, t, above);
    return RC_OK;
}

ACTION(add_footer)
{
    return frame(m, a, r, false, e);
}

ACTION(add_heading)
{
    return frame(m, a, r, true, e);
}

/* Pages of documents as pictures need a renderer of their own: there is none yet. */
ACTION(safe_print)
{
    (void)m;
    (void)a;
    (void)r;
    return err_set(e, RC_NOT_IMPLEMENTED, "safe-print: this system renders no documents");
}
