/*
 * The child: reads an archive from its socket, unpacks it with libarchive, answers member by member. See unpack_wire.h.
 *
 * Runs in a process of its own that may do nothing but this. Owns its memory until it ends; every failure of the socket or
 * of memory ends it. Members are read whole before they are sent, so that their size is known.
 */
#include "scan/unpack_wire.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

struct work {
    int fd;
    struct unpack_ask ask;
    const char *octets;
    char *member; /* content of the member at hand */
    size_t cap;
    uint64_t entries, bytes;
};

static bool get(int fd, void *to, size_t n)
{
    char *p = to;

    while (n) {
        ssize_t k = read(fd, p, n);

        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            return false;
        p += k;
        n -= (size_t)k;
    }
    return true;
}

static void put(int fd, const void *from, size_t n)
{
    const char *p = from;

    while (n) {
        ssize_t k = write(fd, p, n);

        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            _exit(0);
        p += k;
        n -= (size_t)k;
    }
}

static void say(const struct work *w, struct str name, uint64_t size, bool encrypted)
{
    struct unpack_say s = {.size = size, .encrypted = encrypted};

    name = str_first(name, UNPACK_NAME_MOST);
    s.name = (uint32_t)name.n;
    put(w->fd, &s, sizeof s);
    put(w->fd, name.p, name.n);
    put(w->fd, w->member, size);
}

static void say_end(const struct work *w, enum unpack_end end)
{
    struct unpack_say s = {.last = 1, .end = (uint8_t)end};

    put(w->fd, &s, sizeof s);
}

static bool room(struct work *w, size_t n)
{
    size_t cap = w->cap ? w->cap : 65536;
    char *more;

    if (n <= w->cap)
        return true;
    while (cap < n)
        cap *= 2;
    more = realloc(w->member, cap);
    if (!more)
        return false;
    w->member = more;
    w->cap = cap;
    return true;
}

static bool needs_passphrase(struct archive *a)
{
    const char *text = archive_error_string(a);

    return text && (strstr(text, "assphrase") || strstr(text, "ncrypt"));
}

/* The content of the entry into w->member. */
static enum unpack_end content(struct work *w, struct archive *a, size_t *n_out)
{
    size_t n = 0;

    for (;;) {
        const void *block;
        size_t size;
        int64_t at;
        int rc = archive_read_data_block(a, &block, &size, &at);

        *n_out = n;
        if (rc == ARCHIVE_EOF)
            return UNPACK_END_DONE;
        if (rc < ARCHIVE_WARN)
            return needs_passphrase(a) ? UNPACK_END_ENCRYPTED : UNPACK_END_DAMAGED;
        if (at < 0 || (uint64_t)at < n) /* pieces out of order: nothing that mail has */
            return UNPACK_END_DAMAGED;
        if ((uint64_t)at + size > w->ask.bytes - w->bytes)
            return UNPACK_END_BYTES;
        if (w->bytes + (uint64_t)at + size > 1 << 20 && (w->bytes + (uint64_t)at + size) / w->ask.ratio > w->ask.octets)
            return UNPACK_END_RATIO;
        if (!room(w, (size_t)at + size))
            return UNPACK_END_BYTES;
        memset(w->member + n, 0, (size_t)at - n); /* a hole */
        memcpy(w->member + at, block, size);
        n = (size_t)at + size;
    }
}

static struct str name_of(struct archive_entry *e)
{
    const char *name = archive_entry_pathname(e);

    if (!name || !*name)
        name = archive_entry_pathname_utf8(e);
    return str_c(name);
}

static enum unpack_end entries(struct work *w, struct archive *a)
{
    enum unpack_end worst = UNPACK_END_DONE;
    struct archive_entry *e;

