/*
 * Events of a message to facts of its row. See track_fold.h.
 *
 * Called by the tracking store for each event, in any order. Owns nothing. Most of it is a table: this field of this event
 * is that token; what needs a look at the value is a function below.
 */
#include "store/track_fold.h"

#include "event/render.h"
#include "store/track_tokens.h"

#define BIT(name) TRACK_BIT(name)

struct track_info track_flag_info(size_t bit)
{
    static const char *const rows[][2] = {
#define TRACK_FLAG(name, word, title) {word, title},
#include "spec/track_flags.def"
#undef TRACK_FLAG
    };

    return (struct track_info){str_c(rows[bit][0]), str_c(rows[bit][1])};
}

struct str track_state_text(uint64_t state)
{
    static const char *const texts[] = {
#define TRACK_STATE(name, text) text,
#include "spec/track_states.def"
#undef TRACK_STATE
    };

    return str_c(texts[state < TRACK_STATE_COUNT ? state : STATE_NONE]);
}

uint64_t track_mid(const struct event_record *rec)
{
    const struct event_info *info = event_info(rec->type);
    const void *v = NULL;

    return info && fields_find(info->fields, rec->fields, str_lit("mid"), &v) == FIELD_U64 ? *(const uint64_t *)v : 0;
}

bool track_is_step(const struct event_record *rec)
{
    const struct event_info *info = event_info(rec->type);

    return info->level <= LEVEL_INFO && (info->logs & LOG_MAIL);
}

bool track_is_fact(const struct event_record *rec)
{
    return rec->type == EVENT_message_filters_done || rec->type == EVENT_content_filters_done;
}

void track_row_done(struct track_row *row)
{
    buf_done(&row->rcpt);
    buf_done(&row->subject);
    buf_done(&row->chunks);
    buf_done(&row->tokens);
}

/* --- fields that are tokens ------------------------------------------------------------------------------------------ */

static const struct fold {
    enum event_type type;
    const char *field;
    enum track_kind kind;
} folds[] = {
    {EVENT_connection_incoming, "peer_ip", KIND_IP},
    {EVENT_connection_incoming, "ptr", KIND_DOMAIN},
    {EVENT_connection_incoming, "listener", KIND_LISTENER},
    {EVENT_connection_verdict, "peer_ip", KIND_IP},
    {EVENT_connection_verdict, "group", KIND_GROUP},
    {EVENT_connection_verdict, "country", KIND_COUNTRY},
    {EVENT_cpq_incoming, "peer_ip", KIND_IP},
    {EVENT_incoming_relay, "ip", KIND_IP},
    {EVENT_smtp_auth, "user", KIND_USER},
    {EVENT_message_id, "message_id", KIND_MESSAGE_ID},
    {EVENT_message_policy, "policy", KIND_POLICY},
    {EVENT_sdr_domains, "reply_to", KIND_REPLY_TO},
    {EVENT_message_filters_done, "filters", KIND_FILTER},
    {EVENT_content_filters_done, "filters", KIND_FILTER},
    {EVENT_message_dropped, "filter", KIND_FILTER},
    {EVENT_message_dropped_content, "filter", KIND_FILTER},
    {EVENT_message_generated, "filter", KIND_FILTER},
    {EVENT_message_rewritten, "filter", KIND_FILTER},
    {EVENT_dlp_violation, "policy", KIND_FILTER},
    {EVENT_antivirus_verdict, "virus", KIND_VIRUS},
    {EVENT_quarantined, "quarantine", KIND_QUARANTINE},
    {EVENT_hold_enqueued, "quarantine", KIND_QUARANTINE},
    {EVENT_cpq_released, "quarantine", KIND_QUARANTINE},
    {EVENT_quarantine_moved, "to", KIND_QUARANTINE},
};

static void add_value(struct track_row *row, enum track_kind kind, struct str value)
{
    struct str one;

    if (kind == KIND_DOMAIN) {
        track_add_domains(&row->tokens, value);
    } else if (kind == KIND_FILTER) {
        while (value.n && str_split(&value, ',', &one))
            track_add_exact(&row->tokens, kind, str_trim(one));
    } else if (kind == KIND_MESSAGE_ID) {
        track_add_exact(&row->tokens, kind, track_bare_id(value));
    } else {
        track_add_exact(&row->tokens, kind, value);
    }
}

