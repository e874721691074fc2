/*
 * The configuration as a file: showconfig, saveconfig, mailconfig, loadconfig (spec/cli.md 3 and 4).
 *
 * Called through spec/verbs.def. The file shows the configuration in force; what is loaded joins the working copy. A file
 * that is wrong anywhere changes nothing and is named with line and reason. Secrets in a file are hashes or sealed by this
 * machine, whichever choice was made: plain text is not stored anywhere.
 */
#include "base/clock.h"
#include "conf/product.h"
#include "conf/rules.h"
#include "conf/xml.h"
#include "console/ask.h"
#include "console/commands.h"
#include "console/files.h"

#include <time.h>

/* Fixed (spec/cli.md 4), texts and numbers; clients answer blind. */
static const char gateway_question[] = "Choose the passphrase option:\n"
                                       "1. Mask passphrases (Files with masked passphrases cannot be loaded using\n"
                                       "loadconfig command)\n"
                                       "2. Encrypt passphrases\n"
                                       "3. Plain passphrases\n";
static const char manager_question[] = "Do you want to mask the password? Files with masked passwords cannot be loaded\n"
                                       "using loadconfig command.";

static bool is_option(struct session *s, void *ctx, struct str text)
{
    (void)ctx;
    if (text.n == 1 && text.p[0] >= '1' && text.p[0] <= '3')
        return true;
    say(s, "The answer is a number between 1 and 3.\n");
    return false;
}

/* True: with secrets (in the form in which they are kept). */
static bool ask_secrets(struct session *s)
{
    if (session_conf(s)->system.role == 1)
        return !ask_yes(s, manager_question, true);
    if (!ask_left(s))
        say(s, "%s", gateway_question);
    return ask_option(s, "1", is_option).p[0] != '1';
}

static struct str file_of(struct session *s, bool secrets)
{
    struct buf *b = session_buf(s, FILES_MAX);

    conf_xml_write(&s->base->conf, &(struct conf_header){0}, secrets, b);
    return buf_str(b);
}

enum rc cmd_showconfig(struct session *s)
{
    if (s->args.n > 1)
        return session_usage(s);
    say_str(s, file_of(s, ask_secrets(s)));
    return RC_OK;
}

/* MODEL-SERIAL-YYYYMMDDThhmmss.xml */
static struct str file_name(struct session *s)
{
    const struct conf *c = session_conf(s);
    time_t now = (time_t)(clock_wall_ms() / 1000);
    char when[32];
    struct tm tm;

    strftime(when, sizeof when, "%Y%m%dT%H%M%S", localtime_r(&now, &tm));
    return arena_printf(&s->arena, "%s-%.*s-%s.xml", c->system.role == 1 ? PRODUCT_MODEL_MANAGER : PRODUCT_MODEL_GATEWAY,
                        STR(c->system.serial), when);
}

enum rc cmd_saveconfig(struct session *s)
{
    struct err e = ERR_NONE;
    struct str name, file;

    if (s->args.n > 1)
        return session_usage(s);
    file = file_of(s, ask_secrets(s));
    name = file_name(s);
    if (files_write(s, name, file, &e) != RC_OK)
        return session_fail(s, &e);
    say(s, "File written on machine \"%.*s\" to the location\n\"/configuration/%.*s\".\nConfiguration saved.\n",
        STR(session_conf(s)->system.hostname), STR(name));
    return RC_OK;
}

/* --- mailconfig
 * ------------------------------------------------------------------------------------------------------------- */

static bool is_address_list(struct session *s, void *ctx, struct str text)
{
    struct str one;

    (void)ctx;
    while (str_split(&text, ',', &one)) {
        size_t at = str_find(str_trim(one), '@');

        if (at > 0 && at + 1 < str_trim(one).n && str_find(str_trim(one), ' ') == str_trim(one).n)
            continue;
        say(s, "%.*s is no mail address.\n", STR(str_first(str_trim(one), 100)));
        return false;
    }
    return true;
}

static void base64_lines(struct str in, struct buf *out)
{
    static const char code[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < in.n; i += 3) {
        uint32_t v = (uint32_t)(unsigned char)in.p[i] << 16 |
                     (i + 1 < in.n ? (uint32_t)(unsigned char)in.p[i + 1] << 8 : 0) |
                     (i + 2 < in.n ? (uint32_t)(unsigned char)in.p[i + 2] : 0);

        buf_addc(out, code[v >> 18]);
        buf_addc(out, code[v >> 12 & 63]);
        buf_addc(out, i + 1 < in.n ? code[v >> 6 & 63] : '=');
        buf_addc(out, i + 2 < in.n ? code[v & 63] : '=');
        if (i / 3 % 19 == 18)
            buf_add(out, str_lit("\r\n"));
    }
    buf_add(out, str_lit("\r\n"));
}

