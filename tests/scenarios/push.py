"""Role push against real servers on loopback: vsftpd, OpenSSH's sshd, rsyslog."""
import glob, os, pwd, re, shutil, signal, socket, subprocess, tempfile, time

from lib import MESSAGE, free_port, wait_for

RAT = 'listener.InboundMail.rat=ALL ACCEPT'


class Peer:
    """A server with a directory of its own; ends with the scenario."""

    def __init__(self, t):
        self.dir, self.proc = tempfile.mkdtemp(prefix='postern-push.'), None
        os.chmod(self.dir, 0o755)
        t.things.append(self)

    def run(self, *command):
        self.err = open(self.dir + '/stderr', 'ab')
        self.proc = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.err, stderr=self.err)

    def wait_port(self, port):
        def up():
            assert self.proc.poll() is None, open(self.dir + '/stderr').read()
            try:
                socket.create_connection(('127.0.0.1', port), 1).close()
                return True
            except OSError:
                return False
        wait_for('port %d' % port, up)

    def stop(self, sig=signal.SIGTERM):
        if self.proc and self.proc.poll() is None:
            self.proc.send_signal(sig)
            self.proc.wait(10)

    def close(self):
        self.stop(signal.SIGKILL)
        shutil.rmtree(self.dir, ignore_errors=True)


class Rsyslog(Peer):
    """rsyslogd that writes what arrives, raw, to a file. kind: udp, tcp, tls."""

    def __init__(self, t, kind, name='localhost'):
        super().__init__(t)
        self.kind, self.port, self.out = kind, free_port(), self.dir + '/out'
        conf = ['global(workDirectory="%s")' % self.dir, 'template(name="raw" type="string" string="%rawmsg%\\n")']
        if kind == 'udp':
            conf += ['module(load="imudp")', 'input(type="imudp" address="127.0.0.1" port="%d" rcvbufSize="4m" ruleset="r")' % self.port]
        elif kind == 'tcp':
            conf += ['module(load="imtcp")', 'input(type="imtcp" address="127.0.0.1" port="%d" ruleset="r")' % self.port]
        else:
            self.make_certificates(name)
            conf += ['global(defaultNetstreamDriver="ossl" defaultNetstreamDriverCAFile="{0}/ca.pem" defaultNetstreamDriverCertFile="{0}/cert.pem" '
                     'defaultNetstreamDriverKeyFile="{0}/key.pem")'.format(self.dir),
                     'module(load="imtcp" StreamDriver.Name="ossl" StreamDriver.Mode="1" StreamDriver.AuthMode="anon")',
                     'input(type="imtcp" address="127.0.0.1" port="%d" ruleset="r")' % self.port]
        conf += ['ruleset(name="r") { action(type="omfile" file="%s" template="raw") }' % self.out]
        with open(self.dir + '/conf', 'w') as f:
            f.write('\n'.join(conf) + '\n')
        self.start()

    def make_certificates(self, name):
        def openssl(*a):
            subprocess.run(['openssl', *a], cwd=self.dir, check=True, capture_output=True)
        openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=test ca', '-days', '9')
        openssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', 'key.pem', '-out', 'req.pem', '-subj', '/CN=' + name)
        with open(self.dir + '/ext', 'w') as f:
            f.write('subjectAltName=' + ('IP:' if name[0].isdigit() else 'DNS:') + name + '\n')
        openssl('x509', '-req', '-in', 'req.pem', '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-out', 'cert.pem', '-days', '9', '-extfile', 'ext')

    def start(self):
        self.run('/usr/sbin/rsyslogd', '-n', '-i', self.dir + '/pid', '-f', self.dir + '/conf')
        if self.kind == 'udp':
            wait_for('rsyslogd', lambda: re.search(':%04X ' % self.port, open('/proc/net/udp').read()))
        else:
            self.wait_port(self.port)

    def lines(self):
        if not os.path.exists(self.out):
            return []
        return open(self.out, encoding='utf-8', errors='replace').read().splitlines()


