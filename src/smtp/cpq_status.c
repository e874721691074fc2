/*
 * Reads the answer to XCPQ STATUS. See cpq_status.h.
 *
 * Called by deliver (which shows it to operators) and quarantine (which goes by it). Owns nothing. Cannot fail: what makes
 * no sense is not there.
 */
#include "smtp/cpq_status.h"

#include "mail/address.h"

bool cpq_status_next(struct arena *a, struct str *rest, const char *key, struct str *value_out)
{
    struct str line, name;

    while (rest->n && str_split(rest, '\n', &line)) {
        if (!str_split(&line, '=', &name) || !str_eqi(name, str_c(key)))
            continue;
        if (address_xtext_decode(a, line, value_out, NULL) != RC_OK)
            *value_out = line;
        return true;
    }
    return false;
}

struct str cpq_status_value(struct arena *a, struct str lines, const char *key)
{
    struct str value = STR_NONE;

    return cpq_status_next(a, &lines, key, &value) ? value : STR_NONE;
}
