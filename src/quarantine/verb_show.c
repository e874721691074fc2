/*
 * quarantine show ID, spamquarantine show ID: metadata and reasons, or (--message) the message.
 *
 * Called by verbs.c. Owns nothing. A message is shown up to SHOW_MAX octets; the rest is named.
 */
#include "base/io.h"
#include "base/json.h"
#include "event/render.h"
#include "quarantine/verbs.h"

#include <unistd.h>

enum { SHOW_MAX = 24 << 20, HOLDS = 100 };

static void line(struct question *v, const char *name, struct str value)
{
    if (!value.n)
        return;
    buf_addf(&v->text, "%-18s", name);
    render_plain(str_first(value, 2000), &v->text);
    buf_addc(&v->text, '\n');
}

static void time_line(struct question *v, const char *name, uint64_t ms)
{
    buf_addf(&v->text, "%-18s", name);
    question_time(&v->text, ms);
    buf_addc(&v->text, '\n');
}

static void show_holds(struct question *v, const struct hold_line *holds, size_t n)
{
    static const char *const states[] = {"held", "released", "deleted", "leaving"};

    for (size_t i = 0; i < n; i++) {
        if (!holds[i].visible) {
            line(v, "Quarantine:", str_lit("(another one)"));
            continue;
        }
        line(v, "Quarantine:", holds[i].name);
        line(v, "  Reason:", holds[i].reason);
        line(v, "  Rule:", holds[i].rule);
        line(v, "  State:", str_c(states[holds[i].state < 4 ? holds[i].state : 0]));
        time_line(v, "  Entered:", holds[i].entered);
        time_line(v, "  Exit:", holds[i].exit);
        line(v, "  Then:", holds[i].action == HOLD_RELEASE ? str_lit("release") : str_lit("delete"));
    }
}

static void show_facts(struct question *v, const struct held *h, const struct cpq_meta *m)
{
    buf_addf(&v->text, "%-18s%llu\n", "MID:", (unsigned long long)h->mid);
    line(v, "Gateway:", h->host);
    line(v, "UID:", m->uid);
    buf_addf(&v->text, "%-18s<", "Envelope sender:");
    render_plain(h->sender, &v->text);
    buf_add(&v->text, str_lit(">\n"));
    for (size_t i = 0; i < m->envelope.n_recipients && i < 100; i++)
        line(v, "Recipient:", m->envelope.recipients[i].address);
    line(v, "From:", m->from);
    line(v, "To:", m->to);
    line(v, "Subject:", m->subject);
    line(v, "Message-ID:", m->message_id);
    line(v, "Client:", m->envelope.client_ip);
    line(v, "Direction:", m->direction);
    line(v, "Mail policy:", m->mail_policy);
    line(v, "Stage:", m->stage);
    time_line(v, "Received:", h->received);
    buf_addf(&v->text, "%-18s%llu\n", "Size:", (unsigned long long)h->body_bytes);
    for (size_t i = 0; i < m->n_attachments && i < 100; i++)
        line(v, "Attachment:", m->attachments[i].name);
    line(v, "Verdict:", m->spam_verdict);
}

static void show_json(struct question *v, const struct held *h, const struct hold_line *holds, size_t n,
                      const struct entry_line *x, const struct cpq_meta *m)
{
    bool first = true;

    buf_addf(&v->json, "{\"id\":%llu", (unsigned long long)(v->spam ? x->id : h->id));
    if (v->spam) {
        buf_add(&v->json, str_lit(",\"recipient\":"));
        json_str(&v->json, x->recipient);
        buf_addf(&v->json, ",\"exit\":%llu", (unsigned long long)x->exit);
    }
    buf_add(&v->json, str_lit(",\"quarantines\":["));
    for (size_t i = 0; i < n; i++) {
        if (!holds[i].visible)
            continue;
        buf_add(&v->json, first ? str_lit("{\"name\":") : str_lit(",{\"name\":"));
        json_str(&v->json, holds[i].name);
        buf_add(&v->json, str_lit(",\"reason\":"));
        json_str(&v->json, holds[i].reason);
        buf_addf(&v->json, ",\"entered\":%llu,\"exit\":%llu,\"state\":%llu}", (unsigned long long)holds[i].entered,
                 (unsigned long long)holds[i].exit, (unsigned long long)holds[i].state);
        first = false;
    }
    buf_addf(&v->json, "],\"in_other_quarantines\":%s,\"metadata\":", n > 1 ? "true" : "false");
    buf_add(&v->json, m->raw);
    buf_addc(&v->json, '}');
}

