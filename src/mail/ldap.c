/*
 * Lists of questions to directories and of their answers, to octets and back. See ldap.h.
 *
 * Called by lookup and by whoever asks it. Owns nothing. Decoding checks every count and length.
 */
#include "mail/ldap.h"

struct str ldap_answer_value(const struct ldap_answer *a, const char *name)
{
    for (size_t i = 0; i < a->n; i++)
        if (str_eq(a->values[i].name, str_c(name)))
            return a->values[i].value;
    return STR_NONE;
}

void ldap_questions_encode(const struct ldap_question *q, size_t n, struct buf *out)
{
    buf_put_varint(out, n);
    for (size_t i = 0; i < n; i++) {
        buf_put_str(out, q[i].query);
        buf_put_str(out, q[i].address);
        buf_put_str(out, q[i].from);
        buf_put_str(out, q[i].group);
        buf_put_str(out, q[i].password);
    }
}

enum rc ldap_questions_decode(struct arena *a, struct str in, const struct ldap_question **out, size_t *n_out)
{
    struct ldap_question *list;
    uint64_t n;

    if (!get_varint(&in, &n) || n > LDAP_QUESTIONS_MAX || n > in.n)
        return RC_CORRUPT;
    list = arena_array(a, struct ldap_question, n + 1);
    if (!list)
        return RC_NO_MEMORY;
    for (uint64_t i = 0; i < n; i++)
        if (!get_str(&in, &list[i].query) || !get_str(&in, &list[i].address) || !get_str(&in, &list[i].from) ||
            !get_str(&in, &list[i].group) || !get_str(&in, &list[i].password))
            return RC_CORRUPT;
    *out = list;
    *n_out = (size_t)n;
    return RC_OK;
}

void ldap_answers_encode(const struct ldap_answer *list, size_t n, struct buf *out)
{
    buf_put_varint(out, n);
    for (size_t i = 0; i < n; i++) {
        buf_put_varint(out, list[i].result);
        buf_put_str(out, list[i].why);
        buf_put_varint(out, list[i].n);
        for (size_t k = 0; k < list[i].n; k++) {
            buf_put_str(out, list[i].values[k].name);
            buf_put_str(out, list[i].values[k].value);
        }
    }
}

static enum rc take_answer(struct arena *a, struct str *in, struct ldap_answer *out)
{
    struct ldap_value *values;
    uint64_t result, n;

    if (!get_varint(in, &result) || result > LDAP_TEMPORARY || !get_str(in, &out->why) || !get_varint(in, &n) ||
        n > LDAP_ANSWER_VALUES_MAX || n > in->n)
        return RC_CORRUPT;
    values = arena_array(a, struct ldap_value, n + 1);
    if (!values)
        return RC_NO_MEMORY;
    for (uint64_t i = 0; i < n; i++)
        if (!get_str(in, &values[i].name) || !get_str(in, &values[i].value))
            return RC_CORRUPT;
    out->result = (enum ldap_result)result;
    out->values = values;
    out->n = (size_t)n;
    return RC_OK;
}

enum rc ldap_answers_decode(struct arena *a, struct str in, const struct ldap_answer **out, size_t *n_out)
{
    struct ldap_answer *list;
    uint64_t n;

    if (!get_varint(&in, &n) || n > LDAP_QUESTIONS_MAX || n > in.n)
        return RC_CORRUPT;
    list = arena_array(a, struct ldap_answer, n + 1);
    if (!list)
        return RC_NO_MEMORY;
    for (uint64_t i = 0; i < n; i++)
        TRY(take_answer(a, &in, &list[i]));
    *out = list;
    *n_out = (size_t)n;
    return RC_OK;
}
