/*
 * DKIM and ARC against other implementations, both directions, over real messages (build/corpus) and tampered copies of
 * them: python3-dkim (tests/dkim_peer.py), Mail::DKIM (tests/dkim_peer.pl) and opendkim-testmsg. Without the corpus or the
 * programs (tools/setup test) it is skipped.
 */
#include "mail/arc.h"

#include "mail/dkim_testing.h"
#include "mail/header.h"

#include "base/io.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { FILES = 10000, CHOSEN = 240, NOW = 1000000 };

struct letter {
    struct str octets;
    bool good; /* its signature must verify */
};

static struct arena arena;
static struct dkim *engine;
static struct dkim_key *rsa, *ed;
static char rsa_record[1000], ed_record[200], dir[64];
static struct str *corpus;
static size_t n_corpus;
static const struct dkim_zone zone[] = {{"r._domainkey.gw.example", {rsa_record}, DNS_OK},
                                        {"e._domainkey.gw.example", {ed_record}, DNS_OK},
                                        {"peer._domainkey.peer.example", {rsa_record}, DNS_OK},
                                        {0}};

static void put_file(const char *name, struct str octets)
{
    char path[128];
    FILE *f;

    snprintf(path, sizeof path, "%s/%s", dir, name);
    f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(octets.p, 1, octets.n, f), octets.n);
    fclose(f);
}

static struct str get_file(const char *path)
{
    struct buf b = BUF(64 << 20);
    struct str out;

    assert_int_equal(io_read_file(path, &b, NULL), RC_OK);
    out = arena_str(&arena, buf_str(&b));
    buf_done(&b);
    return out;
}

/* Output of a command; "@" in it stands for the directory. */
static struct str run(const char *command)
{
    char line[512], part[4096];
    struct buf b = BUF(1 << 20), c = BUF(512);
    struct str out, rest = str_c(command), piece;
    FILE *f;
    size_t n;

    for (bool first = true; str_split(&rest, '@', &piece); first = false)
        buf_addf(&c, "%s%.*s", first ? "" : dir, STR(piece));
    snprintf(line, sizeof line, "%.*s", STR(buf_str(&c)));
    f = popen(line, "r");
    assert_non_null(f);
    while ((n = fread(part, 1, sizeof part, f)) > 0)
        buf_add(&b, str_of(part, n));
    assert_int_equal(pclose(f), 0);
    out = arena_str(&arena, buf_str(&b));
    buf_done(&b);
    buf_done(&c);
    return out;
}

static struct dkim_key *make(enum dkim_key_type type, char *record, size_t room)
{
    struct buf secret = BUF(16384), public = BUF(4096), text = BUF(4096);
    struct dkim_key *k;

    assert_int_equal(dkim_key_generate(type, 1024, &secret, &public, NULL), RC_OK);
    assert_int_equal(dkim_key_load(buf_str(&secret), &k, NULL), RC_OK);
    dkim_key_record(type, buf_str(&public), false, &text);
    snprintf(record, room, "%.*s", STR(buf_str(&text)));
    if (type == DKIM_RSA) { /* PEM for the others */
        buf_clear(&text);
        buf_add(&text, str_lit("-----BEGIN PRIVATE KEY-----\n"));
        for (struct str rest = buf_str(&secret); rest.n; rest = str_from(rest, 64))
            buf_addf(&text, "%.*s\n", STR(str_first(rest, 64)));
        buf_add(&text, str_lit("-----END PRIVATE KEY-----\n"));
        put_file("pkcs8", buf_str(&text));
        run("openssl rsa -traditional -in @/pkcs8 -out @/private 2>/dev/null && chmod 600 @/private");
    }
    buf_done(&secret);
    buf_done(&public);
    buf_done(&text);
    return k;
}

/* ---- the corpus ----------------------------------------------------------------------------------------------------------
 */

/* As it is sent: CRLF, without the line of the mbox, bare CR and NUL. */
static struct str as_sent(struct str raw)
{
    char *to = arena_alloc(&arena, 2 * raw.n + 2);
    size_t n = 0;

