/*
 * Questions of dialogues. See ask.h.
 *
 * Called by every dialogue. Owns nothing: answers live in the command's arena. An input that ends without an answer leaves
 * the command (LEAVE_NO_ANSWER), as Ctrl-C does.
 */
#include "console/ask.h"

#include <inttypes.h>
#include <stdio.h>

size_t ask_left(const struct session *s)
{
    return s->args.n - s->taken;
}

bool ask_batch(const struct session *s)
{
    return s->args.n > 0;
}

struct str ask_next(struct session *s)
{
    return s->taken < s->args.n ? s->args.items[s->taken++] : STR_NONE;
}

/* One answer: from the arguments, else from the other side. False at the end of input. */
static bool answer(struct session *s, struct str prompt, bool secret, struct str *out)
{
    if (!secret && ask_left(s)) {
        *out = ask_next(s);
        return true;
    }
    if (!session_line(s, &s->arena, prompt, secret, out)) {
        if (s->terminal)
            session_leave(s, LEAVE_ABORT); /* Ctrl-D in a dialogue: out of it */
        return false;
    }
    if (!secret)
        *out = str_trim(*out);
    return true;
}

static struct str ask(struct session *s, const char *question, const char *initial, bool empty, ask_check *check, void *ctx)
{
    struct str prompt = arena_printf(&s->arena, "[%s]> ", initial ? initial : ""), out;

    for (;;) {
        bool given = ask_left(s) > 0;

        if (!given && question)
            say(s, "%s\n", question);
        if (!answer(s, prompt, false, &out)) {
            if (!initial && !empty)
                session_leave(s, LEAVE_NO_ANSWER);
            return arena_str(&s->arena, str_c(initial));
        }
        if (out.n == 0 && initial)
            return arena_str(&s->arena, str_c(initial));
        if (out.n == 0 && empty)
            return out;
        if (out.n == 0 && !check)
            say(s, "A value is needed.\n");
        else if (!check || check(s, ctx, out))
            return out;
        if (given)
            session_leave(s, LEAVE_REFUSED); /* a bad argument is not asked again */
    }
}

struct str ask_value(struct session *s, const char *question, const char *initial, ask_check *check, void *ctx)
{
    return ask(s, question, initial, false, check, ctx);
}

struct str ask_optional(struct session *s, const char *question, ask_check *check, void *ctx)
{
    return ask(s, question, NULL, true, check, ctx);
}

struct str ask_option(struct session *s, const char *initial, ask_check *check)
{
    return ask(s, NULL, initial, false, check, NULL);
}

static int yes_or_no(struct str s)
{
    if (str_eqi(s, str_lit("y")) || str_eqi(s, str_lit("yes")))
        return 1;
    return str_eqi(s, str_lit("n")) || str_eqi(s, str_lit("no")) ? 0 : -1;
}

bool ask_yes(struct session *s, const char *question, bool initial)
{
    struct str prompt = arena_printf(&s->arena, "%s [%s]> ", question, initial ? "Y" : "N"), out;

    for (;;) {
        bool given = ask_left(s) > 0;

        if (!answer(s, prompt, false, &out) || out.n == 0)
            return initial;
        if (yes_or_no(out) >= 0)
            return yes_or_no(out);
        say(s, "Please answer yes or no.\n");
        if (given)
            session_leave(s, LEAVE_REFUSED);
    }
}

static size_t choice_of(struct str out, const struct strs *choices)
{
    uint64_t n;

    if (str_u64(out, &n) && n >= 1 && n <= choices->n)
        return (size_t)n - 1;
    for (size_t i = 0; i < choices->n; i++)
        if (str_eqi(out, choices->items[i]))
            return i;
    return SIZE_MAX;
}

