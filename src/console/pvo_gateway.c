/*
 * pvoconfig on a gateway: where its quarantines go when the service is enabled, and which return when it is disabled
 * (spec/central.md 9, Migration, Disabling).
 *
 * Called by cmd_pvo.c. Reads what the manager answered to STATUS and the working copy. Owns nothing; all is staged.
 */
#include "console/pvo.h"

#include "conf/migration_map.h"

/* ---- enabling --------------------------------------------------------------------------------------------------------- */

static bool has(const struct json *list, struct str name)
{
    for (const struct json *q = list ? list->first : NULL; q; q = q->next)
        if (str_eqi(json_str_of(q), name))
            return true;
    return false;
}

/* What the map makes of a name; false: it does not know it. */
static bool find_mapped(const struct json *map, struct str name, struct str *out)
{
    struct str local;

    for (const struct json *m = map ? map->first : NULL; m; m = m->next)
        if (migration_map_line(json_str_of(m), &local, out) && str_eqi(local, name))
            return true;
    return false;
}

/* NULL: it has a place, `to` (empty: it is left out). Else what is wrong. */
static const char *place_of(const struct json *status, const struct conf_quarantine *q, struct str *to)
{
    bool policy = q->kind == 0;

    *to = q->name;
    if (policy && str_eq(json_text_of(status, "kind"), str_lit("custom")) &&
        !find_mapped(json_get(status, "map"), q->name, to)) {
        *to = q->name;
        return "is not in the map";
    }
    if (to->n && !has(json_get(status, "quarantines"), *to))
        return "is not there";
    return NULL;
}

/* A field of the line "FIELD=VALUE ... name=NAME". */
static struct str other_value(const struct json *line, const char *field)
{
    struct str rest = json_str_of(line), word, key;

    while (str_word(&rest, &word))
        if (str_split(&word, '=', &key) && str_eq(key, str_c(field)))
            return word;
    return STR_NONE;
}

static void say_differences(struct session *s, const struct json *status, struct str local, struct str there)
{
    const struct json *list = json_get(status, "settings");

    for (const struct json *l = list ? list->first : NULL; l; l = l->next) {
        struct str line = json_str_of(l);
        size_t at = str_find_str(line, str_lit(" name="));

        if (at < line.n && str_eqi(str_from(line, at + 6), there))
            pvo_differences(s, local, local, "on the manager", other_value, l);
    }
}

enum rc pvo_check_places(struct session *s, const struct json *status)
{
    const struct conf *c = session_conf(s);
    bool bad = false;

    if (!json_text_of(status, "kind").n)
        return RC_OK; /* a manager that does not tell */
    for (size_t i = 0; i < c->quarantine.n; i++) {
        const struct conf_quarantine *q = &c->quarantine.items[i];
        struct str to;
        const char *why = place_of(status, q, &to);

        if (why)
            say(s, "Quarantine %.*s has no place on the manager: %.*s %s.\n", STR(q->name), STR(to), why);
        else if (to.n)
            say_differences(s, status, q->name, to);
        bad = bad || why;
    }
    if (bad)
        say(s, "Choose the migration on the manager again (pvoconfig migration), commit there, then enable the service.\n");
    return bad ? RC_CONFLICT : RC_OK;
}

/* ---- disabling -------------------------------------------------------------------------------------------------------- */

static bool make_one(struct session *s, struct str name)
{
    if (!name.n || name.n > 64 || conf_find(&session_conf(s)->quarantine, name))
        return true;
    if (!field_put(s, ops_section("quarantine"), name, "kind", str_lit("policy")))
        return false;
    say(s, "Quarantine %.*s returns, with the default settings.\n", STR(name));
    return true;
}

/* Names in quarantine("NAME") and duplicate-quarantine("NAME"). */
static bool make_in(struct session *s, struct str text)
{
    static const char word[] = "quarantine";
    bool ok = true;

    for (size_t at; ok && (at = str_find_str(text, str_c(word))) < text.n;) {
        struct str rest = str_trim(str_from(text, at + sizeof word - 1));
        struct str in = rest.n && rest.p[0] == '(' ? str_trim(str_from(rest, 1)) : STR_NONE;

        text = str_from(text, at + sizeof word - 1);
        if (in.n && (in.p[0] == '"' || in.p[0] == '\''))
            ok = make_one(s, str_first(str_from(in, 1), str_find(str_from(in, 1), in.p[0])));
    }
    return ok;
}

static bool make_of_item(struct session *s, const struct conf_section *section, const void *item)
{
    bool ok = true;

    for (const struct conf_setting *f = section->settings; f->name && ok; f++) {
        bool name = str_eq(str_c(f->name), str_lit("quarantine"));

        if (f->type == CONF_TYPE_TEXT)
            ok = name ? make_one(s, *conf_text(item, f)) : make_in(s, *conf_text(item, f));
        for (size_t i = 0; f->type == CONF_TYPE_TEXTS && ok && i < conf_texts(item, f)->n; i++)
            ok = make_in(s, conf_texts(item, f)->items[i]);
    }
    return ok;
}

enum rc pvo_make_named(struct session *s)
{
    static const char *const sections[] = {"message_filter", "content_filter", "dlp_policy", "authentication", "scanning"};
    const struct conf *c = session_conf(s);

    for (size_t k = 0; k < sizeof sections / sizeof *sections; k++) {
        const struct conf_section *section = ops_section(sections[k]);

        for (size_t i = 0; i < conf_items(c, section); i++)
            if (!make_of_item(s, section, conf_item(c, section, i)))
                return RC_INVALID;
    }
    return RC_OK;
}
