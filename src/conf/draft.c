/*
 * Building and changing a configuration by paths. See draft.h.
 *
 * Called by init, by control for `settings set`, and by tests. Owns its arena, which only grows until the draft is freed: a
 * draft lives for one change. A refused line leaves the draft as it was and its error names the path and the reason.
 */
#include "conf/draft.h"

#include "base/must.h"
#include "conf/value.h"

#include <stdio.h>
#include <stdlib.h>

enum { FIRST_BLOCK = 8192, DRAFT_MAX = 1 << 28, ITEMS_MAX = 1000000, NAME_MAX_OCTETS = 255 };

struct conf_draft *conf_draft_empty(void)
{
    struct conf_draft *d = calloc(1, sizeof *d);

    if (d)
        arena_init(&d->arena, FIRST_BLOCK, DRAFT_MAX);
    return d;
}

struct conf_draft *conf_draft_new(void)
{
    struct conf_draft *d = conf_draft_empty();
    struct err e = ERR_NONE;

    if (!d)
        return NULL;
    for (size_t i = 0; i < conf_sections_n; i++) {
        const struct conf_section *s = &conf_sections[i];

        if (!s->list && conf_item_defaults(&d->arena, s, (char *)&d->conf + s->offset, &e) != RC_OK)
            break;
    }
    if (e.rc == RC_OK)
        conf_draft_always(d, &e);
    if (e.rc != RC_OK) /* a row's default breaks its own range: the unit tests of conf say which */
        fprintf(stderr, "postern: %s\n", err_text(&e));
    must(e.rc == RC_OK);
    return d;
}

void conf_draft_free(struct conf_draft *d)
{
    if (!d)
        return;
    arena_done(&d->arena);
    free(d);
}

enum rc conf_item_defaults(struct arena *a, const struct conf_section *s, void *item, struct err *e)
{
    for (const struct conf_setting *f = s->settings; f->name; f++) {
        bool number = f->type == CONF_TYPE_UINT || f->type == CONF_TYPE_BOOL || f->type == CONF_TYPE_ENUM;

        if ((number || *f->initial) && conf_value_set(a, item, f, str_c(f->initial), e) != RC_OK)
            return err_wrap(e, RC_INVALID, "default of %s.%s", s->name, f->name);
    }
    return RC_OK;
}

static enum rc make_always(struct conf_draft *d, const struct conf_section *s, struct str name, struct str settings,
                           struct err *e)
{
    struct str one;
    void *item;

    if (conf_item_index(&d->conf, s, name) != SIZE_MAX)
        return RC_OK;
    TRY(conf_draft_item(d, s, name, &item, e));
    while (settings.n && str_split(&settings, ',', &one)) {
        size_t cut = str_find(one, '=');
        const struct conf_setting *f = conf_setting_find(s, str_first(one, cut));

        must(f);
        TRY(conf_value_set(&d->arena, item, f, str_from(one, cut + 1), e));
    }
    return RC_OK;
}

enum rc conf_draft_always(struct conf_draft *d, struct err *e)
{
    for (size_t i = 0; i < conf_sections_n; i++) {
        struct str rest = str_c(conf_sections[i].always), name, settings;

        while (conf_always_next(&rest, &name, &settings))
            TRY(make_always(d, &conf_sections[i], name, settings, e));
    }
    return RC_OK;
}

static enum rc check_name(struct str name, struct err *e)
{
    if (name.n == 0 || name.n > NAME_MAX_OCTETS)
        return err_set(e, RC_INVALID, "a name has 1 to %d octets", NAME_MAX_OCTETS);
    for (size_t i = 0; i < name.n; i++) {
        if ((unsigned char)name.p[i] < 0x20 || name.p[i] == 0x7f)
            return err_set(e, RC_INVALID, "a name holds no control characters");
    }
    if (str_trim(name).n != name.n)
        return err_set(e, RC_INVALID, "a name neither begins nor ends with a space");
    return RC_OK;
}

enum rc conf_draft_item(struct conf_draft *d, const struct conf_section *s, struct str name, void **out, struct err *e)
{
    size_t i = conf_item_index(&d->conf, s, name);
    struct conf_list l;
    struct str *item;