static enum rc show_message(struct question *v, const struct held *h, int fd, uint64_t offset)
{
    size_t n = h->body_bytes < SHOW_MAX ? (size_t)h->body_bytes : SHOW_MAX;
    char *to = buf_reserve(&v->text, n);
    struct err e = ERR_NONE;

    if (!to || io_pread(fd, to, n, offset, &e) != RC_OK)
        return question_say(v, RC_IO, "The message cannot be read: %s", err_text(&e));
    v->text.n += n;
    buf_add(&v->json, str_lit("{\"message\":"));
    json_str(&v->json, str_first(str_of(to, n), VERB_TEXT_MAX / 8));
    buf_addf(&v->json, ",\"complete\":%s}", n <= VERB_TEXT_MAX / 8 && n == h->body_bytes ? "true" : "false");
    if (n < h->body_bytes)
        question_say(v, RC_OK, "\n(the first %zu octets of %llu)", n, (unsigned long long)h->body_bytes);
    return RC_OK;
}

static enum rc show(struct question *v, const struct held *h, const struct hold_line *holds, size_t n_holds,
                    const struct entry_line *x, bool message)
{
    struct buf meta = BUF(CPQ_META_MAX);
    struct err e = ERR_NONE;
    struct cpq_meta m;
    uint64_t offset = 0;
    int fd = -1;
    enum rc rc = store_read(v->q, h, &meta, &fd, &offset, &e);

    if (rc == RC_OK && message) {
        rc = show_message(v, h, fd, offset);
    } else if (rc == RC_OK && (rc = cpq_meta_read(&v->arena, buf_str(&meta), &m, &e)) == RC_OK) {
        show_facts(v, h, &m);
        if (v->spam)
            time_line(v, "Exit:", x->exit);
        show_holds(v, holds, n_holds);
        show_json(v, h, holds, n_holds, x, &m);
    }
    if (rc != RC_OK && e.rc)
        question_say(v, rc, "%s", err_text(&e));
    if (fd >= 0)
        close(fd);
    buf_done(&meta);
    return rc;
}

enum rc question_show(struct question *v)
{
    struct hold_line holds[HOLDS];
    struct entry_line x = {0};
    struct held h;
    uint64_t id;
    size_t n = 0;
    bool visible = v->spam, message = false;

    if (v->n_args == v->next + 2 && str_eqi(v->args[v->next + 1], str_lit("--message")))
        message = true;
    else if (v->n_args != v->next + 1)
        return RC_SYNTAX;
    if (!str_u64(v->args[v->next], &id))
        return RC_SYNTAX;
    if ((v->spam && !question_entry(v, id, &x)) || !held_get(v->q, v->spam ? x.message : id, &v->arena, &h) ||
        (h.class == CPQ_SPAM) != v->spam)
        return question_say(v, RC_NOT_FOUND, "No held message has the number %llu.", (unsigned long long)id);
    if (!v->spam)
        n = question_holds(v, id, holds, HOLDS);
    for (size_t i = 0; i < n; i++)
        visible = visible || holds[i].visible;
    if (!visible)
        return question_say(v, RC_NOT_FOUND, "No held message has the number %llu.", (unsigned long long)id);
    return show(v, &h, holds, n, &x, message);
}
