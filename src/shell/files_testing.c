/*
 * Homes for tests of the file servers. See files_testing.h.
 *
 * Called by tests only. Owns the folder it makes. A failing set-up ends the process (must).
 */
#include "shell/files_testing.h"

#include "base/buf.h"
#include "base/io.h"
#include "base/must.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void tell(void *ctx, struct str what)
{
    struct files_home *h = ctx;
    size_t n = strlen(h->told);

    snprintf(h->told + n, sizeof h->told - n, "%.*s\n", STR(what));
}

static void make_folder(const struct files_home *h, const char *name)
{
    char path[200];

    snprintf(path, sizeof path, "%s/%s", h->path, name);
    must(mkdir(path, 0700) == 0);
}

void files_put(const struct files_home *h, const char *name, const void *p, size_t n)
{
    char path[600];
    FILE *f;

    snprintf(path, sizeof path, "%s/%s", h->path, name);
    must((f = fopen(path, "w")));
    must(fwrite(p, 1, n, f) == n);
    must(fclose(f) == 0);
}

char *files_get(const struct files_home *h, const char *name)
{
    char path[600];
    struct buf b = BUF(512 << 20);

    snprintf(path, sizeof path, "%s/%s", h->path, name);
    if (io_read_file(path, &b, NULL) != RC_OK) {
        buf_done(&b);
        return NULL;
    }
    buf_addc(&b, '\0');
    return b.p;
}

bool files_leaked(struct str said, struct str input)
{
    const char *left = "SECRET";

    for (size_t i = 0; i < input.n && *left; i++)
        left += input.p[i] == *left;
    return *left && str_find_str(said, str_lit("SECRET")) < said.n;
}

struct files_home *files_home_new(void)
{
    static const char *const folders[] = {"configuration", "captures", "log", "log/mail_logs", "log/bounces", "keys"};
    struct files_home *h = calloc(1, sizeof *h);

    must(h);
    snprintf(h->path, sizeof h->path, "/tmp/postern-files.XXXXXX");
    must(mkdtemp(h->path));
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        make_folder(h, folders[i]);
    files_put(h, "keys/host", "SECRET", 6);
    files_put(h, "log/stray", "SECRET", 6);
    files_put(h, "configuration/config.dtd", "<!ELEMENT config ANY>\n", 22);
    files_put(h, "captures/c.cap", "\xd4\xc3\xb2\xa1", 4);
    files_put(h, "log/mail_logs/mail.@20261121T100000.s", "first\n", 6);
    files_put(h, "log/mail_logs/mail.@20261121T110000.s", "second\n", 7);
    files_put(h, "log/mail_logs/mail.current", "now\n", 4);
    files_put(h, "log/bounces/bounces.text.current", "", 0);
    must(vroot_open(&h->v, h->path, NULL) == RC_OK);
    h->v.told = tell;
    h->v.ctx = h;
    return h;
}

void files_home_free(struct files_home *h)
{
    vroot_close(&h->v);
    must(files_shell(NULL, 0, "rm -rf %s", h->path) == 0);
    free(h);
}

void files_home_tidy(struct files_home *h)
{
    DIR *dir;
    const struct dirent *d;
    int fd = openat(h->v.configuration, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    must(fd >= 0 && (dir = fdopendir(fd)));
    while ((d = readdir(dir))) {
        if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0 || strcmp(d->d_name, "config.dtd") == 0)
            continue;
        must(d->d_name[0] != '.');
        must(unlinkat(fd, d->d_name, 0) == 0);
    }
    closedir(dir);
}

int files_shell(char *out, size_t room, const char *format, ...)
{
    char command[4096];
    size_t n = 0, got;
    va_list ap;
    FILE *f;
    int status;

    va_start(ap, format);
    got = (size_t)vsnprintf(command, sizeof command, format, ap);
    va_end(ap);
    must(got < sizeof command - 8);
    memcpy(command + got, " 2>&1", 6);
    must((f = popen(command, "r")));
    while (room > n + 1 && (got = fread(out + n, 1, room - n - 1, f)) > 0)
        n += got;
    if (room)
        out[n] = '\0';
    status = pclose(f);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
