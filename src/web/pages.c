/*
 * Handlers of XML and of the one page there is.
 *
 * Called through route.def. The figures come from verbs of control as JSON; all but `status` are put into XML as they are
 * (ours): objects become elements, plain members attributes, lists elements named after what they list.
 */
#include "web/inside.h"

#include "conf/product.h"

#include <stdlib.h>

enum { DEPTH = 8, NAME_MOST = 60 };

static void xml_send(struct request *r)
{
    reply_send(r, 200, "text/xml");
}

/* --- status --------------------------------------------------------------------------------------------------------------
 */

static void status_figures(struct request *r, json_t *figures)
{
    status_xml(figures, r->conf->system.hostname, &r->reply);
    xml_send(r);
}

void web_xml_status(struct request *r)
{
    static const struct str words[] = {{"status", sizeof "status" - 1}, {NULL, 0}};

    verb_ask_figures(r, STR_NONE, words, status_figures);
}

/* --- any figures ---------------------------------------------------------------------------------------------------------
 */

static void put_value(struct buf *out, const json_t *v)
{
    if (json_is_string(v))
        xml_text(out, str_of(json_string_value(v), json_string_length(v)));
    else if (json_is_integer(v))
        buf_addf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
    else if (json_is_real(v))
        buf_addf(out, "%.6g", json_real_value(v));
    else if (json_is_boolean(v))
        buf_add(out, str_c(json_is_true(v) ? "yes" : "no"));
}

/* Names come from our own verbs; what would be no XML name is left out. */
static bool is_name(const char *name)
{
    size_t n = strlen(name);

    return n && n <= NAME_MOST && (ascii_alpha(*name) || *name == '_') &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == n;
}

static void put_element(struct buf *out, unsigned depth, const char *name, const char *item, json_t *v);

static void put_children(struct buf *out, unsigned depth, const char *item, json_t *v)
{
    const char *key;
    size_t i;
    json_t *child;

    json_array_foreach(v, i, child)
    {
        put_element(out, depth, item, item, child);
    }
    json_object_foreach(v, key, child)
    {
        if ((json_is_object(child) || json_is_array(child)) && is_name(key))
            put_element(out, depth, key, "item", child);
    }
}

static bool has_children(json_t *v)
{
    const char *key;
    json_t *child;

    json_object_foreach(v, key, child)
    {
        if (json_is_object(child) || json_is_array(child))
            return true;
    }
    return json_array_size(v) > 0;
}

static void put_element(struct buf *out, unsigned depth, const char *name, const char *item, json_t *v)
{
    const char *key;
    json_t *child;

    if (depth > DEPTH)
        return;
    buf_addf(out, "%*s<%s", (int)(2 * depth), "", name);
    json_object_foreach(v, key, child)
    {
        if (json_is_object(child) || json_is_array(child) || !is_name(key))
            continue;
        buf_addf(out, " %s=\"", key);
        put_value(out, child);
        buf_addc(out, '"');
    }
    if (!json_is_object(v) && !json_is_array(v)) {
        buf_add(out, str_lit(" value=\""));
        put_value(out, v);
        buf_addc(out, '"');
    }
    if (!has_children(v)) {
        buf_add(out, str_lit(" />\n"));
        return;
    }
    buf_add(out, str_lit(">\n"));
    put_children(out, depth + 1, item, v);
    buf_addf(out, "%*s</%s>\n", (int)(2 * depth), "", name);
}

static void figures_send(struct request *r, const char *name, const char *item, json_t *v)
{
    buf_add(&r->reply, str_lit("<?xml version=\"1.0\" encoding=\"ISO-8859-1\" standalone=\"yes\"?>\n"));
    put_element(&r->reply, 0, name, item, v);
    xml_send(r);
}

static void dns_figures(struct request *r, json_t *figures)
{
    figures_send(r, "dnsstatus", "item", json_object_get(figures, "dns"));
}

void web_xml_dnsstatus(struct request *r)
{
    static const struct str words[] = {{"status", sizeof "status" - 1}, {NULL, 0}};

    verb_ask_figures(r, STR_NONE, words, dns_figures);
}

static void topin_figures(struct request *r, json_t *figures)
{
    figures_send(r, "topin", "host", figures);
}

void web_xml_topin(struct request *r)
{
    static const struct str words[] = {{"topin", sizeof "topin" - 1}, {NULL, 0}};

    verb_ask_figures(r, r->user, words, topin_figures);
}

static void tophosts_figures(struct request *r, json_t *figures)
{
    figures_send(r, "tophosts", "host", figures);
}

void web_xml_tophosts(struct request *r)
{
    const struct parameter *sort = target_find(&r->target, str_lit("sort"));
    const struct str words[] = {str_lit("tophosts"), sort && sort->value.n ? sort->value : str_lit("active_rcpts"),
                                STR_NONE};

    verb_ask_figures(r, r->user, words, tophosts_figures);
}

static void hoststatus_figures(struct request *r, json_t *figures)
{
    figures_send(r, "hoststatus", "item", figures);
}

void web_xml_hoststatus(struct request *r)
{
    const struct parameter *name = target_find(&r->target, str_lit("hostname"));
    const struct str words[] = {str_lit("hoststatus"), name->value, STR_NONE};

    if (name->value.n == 0)
        reply_error(r, 404, "Missing attribute - hostname.");
    else
        verb_ask_figures(r, r->user, words, hoststatus_figures);
}

/* --- the page ------------------------------------------------------------------------------------------------------------
 */

/* HTTPS of the interface it came in on: FW-08. No link is made of what the client sent: the host is the name of ours that
 * his Host means. */
static bool redirect(struct request *r)
{
    const struct conf_interface *f = conf_find(&r->conf->interface, r->server->interface);
    struct address_ip ip;
    bool six = ip_parse(r->host, &ip) && ip.family == AF_INET6;

    if ((r->server->kind & LISTENERS_TLS) || !r->conf->http.redirect || !f || !f->https || !r->web->tls_ready)
        return false;
    r->location = arena_printf(&r->arena, f->https_port == 443 ? "https://%s%.*s%s/" : "https://%s%.*s%s:%llu/",
                               six ? "[" : "", STR(r->host), six ? "]" : "", (unsigned long long)f->https_port);
    reply_send(r, 308, "text/plain");
    return true;
}

void web_page(struct request *r)
{
    if (redirect(r))
        return;
    r->page = true;
    buf_add(&r->reply, str_lit("<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>" PRODUCT_NAME
                               "</title></head>\n<body>\n<h1>" PRODUCT_NAME "</h1>\n<p>"));
    xml_text(&r->reply, r->conf->system.hostname);
    buf_add(&r->reply,
            str_lit("</p>\n<p>The pages for operators come with a later release. Until then: the command line over SSH, "
                    "<code>/xml/status</code> and <code>/api/v1.0/health</code> here.</p>\n</body>\n</html>\n"));
    reply_send(r, 200, "text/html; charset=utf-8");
}
