/*
 * A manager's verb: words, input, reply. See session_mgmt.h.
 *
 * Called by main_session.c. Owns nothing but the process, which may read HOME/exports and no more of what is ours.
 * Everything that needs the settings or the event store is asked of control (verb `mgmt`), whose reply is passed on; the
 * octets of a segment are read here. A manager that gives or takes no octet for BYTE_MS is left.
 */
#include "role/session_mgmt.h"

#include "admin/client.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { BYTE_MS = 60000, BLOCK = 64 << 10, REPLY_MAX = 65 << 20 };

/* --- words
 * ---------------------------------------------------------------------------------------------------------------------
 */

static bool printable(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < ' ' || (unsigned char)s.p[i] >= 0x7f)
            return false;
    return true;
}

enum rc mgmt_words(struct str command, struct str words[MGMT_WORDS], size_t *n_out, enum mgmt_input *input_out,
                   struct err *e)
{
    struct str rest = command, word;
    size_t n = 0;

    if (command.n > MGMT_COMMAND_MAX || !printable(command))
        return err_set(e, RC_INVALID, "a verb line that is none");
    while (str_word(&rest, &word)) {
        if (n == MGMT_WORDS)
            return err_set(e, RC_INVALID, "too many words");
        words[n++] = word;
    }
    if (!n)
        return err_set(e, RC_INVALID, "no verb");
    *n_out = n;
    *input_out = str_eq(words[0], str_lit("hello"))      ? MGMT_JSON
                 : str_eq(words[0], str_lit("put-slbl")) ? MGMT_LINES
                                                         : MGMT_NONE;
    return RC_OK;
}

/* --- octets
 * --------------------------------------------------------------------------------------------------------------------
 */

static bool ready(int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};
    int n;

    while ((n = poll(&p, 1, BYTE_MS)) < 0 && errno == EINTR)
        ;
    return n > 0;
}

static enum rc read_input(struct buf *in, struct err *e)
{
    for (;;) {
        char *room = buf_reserve(in, BLOCK);
        ssize_t n;

        if (!room)
            return err_set(e, RC_INVALID, "more input than %zu octets", in->max - BLOCK);
        if (!ready(STDIN_FILENO, POLLIN))
            return err_set(e, RC_INVALID, "the input does not end");
        n = read(STDIN_FILENO, room, BLOCK);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set(e, RC_INVALID, "the input breaks off");
        if (n == 0)
            return RC_OK;
        in->n += (size_t)n;
    }
}

static bool give(struct str s)
{
    while (s.n) {
        ssize_t n;

        if (!ready(STDOUT_FILENO, POLLOUT))
            return false;
        n = write(STDOUT_FILENO, s.p, s.n < BLOCK ? s.n : BLOCK);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        s = str_from(s, (size_t)n);
    }
    return true;
}

/* --- get: a segment's octets
 * ----------------------------------------------------------------------------------------------------
 */

/* Its numbers are checked: control has answered OK. The kind is one of two words. */
static int open_segment(const char *home, const struct str *words)
{
    char path[PATH_MAX];
    const char *kind = str_eq(words[1], str_lit("tracking"))    ? "tracking"
                       : str_eq(words[1], str_lit("reporting")) ? "reporting"
                                                                : NULL;
    uint64_t epoch, seq;

    if (!kind || !str_u64(words[2], &epoch) || !str_u64(words[3], &seq))
        return -1;
    snprintf(path, sizeof path, "%s/exports/%s/%llu-%llu.seg", home, kind, (unsigned long long)epoch,
             (unsigned long long)seq);
    return open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
}

static int stream(const char *home, const struct str *words, size_t n_words)
{
    int fd = open_segment(home, words);
    uint64_t offset = 0;
    char *block;
    ssize_t n = -1;
    bool good;

    if (fd < 0)
        return give(str_lit("ERR 410 evicted\n")) ? 0 : 1; /* since control looked */
    if (n_words > 4)
        str_u64(words[4], &offset);
    block = malloc(BLOCK);
    good = block && offset <= INT64_MAX && give(str_lit("OK\n"));
    while (good && (n = pread(fd, block, BLOCK, (off_t)offset)) > 0) {
        good = give(str_of(block, (size_t)n));
        offset += (uint64_t)n;
    }
    free(block);
    close(fd);
    return good && n == 0 ? 0 : 1; /* 1: what was sent is not all of it */
}

/* --- the verb
 * -------------------------------------------------------------------------------------------------------------------
 */

static int ask(const char *home, int control, const struct str *words, size_t n, struct str input)
{
    struct str all[MGMT_WORDS + 2] = {str_lit("mgmt")};
    struct buf text = BUF(REPLY_MAX), json = BUF(REPLY_MAX);
    size_t n_all = 1;
    enum rc rc = RC_OK;
    int status = 1;

    for (size_t i = 0; i < n; i++)
        all[n_all++] = words[i];
    if (input.p)
        all[n_all++] = input;
    if (client_ask(control, STR_NONE, all, n_all, &rc, &text, &json, NULL) != RC_OK)
        status = give(str_lit("ERR 503 the configuration service is away\n")) ? 0 : 1;
    else if (rc != RC_OK) /* not even the verb `mgmt`: the manager was removed */
        status = give(str_lit("ERR 403 this manager is not enrolled\n")) ? 0 : 1;
    else if (str_eq(words[0], str_lit("get")) && str_eq(buf_str(&text), str_lit("OK\n")))
        status = stream(home, words, n);
    else
        status = give(buf_str(&text)) ? 0 : 1;
    buf_done(&text);
    buf_done(&json);
    return status;
}

int session_mgmt(const char *home, int control, struct str command)
{
    struct str words[MGMT_WORDS], malformed[2] = {str_lit("malformed")};
    struct buf in = BUF(MGMT_INPUT_MAX + BLOCK);
    struct err e = ERR_NONE;
    enum mgmt_input input;
    size_t n = 0;
    int status;

    if (mgmt_words(command, words, &n, &input, &e) == RC_OK && input != MGMT_NONE) {
        if (input == MGMT_JSON)
            in.max = MGMT_HELLO_MAX + BLOCK;
        read_input(&in, &e);
    }
    malformed[1] = str_c(err_text(&e));
    if (e.rc != RC_OK)
        status = ask(home, control, malformed, 2, STR_NONE);
    else
        status = ask(home, control, words, n, input == MGMT_NONE ? STR_NONE : str_of(in.p ? in.p : "", in.n));
    buf_done(&in);
    return status;
}
