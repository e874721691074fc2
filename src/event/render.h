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

/* Types of subscription, in the order of the choices in spec/settings/log.def. */
enum log_type {
#define LOG_TYPE(name, word, title, framed) LOG_TYPE_##name,
#include "spec/log_types.def"
#undef LOG_TYPE
    LOG_TYPE_COUNT
};
/* Columns LOGS of spec/events.def: who shows a row, and under which setting. 64 bits wide. */
enum {
#define LOG_TYPE(name, word, title, framed) LOG_##name = 1ull << LOG_TYPE_##name,
#include "spec/log_types.def"
#undef LOG_TYPE
#define LOG_TYPE(name, word, title, framed) | (framed ? LOG_##name : 0ull)
    /* files that begin with the three lines of logs.md 3 */
    LOG_FRAMED = 0ull
#include "spec/log_types.def"
    ,
#undef LOG_TYPE
    LOG_TYPES = (1ull << LOG_TYPE_COUNT) - 1,
    IF_SUBJECT = 1ull << 56,
    IF_MESSAGE_ID = 1ull << 57,
    IF_RESPONSE = 1ull << 58,
    IF_STATUS_IN_MAIL = 1ull << 59, /* adds LOG_MAIL */
    TRACKED = 1ull << 60,           /* goes to trackers and reports, whichever log shows it (store/event_json.h) */
};
/* "Text Mail Logs", and the word of the settings. */
struct str log_type_title(enum log_type type);
struct str log_type_word(enum log_type type);

/* The subscriptions a new home has, and those written while the settings name none (logs.md 12): row i, NULL behind the
 * last. */
struct log_default {
    const char *name;
    enum log_type type;
    enum event_level level;
    bool gateway, manager; /* which product has it from the start */
};
const struct log_default *log_default(size_t i);

enum log_dialect { DIALECT_CLASSIC, DIALECT_MODERN }; /* order of logs.dialect */

struct renderer;

/* `on` = the IF_... settings that are on. Never fails: a template that cannot be compiled ends the process. */
struct renderer *renderer_new(enum log_dialect dialect, uint64_t on);
void renderer_free(struct renderer *r);
/* Types of log (bits LOG_...) that get a line from this event type. */
uint64_t renderer_logs(const struct renderer *r, enum event_type type);

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
