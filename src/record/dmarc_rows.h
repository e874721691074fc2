/*
 * Rows for DMARC aggregate reports: HOME/events/dmarc/rows.current, one line a message, and rows.@TIME.s for days that
 * ended.
 *
 * The file is written like a log: its length is in record's state, so every message is counted once, whatever dies. Kept
 * only while setting dmarc.report is on. dmarc_send.c takes the ended files from here.
 */
#ifndef RECORD_DMARC_ROWS_H
#define RECORD_DMARC_ROWS_H

#include "conf/conf.h"
#include "conf/schedule.h"
#include "record/logfile.h"

enum { DMARC_ROWS_FILE_MAX = 1 << 30 }; /* a larger file ends before its day does */

struct dmarc_rows {
    struct logfile file;
    struct schedule schedule;
    uint64_t due_s; /* of the open file */
    bool open;      /* a file was opened since start */
    bool keep;      /* the setting */
    bool end_now;
};

void dmarc_rows_init(struct dmarc_rows *d, const char *events_dir);
void dmarc_rows_done(struct dmarc_rows *d);
/* Takes the settings (NULL: off). saved: where the file stood, NULL or start 0 = unknown. A file with rows is opened even
 * when reporting is off: its day ends. */
void dmarc_rows_apply(struct dmarc_rows *d, const struct conf *conf, const struct logfile_state *saved);
void dmarc_rows_add(struct dmarc_rows *d, struct str line);
/* The day is over, or somebody asked for its end. */
bool dmarc_rows_due(const struct dmarc_rows *d, uint64_t now_s);
/* The two steps of logfile.h. begin: true when there is one to do. roll: true when a file was made. */
bool dmarc_rows_roll_begin(struct dmarc_rows *d, uint64_t now_s);
bool dmarc_rows_roll(struct dmarc_rows *d);

#endif
