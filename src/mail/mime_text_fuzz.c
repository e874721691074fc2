/* Fuzz target: values with parameters, encoded words, HTML, addresses, TNEF from hostile octets. */
#include "base/must.h"
#include "mail/mime_inside.h"
#include "mail/mime_url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = str_of(data, size), values[4], url, again;
    struct mime_params ps;
    struct mime_part part = {.raw = in, .type = str_lit("application/ms-tnef"), .path = str_lit("1")};
    struct arena a;
    struct mime m = {.arena = &a};

    arena_init(&a, 4096, 32 << 20);
    mime_params_read(&a, in, &ps);
    must(mime_params_all(&a, in, &ps, str_lit("boundary"), values, 4) <= 4);
    mime_decode_words(&a, in);
    must(mime_html_text(&a, in).n <= size + 1);
    url = mime_url_normal(&a, in);
    again = mime_url_normal(&a, url);
    must(!url.n || url.n > 4096 || again.n > 0);
    mime_tnef(&m, &part);
    arena_done(&a);
    return 0;
}
