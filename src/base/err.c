/*
 * Errors with context, and the table of what each code says on each surface. See err.h.
 *
 * Called by every room. Owns nothing; texts are cut to ERR_TEXT_MAX.
 */
#include "base/err.h"

#include "base/must.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

static const struct rc_info infos[] = {
#define RC(name, smtp, enhanced, http, cli, retry, text) {#name, smtp, enhanced, http, cli, retry, text},
#include "spec/rc.def"
#undef RC
};

const struct rc_info *rc_info(enum rc rc)
{
    must((unsigned)rc < RC_COUNT);
    return &infos[rc];
}

static void set_text(struct err *e, const char *fmt, va_list ap, const char *inner)
{
    char text[ERR_TEXT_MAX];
    int n = vsnprintf(text, sizeof text, fmt, ap);

    if (n >= 0 && (size_t)n < sizeof text && inner && *inner)
        snprintf(text + n, sizeof text - (size_t)n, ": %s", inner);
    memcpy(e->text, text, sizeof text);
}

enum rc err_set(struct err *e, enum rc rc, const char *fmt, ...)
{
    va_list ap;

    if (!e)
        return rc;
    e->rc = rc;
    va_start(ap, fmt);
    set_text(e, fmt, ap, NULL);
    va_end(ap);
    return rc;
}

enum rc err_wrap(struct err *e, enum rc rc, const char *fmt, ...)
{
    char inner[ERR_TEXT_MAX];
    va_list ap;

    if (!e)
        return rc;
    snprintf(inner, sizeof inner, "%s", err_text(e));
    va_start(ap, fmt);
    set_text(e, fmt, ap, inner);
    va_end(ap);
    return e->rc;
}

enum rc err_errno(struct err *e, int number, const char *fmt, ...)
{
    enum rc rc = RC_IO;
    va_list ap;

    if (number == ENOSPC || number == EDQUOT)
        rc = RC_NO_SPACE;
    else if (number == ENOMEM)
        rc = RC_NO_MEMORY;
    else if (number == ENOENT)
        rc = RC_NOT_FOUND;
    if (!e)
        return rc;
    e->rc = rc;
    va_start(ap, fmt);
    set_text(e, fmt, ap, strerror(number));
    va_end(ap);
    return rc;
}

const char *err_text(const struct err *e)
{
    return e->text[0] ? e->text : rc_info(e->rc)->text;
}
