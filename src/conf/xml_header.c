/*
 * Reads the header comment of a stored version back: who, when, why. See xml.h.
 *
 * Called by versions.c for the list of versions. Needs no XML parser, so a file that is broken further down is listed too.
 */
#include "conf/xml.h"

#include <time.h>

/* Undoes the references of xml_write.c; others stay as they are. */
static struct str unescape(struct arena *a, struct str s)
{
    struct buf b = BUF(s.n + 64);
    struct str out;

    while (s.n) {
        size_t end = str_find(s, ';');
        uint64_t v;

        if (str_starts(s, str_lit("&#")) && end < s.n && str_u64(str_of(s.p + 2, end - 2), &v) && v < 0x110000) {
            if (v < 0x80) {
                buf_addc(&b, (char)v);
            } else {
                if (v >= 0x10000)
                    buf_put_u8(&b, (uint8_t)(0xf0 | v >> 18));
                if (v >= 0x800)
                    buf_put_u8(&b, (uint8_t)(v >= 0x10000 ? 0x80 | (v >> 12 & 0x3f) : 0xe0 | v >> 12));
                buf_put_u8(&b, (uint8_t)(v >= 0x800 ? 0x80 | (v >> 6 & 0x3f) : 0xc0 | v >> 6));
                buf_put_u8(&b, (uint8_t)(0x80 | (v & 0x3f)));
            }
            s = str_from(s, end + 1);
            continue;
        }
        buf_addc(&b, s.p[0]);
        s = str_from(s, 1);
    }
    out = arena_str(a, buf_str(&b));
    buf_done(&b);
    return out;
}

static bool value_of(struct str line, struct str key, struct str *out)
{
    line = str_trim(line);
    if (!str_starts(line, key))
        return false;
    *out = str_trim(str_from(line, key.n));
    return true;
}

static uint64_t parse_time(struct arena *a, struct str text)
{
    struct str copy = arena_str(a, text);
    struct tm tm = {0};

    if (!copy.p || !strptime(copy.p, "%a %b %d %H:%M:%S %Y", &tm))
        return 0;
    return (uint64_t)timegm(&tm) * 1000;
}

void conf_xml_header(struct arena *a, struct str file, struct conf_header *out)
{
    struct str line, v;

    *out = (struct conf_header){0};
    while (str_split(&file, '\n', &line) && !str_starts(line, str_lit("<config"))) {
        if (value_of(line, str_lit("Configuration:"), &v))
            str_u64(v, &out->version);
        else if (value_of(line, str_lit("User:"), &v))
            out->user = unescape(a, v);
        else if (value_of(line, str_lit("Comment:"), &v))
            out->comment = unescape(a, v);
        else if (value_of(line, str_lit("Current Time:"), &v))
            out->time_ms = parse_time(a, v);
    }
}
