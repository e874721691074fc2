/*
 * What socket.c (life of a connection), stream.c (octets in and out) and tls_session.c (the same under TLS) share.
 *
 * All connections of a loop hang on one epoll descriptor of their own, edge triggered, so a connection costs one epoll_ctl
 * in its life and a pause in reading costs none: `readable` remembers that the kernel may hold more.
 */
#ifndef NET_SOCKET_PRIVATE_H
#define NET_SOCKET_PRIVATE_H

#include "net/socket.h"

#include <openssl/types.h>
#include <sys/queue.h>

enum {
    READ_MOST = 64 << 10,    /* octets taken from a connection at once */
    CARRY_MOST = 16 << 10,   /* unread rest that is carried into the borrowed buffer */
    OUT_KEEP = 256,          /* idle connections keep no larger output buffer */
    CIPHER_MOST = 128 << 10, /* ciphertext made ahead of the socket */
    HANDSHAKES_MOST = 256,
    HANDSHAKE_SLOW_MS = 10000, /* older ones give way while others wait for a place */
    LINGER_MS = 1000,
    LINGER_OCTETS = 1 << 20,
    FLUSH_END_MS = 30000, /* what the last octets may take */
    RATE_SECONDS = 10
};

enum socket_state {
    SOCKET_CONNECTING,
    SOCKET_OPEN,
    SOCKET_ENDING,    /* the conversation is over, its last octets leave */
    SOCKET_LINGERING, /* our side is shut; the peer's rest is read so that no reset overtakes the last reply */
    SOCKET_DEAD       /* closed; freed at the start of the next phases */
};

enum tls_state { TLS_PLAIN, TLS_WANTED, TLS_QUEUED, TLS_HANDSHAKE, TLS_UP, TLS_FAILED };

struct socket {
    struct net *net;
    struct conversation *c; /* NULL once it ended */
    struct tls_context *context;
    const struct tls_client *client; /* NULL = we are the server */
    SSL *ssl;
    char print[65];  /* of the peer's public key, when the context is pinned; "" = it showed none */
    struct buf out;  /* octets for the wire: plain or ciphertext */
    struct buf tail; /* what an ended conversation left to say */
    size_t sent;     /* octets of `out` that left */
    struct loop_timer timer;
    uint64_t wait_ms, life_ms; /* when the present wait and the whole life run out, 0 = never */
    uint64_t steps;            /* c->steps when wait_ms was set */
    uint64_t shaking_ms;       /* begin of the handshake */
    TAILQ_ENTRY(socket) ready_link, dirty_link, tls_link;
    LIST_ENTRY(socket) all_link;
    int fd;
    int error; /* errno of a failed connect */
    enum socket_state state;
    enum tls_state tls;
    bool ready, dirty; /* in the lists */
    bool readable;     /* the kernel may hold input */
    bool hung;         /* reset or closed both ways */
    bool ending_input; /* FIN seen: read to the end even after a short read */
    bool write_blocked, watch_write, write_dead;
    bool farewell;        /* close_notify was said */
    bool queued, shaking; /* in the lists of handshakes */
    int input_error;      /* errno of a read under TLS */
    bool not_taken;       /* the peer's alert says that it does not take our certificate */
    uint32_t drained;
    uint64_t rate_second, born_second;
    uint32_t rate[RATE_SECONDS];
};

TAILQ_HEAD(socket_list, socket);

struct net {
    struct loop *loop;
    uv_poll_t poll;
    int epoll;
    char *scratch; /* CARRY_MOST + READ_MOST octets */
    struct socket_list ready, dirty, dead, shaking, queued;
    size_t n_ready, n_shaking;
    LIST_HEAD(, socket) all;
    struct loop_timer slow; /* looks for handshakes that block others */
};

/* socket.c */
void socket_make_ready(struct socket *s); /* runs in PHASE_STEP */
void socket_make_dirty(struct socket *s); /* written in PHASE_PEER */
void socket_settle(struct socket *s);     /* after steps ran: timers, output, the end */
void socket_close(struct socket *s);
void socket_arm(struct socket *s); /* its timer, after a change of wait_ms or life_ms */
struct net *net_of(struct loop *l);
bool socket_wants_input(const struct socket *s);

/* stream.c */
void stream_readable(struct socket *s);
void stream_flush(struct socket *s);
/* Reads the socket itself: > 0, 0 at the end of input, -1 with errno. */
ssize_t stream_receive(struct socket *s, void *to, size_t n);

/* tls_session.c, tls_stream.c */
void tls_begin(struct socket *s);                       /* all plain octets have left */
void tls_continue(struct socket *s);                    /* octets for the handshake came */
ssize_t tls_read(struct socket *s, char *to, size_t n); /* like stream_receive; errno EAGAIN, ECONNRESET */
bool tls_not_taken(unsigned long code);                 /* is the error such an alert? */
void tls_write(struct socket *s, struct buf *plain);    /* into s->out, until CIPHER_MOST */
void tls_farewell(struct socket *s);                    /* close_notify into s->out */
void tls_leave(struct socket *s);                       /* out of the lists of handshakes */
void tls_free(struct socket *s);

#endif
