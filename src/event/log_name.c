/*
 * Names of logs and their files. See log_name.h.
 *
 * Called by record, which makes the files, and by those that read them. Owns nothing, cannot fail.
 */
#include "event/log_name.h"

#include <stdio.h>

bool log_name_safe(struct str s)
{
    bool good = s.n > 0 && s.n < LOG_NAME_MAX && s.p[0] != '.';

    for (size_t i = 0; i < s.n; i++)
        good = good && (ascii_alpha(s.p[i]) || ascii_digit(s.p[i]) || s.p[i] == '_' || s.p[i] == '-' || s.p[i] == '.');
    return good;
}

void log_stem(struct str name, struct str file, char out[LOG_STEM_MAX])
{
    if (log_name_safe(file)) {
        snprintf(out, LOG_STEM_MAX, "%.*s", STR(file));
        return;
    }
    if (str_ends(name, str_lit("_logs")))
        name.n -= 5;
    snprintf(out, LOG_STEM_MAX, "%.*s%s", STR(name), str_eq(name, str_lit("bounces")) ? ".text" : "");
}

bool log_saved_name(struct str file, struct str *time_out)
{
    static const char form[] = "dddddddd"
                               "Tdddddd";
    size_t at = str_find_str(file, str_lit(".@"));
    struct str time = str_from(file, at + 2);

    if (at == 0 || at == file.n || time.n != sizeof form - 1 + 2 || !str_ends(time, str_lit(".s")))
        return false;
    time.n -= 2;
    for (size_t i = 0; i < time.n; i++)
        if (form[i] == 'd' ? !ascii_digit(time.p[i]) : time.p[i] != form[i])
            return false;
    if (time_out)
        *time_out = time;
    return true;
}
