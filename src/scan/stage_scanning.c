/*
 * What becomes of messages that readers understand in different ways, or that could not be looked into.
 *
 * Called by the pipeline before the engines. Owns nothing. The tree of the message (mail/mime.h, scan/content.h) says what
 * is the matter, section `scanning` of the settings what happens then. Anti-virus has its own verdict of what cannot be
 * read.
 */
#include "scan/content.h"
#include "scan/stage.h"
#include "scan/world.h"

enum action { ACTION_DELIVER, ACTION_QUARANTINE, ACTION_DROP, ACTION_BOUNCE };
enum { DROPPED_BY_SCANNING = 7 }; /* its word in the event */

static void act(struct message *m, uint64_t action, struct str verdict, struct str detail)
{
    struct str stage = str_lit("scanning");

    message_step(m, stage, verdict, detail);
    if (action == ACTION_DROP) {
        if (m->outcome.final == FINAL_NONE)
            event(m->events, message_dropped, .mid = m->mid, .by = DROPPED_BY_SCANNING);
        message_final(m, FINAL_DROP, stage, STR_NONE);
    } else if (action == ACTION_BOUNCE) {
        message_final(m, FINAL_BOUNCE, stage, arena_printf(m->arena, "5.6.0 Message is %.*s", STR(verdict)));
    } else if (action == ACTION_QUARANTINE) {
        message_hold(m, &(struct hold){.quarantine = m->conf->scanning.quarantine,
                                       .kind = str_lit("policy"),
                                       .reason = arena_printf(m->arena, "scanning:%.*s", STR(verdict)),
                                       .rule = verdict,
                                       .matched = detail});
    }
}

/* "bad_type,bare_cr" */
static struct str flaws_of(struct message *m, uint64_t flaws)
{
    struct str text = STR_NONE;

    for (enum mime_flaw f = 0; f < MIME_FLAWS; f++)
        if (flaws >> f & 1)
            text = arena_printf(m->arena, "%.*s%s%s", STR(text), text.n ? "," : "", mime_flaw_name(f));
    return text;
}

void stage_scanning_unscannable(struct message *m, struct str why)
{
    act(m, m->conf->scanning.unscannable_action, str_lit("unscannable"), why);
}

void stage_scanning(struct scan_world *w, struct message *m)
{
    struct mime *mime = message_content(m);
    struct content_sum sum;

    (void)w;
    content_sum(mime, &sum);
    if (sum.ambiguous)
        act(m, m->conf->scanning.malformed_action, str_lit("malformed"), flaws_of(m, mime->flaws));
    if (sum.unscannable.n)
        stage_scanning_unscannable(m, sum.unscannable);
}
