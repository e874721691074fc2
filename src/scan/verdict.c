/*
 * From what the stages recorded to the verdict that queue acts on. See pipeline.h.
 *
 * Called by scan.c. Owns nothing beyond the message's arena. Holds win over delivery, final decisions over holds; a message
 * that goes to other recipients is a new one. What does not fit a verdict is held as unscannable: nothing is ever delivered
 * because judging it was too much.
 */
#include "scan/pipeline.h"

#include "mail/edits.h"
#include "policy/policy_name.h"
#include "scan/meta.h"
#include "smtp/results.h"

static struct str take(struct arena *a, struct buf *b)
{
    struct str s = b->failed ? STR_NONE : arena_str(a, buf_str(b));

    buf_done(b);
    return s;
}

/* The changes as edits over the stored octets; false when they cannot be told. */
static bool put_edits(struct message *m, struct carried *c)
{
    struct buf b = BUF(CARRIED_MAX);
    struct edits edits = {0};

    c->edits = STR_NONE;
    if (patch_changed(&m->patch))
        edits = patch_edits(&m->patch);
    if (edits.n)
        edits_encode(edits, &b);
    if (b.failed || m->patch.failed || m->outcome.overflow) {
        buf_done(&b);
        return false;
    }
    c->edits = take(m->arena, &b);
    return true;
}

static struct str coded(struct message *m, const struct carried *c)
{
    struct buf b = BUF(CARRIED_MAX);

    carried_encode(c, &b);
    return take(m->arena, &b);
}

struct str verdict_carried(struct message *m, const struct carried *c)
{
    struct carried now = *c;
    struct str octets = STR_NONE;

    if (put_edits(m, &now))
        octets = coded(m, &now);
    m->outcome.overflow |= !octets.p;
    return octets;
}

static struct str indices_of(struct message *m, size_t from, size_t n)
{
    struct buf b = BUF(1 << 20);

    for (size_t i = from; i < from + n; i++)
        buf_put_varint(&b, m->recipients[i]);
    return take(m->arena, &b);
}

static struct str list_of(struct message *m, struct strs items)
{
    struct buf b = BUF(4 << 20);

    for (size_t i = 0; i < items.n; i++)
        buf_put_str(&b, items.items[i]);
    return take(m->arena, &b);
}

static struct str copies_of(struct message *m)
{
    struct buf b = BUF(COPIES_MAX);

    verdict_copies_encode(m->outcome.copies, m->outcome.n_copies, &b);
    return take(m->arena, &b);
}

/* Where a message goes on that is to resume after its release: behind what held it, which would hold it again. */
static uint64_t resume_behind(const struct outcome *o)
{
    static const struct {
        const char *reason;
        enum resume resume;
    } list[] = {{"message filter:", RESUME_POLICY},
                {"scanning:", RESUME_ANTISPAM},
                {"a/v ", RESUME_GRAYMAIL},
                {"content filter:", RESUME_OUTBREAK},
                {"Outbreak ", RESUME_DLP}};

    for (size_t i = 0; o->n_holds && i < sizeof list / sizeof *list; i++)
        if (str_starts(o->holds[0].reason, str_c(list[i].reason)))
            return list[i].resume;
    return RESUME_RESCAN;
}

/* Everything that goes to the quarantines. `c->resume` is for other copies of the message, not for what is released. */
static struct str put_holds(struct message *m, struct carried *c)
{
    bool spam = m->outcome.n_holds == 0;
    struct carried after = *c;

    c->holds = message_hold_lines(m);
    c->spam = m->outcome.spam_hold;
    c->release = STR_NONE;
    after.spam = c->spam;
    after.resume = resume_behind(&m->outcome);
    c->meta = meta_make(m, &after);
    return spam ? str_lit("the.euq.queue") : str_lit("the.cpq.host");
}

/* A piece of queue, and thus a held message, has RESULTS_MAX recipients at most: the others go in messages of their own. */
static void split_many(struct message *m, const struct carried *c, struct str destination)
{
    struct carried rest = *c;
    struct str octets;

    if (m->n_recipients <= RESULTS_MAX)
        return;
    rest.resume = RESUME_DELIVER;
    octets = coded(m, &rest);
    for (size_t i = RESULTS_MAX; i < m->n_recipients; i += RESULTS_MAX) {
        size_t n = m->n_recipients - i < RESULTS_MAX ? m->n_recipients - i : RESULTS_MAX;

        message_copy(
            m, &(struct verdict_copy){.kind = COPY_SPLIT,
                                      .by = m->carried.policy.n ? policy_name_shown(m->carried.policy) : str_lit("DEFAULT"),
                                      .same_sender = 1,
                                      .indices = indices_of(m, i, n),
                                      .carried = octets,
                                      .destination = destination});
    }
}

/* The message under a new number for other recipients or from another sender: this one ends. */
static void rewrite(struct message *m, const struct carried *c)
{
    const struct outcome *o = &m->outcome;
    struct carried rest = *c;
    struct verdict_copy copy = {.kind = COPY_REWRITTEN,
                                .by = o->new_recipients_by,
                                .filter = o->new_recipients_filter,
                                .same_sender = !o->has_new_sender,
                                .sender = o->new_sender};

    if (o->new_recipients.n)
        copy.recipients = list_of(m, o->new_recipients);
    else
        copy.indices = indices_of(m, 0, m->n_recipients);
    rest.meta = STR_NONE;
    rest.holds = message_hold_lines(m); /* they hold the new message */
    copy.carried = coded(m, &rest);
    message_copy(m, &copy);
}

static void unscannable(struct message *m, struct bus_scan_verdict *out)
{
    struct carried c = {.policy = m->carried.policy, .resume = RESUME_RESCAN};

    m->outcome = (struct outcome){0};
    pipeline_hold_unscannable(m);
    out->action = VERDICT_HOLD;
    out->destination = put_holds(m, &c);
    out->carried = coded(m, &c);
    split_many(m, &c, out->destination);
    out->copies = copies_of(m);
}

void verdict_make(struct message *m, struct bus_scan_verdict *out)
{
    struct outcome *o = &m->outcome;
    struct carried c = m->carried;

    *out = (struct bus_scan_verdict){.mid = m->mid, .text = o->later};
    if (o->later.n) {
        out->action = VERDICT_LATER;
        return;
    }
    if (!put_edits(m, &c)) {
        unscannable(m, out);
        return;
    }
    if (o->final == FINAL_DROP || o->final == FINAL_BOUNCE) {
        out->action = o->final == FINAL_DROP ? VERDICT_DROP : VERDICT_BOUNCE;
        out->text = o->bounce_text;
    } else if (o->new_recipients.n || o->has_new_sender) {
        rewrite(m, &c);
    } else if (o->n_holds || o->spam_hold.n) {
        c.resume = RESUME_DELIVER;
        out->action = VERDICT_HOLD;
        out->destination = put_holds(m, &c);
        split_many(m, &c, out->destination);
        out->carried = coded(m, &c);
    } else {
        c.resume = RESUME_DELIVER;
        c.spam = c.release = STR_NONE;
        out->destination = c.route;
        out->carried = coded(m, &c);
    }
    out->copies = copies_of(m);
    if (o->overflow || (o->n_copies && !out->copies.n))
        unscannable(m, out);
}
