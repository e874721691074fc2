/* What gateways say: the reply to hello and the lines of list-exports, whatever octets come. */
#include "central/greet.h"
#include "central/listing.h"

#include "base/must.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_of(data, size);
    struct greeting g = {0};
    struct listed l = {0};
    char digest[65];

    if (greeting_parse(text, &g, NULL) == RC_OK) {
        must(g.json && strlen(g.json) <= size && *g.serial && strlen(g.serial) < sizeof g.serial);
        greeting_done(&g);
    }
    must(!g.json);
    if (listing_line(text, &l, NULL) == RC_OK) {
        must(l.seqs >= 1 && (l.lost || l.seqs == 1));
        listing_hex(l.digest, digest);
        must(strlen(digest) == 64);
    }
    return 0;
}
