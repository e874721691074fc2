/* Any octets as a path: clean, two levels at most, the same when cleaned again, never a dot name. */
#include "base/must.h"
#include "shell/vpath.h"

#include <stddef.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct str in = str_of(data, n), from = str_first(in, str_find(in, '\n'));
    struct vpath p, again;

    if (vpath_make(str_lit("/"), from, &p, NULL) != RC_OK)
        return 0;
    if (vpath_make(str_c(p.text), str_from(in, from.n + 1), &again, NULL) != RC_OK)
        again = p;
    must(again.text[0] == '/' && !strstr(again.text, "//") && !strstr(again.text, "/."));
    must(vpath_make(str_lit("/captures"), str_c(again.text), &p, NULL) == RC_OK);
    must(strcmp(p.text, again.text) == 0 && strcmp(p.file, again.file) == 0 && p.place == again.place);
    must(!strchr(p.folder, '/') && !strchr(p.file, '/') && (p.folder[0] || !p.file[0]));
    (void)vpath_has_pattern(&p);
    must(!vpath_may_write(str_c(p.file)) || p.file[0] != '.');
    return 0;
}