    if (!s->list || i != SIZE_MAX) {
        *out = s->list ? (char *)conf_list_get(&d->conf, s).items + i * s->size : (char *)&d->conf + s->offset;
        return RC_OK;
    }
    TRY(check_name(name, e));
    l = conf_list_get(&d->conf, s);
    if (l.n >= ITEMS_MAX)
        return err_set(e, RC_LIMIT, "more than %d items", ITEMS_MAX);
    if ((l.n & (l.n - 1)) == 0) { /* full: see conf_list_room() */
        void *more = conf_list_room(&d->arena, s, l.n ? 2 * l.n : 1);

        if (!more)
            return err_set(e, RC_NO_MEMORY, "no room left");
        if (l.n)
            memcpy(more, l.items, l.n * s->size);
        l.items = more;
    }
    item = (struct str *)(void *)((char *)l.items + l.n * s->size);
    memset(item, 0, s->size);
    *item = arena_str(&d->arena, name);
    if (!item->p)
        return err_set(e, RC_NO_MEMORY, "no room left");
    TRY(conf_item_defaults(&d->arena, s, item, e));
    l.n++;
    conf_list_set(&d->conf, s, l);
    *out = item;
    return RC_OK;
}

/* Cuts "[NAME]" off the front of *rest; the name ends at the first "]" followed by a dot or the end. */
static bool bracketed(struct str *rest, struct str *name_out)
{
    for (size_t i = 1; i < rest->n; i++) {
        if (rest->p[i] == ']' && (i + 1 == rest->n || rest->p[i + 1] == '.')) {
            *name_out = str_of(rest->p + 1, i - 1);
            *rest = str_from(*rest, i + 1 < rest->n ? i + 2 : i + 1);
            return true;
        }
    }
    return false;
}

enum rc conf_path_parse(struct str path, bool want_field, struct conf_path *out, struct err *e)
{
    struct conf_path p = {0};
    size_t n = 0, dot;
    struct str rest, field;

    while (n < path.n && path.p[n] != '.' && path.p[n] != '[')
        n++;
    p.section = conf_section_find(str_first(path, n));
    if (!p.section)
        return err_set(e, RC_NOT_FOUND, "%.*s: no section \"%.*s\"", STR(str_first(path, 100)),
                       STR(str_first(path, n < 60 ? n : 60)));
    rest = str_from(path, n < path.n && path.p[n] == '.' ? n + 1 : n);
    field = rest;
    if (p.section->list && rest.n && rest.p[0] == '[' && n < path.n && path.p[n] == '[') {
        if (!bracketed(&rest, &p.name))
            return err_set(e, RC_SYNTAX, "%.*s: no closing bracket", STR(str_first(path, 100)));
        field = rest;
    } else if (p.section->list) {
        dot = str_find_last(rest, '.');
        p.name = want_field ? str_first(rest, dot < rest.n ? dot : 0) : rest;
        field = want_field ? str_from(rest, dot < rest.n ? dot + 1 : 0) : STR_NONE;
    }
    if (field.n) {
        p.field = conf_setting_find(p.section, field);
        if (!p.field)
            return err_set(e, RC_NOT_FOUND, "%.*s: no setting \"%.*s\" in section %s", STR(str_first(path, 100)),
                           STR(str_first(field, 60)), p.section->name);
    }
    if ((p.section->list && !p.name.n) || (!p.field && (want_field || !p.section->list)))
        return err_set(e, RC_SYNTAX, "%.*s: not a complete path", STR(str_first(path, 100)));
    *out = p;
    return RC_OK;
}

void conf_path_format(const struct conf_section *s, struct str name, const char *field, struct buf *out)
{
    bool plain = str_find(name, '.') == name.n && str_find(name, '[') == name.n && str_find(name, '=') == name.n;

    buf_add(out, str_c(s->name));
    if (s->list) {
        buf_addc(out, plain ? '.' : '[');
        buf_add(out, name);
        if (!plain)
            buf_addc(out, ']');
    }
    if (field) {
        buf_addc(out, '.');
        buf_add(out, str_c(field));
    }
}

