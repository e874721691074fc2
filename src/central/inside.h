/* What the files of the room share. Nothing outside src/central includes this. */
#ifndef CENTRAL_INSIDE_H
#define CENTRAL_INSIDE_H

#include "bus/ask.h"
#include "central/central.h"
#include "central/greet.h"
#include "central/line.h"
#include "store/segment.h"

struct line;
struct contact;
struct site;

struct central {
    struct central_options o;
    const struct conf *conf; /* counted */
    struct dns_asker *dns;
    struct line *lines;       /* line.c */
    uv_async_t lines_async;   /* a thread has something to tell */
    struct contact *contacts; /* contact.c */
    struct slbl_copy *slbls;  /* slbl.c */
    uint64_t slbl_master;
    struct site *sites; /* site.c */
    uint64_t watched_until_ms;
    bool paused; /* our disk is full */
    uint64_t paused_since_ms, paused_until_ms;
    struct links *links; /* link.c */
    struct told *told;   /* gateway_port.c */
    struct port_ask *port_asks;
    bool stopping;
    void (*emptied)(void *ctx);
    void *emptied_ctx;
    void (*stopped)(void *ctx);
    void *stopped_ctx;
};

/* Item of `appliance`; NULL. */
const struct conf_appliance *appliance_find(const struct central *c, struct str name);

/* --- line_dial.c: what a connection to an appliance needs, copied for its thread ------------------------------------------
 */

struct dial_own {
    struct ssh_dial dial; /* its strings are malloc'd */
    char *serial;         /* expected */
    char *hello;          /* our side of hello, JSON without time; NULL = no hello */
};
/* The address is still a name (or "unix:PATH"). */
enum rc dial_appliance(const struct central *c, const struct conf_appliance *a, struct dial_own *out, struct err *e);
void dial_copy(const struct ssh_dial *from, struct dial_own *out);
bool dial_same(const struct dial_own *a, const struct dial_own *b);
void dial_done(struct dial_own *d);

/* --- verbs.c: what control asks of this role
 * --------------------------------------------------------------------------------
 */

/* Another file of the room adds a row to the table in verbs.c. The answer is given by central_answer(), once, now or later.
 */
struct central_call {
    struct central *central;
    struct bus_peer *from;
    unsigned life;
    uint64_t call;
    struct str user;       /* view, valid inside the verb's function alone, like args */
    struct str args;       /* list of str */
    struct buf text, json; /* the reply, for the function to fill */
};
void central_answer(struct central_call *call, enum rc rc); /* frees the call */
void verbs_begin(struct central *c);
void verb_contact(struct central_call *call);
void verb_gateway_config(struct central_call *call); /* gateway_config.c */

/* --- gateway_port.c: where gateways take released mail --- */

struct told;
struct port_ask;
void gateway_ports_begin(struct central *c);
void gateway_ports_free(struct central *c);

/* --- contact.c: what is known of each gateway
 * ------------------------------------------------------------------------------
 */

enum contact_service { CONTACT_REPORTING, CONTACT_TRACKING, CONTACT_SERVICES };

void contacts_sweep(struct central *c);
void contacts_free(struct central *c);
/* Tells record of each gateway whether there is contact. */
void contacts_tell(const struct central *c, struct bus_peer *record);
/* A connection is up and said hello (`via_link`: through the link). Takes g->json over. */
void contact_up(struct central *c, struct str appliance, struct greeting *g, bool via_link);
/* A verb was answered. */
void contact_heard(struct central *c, struct str appliance, uint64_t bytes);
/* There is no connection, and why. */
void contact_down(struct central *c, struct str appliance, enum rc rc, const char *why);
/* A segment was imported. */
void contact_transfer(struct central *c, struct str appliance, enum contact_service s, uint64_t bytes);
/* The last hello of this gateway, or NULL. */
const char *contact_hello(const struct central *c, struct str appliance);

/* --- site.c: what is fetched
 * ------------------------------------------------------------------------------------------------ */

void pulls_begin(struct central *c);
void pulls_sweep(struct central *c);
void pulls_free(struct central *c);
/* The link of this gateway has come or gone: it is asked again at once, by the way there is now. */
void pull_way_changed(struct central *c, struct str serial);
/* Segments that are known of a gateway and not here yet. */
void pull_waiting(const struct central *c, struct str appliance, enum segment_kind kind, uint64_t *segments,
                  uint64_t *bytes);
/* --- link.c, link_gateway.c, link_manager.c: the link (central.md 8)
 * ---------------------------------------------------------- */

void links_begin(struct central *c);
void links_changed(struct central *c);
void links_stop(struct central *c);
void links_free(struct central *c);
/* "unix:PATH" when the link of this gateway (its item's policy) is to be used for that channel ("mgmt", "cpq"): the policy
 * is `only`, or `prefer` and the link is up. False: not by the link. With `only` and the link down the path leads nowhere.
 */
bool link_use(const struct central *c, const struct conf_appliance *a, const char *file, char out[128]);
void verb_link(struct central_call *call);

#endif
