/*
 * Log lines in syslog form. See line.h.
 *
 * Called by the syslog sender. Owns nothing, cannot fail: a line that is not in the form of our logs is sent whole as Info
 * with the time of now.
 */
#include "push/line.h"

#include "base/clock.h"

#include <time.h>

enum { DATE = 24, CRITICAL = 2, WARNING = 4, INFO = 6, DEBUG = 7 };

static const struct {
    struct str name;
    unsigned severity;
} levels[] = {
    {{"Info: ", 6}, INFO},   {{"Warning: ", 9}, WARNING}, {{"Critical: ", 10}, CRITICAL},
    {{"Debug: ", 7}, DEBUG}, {{"Trace: ", 7}, DEBUG},
};

/* "Sat Nov 21 10:00:06 2026": where letters, digits, spaces and colons stand. */
static bool is_date(struct str s)
{
    static const char form[] = "aaa aaa _d dd:dd:dd dddd";

    if (s.n < DATE)
        return false;
    for (size_t i = 0; i < DATE; i++) {
        char c = s.p[i];

        if (form[i] == 'a'   ? !ascii_alpha(c)
            : form[i] == 'd' ? !ascii_digit(c)
            : form[i] == '_' ? c != ' ' && !ascii_digit(c)
                             : c != form[i])
            return false;
    }
    return true;
}

static bool frames_file(struct str text)
{
    return str_eq(text, str_lit("Begin Logfile")) || str_eq(text, str_lit("End Logfile")) ||
           (str_starts(text, str_lit("Version: ")) && str_find_str(text, str_lit(" SN: ")) < text.n) ||
           (str_starts(text, str_lit("Time offset from UTC: ")) && str_ends(text, str_lit(" seconds")));
}

static struct str now_text(char out[32])
{
    time_t t = (time_t)(clock_wall_ms() / 1000);
    struct tm tm;

    localtime_r(&t, &tm);
    return str_of(out, strftime(out, 32, "%b %e %H:%M:%S", &tm));
}

/* Not in the middle of a UTF-8 character. */
static size_t cut_at(struct str s, size_t most)
{
    size_t n = most;

    if (s.n <= most)
        return s.n;
    while (n > most - 4 && n > 0 && ((unsigned char)s.p[n] & 0xc0) == 0x80)
        n--;
    return n;
}

bool syslog_line(const struct syslog_header *h, struct str line, struct buf *out)
{
    unsigned severity = INFO;
    struct str when, text = line; /* text: from the level on */
    char now[32];
    size_t begin = out->n, room;

    if (!str_trim(line).n)
        return false;
    if (is_date(line) && str_starts(str_from(line, DATE), str_lit(": "))) {
        text = str_from(line, DATE + 2);
    } else if (is_date(line) && line.n > DATE && line.p[DATE] == ' ') {
        text = str_from(line, DATE + 1);
        for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
            if (str_starts(text, levels[i].name)) {
                severity = levels[i].severity;
                if (frames_file(str_from(text, levels[i].name.n)))
                    return false;
                break;
            }
    }
    when = text.p != line.p ? str_of(line.p + 4, 15) : now_text(now);
    buf_addc(out, '<');
    buf_add_u64(out, h->facility * 8 + severity);
    buf_addc(out, '>');
    buf_add(out, when);
    buf_addc(out, ' ');
    if (h->host.n) {
        buf_add(out, h->host);
        buf_addc(out, ' ');
    }
    buf_add(out, h->tag);
    buf_add(out, str_lit(": "));
    room = SYSLOG_LINE_MAX - 1 - (out->n - begin);
    buf_add(out, str_first(text, cut_at(text, room)));
    buf_addc(out, '\n');
    return true;
}
