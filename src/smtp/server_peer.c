/*
 * XCLIENT in Postfix's form: a listed peer says for whom it speaks.
 *
 * Called by the command step; changes s->peer, then the handler's connect() runs again (HAT, greeting) and the session is as
 * new. A bad attribute changes nothing (501).
 */
#include "smtp/server_inside.h"

struct attribute {
    struct str name;
    enum rc (*read)(struct smtp_server *s, struct str value);
};

static bool unavailable(struct str v)
{
    return str_eqi(v, str_lit("[UNAVAILABLE]")) || str_eqi(v, str_lit("[TEMPUNAVAIL]"));
}

static enum rc read_ip(struct str value, struct address_ip *out)
{
    struct address_ip ip = {0};

    if (str_startsi(value, str_lit("IPV6:")))
        value = str_from(value, 5);
    if (!ip_parse(value, &ip))
        return RC_SYNTAX;
    ip.port = out->port;
    *out = ip;
    return RC_OK;
}

static enum rc read_addr(struct smtp_server *s, struct str value)
{
    return unavailable(value) ? RC_OK : read_ip(value, &s->peer.ip);
}

static enum rc read_destination(struct smtp_server *s, struct str value)
{
    return unavailable(value) ? RC_OK : read_ip(value, &s->peer.local);
}

static enum rc read_name(struct smtp_server *s, struct str value)
{
    bool none = unavailable(value);

    if (!none && !address_is_domain(value, false))
        return RC_SYNTAX;
    s->peer.name_given = true;
    s->peer.name_temporary = str_eqi(value, str_lit("[TEMPUNAVAIL]"));
    s->peer.name = none ? str_lit("") : address_lower(&s->c.arena, value);
    return RC_OK;
}

static enum rc read_hello(struct smtp_server *s, struct str value)
{
    if (!unavailable(value))
        s->hello = arena_str(&s->c.arena, str_first(value, ADDRESS_DOMAIN_MAX));
    return RC_OK;
}

static enum rc read_login(struct smtp_server *s, struct str value)
{
    s->peer.login = unavailable(value) ? STR_NONE : arena_str(&s->c.arena, str_first(value, ADDRESS_MAX));
    return RC_OK;
}

static enum rc read_number(struct str value, uint16_t *out)
{
    uint64_t n;

    if (unavailable(value))
        return RC_OK;
    if (!str_u64(value, &n) || n > 65535)
        return RC_SYNTAX;
    *out = (uint16_t)n;
    return RC_OK;
}

static enum rc read_port(struct smtp_server *s, struct str value)
{
    return read_number(value, &s->peer.ip.port);
}

static enum rc read_local_port(struct smtp_server *s, struct str value)
{
    return read_number(value, &s->peer.local.port);
}

static enum rc read_protocol(struct smtp_server *s, struct str value)
{
    (void)s;
    return str_eqi(value, str_lit("SMTP")) || str_eqi(value, str_lit("ESMTP")) ? RC_OK : RC_SYNTAX;
}

static const struct attribute attributes[] = {
    {{"ADDR", 4}, read_addr},
    {{"NAME", 4}, read_name},
    {{"PORT", 4}, read_port},
    {{"HELO", 4}, read_hello},
    {{"LOGIN", 5}, read_login},
    {{"PROTO", 5}, read_protocol},
    {{"DESTADDR", 8}, read_destination},
    {{"DESTPORT", 8}, read_local_port},
};

static enum rc read_attribute(struct smtp_server *s, struct str keyword, struct str value)
{
    struct str text;

    TRY(address_xtext_decode(&s->message, value, &text, NULL));
    for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++)
        if (str_eqi(attributes[i].name, keyword))
            return attributes[i].read(s, text);
    return RC_SYNTAX;
}

struct step smtp_command_xclient(struct smtp_server *s, struct str args)
{
    struct smtp_peer before = s->peer;
    struct str keyword, value;
    bool any = false;
    enum rc rc;

    if (!(s->offers & SMTP_OFFER_XCLIENT))
        return smtp_server_bad(s, RC_NOT_PERMITTED, "insufficient authorization", str_lit("XCLIENT"));
    s->peer.name_given = false;
    s->peer.name = s->peer.login = STR_NONE;
    while ((rc = address_next_parameter(&args, &keyword, &value, NULL)) == RC_OK) {
        any = true;
        if ((rc = read_attribute(s, keyword, value)) != RC_OK)
            break;
    }
    arena_reset(&s->message);
    if (rc != RC_NOT_FOUND || !any) {
        s->peer = before;
        return smtp_server_bad(s, RC_SYNTAX, "bad XCLIENT attribute", str_lit("XCLIENT"));
    }
    s->peer.told = true;
    s->extended = false;
    s->user = STR_NONE;
    return smtp_server_connect(s);
}
