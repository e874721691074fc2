/* Any octets as request target, Basic header and Host: what comes out keeps the promises of target.h. */
#include "base/must.h"
#include "web/target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = str_of(data, size), user, password, host;
    struct arena a;
    struct target t;

    arena_init(&a, 1024, 1 << 22);
    if (target_parse(&a, in, &t)) {
        must(t.path.n && t.path.p[0] == '/' && !memchr(t.path.p, 0, t.path.n));
        must(str_find_str(t.path, str_lit("/../")) == t.path.n && str_find_str(t.path, str_lit("//")) == t.path.n);
        for (size_t i = 0; i < t.n_parameters; i++)
            must(target_find(&t, t.parameters[i].name) != NULL);
        target_has_markup(&t);
    }
    if (basic_parse(&a, in, &user, &password))
        must(user.n + password.n < size && str_find(user, ':') == user.n);
    if (host_parse(in, &host))
        must(host.n && host.n <= size && str_find(host, ' ') == host.n);
    arena_done(&a);
    return 0;
}
