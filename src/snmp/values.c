/*
 * Figures of the machine and of our roles as our MIB wants them. See values.h.
 *
 * Called by snmp.c every few seconds. Owns nothing. They come from the board and from /proc, not from other roles: a role
 * that is busy or away delays no answer.
 */
#include "snmp/values.h"

#include "base/io.h"
#include "bus/bus.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/statvfs.h>

enum { MEMORY_SHORT_PERCENT = 90, MEMORY_FULL_PERCENT = 98, SHORTAGE_TIMES = 2 };

void snmp_disk_summary(uint64_t total, uint64_t used, uint64_t available, char out[SNMP_TEXT])
{
    static const char *const units[] = {"kB", "MB", "GB", "TB", "PB"};
    uint64_t unit = 1024;
    size_t u = 0;

    while (u + 1 < sizeof units / sizeof *units && total / unit >= 10000) {
        unit *= 1024;
        u++;
    }
    snprintf(out, SNMP_TEXT,
             "Total_disk_space: %" PRIu64 " %s, Used_disk_space: %" PRIu64 " %s, Available_disk_space: %" PRIu64 " %s",
             total / unit, units[u], used / unit, units[u], available / unit, units[u]);
}

static uint64_t least_free(const struct conf *c, uint64_t disk)
{
    uint64_t part = disk / 100 * c->spool.min_free_percent;

    return part > c->spool.min_free_bytes ? part : c->spool.min_free_bytes;
}

/* The space of the queue: what mail may still take before new mail is refused, and what it holds (settings spool, queue). */
static void read_queue(struct snmp_values *v, const struct snmp_sources *from, const struct statvfs *fs)
{
    uint64_t disk = (uint64_t)fs->f_blocks * fs->f_frsize, left = (uint64_t)fs->f_bavail * fs->f_frsize;
    uint64_t kept = least_free(from->conf, disk), held = board_gauge(from->board, GAUGE_QUEUE_KB) * 1024;
    uint64_t room = left > kept ? left - kept : 0, most = from->conf->queue.max_bytes;

    if (most && held + room > most)
        room = held < most ? most - held : 0;
    v->queue = held + room ? held * 100 / (held + room) : 100;
    if (room == 0)
        v->queue_state = QUEUE_FULL;
    else
        v->queue_state = v->queue >= 90 || (!most && left < kept * SHORTAGE_TIMES) ? QUEUE_SHORTAGE : QUEUE_AVAILABLE;
    snmp_disk_summary(disk, disk - (uint64_t)fs->f_bfree * fs->f_frsize, left, v->disk_summary);
}

static void read_board(struct snmp_values *v, const struct snmp_sources *from)
{
    uint64_t oldest = board_gauge(from->board, GAUGE_OLDEST_MS);

    v->work_queue = board_gauge(from->board, GAUGE_WORK_QUEUE);
    v->oldest_s = oldest && oldest < from->now_ms ? (from->now_ms - oldest) / 1000 : 0;
    v->dns_outstanding = board_gauge(from->board, GAUGE_DNS_OUTSTANDING);
    v->movers = 0;
    for (size_t i = 0; i < BOARD_ROLES; i++) {
        uint64_t role = board_load(&from->board->roles[i].role), state = board_load(&from->board->roles[i].state);

        if (state == 2 && (role == ROLE_receive || role == ROLE_scan || role == ROLE_deliver))
            v->movers++;
    }
}

static void read_open_files(struct snmp_values *v, const char *proc)
{
    struct buf b = BUF(4096);
    struct str text, word;
    char path[4096];

    snprintf(path, sizeof path, "%s/sys/fs/file-nr", proc);
    io_read_file(path, &b, NULL);
    text = str_trim(buf_str(&b));
    for (size_t i = 0; i < b.n; i++)
        if (b.p[i] == '\t')
            b.p[i] = ' ';
    v->open_files = 0;
    if (str_word(&text, &word))
        str_u64(word, &v->open_files);
    buf_done(&b);
}

void snmp_values_read(struct snmp_values *v, struct machine_load *load, const struct snmp_sources *from)
{
    struct statvfs fs = {0};

    machine_read(load, from->board, from->home);
    v->memory = load->ram_percent;
    v->cpu = load->cpu_percent;
    v->disk = load->disk_percent;
    v->memory_state = v->memory >= MEMORY_FULL_PERCENT    ? MEMORY_FULL
                      : v->memory >= MEMORY_SHORT_PERCENT ? MEMORY_SHORTAGE
                                                          : MEMORY_AVAILABLE;
    if (statvfs(from->home, &fs) == 0)
        read_queue(v, from, &fs);
    read_board(v, from);
    read_open_files(v, from->proc);
    snmp_sensors_read(v, from->sys);
    snmp_raids_read(v, from->proc);
    v->conserve = v->queue_state == QUEUE_FULL       ? CONSERVE_QUEUE_FULL
                  : v->queue_state == QUEUE_SHORTAGE ? CONSERVE_QUEUE_SHORTAGE
                  : v->memory_state == MEMORY_FULL   ? CONSERVE_MEMORY
                                                     : CONSERVE_NONE;
}
