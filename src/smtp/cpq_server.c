/*
 * CPQ server: XCPQ and XMETA, and when which command may come. See cpq_server.h.
 *
 * Run by the SMTP server conversation as its extra commands. Owns the metadata of the transaction. A command out of place is
 * 503 and changes nothing, its octets are consumed; a length beyond ten times its maximum ends the connection.
 */
#include "smtp/cpq_server.h"

#include "base/clock.h"
#include "mail/envelope.h"
#include "smtp/server_inside.h"

enum { META_ARENA = 4096, META_ARENA_MAX = 64 << 20, META_DEFAULT = CPQ_META_MAX, RECIPIENTS_MAX = ENVELOPE_RECIPIENTS };

static const char *const offers[] = {"XCPQ 1", NULL};

/* ---- order (central.md 7.2) --------------------------------------------------------------------------------------- */

static bool is_word(struct str name, const char *word)
{
    return str_eqi(name, str_c(word));
}

static enum rc permits(struct smtp_server *s, struct str name)
{
    static const char *const never[] = {"AUTH", "VRFY", "EXPN", "XCLIENT"};
    static const char *const plain[] = {"EHLO", "HELO", "NOOP", "QUIT", "STARTTLS"};
    struct cpq_server *cs = cpq_server_of(s);
    bool may = !s->tls_required || s->c.tls;

    for (size_t i = 0; !may && i < sizeof plain / sizeof *plain; i++)
        may = is_word(name, plain[i]);
    if (!may)
        return RC_TLS_REQUIRED;
    for (size_t i = 0; i < sizeof never / sizeof *never; i++)
        if (is_word(name, never[i]))
            return RC_UNKNOWN_COMMAND;
    if (is_word(name, "MAIL") && !cs->said_hello)
        return RC_WRONG_ORDER;
    if (is_word(name, "RCPT") && cs->tried_meta)
        return RC_WRONG_ORDER;
    if (is_word(name, "RCPT") && s->recipients >= RECIPIENTS_MAX)
        return RC_TOO_MANY_RECIPIENTS;
    if ((is_word(name, "DATA") || is_word(name, "BDAT")) && (!s->in_mail || !cs->has_meta))
        return RC_WRONG_ORDER;
    return RC_OK;
}

static void forget(struct smtp_server *s)
{
    struct cpq_server *cs = cpq_server_of(s);

    cs->has_meta = cs->tried_meta = false;
    cs->recipients_hash = 0;
    cs->meta = (struct cpq_meta){0};
    buf_clear(&cs->meta_text);
    buf_shrink(&cs->meta_text, 16384);
    arena_reset(&cs->meta_arena);
}

/* ---- values -------------------------------------------------------------------------------------------------------- */

void cpq_encode(struct str in, struct buf *out)
{
    for (size_t i = 0; i < in.n; i++) {
        unsigned char c = (unsigned char)in.p[i];

        if (c > 32 && c < 127 && c != '+' && c != '=')
            buf_addc(out, (char)c);
        else
            buf_addf(out, "+%02X", c);
    }
}

struct str cpq_pair(const struct cpq_pairs *p, const char *key)
{
    for (size_t i = 0; i < p->n; i++)
        if (str_eqi(p->keys[i], str_c(key)))
            return p->values[i];
    return STR_NONE;
}

/* Unknown keys are kept too: who asks ignores them. A key twice is a fault. */
static enum rc read_pairs(struct arena *a, struct str in, struct cpq_pairs *out, struct err *e)
{
    struct str word;

    out->n = 0;
    while (str_word(&in, &word)) {
        size_t cut = str_find(word, '=');

        if (!cut || cut == word.n || out->n == sizeof out->keys / sizeof *out->keys)
            return err_set(e, RC_SYNTAX, "expected key=value");
        out->keys[out->n] = str_first(word, cut);
        if (cpq_pair(out, arena_str(a, str_first(word, cut)).p).p)
            return err_set(e, RC_SYNTAX, "a key twice");
        TRY(address_xtext_decode(a, str_from(word, cut + 1), &out->values[out->n], e));
        if (!out->values[out->n].p)
            out->values[out->n].p = "";
        out->n++;
    }
    return RC_OK;
}

/* ---- XCPQ ---------------------------------------------------------------------------------------------------------- */

static struct step bad(struct cpq_server *cs, enum rc rc, const char *text)
{
    return smtp_server_bad(&cs->s, rc, text, str_lit("XCPQ"));
}

static struct step no_such(struct cpq_server *cs, const char *text)
{
    smtp_refuse_as(&cs->s, 504, str_lit("5.5.4"), str_c(text));
    return smtp_server_go_on();
}

