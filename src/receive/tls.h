/* TLS of a listener: its certificate and the machine's TLS settings. */
#ifndef RECEIVE_TLS_H
#define RECEIVE_TLS_H

#include "conf/conf.h"
#include "net/socket.h"

/* A new reference, or NULL when the listener has no usable certificate. */
struct tls_context *receive_tls(const struct conf *conf, const struct conf_listener *l);

#endif
