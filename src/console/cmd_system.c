/*
 * Commands about the machine: sethostname, settime, setgateway, routeconfig, etherconfig, settz, altsrchost,
 * trailblazerconfig, and the licence commands (spec/cli.md 9).
 *
 * Called through spec/verbs.def. Owns nothing. Clock, routes and links belong to the operating system: those commands show
 * what it has and say so.
 */
#include "base/io.h"
#include "conf/product.h"
#include "console/commands.h"
#include "console/files.h"
#include "console/ops.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <inttypes.h>
#include <sys/stat.h>

/* --- sethostname ----------------------------------------------------------------------------------------------------------
 */

enum rc cmd_sethostname(struct session *s)
{
    struct str now = arena_str(&s->arena, session_conf(s)->system.hostname);

    if (s->args.n > 1)
        return session_usage(s);
    return session_set(s, "system.hostname",
                       ask_value(s, "Enter the fully qualified host name of this machine:", now.p, ops_hostname_fits, NULL))
               ? RC_OK
               : RC_INVALID;
}

/* --- settz ------------------------------------------------------------------------------------------------------------ */

static void list_zones(struct session *s, const char *path)
{
    DIR *d = opendir(path);
    struct dirent *entry;
    size_t n = 0;

    while (d && (entry = readdir(d)))
        if (entry->d_name[0] >= 'A' && entry->d_name[0] <= 'Z')
            say(s, "%-24s%s", entry->d_name, ++n % 4 ? "" : "\n");
    say(s, n % 4 ? "\n" : "");
    if (d)
        closedir(d);
}

static bool zone_fits(struct session *s, void *ctx, struct str answer)
{
    const char *path =
        arena_printf(&s->arena, "/usr/share/zoneinfo/%.*s", STR(str_eq(answer, str_lit("?")) ? STR_NONE : answer)).p;
    bool plain = answer.n < 100 && answer.n && answer.p[0] != '/';
    struct stat st;

    (void)ctx;
    for (size_t i = 0; i < answer.n; i++)
        plain = plain && (ascii_alpha(answer.p[i]) || ascii_digit(answer.p[i]) || strchr("_+-/?", answer.p[i]));
    if (plain && stat(path, &st) == 0 && S_ISREG(st.st_mode))
        return true;
    if (plain && stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
        list_zones(s, path);
        return false;
    }
    say(s, "\"%.*s\" is no time zone; ? lists the regions, a region lists its zones.\n", STR(str_first(answer, 60)));
    return false;
}

enum rc cmd_settz(struct session *s)
{
    struct str now = arena_str(&s->arena, session_conf(s)->system.timezone);

    if (s->args.n > 1)
        return session_usage(s);
    if (!s->args.n)
        say(s, "Current time zone: %.*s\n", STR(now.n ? now : str_lit("that of the operating system")));
    return session_set(s, "system.timezone",
                       ask_value(s, "Enter the time zone, such as Europe/Berlin or Etc/UTC (? lists the regions):",
                                 now.n ? now.p : NULL, zone_fits, NULL))
               ? RC_OK
               : RC_INVALID;
}

/* --- what the operating system owns -------------------------------------------------------------------------------- */

static struct str system_file(struct session *s, const char *path)
{
    struct buf *b = session_buf(s, 1 << 20);
    struct err e = ERR_NONE;

    if (io_read_file(path, b, &e) != RC_OK)
        say(s, "%s\n", err_text(&e));
    return buf_str(b);
}

/* /proc/net/route writes addresses as a host number in hexadecimal. */
static const char *address_of(struct session *s, struct str hex)
{
    char *text = arena_must_alloc(&s->arena, INET_ADDRSTRLEN);
    uint64_t n = 0;
    uint32_t in;

    str_hex(hex, &n);
    in = (uint32_t)n;
    return inet_ntop(AF_INET, &in, text, INET_ADDRSTRLEN) ? text : "?";
}

static size_t routes(struct session *s, bool only_default)
{
    struct str text = system_file(s, "/proc/net/route"), line;
    size_t n = 0;

    str_split(&text, '\n', &line); /* the heading */
    while (str_split(&text, '\n', &line)) {
        struct str interface, to, gateway, word, mask = STR_NONE;

        if (!str_word(&line, &interface) || !str_word(&line, &to) || !str_word(&line, &gateway))
            continue;
        for (size_t i = 0; i < 4; i++)
            str_word(&line, &word);
        str_word(&line, &mask);
        if (only_default && !str_eq(to, str_lit("00000000")))
            continue;
        if (only_default)
            say(s, "Default gateway: %s (%.*s)\n", address_of(s, gateway), STR(interface));
        else
            say(s, "%-16s %-16s %-16s %.*s\n", address_of(s, to), address_of(s, mask), address_of(s, gateway),
                STR(interface));
        n++;
    }
    return n;
}

enum rc cmd_setgateway(struct session *s)
{
    if (routes(s, true) == 0)
        say(s, "There is no default gateway.\n");
    say(s, "The operating system owns the routes of this machine: change the default gateway there.\n");
    return s->args.n ? RC_NOT_PERMITTED : RC_OK;
}

enum rc cmd_routeconfig(struct session *s)
{
    say(s, "%-16s %-16s %-16s %s\n", "Destination", "Mask", "Gateway", "Interface");
    routes(s, false);
    say(s, "The operating system owns the routes of this machine: change them there.\n");
    return s->args.n ? RC_NOT_PERMITTED : RC_OK;
}

