/* What the files of this room share. Not for other rooms. */
#ifndef PUSH_INSIDE_H
#define PUSH_INSIDE_H

#include "bus/ask.h"
#include "event/log_name.h"
#include "push/push.h"
#include "push/resolve.h"
#include "push/state.h"

struct syslog;
struct carrier;

/* One subscription that leaves this machine. */
struct subscription_push {
    struct push *push;
    char name[LOG_NAME_MAX];
    uint64_t retrieval;    /* enum log_retrieval, never MANUAL */
    struct saver saver;    /* of its state file */
    struct syslog *syslog; /* one of the two */
    struct carrier *carrier;
    bool wanted; /* while settings are applied */
    bool forget; /* ended by the settings: its state goes */
};

enum { PUSH_MOST = 64 };

struct push {
    struct loop *loop;
    struct bus *bus;
    struct conf_source *conf;
    struct events *events;
    struct dns_asker *ask;
    char *home;
    struct subscription_push *items[PUSH_MOST];
    size_t n;
    size_t busy; /* transfers and saves that are under way */
    bool record_seen;
    void (*stopped)(void *ctx);
    void *stopped_ctx;
};

/* Something that was busy has ended: leaves when push_stop() waits for it. */
void push_idle(struct push *p);

/* syslog.c: lines to a syslog server. */
struct syslog *syslog_new(struct subscription_push *owner);
void syslog_apply(struct syslog *s, const struct conf *conf, const struct conf_log *log);
/* record began anew and may have cut the log back: goes on where things stood some seconds ago. */
void syslog_rewind(struct syslog *s);
void syslog_now(struct syslog *s);  /* tries again at once */
void syslog_free(struct syslog *s); /* saves first */
void syslog_status(struct syslog *s, struct buf *text, struct buf *json);

/* carrier.c: saved files to a server. */
struct carrier *carrier_new(struct subscription_push *owner);
void carrier_apply(struct carrier *c, const struct conf *conf, const struct conf_log *log);
void carrier_now(struct carrier *c);
/* A transfer that runs is cut off and ends by itself later. */
void carrier_free(struct carrier *c);
void carrier_status(struct carrier *c, struct buf *text, struct buf *json);

/* verbs.c: answers BUS_verb_call. */
void push_verbs_register(struct push *p);
/* "2026-11-21 10:00:06", "never" when 0 */
void push_time_text(uint64_t wall_ms, struct buf *out);
void push_json_text(struct str value, struct buf *out); /* with its quotes */

#endif