def syslog_settings(peer, *more):
    return (RAT, 'log.mail_logs.type=mail', 'log.mail_logs.retrieval=syslog', 'log.mail_logs.host=127.0.0.1', 'log.mail_logs.port=%d' % peer.port,
            'log.mail_logs.protocol=' + peer.kind, 'log.system_logs.type=system') + (('log.mail_logs.max_files=100',) if 'max_files' not in ' '.join(more) else ()) + more


def expected(home, host, facility=20):
    """The lines of mail_logs as they must arrive: logs.md 10."""
    out = []
    for line in home.log().splitlines():
        m = re.fullmatch(r'\w{3} (\w{3} [ \d]\d [\d:]{8}) \d{4} (\w+): (.*)', line)
        if re.match(r'(Begin|End) Logfile$|Version: .* SN: |Time offset from UTC: ', m.group(3)):
            continue
        severity = {'Critical': 2, 'Warning': 4, 'Info': 6, 'Debug': 7, 'Trace': 7}[m.group(2)]
        out.append('<%d>%s%s mail_logs: %s: %s' % (facility * 8 + severity, m.group(1), ' ' + host if host else '', m.group(2), m.group(3)))
    return out


def send(home, n):
    s = home.smtp()
    for _ in range(n):
        r = s.send('a@sender.test', 'b@rcpt.test', MESSAGE)
        assert r[0] == 250, r
    s.quit()


def hostname(home):
    return re.search(r'hostname\s*=?\s*(\S+)', home.cli('settings', 'show', 'system.hostname')).group(1)


def all_there(home, peer, host):
    want, got = expected(home, host), peer.lines()
    return want and set(want) <= set(got) and (want, got)


def syslog(t, kind):
    sink, peer = t.sink(), Rsyslog(t, kind, '127.0.0.1')
    more = ('log.mail_logs.ca_file=%s/ca.pem' % peer.dir,) if kind == 'tls' else ()
    g = t.home(settings=syslog_settings(peer, *more), sink_port=sink.port)
    send(g, 20)
    wait_for('delivery', lambda: len(sink.messages) == 20)
    wait_for('the log of it', lambda: g.log().count('Message finished') == 20)
    want, got = wait_for('all lines at rsyslog', lambda: all_there(g, peer, hostname(g)))
    assert got == want, 'lines came twice or in another order'
    g.wait_log(r'lines go to syslog server 127.0.0.1 port %d by %s' % (peer.port, kind.upper()), 'system_logs')


def test_syslog_udp(t):
    """FW-40: the lines of a log go to a syslog server by UDP, in the form of logs.md 10, each once and in order."""
    syslog(t, 'udp')


def test_syslog_tcp(t):
    """FW-40: the same by TCP."""
    syslog(t, 'tcp')


def test_syslog_tls(t):
    """FW-40, FW-55: the same by TLS."""
    syslog(t, 'tls')


def test_syslog_tls_wrong_name(t):
    """FW-55: a syslog server whose certificate is for another name gets no line; the reason is told once."""
    peer = Rsyslog(t, 'tls', 'other.test')
    g = t.home(settings=syslog_settings(peer, 'log.mail_logs.ca_file=%s/ca.pem' % peer.dir))
    g.wait_log(r'cannot be reached by TLS: certificate refused: .*mismatch', 'system_logs')
    send(g, 2)
    g.wait_log('ready')
    time.sleep(0.5)
    assert not peer.lines()
    assert len(re.findall('cannot be reached', g.log('system_logs'))) == 1


