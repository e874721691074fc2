/*
 * Tables of mail policies, and which of them a recipient gets. See mail_policy.h.
 *
 * Called by scan's pipeline, `trace` and control's checks. Owns nothing beyond the snapshot's arena and the message's. One
 * bit a policy says whether its senders, its recipients fit; directories are asked for groups only where nothing earlier
 * decides.
 */
#include "policy/mail_policy.h"

#include "base/must.h"
#include "conf/table.h"
#include "policy/address_index.h"
#include "policy/check.h"
#include "policy/compiled.h"

enum { SENDERS, SENDER_EXCEPTIONS, RECIPIENTS, RECIPIENT_EXCEPTIONS, INDEXES };

struct table {
    struct conf_mail_policy *policies; /* in order, without DEFAULT */
    size_t n, words;                   /* 64 policies a word */
    struct address_index index[INDEXES];
    uint64_t *any_sender, *any_recipient; /* policies whose lists are empty */
    uint64_t *ask_sender, *ask_recipient; /* policies with groups */
    struct conf_mail_policy fallback;     /* DEFAULT */
};

struct compiled_policies {
    struct table tables[2]; /* incoming, outgoing */
};

/* --- what a policy takes from DEFAULT -------------------------------------------------------------------------------- */

/* What `default` means in DEFAULT itself. */
static const struct {
    const char *stage;
    uint64_t in, out;
} stages[] = {
    {"antispam", POLICY_STAGE_YES, POLICY_STAGE_NO}, {"antivirus", POLICY_STAGE_YES, POLICY_STAGE_YES},
    {"graymail", POLICY_STAGE_YES, POLICY_STAGE_NO}, {"file_reputation", POLICY_STAGE_YES, POLICY_STAGE_NO},
    {"content", POLICY_STAGE_YES, POLICY_STAGE_YES}, {"outbreak", POLICY_STAGE_YES, POLICY_STAGE_NO},
    {"dlp", POLICY_STAGE_NO, POLICY_STAGE_YES},
};

static const struct conf_section *section(void)
{
    const struct conf_section *s = conf_section_find(str_lit("mail_policy"));

    must(s);
    return s;
}

static size_t width(const struct conf_setting *f)
{
    return f->type == CONF_TYPE_TEXTS                                 ? sizeof(struct strs)
           : f->type == CONF_TYPE_TEXT || f->type == CONF_TYPE_SECRET ? sizeof(struct str)
                                                                      : sizeof(uint64_t);
}

static bool is_detail(const char *row, const char *stage)
{
    size_t n = strlen(stage);

    return strncmp(row, stage, n) == 0 && (row[n] == 0 || row[n] == '_');
}

static void take_stage(struct conf_mail_policy *p, const struct conf_mail_policy *from, const char *stage)
{
    for (const struct conf_setting *f = section()->settings; f->name; f++)
        if (is_detail(f->name, stage))
            memcpy((char *)p + f->offset, (const char *)from + f->offset, width(f));
}

/* `from` NULL: p is DEFAULT itself. */
static void fill(struct conf_mail_policy *p, const struct conf_mail_policy *from, bool outgoing)
{
    for (size_t i = 0; i < sizeof stages / sizeof *stages; i++) {
        const struct conf_setting *f = conf_setting_find(section(), str_c(stages[i].stage));
        uint64_t *value;

        must(f && f->type == CONF_TYPE_ENUM);
        value = (uint64_t *)(void *)((char *)p + f->offset);
        if (*value != POLICY_STAGE_DEFAULT)
            continue;
        if (from)
            take_stage(p, from, stages[i].stage);
        else
            *value = outgoing ? stages[i].out : stages[i].in;
    }
}

/* --- compiling -------------------------------------------------------------------------------------------------------- */

static void set(uint64_t *bits, size_t i)
{
    bits[i / 64] |= (uint64_t)1 << i % 64;
}

static bool is_set(const uint64_t *bits, size_t i)
{
    return bits[i / 64] >> i % 64 & 1;
}

static struct strs lines_of(const struct conf_mail_policy *p, unsigned index)
{
    return index == SENDERS             ? p->senders
           : index == SENDER_EXCEPTIONS ? p->sender_exceptions
           : index == RECIPIENTS        ? p->recipients
                                        : p->recipient_exceptions;
}

static enum rc compile_index(struct arena *a, struct table *t, unsigned index, struct err *e)
{
    size_t entries = 0;

    for (size_t i = 0; i < t->n; i++)
        entries += lines_of(&t->policies[i], index).n;
    TRY(address_index_init(&t->index[index], a, entries, e));
    for (size_t i = 0; i < t->n; i++) {
        struct strs lines = lines_of(&t->policies[i], index);

        for (size_t j = 0; j < lines.n; j++)
            TRY(address_index_add(&t->index[index], lines.items[j], (uint32_t)i, e));
    }
    return RC_OK;
}

