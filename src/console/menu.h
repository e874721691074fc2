/* Menus over a section of the settings (spec/menus.def), and their parts for dialogues that do more. */
#ifndef CONSOLE_MENU_H
#define CONSOLE_MENU_H

#include "console/field.h"

struct menu {
    const char *command, *section, *noun, *operations, *fields;
};

const struct menu *menu_find(const char *command); /* NULL when there is none */

/* A further operation of a dialogue. */
struct menu_more {
    const char *name, *what;
    enum rc (*run)(struct session *s);
};
/* The whole dialogue: lists the items, offers the operations of the menu and `more`, until an empty answer. */
enum rc menu_talk(struct session *s, const struct menu *m, const struct menu_more *more, size_t n_more);

/* "1. Name (first setting)" lines. */
void menu_list(struct session *s, const struct menu *m);
/* Asks which item by name or number ("... you want to WHAT:"); a name of the arena's. */
struct str menu_pick(struct session *s, const struct menu *m, const char *what);
/* Asks a name that is not taken, and makes the item. */
struct str menu_new(struct session *s, const struct menu *m);
bool menu_delete(struct session *s, const struct menu *m, struct str name);
/* To position `to` (from 1) of the list; false when there is no such item or place. */
bool menu_move(struct session *s, const struct menu *m, struct str name, uint64_t to);

#endif
