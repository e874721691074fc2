/*
 * Load figures from /proc. See machine.h.
 *
 * Called by record.c once a status period. Owns nothing. Files that are missing or read otherwise give zeros.
 */
#include "record/machine.h"

#include "base/clock.h"
#include "base/io.h"

#include <stdio.h>
#include <sys/statvfs.h>
#include <unistd.h>

static struct str read_file(const char *path, struct buf *b)
{
    buf_clear(b);
    io_read_file(path, b, NULL);
    return buf_str(b);
}

/* n-th word (from 0) of a line as a number. */
static uint64_t word_number(struct str line, unsigned n)
{
    struct str word = STR_NONE;
    uint64_t v = 0;

    for (unsigned i = 0; i <= n; i++)
        if (!str_word(&line, &word))
            return 0;
    str_u64(word, &v);
    return v;
}

/* "key value" lines: the number behind a key. */
static uint64_t keyed(struct str text, struct str key)
{
    struct str line;

    while (str_split(&text, '\n', &line))
        if (str_starts(line, key))
            return word_number(str_from(line, key.n), 0);
    return 0;
}

static uint64_t percent(uint64_t part, uint64_t all)
{
    return all ? (part * 100 + all / 2) / all : 0;
}

static void read_cpu(struct machine_load *m, struct buf *b)
{
    struct str line = read_file("/proc/stat", b);
    uint64_t all = 0, idle, old_all = m->all, old_busy = m->busy;

    line = str_first(line, str_find(line, '\n'));
    for (unsigned i = 1; i <= 8; i++)
        all += word_number(line, i);
    idle = word_number(line, 4) + word_number(line, 5);
    m->all = all;
    m->busy = all > idle ? all - idle : 0;
    m->cpu_percent = all > old_all && m->busy >= old_busy ? percent(m->busy - old_busy, all - old_all) : 0;
}

/* Time the busiest disk spent with requests (field 13 of /proc/diskstats, milliseconds). */
static void read_disk(struct machine_load *m, struct buf *b)
{
    struct str rest = read_file("/proc/diskstats", b), line;
    uint64_t now = clock_mono_ms(), old_ms = m->at_ms, old_io = m->io_ms, most = 0, used;

    while (str_split(&rest, '\n', &line)) {
        uint64_t v = word_number(line, 12);

        most = v > most ? v : most;
    }
    used = most > old_io ? most - old_io : 0;
    m->io_ms = most;
    m->at_ms = now;
    m->disk_percent = old_ms && now > old_ms ? percent(used, now - old_ms) : 0;
    m->disk_percent = m->disk_percent > 100 ? 100 : m->disk_percent;
}

static void read_memory(struct machine_load *m, struct buf *b)
{
    struct str text = read_file("/proc/meminfo", b);
    uint64_t all = keyed(text, str_lit("MemTotal:")), left = keyed(text, str_lit("MemAvailable:"));
    uint64_t swap = keyed(text, str_lit("SwapTotal:")), swap_free = keyed(text, str_lit("SwapFree:"));

    m->ram_percent = percent(all > left ? all - left : 0, all);
    m->swap_percent = percent(swap > swap_free ? swap - swap_free : 0, swap);
    text = read_file("/proc/vmstat", b);
    m->swap_in = keyed(text, str_lit("pswpin "));
    m->swap_out = keyed(text, str_lit("pswpout "));
}

static void read_ours(struct machine_load *m, const struct board *board, struct buf *b)
{
    uint64_t ticks = 0, pages = 0;
    char path[64];

    for (unsigned i = 0; board && i < BOARD_ROLES; i++) {
        uint64_t pid = board_load(&board->roles[i].pid);
        struct str stat;

        if (!pid || !board_load(&board->roles[i].state))
            continue;
        snprintf(path, sizeof path, "/proc/%llu/stat", (unsigned long long)pid);
        stat = read_file(path, b);
        stat = str_from(stat, str_find_last(stat, ')') + 1); /* the name may hold spaces: field 3 is the first here */
        ticks += word_number(stat, 11) + word_number(stat, 12);
        pages += word_number(stat, 21);
    }
    m->our_cpu_s = ticks / (uint64_t)sysconf(_SC_CLK_TCK);
    m->our_ram_bytes = pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

void machine_read(struct machine_load *m, const struct board *board, const char *log_dir)
{
    struct buf b = BUF(1 << 20);
    struct statvfs fs;

    read_cpu(m, &b);
    read_disk(m, &b);
    read_memory(m, &b);
    read_ours(m, board, &b);
    if (statvfs(log_dir, &fs) == 0) {
        m->log_percent = percent(fs.f_blocks - fs.f_bfree, fs.f_blocks);
        m->log_free_kb = fs.f_bavail * (fs.f_frsize / 1024);
    }
    buf_done(&b);
}
