/*
 * TLS context of a listener. See tls.h.
 *
 * Called when a snapshot is compiled. Owns nothing. Without a certificate that loads STARTTLS is not offered.
 */
#include "receive/tls.h"

struct tls_context *receive_tls(const struct conf *conf, const struct conf_listener *l)
{
    (void)conf;
    (void)l;
    return NULL;
}
