/* What the files ftp*.c share. */
#ifndef SHELL_FTP_INSIDE_H
#define SHELL_FTP_INSIDE_H

#include "net/socket.h"
#include "shell/ftp.h"
#include "shell/peer.h"

struct ftp {
    const struct ftp_options *o;
    struct vroot root;
    struct peer control;
    struct address_ip peer, local; /* family 0: not a TCP connection */
    bool ending;
    /* login */
    char user[VNAME_MAX + 1];
    bool logged_in;
    unsigned failed;
    /* transfer parameters */
    bool ascii;
    uint64_t rest;
    struct vpath cwd, rename_from;
    bool renaming;
    /* data connection: where the next one comes from */
    int passive;              /* listening socket, -1 = none */
    struct address_ip active; /* family 0 = none */
};

typedef void ftp_command(struct ftp *f, struct str arg);
#define COMMAND(name, function, before_login, argument) ftp_command ftp_do_##function;
#include "shell/ftp_commands.def"
#undef COMMAND

/* "CODE text" and CRLF, sent with the next flush. */
void ftp_reply(struct ftp *f, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The reply that tells of an error in a file command. */
void ftp_reply_error(struct ftp *f, const struct vpath *p, const struct err *e);
void ftp_note(struct ftp *f, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Path argument; false: answered already. */
bool ftp_path(struct ftp *f, struct str arg, struct vpath *out);
/* One line of the client without its end. */
void ftp_line(struct ftp *f, struct str line);
void ftp_begin(struct ftp *f, const struct ftp_options *o, int in, int out);
void ftp_end(struct ftp *f);

/* Data connections (ftp_data.c). */
bool ftp_data_open(struct ftp *f, int *fd_out); /* false: answered 425 */
void ftp_data_forget(struct ftp *f);
enum ftp_data_end { DATA_WHOLE, DATA_BROKEN, DATA_ABORTED };
enum ftp_data_end ftp_data_send(struct ftp *f, int fd, struct str data);
enum ftp_data_end ftp_data_send_file(struct ftp *f, int fd, int file, uint64_t from, uint64_t to);
/* At least one octet; *got_out 0 = the client's end. */
enum ftp_data_end ftp_data_receive(struct ftp *f, int fd, char *room, size_t n, size_t *got_out);
/* Closes the data connection and answers 226, 426. */
void ftp_data_close(struct ftp *f, int fd, enum ftp_data_end end);

#endif
