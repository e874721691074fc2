/* Input of put-slbl: never crashes, and what is no put as a whole changes nothing. The home does not exist, so that nothing
 * is ever written: every put fails in the end, and the version stays. */
#include "admin/slbl.h"
#include "base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct admin a = {.home = "/nonexistent/postern"};

    if (!a.slbl)
        must(slbl_open(&a, NULL) == RC_OK);
    must(slbl_put(&a, str_of(data, size), NULL) != RC_OK);
    must(slbl_version(&a) == 0);
    return 0;
}
