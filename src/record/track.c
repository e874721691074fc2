/*
 * The verb `tracking`: words to a query, the search in the pool, its answer. See track.h.
 *
 * Called by verbs.c. Owns each question from the call to its answer. What fails is answered with its text.
 */
#include "record/track.h"

#include "base/clock.h"
#include "base/must.h"
#include "record/inside.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { SEARCHES_MOST = 2, TEXT_MOST = 48 << 20, ARENA_MOST = 512 << 20, WATCH_MS = 60000 };

struct track_job {
    struct record *r;
    struct bus_peer *from;
    uint64_t call, begin_ms;
    struct arena arena;
    struct tracking *store;
    struct tracking_query q;
    struct tracking_hits hits;
    struct str user, words;
    bool show, subject;
    enum rc rc;
    struct err e;
    struct buf text, json;
    struct track_job *next;
};

/* --- the store ------------------------------------------------------------------------------------------------------- */

static struct tracking_options options(const struct record *r)
{
    const struct conf *conf = r->conf ? conf_now(r->conf) : NULL;

    if (!conf)
        return (struct tracking_options){0};
    return (struct tracking_options){
        .max_bytes = conf->tracking.max_bytes, .rejected = conf->tracking.rejected, .no_subject = !conf->tracking.subject};
}

void track_init(struct record *r, const char *home)
{
    size_t n = strlen(home) + sizeof "/tracking";

    must((r->track.dir = malloc(n)));
    snprintf(r->track.dir, n, "%s/tracking", home);
}

struct tracking *record_tracking(struct record *r, struct err *e)
{
    struct tracking_options o = options(r);
    struct err why = ERR_NONE;

    if (r->track.store)
        return r->track.store;
    if (tracking_open(r->track.dir, &o, &r->track.store, &why) == RC_OK) {
        r->track.told = false;
        return r->track.store;
    }
    if (!r->track.told)
        event(r->events, tracking_unusable, .why = str_c(err_text(&why)));
    r->track.told = true;
    err_set(e, RC_UNAVAILABLE, "tracking data cannot be used: %s", err_text(&why));
    return NULL;
}

void track_apply(struct record *r)
{
    struct tracking_options o = options(r);

    if (r->track.store)
        tracking_options_set(r->track.store, &o);
}

bool track_idle(const struct record *r)
{
    return !r->track.running && !r->track.wait;
}

void track_done(struct record *r)
{
    must(track_idle(r));
    tracking_close(r->track.store);
    free(r->track.dir);
}

/* --- a question -------------------------------------------------------------------------------------------------------- */

static void answer(struct track_job *j)
{
    struct bus_verb_reply reply;

    if (j->rc != RC_OK) {
        buf_clear(&j->text);
        buf_clear(&j->json);
        buf_addf(&j->text, "%s\n", err_text(&j->e));
    } else if (j->r->events && j->words.n) {
        event(j->r->events, tracking_searched, .user = j->user.n ? j->user : str_lit("admin"), .words = j->words,
              .hits = j->hits.n, .ms = clock_mono_ms() - j->begin_ms);
    }
    reply = (struct bus_verb_reply){.rc = j->rc, .text = buf_str(&j->text), .json = buf_str(&j->json)};
    bus_reply(j->r->bus, j->from, j->call, BUS_verb_reply, &reply);
    buf_done(&j->text);
    buf_done(&j->json);
    arena_done(&j->arena);
    free(j);
}

static void work(void *ctx)
{
    struct track_job *j = ctx;

    if (j->show) {
        j->rc = track_show(j->store, &j->q, &j->arena, j->subject, &j->text, &j->json, &j->e);
        return;
    }
    j->rc = tracking_search(j->store, &j->q, &j->arena, &j->hits, &j->e);
    if (j->rc == RC_OK)
        track_list(&j->hits, &j->q, &j->text, &j->json);
    if (j->text.failed || j->json.failed)
        j->rc = err_set(&j->e, RC_TOO_LARGE, "the result is too large, lower the limit");
}

