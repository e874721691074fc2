/*
 * FTP's users and log over the session's control connection. See ftp.h.
 *
 * Called by ftp.c through its gate. Owns nothing: the descriptor is the session's. A broken connection makes logins
 * impossible and loses notes.
 */
#include "admin/client.h"
#include "shell/ftp.h"

enum { REPLY_MAX = 64 << 10 };

/* `"name":NUMBER` in a flat JSON object of control's own making. */
static bool number_of(struct str json, const char *name, uint64_t *out)
{
    size_t at = str_find_str(json, str_c(name));
    struct str rest = str_from(json, at + strlen(name));
    size_t digits = 0;

    rest = str_trim(rest);
    if (at == json.n || !str_starts(rest, str_lit(":")))
        return false;
    rest = str_trim(str_from(rest, 1));
    while (digits < rest.n && ascii_digit(rest.p[digits]))
        digits++;
    return str_u64(str_first(rest, digits), out);
}

static enum rc ask(int fd, const struct str *words, size_t n, struct buf *json, struct err *e)
{
    struct buf text = BUF(REPLY_MAX);
    enum rc answer = RC_OK;
    enum rc rc = client_ask(fd, STR_NONE, words, n, &answer, &text, json, e);

    buf_done(&text);
    return rc != RC_OK ? RC_UNAVAILABLE : answer;
}

static enum rc login(void *ctx, struct str user, struct str passphrase, struct ftp_user *out, struct err *e)
{
    const struct str words[] = {str_lit("login"), user, passphrase};
    struct buf json = BUF(REPLY_MAX);
    uint64_t role = 0, must_change = 0;
    enum rc rc = ask(*(int *)ctx, words, 3, &json, e);

    if (rc == RC_OK && (!number_of(buf_str(&json), "\"role\"", &role) || role > UINT8_MAX))
        rc = err_set(e, RC_CORRUPT, "control's answer to a login names no role");
    if (rc == RC_OK) {
        number_of(buf_str(&json), "\"must_change\"", &must_change);
        *out = (struct ftp_user){(unsigned)role, must_change != 0};
    }
    buf_done(&json);
    /* Locked, unknown, wrong: all of them mean no. What keeps control from answering is another matter. */
    return rc == RC_OK || rc == RC_UNAVAILABLE || rc == RC_CORRUPT ? rc : RC_AUTH_FAILED;
}

static void note(void *ctx, struct str line)
{
    const struct str words[] = {str_lit("note"), str_lit("ftp"), line};
    struct buf json = BUF(REPLY_MAX);

    (void)ask(*(int *)ctx, words, 3, &json, NULL);
    buf_done(&json);
}

struct ftp_gate ftp_gate_control(int *fd)
{
    return (struct ftp_gate){login, note, fd};
}
