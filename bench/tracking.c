/*
 * A tracking store of very many messages: how fast they come in with every index live and searches beside it, what one costs
 * on disk, how long searches take; the same searches in one plain SQLite table. bench/tracking [MESSAGES [DIR]] builds and
 * runs it; a DIR is kept, and when it has a store its searches alone are measured again.
 *
 * The mail is made up but shaped like mail: senders, recipients, hosts and words by Zipf's law, a tenth of the senders seen
 * once, Message-IDs and queue ids random, about 17 events a message.
 */
#include "store/track_search.h"

#include "base/clock.h"
#include "base/must.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WORDS = 8000, BATCH = 1000, PER_DAY = 1000000, PEER_MOST = 1000000, ROUNDS = 15 };

static uint64_t rng = 88172645463325252ull;

static uint64_t random_next(void)
{
    rng ^= rng << 13;
    rng ^= rng >> 7;
    return rng ^= rng << 17;
}

/* 0 .. n-1, small ones far more often: n to the power of a random number, 2^f taken as 1 + f. */
static uint64_t zipf(uint64_t n)
{
    double u = (double)(random_next() >> 11) / 9007199254740992.0, x;
    uint64_t whole;

    x = u * (63 - __builtin_clzll(n) + (double)n / (double)(1ull << (63 - __builtin_clzll(n))) - 1);
    whole = (uint64_t)x;
    return (uint64_t)((double)(1ull << whole) * (1 + x - (double)whole)) - 1;
}

static uint64_t mix(uint64_t v)
{
    v ^= v >> 33;
    v *= 0xff51afd7ed558ccdull;
    return v ^ v >> 33;
}

/* Common words are made of common syllables, the others of letters: trigrams are as many and as uneven as in a language. */
static struct str word_of(uint64_t i, char out[24])
{
    static const char *const begins[] = {"in", "re", "con", "de", "pro", "ver", "be", "an", "sta", "mon", "ter", "cal"};
    static const char *const ends[] = {"ice", "ort", "ct", "very", "ing", "ment", "er", "ion", "ung", "s", "ed", "al"};
    static const char consonants[] = "ntsrdlcmpghbfvkwzyxjq", vowels[] = "eaioue";
    uint64_t m = mix(i + 1);
    int n = snprintf(out, 24, "%s", i % 3 == 0 ? begins[m % 12] : "");

    for (uint64_t k = m >> 8, left = 2 + m % 3; left; left--, k /= 150)
        n += snprintf(out + n, 24 - (size_t)n, "%c%c%s", consonants[k % 21], vowels[k / 21 % 6],
                      k % 5 ? "" : (char[2]){consonants[k / 126 % 9], 0});
    n += snprintf(out + n, 24 - (size_t)n, "%s", i % 2 ? ends[m / 7000 % 12] : "");
    return str_of(out, (size_t)n);
}

struct mail {
    char sender[80], rcpt[2][80], subject[200], id[100], ip[20], host[80], response[60], uid[48];
    uint64_t mid, icid, dcid, wall;
};

static void address(uint64_t who, uint64_t domains, const char *top, char out[80])
{
    char name[24], domain[24];

    snprintf(out, 80, "%s.%s%" PRIu64 "@%s%s", word_of(who % 900, name).p, word_of(who / 900, domain).p, who % 97,
             word_of(mix(who) % domains + 10000, (char[24]){0}).p, top);
}

