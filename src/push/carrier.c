/*
 * The saved files of one subscription going to an FTP or SCP server, oldest first. See push.h and logs.md 13.
 *
 * Called by push.c. Owns the thread of the transfer under way. A failure is told with its reason and tried again after 1 min
 * to 1 h, at each roll-over and when asked. What arrived is written to the state and told to record, which unlinks it.
 */
#include "base/clock.h"
#include "base/must.h"
#include "push/carry.h"
#include "push/inside.h"
#include "push/key.h"
#include "push/saved.h"

#include <stdio.h>
#include <stdlib.h>

enum { BACK_OFF_MS = 60000, BACK_OFF_MOST_MS = 3600000, LOOK_MS = 60000, AT_ONCE = 32 };

struct carrier {
    struct subscription_push *owner;
    struct push *push;
    const struct conf *conf; /* counted */
    const struct conf_log *log;
    struct resolve resolve;
    struct loop_timer timer;
    struct transfer *running;
    uint64_t back_off_ms, next_ms, error_ms;
    bool again; /* something new came while a transfer ran */
    struct push_state state;
    char error[ERR_TEXT_MAX + 100];
    char offered[1200];
};

/* A thread and what it works on; outlives a carrier that ends meanwhile. */
struct transfer {
    struct carry job;
    struct carrier *carrier; /* NULL: it ended */
    struct push *push;
    uv_thread_t thread;
    uv_async_t over;
};

static const char *method(const struct carrier *c)
{
    return c->owner->retrieval == LOG_RETRIEVAL_SCP ? "SCP" : "FTP";
}

static uint16_t port_of(const struct carrier *c)
{
    return (uint16_t)(c->log->port ? c->log->port : c->owner->retrieval == LOG_RETRIEVAL_SCP ? 22 : 21);
}

static void directory_of(const struct carrier *c, char out[1000])
{
    snprintf(out, 1000, "%s/log/%s", c->push->home, c->owner->name);
}

static void on_timer(void *ctx);

static void look_in(struct carrier *c, uint64_t ms)
{
    c->next_ms = clock_wall_ms() + ms;
    loop_timer_set(c->push->loop, &c->timer, ms, on_timer, c);
}

/* --- what waits -------------------------------------------------------------------------------------------------------- */

static bool was_pushed(const struct carrier *c, const char *name)
{
    for (size_t i = 0; i < c->state.n_pushed; i++)
        if (strcmp(c->state.pushed[i], name) == 0)
            return true;
    return false;
}

/* Files that arrived: those that are gone here are forgotten, of the others record is told again. */
static void settle_pushed(struct carrier *c, const struct saved_list *saved)
{
    size_t kept = 0;

    for (size_t i = 0; i < c->state.n_pushed; i++) {
        bool here = false;

        for (size_t j = 0; j < saved->n && !here; j++)
            here = strcmp(saved->items[j].name, c->state.pushed[i]) == 0;
        if (!here)
            continue;
        memmove(c->state.pushed[kept], c->state.pushed[i], PUSHED_NAME);
        bus_send_all(c->push->bus, ROLE_record, BUS_log_pushed,
                     &(struct bus_log_pushed){.name = str_c(c->owner->name), .file = str_c(c->state.pushed[kept])});
        kept++;
    }
    c->state.n_pushed = kept;
}

static size_t count_waiting(const struct carrier *c, uint64_t *bytes_out)
{
    struct saved_list saved;
    size_t n = 0;
    char dir[1000];

    directory_of(c, dir);
    saved_list_read(dir, &saved);
    *bytes_out = 0;
    for (size_t i = 0; i < saved.n; i++)
        if (!was_pushed(c, saved.items[i].name)) {
            *bytes_out += saved.items[i].bytes;
            n++;
        }
    saved_list_done(&saved);
    return n;
}

/* --- a transfer ----------------------------------------------------------------------------------------------------------
 */

static char *copy(struct str s)
{
    char *out = strndup(s.p ? s.p : "", s.n);

    must(out);
    return out;
}

static char *remote_name(const struct carrier *c, const char *file)
{
    struct str time = STR_NONE;
    char *out = NULL;

    log_saved_name(str_c(file), &time);
    must((c->log->names ? asprintf(&out, "%s.%.*s.@%.*s.s", c->owner->name, STR(c->conf->system.hostname), STR(time))
                        : asprintf(&out, "%s.@%.*s.s", c->owner->name, STR(time))) > 0);
    return out;
}

