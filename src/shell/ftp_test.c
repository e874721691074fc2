/*
 * FTP: replies line by line, and Python's ftplib and curl as real clients (FW-01, FW-01a). The server is a child process
 * that serves each accepted connection in a child of its own, as role shell does.
 */
#include "base/clock.h"
#include "shell/files_testing.h"
#include "shell/ftp_inside.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { FIRST = 40000, LAST = 59999 };

struct world {
    struct files_home *h;
    struct ftp_options o;
    pid_t server;
    uint16_t port;
    int notes;
};

static enum rc login(void *ctx, struct str user, struct str passphrase, struct ftp_user *out, struct err *e)
{
    static const struct {
        const char *name;
        struct ftp_user user;
    } users[] = {{"admin", {0, false}}, {"viewer", {2, false}}, {"new", {0, true}}};

    (void)ctx;
    for (size_t i = 0; i < sizeof users / sizeof *users; i++)
        if (str_eq(user, str_c(users[i].name)) && str_eq(passphrase, str_lit("right"))) {
            *out = users[i].user;
            return RC_OK;
        }
    return err_set(e, RC_AUTH_FAILED, "no");
}

static void note(void *ctx, struct str line)
{
    const struct world *w = ctx;

    dprintf(w->notes, "%.*s\n", STR(line));
}

static int listener(const char *ip, uint16_t *port_out)
{
    struct address_ip at;
    struct sockaddr_storage sa;
    socklen_t n;
    int fd;

    assert_true(ip_parse(str_c(ip), &at));
    n = ip_to_sockaddr(&at, &sa);
    fd = socket(at.family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&sa, n), 0);
    assert_int_equal(listen(fd, 20), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &n), 0);
    ip_from_sockaddr((struct sockaddr *)&sa, &at);
    *port_out = at.port;
    return fd;
}

static void serve_all(struct world *w, int listening)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a failing test leaves no server behind */
    signal(SIGCHLD, SIG_IGN);
    for (;;) {
        int fd = accept(listening, NULL, NULL);

        if (fd >= 0 && fork() == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            close(listening);
            ftp_serve(&w->o, fd, fd);
            _exit(0);
        }
        close(fd);
    }
}

/* A server at that address; change w->o by `adjust` first. */
static struct world *world_new(const char *ip, void (*adjust)(struct ftp_options *o))
{
    struct world *w = calloc(1, sizeof *w);
    char path[200];
    int fd;

    assert_non_null(w);
    w->h = files_home_new();
    snprintf(path, sizeof path, "%s/notes", w->h->path);
    w->notes = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    w->o = (struct ftp_options){.root = w->h->v,
                                .gate = {login, note, w},
                                .hostname = "mx.test",
                                .passive_first = FIRST,
                                .passive_last = LAST,
                                .active = true,
                                .idle_ms = 20000,
                                .login_ms = 20000,
                                .data_wait_ms = 5000};
    if (adjust)
        adjust(&w->o);
    fd = listener(ip, &w->port);
    w->server = fork();
    if (w->server == 0)
        serve_all(w, fd);
    close(fd);
    return w;
}

static void world_free(struct world *w)
{
    kill(w->server, SIGKILL);
    waitpid(w->server, NULL, 0);
    close(w->notes);
    files_home_free(w->h);
    free(w);
}

static int dial(const char *from, const char *ip, uint16_t port)
{
    struct address_ip at;
    struct sockaddr_storage sa;
    socklen_t n;
    int fd;

    assert_true(ip_parse(str_c(from), &at));
    n = ip_to_sockaddr(&at, &sa);
    fd = socket(at.family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&sa, n), 0);
    assert_true(ip_parse(str_c(ip), &at));
    at.port = port;
    n = ip_to_sockaddr(&at, &sa);
    if (connect(fd, (struct sockaddr *)&sa, n) == 0)
        return fd;
    close(fd);
    return -1;
}

/* Reads until the reply is whole (its last line begins `NNN `); the caller's buffer holds it. */
static void reply(int fd, char *out, size_t room)
{
    size_t n = 0, line = 0;

    while (n + 1 < room && read(fd, out + n, 1) == 1)
        if (out[n++] == '\n') {
            if (n - line > 4 && ascii_digit(out[line]) && out[line + 3] == ' ')
                break;
            line = n;
        }
    out[n] = '\0';
}

/* Sends the line, and the reply must begin so. */
static void expect(int fd, const char *line, const char *expected)
{
    char out[4000];

    if (line[0])
        assert_int_equal(write(fd, line, strlen(line)), strlen(line));
    reply(fd, out, sizeof out);
    if (strncmp(out, expected, strlen(expected)) != 0)
        fail_msg("after %s: %s not %s", line, out, expected);
}