static void make(struct mail *m, uint64_t i)
{
    char word[24];
    size_t n = 0, words = 3 + random_next() % 5;
    uint64_t sender = random_next() % 10 ? zipf(150000) : 1000000 + i, server = mix(sender) % 20000;

    m->mid = 1000 + i;
    m->icid = 500 + i;
    m->dcid = 100 + i / 8;
    m->wall = 1795305600000ull + i * (86400000ull / PER_DAY);
    address(sender, 20000, ".com", m->sender);
    address(zipf(50000), 3, ".example.org", m->rcpt[0]);
    address(zipf(50000), 3, ".example.org", m->rcpt[1]);
    m->subject[0] = 0;
    while (words--)
        n += (size_t)snprintf(m->subject + n, sizeof m->subject - n, "%s%s", n ? " " : "", word_of(zipf(WORDS), word).p);
    if (random_next() % 3 == 0)
        snprintf(m->subject + n, sizeof m->subject - n, " %" PRIu64, random_next() % 1000000);
    snprintf(m->id, sizeof m->id, "<%016" PRIx64 "%08" PRIx64 "@%s.com>", random_next(), random_next() & 0xffffffff,
             word_of(server, word).p);
    snprintf(m->ip, sizeof m->ip, "%u.%u.%u.%u", (unsigned)(mix(server) & 127) + 1, (unsigned)(mix(server) >> 8 & 255),
             (unsigned)(mix(server) >> 16 & 255), (unsigned)(mix(server) >> 24 & 255));
    snprintf(m->host, sizeof m->host, "mx%" PRIu64 ".%s.com", server % 7, word_of(server, word).p);
    snprintf(m->response, sizeof m->response, "2.0.0 Ok: queued as %010" PRIX64, random_next() & 0xffffffffff);
    snprintf(m->uid, sizeof m->uid, "%" PRIx64 "-7d3a99c01b2e4f68", m->mid);
}

static struct tracking *t;
static struct err e;
static uint64_t number;
static bool stop;

static void die(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, e.text);
    exit(1);
}

static void add(const struct mail *m, uint64_t later, enum event_type type, const void *fields)
{
    struct event_record rec;

    event_record_set(&rec, type, m->wall + later, fields);
    if (tracking_add(t, ++number, &rec, &e) != RC_OK)
        die("add");
}
#define say(m, later, name, ...) add(m, later, EVENT_##name, &(struct event_##name){__VA_ARGS__})

static void tell(const struct mail *m, uint64_t i)
{
    struct str sender = str_c(m->sender), rids = str_of("\0", 1);
    bool spam = i % 9 == 0, bounced = i % 50 == 7;

    say(m, 0, connection_incoming, .icid = m->icid, .interface = str_lit("Data"), .local_ip = str_lit("10.1.1.5"),
        .peer_ip = str_c(m->ip), .ptr = str_c(m->host), .verified = 1, .listener = str_lit("Inbound"));
    say(m, 1, connection_verdict, .icid = m->icid, .group = str_lit("UNKNOWNLIST"), .match = str_lit("sbrs[none]"),
        .sbrs = str_lit("None"), .country = str_lit("Germany"));
    say(m, 9, tls_incoming, .icid = m->icid, .protocol = str_lit("TLSv1.3"), .cipher = str_lit("TLS_AES_256_GCM_SHA384"));
    say(m, 11, message_start, .mid = m->mid, .icid = m->icid, .helo = str_c(m->host), .uid = str_c(m->uid));
    say(m, 11, message_sender, .mid = m->mid, .icid = m->icid, .sender = sender);
    say(m, 12, message_recipient, .mid = m->mid, .icid = m->icid, .recipient = str_c(m->rcpt[0]));
    if (i % 4 == 0)
        say(m, 12, message_recipient, .mid = m->mid, .icid = m->icid, .rid = 1, .recipient = str_c(m->rcpt[1]));
    say(m, 14, message_id, .mid = m->mid, .message_id = str_c(m->id));
    say(m, 14, message_subject, .mid = m->mid, .subject = str_c(m->subject));
    say(m, 15, message_ready, .mid = m->mid, .bytes = 1500 + mix(i) % 40000, .sender = sender, .icid = m->icid,
        .recipients = 1);
    say(m, 20, connection_closed, .icid = m->icid);
    say(m, 25, message_policy, .mid = m->mid, .policy = str_lit("DEFAULT"));
    say(m, 60 + mix(i) % 40, antispam_verdict, .mid = m->mid, .verdict = spam ? 2 : 0, .score = mix(i) % 100);
    if (spam) {
        say(m, 130, spam_tagged, .mid = m->mid);
        say(m, 140, spam_quarantined, .mid = m->mid, .recipients = 1);
        return;
    }
    say(m, 110, antivirus_verdict, .mid = m->mid);
    say(m, 112, message_queued, .mid = m->mid);
    if (i % 8 == 0)
        say(m, 113, delivery_connection, .dcid = m->dcid, .local_ip = str_lit("10.1.1.5"), .remote_ip = str_lit("10.2.2.9"),
            .port = 25, .domain = str_lit("example.org"));
    say(m, 114, delivery_start, .dcid = m->dcid, .mid = m->mid, .rids = rids);
    if (bounced)
        say(m, 120, delivery_bounced, .dcid = m->dcid, .mid = m->mid, .enhanced = str_lit("5.1.0"),
            .class = str_lit("Unknown address error"), .code = 550, .lines = str_lit("5.1.1 User unknown"), .sender = sender,
            .recipient = str_c(m->rcpt[0]), .reason = 1);
    else
        say(m, 120, delivery_done, .dcid = m->dcid, .mid = m->mid, .rids = rids);
    if (!bounced)
        say(m, 120, delivery_response, .mid = m->mid, .rids = rids, .response = str_c(m->response));
    say(m, 121, message_finished, .mid = m->mid);
}

