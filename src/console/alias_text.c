/*
 * Aliases as text. See alias_text.h.
 *
 * Called by aliasconfig. Owns nothing. The text comes from a file of an operator; whether aliases go round in circles is
 * looked at when all of them are there (alias_check).
 */
#include "console/alias_text.h"

#include "conf/value.h"
#include "policy/alias.h"

enum { VALUE_MAX = 8 << 20 };

static void add_list(struct buf *out, struct strs list)
{
    for (size_t i = 0; i < list.n; i++)
        buf_addf(out, "%s%.*s", i ? ", " : "", STR(list.items[i]));
}

void alias_text_write(const struct conf *c, struct buf *out)
{
    for (size_t i = 0; i < c->alias.n; i++) {
        const struct conf_alias *alias = &c->alias.items[i];

        if (alias->comment.n) {
            buf_add(out, str_lit("# comment: "));
            for (size_t k = 0; k < alias->comment.n; k++)
                buf_addc(out, alias->comment.p[k] == '\n' || alias->comment.p[k] == '\r' ? ' ' : alias->comment.p[k]);
            buf_addc(out, '\n');
        }
        if (alias->listener.n) {
            buf_add(out, str_lit("# listeners: "));
            add_list(out, alias->listener);
            buf_addc(out, '\n');
        }
        buf_addf(out, "%.*s: ", STR(alias->name));
        add_list(out, alias->to);
        buf_addc(out, '\n');
    }
}

/* ---- reading -----------------------------------------------------------------------------------------------------------
 */

struct reading {
    struct conf_draft *draft;
    const struct conf_section *section;
    struct str comment, listeners; /* of the alias that follows */
    struct buf entry;              /* the alias under way, with the lines that go on with it */
    size_t line;                   /* where it began */
};

/* The first such character outside quotes and brackets. */
static size_t find_outside(struct str s, char c)
{
    bool quoted = false, literal = false;

    for (size_t i = 0; i < s.n; i++) {
        if (quoted && s.p[i] == '\\')
            i++;
        else if (s.p[i] == '"' && !literal)
            quoted = !quoted;
        else if ((s.p[i] == '[' || s.p[i] == ']') && !quoted)
            literal = s.p[i] == '[';
        else if (s.p[i] == c && !quoted && !literal)
            return i;
    }
    return s.n;
}

/* One more line of a list in exchange form. */
static void add_value(struct buf *value, struct str item)
{
    if (value->n)
        buf_addc(value, ',');
    for (size_t i = 0; i < item.n; i++) {
        if (item.p[i] == ',' || item.p[i] == '\\')
            buf_addc(value, '\\');
        buf_addc(value, item.p[i]);
    }
}

static enum rc set(struct reading *r, void *item, const char *field, struct str value, struct err *e)
{
    return conf_value_set(&r->draft->arena, item, conf_setting_find(r->section, str_c(field)), value, e);
}

static enum rc set_targets(struct reading *r, void *item, struct str rest, struct err *e)
{
    struct buf value = BUF(VALUE_MAX);
    enum rc rc = RC_OK;

    for (size_t comma; rest.n && rc == RC_OK; rest = str_from(rest, comma < rest.n ? comma + 1 : rest.n)) {
        struct str target;

        comma = find_outside(rest, ',');
        target = str_trim(str_first(rest, comma));
        if (!target.n)
            continue;
        rc = alias_target_fits(target, e);
        add_value(&value, target);
    }
    if (rc == RC_OK && !value.n)
        rc = err_set(e, RC_INVALID, "the alias names no address");
    if (rc == RC_OK)
        rc = value.failed ? err_set(e, RC_NO_MEMORY, "too many addresses") : set(r, item, "to", buf_str(&value), e);
    buf_done(&value);
    return rc;
}

/* The entry gathered so far, if any, is an alias. */
static enum rc finish(struct reading *r, struct err *e)
{
    struct str all = buf_str(&r->entry), name;
    size_t colon = find_outside(all, ':');
    void *item;

    if (r->entry.failed)
        return err_set(e, RC_NO_MEMORY, "too many addresses");
    if (!str_trim(all).n)
        return RC_OK;
    if (colon == all.n)
        return err_set(e, RC_SYNTAX, "not `alias: target, target`");
    name = str_trim(str_first(all, colon));
    TRY(alias_name_fits(name, e));
    if (conf_item_index(&r->draft->conf, r->section, name) != SIZE_MAX)
        return err_set(e, RC_EXISTS, "a second alias %.*s", STR(str_first(name, 100)));
    TRY(conf_draft_item(r->draft, r->section, name, &item, e));
    TRY(set_targets(r, item, str_from(all, colon + 1), e));
    if (r->comment.n)
        TRY(set(r, item, "comment", r->comment, e));
    if (r->listeners.n)
        TRY(set(r, item, "listener", r->listeners, e));
    r->comment = r->listeners = STR_NONE;
    buf_clear(&r->entry);
    return RC_OK;
}

static enum rc read_line(struct reading *r, struct str line, size_t number, struct err *e)
{
    static const struct str comment = str_lit("# comment:"), listeners = str_lit("# listeners:");
    bool goes_on = line.n && (line.p[0] == ' ' || line.p[0] == '\t');

    line = str_trim(line);
    if (goes_on && line.n && r->entry.n) {
        buf_addc(&r->entry, ',');
        buf_add(&r->entry, line);
        return RC_OK;
    }
    TRY(finish(r, e));
    r->line = number;
    if (str_startsi(line, comment))
        r->comment = str_trim(str_from(line, comment.n));
    else if (str_startsi(line, listeners))
        r->listeners = str_trim(str_from(line, listeners.n));
    else if (line.n && line.p[0] != '#')
        buf_add(&r->entry, line);
    return RC_OK;
}

static enum rc remove_all(struct conf_draft *d, const struct conf_section *s, struct err *e)
{
    struct buf path = BUF(4096);
    enum rc rc = RC_OK;

    for (size_t i = d->conf.alias.n; i-- > 0 && rc == RC_OK;) {
        buf_clear(&path);
        conf_path_format(s, d->conf.alias.items[i].name, NULL, &path);
        rc = conf_draft_remove(d, buf_str(&path), e);
    }
    buf_done(&path);
    return rc;
}

enum rc alias_text_read(struct conf_draft *d, struct str text, struct err *e)
{
    struct reading r = {.draft = d, .section = conf_section_find(str_lit("alias")), .entry = BUF(VALUE_MAX), .line = 1};
    struct err own = ERR_NONE;
    struct str line;
    enum rc rc = remove_all(d, r.section, &own);

    for (size_t n = 1; rc == RC_OK && str_split(&text, '\n', &line); n++)
        rc = read_line(&r, line, n, &own);
    if (rc == RC_OK)
        rc = finish(&r, &own);
    buf_done(&r.entry);
    return rc == RC_OK ? RC_OK : err_set(e, rc, "line %zu: %s", r.line, err_text(&own));
}
