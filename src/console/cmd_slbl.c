/*
 * slblconfig: all safelists and blocklists as a CSV file of /configuration, in and out (spec/cli.md 9). Single entries:
 * slbl.
 *
 * Called through spec/verbs.def. Owns nothing. An import replaces everything, and asks first.
 */
#include "console/commands.h"
#include "console/ops.h"

static enum rc op_import(struct session *s, void *ctx)
{
    struct str words[] = {str_lit("slbl"), str_lit("import"), STR_NONE};
    struct buf *text = session_buf(s, 1 << 20);
    enum rc rc;

    (void)ctx;
    rc = ops_import(s, "safelists and blocklists", &words[2]);
    if (rc != RC_OK)
        return rc;
    if (!ask_batch(s) && !ask_yes(s, "All present entries are replaced. Are you sure?", false))
        return RC_OK;
    rc = session_ask(s, words, 3, text, NULL);
    say_str(s, buf_str(text));
    return rc;
}

static enum rc op_export(struct session *s, void *ctx)
{
    struct buf *text = session_buf(s, 64 << 20);
    enum rc rc = session_call(s, text, NULL, "slbl", "export", NULL);

    (void)ctx;
    return rc == RC_OK ? ops_export(s, "safelists and blocklists", buf_str(text)) : rc;
}

enum rc cmd_slblconfig(struct session *s)
{
    static const struct op rows[] = {
        {"IMPORT", "Replace all safelists and blocklists by those of a CSV file", false, op_import},
        {"EXPORT", "Write all safelists and blocklists to a CSV file", false, op_export},
    };
    static const struct ops ops = {rows, sizeof rows / sizeof *rows, NULL, NULL};

    return ops_talk(s, &ops, NULL);
}
