/*
 * What the index learns of a message that was stored: its row, words, holds or entries, key, and the sums.
 *
 * Called by store.c for new messages and by catch_up.c for those the index missed; inside a transaction. Owns nothing. Names
 * of quarantines that are not in the settings stand for Unclassified.
 */
#include "quarantine/inside.h"

enum { LIST_TEXT_MAX = 8192, WORDS_MAX = 2000, DAY_MS = 86400000 };

static const uint64_t FAR_MS = 253402300799000ULL; /* end of the year 9999 */

const struct conf_quarantine *enter_quarantine(const struct conf *c, struct str name)
{
    const struct conf_quarantine *row = conf_find(&c->quarantine, name);

    return row ? row : conf_find(&c->quarantine, str_lit("Unclassified"));
}

uint64_t enter_hold_exit(const struct conf *c, const struct cpq_hold *h, uint64_t entered_ms)
{
    return h->exit ? h->exit : entered_ms + enter_quarantine(c, h->quarantine)->retention_ms;
}

enum hold_action enter_hold_action(const struct conf *c, const struct cpq_hold *h)
{
    if (h->action)
        return h->action == 1 ? HOLD_RELEASE : HOLD_DELETE;
    return enter_quarantine(c, h->quarantine)->action ? HOLD_RELEASE : HOLD_DELETE;
}

uint64_t enter_spam_exit(const struct conf *c, const struct cpq_meta *m, uint64_t entered_ms)
{
    if (m->spam_exit)
        return m->spam_exit;
    return c->spam_quarantine.retention_ms ? entered_ms + c->spam_quarantine.retention_ms : FAR_MS;
}

uint64_t enter_exit_day(struct quarantine *q, const struct cpq_meta *m, uint64_t now_ms)
{
    const struct conf *c = quarantine_conf(q);
    uint64_t last = m->class == CPQ_SPAM ? enter_spam_exit(c, m, now_ms) : 0;

    for (size_t i = 0; m->class == CPQ_PVO && i < m->n_holds; i++) {
        uint64_t exit = enter_hold_exit(c, &m->holds[i], now_ms);

        last = exit > last ? exit : last;
    }
    return last / DAY_MS;
}

/* ---- names ------------------------------------------------------------------------------------------------------------ */

uint64_t enter_name(struct quarantine *q, struct str name)
{
    uint64_t id = sql_number(&q->sql, Q_name_id, 0, "s", name);

    if (id)
        return id;
    sql_run(&q->sql, Q_name_add, "s", name);
    return sql_number(&q->sql, Q_name_id, 0, "s", name);
}

void enter_quarantines(struct quarantine *q, const struct conf *c)
{
    sql_run(&q->sql, Q_quarantine_unknown, "");
    for (size_t i = 0; i < c->quarantine.n; i++) {
        const struct conf_quarantine *row = &c->quarantine.items[i];

        sql_run(&q->sql, Q_quarantine_add, "sii", row->name, row->action, row->kind);
        sql_run(&q->sql, Q_quarantine_update, "sii", row->name, row->action, row->kind);
    }
}

/* ---- keys ------------------------------------------------------------------------------------------------------------- */

static uint64_t recipients_hash(const struct envelope *env)
{
    uint64_t hash = 0;

    for (size_t i = 0; i < env->n_recipients; i++)
        hash += str_hashi(env->recipients[i].address) | 1;
    return hash >> 1; /* SQLite's integers are signed */
}

enum rc enter_key(struct quarantine *q, const struct cpq_meta *m, const unsigned char digest[DIGEST], uint64_t *id_out,
                  bool *left_out)
{
    uint64_t serial = sql_number(&q->sql, Q_name_id, 0, "s", m->serial);
    sqlite3_stmt *st = sql_bind(&q->sql, Q_key_find, "iii", (uint64_t)m->class, serial, m->mid);
    enum rc rc = RC_OK;

    while (rc != RC_EXISTS && sql_step(&q->sql, st)) {
        bool same = str_eq(sql_str(st, 1), str_of(digest, DIGEST));

        rc = same ? rc : RC_CONFLICT; /* for other recipients: a further message, and nothing is wrong */
        if (same && sql_u64(st, 2) == recipients_hash(&m->envelope)) {
            *id_out = sql_u64(st, 0);
            *left_out = sql_u64(st, 3) != 0;
            rc = RC_EXISTS;
        }
    }
    sqlite3_reset(st);
    return rc;
}

/* ---- a message ----------------------------------------------------------------------------------------------------------
 */

static struct str joined_recipients(struct arena *a, const struct envelope *env)
{
    struct buf b = BUF(LIST_TEXT_MAX);
    struct str out;

    for (size_t i = 0; i < env->n_recipients && b.n + env->recipients[i].address.n + 1 < LIST_TEXT_MAX; i++) {
        if (i)
            buf_addc(&b, ',');
        buf_add(&b, env->recipients[i].address);
    }
    out = arena_str(a, buf_str(&b));
    buf_done(&b);
    return out;
}

static struct str joined_names(struct arena *a, const struct cpq_meta *m, uint64_t *largest)
{
    struct buf b = BUF(LIST_TEXT_MAX);
    struct str out;

