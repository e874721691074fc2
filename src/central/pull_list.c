/*
 * list-exports: what a gateway has for us. See pull.h.
 *
 * Called by pull.c. The job runs in the gateway's thread, which reads the lines; on the loop what is new is wanted and
 * record is told all of it (segments_listed), so that it knows what was lost over there. A listing that makes no sense
 * changes nothing.
 */
#include "central/pull.h"

#include "base/must.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { REPLY_MAX = 4 << 20, TOLD_AT_ONCE = 256 << 10 };

struct list_job {
    struct site_key *key;
    char command[120];
    struct buf reply;
    struct listed *found;
    size_t n, cap;
};

static enum rc read_lines(struct list_job *j, struct str lines, struct err *e)
{
    struct str line;

    j->n = 0;
    while (lines.n && str_split(&lines, '\n', &line)) {
        if (!line.n)
            continue;
        if (j->n == j->cap) {
            j->cap = j->cap ? j->cap * 2 : 16;
            must((j->found = realloc(j->found, j->cap * sizeof *j->found)));
        }
        TRY(listing_line(line, &j->found[j->n], e));
        j->n++;
    }
    return RC_OK;
}

/* In the thread. */
static enum rc ask(struct ssh_line *l, void *ctx, struct err *e)
{
    struct list_job *j = ctx;
    struct str text;

    TRY(ssh_line_verb(l, str_c(j->command), STR_NONE, &j->reply, -1, e));
    text = buf_str(&j->reply);
    return read_lines(j, str_from(text, str_find(text, '\n') + 1), e);
}

static void tell_record(const struct pull *p, struct str lines)
{
    struct bus *bus = p->site->central->o.bus;

    while (lines.n) {
        struct str part = str_first(lines, TOLD_AT_ONCE);

        if (part.n < lines.n)
            part = str_first(part, str_find_last(part, '\n') + 1);
        bus_send_all(bus, ROLE_record, BUS_segments_listed,
                     &(struct bus_segments_listed){
                         .serial = str_c(p->site->serial), .kind = segment_kind_word(p->kind), .lines = part});
        lines = str_from(lines, part.n);
    }
}

static bool importing(const struct pull *p, const struct listed *l)
{
    for (const struct import *i = p->imports; i; i = i->next)
        if (i->is.epoch == l->epoch && i->is.seq == l->seq)
            return true;
    return false;
}

static void take(struct pull *p, const struct list_job *j)
{
    struct str text = buf_str(&j->reply);

    p->more = j->n > 0 && p->n_wanted + j->n < PULL_WANTED;
    for (size_t i = 0; i < j->n; i++) {
        const struct listed *l = &j->found[i];

        p->epoch = l->epoch;
        p->seq = l->seq + l->seqs;
        if (l->lost)
            pull_unwant(p, l);
        else if (!importing(p, l))
            pull_want(p, l, 0);
    }
    if (j->n)
        tell_record(p, str_from(text, str_find(text, '\n') + 1));
}

static void listed(void *ctx, enum rc rc, const struct err *e)
{
    struct list_job *j = ctx;
    struct pull *p = pull_find(j->key);

    if (p) {
        p->listing = false;
        p->more = false;
        if (rc == RC_OK) {
            site_good(p->site);
            take(p, j);
        } else if (strncmp(e->text, "403 ", 4) != 0 && strncmp(e->text, "429 ", 4) != 0) {
            site_failed(p->site, rc == RC_NOT_PERMITTED ? RC_UNAVAILABLE : rc);
        } /* else the service is off over there, or asks us to come later: at the next turn */
        site_look(p->site);
    }
    site_key_free(j->key);
    buf_done(&j->reply);
    free(j->found);
    free(j);
}

void pull_list(struct pull *p)
{
    struct list_job *j = calloc(1, sizeof *j);

    must(j);
    j->key = site_key(p->site, p->kind);
    j->reply = BUF(REPLY_MAX);
    if (!p->epoch && !p->seq)
        ranges_gap(&p->have, &p->epoch, &p->seq);
    snprintf(j->command, sizeof j->command, "list-exports %.*s %" PRIu64 " %" PRIu64 "%s", STR(segment_kind_word(p->kind)),
             p->epoch, p->seq, p->kind == SEGMENT_TRACKING ? " cut" : "");
    p->listing = true;
    line_job(p->site->central, str_c(p->site->name), LINE_BULK, ask, listed, j);
}
