/*
 * Files to an SSH server by SCP (FW-03, FW-04). See carry.h.
 *
 * Runs in the thread of a transfer. Owns the socket and the SSH session. The server must show a host key of ssh.known_hosts;
 * the login is by our own key. libssh reads no configuration, no files of a user and starts no program: the socket is ours.
 */
#include "push/carry.h"
#include "push/hostkey.h"
#include "push/key.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* --- who the server is ------------------------------------------------------------------------------------------------ */

static enum rc refuse_key(struct carry *job, enum hostkey verdict, ssh_key key, struct str type, struct str base64)
{
    static const char *const reasons[] = {
        [HOSTKEY_UNKNOWN] = "is not known", [HOSTKEY_OTHER] = "is not the one known", [HOSTKEY_REVOKED] = "is revoked"};
    unsigned char *hash = NULL;
    size_t n = 0;
    char *print = NULL;
    struct buf line = BUF(sizeof job->offered - 1);

    if (ssh_get_publickey_hash(key, SSH_PUBLICKEY_HASH_SHA256, &hash, &n) == SSH_OK)
        print = ssh_get_fingerprint_hash(SSH_PUBLICKEY_HASH_SHA256, hash, n);
    err_set(&job->e, RC_NOT_PERMITTED, "host key %s %s %s", type.p, print ? print : "", reasons[verdict]);
    hostkey_line(str_c(job->host), job->at.port, type, base64, &line);
    snprintf(job->offered, sizeof job->offered, "%.*s", STR(buf_str(&line)));
    buf_done(&line);
    ssh_string_free_char(print);
    ssh_clean_pubkey_hash(&hash);
    return RC_NOT_PERMITTED;
}

static enum rc check_server(struct carry *job, ssh_session session)
{
    ssh_key key = NULL;
    char *base64 = NULL;
    struct str type;
    enum hostkey verdict;
    enum rc rc = RC_OK;

    if (ssh_get_server_publickey(session, &key) != SSH_OK || ssh_pki_export_pubkey_base64(key, &base64) != SSH_OK) {
        ssh_key_free(key);
        return err_set(&job->e, RC_CONNECT, "the server shows no host key");
    }
    type = str_c(ssh_key_type_to_char(ssh_key_type(key)));
    if (ssh_key_type(key) >= SSH_KEYTYPE_ECDSA_P256 && ssh_key_type(key) <= SSH_KEYTYPE_ECDSA_P521)
        type = str_c(ssh_pki_key_ecdsa_name(key));
    verdict = hostkey_judge(job->known, str_c(job->host), job->at.port, type, str_c(base64));
    if (verdict != HOSTKEY_SAME)
        rc = refuse_key(job, verdict, key, type, str_c(base64));
    ssh_string_free_char(base64);
    ssh_key_free(key);
    return rc;
}

static enum rc log_in(struct carry *job, ssh_session session)
{
    ssh_key key = NULL;
    int result;

    TRY(push_key(job->home, job->comment, &key, &job->e));
    result = ssh_userauth_publickey(session, NULL, key);
    ssh_key_free(key);
    if (result == SSH_AUTH_SUCCESS)
        return RC_OK;
    return err_set(&job->e, RC_NOT_PERMITTED, "%s",
                   result == SSH_AUTH_ERROR ? ssh_get_error(session) : "the server does not accept our key");
}

static enum rc set_session(struct carry *job, ssh_session session)
{
    long timeout = CARRY_STALL_S;
    int port = job->at.port, no = 0;
    char text[46], ip[48];
    struct buf types = BUF(2000);
    bool good;

    snprintf(ip, sizeof ip, "%.*s", STR(ip_text(&job->at, text)));
    hostkey_types(job->known, str_c(job->host), job->at.port, &types);
    buf_addc(&types, '\0');
    good = ssh_options_set(session, SSH_OPTIONS_PROCESS_CONFIG, &no) == SSH_OK &&
           ssh_options_set(session, SSH_OPTIONS_HOST, ip) == SSH_OK &&
           ssh_options_set(session, SSH_OPTIONS_PORT, &port) == SSH_OK &&
           ssh_options_set(session, SSH_OPTIONS_USER, job->user) == SSH_OK &&
           ssh_options_set(session, SSH_OPTIONS_SSH_DIR, job->home) == SSH_OK &&
           ssh_options_set(session, SSH_OPTIONS_KNOWNHOSTS, "/dev/null") == SSH_OK &&
           ssh_options_set(session, SSH_OPTIONS_GLOBAL_KNOWNHOSTS, "/dev/null") == SSH_OK &&
           ssh_options_set(session, SSH_OPTIONS_TIMEOUT, &timeout) == SSH_OK &&
           (types.n == 1 || ssh_options_set(session, SSH_OPTIONS_HOSTKEYS, types.p) == SSH_OK);
    buf_done(&types);
    return good ? RC_OK : err_set(&job->e, RC_INVALID, "settings of SSH: %s", ssh_get_error(session));
}

