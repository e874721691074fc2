/*
 * Anti-virus: clamd over the whole message and over each part as we read it.
 *
 * Called by the pipeline. Owns nothing beyond the message's arena. The engine reads MIME in its own way; where ours finds
 * other parts (encodings, members of archives), it gets them one by one, so that a trick has to fool both. What neither can
 * look into (too large, encrypted, cut by a limit) is a verdict: encrypted or unscannable, never clean.
 */
#include "scan/actions.h"
#include "scan/rescan.h"
#include "scan/stage.h"
#include "scan/world.h"

enum { ITEMS_MAX = 2000, WHOLE = 0 };
enum { AWAY_WAIT };

/* Is the part already in the octets of the message as it is, for every reader? */
static bool lies_open(const struct mime_part *p)
{
    return !p->member &&
           (!p->encoding.n || str_eq(p->encoding, str_lit("7bit")) || str_eq(p->encoding, str_lit("8bit")) ||
            str_eq(p->encoding, str_lit("binary"))) &&
           str_startsi(p->type, str_lit("text/"));
}

static struct str name_of(const struct mime_part *p)
{
    return p->name.n ? p->name : p->path;
}

static void add(struct virus_talk *t, struct str octets, struct mime_part *part, uint64_t max)
{
    struct virus_item *i = &t->items[t->n];

    *i = (struct virus_item){.octets = octets, .part = part, .name = part ? name_of(part) : str_lit("message")};
    if (octets.n > max) {
        i->answered = true;
        i->result = VIRUS_UNSCANNABLE;
        i->virus = str_lit("too big");
    }
    t->n++;
}

/* What our own reading says of a part: as if the engine had answered. */
static void known(struct virus_talk *t, struct mime_part *p)
{
    if (t->n == ITEMS_MAX || (!p->encrypted && !p->unscannable.n))
        return;
    t->items[t->n++] = (struct virus_item){.name = name_of(p),
                                           .part = p,
                                           .answered = true,
                                           .result = p->unscannable.n ? VIRUS_UNSCANNABLE : VIRUS_ENCRYPTED,
                                           .virus = p->unscannable.n ? p->unscannable : str_lit("Encrypted")};
}

static bool gather(struct message *m, struct virus_talk *t)
{
    struct mime *mime = message_content(m);
    uint64_t max = m->conf->antivirus.max_bytes;

    t->items = arena_array(m->arena, struct virus_item, ITEMS_MAX + 1);
    if (!t->items)
        return false;
    add(t, message_octets(m), NULL, max);
    for (struct mime_part *p = mime->all; p; p = p->all_next) {
        known(t, p);
        if (p->multipart || p->message || lies_open(p))
            continue;
        if (t->n >= ITEMS_MAX)
            return false;
        if (mime_body(mime, p).n)
            add(t, mime_body(mime, p), p, max);
    }
    return !mime->cut;
}

/* The parts that the engine saw as a piece of the whole only: which of them is it? */
static bool gather_open(struct message *m, struct virus_talk *t)
{
    struct mime *mime = message_content(m);

    t->items = arena_array(m->arena, struct virus_item, ITEMS_MAX + 1);
    for (struct mime_part *p = mime->all; p && t->items; p = p->all_next)
        if (!p->multipart && !p->message && lies_open(p) && t->n < ITEMS_MAX && mime_body(mime, p).n)
            add(t, mime_body(mime, p), p, m->conf->antivirus.max_bytes);
    return t->n;
}

/* --- the verdict --------------------------------------------------------------------------------------------------------
 */

/* Which of two results decides. */
static unsigned weight(enum virus_result r)
{
    static const unsigned weights[] = {[VIRUS_CLEAN] = 0, [VIRUS_ENCRYPTED] = 1, [VIRUS_UNSCANNABLE] = 2, [VIRUS_FOUND] = 3};

    return weights[r];
}

