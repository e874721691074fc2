/*
 * postern cli: operator commands on the local console. With words after the options: exec mode (spec/cli.md 1.5), `;`
 * between commands, stops at the first that fails. Without: reads command lines from standard input.
 *
 * Called by main_postern.c. Talks to the control role over HOME/run/control.sock; files that a command names are read and
 * written here, with the rights of whoever typed it. Exit status 0 done, 1 failed or refused, 2 wrong usage.
 */
#include "admin/client.h"
#include "base/io.h"
#include "role/commands.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

enum { FILE_MAX = 64 << 20, WORDS_MORE = 8 };

struct console {
    const char *home;
    struct str user;
    int fd;
};

/* Asks for a passphrase; not echoed on a terminal. */
static struct str ask_secret(struct arena *a, const char *question)
{
    struct termios was, quiet;
    bool terminal = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &was) == 0;
    char line[1100] = "";

    printf("%s ", question);
    fflush(stdout);
    if (terminal) {
        quiet = was;
        quiet.c_lflag &= ~(tcflag_t)ECHO;
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
    }
    if (!fgets(line, sizeof line, stdin))
        line[0] = 0;
    if (terminal) {
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &was);
        putchar('\n');
    }
    line[strcspn(line, "\r\n")] = 0;
    return arena_str(a, str_c(line));
}

static bool is_word(const struct strs *words, size_t i, const char *text)
{
    return i < words->n && str_eqi(words->items[i], str_c(text));
}

/* `passwd [USER]` asks three questions (fixed texts) and becomes `passwd USER OLD NEW`. */
static bool passwd(struct arena *a, struct strs *words)
{
    struct str *w = arena_must_alloc(a, 4 * sizeof *w), again;

    if (words->n > 2)
        return true;
    w[0] = words->items[0];
    w[1] = words->n > 1 ? words->items[1] : str_lit("");
    w[2] = words->n > 1 ? str_lit("") : ask_secret(a, "Old password:");
    w[3] = ask_secret(a, "New password:");
    again = ask_secret(a, "Retype new password:");
    if (!str_eq(w[3], again)) {
        fprintf(stderr, "The passphrases differ.\n");
        return false;
    }
    *words = (struct strs){w, 4};
    return true;
}

/* `settings load FILE`: the content travels instead of the name. */
static bool load_file(struct arena *a, struct strs *words)
{
    struct str *last = (struct str *)(uintptr_t)&words->items[words->n - 1];
    struct buf content = BUF(FILE_MAX);
    struct err e = ERR_NONE;
    bool ok = io_read_file(last->p, &content, &e) == RC_OK;

    if (ok)
        *last = arena_str(a, buf_str(&content));
    else
        fprintf(stderr, "%s\n", err_text(&e));
    buf_done(&content);
    return ok && last->p;
}

/* `settings save [--plain] FILE`: takes the file's name off the words. */
static struct str save_name(struct strs *words)
{
    struct str last = words->items[words->n - 1];

    if (words->n < 3 || last.p[0] == '-')
        return STR_NONE;
    words->n--;
    return last;
}

static int show(struct str text, struct str save)
{
    struct err e = ERR_NONE;

    if (!save.n) {
        fwrite(text.p, 1, text.n, stdout);
        fflush(stdout);
        return 0;
    }
    if (io_replace_file("cli.save", save.p, text, &e) != RC_OK) {
        fprintf(stderr, "%s\n", err_text(&e));
        return 1;
    }
    printf("Configuration saved.\n");
    return 0;
}

