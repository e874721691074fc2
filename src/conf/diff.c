/*
 * What changed between two configurations. See rules.h.
 *
 * Called by control for the answer to a commit and by `settings versions`. Owns nothing; cannot fail but by a full buffer.
 */
#include "conf/rules.h"
#include "conf/value.h"

static void changed(const struct conf_section *s, const struct conf_setting *f, const void *old, const void *now,
                    struct buf *out)
{
    conf_path_format(s, conf_item_name(s, now), f->name, out);
    if (f->type == CONF_TYPE_SECRET) {
        buf_add(out, str_lit(": changed\n"));
        return;
    }
    buf_add(out, str_lit(": "));
    conf_value_format(old, f, false, out);
    buf_add(out, str_lit(" -> "));
    conf_value_format(now, f, false, out);
    buf_addc(out, '\n');
}

static void whole_item(char sign, const struct conf_section *s, const void *item, struct buf *out)
{
    buf_addc(out, sign);
    buf_addc(out, ' ');
    conf_path_format(s, conf_item_name(s, item), NULL, out);
    buf_addc(out, '\n');
}

static void diff_section(const struct conf_section *s, const struct conf *old, const struct conf *now, struct buf *out)
{
    size_t last = 0;
    bool moved = false;

    for (size_t i = 0; i < conf_items(old, s); i++) {
        const void *item = conf_item(old, s, i);

        if (s->list && conf_item_index(now, s, conf_item_name(s, item)) == SIZE_MAX)
            whole_item('-', s, item, out);
    }
    for (size_t i = 0; i < conf_items(now, s); i++) {
        const void *item = conf_item(now, s, i);
        size_t was = s->list ? conf_item_index(old, s, conf_item_name(s, item)) : 0;

        if (was == SIZE_MAX) {
            whole_item('+', s, item, out);
            continue;
        }
        moved = moved || was < last;
        last = was;
        for (const struct conf_setting *f = s->settings; f->name; f++) {
            if (!conf_value_equal(conf_item(old, s, was), item, f))
                changed(s, f, conf_item(old, s, was), item, out);
        }
    }
    if (moved)
        buf_addf(out, "%s: order changed\n", s->name);
}

void conf_diff(const struct conf *old, const struct conf *now, struct buf *out)
{
    for (size_t i = 0; i < conf_sections_n; i++)
        diff_section(&conf_sections[i], old, now, out);
}

bool conf_section_equal(const struct conf *a, const struct conf *b, const struct conf_section *s)
{
    if (conf_items(a, s) != conf_items(b, s))
        return false;
    for (size_t i = 0; i < conf_items(a, s); i++) {
        const void *x = conf_item(a, s, i), *y = conf_item(b, s, i);

        if (!str_eq(conf_item_name(s, x), conf_item_name(s, y)))
            return false;
        for (const struct conf_setting *f = s->settings; f->name; f++)
            if (!conf_value_equal(x, y, f))
                return false;
    }
    return true;
}
