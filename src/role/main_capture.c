/*
 * Role `capture`: writes one packet capture (capture/capture.h). Runs only while one is wanted: control asks for it, master
 * hands over the socket "capture.packets".
 *
 * Verbs of control: start, status, stop. A capture that ends by itself is told to control, which then ends this role.
 */
#include "base/must.h"
#include "capture/capture.h"
#include "conf/product.h"
#include "role/role.h"

#include <inttypes.h>
#include <stdlib.h>

struct recorder {
    struct process *process;
    struct capture *capture;
};

static int packets_of(const struct process *p)
{
    for (size_t i = 0; i < p->n_sockets; i++)
        if (str_eq(str_c(p->sockets[i].name), str_lit("capture.packets")))
            return p->sockets[i].fd;
    return -1;
}

static void put_state(struct recorder *r, struct buf *text, struct buf *json)
{
    struct capture_state s = capture_state(r->capture);

    buf_addf(text,
             "Status: Capture %s (Duration: %" PRIu64 "s)\nFile Name: %s (Size: %" PRIu64 " KB)\nPackets: %" PRIu64
             " captured, %" PRIu64 " lost\n",
             s.running ? "in progress" : "stopped", s.seconds, s.file, (s.bytes + 1023) / 1024, s.packets, s.lost);
    buf_addf(json,
             "{\"running\":%s,\"file\":\"%s\",\"bytes\":%" PRIu64 ",\"packets\":%" PRIu64 ",\"lost\":%" PRIu64
             ",\"seconds\":%" PRIu64 "}",
             s.running ? "true" : "false", s.file, s.bytes, s.packets, s.lost, s.seconds);
}

static void ended(void *ctx, struct str why)
{
    struct recorder *r = ctx;
    struct buf text = BUF(4096), json = BUF(4096);
    struct bus_capture_ended m;

    put_state(r, &text, &json);
    m = (struct bus_capture_ended){.why = why, .text = buf_str(&text)};
    bus_send(r->process->bus, bus_peer(r->process->bus, ROLE_control, 0), BUS_capture_ended, &m);
    buf_done(&text);
    buf_done(&json);
}

static enum rc begin(struct recorder *r, struct err *e)
{
    const struct conf *now = conf_now(r->process->conf);
    const struct capture_options o = {.loop = r->process->loop,
                                      .packets = packets_of(r->process),
                                      .home = r->process->home,
                                      .model = now->system.role == 1 ? str_lit(PRODUCT_MODEL_MANAGER)
                                                                     : str_lit(PRODUCT_MODEL_GATEWAY),
                                      .serial = now->system.serial,
                                      .settings = &now->capture,
                                      .ended = ended,
                                      .ctx = r};

    if (r->capture)
        return err_set(e, RC_EXISTS, "A capture is running already");
    if (o.packets < 0)
        return err_set(e, RC_UNAVAILABLE, "There is no socket to capture from");
    return capture_start(&o, &r->capture, e);
}

static void on_verb(void *ctx, const struct bus_in *in)
{
    struct recorder *r = ctx;
    const struct bus_verb_call *call = in->msg;
    struct buf text = BUF(4096), json = BUF(4096);
    struct bus_verb_reply reply = {.rc = RC_UNKNOWN_COMMAND};
    struct err e = ERR_NONE;

    if (str_eq(call->verb, str_lit("start"))) {
        reply.rc = begin(r, &e);
    } else if (str_eq(call->verb, str_lit("stop"))) {
        capture_stop(r->capture); /* it lives until the loop turns: its state can be told */
        reply.rc = RC_OK;
    } else if (str_eq(call->verb, str_lit("status"))) {
        reply.rc = RC_OK;
    }
    if (reply.rc == RC_OK)
        put_state(r, &text, &json);
    else
        buf_addf(&text, "%s\n", err_text(&e));
    if (str_eq(call->verb, str_lit("stop")))
        r->capture = NULL;
    reply.text = buf_str(&text);
    reply.json = buf_str(&json);
    bus_reply(r->process->bus, in->from, in->call, BUS_verb_reply, &reply);
    buf_done(&text);
    buf_done(&json);
}

static enum rc start(struct process *p, struct err *e)
{
    struct recorder *r = calloc(1, sizeof *r);

    (void)e;
    must(r);
    r->process = p;
    p->state = r;
    bus_on(p->bus, BUS_verb_call, on_verb, r);
    return RC_OK;
}

static void stop(struct process *p)
{
    struct recorder *r = p->state;

    capture_stop(r->capture);
    r->capture = NULL;
    role_leave(p);
}

int main(int argc, char **argv)
{
    static const struct role_kind kind = {.kind = ROLE_capture, .start = start, .stop = stop};

    return role_main(&kind, argc, argv);
}
