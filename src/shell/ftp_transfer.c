/*
 * FTP: transfers and listings over a data connection. See ftp_commands.def.
 *
 * Called through the table of ftp.c. Owns the file and the data connection while one runs. What cannot be read or written is
 * refused before the data connection is made; a broken or aborted one answers 426 and leaves no half file.
 */
#include "shell/ftp_inside.h"
#include "shell/ftp_list.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { AT_ONCE = 256 << 10 };

/* --- sending ------------------------------------------------------------------------------------------------------- */

/* TYPE A: lines end in CRLF on the wire. */
static void add_ascii(struct buf *out, struct str s)
{
    while (s.n) {
        struct str line = str_first(s, str_find(s, '\n'));

        buf_add(out, line);
        s = str_from(s, line.n);
        if (s.n) {
            buf_add(out, str_lit("\r\n"));
            s = str_from(s, 1);
        }
    }
}

static enum ftp_data_end send_ascii(struct ftp *f, int data, int file, uint64_t size)
{
    enum ftp_data_end end = DATA_WHOLE;
    struct buf out = BUF(2 * AT_ONCE + 2);
    char *chunk = malloc(AT_ONCE);
    ssize_t n;

    while (chunk && size && end == DATA_WHOLE) {
        n = read(file, chunk, size < AT_ONCE ? (size_t)size : AT_ONCE);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        size -= (uint64_t)n;
        buf_clear(&out);
        add_ascii(&out, str_of(chunk, (size_t)n));
        end = ftp_data_send(f, data, buf_str(&out));
    }
    if (!chunk || (size && end == DATA_WHOLE))
        end = DATA_BROKEN;
    free(chunk);
    buf_done(&out);
    return end;
}

void ftp_do_retr(struct ftp *f, struct str arg)
{
    struct err e = ERR_NONE;
    uint64_t from = f->rest;
    struct vpath p;
    struct vstat st;
    int file, data;

    f->rest = 0;
    if (!ftp_path(f, arg, &p))
        return;
    if (vroot_read(&f->root, &p, &file, &st, &e) != RC_OK) {
        ftp_reply_error(f, &p, &e);
        return;
    }
    if (from > st.size || (from && f->ascii))
        ftp_reply(f, 550, "The file has no such position.");
    else if (ftp_data_open(f, &data)) {
        ftp_reply(f, 150, "Sending %s (%llu bytes).", p.text, (unsigned long long)(st.size - from));
        peer_flush(&f->control);
        ftp_data_close(f, data,
                       f->ascii ? send_ascii(f, data, file, st.size) : ftp_data_send_file(f, data, file, from, st.size));
    }
    close(file);
}

/* --- receiving ----------------------------------------------------------------------------------------------------- */

/* TYPE A: CRLF becomes LF, also when the two come apart. Works in place. */
static size_t from_ascii(char *p, size_t n, bool *cr)
{
    size_t out = 0;

    for (size_t i = 0; i < n; i++) {
        if (p[i] == '\n' && *cr && out)
            out--;
        *cr = p[i] == '\r';
        p[out++] = p[i];
    }
    return out;
}

static enum ftp_data_end receive(struct ftp *f, int data, struct vwrite *w, uint64_t at, struct err *e)
{
    char *chunk = malloc(AT_ONCE + 1);
    enum ftp_data_end end = chunk ? DATA_WHOLE : DATA_BROKEN;
    bool cr = false;
    size_t n = 0;

    while (end == DATA_WHOLE) {
        size_t kept = cr; /* the CR that was written waits for what follows it */

        end = ftp_data_receive(f, data, chunk + kept, AT_ONCE, &n);
        if (end != DATA_WHOLE || n == 0)
            break;
        if (f->ascii) {
            if (kept) {
                chunk[0] = '\r';
                at--;
            }
            cr = false;
            n = from_ascii(chunk, n + kept, &cr);
        }
        if (vwrite_at(w, at, str_of(chunk, n), e) != RC_OK)
            break;
        at += n;
    }
    free(chunk);
    return end;
}

static void store(struct ftp *f, struct str arg, enum vwrite_mode mode, uint64_t at)
{
    struct err e = ERR_NONE;
    enum ftp_data_end end;
    struct vpath p;
    struct vwrite w;
    int data;

    f->rest = 0;
    if (!ftp_path(f, arg, &p))
        return;
    if (vwrite_begin(&f->root, &p, mode, &w, &e) != RC_OK) {
        ftp_reply_error(f, &p, &e);
        return;
    }
    at = at > w.size ? w.size : at;
    if (!ftp_data_open(f, &data)) {
        vwrite_abort(&w);
        return;
    }
    ftp_reply(f, 150, "Receiving %s.", p.text);
    peer_flush(&f->control);
    end = receive(f, data, &w, at, &e);
    if (end == DATA_WHOLE && e.rc == RC_OK)
        vwrite_commit(&w, &e);
    else
        vwrite_abort(&w);
    if (e.rc != RC_OK) {
        close(data);
        ftp_reply_error(f, &p, &e);
    } else
        ftp_data_close(f, data, end);
}