static void add_files(struct carrier *c, struct carry *job)
{
    struct saved_list saved;
    char dir[1000];

    directory_of(c, dir);
    saved_list_read(dir, &saved);
    settle_pushed(c, &saved);
    must((job->files = calloc(AT_ONCE, sizeof *job->files)));
    for (size_t i = 0; i < saved.n && job->n < AT_ONCE && c->state.n_pushed + job->n < PUSHED_MOST; i++) {
        struct carry_file *f = &job->files[job->n];

        if (was_pushed(c, saved.items[i].name))
            continue;
        must(asprintf(&f->path, "%s/%s", dir, saved.items[i].name) > 0);
        f->remote = remote_name(c, saved.items[i].name);
        f->bytes = saved.items[i].bytes;
        job->n++;
    }
    saved_list_done(&saved);
}

static void add_known(const struct carrier *c, struct carry *job)
{
    const struct strs *known = &c->conf->ssh.known_hosts;
    struct str *items = calloc(known->n + 1, sizeof *items);

    must(items);
    for (size_t i = 0; i < known->n; i++)
        items[i] = str_of(copy(known->items[i]), known->items[i].n);
    job->known = (struct strs){items, known->n};
}

void carry_free(struct carry *job)
{
    for (size_t i = 0; i < job->n; i++) {
        free(job->files[i].path);
        free(job->files[i].remote);
    }
    free(job->files);
    for (size_t i = 0; i < job->known.n; i++)
        free((char *)(uintptr_t)job->known.items[i].p);
    free((void *)(uintptr_t)job->known.items);
    if (job->password)
        explicit_bzero(job->password, strlen(job->password));
    free(job->home);
    free(job->host);
    free(job->user);
    free(job->password);
    free(job->directory);
    free(job->comment);
}

static void in_thread(void *ctx)
{
    struct transfer *t = ctx;

    if (t->job.scp)
        carry_scp(&t->job);
    else
        carry_ftp(&t->job);
    uv_async_send(&t->over);
}

static void transfer_closed(uv_handle_t *h)
{
    struct transfer *t = h->data;
    struct push *p = t->push;

    carry_free(&t->job);
    free(t);
    p->busy--;
    push_idle(p);
}

static const char *base_name(const char *path)
{
    return strrchr(path, '/') + 1;
}

static void arrived(struct carrier *c, const struct carry_file *f)
{
    const char *name = base_name(f->path);

    event(c->push->events, log_file_pushed, .log = str_c(c->owner->name), .file = str_c(f->remote),
          .method = str_c(method(c)), .host = c->log->host, .bytes = f->bytes);
    c->state.files++;
    c->state.bytes += f->bytes;
    c->state.ok_ms = clock_wall_ms();
    if (c->state.n_pushed < PUSHED_MOST)
        snprintf(c->state.pushed[c->state.n_pushed++], PUSHED_NAME, "%s", name);
    bus_send_all(c->push->bus, ROLE_record, BUS_log_pushed,
                 &(struct bus_log_pushed){.name = str_c(c->owner->name), .file = str_c(name)});
}

