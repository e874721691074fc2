/* What sftp.c, sftp_wire.c, sftp_open.c and sftp_names.c share. */
#ifndef SHELL_SFTP_INSIDE_H
#define SHELL_SFTP_INSIDE_H

#include "shell/sftp.h"

enum { SFTP_STATUS = 101, SFTP_HANDLE = 102, SFTP_DATA = 103, SFTP_NAME = 104, SFTP_ATTRS = 105, SFTP_EXTENDED_REPLY = 201 };
enum { SFTP_OK = 0, SFTP_EOF = 1, SFTP_NO_FILE = 2, SFTP_DENIED = 3, SFTP_FAILURE = 4, SFTP_BAD = 5, SFTP_UNSUPPORTED = 8 };
enum { SFTP_ATTR_SIZE = 1, SFTP_ATTR_OWNER = 2, SFTP_ATTR_MODE = 4, SFTP_ATTR_TIMES = 8 };

enum handle_kind { HANDLE_NONE, HANDLE_READ, HANDLE_WRITE, HANDLE_FOLDER };

struct handle {
    enum handle_kind kind;
    uint32_t serial; /* a closed handle's name is not used again */
    int fd;          /* READ */
    struct vstat st;
    bool append;
    struct vwrite write;
    struct arena arena; /* FOLDER */
    struct vlist list;
    size_t next;
};

struct sftp {
    const struct vroot *v;
    struct buf *out;
    bool greeted;
    unsigned writes;
    uint32_t serial;
    struct handle handles[SFTP_HANDLES];
};

/* One request: answers itself; false = malformed (answered with BAD_MESSAGE by the caller). */
typedef bool sftp_request(struct sftp *s, uint32_t id, struct str in);
sftp_request sftp_open, sftp_close, sftp_read, sftp_write, sftp_fstat, sftp_fsetstat, sftp_opendir, sftp_readdir;
sftp_request sftp_stat, sftp_setstat, sftp_remove, sftp_refuse_folder, sftp_realpath, sftp_rename, sftp_extended;

void sftp_handle_free(struct sftp *s, struct handle *h);

/* Big-endian parts off the front of a request. */
bool sftp_take_u32(struct str *in, uint32_t *out);
bool sftp_take_u64(struct str *in, uint64_t *out);
bool sftp_take_str(struct str *in, struct str *out);
/* The path in the request; *ok_out false: there is none, answered already. */
bool sftp_take_path(struct sftp *s, uint32_t id, struct str *in, struct vpath *out, bool *ok_out);
/* Attributes: the size when it is given. */
bool sftp_take_size(struct str *in, bool *given_out, uint64_t *size_out);

void sftp_put_u32(struct buf *b, uint32_t v);
void sftp_put_u64(struct buf *b, uint64_t v);
void sftp_put_str(struct buf *b, struct str s);
void sftp_put_attrs(struct buf *b, const struct vstat *st);
/* A packet: begin gives its place, end writes its length there. */
size_t sftp_begin(struct sftp *s, uint8_t type, uint32_t id);
void sftp_end(struct sftp *s, size_t place);
void sftp_status(struct sftp *s, uint32_t id, uint32_t code, struct str text);
/* OK, or the code and text of the error. */
void sftp_result(struct sftp *s, uint32_t id, enum rc rc, const struct err *e);

#endif
