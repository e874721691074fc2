/*
 * ipcheck (spec/cli.md 7.1): what this machine is made of, one `Key  value` line each.
 *
 * Called through spec/verbs.def. Reads /proc and /sys, the configuration, and what control says about the version. A value
 * that this machine does not tell is `NA`.
 */
#include "console/ask.h"
#include "console/commands.h"
#include "net/socket.h"

#include "base/clock.h"
#include "base/io.h"
#include "event/render.h"

#include <dirent.h>
#include <ifaddrs.h>
#include <inttypes.h>
#include <net/if.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { FILE_MOST = 1 << 20, ITEMS_MOST = 32, SECTOR = 512 };

static void line(struct session *s, const char *key, struct str value)
{
    say(s, "%-27s  %.*s\n", key, STR(value.n ? value : str_lit("NA")));
}

static struct str text_of(struct session *s, const char *path)
{
    struct buf *b = session_buf(s, FILE_MOST);

    return io_read_file(path, b, NULL) == RC_OK ? str_trim(buf_str(b)) : STR_NONE;
}

/* The value of "key<blanks>:<blanks>value" or "key value" in a file of lines; the first that fits. */
static struct str value_of(struct str text, const char *key)
{
    struct str l;

    while (text.n && str_split(&text, '\n', &l)) {
        struct str rest = str_trim(str_from(l, strlen(key)));

        if (str_starts(l, str_c(key)) && rest.n && *rest.p == ':')
            return str_trim(str_from(rest, 1));
    }
    return STR_NONE;
}

static struct str size_text(struct session *s, uint64_t octets)
{
    if (octets >= 10ULL << 30)
        return arena_printf(&s->arena, "%" PRIu64 " GB", octets >> 30);
    return arena_printf(&s->arena, "%" PRIu64 " MB", octets >> 20);
}