static void failed(struct carrier *c, const char *file, const char *why)
{
    snprintf(c->error, sizeof c->error, "%s", why);
    for (char *p = c->error; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = '?'; /* servers' words go to terminals */
    c->error_ms = clock_wall_ms();
    look_in(c, c->back_off_ms);
    event(c->push->events, log_push_failed, .log = str_c(c->owner->name), .file = str_c(file), .method = str_c(method(c)),
          .host = c->log->host, .why = str_c(c->error), .retry_ms = c->next_ms);
    c->back_off_ms = c->back_off_ms * 2 > BACK_OFF_MOST_MS ? BACK_OFF_MOST_MS : c->back_off_ms * 2;
}

static void finish(struct carrier *c, const struct carry *job)
{
    for (size_t i = 0; i < job->done; i++)
        arrived(c, &job->files[i]);
    if (job->done)
        saver_save(&c->owner->saver, &c->state);
    snprintf(c->offered, sizeof c->offered, "%s", job->offered);
    if (job->done < job->n) {
        if (job->done)
            c->back_off_ms = BACK_OFF_MS;
        failed(c, job->files[job->done].remote, err_text(&job->e));
        return;
    }
    c->back_off_ms = BACK_OFF_MS;
    look_in(c, c->again || job->n == AT_ONCE ? 0 : LOOK_MS);
}

static void on_over(uv_async_t *handle)
{
    struct transfer *t = handle->data;

    uv_thread_join(&t->thread);
    if (t->carrier) {
        t->carrier->running = NULL;
        finish(t->carrier, &t->job);
    }
    uv_close((uv_handle_t *)&t->over, transfer_closed);
}

static void resolved(void *ctx, const struct address_ip *at, const char *why)
{
    struct carrier *c = ctx;
    struct transfer *t;

    if (!at) {
        failed(c, "", why);
        return;
    }
    must((t = calloc(1, sizeof *t)));
    t->carrier = c;
    t->push = c->push;
    t->job = (struct carry){.scp = c->owner->retrieval == LOG_RETRIEVAL_SCP,
                            .home = copy(str_c(c->push->home)),
                            .host = copy(c->log->host),
                            .at = *at,
                            .user = copy(c->log->user),
                            .password = copy(c->log->password),
                            .directory = copy(c->log->directory),
                            .comment = copy(c->conf->system.hostname)};
    add_files(c, &t->job);
    add_known(c, &t->job);
    c->again = false;
    if (t->job.n == 0) {
        carry_free(&t->job);
        free(t);
        look_in(c, LOOK_MS);
        return;
    }
    must(uv_async_init(loop_uv(c->push->loop), &t->over, on_over) == 0);
    t->over.data = t;
    must(uv_thread_create(&t->thread, in_thread, t) == 0);
    c->running = t;
    c->push->busy++;
}

static void on_timer(void *ctx)
{
    struct carrier *c = ctx;
    uint64_t bytes;

    if (c->running || c->resolve.asking)
        return;
    if (!count_waiting(c, &bytes) && !c->state.n_pushed) {
        look_in(c, LOOK_MS);
        return;
    }
    resolve_begin(&c->resolve, c->log->host, port_of(c));
}

/* --- for push.c ------------------------------------------------------------------------------------------------------ */

struct carrier *carrier_new(struct subscription_push *owner)
{
    struct carrier *c = calloc(1, sizeof *c);

    must(c);
    c->owner = owner;
    c->push = owner->push;
    c->back_off_ms = BACK_OFF_MS;
    c->resolve = (struct resolve){.ask = c->push->ask, .fn = resolved, .ctx = c};
    push_state_read(owner->saver.path, &c->state, NULL); /* none or damaged: a file may be pushed once more */
    return c;
}

/* So that the public line is there before the first transfer, for whoever installs it on the server. */
static void make_key(const struct carrier *c)
{
    char comment[256];
    ssh_key key = NULL;

    snprintf(comment, sizeof comment, "%.*s", STR(c->conf->system.hostname));
    if (push_key(c->push->home, comment, &key, NULL) == RC_OK)
        ssh_key_free(key);
}

void carrier_apply(struct carrier *c, const struct conf *conf, const struct conf_log *log)
{
    const struct conf *old = c->conf;

    resolve_cancel(&c->resolve);
    c->conf = conf_ref(conf);
    c->log = log;
    if (old)
        conf_unref(old);
    if (c->owner->retrieval == LOG_RETRIEVAL_SCP)
        make_key(c);
    carrier_now(c);
}

void carrier_now(struct carrier *c)
{
    c->again = true;
    c->back_off_ms = BACK_OFF_MS;
    if (!c->running)
        look_in(c, 0);
}

void carrier_free(struct carrier *c)
{
    if (c->running) {
        atomic_store(&c->running->job.abort, true);
        c->running->carrier = NULL;
    }
    resolve_cancel(&c->resolve);
    loop_timer_cancel(c->push->loop, &c->timer);
    if (c->conf)
        conf_unref(c->conf);
    free(c);
}

void carrier_status(struct carrier *c, struct buf *text, struct buf *json)
{
    uint64_t bytes;
    size_t files = count_waiting(c, &bytes);

    buf_addf(text, "  Method:     %s Push%s\n", method(c), c->running ? ", transferring" : "");
    buf_addf(text, "  Server:     %.*s port %u\n", STR(c->log->host), port_of(c));
    buf_addf(text, "  Sent:       %llu files, %llu bytes, the last ", (unsigned long long)c->state.files,
             (unsigned long long)c->state.bytes);
    push_time_text(c->state.ok_ms, text);
    buf_addf(text, "\n  Waiting:    %zu files, %llu bytes\n", files, (unsigned long long)bytes);
    buf_addf(json,
             "\"method\":\"%s\",\"files\":%llu,\"bytes\":%llu,\"waiting_files\":%zu,\"waiting_bytes\":%llu,\"ok_ms\":%llu",
             c->owner->retrieval == LOG_RETRIEVAL_SCP ? "scp" : "ftp", (unsigned long long)c->state.files,
             (unsigned long long)c->state.bytes, files, (unsigned long long)bytes, (unsigned long long)c->state.ok_ms);
    if (!c->error_ms)
        return;
    buf_add(text, str_lit("  Last error: "));
    push_time_text(c->error_ms, text);
    buf_addf(text, " %s\n", c->error);
    buf_addf(json, ",\"error_ms\":%llu,\"error\":", (unsigned long long)c->error_ms);
    push_json_text(str_c(c->error), json);
    if (!c->offered[0])
        return;
    buf_addf(text, "  Its key, for ssh.known_hosts: %s\n", c->offered);
    buf_add(json, str_lit(",\"offered_host_key\":"));
    push_json_text(str_c(c->offered), json);
}