static struct step answered_hello(struct cpq_server *cs, const struct cpq_hello *h)
{
    struct buf line = BUF(1024);

    cs->hello = *h;
    cs->said_hello = true;
    buf_addf(&line, "XCPQ proto=%d serial=", CPQ_PROTO);
    cpq_encode(cs->o.serial, &line);
    buf_add(&line, str_lit(" role="));
    cpq_encode(cs->o.role, &line);
    buf_add(&line, str_lit(" ver="));
    cpq_encode(cs->o.version, &line);
    buf_addf(&line, " maxmeta=%llu maxsize=%llu", (unsigned long long)cs->o.max_meta, (unsigned long long)cs->o.max_bytes);
    buf_addf(&line, " now=%llu", (unsigned long long)clock_wall_ms());
    smtp_refuse_as(&cs->s, 250, str_lit("2.0.0"), buf_str(&line));
    buf_done(&line);
    return smtp_server_go_on();
}

static struct step do_hello(struct cpq_server *cs, const struct cpq_pairs *p)
{
    struct arena *a = &cs->s.c.arena;
    struct cpq_hello h = {.serial = arena_str(a, cpq_pair(p, "serial")),
                          .role = arena_str(a, cpq_pair(p, "role")),
                          .version = arena_str(a, cpq_pair(p, "ver")),
                          .feat = arena_str(a, cpq_pair(p, "feat"))};
    struct err e = ERR_NONE;
    enum rc rc;

    if (cs->said_hello || !cs->s.extended)
        return bad(cs, RC_WRONG_ORDER, NULL);
    if (!str_u64(cpq_pair(p, "proto"), &h.proto) || !h.serial.n || !cpq_class_find(cpq_pair(p, "class"), &h.class))
        return bad(cs, RC_SYNTAX, "HELLO needs proto, serial, role, ver and class");
    if (h.proto < CPQ_PROTO)
        return no_such(cs, "no common version of XCPQ");
    rc = cs->o.handler->hello ? cs->o.handler->hello(cs, &h, &e) : RC_OK;
    if (rc != RC_OK) {
        e.rc = rc;
        return smtp_server_bad_err(&cs->s, &e, str_lit("XCPQ HELLO"));
    }
    return answered_hello(cs, &h);
}

void cpq_status_line(struct cpq_server *cs, const char *key, struct str value)
{
    struct buf *out = &cs->s.c.out;

    buf_addf(out, "250-%s=", key);
    cpq_encode(value, out);
    buf_add(out, str_lit("\r\n"));
}

static struct step do_status(struct cpq_server *cs, const struct cpq_pairs *p)
{
    (void)p;
    if (cs->o.handler->status)
        cs->o.handler->status(cs);
    smtp_refuse_as(&cs->s, 250, str_lit("2.0.0"), str_lit("end"));
    return smtp_server_go_on();
}

static struct step do_query(struct cpq_server *cs, const struct cpq_pairs *p)
{
    struct buf text = BUF(900);
    uint64_t mid;
    enum rc rc;

    if (!str_u64(cpq_pair(p, "mid"), &mid) || !cpq_pair(p, "serial").n)
        return bad(cs, RC_SYNTAX, "QUERY needs serial and mid");
    buf_add(&text, str_lit("known "));
    rc = cs->o.handler->query ? cs->o.handler->query(cs, cpq_pair(p, "serial"), mid, cpq_pair(p, "rel"), &text)
                              : RC_NOT_FOUND;
    if (rc == RC_OK)
        smtp_refuse_as(&cs->s, 250, str_lit("2.0.0"), buf_str(&text));
    else if (rc == RC_NOT_FOUND)
        smtp_refuse_as(&cs->s, 550, str_lit("5.1.1"), str_lit("unknown"));
    else
        smtp_refuse(&cs->s, rc, NULL);
    buf_done(&text);
    return smtp_server_go_on();
}

static struct step do_rescan(struct cpq_server *cs, const struct cpq_pairs *p)
{
    struct err e = ERR_NONE;
    enum rc rc;

    if (cs->hello.class != CPQ_PVO || !cs->o.handler->rescan)
        return no_such(cs, "RESCAN is not for this class");
    rc = cs->o.handler->rescan(cs, p, &e);
    if (rc == RC_OK)
        smtp_reply(&cs->s, SMTP_OK);
    else
        smtp_refuse(&cs->s, rc, &e);
    return smtp_server_go_on();
}

