/*
 * What lies inside messages: the test virus in every usual container is found, and messages made to eat memory and time end
 * soon, as unscannable. The messages are made by tests/containers.py (python3, zip, 7z, bsdtar).
 */
#include "mail/mime_testing.h"
#include "scan/content.h"

#include "base/clock.h"
#include "base/io.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { SECONDS_MOST = 10, MEMORY_MOST_MB = 256 };

static char dir[] = "/tmp/content_test.XXXXXX";

static const struct conf_scanning defaults = {.max_message_bytes = 100 << 20,
                                              .max_depth = 5,
                                              .max_entries = 2000,
                                              .max_bytes = 64 << 20,
                                              .max_ratio = 250,
                                              .timeout_ms = 6000};

struct fix {
    struct arena a;
    struct buf octets;
    struct content *c;
    struct mime *m;
    struct content_sum sum;
};

static int make_files(void **state)
{
    char command[200];

    (void)state;
    if (!mkdtemp(dir))
        return -1;
    snprintf(command, sizeof command, "python3 tests/containers.py %s", dir);
    return system(command);
}

static int remove_files(void **state)
{
    char command[200];

    (void)state;
    snprintf(command, sizeof command, "rm -r %s", dir);
    return system(command);
}

static int start(void **state)
{
    struct fix *f = calloc(1, sizeof *f);

    arena_init(&f->a, 4096, 512 << 20);
    f->octets = BUF(64 << 20);
    f->c = content_new();
    *state = f;
    return f->c ? 0 : -1;
}

static int end(void **state)
{
    struct fix *f = *state;

    content_free(f->c);
    arena_done(&f->a);
    buf_done(&f->octets);
    free(f);
    return 0;
}

static void look(struct fix *f, const struct conf_scanning *s)
{
    arena_reset(&f->a);
    f->m = mime_read(&f->a, buf_str(&f->octets));
    content_read(f->c, f->m, s);
    content_sum(f->m, &f->sum);
}

static void load(struct fix *f, const char *name)
{
    char path[400];

    snprintf(path, sizeof path, "%s/%s.eml", dir, name);
    buf_clear(&f->octets);
    assert_int_equal(io_read_file(path, &f->octets, NULL), RC_OK);
    look(f, &defaults);
}

static struct mime_part *part(struct fix *f, const char *path)
{
    for (struct mime_part *p = f->m->all; p; p = p->all_next)
        if (str_eq(p->path, str_c(path)))
            return p;
    fail_msg("no part %s", path);
    return NULL;
}

static bool flawed(const struct mime_part *p, enum mime_flaw flaw)
{
    return p->flaws >> flaw & 1;
}

/* fn() for each file whose name begins so; how many. */
static size_t each(struct fix *f, const char *prefix, void (*fn)(struct fix *f, const char *name))
{
    DIR *d = opendir(dir);
    struct dirent *e;
    size_t n = 0;

    while ((e = readdir(d)) != NULL) {
        struct str name = str_c(e->d_name);

        if (!str_starts(name, str_c(prefix)))
            continue;
        e->d_name[name.n - 4] = '\0';
        fn(f, e->d_name);
        n++;
    }
    closedir(d);
    return n;
}

static void has_virus(struct fix *f, const char *name)
{
    load(f, name);
    if (!any_body_has(f->m, str_lit(EICAR)))
        fail_msg("%s: not found, unscannable '%.*s'", name, STR(f->sum.unscannable));
    if (f->sum.unscannable.n)
        fail_msg("%s: unscannable '%.*s'", name, STR(f->sum.unscannable));
}

static void the_virus_is_found_in_every_container(void **state)
{
    struct fix *f = *state;

    assert_int_equal(each(f, "eicar-", has_virus), 23);
    load(f, "eicar-nested.zip");
    part(f, "1.2/in3.zip/in2.zip/in1.zip/in0.zip/dir/eicar.com");
}

static void is_locked(struct fix *f, const char *name)
{
    load(f, name);
    assert_true(f->sum.encrypted);
    assert_int_equal(f->sum.unscannable.n, 0);
    assert_true(part(f, "1.2")->encrypted);
    assert_false(any_body_has(f->m, str_lit(EICAR)));
}

