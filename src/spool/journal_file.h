/*
 * Journal files: how groups lie in them, and replay (pure of loop and queue). Only spool/ includes this.
 *
 * File: 24-octet head (magic, version, number, CRC), then groups: 24-octet head (magic, octets, number of the first entry,
 * count, CRC over this and the entries), entries as varint kind, varint length, octets.
 */
#ifndef SPOOL_JOURNAL_FILE_H
#define SPOOL_JOURNAL_FILE_H

#include "spool/journal.h"

enum { JOURNAL_HEAD = 24, JOURNAL_PATH = 4096 };

void journal_file_path(char out[JOURNAL_PATH], const char *dir, uint64_t number);
void journal_file_head(unsigned char out[JOURNAL_HEAD], uint64_t number);
void journal_group_head(unsigned char out[JOURNAL_HEAD], uint64_t first, uint32_t count, struct str entries);

/* Gives every entry of the good groups with a number above *last to `entry` and sets *last. *torn_out is set when the file
 * does not end with a whole group or a number is missing; what follows a bad group is never given. */
void journal_replay(struct str file, uint64_t *last, journal_entry_fn *entry, void *ctx, bool *torn_out);
/* Numbers of the files, ascending, in a buf of uint64_t. */
enum rc journal_files(const char *dir, struct buf *out, struct err *e);

#endif
