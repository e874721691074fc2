/*
 * Known host keys. See hostkey.h.
 *
 * Called by scp.c in its thread. Owns nothing, cannot fail: a line that is not understood matches nothing.
 */
#include "push/hostkey.h"

struct known_line {
    bool revoked;
    struct str hosts, type, base64;
};

static bool parse(struct str line, struct known_line *out)
{
    struct str rest = line;

    *out = (struct known_line){0};
    if (!str_word(&rest, &out->hosts) || out->hosts.p[0] == '#')
        return false;
    if (out->hosts.p[0] == '@') {
        out->revoked = str_eq(out->hosts, str_lit("@revoked"));
        if (!out->revoked || !str_word(&rest, &out->hosts))
            return false; /* @cert-authority is not used */
    }
    return str_word(&rest, &out->type) && str_word(&rest, &out->base64);
}

static bool names_server(struct str hosts, struct str host, uint16_t port)
{
    struct buf wanted = BUF(600);
    struct str one;
    bool found = false;

    if (port == 22)
        buf_add(&wanted, host);
    else
        buf_addf(&wanted, "[%.*s]:%u", STR(host), port);
    while (!found && str_split(&hosts, ',', &one))
        found = one.n && !wanted.failed && str_eqi(one, buf_str(&wanted));
    buf_done(&wanted);
    return found;
}

enum hostkey hostkey_judge(struct strs known, struct str host, uint16_t port, struct str type, struct str base64)
{
    enum hostkey verdict = HOSTKEY_UNKNOWN;

    for (size_t i = 0; i < known.n; i++) {
        struct known_line l;
        bool same;

        if (!parse(known.items[i], &l) || !names_server(l.hosts, host, port))
            continue;
        same = str_eq(l.type, type) && str_eq(l.base64, base64);
        if (l.revoked && same)
            return HOSTKEY_REVOKED;
        if (l.revoked)
            continue;
        if (same)
            verdict = HOSTKEY_SAME;
        else if (verdict == HOSTKEY_UNKNOWN)
            verdict = HOSTKEY_OTHER;
    }
    return verdict;
}

void hostkey_types(struct strs known, struct str host, uint16_t port, struct buf *out)
{
    for (size_t i = 0; i < known.n; i++) {
        struct known_line l;

        if (!parse(known.items[i], &l) || l.revoked || !names_server(l.hosts, host, port))
            continue;
        if (out->n)
            buf_addc(out, ',');
        buf_add(out, str_eq(l.type, str_lit("ssh-rsa")) ? str_lit("rsa-sha2-512,rsa-sha2-256") : l.type);
    }
}

void hostkey_line(struct str host, uint16_t port, struct str type, struct str base64, struct buf *out)
{
    if (port == 22)
        buf_addf(out, "%.*s %.*s %.*s", STR(host), STR(type), STR(base64));
    else
        buf_addf(out, "[%.*s]:%u %.*s %.*s", STR(host), port, STR(type), STR(base64));
}
