/*
 * Checks of log subscriptions and alerts: what record and push take for granted.
 *
 * Called by conf_check(). Owns nothing. The error names path and reason.
 */
#include "conf/rules.h"

#include "conf/schedule.h"
#include "mail/address.h"

enum { LOGS_MOST = 64, NAME_MOST = 63 };

/* Part of a path in HOME/log: letters, digits, `_`, `-`, `.`, no dot first. */
static bool is_file_name(struct str s)
{
    bool good = s.n > 0 && s.n <= NAME_MOST && s.p[0] != '.';

    for (size_t i = 0; i < s.n; i++)
        good = good && (ascii_alpha(s.p[i]) || ascii_digit(s.p[i]) || s.p[i] == '_' || s.p[i] == '-' || s.p[i] == '.');
    return good;
}

static enum rc check_log(const struct conf_log *l, struct err *e)
{
    struct schedule s;

    if (!is_file_name(l->name))
        return err_set(e, RC_INVALID, "log.%.*s: a name of letters, digits, _ and - is needed", STR(l->name));
    if (l->file.n && !is_file_name(l->file))
        return err_set(e, RC_INVALID, "log.%.*s.file: \"%.*s\" is no stem of a file name", STR(l->name), STR(l->file));
    if (schedule_parse(l->rollover, &s, e) != RC_OK)
        return err_wrap(e, RC_INVALID, "log.%.*s.rollover", STR(l->name));
    return RC_OK;
}

static enum rc check_alert(struct arena *a, const struct conf_alert *alert, struct err *e)
{
    static const char *const classes[] = {"All",        "System",    "Hardware",          "Updater",
                                          "Anti-Virus", "Anti-Spam", "Directory Harvest", "Access"};
    struct str path = arena_printf(a, "<%.*s>", STR(alert->name)), rest;
    struct path read;

    if (address_parse_path(a, path, ADDRESS_LOOSE, &read, &rest, NULL) != RC_OK || rest.n || !read.domain.n)
        return err_set(e, RC_INVALID, "alert[%.*s]: not a mail address", STR(alert->name));
    for (size_t i = 0; i < alert->classes.n; i++) {
        bool known = false;

        for (size_t k = 0; k < sizeof classes / sizeof *classes; k++)
            known = known || str_eqi(alert->classes.items[i], str_c(classes[k]));
        if (!known)
            return err_set(e, RC_INVALID, "alert[%.*s].classes: there is no kind of alert \"%.*s\"", STR(alert->name),
                           STR(str_first(alert->classes.items[i], 60)));
    }
    return RC_OK;
}

enum rc conf_check_logs(const struct conf *c, struct err *e)
{
    struct arena a;
    enum rc rc = RC_OK;

    if (c->log.n > LOGS_MOST)
        return err_set(e, RC_LIMIT, "log: %zu subscriptions, at most %d", c->log.n, LOGS_MOST);
    for (size_t i = 0; i < c->log.n; i++)
        TRY(check_log(&c->log.items[i], e));
    arena_init(&a, 1024, 1 << 20);
    for (size_t i = 0; i < c->alert.n && rc == RC_OK; i++)
        rc = check_alert(&a, &c->alert.items[i], e);
    arena_done(&a);
    return rc;
}
