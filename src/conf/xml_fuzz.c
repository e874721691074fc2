/* Any octets as a configuration file; what is accepted is written and read back to the same. */
#include "base/must.h"
#include "conf/rules.h"
#include "conf/xml.h"

#include <stddef.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct conf_draft *d = conf_draft_new(), *again = conf_draft_new();
    const struct conf_header h = {.time_ms = 1};
    struct buf out = BUF((size_t)1 << 26), changes = BUF((size_t)1 << 26);

    must(d && again);
    if (conf_xml_read(d, str_of(data, size), NULL) == RC_OK) {
        struct err e = ERR_NONE;

        conf_check(&d->conf, NULL, false, &e);
        conf_xml_write(&d->conf, &h, true, &out);
        must(conf_xml_read(again, buf_str(&out), NULL) == RC_OK);
        conf_diff(&d->conf, &again->conf, &changes);
        must(changes.n == 0);
    }
    buf_done(&out);
    buf_done(&changes);
    conf_draft_free(d);
    conf_draft_free(again);
    return 0;
}
