/*
 * Rows of /proc/net. See net_proc.h.
 *
 * Called by netstat and ipcheck. Owns nothing. A line that is not as proc(5) says is left out.
 */
#include "console/net_proc.h"

#include <arpa/inet.h>
#include <endian.h>

static bool hex_number(struct str text, uint64_t *out)
{
    return text.n && text.n <= 16 && str_hex(text, out);
}

/* Words of 32 bits in the machine's order, as the kernel prints addresses in tcp, udp and route. */
static bool hex_address(struct str text, struct address_ip *out)
{
    *out = (struct address_ip){.family = text.n == 8 ? AF_INET : AF_INET6};
    if (text.n != 8 && text.n != 32)
        return false;
    for (size_t i = 0; i < text.n; i += 8) {
        uint64_t v;
        uint32_t word;

        if (!hex_number(str_of(text.p + i, 8), &v))
            return false;
        word = (uint32_t)v;
        memcpy(out->octets + i / 2, &word, sizeof word);
    }
    return true;
}

static bool hex_endpoint(struct str text, struct address_ip *out)
{
    size_t colon = str_find(text, ':');
    uint64_t port;

    if (!hex_address(str_first(text, colon), out) || !hex_number(str_from(text, colon + 1), &port) || port > UINT16_MAX)
        return false;
    out->port = (uint16_t)port;
    return true;
}

bool proc_socket_read(struct str line, struct proc_socket *out)
{
    struct str w[8];
    struct proc_socket s = {.state = 0};
    uint64_t state;

    for (size_t i = 0; i < 8; i++)
        if (!str_word(&line, &w[i]))
            return false;
    if (!hex_endpoint(w[1], &s.local) || !hex_endpoint(w[2], &s.remote) || !hex_number(w[3], &state) ||
        !hex_number(str_first(w[4], str_find(w[4], ':')), &s.send_queue) ||
        !hex_number(str_from(w[4], str_find(w[4], ':') + 1), &s.receive_queue) || !str_u64(w[7], &s.user))
        return false;
    s.state = (unsigned)state;
    *out = s;
    return true;
}

const char *proc_tcp_state(unsigned state)
{
    static const char *const names[] = {"",          "ESTABLISHED", "SYN_SENT",   "SYN_RCVD", "FIN_WAIT_1", "FIN_WAIT_2",
                                        "TIME_WAIT", "CLOSED",      "CLOSE_WAIT", "LAST_ACK", "LISTEN",     "CLOSING"};

    return state < sizeof names / sizeof *names ? names[state] : "";
}

bool proc_interface_read(struct str line, struct proc_interface *out)
{
    size_t colon = str_find(line, ':');
    struct str rest = str_from(line, colon + 1), word;
    uint64_t v[16];

    if (colon == line.n)
        return false;
    for (size_t i = 0; i < 16; i++)
        if (!str_word(&rest, &word) || !str_u64(word, &v[i]))
            return false;
    *out =
        (struct proc_interface){str_trim(str_first(line, colon)), v[0], v[1], v[2], v[3], v[8], v[9], v[10], v[11], v[13]};
    return true;
}

/* --- routes ---------------------------------------------------------------------------------------------------------------
 */

bool proc_route4_read(struct str line, struct proc_route *out)
{
    struct str w[8];
    struct proc_route r = {.bits = 0};
    uint64_t flags, mask;

    for (size_t i = 0; i < 8; i++)
        if (!str_word(&line, &w[i]))
            return false;
    if (!hex_address(w[1], &r.to) || !hex_address(w[2], &r.gateway) || r.to.family != AF_INET || !hex_number(w[3], &flags) ||
        !str_u64(w[5], &r.uses) || !str_u64(w[6], &r.metric) || !hex_number(w[7], &mask))
        return false;
    r.bits = (unsigned)__builtin_popcountll(mask);
    r.flags = (unsigned)flags;
    r.interface = w[0];
    *out = r;
    return true;
}

/* Here the octets stand in their own order. */
static bool hex_octets(struct str text, struct address_ip *out)
{
    *out = (struct address_ip){.family = AF_INET6};
    for (size_t i = 0; i < 16 && text.n == 32; i++) {
        uint64_t v;

        if (!hex_number(str_of(text.p + 2 * i, 2), &v))
            return false;
        out->octets[i] = (unsigned char)v;
    }
    return text.n == 32;
}

bool proc_route6_read(struct str line, struct proc_route *out)
{
    struct str w[10];
    struct proc_route r = {.bits = 0};
    uint64_t bits, flags;

    for (size_t i = 0; i < 10; i++)
        if (!str_word(&line, &w[i]))
            return false;
    if (!hex_octets(w[0], &r.to) || !hex_number(w[1], &bits) || bits > 128 || !hex_octets(w[4], &r.gateway) ||
        !hex_number(w[5], &r.metric) || !hex_number(w[7], &r.uses) || !hex_number(w[8], &flags))
        return false;
    r.bits = (unsigned)bits;
    r.flags = (unsigned)flags;
    r.interface = w[9];
    *out = r;
    return true;
}

const char *proc_route_flags(unsigned flags, char out[8])
{
    static const struct {
        unsigned bit;
        char letter;
    } letters[] = {{1, 'U'}, {2, 'G'}, {4, 'H'}, {0x10, 'D'}, {0x200, 'B'}};
    size_t n = 0;

    for (size_t i = 0; i < sizeof letters / sizeof *letters; i++)
        if (flags & letters[i].bit)
            out[n++] = letters[i].letter;
    out[n] = '\0';
    return out;
}

/* --- counters
 * --------------------------------------------------------------------------------------------------------------- */

uint64_t proc_counter(struct str text, const char *kind, const char *name)
{
    struct str line, names = STR_NONE, word, value;
    uint64_t v = 0;

    while (text.n && str_split(&text, '\n', &line)) {
        if (str_find(line, ':') != strlen(kind) || !str_starts(line, str_c(kind)))
            continue;
        line = str_from(line, strlen(kind) + 1);
        if (!names.n) {
            names = line;
            continue;
        }
        while (str_word(&names, &word) && str_word(&line, &value))
            if (str_eq(word, str_c(name)))
                return str_u64(value, &v) ? v : 0;
        return 0;
    }
    return 0;
}
