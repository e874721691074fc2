/*
 * Events as JSON lines. See event_json.h.
 *
 * Called by record (writing segments) and by segment.c (reading them). Owns one table of names, made at first use. Reading
 * trusts nothing: the JSON is read by base/json_read, and what does not fit its field is refused.
 */
#include "store/event_json.h"

#include "base/json.h"
#include "base/json_read.h"
#include "event/render.h"

enum { NAMES = 2048 /* slots, a power of two, more than twice the events */ };

bool event_is_exported(enum event_type type)
{
    static const char *const numbers[] = {"mid", "icid", "dcid", "rcid"};
    const struct event_info *row = event_info(type);

    if (!row || row->logs & TRACKED)
        return row != NULL;
    if (!(row->logs & LOG_MAIL) || row->level > LEVEL_INFO)
        return false;
    for (const struct field *f = row->fields; f->type != FIELD_END; f++)
        for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
            if (f->type == FIELD_U64 && strcmp(f->name, numbers[i]) == 0)
                return true;
    return false;
}

/* --- writing ------------------------------------------------------------------------------------------------------- */

/* RFC 3629: no surrogates, nothing overlong. */
static size_t utf8_at(const unsigned char *p, size_t n)
{
    unsigned char c = p[0];
    size_t len = c < 0x80 ? 1 : c >= 0xc2 && c < 0xe0 ? 2 : c >= 0xe0 && c < 0xf0 ? 3 : c >= 0xf0 && c < 0xf5 ? 4 : 0;

    if (!len || len > n)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    if ((c == 0xe0 && p[1] < 0xa0) || (c == 0xed && p[1] > 0x9f) || (c == 0xf0 && p[1] < 0x90) || (c == 0xf4 && p[1] > 0x8f))
        return 0;
    return len;
}

/* All of it is text; *plain_out: and needs no escapes. */
static bool is_text(struct str s, bool *plain_out)
{
    const unsigned char *p = (const unsigned char *)s.p;
    bool plain = true;

    for (size_t i = 0, len; i < s.n; i += len) {
        len = utf8_at(p + i, s.n - i);
        if (!len)
            return false;
        if (len > 1 || p[i] < 0x20 || p[i] == '"' || p[i] == '\\' || p[i] == 0x7f)
            plain = false;
    }
    *plain_out = plain;
    return true;
}

static void put_hex(struct str s, struct buf *out)
{
    static const char digits[] = "0123456789abcdef";
    char *at;

    buf_add(out, str_lit("{\"hex\":\""));
    at = buf_reserve(out, s.n * 2);
    if (!at)
        return;
    for (size_t i = 0; i < s.n; i++) {
        *at++ = digits[(unsigned char)s.p[i] >> 4];
        *at++ = digits[s.p[i] & 15];
    }
    out->n += s.n * 2;
    buf_add(out, str_lit("\"}"));
}

static void put_string(struct str s, struct buf *out)
{
    bool plain;

    if (!is_text(s, &plain)) {
        put_hex(s, out);
    } else if (plain) {
        buf_addc(out, '"');
        buf_add(out, s);
        buf_addc(out, '"');
    } else {
        json_str(out, s);
    }
}

static void put_name(const char *name, struct buf *out)
{
    buf_add(out, str_lit(",\""));
    buf_add(out, str_c(name));
    buf_add(out, str_lit("\":"));
}

void event_json_write(uint64_t number, const struct event_record *ev, struct buf *out)
{
    const struct event_info *row = event_info(ev->type);
    const unsigned char *at = ev->fields;

    buf_add(out, str_lit("{\"n\":"));
    buf_add_u64(out, number);
    buf_add(out, str_lit(",\"t\":"));
    buf_add_u64(out, ev->wall_ms);
    buf_add(out, str_lit(",\"ev\":\""));
    buf_add(out, str_c(row->name));
    buf_addc(out, '"');
    for (const struct field *f = row->fields; f->type != FIELD_END; f++) {
        if (f->type == FIELD_U64) {
            uint64_t v = *(const uint64_t *)(const void *)at;

            at += sizeof(uint64_t);
            if (!v)
                continue;
            put_name(f->name, out);
            buf_add_u64(out, v);
        } else {
            struct str s = *(const struct str *)(const void *)at;

            at += sizeof(struct str);
            if (!s.n)
                continue;
            put_name(f->name, out);
            put_string(s, out);
        }
    }
    buf_add(out, str_lit("}\n"));
}

