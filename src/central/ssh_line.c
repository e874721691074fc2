/*
 * Verbs over SSH. See ssh_line.h; the way to a connection is ssh_dial.c.
 *
 * Called in the threads of line.c and of enrolment. Owns the session and with it the socket. The session never blocks inside
 * libssh: each step is tried, and when it must wait, here, with a limit.
 */
#include "central/ssh_private.h"

#include "base/clock.h"
#include "base/io.h"
#include "base/must.h"

#include <stdlib.h>

enum { BLOCK = 32768, LINE_MAX_OCTETS = 1 << 20 };

/* --- one exec request -------------------------------------------------------------------------------------------------- */

static enum rc lost(struct ssh_line *l, struct err *e)
{
    return err_set(e, RC_CONNECT, "connection lost: %s", ssh_get_error(l->session));
}

static enum rc open_channel(struct ssh_line *l, struct str command, ssh_channel *out, struct err *e)
{
    uint64_t until = clock_mono_ms() + l->step_ms;
    char text[4096];
    int n;

    if (command.n >= sizeof text)
        return err_set(e, RC_TOO_LARGE, "the command is too long");
    memcpy(text, command.p, command.n);
    text[command.n] = '\0';
    *out = ssh_channel_new(l->session);
    if (!*out)
        return err_set(e, RC_NO_MEMORY, "no memory");
    while ((n = ssh_channel_open_session(*out)) == SSH_AGAIN)
        TRY(ssh_line_pause(l, until, "a channel is not opened", e));
    if (n != SSH_OK)
        return lost(l, e);
    while ((n = ssh_channel_request_exec(*out, text)) == SSH_AGAIN)
        TRY(ssh_line_pause(l, until, "the verb is not started", e));
    return n == SSH_OK ? RC_OK : err_set(e, RC_CONNECT, "the appliance starts no verb: %s", ssh_get_error(l->session));
}

static enum rc send_input(struct ssh_line *l, ssh_channel ch, struct str input, struct err *e)
{
    uint64_t until = clock_mono_ms() + l->step_ms;

    while (input.n) {
        int n = ssh_channel_write(ch, input.p, input.n < BLOCK ? (uint32_t)input.n : BLOCK);

        if (n == SSH_ERROR)
            return ssh_channel_is_closed(ch) ? RC_OK : lost(l, e); /* it has its reasons: they come as the reply */
        if (n > 0) {
            input = str_from(input, (size_t)n);
            until = clock_mono_ms() + l->step_ms;
        } else {
            TRY(ssh_line_pause(l, until, "the appliance takes no input", e));
        }
    }
    ssh_channel_send_eof(ch);
    return RC_OK;
}

/* Some octets; *n 0 = the end. */
static enum rc take(struct ssh_line *l, ssh_channel ch, char *block, size_t *n, struct err *e)
{
    uint64_t until = clock_mono_ms() + l->step_ms + l->wait_ms;

    for (;;) {
        int got = ssh_channel_read_nonblocking(ch, block, BLOCK, 0);

        if (got > 0) {
            *n = (size_t)got;
            l->bytes += *n;
            return RC_OK;
        }
        if (got == SSH_EOF || ssh_channel_is_eof(ch) || ssh_channel_is_closed(ch)) {
            *n = 0;
            return ssh_line_broken(l) ? lost(l, e) : RC_OK;
        }
        if (got == SSH_ERROR)
            return lost(l, e);
        TRY(ssh_line_pause(l, until, "no answer", e));
    }
}

/* A peer's words in our error. */
static void clean(struct err *e)
{
    for (char *p = e ? e->text : NULL; p && *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = '?';
}

/* What the program wrote to its error stream: the reason why there is no reply. */
static void add_stderr(ssh_channel ch, struct err *e)
{
    char text[300];
    int n = ssh_channel_read_nonblocking(ch, text, sizeof text, 1);
    struct str line = str_of(text, n > 0 ? (size_t)n : 0);

    line = str_trim(str_first(line, str_find(line, '\n')));
    if (line.n)
        err_set(e, RC_CONNECT, "the appliance says: %.*s", STR(line));
    clean(e);
}

/* --- the reply ------------------------------------------------------------------------------------------------------------
 */

static enum rc rc_of(uint64_t code)
{
    static const struct {
        unsigned code;
        enum rc rc;
    } rows[] = {{400, RC_INVALID},   {403, RC_NOT_PERMITTED}, {404, RC_NOT_FOUND},   {409, RC_EXISTS},
                {410, RC_NOT_FOUND}, {429, RC_LIMIT},         {503, RC_UNAVAILABLE}, {505, RC_NOT_IMPLEMENTED}};

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].code == code)
            return rows[i].rc;
    return RC_INTERNAL;
}

