/*
 * Language of a text. See language.h.
 *
 * Called by the rule message-language. Counts the letters of each script; among languages that share one, the words that
 * hardly a sentence is without. A table row a language. Pure.
 */
#include "policy/language.h"

enum { LOOKED_AT = 64 << 10, WORD_MOST = 24, LETTERS_LEAST = 12 };

enum script { LATIN, CYRILLIC, GREEK, HEBREW, ARABIC, DEVANAGARI, THAI, KANA, HANGUL, HAN, SCRIPTS };

static const struct range {
    uint32_t from, to;
    enum script script;
} ranges[] = {
    {'A', 'Z', LATIN},        {'a', 'z', LATIN},       {0xc0, 0x24f, LATIN},       {0x1e00, 0x1eff, LATIN},
    {0x370, 0x3ff, GREEK},    {0x1f00, 0x1fff, GREEK}, {0x400, 0x52f, CYRILLIC},   {0x590, 0x5ff, HEBREW},
    {0x600, 0x6ff, ARABIC},   {0x750, 0x77f, ARABIC},  {0x900, 0x97f, DEVANAGARI}, {0xe00, 0xe7f, THAI},
    {0x1100, 0x11ff, HANGUL}, {0x3040, 0x30ff, KANA},  {0xac00, 0xd7af, HANGUL},   {0x3400, 0x9fff, HAN},
    {0xf900, 0xfaff, HAN},
};

/* Words with spaces around them; of scripts with one language here none. */
static const struct row {
    const char *name, *code;
    enum script script;
    const char *words;
} rows[] = {
    {"english", "en", LATIN, " the and of to is you that for with this are have your from not be it we on "},
    {"german", "de", LATIN, " der die und das nicht ist ich sie mit ein eine den für auf wir zu von dem sind werden "},
    {"french", "fr", LATIN, " le la les et des est vous pour une dans que pas nous votre avec sur ce au du sont "},
    {"spanish", "es", LATIN, " el la los que y en de por para una con su no se las del es está como más "},
    {"italian", "it", LATIN, " il che di e la per non una con del sono della gli le è si da nel questo anche "},
    {"portuguese", "pt", LATIN, " o que de e para não uma com os do da em é seu por você mais as dos no "},
    {"dutch", "nl", LATIN, " de het een en van is dat niet ik je voor met op zijn te wij uw aan naar ook "},
    {"swedish", "sv", LATIN, " och att det som är en på för med inte av till den du jag vi har ett om kan "},
    {"danish", "da", LATIN, " og det at er en til på som med for ikke af den jeg du vi har et kan din "},
    {"norwegian", "no", LATIN, " og det at er en til på som med for ikke av den jeg du vi har et kan deg "},
    {"finnish", "fi", LATIN, " ja on ei että se hän oli mutta tai kun niin jos olen sinun voi ovat myös tämä kuin sen "},
    {"polish", "pl", LATIN, " i w nie na się do że to jest z jak o za od dla po są ale czy przez "},
    {"czech", "cs", LATIN, " a se na je že v to s z do jako pro jsou ale který by co si jsem není "},
    {"hungarian", "hu", LATIN, " a az és hogy nem is egy van ez meg de volt csak ha már vagy mint el még kell "},
    {"romanian", "ro", LATIN, " și în de la nu cu pe este că o un să pentru din care sunt mai ce sau au "},
    {"turkish", "tr", LATIN, " ve bir bu için ile da de ne çok var olarak daha değil gibi ama sizin olan kadar ben en "},
    {"vietnamese", "vi", LATIN, " và của là có không được cho các một trong này những với người để khi đã bạn tôi từ "},
    {"indonesian", "id", LATIN,
     " yang dan di untuk dengan ini tidak dari dalam anda akan pada itu saya ke adalah atau kami juga bisa "},
    {"russian", "ru", CYRILLIC, " и в не на что я с это как по но вы за для от из мы он все так "},
    {"ukrainian", "uk", CYRILLIC, " і в не на що з це як та до але ви за для від із ми він є ти "},
    {"bulgarian", "bg", CYRILLIC, " и на да се за от не е са по с че това как ви като в или ще си "},
    {"greek", "el", GREEK, ""},
    {"hebrew", "he", HEBREW, ""},
    {"arabic", "ar", ARABIC, ""},
    {"hindi", "hi", DEVANAGARI, ""},
    {"thai", "th", THAI, ""},
    {"japanese", "ja", KANA, ""},
    {"korean", "ko", HANGUL, ""},
    {"chinese", "zh", HAN, ""},
};

