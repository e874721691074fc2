/*
 * The tables of sections and settings as data: what the coders, the file reader, the checks and `postern settings` walk.
 * Made from spec/sections.def and spec/settings/NAME.def; nothing here changes.
 */
#ifndef CONF_TABLE_H
#define CONF_TABLE_H

#include "base/buf.h"
#include "conf/conf.h"

enum conf_type { CONF_TYPE_UINT, CONF_TYPE_BOOL, CONF_TYPE_ENUM, CONF_TYPE_TEXT, CONF_TYPE_SECRET, CONF_TYPE_TEXTS };
enum conf_apply { CONF_APPLY_NOW, CONF_APPLY_NEW_CONVERSATIONS, CONF_APPLY_RESTART };
enum conf_level { CONF_LEVEL_MACHINE, CONF_LEVEL_CLUSTER };

struct conf_setting {
    const char *name; /* NULL ends the table */
    enum conf_type type;
    size_t offset;       /* in the section's struct */
    const char *initial; /* default in exchange form */
    uint64_t least, most;
    const char *unit; /* or the choices of an ENUM */
    enum conf_apply apply;
    const char *help, *question;
};

struct conf_section {
    const char *name, *element;
    bool list;
    enum conf_level level;
    const char *secrets, *always, *help;
    size_t offset; /* in struct conf */
    size_t size;   /* of one item (or of the section's struct) */
    const struct conf_setting *settings;
};

extern const struct conf_section conf_sections[];
extern const size_t conf_sections_n;

/* By name (exact); NULL when there is none. */
const struct conf_section *conf_section_find(struct str name);
const struct conf_setting *conf_setting_find(const struct conf_section *s, struct str name);

/* Does the table say that this item always exists? */
bool conf_always(const struct conf_section *s, struct str name);
/* Cuts the next of them off: its name and its own defaults "SETTING=VALUE,...". */
bool conf_always_next(struct str *rest, struct str *name_out, struct str *settings_out);

/* Names of the enums as the tables spell them. */
const char *conf_type_name(enum conf_type t);
const char *conf_apply_name(enum conf_apply a);
const char *conf_level_name(enum conf_level l);

/* How many items a section of c has (ONE: 1), and the i-th. Items of a LIST begin with their name. */
size_t conf_items(const struct conf *c, const struct conf_section *s);
const void *conf_item(const struct conf *c, const struct conf_section *s, size_t i);
struct str conf_item_name(const struct conf_section *s, const void *item); /* empty for ONE */
/* Index of the item with this name, or SIZE_MAX. */
size_t conf_item_index(const struct conf *c, const struct conf_section *s, struct str name);

/* The typed field inside an item. */
static inline const uint64_t *conf_number(const void *item, const struct conf_setting *f)
{
    return (const uint64_t *)(const void *)((const char *)item + f->offset);
}

static inline const struct str *conf_text(const void *item, const struct conf_setting *f)
{
    return (const struct str *)(const void *)((const char *)item + f->offset);
}

static inline const struct strs *conf_texts(const void *item, const struct conf_setting *f)
{
    return (const struct strs *)(const void *)((const char *)item + f->offset);
}

/* A LIST member of struct conf seen without its type. */
struct conf_list {
    void *items;
    size_t n;
};
struct conf_list conf_list_get(const struct conf *c, const struct conf_section *s);
void conf_list_set(struct conf *c, const struct conf_section *s, struct conf_list l);
/* Room for at least n items of the section, zeroed; a power of two, so that appending may double it. NULL beyond the cap. */
void *conf_list_room(struct arena *a, const struct conf_section *s, size_t n);

#endif
