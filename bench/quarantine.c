/*
 * A quarantine of very many messages: how fast they come in, how long a start takes, what one costs in memory and on disk,
 * how long lists and searches take. bench/quarantine [MESSAGES] builds and runs it.
 */
#include "quarantine/quarantine_testing.h"

#define SETTINGS \
    "system.serial=SER1\nsystem.hostname=gw.test\nquarantine_service.max_bytes=900G\nquarantine.Own.action=release\n"

static const char *const words[] = {"invoice", "meeting", "offer",  "report", "delivery", "account", "summer", "contract",
                                    "holiday", "parcel",  "ticket", "budget", "minutes",  "project", "lunch",  "update"};

static unsigned stored_now;

static void stored(void *ctx, struct incoming *in)
{
    (void)ctx;
    if (in->rc != RC_OK) {
        fprintf(stderr, "%s\n", err_text(&in->err));
        exit(1);
    }
    stored_now++;
    incoming_free(in);
}

static double seconds(uint64_t since_ns)
{
    return (double)(clock_mono_ns() - since_ns) / 1e9;
}

static void one(struct place *p, uint64_t mid)
{
    struct incoming *in = incoming_new();
    char from[60], to[60], made[600], body[1200];
    struct letter l = {.class = "pvo", .from = from, .to = to, .body = body, .made = made, .mid = mid};
    struct buf meta = BUF(1 << 20);
    struct err e = ERR_NONE;

    snprintf(from, sizeof from, "user%u@host%u.example", (unsigned)(mid * 7919 % 50000), (unsigned)(mid % 997));
    snprintf(to, sizeof to, "person%u@in.test", (unsigned)(mid * 31 % 20000));
    snprintf(body, sizeof body, "Subject: %u\r\n\r\n%01000u\r\n", (unsigned)mid, (unsigned)mid);
    snprintf(made, sizeof made,
             "{\"received\":%llu,\"holds\":[{\"quarantine\":\"%s\",\"kind\":\"policy\",\"reason\":\"content "
             "filter:f%u\",\"exit\":%llu}],"
             "\"hdr\":{\"subject\":\"%s of the %s number %u\"},\"attachments\":[{\"name\":\"%s%u.pdf\",\"size\":%u}]}",
             (unsigned long long)(1700000000000ULL + mid * 1000), mid % 100 ? "Policy" : "Own", (unsigned)(mid % 20),
             (unsigned long long)(1900000000000ULL + mid * 864 % 864000000), words[mid % 16], words[mid / 16 % 16],
             (unsigned)mid, words[mid / 256 % 16], (unsigned)mid, (unsigned)(mid % 100000));
    letter_meta(&l, &meta);
    in->text = arena_str(&in->arena, buf_str(&meta));
    if (cpq_meta_read(&in->arena, in->text, &in->meta, &e) != RC_OK || incoming_add(p->q, in, str_c(body), &e) != RC_OK) {
        fprintf(stderr, "%s\n", err_text(&e));
        exit(1);
    }
    memcpy(in->digest, &mid, sizeof mid);
    in->done = stored;
    store_add(p->q, in);
    buf_done(&meta);
}

static void fill(struct place *p, uint64_t n)
{
    uint64_t since = clock_mono_ns();

    for (uint64_t mid = 1; mid <= n; mid++) {
        one(p, mid);
        while (mid - stored_now > 256 || (mid == n && stored_now < n))
            loop_turn(p->loop, true);
    }
    printf("taken: %.0f messages/s\n", (double)n / seconds(since));
}

static unsigned long rss_kib(void)
{
    unsigned long kib = 0;
    char line[200];
    FILE *f = fopen("/proc/self/status", "r");

    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "RssAnon: %lu", &kib) == 1)
            break;
    if (f)
        fclose(f);
    return kib;
}

static void timed(struct place *p, const char *line)
{
    uint64_t since = clock_mono_ns();
    double first;

    verb(p, line);
    first = seconds(since);
    since = clock_mono_ns();
    verb(p, line);
    printf("%7.1f ms, again %6.1f ms  %-70s %.40s\n", first * 1e3, seconds(since) * 1e3, line,
           strrchr(p->reply, '\n') ? p->reply + (strlen(p->reply) > 40 ? strlen(p->reply) - 40 : 0) : "");
}

int main(int argc, char **argv)
{
    static const char *const lines[] = {"quarantine list",
                                        "quarantine search",
                                        "quarantine search order=exit",
                                        "quarantine search order=sender quarantine=Policy",
                                        "quarantine search order=-subject",
                                        "quarantine search order=size quarantine=Own",
                                        "quarantine search subject=invoice",
                                        "quarantine search subject:starts=summer order=sender",
                                        "quarantine search subject=number:not sender=user77@",
                                        "quarantine search sender=user4711@ order=subject",
                                        "quarantine search recipient=person1234@in.test order=exit",
                                        "quarantine search attachment=parcel777",
                                        "quarantine search subject=nowhere-to-be-found",
                                        "quarantine search from=2023-11-20T10:00 to=2023-11-20T10:10 order=size",
                                        "quarantine search quarantine=Own reason=f0",
                                        "quarantine count quarantine=Own"};
    uint64_t n = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000, since;
    unsigned long before = rss_kib(), filled;
    char command[256];
    struct place p;

    place_start(&p, SETTINGS);
    fill(&p, n);
    filled = rss_kib();
    place_close(&p);
    since = clock_mono_ns();
    place_open(&p);
    printf("start: %.2f s\n", seconds(since));
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        timed(&p, lines[i]);
    printf("memory: %.1f octets a message (%lu KiB at first, %lu KiB when filled, %lu KiB now)\n",
           (double)(rss_kib() > before ? rss_kib() - before : 0) * 1024 / (double)n, before, filled, rss_kib());
    fflush(stdout);
    snprintf(command, sizeof command, "du -sh %s/data %s/index.db", p.store, p.store);
    if (system(command))
        printf("(no sizes)\n");
    place_end(&p);
    return 0;
}
