/*
 * Reads the metadata of held messages. See cpq_meta.h.
 *
 * Called by the holder (quarantine) and by whoever takes a released message. Owns nothing. Anything that is missing, of the
 * wrong type or out of bounds is refused with its key; unknown keys are left alone and stay in the text.
 */
#include "mail/cpq_meta.h"

static const char *const class_names[CPQ_CLASS_COUNT] = {"pvo", "spam", "pvo-release", "spam-release"};
static const char *const kind_names[CPQ_KIND_COUNT] = {"policy", "virus", "outbreak", "file-analysis", "unclassified"};
static const char *const spam_verdicts[] = {"positive", "suspect", "blocklist", "marketing", "social", "bulk"};
static const char *const body_names[] = {
    [BODY_7BIT] = "7BIT", [BODY_8BITMIME] = "8BITMIME", [BODY_BINARYMIME] = "BINARYMIME"};

static bool find_name(const char *const *names, size_t n, struct str name, size_t *out)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(str_c(names[i]), name)) {
            *out = i;
            return true;
        }
    return false;
}

const char *cpq_class_name(enum cpq_class c)
{
    return c < CPQ_CLASS_COUNT ? class_names[c] : "";
}

bool cpq_class_find(struct str name, enum cpq_class *out)
{
    size_t i;

    if (!find_name(class_names, CPQ_CLASS_COUNT, name, &i))
        return false;
    *out = (enum cpq_class)i;
    return true;
}

const char *cpq_kind_name(enum cpq_kind k)
{
    return k < CPQ_KIND_COUNT ? kind_names[k] : "";
}

bool cpq_kind_find(struct str name, enum cpq_kind *out)
{
    size_t i;

    if (!find_name(kind_names, CPQ_KIND_COUNT, name, &i))
        return false;
    *out = (enum cpq_kind)i;
    return true;
}

enum cpq_kind cpq_kind_of(struct str quarantine)
{
    static const struct {
        const char *quarantine;
        enum cpq_kind kind;
    } single[] = {{"Virus", CPQ_VIRUS},
                  {"Outbreak", CPQ_OUTBREAK},
                  {"File Analysis", CPQ_FILE_ANALYSIS},
                  {"Unclassified", CPQ_UNCLASSIFIED}};

    for (size_t i = 0; i < sizeof single / sizeof *single; i++)
        if (str_eqi(quarantine, str_c(single[i].quarantine)))
            return single[i].kind;
    return CPQ_POLICY;
}

/* ---- values ------------------------------------------------------------------------------------------------------- */

static int sextet(char c)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *p = c ? strchr(alphabet, c) : NULL;

    return p ? (int)(p - alphabet) : -1;
}

static bool from_base64(struct arena *a, struct str in, struct str *out)
{
    size_t n = 0, pad;
    char *to = arena_alloc(a, in.n + 1);

    if (!to || in.n % 4)
        return false;
    pad = in.n && in.p[in.n - 1] == '=' ? in.p[in.n - 2] == '=' ? 2 : 1 : 0;
    for (size_t i = 0; i < in.n; i += 4) {
        uint32_t v = 0;

        for (size_t k = 0; k < 4; k++) {
            int s = i + k >= in.n - pad ? 0 : sextet(in.p[i + k]);

            if (s < 0)
                return false;
            v = v << 6 | (uint32_t)s;
        }
        to[n++] = (char)(v >> 16);
        to[n++] = (char)(v >> 8 & 255);
        to[n++] = (char)(v & 255);
    }
    *out = str_of(to, n - pad);
    return true;
}

/* "key", or "key_b64" for text that is no UTF-8. Absent stays empty. */
static enum rc text(struct arena *a, const struct json *o, const char *key, struct str *out, struct err *e)
{
    const struct json *v = json_get(o, key);
    char coded[64];

    if (v && v->type != JSON_STRING)
        return err_set(e, RC_SYNTAX, "metadata: %s is no string", key);
    if (v) {
        *out = v->text;
        return RC_OK;
    }
    if (strlen(key) + 5 > sizeof coded)
        return RC_OK;
    memcpy(coded, key, strlen(key));
    memcpy(coded + strlen(key), "_b64", 5);
    v = json_get(o, coded);
    if (v && (v->type != JSON_STRING || !from_base64(a, v->text, out)))
        return err_set(e, RC_SYNTAX, "metadata: %s is no base64", coded);
    return RC_OK;
}

