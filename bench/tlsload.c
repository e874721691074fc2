/*
 * STARTTLS load: `workers` processes connect, say EHLO, STARTTLS, do a full handshake (no resumption), EHLO, QUIT, for some
 * seconds; prints the number of sessions. Used by bench/run only.
 *
 *     tlsload PORT WORKERS SECONDS
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Reads one (multi-line) reply; false when the connection ended or it is no 2xx. */
static int reply(int fd, SSL *ssl)
{
    char b[4096];
    int n = 0, start = 0;

    for (;;) {
        int got = ssl ? SSL_read(ssl, b + n, (int)sizeof b - n) : (int)read(fd, b + n, sizeof b - (size_t)n);

        if (got <= 0)
            return 0;
        n += got;
        for (int i = start; i < n; i++) {
            if (b[i] != '\n')
                continue;
            if (i - start >= 3 && b[start + 3] != '-')
                return b[start] == '2';
            start = i + 1;
        }
        if (n == (int)sizeof b)
            return 0;
    }
}

static int say(int fd, SSL *ssl, const char *line)
{
    size_t n = strlen(line);

    if (ssl ? SSL_write(ssl, line, (int)n) <= 0 : write(fd, line, n) < 0)
        return 0;
    return reply(fd, ssl);
}

static int session(SSL_CTX *ctx, const struct sockaddr_in *to)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1, ok;
    SSL *ssl = SSL_new(ctx);

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    ok = connect(fd, (const struct sockaddr *)to, sizeof *to) == 0 && reply(fd, NULL) && say(fd, NULL, "EHLO load.test\r\n") &&
         say(fd, NULL, "STARTTLS\r\n") && SSL_set_fd(ssl, fd) && SSL_connect(ssl) == 1 && say(fd, ssl, "EHLO load.test\r\n") &&
         say(fd, ssl, "QUIT\r\n");
    SSL_free(ssl);
    close(fd);
    return ok;
}

int main(int argc, char **argv)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    int workers = argc == 4 ? atoi(argv[2]) : 0;
    long *done, failed = 0, total = 0;
    double start = seconds(), length;

    if (workers < 1 || workers > 512)
        return 2;
    length = atof(argv[3]);
    to.sin_port = htons((unsigned short)atoi(argv[1]));
    done = mmap(NULL, (size_t)workers * 2 * sizeof *done, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    for (int i = 0; i < workers; i++) {
        if (fork() == 0) {
            while (seconds() - start < length)
                done[session(ctx, &to) ? 2 * i : 2 * i + 1]++;
            _exit(0);
        }
    }
    while (wait(NULL) > 0)
        ;
    for (int i = 0; i < workers; i++) {
        total += done[2 * i];
        failed += done[2 * i + 1];
    }
    printf("sessions=%ld failed=%ld seconds=%.3f\n", total, failed, seconds() - start);
    return 0;
}
