/*
 * Rules about attachments as files: names, kinds, sizes, passphrases, macros, hashes, pictures. See rules.h.
 *
 * Called through the table of filter_eval.c. Members of archives are files too. Names are compared as every reader might see
 * them.
 */
#include "policy/file_kind.h"
#include "policy/macro.h"
#include "policy/rules.h"

#include <openssl/evp.h>

typedef bool file_test(struct message *m, struct mime *mime, struct mime_part *p, const struct filter_rule *r);

static bool any_file(struct message *m, struct mime *mime, const struct filter_rule *r, file_test *test)
{
    for (struct mime_part *p = mime->all; p; p = p->all_next)
        if (rule_is_file(p) && test(m, mime, p, r))
            return true;
    return false;
}

static bool name_fits(struct message *m, struct mime *mime, struct mime_part *p, const struct filter_rule *r)
{
    (void)mime;
    return (p->name.n && rule_finds(m, r->operand.regex, p->name)) ||
           (p->other_name.n && rule_finds(m, r->operand.regex, p->other_name));
}

bool rule_attachment_filename(struct message *m, const struct filter_rule *r)
{
    return any_file(m, message_content(m), r, name_fits);
}

static bool kind_fits(struct message *m, struct mime *mime, struct mime_part *p, const struct filter_rule *r)
{
    bool yes = file_is(p, r->operand.text);

    (void)mime;
    if (yes)
        rule_found(m, p->name);
    return yes;
}

bool rule_attachment_filetype(struct message *m, const struct filter_rule *r)
{
    return any_file(m, message_content(m), r, kind_fits);
}

/* The type that its octets show; nobody looked: the declared one. */
static bool type_fits(struct message *m, struct mime *mime, struct mime_part *p, const struct filter_rule *r)
{
    (void)mime;
    return rule_finds(m, r->operand.regex, p->detected.n ? p->detected : p->type);
}

bool rule_attachment_type(struct message *m, const struct filter_rule *r)
{
    return any_file(m, message_content(m), r, type_fits);
}

static bool mimetype_fits(struct message *m, struct mime *mime, struct mime_part *p, const struct filter_rule *r)
{
    (void)mime;
    return !p->member && rule_finds(m, r->operand.regex, p->type);
}

bool rule_attachment_mimetype(struct message *m, const struct filter_rule *r)
{
    return any_file(m, message_mime(m), r, mimetype_fits);
}

static bool size_fits(struct message *m, struct mime *mime, struct mime_part *p, const struct filter_rule *r)
{
    return rule_compare(r, (double)(p->size ? p->size : mime_body(mime, p).n)) && m;
}

bool rule_attachment_size(struct message *m, const struct filter_rule *r)
{
    return any_file(m, message_content(m), r, size_fits);
}

static bool is_protected(struct message *m, struct mime *mime, struct mime_part *p, const struct filter_rule *r)
{
    (void)m;
    (void)mime;
    (void)r;
    return p->encrypted;
}

static bool is_unprotected(struct message *m, struct mime *mime, struct mime_part *p, const struct filter_rule *r)
{
    (void)m;
    (void)mime;
    (void)r;
    return !p->encrypted && !p->member;
}

bool rule_attachment_protected(struct message *m, const struct filter_rule *r)
{
    return any_file(m, message_content(m), r, is_protected);
}

bool rule_attachment_unprotected(struct message *m, const struct filter_rule *r)
{
    return any_file(m, message_content(m), r, is_unprotected);
}

static bool has_macros(struct message *m, struct mime *mime, struct mime_part *p, const struct filter_rule *r)
{
    enum macro_group found = macro_find(p, mime_body(mime, p));
    struct strs groups = filter_list(r->args, r->n_args, 0);

    (void)m;
    if (found == MACRO_NONE)
        return false;
    return !groups.n || rule_listed(groups, str_c(macro_group_name(found))) ||
           (found == MACRO_OLE && rule_listed(groups, str_c(macro_group_name(MACRO_OFFICE))));
}

bool rule_macro_detection(struct message *m, const struct filter_rule *r)
{
    return any_file(m, message_content(m), r, has_macros);
}

static bool image_fits(struct message *m, struct mime *mime, struct mime_part *p, const struct filter_rule *r)
{
    struct opinion o;

    if (!str_starts(p->detected.n ? p->detected : p->type, str_lit("image/")) ||
        !rule_opinion(m, OPINION_IMAGE, mime_body(mime, p), STR_NONE, &o))
        return false;
    return rule_listed(r->operand.list, o.text) ||
           (rule_listed(r->operand.list, str_lit("suspect or inappropriate")) &&
            (str_eqi(o.text, str_lit("suspect")) || str_eqi(o.text, str_lit("inappropriate"))));
}

bool rule_image_verdict(struct message *m, const struct filter_rule *r)
{
    return any_file(m, message_content(m), r, image_fits);
}

/* --- hashes -------------------------------------------------------------------------------------------------------- */

static struct str sha256(struct message *m, struct str octets)
{
    unsigned char sum[32];
    char text[65];
    unsigned n = 0;

    if (EVP_Digest(octets.n ? octets.p : "", octets.n, sum, &n, EVP_sha256(), NULL) != 1 || n != sizeof sum)
        return STR_NONE;
    for (size_t i = 0; i < sizeof sum; i++) {
        text[2 * i] = "0123456789abcdef"[sum[i] >> 4];
        text[2 * i + 1] = "0123456789abcdef"[sum[i] & 15];
    }
    return arena_str(m->arena, str_of(text, 64));
}

/* Lines are a hash, white space and a remark may follow. */
static bool hash_listed(struct message *m, struct str list, struct str hash)
{
    const struct conf_file_hash_list *l = list.n ? conf_find(&m->conf->file_hash_list, list) : NULL;

    for (size_t i = 0; l && hash.n && i < l->members.n; i++) {
        struct str rest = l->members.items[i], word;

        if (str_word(&rest, &word) && str_eqi(word, hash))
            return true;
    }
    return false;
}

bool rule_file_listed(struct message *m, struct str list, struct str octets)
{
    return hash_listed(m, list, sha256(m, octets));
}

static bool in_hash_list(struct message *m, struct mime *mime, struct mime_part *p, const struct filter_rule *r)
{
    return rule_file_listed(m, filter_text(r->args, r->n_args, 0), mime_body(mime, p));
}

bool rule_file_hash_list(struct message *m, const struct filter_rule *r)
{
    return any_file(m, message_content(m), r, in_hash_list);
}

static bool in_file_feed(struct message *m, struct mime *mime, struct mime_part *p, const struct filter_rule *r)
{
    struct strs feeds = filter_list(r->args, r->n_args, 0);
    struct str hash = sha256(m, mime_body(mime, p));
    struct opinion o;

    if (hash_listed(m, filter_text(r->args, r->n_args, 1), hash))
        return false;
    for (size_t i = 0; i < feeds.n; i++)
        if (rule_opinion(m, OPINION_FEED_FILE, hash, feeds.items[i], &o))
            return true;
    return false;
}

bool rule_file_threat_feeds(struct message *m, const struct filter_rule *r)
{
    return any_file(m, message_content(m), r, in_file_feed);
}
