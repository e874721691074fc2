/*
 * Events to sums. See figures_fold.h.
 *
 * Called by figures.c for each event. A row of `rules` is an event and its function; what an event needs to know of its
 * message or connection lies in the tables. A message is counted by its findings once, when it leaves the work queue; what
 * comes back from a quarantine later is not counted again. Connections and deliveries are counted as they happen.
 */
#include "record/figures_items.h"

static struct fold_item *message(const struct fold_at *a, uint64_t mid)
{
    return fold_get(&a->f->messages, mid);
}

/* --- connections in ------------------------------------------------------------------------------------------------ */

static void incoming(const struct fold_at *a, const struct event_record *ev)
{
    const struct event_connection_incoming *e = event_as(ev, connection_incoming);
    struct fold_item *i = fold_new(&a->f->incoming, e->icid);

    fold_add(a, REPORT_mail_system_capacity, STR_NONE, FIGURE_incoming_connections, 1);
    fold_add(a, REPORT_mail_security_summary, STR_NONE, FIGURE_received_conn_total, 1);
    fold_add(a, REPORT_mail_authentication_summary, STR_NONE, FIGURE_received_conn_total, 1);
    if (!i)
        return;
    fold_set(i, TEXT_IP, e->peer_ip);
    fold_set(i, TEXT_DOMAIN, e->ptr.n ? e->ptr : str_lit("unknown domain"));
}

static void verdict(const struct fold_at *a, const struct event_record *ev)
{
    static const enum report_counter actions[] = {FIGURE_connections_accept, FIGURE_connections_relay,
                                                  FIGURE_connections_reject, FIGURE_connections_tcp_refuse};
    const struct event_connection_verdict *e = event_as(ev, connection_verdict);
    struct fold_item *i = fold_get(&a->f->incoming, e->icid);
    struct str domain = i ? fold_text(i, TEXT_DOMAIN) : str_lit("unknown domain");
    bool refused = e->action >= 2;

    fold_add(a, REPORT_mail_sender_group_detail, e->group.n ? e->group : str_lit("None"), FIGURE_total_connections, 1);
    fold_add(a, REPORT_mail_sender_group_summary, STR_NONE, actions[e->action & 3], 1);
    if (e->country.n)
        fold_add(a, REPORT_mail_geo_distribution, e->country, FIGURE_total_connections, 1);
    if (i && e->action == 1)
        i->flags |= FOLD_OUTGOING;
    if (e->action == 1)
        return;
    fold_add(a, REPORT_mail_incoming_ip_hostname_detail, e->peer_ip,
             refused ? FIGURE_total_rejected_connections : FIGURE_total_accepted_connections, 1);
    fold_add(a, REPORT_mail_incoming_domain_detail, domain,
             refused ? FIGURE_total_rejected_connections : FIGURE_total_accepted_connections, 1);
    if (!refused)
        return;
    fold_add(a, REPORT_mail_incoming_traffic_summary, STR_NONE, FIGURE_blocked_reputation, 1);
    fold_add(a, REPORT_mail_incoming_ip_hostname_detail, e->peer_ip, FIGURE_blocked_reputation, 1);
    fold_add(a, REPORT_mail_incoming_domain_detail, domain, FIGURE_blocked_reputation, 1);
}

static void tls_in(const struct fold_at *a, const struct event_record *ev)
{
    fold_add(a, REPORT_mail_security_summary, STR_NONE,
             ev->type == EVENT_tls_incoming ? FIGURE_received_conn_tls_success : FIGURE_received_conn_tls_fail, 1);
}

static void auth(const struct fold_at *a, const struct event_record *ev)
{
    const struct event_smtp_auth *e = event_as(ev, smtp_auth);

    fold_add(a, REPORT_mail_authentication_summary, STR_NONE,
             e->ok ? FIGURE_received_conn_auth_success : FIGURE_received_conn_auth_fail, 1);
    fold_add(a, REPORT_mail_authentication_incoming_domain, e->user, e->ok ? FIGURE_auth_success : FIGURE_auth_fail, 1);
}

