/*
 * Chunks of steps: written at the end of a batch, read for the detail view. See track_steps.h.
 *
 * Called by the tracking store. Owns the streams of a growing chunk. Writing fails only without memory; reading checks every
 * length, since a damaged file must not take the process down.
 */
#include "store/track_steps.h"

#include "base/must.h"

#include <stdlib.h>
#include <zstd.h>

enum { VERSION = 1, LEVEL = 6, FIELDS_MOST = 16, STREAMS = 3 };
enum { TEXT_EMPTY, TEXT_SUBJECT, TEXT_WORD, TEXT_LITERAL };
enum field_class { CLASS_PLAIN, CLASS_MID, CLASS_ICID, CLASS_DCID, CLASS_TIME, CLASS_TEXT, CLASS_ADDRESS, CLASS_SUBJECT };

static uint8_t classes[EVENT_TYPE_COUNT][FIELDS_MOST], n_fields[EVENT_TYPE_COUNT];

static const struct {
    const char *name;
    enum field_class class;
} class_of[] = {{"mid", CLASS_MID},        {"child", CLASS_MID},         {"now", CLASS_MID},        {"parent", CLASS_MID},
                {"old_mid", CLASS_MID},    {"icid", CLASS_ICID},         {"dcid", CLASS_DCID},      {"until_ms", CLASS_TIME},
                {"sender", CLASS_ADDRESS}, {"recipient", CLASS_ADDRESS}, {"subject", CLASS_SUBJECT}};

void steps_init(void)
{
    for (unsigned type = 0; type < EVENT_TYPE_COUNT; type++) {
        const struct field *f = event_info(type) ? event_info(type)->fields : NULL;

        for (size_t i = 0; f && f[i].type != FIELD_END; i++) {
            bool text = f[i].type == FIELD_STR;
            uint8_t class = text ? CLASS_TEXT : CLASS_PLAIN;

            must(i < FIELDS_MOST);
            for (size_t k = 0; k < sizeof class_of / sizeof *class_of; k++)
                if (strcmp(f[i].name, class_of[k].name) == 0 && text == (class_of[k].class >= CLASS_TEXT))
                    class = (uint8_t)class_of[k].class;
            classes[type][i] = class;
            n_fields[type] = (uint8_t)(i + 1);
        }
    }
}

/* --- growing -------------------------------------------------------------------------------------------------------- */

void steps_chunk_init(struct steps_chunk *c)
{
    *c = (struct steps_chunk){.types = BUF(STEPS_RAW_MAX), .numbers = BUF(STEPS_RAW_MAX), .texts = BUF(STEPS_RAW_MAX)};
}

void steps_chunk_done(struct steps_chunk *c)
{
    buf_done(&c->types);
    buf_done(&c->numbers);
    buf_done(&c->texts);
    steps_chunk_init(c);
}

struct steps_mark steps_mark(const struct steps_chunk *c)
{
    return (struct steps_mark){c->types.n, c->numbers.n, c->texts.n, c->groups, c->icid, c->dcid, c->wall, c->number};
}

void steps_rewind(struct steps_chunk *c, struct steps_mark to)
{
    c->types.n = to.types;
    c->numbers.n = to.numbers;
    c->texts.n = to.texts;
    c->groups = to.groups;
    c->icid = to.icid;
    c->dcid = to.dcid;
    c->wall = to.wall;
    c->number = to.number;
}

size_t steps_size(const struct steps_chunk *c)
{
    return c->types.n + c->numbers.n + c->texts.n;
}

/* The length of the fields goes before them in three octets of a varint, filled in when it is known: no copy. */
void steps_pend(struct buf *pending, uint64_t number, const struct event_record *rec)
{
    size_t begin = pending->n, at, length;

    buf_put_varint(pending, rec->type);
    buf_put_varint(pending, number);
    buf_put_varint(pending, rec->wall_ms);
    at = pending->n;
    buf_add(pending, str_lit("\200\200\0"));
    fields_encode(event_info(rec->type)->fields, rec->fields, pending);
    length = pending->n - at - 3;
    if (pending->failed || length >= 1 << 21) { /* no event is that large */
        pending->n = begin;
        return;
    }
    pending->p[at] = (char)(length | 0x80);
    pending->p[at + 1] = (char)(length >> 7 | 0x80);
    pending->p[at + 2] = (char)(length >> 14);
}

bool steps_pended(struct str *pending, uint64_t *number, struct event_record *rec)
{
    struct str fields;
    uint64_t type;

    if (!get_varint(pending, &type) || !get_varint(pending, number) || !get_varint(pending, &rec->wall_ms) ||
        !get_str(pending, &fields) || !event_info((unsigned)type))
        return false;
    rec->type = (enum event_type)type;
    return fields_decode(event_info((unsigned)type)->fields, fields, rec->fields);
}

static uint64_t zigzag(uint64_t v, uint64_t base)
{
    int64_t d = (int64_t)(v - base);

    return (uint64_t)d << 1 ^ (uint64_t)(d >> 63);
}

