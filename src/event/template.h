/*
 * A text template of spec/events.def as a short program over the fields of its event. The language: top of events.def.
 */
#ifndef EVENT_TEMPLATE_H
#define EVENT_TEMPLATE_H

#include "event/render.h"

enum op_kind {
    OP_LITERAL,
    OP_U64,
    OP_PLAIN,
    OP_REPR,
    OP_RIDS,
    OP_LINES,
    OP_PAIRS,
    OP_CTIME, /* add something */
    OP_IF_U64,
    OP_IF_STR, /* go to `to` when 0 or empty */
    OP_CHOICE, /* `to` choices: that many OP_JUMP follow; takes the one with the number */
    OP_JUMP,
    OP_END
};

struct op {
    uint8_t kind;
    uint16_t field;     /* offset in the struct */
    uint32_t to;        /* op index; OP_CHOICE: number of choices */
    struct str literal; /* view into the template */
};

/* Appends the program to the array *ops (grown with realloc, *n_ops in use) and gives the index of its first op. RC_SYNTAX
 * with the reason when the template is wrong. Jumps are indices of the whole array. */
enum rc template_compile(const struct event_info *row, enum log_type log, enum log_dialect dialect, struct op **ops,
                         uint32_t *n_ops, uint32_t *start_out, struct err *e);
/* Runs a program over the fields of an event. */
void template_run(const struct op *ops, uint32_t start, const void *fields, struct buf *out);

#endif
