/*
 * CRC-32C by instruction or by table. See crc32c.h.
 *
 * Called by spool, event and export code. Owns one table, filled at first use where the instruction is missing.
 */
#include "base/crc32c.h"

static uint32_t by_table(uint32_t crc, struct str data)
{
    static uint32_t table[256];

    if (!table[1]) {
        for (uint32_t i = 0; i < 256; i++) {
            uint32_t c = i;

            for (int k = 0; k < 8; k++)
                c = c & 1 ? c >> 1 ^ 0x82f63b78u : c >> 1;
            table[i] = c;
        }
    }
    for (size_t i = 0; i < data.n; i++)
        crc = table[(crc ^ (unsigned char)data.p[i]) & 0xff] ^ crc >> 8;
    return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t by_instruction(uint32_t crc, struct str data)
{
    uint64_t c = crc;

    while (data.n >= 8) {
        uint64_t v;

        memcpy(&v, data.p, 8);
        c = __builtin_ia32_crc32di(c, v);
        data = str_from(data, 8);
    }
    for (size_t i = 0; i < data.n; i++)
        c = __builtin_ia32_crc32qi((uint32_t)c, (unsigned char)data.p[i]);
    return (uint32_t)c;
}
#endif

uint32_t crc32c(uint32_t crc, struct str data)
{
    crc = ~crc;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2"))
        return ~by_instruction(crc, data);
#endif
    return ~by_table(crc, data);
}