size_t ask_choice(struct session *s, const char *question, const struct strs *choices, size_t initial)
{
    struct str prompt = initial == SIZE_MAX ? str_lit("[]> ") : arena_printf(&s->arena, "[%zu]> ", initial + 1), out;

    for (;;) {
        bool given = ask_left(s) > 0;

        if (!given) {
            say(s, "%s\n", question);
            for (size_t i = 0; i < choices->n; i++)
                say(s, "%zu. %.*s\n", i + 1, STR(choices->items[i]));
        }
        if (!answer(s, prompt, false, &out) || out.n == 0) {
            if (initial != SIZE_MAX)
                return initial;
            if (s->end_of_input)
                session_leave(s, LEAVE_NO_ANSWER);
        } else if (choice_of(out, choices) != SIZE_MAX) {
            return choice_of(out, choices);
        }
        say(s, "The answer is a number between 1 and %zu.\n", choices->n);
        if (given)
            session_leave(s, LEAVE_REFUSED);
    }
}

size_t ask_one_of(struct session *s, const char *question, size_t initial, const char *const *choices)
{
    struct strs list = {NULL, 0};
    struct str *items;

    while (choices[list.n])
        list.n++;
    items = arena_must_alloc(&s->arena, (list.n + 1) * sizeof *items);
    for (size_t i = 0; i < list.n; i++)
        items[i] = str_c(choices[i]);
    list.items = items;
    return ask_choice(s, question, &list, initial);
}

struct str ask_hidden(struct session *s, const char *prompt)
{
    struct str out;

    if (!answer(s, str_c(prompt), true, &out))
        session_leave(s, LEAVE_NO_ANSWER);
    return out;
}

struct str ask_secret(struct session *s, const char *question, ask_check *check, void *ctx)
{
    struct str first, again;

    for (;;) {
        say(s, "%s\n", question);
        first = ask_hidden(s, "[]> ");
        if (check && !check(s, ctx, first))
            continue;
        say(s, "Please enter it again:\n");
        again = ask_hidden(s, "[]> ");
        if (str_eq(first, again))
            return first;
        say(s, "The two differ.\n");
    }
}

bool ask_lines(struct session *s, const char *question, struct str *out)
{
    struct buf *b = session_buf(s, 64 << 20);
    struct str line;

    say(s, "%s Enter '.' on a blank line to end.\n", question);
    for (;;) {
        if (!session_line(s, &s->arena, STR_NONE, false, &line))
            return false;
        if (str_eq(line, str_lit(".")))
            break;
        buf_add(b, line);
        buf_addc(b, '\n');
    }
    *out = buf_str(b);
    return true;
}

static bool is_number(struct session *s, void *ctx, struct str text)
{
    const uint64_t *range = ctx;
    uint64_t v;

    if (str_u64(text, &v) && v >= range[0] && v <= range[1])
        return true;
    say(s, "The value must be a number from %" PRIu64 " to %" PRIu64 ".\n", range[0], range[1]);
    return false;
}

uint64_t ask_number(struct session *s, const char *question, uint64_t initial, uint64_t least, uint64_t most)
{
    uint64_t range[2] = {least, most}, v = initial;
    char text[24];

    snprintf(text, sizeof text, "%" PRIu64, initial);
    str_u64(ask_value(s, question, text, is_number, range), &v);
    return v;
}

static size_t operation_of(const struct operation *ops, size_t n, struct str name)
{
    for (size_t i = 0; i < n; i++)
        if (!ops[i].hidden && str_eqi(name, str_c(ops[i].name)))
            return i;
    return SIZE_MAX;
}

size_t ask_operation(struct session *s, const struct operation *ops, size_t n)
{
    struct str out;
    size_t i;

    for (;;) {
        bool given = ask_left(s) > 0;

        if (!given && ask_batch(s))
            return SIZE_MAX; /* the operation of the command line is done */
        if (!given) {
            say(s, "\nChoose the operation you want to perform:\n");
            for (i = 0; i < n; i++)
                if (!ops[i].hidden)
                    say(s, "- %s - %s.\n", ops[i].name, ops[i].what);
        }
        if (!answer(s, str_lit("[]> "), false, &out) || out.n == 0)
            return SIZE_MAX;
        i = operation_of(ops, n, out);
        if (i != SIZE_MAX)
            return i;
        if (given) {
            session_usage(s);
            session_leave(s, LEAVE_REFUSED);
        }
        say(s, "%.*s is not an operation listed here.\n", STR(str_first(out, 100)));
    }
}