/* Entries of a directory of /sys that begin with `prefix` (any but dot when empty), sorted. */
static int by_name(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static struct strs entries(struct session *s, const char *path)
{
    struct str *items = arena_must_alloc(&s->arena, ITEMS_MOST * sizeof *items);
    DIR *d = opendir(path);
    struct dirent *x;
    size_t n = 0;

    while (d && n < ITEMS_MOST && (x = readdir(d)))
        if (x->d_name[0] != '.')
            items[n++] = arena_str(&s->arena, str_c(x->d_name));
    if (d)
        closedir(d);
    qsort(items, n, sizeof *items, by_name);
    return (struct strs){items, n};
}

/* --- groups
 * ------------------------------------------------------------------------------------------------------------------ */

static void product(struct session *s)
{
    static const struct {
        const char *key, *of;
    } rows[] = {{"Model", "Model"},
                {"Version", "Version"},
                {"Build Date", "Build Date"},
                {"Install Date", "Install Date"},
                {"Serial #", "Serial #"},
                {"UDI", "UDI"},
                {"Product", "Product"},
                {"Hypervisor", "Hypervisor"},
                {"RAID Status", "RAID Status"},
                {"RAID Type", "RAID Type"},
                {"RAID Version", "RAID"},
                {"BMC", "BMC"},
                {"Postern", "Postern"}};
    struct buf *b = session_buf(s, FILE_MOST);
    char when[24];

    session_call(s, b, NULL, "version", NULL);
    render_ctime(clock_wall_ms(), when);
    line(s, "Ipcheck Rev", str_lit("1"));
    line(s, "Date", str_of(when, 24));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        line(s, rows[i].key, value_of(buf_str(b), rows[i].of));
}

static void board(struct session *s)
{
    struct str cpu = text_of(s, "/proc/cpuinfo"), memory = text_of(s, "/proc/meminfo"), up = text_of(s, "/proc/uptime");
    uint64_t total = 0, free_kb = 0, swap = 0, seconds = 0;
    struct str word;

    line(s, "Platform", text_of(s, "/sys/class/dmi/id/product_name"));
    line(s, "BIOS", text_of(s, "/sys/class/dmi/id/bios_version"));
    line(s, "Kernel", str_first(text_of(s, "/proc/sys/kernel/osrelease"), 60));
    line(s, "CPU", value_of(cpu, "model name"));
    line(s, "CPU Speed (MHz)", value_of(cpu, "cpu MHz"));
    line(s, "CPUs", arena_printf(&s->arena, "%ld", sysconf(_SC_NPROCESSORS_ONLN)));
    line(s, "Load", str_first(text_of(s, "/proc/loadavg"), 14));
    str_u64(str_first(value_of(memory, "MemTotal"), str_find(value_of(memory, "MemTotal"), ' ')), &total);
    str_u64(str_first(value_of(memory, "MemAvailable"), str_find(value_of(memory, "MemAvailable"), ' ')), &free_kb);
    str_u64(str_first(value_of(memory, "SwapTotal"), str_find(value_of(memory, "SwapTotal"), ' ')), &swap);
    line(s, "RAM Total", size_text(s, total << 10));
    line(s, "RAM Available", size_text(s, free_kb << 10));
    line(s, "Swap", size_text(s, swap << 10));
    if (str_word(&up, &word) && str_u64(str_first(word, str_find(word, '.')), &seconds))
        line(s, "Machine up",
             arena_printf(&s->arena, "%" PRIu64 "d %" PRIu64 "h %" PRIu64 "m", seconds / 86400, seconds / 3600 % 24,
                          seconds / 60 % 60));
}

static void space(struct session *s, const char *key, const char *path)
{
    struct statvfs v;

    if (statvfs(path, &v) == 0)
        line(s, key,
             arena_printf(&s->arena, "%.*s, %.*s free", STR(size_text(s, v.f_blocks * v.f_frsize)),
                          STR(size_text(s, v.f_bavail * v.f_frsize))));
    else
        line(s, key, STR_NONE);
}

static void disks(struct session *s)
{
    struct strs all = entries(s, "/sys/block");
    uint64_t sum = 0;

    for (size_t i = 0; i < all.n; i++) {
        struct str name = all.items[i];
        uint64_t sectors = 0;

        if (str_starts(name, str_lit("loop")) || str_starts(name, str_lit("zram")) || str_starts(name, str_lit("ram")) ||
            !str_u64(text_of(s, arena_printf(&s->arena, "/sys/block/%.*s/size", STR(name)).p), &sectors) || !sectors)
            continue;
        sum += sectors;
        line(s, arena_printf(&s->arena, "Disk %.*s", STR(name)).p, size_text(s, sectors * SECTOR));
    }
    line(s, "Disk Total", size_text(s, sum * SECTOR));
    space(s, "Root", "/");
    space(s, "Log", arena_printf(&s->arena, "%s/log", s->home).p);
    space(s, "Configuration", arena_printf(&s->arena, "%s/configuration", s->home).p);
}

static void cards(struct session *s)
{
    struct strs all = entries(s, "/sys/class/net");

    for (size_t i = 0; i < all.n; i++) {
        const char *name = all.items[i].p;
        struct str speed = text_of(s, arena_printf(&s->arena, "/sys/class/net/%s/speed", name).p);

        bool fast = speed.n && *speed.p != '-'; /* -1: not known */

        if (!str_eq(all.items[i], str_lit("lo")))
            line(s, arena_printf(&s->arena, "NIC %s", name).p,
                 arena_printf(&s->arena, "%.*s, %.*s%s%.*s%s",
                              STR(text_of(s, arena_printf(&s->arena, "/sys/class/net/%s/operstate", name).p)),
                              STR(text_of(s, arena_printf(&s->arena, "/sys/class/net/%s/address", name).p)),
                              fast ? ", " : "", STR(fast ? speed : STR_NONE), fast ? " Mbit/s" : ""));
    }
}

static void addresses(struct session *s)
{
    struct ifaddrs *all = NULL;

    line(s, "Hostname", session_conf(s)->system.hostname);
    if (getifaddrs(&all) != 0)
        return;
    for (struct ifaddrs *i = all; i; i = i->ifa_next) {
        struct address_ip ip, mask;
        unsigned bits = 0;
        char text[46];

        if (!i->ifa_addr || (i->ifa_addr->sa_family != AF_INET && i->ifa_addr->sa_family != AF_INET6) ||
            !(i->ifa_flags & IFF_UP))
            continue;
        ip_from_sockaddr(i->ifa_addr, &ip);
        if (i->ifa_netmask) {
            ip_from_sockaddr(i->ifa_netmask, &mask);
            for (size_t k = 0; k < 16; k++)
                bits += (unsigned)__builtin_popcount(mask.octets[k]);
        }
        line(s, arena_printf(&s->arena, "Interface %s", i->ifa_name).p,
             arena_printf(&s->arena, "%.*s/%u", STR(ip_text(&ip, text)), bits));
    }
    freeifaddrs(all);
    for (size_t i = 0; i < session_conf(s)->interface.n; i++) {
        const struct conf_interface *f = &session_conf(s)->interface.items[i];

        line(s, arena_printf(&s->arena, "IP interface %.*s", STR(f->name)).p,
             arena_printf(&s->arena, "%.*s%s%.*s", STR(f->address), f->address.n && f->address6.n ? ", " : "",
                          STR(f->address6)));
    }
}

static void keys(struct session *s)
{
    static const char *const gateway[] = {"Incoming Mail Handling", "Bounce Verification", "Central Mgmt"},
                             *const manager[] = {"Central Quarantine", "Central Reporting", "Central Tracking"};
    const char *const *names = session_conf(s)->system.role == 1 ? manager : gateway;

    for (size_t i = 0; i < 3; i++)
        line(s, arena_printf(&s->arena, "Key %s", names[i]).p, str_lit("perpetual")); /* no licence is needed */
}

static void temperatures(struct session *s)
{
    struct strs all = entries(s, "/sys/class/thermal");
    bool any = false;

    for (size_t i = 0; i < all.n; i++) {
        uint64_t milli;

        if (!str_starts(all.items[i], str_lit("thermal_zone")) ||
            !str_u64(text_of(s, arena_printf(&s->arena, "/sys/class/thermal/%.*s/temp", STR(all.items[i])).p), &milli))
            continue;
        any = true;
        line(s, arena_printf(&s->arena, "Temperature %.*s", STR(str_from(all.items[i], 12))).p,
             arena_printf(&s->arena, "%" PRIu64 " C", milli / 1000));
    }
    if (!any)
        line(s, "Temperature", STR_NONE);
}

enum rc cmd_ipcheck(struct session *s)
{
    if (s->args.n)
        return session_usage(s);
    product(s);
    board(s);
    disks(s);
    cards(s);
    addresses(s);
    keys(s);
    temperatures(s);
    return RC_OK;
}
