/*
 * hello to a gateway: which protocol, who it is, how its clock goes. See greet.h.
 *
 * Called in the threads of line.c. Owns nothing. What the gateway says is foreign: it is read strictly, unknown keys are
 * passed over, and an answer that lacks what every gateway has is an error with a reason.
 */
#include "central/greet.h"

#include "base/clock.h"
#include "base/json_read.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { HELLO_MAX = 1 << 20, TREE_MAX = 8 << 20 };

static enum rc take(const struct json *v, struct greeting *g, uint64_t *time_ms, struct err *e)
{
    struct str serial = json_str_of(json_get(v, "serial"));

    if (!json_is(v, JSON_OBJECT) || !json_u64(json_get(v, "proto"), &g->proto) || !json_u64(json_get(v, "time"), time_ms) ||
        !serial.n || serial.n >= sizeof g->serial)
        return err_set(e, RC_INVALID, "an answer to hello without proto, serial or time");
    for (size_t i = 0; i < serial.n; i++)
        if ((unsigned char)serial.p[i] <= ' ' || (unsigned char)serial.p[i] >= 0x7f)
            return err_set(e, RC_INVALID, "an answer to hello with a serial number that is none");
    snprintf(g->serial, sizeof g->serial, "%.*s", STR(serial));
    json_u64(json_get(v, "epoch"), &g->epoch);
    json_u64(json_get(v, "slbl_version"), &g->slbl_version);
    return RC_OK;
}

static enum rc parse(struct str json, struct greeting *out, uint64_t *time_ms, struct err *e)
{
    struct greeting g = {0};
    struct arena a;
    const struct json *v;
    enum rc rc;

    arena_init(&a, 4096, TREE_MAX);
    rc = json_read(&a, json, &v, e);
    if (rc == RC_OK)
        rc = take(v, &g, time_ms, e);
    arena_done(&a);
    if (rc != RC_OK)
        return rc;
    g.json = strndup(json.p, json.n);
    *out = g;
    return g.json ? RC_OK : err_set(e, RC_NO_MEMORY, "no memory");
}

enum rc greeting_parse(struct str json, struct greeting *out, struct err *e)
{
    uint64_t time_ms;

    return parse(json, out, &time_ms, e);
}

void greeting_done(struct greeting *g)
{
    free(g->json);
    *g = (struct greeting){0};
}

/* Right peer, right protocol? */
static enum rc judge(const struct greeting *g, const char *serial, struct err *e)
{
    if (g->proto < 1 || g->proto > CENTRAL_PROTO)
        return err_set(e, RC_NOT_IMPLEMENTED, "the appliance speaks protocol %" PRIu64 ", this manager 1 to %d", g->proto,
                       CENTRAL_PROTO);
    if (*serial && strcmp(serial, g->serial) != 0)
        return err_set(e, RC_NOT_PERMITTED, "the appliance says serial number %s, enrolled is %s", g->serial, serial);
    return RC_OK;
}

enum rc greet(struct ssh_line *l, const char *ours, const char *serial, struct greeting *out, struct err *e)
{
    struct buf input = BUF(HELLO_MAX), reply = BUF(HELLO_MAX);
    uint64_t begun = clock_mono_ms(), wall = clock_wall_ms(), theirs = 0;
    enum rc rc;

    buf_addf(&input, "{\"time\":%" PRIu64 "%s%s\n", wall, ours[1] == '}' ? "" : ",", ours + 1);
    rc = ssh_line_verb(l, str_lit("hello"), buf_str(&input), &reply, -1, e);
    if (rc == RC_NOT_IMPLEMENTED && ssh_line_code(l) == 505)
        err_wrap(e, rc, "no common protocol");
    if (rc == RC_OK)
        rc = parse(buf_str(&reply), out, &theirs, e);
    if (rc == RC_OK) {
        out->rtt_ms = clock_mono_ms() - begun;
        out->clock_ms = (int64_t)theirs - (int64_t)(wall + out->rtt_ms / 2);
        rc = judge(out, serial, e);
        if (rc != RC_OK)
            greeting_done(out);
    }
    buf_done(&input);
    buf_done(&reply);
    return rc;
}
