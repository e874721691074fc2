/*
 * The verb `logpush`: what is carried away and how it goes; try again now.
 *
 * Called over the bus by control. Owns nothing; the figures are those of the moment.
 */
#include "push/inside.h"

#include <time.h>

void push_time_text(uint64_t wall_ms, struct buf *out)
{
    time_t t = (time_t)(wall_ms / 1000);
    struct tm tm;
    char text[40];

    if (!wall_ms) {
        buf_add(out, str_lit("never"));
        return;
    }
    localtime_r(&t, &tm);
    buf_add(out, str_of(text, strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &tm)));
}

void push_json_text(struct str value, struct buf *out)
{
    buf_addc(out, '"');
    for (size_t i = 0; i < value.n; i++) {
        unsigned char c = (unsigned char)value.p[i];

        if (c == '"' || c == '\\')
            buf_addf(out, "\\%c", c);
        else if (c < 0x20)
            buf_addf(out, "\\u%04x", c);
        else
            buf_addc(out, (char)c);
    }
    buf_addc(out, '"');
}

static void show(struct push *p, struct buf *text, struct buf *json)
{
    buf_add(json, str_lit("{\"logs\":["));
    for (size_t i = 0; i < p->n; i++) {
        struct subscription_push *one = p->items[i];

        buf_addf(text, "%s\n", one->name);
        buf_addf(json, "%s{\"name\":\"%s\",", i ? "," : "", one->name);
        if (one->syslog)
            syslog_status(one->syslog, text, json);
        else
            carrier_status(one->carrier, text, json);
        buf_addc(json, '}');
    }
    buf_add(json, str_lit("]}"));
    if (!p->n)
        buf_add(text, str_lit("No log is pushed.\n"));
}

static enum rc try_now(struct push *p, struct str name, struct buf *text)
{
    size_t found = 0;

    for (size_t i = 0; i < p->n; i++) {
        struct subscription_push *one = p->items[i];

        if (name.n && !str_eqi(name, str_lit("all")) && !str_eqi(name, str_c(one->name)))
            continue;
        found++;
        if (one->syslog)
            syslog_now(one->syslog);
        else
            carrier_now(one->carrier);
    }
    if (!found) {
        buf_addf(text, "There is no log named %.*s that is pushed.\n", STR(str_first(name, 100)));
        return RC_NOT_FOUND;
    }
    buf_add(text, str_lit("Pushing begins.\n"));
    return RC_OK;
}

static void on_verb(void *ctx, const struct bus_in *in)
{
    struct push *p = ctx;
    const struct bus_verb_call *call = in->msg;
    struct str args = call->args, what = STR_NONE, name = STR_NONE;
    struct buf text = BUF(1 << 20), json = BUF(1 << 20);
    struct bus_verb_reply reply = {.rc = RC_OK};

    get_str(&args, &what);
    get_str(&args, &name);
    if (!what.n || str_eqi(what, str_lit("status"))) {
        show(p, &text, &json);
    } else if (str_eqi(what, str_lit("now"))) {
        reply.rc = try_now(p, name, &text);
    } else {
        buf_add(&text, str_lit("Invalid arguments\nUsage: logpush [status|now [NAME]]\n"));
        reply.rc = RC_SYNTAX;
    }
    reply.text = buf_str(&text);
    reply.json = buf_str(&json);
    bus_reply(p->bus, in->from, in->call, BUS_verb_reply, &reply);
    buf_done(&text);
    buf_done(&json);
}

void push_verbs_register(struct push *p)
{
    bus_on(p->bus, BUS_verb_call, on_verb, p);
}
