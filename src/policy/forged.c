/*
 * Likeness of names. See forged.h.
 *
 * Called by the rule forged-email-detection. Memory is the arena's. Names are cut to NAME_MOST letters, so the work is
 * bounded whatever a peer writes.
 */
#include "policy/forged.h"

#include <stdlib.h>

enum { NAME_MOST = 128, WORDS = 16 };

/* Letters that look like others, by their skeleton. UTF-8 in, ASCII out. */
static const struct {
    const char *from;
    char to;
} alike[] = {
    {"а", 'a'}, {"е", 'e'}, {"о", 'o'}, {"р", 'p'}, {"с", 'c'}, {"у", 'y'}, {"х", 'x'}, {"і", 'i'}, {"ѕ", 's'}, {"ј", 'j'},
    {"к", 'k'}, {"м", 'm'}, {"т", 't'}, {"н", 'h'}, {"в", 'b'}, {"А", 'a'}, {"В", 'b'}, {"Е", 'e'}, {"К", 'k'}, {"М", 'm'},
    {"Н", 'h'}, {"О", 'o'}, {"Р", 'p'}, {"С", 'c'}, {"Т", 't'}, {"У", 'y'}, {"Х", 'x'}, {"І", 'i'}, {"Ѕ", 's'}, {"Ј", 'j'},
    {"α", 'a'}, {"ο", 'o'}, {"ρ", 'p'}, {"ν", 'v'}, {"ι", 'i'}, {"κ", 'k'}, {"υ", 'u'}, {"Α", 'a'}, {"Β", 'b'}, {"Ε", 'e'},
    {"Ζ", 'z'}, {"Η", 'h'}, {"Ι", 'i'}, {"Κ", 'k'}, {"Μ", 'm'}, {"Ν", 'n'}, {"Ο", 'o'}, {"Ρ", 'p'}, {"Τ", 't'}, {"Υ", 'y'},
    {"Χ", 'x'}, {"à", 'a'}, {"á", 'a'}, {"â", 'a'}, {"ã", 'a'}, {"ä", 'a'}, {"å", 'a'}, {"ç", 'c'}, {"è", 'e'}, {"é", 'e'},
    {"ê", 'e'}, {"ë", 'e'}, {"ì", 'i'}, {"í", 'i'}, {"î", 'i'}, {"ï", 'i'}, {"ñ", 'n'}, {"ò", 'o'}, {"ó", 'o'}, {"ô", 'o'},
    {"õ", 'o'}, {"ö", 'o'}, {"ø", 'o'}, {"ù", 'u'}, {"ú", 'u'}, {"û", 'u'}, {"ü", 'u'}, {"ý", 'y'}, {"ÿ", 'y'}, {"À", 'a'},
    {"Á", 'a'}, {"Â", 'a'}, {"Ã", 'a'}, {"Ä", 'a'}, {"Å", 'a'}, {"Ç", 'c'}, {"È", 'e'}, {"É", 'e'}, {"Ê", 'e'}, {"Ë", 'e'},
    {"Ì", 'i'}, {"Í", 'i'}, {"Î", 'i'}, {"Ï", 'i'}, {"Ñ", 'n'}, {"Ò", 'o'}, {"Ó", 'o'}, {"Ô", 'o'}, {"Õ", 'o'}, {"Ö", 'o'},
    {"Ø", 'o'}, {"Ù", 'u'}, {"Ú", 'u'}, {"Û", 'u'}, {"Ü", 'u'}, {"ş", 's'}, {"š", 's'}, {"Š", 's'}, {"ž", 'z'}, {"Ž", 'z'},
    {"č", 'c'}, {"Č", 'c'}, {"ć", 'c'}, {"ł", 'l'}, {"Ł", 'l'}, {"ı", 'i'}, {"ğ", 'g'}, {"ě", 'e'}, {"ř", 'r'}, {"ś", 's'},
};

/* Octets of the character at the start of s, 1 for what is no UTF-8. */
static size_t character(struct str s)
{
    unsigned char c = (unsigned char)s.p[0];
    size_t n = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;

    return n <= s.n ? n : 1;
}

static char plain_ascii(char c)
{
    static const char from[] = "013457@$!|", to[] = "oieastasii";
    const char *at = c ? strchr(from, c) : NULL;

    return at ? to[at - from] : ascii_lower(c) == 'l' ? 'i' : ascii_lower(c);
}