/* --- reading ------------------------------------------------------------------------------------------------------- */

static enum event_type type_named(struct str name)
{
    static uint16_t slots[NAMES];
    static bool made;

    if (!__atomic_load_n(&made, __ATOMIC_ACQUIRE)) { /* two threads at once put the same into the same places */
        for (unsigned type = EVENT_NONE + 1; type < EVENT_TYPE_COUNT; type++) {
            size_t at = str_hash(str_c(event_info(type)->name)) % NAMES;

            while (slots[at] && slots[at] != type)
                at = (at + 1) % NAMES;
            slots[at] = (uint16_t)type;
        }
        __atomic_store_n(&made, true, __ATOMIC_RELEASE);
    }
    for (size_t at = str_hash(name) % NAMES; slots[at]; at = (at + 1) % NAMES)
        if (str_eq(name, str_c(event_info(slots[at])->name)))
            return (enum event_type)slots[at];
    return EVENT_NONE;
}

static int hex_value(char c)
{
    return ascii_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_hex(struct arena *a, struct str in, struct str *out)
{
    char *bytes = arena_alloc(a, in.n / 2 + 1);

    if (in.n % 2 || !bytes)
        return false;
    for (size_t i = 0; i < in.n; i += 2) {
        int high = hex_value(in.p[i]), low = hex_value(in.p[i + 1]);

        if (high < 0 || low < 0)
            return false;
        bytes[i / 2] = (char)(high << 4 | low);
    }
    *out = str_of(bytes, in.n / 2);
    return true;
}

static bool read_field(struct arena *a, const struct field *f, const struct json *v, unsigned char *at)
{
    struct str s;

    if (f->type == FIELD_U64) {
        uint64_t n;

        if (!json_is(v, JSON_NUMBER) || !str_u64(v->text, &n))
            return false;
        memcpy(at, &n, sizeof n);
        return true;
    }
    if (json_is(v, JSON_STRING))
        s = v->text;
    else if (!json_is(json_get(v, "hex"), JSON_STRING) || !read_hex(a, json_get(v, "hex")->text, &s))
        return false;
    memcpy(at, &s, sizeof s);
    return true;
}

static enum rc read_fields(struct arena *a, const struct json *line, struct event_record *out, struct err *e)
{
    const struct event_info *row = event_info(out->type);
    unsigned char *at = out->fields;

    memset(out->fields, 0, row->size);
    for (const struct field *f = row->fields; f->type != FIELD_END; f++) {
        const struct json *v = json_get(line, f->name);

        if (v && !read_field(a, f, v, at))
            return err_set(e, RC_SYNTAX, "event %s: %s", row->name, f->name);
        at += f->type == FIELD_U64 ? sizeof(uint64_t) : sizeof(struct str);
    }
    return RC_OK;
}

enum rc event_json_read(struct arena *a, struct str line, uint64_t *number_out, struct event_record *out, struct err *e)
{
    const struct json *v;
    uint64_t number, wall_ms;

    TRY(json_read(a, line, &v, e));
    if (!json_u64(json_get(v, "n"), &number) || !json_u64(json_get(v, "t"), &wall_ms) || !json_str_of(json_get(v, "ev")).n)
        return err_set(e, RC_SYNTAX, "no event");
    out->type = type_named(json_str_of(json_get(v, "ev")));
    out->wall_ms = wall_ms;
    out->stamp = 0;
    if (out->type != EVENT_NONE)
        TRY(read_fields(a, v, out, e));
    *number_out = number;
    return RC_OK;
}
