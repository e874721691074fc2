/* What the link's files on the loop share: link.c, link_gateway.c, link_manager.c. */
#ifndef CENTRAL_LINK_H
#define CENTRAL_LINK_H

#include "central/inside.h"
#include "central/link_door.h"
#include "central/link_near.h"
#include "net/socket.h"

struct links;
struct link_file;

/* On a gateway: the link to a manager. */
struct near_link {
    struct near_link *next;
    struct links *links;
    char *name;
    const struct conf *conf; /* counted: of the job */
    struct link_job *job;    /* NULL = between attempts */
    bool was_up, wanted, told_lost;
    uint64_t question; /* dns_ask under way */
    bool asking;
    struct address_ip address[LINK_ADDRESSES];
    size_t n_addresses;
    struct loop_timer again, lost;
    uint64_t wait_ms, down_since_ms;
    struct link_port good;        /* the last that worked; port 0 = none */
    uint64_t target, ports_tried; /* the manager's row of the last attempt, its list of ports (hashes) */
    struct link_file *files;
    struct err e;
    char said[ERR_TEXT_MAX];
    /* An enrolment by token instead of a manager's item. */
    struct central_call *call;
    struct arena arena;
    struct str address_text, token, token_key, print, request;
    struct strs ports;
};

struct far_link; /* of a manager, from a gateway */

struct links {
    struct central *central;
    struct near_link *near;
    struct far_link *far;
    struct lost *lost;            /* appliances whose link is awaited */
    uint64_t enrolled_at;         /* hash of the address where a token was taken last, */
    struct link_port enrolled_by; /* and the port that led there */
    struct doors *doors;
    struct enrolling *enrolling; /* talks on enrol.manager */
    uv_async_t async;            /* a thread of a gateway's link has something to tell */
};

/* A socket file whose connections become channels. */
struct link_file {
    struct link_file *next;
    struct listener_socket *socket;
    enum link_channel channel;
    void (*fn)(void *ctx, int fd, enum link_channel channel); /* fd is the function's */
    void *ctx;
    char path[LINK_PATH_MAX];
};
/* NULL and a reason: it cannot be made. */
struct link_file *link_file_new(struct links *l, struct str who, enum link_channel channel,
                                void (*fn)(void *ctx, int fd, enum link_channel channel), void *ctx, struct err *e);
void link_files_free(struct link_file *list); /* removes the files */

/* --- link_gateway.c */
void near_changed(struct links *l);
void near_threads(struct links *l); /* a thread has something to tell */
void near_status(const struct links *l, struct buf *text, struct buf *json, size_t *n);
void near_free(struct links *l);
struct near_link *near_new(struct links *l, struct str name);
void near_free_one(struct near_link *k);                                                  /* it is out of the list */
const struct conf_manager *near_manager(const struct near_link *k, const struct conf *c); /* NULL: it is gone */
unsigned near_takes(const struct conf *c);                        /* bits of the channels that are taken now */
void near_aim(struct near_link *k, const struct conf_manager *m); /* an attempt at this row begins */
void near_retry(struct near_link *k);                             /* after a wait */
/* --- link_gateway_try.c */
void near_begin(void *ctx); /* an attempt */
void near_could_not(struct near_link *k, const char *why);
/* --- link_gateway_enrol.c */
void near_enrol_answer(struct near_link *k); /* frees it */
/* "link enrol": by token to that address; answers the call, later. */
void near_enrol(struct central_call *call, struct str args);

/* --- link_manager.c */
void far_begin(struct links *l);
void far_changed(struct links *l);
void far_status(const struct links *l, struct buf *text, struct buf *json, size_t *n);
bool far_is_up(const struct links *l, struct str serial);
void far_free(struct links *l);

/* --- link_manager_enrol.c: enrol.manager on the manager. fd is its. */
void enrolling_new(struct links *l, int fd, struct str token, struct str peer);
void enrolling_free(struct links *l);

/* One link, for people and as JSON. */
struct link_shown {
    struct str name, serial, peer, carrier, error;
    const char *state;
    uint64_t port, since_ms, rtt_us, channels, octets;
};
void link_show(const struct link_shown *s, struct buf *text, struct buf *json, size_t *n);

#endif
