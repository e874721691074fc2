/*
 * netstat (spec/cli.md 7.4): sockets, interfaces, routes, data structures, listen queues, packet traffic.
 *
 * Called through spec/verbs.def. Reads /proc/net alone. Packet traffic goes on until Ctrl-C (`-n COUNT` lines); without a
 * terminal it is the sums once.
 */
#include "console/ask.h"
#include "console/commands.h"
#include "console/net_proc.h"

#include "base/io.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

enum { PROC_MOST = 64 << 20, TICK_MS = 1000, HEADER_EVERY = 20, INTERFACES_MOST = 64 };

static struct str proc(struct session *s, const char *name)
{
    struct buf *b = session_buf(s, PROC_MOST);

    return io_read_file(arena_printf(&s->arena, "/proc/net/%s", name).p, b, NULL) == RC_OK ? buf_str(b) : STR_NONE;
}

static const char *const kinds[] = {"tcp", "tcp6", "udp", "udp6"}, *const shown_as[] = {"tcp4", "tcp6", "udp4", "udp6"};

/* "127.0.0.1.25", "*.25" */
static struct str endpoint(struct session *s, const struct address_ip *a)
{
    const struct address_ip any = {.family = a->family};
    char text[46];
    struct str host = ip_equal(a, &any) ? str_lit("*") : ip_text(a, text);

    return a->port ? arena_printf(&s->arena, "%.*s.%u", STR(host), a->port) : arena_printf(&s->arena, "%.*s.*", STR(host));
}

/* --- the six
 * ---------------------------------------------------------------------------------------------------------------- */

static enum rc sockets(struct session *s)
{
    say(s, "Active Internet connections (including servers)\n"
           "Proto Recv-Q Send-Q  Local Address                  Foreign Address                (state)\n");
    for (size_t k = 0; k < 4; k++) {
        struct str rest = proc(s, kinds[k]), line;
        struct proc_socket x;

        while (rest.n && str_split(&rest, '\n', &line) && !s->quiet) {
            if (!proc_socket_read(line, &x))
                continue;
            say(s, "%-5s %6" PRIu64 " %6" PRIu64 "  %-30.*s %-30.*s %s\n", shown_as[k], x.receive_queue, x.send_queue,
                STR(endpoint(s, &x.local)), STR(endpoint(s, &x.remote)), k < 2 ? proc_tcp_state(x.state) : "");
        }
    }
    return RC_OK;
}

static struct str of_class(struct session *s, struct str interface, const char *what)
{
    struct buf *b = session_buf(s, 4096);

    if (interface.n > 15 ||
        io_read_file(arena_printf(&s->arena, "/sys/class/net/%.*s/%s", STR(interface), what).p, b, NULL) != RC_OK)
        return str_lit("-");
    return str_trim(buf_str(b));
}

static enum rc interfaces(struct session *s)
{
    struct str rest = proc(s, "dev"), line;
    struct proc_interface x;

    say(s, "Name           Mtu  State    Address             Ipkts Ierrs Idrop      Ibytes       Opkts Oerrs Odrop      "
           "Obytes  Coll\n");
    while (rest.n && str_split(&rest, '\n', &line)) {
        if (!proc_interface_read(line, &x))
            continue;
        say(s,
            "%-12.*s %5.*s  %-8.*s %-17.*s %7" PRIu64 " %5" PRIu64 " %5" PRIu64 " %11" PRIu64 " %11" PRIu64 " %5" PRIu64
            " %5" PRIu64 " %11" PRIu64 " %5" PRIu64 "\n",
            STR(x.name), STR(of_class(s, x.name, "mtu")), STR(of_class(s, x.name, "operstate")),
            STR(of_class(s, x.name, "address")), x.in_packets, x.in_errors, x.in_drops, x.in_bytes, x.out_packets,
            x.out_errors, x.out_drops, x.out_bytes, x.collisions);
    }
    return RC_OK;
}

