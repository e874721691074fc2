/*
 * quarantine list and search, spamquarantine list and search.
 *
 * Called by verbs.c. Owns nothing. Sums come from the index; the rows of a search are read one by one, so a list costs what
 * it shows.
 */
#include "base/json.h"
#include "event/render.h"
#include "quarantine/verbs.h"

enum { HOLDS = 100 };

static void column(struct buf *out, struct str s, size_t width)
{
    size_t begin = out->n;

    render_plain(str_first(s, 200), out);
    do
        buf_addc(out, ' ');
    while (out->n < begin + width && !out->failed);
}

static void number_column(struct buf *out, uint64_t v, size_t width)
{
    char text[24];
    struct buf b = {.p = text, .cap = sizeof text, .max = sizeof text};

    buf_add_u64(&b, v);
    column(out, buf_str(&b), width);
}

static void json_number(struct buf *out, const char *key, uint64_t v)
{
    buf_addf(out, ",\"%s\":%llu", key, (unsigned long long)v);
}

static void json_text(struct buf *out, const char *key, struct str text)
{
    buf_addf(out, ",\"%s\":", key);
    json_str(out, text);
}

/* ---- list
 * ------------------------------------------------------------------------------------------------------------------ */

static void list_times(struct question *v, enum statement which, uint64_t id, uint64_t *oldest, uint64_t *exit)
{
    sqlite3_stmt *st = which == Q_entry_times ? sql_bind(&v->q->sql, which, "") : sql_bind(&v->q->sql, which, "i", id);

    *oldest = *exit = 0;
    if (sql_step(&v->q->sql, st)) {
        *oldest = sql_u64(st, 0);
        *exit = sql_u64(st, 1);
    }
    sqlite3_reset(st);
}

static void list_row(struct question *v, struct str name, struct str kind, uint64_t messages, uint64_t bytes,
                     uint64_t oldest, uint64_t exit)
{
    column(&v->text, name, 24);
    column(&v->text, kind, 15);
    number_column(&v->text, messages, 10);
    number_column(&v->text, bytes, 14);
    question_time(&v->text, oldest);
    buf_add(&v->text, oldest ? str_lit("  ") : str_lit("                         "));
    question_time(&v->text, exit);
    buf_addc(&v->text, '\n');
    if (v->json.p[v->json.n - 1] != '[')
        buf_addc(&v->json, ',');
    buf_add(&v->json, str_lit("{\"name\":"));
    json_str(&v->json, name);
    json_text(&v->json, "kind", kind);
    json_number(&v->json, "messages", messages);
    json_number(&v->json, "bytes", bytes);
    json_number(&v->json, "oldest", oldest);
    json_number(&v->json, "next_exit", exit);
    buf_addc(&v->json, '}');
}

static void list_head(struct question *v)
{
    buf_add(&v->text,
            str_lit("Quarantine              Kind           Messages  Bytes         Oldest                    Next exit\n"
                    "----------------------- -------------- --------- ------------- ------------------------  "
                    "------------------------\n"));
    buf_add(&v->json, str_lit("{\"quarantines\":["));
}

static enum rc list_spam(struct question *v)
{
    sqlite3_stmt *st = sql_bind(&v->q->sql, Q_pool, "i", (uint64_t)CPQ_SPAM);
    uint64_t bytes = sql_step(&v->q->sql, st) ? sql_u64(st, 1) : 0, oldest, exit;

    sqlite3_reset(st);
    list_times(v, Q_entry_times, 0, &oldest, &exit);
    list_row(v, str_lit("Spam"), str_lit("spam"), sql_number(&v->q->sql, Q_entry_count, 0, ""), bytes, oldest, exit);
    return RC_OK;
}

enum rc question_list(struct question *v)
{
    const struct conf *c = quarantine_conf(v->q);

