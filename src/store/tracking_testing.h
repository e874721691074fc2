/* A small world of mail as events, and the whole content of a tracking store as text. Tests only. */
#ifndef STORE_TRACKING_TESTING_H
#define STORE_TRACKING_TESTING_H

#include "event/render.h"
#include "store/track_search.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { WORLD_MOST = 20000 };
static const uint64_t WORLD_START_MS = 1795305600000ull; /* 2026-11-22, a day's begin */

struct world_event {
    uint64_t number;
    struct event_record rec;
};

struct world {
    struct arena arena;
    struct world_event *events;
    size_t n;
    uint64_t wall_ms, mid, icid, dcid;
};

static inline void world_init(struct world *w)
{
    *w = (struct world){.wall_ms = WORLD_START_MS, .mid = 100, .icid = 50, .dcid = 10};
    arena_init(&w->arena, 65536, 256 << 20);
    w->events = calloc(WORLD_MOST, sizeof *w->events);
}

static inline void world_done(struct world *w)
{
    arena_done(&w->arena);
    free(w->events);
}

static inline void world_add(struct world *w, enum event_type type, const void *fields)
{
    struct world_event *ev = &w->events[w->n++];

    ev->number = w->n;
    event_record_set(&ev->rec, type, w->wall_ms += 3, fields);
}
#define say(w, name, ...) world_add((w), EVENT_##name, &(struct event_##name){__VA_ARGS__})
#define textf(w, ...) arena_printf(&(w)->arena, __VA_ARGS__)

/* One message, from the connection to its end; `i` decides what kind of life it has. Its MID. */
static inline uint64_t world_message(struct world *w, unsigned i)
{
    uint64_t mid = ++w->mid, icid = ++w->icid, dcid = ++w->dcid, child;
    struct str sender = textf(w, "Sender%u@example%u.net", i % 17, i % 5), rcpt = textf(w, "user%u@corp.test", i % 23);
    static const char rids[] = "\0\1";

    say(w, connection_incoming, .icid = icid, .peer_ip = textf(w, "192.0.2.%u", i % 200),
        .ptr = textf(w, "mx%u.mail%u.test", i % 9, i % 4), .listener = str_lit("Public"));
    say(w, connection_verdict, .icid = icid, .action = i % 11 == 10, .group = str_lit("UNKNOWNLIST"),
        .sbrs = str_lit("2.7"));
    if (i % 6 == 0)
        say(w, smtp_auth, .icid = icid, .ok = 1, .user = textf(w, "auth%u", i % 3));
    say(w, message_start, .mid = mid, .icid = icid, .uid = textf(w, "%" PRIx64 "-00112233445566%02x", mid, 0x77));
    say(w, message_sender, .mid = mid, .icid = icid, .sender = sender);
    say(w, message_recipient, .mid = mid, .icid = icid, .rid = 0, .recipient = rcpt);
    if (i % 3 == 0)
        say(w, message_recipient, .mid = mid, .icid = icid, .rid = 1, .recipient = textf(w, "boss%u@corp.test", i % 2));
    say(w, message_id, .mid = mid, .message_id = textf(w, "<%u.abc@example.net>", i));
    if (i % 10)
        say(w, message_subject, .mid = mid, .subject = textf(w, "Invoice %u for order \xc3\x84rger %u", i, i * 7));
    say(w, message_ready, .mid = mid, .bytes = 1000 + i, .sender = sender, .icid = icid, .recipients = 1);
    say(w, connection_closed, .icid = icid);
    say(w, message_policy, .mid = mid, .policy = textf(w, "Policy%u", i % 2));
    say(w, antispam_verdict, .mid = mid, .verdict = i % 6);
    say(w, content_filters_done, .mid = mid, .matched = i % 2, .filters = i % 2 ? str_lit("block_zip,tag") : STR_NONE);
    if (i % 13 == 3)
        say(w, antivirus_verdict, .mid = mid, .result = 1, .virus = str_lit("EICAR-Test"));
    if (i % 7 == 0)
        say(w, message_attachment, .mid = mid, .name = textf(w, "Report-%u.pdf", i));
    if (i % 8 == 5) {
        say(w, quarantined, .mid = mid, .quarantine = str_lit("Policy"), .reason = str_lit("content filter"), .kind = i % 3);
        return mid;
    }
    if (i % 9 == 4) {
        child = ++w->mid;
        say(w, message_split, .mid = mid, .child = child, .policy = str_lit("VIP"));
        say(w, message_start, .mid = child, .uid = textf(w, "%" PRIx64 "-00112233445566%02x", mid, 0x77));
        say(w, message_sender, .mid = child, .sender = sender);
        say(w, message_recipient, .mid = child, .rid = 0, .recipient = rcpt);
        say(w, message_dropped, .mid = child, .by = 3, .filter = str_lit("no_thanks"));
    }
    say(w, message_queued, .mid = mid);
    say(w, delivery_connection, .dcid = dcid, .local_ip = str_lit("10.0.0.1"), .remote_ip = str_lit("203.0.113.9"),
        .port = 25);
    say(w, delivery_start, .dcid = dcid, .mid = mid, .rids = str_of(rids, 1));
    if (i % 12 == 7) {
        say(w, delivery_bounced, .dcid = dcid, .mid = mid, .enhanced = str_lit("5.1.0"),
            .class = str_lit("Unknown address error"), .code = 550, .lines = str_lit("5.1.1 no such user"), .sender = sender,
            .recipient = rcpt, .reason = 1);
    } else {
        say(w, delivery_done, .dcid = dcid, .mid = mid, .rids = str_of(rids, 1));
        say(w, delivery_response, .mid = mid, .rids = str_of(rids, 1),
            .response = textf(w, "2.0.0 Ok: queued as %X", i * 77));
    }
    say(w, delivery_closed, .dcid = dcid);
    say(w, message_finished, .mid = mid);
    return mid;
}

