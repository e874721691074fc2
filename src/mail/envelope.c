/*
 * Envelope to octets and back. See envelope.h.
 *
 * Called by receive and queue (writing), queue, scan and deliver (reading). Owns nothing. Layout: the fixed fields in the
 * order of `table`, then the number of recipients and each one, then the tail; new fields are added to the tail only.
 */
#include "mail/envelope.h"

#include "base/fields.h"

enum { VERSION = 2, VERSION_WITHOUT_TAIL = 1 };

/* The numbers and strings of struct envelope, in the order they lie in the struct up to `recipients`. */
static const struct field table[] = {{"sender", FIELD_STR},       {"received_ms", FIELD_U64}, {"icid", FIELD_U64},
                                     {"parent_mid", FIELD_U64},   {"body", FIELD_U64},        {"smtputf8", FIELD_U64},
                                     {"ret", FIELD_U64},          {"envid", FIELD_STR},       {"uid", FIELD_STR},
                                     {"listener", FIELD_STR},     {"outgoing", FIELD_U64},    {"client_ip", FIELD_STR},
                                     {"client_name", FIELD_STR},  {"helo", FIELD_STR},        {"auth_user", FIELD_STR},
                                     {"sender_group", FIELD_STR}, {"flow_policy", FIELD_STR}, {"tls", FIELD_STR},
                                     {"subject", FIELD_STR},      {"message_id", FIELD_STR},  {NULL, FIELD_END}};

/* Strings behind the recipients; rows only at the end, old records have fewer. */
static const size_t tails[] = {offsetof(struct envelope, carried), offsetof(struct envelope, reputation)};

enum { TAILS = sizeof tails / sizeof *tails };

static struct str *tail_at(const struct envelope *env, size_t i)
{
    return (struct str *)((uintptr_t)env + tails[i]);
}

void envelope_encode(const struct envelope *env, struct buf *out)
{
    buf_put_u8(out, VERSION);
    fields_encode(table, env, out);
    buf_put_varint(out, env->n_recipients);
    for (size_t i = 0; i < env->n_recipients; i++) {
        buf_put_str(out, env->recipients[i].address);
        buf_put_varint(out, env->recipients[i].notify);
        buf_put_str(out, env->recipients[i].orcpt);
    }
    buf_put_u8(out, TAILS);
    for (size_t i = 0; i < TAILS; i++)
        buf_put_str(out, *tail_at(env, i));
}

static bool decode_fixed(struct str *in, struct envelope *out)
{
    char *at = (char *)out;

    for (const struct field *f = table; f->type != FIELD_END; f++) {
        bool ok = f->type == FIELD_U64 ? get_varint(in, (uint64_t *)(void *)at) : get_str(in, (struct str *)(void *)at);

        if (!ok)
            return false;
        at += f->type == FIELD_U64 ? sizeof(uint64_t) : sizeof(struct str);
    }
    return true;
}

static bool decode_recipient(struct str *in, struct recipient *r)
{
    return get_str(in, &r->address) && get_varint(in, &r->notify) && get_str(in, &r->orcpt);
}

/* A newer program's further strings are passed over. */
static bool decode_tail(struct str *in, struct envelope *env)
{
    uint8_t n;
    struct str unknown;

    if (!get_u8(in, &n))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!get_str(in, i < TAILS ? tail_at(env, i) : &unknown))
            return false;
    return true;
}

enum rc envelope_decode(struct arena *a, struct str in, struct envelope *out, struct err *e)
{
    struct envelope env = {0};
    struct recipient *list;
    uint64_t n;
    uint8_t version;

    _Static_assert(offsetof(struct envelope, recipients) == 8 * 7 + 16 * 13, "table and struct envelope agree");
    if (!get_u8(&in, &version) || (version != VERSION && version != VERSION_WITHOUT_TAIL) || !decode_fixed(&in, &env) ||
        !get_varint(&in, &n))
        return err_set(e, RC_CORRUPT, "envelope is cut");
    if (n > ENVELOPE_RECIPIENTS || n > in.n)
        return err_set(e, RC_CORRUPT, "envelope has too many recipients");
    list = arena_array(a, struct recipient, n);
    if (!list)
        return err_set(e, RC_NO_MEMORY, "envelope");
    for (uint64_t i = 0; i < n; i++)
        if (!decode_recipient(&in, &list[i]))
            return err_set(e, RC_CORRUPT, "envelope is cut");
    if (version == VERSION && !decode_tail(&in, &env))
        return err_set(e, RC_CORRUPT, "envelope is cut");
    env.recipients = list;
    env.n_recipients = (size_t)n;
    *out = env;
    return RC_OK;
}
