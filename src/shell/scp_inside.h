/* What scp.c, scp_words.c, scp_source.c and scp_sink.c share. */
#ifndef SHELL_SCP_INSIDE_H
#define SHELL_SCP_INSIDE_H

#include "shell/peer.h"
#include "shell/scp.h"

enum { SCP_WORDS = 256, SCP_LINE_MAX = 2048, SCP_COMMAND_MAX = 32768 };

struct scp_request {
    bool from, to;      /* -f, -t */
    bool times, folder; /* -p, -d */
    bool recursive;     /* -r */
    const struct str *paths;
    size_t n;
};

/* The words of a command line as a shell would cut it: blanks, ' ', " ", backslash. RC_SYNTAX: open quote, too many. */
enum rc scp_words(struct arena *a, struct str line, struct strs *out, struct err *e);
enum rc scp_request_parse(struct arena *a, struct str line, struct scp_request *out, struct err *e);

struct scp {
    const struct vroot *v;
    const struct scp_request *request;
    struct peer *peer;
    unsigned errors;
};

/* One fault as the protocol tells it: \1, `scp: text`, LF. The caller goes on. */
void scp_fault(struct scp *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The other side's answer: true for 0; a warning counts as an error; a fatal one or the end marks the peer gone. */
bool scp_answer(struct scp *s);

void scp_send(struct scp *s);
void scp_receive(struct scp *s);

#endif