static void in_closed(const struct fold_at *a, const struct event_record *ev)
{
    fold_remove(&a->f->incoming, event_as(ev, connection_closed)->icid);
}

static void rejected(const struct fold_at *a, const struct event_record *ev)
{
    const struct event_recipient_rejected *e = event_as(ev, recipient_rejected);
    const struct fold_item *c = fold_get(&a->f->incoming, e->icid), *m = fold_get(&a->f->messages, e->mid);
    bool throttled =
        str_find_str(e->by, str_lit("hrottling")) < e->by.n || str_find_str(e->by, str_lit("Injection")) < e->by.n;
    enum report_counter what = throttled ? FIGURE_total_throttled_recipients : FIGURE_blocked_invalid_recipient;

    if (c && c->flags & FOLD_OUTGOING)
        return;
    if (c) {
        fold_add(a, REPORT_mail_incoming_ip_hostname_detail, fold_text(c, TEXT_IP), what, 1);
        fold_add(a, REPORT_mail_incoming_domain_detail, fold_text(c, TEXT_DOMAIN), what, 1);
    }
    if (!throttled) {
        fold_add(a, REPORT_mail_incoming_traffic_summary, STR_NONE, what, 1);
        return;
    }
    if (!m)
        return;
    fold_add(a, REPORT_mail_env_sender_rate_limit, fold_text(m, TEXT_SENDER), FIGURE_env_sender_incidents, 1);
    fold_add(a, REPORT_mail_env_sender_rate_limit, fold_text(m, TEXT_SENDER), FIGURE_env_sender_rejected_rcpts, 1);
}

/* --- messages ------------------------------------------------------------------------------------------------------ */

static void start(const struct fold_at *a, const struct event_record *ev)
{
    const struct event_message_start *e = event_as(ev, message_start);
    const struct fold_item *c = fold_get(&a->f->incoming, e->icid);
    struct fold_item *m = e->icid ? fold_new(&a->f->messages, e->mid) : NULL;

    if (e->icid && !m)
        fold_add(a, REPORT_mail_system_capacity, STR_NONE, FIGURE_left_out, 1);
    if (!m)
        return;
    fold_set(m, TEXT_IP, c ? fold_text(c, TEXT_IP) : STR_NONE);
    fold_set(m, TEXT_DOMAIN, c ? fold_text(c, TEXT_DOMAIN) : str_lit("unknown domain"));
    m->flags = c ? c->flags & FOLD_OUTGOING : 0;
}

static void sender(const struct fold_at *a, const struct event_record *ev)
{
    struct fold_item *m = message(a, event_as(ev, message_sender)->mid);

    if (m)
        fold_set(m, TEXT_SENDER, event_as(ev, message_sender)->sender);
}

/* A split message takes recipients from the one it comes from. */
static void recipient(const struct fold_at *a, const struct event_record *ev)
{
    const struct event_message_recipient *e = event_as(ev, message_recipient);
    struct fold_item *m = message(a, e->mid), *parent = m && m->parent ? message(a, m->parent) : NULL;

    if (m)
        fold_add_recipient(m, e->recipient);
    if (parent)
        fold_drop_recipient(parent, e->recipient);
}

static void ready(const struct fold_at *a, const struct event_record *ev)
{
    const struct event_message_ready *e = event_as(ev, message_ready);
    struct fold_item *m = message(a, e->mid);

    if (m)
        m->flags |= FOLD_READY;
    if (!e->icid)
        return;
    fold_add(a, REPORT_mail_system_capacity, STR_NONE, FIGURE_incoming_messages, 1);
    fold_add(a, REPORT_mail_system_capacity, STR_NONE, FIGURE_bytes_in, e->bytes);
    if (m && m->flags & FOLD_RELEASED)
        return;
    fold_add(a, REPORT_mail_security_summary, STR_NONE, FIGURE_received_total, 1);
    fold_add(a, REPORT_mail_env_sender_stats, e->sender, FIGURE_num_msgs, 1);
}

