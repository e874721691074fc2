/* TLS of a listener: its certificate and the machine's TLS settings. */
#ifndef RECEIVE_TLS_H
#define RECEIVE_TLS_H

#include "conf/conf.h"
#include "net/socket.h"

enum { RECEIVE_TICKET_KEY = 80 };

/* A new context in *out, NULL when no certificate is configured (RC_OK). RC_NOT_FOUND, RC_IO, RC_INVALID: files that cannot
 * be read or do not fit together. */
enum rc receive_tls(const struct conf *conf, const struct conf_listener *l, const char *home,
                    const unsigned char *ticket_key, struct tls_context **out, struct err *e);

#endif