    if (str_starts(raw, str_lit("From ")))
        raw = str_from(raw, str_find(raw, '\n') + 1);
    for (size_t i = 0; i < raw.n; i++) {
        if (raw.p[i] == '\0' || (raw.p[i] == '\r' && i + 1 < raw.n && raw.p[i + 1] == '\n'))
            continue;
        if (raw.p[i] == '\n' || raw.p[i] == '\r') {
            to[n++] = '\r';
            to[n++] = '\n';
        } else {
            to[n++] = raw.p[i];
        }
    }
    return str_of(to, n);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Every so many-th, by name. */
static void load_corpus(void)
{
    char **names = calloc(FILES, sizeof *names), path[512];
    DIR *d = opendir("build/corpus");
    size_t n = 0;

    for (struct dirent *e; d && n < FILES && (e = readdir(d));)
        if (str_ends(str_c(e->d_name), str_lit(".txt")))
            names[n++] = strdup(e->d_name);
    if (d)
        closedir(d);
    qsort(names, n, sizeof *names, by_text);
    corpus = arena_array(&arena, struct str, CHOSEN);
    for (size_t i = 0; i < CHOSEN && n >= CHOSEN; i++) {
        struct header_field f;

        snprintf(path, sizeof path, "build/corpus/%s", names[i * n / CHOSEN]);
        corpus[n_corpus] = as_sent(get_file(path));
        if (header_count(corpus[n_corpus], str_lit("From"), 2) == 1 && header_find(corpus[n_corpus], str_lit("From"), &f))
            n_corpus++;
    }
    for (size_t i = 0; i < n; i++)
        free(names[i]);
    free(names);
}

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 65536, 1 << 30);
    snprintf(dir, sizeof dir, "/tmp/dkim-peers.XXXXXX");
    assert_non_null(mkdtemp(dir));
    engine = dkim_new();
    rsa = make(DKIM_RSA, rsa_record, sizeof rsa_record);
    ed = make(DKIM_ED25519, ed_record, sizeof ed_record);
    load_corpus();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    run("rm -rf @");
    dkim_key_free(rsa);
    dkim_key_free(ed);
    dkim_free(engine);
    arena_done(&arena);
    return 0;
}

static bool missing(const char *program)
{
    return n_corpus == 0 || access(program, R_OK) != 0;
}

static void begin(void)
{
    struct buf b = BUF(8192);

    run("rm -f @/*.eml @/*.signed @/*.sealed");
    for (const struct dkim_zone *z = zone; z->name; z++)
        buf_addf(&b, "%s %s\n", z->name, z->records[0]);
    put_file("zone", buf_str(&b));
    buf_done(&b);
}

static void put_letter(size_t i, struct str octets)
{
    char name[32];

    snprintf(name, sizeof name, "%04zu.eml", i);
    put_file(name, octets);
}

/* ---- what we make
 * ---------------------------------------------------------------------------------------------------------- */

static struct str signed_by_us(size_t i, struct str message, bool rsa_only)
{
    bool use_ed = !rsa_only && i % 3 == 0;
    struct dkim_profile p = {.domain = str_lit("gw.example"),
                             .selector = use_ed ? str_lit("e") : str_lit("r"),
                             .header = i & 1,
                             .body = i >> 1 & 1,
                             .oversign = i & 4,
                             .every_field = i & 8,
                             .timestamp = i & 16,
                             .identity = i % 7 ? STR_NONE : str_lit("joe@gw.example"),
                             .key = use_ed ? ed : rsa};
    struct dkim_stream *s = dkim_stream_new(engine, &arena, 1U << p.body);
    struct buf out = BUF(64 << 20);
    struct str copy;
    struct err e = ERR_NONE;

    dkim_stream_add(s, message);
    assert_int_equal(dkim_stream_end(s, &e), RC_OK);
    assert_int_equal(dkim_sign(s, &p, NOW, &out, &e), RC_OK);
    dkim_stream_done(s);
    buf_add(&out, message);
    copy = arena_str(&arena, buf_str(&out));
    buf_done(&out);
    return copy;
}

/* One octet of the body or of the From field another, or the tail gone. */
static struct str tampered(size_t i, struct str message)
{
    struct str copy = arena_str(&arena, message);
    char *p = (char *)(uintptr_t)copy.p;
    size_t body = header_length(copy),
           at = i % 3 == 0 ? str_find_str(copy, str_lit("\nFrom:")) + 7 : body + (copy.n - body) / 2;