/* Another part with the result that decides. */
static void in_question(struct message *m, struct virus_finding *f, const struct virus_item *item)
{
    if (f->parts.n < 4000)
        f->parts = arena_printf(m->arena, "%.*s%.*s\n", STR(f->parts), STR(item->name));
    if (!f->items)
        f->items = arena_array(m->arena, struct mime_part *, 2 * ITEMS_MAX + 2);
    if (f->items && f->n_items < 2 * ITEMS_MAX + 2)
        f->items[f->n_items++] = item->part;
}

static struct virus_finding sum(struct message *m, const struct virus_talk *t, bool whole)
{
    struct virus_finding f = {.result = whole ? VIRUS_CLEAN : VIRUS_UNSCANNABLE,
                              .virus = whole ? STR_NONE : str_lit("too many parts")};

    for (size_t i = 0; i < t->n; i++) {
        const struct virus_item *item = &t->items[i];

        if (weight(item->result) > weight((enum virus_result)f.result)) {
            f.result = item->result;
            f.virus = item->virus;
            f.parts = STR_NONE;
            f.n_items = 0;
        }
        if (item->part && item->result != VIRUS_CLEAN && item->result == (enum virus_result)f.result)
            in_question(m, &f, item);
    }
    return f;
}

static struct str lower(struct arena *a, struct str s)
{
    struct str copy = arena_str(a, s);

    for (size_t i = 0; i < copy.n; i++)
        ((char *)(uintptr_t)copy.p)[i] = ascii_lower(copy.p[i]);
    return copy;
}

static void log_items(struct message *m, const struct virus_talk *t, const struct virus_finding *f)
{
    struct str engine = lower(m->arena, m->conf->antivirus.log_name);

    if (f->result == VIRUS_CLEAN)
        event(m->events, antivirus_clean, .engine = engine, .mid = m->mid);
    for (size_t i = 0; i < t->n; i++) {
        const struct virus_item *item = &t->items[i];

        if (item->result == VIRUS_FOUND)
            event(m->events, antivirus_found, .engine = engine, .mid = m->mid, .virus = item->virus, .path = item->name);
        else if (item->result == VIRUS_ENCRYPTED)
            event(m->events, antivirus_error, .engine = engine, .mid = m->mid, .error = str_lit("Encrypted"),
                  .code = str_lit("a0040212"));
        else if (item->result == VIRUS_UNSCANNABLE)
            event(m->events, antivirus_error, .engine = engine, .mid = m->mid, .error = item->virus,
                  .code = str_lit("a004021a"));
    }
}

static void record(struct message *m, const struct virus_finding *f)
{
    static const char *const words[] = {"clean", "positive", "encrypted", "unscannable", "repaired"};

    event(m->events, antivirus_interim, .mid = m->mid, .engine = m->conf->antivirus.log_name, .result = f->result);
    event(m->events, antivirus_verdict, .mid = m->mid, .result = f->result, .virus = f->virus,
          .released = rescan_of(m).antispam);
    message_step(m, str_lit("antivirus"), str_c(words[f->result]), f->virus);
}

static void act(struct message *m, const struct virus_finding *f)
{
    const struct virus_actions infected = VIRUS_ACTIONS(m->policy, antivirus_infected);
    const struct virus_actions encrypted = VIRUS_ACTIONS(m->policy, antivirus_encrypted);
    const struct virus_actions unscannable = VIRUS_ACTIONS(m->policy, antivirus_unscannable);
    const struct virus_actions repaired = VIRUS_ACTIONS(m->policy, antivirus_repaired);

    if (f->result == VIRUS_FOUND)
        action_virus(m, &infected, f);
    else if (f->result == VIRUS_ENCRYPTED)
        action_virus(m, &encrypted, f);
    else if (f->result == VIRUS_UNSCANNABLE)
        action_virus(m, &unscannable, f);
    else if (f->result == VIRUS_REPAIRED)
        action_virus(m, &repaired, f);
}

