/*
 * The metadata with which a message goes from here to the manager: as they came, but for what was decided here since.
 *
 * Called by leave.c. Owns nothing. Holds have the exit and action they have here, and the name under which they were made:
 * a quarantine that only the manager has was Unclassified here, and its own settings count there. Spam goes for those
 * recipients that were not decided here.
 */
#include "base/json.h"
#include "mail/released.h"
#include "quarantine/drain.h"

enum { LINES_MAX = 256 << 10, RECIPIENTS_MAX = 10000 };

static const struct cpq_hold *made_as(const struct quarantine *q, const struct cpq_meta *m, const struct hold_row *row)
{
    for (size_t i = 0; i < m->n_holds; i++)
        if (str_eqi(enter_quarantine(quarantine_conf(q), m->holds[i].quarantine)->name, row->name))
            return &m->holds[i];
    return NULL;
}

static void put_hold(const struct quarantine *q, const struct cpq_meta *m, const struct hold_row *row, struct buf *out,
                     struct buf *lines)
{
    const struct cpq_hold *made = made_as(q, m, row);
    bool known = !made || str_eqi(made->quarantine, row->name);
    struct str name = known ? row->name : made->quarantine;

    buf_add(out, out->p[out->n - 1] == '[' ? str_lit("{") : str_lit(",{"));
    cpq_put_text(out, "quarantine", name);
    cpq_put_text(out, "kind", str_c(cpq_kind_name(row->kind < CPQ_KIND_COUNT ? (enum cpq_kind)row->kind : CPQ_POLICY)));
    cpq_put_text(out, "reason", row->reason);
    if (row->rule.n)
        cpq_put_text(out, "rule", row->rule);
    if (made && made->level)
        cpq_put_u64(out, "level", made->level);
    if (known || made->exit)
        cpq_put_u64(out, "exit", row->exit);
    if (known || made->action)
        cpq_put_text(out, "action", row->action == HOLD_RELEASE ? str_lit("release") : str_lit("delete"));
    if (made && made->matched.n) {
        buf_add(out, str_lit(",\"matched\":"));
        buf_add(out, made->matched);
    }
    buf_addc(out, '}');
    buf_add(lines, name);
    buf_addc(lines, '\t');
    buf_add(lines, row->reason);
    buf_addc(lines, '\n');
}

static void put_holds(struct quarantine *q, struct arena *a, const struct cpq_meta *m, const struct held *h, struct buf *out,
                      struct buf *lines)
{
    struct hold_row rows[CPQ_HOLDS_MAX];
    size_t n = hold_rows(q, h->id, a, rows, CPQ_HOLDS_MAX);

    buf_add(out, str_lit(",\"holds\":["));
    for (size_t i = 0; i < n; i++)
        if (rows[i].state == HOLD_DRAINING)
            put_hold(q, m, &rows[i], out, lines);
    buf_addc(out, ']');
}

/* Its exit is the day it has here. */
static void put_spam(struct quarantine *q, const struct cpq_meta *m, const struct held *h, struct buf *out)
{
    sqlite3_stmt *st = sql_bind(&q->sql, Q_entry_of, "i", h->id);
    uint64_t exit = sql_step(&q->sql, st) ? sql_u64(st, 2) : m->spam_exit;

    sqlite3_reset(st);
    buf_add(out, str_lit(",\"spam\":{"));
    cpq_put_text(out, "verdict", m->spam_verdict);
    if (m->spam_score.n)
        buf_addf(out, ",\"score\":%.*s", STR(m->spam_score));
    cpq_put_u64(out, "exit", exit);
    buf_addc(out, '}');
}

static void put_members(const struct cpq_meta *m, struct buf *out)
{
    static const char *const made_here[] = {"holds", "spam", "fallback", "drained"};

    for (const struct json *one = m->root->first; one; one = one->next) {
        bool skip = false;

        for (size_t i = 0; i < sizeof made_here / sizeof *made_here; i++)
            skip = skip || str_eq(one->key, str_c(made_here[i]));
        if (skip)
            continue;
        json_str(out, one->key);
        buf_addc(out, ':');
        buf_add(out, one->raw);
        buf_addc(out, ',');
    }
    buf_add(out, str_lit("\"drained\":true"));
}

/* Those of its recipients that were not decided here, with all the envelope knows of them. */
static size_t open_recipients(struct quarantine *q, struct arena *a, const struct cpq_meta *m, const struct held *h,
                              struct recipient **out)
{
    sqlite3_stmt *st = sql_bind(&q->sql, Q_drain_recipients, "ii", h->id, (uint64_t)HOLD_DRAINING);
    size_t n = 0, most = m->envelope.n_recipients < RECIPIENTS_MAX ? m->envelope.n_recipients : RECIPIENTS_MAX;

    *out = arena_array(a, struct recipient, most ? most : 1);
    while (*out && n < most && sql_step(&q->sql, st)) {
        struct str address = sql_str(st, 0);

        for (size_t i = 0; i < m->envelope.n_recipients; i++)
            if (str_eq(m->envelope.recipients[i].address, address)) {
                (*out)[n++] = m->envelope.recipients[i];
                break;
            }
    }
    sqlite3_reset(st);
    return n;
}

void drain_envelope(struct quarantine *q, struct arena *a, const struct cpq_meta *m, const struct held *h, struct buf *out)
{
    struct released r = {.meta = m, .mid = h->mid, .spam = h->class == CPQ_SPAM};
    struct buf meta = BUF(2 * CPQ_META_MAX), lines = BUF(LINES_MAX);
    struct recipient *list;

    buf_addc(&meta, '{');
    put_members(m, &meta);
    if (h->class == CPQ_SPAM) {
        put_spam(q, m, h, &meta);
        r.n_recipients = open_recipients(q, a, m, h, &list);
        r.recipients = list;
    } else {
        put_holds(q, a, m, h, &meta, &lines);
    }
    buf_addc(&meta, '}');
    released_again(&r, buf_str(&meta), buf_str(&lines), out);
    out->failed |= meta.failed;
    buf_done(&meta);
    buf_done(&lines);
}
