/*
 * What a delivery counts in which report. See figures_items.h.
 *
 * Called by figures_fold.c for each event of a delivery. Connections of deliveries are remembered until they close, for the
 * domain; what goes to our own quarantines is no delivery.
 */
#include "mail/internal_name.h"
#include "record/figures_items.h"

static uint64_t rids_in(struct str varints)
{
    uint64_t n = 0;

    for (size_t i = 0; i < varints.n; i++)
        n += !((unsigned char)varints.p[i] & 0x80);
    return n;
}

void fold_outgoing(const struct fold_at *a, const struct event_record *ev)
{
    const struct event_delivery_connection *e = event_as(ev, delivery_connection);
    struct fold_item *c;

    if (internal_is(e->domain))
        return;
    fold_add(a, REPORT_mail_system_capacity, STR_NONE, FIGURE_outgoing_connections, 1);
    fold_add(a, REPORT_mail_security_summary, STR_NONE, FIGURE_sent_conn_total, 1);
    c = fold_new(&a->f->outgoing, e->dcid);
    if (c)
        fold_set(c, TEXT_DOMAIN, e->domain);
}

void fold_tls_out(const struct fold_at *a, const struct event_record *ev)
{
    bool good = ev->type == EVENT_delivery_tls;
    uint64_t dcid = good ? event_as(ev, delivery_tls)->dcid : event_as(ev, delivery_tls_failed)->dcid;
    const struct fold_item *c = fold_get(&a->f->outgoing, dcid);

    if (!c)
        return;
    fold_add(a, REPORT_mail_security_summary, STR_NONE, good ? FIGURE_sent_conn_tls_success : FIGURE_sent_conn_tls_fail, 1);
    fold_add(a, REPORT_mail_destination_domain_detail, fold_text(c, TEXT_DOMAIN),
             good ? FIGURE_conn_tls_success : FIGURE_conn_tls_fail, 1);
}

void fold_delivered(const struct fold_at *a, const struct event_record *ev)
{
    const struct event_delivery_done *e = event_as(ev, delivery_done);
    const struct fold_item *c = fold_get(&a->f->outgoing, e->dcid);
    uint64_t n = rids_in(e->rids);

    if (!c)
        return;
    fold_add(a, REPORT_mail_system_capacity, STR_NONE, FIGURE_outgoing_messages, 1);
    fold_add(a, REPORT_mail_security_summary, STR_NONE, FIGURE_sent_total, 1);
    fold_add(a, REPORT_mail_outgoing_traffic_summary, STR_NONE, FIGURE_total_recipients_delivered, n);
    fold_add(a, REPORT_mail_destination_domain_detail, fold_text(c, TEXT_DOMAIN), FIGURE_delivered, n);
}

void fold_bounced(const struct fold_at *a, const struct event_record *ev)
{
    const struct event_delivery_bounced *e = event_as(ev, delivery_bounced);

    fold_add(a, REPORT_mail_outgoing_traffic_summary, STR_NONE, FIGURE_total_hard_bounces, 1);
    fold_add(a, REPORT_mail_destination_domain_detail, fold_domain(e->recipient), FIGURE_hard_bounces, 1);
}

void fold_out_closed(const struct fold_at *a, const struct event_record *ev)
{
    fold_remove(&a->f->outgoing, event_as(ev, delivery_closed)->dcid);
}