/* --- without its infected attachments -----------------------------------------------------------------------------------
 */

/* Does the policy want attachments taken out of infected messages? */
static bool wants_drop(const struct message *m)
{
    return m->policy->antivirus_drop_infected || m->policy->antivirus_infected_drop_attachments;
}

/* The engine found it in the message as a whole: in which of the parts that are not items of their own? What cannot be told
 * stays in, and the message is infected as it was. */
static void locate(struct scan_world *w, struct message *m, const struct engine_setup *how, struct virus_finding *f)
{
    struct virus_talk talk = {.arena = m->arena};

    if (!gather_open(m, &talk) || engine_ask(w->engines, ENGINE_CLAMD, how, m->mid, clamd_scan, &talk, NULL) != RC_OK)
        return;
    for (size_t i = 0; i < talk.n; i++)
        if (talk.items[i].result == VIRUS_FOUND)
            in_question(m, f, &talk.items[i]);
}

/* Takes the infected attachments out; true when all that is left is clean by the engine's word and by ours. Else the message
 * and what was read of it are as they were. */
static bool repair(struct scan_world *w, struct message *m, const struct engine_setup *how, const struct virus_finding *f)
{
    const struct patch patch = m->patch;
    struct mime *const mime = m->mime_now;
    const uint64_t mime_changes = m->mime_changes;
    const bool content_done = m->content_done;
    struct virus_talk talk = {.arena = m->arena};

    patch_copy(&m->patch, &patch);
    if (action_drop_infected(m, f)) {
        bool whole = gather(m, &talk);

        if (engine_ask(w->engines, ENGINE_CLAMD, how, m->mid, clamd_scan, &talk, NULL) == RC_OK &&
            sum(m, &talk, whole).result == VIRUS_CLEAN && !m->patch.failed)
            return true;
    }
    m->patch = patch;
    m->mime_now = mime;
    m->mime_changes = mime_changes;
    m->content_done = content_done;
    return false;
}

/* The engine gave no answer: the message waits, or counts as unscannable for this reason. */
static bool waits(struct message *m, enum rc rc, const struct err *e, struct virus_finding *f)
{
    event(m->events, message_unscanned, .mid = m->mid, .why = arena_str(m->arena, str_c(err_text(e))));
    if (rc == RC_UNAVAILABLE && m->conf->antivirus.when_away == AWAY_WAIT) {
        message_later(m, str_lit("antivirus"));
        return true;
    }
    *f = (struct virus_finding){.result = VIRUS_UNSCANNABLE,
                                .virus = rc == RC_UNAVAILABLE ? str_lit("engine away") : str_lit("engine fails at it")};
    return false;
}

void stage_antivirus(struct scan_world *w, struct message *m)
{
    const struct conf_antivirus *c = &m->conf->antivirus;
    struct engine_setup how = {c->clamd_address, c->timeout_ms, c->probe_ms};
    struct virus_talk talk = {.arena = m->arena};
    struct virus_finding found;
    struct err e = ERR_NONE;
    bool whole;
    enum rc rc;

    if (!c->enabled || !action_stage_on(m, action_policy(m)->antivirus, true))
        return;
    whole = gather(m, &talk);
    rc = engine_ask(w->engines, ENGINE_CLAMD, &how, m->mid, clamd_scan, &talk, &e);
    if (rc == RC_OK) {
        found = sum(m, &talk, whole);
        log_items(m, &talk, &found);
        if (found.result == VIRUS_FOUND && wants_drop(m)) {
            found.original = message_octets(m);
            locate(w, m, &how, &found);
            if (m->policy->antivirus_drop_infected && repair(w, m, &how, &found))
                found.result = VIRUS_REPAIRED;
        }
    } else if (waits(m, rc, &e, &found)) {
        return;
    }
    record(m, &found);
    act(m, &found);
}
