/*
 * The lines before SSH on carrier smtp. See link_words.h.
 *
 * Called by link_open.c (gateway) and link_door.c (manager) in their threads, and by the fuzzer. Owns nothing. A peer that
 * talks on without end, or says what does not belong here, gets a reply or is left; nothing of it is kept but two words.
 */
#include "central/link_words.h"

#include <stdio.h>

/* --- XLINK ----------------------------------------------------------------------------------------------------------------
 */

static bool take_word(struct str value, char out[LINK_WORD_MAX + 1])
{
    if (!value.n || value.n > LINK_WORD_MAX || out[0])
        return false;
    for (size_t i = 0; i < value.n; i++)
        if (!ascii_alpha(value.p[i]) && !ascii_digit(value.p[i]) && value.p[i] != '-' && value.p[i] != '_')
            return false;
    memcpy(out, value.p, value.n);
    out[value.n] = '\0';
    return true;
}

/* "1" or "1,2": whether ours is among them. */
static bool has_version(struct str list)
{
    struct str one;

    while (str_split(&list, ',', &one))
        if (str_eq(one, str_lit("1")))
            return true;
    return false;
}

enum rc link_xlink_parse(struct str words, char serial[LINK_WORD_MAX + 1], char token[LINK_WORD_MAX + 1], struct err *e)
{
    struct str word;
    bool version = false;

    serial[0] = token[0] = '\0';
    while (str_word(&words, &word)) {
        size_t equals = str_find(word, '=');
        struct str key = str_first(word, equals), value = str_from(word, equals + 1);

        if (equals == word.n)
            return err_set(e, RC_SYNTAX, "key=value is expected");
        if (str_eqi(key, str_lit("proto")))
            version = has_version(value);
        else if (str_eqi(key, str_lit("serial")) && !take_word(value, serial))
            return err_set(e, RC_SYNTAX, "that is no serial number");
        else if (str_eqi(key, str_lit("enrol")) && !take_word(value, token))
            return err_set(e, RC_SYNTAX, "that is no token");
    }
    if (!version)
        return err_set(e, RC_NOT_IMPLEMENTED, "no common version");
    if (!serial[0] == !token[0])
        return err_set(e, RC_SYNTAX, "serial= or enrol= is expected");
    return RC_OK;
}

/* --- the manager's end ----------------------------------------------------------------------------------------------------
 */

void link_host_greet(const struct link_host *h, struct buf *out)
{
    buf_addf(out, "220 %.*s ESMTP\r\n", STR(h->name));
}

void link_host_tls(struct link_host *h, bool announce)
{
    h->tls = true;
    h->greeted = false;
    h->announced = announce;
}

static enum link_next say(struct buf *reply, const char *text)
{
    buf_addf(reply, "%s\r\n", text);
    return LINK_READ;
}

static enum link_next on_hello(struct link_host *h, bool extended, struct buf *reply)
{
    const char *last = !extended ? NULL : h->tls ? (h->announced ? "XLINK 1" : NULL) : h->has_tls ? "STARTTLS" : NULL;

    h->greeted = extended;
    buf_addf(reply, "250%c%.*s\r\n", last ? '-' : ' ', STR(h->name));
    if (last)
        buf_addf(reply, "250 %s\r\n", last);
    return LINK_READ;
}

static enum link_next on_starttls(const struct link_host *h, struct str rest, struct buf *reply)
{
    if (h->tls || !h->greeted || !h->has_tls)
        return say(reply, "503 5.5.1 bad sequence of commands");
    if (rest.n)
        return say(reply, "501 5.5.4 no parameters allowed");
    say(reply, "220 2.0.0 ready for TLS");
    return LINK_HANDSHAKE;
}

static enum link_next on_xlink(struct link_host *h, struct str rest, struct buf *reply)
{
    struct err e = ERR_NONE;
    enum rc rc;

    if (!h->tls)
        return say(reply, "530 5.7.0 must issue a STARTTLS command first");
    if (!h->greeted)
        return say(reply, "503 5.5.1 bad sequence of commands");
    if (!h->announced)
        return say(reply, "550 5.7.1 not permitted");
    rc = link_xlink_parse(rest, h->serial, h->token, &e);
    if (rc != RC_OK) {
        buf_addf(reply, "%s %s\r\n", rc == RC_NOT_IMPLEMENTED ? "504 5.5.4" : "501 5.5.4", err_text(&e));
        return LINK_READ;
    }
    return LINK_READY; /* the answer comes when the serial number has been compared */
}

/* This port carries links and takes no mail. */
static enum link_next on_other(const struct link_host *h, struct str verb, struct buf *reply)
{
    static const char *const mail[] = {"MAIL", "RCPT", "DATA", "BDAT", "AUTH", "VRFY", "EXPN", "ETRN"};

    for (size_t i = 0; i < sizeof mail / sizeof *mail; i++)
        if (str_eqi(verb, str_c(mail[i])))
            return say(reply, h->tls ? "550 5.7.1 no mail is taken here" : "530 5.7.0 must issue a STARTTLS command first");
    return say(reply, "500 5.5.1 command not recognized");
}

