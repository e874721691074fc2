/*
 * dlpconfig: classifiers and policies of data loss prevention, two menus. Batch:
 *   dlpconfig policies|classifiers new|edit|delete NAME [SETTING=VALUE ...] | print [NAME]; policies move NAME POSITION
 *
 * Called through spec/verbs.def. Owns nothing. Rules and actions are checked at the commit, which names the line.
 */
#include "console/commands.h"
#include "console/ops.h"

static enum rc op_policies(struct session *s, void *ctx)
{
    static const struct menu menu = {"dlpconfig", "dlp_policy", "DLP policy", "NEW EDIT DELETE PRINT MOVE", ""};

    (void)ctx;
    return menu_talk(s, &menu, NULL, 0);
}

static enum rc op_classifiers(struct session *s, void *ctx)
{
    static const struct menu menu = {"dlpconfig", "dlp_classifier", "DLP classifier", "NEW EDIT DELETE PRINT", ""};

    (void)ctx;
    return menu_talk(s, &menu, NULL, 0);
}

enum rc cmd_dlpconfig(struct session *s)
{
    static const struct op rows[] = {
        {"POLICIES", "What becomes of messages with confidential content", false, op_policies},
        {"CLASSIFIERS", "What confidential content looks like", false, op_classifiers},
    };
    static const struct ops ops = {rows, sizeof rows / sizeof *rows, NULL, NULL};

    return ops_talk(s, &ops, NULL);
}