static struct str letter(struct session *s, struct str to, struct str name, struct str file)
{
    const struct conf *c = session_conf(s);
    struct buf *b = session_buf(s, (size_t)FILES_MAX * 2);
    time_t now = (time_t)(clock_wall_ms() / 1000);
    char date[64];
    struct tm tm;

    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S +0000", gmtime_r(&now, &tm));
    buf_addf(b, "From: <%s%.*s>\r\nTo: %.*s\r\nSubject: Configuration of %.*s\r\nDate: %s\r\n",
             c->alerts.from.n ? "" : "alert@", STR(c->alerts.from.n ? c->alerts.from : c->system.hostname), STR(to),
             STR(c->system.hostname), date);
    buf_addf(b,
             "Message-ID: <%llx.%.*s>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"=_postern\"\r\n\r\n",
             (unsigned long long)random_u64(), STR(arena_printf(&s->arena, "config@%.*s", STR(c->system.hostname))));
    buf_addf(b,
             "--=_postern\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\nThe configuration of %.*s is attached.\r\n",
             STR(c->system.hostname));
    buf_addf(b,
             "--=_postern\r\nContent-Type: application/xml; name=\"%.*s\"\r\nContent-Transfer-Encoding: base64\r\n"
             "Content-Disposition: attachment; filename=\"%.*s\"\r\n\r\n",
             STR(name), STR(name));
    base64_lines(file, b);
    buf_add(b, str_lit("--=_postern--\r\n"));
    return buf_str(b);
}

enum rc cmd_mailconfig(struct session *s)
{
    struct str to, file, words[3];
    struct buf *text = session_buf(s, 4096);
    enum rc rc;

    if (s->args.n > 2)
        return session_usage(s);
    to = ask_value(s,
                   "Please enter the email address to which you want to send the configuration file. Separate "
                   "multiple\naddresses with commas.",
                   NULL, is_address_list, NULL);
    file = file_of(s, ask_secrets(s));
    words[0] = str_lit("sendmail");
    words[1] = to;
    words[2] = letter(s, to, file_name(s), file);
    rc = session_ask(s, words, 3, text, NULL);
    say_str(s, buf_str(text));
    if (rc == RC_OK)
        say(s, "The configuration file has been sent to %.*s.\n", STR(to));
    return rc;
}

/* --- loadconfig
 * ----------------------------------------------------------------------------------------------------------------- */

static enum rc load(struct session *s, struct str file)
{
    struct conf_draft *d = session_draft(s);
    struct err e = ERR_NONE;
    bool equal = true;

    if (conf_xml_read(d, file, &e) != RC_OK) {
        say(s, "Parsing failed.  Aborting.\n%s\n", err_text(&e));
        return e.rc;
    }
    for (size_t i = 0; i < conf_sections_n; i++)
        equal = equal && conf_section_equal(&d->conf, &s->work->conf, &conf_sections[i]);
    if (equal)
        say(s, "No changes detected from current configuration.\n");
    else
        say(s, "Values have been loaded.\nBe sure to run \"commit\" to make these settings active.\n");
    return RC_OK;
}

static enum rc load_named(struct session *s, struct str name)
{
    struct buf *b = session_buf(s, FILES_MAX);
    struct err e = ERR_NONE;

    if (files_read(s, name, b, &e) != RC_OK)
        return session_fail(s, &e);
    return load(s, buf_str(b));
}

enum rc cmd_loadconfig(struct session *s)
{
    static const char *const ways[] = {"Paste via CLI", "Load from file", NULL};
    struct str file;

    if (s->args.n > 1)
        return session_usage(s);
    if (s->args.n == 1)
        return load_named(s, arg(s, 0));
    if (ask_one_of(s, "How do you want to load the configuration?", 0, ways) == 1)
        return load_named(s, ask_value(s, "Enter the name of the file in the configuration directory:", NULL, NULL, NULL));
    if (!ask_lines(s, "Paste the configuration file now.", &file)) {
        say(s, "Parsing failed.  Aborting.\nThe input ended before a line with '.'\n");
        return RC_INVALID;
    }
    return load(s, file);
}
