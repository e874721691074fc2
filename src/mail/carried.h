/*
 * What judging has decided about a message and what travels with it from then on, as octets: beside the message in queue's
 * memory and journal, in the envelope of messages that queue makes (splits, releases), and to deliver.
 *
 * Called by scan (writes), queue (keeps), deliver, quarantine. All views point into the coded form or the caller's memory.
 * A coded form that does not fit is RC_CORRUPT. The empty string is a struct carried without anything.
 */
#ifndef MAIL_CARRIED_H
#define MAIL_CARRIED_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

/* Where the pipeline goes on with a message that comes (back) to the work queue. Numbers never change. */
enum resume {
    RESUME_START = 0,    /* everything */
    RESUME_POLICY = 1,   /* message filters are done, the mail policy is chosen (a split) */
    RESUME_ANTISPAM = 2, /* the same, safelist and blocklist are asked (a split by them) */
    RESUME_ANTIVIRUS = 3,
    RESUME_GRAYMAIL = 4,
    RESUME_CONTENT = 5, /* content filters */
    RESUME_OUTBREAK = 6,
    RESUME_DLP = 7,
    RESUME_HOLD = 8,    /* nothing but the holds it carries */
    RESUME_RESCAN = 9,  /* released: the engines that its release names, then delivery */
    RESUME_DELIVER = 10 /* nothing */
};

/* Stages that a filter or a mail flow policy switched off. Numbers never change. */
enum skip {
    SKIP_ANTISPAM = 1,
    SKIP_ANTIVIRUS = 2,
    SKIP_GRAYMAIL = 4,
    SKIP_OUTBREAK = 8,
    SKIP_DLP = 16,
    SKIP_CONTENT = 32, /* content filters that follow */
    SKIP_FILTERS = 64, /* message filters that follow */
    SKIP_DKIM = 128,   /* no signing */
    SKIP_SLBL = 256,
    SKIP_MARKETING = 512, /* kinds of graymail */
    SKIP_SOCIAL = 1024,
    SKIP_BULK = 2048,
    SKIP_AMP = 4096,      /* file reputation and analysis */
    SKIP_DIRECTORY = 8192 /* recipients and senders are what directories and tables made of them */
};

struct carried {
    uint64_t resume;   /* enum resume */
    uint64_t skip;     /* bits of enum skip */
    struct str policy; /* name of the mail policy; empty = not chosen */
    struct str route;  /* alternate mail host, "host" or "host:port" or "[ip]"; empty = by the recipient's domain */
    struct str bounce_profile, source_interface;
    struct str tags;    /* lines: tag-message */
    struct str edits;   /* mail/edits.h, over the stored octets */
    struct str meta;    /* holds: JSON object of central.md 7.3 without size and sha256; empty = no hold */
    struct str spam;    /* a spam quarantine verdict that applies after other quarantines: "positive 97" */
    struct str holds;   /* lines "quarantine\treason" of the hold, for the log */
    struct str encrypt; /* encryption profile, applied at delivery */
    struct str
        release; /* of one that left quarantine: the JSON object `release` of central.md 7.3, whose edits scan makes */
    uint64_t original_mid; /* of a released message, 0 = none */
    /* of one that a manager gave back: "SERIAL MID RELEASE"; queue takes no key twice (queue/taken.h) */
    struct str release_key;
};

/* Adds the coded form; nothing at all when everything is empty. */
void carried_encode(const struct carried *c, struct buf *out);
enum rc carried_decode(struct str in, struct carried *out, struct err *e);

#endif
