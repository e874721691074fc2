/*
 * Header fields from raw octets. See header.h.
 *
 * Called by receive (Subject, Message-ID, loop count), queue (DSNs) and scan. Owns nothing; never reads past its view.
 */
#include "mail/header.h"

#include <time.h>

/* Octets of the line at the start of s with its line end. */
static size_t line_length(struct str s)
{
    size_t lf = str_find(s, '\n');

    return lf == s.n ? s.n : lf + 1;
}

static struct str without_line_end(struct str s)
{
    if (s.n && s.p[s.n - 1] == '\n')
        s.n--;
    if (s.n && s.p[s.n - 1] == '\r')
        s.n--;
    return s;
}

static bool is_field_name(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= 0x20 || (unsigned char)s.p[i] >= 0x7f)
            return false;
    return s.n > 0;
}

static struct str trim_end(struct str s)
{
    while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
        s.n--;
    return s;
}

bool header_next(struct str *rest, struct header_field *out)
{
    size_t n = line_length(*rest), colon;
    struct str line = without_line_end(str_first(*rest, n)), name;

    colon = str_find(line, ':');
    name = trim_end(str_first(line, colon));
    if (!line.n || colon == line.n || !is_field_name(name))
        return false;
    while (n < rest->n && (rest->p[n] == ' ' || rest->p[n] == '\t'))
        n += line_length(str_from(*rest, n));
    out->name = name;
    out->whole = str_first(*rest, n);
    out->value = str_from(without_line_end(out->whole), colon + 1);
    *rest = str_from(*rest, n);
    return true;
}

bool header_find(struct str message, struct str name, struct header_field *out)
{
    struct header_field f;

    while (header_next(&message, &f)) {
        if (str_eqi(f.name, name)) {
            *out = f;
            return true;
        }
    }
    return false;
}

size_t header_count(struct str message, struct str name, size_t stop_at)
{
    struct header_field f;
    size_t n = 0;

    while (n < stop_at && header_next(&message, &f))
        n += str_eqi(f.name, name);
    return n;
}

size_t header_length(struct str message)
{
    size_t at = 0;

    while (at < message.n) {
        size_t n = line_length(str_from(message, at));

        if (without_line_end(str_first(str_from(message, at), n)).n == 0)
            return at + n;
        at += n;
    }
    return message.n;
}

struct str header_unfold(struct arena *a, struct str value, size_t max)
{
    char *to = arena_alloc(a, (value.n < max ? value.n : max) + 1);
    size_t n = 0;

    if (!to)
        return STR_NONE;
    value = str_trim(value);
    for (size_t i = 0; i < value.n && n < max; i++)
        if (value.p[i] != '\r' && value.p[i] != '\n')
            to[n++] = value.p[i];
    return str_of(to, n);
}

bool header_is_plain(struct str text)
{
    for (size_t i = 0; i < text.n; i++)
        if ((unsigned char)text.p[i] >= 0x7f || (unsigned char)text.p[i] < 0x20)
            return false;
    return true;
}

void header_encode_word(struct str text, struct buf *out)
{
    size_t line = 0;

    if (header_is_plain(text)) {
        buf_add(out, text);
        return;
    }
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        bool start = ((unsigned char)c & 0xc0) != 0x80; /* words are cut between characters only */

        if (line == 0 || (line > 50 && start)) {
            buf_add(out, line ? str_lit("?=\r\n =?utf-8?Q?") : str_lit("=?utf-8?Q?"));
            line = 1;
        }
        if (ascii_alpha(c) || ascii_digit(c)) {
            buf_addc(out, c);
            line++;
        } else {
            buf_addf(out, "=%02X", (unsigned)(unsigned char)c);
            line += 3;
        }
    }
    buf_add(out, str_lit("?="));
}

struct str header_date(struct arena *a, uint64_t wall_ms)
{
    static const char days[] = "SunMonTueWedThuFriSat", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t t = (time_t)(wall_ms / 1000);
    struct tm tm;

    gmtime_r(&t, &tm);
    return arena_printf(a, "%.3s, %d %.3s %d %02d:%02d:%02d +0000", days + 3 * tm.tm_wday, tm.tm_mday,
                        months + 3 * tm.tm_mon, tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}
