/*
 * Actions of filters: where a message goes, what it is spared, how it ends. See action.h.
 *
 * Called by the runners of filters through action_do(). Owns nothing beyond the message's arena. The functions only record;
 * the lines of final actions are written here, since nobody else knows which filter it was.
 */
#include "policy/action.h"

#include "conf/table.h"
#include "policy/variables.h"

enum { DROPPED_BY_FILTER = 3, DROPPED_BY_DLP = 8 }; /* event message_dropped */

static const struct {
    const char *name;
    filter_action_fn *fn;
} rows[] = {
#define FACTION(name, arguments, when, function) {name, action_##function},
#include "spec/filter_actions.def"
#undef FACTION
};

enum rc action_do(struct message *m, const struct filter_action *a, struct filter_run *r, struct err *e)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (str_eq(str_c(rows[i].name), str_c(a->row->name)))
            return rows[i].fn(m, a, r, e);
    return err_set(e, RC_NOT_FOUND, "no action is called %s", a->row->name);
}

/* --- for all actions
 * ------------------------------------------------------------------------------------------------------- */

struct str action_filled(struct message *m, const struct filter_run *r, struct str text, bool html)
{
    struct variables v = {m, r->filter, r->matched, r->dropped_names, r->dropped_types};

    return variables_fill(&v, text, html);
}

struct str action_text(struct message *m, const struct filter_action *a, const struct filter_run *r, size_t i)
{
    return action_filled(m, r, filter_text(a->args, a->n_args, i), false);
}

const struct conf_text_resource *action_resource(struct message *m, struct str name, struct err *e)
{
    const struct conf_text_resource *t = m->conf ? conf_find(&m->conf->text_resource, name) : NULL;

    if (!t)
        err_set(e, RC_NOT_FOUND, "there is no text resource \"%.*s\"", STR(str_first(name, 100)));
    return t;
}

#define ACTION(name) \
    enum rc action_##name(struct message *m, const struct filter_action *a, struct filter_run *r, struct err *e)
#define UNUSED(...) \
    (void)(const void *[]) \
    { \
        __VA_ARGS__ \
    }

/* --- where it goes
 * --------------------------------------------------------------------------------------------------------- */

ACTION(no_op)
{
    UNUSED(m, a, r, e);
    return RC_OK;
}

ACTION(alt_src_host)
{
    UNUSED(r, e);
    m->carried.source_interface = filter_text(a->args, a->n_args, 0);
    return RC_OK;
}

ACTION(alt_mailhost)
{
    UNUSED(r, e);
    m->carried.route = filter_text(a->args, a->n_args, 0);
    return RC_OK;
}

ACTION(bounce_profile)
{
    UNUSED(r, e);
    m->carried.bounce_profile = filter_text(a->args, a->n_args, 0);
    return RC_OK;
}

ACTION(alt_rcpt_to)
{
    struct str *items = arena_array(m->arena, struct str, a->n_args + 1);
    size_t n = 0;

    if (!items)
        return err_set(e, RC_NO_MEMORY, "recipients");
    for (size_t i = 0; i < a->n_args; i++) {
        items[n] = str_trim(action_text(m, a, r, i));
        n += items[n].n > 0;
    }
    if (!n)
        return err_set(e, RC_INVALID, "no recipient is left");
    m->outcome.new_recipients = (struct strs){items, n};
    m->outcome.new_recipients_by = str_lit("alt-rcpt-to-filter");
    m->outcome.new_recipients_filter = r->filter;
    /* The new message goes on behind this one's filters: not once more through what made it. */
    m->carried.skip |= SKIP_FILTERS | SKIP_DIRECTORY;
    if (r->content)
        m->carried.resume = RESUME_OUTBREAK;
    if (r->dlp)
        m->carried.resume = RESUME_HOLD;
    return RC_OK;
}

ACTION(tag_message)
{
    UNUSED(e);
    message_tag(m, action_text(m, a, r, 0));
    return RC_OK;
}

ACTION(log_entry)
{
    UNUSED(e);
    event(m->events, message_log_entry, .mid = m->mid, .text = action_text(m, a, r, 0));
    return RC_OK;
}

/* --- quarantines
 * ------------------------------------------------------------------------------------------------------------ */

/* What is told to go to a quarantine that was deleted goes to Unclassified (central.md 9). */
static struct str existing(const struct message *m, struct str quarantine)
{
    const struct conf_section *s = conf_section_find(str_lit("quarantine"));