static void fold_fields(struct track_row *row, const struct event_record *rec)
{
    const void *v = NULL;

    for (size_t i = 0; i < sizeof folds / sizeof *folds; i++)
        if (folds[i].type == rec->type &&
            fields_find(event_info(rec->type)->fields, rec->fields, str_c(folds[i].field), &v) == FIELD_STR)
            add_value(row, folds[i].kind, *(const struct str *)v);
}

/* --- bits and states ------------------------------------------------------------------------------------------------- */

static void set_flag(struct track_row *row, uint64_t bits)
{
    for (size_t i = 0; i < TRACK_FLAG_COUNT; i++)
        if ((bits & ~row->flags) >> i & 1 && track_flag_info(i).word.n)
            track_add_number(&row->tokens, 'e', i);
    row->flags |= bits;
}

static uint64_t held_flag(uint64_t kind)
{
    return kind == 1 ? BIT(QUARANTINED_VIRUS) : kind == 2 ? BIT(QUARANTINED_OUTBREAK) : BIT(QUARANTINED_POLICY);
}

static uint64_t verdict_flag(const struct event_record *rec)
{
    static const uint64_t spam[] = {0, BIT(SUSPECT), BIT(SPAM), BIT(BULK), BIT(SOCIAL), BIT(MARKETING)};
    static const uint64_t virus[] = {0, BIT(VIRUS), BIT(ENCRYPTED), BIT(UNSCANNABLE), BIT(VIRUS)};
    uint64_t v;

    switch (rec->type) {
    case EVENT_antispam_verdict:
        v = event_as(rec, antispam_verdict)->verdict;
        return v < 6 ? spam[v] : 0;
    case EVENT_antivirus_verdict:
        v = event_as(rec, antivirus_verdict)->result;
        return v < 5 ? virus[v] : 0;
    case EVENT_outbreak_verdict:
        return event_as(rec, outbreak_verdict)->positive ? BIT(OUTBREAK) : 0;
    case EVENT_dlp_violation:
        return BIT(DLP);
    case EVENT_message_filters_done:
        return event_as(rec, message_filters_done)->matched ? BIT(MESSAGE_FILTER) : 0;
    case EVENT_content_filters_done:
        return event_as(rec, content_filters_done)->matched ? BIT(CONTENT_FILTER) : 0;
    case EVENT_spf_mailfrom:
        return str_eqi(event_as(rec, spf_mailfrom)->result, str_lit("fail")) ? BIT(SPF_FAIL) : 0;
    case EVENT_dkim:
        return str_eqi(event_as(rec, dkim)->result, str_lit("fail")) ? BIT(DKIM_FAIL) : 0;
    case EVENT_dmarc:
        return str_eqi(event_as(rec, dmarc)->result, str_lit("fail")) ? BIT(DMARC_FAIL) : 0;
    default:
        return 0;
    }
}

static uint64_t path_flag(const struct event_record *rec)
{
    uint64_t action;

    switch (rec->type) {
    case EVENT_connection_verdict:
        action = event_as(rec, connection_verdict)->action;
        return action == 0 ? BIT(INCOMING) : action == 1 ? BIT(OUTGOING) : BIT(REJECTED);
    case EVENT_delivery_tls_failed:
        return str_find_str(event_as(rec, delivery_tls_failed)->why, str_lit("DANE")) <
                       event_as(rec, delivery_tls_failed)->why.n
                   ? BIT(DANE_FAIL)
                   : 0;
    case EVENT_message_split:
    case EVENT_message_split_listed:
        return BIT(SPLIT);
    case EVENT_message_generated:
    case EVENT_message_generated_bounce:
        return BIT(GENERATED);
    case EVENT_quarantined:
        return held_flag(event_as(rec, quarantined)->kind);
    case EVENT_hold_enqueued:
        return held_flag(event_as(rec, hold_enqueued)->kind);
    case EVENT_hold_done:
        return event_as(rec, hold_done)->spam ? BIT(QUARANTINED_SPAM) : 0;
    case EVENT_cpq_released:
        return BIT(RELEASED);
    default:
        return 0;
    }
}

