/*
 * The rows of spec/events.def as data, and the class texts of bounces.
 *
 * Called by every file of this room and by record. Owns nothing; nothing fails.
 */
#include "event/record.h"
#include "event/render.h"

#include "base/must.h"

#define F_U64(name) {#name, FIELD_U64},
#define F_STR(name) {#name, FIELD_STR},
#define EVENT(name, level, logs, fields, text, counts) static const struct field fields_##name[] = {fields{NULL, FIELD_END}};
#include "spec/events.def"
#undef EVENT
#undef F_U64
#undef F_STR

#define EVENT(name, level, logs, fields, text, counts) \
    [EVENT_##name] = {#name, LEVEL_##level, logs, fields_##name, sizeof(struct event_##name), text, counts},
static const struct event_info rows[] = {
#include "spec/events.def"
};
#undef EVENT

static const struct {
    const char *word, *title;
} log_types[] = {
#define LOG_TYPE(name, word, title, framed) {word, title},
#include "spec/log_types.def"
#undef LOG_TYPE
};

struct str log_type_title(enum log_type type)
{
    return str_c(log_types[type].title);
}

struct str log_type_word(enum log_type type)
{
    return str_c(log_types[type].word);
}

const struct log_default *log_default(size_t i)
{
    static const struct log_default defaults[] = {
#define LOG_DEFAULT(name, type, level, gateway, manager) {name, LOG_TYPE_##type, LEVEL_##level, gateway, manager},
#include "spec/log_defaults.def"
#undef LOG_DEFAULT
    };

    return i < sizeof defaults / sizeof *defaults ? &defaults[i] : NULL;
}

const struct event_info *event_info(unsigned type)
{
    return type > EVENT_NONE && type < EVENT_TYPE_COUNT ? &rows[type] : NULL;
}

void event_record_set(struct event_record *rec, enum event_type type, uint64_t wall_ms, const void *fields)
{
    const struct event_info *row = event_info(type);

    must(row && row->size <= sizeof rec->fields);
    rec->type = type;
    rec->wall_ms = wall_ms;
    rec->stamp = 0;
    memcpy(rec->fields, fields, row->size);
}

/* Text by code, RFC 3463 numbers; the last rows catch what has no text of its own. */
static const struct {
    const char *enhanced, *text;
} classes[] = {
    {"5.1.0", "Unknown address error"},
    {"5.1.1", "Bad destination email address"},
    {"5.1.2", "Bad destination host"},
    {"5.3.0", "Other mail system problem"},
    {"5.4.7", "Delivery expired (message too old)"},
    {"4.3.2", "Not accepting messages at this time"},
    {"4.4.0", "Other network problem"},
};
enum { CLASS_UNKNOWN_ADDRESS = 0, CLASS_OTHER_SYSTEM = 3, CLASS_NOT_ACCEPTING = 5, CLASS_NETWORK = 6 };

static struct event_class class_row(size_t i)
{
    return (struct event_class){str_c(classes[i].enhanced), str_c(classes[i].text)};
}

struct event_class event_class_of(struct str enhanced, unsigned code)
{
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        if (str_eq(enhanced, str_c(classes[i].enhanced)))
            return class_row(i);
    if (str_starts(enhanced, str_lit("5.1.")))
        return class_row(CLASS_UNKNOWN_ADDRESS);
    if (str_starts(enhanced, str_lit("4.4.")))
        return class_row(CLASS_NETWORK);
    if (str_starts(enhanced, str_lit("5.")))
        return class_row(CLASS_OTHER_SYSTEM);
    if (str_starts(enhanced, str_lit("4.")))
        return class_row(CLASS_NOT_ACCEPTING);
    if (code == 0)
        return class_row(CLASS_NETWORK);
    if (code < 500)
        return class_row(CLASS_NOT_ACCEPTING);
    return class_row(code == 550 || code == 551 || code == 553 ? CLASS_UNKNOWN_ADDRESS : CLASS_OTHER_SYSTEM);
}
