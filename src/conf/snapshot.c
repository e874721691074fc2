/*
 * Configuration to octets and back. See snapshot.h.
 *
 * Called by control (encode) and by conf_source in every role (decode). Owns nothing but what it puts into the draft's
 * arena. Nothing in a blob is believed: counts are held against the octets left, values against their rows.
 */
#include "conf/snapshot.h"

#include "conf/value.h"

uint64_t conf_fingerprint(void)
{
    uint64_t h = 0x706f737465726e31u;

    for (size_t i = 0; i < conf_sections_n; i++) {
        h = str_hash_seed(str_c(conf_sections[i].name), h);
        for (const struct conf_setting *f = conf_sections[i].settings; f->name; f++)
            h = str_hash_seed(str_c(f->unit), str_hash_seed(str_c(f->name), h + f->type));
    }
    return h;
}

static bool word_in(const char *list, struct str word)
{
    struct str rest = str_c(list), w;

    while (str_word(&rest, &w)) {
        if (str_eq(w, word))
            return true;
    }
    return false;
}

static void encode_item(const struct conf_section *s, const void *item, bool secrets, struct buf *out)
{
    if (s->list)
        buf_put_str(out, conf_item_name(s, item));
    for (const struct conf_setting *f = s->settings; f->name; f++) {
        if (f->type == CONF_TYPE_TEXTS) {
            buf_put_varint(out, conf_texts(item, f)->n);
            for (size_t i = 0; i < conf_texts(item, f)->n; i++)
                buf_put_str(out, conf_texts(item, f)->items[i]);
        } else if (f->type == CONF_TYPE_TEXT || f->type == CONF_TYPE_SECRET) {
            buf_put_str(out, f->type == CONF_TYPE_TEXT || secrets ? *conf_text(item, f) : STR_NONE);
        } else {
            buf_put_varint(out, *conf_number(item, f));
        }
    }
}

void conf_encode(const struct conf *c, const char *role, struct buf *out)
{
    buf_put_u64(out, conf_fingerprint());
    for (size_t i = 0; i < conf_sections_n; i++) {
        const struct conf_section *s = &conf_sections[i];
        bool secrets = !role || word_in(s->secrets, str_c(role));

        if (s->list)
            buf_put_varint(out, conf_items(c, s));
        for (size_t j = 0; j < conf_items(c, s); j++)
            encode_item(s, conf_item(c, s, j), secrets, out);
    }
}

/* `at_least`: octets that each of the things counted needs. */
static bool get_count(struct str *in, size_t *out)
{
    uint64_t n;

    if (!get_varint(in, &n) || n > in->n)
        return false;
    *out = (size_t)n;
    return true;
}

static bool get_text(struct arena *a, struct str *in, struct str *out)
{
    struct str s;

    if (!get_str(in, &s))
        return false;
    *out = arena_str(a, s);
    return out->p != NULL;
}

static bool get_texts(struct arena *a, struct str *in, struct strs *out)
{
    struct str *items;
    size_t n, room = 1;

    if (!get_count(in, &n))
        return false;
    while (room < n) /* as conf_value_add_line() wants it */
        room *= 2;
    items = n ? arena_array(a, struct str, room) : NULL;
    if (n && !items)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!get_text(a, in, &items[i]))
            return false;
    }
    *out = (struct strs){items, n};
    return true;
}

static enum rc decode_field(struct arena *a, struct str *in, void *item, const struct conf_setting *f, struct err *e)
{
    void *at = (char *)item + f->offset;
    bool fits;

    if (f->type == CONF_TYPE_TEXTS)
        fits = get_texts(a, in, at);
    else if (f->type == CONF_TYPE_TEXT || f->type == CONF_TYPE_SECRET)
        fits = get_text(a, in, at);
    else
        fits = get_varint(in, at);
    if (!fits)
        return err_set(e, RC_CORRUPT, "%s is cut", f->name);
    if (f->type == CONF_TYPE_TEXT || f->type == CONF_TYPE_SECRET)
        return RC_OK; /* may be empty where secrets are left out, or not yet set in a draft */
    if (conf_value_check(item, f, e) != RC_OK)
        return err_wrap(e, RC_CORRUPT, "%s", f->name);
    return RC_OK;
}

static enum rc decode_section(struct conf_draft *d, const struct conf_section *s, struct str *in, struct err *e)
{
    struct conf_list l = {.items = (char *)&d->conf + s->offset, .n = 1};

    if (s->list) {
        if (!get_count(in, &l.n))
            return err_set(e, RC_CORRUPT, "cut");
        l.items = l.n ? conf_list_room(&d->arena, s, l.n) : NULL;
        if (l.n && !l.items)
            return err_set(e, RC_NO_MEMORY, "no room left");
    }
    for (size_t i = 0; i < l.n; i++) {
        void *item = (char *)l.items + i * s->size;

        if (s->list && !get_text(&d->arena, in, item))
            return err_set(e, RC_CORRUPT, "cut");
        for (const struct conf_setting *f = s->settings; f->name; f++)
            TRY(decode_field(&d->arena, in, item, f, e));
    }
    if (s->list)
        conf_list_set(&d->conf, s, l);
    return RC_OK;
}

enum rc conf_decode(struct conf_draft *d, struct str blob, struct err *e)
{
    uint64_t fingerprint;

    if (!get_u64(&blob, &fingerprint) || fingerprint != conf_fingerprint())
        return err_set(e, RC_CORRUPT, "the snapshot was made by another release");
    for (size_t i = 0; i < conf_sections_n; i++) {
        enum rc rc = decode_section(d, &conf_sections[i], &blob, e);

        if (rc != RC_OK) {
            err_wrap(e, rc, "snapshot: section %s", conf_sections[i].name);
            return rc;
        }
    }
    return blob.n == 0 ? RC_OK : err_set(e, RC_CORRUPT, "snapshot: octets behind the end");
}

struct conf_draft *conf_draft_copy(const struct conf *c)
{
    struct buf b = BUF((size_t)1 << 28);
    struct conf_draft *d = conf_draft_empty();

    conf_encode(c, NULL, &b);
    if (d && (b.failed || conf_decode(d, buf_str(&b), NULL) != RC_OK)) {
        conf_draft_free(d);
        d = NULL;
    }
    if (d)
        d->conf.version = c->version;
    buf_done(&b);
    return d;
}