enum rc conf_draft_set(struct conf_draft *d, struct str path, struct str value, struct err *e)
{
    struct conf_path p;
    void *item;

    TRY(conf_path_parse(path, true, &p, e));
    if (conf_draft_item(d, p.section, p.name, &item, e) != RC_OK ||
        conf_value_set(&d->arena, item, p.field, value, e) != RC_OK)
        return err_wrap(e, RC_INVALID, "%.*s", STR(str_first(path, 150)));
    return RC_OK;
}

static enum rc remove_item(struct conf_draft *d, const struct conf_path *p, struct str path, struct err *e)
{
    struct conf_list l = conf_list_get(&d->conf, p->section);
    size_t i = conf_item_index(&d->conf, p->section, p->name), size = p->section->size;
    struct conf_list less = {.n = l.n - 1};

    if (i == SIZE_MAX)
        return err_set(e, RC_NOT_FOUND, "%.*s does not exist", STR(str_first(path, 150)));
    if (conf_always(p->section, p->name))
        return err_set(e, RC_NOT_PERMITTED, "%.*s always exists", STR(str_first(path, 150)));
    less.items = conf_list_room(&d->arena, p->section, less.n);
    if (!less.items)
        return err_set(e, RC_NO_MEMORY, "no room left");
    memcpy(less.items, l.items, i * size);
    memcpy((char *)less.items + i * size, (char *)l.items + (i + 1) * size, (less.n - i) * size);
    if (less.n == 0)
        less.items = NULL;
    conf_list_set(&d->conf, p->section, less);
    return RC_OK;
}

enum rc conf_draft_remove(struct conf_draft *d, struct str path, struct err *e)
{
    struct conf_path p;
    size_t i;

    if (conf_path_parse(path, false, &p, NULL) == RC_OK && p.section->list && !p.field &&
        conf_item_index(&d->conf, p.section, p.name) != SIZE_MAX)
        return remove_item(d, &p, path, e);
    if (conf_path_parse(path, true, &p, NULL) == RC_OK) {
        i = p.section->list ? conf_item_index(&d->conf, p.section, p.name) : 0;
        if (i != SIZE_MAX)
            return conf_draft_set(d, path, str_c(p.field->initial), e);
    }
    TRY(conf_path_parse(path, false, &p, e));
    return remove_item(d, &p, path, e);
}

/* Where the `=` behind the path is: brackets may hold others. */
static size_t find_equals(struct str line)
{
    size_t open = str_find(line, '['), eq = str_find(line, '=');
    struct str rest = str_from(line, open), name;

    if (open >= eq)
        return eq;
    for (size_t i = 0; i + 1 < rest.n; i++) {
        if (rest.p[i] == ']' && (rest.p[i + 1] == '.' || rest.p[i + 1] == '=')) {
            name = str_from(rest, i);
            return open + i + str_find(name, '=');
        }
    }
    return line.n;
}

enum rc conf_draft_line(struct conf_draft *d, struct str line, struct err *e)
{
    struct str text = str_trim(line);
    struct conf_path p;
    size_t eq;
    void *item;

    if (text.n == 0 || text.p[0] == '#')
        return RC_OK;
    if (text.p[0] == '-')
        return conf_draft_remove(d, str_from(text, 1), e);
    eq = find_equals(text);
    if (eq < text.n)
        return conf_draft_set(d, str_trim(str_first(text, eq)), str_trim(str_from(text, eq + 1)), e);
    TRY(conf_path_parse(text, false, &p, e));
    if (p.field)
        return err_set(e, RC_SYNTAX, "%.*s: no value given", STR(str_first(text, 100)));
    if (conf_draft_item(d, p.section, p.name, &item, e) != RC_OK)
        return err_wrap(e, RC_INVALID, "%.*s", STR(str_first(text, 150)));
    return RC_OK;
}

enum rc conf_draft_lines(struct conf_draft *d, struct str text, struct err *e)
{
    struct str line;

    while (str_split(&text, '\n', &line))
        TRY(conf_draft_line(d, line, e));
    return RC_OK;
}
