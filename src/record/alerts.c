/*
 * From events to alerts. See alerts.h.
 *
 * Called by record.c for each event and by its verb displayalerts. Owns the alerts kept for showing and what is known of
 * repeats. After a kill events are read again, so an alert may be sent twice, never not at all.
 */
#include "record/alerts.h"
#include "record/alert_mail.h"

#include "base/clock.h"
#include "base/must.h"
#include "conf/product.h"
#include "mail/header.h"

#include <stdlib.h>
#include <time.h>

enum { TEXT = 400, KEY = 120, SUBJECT_TEXT = 160 };

static const struct {
    const char *class, *key;
} kinds[EVENT_TYPE_COUNT] = {
#define ALERT(event, class, key) [EVENT_##event] = {class, key},
#include "spec/alerts.def"
#undef ALERT
};

static const char *const severities[] = {"Critical", "Warning", "Information"}; /* by level */

struct shown {
    uint64_t wall_ms;
    enum event_type type;
    enum event_level level;
    char text[TEXT];
};

/* Repeats of one alert. */
struct held {
    enum event_type type; /* EVENT_NONE: free */
    char key[KEY];
    uint64_t sent_ms, wait_ms, last_ms; /* monotonic */
    uint64_t count, first_wall_ms, last_wall_ms;
};

struct alerts {
    struct alert_mails *mails;
    struct shown *shown; /* ring */
    uint64_t n;          /* ever */
    struct held held[ALERTS_HELD];
};

struct alerts *alerts_new(struct loop *loop, struct bus *bus, struct events *events)
{
    struct alerts *a = calloc(1, sizeof *a);

    must(a && (a->shown = calloc(ALERTS_SHOWN, sizeof *a->shown)));
    a->mails = loop && bus ? alert_mails_new(loop, bus, events) : NULL;
    return a;
}

void alerts_free(struct alerts *a)
{
    if (!a)
        return;
    alert_mails_free(a->mails);
    free(a->shown);
    free(a);
}

/* --- the text ----------------------------------------------------------------------------------------------------- */

static void render(struct renderer *r, const struct event_record *rec, struct buf *out)
{
    uint64_t logs = renderer_logs(r, rec->type);

    if (logs)
        render_text(r, (enum log_type)__builtin_ctzll(logs), rec, out);
    if (!out->n)
        buf_add(out, str_c(event_info(rec->type)->name));
}

static void copy_text(char *to, size_t room, struct str text)
{
    text = str_first(text, room - 1);
    if (text.n)
        memcpy(to, text.p, text.n);
    to[text.n] = 0;
}

static struct str date_of(struct arena *scratch, uint64_t wall_ms)
{
    time_t t = (time_t)(wall_ms / 1000);
    struct tm tm;
    char text[40];

    localtime_r(&t, &tm);
    strftime(text, sizeof text, "%d %b %Y %H:%M:%S %z", &tm);
    return arena_str(scratch, str_c(text));
}

/* --- repeats ------------------------------------------------------------------------------------------------------ */

static void key_of(const struct event_record *rec, char out[KEY])
{
    const struct event_info *row = event_info(rec->type);
    struct buf b = BUF(KEY);
    const void *value = NULL;
    enum field_type type = fields_find(row->fields, rec->fields, str_c(kinds[rec->type].key), &value);

    if (type == FIELD_U64)
        buf_add_u64(&b, *(const uint64_t *)value);
    else if (type == FIELD_STR)
        buf_add(&b, str_first(*(const struct str *)value, KEY - 1));
    copy_text(out, KEY, buf_str(&b));
    buf_done(&b);
}

/* The entry of this alert, else a free one, else the one longest quiet. */
static struct held *held_of(struct alerts *a, enum event_type type, const char *key)
{
    struct held *best = &a->held[0];

    for (size_t i = 0; i < ALERTS_HELD; i++) {
        struct held *h = &a->held[i];

        if (h->type == type && strcmp(h->key, key) == 0)
            return h;
        if (best->type != EVENT_NONE && (h->type == EVENT_NONE || h->last_ms < best->last_ms))
            best = h;
    }
    *best = (struct held){.type = type};
    copy_text(best->key, KEY, str_c(key));
    return best;
}

/* Whether it goes out now; counts it when not. */
static bool goes_out(struct held *h, const struct conf_alerts *set, uint64_t now_ms, uint64_t wall_ms)
{
    bool quiet = h->sent_ms && now_ms - h->last_ms > 2 * set->most_wait_ms;
    bool waits = h->sent_ms && !quiet && now_ms - h->sent_ms < h->wait_ms;

    h->last_ms = now_ms;
    if (waits) {
        if (!h->count++)
            h->first_wall_ms = wall_ms;
        h->last_wall_ms = wall_ms;
        return false;
    }
    h->wait_ms = !h->sent_ms || quiet ? set->first_wait_ms : 2 * h->wait_ms;
    if (h->wait_ms > set->most_wait_ms)
        h->wait_ms = set->most_wait_ms;
    h->sent_ms = now_ms ? now_ms : 1;
    return true;
}

/* --- mail --------------------------------------------------------------------------------------------------------- */

static bool wants(const struct conf_alert *who, const char *class, enum event_level level)
{
    if ((uint64_t)level > who->severity)
        return false;
    for (size_t i = 0; i < who->classes.n; i++)
        if (str_eqi(who->classes.items[i], str_lit("All")) || str_eqi(who->classes.items[i], str_c(class)))
            return true;
    return false;
}

/* Printable ASCII only: it stands in a header line. */
static struct str plain(struct arena *scratch, struct str text)
{
    struct str copy = arena_str(scratch, str_first(text, SUBJECT_TEXT));

