/*
 * DNS messages: building a question, reading a reply. See dns_message.h.
 *
 * Called by the network tools of the console. Owns nothing. Every length and pointer of the reply is checked; a name may
 * point backwards only, so it ends. What a record says is rendered by dns_rdata.c.
 */
#include "mail/dns_message.h"

#include "mail/dns_rdata.h"

enum { HEADER = 12, TYPE_OPT = 41, CLASS_IN = 1 };

static const struct {
    uint16_t type;
    const char *name;
} TYPES[] = {{1, "A"},      {2, "NS"},    {5, "CNAME"},   {6, "SOA"},    {12, "PTR"},        {13, "HINFO"}, {15, "MX"},
             {16, "TXT"},   {28, "AAAA"}, {33, "SRV"},    {35, "NAPTR"}, {39, "DNAME"},      {43, "DS"},    {44, "SSHFP"},
             {46, "RRSIG"}, {47, "NSEC"}, {48, "DNSKEY"}, {50, "NSEC3"}, {51, "NSEC3PARAM"}, {52, "TLSA"},  {64, "SVCB"},
             {65, "HTTPS"}, {99, "SPF"},  {255, "ANY"},   {257, "CAA"}};

static const char *const RCODES[] = {"NOERROR",  "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED",
                                     "YXDOMAIN", "YXRRSET", "NXRRSET",  "NOTAUTH",  "NOTZONE"};

struct str dns_message_type(struct arena *a, uint16_t type)
{
    for (size_t i = 0; i < sizeof TYPES / sizeof *TYPES; i++)
        if (TYPES[i].type == type)
            return str_c(TYPES[i].name);
    return arena_printf(a, "TYPE%u", type);
}

uint16_t dns_message_type_of(struct str name)
{
    uint64_t n;

    for (size_t i = 0; i < sizeof TYPES / sizeof *TYPES; i++)
        if (str_eqi(str_c(TYPES[i].name), name))
            return TYPES[i].type;
    if (str_startsi(name, str_lit("TYPE")) && str_u64(str_from(name, 4), &n) && n > 0 && n <= UINT16_MAX)
        return (uint16_t)n;
    return 0;
}

const char *dns_message_rcode(unsigned rcode)
{
    if (rcode == 16)
        return "BADVERS";
    return rcode < sizeof RCODES / sizeof *RCODES ? RCODES[rcode] : "RCODE";
}

const struct dns_entry *dns_message_next(const struct dns_message *m, uint16_t type, size_t *from)
{
    while (*from < m->section[DNS_ANSWER].n) {
        const struct dns_entry *x = &m->section[DNS_ANSWER].entries[(*from)++];

        if (x->type == type)
            return x;
    }
    return NULL;
}

/* --- the question -------------------------------------------------------------------------------------------------------
 */

static void put_be16(struct buf *b, unsigned v)
{
    buf_put_u8(b, (uint8_t)(v >> 8));
    buf_put_u8(b, (uint8_t)v);
}

/* One octet of a label, escapes taken (RFC 1035 5.1). */
static bool take_octet(struct str *in, char *out)
{
    *out = in->p[0];
    *in = str_from(*in, 1);
    if (*out != '\\')
        return true;
    if (in->n >= 3 && ascii_digit(in->p[0]) && ascii_digit(in->p[1]) && ascii_digit(in->p[2])) {
        int v = (in->p[0] - '0') * 100 + (in->p[1] - '0') * 10 + in->p[2] - '0';

        *out = (char)v;
        *in = str_from(*in, 3);
        return v < 256;
    }
    if (in->n == 0)
        return false;
    *out = in->p[0];
    *in = str_from(*in, 1);
    return true;
}

static bool put_name(struct buf *out, struct str name)
{
    char label[63];
    size_t n = 0, total = 1;

    if (str_eq(name, str_lit(".")))
        name = STR_NONE;
    while (name.n) {
        char c;

        if (*name.p == '.') {
            name = str_from(name, 1);
            if (n == 0)
                return false;
        } else if (n == sizeof label || !take_octet(&name, &c)) {
            return false;
        } else {
            label[n++] = c;
            if (name.n)
                continue;
        }
        total += n + 1;
        if (total > 255)
            return false;
        buf_put_u8(out, (uint8_t)n);
        buf_add(out, str_of(label, n));
        n = 0;
    }
    buf_put_u8(out, 0);
    return true;
}

