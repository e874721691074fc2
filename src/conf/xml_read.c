/*
 * Reads the configuration file with libxml2. See xml.h.
 *
 * Called by versions.c at start and by `settings load`. Owns the parsed tree for the time of one call. The file may come
 * from anyone who may load settings: no network, no entities, no huge documents; each error names its line.
 */
#include "conf/value.h"
#include "conf/xml.h"

#include <libxml/parser.h>
#include <libxml/tree.h>

enum { FILE_MAX = 64 << 20 };

enum {
#define SECTION(section, kind, element, level, secrets, always, help) SECTION_##section,
#include "spec/sections.def"
#undef SECTION
    SECTIONS
};

static struct str name_of(const xmlNode *n)
{
    return str_c((const char *)n->name);
}

static int line_of(const xmlNode *n)
{
    return (int)xmlGetLineNo((xmlNode *)(uintptr_t)n);
}

/* Next element from n on; anything else between elements must be white space or a comment. */
static enum rc next_element(const xmlNode *n, const xmlNode **out, struct err *e)
{
    for (; n && n->type != XML_ELEMENT_NODE; n = n->next) {
        if (n->type == XML_COMMENT_NODE)
            continue;
        if (n->type != XML_TEXT_NODE || str_trim(str_c((const char *)n->content)).n)
            return err_set(e, RC_SYNTAX, "line %d: text between elements", line_of(n));
    }
    if (n && n->properties)
        return err_set(e, RC_SYNTAX, "line %d: attributes are not used here", line_of(n));
    *out = n;
    return RC_OK;
}

/* Text of an element without children, into b. */
static enum rc text_of(const xmlNode *n, struct buf *b, struct err *e)
{
    buf_clear(b);
    for (const xmlNode *c = n->children; c; c = c->next) {
        if (c->type == XML_COMMENT_NODE)
            continue;
        if (c->type != XML_TEXT_NODE && c->type != XML_CDATA_SECTION_NODE)
            return err_set(e, RC_SYNTAX, "line %d: <%s> holds a value, not elements", line_of(n), (const char *)n->name);
        buf_add(b, str_c((const char *)c->content));
    }
    return b->failed ? err_set(e, RC_TOO_LARGE, "line %d: value too long", line_of(n)) : RC_OK;
}

static enum rc with_place(const struct conf_section *s, struct str name, const xmlNode *n, struct err *e)
{
    struct buf path = BUF(1000);

    conf_path_format(s, name, (const char *)n->name, &path);
    err_wrap(e, RC_INVALID, "line %d: %.*s", line_of(n), STR(str_first(buf_str(&path), 150)));
    buf_done(&path);
    return RC_INVALID;
}

static enum rc read_value(struct conf_draft *d, const struct conf_setting *f, void *item, struct str value, bool first,
                          struct err *e)
{
    struct strs *lines = (struct strs *)(void *)((char *)item + f->offset);

    if (f->type == CONF_TYPE_SECRET && str_eq(value, str_lit("********")))
        return err_set(e, RC_INVALID, "a masked passphrase cannot be loaded");
    if (f->type != CONF_TYPE_TEXTS) {
        if (!first)
            return err_set(e, RC_INVALID, "appears twice");
        return conf_value_set(&d->arena, item, f, value, e);
    }
    if (first)
        *lines = (struct strs){NULL, 0};
    return value.n ? conf_value_add_line(&d->arena, item, f, value, e) : RC_OK;
}

/* Fields of one item (or ONE section), from the first child on. Those not in the file keep their defaults. */
static enum rc read_fields(struct conf_draft *d, const struct conf_section *s, void *item, const xmlNode *n, struct err *e)
{
    struct str name = conf_item_name(s, item);
    struct buf text = BUF((size_t)CONF_TEXT_MAX * 4);
    uint64_t seen[4] = {0}; /* of the first 256 rows: enough, and tools/rooms says when it is not */
    enum rc rc = next_element(n, &n, e);

    for (; rc == RC_OK && n; rc = rc == RC_OK ? next_element(n->next, &n, e) : rc) {
        const struct conf_setting *f = conf_setting_find(s, name_of(n));
        size_t row = f ? (size_t)(f - s->settings) % 256 : 0;
        bool first = !(seen[row / 64] >> row % 64 & 1);

        if (s->list && str_eq(name_of(n), str_lit("name")))
            continue;
        if (!f) {
            rc = err_set(e, RC_NOT_FOUND, "line %d: no setting \"%s\" in section %s", line_of(n), (const char *)n->name,
                         s->name);
            break;
        }
        seen[row / 64] |= 1ull << row % 64;
        rc = text_of(n, &text, e);
        if (rc == RC_OK && read_value(d, f, item, buf_str(&text), first, e) != RC_OK)
            rc = with_place(s, name, n, e);
    }
    buf_done(&text);
    return rc;
}

