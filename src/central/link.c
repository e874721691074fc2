/*
 * The link on the loop: beginning and end, socket files, the verb `link`. See link.h.
 *
 * Called by central.c. Owns struct links. A socket file of an earlier life that is still there is replaced; one that cannot
 * be made is a reason in the log, and the link is then good for what the other end opens.
 */
#include "central/link.h"

#include "base/json.h"
#include "base/must.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* --- socket files
 * ---------------------------------------------------------------------------------------------------------- */

static void accepted(void *ctx, int fd, const struct address_ip *peer)
{
    struct link_file *f = ctx;

    (void)peer;
    f->fn(f->ctx, fd, f->channel);
}

struct link_file *link_file_new(struct links *l, struct str who, enum link_channel channel,
                                void (*fn)(void *ctx, int fd, enum link_channel channel), void *ctx, struct err *e)
{
    struct link_file *f = calloc(1, sizeof *f);
    char dir[LINK_PATH_MAX];
    int fd;

    must(f);
    *f = (struct link_file){.channel = channel, .fn = fn, .ctx = ctx};
    if (link_path(l->central->o.home, who, NULL, dir, e) != RC_OK ||
        link_path(l->central->o.home, who, link_name(channel)->file, f->path, e) != RC_OK) {
        free(f);
        return NULL;
    }
    mkdir(dir, 0700);
    unlink(f->path);
    if (listen_unix(f->path, &fd, e) != RC_OK) {
        free(f);
        return NULL;
    }
    f->socket = listener_socket_new(l->central->o.loop, fd, accepted, f);
    return f;
}

void link_files_free(struct link_file *list)
{
    while (list) {
        struct link_file *f = list;

        list = f->next;
        unlink(f->path);
        listener_socket_free(f->socket);
        free(f);
    }
}

/* --- what is shown
 * ----------------------------------------------------------------------------------------------------------- */

static void time_text(uint64_t wall_ms, char out[40])
{
    time_t t = (time_t)(wall_ms / 1000);
    struct tm tm;

    localtime_r(&t, &tm);
    strftime(out, 40, "%d %b %Y %H:%M:%S", &tm);
}

void link_show(const struct link_shown *s, struct buf *text, struct buf *json, size_t *n)
{
    char since[40];

    buf_addf(text, "%.*s: %s", STR(s->name), s->state);
    if (s->port) {
        time_text(s->since_ms, since);
        buf_addf(text,
                 ", address %.*s, carrier %.*s, port %" PRIu64 ", since %s, round trip %" PRIu64 ".%" PRIu64 " ms, %" PRIu64
                 " channels, %" PRIu64 " octets",
                 STR(s->peer), STR(s->carrier), s->port, since, s->rtt_us / 1000, s->rtt_us / 100 % 10, s->channels,
                 s->octets);
    }
    if (s->error.n)
        buf_addf(text, "\n  last error: %.*s", STR(s->error));
    buf_addc(text, '\n');
    buf_addf(json, "%s{\"name\":", (*n)++ ? "," : "");
    json_str(json, s->name);
    buf_add(json, str_lit(",\"serial\":"));
    json_str(json, s->serial);
    buf_addf(json, ",\"state\":\"%s\",\"address\":", s->state);
    json_str(json, s->peer);
    buf_add(json, str_lit(",\"carrier\":"));
    json_str(json, s->carrier);
    buf_addf(json,
             ",\"port\":%" PRIu64 ",\"since\":%" PRIu64 ",\"rtt_us\":%" PRIu64 ",\"channels\":%" PRIu64
             ",\"octets\":%" PRIu64 ",\"error\":",
             s->port, s->since_ms, s->rtt_us, s->channels, s->octets);
    json_str(json, s->error);
    buf_addc(json, '}');
}

void verb_link(struct central_call *call)
{
    struct links *l = call->central->links;
    struct str args = call->args, word = STR_NONE;
    size_t n = 0;

    get_str(&args, &word);
    if (str_eqi(word, str_lit("enrol"))) {
        near_enrol(call, args);
        return;
    }
    if (word.n && !str_eqi(word, str_lit("status"))) {
        buf_add(&call->text, str_lit("Invalid arguments\nUsage: link [status]\n"));
        central_answer(call, RC_SYNTAX);
        return;
    }
    buf_add(&call->json, str_lit("{\"links\":["));
    near_status(l, &call->text, &call->json, &n);
    far_status(l, &call->text, &call->json, &n);
    buf_add(&call->json, str_lit("]}"));
    if (!n)
        buf_add(&call->text, str_lit("There is no link.\n"));
    central_answer(call, RC_OK);
}

bool link_use(const struct central *c, const struct conf_appliance *a, const char *file, char out[128])
{
    char path[LINK_PATH_MAX];

    if (a->link == 0 || (a->link == 1 && !far_is_up(c->links, a->serial)) ||
        link_path(c->o.home, a->serial, file, path, NULL) != RC_OK)
        return false;
    snprintf(out, 128, "unix:%s", path);
    return true;
}

/* --- life
 * ---------------------------------------------------------------------------------------------------------------------- */

static void on_threads(uv_async_t *handle)
{
    near_threads(handle->data);
}

void links_begin(struct central *c)
{
    struct links *l = calloc(1, sizeof *l);

    must(l);
    l->central = c;
    c->links = l;
    must(uv_async_init(loop_uv(c->o.loop), &l->async, on_threads) == 0);
    uv_unref((uv_handle_t *)&l->async);
    l->async.data = l;
    l->doors = doors_new(c);
    far_begin(l);
}

void links_changed(struct central *c)
{
    if (!c->links)
        return;
    near_changed(c->links);
    far_changed(c->links);
}

void central_sockets(struct central *c, const struct central_socket *list, size_t n)
{
    if (c->links)
        doors_sockets(c->links->doors, list, n);
}

static void closed(uv_handle_t *handle)
{
    free(handle->data);
}

/* All that waits is woken by its socket's end, so this takes no time. */
void links_stop(struct central *c)
{
    struct links *l = c->links;

    if (!l)
        return;
    c->links = NULL;
    near_free(l);
    far_free(l);
    enrolling_free(l);
    doors_free(l->doors);
    uv_close((uv_handle_t *)&l->async, closed);
}

void links_free(struct central *c)
{
    links_stop(c);
}
