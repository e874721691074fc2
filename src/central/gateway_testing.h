/*
 * For tests and the bench: an SSH server that speaks like a gateway's account `manager`, with verbs of the test's own.
 *
 * A thread for the port and one for each connection. Answers one channel at a time, as the manager asks.
 */
#ifndef CENTRAL_GATEWAY_TESTING_H
#define CENTRAL_GATEWAY_TESTING_H

#include "base/buf.h"

struct gateway_testing;

/* Runs in the connection's thread. `reply` = all that goes to the client, the first line included. What it returns is the
 * exit status; GATEWAY_CUT ends the connection after the reply, GATEWAY_HANG never ends the verb. */
enum { GATEWAY_CUT = -1, GATEWAY_HANG = -2 };
typedef int gateway_testing_verb(void *ctx, struct str command, struct str input, struct buf *reply);

struct gateway_testing_options {
    const char *user;       /* who may log in */
    const char *public_key; /* "TYPE BASE64"; NULL = none */
    const char *passphrase; /* NULL = none */
    bool interactive;       /* the passphrase by keyboard-interactive alone */
    bool silent;            /* accepts and says nothing */
    const char *unix_path;  /* listens there instead of on 127.0.0.1 */
    gateway_testing_verb *verb;
    void *ctx;
};

struct gateway_testing *gateway_testing_new(const struct gateway_testing_options *o);
uint16_t gateway_testing_port(const struct gateway_testing *g);
const char *gateway_testing_host_key(const struct gateway_testing *g); /* "TYPE BASE64" */
unsigned gateway_testing_connections(const struct gateway_testing *g); /* accepted so far */
void gateway_testing_cut(struct gateway_testing *g);                   /* ends all connections there are */
void gateway_testing_free(struct gateway_testing *g);

/* A key pair: PEM and "TYPE BASE64", both from malloc. */
void gateway_testing_key(char **pem, char **public_key);

#endif