static enum rc number(const struct json *o, const char *key, bool required, uint64_t *out, struct err *e)
{
    const struct json *v = json_get(o, key);

    if (!v && required)
        return err_set(e, RC_INVALID, "metadata: %s is missing", key);
    if (v && !json_u64(v, out))
        return err_set(e, RC_SYNTAX, "metadata: %s is no number below 2^53", key);
    return RC_OK;
}

static enum rc required(struct arena *a, const struct json *o, const char *key, struct str *out, struct err *e)
{
    TRY(text(a, o, key, out, e));
    return out->n ? RC_OK : err_set(e, RC_INVALID, "metadata: %s is missing", key);
}

/* ---- parts -------------------------------------------------------------------------------------------------------- */

static bool is_sha256(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!ascii_digit(s.p[i]) && (s.p[i] < 'a' || s.p[i] > 'f'))
            return false;
    return s.n == 64;
}

static enum rc read_recipients(struct arena *a, const struct json *v, struct envelope *env, struct err *e)
{
    struct recipient *to;

    if (!json_is(v, JSON_ARRAY) || !v->n)
        return err_set(e, RC_INVALID, "metadata: rcpts is missing");
    if (v->n > ENVELOPE_RECIPIENTS)
        return err_set(e, RC_INVALID, "metadata: more than %d recipients", ENVELOPE_RECIPIENTS);
    to = arena_array(a, struct recipient, v->n);
    if (!to)
        return err_set(e, RC_NO_MEMORY, "metadata: out of memory");
    env->recipients = to;
    env->n_recipients = v->n;
    for (const struct json *m = v->first; m; m = m->next, to++) {
        if (m->type != JSON_OBJECT)
            return err_set(e, RC_SYNTAX, "metadata: an entry of rcpts is no object");
        TRY(required(a, m, "addr", &to->address, e));
        TRY(number(m, "notify", false, &to->notify, e));
        TRY(text(a, m, "orcpt", &to->orcpt, e));
    }
    return RC_OK;
}

static enum rc read_envelope(struct arena *a, struct cpq_meta *m, struct err *e)
{
    const struct json *o = m->root, *client = json_get(o, "client");
    struct envelope *env = &m->envelope;
    struct str body = STR_NONE, ret = STR_NONE;
    size_t which;

    if (!json_get(o, "env_from") && !json_get(o, "env_from_b64"))
        return err_set(e, RC_INVALID, "metadata: env_from is missing");
    TRY(text(a, o, "env_from", &env->sender, e));
    TRY(read_recipients(a, json_get(o, "rcpts"), env, e));
    TRY(required(a, o, "body", &body, e));
    if (!find_name(body_names, 3, body, &which))
        return err_set(e, RC_INVALID, "metadata: body is unknown");
    env->body = which;
    env->smtputf8 = json_is(json_get(o, "utf8"), JSON_TRUE);
    TRY(text(a, o, "envid", &env->envid, e));
    TRY(text(a, o, "ret", &ret, e));
    env->ret = str_eqi(ret, str_lit("FULL")) ? RET_FULL : str_eqi(ret, str_lit("HDRS")) ? RET_HDRS : RET_NONE;
    TRY(text(a, o, "listener", &env->listener, e));
    TRY(text(a, o, "sender_group", &env->sender_group, e));
    TRY(text(a, o, "flow_policy", &env->flow_policy, e));
    TRY(text(a, client, "ip", &env->client_ip, e));
    TRY(text(a, client, "helo", &env->helo, e));
    TRY(text(a, client, "rdns", &env->client_name, e));
    return text(a, client, "auth_user", &env->auth_user, e);
}

static enum rc read_hold(struct arena *a, const struct json *v, struct cpq_hold *h, struct err *e)
{
    const struct json *matched = json_get(v, "matched");
    struct str kind = STR_NONE, action = STR_NONE;
    enum cpq_kind k = CPQ_POLICY;