void ftp_do_stor(struct ftp *f, struct str arg)
{
    store(f, arg, f->rest ? VWRITE_KEEP : VWRITE_REPLACE, f->rest);
}

void ftp_do_appe(struct ftp *f, struct str arg)
{
    store(f, arg, VWRITE_KEEP, UINT64_MAX);
}

/* --- listings ------------------------------------------------------------------------------------------------------ */

void ftp_time(int64_t s, char out[FTP_TIME])
{
    time_t t = (time_t)s;
    struct tm tm;

    if (!gmtime_r(&t, &tm) || strftime(out, FTP_TIME, "%Y%m%d%H%M%S", &tm) == 0)
        out[0] = '\0';
}

void ftp_facts(struct str name, const struct vstat *st, struct buf *out)
{
    char when[FTP_TIME];

    ftp_time(st->mtime_s, when);
    if (st->folder)
        buf_addf(out, "type=dir;modify=%s;perm=%s; %.*s", when, st->writable ? "cel" : "el", STR(name));
    else
        buf_addf(out, "type=file;size=%llu;modify=%s;perm=%s; %.*s", (unsigned long long)st->size, when,
                 st->writable ? "adfrw" : "r", STR(name));
}

enum style { LONG, NAMES, FACTS };

/* What `arg` names: a folder's entries, those that fit a pattern, or one file. */
static enum rc entries(struct ftp *f, const struct vpath *p, struct arena *a, struct vlist *out, struct err *e)
{
    struct ventry *one;
    struct vpath folder;
    struct vstat st;

    if (vpath_has_pattern(p))
        return vroot_match(&f->root, p, a, &folder, out, e);
    TRY(vroot_stat(&f->root, p, &st, e));
    if (st.folder)
        return vroot_list(&f->root, p, a, out, e);
    if (!(one = arena_new(a, struct ventry)))
        return err_set(e, RC_NO_MEMORY, "Out of memory");
    *one = (struct ventry){str_c(p->file), st};
    *out = (struct vlist){one, 1};
    return RC_OK;
}

/* Names of a pattern or file keep the folder as the client wrote it, so that it can ask for them. */
static struct str prefix_of(const struct vpath *p, struct str arg)
{
    return p->file[0] ? str_first(arg, str_find_last(arg, '/') == arg.n ? 0 : str_find_last(arg, '/') + 1) : STR_NONE;
}

static void add_entry(struct buf *out, enum style style, struct str prefix, const struct ventry *entry)
{
    if (style == LONG)
        vroot_long_line(entry->name, &entry->st, out);
    else if (style == FACTS)
        ftp_facts(entry->name, &entry->st, out);
    else
        buf_addf(out, "%.*s%.*s", STR(prefix), STR(entry->name));
    buf_add(out, str_lit("\r\n"));
}

static void send_listing(struct ftp *f, struct str text)
{
    int data;

    if (!ftp_data_open(f, &data))
        return;
    ftp_reply(f, 150, "Here comes the listing.");
    peer_flush(&f->control);
    ftp_data_close(f, data, ftp_data_send(f, data, text));
}

static void list(struct ftp *f, struct str arg, enum style style)
{
    struct err e = ERR_NONE;
    struct buf out = BUF(VROOT_LIST_BYTES);
    struct vlist all = {0};
    struct vpath p;
    struct arena a;

    while (style != FACTS && str_starts(arg, str_lit("-"))) { /* `LIST -la`, as to a shell */
        size_t n = str_find(arg, ' ');

        arg = str_from(arg, n + 1);
    }
    if (!ftp_path(f, arg, &p))
        return;
    arena_init(&a, 4096, VROOT_LIST_BYTES);
    if (entries(f, &p, &a, &all, &e) != RC_OK)
        ftp_reply_error(f, &p, &e);
    else if (style == FACTS && p.file[0])
        ftp_reply(f, 501, "Not a directory.");
    else {
        for (size_t i = 0; i < all.n; i++) /* first: the argument is gone once more of the client's is read */
            add_entry(&out, style, prefix_of(&p, arg), &all.items[i]);
        send_listing(f, buf_str(&out));
    }
    arena_done(&a);
    buf_done(&out);
}

void ftp_do_list(struct ftp *f, struct str arg)
{
    list(f, arg, LONG);
}

void ftp_do_nlst(struct ftp *f, struct str arg)
{
    list(f, arg, NAMES);
}

void ftp_do_mlsd(struct ftp *f, struct str arg)
{
    list(f, arg, FACTS);
}