def test_syslog_tcp_no_loss(t):
    """FW-40: the server is killed in the middle of a load, the log rolls over, the server comes back: no line is lost by TCP."""
    sink, peer = t.sink(), Rsyslog(t, 'tcp')
    g = t.home(settings=syslog_settings(peer), sink_port=sink.port)
    for round in range(3):
        send(g, 150)
        peer.stop(signal.SIGKILL)
        send(g, 150)
        g.cli('rollovernow', 'mail_logs')
        send(g, 50)
        peer.start()
        send(g, 50)
    wait_for('delivery', lambda: len(sink.messages) == 1200, 60)
    wait_for('the log of it', lambda: g.log().count('Message finished') == 1200)
    want, got = wait_for('all lines at rsyslog', lambda: all_there(g, peer, hostname(g)), 60)
    print('  %d lines, %d extra copies' % (len(want), len(got) - len(set(got))))
    files = [f for f in os.listdir(g.home + '/log/mail_logs') if f.endswith('.s')]
    assert len(files) == 3, files
    assert 'cannot be reached by TCP' in g.log('system_logs')


def test_syslog_tcp_roles_killed(t):
    """FW-40: push and record are killed under load: every line that is in the log arrives."""
    sink, peer = t.sink(), Rsyslog(t, 'tcp')
    g = t.home(settings=syslog_settings(peer), sink_port=sink.port)
    for role in ('push', 'record', 'push', 'record'):
        send(g, 100)
        os.kill(g.roles()[role, 0], signal.SIGKILL)
    send(g, 100)
    wait_for('delivery', lambda: len(sink.messages) == 500, 60)
    wait_for('the log of it', lambda: g.log().count('Message finished') == 500)
    want, got = wait_for('all lines at rsyslog', lambda: all_there(g, peer, hostname(g)), 60)
    print('  %d lines, %d extra copies' % (len(want), len(got) - len(set(got))))


def test_syslog_restart_sends_nothing_twice(t):
    """FW-40: after an orderly stop and start sending goes on with the next line."""
    sink, peer = t.sink(), Rsyslog(t, 'tcp')
    g = t.home(settings=syslog_settings(peer), sink_port=sink.port)
    for done in (5, 10):
        send(g, 5)
        wait_for('the log of it', lambda: g.log().count('Message finished') == done)
        wait_for('lines', lambda: all_there(g, peer, hostname(g)))
        if done == 5:
            g.stop()
            g.start()
    lines = [l for l in peer.lines() if re.search(r'(Start|ready|finished)', l)]
    assert len(lines) == 30 and len(lines) == len(set(lines)), 'sent twice'


def test_syslog_gap(t):
    """FW-40: lines whose file had to be deleted before the server came back are lost, and that is told."""
    peer = Rsyslog(t, 'tcp')
    peer.stop(signal.SIGKILL)
    g = t.home(settings=syslog_settings(peer, 'log.mail_logs.max_files=1'))
    g.wait_log('cannot be reached by TCP', 'system_logs')
    for i in range(3):
        send(g, 1)
        wait_for('the line', lambda: g.log().count('ready') >= 1)
        g.cli('rollovernow', 'mail_logs')
    send(g, 1)
    g.wait_log('ready')
    peer.start()
    g.cli('logpush', 'now')
    g.wait_log('files were deleted before all their lines were sent to syslog server 127.0.0.1', 'system_logs')
    wait_for('lines', lambda: all_there(g, peer, hostname(g)))


