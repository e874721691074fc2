/*
 * SFTP server: packets in, packets out. See sftp.h.
 *
 * Called by the session program for the subsystem `sftp`. Owns the session's handles. A packet that is too large or comes
 * before INIT ends the session, a malformed one gets BAD_MESSAGE, an unknown one UNSUPPORTED. Answers keep the order of the
 * requests; while a client does not read, nothing more of it is looked at.
 */
#include "shell/sftp_inside.h"

#include "shell/peer.h"

#include <stdlib.h>

enum { INIT = 1, VERSION = 2, OUR_VERSION = 3 };

/* By packet type. */
static sftp_request *const requests[] = {
    [3] = sftp_open,    [4] = sftp_close,          [5] = sftp_read,           [6] = sftp_write,     [7] = sftp_stat /* L */,
    [8] = sftp_fstat,   [9] = sftp_setstat,        [10] = sftp_fsetstat,      [11] = sftp_opendir,  [12] = sftp_readdir,
    [13] = sftp_remove, [14] = sftp_refuse_folder, [15] = sftp_refuse_folder, [16] = sftp_realpath, [17] = sftp_stat,
    [18] = sftp_rename, [200] = sftp_extended,
};

struct sftp *sftp_new(const struct vroot *v, struct buf *out)
{
    struct sftp *s = calloc(1, sizeof *s);

    if (s) {
        s->v = v;
        s->out = out;
    }
    return s;
}

void sftp_free(struct sftp *s)
{
    for (size_t i = 0; s && i < SFTP_HANDLES; i++)
        sftp_handle_free(s, &s->handles[i]);
    free(s);
}

static bool hello(struct sftp *s, struct str in)
{
    static const struct {
        const char *name, *version;
    } extensions[] = {{"posix-rename@openssh.com", "1"}, {"limits@openssh.com", "1"}};
    size_t place = s->out->n;
    uint32_t theirs;

    if (s->greeted || !sftp_take_u32(&in, &theirs))
        return false;
    s->greeted = true;
    sftp_put_u32(s->out, 0);
    buf_put_u8(s->out, VERSION);
    sftp_put_u32(s->out, OUR_VERSION);
    for (size_t i = 0; i < sizeof extensions / sizeof *extensions; i++) {
        sftp_put_str(s->out, str_c(extensions[i].name));
        sftp_put_str(s->out, str_c(extensions[i].version));
    }
    sftp_end(s, place);
    return true;
}

static bool packet(struct sftp *s, struct str in)
{
    uint8_t type = (uint8_t)in.p[0];
    uint32_t id;

    in = str_from(in, 1);
    if (type == INIT)
        return hello(s, in);
    if (!s->greeted || !sftp_take_u32(&in, &id))
        return false;
    if (type >= sizeof requests / sizeof *requests || !requests[type])
        sftp_status(s, id, SFTP_UNSUPPORTED, str_lit("Operation unsupported"));
    else if (!requests[type](s, id, in))
        sftp_status(s, id, SFTP_BAD, str_lit("Bad message"));
    return !s->out->failed;
}

bool sftp_input(struct sftp *s, struct str in, size_t *taken_out)
{
    size_t all = in.n;
    uint32_t n;

    while (s->out->n < SFTP_OUT_ENOUGH) {
        struct str rest = in;

        *taken_out = all - in.n;
        if (!sftp_take_u32(&rest, &n))
            return true;
        if (n == 0 || n > SFTP_PACKET_MAX)
            return false;
        if (n > rest.n)
            return true;
        if (!packet(s, str_of(rest.p, n)))
            return false;
        in = str_from(rest, n);
    }
    *taken_out = all - in.n;
    return true;
}

int sftp_serve(const struct vroot *v, int in, int out, uint64_t idle_ms)
{
    struct peer p;
    struct sftp *s;
    size_t taken;
    bool ok;

    peer_init(&p, in, out, idle_ms);
    s = sftp_new(v, &p.send);
    ok = s != NULL;
    while (ok) {
        ok = sftp_input(s, peer_view(&p), &taken);
        if (!ok)
            break;
        peer_drop(&p, taken);
        if (taken ? !peer_flush(&p) : !peer_fill(&p))
            break;
    }
    sftp_free(s);
    peer_done(&p);
    return ok ? 0 : 1;
}
