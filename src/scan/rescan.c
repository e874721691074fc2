/*
 * What comes back from a quarantine: which engines look at it again, which changes are made first. See rescan.h.
 *
 * Called by the pipeline and by stages that tell a rescan. Owns nothing beyond the message's arena. A release that cannot be
 * read means the least that is safe: anti-virus. A verdict of spam from before the hold still counts (central.md 9): the
 * order is policy quarantines, spam quarantine, delivery.
 */
#include "scan/rescan.h"

#include "base/json_read.h"
#include "policy/part.h"

static const char stripped_text[] = "The attachment was removed when this message left the quarantine.";

static bool lists(const struct json *list, const char *name)
{
    for (const struct json *i = list ? list->first : NULL; i; i = i->next)
        if (str_eq(json_str_of(i), str_c(name)))
            return true;
    return false;
}

struct rescan rescan_of(struct message *m)
{
    struct rescan r = {.again = m->carried.resume == RESUME_RESCAN};

    if (!m->carried.original_mid || m->carried.resume == RESUME_DELIVER)
        return r;
    r.again = true;
    if (m->carried.release.n && json_read(m->arena, m->carried.release, &r.o, NULL) != RC_OK)
        r.o = NULL;
    r.antispam = rescan_wants(&r, "antispam");
    r.strip = json_is(json_get(json_get(r.o, "edits"), "strip_attachments"), JSON_TRUE);
    return r;
}

bool rescan_wants(const struct rescan *r, const char *stage)
{
    return r->again && (str_eq(str_c(stage), str_lit("antivirus")) || lists(json_get(r->o, "rescan"), stage));
}

static void strip(struct message *m)
{
    struct part_changes c;
    size_t n;

    part_changes_begin(&c, m);
    for (struct mime_part *p = c.mime->all; p; p = p->all_next)
        if (p->attachment && !p->member)
            part_drop(&c, p, str_c(stripped_text));
    n = part_changes_make(&c);
    if (n)
        message_step(m, str_lit("released"), str_lit("stripped"), arena_printf(m->arena, "%zu", n));
}

void rescan_begin(struct message *m, const struct rescan *r)
{
    if (r->strip)
        strip(m);
    if (!r->again || !m->carried.spam.n)
        return;
    m->outcome.spam_hold = m->carried.spam;
    event(m->events, spam_tagged, .mid = m->mid);
}
