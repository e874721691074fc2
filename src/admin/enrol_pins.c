/*
 * Pins of partners in the settings. See enrol.h.
 *
 * Called by enrol_gateway.c and enrol_manager.c. Owns nothing; reads the public half of the SSH host key.
 */
#include "admin/enrol.h"
#include "admin/identity.h"
#include "base/io.h"
#include "net/authority.h"

#include <limits.h>
#include <stdio.h>

enum { ROLE_OF_MANAGER = 1 };

static struct conf_cpq_peer *peer_of(struct conf_draft *d, struct str serial, bool make, struct err *e)
{
    void *item;

    for (size_t i = 0; i < d->conf.cpq_peer.n; i++)
        if (str_eqi(d->conf.cpq_peer.items[i].serial, serial))
            return (struct conf_cpq_peer *)(uintptr_t)&d->conf.cpq_peer.items[i];
    if (!make || conf_draft_item(d, conf_section_find(str_lit("cpq_peer")), serial, &item, e) != RC_OK)
        return NULL;
    return item;
}

/* The pin that will follow: what it says, else that of the key it wants signed. */
static struct str next_of(struct conf_draft *d, const struct enrol_card *card)
{
    char pin[AUTHORITY_PIN + 1];

    if (card->next.n)
        return arena_str(&d->arena, card->next);
    if (!card->request.n || authority_request_pin(card->request, pin, NULL) != RC_OK || str_eq(str_c(pin), card->print))
        return STR_NONE;
    return arena_str(&d->arena, str_c(pin));
}

enum rc enrol_keep_pins(struct conf_draft *d, const struct enrol_card *card, uint64_t role, bool *knows_out, struct err *e)
{
    struct conf_cpq_peer *p;
    struct str own_next = STR_NONE;

    *knows_out = false;
    if (!card->print.n)
        return RC_OK;
    p = peer_of(d, card->serial, true, e);
    if (!p)
        return RC_INVALID;
    p->serial = arena_str(&d->arena, card->serial);
    p->fingerprint = arena_str(&d->arena, card->print);
    p->next_fingerprint = next_of(d, card);
    p->role = role;
    TRY(identity_next_pin(d, &own_next, e));
    *knows_out = own_next.n && (str_eq(own_next, card->known_print) || str_eq(own_next, card->known_next));
    return RC_OK;
}

void enrol_forget_pins(struct conf_draft *d, struct str serial)
{
    struct conf_cpq_peer *p = peer_of(d, serial, false, NULL);
    struct buf path = BUF(4096);

    if (p) {
        conf_path_format(conf_section_find(str_lit("cpq_peer")), p->name, NULL, &path);
        conf_draft_remove(d, buf_str(&path), NULL);
    }
    buf_done(&path);
}

struct str enrol_host_key(const struct admin *admin, struct arena *a)
{
    struct str rest, type, code, out = STR_NONE;
    struct buf b = BUF(16384);
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/keys/ssh_host_ed25519_key.pub", admin->home);
    if (io_read_file(path, &b, NULL) == RC_OK) {
        rest = buf_str(&b);
        if (str_word(&rest, &type) && str_word(&rest, &code))
            out = arena_printf(a, "%.*s %.*s", STR(type), STR(str_trim(code)));
    }
    buf_done(&b);
    return out;
}

enum rc enrol_own(const struct admin *admin, struct str partner, struct arena *a, struct enrol_card *out, struct err *e)
{
    const struct conf *c = &admin->current->conf;
    struct buf request = BUF(AUTHORITY_PEM_MAX);

    TRY(enrol_card_own(c, partner, a, out, e));
    out->host_key = enrol_host_key(admin, a);
    if (c->system.role != ROLE_OF_MANAGER && identity_request(c, &request, NULL) == RC_OK)
        out->request = arena_str(a, buf_str(&request));
    buf_done(&request);
    return RC_OK;
}
