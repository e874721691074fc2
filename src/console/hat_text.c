/*
 * A host access table as text. See hat_text.h.
 *
 * Called by HOSTACCESS (PRINT, EXPORT, IMPORT). Owns nothing: what is read goes into the draft's arena. The text comes from
 * a file of an operator: whatever it holds, reading ends with a table or with the number of the line that is wrong.
 */
#include "console/hat_text.h"

#include "base/must.h"
#include "conf/value.h"

static const char *const behaviors[] = {"ACCEPT", "RELAY", "REJECT", "TCPREFUSE"};
enum { BEHAVIORS = sizeof behaviors / sizeof *behaviors, VALUE_MAX = 1 << 20 };

static const struct conf_section *policies(void)
{
    return conf_section_find(str_lit("mail_flow_policy"));
}

/* --- writing --------------------------------------------------------------------------------------------------------- */

static void write_value(const void *item, const struct conf_setting *f, struct buf *out)
{
    struct buf b = BUF(VALUE_MAX);

    conf_value_format(item, f, false, &b);
    if (f->type == CONF_TYPE_UINT || f->type == CONF_TYPE_BOOL) {
        buf_add(out, buf_str(&b));
    } else {
        buf_addc(out, '"');
        for (size_t i = 0; i < b.n; i++) {
            if (b.p[i] == '"' || b.p[i] == '\\')
                buf_addc(out, '\\');
            if (b.p[i] == '\n')
                buf_add(out, str_lit("\\n"));
            else
                buf_addc(out, b.p[i]);
        }
        buf_addc(out, '"');
    }
    buf_done(&b);
}

static void write_policy(const struct conf_mail_flow_policy *p, const struct conf_mail_flow_policy *usual, struct buf *out)
{
    buf_addf(out, "$%.*s\n    %s {\n", STR(p->name), p->behavior < BEHAVIORS ? behaviors[p->behavior] : "REJECT");
    for (const struct conf_setting *f = policies()->settings; f->name; f++) {
        if (str_eq(str_c(f->name), str_lit("behavior")) || conf_value_equal(p, usual, f))
            continue;
        buf_addf(out, "        %s = ", f->name);
        write_value(p, f, out);
        buf_addc(out, '\n');
    }
    buf_add(out, str_lit("    }\n"));
}

static void write_group(const struct conf_sender_group *g, struct buf *out)
{
    buf_addf(out, "%.*s:\n", STR(hat_group_shown(g->name)));
    for (size_t i = 0; i < g->members.n; i++)
        buf_addf(out, "    %.*s\n", STR(g->members.items[i]));
    buf_addf(out, "    $%.*s", STR(g->policy));
    if (g->comment.n)
        buf_addf(out, " (%.*s)", (int)str_find(g->comment, '\n'), g->comment.p);
    buf_addc(out, '\n');
}

void hat_text_write(const struct conf *c, struct str listener, struct buf *out)
{
    struct arena a;
    struct conf_mail_flow_policy *usual;

    arena_init(&a, 4096, 1 << 20);
    usual = arena_must_alloc(&a, sizeof *usual);
    must(conf_item_defaults(&a, policies(), usual, NULL) == RC_OK);
    for (size_t i = 0; i < c->mail_flow_policy.n; i++)
        write_policy(&c->mail_flow_policy.items[i], usual, out);
    for (size_t i = 0; i < c->sender_group.n; i++)
        if (hat_group_of(&c->sender_group.items[i], listener))
            write_group(&c->sender_group.items[i], out);
    arena_done(&a);
}

/* --- reading --------------------------------------------------------------------------------------------------------- */

enum state { TOP, POLICY_HEAD, POLICY_BODY, GROUP };

struct reading {
    struct conf_draft *d;
    struct str listener;
    enum state state;
    struct str policy; /* being read */
    struct str group;  /* its item's name */
    struct err *e;
};

static void *policy_item(struct reading *r)
{
    void *item = NULL;

    return conf_draft_item(r->d, policies(), r->policy, &item, r->e) == RC_OK ? item : NULL;
}

static enum rc begin_policy(struct reading *r, struct str name)
{
    void *item;

    r->policy = arena_str(&r->d->arena, str_trim(name));
    item = policy_item(r);
    if (!item)
        return r->e->rc;
    memset(item, 0, policies()->size);
    *(struct str *)item = r->policy;
    r->state = POLICY_HEAD;
    return conf_item_defaults(&r->d->arena, policies(), item, r->e);
}

/* "ACCEPT {" or "ACCEPT {}" */
static enum rc policy_head(struct reading *r, struct str line)
{
    size_t brace = str_find(line, '{');
    struct str word = str_trim(str_first(line, brace)), rest = str_trim(str_from(line, brace + 1));
    struct conf_mail_flow_policy *p = policy_item(r);

    if (!p || brace == line.n || (rest.n && !str_eq(rest, str_lit("}"))))
        return err_set(r->e, RC_SYNTAX, "a policy is BEHAVIOR { ... }");
    for (size_t i = 0; i < BEHAVIORS; i++) {
        if (!str_eqi(word, str_c(behaviors[i])))
            continue;
        p->behavior = i;
        r->state = rest.n ? TOP : POLICY_BODY;
        return RC_OK;
    }
    return err_set(r->e, RC_INVALID, "%.*s is none of ACCEPT, RELAY, REJECT, TCPREFUSE", STR(str_first(word, 60)));
}

