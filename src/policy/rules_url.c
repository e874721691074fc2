/*
 * Rules about the URLs of a message: reputation, category, threat feeds. See rules.h.
 *
 * Called through the table of filter_eval.c. What is known of a URL comes from a service through the message's world; each
 * is asked once per rule. URLs of the list that the rule excepts are passed over.
 */
#include "policy/rules.h"

#include "mail/address.h"

typedef bool url_test(struct message *m, struct str url, const struct filter_rule *r);

/* Host of a normalised URL, without user and port. */
static struct str host_of(struct str url)
{
    size_t from = str_find_str(url, str_lit("://"));
    struct str host = from < url.n ? str_from(url, from + 3) : url;

    for (size_t i = 0; i < host.n; i++)
        if (strchr("/?#", host.p[i])) {
            host = str_first(host, i);
            break;
        }
    if (str_find_last(host, '@') < host.n)
        host = str_from(host, str_find_last(host, '@') + 1);
    return host.n && host.p[0] == '[' ? host : str_first(host, str_find(host, ':'));
}

/* Lines of a URL list: a host (with all below it), or the begin of a URL. */
bool rule_url_listed(struct message *m, struct str list, struct str url)
{
    const struct conf_url_list *l = list.n ? conf_find(&m->conf->url_list, list) : NULL;
    struct str host = host_of(url);

    for (size_t i = 0; l && i < l->members.n; i++) {
        struct str line = str_trim(l->members.items[i]);

        if (!line.n)
            continue;
        if (str_find_str(line, str_lit("://")) < line.n ? str_startsi(url, line) : str_eqi(host, line))
            return true;
        if (host.n > line.n && str_endsi(host, line) && (line.p[0] == '.' || host.p[host.n - line.n - 1] == '.'))
            return true;
    }
    return false;
}

/* `list` is the place of the URL list among the arguments. */
static bool any_url(struct message *m, const struct filter_rule *r, size_t list, url_test *test)
{
    struct mime_urls urls = mime_urls(message_mime(m));
    struct str excepted = filter_text(r->args, r->n_args, list);

    for (size_t i = 0; i < urls.n; i++) {
        struct str url = urls.items[i].url;
        bool before = false;

        for (size_t j = i < 64 ? 0 : i - 64; j < i && !before; j++)
            before = str_eq(urls.items[j].url, url);
        if (!before && !rule_url_listed(m, excepted, url) && test(m, url, r)) {
            rule_found(m, url);
            return true;
        }
    }
    return false;
}

static bool score_fits(struct message *m, struct str url, const struct filter_rule *r)
{
    struct opinion o;

    return rule_opinion(m, OPINION_URL, url, STR_NONE, &o) && o.score >= r->args[0].decimal && o.score <= r->args[1].decimal;
}

bool rule_url_reputation(struct message *m, const struct filter_rule *r)
{
    return any_url(m, r, 2, score_fits);
}

static bool unknown(struct message *m, struct str url, const struct filter_rule *r)
{
    struct opinion o;

    (void)r;
    return m->world && m->world->opinion && !rule_opinion(m, OPINION_URL, url, STR_NONE, &o);
}

/* Without any service nothing can be said: false. */
bool rule_url_no_reputation(struct message *m, const struct filter_rule *r)
{
    return any_url(m, r, 0, unknown);
}

static bool category_fits(struct message *m, struct str url, const struct filter_rule *r)
{
    struct opinion o;

    return rule_opinion(m, OPINION_URL, url, STR_NONE, &o) && rule_listed(filter_list(r->args, r->n_args, 0), o.text);
}

bool rule_url_category(struct message *m, const struct filter_rule *r)
{
    return any_url(m, r, 1, category_fits);
}

static bool in_feeds(struct message *m, const struct filter_rule *r, enum opinion_kind kind, struct str of)
{
    struct strs feeds = filter_list(r->args, r->n_args, 0);
    struct opinion o;

    for (size_t i = 0; i < feeds.n; i++)
        if (rule_opinion(m, kind, of, feeds.items[i], &o))
            return true;
    return false;
}

static bool url_in_feeds(struct message *m, struct str url, const struct filter_rule *r)
{
    return in_feeds(m, r, OPINION_FEED_URL, url) || in_feeds(m, r, OPINION_FEED_DOMAIN, host_of(url));
}

bool rule_url_threat_feeds(struct message *m, const struct filter_rule *r)
{
    return any_url(m, r, 1, url_in_feeds);
}

static bool domain_in_feeds(struct message *m, const struct filter_rule *r, struct str address)
{
    struct str local, domain;

    return address_cut(address, &local, &domain) && in_feeds(m, r, OPINION_FEED_DOMAIN, address_lower(m->arena, domain));
}

/* Argument 1: which addresses: mail-from, from, reply-to or any other header. */
bool rule_domain_threat_feeds(struct message *m, const struct filter_rule *r)
{
    struct strs where = filter_list(r->args, r->n_args, 1);

    if (rule_excepted(m, filter_text(r->args, r->n_args, 2)))
        return false;
    for (size_t i = 0; i < where.n; i++) {
        struct strs values;

        if (str_eqi(where.items[i], str_lit("mail-from"))) {
            if (domain_in_feeds(m, r, m->env->sender))
                return true;
            continue;
        }
        values = rule_header_raw(m, where.items[i]);
        for (size_t j = 0; j < values.n; j++)
            if (domain_in_feeds(m, r, rule_address(m, values.items[j], NULL)))
                return true;
    }
    return false;
}
