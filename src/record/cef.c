/*
 * The fold behind the consolidated event log. See cef.h.
 *
 * Called by record.c for each event while a subscription of that type exists. Owns what is known of messages and connections
 * under way. Most of it is a table: this field of this event is that key. Events of a message that is not known (it was
 * forgotten, or the subscription is younger) begin it anew.
 */
#include "record/cef.h"

#include "base/must.h"

#include <stdlib.h>

enum { IN, OUT, MESSAGE, TABLES };
enum { RECIPIENTS_MOST = 7 << 10 };

struct cef {
    struct cef_items tables[TABLES];
};

/* field NULL: the text in `words` itself; else words (separated by bars) by the number in the field, or "" the value. */
static const struct fold {
    enum event_type type;
    int table;
    const char *field;
    enum cef_key key;
    const char *words;
} folds[] = {
    {EVENT_connection_incoming, IN, "listener", CEF_INBOUND, ""},
    {EVENT_connection_incoming, IN, "local_ip", CEF_DEVICE, ""},
    {EVENT_connection_incoming, IN, "peer_ip", CEF_PEER, ""},
    {EVENT_connection_incoming, IN, "peer_ip", CEF_HELO_IP, ""},
    {EVENT_connection_incoming, IN, "ptr", CEF_HOST, ""},
    {EVENT_connection_verdict, IN, "action", CEF_FLOW_POLICY, "ACCEPT|RELAY|REJECT|TCPREFUSE"},
    {EVENT_connection_verdict, IN, "action", CEF_DIRECTION, "0|1|0|0"},
    {EVENT_connection_verdict, IN, "group", CEF_GROUP, ""},
    {EVENT_connection_verdict, IN, "country", CEF_COUNTRY, ""},
    {EVENT_tls_incoming, IN, "cipher", CEF_TLS_IN_CIPHER, ""},
    {EVENT_tls_incoming, IN, "protocol", CEF_TLS_IN_PROTOCOL, ""},
    {EVENT_tls_incoming, IN, NULL, CEF_TLS_IN_STATUS, "Success"},
    {EVENT_tls_incoming_failed, IN, NULL, CEF_TLS_IN_STATUS, "Failure"},
    {EVENT_message_start, MESSAGE, "icid", CEF_ICID, ""},
    {EVENT_message_start, MESSAGE, "helo", CEF_HELO, ""},
    {EVENT_message_sender, MESSAGE, "sender", CEF_SENDER, ""},
    {EVENT_message_id, MESSAGE, "message_id", CEF_MESSAGE_ID, ""},
    {EVENT_message_subject, MESSAGE, "subject", CEF_SUBJECT, ""},
    {EVENT_message_ready, MESSAGE, "bytes", CEF_SIZE, ""},
    {EVENT_message_policy, MESSAGE, "policy", CEF_POLICY, ""},
    {EVENT_message_policy, MESSAGE, "outbound", CEF_DIRECTION, "0|1"},
    {EVENT_message_filters_done, MESSAGE, "matched", CEF_MESSAGE_FILTER, "NO_MATCH|MATCH"},
    {EVENT_content_filters_done, MESSAGE, "matched", CEF_CONTENT_FILTER, "NO_MATCH|MATCH"},
    {EVENT_dkim, MESSAGE, "result", CEF_DKIM, ""},
    {EVENT_dkim_absent, MESSAGE, NULL, CEF_DKIM, "none"},
    {EVENT_dmarc, MESSAGE, "result", CEF_DMARC, ""},
    {EVENT_sdr_domains, MESSAGE, "reply_to", CEF_REPLY_TO, ""},
    {EVENT_sdr_threat, MESSAGE, "level", CEF_SDR_SCORE, ""},
    {EVENT_sdr_threat, MESSAGE, "category", CEF_SDR_CATEGORY, ""},
    {EVENT_sdr_threat, MESSAGE, "maturity", CEF_DOMAIN_AGE, ""},
    {EVENT_message_aborted, MESSAGE, "by_sender", CEF_ACTION_DETAILS, "Receiving aborted|Receiving aborted by sender"},
    {EVENT_message_dropped, MESSAGE, "by", CEF_ACTION_DETAILS,
     "Dropped by CASE|Dropped by antivirus|Dropped by amp|Dropped by filter|Dropped by blackhole listener|Dropped by alias|"
     "Dropped by DMARC|Dropped by scanning|Dropped by DLP"},
    {EVENT_antispam_verdict, MESSAGE, "verdict", CEF_ANTISPAM,
     "NEGATIVE|SUSPECT|POSITIVE|BULK_MAIL|SOCIAL_MAIL|MARKETING_MAIL"},
    {EVENT_antivirus_verdict, MESSAGE, "result", CEF_ANTIVIRUS, "NEGATIVE|POSITIVE|ENCRYPTED|UNSCANNABLE|REPAIRED"},
    {EVENT_graymail_verdict, MESSAGE, "positive", CEF_GRAYMAIL, "NEGATIVE|POSITIVE"},
    {EVENT_outbreak_verdict, MESSAGE, "positive", CEF_OUTBREAK, "NEGATIVE|POSITIVE"},
    {EVENT_dlp_violation, MESSAGE, NULL, CEF_DLP, "VIOLATION"},
    {EVENT_dlp_clear, MESSAGE, "found", CEF_DLP, "NO_TRIGGER|NO_VIOLATION"},
    {EVENT_message_dropped_content, MESSAGE, "bounced", CEF_ACTION_DETAILS,
     "Dropped by content filter|Bounced by content filter"},
    {EVENT_delivery_tls, OUT, "cipher", CEF_TLS_OUT_CIPHER, ""},
    {EVENT_delivery_tls, OUT, "protocol", CEF_TLS_OUT_PROTOCOL, ""},
    {EVENT_delivery_tls, OUT, NULL, CEF_TLS_OUT_STATUS, "Success"},
    {EVENT_delivery_tls_failed, OUT, NULL, CEF_TLS_OUT_STATUS, "Failure"},
    {EVENT_delivery_start, MESSAGE, "dcid", CEF_DCID, ""},
};
enum { FOLDS = sizeof folds / sizeof *folds };