    while (at < copy.n && (p[at] == '\r' || p[at] == '\n' || p[at] == ' ' || p[at] == '\t'))
        at++;
    if (at >= copy.n)
        at = str_find_str(copy, str_lit("\nFrom:")) + 7;
    p[at] = p[at] == 'x' ? 'y' : 'x';
    return copy;
}

static struct letter *letters_of_ours(size_t *n, bool rsa_only)
{
    struct letter *list = arena_array(&arena, struct letter, 2 * n_corpus);

    *n = 0;
    begin();
    for (size_t i = 0; i < n_corpus; i++) {
        list[(*n)++] = (struct letter){signed_by_us(i, corpus[i], rsa_only), true};
        if (i % 4 == 0) {
            list[*n] = (struct letter){tampered(i / 4, list[*n - 1].octets), false};
            (*n)++;
        }
    }
    for (size_t i = 0; i < *n; i++)
        put_letter(i, list[i].octets);
    return list;
}

/* What a peer said of each letter. */
static void compare(const struct letter *list, size_t n, struct str said)
{
    struct str line;
    size_t i = 0, wrong = 0;

    while (str_split(&said, '\n', &line) && line.n) {
        bool good = str_starts(str_from(line, 5), str_lit("pass"));

        assert_true(i < n);
        if (good != list[i].good) {
            printf("  wanted %s: %.*s\n", list[i].good ? "pass" : "fail", STR(line));
            wrong++;
        }
        i++;
    }
    assert_int_equal(i, n);
    assert_int_equal(wrong, 0);
}

static enum auth_result verified(struct str message, bool arc, struct str *why)
{
    struct dkim_world w = {.zone = zone};
    struct dkim_options o = {.now_s = (uint64_t)time(NULL), .skew_s = 300, .dkim = !arc, .arc = arc};
    struct auth_results r = {0};

    assert_int_equal(dkim_verify(engine, &arena, message, &o, dkim_world_asker(&w), &r), RC_OK);
    *why = arc ? r.arc.reason : r.n_dkim ? r.dkim[0].reason : STR_NONE;
    return arc ? r.arc.result : r.n_dkim ? r.dkim[0].result : AUTH_NONE;
}

static void python_verifies_ours(void **state)
{
    struct letter *list;
    size_t n;

    (void)state;
    if (missing("/usr/lib/python3/dist-packages/dkim/__init__.py"))
        skip();
    list = letters_of_ours(&n, false);
    compare(list, n, run("/usr/bin/python3 tests/dkim_peer.py verify @"));
    for (size_t i = 0; i < n; i++) {
        struct str why;

        assert_int_equal(verified(list[i].octets, false, &why) == AUTH_PASS, list[i].good);
    }
}

static void perl_verifies_ours(void **state)
{
    struct letter *list;
    size_t n;

    (void)state;
    if (missing("/usr/share/perl5/Mail/DKIM.pm"))
        skip();
    list = letters_of_ours(&n, true);
    compare(list, n, run("/usr/bin/perl tests/dkim_peer.pl verify @"));
}

/* NAME.signed of every letter verifies here, and a tampered copy does not. */
static void check_theirs(const char *ending, bool arc, size_t n)
{
    char path[128];
    size_t wrong = 0;

    for (size_t i = 0; i < n; i++) {
        struct str octets, why;

        snprintf(path, sizeof path, "%s/%04zu.%s", dir, i, ending);
        octets = get_file(path);
        if (verified(octets, arc, &why) != AUTH_PASS) {
            printf("  %04zu: %.*s\n", i, STR(why));
            wrong++;
        }
        if (i % 4 == 0)
            assert_int_not_equal(verified(tampered(i / 4, octets), arc, &why), AUTH_PASS);
    }
    assert_int_equal(wrong, 0);
}

static void put_corpus(size_t n)
{
    begin();
    for (size_t i = 0; i < n; i++)
        put_letter(i, corpus[i]);
}

static void we_verify_python(void **state)
{
    (void)state;
    if (missing("/usr/lib/python3/dist-packages/dkim/__init__.py"))
        skip();
    put_corpus(n_corpus);
    run("/usr/bin/python3 tests/dkim_peer.py sign @");
    check_theirs("signed", false, n_corpus);
}

static void we_verify_perl(void **state)
{
    (void)state;
    if (missing("/usr/share/perl5/Mail/DKIM.pm"))
        skip();
    put_corpus(n_corpus);
    run("/usr/bin/perl tests/dkim_peer.pl sign @");
    check_theirs("signed", false, n_corpus);
}