    if (!s || !m->conf || m->conf->pvo.central /* the manager knows what it has */ ||
        str_eqi(quarantine, str_lit("Policy")) || !str_eq(message_hold_kind(quarantine), str_lit("policy")))
        return quarantine;
    return conf_item_index(m->conf, s, quarantine) == SIZE_MAX ? str_lit("Unclassified") : quarantine;
}

static struct str reason_of(struct message *m, const struct filter_run *r)
{
    if (r->dlp)
        return str_lit("DLP violation");
    return arena_printf(m->arena, "%s filter:%.*s", r->content ? "content" : "message", STR(r->filter));
}

ACTION(quarantine)
{
    struct str name = existing(m, filter_text(a->args, a->n_args, 0));

    UNUSED(e);
    message_hold(m, &(struct hold){.quarantine = name,
                                   .kind = message_hold_kind(name),
                                   .reason = reason_of(m, r),
                                   .rule = r->filter,
                                   .matched = r->matched});
    return RC_OK;
}

ACTION(duplicate_quarantine)
{
    struct action_new n = {.by = str_lit("duplicate-quarantine"), .same = true};

    n.carried = (struct carried){.resume = RESUME_HOLD, .policy = m->carried.policy, .tags = m->carried.tags};
    n.carried.holds =
        arena_printf(m->arena, "%.*s\t%.*s\n", STR(existing(m, filter_text(a->args, a->n_args, 0))), STR(reason_of(m, r)));
    return action_generate(m, r, &n, e);
}

ACTION(encrypt)
{
    struct str subject = action_text(m, a, r, 1);

    UNUSED(e);
    m->carried.encrypt = filter_text(a->args, a->n_args, 0);
    if (subject.n)
        patch_header_put(&m->patch, str_lit("Subject"), subject);
    return RC_OK;
}

ACTION(encrypt_deferred)
{
    return action_encrypt(m, a, r, e);
}

/* --- what it is spared
 * ------------------------------------------------------------------------------------------------------ */

#define SPARES(name, bits) \
    ACTION(name) \
    { \
        UNUSED(a, r, e); \
        m->carried.skip |= (bits); \
        return RC_OK; \
    }
SPARES(skip_spamcheck, SKIP_ANTISPAM)
SPARES(skip_marketingcheck, SKIP_MARKETING)
SPARES(skip_socialcheck, SKIP_SOCIAL)
SPARES(skip_bulkcheck, SKIP_BULK)
SPARES(skip_viruscheck, SKIP_ANTIVIRUS)
SPARES(skip_ampcheck, SKIP_AMP)
SPARES(skip_vofcheck, SKIP_OUTBREAK)
SPARES(skip_dlpcheck, SKIP_DLP)
SPARES(skip_dkim_signing, SKIP_DKIM)

/* --- the end
 * ---------------------------------------------------------------------------------------------------------------- */

static struct str stage_of(struct message *m, const struct filter_run *r)
{
    if (r->dlp)
        return str_lit("DLP");
    return arena_printf(m->arena, "%sfilter '%.*s'", r->content ? "content " : "", STR(r->filter));
}

ACTION(skip_filters)
{
    UNUSED(m, a, r, e); /* the runner ends */
    return RC_OK;
}

ACTION(deliver)
{
    UNUSED(a, e);
    message_final(m, FINAL_DELIVER, stage_of(m, r), STR_NONE);
    return RC_OK;
}

static void end(struct message *m, const struct filter_run *r, enum final final, struct str text)
{
    if (m->outcome.final != FINAL_NONE)
        return;
    message_final(m, final, stage_of(m, r), text);
    if (r->content)
        event(m->events, message_dropped_content, .mid = m->mid, .bounced = final == FINAL_BOUNCE, .filter = r->filter,
              .outbound = m->env->outgoing);
    else if (final == FINAL_DROP)
        event(m->events, message_dropped, .mid = m->mid, .by = r->dlp ? DROPPED_BY_DLP : DROPPED_BY_FILTER,
              .filter = r->filter);
}

ACTION(drop)
{
    UNUSED(a, e);
    end(m, r, FINAL_DROP, STR_NONE);
    return RC_OK;
}

ACTION(bounce)
{
    struct str text = action_text(m, a, r, 0);

    UNUSED(e);
    if (!text.n)
        text = str_lit("Message refused by a filter of this system");
    end(m, r, FINAL_BOUNCE, text.p[0] == '5' ? text : arena_printf(m->arena, "5.7.1 %.*s", STR(text)));
    return RC_OK;
}
