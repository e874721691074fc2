/*
 * Enrolment by a link token, the gateway's side: one channel, one line each way. See link_near.h.
 *
 * Called in the thread of link_near.c once the login by the token has worked. Owns the channel. What the lines mean is the
 * business of who enrols; here they are octets up to a newline.
 */
#include "central/link_near.h"

static enum rc say(ssh_channel ch, struct str text, struct err *e)
{
    while (text.n) {
        int n = ssh_channel_write(ch, text.p, (uint32_t)text.n);

        if (n <= 0)
            return err_set(e, RC_CLOSED, "the connection was closed");
        text = str_from(text, (size_t)n);
    }
    return RC_OK;
}

static enum rc hear(ssh_channel ch, struct link_job *j, struct err *e)
{
    char piece[4096];

    for (;;) {
        int n = ssh_channel_read_timeout(ch, piece, sizeof piece, 0, (int)j->step_ms * 3);

        if (n <= 0)
            return err_set(e, RC_CLOSED, "the manager ended the enrolment without an answer");
        buf_add(&j->reply, str_of(piece, (size_t)n));
        if (j->reply.failed)
            return err_set(e, RC_TOO_LARGE, "the manager's answer is too long");
        if (j->reply.p[j->reply.n - 1] == '\n')
            return RC_OK;
    }
}

enum rc link_enrol_talk(ssh_session session, struct link_job *j, struct err *e)
{
    const struct link_name *name = link_name(LINK_ENROL);
    ssh_channel ch = ssh_channel_new(session);
    enum rc rc = RC_OK;

    if (!ch || ssh_channel_open_forward(ch, name->host, name->port, "127.0.0.1", 1) != SSH_OK)
        rc = err_set(e, RC_NOT_PERMITTED, "the manager does not take the enrolment: %s", ssh_get_error(session));
    if (rc == RC_OK)
        rc = say(ch, j->request, e);
    if (rc == RC_OK)
        rc = say(ch, str_lit("\n"), e);
    if (rc == RC_OK)
        rc = hear(ch, j, e);
    ssh_channel_free(ch);
    return rc;
}
