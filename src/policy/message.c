/*
 * A message while it is judged: set-up, and its structure as it is now. See message.h.
 *
 * Called by scan and by everything that judges. Owns nothing beyond the message's arena. What travels with a message and
 * does not fit it is an error of the one who made it: RC_CORRUPT.
 */
#include "policy/message.h"

#include "base/clock.h"

enum { ATTACHMENTS_TOLD = 200 };

/* The edits of an earlier pass, as changes of this one. */
static enum rc apply_edits(struct message *m, struct str coded, struct err *e)
{
    struct edits edits;

    TRY(edits_decode(m->arena, coded, m->patch.original.n, &edits, e));
    for (size_t i = edits.n; i-- > 0;)
        patch_replace(&m->patch, edits.items[i].offset, edits.items[i].length, edits.items[i].replacement);
    return RC_OK;
}

enum rc message_init(struct message *m, struct arena *a, struct str stored, const struct envelope *env, struct err *e)
{
    uint32_t *all;

    m->arena = a;
    m->env = env;
    patch_init(&m->patch, a, stored);
    TRY(carried_decode(env->carried, &m->carried, e));
    TRY(apply_edits(m, m->carried.edits, e));
    all = arena_array(a, uint32_t, env->n_recipients + 1);
    if (!all)
        return err_set(e, RC_NO_MEMORY, "recipients");
    for (size_t i = 0; i < env->n_recipients; i++)
        all[i] = (uint32_t)i;
    m->recipients = all;
    m->n_recipients = env->n_recipients;
    return RC_OK;
}

struct str message_octets(struct message *m)
{
    return patch_octets(&m->patch);
}

/* One part that nobody looked into. */
static struct mime *no_room(struct message *m)
{
    m->outcome.overflow = true;
    m->no_part = (struct mime_part){.path = str_lit("1"), .type = str_lit("application/octet-stream")};
    m->no_mime = (struct mime){.arena = m->arena,
                               .octets = patch_octets(&m->patch),
                               .root = &m->no_part,
                               .all = &m->no_part,
                               .all_last = &m->no_part,
                               .n_parts = 1,
                               .cut = true,
                               .cut_why = str_lit("no memory")};
    return &m->no_mime;
}

struct mime *message_mime(struct message *m)
{
    if (!m->mime_now || m->mime_changes != m->patch.changes) {
        m->mime_now = mime_read(m->arena, patch_octets(&m->patch));
        if (!m->mime_now)
            m->mime_now = no_room(m);
        m->mime_changes = m->patch.changes;
        m->content_done = false;
    }
    return m->mime_now;
}

/* The attachments that a scan found, once a message however often it is read again. */
static void tell_attachments(struct message *m, const struct mime *mime)
{
    unsigned n = 0;

    for (const struct mime_part *p = m->parts_told ? NULL : mime->all; p && n < ATTACHMENTS_TOLD; p = p->all_next)
        if ((p->attachment || p->member) && p->name.n) {
            event(m->events, message_attachment, .mid = m->mid, .name = str_first(p->name, 500));
            n++;
        }
    m->parts_told = true;
}

struct mime *message_content(struct message *m)
{
    struct mime *mime = message_mime(m);

    if (!m->content_done && m->world && m->world->content)
        m->world->content(m->world->ctx, m, mime);
    m->content_done = true;
    tell_attachments(m, mime);
    return mime;
}

const struct auth_results *message_auth(struct message *m)
{
    if (!m->auth && m->world && m->world->auth)
        m->auth = m->world->auth(m->world->ctx, m);
    return m->auth;
}

struct str message_recipient(const struct message *m, size_t i)
{
    return m->env->recipients[m->recipients[i]].address;
}

uint64_t message_now_ms(const struct message *m)
{
    return m->world && m->world->now_ms ? m->world->now_ms(m->world->ctx) : clock_wall_ms();
}
