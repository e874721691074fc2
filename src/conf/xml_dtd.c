/*
 * The document type of the configuration file (config.dtd, spec/cli.md 4), made from the tables. See xml.h.
 *
 * Called by control, which puts it into /configuration. Owns nothing. Elements of a DTD have one content wherever they
 * stand: a name that is an item here and a value there is declared ANY; reading checks more than a DTD can say.
 */
#include "conf/xml.h"

static bool is_value(struct str name)
{
    for (size_t i = 0; i < conf_sections_n; i++)
        if (conf_setting_find(&conf_sections[i], name))
            return true;
    return false;
}

static bool is_structure(struct str name)
{
    for (size_t i = 0; i < conf_sections_n; i++)
        if (str_eq(name, str_c(conf_sections[i].element)) ||
            (conf_sections[i].list && str_eq(name, str_c(conf_sections[i].name))))
            return true;
    return false;
}

static void content(const struct conf_section *s, struct buf *out)
{
    const char *comma = "";

    buf_add(out, s->list ? str_lit(" (name") : str_lit(" ("));
    if (s->list)
        comma = ", ";
    for (const struct conf_setting *f = s->settings; f->name; f++, comma = ", ")
        buf_addf(out, "%s%s%s", comma, f->name, f->type == CONF_TYPE_TEXTS ? "*" : "?");
    buf_add(out, str_lit(")"));
}

static void section(const struct conf_section *s, struct buf *out)
{
    const char *item = s->list ? s->name : s->element;

    if (s->list)
        buf_addf(out, "<!ELEMENT %s (%s*)>\n", s->element, s->name);
    buf_addf(out, "<!ELEMENT %s", item);
    if (is_value(str_c(item)))
        buf_add(out, str_lit(" ANY"));
    else
        content(s, out);
    buf_add(out, str_lit(">\n"));
}

/* Was the setting's name declared by an earlier row? */
static bool is_declared(const struct conf_section *at, const struct conf_setting *row)
{
    for (const struct conf_section *s = conf_sections; s <= at; s++) {
        const struct conf_setting *f = conf_setting_find(s, str_c(row->name));

        if (f && f != row)
            return s < at || f < row;
    }
    return false;
}

void conf_dtd_write(struct buf *out)
{
    const char *comma = "";

    buf_add(out, str_lit("<!ELEMENT config ("));
    for (size_t i = 0; i < conf_sections_n; i++, comma = ", ")
        buf_addf(out, "%s%s?", comma, conf_sections[i].element);
    buf_add(out, str_lit(")>\n<!ELEMENT name (#PCDATA)>\n"));
    for (size_t i = 0; i < conf_sections_n; i++)
        section(&conf_sections[i], out);
    for (size_t i = 0; i < conf_sections_n; i++)
        for (const struct conf_setting *f = conf_sections[i].settings; f->name; f++)
            if (!is_declared(&conf_sections[i], f) && !is_structure(str_c(f->name)))
                buf_addf(out, "<!ELEMENT %s (#PCDATA)>\n", f->name);
}
