/*
 * learn: messages that the anti-spam engine learns from (spec/cli.md 12.5). FILE is a message, an mbox, or on the local
 * console a folder of such; `-` reads a message from the input; a number is a message in the queue.
 *
 * Called through spec/verbs.def. Owns nothing. Each message is a call of control; what was taken is counted.
 */
#include "base/io.h"
#include "console/commands.h"
#include "console/files.h"

#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

enum { MESSAGE_MAX = 32 << 20, FILES_MOST = 100000 };

struct learning {
    struct session *s;
    struct str kind;
    uint64_t taken, known;
    enum rc rc;
};

/* Lines end in CRLF, as messages of the spool do. */
static struct str with_crlf(struct session *s, struct str text)
{
    struct buf *b = session_buf(s, MESSAGE_MAX);

    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '\n' && (i == 0 || text.p[i - 1] != '\r'))
            buf_addc(b, '\r');
        buf_addc(b, text.p[i]);
    }
    return b->failed ? STR_NONE : buf_str(b);
}

static void learn_one(struct learning *l, struct str message)
{
    struct str words[] = {str_lit("learn"), l->kind, with_crlf(l->s, message)};
    struct buf *text = session_buf(l->s, 1 << 20), *json = session_buf(l->s, 1 << 16);

    if (l->rc != RC_OK || !str_trim(message).n)
        return;
    if (!words[2].n) {
        say(l->s, "A message is larger than %d octets: not learned.\n", MESSAGE_MAX);
        return;
    }
    l->rc = session_ask(l->s, words, 3, text, json);
    if (l->rc != RC_OK)
        say_str(l->s, buf_str(text));
    else if (str_find_str(buf_str(json), str_lit("\"taken\":1")) < json->n)
        l->taken++;
    else
        l->known++;
}

/* mbox: messages begin with a line "From "; a quoted one (">From ") loses its mark. */
static void learn_text(struct learning *l, struct str text)
{
    struct buf *one = session_buf(l->s, MESSAGE_MAX);
    bool mbox = str_starts(text, str_lit("From ")), blank = true;
    struct str rest = text, line;

    if (!mbox) {
        learn_one(l, text);
        return;
    }
    while (l->rc == RC_OK && rest.n && str_split(&rest, '\n', &line)) {
        if (blank && str_starts(line, str_lit("From "))) {
            learn_one(l, buf_str(one));
            buf_clear(one);
        } else {
            buf_add(one, str_starts(line, str_lit(">From ")) ? str_from(line, 1) : line);
            if (rest.p)
                buf_addc(one, '\n');
        }
        blank = !str_trim(line).n;
    }
    learn_one(l, buf_str(one));
}

static void learn_file(struct learning *l, struct str name)
{
    struct buf *text = session_buf(l->s, FILES_MAX);
    struct err e = ERR_NONE;

    l->rc = files_read(l->s, name, text, &e);
    if (l->rc == RC_OK)
        learn_text(l, buf_str(text));
    else
        session_fail(l->s, &e);
    buf_done(text);
}

static void learn_folder(struct learning *l, const char *path, DIR *dir)
{
    struct dirent *d;

    for (size_t n = 0; l->rc == RC_OK && n < FILES_MOST && (d = readdir(dir)); n++) {
        struct str file = arena_printf(&l->s->arena, "%s/%s", path, d->d_name);
        struct stat st;

        if (d->d_name[0] != '.' && stat(file.p, &st) == 0 && S_ISREG(st.st_mode))
            learn_file(l, file);
    }
}

static void learn_source(struct learning *l, struct str source)
{
    const char *path;
    struct err e = ERR_NONE;
    DIR *dir = NULL;

    l->rc = files_path(l->s, source, &path, &e);
    if (l->rc != RC_OK) {
        session_fail(l->s, &e);
        return;
    }
    if (l->s->local)
        dir = opendir(path);
    if (dir) {
        learn_folder(l, path, dir);
        closedir(dir);
    } else {
        learn_file(l, source);
    }
}

static void learn_input(struct learning *l)
{
    struct buf *text = session_buf(l->s, FILES_MAX);
    struct str line;

    while (session_line(l->s, &l->s->arena, STR_NONE, false, &line)) {
        buf_add(text, line);
        buf_addc(text, '\n');
    }
    learn_text(l, buf_str(text));
}

static void learn_queued(struct learning *l, struct str mid)
{
    struct str words[] = {str_lit("showmessage"), mid};
    struct buf *text = session_buf(l->s, FILES_MAX);

    l->rc = session_ask(l->s, words, 2, text, NULL);
    if (l->rc == RC_OK)
        learn_one(l, buf_str(text));
    else
        say_str(l->s, buf_str(text));
}

enum rc cmd_learn(struct session *s)
{
    struct learning l = {.s = s, .kind = arg(s, 0), .rc = RC_OK};
    struct str source = arg(s, 1);
    uint64_t mid;

    if (s->args.n != 2 || !(arg_is(s, 0, "spam") || arg_is(s, 0, "ham")))
        return session_usage(s);
    if (str_eq(source, str_lit("-")))
        learn_input(&l);
    else if (str_u64(source, &mid))
        learn_queued(&l, source);
    else
        learn_source(&l, source);
    say(s, "%llu messages learned as %.*s, %llu known before.\n", (unsigned long long)l.taken, STR(l.kind),
        (unsigned long long)l.known);
    return l.rc;
}
