/*
 * The saved files of one subscription, oldest first (logs.md 13).
 */
#ifndef PUSH_SAVED_H
#define PUSH_SAVED_H

#include "base/str.h"

struct saved_file {
    char *name; /* STEM.@TIME.s */
    uint64_t inode, bytes;
};
struct saved_list {
    struct saved_file *items;
    size_t n;
};

/* Files of any stem whose names are those of saved files, sorted by the time in the name. An unreadable directory is an
 * empty list. */
void saved_list_read(const char *dir, struct saved_list *out);
void saved_list_done(struct saved_list *l);

#endif
