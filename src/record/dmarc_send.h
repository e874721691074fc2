/*
 * DMARC aggregate reports on their way: ended files of rows become a report for each domain and address, offered to queue.
 *
 * One file, one domain, one address at a time; reading, compressing and composing happen in the thread pool. A domain that
 * got its reports is written into FILE.done, so a restart goes on behind it; a file goes when all its domains are done.
 */
#ifndef RECORD_DMARC_SEND_H
#define RECORD_DMARC_SEND_H

#include "bus/bus.h"
#include "conf/conf.h"
#include "event/event.h"

struct dmarc_send;

/* `dir` holds the files of rows. bus NULL (tests): nothing is sent. */
struct dmarc_send *dmarc_send_new(struct loop *loop, struct bus *bus, struct conf_source *conf, struct events *events,
                                  const char *dir);
void dmarc_send_free(struct dmarc_send *s);
/* Begins nothing more; true once the thread pool is done with what it has and the object may be freed. */
bool dmarc_send_stop(struct dmarc_send *s);
/* Something may have ended: looks for files, unless one is under way. */
void dmarc_send_look(struct dmarc_send *s);
/* What goes on, for the verb. */
void dmarc_send_state(const struct dmarc_send *s, struct buf *out);

#endif
