/*
 * Checks of the scan engines: addresses that lead somewhere, sizes in order, thresholds in order.
 *
 * Called by conf_check(). Owns nothing. The error names path and reason.
 */
#include "conf/rules.h"
#include "net/engine_address.h"

static enum rc address(const char *path, struct str text, struct err *e)
{
    struct engine_address a;

    if (engine_address_parse(text, &a))
        return RC_OK;
    return err_set(e, RC_INVALID, "%s: \"%.*s\" is no address of an engine (IP:port, [IPv6]:port or unix:/path)", path,
                   STR(str_first(text, 100)));
}

static bool is_word(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!ascii_alpha(s.p[i]) && !ascii_digit(s.p[i]))
            return false;
    return s.n > 0;
}

enum rc conf_check_engines(const struct conf *c, struct err *e)
{
    TRY(address("antispam.rspamd_address", c->antispam.rspamd_address, e));
    TRY(address("antispam.rspamd_controller", c->antispam.rspamd_controller, e));
    TRY(address("antispam.spamd_address", c->antispam.spamd_address, e));
    TRY(address("antivirus.clamd_address", c->antivirus.clamd_address, e));
    if (c->antispam.never_scan_bytes < c->antispam.always_scan_bytes)
        return err_set(e, RC_INVALID, "antispam.never_scan_bytes: less than antispam.always_scan_bytes");
    if (!is_word(c->antivirus.log_name))
        return err_set(e, RC_INVALID, "antivirus.log_name: \"%.*s\" is not one word of letters and digits",
                       STR(c->antivirus.log_name));
    return RC_OK;
}