static enum rc read_item(struct conf_draft *d, const struct conf_section *s, const xmlNode *n, struct err *e)
{
    struct buf name = BUF(4096);
    const xmlNode *first;
    void *item = NULL;
    enum rc rc = next_element(n->children, &first, e);

    if (rc == RC_OK && (!str_eq(name_of(n), str_c(s->name)) || !first || !str_eq(name_of(first), str_lit("name"))))
        rc = err_set(e, RC_SYNTAX, "line %d: <%s> holds <%s> elements that begin with <name>", line_of(n), s->element,
                     s->name);
    if (rc == RC_OK)
        rc = text_of(first, &name, e);
    if (rc == RC_OK && conf_item_index(&d->conf, s, buf_str(&name)) != SIZE_MAX)
        rc = err_set(e, RC_EXISTS, "line %d: %s \"%.*s\" appears twice", line_of(n), s->name,
                     STR(str_first(buf_str(&name), 100)));
    if (rc == RC_OK && conf_draft_item(d, s, buf_str(&name), &item, e) != RC_OK)
        rc = with_place(s, buf_str(&name), first, e);
    buf_done(&name);
    return rc == RC_OK ? read_fields(d, s, item, first->next, e) : rc;
}

static enum rc read_section(struct conf_draft *d, const struct conf_section *s, const xmlNode *n, struct err *e)
{
    void *one = (char *)&d->conf + s->offset;

    if (!s->list) {
        memset(one, 0, s->size);
        TRY(conf_item_defaults(&d->arena, s, one, e));
        return read_fields(d, s, one, n->children, e);
    }
    conf_list_set(&d->conf, s, (struct conf_list){NULL, 0});
    TRY(next_element(n->children, &n, e));
    while (n) {
        TRY(read_item(d, s, n, e));
        TRY(next_element(n->next, &n, e));
    }
    return RC_OK;
}

static enum rc read_config(struct conf_draft *d, const xmlNode *root, struct err *e)
{
    const xmlNode *n;
    uint64_t seen[(SECTIONS + 63) / 64] = {0};

    if (!root || !str_eq(name_of(root), str_lit("config")))
        return err_set(e, RC_SYNTAX, "line %d: the outermost element is not <config>", root ? line_of(root) : 1);
    TRY(next_element(root->children, &n, e));
    while (n) {
        size_t i = 0;

        while (i < conf_sections_n && !str_eq(name_of(n), str_c(conf_sections[i].element)))
            i++;
        if (i == conf_sections_n)
            return err_set(e, RC_NOT_FOUND, "line %d: no section <%s>", line_of(n), (const char *)n->name);
        if (seen[i / 64] >> i % 64 & 1)
            return err_set(e, RC_EXISTS, "line %d: section <%s> appears twice", line_of(n), (const char *)n->name);
        seen[i / 64] |= 1ull << i % 64;
        TRY(read_section(d, &conf_sections[i], n, e));
        TRY(next_element(n->next, &n, e));
    }
    return conf_draft_always(d, e);
}

/* The first thing that went wrong is the one to tell; those after it are its echoes. */
static void keep_first(void *ctx, xmlErrorPtr x)
{
    struct err *first = ((xmlParserCtxt *)ctx)->_private;

    if (first->rc == RC_OK && x->level >= XML_ERR_ERROR)
        err_set(first, RC_SYNTAX, "line %d: %.*s", x->line, STR(str_trim(str_c(x->message))));
}

enum rc conf_xml_read(struct conf_draft *d, struct str file, struct err *e)
{
    struct err first = ERR_NONE;
    xmlParserCtxt *ctxt;
    xmlDoc *doc;
    enum rc rc;

    if (file.n > FILE_MAX)
        return err_set(e, RC_TOO_LARGE, "the file is larger than %d octets", FILE_MAX);
    ctxt = xmlNewParserCtxt();
    if (!ctxt)
        return err_set(e, RC_NO_MEMORY, "no memory for the XML parser");
    ctxt->_private = &first;
    ctxt->sax->serror = keep_first;
    doc = xmlCtxtReadMemory(ctxt, file.p, (int)file.n, "configuration", NULL,
                            XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    if (!doc)
        rc = err_set(e, RC_SYNTAX, "%s", first.rc ? first.text : "line 1: not XML");
    else if (doc->intSubset && doc->intSubset->children)
        rc = err_set(e, RC_NOT_PERMITTED, "line 2: declarations inside DOCTYPE are not accepted");
    else
        rc = read_config(d, xmlDocGetRootElement(doc), e);
    xmlFreeDoc(doc);
    xmlFreeParserCtxt(ctxt);
    return rc;
}
