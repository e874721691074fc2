/* TLS of CPQ connections: our identity, the keys of enrolled partners, nothing else (central.md 7.1). */
#ifndef SMTP_CPQ_TLS_H
#define SMTP_CPQ_TLS_H

#include "conf/conf.h"
#include "net/socket.h"

/* A listener's context: takes those partners of LIST cpq_peer that have this role. Without a certificate in section
 * cpq_identity, RC_UNAVAILABLE. `ciphers` and version are those of incoming mail. */
enum rc cpq_tls_server(const struct conf *c, unsigned role, struct tls_context **out, struct err *e);
/* A client's: takes the partner of this serial number alone. Ciphers and version are those of outgoing mail. RC_NOT_FOUND:
 * no such partner. */
enum rc cpq_tls_client(const struct conf *c, struct str serial, struct tls_context **out, struct err *e);
/* Who showed a key with this fingerprint; NULL = nobody enrolled. */
const struct conf_cpq_peer *cpq_peer_by_print(const struct conf *c, struct str print);
const struct conf_cpq_peer *cpq_peer_by_serial(const struct conf *c, struct str serial);

/* enum values of cpq_peer.role */
enum { CPQ_PEER_MANAGER, CPQ_PEER_GATEWAY };

#endif