    *largest = 0;
    for (size_t i = 0; i < m->n_attachments; i++) {
        const struct cpq_attachment *one = &m->attachments[i];

        *largest = one->size > *largest ? one->size : *largest;
        if (b.n + one->name.n + 1 >= LIST_TEXT_MAX)
            continue;
        if (b.n)
            buf_addc(&b, '\n');
        buf_add(&b, one->name);
    }
    out = arena_str(a, buf_str(&b));
    buf_done(&b);
    return out;
}

/* Why it is held, for searches; what a move changes later is not looked for here. */
static struct str joined_reasons(struct arena *a, const struct cpq_meta *m)
{
    struct buf b = BUF(LIST_TEXT_MAX);
    struct str out;

    for (size_t i = 0; i < m->n_holds; i++) {
        const struct cpq_hold *h = &m->holds[i];

        if (b.n + h->reason.n + h->rule.n + 2 >= WORDS_MAX)
            break;
        if (i)
            buf_addc(&b, '\n');
        buf_add(&b, h->reason);
        if (h->rule.n && str_find_str(h->reason, h->rule) == h->reason.n) {
            buf_addc(&b, ' ');
            buf_add(&b, h->rule);
        }
    }
    out = arena_str(a, buf_str(&b));
    buf_done(&b);
    return out;
}

static uint64_t enter_holds(struct quarantine *q, uint64_t id, const struct cpq_meta *m, uint64_t received, uint64_t bytes,
                            uint64_t now_ms)
{
    const struct conf *c = quarantine_conf(q);
    uint64_t done[CPQ_HOLDS_MAX], n = 0;

    for (size_t i = 0; i < m->n_holds; i++) {
        const struct cpq_hold *h = &m->holds[i];
        const struct conf_quarantine *row = enter_quarantine(c, h->quarantine);
        uint64_t quarantine = sql_number(&q->sql, Q_quarantine_id, 0, "s", row->name);
        bool twice = false;

        for (size_t k = 0; k < n; k++)
            twice = twice || done[k] == quarantine;
        if (twice)
            continue; /* two names that are gone: both mean Unclassified */
        done[n++] = quarantine;
        sql_run(&q->sql, Q_hold_add, "iiiiiiissi", quarantine, id, enter_hold_exit(c, h, now_ms),
                (uint64_t)enter_hold_action(c, h), now_ms, received, m->size, h->reason, h->rule, h->kind);
        sql_run(&q->sql, Q_quarantine_count, "iii", quarantine, (uint64_t)1, bytes);
    }
    return n;
}

static uint64_t enter_entries(struct quarantine *q, uint64_t id, const struct cpq_meta *m, uint64_t received,
                              uint64_t now_ms)
{
    uint64_t exit = enter_spam_exit(quarantine_conf(q), m, now_ms);

    for (size_t i = 0; i < m->envelope.n_recipients; i++)
        sql_run(&q->sql, Q_entry_add, "isiii", id, m->envelope.recipients[i].address, exit, received, m->size);
    return m->envelope.n_recipients;
}

void enter_message(struct quarantine *q, uint64_t id, const struct cpq_meta *m, const unsigned char digest[DIGEST],
                   const struct segment_name *segment, uint64_t offset, uint64_t bytes, bool big, uint64_t taken_ms)
{
    uint64_t serial = enter_name(q, m->serial), host = enter_name(q, m->host), largest, open;
    uint64_t received = m->received ? m->received : taken_ms;
    uint64_t since = m->migration.run && m->held && m->held < taken_ms ? m->held : taken_ms;
    struct arena a;
    struct str recipients, names, reasons, subject = str_first(m->subject, WORDS_MAX);

    arena_init(&a, 4096, 1 << 20);
    recipients = joined_recipients(&a, &m->envelope);
    names = joined_names(&a, m, &largest);
    reasons = joined_reasons(&a, m);
    open = m->class == CPQ_SPAM ? enter_entries(q, id, m, received, since) : enter_holds(q, id, m, received, bytes, since);
    sql_run(&q->sql, Q_message_add, "iiiiiiiiiissssiiiiis", id, (uint64_t)m->class, segment->id, offset, (uint64_t)m->raw.n,
            m->size, (uint64_t)big, serial, m->mid, host, m->envelope.sender, recipients, subject, names, largest, received,
            since, open, bytes, reasons);
    if (m->migration.deleted)
        sql_run(&q->sql, Q_message_open, "iii", id, (uint64_t)0, (uint64_t)1);
    if (m->migration.run)
        run_count(q, m);
    sql_run(&q->sql, Q_text_add, "isssss", id, m->envelope.sender, str_first(recipients, WORDS_MAX), subject,
            str_first(names, WORDS_MAX), reasons);
    sql_run(&q->sql, Q_key_add, "iiiibi", (uint64_t)m->class, serial, m->mid, id, str_of(digest, DIGEST),
            recipients_hash(&m->envelope));
    sql_run(&q->sql, Q_segment_live, "ii", segment->id, (uint64_t)1);
    sql_run(&q->sql, Q_pool_count, "iii", (uint64_t)m->class, (uint64_t)1, bytes);
    arena_done(&a);
}