/* Zero-width and other marks that nobody sees, combining accents. */
static bool unseen(struct str c)
{
    unsigned char a = (unsigned char)c.p[0], b = c.n > 1 ? (unsigned char)c.p[1] : 0;

    return (c.n == 3 && a == 0xe2 && b == 0x80 && (unsigned char)c.p[2] >= 0x8b && (unsigned char)c.p[2] <= 0x8f) ||
           (c.n == 3 && a == 0xef && b == 0xbb) || (c.n == 2 && (a == 0xcc || (a == 0xcd && b < 0xb0))) ||
           (c.n == 2 && a == 0xc2 && b == 0xad);
}

static char skeleton_of(struct str c)
{
    for (size_t i = 0; i < sizeof alike / sizeof *alike; i++)
        if (str_eq(c, str_c(alike[i].from)))
            return alike[i].to;
    return 0;
}

/* The name as it looks: lower-case letters, one space between words. */
static struct str skeleton(struct arena *a, struct str name)
{
    char *out = arena_alloc(a, NAME_MOST + 8);
    size_t n = 0;

    if (!out)
        return STR_NONE;
    while (name.n && n < NAME_MOST) {
        struct str c = str_first(name, character(name));
        char like = c.n == 1 ? plain_ascii(c.p[0]) : skeleton_of(c);

        name = str_from(name, c.n);
        if (unseen(c))
            continue;
        if (c.n > 1 && !like) {
            memcpy(out + n, c.p, c.n);
            n += c.n;
        } else if (ascii_alpha(like) || ascii_digit(like) || (unsigned char)like >= 0x80) {
            out[n++] = like;
        } else if (n && out[n - 1] != ' ' && like != '\'') {
            out[n++] = ' ';
        }
    }
    return str_trim(str_of(out, n));
}

static int compare(const void *left, const void *right)
{
    return str_cmp(*(const struct str *)left, *(const struct str *)right);
}

static struct str sorted(struct arena *a, struct str name)
{
    struct str words[WORDS], rest = name, joined = STR_NONE;
    size_t n = 0;

    while (n < WORDS && str_word(&rest, &words[n]))
        n++;
    qsort(words, n, sizeof *words, compare);
    for (size_t i = 0; i < n; i++)
        joined = arena_printf(a, "%.*s%s%.*s", STR(joined), i ? " " : "", STR(words[i]));
    return joined;
}

/* Octets to change, add or leave out. */
static size_t distance(struct str a, struct str b)
{
    size_t row[2 * NAME_MOST + 1];

    a = str_first(a, 2 * NAME_MOST);
    b = str_first(b, 2 * NAME_MOST);
    for (size_t j = 0; j <= b.n; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.n; i++) {
        size_t corner = row[0];

        row[0] = i;
        for (size_t j = 1; j <= b.n; j++) {
            size_t best = corner + (a.p[i - 1] != b.p[j - 1]);

            best = row[j] + 1 < best ? row[j] + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            corner = row[j];
            row[j] = best;
        }
    }
    return row[b.n];
}

static uint64_t likeness(struct str a, struct str b)
{
    size_t longest = a.n > b.n ? a.n : b.n, d = distance(a, b);

    return longest ? 100 * (longest - (d < longest ? d : longest)) / longest : 0;
}

/* Every word of the wanted name stands in the other one: how far the rest dilutes it. */
static uint64_t contained(struct str name, struct str wanted)
{
    struct str rest = wanted, word;
    size_t words = 0, letters = 0;

    while (str_word(&rest, &word)) {
        struct str in = name, other;
        bool found = false;

        while (!found && str_word(&in, &other))
            found = str_eq(word, other);
        if (!found)
            return 0;
        words++;
        letters += word.n;
    }
    return words < 2 || letters < 6 ? 0 : 95;
}

uint64_t forged_score(struct arena *a, struct str name, struct str address, struct str wanted)
{
    struct str seen = skeleton(a, name.n ? name : str_first(address, str_find(address, '@')));
    struct str known = skeleton(a, wanted);
    uint64_t best, other;

    if (!seen.n || !known.n)
        return 0;
    best = likeness(seen, known);
    other = likeness(sorted(a, seen), sorted(a, known));
    best = other > best ? other : best;
    other = contained(seen, known);
    return other > best ? other : best;
}