static void subject(const struct fold_at *a, const struct event_record *ev)
{
    if (message(a, event_as(ev, message_subject)->mid))
        fold_add(a, REPORT_mail_subject_stats, event_as(ev, message_subject)->subject, FIGURE_num_msgs, 1);
}

static void policy(const struct fold_at *a, const struct event_record *ev)
{
    const struct event_message_policy *e = event_as(ev, message_policy);
    struct fold_item *m = message(a, e->mid);

    if (!m)
        return;
    m->flags = e->outbound ? m->flags | FOLD_OUTGOING : m->flags & ~(uint64_t)FOLD_OUTGOING;
    fold_add(a, e->outbound ? REPORT_mail_policy_outgoing : REPORT_mail_policy_incoming, e->policy,
             FIGURE_recipients_matched, m->recipients);
}

static void become(const struct fold_at *a, uint64_t from, uint64_t to, bool split)
{
    const struct fold_item *m = message(a, from);
    struct fold_item *child = m && to != from ? fold_new(&a->f->messages, to) : NULL;

    m = child ? message(a, from) : NULL; /* making the child may have removed it */
    if (!m)
        return;
    child->flags = m->flags;
    child->parent = split ? from : 0;
    for (unsigned k = 0; k < FOLD_TEXTS; k++)
        if (k != TEXT_RECIPIENTS || !split)
            fold_set(child, (enum fold_text)k, fold_text(m, (enum fold_text)k));
    child->recipients = split ? 0 : m->recipients;
}

static void split(const struct fold_at *a, const struct event_record *ev)
{
    if (ev->type == EVENT_message_split) {
        const struct event_message_split *e = event_as(ev, message_split);
        struct fold_item *child;

        become(a, e->mid, e->child, true);
        child = message(a, e->child);
        if (child)
            child->flags = e->outbound ? child->flags | FOLD_OUTGOING : child->flags & ~(uint64_t)FOLD_OUTGOING;
    } else {
        become(a, event_as(ev, message_split_listed)->mid, event_as(ev, message_split_listed)->child, true);
    }
}

static void rewritten(const struct fold_at *a, const struct event_record *ev)
{
    const struct event_message_rewritten *e = event_as(ev, message_rewritten);

    become(a, e->mid, e->now, false);
    fold_remove(&a->f->messages, e->mid);
}

/* --- findings ------------------------------------------------------------------------------------------------------ */

static void found(const struct fold_at *a, uint64_t mid, uint64_t flag)
{
    struct fold_item *m = message(a, mid);

    if (m)
        m->flags |= flag;
}

static void spam(const struct fold_at *a, const struct event_record *ev)
{
    static const uint64_t flags[] = {0, FOLD_SUSPECT, FOLD_SPAM, FOLD_BULK, FOLD_SOCIAL, FOLD_MARKETING};
    const struct event_antispam_verdict *e = event_as(ev, antispam_verdict);

    if (e->verdict < sizeof flags / sizeof *flags)
        found(a, e->mid, flags[e->verdict]);
}

static void virus(const struct fold_at *a, const struct event_record *ev)
{
    const struct event_antivirus_verdict *e = event_as(ev, antivirus_verdict);
    struct fold_item *m = message(a, e->mid);

    if (!m || (e->result != 1 && e->result != 4))
        return;
    m->flags |= FOLD_VIRUS;
    fold_set(m, TEXT_VIRUS, e->virus);
}

static void outbreak(const struct fold_at *a, const struct event_record *ev)
{
    fold_add(a, REPORT_mail_vof_threats_by_type, event_as(ev, outbreak_threat)->type, FIGURE_threat_detected, 1);
}

static void dmarc(const struct fold_at *a, const struct event_record *ev)
{
    const struct event_dmarc *e = event_as(ev, dmarc);
    bool pass = str_eqi(e->result, str_lit("pass")), fail = str_startsi(e->result, str_lit("fail"));

    fold_add(a, REPORT_mail_dmarc_incoming_traffic_summary, STR_NONE, FIGURE_dmarc_total_attempted, 1);
    fold_add(a, REPORT_mail_dmarc_domain_detail, e->domain, FIGURE_dmarc_total_attempted, 1);
    if (!pass && !fail)
        return;
    fold_add(a, REPORT_mail_dmarc_incoming_traffic_summary, STR_NONE, pass ? FIGURE_dmarc_passed : FIGURE_dmarc_failed_total,
             1);
    fold_add(a, REPORT_mail_dmarc_domain_detail, e->domain, pass ? FIGURE_dmarc_passed : FIGURE_dmarc_failed_total, 1);
}

