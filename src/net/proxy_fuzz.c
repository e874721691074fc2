/* Any octets: never more is used than given or allowed, a whole header stays the same when cut earlier it waits. */
#include "base/must.h"
#include "net/proxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = str_of(data, size);
    struct proxy_header h, again;
    size_t used = 0, used_again = 0;
    char text[46];

    if (proxy_parse(in, &h, &used) != RC_OK) {
        must(proxy_parse(in, &h, &used) != RC_UNAVAILABLE || size < PROXY_MOST);
        return 0;
    }
    must(used && used <= size && used <= PROXY_MOST);
    must(proxy_parse(str_first(in, used), &again, &used_again) == RC_OK && used == used_again);
    must(proxy_parse(str_first(in, used - 1), &again, &used_again) == RC_UNAVAILABLE);
    must(h.source.family == 0 || ip_text(&h.source, text).n > 0);
    return 0;
}
