/*
 * Inside master: the processes it supervises, the sockets it binds, the status file it writes.
 *
 * Master parses nothing from outside: it reads packets of role/line.h, of which only control's may ask for anything.
 */
#ifndef ROLE_MASTER_H
#define ROLE_MASTER_H

#include "base/board.h"
#include "bus/rows.h"
#include "role/line.h"

#include <sys/types.h>

enum { MASTER_TICKET_KEY = 80 };
enum { MASTER_PROCS = BOARD_ROLES, MASTER_SOCKETS = 256, MASTER_FAULTS = 64, FAULT_TEXT = 160 };
enum { STOP_STAGES = 5, STOP_STAGE_MS = 12000, BIND_RETRY_MS = 5000 };
enum { BACKOFF_MOST_MS = 60000, BACKOFF_FORGIVEN_MS = 10000 };

enum proc_state { PROC_STARTING = 1, PROC_RUNNING, PROC_WAITING };

struct proc {
    enum role role;
    unsigned index;
    enum proc_state state;
    pid_t pid;     /* 0 = none */
    int line;      /* -1 = none */
    unsigned life; /* rises with every start */
    uint64_t restarts;
    uint64_t started_ms, started_wall_ms;
    uint64_t restart_ms; /* when, while waiting */
    uint64_t backoff_ms;
    bool unwanted; /* fewer of this role are asked for: not started again */
    bool ending;   /* it was told to end for that: no fault, even when it is wanted again by then */
};

struct sock {
    char *name, *address;
    uint16_t port;
    int backlog;
    enum role role; /* who accepts on it */
    int fd;         /* -1 = not bound */
    uint64_t id;
    bool wanted;
    char error[FAULT_TEXT];
};

struct master {
    const char *home;
    char exe_dir[4096];
    int lock, board_fd;
    struct board *board;
    uid_t uid; /* roles run as these when master is root; 0 = as we are */
    gid_t gid;
    struct proc procs[MASTER_PROCS];
    size_t n_procs;
    struct sock socks[MASTER_SOCKETS];
    size_t n_socks;
    uint64_t last_socket;
    bool listed;                            /* control has sent its list of sockets */
    uint64_t bind_again_ms;                 /* 0 = nothing failed */
    char faults[MASTER_FAULTS][FAULT_TEXT]; /* not yet told to record */
    size_t n_faults;
    bool stopping;
    bool again; /* start anew when everything has ended */
    unsigned stage;
    uint64_t stage_ms; /* when this stage of stopping began */
    uint64_t started_wall_ms;
    unsigned char ticket_key[MASTER_TICKET_KEY]; /* made at every start, kept in memory only */
    bool changed;                                /* the status file is out of date */
    bool status_failed;                          /* said once */
};

/* master_process.c */
/* Brings the number of processes of a role to `count` (0 = by the number of processors), within spec/roles.def. */
void procs_want(struct master *m, enum role role, uint64_t count);
/* Starts what is due; returns milliseconds until the next is due, -1 for never. */
int procs_start_due(struct master *m);
/* Takes the news of processes that ended. */
void procs_reap(struct master *m);
/* SIGTERM to the roles of the present stage, next stages when they are gone; true when all are. */
bool procs_stop(struct master *m);
/* A packet from a process. */
void proc_said(struct master *m, struct proc *p, const struct line_in *in);
/* The line of a process broke or is not read: it is killed. */
void proc_kill(struct proc *p);
struct proc *proc_of(struct master *m, enum role role, unsigned index);

/* master_listen.c */
void listen_begin(struct master *m);
void listen_add(struct master *m, const struct line_listen *l);
void listen_end(struct master *m);
/* Tries again what could not be bound, when its time has come. */
void listen_retry(struct master *m);
/* Hands all bound sockets of its role to a process that starts. */
void listen_hand(struct master *m, struct proc *p);
void listen_close(struct master *m);

/* master_status.c: HOME/run/status, read by `postern status` and `postern start`. */
void status_write(struct master *m);

/* Says something on standard error, with the time. */
void master_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
