/*
 * Arguments of rules and actions, as those who act on them ask for them. See filter.h. Pure.
 */
#include "policy/filter.h"

struct str filter_text(const struct filter_value *args, size_t n, size_t i)
{
    return i < n ? args[i].text : STR_NONE;
}

uint64_t filter_number(const struct filter_value *args, size_t n, size_t i, uint64_t otherwise)
{
    return i < n ? args[i].number : otherwise;
}

double filter_decimal(const struct filter_value *args, size_t n, size_t i, double otherwise)
{
    return i < n ? args[i].decimal : otherwise;
}

struct strs filter_list(const struct filter_value *args, size_t n, size_t i)
{
    return i < n ? args[i].list : (struct strs){NULL, 0};
}

const struct filter_regex *filter_pattern(const struct filter_value *args, size_t n, size_t i)
{
    return i < n ? args[i].regex : NULL;
}
