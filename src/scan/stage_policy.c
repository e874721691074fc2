/*
 * Which mail policy the message has. Recipients of other policies leave it: they become messages of their own, which come to
 * the work queue behind this stage with all that was decided so far.
 *
 * Called by the pipeline. Owns nothing beyond the message's arena. A directory that must say who belongs to a group and is
 * away keeps the message waiting.
 */
#include "policy/mail_policy.h"
#include "scan/stage.h"

void stage_policy_tell(struct message *m)
{
    event(m->events, message_policy, .mid = m->mid, .policy = policy_name_shown(m->policy->name),
          .outbound = m->env->outgoing);
}

static struct str taken(struct message *m, struct buf *b)
{
    struct str s = b->failed ? STR_NONE : arena_str(m->arena, buf_str(b));

    m->patch.failed |= b->failed;
    buf_done(b);
    return s;
}

static struct str indices_of(struct message *m, const struct message_group *g)
{
    struct buf b = BUF(1 << 20);

    for (size_t i = 0; i < g->n; i++)
        buf_put_varint(&b, g->recipients[i]);
    return taken(m, &b);
}

/* What goes along with every message that leaves: the changes so far, what filters wanted of it. */
static struct carried along(struct message *m)
{
    struct carried c = m->carried;
    struct edits edits = patch_changed(&m->patch) ? patch_edits(&m->patch) : (struct edits){0};
    struct buf b = BUF(CARRIED_MAX);

    if (edits.n)
        edits_encode(edits, &b);
    c.edits = taken(m, &b);
    c.resume = RESUME_POLICY;
    c.holds = message_hold_lines(m);
    c.meta = STR_NONE;
    return c;
}

static void leave(struct message *m, const struct message_group *g, struct carried c)
{
    struct buf b = BUF(CARRIED_MAX);

    c.policy = g->policy->name;
    carried_encode(&c, &b);
    message_copy(m, &(struct verdict_copy){.kind = COPY_SPLIT,
                                           .by = policy_name_shown(g->policy->name),
                                           .same_sender = 1,
                                           .indices = indices_of(m, g),
                                           .carried = taken(m, &b)});
}

void stage_policy(struct scan_world *w, struct message *m)
{
    struct message_group *groups = NULL;
    struct err e = ERR_NONE;
    struct carried c;
    size_t n = 0;

    (void)w;
    if (!m->n_recipients)
        return;
    if (message_split(m, &groups, &n, &e) != RC_OK) {
        m->outcome.later = arena_str(m->arena, str_c(err_text(&e)));
        return;
    }
    c = n > 1 ? along(m) : (struct carried){0};
    for (size_t i = 1; i < n; i++)
        leave(m, &groups[i], c);
    m->recipients = groups[0].recipients;
    m->n_recipients = groups[0].n;
    m->policy = groups[0].policy;
    m->carried.policy = m->policy->name;
    stage_policy_tell(m);
}
