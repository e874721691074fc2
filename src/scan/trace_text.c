/*
 * The report of a trace as text, in the order of spec/cli.md 12.4. See trace.h.
 *
 * Called by trace.c. Owns nothing. What strangers wrote is shown with control characters escaped, so that a line of the
 * report is a line of ours.
 */
#include "event/render.h"
#include "policy/policy_name.h"
#include "policy/route.h"
#include "scan/trace_inside.h"

enum { RECIPIENTS_SHOWN = 200, LABEL = 22 };

static void section(struct buf *b, const char *name)
{
    buf_addf(b, "%s%s\n", b->n ? "\n" : "", name);
}

static void line(struct buf *b, unsigned indent, const char *label, struct str value)
{
    buf_addf(b, "%*s%-*s ", (int)indent, "", LABEL, label);
    render_plain(value, b);
    buf_addc(b, '\n');
}

static struct str or_none(struct str s, const char *none)
{
    return s.n ? s : str_c(none);
}

/* --- receipt ----------------------------------------------------------------------------------------------------------- */

static void put_host(struct trace *t, struct buf *b)
{
    static const char *const actions[] = {"accept", "relay", "reject", "tcprefuse"};
    const struct conf_mail_flow_policy *p = t->match.policy;

    section(b, "Host access");
    line(b, 2, "Listener:", t->listener->name);
    line(b, 2, "Source IP:", t->o.ip_text);
    line(
        b, 2, "Host name:",
        arena_printf(t->arena, "%.*s%s", STR(or_none(t->name, "none")), t->name.n && !t->verified ? " (not verified)" : ""));
    line(b, 2, "HELO:", t->helo);
    line(b, 2, "Network owner:", or_none(t->o.owner, "not known"));
    line(b, 2, "Reputation:", t->reputation_text);
    line(b, 2, "Sender group:", or_none(t->match.group, "None"));
    line(b, 2, "Matched on:", or_none(t->match.what, "ALL"));
    if (p)
        line(b, 2, "Mail flow policy:",
             arena_printf(t->arena, "%.*s (%s)", STR(p->name), p->behavior < 4 ? actions[p->behavior] : ""));
    if (t->o.user.n)
        line(b, 2, "Logged in as:", t->o.user);
}

static void put_sender(struct trace *t, struct buf *b)
{
    section(b, "Envelope sender");
    line(b, 2, "Sender:", arena_printf(t->arena, "<%.*s>", STR(t->sender)));
    line(b, 2, "Check:", or_none(t->sender_note, "none"));
}

static void put_recipient(struct trace *t, const struct trace_recipient *r, struct buf *b)
{
    line(b, 2, "Recipient:", arena_printf(t->arena, "<%.*s>", STR(r->given)));
    if (!str_eq(r->given, r->address))
        line(b, 4, "Completed:", arena_printf(t->arena, "<%.*s>", STR(r->address)));
    line(b, 4, r->taken ? "Accepted by:" : "Refused by:", str_c(r->by));
    line(b, 4, "Reply:", arena_printf(t->arena, "%u %.*s", r->code, STR(r->text)));
    for (size_t i = 0; i < r->targets.n && i < RECIPIENTS_SHOWN; i++)
        line(b, 4, "Alias for:", r->targets.items[i]);
    if (r->dropped)
        line(b, 4, "Alias for:", str_lit("/dev/null"));
}

static void put_recipients(struct trace *t, struct buf *b)
{
    section(b, "Recipients");
    for (size_t i = 0; i < t->n_recipients && i < RECIPIENTS_SHOWN; i++)
        put_recipient(t, &t->recipients[i], b);
    if (t->n_recipients > RECIPIENTS_SHOWN)
        buf_addf(b, "  %zu more recipients.\n", t->n_recipients - RECIPIENTS_SHOWN);
}

/* --- pre-queue --------------------------------------------------------------------------------------------------------- */

static struct str bounce_profile(struct trace *t, struct trace_message *x, struct str address)
{
    const struct conf_destination *d;
    struct str local, domain;

