/*
 * postern settings: every setting there is, from the tables, for people (text) and programs (--json).
 *
 * Called by main_postern.c. Needs no home. Exit status 0, or 2 for wrong usage.
 */
#include "conf/table.h"
#include "role/commands.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void json_string(const char *s)
{
    putchar('"');
    for (; *s; s++) {
        if (*s == '"' || *s == '\\')
            putchar('\\');
        putchar(*s);
    }
    putchar('"');
}

static void pair(const char *name, const char *value)
{
    printf(", \"%s\": ", name);
    json_string(value);
}

static bool is_number(const struct conf_setting *f)
{
    return f->type == CONF_TYPE_UINT;
}

static void as_json(const struct conf_section *s, const struct conf_setting *f, bool first)
{
    printf("%s  {\"path\": \"%s%s.%s\"", first ? "" : ",\n", s->name, s->list ? "[NAME]" : "", f->name);
    pair("type", conf_type_name(f->type));
    pair("default", f->initial);
    if (is_number(f))
        printf(", \"least\": %" PRIu64 ", \"most\": %" PRIu64, f->least, f->most);
    pair(f->type == CONF_TYPE_ENUM ? "choices" : "unit", f->unit);
    pair("level", conf_level_name(s->level));
    pair("apply", conf_apply_name(f->apply));
    pair("help", f->help);
    pair("question", f->question);
    putchar('}');
}

static void as_text(const struct conf_section *s, const struct conf_setting *f)
{
    printf("%s%s.%s\n    %s\n    %s", s->name, s->list ? "[NAME]" : "", f->name, f->help, conf_type_name(f->type));
    if (is_number(f))
        printf(" %" PRIu64 "-%" PRIu64 "%s%s", f->least, f->most, *f->unit ? " " : "", f->unit);
    else if (f->type == CONF_TYPE_ENUM)
        printf(" %s", f->unit);
    printf(", default \"%s\", %s, takes effect: %s\n", f->initial, conf_level_name(s->level), conf_apply_name(f->apply));
}

int front_settings(int argc, char **argv)
{
    bool json = argc > 0 && strcmp(argv[argc - 1], "--json") == 0, first = true;

    if (argc > 1 || (argc == 1 && !json)) {
        fprintf(stderr, "usage: postern settings [--json]    (values of a home: postern cli --home DIR settings show)\n");
        return 2;
    }
    if (json)
        printf("[\n");
    for (size_t i = 0; i < conf_sections_n; i++) {
        if (!json)
            printf("%s# %s: %s\n", i ? "\n" : "", conf_sections[i].name, conf_sections[i].help);
        for (const struct conf_setting *f = conf_sections[i].settings; f->name; f++, first = false) {
            if (json)
                as_json(&conf_sections[i], f, first);
            else
                as_text(&conf_sections[i], f);
        }
    }
    if (json)
        printf("\n]\n");
    return 0;
}
