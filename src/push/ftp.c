/*
 * Files to an FTP server (FW-01). See carry.h.
 *
 * Runs in the thread of a transfer. Owns one libcurl handle, so one control connection for all files. A file is written
 * under a temporary name and renamed once it is whole; whoever collects the logs there never sees half of one.
 */
#include "push/carry.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static int on_progress(void *ctx, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    struct carry *job = ctx;

    (void)a, (void)b, (void)c, (void)d;
    return atomic_load(&job->abort);
}

/* ftp://address:port/directory/name.part; a directory that begins with / is absolute. */
static bool add_path(CURL *curl, struct str directory, struct buf *out)
{
    struct str part;

    if (str_starts(directory, str_lit("/")))
        buf_add(out, str_lit("%2F"));
    while (str_split(&directory, '/', &part)) {
        char *escaped;

        if (!part.n)
            continue;
        escaped = curl_easy_escape(curl, part.p, (int)part.n);
        if (!escaped)
            return false;
        buf_addf(out, "%s/", escaped);
        curl_free(escaped);
    }
    return true;
}

static bool url_of(CURL *curl, const struct carry *job, const char *remote, struct buf *out)
{
    char ip[46];
    struct str text = ip_text(&job->at, ip);

    buf_addf(out, job->at.family == AF_INET6 ? "ftp://[%.*s]:%u/" : "ftp://%.*s:%u/", STR(text), job->at.port);
    if (!add_path(curl, str_c(job->directory), out))
        return false;
    buf_addf(out, "%s.part", remote);
    buf_addc(out, '\0');
    return !out->failed;
}

/* What happens once the file is there under its temporary name. */
static struct curl_slist *rename_commands(const char *remote)
{
    struct curl_slist *list = NULL;
    char line[400];

    snprintf(line, sizeof line, "*DELE %s",
             remote); /* may fail: some servers rename over what an earlier try left, some not */
    list = curl_slist_append(list, line);
    snprintf(line, sizeof line, "RNFR %s.part", remote);
    list = curl_slist_append(list, line);
    snprintf(line, sizeof line, "RNTO %s", remote);
    return curl_slist_append(list, line);
}

static void set_session(CURL *curl, struct carry *job, char *text)
{
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, text);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "ftp");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_USERNAME, *job->user ? job->user : "anonymous");
    curl_easy_setopt(curl, CURLOPT_PASSWORD, job->password);
    curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(curl, CURLOPT_FTP_CREATE_MISSING_DIRS, (long)CURLFTP_CREATE_DIR_RETRY);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CARRY_CONNECT_S);
    curl_easy_setopt(curl, CURLOPT_SERVER_RESPONSE_TIMEOUT, (long)CARRY_STALL_S);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)CARRY_STALL_S);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, job);
}

static enum rc send_file(CURL *curl, struct carry *job, const struct carry_file *f, char *text)
{
    struct buf url = BUF(8192);
    struct curl_slist *after = rename_commands(f->remote);
    FILE *in = fopen(f->path, "rbe");
    CURLcode code;

    if (!in || !after || !url_of(curl, job, f->remote, &url)) {
        int number = in ? ENOMEM : errno;

        if (in)
            fclose(in);
        curl_slist_free_all(after);
        buf_done(&url);
        return err_errno(&job->e, number, "%s", f->path);
    }
    text[0] = '\0';
    curl_easy_setopt(curl, CURLOPT_URL, url.p);
    curl_easy_setopt(curl, CURLOPT_READDATA, in);
    curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)f->bytes);
    curl_easy_setopt(curl, CURLOPT_POSTQUOTE, after);
    code = curl_easy_perform(curl);
    curl_easy_setopt(curl, CURLOPT_POSTQUOTE, NULL);
    curl_slist_free_all(after);
    buf_done(&url);
    fclose(in);
    if (code == CURLE_OK)
        return RC_OK;
    return err_set(&job->e, RC_CONNECT, "%s", text[0] ? text : curl_easy_strerror(code));
}

void carry_ftp(struct carry *job)
{
    char text[CURL_ERROR_SIZE];
    CURL *curl = curl_easy_init();

    if (!curl) {
        err_set(&job->e, RC_NO_MEMORY, "no memory");
        return;
    }
    set_session(curl, job, text);
    while (job->done < job->n && send_file(curl, job, &job->files[job->done], text) == RC_OK)
        job->done++;
    curl_easy_cleanup(curl);
}
