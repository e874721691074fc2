/*
 * Safelists and blocklists on their way from a manager to its gateways (central.md 4, 10): numbered deltas, full copies, and
 * what a gateway makes of put-slbl. See slbl.h.
 *
 * Called by slbl.c at each change, by role central over the bus, and by the management session's verb put-slbl. Owns the
 * ring of deltas of this process; without one that leads on from what a gateway has, it gets everything. A put is applied
 * whole or not at all.
 */
#include "admin/slbl_inside.h"
#include "base/json.h"
#include "base/json_read.h"
#include "base/must.h"

#include <inttypes.h>
#include <stdlib.h>

enum { LINE_MAX_OCTETS = 4096, TREE_MAX = 1 << 20 };

void slbl_put_op(struct buf *out, bool remove, struct str user, enum slbl_list list, struct str entry)
{
    buf_addf(out, "{\"op\":\"%s\",\"user\":", remove ? "del" : "add");
    json_str(out, user);
    buf_addf(out, ",\"list\":\"%s\",\"entry\":", list == SLBL_SAFE ? "safe" : "block");
    json_str(out, entry);
    buf_add(out, str_lit("}\n"));
}

/* --- on a manager --------------------------------------------------------------------------------------------------------
 */

void slbl_keep_delta(struct slbl_store *s, uint64_t version, struct str lines)
{
    struct slbl_delta *d = &s->deltas[version % SLBL_DELTAS];

    if (!lines.n || version != s->version + 1) {
        s->first_delta = version; /* from here on, not over this change */
        return;
    }
    free(d->lines);
    *d = (struct slbl_delta){.version = version, .lines = strndup(lines.p, lines.n)};
    must(d->lines);
    if (version >= SLBL_DELTAS && s->first_delta < version - SLBL_DELTAS + 1)
        s->first_delta = version - SLBL_DELTAS + 1;
}

static void write_full(const struct slbl_store *s, struct buf *out)
{
    struct str rest = buf_str(&s->text), line, user, entry;
    enum slbl_list list;

    buf_addf(out, "{\"base\":0,\"version\":%" PRIu64 ",\"full\":true}\n", s->version);
    while (rest.n && str_split(&rest, '\n', &line))
        if (slbl_line(line, &user, &list, &entry))
            slbl_put_op(out, false, user, list, entry);
}

void slbl_write_put(const struct slbl_store *s, uint64_t base, bool full, struct buf *out)
{
    if (full || base < s->first_delta || base > s->version) {
        write_full(s, out);
        return;
    }
    buf_addf(out, "{\"base\":%" PRIu64 ",\"version\":%" PRIu64 ",\"full\":false}\n", base, s->version);
    for (uint64_t v = base + 1; v <= s->version; v++)
        buf_add(out, str_c(s->deltas[v % SLBL_DELTAS].lines));
}

static void on_question(void *ctx, const struct bus_in *in)
{
    const struct bus_slbl_question *m = in->msg;
    const struct slbl_store *s = ctx;
    struct buf out = BUF(SLBL_PUT_MAX);
    struct bus_slbl_delta told = {.version = s->version};

    slbl_write_put(s, m->base, m->full, &out);
    if (!out.failed)
        told.input = buf_str(&out);
    bus_reply(s->admin->bus, in->from, in->call, BUS_slbl_delta, &told);
    buf_done(&out);
}

static void tell_version(void *ctx, struct bus_peer *p)
{
    const struct slbl_store *s = ctx;

    if (p->role == ROLE_central)
        bus_send(s->admin->bus, p, BUS_slbl_master, &(struct bus_slbl_master){.version = s->version});
}

void slbl_deltas_open(struct slbl_store *s)
{
    if (!s->admin->bus)
        return;
    bus_on(s->admin->bus, BUS_slbl_question, on_question, s);
    bus_on_peer(s->admin->bus, tell_version, NULL, s);
}

void slbl_deltas_close(struct slbl_store *s)
{
    for (size_t i = 0; i < SLBL_DELTAS; i++)
        free(s->deltas[i].lines);
}

/* --- on a gateway: put-slbl ----------------------------------------------------------------------------------------------
 */

struct op {
    struct str key; /* a line of the text, without its end */
    bool remove;
    size_t order; /* the last one of a key counts */
};

struct put {
    uint64_t base, version;
    bool full;
    struct op *ops;
    size_t n, room;
    struct arena arena;
};

static enum rc read_header(struct put *p, struct str line, struct err *e)
{
    const struct json *v;

    TRY(json_read(&p->arena, line, &v, e));
    if (!json_u64(json_get(v, "base"), &p->base) || !json_u64(json_get(v, "version"), &p->version))
        return err_set(e, RC_INVALID, "the first line says no base and version");
    p->full = json_is(json_get(v, "full"), JSON_TRUE);
    return RC_OK;
}

static enum rc read_op(struct put *p, struct arena *line_arena, struct str line, struct err *e)
{
    const struct json *v;
    struct str op, user, list, entry;
    struct buf key = BUF(LINE_MAX_OCTETS);

