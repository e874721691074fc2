/*
 * The line editor: cursor keys, Ctrl-A E U W K D, history, completion.
 *
 * Called by session_line() on a terminal. Owns the line while it is edited. It writes as little as it can: a character typed
 * at the end is echoed alone and nothing is redrawn, so programs that drive a session read back just what they sent and a
 * prompt is never repeated. Escape sequences that are not known are swallowed whole.
 */
#include "console/terminal.h"

#include <stdlib.h>

enum { LINE_BYTES = 65536, KEY_UP = 256, KEY_DOWN, KEY_LEFT, KEY_RIGHT, KEY_HOME, KEY_END, KEY_DELETE, KEY_NONE };
#define CTRL(c) ((c)&31)

struct line {
    struct session *s;
    struct buf text;
    size_t at; /* cursor */
    bool secret;
    size_t past;     /* place in the history; n = the new line */
    struct buf kept; /* the new line while an old one is shown */
};

static int octet(struct session *s)
{
    int c;

    while (s->ahead.n == 0 && !s->end_of_input)
        terminal_fill(s, -1, -1);
    if (s->ahead.n == 0)
        session_leave(s, LEAVE_END);
    c = (unsigned char)*s->ahead.p;
    buf_drop(&s->ahead, 1);
    return c;
}

/* ESC [ ... letter, or ESC O letter. */
static int escape(struct session *s)
{
    static const struct {
        char last, number;
        int key;
    } keys[] = {{'A', 0, KEY_UP},       {'B', 0, KEY_DOWN},   {'C', 0, KEY_RIGHT},  {'D', 0, KEY_LEFT},
                {'H', 0, KEY_HOME},     {'F', 0, KEY_END},    {'~', '1', KEY_HOME}, {'~', '4', KEY_END},
                {'~', '3', KEY_DELETE}, {'~', '7', KEY_HOME}, {'~', '8', KEY_END}};
    int c = octet(s), number = 0;

    if (c != '[' && c != 'O')
        return KEY_NONE;
    do {
        c = octet(s);
        if (c >= '0' && c <= '9' && !number)
            number = c;
    } while (c >= 0x20 && c < 0x40);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (keys[i].last == c && (!keys[i].number || keys[i].number == number))
            return keys[i].key;
    return KEY_NONE;
}

/* --- showing ---------------------------------------------------------------------------------------------------------- */

static size_t width(const char *p, size_t n)
{
    size_t w = 0;

    for (size_t i = 0; i < n; i++)
        w += (p[i] & 0xC0) != 0x80; /* characters, not octets */
    return w;
}

static void left(struct line *l, size_t n)
{
    while (!l->secret && n--)
        say_raw(l->s, str_lit("\b"));
}

/* The rest of the line anew, `gone` characters shorter than it was, cursor back to its place. */
static void show_rest(struct line *l, size_t gone)
{
    size_t rest = width(l->text.p + l->at, l->text.n - l->at);

    if (l->secret)
        return;
    say_raw(l->s, str_from(buf_str(&l->text), l->at));
    for (size_t i = 0; i < gone; i++)
        say_raw(l->s, str_lit(" "));
    left(l, rest + gone);
}

/* --- editing ------------------------------------------------------------------------------------------------------------
 */

static void insert(struct line *l, struct str what)
{
    size_t n = l->text.n;

    buf_add(&l->text, what);
    if (l->text.n == n)
        return;
    memmove(l->text.p + l->at + what.n, l->text.p + l->at, n - l->at);
    memcpy(l->text.p + l->at, what.p, what.n);
    l->at += what.n;
    if (l->secret)
        return;
    say_raw(l->s, what);
    if (l->at < l->text.n)
        show_rest(l, 0);
}

static size_t before(const struct line *l, size_t at)
{
    do
        at--;
    while (at && (l->text.p[at] & 0xC0) == 0x80);
    return at;
}

static void cut(struct line *l, size_t from, size_t to)
{
    size_t gone = width(l->text.p + from, to - from);

    if (from == to)
        return;
    if (l->at > from)
        left(l, width(l->text.p + from, l->at - from));
    memmove(l->text.p + from, l->text.p + to, l->text.n - to);
    l->text.n -= to - from;
    l->at = from;
    show_rest(l, gone);
}

static void move(struct line *l, size_t to)
{
    if (to < l->at)
        left(l, width(l->text.p + to, l->at - to));
    else if (!l->secret)
        say_raw(l->s, str_of(l->text.p + l->at, to - l->at));
    l->at = to;
}

