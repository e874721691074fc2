/*
 * sslconfig: TLS versions and ciphers of pages, of receiving and of delivery (spec/cli.md 9).
 *
 * Called through spec/verbs.def. Owns nothing. Anonymous ciphers are never offered, whatever a string says (HD-11), and the
 * answer says so.
 */
#include "console/ciphers.h"
#include "console/commands.h"
#include "console/ops.h"

static const char *const methods[] = {"TLS 1.2 and TLS 1.3", "TLS 1.3", NULL};

static const struct service {
    const char *name, *what, *section, *version, *ciphers, *question;
} services[] = {
    {"GUI", "GUI HTTPS", "http", "min_version", "ciphers", "Enter the GUI HTTPS ssl cipher you want to use."},
    {"INBOUND", "Inbound SMTP", "tls", "inbound_min_version", "inbound_ciphers",
     "Enter the inbound SMTP ssl cipher you want to use."},
    {"OUTBOUND", "Outbound SMTP", "tls", "outbound_min_version", "outbound_ciphers",
     "Enter the outbound SMTP ssl cipher you want to use."},
};
enum { SERVICES = sizeof services / sizeof *services };

static size_t version_of(struct session *s, const struct service *v)
{
    return str_eq(field_text(s, ops_section(v->section), STR_NONE, v->version), str_lit("1.3"));
}

static bool string_fits(struct session *s, void *ctx, struct str answer)
{
    struct err e = ERR_NONE;
    bool anonymous;
    struct strs list;

    (void)ctx;
    if (ciphers_expand(&s->arena, answer, &list, &anonymous, &e) == RC_OK)
        return true;
    say(s, "%s\n", err_text(&e));
    return false;
}

static bool ask_version(struct session *s, const struct service *v)
{
    size_t i = ask_one_of(s, arena_printf(&s->arena, "Enter the %s ssl method you want to use.", v->what).p,
                          version_of(s, v), methods);

    return field_put(s, ops_section(v->section), STR_NONE, v->version, i ? str_lit("1.3") : str_lit("1.2"));
}

static enum rc edit(struct session *s, const struct service *v)
{
    struct str now = arena_str(&s->arena, field_text(s, ops_section(v->section), STR_NONE, v->ciphers)), answer;

    if (!ask_version(s, v))
        return RC_INVALID;
    answer = ask_value(s, v->question, now.p, string_fits, NULL);
    if (!field_put(s, ops_section(v->section), STR_NONE, v->ciphers, answer))
        return RC_INVALID;
    say(s, "Anonymous, NULL and export ciphers are never offered, whatever the string says.\n");
    return RC_OK;
}

static enum rc op_versions(struct session *s, void *ctx)
{
    static const char *const names[] = {"GUI HTTPS", "Inbound SMTP", "Outbound SMTP", NULL};

    (void)ctx;
    return ask_version(s, &services[ask_one_of(s, "Choose the service whose TLS versions you want to change.", 0, names)])
               ? RC_OK
               : RC_INVALID;
}

static enum rc op_gui(struct session *s, void *ctx)
{
    (void)ctx;
    return edit(s, &services[0]);
}

static enum rc op_inbound(struct session *s, void *ctx)
{
    (void)ctx;
    return edit(s, &services[1]);
}

static enum rc op_outbound(struct session *s, void *ctx)
{
    (void)ctx;
    return edit(s, &services[2]);
}

static enum rc op_verify(struct session *s, void *ctx)
{
    struct str answer = ask_value(s, "Enter the ssl cipher you want to verify.", NULL, string_fits, NULL);
    struct err e = ERR_NONE;
    bool anonymous = false;
    struct strs list;

    (void)ctx;
    if (ciphers_expand(&s->arena, answer, &list, &anonymous, &e) != RC_OK)
        return session_fail(s, &e);
    for (size_t i = 0; i < list.n; i++)
        say(s, "%.*s\n", STR(list.items[i]));
    if (anonymous)
        say(s, "The string names anonymous or NULL ciphers as well: they are never offered.\n");
    return RC_OK;
}

static void show(struct session *s, void *ctx)
{
    (void)ctx;
    for (size_t i = 0; i < SERVICES; i++)
        say(s, "%s method:  %s\n%s ciphers: %.*s\n", services[i].what, methods[version_of(s, &services[i])],
            services[i].what, STR(field_text(s, ops_section(services[i].section), STR_NONE, services[i].ciphers)));
}

enum rc cmd_sslconfig(struct session *s)
{
    static const struct op rows[] = {
        {"VERSIONS", "Choose TLS versions", false, op_versions},
        {"GUI", "Edit GUI HTTPS ssl settings", false, op_gui},
        {"INBOUND", "Edit Inbound SMTP ssl settings", false, op_inbound},
        {"OUTBOUND", "Edit Outbound SMTP ssl settings", false, op_outbound},
        {"VERIFY", "Verify and show ssl cipher list", false, op_verify},
    };
    static const struct ops ops = {rows, sizeof rows / sizeof *rows, show, NULL};

    return ops_talk(s, &ops, NULL);
}
