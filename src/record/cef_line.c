/*
 * The line of the consolidated event log (logs.md 11). See cef.h.
 *
 * Called by cef.c at the end of a message. Owns nothing. Formats only: what happened is in the item.
 */
#include "record/cef.h"

#include "conf/product.h"

enum form { PLAIN, QUOTED, RAW };

static const struct {
    const char *modern, *classic, *label;
    enum form form;
    const char *initial;
} keys[CEF_KEYS] = {
#define CEF(key, modern, classic, label, form, initial) {modern, classic, label, form, initial},
#include "spec/cef.def"
#undef CEF
};

static void escape(struct str text, char what, struct buf *out)
{
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == what)
            buf_addc(out, '\\');
        buf_addc(out, text.p[i]);
    }
}

static bool is_wanted(const struct cef_form *form, enum cef_key key)
{
    bool found = form->keys.n == 0;

    for (size_t i = 0; i < form->keys.n && !found; i++)
        found =
            str_eqi(form->keys.items[i], str_c(keys[key].modern)) || str_eqi(form->keys.items[i], str_c(keys[key].classic));
    return found;
}

static void add_value(const struct cef_form *form, enum cef_key key, struct str value, struct buf *out)
{
    struct buf text = BUF(64 << 10);

    if (!value.n || !is_wanted(form, key))
        return;
    if (out->n && out->p[out->n - 1] != '|')
        buf_addc(out, ' ');
    if (keys[key].label[0])
        buf_addf(out, "%s ", keys[key].label);
    buf_addf(out, "%s=", form->classic ? keys[key].classic : keys[key].modern);
    (keys[key].form == QUOTED ? render_repr : render_plain)(value, &text);
    if (keys[key].form == RAW)
        buf_add(out, buf_str(&text));
    else
        escape(buf_str(&text), '=', out);
    buf_done(&text);
}

/* {'mailfrom': {...}, 'helo': {...}} */
static void spf_value(const struct cef_item *m, struct buf *out)
{
    for (size_t i = 0; i < 3; i++)
        if (m->spf[i])
            buf_addf(out, "%s%s", out->n ? ", " : "{", m->spf[i]);
    if (out->n)
        buf_addc(out, '}');
}

/* What became of the message as a whole: one recipient who got it counts. */
static struct str action(const struct cef_item *m)
{
    if (m->delivered)
        return str_lit("DELIVERED");
    if (m->bounce)
        return str_lit("BOUNCED");
    if (m->aborted)
        return str_lit("ABORTED");
    if (m->dropped)
        return str_lit("DROPPED");
    return m->split ? str_lit("SPLINTERED") : STR_NONE;
}

static struct str value_of(const struct cef_form *form, const struct cef_item *m, enum cef_key key, uint64_t end_ms,
                           struct buf *scratch)
{
    bool out = m->values[CEF_DIRECTION] && m->values[CEF_DIRECTION][0] == '1';
    char date[24];

    buf_clear(scratch);
    switch (key) {
    case CEF_SERIAL:
        return form->serial;
    case CEF_MID:
        buf_add_u64(scratch, m->id);
        return buf_str(scratch);
    case CEF_START:
    case CEF_END:
        if (key == CEF_START && !m->start_ms)
            return STR_NONE;
        render_ctime(key == CEF_END ? end_ms : m->start_ms, date);
        buf_add(scratch, str_of(date, sizeof date));
        return buf_str(scratch);
    case CEF_INBOUND:
        return out ? STR_NONE : str_c(m->values[CEF_INBOUND]);
    case CEF_OUTBOUND:
        return out ? str_c(m->values[CEF_INBOUND]) : STR_NONE;
    case CEF_SPF:
        spf_value(m, scratch);
        return buf_str(scratch);
    case CEF_ACTION:
        return action(m);
    case CEF_ACTION_DETAILS:
        return m->delivered ? STR_NONE : m->bounce ? str_c(m->bounce) : str_c(m->values[key]);
    default:
        return m->values[key] ? str_c(m->values[key]) : str_c(keys[key].initial);
    }
}

void cef_line(const struct cef_form *form, const struct cef_item *m, uint64_t end_ms, struct buf *out)
{
    struct buf scratch = BUF(32 << 10), line = BUF(1 << 20);
    char date[24];

    render_ctime(end_ms, date);
    buf_add(&line, str_of(date, sizeof date));
    buf_add(&line, str_lit(": CEF:0|Cisco|"));
    escape(form->model, '|', &line);
    buf_add(&line, str_lit("|" PRODUCT_VERSION "-" PRODUCT_BUILD "|ESA_CONSOLIDATED_LOG_EVENT|Consolidated Log Event|5|"));
    for (size_t k = 0; k < CEF_KEYS; k++)
        add_value(form, (enum cef_key)k, value_of(form, m, (enum cef_key)k, end_ms, &scratch), &line);
    buf_add(out, buf_str(&line));
    buf_done(&line);
    buf_done(&scratch);
}
