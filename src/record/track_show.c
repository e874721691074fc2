/*
 * Tracking as text and JSON: a list of messages, one message with its steps (central.md 12, cli.md 12.5).
 *
 * Called in the thread pool by track.c. Owns nothing but the renderer of one answer.
 */
#include "base/json.h"
#include "event/render.h"
#include "record/track.h"

#include <inttypes.h>
#include <stdlib.h>

static const char nothing[] =
    "No message fits. Data may be missing for that time: \"tracking availability\" shows what there is.\n";

static void column(struct buf *out, struct str s, size_t width)
{
    size_t begin = out->n;

    render_plain(str_first(s, 256), out);
    do
        buf_addc(out, ' ');
    while (out->n < begin + width && !out->failed);
}

static void add_time(struct buf *out, uint64_t ms)
{
    char when[24];

    render_ctime(ms, when);
    buf_add(out, str_of(when, 24));
}

static void add_people(struct buf *out, const struct tracking_hit *h)
{
    buf_addc(out, '<');
    render_plain(h->sender, out);
    buf_add(out, str_lit("> to "));
    for (size_t i = 0; i < h->recipients.n && i < 3; i++) {
        buf_add(out, i ? str_lit(", <") : str_lit("<"));
        render_plain(h->recipients.items[i], out);
        buf_addc(out, '>');
    }
    if (h->recipients.n > 3)
        buf_addf(out, " and %zu more", h->recipients.n - 3);
}

/* --- JSON -------------------------------------------------------------------------------------------------------------- */

static void json_text(struct buf *out, const char *key, struct str text)
{
    buf_addf(out, ",\"%s\":", key);
    json_str(out, text);
}

static void json_list(struct buf *out, const char *key, struct strs list)
{
    buf_addf(out, ",\"%s\":[", key);
    for (size_t i = 0; i < list.n; i++) {
        if (i)
            buf_addc(out, ',');
        json_str(out, list.items[i]);
    }
    buf_addc(out, ']');
}

static void json_hit(struct buf *out, const struct tracking_hit *h)
{
    const char *comma = "";

    buf_addf(out, "{\"%s\":%" PRIu64 ",\"received\":%" PRIu64, h->kind == ROW_MESSAGE ? "mid" : "icid", h->mid, h->at_ms);
    json_text(out, "host", h->host);
    json_text(out, "serial", h->serial);
    json_text(out, "state", track_state_text(h->state));
    json_text(out, "direction", h->flags & TRACK_BIT(OUTGOING) ? str_lit("outgoing") : str_lit("incoming"));
    json_text(out, "sender", h->sender);
    json_list(out, "recipients", h->recipients);
    json_text(out, "subject", h->subject);
    buf_addf(out, ",\"bytes\":%" PRIu64 ",\"events\":[", h->bytes);
    for (size_t i = 0; i < TRACK_FLAG_COUNT; i++)
        if (h->flags >> i & 1 && track_flag_info(i).word.n) {
            buf_add(out, str_c(comma));
            json_str(out, track_flag_info(i).word);
            comma = ",";
        }
    buf_addc(out, ']');
}

/* --- a list --------------------------------------------------------------------------------------------------------------
 */

void track_list(const struct tracking_hits *hits, const struct tracking_query *q, struct buf *text, struct buf *json)
{
    buf_add(json, str_lit("{\"messages\":["));
    for (size_t i = 0; i < hits->n && !text->failed; i++) {
        const struct tracking_hit *h = &hits->items[i];

        if (i)
            buf_addc(json, ',');
        json_hit(json, h);
        buf_addc(json, '}');
        add_time(text, h->at_ms);
        buf_addf(text, "  %s %" PRIu64 " on ", h->kind == ROW_MESSAGE ? "MID" : "ICID", h->mid);
        render_plain(h->host.n ? h->host : h->serial, text);
        buf_addf(text, "  %.*s\n    ", STR(track_state_text(h->state)));
        add_people(text, h);
        buf_add(text, str_lit("\n    "));
        render_plain(h->subject, text);
        buf_addc(text, '\n');
    }
    buf_addf(json, "],\"more\":%s,\"timed_out\":%s}", hits->more ? "true" : "false", hits->timed_out ? "true" : "false");
    if (hits->timed_out)
        buf_add(text, str_lit("The time is over (tracking.timeout_ms): there may be further messages.\n"));
    if (!hits->n && !hits->timed_out)
        buf_add(text, str_c(nothing));
    else if (hits->more)
        buf_addf(text, "%zu messages, the newest; there are more (limit=%" PRIu64 ")\n", hits->n, q->limit);
    else
        buf_addf(text, "%zu message%s\n", hits->n, hits->n == 1 ? "" : "s");
}

