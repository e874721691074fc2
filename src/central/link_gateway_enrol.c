/*
 * Enrolment by a link token, on the gateway's loop. See link.h.
 *
 * Called by link.c (verb `link enrol`, asked by control) and link_gateway.c. Such a link is one attempt; what the manager
 * said is the answer of the verb. Owns nothing beside struct near_link.
 */
#include "central/link.h"

#include "base/must.h"

void near_enrol_answer(struct near_link *k)
{
    struct links *l = k->links;
    struct near_link **at = &l->near;
    enum rc rc = k->e.rc;

    if (k->job && k->job->reply.n) {
        buf_add(&k->call->json, str_trim(buf_str(&k->job->reply)));
        l->enrolled_at = str_hash(k->address_text);
        l->enrolled_by = k->job->port[k->job->good];
        rc = RC_OK;
    } else {
        buf_addf(&k->call->text, "%s\n", err_text(&k->e));
        rc = rc ? rc : RC_CONNECT;
    }
    central_answer(k->call, rc);
    while (*at != k)
        at = &(*at)->next;
    *at = k->next;
    near_free_one(k);
}

/* Words: address, list of ports with commas, id of the token, its private key (PEM), fingerprint of the manager's host key
 * ("SHA256:..."), the line to say. */
void near_enrol(struct central_call *call, struct str args)
{
    struct near_link *k = near_new(call->central->links, str_lit("enrolment"));
    struct str word[6] = {STR_NONE}, one, *ports;
    size_t n = 0;

    for (size_t i = 0; i < 6; i++)
        get_str(&args, &word[i]);
    k->call = call;
    arena_init(&k->arena, 4096, 1 << 20);
    k->address_text = arena_str(&k->arena, word[0]);
    k->token = arena_str(&k->arena, word[2]);
    k->token_key = arena_str(&k->arena, word[3]);
    k->print = arena_str(&k->arena, word[4]);
    k->request = arena_str(&k->arena, word[5]);
    ports = arena_array(&k->arena, struct str, LINK_PORTS);
    must(ports);
    word[1] = arena_str(&k->arena, word[1]);
    while (n < LINK_PORTS && str_split(&word[1], ',', &one))
        ports[n++] = str_trim(one);
    k->ports = (struct strs){ports, n};
    if (!k->token.n || !k->token_key.n || !k->print.n || !k->request.n)
        near_could_not(k, "address, ports, token, key, fingerprint and request are expected");
    else
        near_begin(k);
}