enum { ROWS = sizeof rows / sizeof *rows };

/* Character at the start of s and its octets; anything odd is one octet and 0. */
static uint32_t character(struct str s, size_t *n)
{
    unsigned char c = (unsigned char)s.p[0];
    size_t length = c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;
    uint32_t v = length == 1 ? c : length == 2 ? c & 0x1f : length == 3 ? c & 0x0f : c & 0x07;

    *n = 1;
    if (!length || length > s.n)
        return 0;
    for (size_t i = 1; i < length; i++) {
        if (((unsigned char)s.p[i] & 0xc0) != 0x80)
            return 0;
        v = v << 6 | ((unsigned char)s.p[i] & 0x3f);
    }
    *n = length;
    return v;
}

static enum script script_of(uint32_t c)
{
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (c >= ranges[i].from && c <= ranges[i].to && c != 0xd7 && c != 0xf7)
            return ranges[i].script;
    return SCRIPTS;
}

/* Lower case of Latin-1, Cyrillic and ASCII, in place: both cases have as many octets. */
static void lower(char *p, size_t n)
{
    unsigned char *u = (unsigned char *)p;

    if (n == 1)
        p[0] = ascii_lower(p[0]);
    else if (n == 2 && u[0] == 0xc3 && u[1] >= 0x80 && u[1] <= 0x9e)
        u[1] = (unsigned char)(u[1] + 0x20);
    else if (n == 2 && u[0] == 0xd0 && u[1] >= 0x90 && u[1] <= 0x9f)
        u[1] = (unsigned char)(u[1] + 0x20);
    else if (n == 2 && u[0] == 0xd0 && u[1] >= 0xa0 && u[1] <= 0xaf) {
        u[0] = 0xd1;
        u[1] = (unsigned char)(u[1] - 0x20);
    }
}

static void count_word(const char *word, size_t n, unsigned counts[ROWS])
{
    char padded[WORD_MOST + 3];

    padded[0] = ' ';
    memcpy(padded + 1, word, n);
    padded[n + 1] = ' ';
    padded[n + 2] = 0;
    for (size_t i = 0; i < ROWS; i++)
        counts[i] += strstr(rows[i].words, padded) != NULL;
}

const char *language_of(struct str text)
{
    unsigned letters[SCRIPTS + 1] = {0}, counts[ROWS] = {0}, best_count = 0;
    char word[WORD_MOST + 4];
    size_t n = 0, octets;
    enum script main_script = LATIN;
    const char *best = "unknown";

    text = str_first(text, LOOKED_AT);
    for (; text.n; text = str_from(text, octets)) {
        enum script s = script_of(character(text, &octets));

        letters[s]++;
        if (s == SCRIPTS) {
            if (n && n <= WORD_MOST)
                count_word(word, n, counts);
            n = 0;
        } else if (n <= WORD_MOST) {
            memcpy(word + n, text.p, octets);
            lower(word + n, octets);
            n += octets;
        }
    }
    if (n && n <= WORD_MOST)
        count_word(word, n, counts);
    for (size_t s = 0; s < SCRIPTS; s++)
        if (letters[s] > letters[main_script])
            main_script = (enum script)s;
    if (letters[KANA] && main_script == HAN && letters[KANA] * 8 > letters[HAN])
        main_script = KANA; /* Japanese is written with both */
    if (letters[main_script] < (main_script >= KANA ? LETTERS_LEAST / 3 : LETTERS_LEAST))
        return best;
    for (size_t i = 0; i < ROWS; i++) {
        if (rows[i].script != main_script)
            continue;
        if (!rows[i].words[0])
            return rows[i].name;
        if (counts[i] > best_count) {
            best_count = counts[i];
            best = rows[i].name;
        }
    }
    return best;
}

bool language_is(const char *name, struct str wanted)
{
    for (size_t i = 0; i < ROWS; i++)
        if (strcmp(rows[i].name, name) == 0)
            return str_eqi(wanted, str_c(rows[i].name)) || str_eqi(wanted, str_c(rows[i].code));
    return str_eqi(wanted, str_c(name));
}
