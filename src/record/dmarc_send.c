/*
 * Sending DMARC aggregate reports. See dmarc_send.h.
 *
 * Called by record.c. Owns the job in hand: the counted rows of one file, the report in the making. Each step ends by
 * setting the timer for the next, so nothing nests. What fails: a file that cannot be read is set aside as FILE.bad; a host
 * that does not consent, a report that does not fit and a queue that takes nothing for an hour cost that address, with a log
 * line.
 */
#include "record/dmarc_send.h"

#include "base/clock.h"
#include "base/io.h"
#include "base/must.h"
#include "bus/ask.h"
#include "mail/dmarc_report.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    CALL_MS = 30000,
    RETRY_MS = 60000,
    ATTEMPTS = 60,
    PATH = 700,
    CHUNK = 1 << 20,
    MAIL_MAX = 48 << 20,
    DOMAIN_ARENA = 256 << 20
};

struct dmarc_send {
    struct loop *loop;
    struct bus *bus;
    struct conf_source *conf;
    struct events *events;
    struct dns_asker *dns;
    struct suffixes *suffixes;
    char dir[PATH / 2];
    struct loop_timer timer;
    bool busy, working; /* a file is in hand; the pool works on it */
    bool stopping;
    uint64_t call, ask;
    unsigned attempts;

    /* the file in hand */
    char path[PATH];
    enum rc loaded;
    struct dmarc_tally *tally;
    size_t at; /* in the tally */
    uint64_t begin_s, end_s;
    struct buf done; /* domains of FILE.done, a line each */

    /* the domain in hand */
    struct arena arena;
    struct dmarc_report report;
    const struct dmarc_record *record; /* NULL: go on to the next domain */
    size_t uri;
    struct dmarc_uri to;
    struct str from;
    uint64_t max_bytes;
    enum rc composed;
    struct buf mail;
};

static void step(void *ctx);

static void next_step(struct dmarc_send *s, uint64_t in_ms)
{
    if (s->stopping)
        return;
    loop_timer_set(s->loop, &s->timer, in_ms, step, s);
}

struct dmarc_send *dmarc_send_new(struct loop *loop, struct bus *bus, struct conf_source *conf, struct events *events,
                                  const char *dir)
{
    struct dmarc_send *s = calloc(1, sizeof *s);

    must(s);
    s->loop = loop;
    s->bus = bus;
    s->conf = conf;
    s->events = events;
    s->dns = bus ? dns_asker_new(bus, loop) : NULL;
    s->suffixes = suffixes_load(NULL);
    s->mail = BUF(MAIL_MAX);
    s->done = BUF(64 << 20);
    snprintf(s->dir, sizeof s->dir, "%s", dir);
    arena_init(&s->arena, 65536, DOMAIN_ARENA);
    return s;
}

void dmarc_send_free(struct dmarc_send *s)
{
    if (!s)
        return;
    if (s->call)
        bus_cancel(s->bus, s->call);
    if (s->ask)
        dns_ask_cancel(s->dns, s->ask);
    if (s->loop)
        loop_timer_cancel(s->loop, &s->timer);
    if (s->dns)
        dns_asker_free(s->dns);
    suffixes_free(s->suffixes);
    dmarc_tally_free(s->tally);
    arena_done(&s->arena);
    buf_done(&s->mail);
    buf_done(&s->done);
    free(s);
}

/* --- files --------------------------------------------------------------------------------------------------------- */

/* The oldest file of an ended day. */
static bool oldest(struct dmarc_send *s)
{
    DIR *dir = opendir(s->dir);
    struct dirent *entry;
    char best[256] = "";

    while (dir && (entry = readdir(dir)))
        if (str_starts(str_c(entry->d_name), str_lit("rows.@")) && str_ends(str_c(entry->d_name), str_lit(".s")) &&
            strlen(entry->d_name) < sizeof best && (!*best || strcmp(entry->d_name, best) < 0))
            strcpy(best, entry->d_name);
    if (dir)
        closedir(dir);
    snprintf(s->path, sizeof s->path, "%s/%s", s->dir, best);
    return *best;
}

static void done_path(const struct dmarc_send *s, char out[PATH + 8])
{
    snprintf(out, PATH + 8, "%s.done", s->path);
}

static void take_line(struct dmarc_send *s, struct str line)
{
    if (str_starts(line, str_lit("#begin ")))
        str_u64(str_from(line, 7), &s->begin_s);
    else if (str_starts(line, str_lit("#end ")))
        str_u64(str_from(line, 5), &s->end_s);
    else if (line.n)
        dmarc_tally_add(s->tally, line);
}

/* Lines of the file, a piece at a time. */
static enum rc count_lines(struct dmarc_send *s)
{
    int fd = open(s->path, O_RDONLY | O_CLOEXEC);
    struct buf piece = BUF(2 * CHUNK);
    ssize_t n = 0;

