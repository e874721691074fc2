/* Settings whose value is the name of an item of another section. */
#ifndef CONF_REFERENCES_H
#define CONF_REFERENCES_H

#include "conf/table.h"

/* A field whose value (or each line of it) is such a name; `also` are words allowed besides. */
struct conf_reference {
    const char *section, *field, *target, *also;
};
const struct conf_reference *conf_reference(size_t i); /* NULL beyond the last */

#endif