static void route_table(struct session *s, const char *title, const char *file,
                        bool (*read)(struct str, struct proc_route *))
{
    struct str rest = proc(s, file), line;
    struct proc_route r;

    say(s, "\n%s:\nDestination                         Gateway                         Flags  Metric  Netif\n", title);
    while (rest.n && str_split(&rest, '\n', &line) && !s->quiet) {
        const struct address_ip any = {.family = AF_INET6}, any4 = {.family = AF_INET};
        char to[46], by[46], flags[8];
        struct str network;

        if (!read(line, &r))
            continue;
        network = r.bits == 0 && (ip_equal(&r.to, &any) || ip_equal(&r.to, &any4))
                      ? str_lit("default")
                      : arena_printf(&s->arena, "%.*s/%u", STR(ip_text(&r.to, to)), r.bits);
        say(s, "%-35.*s %-31.*s %-6s %7" PRIu64 "  %.*s\n", STR(network),
            STR(r.flags & 2 ? ip_text(&r.gateway, by) : str_lit("link")), proc_route_flags(r.flags, flags), r.metric,
            STR(r.interface));
    }
}

static enum rc routes(struct session *s)
{
    say(s, "Routing tables\n");
    route_table(s, "Internet", "route", proc_route4_read);
    route_table(s, "Internet6", "ipv6_route", proc_route6_read);
    return RC_OK;
}

static enum rc structures(struct session *s)
{
    static const char *const files[] = {"sockstat", "sockstat6"};
    static const struct {
        const char *file, *kind, *name, *text;
    } counters[] = {
        {"snmp", "Ip", "InReceives", "IP packets received"},
        {"snmp", "Ip", "OutRequests", "IP packets sent"},
        {"snmp", "Ip", "InDiscards", "IP packets received and discarded"},
        {"snmp", "Tcp", "ActiveOpens", "TCP connections opened from here"},
        {"snmp", "Tcp", "PassiveOpens", "TCP connections opened from outside"},
        {"snmp", "Tcp", "AttemptFails", "TCP connections that did not come about"},
        {"snmp", "Tcp", "EstabResets", "TCP connections reset"},
        {"snmp", "Tcp", "CurrEstab", "TCP connections open now"},
        {"snmp", "Tcp", "RetransSegs", "TCP segments sent again"},
        {"snmp", "Tcp", "InErrs", "TCP segments received with errors"},
        {"snmp", "Udp", "InDatagrams", "UDP datagrams received"},
        {"snmp", "Udp", "OutDatagrams", "UDP datagrams sent"},
        {"snmp", "Udp", "RcvbufErrors", "UDP datagrams lost for want of room"},
        {"snmp", "Icmp", "InMsgs", "ICMP messages received"},
        {"snmp", "Icmp", "OutMsgs", "ICMP messages sent"},
        {"netstat", "TcpExt", "TW", "TCP connections that ended in TIME_WAIT"},
        {"netstat", "TcpExt", "TCPTimeouts", "TCP time-outs"},
        {"netstat", "TcpExt", "ListenOverflows", "listen queues that were full"},
    };

    for (size_t i = 0; i < 2; i++)
        say_str(s, proc(s, files[i]));
    say(s, "\n");
    for (size_t i = 0; i < sizeof counters / sizeof *counters; i++)
        say(s, "%14" PRIu64 " %s\n", proc_counter(proc(s, counters[i].file), counters[i].kind, counters[i].name),
            counters[i].text);
    return RC_OK;
}

static enum rc listen_queues(struct session *s)
{
    struct str extra = proc(s, "netstat");

    say(s, "Current listen queue sizes\nProto  Waiting  Local Address\n");
    for (size_t k = 0; k < 2; k++) {
        struct str rest = proc(s, kinds[k]), line;
        struct proc_socket x;

        while (rest.n && str_split(&rest, '\n', &line))
            if (proc_socket_read(line, &x) && x.state == TCP_LISTEN)
                say(s, "%-5s %8" PRIu64 "  %.*s\n", shown_as[k], x.receive_queue, STR(endpoint(s, &x.local)));
    }
    say(s, "\n%" PRIu64 " times a queue was full, %" PRIu64 " connections were dropped\n",
        proc_counter(extra, "TcpExt", "ListenOverflows"), proc_counter(extra, "TcpExt", "ListenDrops"));
    return RC_OK;
}

