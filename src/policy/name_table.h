/* Names to ranks: exact names, .domain suffixes and whole addresses, ASCII case ignored; found by halving. */
#ifndef POLICY_NAME_TABLE_H
#define POLICY_NAME_TABLE_H

#include "base/arena.h"
#include "base/err.h"

enum { NAME_TABLE_NONE = UINT32_MAX };

struct name_entry {
    struct str name; /* lower case */
    uint32_t rank;
};

struct name_table {
    struct arena *arena;
    struct name_entry *items;
    size_t n, max;
    bool sorted;
};

void name_table_begin(struct name_table *t, struct arena *a);
enum rc name_table_add(struct name_table *t, struct str name, uint32_t rank, struct err *e);
void name_table_build(struct name_table *t);
/* Least rank of this very name, or NAME_TABLE_NONE. */
uint32_t name_table_find(const struct name_table *t, struct str name);
/* Least rank of ".parent" for any parent domain of the host; *longest_out (may be NULL) = that of the longest parent. */
uint32_t name_table_find_suffix(const struct name_table *t, struct str host, uint32_t *longest_out);

#endif
