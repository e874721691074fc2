/*
 * What a judged message counts in which report. See figures_fold.h.
 *
 * Called by figures_fold.c once a message left the work queue. Amounts are recipients. A message counts once in each report,
 * under the first of its findings in the order of `findings`; graymail only when nothing was found.
 */
#include "record/figures_items.h"

struct finding {
    uint64_t flag;
    enum report_counter total, user_in, user_out; /* FIGURES = none */
    bool threat;
};

static const struct finding findings[] = {
    {FOLD_DMARC, FIGURE_blocked_dmarc, FIGURES, FIGURES, true},
    {FOLD_SPAM, FIGURE_detected_spam, FIGURE_incoming_detected_spam, FIGURE_outgoing_detected_spam, true},
    {FOLD_SUSPECT, FIGURE_detected_spam, FIGURE_incoming_detected_spam, FIGURE_outgoing_detected_spam, true},
    {FOLD_VIRUS, FIGURE_detected_virus, FIGURE_incoming_detected_virus, FIGURE_outgoing_detected_virus, true},
    {FOLD_CONTENT, FIGURE_threat_content_filter, FIGURE_incoming_detected_content_filter,
     FIGURE_outgoing_detected_content_filter, true},
    {FOLD_MARKETING, FIGURE_marketing_mail, FIGURE_incoming_graymail, FIGURES, false},
    {FOLD_SOCIAL, FIGURE_social_mail, FIGURE_incoming_graymail, FIGURES, false},
    {FOLD_BULK, FIGURE_bulk_mail, FIGURE_incoming_graymail, FIGURES, false},
};

struct str fold_domain(struct str address)
{
    size_t at = str_find_last(address, '@');

    return at < address.n ? str_from(address, at + 1) : address;
}

static const struct finding *finding_of(const struct fold_item *m)
{
    for (size_t i = 0; i < sizeof findings / sizeof *findings; i++)
        if (m->flags & findings[i].flag && (findings[i].threat || !(m->flags & FOLD_OUTGOING)))
            return &findings[i];
    return NULL;
}

static void add(struct figures_fold *f, uint64_t slot_ms, enum report report, struct str key, enum report_counter counter,
                uint64_t n)
{
    if (counter != FIGURES)
        sums_add(&f->sums, report, slot_ms, key, counter, n);
}

/* One report of n recipients: in all, and by what was found. */
static void add_row(struct figures_fold *f, uint64_t slot_ms, enum report report, struct str key,
                    const struct finding *found, enum report_counter all, uint64_t n)
{
    add(f, slot_ms, report, key, all, n);
    if (!found) {
        add(f, slot_ms, report, key, FIGURE_total_clean_recipients, n);
        return;
    }
    add(f, slot_ms, report, key, found->total, n);
    add(f, slot_ms, report, key, found->threat ? FIGURE_total_threat_recipients : FIGURE_total_graymail_recipients, n);
}

static void count_incoming(struct figures_fold *f, uint64_t slot_ms, const struct fold_item *m, const struct finding *found)
{
    struct str rest = fold_text(m, TEXT_RECIPIENTS), address;
    uint64_t n = m->recipients;

    add_row(f, slot_ms, REPORT_mail_incoming_traffic_summary, STR_NONE, found, FIGURE_total_recipients, n);
    if (m->flags & (FOLD_SPAM | FOLD_SUSPECT))
        add(f, slot_ms, REPORT_mail_incoming_traffic_summary, STR_NONE,
            m->flags & FOLD_SPAM ? FIGURE_detected_spam_certain : FIGURE_detected_spam_suspect, n);
    add_row(f, slot_ms, REPORT_mail_incoming_domain_detail, fold_text(m, TEXT_DOMAIN), found, FIGURE_total_recipients, n);
    add_row(f, slot_ms, REPORT_mail_incoming_ip_hostname_detail, fold_text(m, TEXT_IP), found, FIGURE_total_recipients, n);
    while (get_str(&rest, &address)) {
        add(f, slot_ms, REPORT_mail_users_detail, address, FIGURE_incoming_total_recipients, 1);
        add(f, slot_ms, REPORT_mail_users_detail, address, found ? found->user_in : FIGURE_incoming_total_clean_recipients,
            1);
    }
}

static void count_outgoing(struct figures_fold *f, uint64_t slot_ms, const struct fold_item *m, const struct finding *found)
{
    struct str rest = fold_text(m, TEXT_RECIPIENTS), address, sender = fold_text(m, TEXT_SENDER);
    enum report_counter dlp = m->flags & FOLD_DLP ? FIGURE_total_dlp_incidents : FIGURES;
    uint64_t n = m->recipients;

    add_row(f, slot_ms, REPORT_mail_outgoing_traffic_summary, STR_NONE, found, FIGURE_total_recipients, n);
    add(f, slot_ms, REPORT_mail_outgoing_traffic_summary, STR_NONE, FIGURE_total_recipients_processed, n);
    add(f, slot_ms, REPORT_mail_outgoing_traffic_summary, STR_NONE, dlp, n);
    add_row(f, slot_ms, REPORT_mail_sender_domain_detail, fold_domain(sender), found, FIGURE_total_recipients_processed, n);
    add(f, slot_ms, REPORT_mail_sender_domain_detail, fold_domain(sender), dlp, n);
    add_row(f, slot_ms, REPORT_mail_sender_ip_hostname_detail, fold_text(m, TEXT_IP), found,
            FIGURE_total_recipients_processed, n);
    add(f, slot_ms, REPORT_mail_sender_ip_hostname_detail, fold_text(m, TEXT_IP), dlp, n);
    add(f, slot_ms, REPORT_mail_users_detail, sender, FIGURE_outgoing_total_recipients, n);
    add(f, slot_ms, REPORT_mail_users_detail, sender, found ? found->user_out : FIGURE_outgoing_total_clean_recipients, n);
    while (get_str(&rest, &address))
        add_row(f, slot_ms, REPORT_mail_destination_domain_detail, fold_domain(address), found,
                FIGURE_total_recipients_processed, 1);
}

void fold_count(struct figures_fold *f, uint64_t slot_ms, const struct fold_item *m)
{
    const struct finding *found = finding_of(m);

    if (m->flags & FOLD_OUTGOING)
        count_outgoing(f, slot_ms, m, found);
    else
        count_incoming(f, slot_ms, m, found);
    if (m->flags & FOLD_VIRUS) {
        struct str virus = fold_text(m, TEXT_VIRUS);

        add(f, slot_ms, REPORT_mail_virus_type_detail, virus, FIGURE_total_recipients, m->recipients);
        add(f, slot_ms, REPORT_mail_virus_type_detail, virus,
            m->flags & FOLD_OUTGOING ? FIGURE_outgoing_total_recipients : FIGURE_incoming_total_recipients, m->recipients);
    }
}