/* State and bit of an event that has one of each, whatever its fields say. */
static const struct outcome {
    enum event_type type;
    enum track_state state;
    uint64_t flag;
} outcomes[] = {
    {EVENT_message_queued, STATE_QUEUED, 0},
    {EVENT_delivery_bounced, STATE_HARD_BOUNCED, BIT(HARD_BOUNCED)},
    {EVENT_double_bounce, STATE_HARD_BOUNCED, BIT(HARD_BOUNCED)},
    {EVENT_delivery_delayed, STATE_SOFT_BOUNCED, BIT(SOFT_BOUNCED)},
    {EVENT_delivery_discarded, STATE_DISCARDED, BIT(DROPPED)},
    {EVENT_recipients_deleted, STATE_DELETED, BIT(DELETED)},
    {EVENT_message_aborted, STATE_ABORTED, BIT(ABORTED)},
    {EVENT_release_repeated, STATE_ABORTED, BIT(DROPPED)},
    {EVENT_message_rewritten, STATE_REWRITTEN, 0},
    {EVENT_spam_quarantined, STATE_QUARANTINED_SPAM, BIT(QUARANTINED_SPAM)},
    {EVENT_spam_reinjected, STATE_RELEASED, BIT(RELEASED)},
    {EVENT_spam_deleted, STATE_QUARANTINE_DELETED, BIT(DELETED)},
    {EVENT_quarantine_released, STATE_RELEASED, BIT(RELEASED)},
    {EVENT_quarantine_deleted, STATE_QUARANTINE_DELETED, BIT(DELETED)},
};

static void set_state(struct track_row *row, uint64_t epoch, uint64_t number, enum track_state state)
{
    if (row->last_epoch > epoch || (row->last_epoch == epoch && row->last_number > number))
        return;
    row->last_epoch = epoch;
    row->last_number = number;
    row->state = state;
}

/* Held on the manager: by what it was held, whichever of its events came here first. */
static enum track_state held_there(const struct track_row *row)
{
    return row->flags & BIT(QUARANTINED_VIRUS)      ? STATE_QUARANTINED_VIRUS
           : row->flags & BIT(QUARANTINED_OUTBREAK) ? STATE_QUARANTINED_OUTBREAK
                                                    : STATE_QUARANTINED_POLICY;
}

static void fold_outcome(struct track_row *row, uint64_t epoch, uint64_t number, const struct event_record *rec)
{
    static const enum track_state held[] = {STATE_QUARANTINED_POLICY, STATE_QUARANTINED_VIRUS, STATE_QUARANTINED_OUTBREAK};
    const struct event_delivery_done *done = event_as(rec, delivery_done);
    uint64_t v;

    for (size_t i = 0; i < sizeof outcomes / sizeof *outcomes; i++)
        if (outcomes[i].type == rec->type) {
            set_flag(row, outcomes[i].flag);
            set_state(row, epoch, number, outcomes[i].state);
        }
    if (rec->type == EVENT_delivery_done && str_find_str(done->note, str_lit("quarantine")) >= done->note.n) {
        set_flag(row, BIT(DELIVERED));
        set_state(row, epoch, number, STATE_DELIVERED);
    } else if (rec->type == EVENT_message_dropped) {
        v = event_as(rec, message_dropped)->by;
        set_flag(row, BIT(DROPPED));
        set_state(row, epoch, number, STATE_DROPPED_SPAM + (v < 9 ? (unsigned)v : 3));
    } else if (rec->type == EVENT_message_dropped_content) {
        v = event_as(rec, message_dropped_content)->bounced;
        set_flag(row, v ? BIT(HARD_BOUNCED) : BIT(DROPPED));
        set_state(row, epoch, number, v ? STATE_BOUNCED_CONTENT : STATE_DROPPED_CONTENT);
    } else if (rec->type == EVENT_hold_done) {
        set_state(row, epoch, number, event_as(rec, hold_done)->spam ? STATE_QUARANTINED_SPAM : held_there(row));
    } else if (rec->type == EVENT_hold_enqueued) {
        set_state(row, epoch, number, held_there(row));
        if (row->state == STATE_QUARANTINED_POLICY) /* its hold_done was here before */
            row->state = held_there(row);
    } else if (rec->type == EVENT_quarantined) {
        v = event_as(rec, quarantined)->kind;
        set_state(row, epoch, number, held[v < 3 ? v : 0]);
    } else if (rec->type == EVENT_connection_verdict && row->src % ROW_KINDS) {
        set_state(row, epoch, number, STATE_REJECTED);
    }
}