    if (v->type != JSON_OBJECT)
        return err_set(e, RC_SYNTAX, "metadata: a hold is no object");
    TRY(required(a, v, "quarantine", &h->quarantine, e));
    if (h->quarantine.n > 64)
        return err_set(e, RC_INVALID, "metadata: name of a quarantine is too long");
    TRY(text(a, v, "kind", &kind, e));
    if (kind.n && !cpq_kind_find(kind, &k))
        return err_set(e, RC_INVALID, "metadata: kind of a hold is unknown");
    h->kind = k;
    TRY(text(a, v, "reason", &h->reason, e));
    TRY(text(a, v, "rule", &h->rule, e));
    TRY(number(v, "level", false, &h->level, e));
    TRY(number(v, "exit", false, &h->exit, e));
    TRY(text(a, v, "action", &action, e));
    if (action.n && !str_eq(action, str_lit("release")) && !str_eq(action, str_lit("delete")))
        return err_set(e, RC_INVALID, "metadata: action of a hold is unknown");
    h->action = !action.n ? 0 : action.p[0] == 'r' ? 1 : 2;
    h->matched = matched ? matched->raw : STR_NONE;
    return RC_OK;
}

static enum rc read_holds(struct arena *a, struct cpq_meta *m, struct err *e)
{
    const struct json *v = json_get(m->root, "holds");
    struct cpq_hold *h;

    if (!v && m->class != CPQ_PVO)
        return RC_OK;
    if (!json_is(v, JSON_ARRAY) || v->n > CPQ_HOLDS_MAX || (!v->n && m->class == CPQ_PVO))
        return err_set(e, RC_INVALID, "metadata: holds must name 1 to %d quarantines", CPQ_HOLDS_MAX);
    h = arena_array(a, struct cpq_hold, v->n ? v->n : 1);
    if (!h)
        return err_set(e, RC_NO_MEMORY, "metadata: out of memory");
    m->holds = h;
    m->n_holds = v->n;
    for (const struct json *one = v->first; one; one = one->next, h++) {
        TRY(read_hold(a, one, h, e));
        for (const struct cpq_hold *k = m->holds; k < h; k++)
            if (str_eqi(k->quarantine, h->quarantine))
                return err_set(e, RC_INVALID, "metadata: a quarantine is named twice");
    }
    return RC_OK;
}

static enum rc read_attachments(struct arena *a, struct cpq_meta *m, struct err *e)
{
    const struct json *v = json_get(m->root, "attachments");
    struct cpq_attachment *to;

    if (!v)
        return RC_OK;
    if (v->type != JSON_ARRAY || v->n > CPQ_ATTACHMENTS_MAX)
        return err_set(e, RC_INVALID, "metadata: attachments is no list of at most %d", CPQ_ATTACHMENTS_MAX);
    to = arena_array(a, struct cpq_attachment, v->n ? v->n : 1);
    if (!to)
        return err_set(e, RC_NO_MEMORY, "metadata: out of memory");
    m->attachments = to;
    m->n_attachments = v->n;
    for (const struct json *one = v->first; one; one = one->next, to++) {
        if (one->type != JSON_OBJECT)
            return err_set(e, RC_SYNTAX, "metadata: an attachment is no object");
        TRY(text(a, one, "name", &to->name, e));
        TRY(text(a, one, "type", &to->type, e));
        TRY(text(a, one, "sha256", &to->sha256, e));
        TRY(number(one, "size", false, &to->size, e));
    }
    return RC_OK;
}

static enum rc read_header(struct arena *a, struct cpq_meta *m, struct err *e)
{
    const struct json *hdr = json_get(m->root, "hdr");

    if (!json_is(hdr, JSON_OBJECT))
        return err_set(e, RC_INVALID, "metadata: hdr is missing");
    TRY(text(a, hdr, "from", &m->from, e));
    TRY(text(a, hdr, "reply_to", &m->reply_to, e));
    TRY(text(a, hdr, "to", &m->to, e));
    TRY(text(a, hdr, "subject", &m->subject, e));
    TRY(text(a, hdr, "message_id", &m->message_id, e));
    return text(a, hdr, "date", &m->date, e);
}

static enum rc read_spam(struct arena *a, struct cpq_meta *m, struct err *e)
{
    const struct json *v = json_get(m->root, "spam"), *score = json_get(v, "score");
    size_t i;

