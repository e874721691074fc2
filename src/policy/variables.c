/*
 * Filling variables in. See variables.h.
 *
 * Called by actions and engines. Owns nothing: values are made in the message's arena. A value that is not known is empty;
 * one that is too long is cut.
 */
#include "policy/variables.h"

#include "policy/policy_name.h"

#include <inttypes.h>
#include <time.h>

typedef void value_fn(const struct variables *v, struct buf *out);

/* --- files ------------------------------------------------------------------------------------------------------------- */

static void add_listed(struct buf *out, struct str s)
{
    if (out->n)
        buf_add(out, str_lit(", "));
    buf_add(out, s);
}

enum file_fact { FILE_NAME, FILE_SIZE, FILE_TYPE };

static void files(const struct variables *v, enum file_fact fact, struct buf *out)
{
    struct mime *mime = message_content(v->m);

    for (struct mime_part *p = mime ? mime->all : NULL; p && out->n < VARIABLES_VALUE_MAX; p = p->all_next) {
        if (!p->attachment)
            continue;
        if (fact == FILE_NAME && p->name.n)
            add_listed(out, p->name);
        else if (fact == FILE_TYPE)
            add_listed(out, p->detected.n ? p->detected : p->type);
        else if (fact == FILE_SIZE)
            add_listed(out, arena_printf(v->m->arena, "%zu", p->member ? (size_t)p->size : mime_body(mime, p).n));
    }
}

static void value_file_names(const struct variables *v, struct buf *out)
{
    files(v, FILE_NAME, out);
}

static void value_file_sizes(const struct variables *v, struct buf *out)
{
    files(v, FILE_SIZE, out);
}

static void value_file_types(const struct variables *v, struct buf *out)
{
    files(v, FILE_TYPE, out);
}

/* --- time -------------------------------------------------------------------------------------------------------------- */

/* In UTC: a judging process reads no file, not even that of the time zone. */
static void put_time(const struct variables *v, const char *format, struct buf *out)
{
    time_t t = (time_t)(message_now_ms(v->m) / 1000);
    struct tm tm;
    char text[64];

    if (!gmtime_r(&t, &tm))
        return;
    buf_add(out, str_of(text, strftime(text, sizeof text, format, &tm)));
}

static void value_date(const struct variables *v, struct buf *out)
{
    put_time(v, "%m/%d/%Y", out);
}

static void value_time(const struct variables *v, struct buf *out)
{
    put_time(v, "%H:%M:%S", out);
}

static void value_timestamp(const struct variables *v, struct buf *out)
{
    put_time(v, "%a %b %d %H:%M:%S %Y +0000", out);
}

static void value_gm_timestamp(const struct variables *v, struct buf *out)
{
    put_time(v, "%a %b %d %H:%M:%S %Y GMT", out);
}

/* --- envelope and set-up --------------------------------------------------------------------------------------------------
 */

static void value_sender(const struct variables *v, struct buf *out)
{
    const struct outcome *o = &v->m->outcome;

    buf_add(out, o->has_new_sender ? o->new_sender : v->m->env->sender);
}

static void value_recipients(const struct variables *v, struct buf *out)
{
    for (size_t i = 0; i < v->m->n_recipients && out->n < VARIABLES_VALUE_MAX; i++)
        add_listed(out, message_recipient(v->m, i));
}

static const struct conf_listener *listener_of(const struct variables *v)
{
    return v->m->conf ? conf_find(&v->m->conf->listener, v->m->env->listener) : NULL;
}

static void value_host_name(const struct variables *v, struct buf *out)
{
    const struct conf_listener *l = listener_of(v);

    buf_add(out, l ? conf_listener_host(v->m->conf, l) : v->m->conf ? v->m->conf->system.hostname : STR_NONE);
}

static void value_interface(const struct variables *v, struct buf *out)
{
    const struct conf_listener *l = listener_of(v);

    buf_add(out, l ? l->interface : STR_NONE);
}

static void value_mid(const struct variables *v, struct buf *out)
{
    buf_add_u64(out, v->m->mid);
}

static void value_mail_policy(const struct variables *v, struct buf *out)
{
    struct str name = v->m->policy ? v->m->policy->name : v->m->carried.policy;

    buf_add(out, policy_name_shown(name));
}

static void value_remote_host(const struct variables *v, struct buf *out)
{
    buf_add(out, v->m->env->client_name.n ? v->m->env->client_name : str_lit("unknown"));
}

static void value_reputation(const struct variables *v, struct buf *out)
{
    (void)v; /* no source of reputation is asked for single messages: as in the logs */
    buf_add(out, str_lit("None"));
}

#define OF_ENVELOPE(name, member) \
    static void value_##name(const struct variables *v, struct buf *out) \
    { \
        buf_add(out, v->m->env->member); \
    }
OF_ENVELOPE(listener, listener)
OF_ENVELOPE(remote_ip, client_ip)
OF_ENVELOPE(group, sender_group)
OF_ENVELOPE(flow_policy, flow_policy)

#define OF_FILTER(name, member) \
    static void value_##name(const struct variables *v, struct buf *out) \
    { \
        buf_add(out, v->member); \
    }
OF_FILTER(filter, filter)
OF_FILTER(matched, matched)
OF_FILTER(dropped_names, dropped_names)
OF_FILTER(dropped_types, dropped_types)

static void value_dropped_last(const struct variables *v, struct buf *out)
{
    struct str rest = v->dropped_names, last = rest;
    size_t at;

    while ((at = str_find_str(rest, str_lit(", "))) < rest.n)
        last = rest = str_from(rest, at + 2);
    buf_add(out, last);
}

/* --- content ----------------------------------------------------------------------------------------------------------- */

