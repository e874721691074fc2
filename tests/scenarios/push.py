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
            'log.mail_logs.protocol=' + peer.kind, 'log.system_logs.type=system', 'log.mail_logs.max_files=100') + more


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
    print('  %d lines, %d came more than once' % (len(want), len(got) - len(set(got))))
    files = [f for f in os.listdir(g.home + '/log/mail_logs') if f.endswith('.s')]
    assert len(files) == 3, files
    assert 'cannot be reached by TCP' in g.log('system_logs')
