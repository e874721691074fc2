/* What the tests of DKIM share beside the zone (dkim_testing.h): an arena, an engine, keys, a letter. */
#ifndef MAIL_DKIM_WORLD_TESTING_H
#define MAIL_DKIM_WORLD_TESTING_H

#include "mail/dkim_inside.h"
#include "mail/dkim_testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define HELPER __attribute__((unused))

#define LETTER \
    "From: Joe SixPack <joe@football.example.com>\r\n" \
    "To: Suzie Q <suzie@shopping.example.net>\r\n" \
    "Subject: Is dinner ready?\r\n" \
    "Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n" \
    "Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n" \
    "\r\n" \
    "Hi.\r\n" \
    "\r\n" \
    "We lost the game. Are you hungry yet?\r\n" \
    "\r\n" \
    "Joe.\r\n"

static struct arena arena;
static struct dkim *engine;

HELPER static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 65536, 64 << 20);
    engine = dkim_new();
    return engine ? 0 : -1;
}

HELPER static int teardown(void **state)
{
    (void)state;
    dkim_free(engine);
    arena_done(&arena);
    return 0;
}

HELPER static void verify_in(struct dkim_world *w, struct str message, uint64_t now_s, struct auth_results *out)
{
    struct dkim_options o = {.now_s = now_s, .skew_s = 300, .dkim = true, .arc = true};

    *out = (struct auth_results){0};
    assert_int_equal(dkim_verify(engine, &arena, message, &o, dkim_world_asker(w), out), RC_OK);
    assert_true(out->dkim_checked);
}

struct maker {
    struct dkim_key *key;
    struct buf record;
};

HELPER static struct maker maker_new(enum dkim_key_type type, unsigned bits)
{
    struct buf secret = BUF(16384), public = BUF(4096);
    struct maker m = {.record = BUF(8192)};

    assert_int_equal(dkim_key_generate(type, bits, &secret, &public, NULL), RC_OK);
    assert_int_equal(dkim_key_load(buf_str(&secret), &m.key, NULL), RC_OK);
    dkim_key_record(type, buf_str(&public), false, &m.record);
    buf_addc(&m.record, '\0');
    buf_done(&secret);
    buf_done(&public);
    return m;
}

HELPER static void maker_done(struct maker *m)
{
    dkim_key_free(m->key);
    buf_done(&m->record);
}

#endif
