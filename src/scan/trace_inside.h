/* What the files of a trace share. */
#ifndef SCAN_TRACE_INSIDE_H
#define SCAN_TRACE_INSIDE_H

#include "mail/address.h"
#include "scan/trace.h"

/* The reply that ends it: `enhanced` may be "". */
void trace_refuse(struct trace *t, unsigned code, const char *enhanced, struct str text);
void trace_refuse_rc(struct trace *t, enum rc rc, const struct err *e);
/* An address as it would stand in MAIL or RCPT, read as the listener reads it. */
enum rc trace_path(struct trace *t, struct str address, struct path *out, struct err *e);
/* trace_recipient.c: what RCPT would say to each; those taken become the envelope's. */
void trace_recipients(struct trace *t);
/* trace_facts.c: the detail of a step for a reader: its fields, separated by tabs, with ", " between them. */
struct str trace_detail(struct trace *t, const struct step *s);

#endif
