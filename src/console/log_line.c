/*
 * Mail log lines read back. See log_line.h.
 *
 * Called by log_findevent.c. Owns nothing. What is not understood gives false.
 */
#include "console/log_line.h"

enum { DATE = 24 };

bool log_line_read(struct str line, struct log_line *out)
{
    struct str rest = str_from(line, DATE + 1);
    size_t colon = str_find_str(str_first(rest, 12), str_lit(": ")); /* Critical: */

    if (line.n <= DATE || line.p[DATE] != ' ' || colon >= rest.n || colon >= 12)
        return false;
    *out = (struct log_line){line, str_first(line, DATE), str_from(rest, colon + 2)};
    return true;
}

bool log_number(struct str *text, struct str prefix, uint64_t *out)
{
    struct str digits;
    size_t n = 0;

    if (!str_starts(*text, prefix))
        return false;
    digits = str_from(*text, prefix.n);
    while (n < digits.n && ascii_digit(digits.p[n]))
        n++;
    if (!str_u64(str_first(digits, n), out))
        return false;
    *text = str_from(digits, n);
    return true;
}

/* Lines without a MID of their own, in which a peer's words may look like one. */
static bool is_foreign(struct str text)
{
    static const char *const begins[] = {"SMTP Auth", "Connection Error", "DCID ",
                                         "New SMTP",  "Address:",         "Dropping connection"};
    uint64_t icid;

    for (size_t i = 0; i < sizeof begins / sizeof *begins; i++)
        if (str_starts(text, str_c(begins[i])))
            return true;
    return log_number(&text, str_lit("ICID "), &icid) && !str_starts(text, str_lit(" MID "));
}

bool log_line_mid(struct str text, uint64_t *mid_out)
{
    size_t at;

    if (log_number(&text, str_lit("MID "), mid_out) || log_number(&text, str_lit("Message "), mid_out))
        return true; /* "Message 12 to RID [0] pending till ..." */
    if (is_foreign(text))
        return false;
    at = str_find_str(text, str_lit(" MID "));
    text = str_from(text, at + 1);
    return log_number(&text, str_lit("MID "), mid_out);
}

bool log_line_relation(struct str text, uint64_t *old_out, uint64_t *new_out)
{
    static const struct {
        const char *verb;
        bool first_is_new;
    } forms[] = {
        {" was split creating ", false},    {" rewritten to ", false},           {" was generated for bounce of ", true},
        {" was generated based on ", true}, {" generated for bounce of ", true}, /* imported logs */
        {" generated based on ", true},
    };
    uint64_t first, second;

    if (str_starts(text, str_lit("ISQ: Reinjected ")))
        text = str_from(text, 16);
    if (!log_number(&text, str_lit("MID "), &first))
        return false;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct str rest = text;

        if (!str_starts(rest, str_c(forms[i].verb)))
            continue;
        rest = str_from(rest, strlen(forms[i].verb));
        if (!log_number(&rest, str_lit("MID "), &second) && !log_number(&rest, str_lit(""), &second))
            return false;
        *old_out = forms[i].first_is_new ? second : first;
        *new_out = forms[i].first_is_new ? first : second;
        return true;
    }
    return false;
}
