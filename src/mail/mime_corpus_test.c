/* The corpus of 6,046 real messages (tools/corpus) is read the same way every time. Skipped where it was not fetched. */
#include "mail/mime_testing.h"

#include "base/io.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define CORPUS "build/corpus"

struct count {
    size_t messages, parts, attachments, texts, urls, ambiguous, cut;
    size_t flaws[MIME_FLAWS];
};

static void add(struct str octets, struct count *c)
{
    struct arena a;
    struct mime *m;

    arena_init(&a, 4096, 64 << 20);
    m = mime_read(&a, octets);
    for (struct mime_part *p = m->all; p; p = p->all_next) {
        mime_body(m, p);
        c->attachments += p->attachment;
        c->texts += mime_text(m, p).n > 0;
    }
    c->urls += mime_urls(m).n;
    c->messages++;
    c->parts += m->n_parts;
    c->ambiguous += m->ambiguous;
    c->cut += m->cut;
    for (enum mime_flaw f = 0; f < MIME_FLAWS; f++)
        c->flaws[f] += m->flaws >> f & 1;
    arena_done(&a);
}

static void the_corpus_is_read_as_ever(void **state)
{
    static const struct count wanted = {.messages = 6046, .parts = 7047, .attachments = 196, .ambiguous = 3};
    DIR *d = opendir(CORPUS);
    struct buf b = BUF(16 << 20);
    struct count c = {0};
    struct dirent *e;

    (void)state;
    if (!d)
        skip();
    while ((e = readdir(d)) != NULL) {
        char path[400];

        snprintf(path, sizeof path, CORPUS "/%s", e->d_name);
        buf_clear(&b);
        if (str_endsi(str_c(e->d_name), str_lit(".txt")) && io_read_file(path, &b, NULL) == RC_OK)
            add(buf_str(&b), &c);
    }
    closedir(d);
    buf_done(&b);
    if (c.messages < 6046)
        skip(); /* not the whole of it */
    printf("texts %zu urls %zu", c.texts, c.urls);
    for (enum mime_flaw f = 0; f < MIME_FLAWS; f++)
        if (c.flaws[f])
            printf(" %s %zu", mime_flaw_name(f), c.flaws[f]);
    printf("\n");
    assert_int_equal(c.messages, wanted.messages);
    assert_int_equal(c.parts, wanted.parts);
    assert_int_equal(c.attachments, wanted.attachments);
    assert_int_equal(c.ambiguous, wanted.ambiguous);
    assert_int_equal(c.cut, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_corpus_is_read_as_ever),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