static void replace(struct line *l, struct str with)
{
    struct str copy = arena_str(&l->s->arena, with);

    move(l, l->text.n);
    cut(l, 0, l->text.n);
    insert(l, copy);
}

static void recall(struct line *l, int way)
{
    const struct history *h = &l->s->history;
    size_t to = l->past + (size_t)way;

    if (l->secret || to > h->n)
        return;
    if (l->past == h->n) {
        buf_clear(&l->kept);
        buf_add(&l->kept, buf_str(&l->text));
    }
    l->past = to;
    replace(l, to == h->n ? buf_str(&l->kept) : h->line[to]);
}

static void complete(struct line *l)
{
    struct buf rest = BUF(256);
    struct str word = str_first(buf_str(&l->text), l->at);

    if (!l->secret && str_find(word, ' ') == word.n && terminal_complete(l->s, word, &rest))
        insert(l, buf_str(&rest));
    buf_done(&rest);
}

static void cut_word(struct line *l)
{
    size_t from = l->at;

    while (from && l->text.p[from - 1] == ' ')
        from--;
    while (from && l->text.p[from - 1] != ' ')
        from--;
    cut(l, from, l->at);
}

static void key(struct line *l, int c)
{
    switch (c) {
    case CTRL('A'):
    case KEY_HOME:
        move(l, 0);
        break;
    case CTRL('E'):
    case KEY_END:
        move(l, l->text.n);
        break;
    case CTRL('B'):
    case KEY_LEFT:
        move(l, l->at ? before(l, l->at) : 0);
        break;
    case CTRL('F'):
    case KEY_RIGHT:
        if (l->at < l->text.n) {
            size_t to = l->at + 1;

            while (to < l->text.n && (l->text.p[to] & 0xC0) == 0x80)
                to++;
            move(l, to);
        }
        break;
    case CTRL('U'):
        cut(l, 0, l->at);
        break;
    case CTRL('K'):
        move(l, l->at);
        cut(l, l->at, l->text.n);
        break;
    case CTRL('W'):
        cut_word(l);
        break;
    case CTRL('P'):
    case KEY_UP:
        recall(l, -1);
        break;
    case CTRL('N'):
    case KEY_DOWN:
        recall(l, 1);
        break;
    case '\t':
        complete(l);
        break;
    case 127:
    case CTRL('H'):
        if (l->at)
            cut(l, before(l, l->at), l->at);
        break;
    case KEY_DELETE:
        if (l->at < l->text.n) {
            size_t to = l->at + 1;

            while (to < l->text.n && (l->text.p[to] & 0xC0) == 0x80)
                to++;
            cut(l, l->at, to);
        }
        break;
    default:
        if (c >= 32 && c < 256)
            insert(l, str_of(&(char){(char)c}, 1));
    }
}

static void remember(struct session *s, struct str line)
{
    struct history *h = &s->history;
    char *copy;

    if (line.n == 0 || line.n > 4096 || (h->n && str_eq(h->line[h->n - 1], line)) || !(copy = malloc(line.n)))
        return;
    if (h->n == sizeof h->line / sizeof *h->line) {
        free((char *)(uintptr_t)h->line[0].p);
        memmove(h->line, h->line + 1, --h->n * sizeof *h->line);
    }
    memcpy(copy, line.p, line.n);
    h->line[h->n++] = str_of(copy, line.n);
}

bool terminal_edit(struct session *s, struct arena *a, struct str prompt, bool secret, struct str *out)
{
    struct line l = {.s = s, .text = BUF(LINE_BYTES), .kept = BUF(LINE_BYTES), .secret = secret, .past = s->history.n};
    bool is_command = str_ends(prompt, str_lit("> ")) && !str_ends(prompt, str_lit("]> "));

    say_raw(s, prompt);
    for (;;) {
        int c = octet(s);
        bool skip = c == '\n' && s->after_cr;

        s->after_cr = c == '\r';
        if (skip)
            continue;
        if (c == '\r' || c == '\n')
            break;
        if (c == CTRL('D') && l.text.n == 0) {
            say_raw(s, str_lit("\n"));
            return false;
        }
        key(&l, c == 27 ? escape(s) : c);
    }
    say_raw(s, str_lit("\n"));
    *out = arena_str(a, buf_str(&l.text));
    if (is_command && !secret)
        remember(s, *out);
    buf_done(&l.text);
    buf_done(&l.kept);
    return true;
}