    if (!v && m->class != CPQ_SPAM)
        return RC_OK;
    if (!json_is(v, JSON_OBJECT))
        return err_set(e, RC_INVALID, "metadata: spam is missing");
    TRY(required(a, v, "verdict", &m->spam_verdict, e));
    if (!find_name(spam_verdicts, sizeof spam_verdicts / sizeof *spam_verdicts, m->spam_verdict, &i))
        return err_set(e, RC_INVALID, "metadata: verdict of spam is unknown");
    m->spam_score = json_is(score, JSON_NUMBER) ? score->text : STR_NONE;
    return number(v, "exit", false, &m->spam_exit, e);
}

static enum rc read_release(struct cpq_meta *m, struct err *e)
{
    m->release = json_get(m->root, "release");
    if (m->release && m->release->type != JSON_OBJECT)
        return err_set(e, RC_SYNTAX, "metadata: release is no object");
    if (!m->release && (m->class == CPQ_PVO_RELEASE || m->class == CPQ_SPAM_RELEASE))
        return err_set(e, RC_INVALID, "metadata: release is missing");
    return RC_OK;
}

static enum rc read_origin(struct arena *a, struct cpq_meta *m, struct err *e)
{
    const struct json *o = m->root;
    struct str class = STR_NONE;
    uint64_t v = 0;

    TRY(number(o, "v", true, &v, e));
    if (v != 1)
        return err_set(e, RC_INVALID, "metadata: v is not 1");
    TRY(required(a, o, "class", &class, e));
    if (!cpq_class_find(class, &m->class))
        return err_set(e, RC_INVALID, "metadata: class is unknown");
    TRY(required(a, o, "serial", &m->serial, e));
    TRY(required(a, o, "host", &m->host, e));
    TRY(number(o, "mid", true, &m->mid, e));
    TRY(required(a, o, "uid", &m->uid, e));
    TRY(number(o, "icid", false, &m->icid, e));
    TRY(number(o, "received", false, &m->received, e));
    TRY(number(o, "held", true, &m->held, e));
    TRY(required(a, o, "direction", &m->direction, e));
    if (!str_eq(m->direction, str_lit("in")) && !str_eq(m->direction, str_lit("out")))
        return err_set(e, RC_INVALID, "metadata: direction is neither in nor out");
    m->envelope.outgoing = m->direction.n == 3;
    m->envelope.received_ms = m->received;
    m->envelope.icid = m->icid;
    m->envelope.uid = m->uid;
    m->pending = json_get(o, "pending");
    if (m->pending && m->pending->type != JSON_OBJECT)
        return err_set(e, RC_SYNTAX, "metadata: pending is no object");
    TRY(text(a, o, "mail_policy", &m->mail_policy, e));
    return text(a, o, "stage", &m->stage, e);
}

static enum rc read_migration(struct cpq_meta *m, struct err *e)
{
    const struct json *v = json_get(m->root, "migration");

    if (!v)
        return RC_OK;
    if (v->type != JSON_OBJECT)
        return err_set(e, RC_SYNTAX, "metadata: migration is no object");
    TRY(number(v, "id", true, &m->migration.run, e));
    TRY(number(v, "n", false, &m->migration.n, e));
    m->migration.deleted = json_is(json_get(v, "deleted"), JSON_TRUE);
    return number(v, "total", false, &m->migration.total, e);
}

enum rc cpq_meta_read(struct arena *a, struct str in, struct cpq_meta *out, struct err *e)
{
    struct cpq_meta m = {.raw = in};

    if (in.n > CPQ_META_MAX)
        return err_set(e, RC_TOO_LARGE, "metadata is larger than %d octets", CPQ_META_MAX);
    TRY(json_read(a, in, &m.root, e));
    if (m.root->type != JSON_OBJECT)
        return err_set(e, RC_SYNTAX, "metadata is no object");
    TRY(read_origin(a, &m, e));
    TRY(read_envelope(a, &m, e));
    TRY(number(m.root, "size", true, &m.size, e));
    TRY(required(a, m.root, "sha256", &m.sha256, e));
    if (!is_sha256(m.sha256))
        return err_set(e, RC_INVALID, "metadata: sha256 is no digest");
    TRY(read_header(a, &m, e));
    TRY(read_holds(a, &m, e));
    TRY(read_attachments(a, &m, e));
    TRY(read_spam(a, &m, e));
    TRY(read_release(&m, e));
    TRY(read_migration(&m, e));
    m.envelope.subject = m.subject;
    m.envelope.message_id = m.message_id;
    *out = m;
    return RC_OK;
}
