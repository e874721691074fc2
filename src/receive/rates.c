/*
 * Connections, recipients and unknown recipients per peer, exact over all receive processes (design-notes D5).
 *
 * Called by the session's steps. Each process writes its own column of board.rates and adds up all; master zeroes the column
 * of a dead process. A column is an open-addressed table: 16 places are tried, an entry without connections and of an
 * earlier hour is given to the next peer. When no place is free the peer is not counted (a limit then lets it pass).
 */
#include "receive/inside.h"

enum { PROBES = 16 };

static uint64_t this_hour(void)
{
    return clock_wall_ms() / 3600000;
}

uint64_t rate_key(const struct address_ip *ip, uint64_t bits)
{
    unsigned char octets[17] = {ip->family == AF_INET ? 4 : 6};
    size_t n = ip->family == AF_INET ? 4 : 8;

    memcpy(octets + 1, ip->octets, n);
    for (uint64_t bit = bits; ip->family == AF_INET && bit < 32; bit++)
        octets[1 + bit / 8] &= (unsigned char)~(0x80U >> (bit % 8));
    return str_hash(str_of(octets, n + 1)) | 1;
}

uint64_t rate_key_of(struct str text)
{
    return str_hashi(text) | 1;
}

uint64_t rate_key_listener(struct str name)
{
    return ~str_hashi(name) | 1;
}

static struct board_rate *find(struct board *b, unsigned column, uint64_t key)
{
    for (unsigned i = 0; i < PROBES; i++) {
        struct board_rate *e = &b->rates[column][(key + i) % BOARD_RATES];
        uint64_t k = board_load(&e->key);

        if (k == key)
            return e;
        if (!k)
            return NULL;
    }
    return NULL;
}

static struct board_rate *take(struct receive *r, uint64_t key)
{
    struct board_rate *free_one = NULL;
    uint64_t hour = this_hour();

    for (unsigned i = 0; i < PROBES; i++) {
        struct board_rate *e = &r->o.board->rates[r->o.index][(key + i) % BOARD_RATES];

        if (e->key == key)
            return e;
        if (!free_one && (!e->key || (!e->connections && e->hour != hour)))
            free_one = e;
        if (!e->key)
            break;
    }
    if (free_one) {
        board_store(&free_one->connections, 0);
        board_store(&free_one->recipients, 0);
        board_store(&free_one->bad_recipients, 0);
        board_store(&free_one->hour, hour);
        board_store(&free_one->key, key);
    }
    return free_one;
}

/* Zero the hour's counts when a new hour began. */
static void turn_hour(struct board_rate *e)
{
    uint64_t hour = this_hour();

    if (e->hour == hour)
        return;
    board_store(&e->recipients, 0);
    board_store(&e->bad_recipients, 0);
    board_store(&e->hour, hour);
}

uint64_t rate_connections(struct receive *r, uint64_t key)
{
    uint64_t sum = 0;

    for (unsigned c = 0; c < BOARD_RECEIVERS; c++) {
        const struct board_rate *e = find(r->o.board, c, key);

        sum += e ? board_load(&e->connections) : 0;
    }
    return sum;
}

static uint64_t sum_hour(struct receive *r, uint64_t key, bool bad)
{
    uint64_t sum = 0, hour = this_hour();

    for (unsigned c = 0; c < BOARD_RECEIVERS; c++) {
        const struct board_rate *e = find(r->o.board, c, key);

        if (e && board_load(&e->hour) == hour)
            sum += board_load(bad ? &e->bad_recipients : &e->recipients);
    }
    return sum;
}

uint64_t rate_recipients(struct receive *r, uint64_t key)
{
    return sum_hour(r, key, false);
}

uint64_t rate_bad(struct receive *r, uint64_t key)
{
    return sum_hour(r, key, true);
}

void rate_connected(struct receive *r, uint64_t key, int by)
{
    struct board_rate *e = by > 0 ? take(r, key) : find(r->o.board, r->o.index, key);

    if (e && (by > 0 || e->connections))
        board_store(&e->connections, e->connections + (uint64_t)(int64_t)by);
}

void rate_recipient(struct receive *r, uint64_t key)
{
    struct board_rate *e = take(r, key);

    if (!e)
        return;
    turn_hour(e);
    board_store(&e->recipients, e->recipients + 1);
}

void rate_bad_recipient(struct receive *r, uint64_t key)
{
    struct board_rate *e = take(r, key);

    if (!e)
        return;
    turn_hour(e);
    board_store(&e->bad_recipients, e->bad_recipients + 1);
}
