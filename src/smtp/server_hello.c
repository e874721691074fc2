/*
 * EHLO and HELO (RFC 5321 4.1.1.1): names the peer, ends a transaction, offers the extensions.
 *
 * Called by the command step. The offers are the handler's choice; STARTTLS is offered in plain text only, AUTH under TLS
 * only.
 */
#include "smtp/server_inside.h"

#include <stdio.h>

static void add_offer(struct buf *out, bool last, const char *text)
{
    buf_add(out, last ? str_lit("250 ") : str_lit("250-"));
    buf_add(out, str_c(text));
    buf_add(out, str_lit("\r\n"));
}

/* Before TLS a protocol that demands it offers nothing but the way there (central.md 7). */
static void add_first_offers(struct smtp_server *s)
{
    if (s->offers & SMTP_OFFER_TLS)
        add_offer(&s->c.out, false, "STARTTLS");
    for (size_t i = 0; s->extra->offers[i]; i++)
        add_offer(&s->c.out, !s->extra->offers[i + 1], s->extra->offers[i]);
}

static void add_offers(struct smtp_server *s)
{
    struct buf *out = &s->c.out;
    char size[40] = "SIZE";

    s->code = 250;
    buf_add(out, str_lit("250-"));
    buf_add(out, s->host_name);
    buf_add(out, str_lit("\r\n"));
    if (s->extra && s->tls_required && !s->c.tls) {
        add_first_offers(s);
        return;
    }
    add_offer(out, false, "PIPELINING");
    if (s->max_bytes)
        snprintf(size, sizeof size, "SIZE %llu", (unsigned long long)s->max_bytes);
    add_offer(out, false, size);
    add_offer(out, false, "8BITMIME");
    if (s->offers & SMTP_OFFER_UTF8)
        add_offer(out, false, "SMTPUTF8");
    if (s->offers & SMTP_OFFER_CHUNKING) {
        add_offer(out, false, "CHUNKING");
        add_offer(out, false, "BINARYMIME");
    }
    if ((s->offers & SMTP_OFFER_TLS) && !s->c.tls)
        add_offer(out, false, "STARTTLS");
    if ((s->offers & SMTP_OFFER_AUTH) && s->c.tls)
        add_offer(out, false, "AUTH PLAIN LOGIN");
    if (s->offers & SMTP_OFFER_XCLIENT)
        add_offer(out, false, "XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT");
    for (size_t i = 0; s->extra && s->extra->offers[i]; i++)
        add_offer(out, false, s->extra->offers[i]);
    add_offer(out, false, "DSN");
    add_offer(out, true, "ENHANCEDSTATUSCODES");
}

static struct step answer(struct smtp_server *s)
{
    if (s->code)
        return smtp_server_go_on();
    if (s->extended) {
        add_offers(s);
        return smtp_server_go_on();
    }
    s->code = 250;
    buf_add(&s->c.out, str_lit("250 "));
    buf_add(&s->c.out, s->host_name);
    buf_add(&s->c.out, str_lit("\r\n"));
    return smtp_server_go_on();
}

/* A domain, an address literal, or what careless clients put there; never spaces or control characters. */
static bool hello_name_fits(struct str name)
{
    if (!name.n || name.n > ADDRESS_DOMAIN_MAX)
        return false;
    for (size_t i = 0; i < name.n; i++)
        if ((unsigned char)name.p[i] <= 32 || name.p[i] == 127 || name.p[i] == '<' || name.p[i] == '>' || name.p[i] == '(' ||
            name.p[i] == ')')
            return false;
    return true;
}

static struct step hello(struct smtp_server *s, struct str args, bool extended)
{
    struct str name = str_first(args, str_find(args, ' '));

    if (!hello_name_fits(name))
        return smtp_server_bad(s, RC_SYNTAX, "EHLO and HELO need a domain or an address literal", args);
    smtp_server_reset(s, RC_OK, NULL);
    if (!str_eq(name, s->hello)) {
        s->hello = arena_str(&s->c.arena, name);
        if (!s->hello.p)
            return smtp_server_bad(s, RC_NO_MEMORY, NULL, args);
    }
    s->extended = extended;
    return smtp_server_then(s, s->handler->hello ? s->handler->hello(s, s->hello) : SMTP_DONE, answer);
}

struct step smtp_command_ehlo(struct smtp_server *s, struct str args)
{
    return hello(s, args, true);
}

struct step smtp_command_helo(struct smtp_server *s, struct str args)
{
    return hello(s, args, false);
}