struct cef *cef_new(void)
{
    struct cef *c = calloc(1, sizeof *c);

    must(c);
    cef_items_init(&c->tables[IN], CEF_CONNECTIONS);
    cef_items_init(&c->tables[OUT], CEF_CONNECTIONS);
    cef_items_init(&c->tables[MESSAGE], CEF_MESSAGES);
    return c;
}

void cef_free(struct cef *c)
{
    for (int t = 0; c && t < TABLES; t++)
        cef_items_done(&c->tables[t]);
    free(c);
}

uint64_t cef_forgotten(const struct cef *c)
{
    return c->tables[MESSAGE].forgotten;
}

/* --- the table ----------------------------------------------------------------------------------------------------- */

static struct cef_item *item_of(struct cef *c, const struct event_record *ev, int table)
{
    static const char *const ids[TABLES] = {"icid", "dcid", "mid"};
    const void *id = NULL;

    if (fields_find(event_info(ev->type)->fields, ev->fields, str_c(ids[table]), &id) != FIELD_U64 || !*(const uint64_t *)id)
        return NULL;
    return cef_items_get(&c->tables[table], *(const uint64_t *)id);
}

static struct str word(struct str words, uint64_t n)
{
    struct str one = words;

    while (str_split(&words, '|', &one) && n--)
        ;
    return one;
}

static void apply(const struct fold *f, const struct event_record *ev, struct cef_item *i)
{
    const void *value = NULL;
    char digits[24];
    struct buf number = BUF(sizeof digits);
    enum field_type type;

    if (!f->field) {
        cef_set(&i->values[f->key], str_c(f->words));
        return;
    }
    type = fields_find(event_info(ev->type)->fields, ev->fields, str_c(f->field), &value);
    if (type == FIELD_STR) {
        cef_set(&i->values[f->key], *(const struct str *)value);
    } else if (type == FIELD_U64 && f->words[0]) {
        cef_set(&i->values[f->key], word(str_c(f->words), *(const uint64_t *)value));
    } else if (type == FIELD_U64) {
        buf_add_u64(&number, *(const uint64_t *)value);
        cef_set(&i->values[f->key], buf_str(&number));
    }
    buf_done(&number);
}

static void apply_table(struct cef *c, const struct event_record *ev)
{
    for (size_t k = 0; k < FOLDS; k++) {
        struct cef_item *i = folds[k].type == ev->type ? item_of(c, ev, folds[k].table) : NULL;

        if (i)
            apply(&folds[k], ev, i);
    }
}

/* --- what is no field of its own ------------------------------------------------------------------------------------- */

/* A number with one decimal, None, not enabled. */
static void score(struct cef *c, const struct event_record *ev)
{
    struct cef_item *i = item_of(c, ev, IN);
    struct str sbrs = event_as(ev, connection_verdict)->sbrs;
    bool number = sbrs.n && (ascii_digit(sbrs.p[0]) || sbrs.p[0] == '-');

    if (i)
        cef_set(&i->values[CEF_SBRS], number                                            ? sbrs
                                      : !sbrs.n || str_eq(sbrs, str_lit("not enabled")) ? str_lit("not enabled")
                                                                                        : str_lit("None"));
}

static void take_values(struct cef_item *to, const struct cef_item *from)
{
    for (size_t k = 0; from && k < CEF_KEYS; k++)
        if (from->values[k])
            cef_set(&to->values[k], str_c(from->values[k]));
}

static void start(struct cef *c, const struct event_record *ev)
{
    struct cef_item *m = item_of(c, ev, MESSAGE);

    if (!m)
        return;
    m->start_ms = ev->wall_ms;
    take_values(m, cef_items_find(&c->tables[IN], event_as(ev, message_start)->icid));
}

