/*
 * Codes and replays journal files. See journal_file.h.
 *
 * Called by journal.c. Owns nothing. Damage is never an error here: it ends the file.
 */
#include "spool/journal_file.h"

#include "base/crc32c.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static const uint32_t FILE_MAGIC = 0x6c4a5350u;  /* "PSJl" */
static const uint32_t GROUP_MAGIC = 0x674a5350u; /* "PSJg" */

struct file_head {
    uint32_t magic, version;
    uint64_t number;
    uint32_t reserved, crc;
};
struct group_head {
    uint32_t magic, bytes;
    uint64_t first;
    uint32_t count, crc;
};
_Static_assert(sizeof(struct file_head) == JOURNAL_HEAD && sizeof(struct group_head) == JOURNAL_HEAD, "heads");

void journal_file_path(char out[JOURNAL_PATH], const char *dir, uint64_t number)
{
    snprintf(out, JOURNAL_PATH, "%s/journal/%08llu", dir, (unsigned long long)number);
}

void journal_file_head(unsigned char out[JOURNAL_HEAD], uint64_t number)
{
    struct file_head h = {.magic = FILE_MAGIC, .version = 1, .number = number};

    h.crc = crc32c(0, str_of(&h, offsetof(struct file_head, crc)));
    memcpy(out, &h, sizeof h);
}

static uint32_t group_crc(const struct group_head *h, struct str entries)
{
    return crc32c(crc32c(0, str_of(h, offsetof(struct group_head, crc))), entries);
}

void journal_group_head(unsigned char out[JOURNAL_HEAD], uint64_t first, uint32_t count, struct str entries)
{
    struct group_head h = {.magic = GROUP_MAGIC, .bytes = (uint32_t)entries.n, .first = first, .count = count};

    h.crc = group_crc(&h, entries);
    memcpy(out, &h, sizeof h);
}

static bool take_file_head(struct str *in)
{
    struct file_head h;

    if (in->n < sizeof h)
        return false;
    memcpy(&h, in->p, sizeof h);
    *in = str_from(*in, sizeof h);
    return h.magic == FILE_MAGIC && h.version == 1 && h.crc == crc32c(0, str_of(&h, offsetof(struct file_head, crc)));
}

static bool take_group(struct str *in, struct group_head *h, struct str *entries)
{
    if (in->n < sizeof *h)
        return false;
    memcpy(h, in->p, sizeof *h);
    if (h->magic != GROUP_MAGIC || h->bytes > in->n - sizeof *h)
        return false;
    *entries = str_of(in->p + sizeof *h, h->bytes);
    *in = str_from(*in, sizeof *h + h->bytes);
    return h->crc == group_crc(h, *entries);
}

static void give(const struct group_head *h, struct str entries, uint64_t *last, journal_entry_fn *entry, void *ctx)
{
    for (uint32_t i = 0; i < h->count; i++) {
        uint64_t kind;
        struct str octets;

        if (!get_varint(&entries, &kind) || !get_str(&entries, &octets))
            return;
        if (h->first + i <= *last)
            continue;
        entry(ctx, kind, octets);
        *last = h->first + i;
    }
}

void journal_replay(struct str file, uint64_t *last, journal_entry_fn *entry, void *ctx, bool *torn_out)
{
    struct group_head h;
    struct str entries;

    if (!take_file_head(&file)) {
        *torn_out = true;
        return;
    }
    while (file.n) {
        if (!take_group(&file, &h, &entries)) {
            *torn_out = true;
            return;
        }
        if (*last && h.first > *last + 1)
            *torn_out = true;
        give(&h, entries, last, entry, ctx);
    }
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

enum rc journal_files(const char *dir, struct buf *out, struct err *e)
{
    char path[JOURNAL_PATH];
    struct dirent *entry;
    uint64_t number;
    DIR *d;

    snprintf(path, sizeof path, "%s/journal", dir);
    d = opendir(path);
    if (!d)
        return err_errno(e, errno, "open %s", path);
    while ((entry = readdir(d)))
        if (str_u64(str_c(entry->d_name), &number))
            buf_put_u64(out, number);
    closedir(d);
    if (out->failed)
        return err_set(e, RC_NO_MEMORY, "%s", path);
    if (out->n)
        qsort(out->p, out->n / sizeof number, sizeof number, by_number);
    return RC_OK;
}
