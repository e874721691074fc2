/*
 * Lines of authorized_keys. See ssh_key_line.h.
 *
 * Called at a login with a key, for each line of that user. Owns nothing. A line that is refused never logs anyone in.
 */
#include "shell/ssh_key_line.h"

static const char *const types[] = {
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "ssh-rsa",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
};

enum option_effect { NOTHING, NO_PTY, PTY, FROM };

static const struct {
    const char *name;
    enum option_effect effect;
} options[] = {
    {"no-port-forwarding", NOTHING},
    {"no-agent-forwarding", NOTHING},
    {"no-x11-forwarding", NOTHING},
    {"no-user-rc", NOTHING},
    {"port-forwarding", NOTHING},
    {"agent-forwarding", NOTHING},
    {"x11-forwarding", NOTHING},
    {"user-rc", NOTHING},
    {"no-pty", NO_PTY},
    {"restrict", NO_PTY},
    {"pty", PTY},
    {"from", FROM},
};

static bool is_type(struct str word)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (str_eq(word, str_c(types[i])))
            return true;
    return false;
}

static bool is_base64(struct str s)
{
    size_t n = s.n;

    while (n > 0 && s.n - n < 2 && s.p[n - 1] == '=')
        n--;
    for (size_t i = 0; i < n; i++)
        if (!ascii_alpha(s.p[i]) && !ascii_digit(s.p[i]) && s.p[i] != '+' && s.p[i] != '/')
            return false;
    return n > 0;
}

/* Where the options end: the first space or tab outside quotes; s.n when a quote stays open. */
static size_t options_end(struct str s)
{
    bool quoted = false;

    for (size_t i = 0; i < s.n; i++) {
        if (quoted && s.p[i] == '\\' && i + 1 < s.n)
            i++;
        else if (s.p[i] == '"')
            quoted = !quoted;
        else if (!quoted && (s.p[i] == ' ' || s.p[i] == '\t'))
            return i;
    }
    return s.n;
}

/* Cuts the next option off; its value is what stands between the quotes. */
static bool next_option(struct str *rest, struct str *name, struct str *value)
{
    size_t n = 0;

    *value = STR_NONE;
    while (n < rest->n && rest->p[n] != ',' && rest->p[n] != '=')
        n++;
    *name = str_first(*rest, n);
    if (n < rest->n && rest->p[n] == '=') {
        size_t from = n + 2, to = from;

        if (n + 1 >= rest->n || rest->p[n + 1] != '"')
            return false;
        while (to < rest->n && rest->p[to] != '"')
            to += rest->p[to] == '\\' ? 2 : 1;
        if (to >= rest->n)
            return false;
        *value = str_of(rest->p + from, to - from);
        n = to + 1;
    }
    if (n < rest->n && rest->p[n] != ',')
        return false;
    *rest = n < rest->n ? str_from(*rest, n + 1) : STR_NONE;
    return name->n > 0;
}

static enum rc take_option(struct ssh_key_line *k, struct str name, struct str value, struct err *e)
{
    size_t i = 0, n = sizeof options / sizeof *options;

    while (i < n && !str_eqi(name, str_c(options[i].name)))
        i++;
    if (i == n || (options[i].effect == FROM) != (value.p != NULL) || (value.p && k->from.p))
        return err_set(e, RC_INVALID, "option %.*s of a key is not supported", STR(str_first(name, 40)));
    if (options[i].effect == FROM)
        k->from = value;
    else if (options[i].effect != NOTHING)
        k->no_pty = options[i].effect == NO_PTY;
    return RC_OK;
}

static enum rc take_options(struct ssh_key_line *k, struct str text, struct err *e)
{
    struct str name, value;

    while (text.n) {
        bool more = str_ends(text, str_lit(","));

        if (!next_option(&text, &name, &value) || (more && !text.n))
            return err_set(e, RC_SYNTAX, "malformed options of a key");
        TRY(take_option(k, name, value, e));
    }
    return RC_OK;
}

enum rc ssh_key_line_parse(struct str line, struct ssh_key_line *out, struct err *e)
{
    struct ssh_key_line k = {0};
    struct str rest = str_trim(line), first;

    if (!rest.n || rest.p[0] == '#' || memchr(rest.p, '\0', rest.n))
        return err_set(e, RC_SYNTAX, "no key");
    first = str_first(rest, options_end(rest));
    if (!is_type(first)) {
        TRY(take_options(&k, first, e));
        rest = str_from(rest, first.n);
    }
    if (!str_word(&rest, &k.type) || !is_type(k.type))
        return err_set(e, RC_SYNTAX, "no kind of key that is known");
    if (!str_word(&rest, &k.blob) || !is_base64(k.blob))
        return err_set(e, RC_SYNTAX, "no base64 after the kind of the key");
    k.comment = str_trim(rest);
    *out = k;
    return RC_OK;
}

/* An address or network; a name or a pattern with * or ? is none. */
static bool network_of(struct str text, struct address_ip *net, uint64_t *bits)
{
    size_t slash = str_find(text, '/');

    if (!ip_parse(str_first(text, slash), net))
        return false;
    *bits = net->family == AF_INET ? 32 : 128;
    return slash == text.n || (str_u64(str_from(text, slash + 1), bits) && *bits <= (net->family == AF_INET ? 32 : 128));
}

bool ssh_key_line_fits(const struct ssh_key_line *k, const struct address_ip *peer)
{
    struct str rest = k->from, part;
    bool fits = false;

    if (!k->from.p)
        return true;
    while (str_split(&rest, ',', &part)) {
        bool except = str_starts(part, str_lit("!"));
        struct address_ip net;
        uint64_t bits;
        bool known = network_of(except ? str_from(part, 1) : part, &net, &bits);

        if (except && (!known || (net.family == peer->family && ip_in(peer, &net, (unsigned)bits))))
            return false; /* an exception that cannot be judged holds for all */
        if (!except && known && net.family == peer->family && ip_in(peer, &net, (unsigned)bits))
            fits = true;
    }
    return fits;
}