static void a_passphrase_is_a_verdict(void **state)
{
    struct fix *f = *state;

    assert_int_equal(each(f, "locked-", is_locked), 3);
    load(f, "locked-a.zip");
    assert_true(part(f, "1.2/eicar.com")->encrypted); /* its name can be read */
}

static void lies_are_seen(void **state)
{
    struct fix *f = *state;

    load(f, "eicar-photo.jpg");
    assert_true(flawed(part(f, "1.2"), MIME_FLAW_BAD_TYPE));
    assert_true(str_eq(part(f, "1.2")->detected, str_lit("application/zip")));
    load(f, "lie-invoice.pdf");
    assert_true(flawed(part(f, "1.2"), MIME_FLAW_BAD_TYPE));
    assert_true(str_eq(part(f, "1.2")->detected, str_lit("application/x-dosexec")));
    load(f, "lie-names.zip");
    assert_true(flawed(part(f, "1.2"), MIME_FLAW_ARCHIVE_DIFFERS) && f->sum.ambiguous);
    assert_true(str_eq(part(f, "1.2/a.exe")->other_name, str_lit("a.txt"))); /* both readings are there */
    load(f, "eicar-hidden.zip");
    assert_true(flawed(part(f, "1.2"), MIME_FLAW_ARCHIVE_DIFFERS) && f->sum.ambiguous);
    load(f, "eicar-a.zip");
    assert_false(f->sum.ambiguous);
    assert_int_equal(f->m->flaws, 0);
    load(f, "lie-words.bin");
    assert_false(part(f, "1.2")->archive);
    assert_int_equal(f->sum.unscannable.n, 0);
    load(f, "lie-cut.zip");
    assert_true(str_eq(f->sum.unscannable, str_lit("damaged archive")));
    assert_true(str_eq(f->sum.part, str_lit("1.2")));
}

/* GMime takes these for one part, others for a multipart. */
static void readers_that_differ(void **state)
{
    static const char *const types[] = {"multipart", "\"multipart/mixed\""};
    struct fix *f = *state;

    for (size_t i = 0; i < 2; i++) {
        buf_clear(&f->octets);
        buf_addf(&f->octets, "Content-Type: %s; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n", types[i]);
        look(f, &defaults);
        assert_true(f->sum.ambiguous && flawed(f->m->root, MIME_FLAW_READERS_DIFFER));
    }
    buf_clear(&f->octets);
    buf_addf(&f->octets, "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n");
    look(f, &defaults);
    assert_false(f->sum.ambiguous);
}

static void documents(void **state)
{
    struct fix *f = *state;

    load(f, "lie-a.docm");
    assert_true(f->sum.macros && !part(f, "1.2")->archive);
    assert_true(str_endsi(part(f, "1.2")->detected, str_lit("wordprocessingml.document")));
    assert_true(str_eq(str_trim(mime_text(f->m, part(f, "1.2/word/document.xml"))), str_lit("credit & card")));
    load(f, "lie-a.pdf");
    assert_true(f->sum.encrypted && f->sum.script && !f->sum.macros);
}

static void the_settings_are_limits(void **state)
{
    struct fix *f = *state;
    struct conf_scanning s = defaults;

    load(f, "eicar-nested.zip");
    s.max_depth = 4;
    look(f, &s);
    assert_true(str_eq(f->sum.unscannable, str_lit("nested too deep")));
    s = defaults;
    s.max_entries = 4;
    look(f, &s);
    assert_true(str_eq(f->sum.unscannable, str_lit("too many entries")));
    s = defaults;
    s.max_bytes = 500;
    look(f, &s);
    assert_true(str_eq(f->sum.unscannable, str_lit("unpacks to too much")));
    s = defaults;
    s.max_message_bytes = 100;
    look(f, &s);
    assert_true(str_eq(f->sum.unscannable, str_lit("larger than what is scanned")));
    load(f, "bomb-zeros.zip");
    s = defaults;
    s.timeout_ms = 10;
    s.max_bytes = 1 << 30;
    s.max_ratio = 100000;
    look(f, &s);
    assert_true(str_eq(f->sum.unscannable, str_lit("unpacking takes too long")));
    load(f, "eicar-a.zip"); /* and the next message is unpacked as ever */
    assert_true(any_body_has(f->m, str_lit(EICAR)));
}