/* --- the files -------------------------------------------------------------------------------------------------------- */

/* One octet: 0 = go on, else a line that says why not. */
static enum rc answer(struct carry *job, ssh_channel channel)
{
    char c, text[300];
    size_t n = 0;

    if (ssh_channel_read_timeout(channel, &c, 1, 0, CARRY_STALL_S * 1000) != 1) {
        int got = ssh_channel_read_timeout(channel, text, sizeof text - 1, 1, 1000);

        n = got > 0 ? str_find(str_of(text, (size_t)got), '\n') : 0;
        return err_set(&job->e, RC_CONNECT, "%.*s", n ? (int)n : 24, n ? text : "scp on the server ended ");
    }
    if (c == 0)
        return RC_OK;
    while (n < sizeof text && ssh_channel_read_timeout(channel, &text[n], 1, 0, CARRY_STALL_S * 1000) == 1 &&
           text[n] != '\n')
        n++;
    return err_set(&job->e, RC_CONNECT, "server: %.*s", (int)n, text);
}

static enum rc say(struct carry *job, ssh_channel channel, const void *p, size_t n)
{
    const char *at = p;

    while (n && !atomic_load(&job->abort)) {
        int sent = ssh_channel_write(channel, at, (uint32_t)n);

        if (sent <= 0)
            return err_set(&job->e, RC_CONNECT, "connection lost");
        at += sent;
        n -= (size_t)sent;
    }
    return n ? err_set(&job->e, RC_UNAVAILABLE, "given up") : RC_OK;
}

static enum rc say_file(struct carry *job, ssh_channel channel, const struct carry_file *f, int fd, char *block)
{
    char head[400];
    uint64_t left = f->bytes;
    int n = snprintf(head, sizeof head, "C0640 %llu %s\n", (unsigned long long)f->bytes, f->remote);

    TRY(say(job, channel, head, (size_t)n));
    TRY(answer(job, channel));
    while (left) {
        ssize_t got = read(fd, block, left < CARRY_BLOCK ? (size_t)left : CARRY_BLOCK);

        if (got <= 0)
            return err_errno(&job->e, got < 0 ? errno : EIO, "%s", f->path);
        TRY(say(job, channel, block, (size_t)got));
        left -= (uint64_t)got;
    }
    TRY(say(job, channel, "", 1));
    return answer(job, channel);
}

static enum rc send_file(struct carry *job, ssh_channel channel, const struct carry_file *f)
{
    int fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    char *block = malloc(CARRY_BLOCK);
    enum rc rc;

    if (fd < 0 || !block)
        rc = err_errno(&job->e, fd < 0 ? errno : ENOMEM, "%s", f->path);
    else
        rc = say_file(job, channel, f, fd, block);
    free(block);
    if (fd >= 0)
        close(fd);
    return rc;
}

/* The directory goes through a shell there: in single quotes. */
static void command_of(const char *directory, struct buf *out)
{
    buf_add(out, str_lit("scp -t -- '"));
    for (const char *p = *directory ? directory : "."; *p; p++) {
        if (*p == '\'')
            buf_add(out, str_lit("'\\''"));
        else
            buf_addc(out, *p);
    }
    buf_addc(out, '\'');
    buf_addc(out, '\0');
}

static enum rc send_files(struct carry *job, ssh_session session)
{
    ssh_channel channel = ssh_channel_new(session);
    struct buf command = BUF(4096);
    enum rc rc = RC_OK;

    command_of(job->directory, &command);
    if (!channel || ssh_channel_open_session(channel) != SSH_OK || ssh_channel_request_exec(channel, command.p) != SSH_OK)
        rc = err_set(&job->e, RC_CONNECT, "%s", ssh_get_error(session));
    if (rc == RC_OK)
        rc = answer(job, channel);
    while (rc == RC_OK && job->done < job->n) {
        rc = send_file(job, channel, &job->files[job->done]);
        job->done += rc == RC_OK;
    }
    if (channel) {
        ssh_channel_send_eof(channel);
        ssh_channel_free(channel);
    }
    buf_done(&command);
    return rc;
}

void carry_scp(struct carry *job)
{
    ssh_session session = ssh_new();

    if (!session) {
        err_set(&job->e, RC_NO_MEMORY, "no memory");
        return;
    }
    if (set_session(job, session) == RC_OK) {
        if (ssh_connect(session) != SSH_OK)
            err_set(&job->e, RC_CONNECT, "%s", ssh_get_error(session));
        else if (check_server(job, session) == RC_OK && log_in(job, session) == RC_OK)
            send_files(job, session);
        ssh_disconnect(session);
    }
    ssh_free(session);
}