static uint64_t unzigzag(uint64_t z, uint64_t base)
{
    return base + ((z >> 1) ^ (0 - (z & 1)));
}

/* What numbers of this class are differences to; *keep = where the last one is remembered. */
static uint64_t base_of(struct steps_chunk *c, enum field_class class, uint64_t key, uint64_t wall, uint64_t **keep)
{
    *keep = class == CLASS_ICID ? &c->icid : class == CLASS_DCID ? &c->dcid : NULL;
    return *keep ? **keep : class == CLASS_MID ? key : class == CLASS_TIME ? wall : 0;
}

static void put_text(struct steps_chunk *c, const struct steps_words *w, enum field_class class, struct str text,
                     struct str subject)
{
    uint64_t word;

    if (!text.n) {
        buf_put_varint(&c->numbers, TEXT_EMPTY);
    } else if (class == CLASS_SUBJECT && str_eq(text, subject)) {
        buf_put_varint(&c->numbers, TEXT_SUBJECT);
    } else if (class == CLASS_ADDRESS && (word = w->find(w->ctx, text)) != 0) {
        buf_put_varint(&c->numbers, TEXT_WORD);
        buf_put_varint(&c->numbers, word);
    } else {
        buf_put_varint(&c->numbers, TEXT_LITERAL + text.n);
        buf_add(&c->texts, text);
    }
}

static void put_event(struct steps_chunk *c, const struct steps_words *w, uint64_t key, struct str subject, uint64_t number,
                      const struct event_record *rec)
{
    const struct field *f = event_info(rec->type)->fields;
    const unsigned char *at = rec->fields;

    c->used[rec->type] = true;
    buf_put_varint(&c->types, rec->type);
    buf_put_varint(&c->numbers, zigzag(number, c->number));
    buf_put_varint(&c->numbers, zigzag(rec->wall_ms, c->wall));
    c->number = number;
    c->wall = rec->wall_ms;
    for (size_t i = 0; f[i].type != FIELD_END; i++) {
        enum field_class class = (enum field_class)classes[rec->type][i];

        if (f[i].type == FIELD_U64) {
            uint64_t v = *(const uint64_t *)(const void *)at, *keep, base = base_of(c, class, key, rec->wall_ms, &keep);

            buf_put_varint(&c->numbers, class == CLASS_PLAIN ? v : zigzag(v, base));
            if (keep)
                *keep = v;
            at += sizeof v;
        } else {
            put_text(c, w, class, *(const struct str *)(const void *)at, subject);
            at += sizeof(struct str);
        }
    }
}

void steps_add(struct steps_chunk *c, const struct steps_words *w, uint64_t src, uint64_t key, uint64_t epoch,
               struct str subject, struct str pending)
{
    _Alignas(16) struct event_record rec = {0};
    size_t count = 0;
    uint64_t number;

    for (struct str in = pending; steps_pended(&in, &number, &rec);)
        count++;
    buf_put_varint(&c->types, count);
    buf_put_varint(&c->types, src);
    buf_put_varint(&c->numbers, key);
    buf_put_varint(&c->numbers, epoch);
    while (steps_pended(&pending, &number, &rec))
        put_event(c, w, key, subject, number, &rec);
    c->groups++;
}

/* Rows of events may grow at the end of their fields: how many each type has in this chunk. */
static void put_types(const struct steps_chunk *c, struct buf *out)
{
    size_t n = 0;

    for (size_t i = 0; i < EVENT_TYPE_COUNT; i++)
        n += c->used[i];
    buf_put_varint(out, n);
    for (size_t i = 0; i < EVENT_TYPE_COUNT; i++)
        if (c->used[i]) {
            buf_put_varint(out, i);
            buf_put_u8(out, n_fields[i]);
        }
}

enum rc steps_put(const struct steps_chunk *c, struct buf *out, struct err *e)
{
    const struct buf *streams[STREAMS] = {&c->types, &c->numbers, &c->texts};
    struct buf raw = BUF(STEPS_RAW_MAX * 3ull);
    size_t bound, got;

    buf_put_u8(out, VERSION);
    buf_put_varint(out, c->groups);
    put_types(c, out);
    for (size_t i = 0; i < STREAMS; i++) {
        buf_put_varint(out, streams[i]->n);
        buf_add(&raw, buf_str(streams[i]));
    }
    bound = ZSTD_compressBound(raw.n);
    if (raw.failed || c->types.failed || c->numbers.failed || c->texts.failed || !buf_reserve(out, bound)) {
        buf_done(&raw);
        return err_set(e, RC_NO_MEMORY, "steps of messages: out of memory");
    }
    got = ZSTD_compress(out->p + out->n, bound, raw.p ? raw.p : "", raw.n, LEVEL);
    buf_done(&raw);
    if (ZSTD_isError(got))
        return err_set(e, RC_INTERNAL, "steps of messages: %s", ZSTD_getErrorName(got));
    out->n += got;
    return RC_OK;
}

/* --- reading -------------------------------------------------------------------------------------------------------- */

