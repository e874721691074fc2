/*
 * Fuzz target of receiving: any octets into an SMTP or QMQP conversation of a whole receive process with a real spool.
 *
 * The first octet chooses protocol, listener and the size of the pieces. Nothing may stop the process, every session ends,
 * no message is left behind.
 */
#include "receive/inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TURNS = 2000 };

static const char lines[] = "system.hostname=mx.test\n"
                            "spool.segment_bytes=4M\n"
                            "spool.min_free_bytes=16M\n"
                            "spool.min_free_percent=0\n"
                            "receiving.reverse_dns=no\n"
                            "mail_flow_policy.ACCEPTED.max_message_bytes=20000\n"
                            "mail_flow_policy.RELAYED.behavior=relay\n"
                            "listener.In.type=public\n"
                            "listener.In.rat=ours.test,nobody@ours.test reject\n"
                            "listener.Out.type=private\n"
                            "sender_group.RELAYLIST.listener=Out\n"
                            "sender_group.RELAYLIST.policy=RELAYED\n"
                            "sender_group.RELAYLIST.members=ALL\n";

static struct receive *process(void)
{
    static struct receive *r;
    static char home[] = "/tmp/receive-fuzz-XXXXXX";
    struct receive_options o = {0};
    struct err e = ERR_NONE;
    char dir[64];

    if (r)
        return r;
    must(mkdtemp(home));
    snprintf(dir, sizeof dir, "%s/spool", home);
    mkdir(dir, 0700);
    o.loop = loop_new();
    o.board = board_map(board_create());
    o.bus = bus_new(o.loop, ROLE_receive, 0);
    o.conf = conf_source_test(lines, &e);
    o.home = home;
    must(o.conf);
    board_store(&o.board->numbers_ready, 1);
    must(receive_new(&o, &r, &e) == RC_OK);
    return r;
}

static void feed(struct receive *r, struct conversation *c, struct str in, size_t piece)
{
    while (in.n && !c->ended) {
        conversation_feed(c, str_first(in, piece));
        in = str_from(in, piece);
        for (int i = 0; i < TURNS && c->at.what == STEP_CALL && !c->ended; i++)
            loop_turn(r->o.loop, true);
        if (c->at.what == STEP_TLS && !c->ended)
            conversation_test_tls(c, NULL);
        if (c->at.what == STEP_FLUSH && !c->ended) {
            buf_clear(&c->out);
            conversation_input_came(c);
        }
    }
    if (!c->ended)
        conversation_feed_eof(c);
}

/* Queue has taken everything. */
static void confirm(struct receive *r)
{
    announce_free(r->announce);
    r->announce = announce_new(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct receive *r = process();
    struct listener *l;
    struct conversation *c;

    if (size < 1)
        return 0;
    l = calloc(1, sizeof *l);
    must(l);
    l->ctx.handler = &session_handler;
    l->receive = r;
    l->name = data[0] & 1 ? str_lit("In") : str_lit("Out");
    c = conversation_test_new(data[0] & 2 ? &qmqp_kind : &session_kind, l);
    conversation_run(c);
    feed(r, c, str_of(data + 1, size - 1), (size_t)(data[0] >> 2) * 4 + 1);
    loop_turn(r->o.loop, false);
    conversation_test_free(c);
    must(r->open == 0 && l->open == 0 && !r->sessions);
    free(l);
    if (announce_full(r->announce))
        confirm(r);
    return 0;
}
