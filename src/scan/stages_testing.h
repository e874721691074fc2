/* A world for tests of the stages of engines: a message under the default policy, engines that are threads with one answer.
 */
#ifndef SCAN_STAGES_TESTING_H
#define SCAN_STAGES_TESTING_H

#include "scan/actions.h"
#include "scan/stage.h"
#include "scan/world.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

struct fix {
    struct scan_world world;
    struct arena arena;
    struct conf_source *conf;
    struct message m;
    struct envelope env;
    struct recipient to[2];
    struct str says[ENGINE_KINDS]; /* empty: refuses */
    struct str virus_says[4];      /* instead of says[ENGINE_CLAMD], one connection each */
    unsigned virus_at;
    unsigned asked[ENGINE_KINDS];
    char text[1000];
};

struct served {
    struct str say;
    int fd;
};

static inline void *serve(void *arg)
{
    struct served *s = arg;
    char part[65536];

    if (recv(s->fd, part, sizeof part, 0) > 0)
        send(s->fd, s->say.p, s->say.n, MSG_NOSIGNAL);
    shutdown(s->fd, SHUT_WR);
    while (recv(s->fd, part, sizeof part, 0) > 0)
        ;
    close(s->fd);
    free(s);
    return NULL;
}

static inline int test_open(void *ctx, enum engine_kind kind, struct str address, uint64_t timeout_ms, struct err *e)
{
    struct fix *f = ctx;
    struct served *s;
    pthread_t thread;
    int fds[2];

    (void)address, (void)timeout_ms;
    f->asked[kind]++;
    if (kind == ENGINE_CLAMD && f->virus_at < 4 && f->virus_says[f->virus_at].n)
        f->says[kind] = f->virus_says[f->virus_at++];
    if (!f->says[kind].n) {
        err_set(e, RC_CONNECT, "Connection refused");
        return -1;
    }
    s = calloc(1, sizeof *s + f->says[kind].n); /* with the answer: the thread may outlive the test */
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    memcpy(s + 1, f->says[kind].p, f->says[kind].n);
    *s = (struct served){str_of((char *)(s + 1), f->says[kind].n), fds[1]};
    pthread_create(&thread, NULL, serve, s);
    pthread_detach(thread);
    return fds[0];
}

static inline int setup(void **state)
{
    struct fix *f = calloc(1, sizeof *f);

    arena_init(&f->arena, 65536, 64 << 20);
    f->world.engines = engines_new(&(struct engine_dialer){.open = test_open, .ctx = f}, NULL, NULL);
    f->world.events = events_test_new();
    *state = f;
    return 0;
}

static inline int teardown(void **state)
{
    struct fix *f = *state;

    engines_free(f->world.engines);
    events_free(f->world.events);
    conf_source_free(f->conf);
    arena_done(&f->arena);
    free(f);
    return 0;
}

#define BASE \
    "antispam.enabled=yes\nantivirus.enabled=yes\ngraymail.enabled=yes\noutbreak.enabled=yes\n" \
    "mail_policy.DEFAULT.antispam=yes\nmail_policy.DEFAULT.antivirus=yes\nmail_policy.DEFAULT.graymail=yes\nmail_policy." \
    "DEFAULT.outbreak=yes\n" \
    "antispam.timeout_ms=2s\nantivirus.timeout_ms=2s\n"

/* A message under the default policy with these further settings. */
static inline void given(struct fix *f, const char *settings, const char *message)
{
    char lines[4096];
    struct err e = ERR_NONE;

    conf_source_free(f->conf);
    snprintf(lines, sizeof lines, "%s%s", BASE, settings);
    f->conf = conf_source_test(lines, &e);
    assert_non_null(f->conf);
    f->to[0].address = str_lit("bob@example.org");
    f->to[1].address = str_lit("eve@example.org");
    f->env = (struct envelope){
        .sender = str_lit("anna@example.net"), .recipients = f->to, .n_recipients = 2, .client_ip = str_lit("192.0.2.1")};
    f->m = (struct message){.conf = conf_now(f->conf), .events = f->world.events, .mid = f->m.mid + 1};
    assert_int_equal(message_init(&f->m, &f->arena, arena_str(&f->arena, str_c(message)), &f->env, &e), RC_OK);
    f->m.policy = conf_find(&f->m.conf->mail_policy, str_lit("DEFAULT"));
    assert_non_null(f->m.policy);
    f->world.spam = (struct spam_seen){0};
}

static inline void rspamd_says(struct fix *f, double score, const char *action, const char *symbols)
{
    char json[600];

    snprintf(json, sizeof json, "{\"score\":%.1f,\"required_score\":15.0,\"action\":\"%s\",\"symbols\":{%s}}", score, action,
             symbols);
    snprintf(f->text, sizeof f->text, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s", strlen(json), json);
    f->says[ENGINE_RSPAMD] = str_c(f->text);
}

#define CLAMD_SAYS(f, text) ((f)->says[ENGINE_CLAMD] = str_of(text, sizeof(text) - 1))

/* The n-th connection from here on gets this answer. */
#define CLAMD_SAYS_AT(f, i, text) ((f)->virus_at = 0, (f)->virus_says[i] = str_of(text, sizeof(text) - 1))

static inline bool logged(struct fix *f, const char *line)
{
    struct str all = events_test_text(f->world.events), one;

    while (str_split(&all, '\n', &one))
        if (str_eq(one, str_c(line)))
            return true;
    return false;
}
#define assert_logged(f, line) \
    do { \
        if (!logged(f, line)) \
            fail_msg("not in the log: \"%s\"\n%.*s", line, STR(events_test_text((f)->world.events))); \
    } while (0)

static inline bool now_has(struct fix *f, const char *text)
{
    struct str octets = message_octets(&f->m);

    return str_find_str(octets, str_c(text)) < octets.n;
}

#define PLAIN "From: anna@example.net\r\nSubject: hello\r\n\r\nbody\r\n"

#define WITH_ATTACHMENT \
    "From: anna@example.net\r\nSubject: hello\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" \
    "--b\r\nContent-Type: text/plain\r\n\r\ntext\r\n--b\r\nContent-Type: application/octet-stream; name=\"a.bin\"\r\n" \
    "Content-Transfer-Encoding: base64\r\n\r\naGVsbG8gd29ybGQ=\r\n--b--\r\n"

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
