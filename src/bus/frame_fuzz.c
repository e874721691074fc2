/* Any octets as bus frames: never read past the end, each whole frame decodes inside its payload or is refused. */
#include "bus/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct str in = str_of(data, n);
    union frame_message message;
    struct frame f;

    while (frame_take(&in, &f) == FRAME_WHOLE)
        (void)fields_decode(bus_row(f.type)->fields, f.payload, &message);
    return 0;
}