static struct step do_drop(struct cpq_server *cs, const struct cpq_pairs *p)
{
    struct err e = ERR_NONE;
    uint64_t mid;
    enum rc rc;

    if (cs->hello.class != CPQ_PVO_RELEASE || !cs->o.handler->drop)
        return no_such(cs, "DROP is not for this class");
    if (!str_u64(cpq_pair(p, "mid"), &mid))
        return bad(cs, RC_SYNTAX, "DROP needs mid");
    rc = cs->o.handler->drop(cs, mid, &e);
    if (rc == RC_OK)
        smtp_reply(&cs->s, SMTP_OK);
    else
        smtp_refuse(&cs->s, rc, &e);
    return smtp_server_go_on();
}

static struct step xcpq(struct smtp_server *s, struct str args)
{
    static const struct {
        const char *verb;
        bool ready; /* only in state READY */
        struct step (*run)(struct cpq_server *cs, const struct cpq_pairs *p);
    } verbs[] = {{"HELLO", false, do_hello},
                 {"STATUS", true, do_status},
                 {"QUERY", true, do_query},
                 {"RESCAN", true, do_rescan},
                 {"DROP", true, do_drop}};
    struct cpq_server *cs = cpq_server_of(s);
    struct arena scratch;
    struct cpq_pairs pairs;
    struct step step;
    struct err e = ERR_NONE;
    struct str verb = STR_NONE;
    size_t i = 0;

    if (s->tls_required && !s->c.tls)
        return bad(cs, RC_TLS_REQUIRED, NULL);
    str_word(&args, &verb);
    while (i < sizeof verbs / sizeof *verbs && !is_word(verb, verbs[i].verb))
        i++;
    if (i == sizeof verbs / sizeof *verbs)
        return no_such(cs, "unknown XCPQ verb");
    if (s->in_mail || (verbs[i].ready && !cs->said_hello))
        return bad(cs, RC_WRONG_ORDER, NULL);
    arena_init(&scratch, 1024, 64 << 10);
    if (read_pairs(&scratch, args, &pairs, &e) != RC_OK)
        step = smtp_server_bad_err(s, &e, str_lit("XCPQ"));
    else
        step = verbs[i].run(cs, &pairs);
    arena_done(&scratch);
    return step;
}

/* ---- XMETA --------------------------------------------------------------------------------------------------------- */

/* A gateway speaks of its own mail; released mail keeps the serial number of its origin (central.md 7.3). */
static bool serial_fits(const struct cpq_server *cs)
{
    return cs->hello.class == CPQ_PVO_RELEASE || cs->hello.class == CPQ_SPAM_RELEASE ||
           str_eqi(cs->meta.serial, cs->hello.serial);
}

static struct step judge_meta(struct cpq_server *cs)
{
    struct err e = ERR_NONE;
    enum rc rc = cs->meta_text.failed ? err_set(&e, RC_NO_MEMORY, "out of memory")
                                      : cpq_meta_read(&cs->meta_arena, buf_str(&cs->meta_text), &cs->meta, &e);

    if (rc == RC_OK && (cs->meta.class != cs->hello.class || !serial_fits(cs)))
        rc = err_set(&e, RC_INVALID, "metadata: class or serial is not that of HELLO");
    if (rc == RC_NO_MEMORY) {
        smtp_refuse(&cs->s, rc, &e);
    } else if (rc != RC_OK) {
        cpq_refuse_content(cs, &e);
    } else {
        cs->has_meta = true;
        smtp_refuse_as(&cs->s, 250, str_lit("2.0.0"), str_lit("meta ok"));
    }
    return smtp_server_go_on();
}

static struct step read_meta(struct conversation *c)
{
    struct smtp_server *s = smtp_server_of(c);
    struct cpq_server *cs = cpq_server_of(s);
    struct str in = conversation_input(c);

    if (in.n > cs->coming.left)
        in.n = (size_t)cs->coming.left;
    if (!cs->coming.discard)
        buf_add(&cs->meta_text, in);
    conversation_take(c, in.n);
    cs->coming.left -= in.n;
    if (cs->coming.left)
        return c->eof ? smtp_server_lost(s) : step_read(read_meta, s->idle_ms);
    if (!cs->coming.discard)
        return judge_meta(cs);
    cs->coming.discard = false;
    return smtp_server_bad(s, cs->coming.rc, NULL, str_lit("XMETA"));
}

/* Refused, but its octets follow all the same, and the answer comes behind them. */
static struct step discard(struct cpq_server *cs, enum rc rc)
{
    cs->coming.discard = true;
    cs->coming.rc = rc;
    return step_goto(read_meta);
}