static bool names_nobody(const struct conf_mail_policy *p)
{
    return !p->senders.n && !p->sender_groups.n && !p->recipients.n && !p->recipient_groups.n;
}

static void compile_bits(struct table *t)
{
    for (size_t i = 0; i < t->n; i++) {
        const struct conf_mail_policy *p = &t->policies[i];

        if (names_nobody(p))
            continue;
        if (!p->senders.n && !p->sender_groups.n)
            set(t->any_sender, i);
        if (!p->recipients.n && !p->recipient_groups.n)
            set(t->any_recipient, i);
        if (p->sender_groups.n)
            set(t->ask_sender, i);
        if (p->recipient_groups.n)
            set(t->ask_recipient, i);
    }
}

static enum rc compile_table(struct arena *a, const struct conf *c, bool outgoing, struct table *t, struct err *e)
{
    struct str name = outgoing ? str_lit("out/DEFAULT") : str_lit("DEFAULT");
    const struct conf_mail_policy *last = conf_find(&c->mail_policy, name);

    t->fallback = last ? *last : (struct conf_mail_policy){.name = name};
    fill(&t->fallback, NULL, outgoing);
    t->policies = arena_array(a, struct conf_mail_policy, c->mail_policy.n + 1);
    for (size_t i = 0; t->policies && i < c->mail_policy.n; i++) {
        const struct conf_mail_policy *p = &c->mail_policy.items[i];

        if (p == last || policy_name_outgoing(p->name) != outgoing)
            continue;
        t->policies[t->n] = *p;
        fill(&t->policies[t->n++], &t->fallback, outgoing);
    }
    t->words = t->n / 64 + 1;
    t->any_sender = arena_array(a, uint64_t, t->words);
    t->any_recipient = arena_array(a, uint64_t, t->words);
    t->ask_sender = arena_array(a, uint64_t, t->words);
    t->ask_recipient = arena_array(a, uint64_t, t->words);
    if (!t->policies || !t->any_sender || !t->any_recipient || !t->ask_sender || !t->ask_recipient)
        return err_set(e, RC_NO_MEMORY, "mail policies");
    compile_bits(t);
    for (unsigned i = 0; i < INDEXES; i++)
        TRY(compile_index(a, t, i, e));
    return RC_OK;
}

enum rc policies_compile(struct arena *a, const struct conf *c, struct compiled_policies **out, struct err *e)
{
    struct compiled_policies *p = arena_new(a, struct compiled_policies);

    if (!p)
        return err_set(e, RC_NO_MEMORY, "mail policies");
    TRY(compile_table(a, c, false, &p->tables[0], e));
    TRY(compile_table(a, c, true, &p->tables[1], e));
    *out = p;
    return RC_OK;
}

const struct conf_mail_policy *policies_find(const struct compiled_policies *p, struct str name)
{
    const struct table *t = &p->tables[policy_name_outgoing(name)];

    for (size_t i = 0; i < t->n; i++)
        if (str_eqi(t->policies[i].name, name))
            return &t->policies[i];
    return &t->fallback;
}

enum rc policies_check(const struct conf *c, struct err *e)
{
    for (size_t i = 0; i < c->mail_policy.n; i++) {
        const struct conf_mail_policy *p = &c->mail_policy.items[i];
        static const char *const fields[INDEXES] = {"senders", "sender_exceptions", "recipients", "recipient_exceptions"};

        for (unsigned k = 0; k < INDEXES; k++) {
            struct strs lines = lines_of(p, k);

            if (lines.n && str_eqi(policy_name_shown(p->name), str_lit("DEFAULT")))
                return err_set(e, RC_INVALID, "mail_policy.%.*s.%s: the default policy is for everybody else", STR(p->name),
                               fields[k]);
            for (size_t j = 0; j < lines.n; j++)
                if (!address_pattern_fits(lines.items[j]))
                    return err_set(
                        e, RC_INVALID,
                        "mail_policy.%.*s.%s: \"%.*s\" is not user@domain, user@, @domain, domain, .domain or ALL",
                        STR(p->name), fields[k], STR(str_first(lines.items[j], 100)));
        }
        for (size_t j = 0; j < p->content_filters.n; j++)
            if (policy_name_outgoing(p->content_filters.items[j]) != policy_name_outgoing(p->name))
                return err_set(e, RC_INVALID, "mail_policy.%.*s.content_filters: %.*s is a filter of the other direction",
                               STR(p->name), STR(str_first(p->content_filters.items[j], 100)));
    }
    return RC_OK;
}

/* --- matching ---------------------------------------------------------------------------------------------------------- */

/* One side of a message: which policies fit, which would if a group does. */
struct side {
    uint64_t *fits, *excepted, *asked, *in_group;
};

struct search {
    struct message *m;
    const struct table *t;
    struct side sender, recipient;
};