/* A value in quotes, or as it is. */
static enum rc unquote(struct reading *r, struct str text, struct str *out)
{
    char *p;
    size_t n = 0;

    *out = text;
    if (text.n == 0 || text.p[0] != '"')
        return RC_OK;
    if (text.n < 2 || text.n > VALUE_MAX || text.p[text.n - 1] != '"')
        return err_set(r->e, RC_SYNTAX, "a quote is not closed");
    p = arena_must_alloc(&r->d->arena, text.n);
    for (size_t i = 1; i + 1 < text.n; i++) {
        bool escaped = text.p[i] == '\\' && i + 2 < text.n;

        i += escaped;
        p[n++] = escaped && text.p[i] == 'n' ? '\n' : text.p[i];
    }
    *out = str_of(p, n);
    return RC_OK;
}

static enum rc policy_body(struct reading *r, struct str line)
{
    size_t eq = str_find(line, '=');
    struct str key = str_trim(str_first(line, eq)), value;
    const struct conf_setting *f = conf_setting_find(policies(), key);
    void *item;

    if (str_eq(line, str_lit("}"))) {
        r->state = TOP;
        return RC_OK;
    }
    if (eq == line.n || !f)
        return err_set(r->e, RC_INVALID, "%.*s is no setting of a policy", STR(str_first(key, 60)));
    TRY(unquote(r, str_trim(str_from(line, eq + 1)), &value));
    item = policy_item(r);
    return item ? conf_value_set(&r->d->arena, item, f, value, r->e) : r->e->rc;
}

static enum rc begin_group(struct reading *r, struct str line)
{
    const struct conf_sender_group *g;

    TRY(hat_group_new(r->d, r->listener, str_trim(str_first(line, line.n - 1)), &g, r->e));
    r->group = g->name;
    r->state = GROUP;
    return RC_OK;
}

static enum rc group_value(struct reading *r, const char *field, struct str value)
{
    const struct conf_section *section = conf_section_find(str_lit("sender_group"));
    const struct conf_setting *f = conf_setting_find(section, str_c(field));
    void *item;

    TRY(conf_draft_item(r->d, section, r->group, &item, r->e));
    return f->type == CONF_TYPE_TEXTS ? conf_value_add_line(&r->d->arena, item, f, value, r->e)
                                      : conf_value_set(&r->d->arena, item, f, value, r->e);
}

/* "$POLICY (comment)" */
static enum rc group_end(struct reading *r, struct str line)
{
    size_t open = str_find_str(line, str_lit(" (")), close = str_find_last(line, ')');

    TRY(group_value(r, "policy", str_trim(str_first(str_from(line, 1), open - 1))));
    if (open < line.n) {
        if (close + 1 != line.n)
            return err_set(r->e, RC_SYNTAX, "a bracket is not closed");
        TRY(group_value(r, "comment", str_of(line.p + open + 2, close - open - 2)));
    }
    r->state = TOP;
    return RC_OK;
}

static enum rc group_body(struct reading *r, struct str line)
{
    struct str one;

    if (line.p[0] == '$')
        return group_end(r, line);
    while (str_split(&line, ',', &one))
        if (str_trim(one).n)
            TRY(group_value(r, "members", str_trim(one)));
    return RC_OK;
}

static enum rc read_line(struct reading *r, struct str line)
{
    size_t brace = str_find(line, ' ');

    switch (r->state) {
    case POLICY_HEAD:
        return policy_head(r, line);
    case POLICY_BODY:
        return policy_body(r, line);
    case GROUP:
        return group_body(r, line);
    case TOP:
        break;
    }
    if (line.p[0] == '$' && line.p[line.n - 1] == '}' && brace < line.n) { /* "$NAME ACCEPT {}" on one line */
        TRY(begin_policy(r, str_first(str_from(line, 1), brace - 1)));
        return policy_head(r, str_trim(str_from(line, brace)));
    }
    if (line.p[0] == '$')
        return begin_policy(r, str_from(line, 1));
    if (line.p[line.n - 1] == ':')
        return begin_group(r, line);
    return err_set(r->e, RC_SYNTAX, "neither $POLICY nor GROUP:");
}

enum rc hat_text_read(struct conf_draft *d, struct str listener, struct str text, struct err *e)
{
    struct err own = ERR_NONE;
    struct reading r = {.d = d, .listener = listener, .state = TOP, .e = &own};
    struct str line;
    enum rc rc = hat_groups_drop(d, listener, &own);

    for (size_t n = 1; rc == RC_OK && str_split(&text, '\n', &line); n++) {
        line = str_trim(line);
        if (line.n == 0 || line.p[0] == '#')
            continue;
        rc = read_line(&r, line);
        if (rc != RC_OK)
            return err_set(e, rc, "line %zu: %s", n, err_text(&own));
    }
    if (rc == RC_OK && r.state != TOP)
        rc = err_set(&own, RC_SYNTAX, "the last block is not ended");
    return rc == RC_OK ? RC_OK : err_set(e, rc, "%s", err_text(&own));
}
