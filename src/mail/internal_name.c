/*
 * Names of internal objects. See internal_name.h.
 *
 * Called by queue, and by record, which counts no delivery to them. Owns nothing.
 */
#include "mail/internal_name.h"

static const char *const names[] = {"the.encryption.queue", "the.euq.queue", "the.cpq.host", "the.cpq.release.host",
                                    "the.euq.release.queue"};

struct str internal_base(struct str name)
{
    return str_first(name, str_find(name, '/'));
}

bool internal_is(struct str name)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (str_eq(internal_base(name), str_c(names[i])))
            return true;
    return false;
}
