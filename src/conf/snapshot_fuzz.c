/* Any octets as a snapshot: decoded or refused, and what was decoded encodes to the same octets again. */
#include "base/must.h"
#include "conf/snapshot.h"

#include <stddef.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct conf_draft *d = conf_draft_empty(), *again = conf_draft_empty();
    struct buf blob = BUF((size_t)1 << 26), out = BUF((size_t)1 << 26);

    must(d && again);
    buf_put_u64(&blob, conf_fingerprint()); /* a mutator would never find it */
    buf_add(&blob, str_of(data, size));
    if (conf_decode(d, buf_str(&blob), NULL) == RC_OK) {
        conf_encode(&d->conf, NULL, &out);
        must(conf_decode(again, buf_str(&out), NULL) == RC_OK);
        conf_encode(&again->conf, "receive", &blob);
    }
    buf_done(&blob);
    buf_done(&out);
    conf_draft_free(d);
    conf_draft_free(again);
    return 0;
}
