/*
 * get: the octets of a segment into HOME/central/fetched. See pull.h.
 *
 * Called by pull.c. The job runs in the gateway's thread. Owns the file until it is whole: what was there when a connection
 * broke stays and is gone on with; a file whose digest is not the listed one is dropped and fetched again later.
 */
#include "central/pull.h"

#include "base/clock.h"
#include "base/io.h"
#include "base/must.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct get_job {
    struct site_key *key;
    struct listed is;
    char part[SEGMENT_PATH], path[SEGMENT_PATH];
    uint64_t began_ms, took_ms;
    unsigned code; /* of an ERR */
    bool damaged;  /* it arrived, but is not what was listed */
};

/* --- in the thread
 * ------------------------------------------------------------------------------------------------------------- */

static enum rc receive(struct ssh_line *l, struct get_job *j, int fd, uint64_t from, struct err *e)
{
    struct buf reply = BUF(1 << 20);
    char command[160];
    enum rc rc;

    snprintf(command, sizeof command, "get %.*s %" PRIu64 " %" PRIu64 " %" PRIu64, STR(segment_kind_word(j->key->kind)),
             j->is.epoch, j->is.seq, from);
    rc = ssh_line_verb(l, str_c(command), STR_NONE, &reply, fd, e);
    j->code = ssh_line_code(l);
    buf_done(&reply);
    return rc;
}

static enum rc check(struct get_job *j, struct err *e)
{
    char digest[SEGMENT_DIGEST], wanted[65];
    uint64_t bytes;

    TRY(segment_digest(j->part, &bytes, digest, e));
    listing_hex(j->is.digest, wanted);
    if (bytes == j->is.bytes && strcmp(digest, wanted) == 0)
        return RC_OK;
    j->damaged = true;
    unlink(j->part);
    return bytes == j->is.bytes ? err_set(e, RC_CORRUPT, "its digest is not the listed one")
                                : err_set(e, RC_CORRUPT, "%" PRIu64 " octets instead of %" PRIu64, bytes, j->is.bytes);
}

static enum rc fetch(struct ssh_line *l, void *ctx, struct err *e)
{
    struct get_job *j = ctx;
    struct stat file = {0};
    enum rc rc = RC_OK;
    int fd = open(j->part, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0)
        return err_errno(e, errno, "%s", j->part);
    if (fstat(fd, &file) != 0 || (uint64_t)file.st_size > j->is.bytes) {
        file.st_size = 0;
        if (ftruncate(fd, 0) != 0)
            rc = err_errno(e, errno, "%s", j->part);
    }
    if (rc == RC_OK && (uint64_t)file.st_size < j->is.bytes)
        rc = receive(l, j, fd, (uint64_t)file.st_size, e);
    close(fd);
    if (rc == RC_OK)
        rc = check(j, e);
    if (rc == RC_OK)
        rc = io_rename("central.fetched", j->part, j->path, e);
    j->took_ms = clock_mono_ms() - j->began_ms;
    return rc;
}

/* --- on the loop
 * --------------------------------------------------------------------------------------------------------------- */

static void damaged(struct pull *p, const struct get_job *j, const struct err *e)
{
    struct central *c = p->site->central;

    event(c->o.events, segment_refused, .kind = p->kind == SEGMENT_TRACKING, .host = str_c(p->site->name),
          .file = str_c(strrchr(j->path, '/') + 1), .why = str_c(err_text(e)));
    pull_want(p, &j->is, loop_now_ms(c->o.loop) + PULL_AGAIN_MS);
}

/* It is no longer there: listed from there on again, record learns that it is lost. */
static void evicted(struct pull *p, const struct get_job *j)
{
    unlink(j->part);
    if (p->epoch > j->is.epoch || (p->epoch == j->is.epoch && p->seq > j->is.seq)) {
        p->epoch = j->is.epoch;
        p->seq = j->is.seq;
    }
    p->list_ms = loop_now_ms(p->site->central->o.loop);
}

static void failed(struct pull *p, const struct get_job *j, enum rc rc, const struct err *e)
{
    struct central *c = p->site->central;

    if (j->damaged) {
        damaged(p, j, e);
    } else if (j->code == 410 || j->code == 404) {
        evicted(p, j);
    } else {
        pull_want(p, &j->is, 0);
        if (rc == RC_NO_SPACE)
            pulls_pause(c, err_text(e));
        else
            site_failed(p->site, rc == RC_NOT_PERMITTED ? RC_UNAVAILABLE : rc);
    }
}

static void fetched(void *ctx, enum rc rc, const struct err *e)
{
    struct get_job *j = ctx;
    struct pull *p = pull_find(j->key);

    if (!p && rc == RC_OK)
        unlink(j->path);
    if (p) {
        p->getting = false;
        if (rc == RC_OK) {
            site_good(p->site);
            pull_import(p, &j->is, j->path, j->took_ms);
        } else {
            failed(p, j, rc, e);
        }
        site_look(p->site);
    }
    site_key_free(j->key);
    free(j);
}

/* Serial numbers are foreign text: what is no plain character becomes '_'. */
static void file_name(const struct pull *p, const struct listed *l, const char *end, char out[SEGMENT_PATH])
{
    int n = snprintf(out, SEGMENT_PATH, "%s/central/fetched/", p->site->central->o.home);
    const char *s = p->site->serial;

    for (; *s && n < SEGMENT_PATH - 100; s++)
        out[n++] = (*s >= '0' && *s <= '9') || (*s >= 'A' && *s <= 'Z') || (*s >= 'a' && *s <= 'z') || *s == '-' ? *s : '_';
    snprintf(out + n, SEGMENT_PATH - (size_t)n, ".%.*s.%" PRIu64 "-%" PRIu64 ".%s", STR(segment_kind_word(p->kind)),
             l->epoch, l->seq, end);
}

void pull_get(struct pull *p, const struct listed *l)
{
    struct get_job *j = calloc(1, sizeof *j);

    must(j);
    j->key = site_key(p->site, p->kind);
    j->is = *l;
    j->began_ms = clock_mono_ms();
    file_name(p, l, "part", j->part);
    file_name(p, l, "seg", j->path);
    pull_unwant(p, &j->is);
    p->getting = true;
    line_job(p->site->central, str_c(p->site->name), LINE_BULK, fetch, fetched, j);
}
