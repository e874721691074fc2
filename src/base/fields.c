/*
 * Typed rows to bytes and back. See fields.h.
 *
 * Called by bus, event and conf. Owns nothing; a cut encoding is refused, never read past its end.
 */
#include "base/fields.h"

#include "base/must.h"

static size_t width(enum field_type type)
{
    return type == FIELD_U64 ? sizeof(uint64_t) : sizeof(struct str);
}

void fields_encode(const struct field *table, const void *obj, struct buf *out)
{
    const char *at = obj;

    for (; table->type != FIELD_END; at += width(table->type), table++) {
        if (table->type == FIELD_U64)
            buf_put_varint(out, *(const uint64_t *)(const void *)at);
        else
            buf_put_str(out, *(const struct str *)(const void *)at);
    }
}

bool fields_decode(const struct field *table, struct str in, void *obj_out)
{
    char *at = obj_out;

    memset(obj_out, 0, fields_size(table));
    for (; table->type != FIELD_END && in.n; at += width(table->type), table++) {
        bool fits =
            table->type == FIELD_U64 ? get_varint(&in, (uint64_t *)(void *)at) : get_str(&in, (struct str *)(void *)at);

        if (!fits)
            return false;
    }
    return true;
}

size_t fields_size(const struct field *table)
{
    size_t n = 0;

    for (; table->type != FIELD_END; table++)
        n += width(table->type);
    return n;
}

enum field_type fields_find(const struct field *table, const void *obj, struct str name, const void **value_out)
{
    const char *at = obj;

    for (; table->type != FIELD_END; at += width(table->type), table++) {
        if (str_eq(name, str_c(table->name))) {
            *value_out = at;
            return table->type;
        }
    }
    return FIELD_END;
}
