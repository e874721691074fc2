/*
 * The log subscriptions: which events go to which files, in which form (logs.md 3, 12, 13).
 *
 * Made from the settings `log` and `logs`; without any `log` item the default subscriptions are written. A change of
 * settings keeps files that keep their name and stem.
 */
#ifndef RECORD_SUBSCRIPTION_H
#define RECORD_SUBSCRIPTION_H

#include "conf/conf.h"
#include "conf/schedule.h"
#include "event/log_name.h"
#include "event/render.h"
#include "record/logfile.h"

enum { SUBSCRIPTIONS_MOST = 64, SUBSCRIPTION_NAME = LOG_NAME_MAX };

struct subscription {
    char name[SUBSCRIPTION_NAME];
    enum log_type type;
    enum event_level level;
    uint64_t size, max_files;
    struct schedule schedule;
    uint64_t due_s; /* of the open file */
    bool roll_now;
    bool pushed; /* saved files are carried away by FTP or SCP and unlinked afterwards */
    struct logfile file;
    struct subscriptions *owner;
};

struct subscriptions {
    char *dir; /* HOME/log */
    char serial[80];
    struct renderer *renderer;
    uint64_t shape; /* dialect and conditions the renderer was made for */
    struct subscription *items[SUBSCRIPTIONS_MOST];
    size_t n;
    uint64_t shown[EVENT_TYPE_COUNT]; /* bit i: items[i] gets a line of this type */
    bool classic;
    /* Set by the owner: a file was rolled over; files were deleted that had not been pushed. NULL: nobody is told. */
    void (*rolled)(void *ctx, const struct subscription *one);
    void (*dropped)(void *ctx, const struct subscription *one, size_t files);
    void *ctx;
};

/* Where a file stood when the state was saved; NULL result = unknown. */
typedef const struct logfile_state *subscription_saved_fn(void *ctx, const char *name, const char *stem);

struct subscriptions *subscriptions_new(const char *dir);
void subscriptions_free(struct subscriptions *s);
/* Brings the set in line with the settings (NULL: defaults). A file that cannot be opened is tried again at each write. */
void subscriptions_apply(struct subscriptions *s, const struct conf *conf, subscription_saved_fn *saved, void *ctx);

/* Renders the event into every file that shows it. */
void subscriptions_show(struct subscriptions *s, const struct event_record *ev);
/* Some subscription is of this type; a line made elsewhere, without its line end, for all of that type. */
bool subscriptions_have(const struct subscriptions *s, enum log_type type);
void subscriptions_add(struct subscriptions *s, enum log_type type, struct str line);
/* The copy of a message that an event carries, for all archives of its kind. */
void subscriptions_archive(struct subscriptions *s, const struct event_message_archived *one);
/* Octets of lines that wait to be written. */
size_t subscriptions_waiting(const struct subscriptions *s);
/* One write a file; RC_OK when all lines are in their files. */
enum rc subscriptions_write(struct subscriptions *s, struct err *e);

/* Some file is due for a roll-over by size, clock or request. */
bool subscriptions_due(struct subscriptions *s, uint64_t now_s);
/* Names the next file of all that are due, by size, clock or request; true when there are any. */
bool subscriptions_roll_begin(struct subscriptions *s, uint64_t now_s);
/* Does the roll-overs that were begun. Returns how many were done. */
size_t subscriptions_roll(struct subscriptions *s);
/* Asks for a roll-over by name, by number (1 = the first of the settings), or of all ("all", "All Logs", empty). False: no
 * such subscription. */
bool subscriptions_roll_now(struct subscriptions *s, struct str name);
/* A saved file of a subscription that is pushed is on its server: it goes here. */
enum rc subscriptions_unlink(struct subscriptions *s, struct str name, struct str file, struct err *e);

/* Serial number as the dialect wants it (logs.md 2). */
void serial_in_dialect(struct str serial, bool classic, char out[80]);

#endif
