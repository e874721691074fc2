/*
 * What is wrong with a zip archive, from its directory alone: entries that share octets (bombs), a directory and local
 * headers that name different files (readers see different members), members that the directory leaves out.
 */
#ifndef SCAN_ZIP_H
#define SCAN_ZIP_H

#include "base/arena.h"

enum { ZIP_RENAMED = 64 };

struct zip_look {
    bool directory; /* a directory was found and read */
    bool overlap;   /* two entries lie over one another */
    bool differs;   /* local header and directory disagree, or there are members outside the directory */
    bool encrypted; /* an entry is encrypted */
    uint64_t entries;
    uint64_t unpacked; /* as the directory says */
    /* Entries that bear one name in their local header (which libarchive shows) and another in the directory (which others
     * show); the first of them, views. */
    struct zip_renamed {
        struct str local, directory;
    } renamed[ZIP_RENAMED];
    size_t n_renamed;
};

/* Never fails: what cannot be read ends the look. Scratch memory from the arena, at most 16 octets an entry. */
void zip_look(struct arena *a, struct str octets, uint64_t max_entries, struct zip_look *out);

#endif