static int greeted(const struct world *w)
{
    int fd = dial("127.0.0.1", "127.0.0.1", w->port);

    assert_true(fd >= 0);
    expect(fd, "", "220 mx.test FTP server ready.\r\n");
    return fd;
}

static int logged_in(const struct world *w)
{
    int fd = greeted(w);

    expect(fd, "USER admin\r\n", "331 ");
    expect(fd, "PASS right\r\n", "230 ");
    return fd;
}

static void ended(int fd)
{
    char c;

    assert_int_equal(read(fd, &c, 1), 0);
    close(fd);
}

/* Asks for a passive port. */
static uint16_t passive(int fd)
{
    char out[400];
    int port;

    assert_int_equal(write(fd, "EPSV\r\n", 6), 6);
    reply(fd, out, sizeof out);
    assert_int_equal(sscanf(out, "229 Entering Extended Passive Mode (|||%d|).", &port), 1);
    return (uint16_t)port;
}

/* cli.md 5, issue: the same answer for an unknown user and a wrong passphrase, three tries, nobody anonymous. */
static void logins_are_guarded(void **state)
{
    struct world *w = world_new("127.0.0.1", NULL);
    int fd = greeted(w);
    char *notes;

    (void)state;
    expect(fd, "LIST\r\n", "530 Please log in with USER and PASS.\r\n");
    expect(fd, "PASS x\r\n", "503 ");
    expect(fd, "USER anonymous\r\n", "331 Passphrase required.\r\n");
    expect(fd, "PASS me@\r\n", "530 Login incorrect.\r\n");
    expect(fd, "USER admin\r\n", "331 Passphrase required.\r\n");
    expect(fd, "PASS wrong\r\n", "530 Login incorrect.\r\n");
    expect(fd, "USER nobody\r\n", "331 Passphrase required.\r\n");
    expect(fd, "PASS right\r\n", "421 Too many failed logins.\r\n");
    ended(fd);
    fd = greeted(w);
    expect(fd, "USER viewer\r\n", "331 Passphrase required.\r\n");
    expect(fd, "PASS right\r\n", "530 This user has no file access.\r\n");
    ended(fd);
    fd = greeted(w);
    expect(fd, "USER new\r\n", "331 Passphrase required.\r\n");
    expect(fd, "PASS right\r\n", "530 The passphrase must be changed first: log in by SSH.\r\n");
    ended(fd);
    fd = logged_in(w);
    expect(fd, "USER admin\r\n", "530 Already logged in.\r\n");
    expect(fd, "QUIT\r\n", "221 ");
    ended(fd);
    notes = files_get(w->h, "notes");
    assert_non_null(strstr(notes, "login as admin failed\n"));
    assert_non_null(strstr(notes, "logged in\n"));
    assert_null(strstr(notes, "right"));
    free(notes);
    world_free(w);
}

static void odd_lines_get_their_replies(void **state)
{
    struct world *w = world_new("127.0.0.1", NULL);
    char line[6000];
    int fd = logged_in(w);

    (void)state;
    memset(line, 'a', sizeof line);
    strcpy(line + sizeof line - 3, "\r\n");
    expect(fd, line, "500 Line too long.\r\n");
    expect(fd, "\r\n", "500 Unknown command.\r\n");
    expect(fd, "SITE EXEC id\r\n", "500 Unknown command.\r\n");
    expect(fd, "pwd\n", "257 \"/\" is the current directory.\r\n");
    expect(fd, "PWD x\r\n", "501 ");
    expect(fd, "CWD\r\n", "501 ");
    expect(fd, "CWD /keys\r\n", "550 /keys: No such file or directory.\r\n");
    expect(fd, "CWD ../../mail_logs\r\n", "250 ");
    expect(fd, "RETR mail.current\r\n", "425 Use PASV");
    expect(fd, "RETR ../keys/host\r\n", "550 ");
    expect(fd, "RETR a\tb\r\n", "553 ");
    expect(fd, "STOR x\r\n", "550 /mail_logs/x: Permission denied.\r\n");
    expect(fd, "DELE mail.current\r\n", "550 ");
    expect(fd, "MKD /configuration/x\r\n", "550 ");
    expect(fd, "TYPE E\r\n", "504 ");
    expect(fd, "SIZE mail.current\r\n", "550 SIZE needs TYPE I.\r\n");
    expect(fd, "TYPE I\r\nSIZE mail.current\r\n", "200 ");
    expect(fd, "", "213 4\r\n");
    expect(fd, "REST -1\r\n", "501 ");
    expect(fd, "RNTO x\r\n", "503 ");
    expect(fd, "RNFR /configuration/config.dtd\r\n", "350 ");
    expect(fd, "NOOP\r\n", "200 ");
    expect(fd, "RNTO /configuration/x\r\n", "503 ");
    expect(fd, "FEAT\r\n", "211-Features:\r\n");
    expect(fd, "MLST /configuration/config.dtd\r\n", "250-File:\r\n type=file;size=22;modify=");
    expect(fd,
           "\xff\xf4\xff\xf2"
           "ABOR\r\n",
           "226 ");
    close(fd);
    world_free(w);
}

