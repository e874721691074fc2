/*
 * Safelists and blocklists: what each recipient said of this sender, just before anti-spam. Different answers split the
 * message.
 *
 * Called by the pipeline. Owns nothing beyond the message's arena; the lists are the worker's (world.c). A policy that skips
 * anti-spam ignores them. A safelisted message skips anti-spam and graymail, nothing else; a blocklisted one goes to the
 * spam quarantine or ends, as the policy says.
 */
#include "policy/mail_policy.h"
#include "policy/slbl.h"
#include "scan/actions.h"
#include "scan/graymail.h"
#include "scan/stage.h"
#include "scan/world.h"

enum { BLOCKED_QUARANTINE, BLOCKED_DELETE }; /* choices of antispam_blocklist */

/* The address of the From header. */
static struct str from_address(struct message *m)
{
    struct header_field f;
    struct str s = STR_NONE;

    if (!header_find(message_octets(m), str_lit("From"), &f))
        return s;
    s = header_unfold(m->arena, f.value, 1000);
    if (str_find_last(s, '<') < s.n) {
        s = str_from(s, str_find_last(s, '<') + 1);
        s = str_first(s, str_find(s, '>'));
    }
    return str_trim(s);
}

static void split_off(struct message *m, const enum slbl_list *lists, enum slbl_list which)
{
    struct carried on = m->carried;
    struct buf indices = BUF(1 << 20);

    for (size_t i = 0; i < m->n_recipients; i++)
        if (lists[i] == which)
            buf_put_varint(&indices, m->recipients[i]);
    on.resume = RESUME_ANTISPAM;
    on.holds = message_hold_lines(m);
    on.meta = STR_NONE;
    if (indices.n)
        message_copy(m, &(struct verdict_copy){.kind = COPY_SPLIT_SLBL,
                                               .by = policy_name_shown(m->carried.policy),
                                               .same_sender = 1,
                                               .indices = arena_str(m->arena, buf_str(&indices)),
                                               .carried = verdict_carried(m, &on)});
    buf_done(&indices);
}

/* The recipients of the first answer stay; the others leave for messages of their own, which come here again. */
static enum slbl_list divide(struct message *m, const enum slbl_list *lists)
{
    uint32_t *kept = arena_array(m->arena, uint32_t, m->n_recipients + 1);
    size_t n = 0;

    if (!kept) {
        m->outcome.overflow = true;
        return SLBL_NONE;
    }
    for (unsigned which = SLBL_NONE; which <= SLBL_BLOCK; which++)
        if (which != lists[0])
            split_off(m, lists, (enum slbl_list)which);
    for (size_t i = 0; i < m->n_recipients; i++)
        if (lists[i] == lists[0])
            kept[n++] = m->recipients[i];
    m->recipients = kept;
    m->n_recipients = n;
    return lists[0];
}

static void record(struct message *m, enum spam_verdict verdict, const char *header)
{
    event(m->events, antispam_interim, .mid = m->mid, .slbl = 1, .verdict = verdict);
    event(m->events, antispam_verdict, .mid = m->mid, .slbl = 1, .verdict = verdict);
    message_step(m, str_lit("slbl"), verdict == SPAM_POSITIVE ? str_lit("blocklisted") : str_lit("safelisted"), STR_NONE);
    patch_header_add(&m->patch, str_c(header), str_lit("yes"), false);
    m->carried.skip |= SKIP_ANTISPAM | SKIP_GRAYMAIL;
}

static void block(struct message *m)
{
    const struct spam_actions a = {.action =
                                       action_policy(m)->antispam_blocklist == BLOCKED_DELETE ? SPAM_DROP : SPAM_QUARANTINE};

    record(m, SPAM_POSITIVE, "X-SLBL-Result-Blocklist");
    action_spam(m, &a, ARCHIVE_SPAM, str_lit("blocklist"), 100, "antispam", RESUME_ANTIVIRUS);
}

void stage_slbl(struct scan_world *w, struct message *m)
{
    enum slbl_list *lists, which;
    struct str from;

    if (!w->slbl || !m->conf->antispam.enabled || !m->conf->spam_quarantine.slbl ||
        !action_stage_on(m, action_policy(m)->antispam, false) || message_skips(m, SKIP_ANTISPAM) || !m->n_recipients)
        return;
    lists = arena_array(m->arena, enum slbl_list, m->n_recipients);
    if (!lists) {
        m->outcome.overflow = true;
        return;
    }
    from = from_address(m);
    for (size_t i = 0; i < m->n_recipients; i++)
        lists[i] = slbl_ask(w->slbl, message_recipient(m, i), m->env->sender, from, m->env->client_ip);
    which = divide(m, lists);
    if (which == SLBL_SAFE)
        record(m, SPAM_NEGATIVE, "X-SLBL-Result-Safelist");
    else if (which == SLBL_BLOCK)
        block(m);
}