/* One command; returns the exit status. */
static int run_command(struct console *c, struct arena *a, struct strs words)
{
    struct buf text = BUF((size_t)FILE_MAX * 2), json = BUF((size_t)FILE_MAX * 2);
    struct str save = STR_NONE;
    struct err e = ERR_NONE;
    bool as_json = false;
    enum rc rc = RC_OK;
    int status;

    if (words.n > 1 && is_word(&words, words.n - 1, "--json")) {
        as_json = true;
        words.n--;
    }
    if ((is_word(&words, 0, "passwd") || is_word(&words, 0, "password") || is_word(&words, 0, "passphrase")) &&
        !passwd(a, &words))
        return 1;
    if (is_word(&words, 0, "settings") && is_word(&words, 1, "load") && words.n > 2 && !load_file(a, &words))
        return 1;
    if (is_word(&words, 0, "settings") && is_word(&words, 1, "save"))
        save = save_name(&words);
    if (client_ask(c->fd, c->user, words.items, words.n, &rc, &text, &json, &e) != RC_OK) {
        fprintf(stderr, "postern: %s\n", err_text(&e));
        rc = e.rc;
        status = 1;
    } else {
        status = rc == RC_OK ? show(as_json && json.n ? buf_str(&json) : buf_str(&text), save)
                             : (show(buf_str(&text), STR_NONE), 1);
    }
    buf_done(&text);
    buf_done(&json);
    return status;
}

/* The commands of one line, until one fails. *leave: exit, quit or q. */
static int run_line(struct console *c, struct str line, bool *leave)
{
    struct err e = ERR_NONE;
    struct strs words;
    int status = 0;
    struct arena a;

    arena_init(&a, 65536, (size_t)FILE_MAX * 4);
    while (status == 0 && !*leave && words_take(&a, &line, &words, &e)) {
        *leave = is_word(&words, 0, "exit") || is_word(&words, 0, "quit") || is_word(&words, 0, "q");
        status = *leave ? 0 : run_command(c, &a, words);
    }
    if (e.rc != RC_OK) {
        fprintf(stderr, "%s\n", err_text(&e));
        status = 1;
    }
    arena_done(&a);
    return status;
}

static int read_lines(struct console *c)
{
    char *line = NULL;
    size_t room = 0;
    bool leave = false, terminal = isatty(STDIN_FILENO);
    ssize_t n = 0;
    int status = 0;

    while (!leave) {
        if (terminal) {
            printf("postern> ");
            fflush(stdout);
        }
        n = getline(&line, &room, stdin);
        if (n < 0)
            break;
        status = run_line(c, str_of(line, (size_t)n), &leave);
    }
    free(line);
    return status;
}

/* Words of the shell as one line: those that the shell grouped are quoted again, a lone word is a line by itself. */
static void join(int argc, char **argv, struct buf *line)
{
    for (int i = 0; i < argc; i++) {
        if (i)
            buf_addc(line, ' ');
        if (argc == 1 || (argv[i][0] && !strpbrk(argv[i], " \t\"\\\n"))) {
            buf_add(line, str_c(argv[i]));
            continue;
        }
        buf_addc(line, '"');
        for (const char *p = argv[i]; *p; p++) {
            if (*p == '"' || *p == '\\')
                buf_addc(line, '\\');
            buf_addc(line, *p);
        }
        buf_addc(line, '"');
    }
}

int cmd_cli(int argc, char **argv)
{
    struct console c = {.home = command_home(argc, argv), .fd = -1};
    struct buf line = BUF(FILE_MAX);
    struct err e = ERR_NONE;
    bool leave = false;
    int status, i = 0;

    for (; i + 1 < argc && (strcmp(argv[i], "--home") == 0 || strcmp(argv[i], "--user") == 0); i += 2) {
        if (strcmp(argv[i], "--user") == 0)
            c.user = str_c(argv[i + 1]);
    }
    if (!c.home)
        return 1;
    if (client_open(c.home, &c.fd, &e) != RC_OK) {
        fprintf(stderr, "postern: %s\n", err_text(&e));
        return 1;
    }
    join(argc - i, argv + i, &line);
    status = i < argc ? run_line(&c, buf_str(&line), &leave) : read_lines(&c);
    buf_done(&line);
    close(c.fd);
    return status;
}