/* opendkim-testmsg signs with rsa-sha1 alone: read without a complaint, and refused for that (RFC 8301 3.1). */
static void old_algorithms_of_opendkim_are_refused(void **state)
{
    size_t n = n_corpus < 40 ? n_corpus : 40, seen = 0;
    char path[128];

    (void)state;
    if (missing("/usr/sbin/opendkim-testmsg"))
        skip();
    put_corpus(n);
    run("cd @ && for f in *.eml; do /usr/sbin/opendkim-testmsg -C -d peer.example -k private -s peer <$f >${f%.eml}.signed; "
        "done; true");
    for (size_t i = 0; i < n; i++) {
        struct str octets, why;

        snprintf(path, sizeof path, "%s/%04zu.signed", dir, i);
        octets = get_file(path);
        if (!str_starts(octets, str_lit("DKIM-Signature:")))
            continue; /* it takes no message without Date, To and such */
        assert_int_equal(verified(octets, false, &why), AUTH_POLICY);
        assert_true(str_eq(why, str_lit("rsa-sha1 is no longer taken")));
        seen++;
    }
    assert_true(seen > n / 2);
}

/* ---- ARC ---------------------------------------------------------------------------------------------------------------
 */

static struct str sealed_by_us(struct str message, enum auth_result said)
{
    struct dkim_stream *s = dkim_stream_new(engine, &arena, 1U << DKIM_RELAXED);
    struct arc_sealer sealer = {
        .profile = {.domain = str_lit("gw.example"), .selector = str_lit("r"), .timestamp = true, .key = rsa},
        .results = str_lit("gw.example; spf=pass smtp.mailfrom=a@b.example;\r\n\tarc=none"),
        .chain = said};
    struct buf out = BUF(64 << 20);
    struct err e = ERR_NONE;
    struct str copy;

    dkim_stream_add(s, message);
    assert_int_equal(dkim_stream_end(s, &e), RC_OK);
    assert_int_equal(arc_seal(s, &sealer, NOW, &out, &e), RC_OK);
    dkim_stream_done(s);
    buf_add(&out, message);
    copy = arena_str(&arena, buf_str(&out));
    buf_done(&out);
    return copy;
}

/* Sets of ours and of python3-dkim by turns: each judges the chain of both. */
static void chains_of_both(void **state)
{
    size_t n = n_corpus / 2, k = 0;
    struct letter *list;
    char path[128];

    (void)state;
    if (missing("/usr/lib/python3/dist-packages/dkim/__init__.py"))
        skip();
    list = arena_array(&arena, struct letter, 2 * n);
    begin();
    for (size_t i = 0; i < n; i++) {
        list[k++] = (struct letter){sealed_by_us(corpus[i], AUTH_NONE), true};
        if (i % 4 == 0) {
            list[k] = (struct letter){tampered(i / 4, list[k - 1].octets), false};
            k++;
        }
    }
    for (size_t i = 0; i < k; i++)
        put_letter(i, list[i].octets);
    compare(list, k, run("/usr/bin/python3 tests/dkim_peer.py arc @"));

    begin();
    for (size_t i = 0; i < n; i++)
        put_letter(i, i % 2 ? corpus[i] : sealed_by_us(corpus[i], AUTH_NONE));
    run("/usr/bin/python3 tests/dkim_peer.py seal @");
    check_theirs("sealed", true, n);

    for (size_t i = 0; i < n; i++) {
        snprintf(path, sizeof path, "%s/%04zu.sealed", dir, i);
        list[i] = (struct letter){sealed_by_us(get_file(path), AUTH_PASS), true};
    }
    begin();
    for (size_t i = 0; i < n; i++)
        put_letter(i, list[i].octets);
    compare(list, n, run("/usr/bin/python3 tests/dkim_peer.py arc @"));
    if (!missing("/usr/share/perl5/Mail/DKIM/ARC/Verifier.pm"))
        compare(list, n, run("/usr/bin/perl tests/dkim_peer.pl arc @"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(python_verifies_ours),
        cmocka_unit_test(perl_verifies_ours),
        cmocka_unit_test(we_verify_python),
        cmocka_unit_test(we_verify_perl),
        cmocka_unit_test(old_algorithms_of_opendkim_are_refused),
        cmocka_unit_test(chains_of_both),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
