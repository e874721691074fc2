/*
 * Completes the metadata of held messages before they are sent. See cpq_meta.h.
 *
 * Called by deliver with what scan made. Owns nothing. What scan said stays as it was written, octet for octet, but for the
 * keys that describe the content and the envelope as they are sent now.
 */
#include "base/json.h"
#include "mail/cpq_meta.h"

/* Keys of scan's object that are not taken over: they say what is sent, and only the sender knows. */
static const char *const ours[] = {"v",    "class", "serial",    "mid", "env_from", "env_from_b64", "rcpts",    "body",
                                   "utf8", "envid", "envid_b64", "ret", "size",     "sha256",       "fallback", "drained"};

static bool is_utf8(struct str s)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};

    while (s.n) {
        unsigned char c = (unsigned char)s.p[0];
        size_t n = c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;
        uint32_t v = n == 1 ? c : c & (0xffu >> (n + 1));

        if (!n || n > s.n)
            return false;
        for (size_t i = 1; i < n; i++) {
            if (((unsigned char)s.p[i] & 0xc0) != 0x80)
                return false;
            v = v << 6 | ((unsigned char)s.p[i] & 63u);
        }
        if (v < least[n] || (v >= 0xd800 && v < 0xe000) || v > 0x10ffff)
            return false;
        s = str_from(s, n);
    }
    return true;
}

static void put_base64(struct buf *out, struct str in)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *p = (const unsigned char *)in.p;

    for (size_t i = 0; i < in.n; i += 3) {
        uint32_t v = (uint32_t)p[i] << 16 | (i + 1 < in.n ? (uint32_t)p[i + 1] << 8 : 0) | (i + 2 < in.n ? p[i + 2] : 0);

        buf_addc(out, alphabet[v >> 18]);
        buf_addc(out, alphabet[v >> 12 & 63]);
        buf_addc(out, i + 1 < in.n ? alphabet[v >> 6 & 63] : '=');
        buf_addc(out, i + 2 < in.n ? alphabet[v & 63] : '=');
    }
}

static void comma(struct buf *out)
{
    if (out->n && out->p[out->n - 1] != '{' && out->p[out->n - 1] != '[')
        buf_addc(out, ',');
}

void cpq_put_text(struct buf *out, const char *key, struct str text)
{
    comma(out);
    if (is_utf8(text)) {
        buf_addf(out, "\"%s\":", key);
        json_str(out, text);
        return;
    }
    buf_addf(out, "\"%s_b64\":\"", key);
    put_base64(out, text);
    buf_addc(out, '"');
}

void cpq_put_u64(struct buf *out, const char *key, uint64_t v)
{
    comma(out);
    buf_addf(out, "\"%s\":%llu", key, (unsigned long long)v);
}

static void put_bool(struct buf *out, const char *key, bool v)
{
    comma(out);
    buf_addf(out, "\"%s\":%s", key, v ? "true" : "false");
}

static void put_taken(struct buf *out, const struct json *made)
{
    for (const struct json *m = made ? made->first : NULL; m; m = m->next) {
        bool skip = false;

        for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
            skip = skip || str_eq(m->key, str_c(ours[i]));
        if (skip || (str_eq(m->key, str_lit("holds")) && m->n == 0))
            continue;
        comma(out);
        json_str(out, m->key);
        buf_addc(out, ':');
        buf_add(out, m->raw);
    }
}

static bool lacks(const struct json *made, const char *key)
{
    char coded[64] = {0};

    memcpy(coded, key, strlen(key) < 50 ? strlen(key) : 50);
    strcat(coded, "_b64");
    return !json_get(made, key) && !json_get(made, coded);
}

static void text_if(struct buf *out, const struct json *made, const char *key, struct str text)
{
    if (text.n && lacks(made, key))
        cpq_put_text(out, key, text);
}

static void put_recipients(struct buf *out, const struct envelope *env)
{
    comma(out);
    buf_add(out, str_lit("\"rcpts\":["));
    for (size_t i = 0; i < env->n_recipients; i++) {
        const struct recipient *r = &env->recipients[i];

        comma(out);
        buf_addc(out, '{');
        cpq_put_text(out, "addr", r->address);
        if (r->notify)
            cpq_put_u64(out, "notify", r->notify);
        if (r->orcpt.n)
            cpq_put_text(out, "orcpt", r->orcpt);
        buf_addc(out, '}');
    }
    buf_addc(out, ']');
}