/* --- searches
 * --------------------------------------------------------------------------------------------------------------- */

static double now_ms(void)
{
    return (double)clock_mono_ns() / 1e6;
}

static double search(const char *words, size_t *hits, bool *late)
{
    struct tracking_query q;
    struct tracking_hits out;
    struct arena a;
    char copy[600], *rest = copy, *word;
    struct err own = ERR_NONE;
    double begin = now_ms();

    arena_init(&a, 16384, 256 << 20);
    tracking_query_init(&q, 1000);
    snprintf(copy, sizeof copy, "%s", words);
    while ((word = strsep(&rest, "|")))
        if (tracking_query_word(&q, &a, str_c(word), &own) != RC_OK) {
            fprintf(stderr, "%s: %s\n", words, own.text);
            exit(1);
        }
    if (tracking_search(t, &q, &a, &out, &own) != RC_OK) {
        fprintf(stderr, "%s: %s\n", words, own.text);
        exit(1);
    }
    *hits = out.n;
    *late = out.more;
    arena_done(&a);
    return now_ms() - begin;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static void show(const char *what, double goal, char (*query)(char out[600], uint64_t i), uint64_t messages)
{
    double took[ROUNDS];
    size_t hits = 0, all = 0;
    bool more;
    char words[600];

    for (int i = 0; i < ROUNDS; i++) {
        query(words, mix((uint64_t)i * 77 + 5) % messages);
        took[i] = search(words, &hits, &more);
        all += hits;
    }
    qsort(took, ROUNDS, sizeof *took, by_size);
    printf("  %-34s median %8.2f ms  worst %8.2f ms  hits %6zu  goal %.0f ms %s   (%s)\n", what, took[ROUNDS / 2],
           took[ROUNDS - 1], all / ROUNDS, goal, took[ROUNDS / 2] <= goal ? "ok" : "MISSED", words);
}

static struct mail *remembered;
static size_t n_remembered;

static const struct mail *some(uint64_t i)
{
    return &remembered[i % n_remembered];
}

#define QUERY(name, ...) \
    static char name(char out[600], uint64_t i) \
    { \
        char word[24]; \
        (void)i, (void)word; \
        snprintf(out, 600, __VA_ARGS__); \
        return 0; \
    }
QUERY(q_mid, "mid=%" PRIu64, some(i)->mid)
QUERY(q_uid, "uid=%s", some(i)->uid)
QUERY(q_message_id, "message-id=%s", some(i)->id)
QUERY(q_sender, "sender:is=%s", some(i)->sender)
QUERY(q_recipient, "recipient:is=%s", some(i)->rcpt[0])
QUERY(q_ip, "ip=%s", some(i)->ip)
QUERY(q_domain, "domain=%s", some(i)->host + 4)
QUERY(q_subject_rare, "limit=1000|subject=%.40s", some(i)->subject)
QUERY(q_subject_word, "limit=1000|subject=%s", word_of(1 + i % 300, word).p)
QUERY(q_subject_newest, "limit=100|subject=%s", word_of(1 + i % 300, word).p)
QUERY(q_subject_none, "limit=1000|subject=%s zyxq%" PRIu64, word_of(1 + i % 50, word).p, i % 10)
QUERY(q_subject_both, "limit=1000|subject=%s%.3s", word_of(i % 9, word).p, some(i)->subject + 3)
QUERY(q_sender_part, "limit=1000|sender=%s", word_of(mix(i) % 20000 + 10000, word).p)
QUERY(q_recipient_part, "limit=100|recipient=%.8s", some(i)->rcpt[0])
QUERY(q_sender_none, "limit=1000|sender=qqzz%" PRIu64, i % 10)
QUERY(q_events, "limit=100|events=hard-bounced")
QUERY(q_newest, "limit=100")

static void *searcher(void *ctx)
{
    uint64_t i = 0;
    size_t hits;
    bool more;
    char words[600];

    (void)ctx;
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        if (__atomic_load_n(&n_remembered, __ATOMIC_ACQUIRE) < 50) {
            usleep(10000);
            continue;
        }
        q_subject_word(words, ++i);
        search(words, &hits, &more);
        q_sender(words, i);
        search(words, &hits, &more);
        usleep(20000);
    }
    return NULL;
}

