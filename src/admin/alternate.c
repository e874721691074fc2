/*
 * The alternate release appliance beside the gateways that it stands in for. See alternate.h.
 *
 * Called by verb_pvo.c. Owns nothing. What an appliance has it said in its last hello; who never said one is told as such.
 */
#include "admin/alternate.h"

#include "base/json_read.h"

/* Tokens of `features` that say what judges mail (admin/mgmt_hello.c). */
static const char *const judges[] = {"anti-spam", "anti-virus", "graymail", "outbreak", "dlp"};

static const struct json *hello_of(const struct json *contacts, struct str name)
{
    for (const struct json *a = contacts ? contacts->first : NULL; a; a = a->next) {
        if (str_eqi(json_text_of(a, "name"), name))
            return json_get(a, "hello");
    }
    return NULL;
}

static bool has(const struct json *hello, const char *token)
{
    const struct json *list = json_get(hello, "features");

    for (const struct json *f = list ? list->first : NULL; f; f = f->next)
        if (str_eq(json_str_of(f), str_c(token)))
            return true;
    return false;
}

/* Has it said hello, with features? */
static bool known(const struct json *hello)
{
    return json_get(hello, "features") != NULL;
}

static bool central_pvo(const struct json *hello)
{
    const struct json *pvo = json_get(json_get(hello, "services"), "pvo");

    return pvo && str_eq(pvo->raw, str_lit("true"));
}

static void say_gateway(struct verb_call *c, struct str name, const struct json *theirs, const struct json *its)
{
    bool any = false;

    buf_addf(&c->text, "  %.*s: ", STR(name));
    if (!known(theirs)) {
        buf_add(&c->text, str_lit("not heard of yet\n"));
        return;
    }
    for (size_t i = 0; i < sizeof judges / sizeof *judges; i++) {
        bool there = has(theirs, judges[i]), here = has(its, judges[i]);

        if (there == here)
            continue;
        buf_addf(&c->text, "%s%s is %s there, %s here", any ? "; " : "", judges[i], there ? "on" : "off",
                 here ? "on" : "off");
        any = true;
    }
    buf_add(&c->text, any ? str_lit("\n") : str_lit("judges mail as this one does\n"));
}

void alternate_say(struct verb_call *c, struct str contacts)
{
    const struct conf *now = &c->admin->current->conf;
    struct str name = now->pvo.alternate;
    const struct json *list = NULL, *its;

    if (!name.n)
        return;
    if (json_read(&c->arena, contacts, &list, NULL) != RC_OK)
        list = NULL;
    its = hello_of(list, name);
    buf_addf(&c->text, "Alternate release appliance %.*s: %s\n", STR(name),
             !known(its)        ? "not heard of yet"
             : central_pvo(its) ? "ready"
                                : "takes nothing, its central quarantines are not enabled");
    for (size_t i = 0; known(its) && i < now->appliance.n; i++)
        if (now->appliance.items[i].pvo && !str_eqi(now->appliance.items[i].name, name))
            say_gateway(c, now->appliance.items[i].name, hello_of(list, now->appliance.items[i].name), its);
}