static void authentic(const struct fold_at *a, const struct event_record *ev)
{
    struct str result = ev->type == EVENT_dkim ? event_as(ev, dkim)->result : event_as(ev, spf_mailfrom)->result;

    if (str_eqi(result, str_lit("fail")) || str_eqi(result, str_lit("permfail")) || str_eqi(result, str_lit("hardfail")))
        fold_add(a, REPORT_mail_incoming_traffic_summary, STR_NONE,
                 ev->type == EVENT_dkim ? FIGURE_failed_dkim : FIGURE_failed_spf, 1);
}

static void filters(const struct fold_at *a, const struct event_record *ev)
{
    const struct event_content_filters_done *e = event_as(ev, content_filters_done); /* both have the same fields */
    const struct fold_item *m = message(a, e->mid);
    struct str rest = e->filters, name;

    while (rest.n && str_split(&rest, ',', &name)) {
        if (ev->type == EVENT_message_filters_done)
            fold_add(a, REPORT_mail_msg_filter_stats, str_trim(name), FIGURE_num_matches, 1);
        else if (m)
            fold_add(a, m->flags & FOLD_OUTGOING ? REPORT_mail_content_filter_outgoing : REPORT_mail_content_filter_incoming,
                     str_trim(name), FIGURE_recipients_matched, m->recipients);
    }
}

static void dlp(const struct fold_at *a, const struct event_record *ev)
{
    static const enum report_counter severities[] = {FIGURES, FIGURE_dlp_incidents_low, FIGURE_dlp_incidents_medium,
                                                     FIGURE_dlp_incidents_high, FIGURE_dlp_incidents_critical};
    const struct event_dlp_violation *e = event_as(ev, dlp_violation);
    const struct fold_item *m = message(a, e->mid);
    enum report_counter severity = severities[e->severity <= 4 ? e->severity : 0];

    found(a, e->mid, FOLD_DLP);
    fold_add(a, REPORT_mail_dlp_outgoing_traffic_summary, STR_NONE, FIGURE_total_dlp_incidents, 1);
    fold_add(a, REPORT_mail_dlp_outgoing_policy_detail, e->policy, FIGURE_total_dlp_incidents, 1);
    if (m)
        fold_add(a, REPORT_mail_dlp_users_policy_detail, fold_text(m, TEXT_SENDER), FIGURE_total_dlp_incidents, 1);
    if (severity == FIGURES)
        return;
    fold_add(a, REPORT_mail_dlp_outgoing_traffic_summary, STR_NONE, severity, 1);
    fold_add(a, REPORT_mail_dlp_outgoing_policy_detail, e->policy, severity, 1);
}

static void released(const struct fold_at *a, const struct event_record *ev)
{
    found(a, event_as(ev, cpq_released)->mid, FOLD_RELEASED);
}

/* --- the end of the work queue ------------------------------------------------------------------------------------- */

static void judged(const struct fold_at *a, uint64_t mid)
{
    const struct fold_item *m = message(a, mid);

    if (!m)
        return;
    if ((m->flags & (FOLD_READY | FOLD_RELEASED)) == FOLD_READY)
        fold_count(a->f, a->slot_ms, m);
    fold_remove(&a->f->messages, mid);
}

static void queued(const struct fold_at *a, const struct event_record *ev)
{
    judged(a, ev->type == EVENT_message_queued ? event_as(ev, message_queued)->mid : event_as(ev, message_finished)->mid);
}

