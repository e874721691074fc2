/* For tests of what judges: a message from a few lines of text, settings from lines, and what became of it. */
#ifndef POLICY_JUDGE_TESTING_H
#define POLICY_JUDGE_TESTING_H

#include "base/must.h"
#include "policy/compiled.h"
#include "policy/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct judge {
    struct conf_source *source;
    struct arena arena;
    struct compiled *compiled;
    struct message m;
    struct envelope env;
    struct recipient recipients[64];
    struct message_world world;
    char coded[1 << 16];
};

/* Settings: lines "path=value". */
static inline void judge_settings(struct judge *j, const char *lines)
{
    struct err e = ERR_NONE;

    memset(j, 0, sizeof *j);
    j->source = conf_source_test(lines, &e);
    if (!j->source)
        fail_msg("%s", e.text);
    arena_init(&j->arena, 65536, 256 << 20);
}

/* The same with everything compiled. */
static inline void judge_compiled(struct judge *j, const char *lines)
{
    struct err e = ERR_NONE;

    judge_settings(j, lines);
    if (compiled_new(conf_now(j->source), &j->compiled, &e) != RC_OK)
        fail_msg("%s", e.text);
}

static inline void judge_done(struct judge *j)
{
    compiled_free(j->compiled);
    arena_done(&j->arena);
    conf_source_free(j->source);
}

/* Text with \n as CRLF. */
static inline struct str judge_crlf(struct arena *a, const char *text)
{
    char *out = arena_must_alloc(a, 2 * strlen(text) + 1);
    size_t n = 0;

    for (; *text; text++) {
        if (*text == '\n')
            out[n++] = '\r';
        out[n++] = *text;
    }
    return str_of(out, n);
}

/* A message; recipients separated by spaces. Events are kept for judge_log(). */
static inline struct message *judge_message(struct judge *j, const char *sender, const char *recipients, const char *text)
{
    struct str rest = str_c(recipients);
    struct err e = ERR_NONE;

    j->env = (struct envelope){.sender = str_c(sender),
                               .client_ip = str_lit("192.0.2.7"),
                               .sender_group = str_lit("UNKNOWNLIST"),
                               .flow_policy = str_lit("ACCEPTED"),
                               .listener = str_lit("In"),
                               .recipients = j->recipients};
    while (j->env.n_recipients < 64 && str_word(&rest, &j->recipients[j->env.n_recipients].address))
        j->env.n_recipients++;
    j->m = (struct message){
        .conf = conf_now(j->source), .compiled = j->compiled, .world = &j->world, .mid = 17, .events = events_test_new()};
    must(message_init(&j->m, &j->arena, judge_crlf(&j->arena, text), &j->env, &e) == RC_OK);
    return &j->m;
}

/* Log lines so far; ends the message. */
static inline struct str judge_log(struct judge *j)
{
    struct str text = arena_str(&j->arena, events_test_text(j->m.events));

    events_free(j->m.events);
    j->m.events = NULL;
    return text;
}

/* The message as it is now, LF line ends, NUL behind it. */
static inline const char *judge_text(struct judge *j)
{
    struct str now = message_octets(&j->m);
    char *out = arena_must_alloc(&j->arena, now.n + 1);
    size_t n = 0;

    for (size_t i = 0; i < now.n; i++)
        if (now.p[i] != '\r' || i + 1 == now.n || now.p[i + 1] != '\n')
            out[n++] = now.p[i];
    out[n] = 0;
    return out;
}

#endif
