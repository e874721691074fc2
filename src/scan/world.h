/*
 * What a worker has for all its messages: bus, settings, compiled filters, engines. Stages of this room take it; room policy
 * sees only the callbacks of struct message_world.
 */
#ifndef SCAN_WORLD_H
#define SCAN_WORLD_H

#include "base/board.h"
#include "bus/ask.h"
#include "bus/bus.h"
#include "policy/compiled.h"
#include "policy/message.h"
#include "scan/content.h"
#include "scan/engines.h"
#include "scan/world_auth.h"

/* What the anti-spam engine said about the message at hand, for later stages. */
struct spam_seen {
    bool asked;
    enum rc rc;
    struct spam_answer answer; /* in the message's arena */
};

struct stage;

struct scan_world {
    struct loop *loop;
    struct bus *bus;
    struct board *board; /* may be NULL */
    struct conf_source *conf;
    struct events *events;
    struct content *content; /* NULL: nothing is opened (tests) */
    struct dns_asker *dns;
    struct compiled *compiled; /* of the newest snapshot */
    struct message_world calls;
    struct world_auth *auth;
    struct engine_dial *dial;
    struct engines *engines;
    struct spam_seen spam;
    struct slbl *slbl; /* safelists and blocklists; NULL before they came */
    /* Told of each stage that has run (trace); may be NULL. */
    void (*watch)(struct scan_world *w, const struct message *m, const struct stage *s);
};

/* Fills `w` (its first members are set) and keeps the compiled form up to date with the settings. */
void world_init(struct scan_world *w);
void world_done(struct scan_world *w);

#endif
