/*
 * FTP data connections: how they come about and how octets move. See ftp_inside.h.
 *
 * Called by ftp_transfer.c and, for PASV, EPSV, PORT and EPRT, through the table of ftp.c. Owns the listening socket. A
 * connection from another address than the client's is closed and waited on; PORT to another address or to a port below
 * 1024 is refused (RFC 2577). While octets move the control connection is watched for ABOR and its end.
 */
#include "base/clock.h"
#include "shell/ftp_inside.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/sendfile.h>
#include <unistd.h>

enum { PORTS_TRIED = 256, AT_ONCE = 1 << 20, FIRST_FREE_PORT = 1024, CONTROL_HELD = 64 << 10 };

void ftp_data_forget(struct ftp *f)
{
    if (f->passive >= 0)
        close(f->passive);
    f->passive = -1;
    f->active.family = 0;
}

/* --- how the next one comes about ---------------------------------------------------------------------------------- */

static bool listen_at(struct ftp *f, uint16_t port)
{
    struct address_ip at = f->local;
    struct sockaddr_storage sa;
    socklen_t n;
    int on = 1, fd = socket(at.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    at.port = port;
    n = ip_to_sockaddr(&at, &sa);
    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (fd < 0 || bind(fd, (struct sockaddr *)&sa, n) != 0 || listen(fd, 4) != 0) {
        if (fd >= 0)
            close(fd);
        return false;
    }
    f->passive = fd;
    return true;
}

/* A free port of the range, from a random one on. 0: none, answered. */
static uint16_t listen_somewhere(struct ftp *f)
{
    uint64_t first = f->o->passive_first, count = f->o->passive_last - first + 1, at;

    ftp_data_forget(f);
    if (f->local.family == 0 || f->o->passive_last < first || f->o->passive_last > UINT16_MAX) {
        ftp_reply(f, 425, "No passive port.");
        return 0;
    }
    at = random_u64() % count;
    for (uint64_t i = 0; i < count && i < PORTS_TRIED; i++) {
        uint16_t port = (uint16_t)(first + (at + i) % count);

        if (listen_at(f, port))
            return port;
    }
    ftp_reply(f, 425, "All passive ports are in use.");
    return 0;
}

void ftp_do_pasv(struct ftp *f, struct str arg)
{
    const unsigned char *o = f->local.octets;
    uint16_t port;

    (void)arg;
    if (f->local.family == AF_INET6) {
        ftp_reply(f, 425, "Use EPSV.");
        return;
    }
    if ((port = listen_somewhere(f)))
        ftp_reply(f, 227, "Entering Passive Mode (%d,%d,%d,%d,%d,%d).", o[0], o[1], o[2], o[3], port >> 8, port & 255);
}

void ftp_do_epsv(struct ftp *f, struct str arg)
{
    const char *ours = f->local.family == AF_INET6 ? "2" : "1";
    uint16_t port;

    if (str_eqi(arg, str_lit("ALL")))
        ftp_reply(f, 200, "OK.");
    else if (arg.n && !str_eq(arg, str_c(ours)))
        ftp_reply(f, 522, "Network protocol not supported, use (%s).", ours);
    else if ((port = listen_somewhere(f)))
        ftp_reply(f, 229, "Entering Extended Passive Mode (|||%d|).", port);
}

static void connect_to(struct ftp *f, const struct address_ip *to)
{
    ftp_data_forget(f);
    if (!f->o->active)
        ftp_reply(f, 502, "Active mode is off, use PASV or EPSV.");
    else if (f->peer.family == 0 || !ip_equal(to, &f->peer) || to->port < FIRST_FREE_PORT)
        ftp_reply(f, 500, "Data connections go to your own address, port 1024 or higher.");
    else {
        f->active = *to;
        ftp_reply(f, 200, "OK.");
    }
}

void ftp_do_port(struct ftp *f, struct str arg)
{
    struct address_ip to = {.family = AF_INET};
    unsigned char octets[6];
    struct str part;
    uint64_t n;
    size_t i = 0;

    while (i < 6 && str_split(&arg, ',', &part) && str_u64(str_trim(part), &n) && n < 256)
        octets[i++] = (unsigned char)n;
    if (i < 6 || arg.p) {
        ftp_reply(f, 501, "PORT needs six numbers.");
        return;
    }
    memcpy(to.octets, octets, 4);
    to.port = (uint16_t)(octets[4] << 8 | octets[5]);
    connect_to(f, &to);
}

/* `|1|192.0.2.1|6275|`, RFC 2428 2. */
void ftp_do_eprt(struct ftp *f, struct str arg)
{
    char bar = arg.p[0];
    struct address_ip to;
    struct str protocol, address, port;
    uint64_t n;

    arg = str_from(arg, 1);
    if (!str_split(&arg, bar, &protocol) || !str_split(&arg, bar, &address) || !str_split(&arg, bar, &port) || !arg.p ||
        arg.n || !ip_parse(address, &to) || !str_u64(port, &n) || n > UINT16_MAX) {
        ftp_reply(f, 501, "EPRT needs |protocol|address|port|.");
        return;
    }
    to.port = (uint16_t)n;
    connect_to(f, &to);
}

/* --- waiting ------------------------------------------------------------------------------------------------------- */

/* Has the client said ABOR? It is taken then. Other commands stay for later. */
static bool said_abor(struct ftp *f)
{
    struct str all = peer_view(&f->control), line = str_first(all, str_find(all, '\n'));
    size_t n = line.n + 1;

    if (line.n == all.n)
        return false;
    while (line.n && (unsigned char)line.p[0] >= 0xf0)
        line = str_from(line, 1);
    if (!str_eqi(str_trim(line), str_lit("ABOR")))
        return false;
    peer_drop(&f->control, n);
    return true;
}

/* Until the data descriptor can do something, the client aborts, or the time is over. */
static enum ftp_data_end wait_data(struct ftp *f, int fd, short what, uint64_t ms)
{
    uint64_t until = clock_mono_ms() + ms;

    for (;;) {
        struct pollfd at[2] = {{.fd = fd, .events = what}, {.fd = f->control.in, .events = POLLIN}};
        uint64_t now = clock_mono_ms();
        nfds_t n = peer_view(&f->control).n < CONTROL_HELD ? 2 : 1;

        if (said_abor(f))
            return DATA_ABORTED;
        if (now > until || f->control.gone)
            return DATA_BROKEN;
        if (poll(at, n, until - now > INT_MAX ? INT_MAX : (int)(until - now)) < 0 && errno != EINTR)
            return DATA_BROKEN;
        if (at[0].revents)
            return DATA_WHOLE;
        if (n == 2 && at[1].revents && !peer_fill(&f->control))
            return DATA_BROKEN;
    }
}

/* The client may give up without reading on: looked at once a chunk. */
static enum ftp_data_end moved(struct ftp *f)
{
    struct pollfd at = {.fd = f->control.in, .events = POLLIN};

    if (peer_view(&f->control).n < CONTROL_HELD && poll(&at, 1, 0) > 0 && !peer_fill(&f->control))
        return DATA_BROKEN;
    return said_abor(f) ? DATA_ABORTED : DATA_WHOLE;
}

static int accept_client(struct ftp *f)
{
    uint64_t until = clock_mono_ms() + f->o->data_wait_ms, now;

    while ((now = clock_mono_ms()) <= until) {
        struct sockaddr_storage from;
        socklen_t n = sizeof from;
        struct address_ip ip;
        int fd;

        if (wait_data(f, f->passive, POLLIN, until - now) != DATA_WHOLE)
            return -1;
        fd = accept4(f->passive, (struct sockaddr *)&from, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            continue;
        ip_from_sockaddr((struct sockaddr *)&from, &ip);
        if (ip_equal(&ip, &f->peer))
            return fd;
        close(fd);
    }
    return -1;
}

static int connect_client(struct ftp *f)
{
    struct sockaddr_storage sa;
    socklen_t n = ip_to_sockaddr(&f->active, &sa), len = sizeof(int);
    int error = 0, fd = socket(f->active.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    if (connect(fd, (struct sockaddr *)&sa, n) != 0 &&
        (errno != EINPROGRESS || wait_data(f, fd, POLLOUT, f->o->data_wait_ms) != DATA_WHOLE ||
         getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 || error)) {
        close(fd);
        return -1;
    }
    return fd;
}

bool ftp_data_open(struct ftp *f, int *fd_out)
{
    int fd;

    if (f->passive < 0 && f->active.family == 0) {
        ftp_reply(f, 425, "Use PASV, EPSV, PORT or EPRT first.");
        return false;
    }
    peer_flush(&f->control);
    fd = f->passive >= 0 ? accept_client(f) : connect_client(f);
    ftp_data_forget(f);
    if (fd < 0)
        ftp_reply(f, 425, "The data connection could not be made.");
    else
        *fd_out = fd;
    return fd >= 0;
}

/* --- moving octets ------------------------------------------------------------------------------------------------- */

enum ftp_data_end ftp_data_send(struct ftp *f, int fd, struct str data)
{
    enum ftp_data_end end = moved(f);

    while (data.n && end == DATA_WHOLE) {
        ssize_t n = send(fd, data.p, data.n, MSG_NOSIGNAL);

        if (n >= 0)
            data = str_from(data, (size_t)n);
        else if (errno == EAGAIN)
            end = wait_data(f, fd, POLLOUT, f->o->idle_ms);
        else if (errno != EINTR)
            end = DATA_BROKEN;
    }
    return end;
}

enum ftp_data_end ftp_data_send_file(struct ftp *f, int fd, int file, uint64_t from, uint64_t to)
{
    enum ftp_data_end end = DATA_WHOLE;
    off_t at = (off_t)from;

    while ((uint64_t)at < to && end == DATA_WHOLE) {
        uint64_t left = to - (uint64_t)at;
        ssize_t n = sendfile(fd, file, &at, left < AT_ONCE ? (size_t)left : AT_ONCE);

        if (n > 0)
            end = moved(f);
        else if (n < 0 && errno == EAGAIN)
            end = wait_data(f, fd, POLLOUT, f->o->idle_ms);
        else if (n == 0 || errno != EINTR)
            end = DATA_BROKEN; /* also a file that has become shorter */
    }
    return end;
}

enum ftp_data_end ftp_data_receive(struct ftp *f, int fd, char *room, size_t n, size_t *got_out)
{
    for (;;) {
        ssize_t got = recv(fd, room, n, 0);
        enum ftp_data_end end;

        if (got >= 0) {
            *got_out = (size_t)got;
            return moved(f);
        }
        if (errno != EAGAIN && errno != EINTR)
            return DATA_BROKEN;
        end = wait_data(f, fd, POLLIN, f->o->idle_ms);
        if (end != DATA_WHOLE)
            return end;
    }
}

void ftp_data_close(struct ftp *f, int fd, enum ftp_data_end end)
{
    close(fd);
    if (end == DATA_WHOLE) {
        ftp_reply(f, 226, "Transfer complete.");
        return;
    }
    ftp_reply(f, 426, end == DATA_ABORTED ? "Transfer aborted." : "The data connection broke.");
    if (end == DATA_ABORTED)
        ftp_reply(f, 226, "ABOR done.");
}
