/*
 * Items of a section as text. See item_text.h.
 *
 * Called by IMPORT and EXPORT of configuration commands. Owns nothing. The text comes from a file of an operator.
 */
#include "console/item_text.h"

#include "conf/value.h"

enum { VALUE_MAX = 1 << 22 };

void item_text_write(const struct conf *c, const struct conf_section *s, struct buf *out)
{
    struct buf value = BUF(VALUE_MAX);

    for (size_t i = 0; i < conf_items(c, s); i++) {
        const void *item = conf_item(c, s, i);

        buf_addf(out, "[%.*s]\n", STR(conf_item_name(s, item)));
        for (const struct conf_setting *f = s->settings; f->name; f++) {
            if (f->type == CONF_TYPE_SECRET)
                continue;
            buf_clear(&value);
            conf_value_format(item, f, false, &value);
            buf_addf(out, "%s = ", f->name);
            for (size_t k = 0; k < value.n; k++)
                buf_addc(out, value.p[k] == '\n' || value.p[k] == '\r' ? ' ' : value.p[k]);
            buf_addc(out, '\n');
        }
        buf_addc(out, '\n');
    }
    buf_done(&value);
}

static enum rc remove_all(struct conf_draft *d, const struct conf_section *s, struct err *e)
{
    struct buf path = BUF(4096);
    enum rc rc = RC_OK;

    for (size_t i = conf_items(&d->conf, s); i-- > 0 && rc == RC_OK;) {
        struct str name = conf_item_name(s, conf_item(&d->conf, s, i));

        if (conf_always(s, name))
            continue;
        buf_clear(&path);
        conf_path_format(s, name, NULL, &path);
        rc = conf_draft_remove(d, buf_str(&path), e);
    }
    buf_done(&path);
    return rc;
}

static enum rc read_line(struct conf_draft *d, const struct conf_section *s, struct str line, struct str *name,
                         struct err *e)
{
    size_t eq = str_find(line, '=');
    const struct conf_setting *f;
    void *item;

    if (line.p[0] == '[' && line.p[line.n - 1] == ']') {
        *name = arena_str(&d->arena, str_trim(str_of(line.p + 1, line.n - 2)));
        return conf_draft_item(d, s, *name, &item, e);
    }
    if (!name->n)
        return err_set(e, RC_SYNTAX, "a [name] comes first");
    f = conf_setting_find(s, str_trim(str_first(line, eq)));
    if (eq == line.n || !f)
        return err_set(e, RC_INVALID, "%.*s is no setting of %s", STR(str_first(str_trim(str_first(line, eq)), 60)),
                       s->name);
    TRY(conf_draft_item(d, s, *name, &item, e));
    return conf_value_set(&d->arena, item, f, str_trim(str_from(line, eq + 1)), e);
}

enum rc item_text_read(struct conf_draft *d, const struct conf_section *s, struct str text, struct err *e)
{
    struct err own = ERR_NONE;
    struct str line, name = STR_NONE;

    TRY(remove_all(d, s, e));
    for (size_t n = 1; str_split(&text, '\n', &line); n++) {
        enum rc rc;

        line = str_trim(line);
        if (line.n == 0 || line.p[0] == '#')
            continue;
        rc = read_line(d, s, line, &name, &own);
        if (rc != RC_OK)
            return err_set(e, rc, "line %zu: %s", n, err_text(&own));
    }
    return RC_OK;
}