/* --- the peer: one plain table
 * -------------------------------------------------------------------------------------------------- */

static void must_sql(sqlite3 *db, const char *text)
{
    if (sqlite3_exec(db, text, NULL, NULL, NULL) != SQLITE_OK) {
        fprintf(stderr, "peer: %s\n", sqlite3_errmsg(db));
        exit(1);
    }
}

static void peer(const char *dir, uint64_t messages)
{
    uint64_t n = messages < PEER_MOST ? messages : PEER_MOST;
    char path[300];
    sqlite3_stmt *st;
    struct mail m;
    double begin;
    sqlite3 *db;

    snprintf(path, sizeof path, "%s/peer.db", dir);
    must(sqlite3_open(path, &db) == SQLITE_OK);
    must_sql(db, "PRAGMA journal_mode=WAL;PRAGMA synchronous=NORMAL;CREATE TABLE m(mid INTEGER PRIMARY KEY,at INT,sender "
                 "TEXT,rcpt TEXT,subject TEXT,message_id TEXT,ip TEXT,state INT);BEGIN");
    sqlite3_prepare_v2(db, "INSERT INTO m VALUES(?,?,?,?,?,?,?,0)", -1, &st, NULL);
    rng = 88172645463325252ull;
    begin = now_ms();
    for (uint64_t i = 0; i < n; i++) {
        make(&m, i);
        sqlite3_bind_int64(st, 1, (sqlite3_int64)m.mid);
        sqlite3_bind_int64(st, 2, (sqlite3_int64)m.wall);
        sqlite3_bind_text(st, 3, m.sender, -1, SQLITE_STATIC);
        sqlite3_bind_text(st, 4, m.rcpt[0], -1, SQLITE_STATIC);
        sqlite3_bind_text(st, 5, m.subject, -1, SQLITE_STATIC);
        sqlite3_bind_text(st, 6, m.id, -1, SQLITE_STATIC);
        sqlite3_bind_text(st, 7, m.ip, -1, SQLITE_STATIC);
        sqlite3_step(st);
        sqlite3_reset(st);
    }
    sqlite3_finalize(st);
    must_sql(db, "COMMIT");
    printf("peer: one plain table of %" PRIu64 " messages, no index, made in %.1f s\n", n, (now_ms() - begin) / 1000);
    begin = now_ms();
    must_sql(db, "SELECT mid FROM m WHERE subject LIKE '%zyxq7%' ORDER BY mid DESC LIMIT 100");
    printf("  subject LIKE, no hit %10.1f ms for %" PRIu64 ", so %.1f s for %" PRIu64 "\n", now_ms() - begin, n,
           (now_ms() - begin) / 1000 * (double)messages / (double)n, messages);
    begin = now_ms();
    must_sql(db, "SELECT mid FROM m WHERE sender='nobody@nowhere.test'");
    printf("  sender =, no index   %10.1f ms\n", now_ms() - begin);
    sqlite3_close(db);
}

/* --- */