static void on_hit(void *ctx, uint32_t rank)
{
    set(ctx, rank);
}

static bool side_init(struct arena *a, const struct table *t, struct side *s)
{
    s->fits = arena_array(a, uint64_t, t->words);
    s->excepted = arena_array(a, uint64_t, t->words);
    s->asked = arena_array(a, uint64_t, t->words);
    s->in_group = arena_array(a, uint64_t, t->words);
    return s->fits && s->excepted && s->asked && s->in_group;
}

static void side_fill(const struct table *t, struct side *s, struct str address, const uint64_t *any, unsigned index)
{
    memcpy(s->fits, any, t->words * sizeof *any);
    memset(s->excepted, 0, t->words * sizeof *any);
    memset(s->asked, 0, t->words * sizeof *any);
    memset(s->in_group, 0, t->words * sizeof *any);
    address_index_find(&t->index[index], address, on_hit, s->fits);
    address_index_find(&t->index[index + 1], address, on_hit, s->excepted);
}

/* Does policy i fit this side? Asks the directory at most once a policy. */
static enum rc side_fits(const struct search *x, struct side *s, size_t i, struct str address, struct strs groups, bool *yes)
{
    const struct message_world *w = x->m->world;

    *yes = is_set(s->fits, i) || is_set(s->in_group, i);
    if (*yes || is_set(s->asked, i) || !groups.n || !address.n || !w || !w->in_group)
        return RC_OK;
    for (size_t g = 0; g < groups.n && !*yes; g++) {
        enum rc rc = w->in_group(w->ctx, x->m, x->t->policies[i].group_query, address, groups.items[g]);

        if (rc != RC_OK && rc != RC_NOT_FOUND)
            return rc;
        *yes = rc == RC_OK;
    }
    set(s->asked, i);
    if (*yes)
        set(s->in_group, i);
    return RC_OK;
}

static enum rc decide(struct search *x, struct str recipient, const struct conf_mail_policy **out)
{
    const struct table *t = x->t;

    side_fill(t, &x->recipient, recipient, t->any_recipient, RECIPIENTS);
    for (size_t w = 0; w < t->words; w++) {
        uint64_t left = (x->sender.fits[w] | t->ask_sender[w]) & ~x->sender.excepted[w] &
                        (x->recipient.fits[w] | t->ask_recipient[w]) & ~x->recipient.excepted[w];

        for (; left; left &= left - 1) {
            size_t i = w * 64 + (size_t)__builtin_ctzll(left);
            const struct conf_mail_policy *p = &t->policies[i];
            bool yes;

            TRY(side_fits(x, &x->recipient, i, recipient, p->recipient_groups, &yes));
            if (yes)
                TRY(side_fits(x, &x->sender, i, x->m->env->sender, p->sender_groups, &yes));
            if (yes) {
                *out = p;
                return RC_OK;
            }
        }
    }
    *out = &t->fallback;
    return RC_OK;
}

/* Recipients get the group of their policy; groups come in the order of their first recipients. */
static enum rc group(struct message *m, const struct conf_mail_policy **of, struct message_group **out, size_t *n_out,
                     struct err *e)
{
    struct message_group *groups = arena_array(m->arena, struct message_group, m->n_recipients + 1);
    uint32_t *order = arena_array(m->arena, uint32_t, m->n_recipients + 1);
    size_t n = 0, at = 0;

    if (!groups || !order)
        return err_set(e, RC_NO_MEMORY, "policies of the recipients");
    for (size_t i = 0; i < m->n_recipients; i++) {
        const struct conf_mail_policy *p = of[i];
        size_t from = at;

        if (!p)
            continue;
        for (size_t j = i; j < m->n_recipients; j++)
            if (of[j] == p) {
                order[at++] = m->recipients[j];
                of[j] = NULL;
            }
        groups[n++] = (struct message_group){p, order + from, at - from};
    }
    *out = groups;
    *n_out = n;
    return RC_OK;
}

enum rc message_split(struct message *m, struct message_group **out, size_t *n_out, struct err *e)
{
    struct search x = {.m = m, .t = &m->compiled->policies->tables[m->env->outgoing ? 1 : 0]};
    const struct conf_mail_policy **of = arena_array(m->arena, const struct conf_mail_policy *, m->n_recipients + 1);

    if (!of || !side_init(m->arena, x.t, &x.sender) || !side_init(m->arena, x.t, &x.recipient))
        return err_set(e, RC_NO_MEMORY, "policies of the recipients");
    side_fill(x.t, &x.sender, m->env->sender, x.t->any_sender, SENDERS);
    for (size_t i = 0; i < m->n_recipients; i++) {
        enum rc rc = decide(&x, message_recipient(m, i), &of[i]);

        if (rc != RC_OK)
            return err_set(e, rc, "no directory answers who belongs to a group of a mail policy");
    }
    return group(m, of, out, n_out, e);
}
