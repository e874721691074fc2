/*
 * Rules of known outbreaks. See outbreak.h.
 *
 * Called by stage_outbreak.c. Owns nothing. A rule has conditions; all that are given must fit. Digests are made only for
 * rules that ask for one.
 */
#include "scan/outbreak.h"

#include <openssl/evp.h>

enum { KIND_VIRAL, KIND_PHISH, KIND_SCAM, KIND_MALWARE, KIND_OTHER };

struct str outbreak_ending(struct str name)
{
    size_t dot = str_find_last(name, '.');
    struct str ending = str_from(name, dot + 1);

    return dot < name.n && ending.n <= 10 ? ending : STR_NONE;
}

bool outbreak_bypassed(const struct message *m, const struct mime_part *p)
{
    struct strs types = m->policy ? m->policy->outbreak_bypass_types : (struct strs){0};

    for (size_t i = 0; i < types.n; i++)
        if (str_eqi(types.items[i], outbreak_ending(p->name)))
            return true;
    return false;
}

/* '*' any octets, '?' one; letters of either case. Linear: a star is tried again from its last place only. */
static bool glob(struct str pattern, struct str name)
{
    size_t p = 0, n = 0, star = SIZE_MAX, again = 0;

    while (n < name.n) {
        if (p < pattern.n && pattern.p[p] == '*') {
            star = p++;
            again = n;
        } else if (p < pattern.n && (pattern.p[p] == '?' || ascii_lower(pattern.p[p]) == ascii_lower(name.p[n]))) {
            p++;
            n++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            n = ++again;
        } else {
            return false;
        }
    }
    while (p < pattern.n && pattern.p[p] == '*')
        p++;
    return p == pattern.n;
}

static bool any_glob(struct strs list, struct str name)
{
    for (size_t i = 0; i < list.n; i++)
        if (glob(list.items[i], name))
            return true;
    return false;
}

static bool any_type(struct strs list, const struct mime_part *p)
{
    for (size_t i = 0; i < list.n; i++) {
        struct str t = list.items[i];
        bool mime = str_find(t, '/') < t.n;

        if (mime ? str_eqi(t, p->type) || str_eqi(t, p->detected) : str_eqi(t, outbreak_ending(p->name)))
            return true;
    }
    return false;
}

static bool any_digest(struct strs list, struct mime *mime, struct mime_part *p)
{
    static const char digits[] = "0123456789abcdef";
    struct str body = list.n ? mime_body(mime, p) : STR_NONE;
    unsigned char digest[32];
    char hex[64];

    if (!list.n || EVP_Digest(body.p, body.n, digest, NULL, EVP_sha256(), NULL) != 1)
        return false;
    for (size_t i = 0; i < sizeof digest; i++) {
        hex[2 * i] = digits[digest[i] >> 4];
        hex[2 * i + 1] = digits[digest[i] & 15];
    }
    for (size_t i = 0; i < list.n; i++)
        if (str_eqi(list.items[i], str_of(hex, sizeof hex)))
            return true;
    return false;
}

/* One attachment that fits all three lists that are not empty. */
static bool fits_file(struct message *m, const struct conf_outbreak_rule *r, struct outbreak_threat *t)
{
    struct mime *mime = message_content(m);

    if (!r->file_names.n && !r->file_types.n && !r->sha256.n)
        return true;
    for (struct mime_part *p = mime->all; p; p = p->all_next) {
        if (p->multipart || (!p->attachment && !p->member) || outbreak_bypassed(m, p))
            continue;
        if ((!r->file_names.n || any_glob(r->file_names, p->name)) && (!r->file_types.n || any_type(r->file_types, p)) &&
            (!r->sha256.n || any_digest(r->sha256, mime, p))) {
            t->matched = p->name;
            return true;
        }
    }
    return false;
}

/* Name, or .name with all below. */
static bool host_in(struct strs list, struct str host)
{
    for (size_t i = 0; i < list.n; i++) {
        struct str h = list.items[i];

        if (h.n && h.p[0] == '.' ? str_endsi(host, h) || str_eqi(host, str_from(h, 1)) : str_eqi(host, h))
            return true;
    }
    return false;
}

struct str outbreak_host(struct str url)
{
    size_t slashes = str_find_str(url, str_lit("://"));
    struct str s = slashes < url.n ? str_from(url, slashes + 3) : url;

    s = str_first(s, str_find(s, '/'));
    s = str_first(s, str_find(s, '?'));
    s = str_from(s, str_find_last(s, '@') < s.n ? str_find_last(s, '@') + 1 : 0);
    return s.n && s.p[0] == '[' ? s : str_first(s, str_find(s, ':'));
}

static bool fits_url(struct message *m, const struct conf_outbreak_rule *r, struct outbreak_threat *t)
{
    struct mime_urls urls;

    if (!r->url_hosts.n)
        return true;
    urls = mime_urls(message_mime(m));
    for (size_t i = 0; i < urls.n; i++)
        if (host_in(r->url_hosts, outbreak_host(urls.items[i].url))) {
            t->matched = urls.items[i].url;
            return true;
        }
    return false;
}

static bool contains(struct str text, struct str part)
{
    for (size_t i = 0; part.n && i + part.n <= text.n; i++)
        if (str_startsi(str_from(text, i), part))
            return true;
    return false;
}

static bool fits_subject(struct message *m, const struct conf_outbreak_rule *r)
{
    struct str subject;

    if (!r->subjects.n)
        return true;
    subject = mime_header(message_mime(m), str_lit("Subject"));
    for (size_t i = 0; i < r->subjects.n; i++)
        if (contains(subject, r->subjects.items[i]))
            return true;
    return false;
}

static bool fits_sender(const struct message *m, const struct conf_outbreak_rule *r)
{
    struct str sender = m->env->sender, domain = str_from(sender, str_find_last(sender, '@') + 1);

    for (size_t i = 0; i < r->senders.n; i++)
        if (str_eqi(r->senders.items[i], sender))
            return true;
    return !r->senders.n || host_in(r->senders, domain);
}

static bool has_conditions(const struct conf_outbreak_rule *r)
{
    return r->file_names.n || r->file_types.n || r->sha256.n || r->url_hosts.n || r->subjects.n || r->senders.n;
}

static bool fits(struct message *m, const struct conf_outbreak_rule *r, struct outbreak_threat *t)
{
    size_t size = message_octets(m).n;

    return has_conditions(r) && size >= r->min_bytes && (!r->max_bytes || size <= r->max_bytes) && fits_sender(m, r) &&
           fits_subject(m, r) && fits_file(m, r, t) && fits_url(m, r, t);
}

struct outbreak_threat outbreak_rules(struct message *m)
{
    static const char *const categories[] = {"Viral", "Phish", "Scam", "Malware", "Other"};
    struct outbreak_threat highest = {0};

    for (size_t i = 0; i < m->conf->outbreak_rule.n; i++) {
        const struct conf_outbreak_rule *r = &m->conf->outbreak_rule.items[i];
        struct outbreak_threat t = {.level = r->level, .rule = r->name};

        if (r->level <= highest.level || !fits(m, r, &t))
            continue;
        t.viral = r->kind == KIND_VIRAL || r->kind == KIND_MALWARE;
        t.category = str_c(categories[r->kind <= KIND_OTHER ? r->kind : KIND_OTHER]);
        t.type = r->type.n ? r->type : t.category;
        highest = t;
    }
    return highest;
}
