/* For tests of rules and filters: a message with canned surroundings. Only *_test.c and *_fuzz.c include this. */
#ifndef POLICY_RULES_TESTING_H
#define POLICY_RULES_TESTING_H

#include "mail/auth.h"
#include "policy/compiled.h"
#include "policy/filter_eval.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct fixture {
    struct arena arena;
    struct conf_source *source;
    struct compiled *compiled;
    struct envelope env;
    struct recipient recipients[8];
    struct auth_results auth;
    struct message_world world;
    struct message m;
    uint64_t now_ms, random, waiting;
    size_t opinions;
};

static const char fixture_settings[] =
    "listener.Inbound.interface=Data 1\n"
    "interface.Data 1.address=192.0.2.10\n"
    "dictionary.bad.terms=secret,plan [0-9]+\n"
    "dictionary.bad.whole_words=no\n"
    "dictionary.chiefs.terms=Jane Miller,Robert Jones\n"
    "address_list.friends.members=friend@good.test,.partner.test\n"
    "url_list.ours.members=good.test\n"
    "file_hash_list.known.members=2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824\n";

static enum rc fixture_dns(void *ctx, struct arena *a, const struct dns_question *q, size_t n, const struct dns_answer **out)
{
    struct dns_answer *answers = arena_must_alloc(a, n * sizeof *answers);
    struct dns_record *record = arena_must_alloc(a, sizeof *record);

    (void)ctx;
    record->data = str_lit("\x7f\0\0\x02");
    for (size_t i = 0; i < n; i++) {
        bool listed = str_eq(q[i].name, str_lit("7.2.0.192.bl.test"));

        answers[i] = (struct dns_answer){.question = q[i], .result = listed ? DNS_OK : DNS_NXDOMAIN};
        answers[i].records = listed ? record : NULL;
        answers[i].n = listed;
    }
    *out = answers;
    return RC_OK;
}

static enum rc fixture_group(void *ctx, struct message *m, struct str query, struct str address, struct str group)
{
    (void)ctx;
    (void)m;
    (void)query;
    return str_eq(group, str_lit("staff")) &&
                   (str_ends(address, str_lit("@good.test")) || str_starts(address, str_lit("bob@")))
               ? RC_OK
               : RC_NOT_FOUND;
}

static uint64_t fixture_now(void *ctx)
{
    return ((struct fixture *)ctx)->now_ms;
}

static uint64_t fixture_random(void *ctx, uint64_t below)
{
    return ((struct fixture *)ctx)->random % below;
}

static uint64_t fixture_waiting(void *ctx)
{
    return ((struct fixture *)ctx)->waiting;
}

/* kind, of (its end), by, answer */
static const struct {
    enum opinion_kind kind;
    const char *of, *by;
    struct opinion answer;
} fixture_opinions[] = {
    {OPINION_COUNTRY, "192.0.2.7", "", {true, 0, {"Peru", 4}, 0}},
    {OPINION_DOMAIN, "good.test", "", {true, 0, {"awful", 5}, 3}},
    {OPINION_URL, "evil.test/x", "", {true, -8, {"Gambling", 8}, 0}},
    {OPINION_IMAGE, "PICTURE", "", {true, 0, {"suspect", 7}, 0}},
    {OPINION_FEED_URL, "evil.test/x", "feed1", {true, 0, {NULL, 0}, 0}},
    {OPINION_FEED_DOMAIN, "good.test", "feed2", {true, 0, {NULL, 0}, 0}},
    {OPINION_FEED_FILE, "62938b9824", "feed3", {true, 0, {NULL, 0}, 0}},
    {OPINION_REPEATS, "Subject: Hello World", "incoming", {true, 0, {NULL, 0}, 7}},
};

static void fixture_opinion(void *ctx, struct message *m, enum opinion_kind kind, struct str of, struct str by,
                            struct opinion *out)
{
    (void)m;
    ((struct fixture *)ctx)->opinions++;
    for (size_t i = 0; i < sizeof fixture_opinions / sizeof *fixture_opinions; i++)
        if (fixture_opinions[i].kind == kind && str_ends(of, str_c(fixture_opinions[i].of)) &&
            str_eq(by, str_c(fixture_opinions[i].by)))
            *out = fixture_opinions[i].answer;
}

/* What the content stage would do: members of the file "a.zip", types by name, passphrases. */
static void fixture_content(void *ctx, struct message *m, struct mime *mime)
{
    (void)ctx;
    (void)m;
    for (struct mime_part *p = mime->all; p; p = p->all_next) {
        if (str_eq(p->name, str_lit("a.zip"))) {
            mime_body(mime, p);
            p->detected = str_lit("application/zip");
            p->archive = true;
            mime_add_member(mime, p, str_lit("inner.exe"), str_lit("MZ inside needle"));
        } else if (str_starts(mime_body(mime, p), str_lit("MZ"))) {
            p->detected = str_lit("application/x-dosexec");
        } else if (str_eq(p->name, str_lit("locked.zip"))) {
            p->encrypted = true;
        }
    }
}

static const struct auth_results *fixture_auth(void *ctx, struct message *m)
{
    (void)m;
    return &((struct fixture *)ctx)->auth;
}

