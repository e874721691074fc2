/*
 * Numbered versions of the configuration in files. See versions.h.
 *
 * Called by init (first version) and by control (start, commit, rollback). Owns HOME/conf. A commit that fails leaves the
 * old version in force: the file comes first, the pointer to it last, each by write, sync, rename, sync of the directory.
 */
#include "conf/versions.h"

#include "base/clock.h"
#include "base/io.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { FILE_LIMIT = 64 << 20 };

static void path_to(const char *home, uint64_t version, char out[PATH_MAX])
{
    if (version)
        snprintf(out, PATH_MAX, "%s/conf/versions/%06" PRIu64 ".xml", home, version);
    else
        snprintf(out, PATH_MAX, "%s/conf/current", home);
}

enum rc conf_versions_init(const char *home, struct err *e)
{
    static const char *const parts[] = {"conf", "conf/versions"};
    char path[PATH_MAX];

    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", home, parts[i]);
        if (mkdir(path, 0700) != 0 && errno != EEXIST)
            return err_errno(e, errno, "%s", path);
    }
    return RC_OK;
}

static bool version_number(const char *name, uint64_t *out)
{
    struct str s = str_c(name);

    return str_ends(s, str_lit(".xml")) && str_u64(str_first(s, s.n - 4), out);
}

static int newest_first(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? 1 : x > y ? -1 : 0;
}

/* Numbers of all versions, newest first, in b (u64 each). */
static enum rc list(const char *home, struct buf *b, struct err *e)
{
    char path[PATH_MAX];
    struct dirent *entry;
    uint64_t v;
    DIR *dir;

    snprintf(path, sizeof path, "%s/conf/versions", home);
    dir = opendir(path);
    if (!dir)
        return err_errno(e, errno, "%s", path);
    while ((entry = readdir(dir))) {
        if (version_number(entry->d_name, &v))
            buf_add(b, str_of(&v, sizeof v));
    }
    closedir(dir);
    if (b->n)
        qsort(b->p, b->n / sizeof v, sizeof v, newest_first);
    return b->failed ? err_set(e, RC_NO_MEMORY, "too many versions") : RC_OK;
}

static uint64_t current_number(const char *home)
{
    struct buf b = BUF(64);
    char path[PATH_MAX];
    uint64_t v = 0;

    path_to(home, 0, path);
    if (io_read_file(path, &b, NULL) != RC_OK || !str_u64(str_trim(buf_str(&b)), &v))
        v = 0;
    buf_done(&b);
    return v;
}

static enum rc point_to(const char *home, uint64_t version, struct err *e)
{
    char path[PATH_MAX], text[24];
    int n = snprintf(text, sizeof text, "%06" PRIu64 "\n", version);

    path_to(home, 0, path);
    return io_replace_file("conf.current", path, str_of(text, (size_t)n), e);
}

/* Makes the version written the current one. When that fails half-way the pointer is put back, as far as the disk allows. */
static enum rc make_current(const char *home, uint64_t version, struct err *e)
{
    uint64_t old = current_number(home);
    enum rc rc = point_to(home, version, e);

    if (rc != RC_OK && old)
        point_to(home, old, NULL);
    return rc;
}

enum rc conf_versions_commit(const char *home, const struct conf *c, struct str user, struct str comment,
                             uint64_t *version_out, struct err *e)
{
    struct buf numbers = BUF(1 << 24), file = BUF(FILE_LIMIT);
    struct conf_header h = {.version = 1, .user = user, .comment = comment, .time_ms = clock_wall_ms()};
    char path[PATH_MAX];
    enum rc rc = list(home, &numbers, e);

    if (rc == RC_OK && numbers.n) {
        memcpy(&h.version, numbers.p, sizeof h.version);
        h.version++;
    }
    if (rc == RC_OK) {
        conf_xml_write(c, &h, true, &file);
        rc = file.failed ? err_set(e, RC_TOO_LARGE, "the configuration is too large") : RC_OK;
    }
    path_to(home, h.version, path);
    if (rc == RC_OK)
        rc = io_replace_file("conf.version", path, buf_str(&file), e);
    if (rc == RC_OK)
        rc = make_current(home, h.version, e);
    if (rc == RC_OK)
        *version_out = h.version;
    buf_done(&numbers);
    buf_done(&file);
    return rc;
}

enum rc conf_versions_read(const char *home, uint64_t version, struct conf_draft **out, struct err *e)
{
    struct buf file = BUF(FILE_LIMIT);
    struct conf_draft *d = conf_draft_new();
    char path[PATH_MAX];
    enum rc rc;

    path_to(home, version, path);
    rc = d ? io_read_file(path, &file, e) : err_set(e, RC_NO_MEMORY, "no memory");
    if (rc == RC_OK)
        rc = conf_xml_read(d, buf_str(&file), e);
    if (rc == RC_OK) {
        d->conf.version = version;
        *out = d;
    } else {
        err_wrap(e, rc, "configuration %06" PRIu64, version);
        conf_draft_free(d);
    }
    buf_done(&file);
    return rc;
}

enum rc conf_versions_current(const char *home, struct conf_draft **out, struct err *broken, struct err *e)
{
    struct buf numbers = BUF(1 << 24);
    uint64_t current = current_number(home), v;
    enum rc rc = RC_NOT_FOUND;
    struct err first = ERR_NONE;

    if (current)
        rc = conf_versions_read(home, current, out, &first);
    else
        err_set(&first, RC_CORRUPT, "%s/conf/current names no version", home);
    if (rc != RC_OK && list(home, &numbers, e) == RC_OK) {
        for (size_t i = 0; rc != RC_OK && i < numbers.n; i += sizeof v) {
            memcpy(&v, numbers.p + i, sizeof v);
            if (v != current && (current == 0 || v < current))
                rc = conf_versions_read(home, v, out, e);
        }
    }
    buf_done(&numbers);
    if (rc != RC_OK && e)
        *e = first;
    if (broken)
        *broken = first;
    return rc;
}

enum rc conf_versions_each(const char *home, bool (*fn)(void *ctx, const struct conf_header *h, bool current), void *ctx,
                           struct err *e)
{
    struct buf numbers = BUF(1 << 24), file = BUF(FILE_LIMIT);
    uint64_t current = current_number(home), v;
    enum rc rc = list(home, &numbers, e);
    bool more = true;

    for (size_t i = 0; rc == RC_OK && more && i < numbers.n; i += sizeof v) {
        struct conf_header h = {0};
        char path[PATH_MAX];
        struct arena a;

        memcpy(&v, numbers.p + i, sizeof v);
        path_to(home, v, path);
        buf_clear(&file);
        arena_init(&a, 512, 1 << 20);
        if (io_read_file(path, &file, NULL) == RC_OK)
            conf_xml_header(&a, buf_str(&file), &h);
        h.version = v;
        more = fn(ctx, &h, v == current);
        arena_done(&a);
    }
    buf_done(&numbers);
    buf_done(&file);
    return rc;
}
