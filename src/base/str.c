/*
 * Views of bytes: comparing, cutting and reading numbers. See str.h.
 *
 * Called by every room. Owns nothing; str_copy() alone allocates.
 */
#include "base/str.h"

#include "base/must.h"

bool str_eqi(struct str a, struct str b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++)
        if (ascii_lower(a.p[i]) != ascii_lower(b.p[i]))
            return false;
    return true;
}

int str_cmp(struct str a, struct str b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int r = n ? memcmp(a.p, b.p, n) : 0;

    if (r != 0)
        return r;
    return a.n < b.n ? -1 : a.n > b.n;
}

bool str_starts(struct str s, struct str prefix)
{
    return s.n >= prefix.n && str_eq(str_first(s, prefix.n), prefix);
}

bool str_startsi(struct str s, struct str prefix)
{
    return s.n >= prefix.n && str_eqi(str_first(s, prefix.n), prefix);
}

bool str_ends(struct str s, struct str suffix)
{
    return s.n >= suffix.n && str_eq(str_from(s, s.n - suffix.n), suffix);
}

bool str_endsi(struct str s, struct str suffix)
{
    return s.n >= suffix.n && str_eqi(str_from(s, s.n - suffix.n), suffix);
}

struct str str_from(struct str s, size_t from)
{
    if (from >= s.n)
        return str_of(s.p ? s.p + s.n : NULL, 0);
    return str_of(s.p + from, s.n - from);
}

struct str str_first(struct str s, size_t n)
{
    return str_of(s.p, n < s.n ? n : s.n);
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct str str_trim(struct str s)
{
    while (s.n && is_space(s.p[0]))
        s = str_from(s, 1);
    while (s.n && is_space(s.p[s.n - 1]))
        s.n--;
    return s;
}

size_t str_find(struct str s, char c)
{
    const char *at = s.n ? memchr(s.p, c, s.n) : NULL;

    return at ? (size_t)(at - s.p) : s.n;
}

size_t str_find_last(struct str s, char c)
{
    const char *at = s.n ? memrchr(s.p, c, s.n) : NULL;

    return at ? (size_t)(at - s.p) : s.n;
}

size_t str_find_str(struct str s, struct str needle)
{
    const char *at = s.n ? memmem(s.p, s.n, needle.p, needle.n) : NULL;

    return at ? (size_t)(at - s.p) : s.n;
}

bool str_split(struct str *rest, char c, struct str *part_out)
{
    size_t at;

    if (!rest->p)
        return false;
    at = str_find(*rest, c);
    *part_out = str_first(*rest, at);
    *rest = at == rest->n ? STR_NONE : str_from(*rest, at + 1);
    return true;
}

bool str_word(struct str *rest, struct str *word_out)
{
    size_t n = 0;

    while (rest->n && (rest->p[0] == ' ' || rest->p[0] == '\t'))
        *rest = str_from(*rest, 1);
    if (!rest->n)
        return false;
    while (n < rest->n && rest->p[n] != ' ' && rest->p[n] != '\t')
        n++;
    *word_out = str_first(*rest, n);
    *rest = str_from(*rest, n);
    return true;
}

bool str_u64(struct str s, uint64_t *out)
{
    uint64_t v = 0;

    if (!s.n)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (!ascii_digit(s.p[i]))
            return false;
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, (uint64_t)(s.p[i] - '0'), &v))
            return false;
    }
    *out = v;
    return true;
}

bool str_hex(struct str s, uint64_t *out)
{
    uint64_t v = 0;

    if (!s.n || s.n > 16)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = ascii_lower(s.p[i]);

        if (ascii_digit(c))
            v = v << 4 | (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            v = v << 4 | (uint64_t)(c - 'a' + 10);
        else
            return false;
    }
    *out = v;
    return true;
}

static uint64_t mix(uint64_t h)
{
    h ^= h >> 32;
    h *= 0x9e3779b97f4a7c15u;
    return h ^ h >> 29;
}

uint64_t str_hash_seed(struct str s, uint64_t seed)
{
    uint64_t h = 0xcbf29ce484222325u ^ seed;

    for (size_t i = 0; i < s.n; i++)
        h = (h ^ (unsigned char)s.p[i]) * 0x100000001b3u;
    return mix(h);
}

uint64_t str_hash(struct str s)
{
    return str_hash_seed(s, 0);
}

uint64_t str_hashi(struct str s)
{
    uint64_t h = 0xcbf29ce484222325u;

    for (size_t i = 0; i < s.n; i++)
        h = (h ^ (unsigned char)ascii_lower(s.p[i])) * 0x100000001b3u;
    return mix(h);
}

char *str_copy(struct str s)
{
    char *out = strndup(s.n ? s.p : "", s.n);

    must(out);
    return out;
}
