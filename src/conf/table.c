/*
 * Tables of sections and settings, and access to a section's items without its type. See table.h.
 *
 * Called by every file of this room and by `postern settings`. Owns nothing; cannot fail but for memory.
 */
#include "conf/table.h"

#define SETTING(name, type, initial, least, most, unit, apply, help, question) \
    {#name, CONF_TYPE_##type, offsetof(struct OWNER, name), initial, least, most, unit, CONF_APPLY_##apply, help, question},

#include "conf/table_rows.h"
#undef SETTING

#define KIND_ONE false
#define KIND_LIST true

const struct conf_section conf_sections[] = {
#define SECTION(section, kind, element, level, secrets, always, help) \
    {#section, \
     element, \
     KIND_##kind, \
     CONF_LEVEL_##level, \
     secrets, \
     always, \
     help, \
     offsetof(struct conf, section), \
     sizeof(struct conf_##section), \
     rows_##section},
#include "spec/sections.def"
#undef SECTION
};
const size_t conf_sections_n = sizeof conf_sections / sizeof *conf_sections;

bool conf_always_next(struct str *rest, struct str *name_out, struct str *settings_out)
{
    struct str item;
    size_t cut;

    if (!rest->n || !str_split(rest, '|', &item))
        return false;
    cut = str_find(item, ':');
    *name_out = str_first(item, cut);
    *settings_out = str_from(item, cut + 1);
    return true;
}

bool conf_always(const struct conf_section *s, struct str name)
{
    struct str rest = str_c(s->always), one, settings;

    while (conf_always_next(&rest, &one, &settings))
        if (str_eqi(one, name))
            return true;
    return false;
}

const struct conf_section *conf_section_find(struct str name)
{
    for (size_t i = 0; i < conf_sections_n; i++) {
        if (str_eq(name, str_c(conf_sections[i].name)))
            return &conf_sections[i];
    }
    return NULL;
}

const struct conf_setting *conf_setting_find(const struct conf_section *s, struct str name)
{
    for (const struct conf_setting *f = s->settings; f->name; f++) {
        if (str_eq(name, str_c(f->name)))
            return f;
    }
    return NULL;
}

const char *conf_type_name(enum conf_type t)
{
    static const char *const names[] = {"number", "yes/no", "choice", "text", "secret", "list"};

    return names[t];
}

const char *conf_apply_name(enum conf_apply a)
{
    static const char *const names[] = {"now", "new conversations", "restart"};

    return names[a];
}

const char *conf_level_name(enum conf_level l)
{
    static const char *const names[] = {"machine", "cluster"};

    return names[l];
}

/* The members are structs of a typed pointer and a count; memcpy keeps clear of the rules on aliasing. */
struct conf_list conf_list_get(const struct conf *c, const struct conf_section *s)
{
    struct conf_list l;

    memcpy(&l, (const char *)c + s->offset, sizeof l);
    return l;
}

void conf_list_set(struct conf *c, const struct conf_section *s, struct conf_list l)
{
    memcpy((char *)c + s->offset, &l, sizeof l);
}

void *conf_list_room(struct arena *a, const struct conf_section *s, size_t n)
{
    size_t room = 1;

    while (room < n && room < SIZE_MAX / 4)
        room *= 2;
    if (room > SIZE_MAX / s->size)
        return NULL;
    return arena_alloc(a, room * s->size);
}

size_t conf_items(const struct conf *c, const struct conf_section *s)
{
    return s->list ? conf_list_get(c, s).n : 1;
}

const void *conf_item(const struct conf *c, const struct conf_section *s, size_t i)
{
    if (!s->list)
        return (const char *)c + s->offset;
    return (const char *)conf_list_get(c, s).items + i * s->size;
}

struct str conf_item_name(const struct conf_section *s, const void *item)
{
    return s->list ? *(const struct str *)item : STR_NONE;
}

size_t conf_item_index(const struct conf *c, const struct conf_section *s, struct str name)
{
    for (size_t i = 0; i < conf_items(c, s); i++) {
        if (str_eqi(name, conf_item_name(s, conf_item(c, s, i))))
            return i;
    }
    return SIZE_MAX;
}
