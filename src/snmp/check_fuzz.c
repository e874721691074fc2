/* What a watched server answers, and the kernel's list of arrays: any octets. */
#include "snmp/check.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct str octets = str_of(data, n);
    int code = snmp_http_status(octets);
    struct snmp_url u;

    if (code < -1 || code > 599 || (code > 0 && code < 100))
        abort();
    if (snmp_url_parse(octets, &u) && (u.host.n == 0 || u.port.n == 0))
        abort();
    return 0;
}
