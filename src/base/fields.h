/*
 * Typed rows to bytes and back: the one coder behind bus messages, events and settings snapshots.
 *
 * A table (bus.def, events.def) lists fields as F_U64(name) and F_STR(name), separated by spaces. The same row makes the
 * struct (FIELDS_AS_STRUCT) and its description (FIELDS_AS_TABLE). Every field is 8-aligned (uint64_t, or struct str of
 * 16 octets), so the description needs no offsets: fields lie one behind the other.
 */
#ifndef BASE_FIELDS_H
#define BASE_FIELDS_H

#include "base/buf.h"
#include "base/err.h"

enum field_type { FIELD_END, FIELD_U64, FIELD_STR };

struct field {
    const char *name;
    enum field_type type;
};

/* Appends the encoding of obj (varints and length-prefixed octets). Check out->failed. */
void fields_encode(const struct field *table, const void *obj, struct buf *out);
/* Fills obj_out; strings are views into `in`. Fields missing at the end stay zero and extra octets are ignored, so rows
 * may grow at their end. False when a field is cut. */
bool fields_decode(const struct field *table, struct str in, void *obj_out);
/* Octets of the struct that `table` describes. */
size_t fields_size(const struct field *table);
/* Field by name: its type and address inside obj; FIELD_END when there is none. */
enum field_type fields_find(const struct field *table, const void *obj, struct str name, const void **value_out);

#endif