/* --- one message
 * ----------------------------------------------------------------------------------------------------------- */

struct facts {
    struct str message_id, ptr, ip, sbrs, group, user, policy, reply;
    struct strs attachments;
    size_t attachments_cap;
};

static void add_fact(struct facts *f, struct arena *a, const struct event_record *rec)
{
    struct str *items = (struct str *)(void *)(uintptr_t)f->attachments.items;

    switch (rec->type) {
    case EVENT_connection_incoming:
        f->ptr = event_as(rec, connection_incoming)->ptr;
        f->ip = event_as(rec, connection_incoming)->peer_ip;
        break;
    case EVENT_connection_verdict:
        f->sbrs = event_as(rec, connection_verdict)->sbrs;
        f->group = event_as(rec, connection_verdict)->group;
        break;
    case EVENT_smtp_auth:
        f->user = event_as(rec, smtp_auth)->ok ? event_as(rec, smtp_auth)->user : f->user;
        break;
    case EVENT_message_id:
        f->message_id = event_as(rec, message_id)->message_id;
        break;
    case EVENT_message_policy:
        f->policy = event_as(rec, message_policy)->policy;
        break;
    case EVENT_delivery_response:
        f->reply = event_as(rec, delivery_response)->response;
        break;
    case EVENT_delivery_bounced:
        f->reply = event_as(rec, delivery_bounced)->lines;
        break;
    case EVENT_delivery_delayed:
        f->reply = event_as(rec, delivery_delayed)->lines;
        break;
    case EVENT_message_attachment:
        if (arena_room(a, &items, f->attachments.n, &f->attachments_cap, sizeof *items))
            items[f->attachments.n++] = event_as(rec, message_attachment)->name;
        f->attachments.items = items;
        break;
    default:
        break;
    }
}

static void line(struct buf *out, const char *name, struct str value)
{
    column(out, str_c(name), 22);
    render_plain(value.n ? value : str_lit("-"), out);
    buf_addc(out, '\n');
}

static void show_facts(const struct tracking_hit *h, const struct tracking_steps *s, const struct facts *f, struct buf *text,
                       struct buf *json)
{
    json_hit(json, h);
    json_text(json, "uid", s->uid);
    json_text(json, "message_id", f->message_id);
    json_text(json, "sending_host", f->ptr);
    json_text(json, "sender_ip", f->ip);
    json_text(json, "sbrs", f->sbrs.n ? f->sbrs : str_lit("None"));
    json_text(json, "sender_group", f->group);
    json_text(json, "auth_user", f->user);
    json_text(json, "policy", f->policy);
    json_text(json, "last_reply", f->reply);
    json_list(json, "attachments", f->attachments);
    buf_addf(text, "MID                   %" PRIu64 "\n", h->mid);
    line(text, "UID", s->uid);
    column(text, str_lit("Gateway"), 22);
    render_plain(h->host.n ? h->host : h->serial, text);
    buf_addf(text, " (%.*s)\nReceived              ", STR(h->serial));
    add_time(text, h->at_ms);
    buf_addc(text, '\n');
    column(text, str_lit("Envelope"), 22);
    add_people(text, h);
    buf_addc(text, '\n');
    line(text, "Subject", h->subject);
    line(text, "Message-ID", f->message_id);
    buf_addf(text, "Size                  %" PRIu64 " bytes\n", h->bytes);
    column(text, str_lit("Sending host"), 22);
    render_plain(f->ptr.n ? f->ptr : str_lit("unknown"), text);
    buf_addf(text, " (%.*s), reputation %.*s\n", STR(f->ip), STR(f->sbrs.n ? f->sbrs : str_lit("None")));
    line(text, "Sender group", f->group);
    if (f->user.n)
        line(text, "AUTH user", f->user);
    line(text, "Mail policy", f->policy);
    for (size_t i = 0; i < f->attachments.n; i++)
        line(text, i ? "" : "Attachments", f->attachments.items[i]);
    line(text, "Last state", track_state_text(h->state));
    if (f->reply.n)
        line(text, "Last reply", f->reply);
}

static void show_steps(const struct tracking_hit *h, const struct tracking_steps *s, struct renderer *render,
                       struct buf *text, struct buf *json)
{
    const char *comma = "";

