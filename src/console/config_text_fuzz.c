/* Any text as host access table, as items of a section, as aliases; what is read writes a text that reads back. */
#include "base/must.h"
#include "console/alias_text.h"
#include "console/hat_text.h"
#include "console/item_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct conf_draft *d = conf_draft_new();
    struct str text = str_of(data, size);
    struct buf b = BUF(1 << 22), again = BUF(1 << 22);
    struct err e = ERR_NONE;

    must(d && conf_draft_lines(d, str_lit("listener.In.port=25\nlistener.Out.port=26\nsender_group.ALL"), NULL) == RC_OK);
    if (hat_text_read(d, str_lit("In"), text, &e) == RC_OK) {
        hat_text_write(&d->conf, str_lit("In"), &b);
        if (hat_text_read(d, str_lit("In"), buf_str(&b), &e) == RC_OK) {
            hat_text_write(&d->conf, str_lit("In"), &again);
            must(again.failed || b.failed || str_eq(buf_str(&b), buf_str(&again)));
        }
    }
    conf_draft_free(d);
    d = conf_draft_new();
    must(d);
    item_text_read(d, conf_section_find(str_lit("destination")), text, &e);
    buf_clear(&b);
    buf_clear(&again);
    if (alias_text_read(d, text, &e) == RC_OK) {
        alias_text_write(&d->conf, &b);
        must(b.failed || alias_text_read(d, buf_str(&b), &e) == RC_OK);
        alias_text_write(&d->conf, &again);
        must(again.failed || b.failed || str_eq(buf_str(&b), buf_str(&again)));
    }
    conf_draft_free(d);
    buf_done(&b);
    buf_done(&again);
    return 0;
}