static void value_all_headers(const struct variables *v, struct buf *out)
{
    struct str octets = message_octets(v->m);

    buf_add(out, str_first(octets, header_length(octets)));
}

static void value_body_size(const struct variables *v, struct buf *out)
{
    buf_add_u64(out, message_octets(v->m).n);
}

static void value_subject(const struct variables *v, struct buf *out)
{
    struct mime *mime = message_mime(v->m);

    if (mime)
        buf_add(out, mime_header(mime, str_lit("Subject")));
}

/* What the newest step of a stage said. */
static const struct step *step_of(const struct variables *v, const char *stage)
{
    const struct outcome *o = &v->m->outcome;

    for (size_t i = o->n_steps; i-- > 0;)
        if (str_eq(o->steps[i].stage, str_c(stage)))
            return &o->steps[i];
    return NULL;
}

static void value_av_verdict(const struct variables *v, struct buf *out)
{
    const struct step *s = step_of(v, "antivirus");

    buf_add(out, s ? s->verdict : STR_NONE);
}

static void value_av_viruses(const struct variables *v, struct buf *out)
{
    const struct step *s = step_of(v, "antivirus");

    buf_add(out, s ? s->detail : STR_NONE);
}

static void value_spam_score(const struct variables *v, struct buf *out)
{
    const struct step *s = step_of(v, "antispam");

    if (s && s->has_score)
        buf_addf(out, "%.0f", s->score);
}

/* --- filling ----------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    value_fn *fn;
} rows[] = {
#define VARIABLE(name, function, help) {#name, value_##function},
#include "spec/variables.def"
#undef VARIABLE
};

/* Length of the UTF-8 character that begins here and is not ASCII, 0 = none. */
static size_t put_reference(struct str text, struct buf *out)
{
    unsigned char c = (unsigned char)text.p[0];
    size_t n = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc2 ? 2 : 0;
    uint32_t code = c & (0xffu >> (n + 1));

    if (!n || n > text.n) {
        buf_add(out, str_lit("&#65533;"));
        return 1;
    }
    for (size_t k = 1; k < n; k++)
        code = code << 6 | ((unsigned char)text.p[k] & 0x3f);
    buf_addf(out, "&#%" PRIu32 ";", code);
    return n;
}

void variables_references(struct str html, struct buf *out)
{
    while (html.n) {
        size_t n = 1;

        if ((unsigned char)html.p[0] < 0x80)
            buf_addc(out, html.p[0]);
        else
            n = put_reference(html, out);
        html = str_from(html, n);
    }
}

void variables_html(struct str text, struct buf *out)
{
    while (text.n) {
        unsigned char c = (unsigned char)text.p[0];
        size_t n = 1;

        if (c == '&' || c == '<' || c == '>' || c == '"')
            buf_addf(out, "&#%u;", c);
        else if (c == '\n')
            buf_add(out, str_lit("<br>\r\n"));
        else if (c >= 0x80)
            n = put_reference(text, out);
        else if (c != '\r')
            buf_addc(out, (char)c);
        text = str_from(text, n);
    }
}

/* The header section may keep its lines; every other value is one line. */
static void put_value(struct str value, bool lines, bool html, struct buf *out)
{
    value = str_first(value, VARIABLES_VALUE_MAX);
    if (html) {
        variables_html(value, out);
        return;
    }
    for (size_t i = 0; i < value.n; i++) {
        unsigned char c = (unsigned char)value.p[i];

        buf_addc(out, (c < 0x20 && !(lines && (c == '\r' || c == '\n'))) || c == 0x7f ? ' ' : (char)c);
    }
}

/* "Header['Name']" behind the dollar; its length, 0 = it is not there. */
static size_t put_header(const struct variables *v, struct str rest, bool html, struct buf *out)
{
    static const char begin[] = "Header[";
    struct mime *mime;
    struct str name;
    size_t end;

    if (!str_startsi(rest, str_lit("Header[")) || rest.n < sizeof begin + 1)
        return 0;
    name = str_from(rest, sizeof begin);
    end = str_find(name, rest.p[sizeof begin - 1]);
    if ((rest.p[sizeof begin - 1] != '\'' && rest.p[sizeof begin - 1] != '"') || end + 1 >= name.n || name.p[end + 1] != ']')
        return 0;
    mime = message_mime(v->m);
    if (mime)
        put_value(mime_header(mime, str_first(name, end)), false, html, out);
    return sizeof begin + end + 2;
}

/* The variable that begins here; its length in the text, 0 = none does. */
static size_t put_variable(const struct variables *v, struct str rest, bool html, struct buf *out)
{
    size_t best = SIZE_MAX, longest = 0;
    struct buf value = BUF(VARIABLES_TEXT_MAX);

    if (rest.n && rest.p[0] == '$') {
        buf_addc(out, '$');
        return 1;
    }
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct str name = str_c(rows[i].name);

        if (name.n > longest && str_startsi(rest, name)) {
            best = i;
            longest = name.n;
        }
    }
    if (best == SIZE_MAX)
        return put_header(v, rest, html, out);
    rows[best].fn(v, &value);
    put_value(buf_str(&value), rows[best].fn == value_all_headers, html, out);
    buf_done(&value);
    return longest;
}

struct str variables_fill(const struct variables *v, struct str text, bool html)
{
    struct buf out = BUF(VARIABLES_TEXT_MAX);
    struct str result = text;

    if (str_find(text, '$') == text.n)
        return text;
    for (size_t i = 0; i < text.n; i++) {
        size_t n = text.p[i] == '$' ? put_variable(v, str_from(text, i + 1), html, &out) : 0;

        if (n)
            i += n;
        else
            buf_addc(&out, text.p[i]);
    }
    if (!out.failed)
        result = arena_str(v->m->arena, buf_str(&out));
    buf_done(&out);
    return result;
}
