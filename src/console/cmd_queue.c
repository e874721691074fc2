/*
 * Steering the delivery queue: showrecipients, deleterecipients, bouncerecipients, redirectrecipients, delivernow,
 * hoststatus, tophosts, showmessage, archivemessage, removemessage (spec/cli.md 7.2).
 *
 * Called through spec/verbs.def. The queue does the work; here are the questions, and lists that come in parts so that a
 * page is shown at once and a list of a million messages costs no memory. With arguments nothing is asked.
 */
#include "console/ask.h"
#include "console/commands.h"
#include "console/files.h"
#include "console/parts.h"

#include <inttypes.h>

/* --- which recipients ------------------------------------------------------------------------------------------------- */

struct selector {
    struct str words[3]; /* host NAME | from ADDRESS | all */
    size_t n;
};

static struct selector ask_selector(struct session *s)
{
    static const char *const ways[] = {"By recipient host.", "By Envelope From address.", "All.", NULL};
    size_t i = ask_one_of(s, "Please select how you would like to choose the messages:", 0, ways);

    if (i == 2)
        return (struct selector){{str_lit("all")}, 1};
    if (i == 0)
        return (struct selector){
            {str_lit("host"),
             ask_value(s, "Please enter the hostname for the messages you wish to choose.", NULL, NULL, NULL)},
            2};
    return (struct selector){
        {str_lit("from"),
         ask_value(s, "Please enter the Envelope From address for the messages you wish to choose.", NULL, NULL, NULL)},
        2};
}

static enum rc send(struct session *s, const char *verb, const struct selector *x, struct str to)
{
    struct buf *text = session_buf(s, 64 << 20);
    struct str words[6] = {str_c(verb)};
    size_t n = 1;
    enum rc rc;

    for (size_t i = 0; i < x->n; i++)
        words[n++] = x->words[i];
    if (to.n) {
        words[n++] = str_lit("to");
        words[n++] = to;
    }
    rc = session_ask(s, words, n, text, NULL);
    say_str(s, buf_str(text));
    return rc;
}

enum rc cmd_showrecipients(struct session *s)
{
    struct selector x;

    if (s->args.n)
        return parts_show(s, "showrecipients", s->args);
    x = ask_selector(s);
    return parts_show(s, "showrecipients", (struct strs){x.words, x.n});
}

static enum rc confirmed(struct session *s, const char *question)
{
    struct selector x;

    if (s->args.n)
        return cmd_plain(s);
    x = ask_selector(s);
    return ask_yes(s, question, true) ? send(s, s->running->name, &x, STR_NONE) : RC_OK;
}

enum rc cmd_deleterecipients(struct session *s)
{
    return confirmed(s, "Are you sure you want to delete these recipients?");
}

enum rc cmd_bouncerecipients(struct session *s)
{
    return confirmed(s, "Are you sure you want to bounce these recipients?");
}

enum rc cmd_redirectrecipients(struct session *s)
{
    struct selector x;
    struct str to;

    if (s->args.n)
        return cmd_plain(s);
    x = ask_selector(s);
    to = ask_value(s, "Please enter the hostname or IP address of the machine you want to send all mail to.", NULL, NULL,
                   NULL);
    return ask_yes(s, "Are you sure you want to redirect these recipients?", true) ? send(s, "redirectrecipients", &x, to)
                                                                                   : RC_OK;
}

enum rc cmd_delivernow(struct session *s)
{
    static const char *const ways[] = {"By recipient host.", "All messages.", NULL};

    if (s->args.n)
        return cmd_plain(s);
    if (ask_one_of(s, "Please choose an option for scheduling immediate delivery.", 0, ways) == 1)
        return session_run(s, "delivernow", "all", NULL);
    return session_run(s, "delivernow", "host",
                       ask_value(s, "Please enter the recipient host to deliver to.", NULL, NULL, NULL).p, NULL);
}

/* --- hosts ----------------------------------------------------------------------------------------------------------------
 */

enum rc cmd_tophosts(struct session *s)
{
    static const char *const ways[] = {"Active Recipients",   "Connections Out",     "Delivered Recipients",
                                       "Soft Bounced Events", "Hard Bounced Events", NULL};
    static const char *const keys[] = {"active_rcpts", "conn_out", "deliv_recip", "soft_bounced", "hard_bounced"};

    if (s->args.n || (s->exec && s->end_of_input))
        return cmd_plain(s);
    return session_run(s, "tophosts", keys[ask_one_of(s, "Sort results by:", 0, ways)], NULL);
}

enum rc cmd_hoststatus(struct session *s)
{
    if (s->args.n)
        return cmd_plain(s);
    return session_run(s, "hoststatus", ask_value(s, "Recipient host:", NULL, NULL, NULL).p, NULL);
}

/* --- one message
 * ------------------------------------------------------------------------------------------------------------- */

static bool is_mid(struct session *s, void *ctx, struct str text)
{
    uint64_t v;

    (void)ctx;
    if (str_u64(text, &v))
        return true;
    say(s, "A MID is a number.\n");
    return false;
}

static struct str ask_mid(struct session *s, const char *what)
{
    return ask_value(s, arena_printf(&s->arena, "Enter the MID to %s.", what).p, NULL, is_mid, NULL);
}

enum rc cmd_showmessage(struct session *s)
{
    struct str mid;

    if (s->args.n > 1)
        return session_usage(s);
    mid = ask_mid(s, "show");
    return parts_show(s, "showmessage", (struct strs){&mid, 1});
}

/* The message as mbox in /configuration. */
enum rc cmd_archivemessage(struct session *s)
{
    struct buf *text = session_buf(s, FILES_MAX);
    struct str mid, name;
    struct err e = ERR_NONE;
    enum rc rc;

    if (s->args.n > 1)
        return session_usage(s);
    mid = ask_mid(s, "archive");
    rc = parts_take(s, "archivemessage", (struct strs){&mid, 1}, text);
    if (rc != RC_OK) {
        say_str(s, buf_str(text));
        return rc;
    }
    name = arena_printf(&s->arena, "%.*s.mbox", STR(mid));
    if (text->failed) {
        say(s, "The message is too large to be archived.\n");
        return RC_TOO_LARGE;
    }
    if (files_write(s, name, buf_str(text), &e) != RC_OK)
        return session_fail(s, &e);
    say(s, "MID %.*s has been saved in file %.*s in the configuration directory\n", STR(mid), STR(name));
    return RC_OK;
}

enum rc cmd_removemessage(struct session *s)
{
    struct str mid;
    enum rc rc;

    if (s->args.n > 2)
        return session_usage(s);
    if (s->args.n == 2)
        return cmd_plain(s); /* MID show, or what is wrong about it */
    mid = ask_mid(s, "remove");
    rc = session_run(s, "removemessage", mid.p, "show", NULL);
    if (rc != RC_OK || !ask_yes(s, "Remove this message?", false))
        return rc;
    return session_run(s, "removemessage", mid.p, NULL);
}