static inline void world_reject(struct world *w, unsigned i)
{
    uint64_t icid = ++w->icid;

    say(w, connection_incoming, .icid = icid, .peer_ip = textf(w, "198.51.100.%u", i), .listener = str_lit("Public"));
    say(w, connection_verdict, .icid = icid, .action = 2, .group = str_lit("BLOCKLIST"));
    say(w, connection_closed, .icid = icid);
    say(w, connection_verdict, .action = 3, .group = str_lit("REFUSED"), .peer_ip = textf(w, "198.51.100.%u", i));
}

/* --- content as text ------------------------------------------------------------------------------------------------------
 */

static inline void dump_hit(struct tracking *t, struct renderer *r, const struct tracking_hit *h, struct buf *out)
{
    struct tracking_steps steps;
    struct arena a;

    buf_addf(out,
             "%.*s %.*s kind %" PRIu64 " mid %" PRIu64 " at %" PRIu64 " bytes %" PRIu64 " flags %" PRIx64
             " %.*s <%.*s>%d '%.*s' to",
             STR(h->serial), STR(h->host), h->kind, h->mid, h->at_ms, h->bytes, h->flags, STR(track_state_text(h->state)),
             STR(h->sender), h->has_sender, STR(h->subject));
    for (size_t i = 0; i < h->recipients.n; i++)
        buf_addf(out, " <%.*s>", STR(h->recipients.items[i]));
    buf_addc(out, '\n');
    arena_init(&a, 4096, 64 << 20);
    if (tracking_steps(t, h, &a, &steps, NULL) != RC_OK)
        buf_add(out, str_lit("  no steps\n"));
    for (size_t i = 0; i < steps.n; i++) {
        buf_addf(out, "  %" PRIu64 ".%" PRIu64 " %" PRIu64 " ", steps.items[i].epoch, steps.items[i].number,
                 steps.items[i].rec->wall_ms);
        render_text(r, LOG_TYPE_MAIL, steps.items[i].rec, out);
        buf_addc(out, '\n');
    }
    arena_done(&a);
}

static inline void dump(struct tracking *t, struct buf *out)
{
    struct renderer *r = renderer_new(DIALECT_MODERN, IF_SUBJECT | IF_MESSAGE_ID | IF_RESPONSE);
    struct tracking_query q;
    struct tracking_hits hits;
    struct arena a;

    buf_clear(out);
    arena_init(&a, 65536, 256 << 20);
    tracking_query_init(&q, 100);
    q.limit = 10000;
    q.messages = q.rejected = true;
    if (tracking_search(t, &q, &a, &hits, NULL) != RC_OK)
        buf_add(out, str_lit("failed"));
    for (size_t i = 0; i < hits.n; i++)
        dump_hit(t, r, &hits.items[i], out);
    renderer_free(r);
    arena_done(&a);
}

#endif