    if (x->m.carried.bounce_profile.n)
        return x->m.carried.bounce_profile;
    d = address_cut(address, &local, &domain) ? destination_settings(t->conf, domain) : NULL;
    return d && d->bounce_profile.n ? d->bounce_profile : str_lit("default");
}

static void put_pre_queue(struct trace *t, struct buf *b)
{
    section(b, "Pre-queue");
    for (struct trace_message *x = t->first; x; x = x->next)
        for (size_t i = 0; i < x->n_fates && i < RECIPIENTS_SHOWN; i++) {
            struct str address = x->fates[i].address;

            line(b, 2, "Recipient:", arena_printf(t->arena, "<%.*s>", STR(address)));
            line(b, 4, "Virtual gateway:", or_none(x->m.carried.source_interface, "default"));
            line(b, 4, "Bounce profile:", bounce_profile(t, x, address));
        }
}

/* --- work queue -------------------------------------------------------------------------------------------------------- */

static struct str addresses(struct trace *t, const struct trace_message *x)
{
    struct str all = STR_NONE;

    for (size_t i = 0; i < x->env.n_recipients && i < RECIPIENTS_SHOWN; i++)
        all = arena_printf(t->arena, "%.*s%s<%.*s>", STR(all), i ? ", " : "", STR(x->env.recipients[i].address));
    return all;
}

static void put_origin(struct trace *t, const struct trace_message *x, struct buf *b)
{
    static const char *const kinds[] = {"Split off by", "Split off by safelists and blocklists,", "Made by", "Rewritten by"};
    struct str by = x->filter.n ? arena_printf(t->arena, "%.*s, filter %.*s", STR(x->by), STR(x->filter)) : x->by;

    if (x->kind != TRACE_FIRST)
        line(b, 2, x->kind < 4 ? kinds[x->kind] : "Made by", by);
    line(b, 2, "Message for:", addresses(t, x));
    if (x->m.carried.policy.n)
        line(b, 2, "Mail policy:",
             arena_printf(t->arena, "%.*s (%s)", STR(policy_name_shown(x->m.carried.policy)),
                          policy_name_outgoing(x->m.carried.policy) ? "outgoing" : "incoming"));
}

static void put_step(struct trace *t, const struct step *s, struct buf *b)
{
    struct str text = s->verdict;

    if (s->has_score)
        text = arena_printf(t->arena, "%.*s, score %.1f", STR(text), s->score);
    if (s->detail.n)
        text = arena_printf(t->arena, "%.*s (%.*s)", STR(text), STR(str_first(trace_detail(t, s), 1000)));
    buf_addf(b, "    ");
    render_plain(s->stage, b);
    buf_add(b, str_lit(": "));
    render_plain(text, b);
    buf_addc(b, '\n');
}

static void put_log(const struct trace_message *x, struct buf *b)
{
    struct str rest = x->log, one;

    while (rest.n && str_split(&rest, '\n', &one)) {
        if (!one.n)
            continue;
        buf_add(b, str_lit("      log: "));
        render_plain(one, b);
        buf_addc(b, '\n');
    }
}

static bool is_enqueued(const struct trace_message *x)
{
    for (size_t i = 0; i < x->n_fates; i++)
        if (str_eq(str_c(x->fates[i].action), str_lit("deliver")))
            return true;
    return false;
}

static void put_work_queue(struct trace *t, struct buf *b)
{
    section(b, "Work queue");
    for (struct trace_message *x = t->first; x; x = x->next) {
        if (x != t->first)
            buf_addc(b, '\n');
        put_origin(t, x, b);
        for (size_t i = 0; i < x->n_steps; i++)
            put_step(t, &x->steps[i], b);
        put_log(x, b);
        if (is_enqueued(x))
            buf_add(b, str_lit("  Message Enqueued for Delivery\n"));
    }
    for (size_t i = 0; i < t->n_dlp; i++)
        buf_addf(b, "    DLP: %.*s, %.*s: %llu matches, risk %llu, %s\n", STR(t->dlp[i].policy->name),
                 STR(t->dlp[i].classifier), (unsigned long long)t->dlp[i].count, (unsigned long long)t->dlp[i].risk,
                 dlp_severity_name(t->dlp[i].severity));
    if (t->more)
        buf_addf(b, "  The message makes more than %d messages: the others are not looked at.\n", TRACE_MESSAGES);
}