enum rc cmd_etherconfig(struct session *s)
{
    struct str text = system_file(s, "/proc/net/dev"), line;
    size_t n = 0;

    say(s, "Ethernet interfaces:\n");
    for (size_t i = 0; str_split(&text, '\n', &line); i++) {
        struct str name = str_trim(str_first(line, str_find(line, ':')));

        if (i >= 2 && name.n) /* two lines of headings */
            say(s, "%zu. %.*s\n", ++n, STR(name));
    }
    say(s, "The operating system owns media, MTU, VLANs and pairing of these interfaces: change them there.\n");
    return s->args.n ? RC_NOT_PERMITTED : RC_OK;
}

enum rc cmd_settime(struct session *s)
{
    say(s, "The clock belongs to the operating system: use ntpconfig to keep it right by time servers.\n");
    return RC_NOT_PERMITTED;
}

/* --- altsrchost ---------------------------------------------------------------------------------------------------- */

enum rc cmd_altsrchost(struct session *s)
{
    const struct conf *c = session_conf(s);
    struct str *names = arena_must_alloc(&s->arena, (c->interface.n + 1) * sizeof *names);
    size_t i, chosen = 0;

    names[0] = str_lit("Auto");
    for (i = 0; i < c->interface.n; i++) {
        names[i + 1] = arena_str(&s->arena, c->interface.items[i].name);
        if (str_eqi(names[i + 1], c->delivery.source_interface))
            chosen = i + 1;
    }
    i = ask_choice(s, "Which interface do you want to send messages from?", &(struct strs){names, c->interface.n + 1},
                   chosen);
    return session_set(s, "delivery.source_interface", i ? names[i] : STR_NONE) ? RC_OK : RC_INVALID;
}

/* --- trailblazerconfig --------------------------------------------------------------------------------------------- */

static enum rc trail_status(struct session *s, void *ctx)
{
    const struct conf_http *h = &session_conf(s)->http;

    (void)ctx;
    if (h->trailblazer)
        say(s,
            "trailblazer is enabled: pages and API answer together behind the HTTPS port of the GUI and port %" PRIu64 ".\n",
            h->trailblazer_port);
    else
        say(s, "trailblazer is disabled: the API answers on its own ports only.\n");
    return RC_OK;
}

static enum rc trail_enable(struct session *s, void *ctx)
{
    uint64_t port = session_conf(s)->http.trailblazer_port;

    (void)ctx;
    if (!ask_batch(s) || ask_left(s))
        port = ask_number(s, "Enter the HTTPS port of trailblazer:", port, 1, 65535);
    if (ask_left(s))
        return session_usage(s);
    if (!session_set(s, "http.trailblazer", str_lit("yes")) ||
        !session_set(s, "http.trailblazer_port", arena_printf(&s->arena, "%" PRIu64, port)))
        return RC_INVALID;
    return trail_status(s, NULL);
}

static enum rc trail_disable(struct session *s, void *ctx)
{
    (void)ctx;
    return session_set(s, "http.trailblazer", str_lit("no")) ? trail_status(s, NULL) : RC_INVALID;
}

static void trail_show(struct session *s, void *ctx)
{
    trail_status(s, ctx);
}

enum rc cmd_trailblazerconfig(struct session *s)
{
    static const struct op rows[] = {
        {"ENABLE", "Enable trailblazer", false, trail_enable},
        {"DISABLE", "Disable trailblazer", false, trail_disable},
        {"STATUS", "Show whether trailblazer is enabled", false, trail_status},
    };
    static const struct ops ops = {rows, sizeof rows / sizeof *rows, trail_show, NULL};

    return ops_talk(s, &ops, NULL);
}

/* --- licence: none is needed --------------------------------------------------------------------------------------- */

enum rc cmd_showlicense(struct session *s)
{
    const struct conf_system *c = &session_conf(s)->system;

    say(s, "Virtual License\n===============\nvln: %.*s\nbegin_date: never\nend_date: never\ncompany: %s\nserial: %.*s\n",
        STR(c->serial), PRODUCT_NAME, STR(c->serial));
    return RC_OK;
}

enum rc cmd_loadlicense(struct session *s)
{
    struct buf *b = session_buf(s, FILES_MAX);
    struct err e = ERR_NONE;
    struct str name = ask_value(s, "Enter the name of the licence file:", NULL, NULL, NULL);

    if (files_read(s, name, b, &e) != RC_OK)
        return session_fail(s, &e);
    say(s, "The license was accepted. No license is needed: nothing was changed.\n");
    return RC_OK;
}

enum rc cmd_featurekey(struct session *s)
{
    static const char *const features[] = {"Incoming Mail Handling",
                                           "Bounce Verification",
                                           "Email Encryption",
                                           "Data Loss Prevention",
                                           "Anti-Spam",
                                           "Anti-Virus",
                                           "Outbreak Filters",
                                           "File Reputation",
                                           "File Analysis",
                                           "Graymail",
                                           "Centralized Management"};

    say(s, "%-28s %-8s %-12s %s\n", "Module", "Quantity", "Status", "Remaining");
    for (size_t i = 0; i < sizeof features / sizeof *features; i++)
        say(s, "%-28s %-8d %-12s %s\n", features[i], 1, "Active", "Perpetual");
    say(s, "No feature key is needed.\n");
    return RC_OK;
}