/* FW-01a, RFC 2577: data connections to others and to low ports are refused, and so are others on the passive port. */
static void data_connections_are_the_clients_own(void **state)
{
    struct world *w = world_new("127.0.0.1", NULL);
    int fd = logged_in(w), other, data;
    char out[400];
    uint16_t port;

    (void)state;
    expect(fd, "PORT 127,0,0,2,200,1\r\n", "500 ");
    expect(fd, "PORT 127,0,0,1,0,25\r\n", "500 ");
    expect(fd, "PORT 127,0,0,1,1\r\n", "501 ");
    expect(fd, "EPRT |1|127.0.0.2|50000|\r\n", "500 ");
    expect(fd, "EPRT |2|::1|50000|\r\n", "500 ");
    expect(fd, "EPRT |1|127.0.0.1|70000|\r\n", "501 ");
    port = passive(fd);
    other = dial("127.0.0.2", "127.0.0.1", port);
    assert_true(other >= 0);
    data = dial("127.0.0.1", "127.0.0.1", port);
    assert_true(data >= 0);
    expect(fd, "NLST /mail_logs/*.s\r\n", "150 ");
    expect(fd, "", "226 ");
    assert_int_equal(read(other, out, sizeof out), 0);
    assert_int_equal(read(data, out, sizeof out), 2 * strlen("/mail_logs/mail.@20261121T100000.s\r\n"));
    close(other);
    close(data);
    close(fd);
    world_free(w);
}

static void narrow(struct ftp_options *o)
{
    o->passive_first = 45670;
    o->passive_last = 45671;
    o->active = false;
}

/* FW-01a: our range can be narrowed, active mode can be off. */
static void the_passive_range_is_kept(void **state)
{
    struct world *w = world_new("127.0.0.1", narrow);
    int fd = logged_in(w);

    (void)state;
    for (int i = 0; i < 6; i++)
        assert_in_range(passive(fd), 45670, 45671);
    expect(fd, "PORT 127,0,0,1,200,1\r\n", "502 ");
    close(fd);
    world_free(w);
}

/* A transfer ends at ABOR, also when it comes as urgent data; what was uploaded half is gone. */
static void transfers_can_be_aborted(void **state)
{
    struct world *w = world_new("127.0.0.1", NULL);
    int fd = logged_in(w), data;

    (void)state;
    assert_int_equal(files_shell(NULL, 0, "head -c 50000000 /dev/zero >%s/log/mail_logs/large.s", w->h->path), 0);
    expect(fd, "TYPE I\r\n", "200 ");
    data = dial("127.0.0.1", "127.0.0.1", passive(fd));
    expect(fd, "RETR /mail_logs/large.s\r\n", "150 ");
    assert_int_equal(send(fd,
                          "\xff\xf4\xff\xf2"
                          "ABOR\r\n",
                          10, MSG_OOB),
                     10);
    expect(fd, "", "426 Transfer aborted.\r\n");
    expect(fd, "", "226 ");
    close(data);
    data = dial("127.0.0.1", "127.0.0.1", passive(fd));
    expect(fd, "STOR /configuration/half\r\n", "150 ");
    assert_int_equal(write(data, "half", 4), 4);
    expect(fd, "ABOR\r\n", "426 ");
    expect(fd, "", "226 ");
    close(data);
    expect(fd, "MLST /configuration/half\r\n", "550 ");
    data = dial("127.0.0.1", "127.0.0.1", passive(fd));
    expect(fd, "RETR /mail_logs/large.s\r\n", "150 ");
    close(data);
    expect(fd, "", "426 The data connection broke.\r\n");
    expect(fd, "NOOP\r\n", "200 ");
    close(fd);
    world_free(w);
}

static void impatient(struct ftp_options *o)
{
    o->idle_ms = o->login_ms = o->data_wait_ms = 100;
}

/* Idle sessions end, also those that never log in and drip octets. */
static void idle_sessions_end(void **state)
{
    struct world *w = world_new("127.0.0.1", impatient);
    int fd = greeted(w);

    (void)state;
    for (int i = 0; i < 5; i++) {
        (void)!write(fd, "N", 1);
        usleep(30000);
    }
    expect(fd, "", "421 Idle too long, closing.\r\n");
    close(fd);
    fd = logged_in(w);
    passive(fd);
    expect(fd, "LIST\r\n", "425 The data connection could not be made.\r\n");
    expect(fd, "", "421 Idle too long, closing.\r\n");
    close(fd);
    world_free(w);
}