    TRY(json_read(line_arena, line, &v, e));
    op = json_str_of(json_get(v, "op"));
    user = json_str_of(json_get(v, "user"));
    list = json_str_of(json_get(v, "list"));
    entry = json_str_of(json_get(v, "entry"));
    if ((!str_eq(op, str_lit("add")) && !str_eq(op, str_lit("del"))) ||
        (!str_eq(list, str_lit("safe")) && !str_eq(list, str_lit("block"))))
        return err_set(e, RC_INVALID, "no op add or del on the list safe or block");
    if (str_find(user, '@') == user.n || slbl_entry_fits(user, NULL) != RC_OK)
        return err_set(e, RC_INVALID, "a user that is no address");
    TRY(slbl_entry_fits(entry, e));
    if (p->n == p->room) {
        struct op *more = realloc(p->ops, (2 * p->room + 256) * sizeof *more);

        must(more);
        p->ops = more;
        p->room = 2 * p->room + 256;
    }
    slbl_put_line(&key, user, str_eq(list, str_lit("safe")) ? SLBL_SAFE : SLBL_BLOCK, entry);
    p->ops[p->n] = (struct op){.remove = str_eq(op, str_lit("del")), .order = p->n};
    p->ops[p->n].key = arena_str(&p->arena, str_first(buf_str(&key), key.n - 1));
    buf_done(&key);
    return p->ops[p->n++].key.p ? RC_OK : err_set(e, RC_NO_MEMORY, "no memory");
}

static enum rc read_put(struct put *p, struct str input, struct err *e)
{
    struct arena line_arena;
    struct str line;
    size_t number = 1;
    enum rc rc;

    if (!str_split(&input, '\n', &line))
        return err_set(e, RC_INVALID, "put-slbl wants a header line");
    TRY(read_header(p, line, e));
    arena_init(&line_arena, LINE_MAX_OCTETS, TREE_MAX);
    rc = RC_OK;
    while (rc == RC_OK && input.n && str_split(&input, '\n', &line)) {
        number++;
        arena_reset(&line_arena);
        rc = line.n > LINE_MAX_OCTETS ? err_set(e, RC_INVALID, "too long") : read_op(p, &line_arena, line, e);
    }
    arena_done(&line_arena);
    return rc == RC_OK ? RC_OK : err_wrap(e, rc, "line %zu", number);
}

/* Order of keys; case does not count, as everywhere in the lists. */
static int compare(struct str a, struct str b)
{
    for (size_t i = 0; i < a.n && i < b.n; i++)
        if (ascii_lower(a.p[i]) != ascii_lower(b.p[i]))
            return ascii_lower(a.p[i]) < ascii_lower(b.p[i]) ? -1 : 1;
    return (a.n > b.n) - (a.n < b.n);
}

static int by_key(const void *a, const void *b)
{
    const struct op *x = a, *y = b;
    int c = compare(x->key, y->key);

    return c ? c : (x->order > y->order) - (x->order < y->order);
}

/* The last op of each key, sorted. */
static void sort_ops(struct put *p)
{
    size_t n = 0;

    if (p->n)
        qsort(p->ops, p->n, sizeof *p->ops, by_key);
    for (size_t i = 0; i < p->n; i++) {
        if (n && str_eqi(p->ops[n - 1].key, p->ops[i].key))
            p->ops[n - 1] = p->ops[i];
        else
            p->ops[n++] = p->ops[i];
    }
    p->n = n;
}

static bool touched(const struct put *p, struct str line)
{
    size_t from = 0, to = p->n;

    while (from < to) {
        size_t at = (from + to) / 2;
        int c = compare(p->ops[at].key, line);

        if (c == 0)
            return true;
        if (c < 0)
            from = at + 1;
        else
            to = at;
    }
    return false;
}

static void apply(const struct slbl_store *s, struct put *p, struct buf *out)
{
    struct str rest = buf_str(&s->text), line;

    sort_ops(p);
    while (!p->full && rest.n && str_split(&rest, '\n', &line)) {
        if (!line.n || line.p[0] == '#' || touched(p, line))
            continue;
        buf_add(out, line);
        buf_addc(out, '\n');
    }
    for (size_t i = 0; i < p->n; i++) {
        if (p->ops[i].remove)
            continue;
        buf_add(out, p->ops[i].key);
        buf_addc(out, '\n');
    }
}

enum rc slbl_put(struct admin *a, struct str input, struct err *e)
{
    struct slbl_store *s = a->slbl;
    struct buf now = BUF(SLBL_TEXT_MAX);
    struct put p = {0};
    enum rc rc;

    arena_init(&p.arena, 65536, 2 * (size_t)SLBL_PUT_MAX);
    rc = read_put(&p, input, e);
    if (rc == RC_OK && !p.full && p.base != s->version)
        rc = err_set(e, RC_CONFLICT, "have=%" PRIu64, s->version);
    if (rc == RC_OK) {
        apply(s, &p, &now);
        rc = slbl_put_in_force(s, &now, p.version, STR_NONE, e);
    }
    free(p.ops);
    arena_done(&p.arena);
    return rc;
}
