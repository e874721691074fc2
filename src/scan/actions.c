/*
 * Actions by the verdict of spam engines, and what all engines share. See actions.h.
 *
 * Called by the stages of engines. Owns nothing beyond the message's arena.
 */
#include "scan/actions.h"

#include "base/must.h"

enum { STAGE_DEFAULT, STAGE_YES };

const struct conf_mail_policy *action_policy(struct message *m)
{
    if (!m->policy)
        m->policy = conf_find(&m->conf->mail_policy, m->env->outgoing ? str_lit("out/DEFAULT") : str_lit("DEFAULT"));
    must(m->policy);
    return m->policy;
}

bool action_stage_on(const struct message *m, uint64_t choice, bool outgoing)
{
    return choice == STAGE_YES || (choice == STAGE_DEFAULT && (!m->env->outgoing || outgoing));
}

static void tag_subject(struct message *m, struct str tag)
{
    struct buf b = BUF(4096);
    struct header_field subject;
    struct str octets = message_octets(m), value;

    header_encode_word(tag, &b);
    buf_addc(&b, ' ');
    if (!b.failed && header_find(octets, str_lit("Subject"), &subject)) {
        value = subject.value;
        while (value.n && (value.p[0] == ' ' || value.p[0] == '\t'))
            value = str_from(value, 1);
        if (!m->carried.original_mid || !str_starts(value, buf_str(&b))) /* else marked before it was held */
            patch_replace(&m->patch, (size_t)(value.p - octets.p), 0, arena_str(m->arena, buf_str(&b)));
    } else if (!b.failed) {
        patch_header_add(&m->patch, str_lit("Subject"), tag, false);
    }
    buf_done(&b);
}

void action_mark(struct message *m, struct str tag, struct str header)
{
    size_t colon = str_find(header, ':');

    if (tag.n)
        tag_subject(m, tag);
    if (colon < header.n)
        patch_header_add(&m->patch, str_first(header, colon), str_trim(str_from(header, colon + 1)), false);
}

void action_reroute(struct message *m, struct str host, struct str recipient, const char *by, enum resume resume)
{
    struct str *one;

    if (host.n)
        m->carried.route = host;
    if (!recipient.n || !(one = arena_array(m->arena, struct str, 1)))
        return;
    *one = recipient;
    m->outcome.new_recipients = (struct strs){one, 1};
    m->outcome.new_recipients_by = str_c(by);
    m->carried.resume = resume;
}

void action_spam(struct message *m, const struct spam_actions *a, enum archive archive, struct str verdict, double score,
                 const char *by, enum resume resume)
{
    if (a->archive)
        archive_message(m, archive, message_octets(m));
    action_mark(m, a->tag, a->header);
    switch (a->action) {
    case SPAM_DROP:
        event(m->events, message_dropped, .mid = m->mid, .by = 0);
        message_final(m, FINAL_DROP, str_lit("CASE"), STR_NONE);
        break;
    case SPAM_BOUNCE:
        message_final(m, FINAL_BOUNCE, str_lit("CASE"), str_lit("5.7.1 message looks like unsolicited mail"));
        break;
    case SPAM_QUARANTINE:
        if (!action_spam_held(m, resume))
            break;
        event(m->events, spam_tagged, .mid = m->mid);
        message_spam_hold(m, verdict, score);
        break;
    default:
        action_reroute(m, a->host, a->recipient, by, resume);
        break;
    }
}
