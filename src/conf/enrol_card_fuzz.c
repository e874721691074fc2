/* What a partner says of itself (hello, smaconfig enrol, enrol.manager): never crashes, and what is taken can be said again.
 */
#include "base/must.h"
#include "conf/enrol_card.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct enrol_card card, again;
    struct buf out = BUF(1 << 20);
    struct arena a;

    arena_init(&a, 4096, 8 << 20);
    if (enrol_card_read(&a, str_of(data, size), &card, NULL) == RC_OK) {
        buf_addf(&out, "{\"proto\":%d,", ENROL_PROTO);
        enrol_card_write(&card, &out);
        enrol_card_ports(&card, &out);
        buf_addc(&out, '}');
        if (out.n <= ENROL_JSON_MAX) { /* what was escaped shorter may be too long now */
            must(enrol_card_read(&a, buf_str(&out), &again, NULL) == RC_OK);
            must(str_eq(card.serial, again.serial) && str_eq(card.print, again.print) &&
                 str_eq(card.ssh_key, again.ssh_key));
            must(card.pvo_port == again.pvo_port && card.revoke == again.revoke && str_eq(card.request, again.request));
        }
    }
    buf_done(&out);
    arena_done(&a);
    return 0;
}
