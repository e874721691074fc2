/*
 * One error type: a code that says what kind of failure it is and a text that grows outward ("outer: inner").
 *
 * Fallible functions return enum rc and take struct err * last (NULL = the caller wants the code alone). Outputs stay
 * untouched on failure. src/spec/rc.def says what each code means on every surface.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include "base/str.h"

enum rc {
#define RC(name, smtp, enhanced, http, cli, retry, text) RC_##name,
#include "spec/rc.def"
#undef RC
    RC_COUNT
};

struct rc_info {
    const char *name;
    int smtp;             /* SMTP reply code, 0 = none */
    const char *enhanced; /* RFC 3463 */
    int http;
    int cli; /* exit status */
    bool retryable;
    const char *text;
};

const struct rc_info *rc_info(enum rc rc);

enum { ERR_TEXT_MAX = 400 };

struct err {
    enum rc rc;
    char text[ERR_TEXT_MAX]; /* NUL terminated, cut when longer */
};

#define ERR_NONE ((struct err){RC_OK, ""})

/* Sets code and text; returns rc, so `return err_set(e, RC_X, ...)` reads in one line. e may be NULL. */
enum rc err_set(struct err *e, enum rc rc, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* "context: old text"; returns e->rc, or `rc` when e is NULL. */
enum rc err_wrap(struct err *e, enum rc rc, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* From errno: ENOSPC/EDQUOT -> NO_SPACE, ENOMEM -> NO_MEMORY, ENOENT -> NOT_FOUND, else IO. Text "what: strerror". */
enum rc err_errno(struct err *e, int number, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* The text, or the code's own text when none was set. */
const char *err_text(const struct err *e);

#define TRY(call) \
    do { \
        enum rc try_rc_ = (call); \
        if (try_rc_ != RC_OK) \
            return try_rc_; \
    } while (0)

#endif