    if (v->next != v->n_args)
        return RC_SYNTAX;
    list_head(v);
    if (v->spam)
        list_spam(v);
    for (size_t i = 0; !v->spam && i < c->quarantine.n; i++) {
        const struct conf_quarantine *row = &c->quarantine.items[i];
        sqlite3_stmt *st = sql_bind(&v->q->sql, Q_quarantine_sums, "s", row->name);
        uint64_t id = 0, messages = 0, bytes = 0, oldest, exit;

        if (sql_step(&v->q->sql, st)) {
            id = sql_u64(st, 0);
            messages = sql_u64(st, 1);
            bytes = sql_u64(st, 2);
        }
        sqlite3_reset(st);
        if (!question_may(v, row))
            continue;
        list_times(v, Q_quarantine_times, id, &oldest, &exit);
        list_row(v, row->name, str_c(cpq_kind_name((enum cpq_kind)row->kind)), messages, bytes, oldest, exit);
    }
    buf_add(&v->json, str_lit("]}"));
    return RC_OK;
}

/* ---- pvoconfig
 * ---------------------------------------------------------------------------------------------------------------- */

static void status_pool(struct question *v, const char *what, enum cpq_class class, uint64_t limit)
{
    sqlite3_stmt *st = sql_bind(&v->q->sql, Q_pool, "i", (uint64_t) class);
    bool there = sql_step(&v->q->sql, st);
    uint64_t messages = there ? sql_u64(st, 0) : 0, bytes = there ? sql_u64(st, 1) : 0;

    sqlite3_reset(st);
    buf_addf(&v->text, "%-28s%llu messages, %llu of %llu bytes (%llu %%)\n", what, (unsigned long long)messages,
             (unsigned long long)bytes, (unsigned long long)limit, (unsigned long long)(bytes / (limit / 100 + 1)));
    buf_addf(&v->json, ",\"%s\":{\"messages\":%llu,\"bytes\":%llu,\"limit\":%llu}", class == CPQ_PVO ? "pvo" : "spam",
             (unsigned long long)messages, (unsigned long long)bytes, (unsigned long long)limit);
}

enum rc question_status(struct question *v)
{
    const struct conf *c = quarantine_conf(v->q);

    if (v->n_args > 1 || (v->n_args == 1 && !str_eqi(v->args[0], str_lit("status"))))
        return RC_SYNTAX;
    buf_addf(&v->text, "Quarantines:                %s\n", c->pvo.central ? "on the manager" : "on this machine");
    buf_addf(&v->json, "{\"central\":%s", c->pvo.central ? "true" : "false");
    status_pool(v, "Policy, virus, outbreak:", CPQ_PVO, c->quarantine_service.max_bytes);
    status_pool(v, "Spam:", CPQ_SPAM, c->spam_quarantine.max_bytes);
    buf_addf(&v->text, "Releases on their way:      %llu\n",
             (unsigned long long)sql_number(&v->q->sql, Q_leave_count, 0, ""));
    run_status(v->q, &v->text, &v->json);
    buf_addc(&v->json, '}');
    return RC_OK;
}

/* ---- search
 * ------------------------------------------------------------------------------------------------------------------ */

static const char *state_name(uint64_t state)
{
    static const char *const names[] = {"held", "released", "deleted"};

    return state < 3 ? names[state] : "";
}

static void json_list(struct buf *out, const char *key, struct str joined, char by)
{
    struct str one;
    bool first = true;

    buf_addf(out, ",\"%s\":[", key);
    while (joined.n && str_split(&joined, by, &one)) {
        if (!first)
            buf_addc(out, ',');
        json_str(out, one);
        first = false;
    }
    buf_addc(out, ']');
}

static void json_common(struct question *v, const struct held *h)
{
    struct buf *out = &v->json;

    json_number(out, "mid", h->mid);
    json_number(out, "received", h->received);
    json_number(out, "size", h->body_bytes);
    json_text(out, "sender", h->sender);
    json_list(out, "recipients", h->recipients, ',');
    json_text(out, "subject", h->subject);
    json_text(out, "host", h->host);
    json_text(out, "serial", h->serial);
    json_list(out, "attachments", h->names, '\n');
}

