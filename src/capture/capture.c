/*
 * One packet capture. See capture.h.
 *
 * Called by role/main_capture.c. Owns the file and the watch on the socket. What the kernel could not hold while we wrote is
 * counted as lost. A write that fails, the size, the time and a disk that runs short end the capture and say why; the file
 * holds whole records in any case.
 */
#include "capture/capture.h"

#include "base/clock.h"
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { BATCH = 256, BUFFER_MOST = 4 << 20, WRITE_AT = 256 << 10, INTERFACES_MOST = 16, RECEIVE_BUFFER = 16 << 20 };
static const uint64_t FREE_LEAST = 100 << 20; /* what a capture leaves of the disk */

struct capture {
    struct capture_options o;
    int file;
    char path[4096], *name;
    uv_poll_t watch;
    struct loop_timer limit;
    struct buf out;
    unsigned char packet[PCAP_SNAP];
    int interfaces[INTERFACES_MOST];
    size_t n_interfaces;
    int loopback;
    uint64_t max_bytes, bytes, packets, lost, began_ms, ended_ms;
    bool running, full;
};

/* --- the end
 * ---------------------------------------------------------------------------------------------------------------- */

static bool write_out(struct capture *c, struct err *e)
{
    enum rc rc = io_write("capture.write", c->file, buf_str(&c->out), e);

    if (rc == RC_OK)
        c->bytes += c->out.n;
    buf_clear(&c->out);
    return rc == RC_OK;
}

static void count_lost(struct capture *c)
{
    struct tpacket_stats stats;
    socklen_t n = sizeof stats;

    if (getsockopt(c->o.packets, SOL_PACKET, PACKET_STATISTICS, &stats, &n) == 0)
        c->lost += stats.tp_drops;
}

static void end(struct capture *c, const char *why)
{
    if (!c->running)
        return;
    c->running = false;
    c->ended_ms = clock_mono_ms();
    uv_poll_stop(&c->watch);
    loop_timer_cancel(c->o.loop, &c->limit);
    count_lost(c);
    write_out(c, NULL);
    if (why)
        c->o.ended(c->o.ctx, str_c(why));
}

static void time_over(void *ctx)
{
    end(ctx, "the maximum duration is reached");
}

static bool disk_short(const struct capture *c)
{
    struct statvfs v;

    return fstatvfs(c->file, &v) == 0 && (uint64_t)v.f_bavail * v.f_frsize < FREE_LEAST;
}

static void flush(struct capture *c)
{
    struct err e = ERR_NONE;

    if (!write_out(c, &e))
        end(c, err_text(&e));
    else if (c->full)
        end(c, "the maximum size is reached");
    else if (disk_short(c))
        end(c, "the disk is nearly full");
}

/* --- packets --------------------------------------------------------------------------------------------------------------
 */

/* What goes over the loopback interface is seen going out and coming in: once is enough. */
static bool wanted(const struct capture *c, const struct sockaddr_ll *from)
{
    if (from->sll_ifindex == c->loopback && from->sll_pkttype == PACKET_OUTGOING)
        return false;
    for (size_t i = 0; i < c->n_interfaces; i++)
        if (from->sll_ifindex == c->interfaces[i])
            return true;
    return c->n_interfaces == 0;
}

/* False when there is none. */
static bool take(struct capture *c)
{
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(struct timespec))];
    } control;
    struct sockaddr_ll from = {0};
    struct iovec iov = {c->packet, sizeof c->packet};
    struct msghdr m = {.msg_name = &from,
                       .msg_namelen = sizeof from,
                       .msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = control.space,
                       .msg_controllen = sizeof control.space};
    ssize_t n = recvmsg(c->o.packets, &m, MSG_TRUNC | MSG_DONTWAIT);
    uint64_t time_us = clock_wall_ms() * 1000;
    size_t kept;

    if (n < 0)
        return errno == EINTR || errno == ENETDOWN;
    for (struct cmsghdr *h = CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h)) {
        struct timespec t;

        if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SO_TIMESTAMPNS)
            continue;
        memcpy(&t, CMSG_DATA(h), sizeof t);
        time_us = (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
    }
    kept = (size_t)n < sizeof c->packet ? (size_t)n : sizeof c->packet;
    if (!wanted(c, &from))
        return true;
    c->full = c->bytes + c->out.n + PCAP_RECORD + kept > c->max_bytes;
    if (c->full)
        return false;
    pcap_file_add(&c->out, time_us, &from, str_of(c->packet, kept), (size_t)n);
    c->packets++;
    return true;
}

static void readable(uv_poll_t *watch, int status, int events)
{
    struct capture *c = watch->data;

    (void)events;
    for (unsigned i = 0; status >= 0 && i < BATCH && c->out.n < WRITE_AT; i++)
        if (!take(c))
            break;
    flush(c);
}

