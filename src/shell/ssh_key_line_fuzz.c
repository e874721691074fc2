/* Any octets: what is taken lies inside the line, is of a known kind, and reads the same when written plainly again. */
#include "base/buf.h"
#include "base/must.h"
#include "shell/ssh_key_line.h"

static bool inside(struct str part, struct str line)
{
    return part.n == 0 || (part.p >= line.p && part.p + part.n <= line.p + line.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str line = str_of(data, size);
    struct address_ip peer = {.family = AF_INET, .octets = {192, 0, 2, 1}};
    struct ssh_key_line k, again;
    struct buf plain = BUF(1 << 20);
    bool fits;

    if (ssh_key_line_parse(line, &k, NULL) != RC_OK)
        return 0;
    must(inside(k.type, line) && inside(k.blob, line) && inside(k.comment, line) && inside(k.from, line));
    must(k.type.n && k.blob.n);
    fits = ssh_key_line_fits(&k, &peer);
    must(fits || k.from.p);
    buf_addf(&plain, "%.*s %.*s %.*s", STR(k.type), STR(k.blob), STR(k.comment));
    must(ssh_key_line_parse(buf_str(&plain), &again, NULL) == RC_OK);
    must(str_eq(again.type, k.type) && str_eq(again.blob, k.blob) && str_eq(again.comment, k.comment) && !again.from.p);
    buf_done(&plain);
    return 0;
}
