/*
 * Segments that arrived: to record, and when they are on stable storage, acknowledged to the gateway. See pull.h.
 *
 * Called by pull_get.c and over the bus. Owns the files in HOME/central/fetched until record has answered. A record that
 * dies is asked anew what it has and given again what it may not have taken: importing twice changes nothing.
 */
#include "central/pull.h"

#include "base/must.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ASK_MS = 30000, ASK_AGAIN_MS = 5000 };

/* --- what record has
 * ------------------------------------------------------------------------------------------------------------ */

static void answered(void *ctx, enum rc rc, const void *msg)
{
    const struct bus_imports_state *m = msg;
    struct site_key *key = ctx;
    struct pull *p = pull_find(key);

    if (p) {
        p->asking = false;
        p->known = rc == RC_OK && ranges_read(&p->have, m->have);
        if (p->known) {
            for (size_t i = p->n_wanted; i-- > 0;)
                if (ranges_has(&p->have, p->wanted[i].is.epoch, p->wanted[i].is.seq)) {
                    struct listed l = p->wanted[i].is;

                    pull_unwant(p, &l);
                }
            p->epoch = p->seq = 0; /* the listing begins where something is missing */
            site_look(p->site);
        } else {
            p->site->quiet_until_ms = loop_now_ms(p->site->central->o.loop) + ASK_AGAIN_MS;
            site_look(p->site);
        }
    }
    site_key_free(key);
}

void pull_ask(struct pull *p)
{
    struct central *c = p->site->central;
    struct bus_peer *record = bus_peer(c->o.bus, ROLE_record, 0);
    const struct bus_imports_question q = {.serial = str_c(p->site->serial), .kind = segment_kind_word(p->kind)};

    if (p->asking || !record)
        return; /* it comes: on_record() */
    p->asking = true;
    bus_call(c->o.bus, record, BUS_imports_question, &q, ASK_MS, answered, site_key(p->site, p->kind));
}

static void hand_over(const struct pull *p, struct import *i)
{
    const struct bus_segment_fetched m = {.serial = str_c(p->site->serial),
                                          .kind = segment_kind_word(p->kind),
                                          .epoch = i->is.epoch,
                                          .seq = i->is.seq,
                                          .path = str_c(i->path)};

    i->sent = bus_send(p->site->central->o.bus, bus_peer(p->site->central->o.bus, ROLE_record, 0), BUS_segment_fetched, &m);
}

static void on_record(void *ctx, struct bus_peer *peer)
{
    struct central *c = ctx;

    if (peer->role != ROLE_record)
        return;
    contacts_tell(c, peer);
    for (struct site *s = c->sites; s; s = s->next)
        for (unsigned k = 0; k < SEGMENT_KINDS; k++) {
            struct pull *p = &s->pull[k];

            p->known = false;
            for (struct import *i = p->imports; i; i = i->next)
                hand_over(p, i);
            if (pull_wants(p))
                pull_ask(p);
        }
}

/* --- imports
 * -------------------------------------------------------------------------------------------------------------------- */

void pull_import(struct pull *p, const struct listed *l, const char *path, uint64_t took_ms)
{
    struct import *i = calloc(1, sizeof *i);

    must(i);
    i->is = *l;
    i->took_ms = took_ms;
    snprintf(i->path, sizeof i->path, "%s", path);
    i->next = p->imports;
    p->imports = i;
    p->n_imports++;
    hand_over(p, i);
}

static void acknowledge(struct pull *p, const struct listed *l)
{
    size_t at = p->n_acks;

    if (p->n_acks == p->cap_acks) {
        p->cap_acks = p->cap_acks ? p->cap_acks * 2 : 16;
        must((p->acks = realloc(p->acks, p->cap_acks * sizeof *p->acks)));
    }
    while (at && (p->acks[at - 1].epoch > l->epoch || (p->acks[at - 1].epoch == l->epoch && p->acks[at - 1].seq > l->seq)))
        at--;
    memmove(p->acks + at + 1, p->acks + at, (p->n_acks - at) * sizeof *p->acks);
    p->acks[at] = *l;
    p->n_acks++;
}

static void good(struct pull *p, const struct import *i)
{
    struct central *c = p->site->central;
    bool tracking = p->kind == SEGMENT_TRACKING;
    char seconds[32];

    snprintf(seconds, sizeof seconds, "%" PRIu64 ".%02u", i->took_ms / 1000, (unsigned)(i->took_ms % 1000 / 10));
    event(c->o.events, segment_transferred, .kind = tracking, .host = str_c(p->site->name),
          .file = str_c(strrchr(i->path, '/') + 1), .bytes = i->is.bytes, .seconds = str_c(seconds));
    contact_transfer(c, str_c(p->site->name), tracking ? CONTACT_TRACKING : CONTACT_REPORTING, i->is.bytes);
    ranges_add(&p->have, i->is.epoch, i->is.seq);
    acknowledge(p, &i->is);
    pulls_go_on(c);
}

static void bad(struct pull *p, const struct import *i, enum rc rc, const char *why)
{
    struct central *c = p->site->central;

    pull_want(p, &i->is, rc == RC_NO_SPACE ? 0 : loop_now_ms(c->o.loop) + PULL_AGAIN_MS);
    if (rc == RC_NO_SPACE)
        pulls_pause(c, why);
    else
        event(c->o.events, segment_refused, .kind = p->kind == SEGMENT_TRACKING, .host = str_c(p->site->name),
              .file = str_c(strrchr(i->path, '/') + 1), .why = str_c(why));
}