enum rc dns_message_ask(struct buf *out, uint16_t id, struct str name, uint16_t type, struct err *e)
{
    put_be16(out, id);
    put_be16(out, 0x0120); /* recursion wanted, authentic data told (RFC 6840 5.7) */
    put_be16(out, 1);
    put_be16(out, 0);
    put_be16(out, 0);
    put_be16(out, 1);
    if (!put_name(out, name))
        return err_set(e, RC_INVALID, "%.*s is no name that DNS can carry", STR(str_first(name, 100)));
    put_be16(out, type);
    put_be16(out, CLASS_IN);
    buf_put_u8(out, 0); /* OPT: root, size, no flags, no options */
    put_be16(out, TYPE_OPT);
    put_be16(out, DNS_UDP_SIZE);
    put_be16(out, 0);
    put_be16(out, 0);
    put_be16(out, 0);
    return out->failed ? err_set(e, RC_NO_MEMORY, "no memory") : RC_OK;
}

/* --- the reply ------------------------------------------------------------------------------------------------------------
 */

static enum rc corrupt(struct err *e, const char *what)
{
    return err_set(e, RC_CORRUPT, "the reply is malformed: %s", what);
}

static enum rc parse_entry(struct arena *a, struct dns_wire *w, struct dns_entry *out, struct err *e)
{
    uint16_t n;

    *out = (struct dns_entry){0};
    if (!dns_wire_name(a, w, &out->owner))
        return corrupt(e, "a name");
    if (!dns_wire_u16(w, &out->type) || !dns_wire_u16(w, &out->class) || !dns_wire_u32(w, &out->ttl) ||
        !dns_wire_u16(w, &n) || n > w->all.n - w->at)
        return corrupt(e, "a record is cut");
    out->data = str_first(str_from(w->all, w->at), n);
    dns_rdata_render(a, w->all, w->at, n, out);
    w->at += n;
    return out->text.p ? RC_OK : err_set(e, RC_NO_MEMORY, "no memory");
}

static enum rc parse_section(struct arena *a, struct dns_wire *w, struct dns_message *m, enum dns_section which,
                             uint16_t count, struct err *e)
{
    struct dns_entry *entries;
    size_t n = 0;

    if (count > DNS_MESSAGE_RECORDS || count > w->all.n / 11)
        return corrupt(e, "it counts more records than it can hold");
    entries = arena_array(a, struct dns_entry, (size_t)count + 1);
    if (!entries)
        return err_set(e, RC_NO_MEMORY, "no memory");
    for (unsigned i = 0; i < count; i++) {
        TRY(parse_entry(a, w, &entries[n], e));
        if (entries[n].type != TYPE_OPT) {
            n++;
            continue;
        }
        m->edns = true;
        m->edns_size = entries[n].class;
        m->rcode |= (entries[n].ttl >> 24) << 4;
    }
    m->section[which].entries = entries;
    m->section[which].n = n;
    return RC_OK;
}

static enum rc parse_question(struct arena *a, struct dns_wire *w, uint16_t count, struct dns_message *m, struct err *e)
{
    for (unsigned i = 0; i < count; i++) {
        struct str name;
        uint16_t type, class;

        if (!dns_wire_name(a, w, &name) || !dns_wire_u16(w, &type) || !dns_wire_u16(w, &class))
            return corrupt(e, "the question");
        if (i)
            continue;
        m->question = name;
        m->question_type = type;
        m->question_class = class;
    }
    return RC_OK;
}

enum rc dns_message_parse(struct arena *a, struct str in, struct dns_message *out, struct err *e)
{
    struct dns_wire w = {in, 0};
    struct dns_message m = {0};
    uint16_t flags, questions, counts[DNS_SECTIONS];

    if (in.n < HEADER || in.n > DNS_MESSAGE_MAX || !dns_wire_u16(&w, &m.id) || !dns_wire_u16(&w, &flags) ||
        !dns_wire_u16(&w, &questions))
        return corrupt(e, "too short");
    for (unsigned i = 0; i < DNS_SECTIONS; i++)
        dns_wire_u16(&w, &counts[i]);
    m.reply = flags & 0x8000;
    m.opcode = flags >> 11 & 15;
    m.authoritative = flags & 0x0400;
    m.truncated = flags & 0x0200;
    m.wants_recursion = flags & 0x0100;
    m.recursion = flags & 0x0080;
    m.authentic = flags & 0x0020;
    m.unchecked = flags & 0x0010;
    m.rcode = flags & 15;
    TRY(parse_question(a, &w, questions, &m, e));
    for (unsigned i = 0; i < DNS_SECTIONS; i++)
        TRY(parse_section(a, &w, &m, (enum dns_section)i, counts[i], e));
    *out = m;
    return RC_OK;
}
