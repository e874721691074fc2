/*
 * State files of role push. See state.h.
 *
 * Called by the syslog sender and the carrier. A save that fails (disk full) is not repeated by itself: the next change
 * saves again, and until then a restart sends some lines or a file twice.
 */
#include "push/state.h"

#include "base/io.h"
#include "base/must.h"

#include <stddef.h>
#include <stdlib.h>

static const char first_line[] = "postern push 1";

static const struct {
    struct str name;
    size_t offset;
} numbers[] = {
    {{"clean", 5}, offsetof(struct push_state, clean)}, {{"lines", 5}, offsetof(struct push_state, lines)},
    {{"files", 5}, offsetof(struct push_state, files)}, {{"bytes", 5}, offsetof(struct push_state, bytes)},
    {{"ok_ms", 5}, offsetof(struct push_state, ok_ms)},
};

static bool parse_place(struct str rest, struct place *out)
{
    uint64_t v[4];
    struct str word;

    for (size_t i = 0; i < 4; i++)
        if (!str_word(&rest, &word) || !str_u64(word, &v[i]))
            return false;
    if (str_word(&rest, &word) || v[2] > 256)
        return false;
    *out = (struct place){v[0], v[1], v[2], v[3]};
    return true;
}

static bool parse_pushed(struct str file, struct push_state *out)
{
    if (file.n >= PUSHED_NAME || out->n_pushed == PUSHED_MOST || !log_saved_name(file, NULL) ||
        str_find(file, '/') < file.n || str_find(file, '\0') < file.n)
        return false;
    memcpy(out->pushed[out->n_pushed], file.p, file.n);
    out->pushed[out->n_pushed++][file.n] = '\0';
    return true;
}

static bool parse_line(struct str line, struct push_state *out)
{
    struct str name = str_first(line, str_find(line, ' ')), rest = str_from(line, name.n + 1);

    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (str_eq(name, numbers[i].name))
            return str_u64(rest, (uint64_t *)(void *)((char *)out + numbers[i].offset));
    if (str_eq(name, str_lit("at")))
        return parse_place(rest, &out->at);
    if (str_eq(name, str_lit("safe")))
        return parse_place(rest, &out->safe);
    if (str_eq(name, str_lit("pushed")))
        return parse_pushed(rest, out);
    return true; /* of a newer version */
}

enum rc push_state_parse(struct str text, struct push_state *out, struct err *e)
{
    struct push_state *s = calloc(1, sizeof *s);
    struct str rest = text, line;
    bool good;

    must(s);
    good = str_split(&rest, '\n', &line) && str_eq(line, str_c(first_line));
    while (good && str_split(&rest, '\n', &line))
        good = !line.n || parse_line(line, s);
    if (good)
        *out = *s;
    free(s);
    return good ? RC_OK : err_set(e, RC_CORRUPT, "not a state of role push");
}

enum rc push_state_read(const char *path, struct push_state *out, struct err *e)
{
    struct buf b = BUF(1 << 20);
    enum rc rc = io_read_file(path, &b, e);

    if (rc == RC_OK)
        rc = push_state_parse(buf_str(&b), out, e);
    buf_done(&b);
    return rc;
}

static void format_place(const char *name, const struct place *p, struct buf *out)
{
    if (p->inode)
        buf_addf(out, "%s %llu %llu %llu %llu\n", name, (unsigned long long)p->inode, (unsigned long long)p->head,
                 (unsigned long long)p->head_n, (unsigned long long)p->offset);
}

void push_state_format(const struct push_state *s, struct buf *out)
{
    buf_addf(out, "%s\n", first_line);
    format_place("at", &s->at, out);
    format_place("safe", &s->safe, out);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        buf_add(out, numbers[i].name);
        buf_addc(out, ' ');
        buf_add_u64(out, *(const uint64_t *)(const void *)((const char *)s + numbers[i].offset));
        buf_addc(out, '\n');
    }
    for (size_t i = 0; i < s->n_pushed; i++)
        buf_addf(out, "pushed %s\n", s->pushed[i]);
}

/* --- saving --------------------------------------------------------------------------------------------------------- */

void saver_init(struct saver *v, struct loop *loop, const char *path)
{
    *v = (struct saver){.loop = loop, .next = BUF(1 << 20), .writing = BUF(1 << 20)};
    must((v->path = strdup(path)));
}

static void write_state(void *ctx)
{
    struct saver *v = ctx;

    io_replace_file("push.state", v->path, buf_str(&v->writing), NULL);
}

static void begin(struct saver *v);

static void written(void *ctx)
{
    struct saver *v = ctx;

    v->running = false;
    if (v->again)
        begin(v);
    else if (v->idle)
        v->idle(v->ctx);
}

static void begin(struct saver *v)
{
    struct buf b = v->writing;

    v->writing = v->next;
    v->next = b;
    v->again = false;
    v->running = true;
    loop_work(v->loop, write_state, written, v);
}

void saver_save(struct saver *v, const struct push_state *s)
{
    buf_clear(&v->next);
    push_state_format(s, &v->next);
    if (v->running)
        v->again = true;
    else
        begin(v);
}

void saver_done(struct saver *v)
{
    must(!v->running);
    buf_done(&v->next);
    buf_done(&v->writing);
    free(v->path);
}
