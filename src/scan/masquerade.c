/*
 * Masquerades the envelope sender and the addresses of header fields. See masquerade.h.
 *
 * Called by stage_ldap.c. Owns nothing: memory is the message's. First all places are gathered, then the directory is asked
 * once for those the table does not know, then the changes are made from the last to the first.
 */
#include "scan/masquerade.h"

#include "bus/ldap_ask.h"
#include "mail/address.h"
#include "mail/header.h"
#include "mail/mailbox.h"
#include "policy/masquerade.h"

enum { PLACES = LDAP_QUESTIONS_MAX };

/* An address and where it stands. */
struct place {
    struct str header; /* name of the field; empty = envelope sender */
    struct mailbox box;
    struct str now, name; /* what takes its place, empty = stays */
    bool asked;
};

struct places {
    struct place *items;
    size_t n;
};

static bool wanted(const struct conf_listener *l, struct str what)
{
    for (size_t i = 0; i < l->masquerade_headers.n; i++)
        if (str_eqi(l->masquerade_headers.items[i], what))
            return true;
    return false;
}

static void gather(struct message *m, const struct conf_listener *l, struct places *p)
{
    static const char *const fields[] = {"from", "to", "cc", "reply-to"};
    struct str rest = message_octets(m);
    struct header_field f;
    struct mailbox box;

    if (m->env->sender.n && wanted(l, str_lit("sender")))
        p->items[p->n++] = (struct place){.box.address = m->env->sender};
    while (header_next(&rest, &f)) {
        bool ours = false;

        for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
            ours |= str_eqi(f.name, str_c(fields[i])) && wanted(l, str_c(fields[i]));
        while (ours && p->n < PLACES && mailbox_next(&f.value, &box))
            p->items[p->n++] = (struct place){.header = f.name, .box = box};
    }
}

static bool is_plain(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
            return false;
    return true;
}

/* What the directory gives goes into a header: nothing that could be another field, and an address only. */
static void take(struct place *x, const struct ldap_answer *a)
{
    struct str address = ldap_answer_value(a, "address"), name = ldap_answer_value(a, "name"), local, domain;

    if (address.n && address.n <= ADDRESS_MAX && is_plain(address) && address_cut(address, &local, &domain) && local.n &&
        address_is_domain(domain, true) && str_find(local, ' ') == local.n && str_find(local, '>') == local.n &&
        str_find(local, ',') == local.n)
        x->now = address;
    if (is_plain(name))
        x->name = name;
}

static bool ask(struct scan_world *w, struct message *m, const struct conf_listener *l, struct places *p)
{
    struct ldap_question *q = arena_array(m->arena, struct ldap_question, p->n + 1);
    const struct ldap_answer *a;
    size_t n = 0;

    for (size_t i = 0; q && i < p->n; i++)
        if (!p->items[i].now.n) {
            p->items[i].asked = true;
            q[n++] = (struct ldap_question){
                .query = l->ldap_masquerade, .address = p->items[i].box.address, .from = m->env->sender};
        }
    if (n == 0 || !l->ldap_masquerade.n)
        return true;
    a = ldap_ask_wait(w->bus, m->arena, q, n, LDAP_ASK_MS);
    for (size_t i = 0; i < n; i++)
        if (a[i].result == LDAP_TEMPORARY) {
            message_later(m, arena_printf(m->arena, "LDAP: %.*s", STR(a[i].why)));
            return false;
        }
    for (size_t i = 0; i < p->n; i++)
        if (p->items[i].asked)
            take(&p->items[i], a++);
    return true;
}

/* A display name that fits an address list (RFC 5322 3.2.4), as an encoded word when it is not ASCII. */
static struct str phrase(struct arena *a, struct str name)
{
    struct buf b = BUF(4096);
    struct str made;
    bool ascii = true;

    for (size_t i = 0; i < name.n; i++)
        ascii &= (unsigned char)name.p[i] < 0x80;
    if (!ascii)
        header_encode_word(name, &b);
    else
        buf_addc(&b, '"');
    for (size_t i = 0; ascii && i < name.n; i++) {
        if (name.p[i] == '"' || name.p[i] == '\\')
            buf_addc(&b, '\\');
        buf_addc(&b, name.p[i]);
    }
    if (ascii)
        buf_addc(&b, '"');
    made = b.failed ? STR_NONE : arena_str(a, buf_str(&b));
    buf_done(&b);
    return made;
}

static void replace(struct message *m, size_t base, struct str view, struct str by)
{
    patch_replace(&m->patch, (size_t)(uintptr_t)view.p - base, view.n, by);
}

static void change_header(struct message *m, const struct place *x, size_t base)
{
    struct str name = x->name.n ? phrase(m->arena, x->name) : STR_NONE, now = x->now.n ? x->now : x->box.address;

    if (m->events)
        event(m->events, masquerade_header, .mid = m->mid, .header = x->header, .old = x->box.address, .now = now);
    if (!x->box.bracket.n && name.n) {
        replace(m, base, x->box.address, arena_printf(m->arena, "%.*s <%.*s>", STR(name), STR(now)));
        return;
    }
    replace(m, base, x->box.address, now);
    if (x->box.name.n && name.n)
        replace(m, base, x->box.name, name);
    else if (name.n) /* before the bracket */
        replace(m, base, str_first(x->box.bracket, 0), arena_printf(m->arena, "%.*s ", STR(name)));
}

static void change(struct message *m, const struct place *x, size_t base)
{
    bool other = x->now.n && !str_eq(x->now, x->box.address);

    if (x->header.n && (other || x->name.n))
        change_header(m, x, base);
    if (x->header.n || !other)
        return;
    if (m->events)
        event(m->events, masquerade_sender, .mid = m->mid, .old = m->env->sender, .now = x->now);
    m->outcome.new_sender = x->now;
    m->outcome.has_new_sender = true;
    m->outcome.new_recipients_by = str_lit("LDAP");
}

bool masquerade_message(struct scan_world *w, struct message *m, const struct conf_listener *l)
{
    struct places p = {arena_array(m->arena, struct place, PLACES + 1), 0};
    size_t base = (size_t)(uintptr_t)message_octets(m).p;

    if (!p.items || (!l->masquerade.n && !l->ldap_masquerade.n))
        return true;
    gather(m, l, &p);
    for (size_t i = 0; i < p.n; i++)
        p.items[i].now = masquerade_find(m->arena, l->masquerade, p.items[i].box.address);
    if (!ask(w, m, l, &p))
        return false;
    for (size_t i = p.n; i-- > 0;)
        change(m, &p.items[i], base);
    return true;
}