    buf_add(json, str_lit(",\"steps\":["));
    for (size_t i = 0; i < s->n; i++) {
        const struct tracking_step *step = &s->items[i];
        bool last = step->number == h->last_number && step->epoch == h->last_epoch && h->state;
        struct buf one = BUF(1 << 20);

        if (render_text(render, LOG_TYPE_MAIL, step->rec, &one)) {
            buf_add(text, last ? str_lit("  * ") : str_lit("    "));
            add_time(text, step->rec->wall_ms);
            buf_addc(text, ' ');
            buf_add(text, buf_str(&one));
            buf_addc(text, '\n');
            buf_addf(json, "%s{\"time\":%" PRIu64 ",\"event\":\"%s\",\"last\":%s", comma, step->rec->wall_ms,
                     event_info(step->rec->type)->name, last ? "true" : "false");
            json_text(json, "text", buf_str(&one));
            buf_addc(json, '}');
            comma = ",";
        }
        buf_done(&one);
    }
    buf_add(json, str_lit("]}"));
}

static enum rc show_one(struct tracking *t, const struct tracking_hit *h, struct renderer *render, struct arena *a,
                        struct str *uid, struct buf *text, struct buf *json, struct err *e)
{
    struct tracking_steps steps;
    struct facts f = {0};

    TRY(tracking_steps(t, h, a, &steps, e));
    for (size_t i = 0; i < steps.n; i++)
        add_fact(&f, a, steps.items[i].rec);
    show_facts(h, &steps, &f, text, json);
    buf_add(text, str_lit("Steps (* is the last state)\n"));
    show_steps(h, &steps, render, text, json);
    *uid = steps.uid;
    return RC_OK;
}

/* The messages that have the uid too: made by a split, a rewrite, a release, here or on another appliance. */
static void show_kin(struct tracking *t, const struct tracking_hits *shown, struct str uid, struct arena *a,
                     struct buf *text)
{
    struct tracking_hits kin;
    struct tracking_query q;

    tracking_query_init(&q, 100);
    q.uid = uid;
    if (!uid.n || tracking_search(t, &q, a, &kin, NULL) != RC_OK)
        return;
    for (size_t i = 0; i < kin.n; i++) {
        bool here = false;

        for (size_t k = 0; k < shown->n; k++)
            here |= shown->items[k].mid == kin.items[i].mid && str_eq(shown->items[k].serial, kin.items[i].serial);
        if (here)
            continue;
        buf_addf(text, "Same message          MID %" PRIu64 " on %.*s: %.*s\n", kin.items[i].mid,
                 STR(kin.items[i].host.n ? kin.items[i].host : kin.items[i].serial),
                 STR(track_state_text(kin.items[i].state)));
    }
}

static void turn_round(struct tracking_hits *hits)
{
    for (size_t i = 0; i < hits->n / 2; i++) {
        struct tracking_hit h = hits->items[i];

        hits->items[i] = hits->items[hits->n - 1 - i];
        hits->items[hits->n - 1 - i] = h;
    }
}

enum rc track_show(struct tracking *t, const struct tracking_query *q, struct arena *a, bool subject, struct buf *text,
                   struct buf *json, struct err *e)
{
    struct renderer *render;
    struct tracking_hits hits;
    struct str uid = STR_NONE;
    size_t others;
    enum rc rc = RC_OK;

    TRY(tracking_search(t, q, a, &hits, e));
    if (!hits.n)
        return err_set(e, RC_NOT_FOUND, "%.*s", (int)sizeof nothing - 2, nothing);
    others = q->uid.n ? 0 : hits.n - 1; /* of a MID the newest; of a uid all, the first one first */
    hits.n -= others;
    turn_round(&hits);
    render = renderer_new(DIALECT_MODERN, (subject ? IF_SUBJECT : 0) | IF_MESSAGE_ID | IF_RESPONSE);
    buf_add(json, str_lit("{\"messages\":["));
    for (size_t i = 0; rc == RC_OK && i < hits.n; i++) {
        if (i) {
            buf_addc(json, ',');
            buf_addc(text, '\n');
        }
        rc = show_one(t, &hits.items[i], render, a, &uid, text, json, e);
    }
    buf_add(json, str_lit("]}"));
    renderer_free(render);
    if (rc == RC_OK && !q->uid.n)
        show_kin(t, &hits, uid, a, text);
    if (rc == RC_OK && others)
        buf_addf(text, "%zu older message%s or other gateways' of that MID: give serial= or host=\n", others,
                 others == 1 ? "" : "s");
    return rc;
}
