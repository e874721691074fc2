/*
 * Writes the configuration file. See xml.h.
 *
 * Called by versions.c and by the verbs that show settings. Owns nothing. Keeps the promises that backup clients match on:
 * no `>` in the comment, which ends on its last line; no line that looks like a prompt; no line with 25 leading spaces.
 */
#include "base/clock.h"
#include "conf/product.h"
#include "conf/rules.h"
#include "conf/value.h"
#include "conf/xml.h"

#include <inttypes.h>
#include <time.h>
#include <unistd.h>

struct str conf_time_text(uint64_t ms, char out[40])
{
    time_t t = (time_t)(ms / 1000);
    struct tm tm;

    gmtime_r(&t, &tm);
    return str_of(out, strftime(out, 40, "%a %b %d %H:%M:%S %Y GMT", &tm));
}

/* One code point off the front; an octet that is no UTF-8 stands for itself. */
static uint32_t code_point(struct str *s)
{
    unsigned char c = (unsigned char)s->p[0];
    size_t n = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc2 ? 2 : 1;
    uint32_t v = n == 1 ? c : c & (0x7fu >> n);

    for (size_t i = 1; i < n; i++) {
        if (i >= s->n || ((unsigned char)s->p[i] & 0xc0) != 0x80) {
            n = 1;
            v = c;
            break;
        }
        v = v << 6 | ((unsigned char)s->p[i] & 0x3f);
    }
    *s = str_from(*s, n);
    return v;
}

/* The value itself. A `#` goes as reference because a line "word#" reads as a prompt; a space that begins a line because 25
 * of them read as a continuation. */
static void escape(struct str s, struct buf *out)
{
    bool line_start = false;

    while (s.n) {
        uint32_t v = code_point(&s);

        if (v == '<')
            buf_add(out, str_lit("&lt;"));
        else if (v == '>')
            buf_add(out, str_lit("&gt;"));
        else if (v == '&')
            buf_add(out, str_lit("&amp;"));
        else if (v >= 0x7f || v == '#' || (v == ' ' && line_start))
            buf_addf(out, "&#%" PRIu32 ";", v);
        else
            buf_addc(out, (char)v);
        line_start = v == '\n';
    }
}

/* Header texts are data of one line inside a comment: no `>`, no `--`. */
static void header_line(const char *key, struct str text, struct buf *out)
{
    bool dash = false;

    buf_addf(out, "  %s: ", key);
    while (text.n) {
        uint32_t v = code_point(&text);

        if (v < 0x20)
            v = ' ';
        if (v == '<' || v == '>' || v == '&' || v >= 0x7f || (v == '-' && (dash || text.n == 0)))
            buf_addf(out, "&#%" PRIu32 ";", v);
        else
            buf_addc(out, (char)v);
        dash = v == '-';
    }
    buf_addc(out, '\n');
}

static void header(const struct conf *c, const struct conf_header *h, struct buf *out)
{
    bool manager = c->system.role == 1;
    uint64_t pages = (uint64_t)sysconf(_SC_PHYS_PAGES), page = (uint64_t)sysconf(_SC_PAGESIZE);
    const char *model = manager ? PRODUCT_MODEL_MANAGER : PRODUCT_MODEL_GATEWAY;
    char t[40];

    buf_add(out,
            str_lit("<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>\n<!DOCTYPE config SYSTEM \"config.dtd\">\n<!--\n"));
    buf_addf(out, "  Product: %s %s Messaging Gateway\n  Model Number: %s\n  Version: %s-%s\n", PRODUCT_NAME, model, model,
             PRODUCT_VERSION, PRODUCT_BUILD);
    header_line("Serial Number", c->system.serial, out);
    buf_addf(out, "  Number of CPUs: %ld\n  Memory (MB): %" PRIu64 "\n", sysconf(_SC_NPROCESSORS_ONLN), pages * page >> 20);
    if (h->version) {
        buf_addf(out, "  Configuration: %" PRIu64 "\n", h->version);
        header_line("User", h->user, out);
        header_line("Comment", h->comment, out);
    }
    buf_addf(out, "  Current Time: %.*s -->\n", STR(conf_time_text(h->time_ms ? h->time_ms : clock_wall_ms(), t)));
}

static void indent(unsigned depth, struct buf *out)
{
    while (depth--)
        buf_add(out, str_lit("  "));
}

static void element(unsigned depth, const char *name, struct str value, struct buf *out)
{
    indent(depth, out);
    buf_addf(out, "<%s>", name);
    escape(value, out);
    buf_addf(out, "</%s>\n", name);
}

static void write_field(const void *item, const struct conf_setting *f, unsigned depth, bool secrets, struct buf *out)
{
    const struct strs *lines = conf_texts(item, f);
    struct buf value = BUF((size_t)CONF_TEXT_MAX * 4);

    if (f->type == CONF_TYPE_TEXTS) {
        for (size_t i = 0; i < lines->n; i++)
            element(depth, f->name, lines->items[i], out);
        if (lines->n == 0)
            element(depth, f->name, STR_NONE, out);
        return;
    }
    conf_value_format(item, f, secrets, &value);
    element(depth, f->name, buf_str(&value), out);
    buf_done(&value);
}

static void write_item(const struct conf_section *s, const void *item, bool secrets, struct buf *out)
{
    unsigned depth = s->list ? 2 : 1;

    indent(depth, out);
    buf_addf(out, "<%s>\n", s->list ? s->name : s->element);
    if (s->list)
        element(depth + 1, "name", conf_item_name(s, item), out);
    for (const struct conf_setting *f = s->settings; f->name; f++)
        write_field(item, f, depth + 1, secrets, out);
    indent(depth, out);
    buf_addf(out, "</%s>\n", s->list ? s->name : s->element);
}

static void write_section(const struct conf *c, const struct conf_section *s, bool secrets, struct buf *out)
{
    if (s->list)
        buf_addf(out, "  <%s>\n", s->element);
    for (size_t j = 0; j < conf_items(c, s); j++)
        write_item(s, conf_item(c, s, j), secrets, out);
    if (s->list)
        buf_addf(out, "  </%s>\n", s->element);
}

void conf_xml_write(const struct conf *c, const struct conf_header *h, bool secrets, struct buf *out)
{
    header(c, h, out);
    buf_add(out, str_lit("<config>\n"));
    for (size_t i = 0; i < conf_sections_n; i++)
        write_section(c, &conf_sections[i], secrets, out);
    buf_add(out, str_lit("</config>\n"));
}

void conf_xml_write_changed(const struct conf *c, const struct conf *base,
                            void (*each)(void *ctx, const struct conf_section *s), void *ctx, struct buf *out)
{
    header(c, &(struct conf_header){0}, out);
    buf_add(out, str_lit("<config>\n"));
    for (size_t i = 0; i < conf_sections_n; i++) {
        if (conf_section_equal(c, base, &conf_sections[i]))
            continue;
        write_section(c, &conf_sections[i], true, out);
        each(ctx, &conf_sections[i]);
    }
    buf_add(out, str_lit("</config>\n"));
}
