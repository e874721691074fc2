/*
 * winmail.dat: attachments of a TNEF stream (MS-OXTNEF 2.1.3), old style attributes. See mime.h.
 *
 * Called by scan. Members are views into the body of the part. A stream that is cut gives what was whole before.
 */
#include "mail/mime_inside.h"

#include "base/buf.h"

enum { SIGNATURE = 0x223e9f78, LEVEL_ATTACHMENT = 2, ATTACH_TITLE = 0x8010, ATTACH_DATA = 0x800f, REND_DATA = 0x9002 };

bool mime_tnef(struct mime *m, struct mime_part *p)
{
    struct str in = mime_body(m, p), name = STR_NONE, data = STR_NONE;
    uint32_t signature, id, n;
    uint16_t key;
    uint8_t level;

    if (!get_u32(&in, &signature) || signature != SIGNATURE || !get_u16(&in, &key))
        return false;
    p->archive = true;
    while (get_u8(&in, &level) && get_u32(&in, &id) && get_u32(&in, &n)) {
        struct str value = str_first(in, n);

        if (level == LEVEL_ATTACHMENT && (id & 0xffff) == REND_DATA && data.p) { /* the next attachment begins */
            mime_add_member(m, p, name, data);
            name = data = STR_NONE;
        }
        if ((id & 0xffff) == ATTACH_TITLE)
            name = str_first(value, str_find(value, '\0'));
        else if ((id & 0xffff) == ATTACH_DATA)
            data = value;
        if (in.n < (size_t)n + 2) {
            p->unscannable = str_lit("truncated");
            break;
        }
        in = str_from(in, (size_t)n + 2);
    }
    if (data.p)
        mime_add_member(m, p, name, data);
    return true;
}