/* Words of a command line that was not ready for us, say. */
static enum rc no_reply(struct str line, struct err *e)
{
    err_set(e, RC_CONNECT, "a reply that is none%s%.*s", line.n ? ": " : "", STR(str_first(line, 200)));
    clean(e);
    return RC_CONNECT;
}

static enum rc refused(struct ssh_line *l, struct str line, struct err *e)
{
    struct str word;
    uint64_t code;
    enum rc rc;

    if (!str_word(&line, &word) || !str_u64(word, &code) || code < 400 || code > 599)
        return no_reply(line, e);
    l->code = (unsigned)code;
    rc = err_set(e, rc_of(code), "%u %.*s", l->code, STR(str_trim(str_first(line, 300))));
    clean(e);
    return rc;
}

static enum rc first_line(struct ssh_line *l, struct str line, struct buf *reply, struct err *e)
{
    if (line.n && line.p[line.n - 1] == '\r')
        line.n--;
    if (str_starts(line, str_lit("ERR ")))
        return refused(l, str_from(line, 4), e);
    if (!str_eq(line, str_lit("OK")) && !str_starts(line, str_lit("OK ")))
        return no_reply(line, e);
    buf_add(reply, str_trim(str_from(line, 2)));
    return RC_OK;
}

static enum rc body(struct str octets, struct buf *reply, int fd, bool *first, struct err *e)
{
    if (!octets.n)
        return RC_OK;
    if (fd >= 0)
        return io_write("central.fetched", fd, octets, e);
    if (*first)
        buf_addc(reply, '\n');
    *first = false;
    buf_add(reply, octets);
    return RC_OK;
}

static enum rc read_reply(struct ssh_line *l, ssh_channel ch, struct buf *reply, int fd, char *block, struct err *e)
{
    struct buf line = BUF(LINE_MAX_OCTETS);
    bool head = true, first = true;
    enum rc rc = RC_OK;
    size_t n = 0;

    while (rc == RC_OK && (rc = take(l, ch, block, &n, e)) == RC_OK && n) {
        struct str octets = str_of(block, n);

        if (head) {
            size_t end = str_find(octets, '\n');

            buf_add(&line, str_first(octets, end));
            if (line.failed)
                rc = err_set(e, RC_CONNECT, "a reply without end");
            if (line.failed || end == octets.n)
                continue;
            head = false;
            octets = str_from(octets, end + 1);
            rc = first_line(l, buf_str(&line), reply, e);
        }
        if (rc == RC_OK)
            rc = body(octets, reply, fd, &first, e);
        if (rc == RC_OK && reply->failed)
            rc = err_set(e, RC_TOO_LARGE, "a reply of more than %zu octets", reply->max);
    }
    if (rc == RC_OK && head) {
        rc = err_set(e, RC_CONNECT, "the verb ended without a reply");
        add_stderr(ch, e);
    }
    buf_done(&line);
    return rc;
}

/* A body that was cut would look like one that ended: only a verb that says that it ended well did. */
static enum rc ended_well(struct ssh_line *l, ssh_channel ch, struct err *e)
{
    uint64_t until = clock_mono_ms() + l->step_ms;
    int status;

    while (!ssh_channel_is_closed(ch) && ssh_channel_get_exit_status(ch) < 0)
        TRY(ssh_line_pause(l, until, "the verb does not end", e));
    status = ssh_channel_get_exit_status(ch);
    return status == 0 ? RC_OK : err_set(e, RC_CONNECT, "the verb was cut short");
}

enum rc ssh_line_verb(struct ssh_line *l, struct str command, struct str input, struct buf *reply, int body_fd,
                      struct err *e)
{
    ssh_channel ch = NULL;
    char *block = malloc(BLOCK);
    enum rc rc;

    must(block);
    l->code = 0;
    buf_clear(reply);
    rc = open_channel(l, command, &ch, e);
    if (rc == RC_OK)
        rc = send_input(l, ch, input, e);
    if (rc == RC_OK)
        rc = read_reply(l, ch, reply, body_fd, block, e);
    if (rc == RC_OK)
        rc = ended_well(l, ch, e);
    l->wait_ms = 0;
    if (ch)
        ssh_channel_free(ch);
    free(block);
    return rc;
}

unsigned ssh_line_code(const struct ssh_line *l)
{
    return l->code;
}

void ssh_line_wait(struct ssh_line *l, uint64_t ms)
{
    l->wait_ms = ms;
}

uint64_t ssh_line_bytes(const struct ssh_line *l)
{
    return l->bytes;
}