static void begin(struct track_job *j);

static void done(void *ctx)
{
    struct track_job *j = ctx, *next;
    struct record *r = j->r;

    r->track.running--;
    answer(j);
    next = r->track.wait;
    if (next) {
        r->track.wait = next->next;
        begin(next);
    }
}

static void begin(struct track_job *j)
{
    j->r->track.running++;
    loop_work(j->r->loop, work, done, j);
}

static void queue(struct track_job *j)
{
    struct track_job **at = &j->r->track.wait;

    if (j->r->track.running < SEARCHES_MOST) {
        begin(j);
        return;
    }
    while (*at)
        at = &(*at)->next;
    *at = j;
}

static enum rc read_words(struct track_job *j, struct str args)
{
    const struct conf *conf = j->r->conf ? conf_now(j->r->conf) : NULL;
    uint64_t most = conf ? conf->tracking.max_results : 1000;
    struct str word;
    bool first = true;

    j->subject = !conf || conf->tracking.subject;
    tracking_query_init(&j->q, most);
    j->q.deadline_ms = j->begin_ms + (conf ? conf->tracking.timeout_ms : 60000);
    for (; get_str(&args, &word); first = false) {
        if (first && str_eqi(word, str_lit("show"))) {
            j->show = true;
            continue;
        }
        if (!word.n)
            continue;
        TRY(tracking_query_word(&j->q, &j->arena, word, &j->e));
        j->words = arena_printf(&j->arena, "%.*s%s%.*s", STR(j->words), j->words.n ? " " : "", STR(str_first(word, 200)));
    }
    if (j->show && !j->q.mid && !j->q.uid.n)
        return err_set(&j->e, RC_SYNTAX, "expected the MID or the uid of a message");
    if (j->q.limit > most || j->q.offset > most)
        return err_set(&j->e, RC_LIMIT, "at most %" PRIu64 " results are shown (tracking.max_results)", most);
    return RC_OK;
}

/* `tracking status`: what the store holds. */
static void status(struct track_job *j)
{
    uint64_t first, last, bytes = tracking_bytes(j->store), messages = tracking_messages(j->store);

    tracking_span(j->store, STR_NONE, &first, &last);
    buf_addf(&j->text, "Messages: %" PRIu64 "\nSpace used: %" PRIu64 " bytes of %" PRIu64 "\n", messages, bytes,
             options(j->r).max_bytes);
    buf_addf(&j->json,
             "{\"messages\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"max_bytes\":%" PRIu64 ",\"first\":%" PRIu64
             ",\"last\":%" PRIu64 "}",
             messages, bytes, options(j->r).max_bytes, first, last);
    if (messages) {
        char a[24], b[24];

        render_ctime(first, a);
        render_ctime(last, b);
        buf_addf(&j->text, "From: %.24s\nTo: %.24s\n", a, b);
    }
    answer(j);
}

bool track_verb(struct record *r, const struct bus_in *in)
{
    const struct bus_verb_call *call = in->msg;
    struct str args = call->args, first = STR_NONE;
    struct track_job *j;

    get_str(&args, &first);
    if (str_eqi(first, str_lit("availability")))
        return false;
    must((j = calloc(1, sizeof *j)));
    j->r = r;
    j->from = in->from;
    j->call = in->call;
    j->begin_ms = clock_mono_ms();
    arena_init(&j->arena, 16384, ARENA_MOST);
    j->text = j->json = BUF(TEXT_MOST);
    j->user = arena_str(&j->arena, call->user);
    j->store = record_tracking(r, &j->e);
    if (!j->store) {
        j->rc = RC_UNAVAILABLE;
        answer(j);
    } else if (str_eqi(first, str_lit("status")) && !args.n) {
        status(j);
    } else if ((j->rc = read_words(j, call->args)) != RC_OK) {
        answer(j);
    } else {
        bus_send_all(r->bus, ROLE_central, BUS_tracking_watched, &(struct bus_tracking_watched){.ms = WATCH_MS});
        queue(j);
    }
    return true;
}
