/*
 * Reading Authentication-Results values (RFC 8601 2.2), also behind the "i=N;" of ARC. See auth_header.h.
 *
 * Called by scan to find forged fields and by ARC for what earlier hosts saw. The value comes from a stranger: limits on
 * methods and properties, every step consumes input. Quoted values are unquoted into the arena, all else is a view.
 */
#include "mail/auth_header.h"

/* Skips white space and comments (CFWS). False when a comment never ends. */
static bool skip_space(struct str *s)
{
    unsigned depth = 0;

    for (; s->n; *s = str_from(*s, 1)) {
        char c = s->p[0];

        if (c == '(')
            depth++;
        else if (depth && c == ')')
            depth--;
        else if (depth && c == '\\' && s->n > 1)
            *s = str_from(*s, 1);
        else if (!depth && c != ' ' && c != '\t' && c != '\r' && c != '\n')
            return true;
    }
    return depth == 0;
}

static bool ends_word(char c)
{
    return (unsigned char)c <= 0x20 || strchr("()<>,;:\\\"=?", c) != NULL;
}

static struct str word(struct str *s)
{
    size_t n = 0;
    struct str w;

    while (n < s->n && !ends_word(s->p[n]))
        n++;
    w = str_first(*s, n);
    *s = str_from(*s, n);
    return w;
}

static bool quoted(struct arena *a, struct str *s, struct str *out)
{
    char *to = arena_alloc(a, s->n + 1);
    size_t n = 0;

    if (!to)
        return false;
    for (size_t i = 1; i < s->n; i++) {
        if (s->p[i] == '"') {
            *out = str_of(to, n);
            *s = str_from(*s, i + 1);
            return true;
        }
        if (s->p[i] == '\\' && i + 1 < s->n)
            i++;
        to[n++] = s->p[i];
    }
    return false;
}

/* A token, an address or a quoted string; values of others may hold "=", ":", "/" unquoted: taken up to a space or ";". */
static bool value(struct arena *a, struct str *s, struct str *out)
{
    size_t n = 0;

    if (!skip_space(s) || !s->n)
        return false;
    if (s->p[0] == '"')
        return quoted(a, s, out);
    while (n < s->n && (unsigned char)s->p[n] > 0x20 && s->p[n] != ';' && s->p[n] != '(')
        n++;
    *out = str_first(*s, n);
    *s = str_from(*s, n);
    return n > 0;
}

static bool take(struct str *s, char c)
{
    if (!skip_space(s) || !s->n || s->p[0] != c)
        return false;
    *s = str_from(*s, 1);
    return true;
}

/* "i=N;" of ARC-Authentication-Results. */
static void instance(struct str *s, struct auth_header *out)
{
    struct str rest = *s, name, number;

    if (!skip_space(&rest))
        return;
    name = word(&rest);
    if (!str_eqi(name, str_lit("i")) || !take(&rest, '=') || !skip_space(&rest))
        return;
    number = word(&rest);
    if (str_u64(number, &out->instance) && take(&rest, ';'))
        *s = rest;
    else
        out->instance = 0;
}

/* " reason=..." or " ptype.property=..." behind a result. */
static enum rc properties(struct arena *a, struct str *s, struct auth_method *m, struct err *e)
{
    struct auth_property *list = NULL;

    for (;;) {
        struct auth_property p = {0};

        if (!skip_space(s))
            return err_set(e, RC_SYNTAX, "a comment that does not end");
        if (!s->n || s->p[0] == ';')
            return RC_OK;
        p.type = word(s);
        if (!p.type.n || !take(s, '=') || !value(a, s, &p.value))
            return err_set(e, RC_SYNTAX, "a property without name or value");
        if (str_eqi(p.type, str_lit("reason"))) {
            m->reason = p.value;
            continue;
        }
        p.name = str_from(p.type, str_find(p.type, '.') + 1);
        p.type = str_first(p.type, str_find(p.type, '.'));
        if (!list)
            list = arena_array(a, struct auth_property, AUTH_PROPERTIES_MAX);
        if (!list || m->n_properties == AUTH_PROPERTIES_MAX)
            return err_set(e, RC_LIMIT, "too many properties");
        list[m->n_properties++] = p;
        m->properties = list;
    }
}

static enum rc method(struct arena *a, struct str *s, struct auth_header *out, struct auth_method *list, struct err *e)
{
    struct auth_method m = {0};
    struct str w;

    if (!skip_space(s))
        return err_set(e, RC_SYNTAX, "a comment that does not end");
    if (!s->n) /* "; " at the end, which some write */
        return RC_OK;
    w = word(s);
    if (str_eqi(w, str_lit("none")) && skip_space(s) && (!s->n || s->p[0] == ';'))
        return RC_OK;
    m.method = str_first(w, str_find(w, '/'));
    if (!m.method.n || !take(s, '=') || !skip_space(s))
        return err_set(e, RC_SYNTAX, "a method without result");
    m.result = word(s);
    if (!m.result.n)
        return err_set(e, RC_SYNTAX, "a method without result");
    TRY(properties(a, s, &m, e));
    if (out->n_methods == AUTH_METHODS_MAX)
        return err_set(e, RC_LIMIT, "too many methods");
    list[out->n_methods++] = m;
    return RC_OK;
}

/* authserv-id with an optional version behind it. */
static bool authserv_id(struct arena *a, struct str *s, struct str *out)
{
    if (!skip_space(s) || !s->n)
        return false;
    if (s->p[0] == '"' ? !quoted(a, s, out) : ((*out = word(s)).n == 0))
        return false;
    if (!skip_space(s))
        return false;
    if (s->n && ascii_digit(s->p[0]))
        word(s);
    return skip_space(s) && (!s->n || s->p[0] == ';');
}

enum rc auth_header_parse(struct arena *a, struct str in, struct auth_header *out, struct err *e)
{
    struct auth_header h = {0};
    struct auth_method *list = arena_array(a, struct auth_method, AUTH_METHODS_MAX);

    if (!list)
        return err_set(e, RC_NO_MEMORY, "no memory");
    h.methods = list;
    instance(&in, &h);
    if (!authserv_id(a, &in, &h.authserv_id))
        return err_set(e, RC_SYNTAX, "no authentication service identifier");
    while (take(&in, ';'))
        TRY(method(a, &in, &h, list, e));
    if (!skip_space(&in) || in.n)
        return err_set(e, RC_SYNTAX, "something unexpected behind a result");
    *out = h;
    return RC_OK;
}

bool auth_header_is_ours(struct str in, struct str ours)
{
    struct arena a;
    struct auth_header ignored = {0};
    struct str id = STR_NONE;
    bool found;

    arena_init(&a, 1024, 1 << 20);
    instance(&in, &ignored);
    found = !authserv_id(&a, &in, &id) || str_eqi(id, ours);
    arena_done(&a);
    return found;
}

const struct auth_method *auth_header_find(const struct auth_header *h, struct str name, size_t *at)
{
    while (*at < h->n_methods) {
        const struct auth_method *m = &h->methods[(*at)++];

        if (str_eqi(m->method, name))
            return m;
    }
    return NULL;
}

struct str auth_method_property(const struct auth_method *m, struct str type, struct str name)
{
    for (size_t i = 0; i < m->n_properties; i++)
        if (str_eqi(m->properties[i].type, type) && str_eqi(m->properties[i].name, name))
            return m->properties[i].value;
    return STR_NONE;
}
