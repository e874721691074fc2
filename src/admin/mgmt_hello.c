/*
 * hello of a manager: protocol and serial number agree, then who we are and what we have (central.md 4).
 *
 * Called by verb_mgmt.c. Owns nothing. What is said is foreign: strict JSON, keys that are not known are passed over.
 */
#include "admin/enrol.h"
#include "admin/mgmt.h"
#include "admin/slbl.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/json_read.h"
#include "conf/product.h"

#include <inttypes.h>

struct hello {
    uint64_t proto;
    enum rc rc;
    struct str exports; /* what record says: {"epoch":N,"exports":{...}} */
    struct str card;    /* members: our fingerprints, keys, what is to be signed */
};

static void take(struct verb_call *c, const struct bus_verb_reply *r)
{
    struct hello *h = c->state;

    h->rc = r->rc < RC_COUNT ? (enum rc)r->rc : RC_INTERNAL;
    h->exports = arena_str(&c->arena, r->json);
}

static void member(struct buf *out, const char *key, struct str value)
{
    buf_addf(out, ",\"%s\":", key);
    json_str(out, value);
}

static const char *yes(bool on)
{
    return on ? "true" : "false";
}

static void put_services(const struct conf *conf, struct buf *out)
{
    buf_addf(out, ",\"services\":{\"reporting\":%s,\"tracking\":%s,\"spam\":%s,\"pvo\":%s}", yes(conf->reporting.enabled),
             yes(conf->tracking.enabled), yes(conf->spam_quarantine.central), yes(conf->pvo.central));
}

/* Tokens: what the protocol may use, then what judges mail here: a manager compares them with those of an alternate release
 * appliance. */
static void put_features(const struct conf *conf, struct buf *out)
{
    const struct {
        const char *token;
        bool on;
    } rows[] = {{"cut", true},
                {"resume", true},
                {"anti-spam", conf->antispam.enabled},
                {"anti-virus", conf->antivirus.enabled},
                {"graymail", conf->graymail.enabled},
                {"outbreak", conf->outbreak.enabled},
                {"dlp", conf->dlp_policy.n > 0}};

    buf_add(out, str_lit(",\"features\":["));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].on)
            buf_addf(out, "%s\"%s\"", i ? "," : "", rows[i].token);
    buf_addc(out, ']');
}

/* "epoch" and "exports" as record gave them; without record there is nothing to fetch now. */
static void put_exports(struct verb_call *c, const struct hello *h, struct buf *out)
{
    const struct json *v = NULL, *exports;
    uint64_t epoch = 0;

    if (h->rc != RC_OK || json_read(&c->arena, h->exports, &v, NULL) != RC_OK)
        v = NULL;
    json_u64(json_get(v, "epoch"), &epoch);
    exports = json_get(v, "exports");
    buf_addf(out, ",\"epoch\":%" PRIu64 ",\"exports\":", epoch);
    buf_add(out, exports ? exports->raw : str_lit("{}"));
}

static void answer(struct verb_call *c)
{
    const struct hello *h = c->state;
    const struct conf *conf = &c->admin->current->conf;
    const struct conf_manager *m = mgmt_manager(c);
    struct buf out = BUF(1 << 20);

    if (!m) {
        mgmt_err(c, 403, "this manager is not enrolled any more");
        return;
    }
    buf_addf(&out, "{\"proto\":%" PRIu64, h->proto);
    member(&out, "serial", conf->system.serial);
    member(&out, "host", conf->system.hostname);
    buf_add(&out, str_lit(",\"role\":\"gateway\",\"model\":\"" PRODUCT_MODEL_GATEWAY "\",\"ver\":\"" PRODUCT_RELEASE "\""));
    put_services(conf, &out);
    put_exports(c, h, &out);
    buf_add(&out, str_lit(",\"reach\":"));
    mgmt_reach_put(c->admin, m, &out);
    put_features(conf, &out);
    buf_addf(&out, ",\"slbl_version\":%" PRIu64 ",\"time\":%" PRIu64, slbl_version(c->admin), clock_wall_ms());
    buf_add(&out, h->card);
    buf_addc(&out, '}');
    mgmt_ok(c, buf_str(&out), STR_NONE);
    buf_done(&out);
}

/* Enrolment's part of hello (enrol.h). False: the call has ended, refused or as the farewell of this manager. */
static bool keep_card(struct verb_call *c, struct hello *h, struct str json, bool farewell)
{
    struct buf members = BUF(ENROL_JSON_MAX);
    struct err e = ERR_NONE;
    enum rc rc = enrol_hello(c->admin, c->user, json, &members, &e);

    if (rc == RC_OK)
        h->card = arena_str(&c->arena, buf_str(&members));
    buf_done(&members);
    if (rc == RC_NOT_IMPLEMENTED)
        mgmt_err(c, 505, "%s", err_text(&e));
    else if (rc != RC_OK)
        mgmt_fail(c, rc, str_c(err_text(&e)));
    else if (farewell)
        mgmt_ok(c, STR_NONE, STR_NONE);
    return rc == RC_OK && !farewell;
}

void mgmt_hello(struct verb_call *c, struct strs args)
{
    const struct conf_manager *m = mgmt_manager(c);
    struct hello *h = arena_must_alloc(&c->arena, sizeof *h);
    const struct json *v = NULL;
    struct str serial, status[2];

    if (args.n != 1 || json_read(&c->arena, args.items[0], &v, NULL) != RC_OK || !json_is(v, JSON_OBJECT) ||
        !json_u64(json_get(v, "proto"), &h->proto)) {
        mgmt_err(c, 400, "hello wants a JSON object with proto on its input");
        return;
    }
    if (h->proto < 1) {
        mgmt_err(c, 505, "no common protocol: this gateway speaks 1 to %d", MGMT_PROTO);
        return;
    }
    h->proto = h->proto < MGMT_PROTO ? h->proto : MGMT_PROTO;
    serial = json_str_of(json_get(v, "serial"));
    if (!m || (m->serial.n && !str_eq(m->serial, serial))) {
        mgmt_err(c, 403, "serial number %.*s is not the one of this manager", STR(str_first(serial, 64)));
        return;
    }
    if (!keep_card(c, h, args.items[0], json_is(json_get(v, "revoke"), JSON_TRUE)))
        return;
    m = mgmt_manager(c); /* what it said may be settings now */
    status[0] = str_lit("status");
    status[1] = m ? m->serial : STR_NONE;
    h->rc = RC_UNAVAILABLE;
    c->state = h;
    c->take = take;
    c->last = answer;
    verb_ask(c, ROLE_record, "exports", (struct strs){status, status[1].n ? 2 : 1});
    verb_wait(c);
}
