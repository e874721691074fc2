/*
 * The masquerading table of a listener. See masquerade.h.
 *
 * Called by scan for each address it masquerades, and by control's checks. Owns nothing. Lines that cannot be read fit
 * nothing.
 */
#include "policy/masquerade.h"

#include "mail/address.h"

/* Octets of the pattern that fit, more is better; 0 = it does not. */
static size_t fits(struct str pattern, struct str address, struct str domain)
{
    if (pattern.n < 2)
        return 0;
    if (pattern.p[0] != '@')
        return str_eqi(pattern, address) ? SIZE_MAX : 0;
    pattern = str_from(pattern, 1);
    if (pattern.p[0] == '.')
        return domain.n > pattern.n && str_endsi(domain, pattern) ? pattern.n : 0;
    return str_eqi(pattern, domain) ? ADDRESS_MAX + pattern.n : 0;
}

struct str masquerade_find(struct arena *a, struct strs lines, struct str address)
{
    struct str local, domain, found = STR_NONE;
    size_t best = 0;

    if (!address_cut(address, &local, &domain))
        return STR_NONE;
    for (size_t i = 0; i < lines.n; i++) {
        struct str rest = lines.items[i], pattern;
        size_t n;

        if (!masquerade_line_fits(rest) || !str_word(&rest, &pattern))
            continue;
        n = fits(pattern, address, domain);
        if (n > best) {
            best = n;
            found = str_trim(rest);
        }
    }
    if (found.n && found.p[0] == '@')
        return arena_printf(a, "%.*s%.*s", STR(local), STR(found));
    return found;
}

static bool is_target(struct str s)
{
    struct str local, domain;

    if (s.n > 1 && s.p[0] == '@')
        return address_is_domain(str_from(s, 1), false);
    return s.n <= ADDRESS_MAX && address_cut(s, &local, &domain) && local.n && address_is_domain(domain, false) &&
           (local.p[0] == '"' || str_find(local, '@') == local.n);
}

bool masquerade_line_fits(struct str line)
{
    struct str pattern, target, more;

    if (!str_word(&line, &pattern) || !str_word(&line, &target) || str_word(&line, &more) || !is_target(target))
        return false;
    if (str_starts(pattern, str_lit("@.")))
        return address_is_domain(str_from(pattern, 2), false);
    return is_target(pattern);
}