static struct step xmeta(struct smtp_server *s, struct str args)
{
    struct cpq_server *cs = cpq_server_of(s);

    if (args.n > 19 || !str_u64(args, &cs->coming.left))
        return smtp_server_bad(s, RC_SYNTAX, "expected XMETA length", str_lit("XMETA"));
    if (cs->coming.left / 10 > cs->o.max_meta) {
        smtp_refuse_as(s, 421, str_lit("4.7.0"), str_lit("that length is beyond all sense"));
        s->how = SMTP_END_CLOSED;
        return step_end();
    }
    if (s->tls_required && !s->c.tls)
        return discard(cs, RC_TLS_REQUIRED);
    if (!s->in_mail || !s->recipients || cs->tried_meta)
        return discard(cs, RC_WRONG_ORDER);
    cs->tried_meta = true;
    if (cs->coming.left > cs->o.max_meta)
        return discard(cs, RC_TOO_LARGE);
    cs->coming.discard = false;
    buf_clear(&cs->meta_text);
    return step_goto(read_meta);
}

/* ---- the face ------------------------------------------------------------------------------------------------------- */

void cpq_server_begin(struct cpq_server *cs, const struct cpq_server_options *o)
{
    static const struct smtp_extra_command commands[] = {{{"XCPQ", 4}, xcpq}, {{"XMETA", 5}, xmeta}};
    static const struct smtp_extra extra = {commands, 2, offers, permits, forget};
    struct smtp_server *s = &cs->s;

    cs->o = *o;
    if (!cs->o.max_meta)
        cs->o.max_meta = META_DEFAULT;
    cs->meta_text = BUF((size_t)cs->o.max_meta);
    arena_init(&cs->meta_arena, META_ARENA, META_ARENA_MAX);
    s->extra = &extra;
    s->offers = SMTP_OFFER_UTF8 | SMTP_OFFER_CHUNKING | (o->local ? 0 : SMTP_OFFER_TLS);
    s->tls_required = !o->local;
    s->max_bytes = o->max_bytes;
    s->addresses = ADDRESS_LOOSE;
    s->max_errors = 100;
    s->reject_bare = s->strict = s->opaque = true;
}

void cpq_server_done(struct cpq_server *cs)
{
    buf_done(&cs->meta_text);
    arena_done(&cs->meta_arena);
}

void cpq_accepted(struct cpq_server *cs, uint64_t id, bool duplicate)
{
    char text[80];
    struct buf b = {.p = text, .cap = sizeof text, .max = sizeof text};

    buf_add(&b, str_lit("ok:  Message "));
    buf_add_u64(&b, id);
    buf_add(&b, duplicate ? str_lit(" accepted (duplicate)") : str_lit(" accepted"));
    smtp_refuse_as(&cs->s, 250, STR_NONE, buf_str(&b));
}

void cpq_refuse_content(struct cpq_server *cs, const struct err *e)
{
    smtp_refuse_as(&cs->s, 554, str_lit("5.6.0"), str_c(err_text(e)));
}

/* Order does not count. */
static uint64_t hash_of(struct str address)
{
    return str_hashi(address) * 0x9e3779b97f4a7c15ULL + 1;
}

uint64_t cpq_recipients_hash(const struct envelope *env)
{
    uint64_t hash = 0;

    for (size_t i = 0; i < env->n_recipients; i++)
        hash += hash_of(env->recipients[i].address);
    return hash;
}

void cpq_recipient(struct cpq_server *cs, struct str address)
{
    cs->recipients_hash += hash_of(address);
}

enum rc cpq_check(const struct cpq_server *cs, struct str sha256, struct err *e)
{
    if (cs->meta.size != cs->s.body.bytes)
        return err_set(e, RC_INVALID, "content has %llu octets, metadata says %llu", (unsigned long long)cs->s.body.bytes,
                       (unsigned long long)cs->meta.size);
    if (!str_eq(cs->meta.sha256, sha256))
        return err_set(e, RC_INVALID, "the digest of the content is not that of the metadata");
    if (cs->meta.envelope.n_recipients != cs->s.recipients)
        return err_set(e, RC_INVALID, "%u recipients were named, metadata has %zu", cs->s.recipients,
                       cs->meta.envelope.n_recipients);
    if (cpq_recipients_hash(&cs->meta.envelope) != cs->recipients_hash)
        return err_set(e, RC_INVALID, "the recipients are not those of the metadata");
    if (!str_eqi(cs->meta.envelope.sender, cs->s.sender.from.address))
        return err_set(e, RC_INVALID, "the sender is not that of the metadata");
    return RC_OK;
}
