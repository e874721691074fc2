/*
 * Settings as questions. See field.h.
 *
 * Called by dialogues. Owns nothing. The question, the choices, the range and the reason of a refusal come from the row.
 */
#include "console/field.h"

#include "conf/value.h"

static const void *item_of(const struct session *s, const struct conf_section *section, struct str name)
{
    size_t i = section->list ? conf_item_index(session_conf(s), section, name) : 0;

    return i == SIZE_MAX ? NULL : conf_item(session_conf(s), section, i);
}

static struct str path_of(struct session *s, const struct conf_section *section, struct str name, const char *field)
{
    struct buf *b = session_buf(s, 4096);

    conf_path_format(section, name, field, b);
    return buf_str(b);
}

bool field_put(struct session *s, const struct conf_section *section, struct str name, const char *field, struct str value)
{
    struct err e = ERR_NONE;
    struct str path = path_of(s, section, name, field), text;

    if (conf_draft_set(session_draft(s), path, value, &e) == RC_OK)
        return true;
    text = str_c(err_text(&e));
    if (str_starts(text, path)) /* who is asked knows what he is asked */
        text = str_from(text, path.n + 2);
    say(s, "%.*s\n", STR(text));
    return false;
}

struct str field_text(struct session *s, const struct conf_section *section, struct str name, const char *field)
{
    const void *item = item_of(s, section, name);
    const struct conf_setting *f = conf_setting_find(section, str_c(field));
    struct buf *b = session_buf(s, 1 << 22);

    if (item && f)
        conf_value_format(item, f, false, b);
    return buf_str(b);
}

struct place {
    const struct conf_section *section;
    struct str name;
    const struct conf_setting *f;
};

static bool put(struct session *s, void *ctx, struct str answer)
{
    const struct place *p = ctx;

    if (str_eqi(answer, str_lit("none")) && p->f->type == CONF_TYPE_TEXTS)
        answer = STR_NONE;
    return field_put(s, p->section, p->name, p->f->name, answer);
}

static void ask_enum(struct session *s, const struct place *p, uint64_t now)
{
    struct str *items = arena_must_alloc(&s->arena, 64 * sizeof *items);
    struct strs choices = {items, 0};

    while (choices.n < 64 && conf_choice(p->f, choices.n, &items[choices.n]))
        choices.n++;
    field_put(s, p->section, p->name, p->f->name, items[ask_choice(s, p->f->question, &choices, (size_t)now)]);
}

static const char *without_question_mark(struct session *s, const char *question)
{
    struct str q = str_c(question);

    return q.n && q.p[q.n - 1] == '?' ? question : arena_printf(&s->arena, "%s:", question).p;
}

void field_ask(struct session *s, const struct conf_section *section, struct str name, const struct conf_setting *f)
{
    const void *item = item_of(s, section, name);
    struct place p = {section, name, f};
    struct str now;

    if (!item)
        return;
    if (f->type == CONF_TYPE_BOOL) {
        field_put(s, section, name, f->name,
                  ask_yes(s, f->question, *conf_number(item, f)) ? str_lit("yes") : str_lit("no"));
    } else if (f->type == CONF_TYPE_ENUM) {
        ask_enum(s, &p, *conf_number(item, f));
    } else if (f->type == CONF_TYPE_SECRET) {
        if (conf_text(item, f)->n == 0 || ask_yes(s, "It is set. Do you want to change it?", false))
            put(s, &p, ask_secret(s, without_question_mark(s, f->question), NULL, NULL));
    } else {
        now = field_text(s, section, name, f->name);
        if (now.n)
            ask_value(s, without_question_mark(s, f->question), arena_str(&s->arena, now).p, put, &p);
        else if ((now = ask_optional(s, without_question_mark(s, f->question), put, &p)).n == 0)
            field_put(s, section, name, f->name, STR_NONE);
    }
}

/* Does the row depend on a BOOL row that says no? */
static bool is_off(const struct session *s, const struct conf_section *section, struct str name,
                   const struct conf_setting *f)
{
    const void *item = item_of(s, section, name);

    for (const struct conf_setting *x = section->settings; item && x < f; x++) {
        struct str prefix = str_c(x->name), own = str_c(f->name);

        if (x->type == CONF_TYPE_BOOL && str_starts(own, prefix) && own.n > prefix.n && own.p[prefix.n] == '_' &&
            !*conf_number(item, x))
            return true;
    }
    return false;
}

static bool is_named(const char *fields, const struct conf_setting *f)
{
    struct str rest = str_c(fields), word;

    while (str_word(&rest, &word))
        if (str_eq(word, str_c(f->name)))
            return true;
    return false;
}

void fields_ask(struct session *s, const struct conf_section *section, struct str name, const char *fields)
{
    struct str rest = str_c(fields), word;
    bool but = *fields == '-';

    while (!but && str_word(&rest, &word)) {
        const struct conf_setting *f = conf_setting_find(section, word);

        if (f && !is_off(s, section, name, f))
            field_ask(s, section, name, f);
    }
    for (const struct conf_setting *f = section->settings; (but || !*fields) && f->name; f++)
        if (!is_off(s, section, name, f) && !(but && is_named(fields + 1, f)))
            field_ask(s, section, name, f);
}

void fields_show(struct session *s, const struct conf_section *section, struct str name)
{
    for (const struct conf_setting *f = section->settings; f->name; f++)
        say(s, "%s: %.*s\n", f->name, STR(field_text(s, section, name, f->name)));
}

bool field_set(struct session *s, const struct conf_section *section, struct str name, struct str assignment)
{
    size_t eq = str_find(assignment, '=');
    const struct conf_setting *f = conf_setting_find(section, str_first(assignment, eq));

    if (eq == assignment.n || !f) {
        say(s, "Invalid arguments\n%.*s is no setting of %s\n", STR(str_first(assignment, eq < 60 ? eq : 60)),
            section->name);
        return false;
    }
    if (f->type == CONF_TYPE_SECRET && eq + 1 < assignment.n) {
        say(s, "%s is secret: it is asked, never an argument.\n", f->name); /* command lines are logged */
        return false;
    }
    return field_put(s, section, name, f->name, str_from(assignment, eq + 1));
}