/* --- what a row has of its own ---------------------------------------------------------------------------------------- */

static void add_recipient(const struct track_fold *f, struct track_row *row, uint64_t rid, struct str address)
{
    uint64_t word = address.n ? f->word(f->ctx, address) : 0, r, w;
    struct str have = buf_str(&row->rcpt);

    while (get_varint(&have, &r) && get_varint(&have, &w))
        if (w == word && r == rid)
            return;
    if (!word)
        return;
    buf_put_varint(&row->rcpt, rid);
    buf_put_varint(&row->rcpt, word);
    track_add_number(&row->tokens, 'r', word);
}

static void set_sender(const struct track_fold *f, struct track_row *row, struct str address)
{
    if (row->has_sender)
        return;
    row->has_sender = true;
    row->sender = address.n ? f->word(f->ctx, address) : 0;
    track_add_number(&row->tokens, 's', row->sender);
}

static void set_subject(const struct track_fold *f, struct track_row *row, struct str subject)
{
    struct buf folded = BUF(1 << 16);

    if (f->no_subject || row->subject.n || !subject.n)
        return;
    buf_add(&row->subject, str_first(subject, 1024));
    track_fold_case(buf_str(&row->subject), &folded);
    track_add_trigrams(&row->tokens, 'x', buf_str(&folded));
    buf_done(&folded);
}

/* A message that was made from another has that one's uid; then the index must know it (else the MID in it leads there). */
static void set_uid(struct track_row *row, struct str uid)
{
    uint64_t mid;

    if (uid.n && (!str_hex(str_first(uid, str_find(uid, '-')), &mid) || mid != row->key))
        track_add_exact(&row->tokens, KIND_UID, uid);
}

static void fold_row(const struct track_fold *f, struct track_row *row, const struct event_record *rec)
{
    struct str targets, one;

    switch (rec->type) {
    case EVENT_message_start:
        set_uid(row, event_as(rec, message_start)->uid);
        break;
    case EVENT_cpq_released:
        set_uid(row, event_as(rec, cpq_released)->uid);
        break;
    case EVENT_message_sender:
        set_sender(f, row, event_as(rec, message_sender)->sender);
        break;
    case EVENT_message_recipient:
        add_recipient(f, row, event_as(rec, message_recipient)->rid + 1, event_as(rec, message_recipient)->recipient);
        break;
    case EVENT_alias_match:
        add_recipient(f, row, 0, event_as(rec, alias_match)->recipient);
        for (targets = event_as(rec, alias_match)->targets; str_split(&targets, '\n', &one);)
            add_recipient(f, row, 0, one);
        break;
    case EVENT_message_subject:
        set_subject(f, row, event_as(rec, message_subject)->subject);
        break;
    case EVENT_message_ready:
        row->bytes = event_as(rec, message_ready)->bytes;
        break;
    case EVENT_held_ready:
        row->bytes = event_as(rec, held_ready)->bytes;
        break;
    case EVENT_message_recovered:
        row->bytes = row->bytes ? row->bytes : event_as(rec, message_recovered)->bytes;
        break;
    case EVENT_message_policy:
        set_flag(row, event_as(rec, message_policy)->outbound ? BIT(OUTGOING) : BIT(INCOMING));
        break;
    case EVENT_message_attachment:
        track_add_number(&row->tokens, 'a', f->word(f->ctx, event_as(rec, message_attachment)->name));
        break;
    default:
        break;
    }
}

static void fold_time(struct track_row *row, const struct event_record *rec)
{
    bool start = rec->type == EVENT_message_start || (rec->type == EVENT_connection_verdict && row->src % ROW_KINDS);

    if (!start && (!track_mid(rec) || row->flags & BIT(STARTED)))
        return;
    if (start && !(row->flags & BIT(STARTED)))
        row->at_ms = 0;
    if (!row->at_ms || rec->wall_ms < row->at_ms)
        row->at_ms = rec->wall_ms;
    if (start)
        row->flags |= BIT(STARTED);
}

void track_fold(const struct track_fold *f, struct track_row *row, uint64_t epoch, uint64_t number,
                const struct event_record *rec)
{
    fold_time(row, rec);
    fold_fields(row, rec);
    set_flag(row, verdict_flag(rec) | path_flag(rec));
    fold_row(f, row, rec);
    fold_outcome(row, epoch, number, rec);
}
