/*
 * `findevent -m`: all lines of one message. See log_findevent.h.
 *
 * Called by the console for one command. Reads the log two times at least: first which messages the wanted one became and
 * over which connections they came and went (again while that makes more of them: a `rewritten` line may come late), then
 * the lines. So memory holds their numbers and the first lines of their connections only. Lines of a connection are held
 * until the message starts on it.
 */
#include "console/log_findevent.h"
#include "console/log_line.h"

#include "base/must.h"

#include <stdlib.h>

enum { CONNECTIONS_MOST = 16384, HELD_MOST = 4096, PASSES_MOST = 64 };

struct numbers {
    uint64_t *items; /* sorted */
    size_t n, most;
    bool full;
};

struct connection {
    bool outgoing, begun; /* its message has started: lines are shown at once */
    uint64_t id;
    struct buf held;
};

struct trace {
    struct numbers mids, icids, dcids;
    struct connection *connections;
    size_t n;
    const struct log_out *out;
    bool stopped;
};

/* Where `v` is or belongs. */
static size_t place(const struct numbers *set, uint64_t v)
{
    size_t low = 0, high = set->n;

    while (low < high) {
        size_t mid = (low + high) / 2;

        if (set->items[mid] < v)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static bool has(const struct numbers *set, uint64_t v)
{
    size_t at = place(set, v);

    return at < set->n && set->items[at] == v;
}

static void add(struct numbers *set, uint64_t v)
{
    size_t at = place(set, v);

    if (at < set->n && set->items[at] == v)
        return;
    if (set->n == set->most) {
        set->full = true;
        return;
    }
    if ((set->n & (set->n - 1)) == 0) /* 0 and powers of two: full */
        must((set->items = realloc(set->items, (set->n ? set->n * 2 : 1) * sizeof *set->items)));
    memmove(set->items + at + 1, set->items + at, (set->n - at) * sizeof *set->items);
    set->items[at] = v;
    set->n++;
}

/* --- which messages and connections ------------------------------------------------------------------------------- */

static void learn(struct trace *t, struct str line)
{
    struct log_line l;
    uint64_t a, b;
    struct str text;

    if (!log_line_read(line, &l))
        return;
    text = l.text;
    if (log_number(&text, str_lit("Start MID "), &a)) {
        if (log_number(&text, str_lit(" ICID "), &b) && b && has(&t->mids, a))
            add(&t->icids, b);
    } else if (log_number(&text, str_lit("Delivery start DCID "), &b)) {
        if (log_number(&text, str_lit(" MID "), &a) && b && has(&t->mids, a))
            add(&t->dcids, b);
    } else if (log_line_relation(text, &a, &b) && has(&t->mids, a)) {
        add(&t->mids, b);
    }
}

static void read_all(struct trace *t, const struct log_files *files, void (*fn)(struct trace *t, struct str line))
{
    struct log_reader r;
    struct str block, line;

    log_reader_init(&r, files);
    while (!t->stopped && log_reader_next(&r, &block)) {
        while (!t->stopped && log_line_take(&block, &line))
            fn(t, line);
        t->stopped = t->stopped || (t->out->stop && t->out->stop(t->out->ctx, 0));
    }
    log_reader_done(&r);
}

/* --- the lines ---------------------------------------------------------------------------------------------------- */

static void show(struct trace *t, struct str line)
{
    while (line.n && line.p[line.n - 1] == ' ')
        line.n--;
    if (!t->stopped)
        t->stopped = !t->out->line(t->out->ctx, line);
}

static struct connection *connection_of(struct trace *t, bool outgoing, uint64_t id)
{
    struct connection *c;

    if (!has(outgoing ? &t->dcids : &t->icids, id))
        return NULL;
    for (size_t i = 0; i < t->n; i++)
        if (t->connections[i].id == id && t->connections[i].outgoing == outgoing)
            return &t->connections[i];
    if ((t->n & (t->n - 1)) == 0)
        must((t->connections = realloc(t->connections, (t->n ? t->n * 2 : 1) * sizeof *t->connections)));
    c = &t->connections[t->n++];
    *c = (struct connection){.outgoing = outgoing, .id = id, .held = BUF(HELD_MOST)};
    return c;
}

/* A line of a connection that belongs to the message's story: false for all others. */
static bool connection_line(struct str text, bool *outgoing_out, uint64_t *id_out)
{
    static const struct {
        const char *before;
        bool outgoing;
        const char *after[4]; /* what stands behind the number; "" anything */
    } forms[] = {
        {"New SMTP ICID ", false, {""}},
        {"New SMTP CPQ ICID ", false, {""}},
        {"ICID ", false, {" ACCEPT ", " RELAY ", " close"}},
        {"CPQ ICID ", false, {" close"}},
        {"New SMTP DCID ", true, {""}},
        {"DCID ", true, {" TLS success ", " close"}},
    };

    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct str rest = text;

        if (!log_number(&rest, str_c(forms[i].before), id_out))
            continue;
        for (size_t k = 0; forms[i].after[k]; k++)
            if (str_starts(rest, str_c(forms[i].after[k]))) {
                *outgoing_out = forms[i].outgoing;
                return true;
            }
    }
    return false;
}

/* The held lines of a connection, before the line with which the message starts on it. */
static void begin(struct trace *t, bool outgoing, uint64_t id)
{
    struct connection *c = connection_of(t, outgoing, id);
    struct str held, line;

    if (!c || c->begun)
        return;
    c->begun = true;
    held = buf_str(&c->held);
    while (log_line_take(&held, &line))
        show(t, line);
    buf_done(&c->held);
    c->held = BUF(HELD_MOST);
}

static void tell(struct trace *t, struct str line)
{
    struct connection *c;
    struct log_line l;
    struct str text;
    uint64_t id, mid;
    bool outgoing;

    if (!log_line_read(line, &l))
        return;
    text = l.text;
    if (connection_line(text, &outgoing, &id)) {
        c = connection_of(t, outgoing, id);
        if (c && c->begun) {
            show(t, line);
        } else if (c) {
            buf_add(&c->held, line);
            buf_addc(&c->held, '\n');
        }
        return;
    }
    if (!log_line_mid(text, &mid) || !has(&t->mids, mid))
        return;
    if (log_number(&text, str_lit("Start MID "), &mid) && log_number(&text, str_lit(" ICID "), &id))
        begin(t, false, id);
    else if (log_number(&text, str_lit("Delivery start DCID "), &id))
        begin(t, true, id);
    show(t, line);
}

enum rc log_findevent_mid(const char *home, struct str name, uint64_t mid, const struct log_out *out, struct err *e)
{
    struct trace t = {.out = out,
                      .mids.most = FINDEVENT_MIDS_MOST,
                      .icids.most = CONNECTIONS_MOST / 2,
                      .dcids.most = CONNECTIONS_MOST / 2};
    struct log_files files;
    size_t before;
    bool cut;

    TRY(log_files_list(home, name, &files, e));
    add(&t.mids, mid);
    for (int pass = 0; pass < PASSES_MOST; pass++) {
        before = t.mids.n;
        read_all(&t, &files, learn);
        if (t.mids.n == before)
            break;
    }
    read_all(&t, &files, tell);
    cut = t.mids.full || t.icids.full || t.dcids.full;
    for (size_t i = 0; i < t.n; i++)
        buf_done(&t.connections[i].held);
    free(t.connections);
    free(t.mids.items);
    free(t.icids.items);
    free(t.dcids.items);
    log_files_done(&files);
    return cut ? err_set(e, RC_LIMIT, "the message became too many others, some are left out") : RC_OK;
}
