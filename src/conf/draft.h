/*
 * A configuration in the making: a struct conf that may be changed, with the arena that holds its texts.
 *
 * Paths: `receiving.idle_ms`, `listener.Inbound.port`, `route[example.com].hosts`; with dots the item's name reaches to the
 * last dot. Setting a field of an item that does not exist makes it, with defaults, at the end of its list.
 */
#ifndef CONF_DRAFT_H
#define CONF_DRAFT_H

#include "conf/table.h"

struct conf_draft {
    struct arena arena;
    struct conf conf;
};

/* Defaults and the items that always exist. NULL only without memory. */
struct conf_draft *conf_draft_new(void);
/* Nothing at all, to be filled by a decoder. */
struct conf_draft *conf_draft_empty(void);
void conf_draft_free(struct conf_draft *d);

/* Where a path leads. field NULL: the item itself. Name is a view into the path. */
struct conf_path {
    const struct conf_section *section;
    struct str name;
    const struct conf_setting *field;
};
enum rc conf_path_parse(struct str path, bool want_field, struct conf_path *out, struct err *e);
/* Writes a path that parses back (the bracket form when the name needs it). */
void conf_path_format(const struct conf_section *s, struct str name, const char *field, struct buf *out);

/* The item named, made when missing. */
enum rc conf_draft_item(struct conf_draft *d, const struct conf_section *s, struct str name, void **out, struct err *e);
enum rc conf_draft_set(struct conf_draft *d, struct str path, struct str value, struct err *e);
/* Removes an item, or puts a field back to its default. RC_NOT_FOUND when the item does not exist. */
enum rc conf_draft_remove(struct conf_draft *d, struct str path, struct err *e);
/* One line: `path=value`, `path` (makes the item), `-path` (removes), empty or `#` comment. */
enum rc conf_draft_line(struct conf_draft *d, struct str line, struct err *e);
enum rc conf_draft_lines(struct conf_draft *d, struct str text, struct err *e);

/* Defaults of a section into item (zeroed by the caller, name aside). */
enum rc conf_item_defaults(struct arena *a, const struct conf_section *s, void *item, struct err *e);
/* Items named `always` exist afterwards. */
enum rc conf_draft_always(struct conf_draft *d, struct err *e);

#endif
