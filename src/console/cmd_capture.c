/*
 * packetcapture (spec/cli.md 7.4): state lines, then START or STOP, SETUP, STATUS. All of it is immediate: control does it.
 *
 * Called through spec/verbs.def. SETUP asks the rows of section `capture` (a new row asks itself) and hands the answers to
 * control, so they are in force without a commit.
 */
#include "console/ask.h"
#include "console/commands.h"
#include "console/field.h"

enum { REPLY_MOST = 65536 };

static bool show_state(struct session *s, bool *running)
{
    struct buf *text = session_buf(s, REPLY_MOST), *json = session_buf(s, REPLY_MOST);
    enum rc rc = session_call(s, text, json, "packetcapture", "status", NULL);

    say_str(s, buf_str(text));
    *running = str_find_str(buf_str(json), str_lit("\"running\":true")) < json->n;
    return rc == RC_OK;
}

/* The answers as "setting=value" words to control; the working copy stays as it was. */
static enum rc setup(struct session *s)
{
    const struct conf_section *section = conf_section_find(str_lit("capture"));
    struct buf *text = session_buf(s, REPLY_MOST);
    struct str words[18] = {str_lit("packetcapture"), str_lit("setup")};
    size_t n = 2;
    enum rc rc;

    if (ask_left(s)) {
        while (ask_left(s) && n < sizeof words / sizeof *words)
            words[n++] = ask_next(s);
    } else {
        fields_ask(s, section, STR_NONE, "");
        for (const struct conf_setting *f = section->settings; f->name && n < sizeof words / sizeof *words; f++)
            words[n++] = arena_printf(&s->arena, "%s=%.*s", f->name, STR(field_text(s, section, STR_NONE, f->name)));
        session_take_draft(s, NULL);
    }
    rc = session_ask(s, words, n, text, NULL);
    say_str(s, buf_str(text));
    if (rc == RC_OK && !session_staged(s))
        session_refresh(s, NULL);
    return rc;
}

enum rc cmd_packetcapture(struct session *s)
{
    struct operation ops[] = {{"START", "Start a packet capture", false},
                              {"STOP", "Stop the packet capture", false},
                              {"SETUP", "Change the limits, interfaces and filter of captures", false},
                              {"STATUS", "Display the state of the packet capture", false}};
    bool running = false;
    enum rc rc = RC_OK;
    size_t i;

    if (arg_is(s, 0, "setup")) {
        ask_next(s);
        return setup(s);
    }
    if (s->args.n)
        return cmd_plain(s);
    if (!show_state(s, &running))
        return RC_UNAVAILABLE;
    for (;;) {
        ops[0].hidden = running;
        ops[1].hidden = !running;
        i = ask_operation(s, ops, 4);
        if (i == SIZE_MAX)
            return rc;
        if (i == 0)
            session_run(s, "packetcapture", "start", NULL);
        else if (i == 1)
            session_run(s, "packetcapture", "stop", NULL);
        else if (i == 2)
            setup(s);
        show_state(s, &running);
    }
}
