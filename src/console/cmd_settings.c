/*
 * `settings`: every setting by its path, at once and without the working copy (for scripts and repair).
 *
 * Called through spec/verbs.def. The work is control's; here are the files that the command names: on the local console
 * those of whoever typed it, else those of /configuration.
 */
#include "base/io.h"
#include "console/commands.h"
#include "console/files.h"

static enum rc send(struct session *s, struct strs args, struct buf *text)
{
    struct str *words = arena_must_alloc(&s->arena, (args.n + 1) * sizeof *words);

    words[0] = str_lit("settings");
    for (size_t i = 0; i < args.n; i++)
        words[i + 1] = args.items[i];
    return session_ask(s, words, args.n + 1, text, NULL);
}

static enum rc load(struct session *s)
{
    struct str *args = arena_must_alloc(&s->arena, s->args.n * sizeof *args);
    struct buf *content = session_buf(s, FILES_MAX), *text = session_buf(s, 1 << 22);
    struct err e = ERR_NONE;
    enum rc rc;

    memcpy(args, s->args.items, s->args.n * sizeof *args);
    if (files_read(s, args[s->args.n - 1], content, &e) != RC_OK)
        return session_fail(s, &e);
    args[s->args.n - 1] = buf_str(content);
    rc = send(s, (struct strs){args, s->args.n}, text);
    say_str(s, buf_str(text));
    return rc;
}

static enum rc save(struct session *s)
{
    struct str name = s->args.items[s->args.n - 1];
    struct buf *text = session_buf(s, FILES_MAX);
    struct err e = ERR_NONE;
    enum rc rc = send(s, (struct strs){s->args.items, s->args.n - 1}, text);

    if (rc != RC_OK) {
        say_str(s, buf_str(text));
        return rc;
    }
    if (files_write(s, name, buf_str(text), &e) != RC_OK)
        return session_fail(s, &e);
    say(s, "Configuration saved.\n");
    return RC_OK;
}

enum rc cmd_settings(struct session *s)
{
    struct str last = s->args.n ? s->args.items[s->args.n - 1] : STR_NONE;

    if (arg_is(s, 0, "load") && s->args.n > 1)
        return load(s);
    if (arg_is(s, 0, "save") && s->args.n > 1 && last.n && last.p[0] != '-')
        return save(s);
    return cmd_plain(s);
}
