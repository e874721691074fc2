/*
 * Mails with alerts on their way to queue: one a recipient, tried again until queue has journaled it.
 */
#ifndef RECORD_ALERT_MAIL_H
#define RECORD_ALERT_MAIL_H

#include "bus/bus.h"
#include "event/record.h"

enum { ALERT_MAILS_MOST = 200, ALERT_ATTEMPTS = 8 };

struct alert_mails;

struct alert_mail {
    struct str to, subject, class, body; /* body: the whole message, CRLF */
    enum event_level severity;
};

struct alert_mails *alert_mails_new(struct loop *loop, struct bus *bus, struct events *events);
/* What is still on its way is given up. */
void alert_mails_free(struct alert_mails *m);
/* Copies. Each attempt, and how it ended, is a line of mail_logs; beyond ALERT_MAILS_MOST a mail is given up at once. */
void alert_mails_add(struct alert_mails *m, const struct alert_mail *mail);

#endif