/* --- packet traffic
 * ----------------------------------------------------------------------------------------------------------- */

/* Sums over the interfaces, or one of them (name not empty). */
static struct proc_interface traffic_now(struct session *s, struct str name)
{
    struct buf b = BUF(1 << 20);
    struct proc_interface all = {.name = name}, x;
    struct str rest, line;

    io_read_file("/proc/net/dev", &b, NULL);
    rest = buf_str(&b);
    while (rest.n && str_split(&rest, '\n', &line)) {
        if (!proc_interface_read(line, &x) || (name.n && !str_eq(name, x.name)))
            continue;
        all.in_packets += x.in_packets;
        all.in_errors += x.in_errors;
        all.in_bytes += x.in_bytes;
        all.out_packets += x.out_packets;
        all.out_errors += x.out_errors;
        all.out_bytes += x.out_bytes;
        all.collisions += x.collisions;
    }
    buf_done(&b);
    (void)s;
    return all;
}

static void traffic_line(struct session *s, const struct proc_interface *a, const struct proc_interface *b)
{
    say(s, "%10" PRIu64 " %5" PRIu64 " %12" PRIu64 " %10" PRIu64 " %5" PRIu64 " %12" PRIu64 " %5" PRIu64 "\n",
        a->in_packets - b->in_packets, a->in_errors - b->in_errors, a->in_bytes - b->in_bytes,
        a->out_packets - b->out_packets, a->out_errors - b->out_errors, a->out_bytes - b->out_bytes,
        a->collisions - b->collisions);
}

static struct str ask_traffic(struct session *s)
{
    struct str *items = arena_must_alloc(&s->arena, (INTERFACES_MOST + 1) * sizeof *items);
    struct strs choices = {items, 1};
    struct str rest = proc(s, "dev"), line;
    struct proc_interface x;
    size_t i;

    items[0] = str_lit("All");
    while (rest.n && str_split(&rest, '\n', &line) && choices.n <= INTERFACES_MOST)
        if (proc_interface_read(line, &x))
            items[choices.n++] = x.name;
    i = ask_choice(s, "Select the interface whose traffic you wish to see:", &choices, 0);
    return i ? items[i] : STR_NONE;
}

static enum rc traffic(struct session *s, uint64_t lines)
{
    struct str name = s->args.n ? STR_NONE : ask_traffic(s);
    struct proc_interface before = {.name = name}, now;

    if (!lines)
        lines = s->terminal ? UINT64_MAX : 1;
    for (uint64_t i = 0; i < lines && !session_gone(s); i++) {
        if (i % HEADER_EVERY == 0)
            say(s,
                "            input  %-8.*s                   output\n"
                "   packets  errs        bytes    packets  errs        bytes colls\n",
                STR(name.n ? name : str_lit("(Total)")));
        now = traffic_now(s, name);
        traffic_line(s, &now, &before);
        before = now;
        s->line = 0;
        if (i + 1 < lines)
            session_wait(s, -1, TICK_MS);
    }
    return RC_OK;
}

/* --- the command
 * ---------------------------------------------------------------------------------------------------------------
 */

enum rc cmd_netstat(struct session *s)
{
    static const char *const choices[] = {"List of active sockets.",
                                          "State of network interfaces.",
                                          "Contents of routing tables.",
                                          "Contents of the network data structures.",
                                          "Size of the listen queues.",
                                          "Packet traffic information.",
                                          NULL};
    static enum rc (*const does[])(struct session * s) = {sockets, interfaces, routes, structures, listen_queues};
    uint64_t lines = 0;
    size_t which;

    if (s->args.n > 3 || s->args.n == 2 || (s->args.n == 3 && !(arg_is(s, 1, "-n") && str_u64(arg(s, 2), &lines) && lines)))
        return session_usage(s);
    which = ask_one_of(s, "Choose the information you want to display:", 0, choices);
    return which < 5 ? does[which](s) : traffic(s, lines);
}