class Vsftpd(Peer):
    """vsftpd with one virtual user. Which passphrase he gives does not matter to it."""

    def __init__(self, t, port=None):
        super().__init__(t)
        self.port, self.root, self.pam = port or free_port(), self.dir + '/root', '/etc/pam.d/postern-test-%d' % os.getpid()
        os.mkdir(self.root)
        os.mkdir(self.dir + '/empty')
        shutil.chown(self.root, 'daemon')
        with open(self.dir + '/users', 'w') as f:
            f.write('loguser\n')
        with open(self.pam, 'w') as f:
            f.write('auth required pam_listfile.so item=user sense=allow onerr=fail file=%s/users\naccount required pam_permit.so\n'
                    'session required pam_permit.so\n' % self.dir)
        options = dict(background='NO', listen='YES', listen_ipv6='NO', listen_address='127.0.0.1', listen_port=self.port, anonymous_enable='NO',
                       local_enable='YES', guest_enable='YES', guest_username='daemon', virtual_use_local_privs='YES', write_enable='YES',
                       local_root=self.root, chroot_local_user='YES', allow_writeable_chroot='YES', pam_service_name=os.path.basename(self.pam),
                       secure_chroot_dir=self.dir + '/empty', seccomp_sandbox='NO', xferlog_enable='YES', vsftpd_log_file=self.dir + '/log',
                       log_ftp_protocol='YES', nopriv_user='nobody')
        with open(self.dir + '/conf', 'w') as f:
            f.write(''.join('%s=%s\n' % o for o in options.items()))
        self.start()

    def start(self):
        self.run('/usr/sbin/vsftpd', self.dir + '/conf')
        self.wait_port(self.port)

    def close(self):
        os.unlink(self.pam)
        super().close()


