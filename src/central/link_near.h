/*
 * The gateway's end of a link: one attempt, or one life, of the connection to a manager, in a thread of its own.
 *
 * The loop's thread (link.c) makes the job, starts it, joins it when `finished`. What both touch is under `lock`.
 */
#ifndef CENTRAL_LINK_NEAR_H
#define CENTRAL_LINK_NEAR_H

#include "central/link_io.h"
#include "central/link_names.h"
#include "net/ip.h"

#include <libssh/libssh.h>
#include <stdatomic.h>

enum {
    LINK_ADDRESSES = 8,
    LINK_PORTS = 16,
    LINK_PARCELS = 32,
    LINK_BRIDGES = 64,       /* channels of one link */
    LINK_SILENCES = 3,       /* signs of life that fail before the link is dead */
    LINK_CONNECT_MS = 10000, /* a firewall that drops costs as much for each port */
    LINK_STEP_MS = 20000     /* for a line, a handshake */
};

/* A descriptor on its way between the two threads. */
struct link_parcel {
    int fd;
    enum link_channel channel;
};
struct link_box {
    struct link_parcel item[LINK_PARCELS];
    size_t n;
};

struct link_job {
    /* Fixed before the start. */
    const struct conf *conf;     /* counted by the owner */
    struct str name, serial;     /* of the manager: its row, its number */
    struct str host_key;         /* TYPE BASE64, or with a token "SHA256:..." */
    struct str token, token_key; /* enrolment: the token's id and the private key it makes (PEM); empty = the enrolled key */
    struct str request;          /* enrolment: the line for the manager */
    struct address_ip address[LINK_ADDRESSES];
    size_t n_addresses;
    struct link_port port[LINK_PORTS];
    size_t n_ports, first; /* where to begin: the last good one */
    uint64_t step_ms, alive_ms, dead_ms;
    void (*wake)(void *ctx); /* called in the thread: look at me */
    void *wake_ctx;
    /* Both. */
    struct link_stop stop;
    int event_fd;      /* wakes the thread */
    atomic_uint taken; /* bit of enum link_channel: that channel is taken from the manager */
    pthread_mutex_t lock;
    bool up, finished;
    size_t good; /* the port it came up by */
    struct address_ip peer;
    uint64_t since_ms, rtt_us, octets, channels;
    struct link_box to_thread, from_thread;
    unsigned refused; /* bits of channels that were refused: said once */
    struct err e;     /* why it ended, or how each port failed */
    struct buf reply; /* enrolment: the manager's line */
    pthread_t thread;
};

void link_job_init(struct link_job *j);
/* The arrays above are set. RC_INTERNAL: no thread can be made. */
enum rc link_job_start(struct link_job *j, struct err *e);
void link_job_stop(struct link_job *j);               /* it will finish soon */
void link_job_done(struct link_job *j, bool started); /* joins */
/* A connection for the manager: the descriptor is the job's. False: it is not up, or has too many. */
bool link_job_give(struct link_job *j, int fd, enum link_channel channel);
/* A connection that the manager opened. */
bool link_job_take(struct link_job *j, struct link_parcel *out);

/* link_open.c: connects and says what the carrier wants; SSH is next. io->fd is the connection. */
enum rc link_open(struct link_job *j, const struct address_ip *to, enum link_carrier carrier, struct link_io *io,
                  struct err *e);

/* link_serve.c: SSH on `fd` (taken over) until it ends; RC_OK and up were true when the login worked. */
enum rc link_serve(struct link_job *j, int fd, int tcp, size_t port, struct err *e);

/* link_enrol.c: logged in by a token: says job->request on the one channel and takes the manager's line. */
enum rc link_enrol_talk(ssh_session session, struct link_job *j, struct err *e);

#endif
