/*
 * The words of authentication results, by table. Called by everything that prints or reads them; owns nothing, cannot fail.
 */
#include "mail/auth.h"

#include "base/must.h"

static const struct {
    const char *word, *log;
} result_words[] = {
#define RESULT_WORDS(constant, word, log) {word, log},
    AUTH_RESULT_ROWS(RESULT_WORDS)
#undef RESULT_WORDS
};

static const char *const policy_words[] = {"none", "quarantine", "reject"};

const char *auth_result_word(enum auth_result result)
{
    must(result < AUTH_RESULT_COUNT);
    return result_words[result].word;
}

const char *auth_result_log(enum auth_result result)
{
    must(result < AUTH_RESULT_COUNT);
    return result_words[result].log;
}

bool auth_result_of(struct str word, enum auth_result *out)
{
    for (unsigned i = 0; i < AUTH_RESULT_COUNT; i++)
        if (str_eqi(word, str_c(result_words[i].word))) {
            *out = (enum auth_result)i;
            return true;
        }
    return false;
}

const char *dmarc_policy_word(enum dmarc_policy policy)
{
    must(policy < DMARC_POLICY_COUNT);
    return policy_words[policy];
}

bool dmarc_policy_of(struct str word, enum dmarc_policy *out)
{
    for (unsigned i = 0; i < DMARC_POLICY_COUNT; i++)
        if (str_eqi(word, str_c(policy_words[i]))) {
            *out = (enum dmarc_policy)i;
            return true;
        }
    return false;
}