static double cpu_s(void)
{
    struct rusage u;

    getrusage(RUSAGE_THREAD, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void remember(const struct mail *m, uint64_t i, uint64_t messages)
{
    if (i % (messages / 1000 + 1) != 0 || n_remembered >= 1000)
        return;
    remembered[n_remembered] = *m;
    __atomic_store_n(&n_remembered, n_remembered + 1, __ATOMIC_RELEASE);
}

static void import(uint64_t messages)
{
    double begin = now_ms(), mark = begin, cpu = cpu_s(), worst = 0;
    struct mail m;

    for (uint64_t i = 0; i < messages;) {
        uint64_t first = number + 1;

        if (tracking_begin(t, str_lit("4211AABBCC-DDEEFF"), str_lit("gw1.example.org"), 1795963905, &e) != RC_OK)
            die("begin");
        for (uint64_t end = i + BATCH; i < messages && i < end; i++) {
            make(&m, i);
            tell(&m, i);
            remember(&m, i, messages);
        }
        if (tracking_commit(t, first, number, &e) != RC_OK)
            die("commit");
        if (i % (messages / 10) < BATCH && i % (messages / 10) == 0) {
            double took = now_ms() - mark;

            worst = took > worst ? took : worst;
            printf("  %9" PRIu64 " messages  %7.0f/s  %5.0f bytes each\n", i, (double)(messages / 10) / took * 1000,
                   (double)tracking_bytes(t) / (double)i);
            fflush(stdout);
            mark = now_ms();
        }
    }
    printf("import with all indexes and searches running: %.0f messages/s (slowest tenth %.0f/s), %.1f us of CPU each, %.1f "
           "events each; goal 5000/s %s\n",
           (double)messages / (now_ms() - begin) * 1000, (double)(messages / 10) / worst * 1000,
           (cpu_s() - cpu) * 1e6 / (double)messages, (double)number / (double)messages,
           (double)messages / (now_ms() - begin) * 1000 >= 5000 ? "ok" : "MISSED");
}

static void open_store(const char *dir)
{
    char path[400];

    snprintf(path, sizeof path, "%s/store", dir);
    if (tracking_open(path, &(struct tracking_options){0}, &t, &e) != RC_OK)
        die("open");
}

static void import_with_searches(uint64_t messages)
{
    pthread_t thread;

    printf("tracking of %" PRIu64 " messages\n", messages);
    must(pthread_create(&thread, NULL, searcher, NULL) == 0);
    import(messages);
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    pthread_join(thread, NULL);
}

int main(int argc, char **argv)
{
    uint64_t messages = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
    char dir[200], command[400];
    struct mail m;
    double begin;

    if (messages < 1000)
        messages = 1000;
    snprintf(dir, sizeof dir, "%s", argc > 2 ? argv[2] : "/tmp/postern-bench-tracking-XXXXXX");
    must(argc > 2 ? mkdir(dir, 0755) == 0 || errno == EEXIST : mkdtemp(dir) != NULL);
    must((remembered = calloc(1001, sizeof *remembered)));
    open_store(dir);
    if (tracking_bytes(t) < messages * 100)
        import_with_searches(messages);
    else
        for (uint64_t i = 0; i < messages; i++) {
            make(&m, i);
            remember(&m, i, messages);
        }
    tracking_close(t);
    begin = now_ms();
    open_store(dir);
    printf("open %.0f ms; on disk %.0f bytes a message, goal 450 %s\n", now_ms() - begin,
           (double)tracking_bytes(t) / (double)messages, tracking_bytes(t) <= messages * 450 ? "ok" : "MISSED");
    show("MID", 10, q_mid, messages);
    show("uid", 10, q_uid, messages);
    show("Message-ID", 10, q_message_id, messages);
    show("sender, exact", 10, q_sender, messages);
    show("recipient, exact", 10, q_recipient, messages);
    show("IP", 10, q_ip, messages);
    show("domain of the host", 10, q_domain, messages);
    show("subject, whole", 300, q_subject_rare, messages);
    show("subject, a word, newest 1000", 300, q_subject_word, messages);
    show("subject, a word, newest 100", 50, q_subject_newest, messages);
    show("subject, no hit", 300, q_subject_none, messages);
    show("subject, across words", 300, q_subject_both, messages);
    show("part of a sender, newest 1000", 300, q_sender_part, messages);
    show("part of a recipient, newest 100", 50, q_recipient_part, messages);
    show("part of a sender, no hit", 300, q_sender_none, messages);
    show("event, newest 100", 50, q_events, messages);
    show("newest 100", 50, q_newest, messages);
    tracking_close(t);
    if (argc > 2)
        return 0;
    peer(dir, messages);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command) == 0 ? 0 : 1;
}