static const char python_client[] =
    "import ftplib, io, os, sys\n"
    "host, port = sys.argv[1], int(sys.argv[2])\n"
    "for passive in (True, False):\n"
    "    f = ftplib.FTP()\n"
    "    f.connect(host, port, 10), f.login('admin', 'right'), f.set_pasv(passive)\n"
    "    assert sorted(f.nlst()) == ['antivirus', 'bounces', 'captures', 'configuration', 'mail_logs'], f.nlst()\n"
    "    f.cwd('mail_logs')\n"
    "    lines = []\n"
    "    f.retrlines('LIST -la *.s', lines.append)\n"
    "    assert len(lines) == 3 and lines[0].startswith('-r--r--r--'), lines\n"
    "    assert dict(f.mlsd('/configuration'))['config.dtd']['size'] == '22'\n"
    "    out = io.BytesIO()\n"
    "    f.retrbinary('RETR large.s', out.write)\n"
    "    large = open('log/mail_logs/large.s', 'rb').read()\n"
    "    assert out.getvalue() == large\n"
    "    out = io.BytesIO()\n"
    "    f.retrbinary('RETR large.s', out.write, rest=5000000)\n"
    "    assert out.getvalue() == large[5000000:]\n"
    "    lines = []\n"
    "    f.retrlines('RETR mail.current', lines.append)\n"
    "    assert lines == ['now'], lines\n"
    "    f.storbinary('STOR //configuration/config.xml', io.BytesIO(large))\n"
    "    assert open('configuration/config.xml', 'rb').read() == large\n"
    "    f.storbinary('STOR //configuration/config.xml', io.BytesIO(b'tail'), rest=10)\n"
    "    assert open('configuration/config.xml', 'rb').read() == large[:10] + b'tail' + large[14:]\n"
    "    f.storlines('STOR /configuration/lines', io.BytesIO(b'a\\nb\\n' * 200000))\n"
    "    assert open('configuration/lines', 'rb').read() == b'a\\nb\\n' * 200000\n"
    "    f.voidcmd('TYPE I'); assert f.size('/configuration/lines') == 800000\n"
    "    f.rename('/configuration/lines', '/configuration/x'), f.delete('/configuration/x')\n"
    "    assert f.sendcmd('MDTM mail.current').startswith('213 20')\n"
    "    try:\n"
    "        f.storbinary('STOR /configuration/big', io.BytesIO(bytes(66 << 20))), sys.exit('too large and taken')\n"
    "    except (ftplib.error_perm, OSError):\n"
    "        pass\n"
    "    assert not os.path.exists('configuration/big') and os.listdir('configuration').count('config.xml') == 1\n"
    "    assert not [n for n in os.listdir('configuration') if n.startswith('.')]\n"
    "    f.close()\n"
    "print('fine')\n";

/* FW-01, FW-01a: Python's ftplib, passive and active, reads logs and writes configuration files. */
static void assert_ftplib_works(const char *ip)
{
    struct world *w = world_new(ip, NULL);
    char out[4000];

    files_put(w->h, "client.py", python_client, strlen(python_client));
    files_shell(out, sizeof out, "cd %s && head -c 9000000 /dev/urandom >log/mail_logs/large.s && python3 client.py %s %u",
                w->h->path, ip, w->port);
    assert_string_equal(out, "fine\n");
    world_free(w);
}

static void ftplib_works(void **state)
{
    (void)state;
    assert_ftplib_works("127.0.0.1");
    assert_ftplib_works("::1");
}

/* FW-01: curl lists, fetches (also from a position) and uploads. */
static void curl_works(void **state)
{
    struct world *w = world_new("127.0.0.1", NULL);
    char out[4000];

    (void)state;
    files_shell(
        out, sizeof out,
        "cd %s && C='curl -sS --user admin:right' U=ftp://127.0.0.1:%u && $C --list-only $U/mail_logs/ | tr -d '\\r' && "
        "$C $U/mail_logs/mail.@20261121T110000.s && $C -C 3 $U/mail_logs/mail.current && "
        "$C -T captures/c.cap $U//configuration/config.xml && cmp captures/c.cap configuration/config.xml && "
        "$C --ftp-port - $U/mail_logs/mail.current && curl -sS --user admin:no $U/ ",
        w->h->path, w->port);
    assert_string_equal(out, "mail.@20261121T100000.s\nmail.@20261121T110000.s\nmail.current\nsecond\n\nnow\n"
                             "curl: (67) Access denied: 530\n");
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logins_are_guarded),
        cmocka_unit_test(odd_lines_get_their_replies),
        cmocka_unit_test(data_connections_are_the_clients_own),
        cmocka_unit_test(the_passive_range_is_kept),
        cmocka_unit_test(transfers_can_be_aborted),
        cmocka_unit_test(idle_sessions_end),
        cmocka_unit_test(ftplib_works),
        cmocka_unit_test(curl_works),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
