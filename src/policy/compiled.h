/*
 * What judging makes of a snapshot once, for all messages: filters parsed, policies in order, patterns and dictionaries
 * compiled.
 *
 * Made by scan at a new snapshot (and by control to check a change, by `trace`). Owns an arena; all of it lies there.
 * Members may be NULL when a snapshot has none of them.
 */
#ifndef POLICY_COMPILED_H
#define POLICY_COMPILED_H

#include "conf/conf.h"

struct filter_gate;       /* expressions of all filters: policy/filter_gate.h */
struct compiled_filters;  /* message filters: policy/filters.h */
struct compiled_contents; /* content filters by name: policy/content.h */
struct compiled_policies; /* mail policies in order: policy/mail_policy.h */
struct compiled_words;    /* dictionaries and text resources: policy/dictionary.h */
struct compiled_dlp;      /* DLP policies: policy/dlp.h */

struct compiled {
    struct arena *arena;
    const struct conf *conf;
    struct filter_gate *gate;
    struct compiled_filters *filters;
    struct compiled_contents *contents;
    struct compiled_policies *policies;
    struct compiled_words *words;
    struct compiled_dlp *dlp;
};

/* Compiles everything. A filter or pattern that is not valid was refused at commit; one that slipped in is left out and said
 * in *e (the rest works): RC_INVALID then. *out is set in either case. */
enum rc compiled_new(const struct conf *conf, struct compiled **out, struct err *e);
void compiled_free(struct compiled *c);

#endif
