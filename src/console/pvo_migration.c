/*
 * pvoconfig MIGRATION on a manager: how the quarantines of a gateway move here (spec/central.md 9, Migration).
 *
 * Called by cmd_pvo.c. The gateway is asked over SSH which quarantines it has (get-config quarantines, by control and
 * central). Those that are missing here are made with the gateway's settings, so that its mail finds them whenever it comes;
 * settings that differ are listed. Everything is staged. Owns nothing. A gateway that cannot be asked leaves the choice, and
 * says when it enables the service what has no place.
 */
#include "console/pvo.h"

#include "conf/migration_map.h"

enum { NONE, AUTOMATIC, CUSTOM };

/* ---- what differs ----------------------------------------------------------------------------------------------------- */

void pvo_differences(struct session *s, struct str name, struct str local, const char *there,
                     struct str (*other)(const struct json *j, const char *field), const struct json *j)
{
    static const char *const fields[] = {"retention_ms", "action", "overflow", "after_release"};

    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        struct str here = field_text(s, ops_section("quarantine"), name, fields[i]), that = other(j, fields[i]);

        if (that.n && !str_eq(here, that))
            say(s, "Quarantine %.*s: %s is %.*s here, %.*s %s.\n", STR(local), fields[i], STR(here), STR(that), there);
    }
}

/* ---- a quarantine here ------------------------------------------------------------------------------------------------ */

/* With the gateway's settings; who may see it is this machine's to say. */
static bool make(struct session *s, struct str name, const struct json *from)
{
    static const char *const fields[] = {"retention_ms",   "action",      "overflow",     "subject_prefix",
                                         "subject_suffix", "header_name", "header_value", "strip_attachments",
                                         "after_release"};
    bool ok = true;

    for (size_t i = 0; i < sizeof fields / sizeof *fields && ok; i++)
        ok = field_put(s, ops_section("quarantine"), name, fields[i], json_text_of(from, fields[i]));
    if (ok)
        say(s, "Quarantine %.*s is made here, with the settings of the gateway.\n", STR(name));
    return ok;
}

static bool place(struct session *s, struct str name, const struct json *from)
{
    if (!conf_find(&session_conf(s)->quarantine, name))
        return make(s, name, from);
    pvo_differences(s, name, name, "on the gateway", json_text_of, from);
    return true;
}

/* ---- the map ---------------------------------------------------------------------------------------------------------- */

static bool fits(struct session *s, void *ctx, struct str answer)
{
    (void)ctx;
    if (answer.n && answer.n <= 64 && str_find(answer, '=') == answer.n && str_find(answer, '/') == answer.n)
        return true;
    say(s, "Enter the name of a quarantine of this manager, or - to leave it out.\n");
    return false;
}

static struct str mapped(const struct conf_appliance *a, struct str local)
{
    struct str central;

    if (!migration_map_find(a->migration_map, local, &central))
        return local;
    return central.n ? central : str_lit("-");
}

static bool is_policy(const struct json *q)
{
    return str_eqi(json_text_of(q, "kind"), str_lit("policy"));
}

static enum rc ask_map(struct session *s, struct str appliance, const struct json *list)
{
    const struct conf_appliance *a = conf_find(&session_conf(s)->appliance, appliance);
    struct strs map = {arena_must_alloc(&s->arena, (list->n + 1) * sizeof *map.items), 0};

    for (const struct json *q = list->first; q; q = q->next) {
        struct str local = json_text_of(q, "name"), to;
        const char *question;

        if (!is_policy(q))
            continue;
        question =
            arena_printf(&s->arena, "To which quarantine of this manager does %.*s move? (- leaves it out)", STR(local)).p;
        to = ask_value(s, question, arena_printf(&s->arena, "%.*s", STR(mapped(a, local))).p, fits, NULL);
        if (str_eq(to, str_lit("-")))
            to = STR_NONE;
        else if (!place(s, to, q))
            return RC_INVALID;
        ((struct str *)(uintptr_t)map.items)[map.n++] = arena_printf(&s->arena, "%.*s=%.*s", STR(local), STR(to));
    }
    return field_put(s, ops_section("appliance"), appliance, "migration_map", ops_join(s, map)) ? RC_OK : RC_INVALID;
}

static enum rc place_all(struct session *s, const struct json *list)
{
    for (const struct json *q = list->first; q; q = q->next)
        if (!place(s, json_text_of(q, "name"), q))
            return RC_INVALID;
    return RC_OK;
}

/* ---- the choice ------------------------------------------------------------------------------------------------------- */

/* What quarantines it has; NULL: that it could not be asked was said. */
static const struct json *ask_gateway(struct session *s, struct str name)
{
    struct buf *text = session_buf(s, 4096), *json = session_buf(s, 8 << 20);
    const struct json *list = NULL;

    if (session_call(s, text, json, "pvoconfig", "quarantines", arena_printf(&s->arena, "%.*s", STR(name)).p, NULL) ==
            RC_OK &&
        json_read(&s->arena, buf_str(json), &list, NULL) == RC_OK && json_is(list, JSON_ARRAY))
        return list;
    say(s,
        "%.*s cannot be asked for its quarantines now: %.*s\nMake those that are missing here by quarantineconfig. When "
        "the service is enabled there, it names what has no place.\n",
        STR(name), STR(str_trim(buf_str(text))));
    return NULL;
}

enum rc pvo_choose_migration(struct session *s)
{
    static const char *const kinds[] = {"None: the gateway cannot enable the service",
                                        "Automatic: every policy quarantine moves",
                                        "Custom: each policy quarantine as the map says", NULL};
    static const char *const values[] = {"none", "automatic", "custom"};
    struct str name = ops_choose(s, "Choose the gateway", "appliance", STR_NONE);
    const struct conf_appliance *a = name.n ? conf_find(&session_conf(s)->appliance, name) : NULL;
    const struct json *list;
    size_t kind;

    if (!a)
        return RC_NOT_FOUND;
    kind = ask_one_of(s, "How do its quarantines move here?", (size_t)a->migration, kinds);
    if (!field_put(s, ops_section("appliance"), name, "migration", str_c(values[kind])))
        return RC_INVALID;
    list = kind == NONE ? NULL : ask_gateway(s, name);
    if (!list)
        return RC_OK;
    return kind == CUSTOM ? ask_map(s, name, list) : place_all(s, list);
}