    for (size_t i = 0; i < copy.n; i++)
        if (copy.p[i] < 0x20 || copy.p[i] > 0x7e)
            ((char *)(uintptr_t)copy.p)[i] = '?';
    return copy;
}

static void write_body(struct arena *scratch, const struct conf *conf, const struct alert_mail *mail, struct str text,
                       const struct held *h, struct str from, uint64_t wall_ms, struct buf *out)
{
    struct str host = conf->system.hostname;

    bool whole = str_find(from, '<') < from.n; /* "Name <address>" */

    buf_addf(out, "From: %s%.*s%s\r\nTo: <%.*s>\r\nSubject: %.*s\r\n", whole ? "" : "\"Mail System\" <", STR(from),
             whole ? "" : ">", STR(mail->to), STR(mail->subject));
    buf_addf(out, "Date: %.*s\r\nMessage-ID: <%016llx.alert@%.*s>\r\n", STR(header_date(scratch, clock_wall_ms())),
             (unsigned long long)random_u64(), STR(host));
    buf_add(out, str_lit("MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
                         "Content-Transfer-Encoding: 8bit\r\nAuto-Submitted: auto-generated\r\n\r\n"));
    buf_addf(out, "The %s message is:\r\n\r\n%.*s\r\n\r\n", severities[mail->severity], STR(text));
    if (h->count)
        buf_addf(out, "Last message occurred %llu times between %.*s and %.*s.\r\n\r\n", (unsigned long long)h->count,
                 STR(date_of(scratch, h->first_wall_ms)), STR(date_of(scratch, h->last_wall_ms)));
    buf_addf(out,
             "Version: " PRODUCT_VERSION "-" PRODUCT_BUILD "\r\nSerial Number: %.*s\r\nTimestamp: %.*s\r\nHost: %.*s\r\n",
             STR(conf->system.serial), STR(date_of(scratch, wall_ms)), STR(host));
}

static void mail_all(struct alerts *a, const struct conf *conf, const struct event_record *rec, struct str text,
                     const struct held *h)
{
    enum event_level level = event_info(rec->type)->level;
    const char *class = kinds[rec->type].class;
    struct arena scratch;
    struct str from = conf->alerts.from;
    struct buf body = BUF(16 << 10);

    arena_init(&scratch, 2048, 1 << 20);
    if (!from.n)
        from = arena_printf(&scratch, "alert@%.*s", STR(conf->system.hostname));
    for (size_t i = 0; i < conf->alert.n; i++) {
        const struct conf_alert *who = &conf->alert.items[i];
        struct alert_mail mail = {.to = who->name, .class = str_c(class), .severity = level};

        if (!wants(who, class, level))
            continue;
        mail.subject = arena_printf(&scratch, "%s <%s> %.*s: %.*s", severities[level], class, STR(conf->system.hostname),
                                    STR(plain(&scratch, text)));
        buf_clear(&body);
        write_body(&scratch, conf, &mail, text, h, from, rec->wall_ms, &body);
        mail.body = buf_str(&body);
        if (!body.failed)
            alert_mails_add(a->mails, &mail);
    }
    buf_done(&body);
    arena_done(&scratch);
}

void alerts_take(struct alerts *a, const struct conf *conf, struct renderer *r, const struct event_record *rec,
                 uint64_t now_ms)
{
    struct buf text = BUF(64 << 10);
    struct shown *s;
    struct held *h;
    char key[KEY];

    if (!kinds[rec->type].class)
        return;
    render(r, rec, &text);
    s = &a->shown[a->n++ % ALERTS_SHOWN];
    *s = (struct shown){.wall_ms = rec->wall_ms, .type = rec->type, .level = event_info(rec->type)->level};
    copy_text(s->text, TEXT, buf_str(&text));
    if (conf && a->mails) {
        key_of(rec, key);
        h = held_of(a, rec->type, key);
        if (goes_out(h, &conf->alerts, now_ms, rec->wall_ms)) {
            mail_all(a, conf, rec, str_first(buf_str(&text), TEXT), h);
            h->count = 0;
        }
    }
    buf_done(&text);
}

/* --- displayalerts ------------------------------------------------------------------------------------------------ */

static void json_text(struct buf *out, const char *text)
{
    buf_addc(out, '"');
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            buf_addc(out, '\\');
        buf_addc(out, (unsigned char)*text < 0x20 ? ' ' : *text);
    }
    buf_addc(out, '"');
}

void alerts_show(const struct alerts *a, uint64_t most, struct buf *text, struct buf *json)
{
    uint64_t n = a->n < ALERTS_SHOWN ? a->n : ALERTS_SHOWN;
    struct arena scratch;

    arena_init(&scratch, 1024, 1 << 20);
    n = most < n ? most : n;
    buf_add(text, n ? str_lit("Date and Time Stamp         Severity     Class              Description\n")
                    : str_lit("No alerts.\n"));
    buf_addc(json, '[');
    for (uint64_t i = 0; i < n; i++) {
        const struct shown *s = &a->shown[(a->n - 1 - i) % ALERTS_SHOWN];
        const char *class = kinds[s->type].class;

        buf_addf(text, "%.*s  %-11s  %-17s  %s\n", STR(date_of(&scratch, s->wall_ms)), severities[s->level], class, s->text);
        buf_addf(json, "%s{\"time\":%llu,\"severity\":\"%s\",\"class\":\"%s\",\"text\":", i ? "," : "",
                 (unsigned long long)s->wall_ms, severities[s->level], class);
        json_text(json, s->text);
        buf_addc(json, '}');
    }
    buf_addc(json, ']');
    arena_done(&scratch);
}
