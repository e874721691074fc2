/*
 * From an event to a line of text: templates of spec/events.def compiled once into short programs, one for each type of log.
 *
 * The template language is described at the top of spec/events.def. A renderer only formats fields: no look-ups, no state
 * but the date of the last second. One renderer serves all subscriptions of a process; it is not shared between threads.
 */
#ifndef EVENT_RENDER_H
#define EVENT_RENDER_H

#include "base/err.h"
#include "event/record.h"

/* Types of subscription; the order is that of the choices in spec/settings/log.def. */
enum log_type { LOG_TYPE_MAIL, LOG_TYPE_BOUNCES, LOG_TYPE_STATUS, LOG_TYPE_SYSTEM, LOG_TYPE_AUTHENTICATION, LOG_TYPE_COUNT };
/* Columns LOGS of spec/events.def: who shows a row, and under which setting. */
enum {
    LOG_MAIL = 1 << LOG_TYPE_MAIL,
    LOG_BOUNCES = 1 << LOG_TYPE_BOUNCES,
    LOG_STATUS = 1 << LOG_TYPE_STATUS,
    LOG_SYSTEM = 1 << LOG_TYPE_SYSTEM,
    LOG_AUTHENTICATION = 1 << LOG_TYPE_AUTHENTICATION,
    LOG_FRAMED = LOG_MAIL | LOG_SYSTEM | LOG_AUTHENTICATION, /* files that begin with the three lines of logs.md 3 */
    LOG_TYPES = (1 << LOG_TYPE_COUNT) - 1,
    IF_SUBJECT = 1 << 16,
    IF_MESSAGE_ID = 1 << 17,
    IF_RESPONSE = 1 << 18,
    IF_STATUS_IN_MAIL = 1 << 19, /* adds LOG_MAIL */
};
enum log_dialect { DIALECT_CLASSIC, DIALECT_MODERN }; /* order of logs.dialect */

struct renderer;

/* `on` = the IF_... settings that are on. Never fails: a template that cannot be compiled ends the process. */
struct renderer *renderer_new(enum log_dialect dialect, uint32_t on);
void renderer_free(struct renderer *r);
/* Types of log (bits LOG_...) that get a line from this event type. */
uint32_t renderer_logs(const struct renderer *r, enum event_type type);

/* Appends "Ddd Mon DD HH:MM:SS YYYY Level: text\n"; false (nothing added) when the text is empty or that log has none. */
bool render_line(struct renderer *r, enum log_type log, const struct event_record *ev, struct buf *out);
/* The text alone, without a line end. */
bool render_text(struct renderer *r, enum log_type log, const struct event_record *ev, struct buf *out);
/* "Sat Nov 21 10:00:06 2026 " (25 octets, with the space), local time; valid until the next call. */
struct str render_date(struct renderer *r, uint64_t wall_ms);
/* "Info" ... as in the lines. */
struct str render_level(enum event_level level);

/* Values as logs.md 2 and 3 want them; used by the programs, and by others for the same forms. */
void render_plain(struct str value, struct buf *out);  /* control characters escaped, so one event stays one line */
void render_repr(struct str value, struct buf *out);   /* Python 2 repr; octets from 0x80 up stay as they are */
void render_rids(struct str varints, struct buf *out); /* [0, 1] */
void render_lines(struct str lines, struct buf *out);  /* ['a', 'b'] */
void render_pairs(struct str pairs, struct buf *out);  /* [('a', 'b')], nothing when empty */
/* ctime form, 24 octets, local time, day padded with a space. */
void render_ctime(uint64_t wall_ms, char out[24]);

#endif
