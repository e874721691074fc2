/* Load of the machine and of our processes, from /proc, for the Status line and `status detail`. */
#ifndef RECORD_MACHINE_H
#define RECORD_MACHINE_H

#include "base/board.h"

struct machine_load {
    uint64_t cpu_percent, disk_percent, ram_percent, swap_percent, log_percent;
    uint64_t log_free_kb;
    uint64_t swap_in, swap_out;        /* pages since boot */
    uint64_t our_cpu_s, our_ram_bytes; /* all roles on the board */
    /* private: readings at the last call */
    uint64_t busy, all, io_ms, at_ms;
};

/* Refreshes *m; the percentages are means since the last call. Unreadable figures stay 0. log_dir: whose disk is watched. */
void machine_read(struct machine_load *m, const struct board *board, const char *log_dir);

#endif
