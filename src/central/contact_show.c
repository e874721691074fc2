/*
 * The verb `contact [NAME]`: what is known of the gateways, as text (applianceconfig status) and JSON.
 *
 * Called by control through verbs.c. Owns nothing.
 */
#include "central/contact.h"

#include "base/json.h"
#include "event/render.h"

#include <inttypes.h>

static const char *const state_names[] = {"never", "connected", "no contact", "refused"}; /* JSON */
static const char *const texts[] = {"no contact yet", "connected", "no contact", "refused"};

static void put_number(struct buf *out, const char *key, uint64_t n)
{
    buf_addf(out, ",\"%s\":%" PRIu64, key, n);
}

static void put_text(struct buf *out, const char *key, struct str s)
{
    buf_addf(out, ",\"%s\":", key);
    json_str(out, s);
}

static void put_one(const struct central *c, const struct conf_appliance *a, struct buf *out)
{
    static const struct contact none;
    uint64_t segments, bytes;
    const struct contact *k = contact_find(c, a->name);

    if (!k)
        k = &none;
    buf_add(out, str_lit("{\"name\":"));
    json_str(out, a->name);
    put_text(out, "serial", a->serial);
    put_text(out, "state", str_c(a->disconnected ? "disconnected" : state_names[k->state]));
    put_number(out, "since", k->since_ms);
    put_number(out, "last_contact", k->heard_ms);
    put_text(out, "error", str_c(k->state == CONTACT_UP ? "" : k->error));
    put_text(out, "via", str_c(k->state != CONTACT_UP ? "" : k->via_link ? "link" : "ssh"));
    put_number(out, "rtt_ms", k->hello.rtt_ms);
    buf_addf(out, ",\"clock_ms\":%" PRId64, k->hello.clock_ms);
    put_number(out, "bytes", k->bytes);
    buf_add(out, str_lit(",\"services\":{"));
    for (int s = 0; s < CONTACT_SERVICES; s++) {
        pull_waiting(c, a->name, s == CONTACT_REPORTING ? SEGMENT_REPORTING : SEGMENT_TRACKING, &segments, &bytes);
        buf_addf(out,
                 "%s\"%s\":{\"on\":%s,\"last_transfer\":%" PRIu64 ",\"segments\":%" PRIu64 ",\"bytes\":%" PRIu64
                 ",\"waiting\":%" PRIu64 ",\"waiting_bytes\":%" PRIu64 "}",
                 s ? "," : "", s == CONTACT_REPORTING ? "reporting" : "tracking",
                 (s == CONTACT_REPORTING ? a->reporting : a->tracking) ? "true" : "false", k->service[s].last_ms,
                 k->service[s].segments, k->service[s].bytes, segments, bytes);
    }
    buf_addf(out, "},\"hello\":%s}", k->hello.json ? k->hello.json : "null");
}

/* ---- as text -------------------------------------------------------------------------------------------------------------
 */

static void add_time(struct buf *out, uint64_t ms)
{
    char text[24];

    render_ctime(ms, text);
    buf_add(out, str_of(text, sizeof text));
}

static void say_state(const struct contact *k, const struct conf_appliance *a, struct buf *out)
{
    buf_addf(out, "%.*s: %s", STR(a->name), a->disconnected ? "disconnected: nothing is fetched" : texts[k->state]);
    if (a->disconnected || k->state == CONTACT_NEVER) {
        buf_addc(out, '\n');
        return;
    }
    if (k->state == CONTACT_UP) {
        buf_add(out, str_lit(" since "));
        add_time(out, k->since_ms);
        buf_addf(out, k->via_link ? " through the link" : " by SSH");
    } else if (k->heard_ms) {
        buf_add(out, str_lit(" since "));
        add_time(out, k->heard_ms);
    }
    if (k->state != CONTACT_UP && k->error[0])
        buf_addf(out, ": %s", k->error);
    buf_addc(out, '\n');
    if (k->state != CONTACT_UP)
        return;
    buf_add(out, str_lit("  Last answer: "));
    add_time(out, k->heard_ms);
    buf_addf(out, ", round trip %" PRIu64 " ms, its clock is %" PRId64 " ms %s ours\n", k->hello.rtt_ms,
             k->hello.clock_ms < 0 ? -k->hello.clock_ms : k->hello.clock_ms, k->hello.clock_ms < 0 ? "behind" : "ahead of");
}

static void say_service(const struct central *c, const struct conf_appliance *a, const struct contact *k, int s,
                        struct buf *out)
{
    uint64_t segments, bytes;

    pull_waiting(c, a->name, s == CONTACT_REPORTING ? SEGMENT_REPORTING : SEGMENT_TRACKING, &segments, &bytes);
    buf_addf(out, "  %s ", s == CONTACT_REPORTING ? "Reporting:  " : "Tracking:   ");
    if (!(s == CONTACT_REPORTING ? a->reporting : a->tracking)) {
        buf_add(out, str_lit("off\n"));
        return;
    }
    if (k->service[s].segments) {
        buf_add(out, str_lit("last transfer "));
        add_time(out, k->service[s].last_ms);
        buf_addf(out, ", %" PRIu64 " segment%s of %" PRIu64 " bytes so far", k->service[s].segments,
                 k->service[s].segments == 1 ? "" : "s", k->service[s].bytes);
    } else {
        buf_add(out, str_lit("no transfer yet"));
    }
    if (segments)
        buf_addf(out, "; %" PRIu64 " segment%s of %" PRIu64 " bytes wait there", segments, segments == 1 ? "" : "s", bytes);
    buf_addc(out, '\n');
}

static void say_one(const struct central *c, const struct conf_appliance *a, struct buf *out)
{
    static const struct contact none;
    const struct contact *k = contact_find(c, a->name);

    if (!k)
        k = &none;
    say_state(k, a, out);
    if (a->serial.n)
        buf_addf(out, "  Serial:      %.*s\n", STR(a->serial));
    for (int s = 0; s < CONTACT_SERVICES; s++)
        say_service(c, a, k, s, out);
}

/* ---- the verb ------------------------------------------------------------------------------------------------------------
 */

/* As JSON: a list with an object for each enrolled gateway, or for the one named. */
void verb_contact(struct central_call *call)
{
    const struct central *c = call->central;
    struct str name = STR_NONE;
    size_t n = 0;

    get_str(&call->args, &name);
    buf_addc(&call->json, '[');
    for (size_t i = 0; c->conf && i < c->conf->appliance.n; i++) {
        const struct conf_appliance *a = &c->conf->appliance.items[i];

        if (name.n && !str_eqi(name, a->name))
            continue;
        if (n++)
            buf_addc(&call->json, ',');
        put_one(c, a, &call->json);
        say_one(c, a, &call->text);
    }
    buf_addc(&call->json, ']');
    central_answer(call, name.n && !n ? RC_NOT_FOUND : RC_OK);
}