static void on_imported(void *ctx, const struct bus_in *in)
{
    const struct bus_segment_imported *m = in->msg;
    struct pull *p = pull_of_serial(ctx, m->serial, m->kind);
    struct import **at = p ? &p->imports : NULL, *i;
    char why[ERR_TEXT_MAX];

    while (at && *at && ((*at)->is.epoch != m->epoch || (*at)->is.seq != m->seq))
        at = &(*at)->next;
    if (!at || !*at)
        return;
    i = *at;
    *at = i->next;
    p->n_imports--;
    unlink(i->path);
    snprintf(why, sizeof why, "%.*s", STR(str_first(m->why, sizeof why - 1)));
    if (m->rc == RC_OK)
        good(p, i);
    else
        bad(p, i, m->rc < RC_COUNT ? (enum rc)m->rc : RC_INTERNAL, *why ? why : "it cannot be imported");
    free(i);
    site_look(p->site);
}

/* Record may still read them: the files stay, imports_begin() of the next life removes them. */
void pull_imports_done(struct pull *p)
{
    while (p->imports) {
        struct import *i = p->imports;

        p->imports = i->next;
        free(i);
    }
}

/* --- acknowledgements
 * ------------------------------------------------------------------------------------------------------------ */

struct ack_job {
    struct site_key *key;
    struct listed first, last;
    char command[240];
};

static enum rc say(struct ssh_line *l, void *ctx, struct err *e)
{
    const struct ack_job *j = ctx;
    struct buf reply = BUF(65536);
    enum rc rc = ssh_line_verb(l, str_c(j->command), STR_NONE, &reply, -1, e);

    buf_done(&reply);
    return rc;
}

static void said(void *ctx, enum rc rc, const struct err *e)
{
    struct ack_job *j = ctx;
    struct pull *p = pull_find(j->key);
    uint64_t run = j->last.seq - j->first.seq + 1;

    if (p) {
        p->acking = false;
        /* a refusal (it was evicted meanwhile) is an answer too; a lost connection is not */
        if (rc == RC_OK || (e->text[0] == '4' && strncmp(e->text, "429 ", 4) != 0)) {
            size_t at = 0, n;

            while (at < p->n_acks && (p->acks[at].epoch != j->first.epoch || p->acks[at].seq != j->first.seq))
                at++;
            n = p->n_acks - at < run ? p->n_acks - at : (size_t)run;
            memmove(p->acks + at, p->acks + at + n, (p->n_acks - at - n) * sizeof *p->acks);
            p->n_acks -= n;
        } else {
            site_failed(p->site, rc);
        }
        site_look(p->site);
    }
    site_key_free(j->key);
    free(j);
}

/* The first run of neighbours, in one verb. Nothing is put before the run's first while it is under way that would touch it:
 * what comes joins behind or stands apart. */
void pull_ack(struct pull *p)
{
    struct ack_job *j = calloc(1, sizeof *j);
    char digest[65];
    size_t n = 1;

    must(j);
    while (n < p->n_acks && p->acks[n].epoch == p->acks[0].epoch && p->acks[n].seq == p->acks[n - 1].seq + 1)
        n++;
    j->key = site_key(p->site, p->kind);
    j->first = p->acks[0];
    j->last = p->acks[n - 1];
    listing_hex(j->last.digest, digest);
    if (n == 1)
        snprintf(j->command, sizeof j->command, "ack %.*s %" PRIu64 " %" PRIu64 " %s", STR(segment_kind_word(p->kind)),
                 j->first.epoch, j->first.seq, digest);
    else
        snprintf(j->command, sizeof j->command, "ack %.*s %" PRIu64 " %" PRIu64 "-%" PRIu64 " %s",
                 STR(segment_kind_word(p->kind)), j->first.epoch, j->first.seq, j->last.seq, digest);
    p->acking = true;
    line_job(p->site->central, str_c(p->site->name), LINE_BULK, say, said, j);
}

/* --- beginning
 * -------------------------------------------------------------------------------------------------------------------- */

/* Whole segments of a former life are fetched again (record may have had them); halves are gone on with. */
static void clear_fetched(const char *home)
{
    char dir[SEGMENT_PATH], path[SEGMENT_PATH + 300];
    struct dirent *d;
    DIR *at;

    snprintf(dir, sizeof dir, "%s/central", home);
    mkdir(dir, 0700);
    snprintf(dir, sizeof dir, "%s/central/fetched", home);
    mkdir(dir, 0700);
    at = opendir(dir);
    while (at && (d = readdir(at))) {
        if (!str_ends(str_c(d->d_name), str_lit(".seg")))
            continue;
        snprintf(path, sizeof path, "%s/%s", dir, d->d_name);
        unlink(path);
    }
    if (at)
        closedir(at);
}

void imports_begin(struct central *c)
{
    clear_fetched(c->o.home);
    bus_on(c->o.bus, BUS_segment_imported, on_imported, c);
    bus_on_peer(c->o.bus, on_record, NULL, c);
}
