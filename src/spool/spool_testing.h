/* What the spool's unit tests share: a spool in a directory of its own with a loop, a board, a writer and a reader. */
#ifndef SPOOL_SPOOL_TESTING_H
#define SPOOL_SPOOL_TESTING_H

#include "base/io.h"
#include "spool/spool.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

struct told {
    bool done;
    enum rc rc;
    struct spool_ref ref;
    uint64_t mid;
};

struct fixture {
    char dir[64];
    struct loop *loop;
    struct board *board;
    int board_fd;
    struct spool_writer *writer;
    struct spool_reader *reader;
    struct arena arena;
    struct err err;
    struct told told[20000];
    unsigned n_told, n_done;
    struct spool_void closed[100];
    uint64_t closed_size[100];
    unsigned n_closed, n_freed;
    struct str pattern;
    struct spool_options options;
};

static inline void fixture_closed(void *ctx, uint64_t segment, uint64_t generation, uint64_t size, uint64_t from,
                                  uint64_t to)
{
    struct fixture *f = ctx;

    if (f->n_closed == 100)
        return;
    f->closed_size[f->n_closed] = size;
    f->closed[f->n_closed++] = (struct spool_void){segment, generation, from, to};
}

static inline void fixture_open(struct fixture *f)
{
    f->writer = spool_writer_new(f->loop, f->board, &f->options, fixture_closed, f, &f->err);
    assert_non_null(f->writer);
    f->reader = spool_reader_new(f->dir);
}

static inline int fixture_start(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    snprintf(f->dir, sizeof f->dir, "/tmp/spool-test-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    f->loop = loop_new();
    f->board_fd = board_create();
    f->board = board_map(f->board_fd);
    f->board->numbers_ready = 1;
    arena_init(&f->arena, 4096, 64 << 20);
    f->options = (struct spool_options){.dir = f->dir, .segment_bytes = 4 << 20};
    fixture_open(f);
    *state = f;
    return 0;
}

static inline void fixture_close(struct fixture *f)
{
    spool_writer_free(f->writer);
    spool_reader_free(f->reader);
    f->writer = NULL;
    f->reader = NULL;
}

static inline int fixture_end(void **state)
{
    struct fixture *f = *state;
    char command[128];

    fixture_close(f);
    loop_free(f->loop);
    close(f->board_fd);
    arena_done(&f->arena);
    snprintf(command, sizeof command, "rm -rf %s", f->dir);
    if (system(command) != 0)
        return -1;
    free(f);
    return 0;
}

static inline void fixture_done(void *ctx, enum rc rc, const struct spool_ref *ref)
{
    struct told *t = ctx;

    t->done = true;
    t->rc = rc;
    t->ref = *ref;
}

static inline struct told *append_body(struct fixture *f, uint64_t mid, struct str envelope, struct str body)
{
    struct told *t = &f->told[f->n_told++];
    struct spool_body *b = spool_body_new(f->writer);

    *t = (struct told){.mid = mid};
    assert_int_equal(spool_body_add(b, body, &f->err), RC_OK);
    spool_append(f->writer, 0, mid, 0, envelope, b, fixture_done, t);
    return t;
}

static inline struct told *append(struct fixture *f, uint64_t mid, const char *envelope, const char *body)
{
    return append_body(f, mid, str_c(envelope), str_c(body));
}

/* Turns the loop until every record appended so far was called back. */
static inline void settle(struct fixture *f)
{
    for (unsigned i = 0; i < f->n_told; i++)
        while (!f->told[i].done)
            loop_turn(f->loop, true);
}

/* The first n octets of a fixed pattern. */
static inline struct str pattern(struct fixture *f, size_t n)
{
    if (!f->pattern.p) {
        char *p = arena_alloc(&f->arena, 2 << 20);

        for (size_t i = 0; i < 2 << 20; i++)
            p[i] = (char)(i * 31 + i / 251);
        f->pattern = str_of(p, 2 << 20);
    }
    return str_first(f->pattern, n);
}

/* The record says RC_OK and holds this body. */
static inline struct spool_head read_back(struct fixture *f, const struct told *t, struct str body)
{
    char *out = malloc(body.n + 1);
    struct spool_head head;
    struct str envelope;
    uint32_t crc = 0;

    assert_int_equal(t->rc, RC_OK);
    assert_int_equal(spool_read_head(f->reader, t->ref, &f->arena, &head, &envelope, &f->err), RC_OK);
    assert_true(head.body_bytes == body.n);
    for (size_t at = 0; at < body.n; at += 50000)
        assert_int_equal(
            spool_read_body(f->reader, &head, at, out + at, body.n - at < 50000 ? body.n - at : 50000, &crc, &f->err),
            RC_OK);
    assert_true(crc == head.body_crc && (body.n == 0 || memcmp(out, body.p, body.n) == 0));
    free(out);
    return head;
}

/* NULL = no fault from now on. */
static inline void fault(const char *text)
{
    if (text)
        setenv("POSTERN_FAULT", text, 1);
    else
        unsetenv("POSTERN_FAULT");
    io_init("test");
}

static inline unsigned count_files(const struct fixture *f, const char *sub)
{
    char path[128];
    struct dirent *entry;
    unsigned n = 0;
    DIR *d;

    snprintf(path, sizeof path, "%s/%s", f->dir, sub);
    d = opendir(path);
    while (d && (entry = readdir(d)))
        n += entry->d_name[0] != '.';
    if (d)
        closedir(d);
    return n;
}

#define SPOOL_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_start, fixture_end)

#endif