    while (fd >= 0) {
        char *to = buf_reserve(&piece, CHUNK);
        struct str rest, line;
        size_t used;

        n = to ? read(fd, to, CHUNK) : -1;
        if (n <= 0)
            break;
        piece.n += (size_t)n;
        used = str_find_last(buf_str(&piece), '\n');
        if (used == piece.n)
            continue; /* a line longer than the room for it fails at buf_reserve */
        rest = str_first(buf_str(&piece), used);
        while (str_split(&rest, '\n', &line))
            take_line(s, line);
        buf_drop(&piece, used + 1);
    }
    buf_done(&piece);
    if (fd >= 0)
        close(fd);
    return fd < 0 || n < 0 ? RC_IO : RC_OK;
}

/* In the thread pool. */
static void load(void *ctx)
{
    struct dmarc_send *s = ctx;
    char path[PATH + 8];

    s->loaded = count_lines(s);
    dmarc_tally_sort(s->tally);
    done_path(s, path);
    buf_clear(&s->done);
    if (io_read_file(path, &s->done, NULL) != RC_OK)
        buf_clear(&s->done);
}

static void loaded(void *ctx)
{
    struct dmarc_send *s = ctx;
    char aside[PATH + 8];

    s->working = false;
    if (s->loaded != RC_OK) {
        snprintf(aside, sizeof aside, "%s.bad", s->path);
        (void)!rename(s->path, aside);
        event(s->events, dmarc_reports_lost, .file = str_c(s->path));
    } else if (dmarc_tally_lost(s->tally)) {
        event(s->events, dmarc_reports_lost, .file = str_c(s->path), .messages = dmarc_tally_lost(s->tally));
    }
    next_step(s, 0);
}

static void end_file(struct dmarc_send *s)
{
    char path[PATH + 8];

    io_unlink("dmarc.file", s->path, NULL);
    done_path(s, path);
    if (access(path, F_OK) == 0)
        io_unlink("dmarc.done", path, NULL);
    dmarc_tally_free(s->tally);
    s->tally = NULL;
    s->busy = false;
    arena_reset(&s->arena);
    dmarc_send_look(s);
}

void dmarc_send_look(struct dmarc_send *s)
{
    const struct conf *conf = s->conf ? conf_now(s->conf) : NULL;

    if (s->busy || s->stopping || !s->loop || !s->bus || !conf || !oldest(s))
        return;
    if (!conf->dmarc.report) {
        for (; oldest(s); io_unlink("dmarc.file", s->path, NULL))
            if (access(s->path, W_OK) != 0)
                break;
        return;
    }
    s->busy = s->working = true;
    s->tally = dmarc_tally_new();
    s->at = 0;
    s->begin_s = s->end_s = 0;
    s->record = NULL;
    loop_work(s->loop, load, loaded, s);
}

/* --- a domain ------------------------------------------------------------------------------------------------------ */

static bool is_done(const struct dmarc_send *s, struct str domain)
{
    struct str rest = buf_str(&s->done), line;

    while (str_split(&rest, '\n', &line))
        if (str_eq(line, domain))
            return true;
    return false;
}

static void mark_done(struct dmarc_send *s)
{
    char path[PATH + 8];
    int fd;
    struct str line = arena_printf(&s->arena, "%.*s\n", STR(s->report.domain));

    done_path(s, path);
    if (io_create("dmarc.done", path, O_WRONLY | O_CREAT | O_APPEND, &fd, NULL) != RC_OK)
        return; /* a restart sends once more, with the same report id */
    io_write("dmarc.done.write", fd, line, NULL);
    close(fd);
}

static void fill_report(struct dmarc_send *s, const struct conf *conf)
{
    struct dmarc_report *r = &s->report;
    struct str host = arena_str(&s->arena, conf->system.hostname);

    r->receiver = host;
    r->organization = conf->dmarc.organization.n ? arena_str(&s->arena, conf->dmarc.organization) : host;
    s->from = conf->dmarc.from.n ? arena_str(&s->arena, conf->dmarc.from)
                                 : arena_printf(&s->arena, "dmarc-reports@%.*s", STR(host));
    r->email = s->from;
    r->contact = conf->dmarc.contact.n ? arena_str(&s->arena, conf->dmarc.contact) : STR_NONE;
    r->begin = s->begin_s;
    r->end = s->end_s > s->begin_s ? s->end_s - 1 : clock_wall_ms() / 1000;
    s->max_bytes = conf->dmarc.report_max_bytes;
}

/* The next domain that wants reports; false when the file is used up. */
static bool next_domain(struct dmarc_send *s)
{
    for (;;) {
        struct dmarc_report r = {0};

        arena_reset(&s->arena);
        if (s->loaded != RC_OK || !dmarc_tally_next(s->tally, &s->arena, &s->at, &r))
            return false;
        s->record = r.n && !is_done(s, r.domain) ? dmarc_record_parse(&s->arena, r.rows[0].record) : NULL;
        if (!s->record || !s->record->n_rua)
            continue;
        s->report = r;
        s->uri = 0;
        s->attempts = 0;
        fill_report(s, conf_now(s->conf));
        return true;
    }
}