static void put_client(struct buf *out, const struct envelope *env)
{
    struct str tls = env->tls, protocol = STR_NONE;

    if (!env->client_ip.n)
        return;
    comma(out);
    buf_add(out, str_lit("\"client\":{"));
    cpq_put_text(out, "ip", env->client_ip);
    cpq_put_text(out, "helo", env->helo);
    cpq_put_text(out, "rdns", env->client_name);
    if (env->auth_user.n)
        cpq_put_text(out, "auth_user", env->auth_user);
    if (str_word(&tls, &protocol)) {
        cpq_put_text(out, "tls_protocol", protocol);
        cpq_put_text(out, "tls_cipher", str_trim(tls));
    }
    buf_addc(out, '}');
}

static void put_origin(struct buf *out, const struct json *made, const struct cpq_facts *f)
{
    const struct envelope *env = f->envelope;

    text_if(out, made, "host", f->host);
    text_if(out, made, "uid", env->uid.n ? env->uid : str_lit("-"));
    if (lacks(made, "icid"))
        cpq_put_u64(out, "icid", env->icid);
    if (lacks(made, "received"))
        cpq_put_u64(out, "received", env->received_ms);
    if (lacks(made, "held"))
        cpq_put_u64(out, "held", f->now_ms);
    text_if(out, made, "direction", env->outgoing ? str_lit("out") : str_lit("in"));
    text_if(out, made, "listener", env->listener);
    text_if(out, made, "sender_group", env->sender_group);
    text_if(out, made, "flow_policy", env->flow_policy);
    if (lacks(made, "client"))
        put_client(out, env);
    if (lacks(made, "hdr")) {
        comma(out);
        buf_add(out, str_lit("\"hdr\":{"));
        cpq_put_text(out, "subject", env->subject);
        cpq_put_text(out, "message_id", env->message_id);
        buf_addc(out, '}');
    }
}

static void put_content(struct buf *out, const struct cpq_facts *f)
{
    static const char *const bodies[] = {"7BIT", "8BITMIME", "BINARYMIME"};
    const struct envelope *env = f->envelope;

    cpq_put_text(out, "env_from", env->sender);
    put_recipients(out, env);
    cpq_put_text(out, "body", str_c(bodies[env->body < 3 ? env->body : BODY_BINARYMIME]));
    put_bool(out, "utf8", env->smtputf8);
    if (env->envid.n)
        cpq_put_text(out, "envid", env->envid);
    if (env->ret)
        cpq_put_text(out, "ret", env->ret == RET_FULL ? str_lit("FULL") : str_lit("HDRS"));
    cpq_put_u64(out, "size", f->size);
    cpq_put_text(out, "sha256", f->sha256);
}

static void put_reason(struct buf *out, const struct json *made, enum cpq_class class)
{
    const struct json *holds = json_get(made, "holds");

    if (class == CPQ_PVO && !(json_is(holds, JSON_ARRAY) && holds->n)) {
        comma(out);
        buf_add(
            out,
            str_lit(
                "\"holds\":[{\"quarantine\":\"Unclassified\",\"kind\":\"unclassified\",\"reason\":\"no reason given\"}]"));
    }
    if (class == CPQ_SPAM && !json_get(made, "spam")) {
        comma(out);
        buf_add(out, str_lit("\"spam\":{\"verdict\":\"positive\"}"));
    }
}

enum rc cpq_meta_complete(struct arena *a, struct str made, const struct cpq_facts *f, struct buf *out, struct err *e)
{
    const struct json *root = NULL;

    if (made.n)
        TRY(json_read(a, made, &root, e));
    if (root && root->type != JSON_OBJECT)
        return err_set(e, RC_SYNTAX, "metadata is no object");
    buf_addc(out, '{');
    cpq_put_u64(out, "v", 1);
    cpq_put_text(out, "class", str_c(cpq_class_name(f->class)));
    cpq_put_text(out, "serial", f->serial);
    cpq_put_u64(out, "mid", f->mid);
    put_taken(out, root);
    put_origin(out, root, f);
    put_content(out, f);
    put_reason(out, root, f->class);
    if (f->fallback)
        put_bool(out, "fallback", true);
    buf_addc(out, '}');
    return out->failed ? err_set(e, RC_TOO_LARGE, "metadata is too large") : RC_OK;
}