class Sshd(Peer):
    """OpenSSH's sshd for the user who runs the test."""

    def __init__(self, t, port=None):
        super().__init__(t)
        self.port, self.root = port or free_port(), self.dir + '/root'
        os.mkdir(self.root)
        os.makedirs('/run/sshd', exist_ok=True)
        self.new_key()
        with open(self.dir + '/conf', 'w') as f:
            f.write('Port %d\nListenAddress 127.0.0.1\nHostKey %s/key\nAuthorizedKeysFile %s/authorized\nPidFile %s/pid\nStrictModes no\n'
                    'PermitRootLogin yes\nPasswordAuthentication no\nUsePAM no\nLogLevel VERBOSE\n' % (self.port, self.dir, self.dir, self.dir))
        self.start()

    def new_key(self):
        for f in glob.glob(self.dir + '/key*'):
            os.unlink(f)
        subprocess.run(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', self.dir + '/key'], check=True)
        kind, key = open(self.dir + '/key.pub').read().split()[:2]
        self.known = '[127.0.0.1]:%d %s %s' % (self.port, kind, key)

    def start(self):
        self.run('/usr/sbin/sshd', '-D', '-e', '-f', self.dir + '/conf')
        self.wait_port(self.port)


def file_settings(peer, method, *more):
    return (RAT, 'log.mail_logs.type=mail', 'log.mail_logs.retrieval=' + method, 'log.mail_logs.host=127.0.0.1', 'log.mail_logs.port=%d' % peer.port,
            'log.system_logs.type=system', 'log.mail_logs.max_files=1') + more


def saved(home):
    return sorted(f for f in os.listdir(home.home + '/log/mail_logs') if f.endswith('.s'))


def arrived(peer, below=''):
    d = os.path.join(peer.root, below)
    return sorted(f for f in os.listdir(d)) if os.path.isdir(d) else []


def descriptors(home):
    return len(os.listdir('/proc/%d/fd' % home.roles()['push', 0]))


def test_settings_are_checked(t):
    """FW-01: a log cannot be pushed without a server, by SCP not without a user, and nothing goes into commands that ends them."""
    g = t.home()
    assert g.cli('logpush') == 'No log is pushed.\n'
    for words, why in ((['log.status.retrieval=ftp'], 'log.status.host: a log that is pushed needs a server'),
                       (['log.status.retrieval=scp', 'log.status.host=h.test'], 'log.status.user: SCP needs a user name'),
                       (['log.status.retrieval=syslog', 'log.status.host=h.test', 'log.status.tag=a b'], 'log.status.tag: '),
                       (['log.status.retrieval=ftp', 'log.status.host=h.test', 'log.status.directory=a\nDELE b'], 'log.status.directory: ')):
        out = g.cli('settings', 'set', *words, check=False)
        assert why in out, out


def test_ftp_push(t):
    """FW-01, FW-43: at roll-over the saved log goes to an FTP server, whole, under the name of logs.md 13, and is then removed here."""
    ftp, sink = Vsftpd(t), t.sink()
    g = t.home(sink_port=sink.port, settings=file_settings(ftp, 'ftp', 'log.mail_logs.user=loguser', 'log.mail_logs.password=s3cret word',
                                      'log.mail_logs.directory=in coming/logs', 'log.mail_logs.names=host'))
    send(g, 3)
    wait_for('the log', lambda: g.log().count('Message finished') == 3)
    text = g.log()
    g.cli('rollovernow', 'mail_logs')
    [name] = wait_for('the file', lambda: [f for f in arrived(ftp, 'in coming/logs') if f.endswith('.s')])
    assert re.fullmatch(r'mail_logs\.%s\.@\d{8}T\d{6}\.s' % re.escape(hostname(g)), name), name
    got = open(os.path.join(ftp.root, 'in coming/logs', name)).read()
    assert got.startswith(text) and got.endswith('Info: End Logfile\n')
    g.wait_log(r'Log mail_logs: %s pushed to 127.0.0.1 by FTP \(%d bytes\)' % (re.escape(name), len(got)), 'system_logs')
    wait_for('no file left here', lambda: not saved(g))
    shown = g.cli('logpush')
    assert re.search(r'mail_logs\n  Method:     FTP Push\n  Server:     127.0.0.1 port %d\n  Sent:       1 files, %d bytes' % (ftp.port, len(got)), shown), shown


def test_ftp_down_then_up(t):
    """FW-01: while the FTP server is down files wait, more of them than max_files; once it is back all arrive, the oldest first."""
    port = free_port()
    dead = type('', (), dict(port=port))
    g = t.home(settings=file_settings(dead, 'ftp', 'log.mail_logs.user=loguser', 'log.mail_logs.password=s3cret word'))
    for i in range(3):
        g.cli('rollovernow', 'mail_logs')
        wait_for('the saved file', lambda: len(saved(g)) == i + 1)
    waiting = saved(g)
    g.wait_log(r'Log mail_logs: mail_logs\.@\w+\.s could not be pushed to 127.0.0.1 by FTP: .*; next try ', 'system_logs')
    assert '3 files' in g.cli('logpush', 'status')
    ftp = Vsftpd(t, port)
    g.cli('logpush', 'now')
    wait_for('all files', lambda: arrived(ftp) == [f.replace('mail.@', 'mail_logs.@') for f in waiting])
    order = re.findall(r'OK UPLOAD: .*"/(mail_logs\.@\w+\.s)\.part"', open(ftp.dir + '/log').read())
    assert order == sorted(order) and len(order) == 3, order
    wait_for('no file left here', lambda: not saved(g))


def test_ftp_refused(t):
    """FW-01: a refused login is told with its reason, without the passphrase, and nothing is lost."""
    ftp = Vsftpd(t)
    g = t.home(settings=file_settings(ftp, 'ftp', 'log.mail_logs.user=stranger', 'log.mail_logs.password=gu3ss'))
    g.cli('rollovernow', 'mail_logs')
    g.wait_log(r'could not be pushed to 127.0.0.1 by FTP: Access denied: 530', 'system_logs')
    assert len(saved(g)) == 1 and not arrived(ftp)
    assert 'gu3ss' not in g.log('system_logs') + g.cli('logpush')


def test_scp_push(t):
    """FW-03, FW-04: at roll-over the saved log goes by SCP to an SSH server that knows our key; the key is there to be installed."""
    ssh = Sshd(t)
    g = t.home(settings=file_settings(ssh, 'scp', 'log.mail_logs.user=' + pwd.getpwuid(os.getuid()).pw_name,
                                      "log.mail_logs.directory=%s/it's here" % ssh.root, 'ssh.known_hosts=' + ssh.known))
    os.mkdir(ssh.root + "/it's here")
    key = wait_for('our key', lambda: os.path.exists(g.home + '/keys/log_push_key.pub') and open(g.home + '/keys/log_push_key.pub').read())
    assert re.fullmatch(r'ssh-ed25519 \S+ \S+\n', key), key
    g.cli('rollovernow', 'mail_logs')
    g.wait_log(r'could not be pushed to 127.0.0.1 by SCP: the server does not accept our key', 'system_logs')
    assert len(saved(g)) == 1
    with open(ssh.dir + '/authorized', 'w') as f:
        f.write('restrict ' + key)
    g.cli('rollovernow', 'mail_logs')
    names = wait_for('both files', lambda: len(arrived(ssh, "it's here")) == 2 and arrived(ssh, "it's here"))
    assert all(re.fullmatch(r'mail_logs\.@\d{8}T\d{6}\.s', n) for n in names), names
    wait_for('no file left here', lambda: not saved(g))
    for n in names:
        assert open(ssh.root + "/it's here/" + n).read().endswith('End Logfile\n')
    open_now = descriptors(g)
    for n in (3, 4):
        g.cli('rollovernow', 'mail_logs')
        wait_for('the file', lambda: len(arrived(ssh, "it's here")) == n and not saved(g))
    wait_for('as many descriptors as before', lambda: descriptors(g) <= open_now)


def test_scp_host_key(t):
    """FW-03: a server whose host key is not known, or not the one known, gets no login and no file; the reason is told."""
    ssh = Sshd(t)
    g = t.home(settings=file_settings(ssh, 'scp', 'log.mail_logs.user=' + pwd.getpwuid(os.getuid()).pw_name, 'log.mail_logs.directory=' + ssh.root))
    key = wait_for('our key', lambda: os.path.exists(g.home + '/keys/log_push_key.pub') and open(g.home + '/keys/log_push_key.pub').read())
    with open(ssh.dir + '/authorized', 'w') as f:
        f.write(key)
    g.cli('rollovernow', 'mail_logs')
    g.wait_log(r'by SCP: host key ssh-ed25519 SHA256:\S+ is not known; next try', 'system_logs')
    assert ssh.known in g.cli('logpush')
    old = ssh.known
    ssh.stop()
    ssh.new_key()
    ssh.start()
    g.cli('settings', 'set', 'ssh.known_hosts=' + old)
    g.wait_log(r'by SCP: host key ssh-ed25519 SHA256:\S+ is not the one known; next try', 'system_logs')
    assert not arrived(ssh)
    assert 'Accepted publickey' not in open(ssh.dir + '/stderr').read()
    g.cli('settings', 'set', 'ssh.known_hosts=' + ssh.known)
    wait_for('the file', lambda: arrived(ssh))


def test_scp_push_set_up_in_logconfig(t):
    """FW-03: nothing but logconfig: SCP Push, the key it shows installed, the host key that the server offered taken; the log arrives."""
    ssh = Sshd(t)
    g = t.home()
    g.cli('logconfig new by_scp system retrieval=scp host=127.0.0.1 port=%d user=%s directory=%s; commit scp' % (ssh.port, pwd.getpwuid(os.getuid()).pw_name, ssh.root))
    with open(ssh.dir + '/authorized', 'w') as f:
        f.write('restrict ' + g.cli('logconfig hostkeyconfig user'))
    g.cli('rollovernow', 'by_scp')
    g.wait_log(r'by SCP: host key ssh-ed25519 SHA256:\S+ is not known; next try', 'system_logs')
    out = g.cli('logconfig hostkeyconfig scan 1; logconfig hostkeyconfig print; commit known')
    assert 'Host key added.\n%s\n' % ssh.known in out, out
    g.cli('logpush now by_scp')
    wait_for('the file', lambda: arrived(ssh))


for f in (test_ftp_push, test_ftp_down_then_up, test_ftp_refused):
    f.needs_root = True