static void dropped(const struct fold_at *a, const struct event_record *ev)
{
    static const uint64_t flags[] = {FOLD_SPAM, FOLD_VIRUS, FOLD_VIRUS, FOLD_CONTENT, 0, 0, FOLD_DMARC, 0, FOLD_CONTENT};
    const struct event_message_dropped *e = event_as(ev, message_dropped);

    if (e->by < sizeof flags / sizeof *flags)
        found(a, e->mid, flags[e->by]);
    judged(a, e->mid);
}

static void dropped_content(const struct fold_at *a, const struct event_record *ev)
{
    found(a, event_as(ev, message_dropped_content)->mid, FOLD_CONTENT);
    judged(a, event_as(ev, message_dropped_content)->mid);
}

static void aborted(const struct fold_at *a, const struct event_record *ev)
{
    fold_remove(&a->f->messages, event_as(ev, message_aborted)->mid);
}

/* --- rules --------------------------------------------------------------------------------------------------------- */

static void (*const rules[EVENT_TYPE_COUNT])(const struct fold_at *a, const struct event_record *ev) = {
    [EVENT_connection_incoming] = incoming,
    [EVENT_connection_verdict] = verdict,
    [EVENT_tls_incoming] = tls_in,
    [EVENT_tls_incoming_failed] = tls_in,
    [EVENT_smtp_auth] = auth,
    [EVENT_connection_closed] = in_closed,
    [EVENT_connection_lost] = in_closed,
    [EVENT_recipient_rejected] = rejected,
    [EVENT_message_start] = start,
    [EVENT_message_sender] = sender,
    [EVENT_message_recipient] = recipient,
    [EVENT_message_ready] = ready,
    [EVENT_message_subject] = subject,
    [EVENT_message_policy] = policy,
    [EVENT_message_split] = split,
    [EVENT_message_split_listed] = split,
    [EVENT_message_rewritten] = rewritten,
    [EVENT_antispam_verdict] = spam,
    [EVENT_antivirus_verdict] = virus,
    [EVENT_outbreak_threat] = outbreak,
    [EVENT_dmarc] = dmarc,
    [EVENT_dkim] = authentic,
    [EVENT_spf_mailfrom] = authentic,
    [EVENT_message_filters_done] = filters,
    [EVENT_content_filters_done] = filters,
    [EVENT_dlp_violation] = dlp,
    [EVENT_cpq_released] = released,
    [EVENT_message_queued] = queued,
    [EVENT_message_finished] = queued,
    [EVENT_message_dropped] = dropped,
    [EVENT_message_dropped_content] = dropped_content,
    [EVENT_message_aborted] = aborted,
    [EVENT_delivery_connection] = fold_outgoing,
    [EVENT_delivery_tls] = fold_tls_out,
    [EVENT_delivery_tls_failed] = fold_tls_out,
    [EVENT_delivery_done] = fold_delivered,
    [EVENT_delivery_bounced] = fold_bounced,
    [EVENT_delivery_closed] = fold_out_closed,
};

/* A clock that was set back counts into the open quarter, and is flagged. */
void fold_take(struct figures_fold *f, const struct event_record *ev)
{
    struct fold_at a = {f, ev->wall_ms - ev->wall_ms % SLOT_MS};

    if (!rules[ev->type])
        return;
    if (a.slot_ms < f->slot_ms) {
        a.slot_ms = f->slot_ms;
        fold_add(&a, REPORT_mail_system_capacity, STR_NONE, FIGURE_counted_late, 1);
    }
    rules[ev->type](&a, ev);
}

void fold_done(struct figures_fold *f)
{
    sums_clear(&f->sums);
    fold_table_done(&f->messages);
    fold_table_done(&f->incoming);
    fold_table_done(&f->outgoing);
}

void fold_save(const struct figures_fold *f, struct buf *out)
{
    fold_table_save(&f->messages, out);
    fold_table_save(&f->incoming, out);
    fold_table_save(&f->outgoing, out);
}

bool fold_restore(struct figures_fold *f, struct str *in)
{
    return fold_table_restore(&f->messages, in) && fold_table_restore(&f->incoming, in) &&
           fold_table_restore(&f->outgoing, in);
}
