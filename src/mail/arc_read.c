/*
 * The ARC sets of a message and the form of their chain (RFC 8617 4.2, 5.2 steps 1 to 3). See dkim_inside.h.
 *
 * Called by dkim_verify and arc_seal. Memory is the arena's. A chain whose form is broken says so in `broken`: then nothing
 * of it is calculated with.
 */
#include "mail/dkim_inside.h"

/* Comments and white space off the front (RFC 5322 3.2.2). */
static struct str skip_comments(struct str s)
{
    size_t i = 0, depth = 0;

    for (; i < s.n; i++) {
        char c = s.p[i];

        if (c == '(')
            depth++;
        else if (c == ')' && depth)
            depth--;
        else if (c == '\\' && depth)
            i++;
        else if (!depth && c != ' ' && c != '\t' && c != '\r' && c != '\n')
            break;
    }
    return str_from(s, i < s.n ? i : s.n);
}

/* "i=N;" in front of ARC-Authentication-Results; 0 when it is not there. */
static uint64_t results_instance(struct str value, struct str *rest_out)
{
    struct str s = skip_comments(value);
    uint64_t n = 0;
    size_t digits = 0;

    if (!str_starts(s, str_lit("i")))
        return 0;
    s = skip_comments(str_from(s, 1));
    if (!str_starts(s, str_lit("=")))
        return 0;
    s = skip_comments(str_from(s, 1));
    for (; digits < s.n && digits < 3 && ascii_digit(s.p[digits]); digits++)
        n = n * 10 + (uint64_t)(s.p[digits] - '0');
    s = skip_comments(str_from(s, digits));
    if (digits < 1 || digits > 2 || !str_starts(s, str_lit(";")) || n > ARC_SETS_MOST)
        return 0;
    *rest_out = str_trim(str_from(s, 1));
    return n;
}

static void broken(struct arc_chain *c, const char *why)
{
    if (!c->broken.n)
        c->broken = str_c(why);
}

static void take_results(struct arc_chain *c, const struct header_field *f)
{
    struct str rest;
    uint64_t n = results_instance(f->value, &rest);

    if (!n) {
        broken(c, "ARC-Authentication-Results has no instance");
        return;
    }
    c->highest = n > c->highest ? n : c->highest;
    if (c->sets[n].results)
        broken(c, "ARC-Authentication-Results stands twice");
    c->sets[n].results = f;
    c->sets[n].results_value = rest;
}

static enum rc take_signature(struct arena *a, struct arc_chain *c, enum dkim_kind kind, const struct header_field *f,
                              const struct dkim_options *o)
{
    struct dkim_signature *s = arena_new(a, struct dkim_signature), **to;

    if (!s)
        return RC_NO_MEMORY;
    TRY(dkim_signature_read(a, kind, f, o, s));
    if (s->instance < 1 || s->instance > ARC_SETS_MOST) {
        broken(c, kind == DKIM_KIND_AMS ? "ARC-Message-Signature has no instance" : "ARC-Seal has no instance");
        return RC_OK;
    }
    c->highest = s->instance > c->highest ? s->instance : c->highest;
    to = kind == DKIM_KIND_AMS ? &c->sets[s->instance].ams : &c->sets[s->instance].seal;
    if (*to)
        broken(c, kind == DKIM_KIND_AMS ? "ARC-Message-Signature stands twice" : "ARC-Seal stands twice");
    *to = s;
    return RC_OK;
}

/* Every set whole, from 1 without a gap, and what each sealer said of those before. */
static void check_form(struct arc_chain *c)
{
    for (size_t i = 1; i <= c->highest; i++) {
        const struct arc_set *set = &c->sets[i];

        if (!set->results || !set->ams || !set->seal) {
            broken(c, "a set of the chain is not whole");
            return;
        }
    }
    c->n = (size_t)c->highest;
    if (str_eq(c->sets[c->n].seal->cv, str_lit("fail")))
        broken(c, "the last sealer found the chain broken");
    for (size_t i = 1; i <= c->n; i++) {
        if (!str_eq(c->sets[i].seal->cv, i == 1 ? str_lit("none") : str_lit("pass")))
            broken(c, "cv= does not fit the instance");
    }
}

enum rc arc_read(struct arena *a, struct dkim_fields *f, const struct dkim_options *o, struct arc_chain *out)
{
    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < f->n && !out->broken.n; i++) {
        const struct header_field *field = &f->items[i];

        if (!str_startsi(field->name, str_lit("ARC-")))
            continue;
        if (str_eqi(field->name, str_lit("ARC-Authentication-Results"))) {
            out->present = true;
            take_results(out, field);
        } else if (str_eqi(field->name, str_lit("ARC-Message-Signature"))) {
            out->present = true;
            TRY(take_signature(a, out, DKIM_KIND_AMS, field, o));
        } else if (str_eqi(field->name, str_lit("ARC-Seal"))) {
            out->present = true;
            TRY(take_signature(a, out, DKIM_KIND_SEAL, field, o));
        }
    }
    if (out->present && !out->broken.n)
        check_form(out);
    return RC_OK;
}

void arc_seal_octets(const struct arc_chain *c, size_t n, struct buf *out)
{
    for (size_t i = 1; i <= n && i <= c->n; i++) {
        const struct arc_set *set = &c->sets[i];

        dkim_canon_field(DKIM_RELAXED, set->results->whole, out);
        dkim_canon_field(DKIM_RELAXED, set->ams->field->whole, out);
        if (i < n)
            dkim_canon_field(DKIM_RELAXED, set->seal->field->whole, out);
        else
            dkim_canon_signature(DKIM_RELAXED, set->seal->field->whole, set->seal->b_place, out);
    }
}