static void row_pvo(struct question *v, const struct held *h)
{
    struct hold_line holds[HOLDS];
    size_t n = question_holds(v, h->id, holds, HOLDS), shown = 0;
    uint64_t exit = 0;

    buf_addf(&v->json, "{\"id\":%llu", (unsigned long long)h->id);
    json_common(v, h);
    buf_addf(&v->json, ",\"in_other_quarantines\":%s,\"quarantines\":[", n > 1 ? "true" : "false");
    number_column(&v->text, h->id, 10);
    question_time(&v->text, h->received);
    buf_add(&v->text, str_lit("  "));
    number_column(&v->text, h->body_bytes, 10);
    for (size_t i = 0; i < n; i++) {
        if (!holds[i].visible)
            continue;
        buf_addf(&v->text, "%s%.*s%s%s", shown ? "," : "", STR(holds[i].name), holds[i].state ? " " : "",
                 holds[i].state ? state_name(holds[i].state) : "");
        buf_addf(&v->json, "%s{\"name\":", shown++ ? "," : "");
        json_str(&v->json, holds[i].name);
        json_number(&v->json, "exit", holds[i].exit);
        json_text(&v->json, "action", holds[i].action == HOLD_RELEASE ? str_lit("release") : str_lit("delete"));
        json_text(&v->json, "reason", holds[i].reason);
        json_text(&v->json, "state", str_c(state_name(holds[i].state)));
        buf_addc(&v->json, '}');
        if (holds[i].state == HOLD_HELD && (!exit || holds[i].exit < exit))
            exit = holds[i].exit;
    }
    buf_add(&v->json, str_lit("]}"));
    buf_add(&v->text, str_lit("  exit "));
    question_time(&v->text, exit);
    buf_add(&v->text, str_lit("\n          <"));
    render_plain(h->sender, &v->text);
    buf_add(&v->text, str_lit("> to "));
    render_plain(str_first(h->recipients, 200), &v->text);
    buf_add(&v->text, str_lit(": "));
    render_plain(str_first(h->subject, 200), &v->text);
    buf_addc(&v->text, '\n');
}

static void row_spam(struct question *v, const struct entry_line *x, const struct held *h)
{
    buf_addf(&v->json, "{\"id\":%llu", (unsigned long long)x->id);
    json_common(v, h);
    json_text(&v->json, "recipient", x->recipient);
    json_number(&v->json, "exit", x->exit);
    buf_addc(&v->json, '}');
    number_column(&v->text, x->id, 10);
    question_time(&v->text, x->received);
    buf_add(&v->text, str_lit("  "));
    number_column(&v->text, x->size, 10);
    buf_add(&v->text, str_lit("exit "));
    question_time(&v->text, x->exit);
    buf_add(&v->text, str_lit("\n          <"));
    render_plain(h->sender, &v->text);
    buf_add(&v->text, str_lit("> to "));
    render_plain(x->recipient, &v->text);
    buf_add(&v->text, str_lit(": "));
    render_plain(str_first(h->subject, 200), &v->text);
    buf_addc(&v->text, '\n');
}

static void row(struct question *v, uint64_t id)
{
    struct arena_mark mark = arena_mark(&v->arena);
    struct entry_line x = {0};
    struct held h;

    if (v->spam && !question_entry(v, id, &x))
        return;
    if (held_get(v->q, v->spam ? x.message : id, &v->arena, &h)) {
        if (v->json.p[v->json.n - 1] != '[')
            buf_addc(&v->json, ',');
        if (v->spam)
            row_spam(v, &x, &h);
        else
            row_pvo(v, &h);
    }
    arena_rewind(&v->arena, mark);
}

enum rc question_search(struct question *v)
{
    struct search s = {0};
    struct err e = ERR_NONE;
    uint64_t *ids;
    size_t n = 0;
    bool more = false;

    TRY(question_words(v, &s));
    ids = arena_array(&v->arena, uint64_t, s.limit + 1);
    if (!ids)
        return question_say(v, RC_NO_MEMORY, "out of memory");
    if (search_run(v->q, &s, ids, (size_t)s.limit, &n, &more, &e) != RC_OK)
        return question_say(v, e.rc, "%s", err_text(&e));
    buf_add(&v->json, str_lit("{\"messages\":["));
    for (size_t i = 0; i < n; i++)
        row(v, ids[i]);
    buf_addf(&v->json, "],\"more\":%s}", more ? "true" : "false");
    if (more)
        question_say(v, RC_OK, "The first %zu messages; there are more.", n);
    else
        question_say(v, RC_OK, "%zu message%s.", n, n == 1 ? "" : "s");
    return RC_OK;
}