/* --- an address ---------------------------------------------------------------------------------------------------- */

static void skip(struct dmarc_send *s, const char *why)
{
    event(s->events, dmarc_report_skipped, .domain = s->report.domain, .recipient = s->record->rua[s->uri].address,
          .why = str_c(why));
    s->uri++;
    next_step(s, 0);
}

/* In the thread pool. */
static void compose(void *ctx)
{
    struct dmarc_send *s = ctx;
    uint64_t max = s->to.max_bytes && s->to.max_bytes < s->max_bytes ? s->to.max_bytes : s->max_bytes;
    struct buf z = BUF(MAIL_MAX);

    buf_clear(&s->mail);
    s->composed = dmarc_report_gzip(&s->report, max, &z);
    if (s->composed == RC_OK)
        dmarc_report_mail(&s->report, s->from, s->to.address, buf_str(&z), clock_wall_ms(), &s->mail);
    if (s->mail.failed)
        s->composed = RC_TOO_LARGE;
    buf_done(&z);
}

static void answered(void *ctx, enum rc rc, const void *msg)
{
    struct dmarc_send *s = ctx;
    const struct bus_mail_taken *taken = msg;
    struct str subject = arena_printf(&s->arena, "Report Domain: %.*s", STR(s->report.domain));

    s->call = 0;
    if (rc == RC_OK)
        rc = taken->rc < RC_COUNT ? (enum rc)taken->rc : RC_INTERNAL;
    if (rc != RC_OK && rc != RC_INVALID && ++s->attempts < ATTEMPTS) {
        next_step(s, RETRY_MS);
        return;
    }
    if (rc == RC_OK)
        event(s->events, internal_mail_sent, .recipient = s->to.address, .subject = subject);
    else
        event(s->events, internal_mail_failed, .recipient = s->to.address, .subject = subject);
    s->attempts = 0;
    s->uri++;
    next_step(s, 0);
}

static void composed(void *ctx)
{
    struct dmarc_send *s = ctx;
    struct bus_peer *queue = bus_peer(s->bus, ROLE_queue, 0);
    struct buf to = BUF(4096);

    s->working = false;
    if (s->stopping)
        return;
    if (s->composed != RC_OK) {
        skip(s, "the report is larger than its owner takes");
        return;
    }
    buf_put_str(&to, s->to.address);
    if (queue)
        s->call = bus_call(s->bus, queue, BUS_mail_new,
                           &(struct bus_mail_new){.sender = s->from, .recipients = buf_str(&to), .body = buf_str(&s->mail)},
                           CALL_MS, answered, s);
    else
        answered(s, RC_UNAVAILABLE, NULL);
    buf_done(&to);
}

static void send_report(struct dmarc_send *s)
{
    s->working = true;
    loop_work(s->loop, compose, composed, s);
}

static void consent(void *ctx, const struct dns_answer *answers, size_t n)
{
    struct dmarc_send *s = ctx;
    struct dmarc_uri to;

    (void)n;
    s->ask = 0;
    if (!dmarc_external_allows(&s->arena, &answers[0], &s->record->rua[s->uri], &to)) {
        skip(s, answers[0].result == DNS_TEMPORARY ? "its host's consent could not be looked up"
                                                   : "its host has not consented");
        return;
    }
    s->to = to;
    s->to.address = arena_str(&s->arena, to.address);
    send_report(s);
}

static void begin_address(struct dmarc_send *s)
{
    const struct dmarc_uri *uri = &s->record->rua[s->uri];
    struct dns_question q = {DNS_TXT, dmarc_external_name(&s->arena, s->report.domain, uri)};
    uint64_t ask;

    if (dmarc_uri_is_internal(s->suffixes, s->report.domain, uri)) {
        s->to = *uri;
        send_report(s);
        return;
    }
    ask = dns_ask(s->dns, &q, 1, DNS_ASK_TIMEOUT_MS, consent, s);
    if (ask)
        s->ask = ask;
}

static void step(void *ctx)
{
    struct dmarc_send *s = ctx;

    if (s->record && s->uri == s->record->n_rua) {
        mark_done(s);
        s->record = NULL;
    }
    if (!s->record && !next_domain(s)) {
        end_file(s);
        return;
    }
    begin_address(s);
}

bool dmarc_send_stop(struct dmarc_send *s)
{
    s->stopping = true;
    if (s->loop)
        loop_timer_cancel(s->loop, &s->timer);
    return !s->working;
}

void dmarc_send_state(const struct dmarc_send *s, struct buf *out)
{
    if (!s->busy)
        buf_add(out, str_lit("No DMARC reports are being sent.\n"));
    else if (s->record)
        buf_addf(out, "DMARC reports are being sent: domain %.*s, address %zu of %zu.\n", STR(s->report.domain), s->uri + 1,
                 s->record->n_rua);
    else
        buf_add(out, str_lit("DMARC reports are being made.\n"));
}
