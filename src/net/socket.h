/*
 * Conversations on sockets: accepting, connecting, TLS, the peer's address. The runtime behind net/conversation.h.
 *
 * Reading and writing happen in turns of the loop (replies leave in PHASE_PEER, one write a connection and turn). Buffers
 * are borrowed while octets are there, so an idle connection holds its struct and arena only.
 */
#ifndef NET_SOCKET_H
#define NET_SOCKET_H

#include "base/err.h"
#include "net/conversation.h"
#include "net/ip.h"
#include "net/loop.h"

/* TLS of one listener or of all outgoing connections: wraps an SSL_CTX. Counted; a conversation keeps the one it began with.
 */
struct tls_context;
struct tls_server_options {
    struct str cert_pem, key_pem;    /* chain and key */
    struct str ciphers;              /* TLS 1.2 list; ":-aNULL:-eNULL:-EXPORT" is added whatever it says */
    uint64_t min_version;            /* 0x0303 or 0x0304 */
    const unsigned char *ticket_key; /* 80 octets shared by all receive processes, NULL = no tickets */
    bool request_client_cert;
    struct str ca_pem;
    bool pinned; /* the peer must show a key of `pins`; any other certificate, however valid, ends the handshake */
    const struct str *pins; /* SHA-256 of the public key (SubjectPublicKeyInfo), 64 hexadecimal digits each; copied */
    size_t n_pins;
};
enum rc tls_server_new(const struct tls_server_options *o, struct tls_context **out, struct err *e);
enum rc tls_client_new(struct str ciphers, uint64_t min_version, struct str ca_file, struct tls_context **out,
                       struct err *e);
/* A client that shows the certificate of the options and takes none but pinned servers (central.md 7.1): cert_pem, key_pem,
 * ciphers, min_version and pins count, pinned is implied. */
enum rc tls_client_pinned(const struct tls_server_options *o, struct tls_context **out, struct err *e);
/* Digits of a pin (net/pem.h makes it). */
enum { TLS_PRINT = 64 };
struct tls_context *tls_ref(struct tls_context *t);
void tls_unref(struct tls_context *t);

/* How a client handshake checks its peer. */
enum tls_check { TLS_CHECK_NONE, TLS_CHECK_NAME, TLS_CHECK_DANE };
struct tls_record {
    uint8_t usage, selector, matching;
    struct str data;
}; /* TLSA, RFC 6698 */
struct tls_client {
    enum tls_check check;
    struct str name;         /* SNI and name to verify */
    const struct str *names; /* further names that fit (RFC 8461: any matching MX; DANE: next-hop domain) */
    size_t n_names;
    const struct tls_record *records;
    size_t n_records;
};

/* Starts a conversation of `kind` on a connected socket (taken over). `tls` is used when a step returns STEP_TLS. Fills
 * nothing but the runtime; `ctx` becomes c->ctx. NULL on lack of memory (fd closed). The first step runs in this turn. */
struct conversation *conversation_accept(struct loop *l, int fd, const struct conversation_kind *kind,
                                         struct tls_context *tls, void *ctx);
/* Connects first; the first step runs when connected, `broken` when not (c->rc RC_CONNECT or RC_TIMEOUT). */
struct conversation *conversation_connect(struct loop *l, const struct address_ip *to, const struct address_ip *source,
                                          uint64_t timeout_ms, const struct conversation_kind *kind, struct tls_context *tls,
                                          void *ctx);
/* The same to a socket file of this machine. Refused when there is none: RC_CONNECT. Addresses of such a conversation have
 * no family. */
struct conversation *conversation_connect_unix(struct loop *l, const char *path, uint64_t timeout_ms,
                                               const struct conversation_kind *kind, void *ctx);
/* The same when TLS is spoken over it: a channel of the link ends in such a file. */
struct conversation *conversation_connect_unix_tls(struct loop *l, const char *path, uint64_t timeout_ms,
                                                   const struct conversation_kind *kind, struct tls_context *tls, void *ctx);
/* The user at the other end of a socket file's connection; (uid_t)-1 when it cannot be told. */
uid_t socket_peer_uid(int fd);
/* Client side: set before returning STEP_TLS. Everything is copied into the conversation's arena. */
void conversation_tls_client(struct conversation *c, const struct tls_client *how);
/* Ends it from outside (suspend, restart): flushes nothing more than `last` (may be empty), runs done. */
void conversation_abort(struct conversation *c, struct str last);
/* Addresses of the socket. */
void conversation_addresses(const struct conversation *c, struct address_ip *local_out, struct address_ip *peer_out);
/* Octets per second the peer sent over the last 10 s: for the slow-client defence. */
uint64_t conversation_rate(const struct conversation *c);

/* A listening socket whose connections are handed to `on_accept(ctx, fd, peer)`. Several may share one port (SO_REUSEPORT is
 * not used: master binds once, each receive process accepts from the inherited fd). */
struct listener_socket;
struct listener_socket *listener_socket_new(struct loop *l, int fd,
                                            void (*on_accept)(void *ctx, int fd, const struct address_ip *peer), void *ctx);
void listener_socket_pause(struct listener_socket *s, bool pause);
void listener_socket_free(struct listener_socket *s);
/* Binds and listens. RC_IO with "address in use" etc. in e. */
enum rc listen_tcp(const struct address_ip *at, int backlog, int *fd_out, struct err *e);
enum rc listen_unix(const char *path, int *fd_out, struct err *e);

#endif
