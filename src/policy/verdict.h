/*
 * What becomes of a message after the work queue: bus scan_verdict, and the queue's journal.
 *
 * scan writes it, queue acts on it: first the copies are stored, then the message's own verdict and all of them become known
 * in one journal group. Strings are views into the coded form.
 */
#ifndef POLICY_VERDICT_H
#define POLICY_VERDICT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

/* Numbers never change. */
enum verdict_action {
    VERDICT_DELIVER = 0, /* to the recipients' destinations, or to `destination` */
    VERDICT_DROP = 1,    /* ends here; scan has said why */
    VERDICT_BOUNCE = 2,  /* every recipient bounces; `text` is the answer, "5.7.1 text" */
    VERDICT_HOLD = 3,    /* one piece with all recipients to `destination`, a quarantine's object */
    VERDICT_LATER = 4    /* an engine is away: stays in the work queue, which pauses for the reason in `text` */
};

/* Kinds of messages made from this one; the words of the log. Numbers never change. */
enum copy_kind {
    COPY_SPLIT = 0, /* some of the recipients, which leave this message: "was split creating MID" (per-recipient policy) */
    COPY_SPLIT_SLBL = 1, /* the same, by safelists and blocklists */
    COPY_GENERATED = 2,  /* a new message: "MID new was generated based on MID old by {by}{ filter '{filter}'}" */
    COPY_REWRITTEN = 3   /* this message under a new number, it ends: "MID old rewritten to MID new by {by}{ filter ..}" */
};

struct verdict_copy {
    uint64_t kind;
    struct str by;          /* "bcc", "notify", "antivirus", ...; of a split the name of the policy */
    struct str filter;      /* name of the filter, empty = none */
    uint64_t same_sender;   /* 1: sender, ret and envid are those of this message */
    struct str sender;      /* when not */
    struct str indices;     /* varints: recipients of this message that it has; splits have nothing else */
    struct str recipients;  /* list of str: further ones */
    struct str body;        /* its whole text (CRLF); empty = the octets of this message with `carried.edits` */
    struct str carried;     /* mail/carried.h: where it goes on, edits, holds */
    struct str destination; /* as in scan_verdict, for one that goes to delivery at once (carried.resume RESUME_DELIVER) */
};

enum { VERDICT_COPIES = 1000 };

void verdict_copies_encode(const struct verdict_copy *copies, size_t n, struct buf *out);
/* Array from the arena; RC_CORRUPT when it does not fit. */
enum rc verdict_copies_decode(struct arena *a, struct str in, const struct verdict_copy **out, size_t *n_out, struct err *e);

#endif
