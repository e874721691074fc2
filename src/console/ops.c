/*
 * Operations of a dialogue. See ops.h.
 *
 * Called by cmd_*.c. Owns nothing that outlives the command: a kept copy of the configuration is freed with the arena.
 */
#include "console/ops.h"

#include "base/must.h"
#include "conf/rules.h"
#include "conf/snapshot.h"
#include "console/files.h"

enum { OPS_MAX = 32 };

void ops_by_hand(struct session *s)
{
    s->args.n = 0;
    s->taken = 0;
}

static void drop(void *ctx)
{
    conf_draft_free(*(struct conf_draft **)ctx);
}

struct conf_draft **ops_keep(struct session *s)
{
    struct conf_draft **kept = arena_must_alloc(&s->arena, sizeof *kept);

    *kept = conf_draft_copy(session_conf(s));
    if (!*kept || !arena_defer(&s->arena, drop, kept))
        session_leave(s, LEAVE_ABORT);
    return kept;
}

void ops_back(struct session *s, struct conf_draft **kept)
{
    session_take_draft(s, *kept);
    *kept = NULL;
}

enum rc ops_talk(struct session *s, const struct ops *o, void *ctx)
{
    struct operation rows[OPS_MAX];
    struct conf_draft **kept;
    enum rc rc;

    must(o->n <= OPS_MAX);
    if (!ask_left(s))
        ops_by_hand(s);
    for (;;) {
        bool some = !o->count || o->count(s, ctx);
        size_t i;

        if (!ask_batch(s) && o->state)
            o->state(s, ctx);
        for (i = 0; i < o->n; i++)
            rows[i] = (struct operation){o->list[i].name, o->list[i].what, o->list[i].some && !some && !ask_left(s)};
        i = ask_operation(s, rows, o->n);
        if (i == SIZE_MAX)
            return RC_OK;
        kept = ops_keep(s);
        rc = o->list[i].run(s, ctx);
        if (rc != RC_OK)
            ops_back(s, kept);
        if (ask_batch(s))
            return rc;
    }
}

struct str ops_choose(struct session *s, const char *question, const char *section, struct str now)
{
    const struct conf_section *of = ops_section(section);
    size_t n = conf_items(session_conf(s), of), initial = SIZE_MAX;
    struct str *names = arena_must_alloc(&s->arena, (n + 1) * sizeof *names);

    if (n == 0) {
        say(s, "There is no %s yet.\n", section);
        return STR_NONE;
    }
    for (size_t i = 0; i < n; i++) {
        names[i] = arena_str(&s->arena, conf_item_name(of, conf_item(session_conf(s), of, i)));
        if (str_eqi(names[i], now))
            initial = i;
    }
    return names[ask_choice(s, question, &(struct strs){names, n}, initial)];
}

enum rc ops_fields(struct session *s, const char *section, struct str name, const char *fields)
{
    bool given = ask_left(s) > 0;

    while (ask_left(s))
        if (!field_set(s, ops_section(section), name, ask_next(s)))
            return RC_INVALID;
    if (!given)
        fields_ask(s, ops_section(section), name, fields);
    return RC_OK;
}

struct renaming {
    const char *section;
    struct str from;
};

static bool rename_it(struct session *s, void *ctx, struct str answer)
{
    const struct renaming *r = ctx;
    struct err e = ERR_NONE;

    if (conf_draft_rename(session_draft(s), ops_section(r->section), r->from, answer, &e) == RC_OK)
        return true;
    session_fail(s, &e);
    return false;
}

struct str ops_rename(struct session *s, const char *section, const char *noun, struct str from)
{
    struct renaming r = {section, from};

    return ask_value(s, arena_printf(&s->arena, "Enter a new name for the %s:", noun).p, arena_str(&s->arena, from).p,
                     rename_it, &r);
}

enum rc ops_import(struct session *s, const char *what, struct str *content_out)
{
    struct str name =
        ask_value(s, arena_printf(&s->arena, "Enter the name of the file to import %s from:", what).p, NULL, NULL, NULL);
    struct buf *b = session_buf(s, FILES_MAX);
    struct err e = ERR_NONE;

    if (files_read(s, name, b, &e) != RC_OK)
        return session_fail(s, &e);
    *content_out = buf_str(b);
    return RC_OK;
}

enum rc ops_export(struct session *s, const char *what, struct str content)
{
    struct str name =
        ask_value(s, arena_printf(&s->arena, "Enter a name for the file to export %s to:", what).p, NULL, NULL, NULL);
    struct err e = ERR_NONE;

    if (s->role == ROLE_READ_ONLY) {
        say(s, "A read-only operator writes no files.\n");
        return RC_NOT_PERMITTED;
    }
    if (files_write(s, name, content, &e) != RC_OK)
        return session_fail(s, &e);
    say(s, "File written to %.*s.\n", STR(str_first(name, 200)));
    return RC_OK;
}

struct strs ops_list(struct session *s, struct str text)
{
    struct str rest = text, one, *items;
    size_t n = 0, max = 1;

    for (size_t i = 0; i < text.n; i++)
        max += text.p[i] == ',';
    items = arena_must_alloc(&s->arena, max * sizeof *items);
    while (str_split(&rest, ',', &one))
        if (str_trim(one).n)
            items[n++] = str_trim(one);
    return (struct strs){items, n};
}

struct str ops_join(struct session *s, struct strs list)
{
    struct buf *b = session_buf(s, FILES_MAX);

    for (size_t i = 0; i < list.n; i++) {
        if (i)
            buf_addc(b, ',');
        for (size_t k = 0; k < list.items[i].n; k++) {
            char c = list.items[i].p[k];

            if (c == ',' || c == '\\')
                buf_addc(b, '\\');
            buf_addc(b, c);
        }
    }
    return buf_str(b);
}

const struct conf_section *ops_section(const char *name)
{
    const struct conf_section *section = conf_section_find(str_c(name));

    must(section);
    return section;
}