static inline void fixture_open(struct fixture *f, const char *settings)
{
    struct err e = ERR_NONE;

    *f = (struct fixture){.now_ms = 1767323045000ull, .random = 3, .waiting = 50};
    f->source = conf_source_test(settings, &e);
    if (!f->source)
        fail_msg("%s", e.text);
    if (compiled_new(conf_now(f->source), &f->compiled, &e) != RC_OK)
        fail_msg("%s", e.text);
    arena_init(&f->arena, 65536, 256 << 20);
    f->recipients[0].address = str_lit("bob@here.test");
    f->recipients[1].address = str_lit("carol@there.test");
    f->env = (struct envelope){.sender = str_lit("alice@good.test"),
                               .listener = str_lit("Inbound"),
                               .client_ip = str_lit("192.0.2.7"),
                               .reputation = str_lit("-3.5"),
                               .auth_user = str_lit("alice"),
                               .sender_group = str_lit("SUSPECTLIST"),
                               .tls = str_lit("TLSv1.3 TLS_AES_256_GCM_SHA384"),
                               .recipients = f->recipients,
                               .n_recipients = 2};
    f->world = (struct message_world){.ctx = f,
                                      .dns = {fixture_dns, f},
                                      .content = fixture_content,
                                      .auth = fixture_auth,
                                      .in_group = fixture_group,
                                      .now_ms = fixture_now,
                                      .random = fixture_random,
                                      .work_queue = fixture_waiting,
                                      .opinion = fixture_opinion};
}

/* Judges another text; LF becomes CRLF. */
static inline void fixture_message(struct fixture *f, const char *text)
{
    struct err e = ERR_NONE;
    char *wire = arena_must_alloc(&f->arena, 2 * strlen(text) + 1);
    size_t n = 0;

    for (const char *p = text; *p; p++) {
        if (*p == '\n')
            wire[n++] = '\r';
        wire[n++] = *p;
    }
    f->m = (struct message){.conf = conf_now(f->source), .compiled = f->compiled, .world = &f->world, .mid = 7};
    assert_int_equal(message_init(&f->m, &f->arena, str_of(wire, n), &f->env, &e), RC_OK);
}

static inline void fixture_close(struct fixture *f)
{
    compiled_free(f->compiled);
    conf_source_free(f->source);
    arena_done(&f->arena);
}

static inline bool fixture_true(struct fixture *f, const char *text)
{
    struct filter_rule *r = NULL;
    struct err e = ERR_NONE;

    if (filter_parse_rule(&f->arena, str_c(text), &r, &e) != RC_OK)
        fail_msg("%s: %s", text, e.text);
    return filter_true(&f->m, r);
}

#define assert_rule(f, text) \
    do { \
        if (!fixture_true((f), (text))) \
            fail_msg("is false: %s", (text)); \
    } while (0)
#define assert_no_rule(f, text) \
    do { \
        if (fixture_true((f), (text))) \
            fail_msg("is true: %s", (text)); \
    } while (0)

/* A message of one part, and one with attachments. */
static const char fixture_plain[] =
    "From: \"Jane Miller (CEO)\" <jane@evil.test>\n"
    "Sender: alice@good.test\n"
    "To: bob@here.test, \"Doe, John\" <john@here.test>,\n"
    " Team: a@x.test, b@x.test;\n"
    "Cc: =?utf-8?q?Andr=C3=A9?= <andre@x.test>\n"
    "Subject: =?utf-8?q?Hello_World?=\n"
    "X-Mixed: one\n"
    "X-Mixed: Two\n"
    "X-Empty:\n"
    "X-Word: the secret plan 9\n"
    "Date: Fri, 02 Jan 2026 03:04:05 +0000\n"
    "Message-ID: <1@x.test>\n"
    "MIME-Version: 1.0\n"
    "Content-Type: text/plain; charset=utf-8\n"
    "\n"
    "The meeting about the secret plan 42 is in the room with the green door, and you have to be there.\n"
    "Secret again. See http://www.evil.test/x and https://www.good.test/y\n";

static const char fixture_mixed[] = "From: a@b.test\n"
                                    "Subject: files\n"
                                    "MIME-Version: 1.0\n"
                                    "Content-Type: multipart/mixed; boundary=b1\n"
                                    "\n"
                                    "--b1\n"
                                    "Content-Type: text/html; charset=utf-8\n"
                                    "\n"
                                    "<p>needle in <b>the</b> hay <a href=\"http://hidden.test/\">click</a></p>\n"
                                    "--b1\n"
                                    "Content-Type: text/plain; name=notes.txt\n"
                                    "Content-Disposition: attachment; filename=notes.txt\n"
                                    "\n"
                                    "hello\n"
                                    "--b1\n"
                                    "Content-Type: application/octet-stream; name=\"tool.bin\"\n"
                                    "Content-Disposition: attachment; filename=\"tool.bin\"\n"
                                    "Content-Transfer-Encoding: base64\n"
                                    "\n"
                                    "TVqQAP9iaW5hcnkgc2VjcmV0IGhlbGxv\n"
                                    "--b1\n"
                                    "Content-Type: application/zip; name=\"a.zip\"\n"
                                    "Content-Disposition: attachment; filename=\"a.zip\"\n"
                                    "Content-Transfer-Encoding: base64\n"
                                    "\n"
                                    "UEsDBGhlbGxv\n"
                                    "--b1\n"
                                    "Content-Type: image/png; name=\"p.png\"\n"
                                    "Content-Disposition: attachment; filename=\"p.png\"\n"
                                    "\n"
                                    "hello PICTURE\n"
                                    "--b1--\n";

/* A rule that is true of the message, one that is not. */
struct pair {
    const char *yes, *no;
};

static inline void judge(struct fixture *f, const struct pair *pairs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (pairs[i].yes)
            assert_rule(f, pairs[i].yes);
        if (pairs[i].no)
            assert_no_rule(f, pairs[i].no);
    }
}

#define JUDGE(f, pairs) judge((f), (pairs), sizeof(pairs) / sizeof *(pairs))

#endif