/* --- the beginning
 * ---------------------------------------------------------------------------------------------------------- */

static int interface_index(int packets, const char *name)
{
    struct ifreq r = {0};

    snprintf(r.ifr_name, sizeof r.ifr_name, "%s", name);
    return ioctl(packets, SIOCGIFINDEX, &r) == 0 ? r.ifr_ifindex : 0;
}

static enum rc find_interfaces(struct capture *c, const struct strs *names, struct err *e)
{
    if (names->n > INTERFACES_MOST)
        return err_set(e, RC_INVALID, "more than %d interfaces", INTERFACES_MOST);
    for (size_t i = 0; i < names->n; i++) {
        char name[IFNAMSIZ] = "";

        memcpy(name, names->items[i].p, names->items[i].n < IFNAMSIZ ? names->items[i].n : IFNAMSIZ - 1);
        c->interfaces[i] = interface_index(c->o.packets, name);
        if (!c->interfaces[i])
            return err_set(e, RC_NOT_FOUND, "The network interface %s does not exist", name);
    }
    c->n_interfaces = names->n;
    c->loopback = interface_index(c->o.packets, "lo");
    return RC_OK;
}

static enum rc open_file(struct capture *c, struct err *e)
{
    time_t now = (time_t)(clock_wall_ms() / 1000);
    char when[20];
    struct tm tm;

    strftime(when, sizeof when, "%Y%m%d-%H%M%S", gmtime_r(&now, &tm));
    if (snprintf(c->path, sizeof c->path, "%s/captures/%.*s-%.*s-%s.cap", c->o.home, STR(c->o.model), STR(c->o.serial),
                 when) >= (int)sizeof c->path)
        return err_set(e, RC_INVALID, "the path is too long");
    c->name = strrchr(c->path, '/') + 1;
    TRY(io_create("capture.create", c->path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, &c->file, e));
    pcap_file_begin(&c->out);
    return write_out(c, e) ? RC_OK : e->rc;
}

/* First the filter, then the interfaces: nothing unwanted is ever queued. */
static enum rc open_packets(struct capture *c, const struct conf_capture *s, struct err *e)
{
    const int one = 1, size = RECEIVE_BUFFER;
    struct sockaddr_ll all = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
    struct sock_fprog program;
    int failed;

    TRY(filter_compile(s->filter, &program, e));
    failed = setsockopt(c->o.packets, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
    filter_free(&program);
    if (failed)
        return err_errno(e, errno, "capture filter");
    setsockopt(c->o.packets, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    setsockopt(c->o.packets, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof one);
    all.sll_ifindex = c->n_interfaces == 1 ? c->interfaces[0] : 0;
    if (bind(c->o.packets, (struct sockaddr *)&all, sizeof all) != 0)
        return err_errno(e, errno, "capture");
    return RC_OK;
}

static void free_watch(uv_handle_t *watch)
{
    free(watch->data);
}

static void give_back(struct capture *c)
{
    if (c->file >= 0)
        close(c->file);
    buf_done(&c->out);
}

enum rc capture_start(const struct capture_options *o, struct capture **out, struct err *e)
{
    struct capture *c = calloc(1, sizeof *c);
    enum rc rc;

    if (!c)
        return err_set(e, RC_NO_MEMORY, "no memory");
    c->o = *o;
    c->file = -1;
    c->out = BUF(BUFFER_MOST);
    c->max_bytes = o->settings->max_bytes;
    rc = find_interfaces(c, &o->settings->interfaces, e);
    if (rc == RC_OK)
        rc = open_packets(c, o->settings, e);
    if (rc == RC_OK)
        rc = open_file(c, e);
    if (rc == RC_OK && uv_poll_init(loop_uv(o->loop), &c->watch, o->packets) != 0)
        rc = err_set(e, RC_INTERNAL, "the socket cannot be watched");
    if (rc != RC_OK) {
        give_back(c);
        free(c);
        return rc;
    }
    c->watch.data = c;
    c->running = true;
    c->began_ms = clock_mono_ms();
    uv_poll_start(&c->watch, UV_READABLE, readable);
    loop_timer_set(o->loop, &c->limit, o->settings->max_seconds * 1000, time_over, c);
    *out = c;
    return RC_OK;
}

void capture_stop(struct capture *c)
{
    if (!c)
        return;
    end(c, NULL);
    give_back(c);
    uv_close((uv_handle_t *)&c->watch, free_watch);
}

struct capture_state capture_state(struct capture *c)
{
    if (!c)
        return (struct capture_state){.file = ""};
    if (c->running)
        count_lost(c);
    return (struct capture_state){.running = c->running,
                                  .file = c->name,
                                  .bytes = c->bytes + c->out.n,
                                  .packets = c->packets,
                                  .lost = c->lost,
                                  .seconds = ((c->running ? clock_mono_ms() : c->ended_ms) - c->began_ms) / 1000};
}
