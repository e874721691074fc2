/*
 * Graymail: marketing, social and bulk mail, told by the engine's symbols, the sender's domain and list headers.
 *
 * Called by the pipeline; graymail_kind() by stage_antispam.c too, since the anti-spam verdict names the kind. Owns nothing.
 */
#include "scan/actions.h"
#include "scan/graymail.h"
#include "scan/spam_ask.h"
#include "scan/stage.h"

#include <unistd.h>

static bool has_symbol(const struct spam_answer *a, struct str name)
{
    for (size_t i = 0; i < a->n_symbols; i++)
        if (str_eqi(a->symbols[i].name, name))
            return true;
    return false;
}

/* A line "A+B": all of them. */
static bool has_line(const struct spam_answer *a, struct str line)
{
    struct str rest = line, one;

    while (str_split(&rest, '+', &one))
        if (!has_symbol(a, str_trim(one)))
            return false;
    return true;
}

static bool has_any(const struct spam_answer *a, struct strs lines)
{
    for (size_t i = 0; i < lines.n; i++)
        if (has_line(a, lines.items[i]))
            return true;
    return false;
}

static bool domain_in(struct str domain, struct strs list)
{
    for (size_t i = 0; i < list.n; i++) {
        struct str d = list.items[i];

        if (str_eqi(domain, d) || (domain.n > d.n && domain.p[domain.n - d.n - 1] == '.' && str_endsi(domain, d)))
            return true;
    }
    return false;
}

/* Domain of the address in the From header, or the envelope sender's. */
static struct str sender_domain(struct message *m)
{
    struct header_field f;
    struct str address = m->env->sender;

    if (header_find(message_octets(m), str_lit("From"), &f)) {
        address = header_unfold(m->arena, f.value, 1000);
        if (str_find_last(address, '>') < address.n)
            address = str_first(address, str_find_last(address, '>'));
    }
    return str_trim(str_from(address, str_find_last(address, '@') + 1));
}

static bool has_header(struct message *m, const char *name)
{
    struct header_field f;

    return header_find(message_octets(m), str_c(name), &f);
}

/* Mail that offers to leave its list: of a programme that mails campaigns when it also names one or takes a post for
 * leaving. */
static bool looks_like_marketing(struct message *m)
{
    return has_header(m, "List-Unsubscribe") &&
           (has_header(m, "List-Unsubscribe-Post") || has_header(m, "X-Campaign") || has_header(m, "X-CampaignID") ||
            has_header(m, "Feedback-ID") || has_header(m, "X-Mailgun-Sid") || has_header(m, "X-SG-EID"));
}

static bool looks_like_bulk(struct message *m)
{
    struct header_field f;

    if (!header_find(message_octets(m), str_lit("Precedence"), &f))
        return has_header(m, "List-Id") || has_header(m, "List-Unsubscribe");
    return str_startsi(str_trim(f.value), str_lit("bulk")) || str_startsi(str_trim(f.value), str_lit("list"));
}

enum spam_verdict graymail_kind(struct message *m, const struct spam_answer *a)
{
    const struct conf_graymail *c = &m->conf->graymail;

    if (domain_in(sender_domain(m), c->social_domains))
        return SPAM_SOCIAL;
    if (has_any(a, c->marketing_symbols) || looks_like_marketing(m))
        return SPAM_MARKETING;
    return has_any(a, c->bulk_symbols) || looks_like_bulk(m) ? SPAM_BULK : SPAM_NEGATIVE;
}

static void act(struct message *m, enum spam_verdict kind, double score)
{
    const struct spam_actions marketing = SPAM_ACTIONS(m->policy, graymail_marketing);
    const struct spam_actions social = SPAM_ACTIONS(m->policy, graymail_social);
    const struct spam_actions bulk = SPAM_ACTIONS(m->policy, graymail_bulk);

    if (kind == SPAM_MARKETING)
        action_spam(m, &marketing, ARCHIVE_GRAYMAIL, str_lit("marketing"), score, "graymail", RESUME_CONTENT);
    else if (kind == SPAM_SOCIAL)
        action_spam(m, &social, ARCHIVE_GRAYMAIL, str_lit("social"), score, "graymail", RESUME_CONTENT);
    else
        action_spam(m, &bulk, ARCHIVE_GRAYMAIL, str_lit("bulk"), score, "graymail", RESUME_CONTENT);
}

void stage_graymail(struct scan_world *w, struct message *m)
{
    static const char *const words[] = {"", "", "", "bulk", "social", "marketing"};
    enum spam_verdict kind;
    struct step *s;
    enum rc rc;

    if (!m->conf->graymail.enabled || !action_stage_on(m, action_policy(m)->graymail, false) || m->outcome.spam_hold.n)
        return;
    rc = m->conf->antispam.enabled ? spam_ask(w, m) : RC_OK;
    if (rc == RC_UNAVAILABLE && spam_waits(m))
        return;
    kind = graymail_kind(m, &w->spam.answer);
    event(m->events, graymail_verdict, .mid = m->mid, .positive = kind != SPAM_NEGATIVE);
    s = message_step(m, str_lit("graymail"), kind ? str_c(words[kind]) : str_lit("negative"), STR_NONE);
    event(m->events, graymail_engine, .pid = (uint64_t)getpid(), .text = s->verdict);
    if (kind != SPAM_NEGATIVE)
        act(m, kind, w->spam.answer.score);
}
