/*
 * Domain names for the DNS. See domain.h.
 *
 * Called by spf, dmarc and orgdomain. Owns nothing beyond a call; libidn2 makes A-labels of U-labels.
 */
#include "mail/domain.h"

#include <idn2.h>

bool domain_fits_dns(struct str name)
{
    size_t label = 0;

    if (name.n == 0 || name.n > DOMAIN_TEXT_MAX)
        return false;
    for (size_t i = 0; i < name.n; i++) {
        if (name.p[i] != '.') {
            label++;
        } else if (label == 0) {
            return false;
        } else {
            label = 0;
        }
        if (label > DOMAIN_LABEL_MAX)
            return false;
    }
    return label > 0;
}

static bool host_octets(struct str name)
{
    for (size_t i = 0; i < name.n; i++)
        if (!ascii_alpha(name.p[i]) && !ascii_digit(name.p[i]) && name.p[i] != '-' && name.p[i] != '_' && name.p[i] != '.')
            return false;
    return true;
}

static bool has_high_octet(struct str name)
{
    for (size_t i = 0; i < name.n; i++)
        if ((unsigned char)name.p[i] >= 0x80)
            return true;
    return false;
}

/* U-labels to A-labels, non-transitional (RFC 5891). */
static bool a_labels(struct arena *a, struct str name, struct str *out)
{
    struct str copy = name.n <= 4 * DOMAIN_TEXT_MAX && !memchr(name.p, 0, name.n) ? arena_str(a, name) : STR_NONE;
    char *ascii = NULL;

    if (!copy.p || idn2_to_ascii_8z(copy.p, &ascii, IDN2_NONTRANSITIONAL | IDN2_NFC_INPUT) != IDN2_OK)
        return false;
    *out = arena_str(a, str_c(ascii));
    idn2_free(ascii);
    return out->p != NULL;
}

bool domain_ascii(struct arena *a, struct str name, size_t min_labels, struct str *out)
{
    char *lower;

    if (name.n && name.p[name.n - 1] == '.')
        name.n--;
    if (has_high_octet(name) && !a_labels(a, name, &name))
        return false;
    if (!domain_fits_dns(name) || !host_octets(name) || domain_labels(name) < min_labels)
        return false;
    lower = arena_alloc(a, name.n + 1);
    if (!lower)
        return false;
    for (size_t i = 0; i < name.n; i++)
        lower[i] = ascii_lower(name.p[i]);
    *out = str_of(lower, name.n);
    return true;
}

bool domain_is_below(struct str name, struct str top)
{
    return top.n > 0 && str_endsi(name, top) && (name.n == top.n || name.p[name.n - top.n - 1] == '.');
}

size_t domain_labels(struct str name)
{
    size_t n = name.n > 0;

    for (size_t i = 0; i < name.n; i++)
        n += name.p[i] == '.';
    return n;
}

struct str domain_last(struct str name, size_t n)
{
    for (size_t i = name.n; i > 0; i--)
        if (name.p[i - 1] == '.' && n-- == 1)
            return str_from(name, i);
    return name;
}
