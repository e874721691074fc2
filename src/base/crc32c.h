/* CRC-32C (Castagnoli, RFC 3720 B.4), with the SSE4.2 instruction where the processor has it. */
#ifndef BASE_CRC32C_H
#define BASE_CRC32C_H

#include "base/str.h"

/* crc = 0 to begin; pass the result on for more data: crc32c(crc32c(0, a), b) == crc32c(0, ab). */
uint32_t crc32c(uint32_t crc, struct str data);

#endif