/* --- bombs ---------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *name, *end; /* "" = it is read whole, within the limits */
} bombs[] = {
    {"bomb-nested.zip", "too many entries"},
    {"bomb-chain.zip", "nested too deep"},
    {"bomb-overlap.zip", "overlapping entries"},
    {"bomb-entries.zip", "too many entries"},
    {"bomb-zeros.gz", "unpacks to too much"},
    {"bomb-zeros.zip", "unpacks to too much"},
    {"bomb-zeros.tar.xz", "compression ratio"},
    {"bomb-parts", "too many parts"},
    {"bomb-levels", "nested too deep"},
    {"bomb-headers", "too many header fields"},
    {"bomb-line", "header section too long"},
    {"bomb-base64", ""},
    {"bomb-readings", "too many header fields"},
    {"bomb-uu", ""},
    {"bomb-lines", "too many parts"},
    {"bomb-html", "too many addresses"},
    {"bomb-words", "header section too long"},
    {"bomb-pdf", ""},
};

static void bound_memory(void)
{
#ifndef __SANITIZE_ADDRESS__
    struct rlimit most = {(rlim_t)MEMORY_MOST_MB << 20, (rlim_t)MEMORY_MOST_MB << 20};

    setrlimit(RLIMIT_DATA, &most);
#endif
}

struct measure {
    long self_kb, child_kb;
    char why[100];
};

/* In a process of its own, so that its memory can be bounded and measured. */
static void judge(const char *name, struct measure *out)
{
    struct rusage self, children;
    void *state = NULL;
    struct fix *f;

    bound_memory();
    start(&state);
    f = state;
    load(f, name);
    for (struct mime_part *p = f->m->all; p; p = p->all_next) {
        struct str text = mime_text(f->m, p);

        if (str_eq(p->type, str_lit("text/html")))
            mime_html_text(&f->a, text);
    }
    mime_urls(f->m);
    mime_header(f->m, str_lit("subject"));
    content_sum(f->m, &f->sum);
    snprintf(out->why, sizeof out->why, "%.*s", STR(f->sum.unscannable));
    content_free(f->c);
    getrusage(RUSAGE_SELF, &self);
    getrusage(RUSAGE_CHILDREN, &children);
    out->self_kb = self.ru_maxrss;
    out->child_kb = children.ru_maxrss;
}

static void bombs_end_in_bounded_time_and_memory(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bombs / sizeof *bombs; i++) {
        uint64_t began = clock_mono_ms(), ms;
        struct measure m = {0};
        int line[2], status;
        pid_t pid;

        assert_int_equal(pipe(line), 0);
        pid = fork();
        if (pid == 0) {
            close(line[0]);
            judge(bombs[i].name, &m);
            _exit(write(line[1], &m, sizeof m) != sizeof m);
        }
        close(line[1]);
        if (read(line[0], &m, sizeof m) != sizeof m)
            snprintf(m.why, sizeof m.why, "it broke");
        close(line[0]);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        ms = clock_mono_ms() - began;
        printf("%-20s %5llu ms %4ld MB, unpacking %3ld MB: %s\n", bombs[i].name, (unsigned long long)ms, m.self_kb >> 10,
               m.child_kb >> 10, m.why);
        assert_string_equal(m.why, bombs[i].end);
        assert_true(ms < SECONDS_MOST * 1000);
#ifndef __SANITIZE_ADDRESS__
        assert_true((m.self_kb + m.child_kb) >> 10 < MEMORY_MOST_MB);
#endif
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(the_virus_is_found_in_every_container),
        T(a_passphrase_is_a_verdict),
        T(lies_are_seen),
        T(readers_that_differ),
        T(documents),
        T(the_settings_are_limits),
        cmocka_unit_test(bombs_end_in_bounded_time_and_memory),
    };

    return cmocka_run_group_tests(tests, make_files, remove_files);
}
