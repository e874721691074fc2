/*
 * The shared page of all roles. See board.h.
 *
 * master creates it, everyone maps it. Pages nobody touches cost nothing. A board of another size or magic is refused.
 */
#include "base/board.h"

#include "base/clock.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const uint64_t MAGIC = 0x31445242504f5354u;

int board_create(void)
{
    int fd = memfd_create("postern-board", MFD_CLOEXEC);
    struct board *b;

    if (fd < 0)
        return -1;
    if (ftruncate(fd, (off_t)sizeof(struct board)) != 0 ||
        (b = mmap(NULL, sizeof *b, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)) == MAP_FAILED) {
        close(fd);
        return -1;
    }
    b->magic = MAGIC;
    b->size = sizeof *b;
    b->born_ms = clock_wall_ms();
    munmap(b, sizeof *b);
    return fd;
}

struct board *board_map(int fd)
{
    struct board *b;
    struct stat st;

    if (fstat(fd, &st) != 0 || st.st_size != (off_t)sizeof *b)
        return NULL;
    b = mmap(NULL, sizeof *b, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (b == MAP_FAILED)
        return NULL;
    if (b->magic != MAGIC || b->size != sizeof *b) {
        munmap(b, sizeof *b);
        return NULL;
    }
    return b;
}

uint64_t board_next(struct board *b, enum board_number which)
{
    return __atomic_add_fetch(&b->numbers[which], 1, __ATOMIC_SEQ_CST);
}

uint64_t board_last(const struct board *b, enum board_number which)
{
    return board_load(&b->numbers[which]);
}

void board_raise(struct board *b, enum board_number which, uint64_t v)
{
    uint64_t old = board_load(&b->numbers[which]);

    while (old < v && !__atomic_compare_exchange_n(&b->numbers[which], &old, v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        ;
}

void board_gauge_set(struct board *b, unsigned column, enum board_gauge g, uint64_t v)
{
    board_store(&b->gauges[column % BOARD_RECEIVERS][g], v);
}

void board_gauge_add(struct board *b, unsigned column, enum board_gauge g, int64_t v)
{
    __atomic_add_fetch(&b->gauges[column % BOARD_RECEIVERS][g], (uint64_t)v, __ATOMIC_RELAXED);
}

uint64_t board_gauge(const struct board *b, enum board_gauge g)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < BOARD_RECEIVERS; i++)
        sum += board_load(&b->gauges[i][g]);
    return sum;
}