static void recipient(struct cef *c, const struct event_record *ev)
{
    struct cef_item *m = item_of(c, ev, MESSAGE);
    struct str one = event_as(ev, message_recipient)->recipient, all = STR_NONE;
    struct buf list = BUF(8 << 10);

    if (m)
        all = str_c(m->values[CEF_RECIPIENTS]);
    if (m && all.n + one.n < RECIPIENTS_MOST) {
        buf_add(&list, all);
        if (all.n)
            buf_addc(&list, ',');
        buf_add(&list, one);
        cef_set(&m->values[CEF_RECIPIENTS], buf_str(&list));
    }
    buf_done(&list);
}

static void spf(struct cef *c, const struct event_record *ev)
{
    static const char *const names[] = {"mailfrom", "helo", "pra"};
    struct cef_item *m = item_of(c, ev, MESSAGE);
    size_t which = ev->type == EVENT_spf_mailfrom ? 0 : ev->type == EVENT_spf_helo ? 1 : 2;
    const void *result = NULL, *identity = NULL;
    struct buf b = BUF(4 << 10);

    fields_find(event_info(ev->type)->fields, ev->fields, str_lit("result"), &result);
    fields_find(event_info(ev->type)->fields, ev->fields, str_lit("identity"), &identity);
    if (m && result && identity) {
        buf_addf(&b, "'%s': {'result': ", names[which]);
        render_repr(*(const struct str *)result, &b);
        buf_add(&b, str_lit(", 'sender': "));
        render_repr(*(const struct str *)identity, &b);
        buf_addc(&b, '}');
        cef_set(&m->spf[which], buf_str(&b));
    }
    buf_done(&b);
}

static void delivery(struct cef *c, const struct event_record *ev)
{
    struct cef_item *m = item_of(c, ev, MESSAGE);

    if (m)
        take_values(m, cef_items_find(&c->tables[OUT], event_as(ev, delivery_start)->dcid));
}

static void bounced(struct cef *c, const struct event_record *ev)
{
    const struct event_delivery_bounced *b = event_as(ev, delivery_bounced);
    struct cef_item *m = item_of(c, ev, MESSAGE);
    struct buf text = BUF(1024);

    buf_addf(&text, "%.*s - %.*s", STR(b->enhanced), STR(b->class));
    if (m)
        cef_set(&m->bounce, buf_str(&text));
    buf_done(&text);
}

static void outcome(struct cef *c, const struct event_record *ev)
{
    struct cef_item *m = item_of(c, ev, MESSAGE);

    if (!m)
        return;
    m->delivered |= ev->type == EVENT_delivery_done;
    m->aborted |= ev->type == EVENT_message_aborted;
    m->split |=
        ev->type == EVENT_message_split || ev->type == EVENT_message_split_listed || ev->type == EVENT_message_rewritten;
    m->dropped |= ev->type == EVENT_message_dropped || ev->type == EVENT_message_dropped_content ||
                  ev->type == EVENT_delivery_discarded || ev->type == EVENT_recipients_deleted;
}

static void (*const special[EVENT_TYPE_COUNT])(struct cef *c, const struct event_record *ev) = {
    [EVENT_connection_verdict] = score,
    [EVENT_message_start] = start,
    [EVENT_message_recipient] = recipient,
    [EVENT_spf_mailfrom] = spf,
    [EVENT_spf_helo] = spf,
    [EVENT_spf_pra] = spf,
    [EVENT_delivery_start] = delivery,
    [EVENT_delivery_bounced] = bounced,
    [EVENT_delivery_done] = outcome,
    [EVENT_message_aborted] = outcome,
    [EVENT_message_split] = outcome,
    [EVENT_message_split_listed] = outcome,
    [EVENT_message_rewritten] = outcome,
    [EVENT_message_dropped] = outcome,
    [EVENT_message_dropped_content] = outcome,
    [EVENT_delivery_discarded] = outcome,
    [EVENT_recipients_deleted] = outcome,
};

bool cef_take(struct cef *c, const struct cef_form *form, const struct event_record *ev, struct buf *out)
{
    if (special[ev->type])
        special[ev->type](c, ev);
    apply_table(c, ev);
    if (ev->type == EVENT_connection_closed)
        cef_items_remove(&c->tables[IN], event_as(ev, connection_closed)->icid);
    if (ev->type == EVENT_delivery_closed)
        cef_items_remove(&c->tables[OUT], event_as(ev, delivery_closed)->dcid);
    if (ev->type != EVENT_message_finished || !item_of(c, ev, MESSAGE))
        return false;
    cef_line(form, item_of(c, ev, MESSAGE), ev->wall_ms, out);
    cef_items_remove(&c->tables[MESSAGE], event_as(ev, message_finished)->mid);
    return true;
}

/* --- in the state of record ---------------------------------------------------------------------------------------- */

void cef_save(const struct cef *c, struct buf *out)
{
    for (int t = TABLES; t-- > 0;) /* messages first: they matter most */
        cef_items_save(&c->tables[t], t == MESSAGE ? CEF_SAVED_BYTES * 3 / 4 : CEF_SAVED_BYTES / 8, out);
}

bool cef_restore(struct cef *c, struct str *in)
{
    for (int t = TABLES; t-- > 0;)
        if (!cef_items_restore(&c->tables[t], in))
            return false;
    return true;
}