/* --- the end ----------------------------------------------------------------------------------------------------------- */

static void put_delivery(struct trace *t, struct buf *b)
{
    section(b, "Delivery");
    for (struct trace_message *x = t->first; x; x = x->next)
        for (size_t i = 0; i < x->n_fates && i < RECIPIENTS_SHOWN; i++) {
            const struct trace_fate *f = &x->fates[i];

            if (!str_eq(str_c(f->action), str_lit("deliver")))
                continue;
            line(b, 2, "Recipient:", arena_printf(t->arena, "<%.*s>", STR(f->address)));
            line(b, 4, "Next hop:", arena_printf(t->arena, "%.*s (%.*s)", STR(or_none(f->next_hop, "none")), STR(f->route)));
        }
}

static void put_fate(struct trace *t, const struct trace_message *x, const struct trace_fate *f, struct buf *b)
{
    struct str names = STR_NONE;

    buf_addf(b, "  %s", f->action);
    for (size_t i = 0; i < f->quarantines.n; i++)
        names = arena_printf(t->arena, "%.*s%s%.*s", STR(names), i ? ", " : "", STR(f->quarantines.items[i]));
    if (names.n)
        buf_addf(b, " [%.*s]", STR(names));
    buf_add(b, str_lit(": <"));
    render_plain(f->address, b);
    buf_add(b, x->kind == COPY_GENERATED ? str_lit("> (further message)") : str_lit(">"));
    if (f->reason.n) {
        buf_add(b, str_lit(": "));
        render_plain(f->reason, b);
    }
    buf_addc(b, '\n');
}

static void put_result(struct trace *t, struct buf *b)
{
    section(b, "Final result");
    buf_addf(b, "  Reply to the peer: %u %.*s\n", t->code, STR(t->text));
    for (size_t i = 0; i < t->n_ended && i < RECIPIENTS_SHOWN; i++)
        put_fate(t, &(struct trace_message){.kind = TRACE_FIRST}, &t->ended[i], b);
    for (struct trace_message *x = t->first; x; x = x->next)
        for (size_t i = 0; i < x->n_fates && i < RECIPIENTS_SHOWN; i++)
            put_fate(t, x, &x->fates[i], b);
    line(b, 2, "Action:", str_c(t->action));
}

/* Each message that goes on, as it would leave. */
static void put_messages(struct trace *t, struct buf *b)
{
    for (struct trace_message *x = t->first; x; x = x->next) {
        struct str octets;

        if (!x->n_fates)
            continue;
        octets = message_octets(&x->m);
        buf_addf(b, "\n" TRACE_RESULT " for ");
        for (size_t i = 0; i < x->n_fates && i < RECIPIENTS_SHOWN; i++) {
            buf_add(b, i ? str_lit(", <") : str_lit("<"));
            render_plain(x->fates[i].address, b);
            buf_addc(b, '>');
        }
        buf_add(b, str_lit(":\n\n"));
        for (size_t i = 0; i < octets.n; i++)
            if (octets.p[i] != '\r' || i + 1 == octets.n || octets.p[i + 1] != '\n')
                buf_addc(b, octets.p[i]);
    }
}

void trace_text(struct trace *t, struct buf *b)
{
    put_host(t, b);
    if (t->sender.p || t->sender_note.n)
        put_sender(t, b);
    if (t->n_recipients)
        put_recipients(t, b);
    if (t->first) {
        put_pre_queue(t, b);
        put_work_queue(t, b);
        put_delivery(t, b);
    }
    put_result(t, b);
    if (t->o.message)
        put_messages(t, b);
}