enum link_next link_host_line(struct link_host *h, struct str line, struct buf *reply)
{
    struct str rest = line, verb = STR_NONE;

    if (++h->lines > LINK_LINES_MAX) {
        say(reply, "421 4.7.0 too many commands");
        return LINK_END;
    }
    str_word(&rest, &verb);
    rest = str_trim(rest);
    if (str_eqi(verb, str_lit("EHLO")) || str_eqi(verb, str_lit("HELO"))) {
        if (!rest.n)
            return say(reply, "501 5.5.4 a host name is expected");
        return on_hello(h, ascii_lower(verb.p[0]) == 'e', reply);
    }
    if (str_eqi(verb, str_lit("STARTTLS")))
        return on_starttls(h, rest, reply);
    if (str_eqi(verb, str_lit("XLINK")))
        return on_xlink(h, rest, reply);
    if (str_eqi(verb, str_lit("NOOP")) || str_eqi(verb, str_lit("RSET")))
        return say(reply, "250 2.0.0 ok");
    if (str_eqi(verb, str_lit("QUIT"))) {
        say(reply, "221 2.0.0 bye");
        return LINK_END;
    }
    return on_other(h, verb, reply);
}

/* --- the gateway's end
 * ------------------------------------------------------------------------------------------------------ */

static enum link_next give_up(struct link_caller *c, enum rc rc, const char *what, struct str line)
{
    char shown[101];
    size_t n = line.n < 100 ? line.n : 100;

    for (size_t i = 0; i < n; i++) /* it goes into logs */
        shown[i] = line.p[i] >= ' ' && line.p[i] < 0x7f ? line.p[i] : '?';
    shown[n] = '\0';
    err_set(&c->e, rc, "%s%s%s", what, n ? ": " : "", shown);
    return LINK_END;
}

static enum link_next foreign(struct link_caller *c, struct str line)
{
    return give_up(c, RC_INVALID, c->state == CALLER_BANNER ? "foreign banner" : "foreign answer", line);
}

/* The last line of a reply with the code that was hoped for. */
static enum link_next go_on(struct link_caller *c, struct str line, struct buf *out)
{
    switch (c->state) {
    case CALLER_BANNER:
        buf_addf(out, "EHLO %.*s\r\n", STR(c->name));
        c->state = CALLER_HELLO;
        return LINK_READ;
    case CALLER_HELLO:
        if (!c->offered)
            return give_up(c, RC_TLS_REQUIRED, "STARTTLS is not offered: TLS removed on the way, or no link there",
                           STR_NONE);
        buf_add(out, str_lit("STARTTLS\r\n"));
        c->state = CALLER_STARTTLS;
        return LINK_READ;
    case CALLER_STARTTLS:
        return LINK_HANDSHAKE;
    case CALLER_HELLO_TLS:
        if (!c->offered)
            return give_up(c, RC_NOT_PERMITTED, "XLINK is not announced to us", STR_NONE);
        if (c->token.n)
            buf_addf(out, "XLINK proto=1 enrol=%.*s\r\n", STR(c->token));
        else
            buf_addf(out, "XLINK proto=1 serial=%.*s\r\n", STR(c->serial));
        c->state = CALLER_XLINK;
        return LINK_READ;
    case CALLER_XLINK:
        return LINK_READY;
    }
    return foreign(c, line);
}

void link_caller_tls(struct link_caller *c, struct buf *out)
{
    buf_addf(out, "EHLO %.*s\r\n", STR(c->name));
    c->state = CALLER_HELLO_TLS;
}

static bool names_extension(const struct link_caller *c, struct str text)
{
    struct str word = STR_NONE, version;

    str_word(&text, &word);
    if (c->state == CALLER_HELLO)
        return str_eqi(word, str_lit("STARTTLS"));
    if (c->state != CALLER_HELLO_TLS || !str_eqi(word, str_lit("XLINK")))
        return false;
    while (str_word(&text, &version))
        if (str_eq(version, str_lit("1")))
            return true;
    return false;
}

enum link_next link_caller_line(struct link_caller *c, struct str line, struct buf *out)
{
    bool hello = c->state == CALLER_HELLO || c->state == CALLER_HELLO_TLS;
    struct str good = hello ? str_lit("250") : str_lit("220"), code = str_first(line, 3);

    if (++c->lines > LINK_LINES_MAX)
        return foreign(c, line);
    if (line.n < 3 || !ascii_digit(line.p[0]) || !ascii_digit(line.p[1]) || !ascii_digit(line.p[2]) ||
        (line.n > 3 && line.p[3] != ' ' && line.p[3] != '-'))
        return foreign(c, line);
    if (!str_eq(code, good))
        return line.p[0] == '2' || line.p[0] == '3' ? foreign(c, line) : give_up(c, RC_CONNECT, "refused", line);
    if (!c->more)
        c->offered = false;
    c->more = line.n > 3 && line.p[3] == '-';
    c->offered |= hello && names_extension(c, str_from(line, 4));
    return c->more ? LINK_READ : go_on(c, line, out);
}