    for (;;) {
        int rc = archive_read_next_header(a, &e);
        enum unpack_end end;
        size_t n = 0;

        if (rc == ARCHIVE_EOF)
            return worst;
        if (rc < ARCHIVE_WARN)
            return needs_passphrase(a) || archive_read_has_encrypted_entries(a) > 0 ? UNPACK_END_ENCRYPTED
                   : w->entries                                                     ? UNPACK_END_DAMAGED
                                                                                    : UNPACK_END_NONE;
        if (++w->entries > w->ask.entries)
            return UNPACK_END_ENTRIES;
        if (archive_format(a) == ARCHIVE_FORMAT_RAW && archive_filter_count(a) <= 1)
            return UNPACK_END_NONE; /* neither archive nor packed: the reader of last resort took it */
        if (archive_entry_filetype(e) == AE_IFDIR)
            continue;
        end = content(w, a, &n);
        if (end == UNPACK_END_ENCRYPTED || archive_entry_is_data_encrypted(e)) {
            say(w, name_of(e), 0, true);
            worst = UNPACK_END_ENCRYPTED;
            continue;
        }
        w->bytes += n;
        if (end == UNPACK_END_DONE || end == UNPACK_END_DAMAGED)
            say(w, name_of(e), n, false); /* what there is of it */
        if (end == UNPACK_END_DAMAGED && worst == UNPACK_END_DONE)
            worst = end;
        else if (end != UNPACK_END_DONE && end != UNPACK_END_DAMAGED)
            return end;
    }
}

static struct archive *reader(const struct work *w)
{
    struct archive *a = archive_read_new();

    if (!a)
        return NULL;
    if (w->ask.how == UNPACK_HOW_STREAM) {
        archive_read_support_format_zip_streamable(a);
        return a;
    }
    archive_read_support_filter_gzip(a);
    archive_read_support_filter_bzip2(a);
    archive_read_support_filter_xz(a);
    archive_read_support_filter_lzma(a);
    archive_read_support_filter_zstd(a);
    archive_read_support_filter_lz4(a);
    archive_read_support_filter_compress(a);
    archive_read_support_format_raw(a); /* one file packed by itself */
    if (w->ask.how == UNPACK_HOW_RAW)
        return a;
    archive_read_support_format_zip(a);
    archive_read_support_format_7zip(a);
    archive_read_support_format_rar(a);
    archive_read_support_format_rar5(a);
    archive_read_support_format_tar(a);
    archive_read_support_format_iso9660(a);
    archive_read_support_format_cab(a);
    archive_read_support_format_lha(a);
    archive_read_support_format_cpio(a);
    archive_read_support_format_ar(a);
    archive_read_support_format_xar(a);
    archive_read_set_options(a, "read_concatenated_archives");
    return a;
}

static void serve(struct work *w)
{
    struct archive *a = reader(w);
    enum unpack_end end = UNPACK_END_HELPER;

    w->entries = w->bytes = 0;
    if (a && archive_read_open_memory(a, w->octets, w->ask.octets) == ARCHIVE_OK)
        end = entries(w, a);
    else if (a)
        end = UNPACK_END_NONE;
    say_end(w, end);
    archive_read_free(a);
}

static void bound(const struct unpack_start *start)
{
    struct rlimit none = {0, 0}, memory = {start->memory, start->memory}, seconds;

    seconds.rlim_cur = seconds.rlim_max = start->live_ms / 1000 + 2;
    setrlimit(RLIMIT_CORE, &none);
    setrlimit(RLIMIT_FSIZE, &none);
    setrlimit(RLIMIT_NPROC, &none);
    setrlimit(RLIMIT_CPU, &seconds);
#ifndef __SANITIZE_ADDRESS__
    setrlimit(RLIMIT_AS, &memory);
#else
    (void)memory;
#endif
}

_Noreturn void unpack_child(int fd, const struct unpack_start *start)
{
    struct work w = {.fd = fd};

    bound(start);
    if (!unpack_jail_child())
        _exit(1);
    while (get(fd, &w.ask, sizeof w.ask)) {
        char *octets = w.ask.octets < UNPACK_MEMORY_MOST ? malloc(w.ask.octets + 1) : NULL;

        if (!octets || !get(fd, octets, w.ask.octets))
            _exit(0);
        w.octets = octets;
        serve(&w);
        free(octets);
    }
    _exit(0);
}
