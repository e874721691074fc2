/*
 * LDAP messages to octets and back. See ldap_message.h.
 *
 * Called by lookup's LDAP connections. Owns nothing.
 */
#include "mail/ldap_message.h"

#include "mail/ber.h"

enum {
    BIND = 0x60,
    BIND_DONE,
    UNBIND = 0x42,
    SEARCH = 0x63,
    ENTRY,
    SEARCH_DONE,
    ABANDON = 0x50,
    REFERENCE = 0x73,
    EXTENDED = 0x77,
    EXTENDED_DONE
};
enum { VERSION = 3, SUBTREE = 2, DEREF_ALWAYS = 3, SIMPLE = 0x80, OID = 0x80 };

static size_t begin(struct buf *out, uint32_t id)
{
    size_t begun = ber_begin(out, BER_SEQUENCE);

    ber_put_number(out, BER_INTEGER, id);
    return begun;
}

void ldap_put_bind(struct buf *out, uint32_t id, struct str dn, struct str password)
{
    size_t message = begin(out, id), op = ber_begin(out, BIND);

    ber_put_number(out, BER_INTEGER, VERSION);
    ber_put(out, BER_OCTETS, dn);
    ber_put(out, SIMPLE, password);
    ber_end(out, op);
    ber_end(out, message);
}

void ldap_put_search(struct buf *out, uint32_t id, struct str base, struct str filter, struct strs attributes,
                     uint32_t size_limit, uint32_t seconds)
{
    size_t message = begin(out, id), op = ber_begin(out, SEARCH), list;

    ber_put(out, BER_OCTETS, base);
    ber_put_number(out, BER_ENUM, SUBTREE);
    ber_put_number(out, BER_ENUM, DEREF_ALWAYS);
    ber_put_number(out, BER_INTEGER, size_limit);
    ber_put_number(out, BER_INTEGER, seconds);
    ber_put_number(out, BER_BOOLEAN, 0);
    buf_add(out, filter);
    list = ber_begin(out, BER_SEQUENCE);
    for (size_t i = 0; i < attributes.n; i++)
        ber_put(out, BER_OCTETS, attributes.items[i]);
    if (!attributes.n)
        ber_put(out, BER_OCTETS, str_lit("1.1")); /* no attributes (RFC 4511 4.5.1.8) */
    ber_end(out, list);
    ber_end(out, op);
    ber_end(out, message);
}

void ldap_put_start_tls(struct buf *out, uint32_t id)
{
    size_t message = begin(out, id), op = ber_begin(out, EXTENDED);

    ber_put(out, OID, str_lit("1.3.6.1.4.1.1466.20037"));
    ber_end(out, op);
    ber_end(out, message);
}

void ldap_put_abandon(struct buf *out, uint32_t id, uint32_t what)
{
    size_t message = begin(out, id);

    ber_put_number(out, ABANDON, what);
    ber_end(out, message);
}

void ldap_put_unbind(struct buf *out, uint32_t id)
{
    size_t message = begin(out, id);

    ber_put(out, UNBIND, STR_NONE);
    ber_end(out, message);
}

/* --- answers --------------------------------------------------------------------------------------------------------- */

static enum rc take_values(struct arena *a, struct str in, size_t *total, struct strs *out)
{
    struct str count = in, value, *items;
    size_t n = 0;

    for (; count.n; n++)
        if (!ber_get(&count, BER_OCTETS, &value))
            return RC_SYNTAX;
    *total += n;
    if (*total > LDAP_VALUES_MAX)
        return RC_SYNTAX;
    items = arena_array(a, struct str, n + 1);
    if (!items)
        return RC_NO_MEMORY;
    for (size_t i = 0; i < n; i++)
        ber_get(&in, BER_OCTETS, &items[i]);
    *out = (struct strs){items, n};
    return RC_OK;
}

static enum rc take_entry(struct arena *a, struct str in, struct ldap_message *out)
{
    struct ldap_attribute *list = arena_array(a, struct ldap_attribute, LDAP_ATTRIBUTES_MAX);
    struct str attributes, one, values;
    size_t total = 0;

    if (!list)
        return RC_NO_MEMORY;
    if (!ber_get(&in, BER_OCTETS, &out->dn) || !ber_get(&in, BER_SEQUENCE, &attributes))
        return RC_SYNTAX;
    while (attributes.n) {
        struct ldap_attribute *at = &list[out->n];

        if (out->n == LDAP_ATTRIBUTES_MAX || !ber_get(&attributes, BER_SEQUENCE, &one) ||
            !ber_get(&one, BER_OCTETS, &at->name) || !ber_get(&one, BER_SET, &values))
            return RC_SYNTAX;
        TRY(take_values(a, values, &total, &at->values));
        out->n++;
    }
    out->attributes = list;
    return RC_OK;
}

static bool take_result(struct str in, struct ldap_message *out)
{
    struct str matched;

    return ber_get_number(&in, BER_ENUM, &out->code) && ber_get(&in, BER_OCTETS, &matched) &&
           ber_get(&in, BER_OCTETS, &out->why);
}

static enum rc take_operation(struct arena *a, unsigned tag, struct str op, struct ldap_message *out)
{
    static const struct {
        unsigned tag;
        enum ldap_kind kind;
    } results[] = {{BIND_DONE, LDAP_BIND_DONE}, {SEARCH_DONE, LDAP_SEARCH_DONE}, {EXTENDED_DONE, LDAP_EXTENDED_DONE}};

    if (tag == ENTRY) {
        out->kind = LDAP_ENTRY;
        return take_entry(a, op, out);
    }
    if (tag == REFERENCE) {
        out->kind = LDAP_REFERENCE;
        return RC_OK;
    }
    for (size_t i = 0; i < sizeof results / sizeof *results; i++)
        if (tag == results[i].tag) {
            out->kind = results[i].kind;
            return take_result(op, out) ? RC_OK : RC_SYNTAX;
        }
    return RC_SYNTAX;
}

enum rc ldap_message_take(struct arena *a, struct str *in, struct ldap_message *out)
{
    struct str message, op;
    unsigned tag;

    *out = (struct ldap_message){0};
    if (in->n && in->p[0] != BER_SEQUENCE)
        return RC_SYNTAX;
    TRY(ber_take(in, LDAP_MESSAGE_MAX, &tag, &message));
    if (!ber_get_number(&message, BER_INTEGER, &out->id) || ber_take(&message, message.n, &tag, &op) != RC_OK)
        return RC_SYNTAX;
    return take_operation(a, tag, op, out);
}

const char *ldap_code_text(uint32_t code)
{
    static const struct {
        uint32_t code;
        const char *text;
    } texts[] = {{0, "success"},
                 {1, "operations error"},
                 {2, "protocol error"},
                 {3, "time limit exceeded"},
                 {4, "size limit exceeded"},
                 {8, "stronger authentication required"},
                 {10, "referral"},
                 {13, "confidentiality required"},
                 {32, "no such object"},
                 {34, "invalid DN"},
                 {48, "inappropriate authentication"},
                 {49, "invalid credentials"},
                 {50, "insufficient access rights"},
                 {51, "busy"},
                 {52, "unavailable"},
                 {53, "unwilling to perform"}};

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (texts[i].code == code)
            return texts[i].text;
    return "refused";
}
