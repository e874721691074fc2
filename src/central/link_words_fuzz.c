/* Any octets as lines before SSH: once as what a gateway says to the manager, once as what a server says to the gateway; TLS
 * "succeeds" where it is asked for. What is taken has the form it must have. */
#include "base/must.h"
#include "central/link_names.h"
#include "central/link_words.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_word(const char *word)
{
    must(strlen(word) <= LINK_WORD_MAX);
    for (; *word; word++)
        must(ascii_alpha(*word) || ascii_digit(*word) || *word == '-' || *word == '_');
}

static void as_host(struct str in, bool announce)
{
    struct link_host h = {.name = str_lit("mgr.example.org"), .has_tls = true};
    struct buf reply = BUF(1 << 20);
    struct str line;

    link_host_greet(&h, &reply);
    while (str_split(&in, '\n', &line)) {
        enum link_next next = link_host_line(&h, str_trim(line), &reply);

        if (next == LINK_HANDSHAKE) {
            must(!h.tls);
            link_host_tls(&h, announce);
        }
        if (next == LINK_READY) {
            must(h.tls && announce && !h.serial[0] != !h.token[0]);
            check_word(h.serial);
            check_word(h.token);
        }
        if (next == LINK_READY || next == LINK_END)
            break;
    }
    must(!reply.failed && (!reply.n || str_ends(buf_str(&reply), str_lit("\r\n"))));
    buf_done(&reply);
}

static void as_caller(struct str in)
{
    struct link_caller c = {.name = str_lit("gw.example.org"), .serial = str_lit("42AA-BB")};
    struct buf out = BUF(1 << 20);
    struct str line;
    bool tls = false;

    while (str_split(&in, '\n', &line)) {
        enum link_next next = link_caller_line(&c, str_trim(line), &out);

        if (next == LINK_HANDSHAKE) {
            must(!tls);
            tls = true;
            link_caller_tls(&c, &out);
        }
        must(next != LINK_READY || (tls && c.state == CALLER_XLINK));
        must(next != LINK_END || c.e.rc != RC_OK);
        if (next == LINK_READY || next == LINK_END)
            break;
    }
    must(!out.failed);
    buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = str_of(data, size);
    struct link_port port;

    if (!size)
        return 0;
    as_host(str_from(in, 1), in.p[0] & 1);
    as_caller(str_from(in, 1));
    link_port_parse(in, &port);
    link_channel_find(in, 22);
    return 0;
}
