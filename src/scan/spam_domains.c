/*
 * The spam quarantine that is for some recipient domains only (spam_quarantine.domains): spam for others is marked and goes
 * on.
 *
 * Called by action_spam() once the message is marked. Owns nothing beyond the message's arena. Where both kinds of
 * recipients are in one message, those outside leave for a message of their own, which goes on behind the stage that found
 * the spam.
 */
#include "mail/address.h"
#include "policy/mail_policy.h"
#include "scan/actions.h"
#include "scan/pipeline.h"

static bool is_inside(const struct message *m, size_t i)
{
    struct strs domains = m->conf->spam_quarantine.domains;
    struct str local, domain;

    if (!address_cut(message_recipient(m, i), &local, &domain))
        return false;
    for (size_t k = 0; k < domains.n; k++)
        if (str_eqi(domain, domains.items[k]))
            return true;
    return false;
}

/* Those outside, as a split: marked as it is now, never asked for spam again. */
static void let_go(struct message *m, struct str indices, enum resume resume)
{
    struct carried on = m->carried;

    on.resume = on.original_mid ? RESUME_RESCAN : resume;
    on.skip |= SKIP_ANTISPAM | SKIP_GRAYMAIL;
    on.spam = STR_NONE;
    on.holds = message_hold_lines(m);
    on.meta = STR_NONE;
    message_copy(m, &(struct verdict_copy){.kind = COPY_SPLIT,
                                           .by = policy_name_shown(m->carried.policy),
                                           .same_sender = 1,
                                           .indices = indices,
                                           .carried = verdict_carried(m, &on)});
}

bool action_spam_held(struct message *m, enum resume resume)
{
    uint32_t *kept;
    struct buf outside = BUF(1 << 20);
    size_t n = 0;

    if (!m->conf->spam_quarantine.domains.n || !m->n_recipients)
        return true;
    kept = arena_array(m->arena, uint32_t, m->n_recipients);
    if (!kept) {
        m->outcome.overflow = true;
        return true;
    }
    for (size_t i = 0; i < m->n_recipients; i++) {
        if (is_inside(m, i))
            kept[n++] = m->recipients[i];
        else
            buf_put_varint(&outside, m->recipients[i]);
    }
    m->outcome.overflow |= outside.failed;
    if (n && n < m->n_recipients) {
        let_go(m, arena_str(m->arena, buf_str(&outside)), resume);
        m->recipients = kept;
        m->n_recipients = n;
    }
    buf_done(&outside);
    return n > 0;
}