struct reader {
    struct steps_chunk last;
    struct str types, numbers, texts;
    const struct steps_words *w;
    struct arena *a;
    struct str subject;
    uint8_t n_fields[EVENT_TYPE_COUNT];
};

static bool get_text(struct reader *r, bool wanted, struct str *out)
{
    uint64_t code, word;

    if (!get_varint(&r->numbers, &code))
        return false;
    *out = STR_NONE;
    if (code == TEXT_SUBJECT) {
        *out = r->subject;
    } else if (code == TEXT_WORD) {
        if (!get_varint(&r->numbers, &word))
            return false;
        if (wanted)
            *out = r->w->text(r->w->ctx, r->a, word);
    } else if (code >= TEXT_LITERAL) {
        code -= TEXT_LITERAL;
        if (code > r->texts.n)
            return false;
        if (wanted)
            *out = arena_str(r->a, str_first(r->texts, code));
        r->texts = str_from(r->texts, code);
    }
    return true;
}

static bool get_event(struct reader *r, uint64_t key, bool wanted, uint64_t *number, struct event_record *rec)
{
    uint64_t type, n, wall;
    unsigned char *at = rec->fields;
    const struct field *f;

    if (!get_varint(&r->types, &type) || !get_varint(&r->numbers, &n) || !get_varint(&r->numbers, &wall) ||
        type >= EVENT_TYPE_COUNT || !event_info((unsigned)type))
        return false;
    rec->type = (enum event_type)type;
    *number = r->last.number = unzigzag(n, r->last.number);
    rec->wall_ms = r->last.wall = unzigzag(wall, r->last.wall);
    f = event_info((unsigned)type)->fields;
    memset(rec->fields, 0, sizeof rec->fields);
    for (size_t i = 0; i < r->n_fields[type]; i++) {
        enum field_class class = (enum field_class)classes[type][i];
        uint64_t v, *keep, base = base_of(&r->last, class, key, rec->wall_ms, &keep);

        if (f[i].type == FIELD_STR) {
            if (!get_text(r, wanted, (struct str *)(void *)at))
                return false;
            at += sizeof(struct str);
            continue;
        }
        if (!get_varint(&r->numbers, &v))
            return false;
        v = class == CLASS_PLAIN ? v : unzigzag(v, base);
        if (keep)
            *keep = v;
        *(uint64_t *)(void *)at = v;
        at += sizeof v;
    }
    return true;
}

static bool get_types(struct reader *r, struct str *chunk)
{
    uint64_t n, type;
    uint8_t fields;

    if (!get_varint(chunk, &n))
        return false;
    for (; n; n--) {
        if (!get_varint(chunk, &type) || !get_u8(chunk, &fields) || type >= EVENT_TYPE_COUNT || fields > n_fields[type])
            return false;
        r->n_fields[type] = fields;
    }
    return true;
}

static bool open_chunk(struct reader *r, struct str chunk, struct str *streams, uint64_t *groups, char **raw_out)
{
    uint64_t n[STREAMS], total = 0;
    uint8_t version;
    char *raw;
    size_t got;

    if (!get_u8(&chunk, &version) || version != VERSION || !get_varint(&chunk, groups) || !get_types(r, &chunk))
        return false;
    for (size_t i = 0; i < STREAMS; i++) {
        if (!get_varint(&chunk, &n[i]) || n[i] > STEPS_RAW_MAX)
            return false;
        total += n[i];
    }
    raw = malloc(total + 1);
    must(raw);
    *raw_out = raw;
    got = ZSTD_decompress(raw, total, chunk.p, chunk.n);
    if (ZSTD_isError(got) || got != total)
        return false;
    for (size_t i = 0; i < STREAMS; i++) {
        streams[i] = str_of(raw, n[i]);
        raw += n[i];
    }
    return true;
}

enum rc steps_get(struct str chunk, const struct steps_words *w, struct arena *a, uint64_t src, uint64_t key,
                  struct str subject, void (*fn)(void *ctx, uint64_t epoch, uint64_t number, const struct event_record *rec),
                  void *ctx, struct err *e)
{
    struct reader r = {.w = w, .a = a, .subject = subject};
    _Alignas(16) struct event_record rec = {0};
    struct str streams[STREAMS];
    uint64_t groups, count, its_src, its_key, epoch, number;
    char *raw = NULL;
    bool good = open_chunk(&r, chunk, streams, &groups, &raw);

    if (good) {
        r.types = streams[0];
        r.numbers = streams[1];
        r.texts = streams[2];
    }
    while (good && groups--) {
        good = get_varint(&r.types, &count) && get_varint(&r.types, &its_src) && get_varint(&r.numbers, &its_key) &&
               get_varint(&r.numbers, &epoch);
        for (bool wanted = good && its_src == src && its_key == key; good && count; count--) {
            good = get_event(&r, its_key, wanted, &number, &rec);
            if (good && wanted)
                fn(ctx, epoch, number, &rec);
        }
    }
    free(raw);
    return good ? RC_OK : err_set(e, RC_CORRUPT, "steps of messages are damaged");
}
