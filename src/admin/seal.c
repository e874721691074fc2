/*
 * Secrets of the settings that are no hashes (passphrases this machine must say to others): sealed whenever the settings
 * leave control, on disk, in a configuration file, in a session's working copy.
 *
 * Called by the store and the verbs that show or take settings. Owns HOME/keys/settings.key (32 octets, 0600), made at the
 * first start. Sealed form: "$sealed$" and base64 of a nonce and an XChaCha20-Poly1305 box; the nonce comes from the text
 * itself (keyed BLAKE2b), so the same secret has the same form and two files of one configuration are equal. What another
 * machine sealed is refused with its path.
 */
#include "admin/admin.h"

#include "base/clock.h"
#include "base/io.h"
#include "base/must.h"
#include "conf/snapshot.h"
#include "conf/table.h"
#include "conf/versions.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    KEY = crypto_secretbox_xchacha20poly1305_KEYBYTES,
    NONCE = crypto_secretbox_xchacha20poly1305_NONCEBYTES,
    MAC = crypto_secretbox_xchacha20poly1305_MACBYTES,
    VARIANT = sodium_base64_VARIANT_URLSAFE_NO_PADDING
};

static const char prefix[] = "$sealed$";

enum rc seal_open(struct admin *a, struct err *e)
{
    char path[4096];
    struct buf b = BUF(KEY + 1);
    enum rc rc;

    snprintf(path, sizeof path, "%s/keys/settings.key", a->home);
    a->seal_key = calloc(1, KEY);
    must(a->seal_key && sodium_init() >= 0);
    rc = io_read_file(path, &b, e);
    if (rc == RC_OK && b.n == KEY) {
        memcpy(a->seal_key, b.p, KEY);
    } else if (rc == RC_NOT_FOUND) {
        random_bytes(a->seal_key, KEY);
        rc = io_replace_file("control.seal", path, str_of(a->seal_key, KEY), e);
    } else if (rc == RC_OK) {
        rc = err_set(e, RC_CORRUPT, "%s is damaged", path);
    }
    if (b.p)
        sodium_memzero(b.p, b.cap);
    buf_done(&b);
    return rc;
}

void seal_close(struct admin *a)
{
    if (a->seal_key)
        sodium_memzero(a->seal_key, KEY);
    free(a->seal_key);
    a->seal_key = NULL;
}

static bool is_plain(struct str s)
{
    return s.n && !str_starts(s, str_lit("$sealed$")) && !str_starts(s, str_lit("$argon2"));
}

static struct str sealed(const struct admin *a, struct arena *arena, struct str text)
{
    size_t n = NONCE + MAC + text.n, room = sodium_base64_encoded_len(n, VARIANT) + sizeof prefix;
    unsigned char *box = arena_must_alloc(arena, n);
    char *out = arena_must_alloc(arena, room);

    crypto_generichash(box, NONCE, (const unsigned char *)text.p, text.n, a->seal_key, KEY);
    crypto_secretbox_xchacha20poly1305_easy(box + NONCE, (const unsigned char *)text.p, text.n, box, a->seal_key);
    memcpy(out, prefix, sizeof prefix - 1);
    sodium_bin2base64(out + sizeof prefix - 1, room - sizeof prefix + 1, box, n, VARIANT);
    return str_c(out);
}

static bool opened(const struct admin *a, struct arena *arena, struct str *text)
{
    struct str code = str_from(*text, sizeof prefix - 1);
    unsigned char *box = arena_must_alloc(arena, code.n + 1), *plain = arena_must_alloc(arena, code.n + 1);
    size_t n;

    if (sodium_base642bin(box, code.n, code.p, code.n, NULL, &n, NULL, VARIANT) != 0 || n < NONCE + MAC ||
        crypto_secretbox_xchacha20poly1305_open_easy(plain, box + NONCE, n - NONCE, box, a->seal_key) != 0)
        return false;
    *text = str_of(plain, n - NONCE - MAC);
    return true;
}

static enum rc each_secret(const struct admin *a, struct conf_draft *d, bool seal, struct err *e)
{
    for (size_t i = 0; i < conf_sections_n; i++) {
        const struct conf_section *s = &conf_sections[i];

        for (size_t j = 0; j < conf_items(&d->conf, s); j++) {
            const void *item = conf_item(&d->conf, s, j);

            for (const struct conf_setting *f = s->settings; f->name; f++) {
                struct str *text = (struct str *)(uintptr_t)conf_text(item, f);

                if (f->type != CONF_TYPE_SECRET || text->n == 0)
                    continue;
                if (seal && is_plain(*text))
                    *text = sealed(a, &d->arena, *text);
                else if (!seal && str_starts(*text, str_c(prefix)) && !opened(a, &d->arena, text))
                    return err_set(e, RC_INVALID, "%s%s%.*s.%s was encrypted on another machine", s->name,
                                   s->list ? "." : "", STR(conf_item_name(s, item)), f->name);
            }
        }
    }
    return RC_OK;
}

void seal_secrets(const struct admin *a, struct conf_draft *d)
{
    each_secret(a, d, true, NULL);
}

static bool is_foreign(const struct admin *a, struct conf_draft *d, struct str text)
{
    struct str copy = text;

    return str_starts(text, str_c(prefix)) && !opened(a, &d->arena, &copy);
}

/* All values of a section that is one item, from what is in force. */
static void keep_ours(const struct admin *a, struct conf_draft *d, const char *name)
{
    const struct conf_section *s = conf_section_find(str_c(name));
    const void *from = conf_item(&a->current->conf, s, 0), *to = conf_item(&d->conf, s, 0);

    for (const struct conf_setting *f = s->settings; f->name; f++)
        *(struct str *)(uintptr_t)conf_text(to, f) = arena_str(&d->arena, *conf_text(from, f));
}

/* A configuration that another appliance saved brings its settings, not its identity: that one cannot be opened here. */
static void keep_identity(const struct admin *a, struct conf_draft *d)
{
    const struct conf_cpq_identity *i = &d->conf.cpq_identity;

    if (is_foreign(a, d, i->key) || is_foreign(a, d, i->next_key))
        keep_ours(a, d, "cpq_identity");
    if (is_foreign(a, d, d->conf.ssh_identity.key))
        keep_ours(a, d, "ssh_identity");
    if (is_foreign(a, d, d->conf.cpq_authority.key))
        keep_ours(a, d, "cpq_authority");
}

enum rc unseal_secrets(const struct admin *a, struct conf_draft *d, struct err *e)
{
    if (a->current)
        keep_identity(a, d);
    return each_secret(a, d, false, e);
}

enum rc store_version(const struct admin *a, uint64_t number, struct conf_draft **out, struct err *e)
{
    struct conf_draft *d = NULL;
    enum rc rc;

    TRY(conf_versions_read(a->home, number, &d, e));
    rc = unseal_secrets(a, d, e);
    if (rc != RC_OK) {
        conf_draft_free(d);
        return rc;
    }
    *out = d;
    return RC_OK;
}

struct conf_draft *store_sealed(const struct admin *a)
{
    struct conf_draft *d = conf_draft_copy(&a->current->conf);

    if (d)
        seal_secrets(a, d);
    return d;
}
