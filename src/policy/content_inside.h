/* Between the files of content filters; what others call is in content.h and check.h. */
#ifndef POLICY_CONTENT_INSIDE_H
#define POLICY_CONTENT_INSIDE_H

#include "policy/content.h"
#include "policy/filter.h"
#include "policy/policy_name.h"

struct content_filter {
    const struct conf_content_filter *conf;
    struct filter_rule **conditions;
    size_t n_conditions;
    struct filter_action *actions;
    size_t n_actions;
};

struct compiled_contents {
    struct content_filter *items;
    size_t n;
};

#endif
