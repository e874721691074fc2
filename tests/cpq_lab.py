"""For scenarios of gateway and manager: identities made by the test, and partners pinned to each other by hand."""
import hashlib, json, os, re, socket, ssl, subprocess, threading
from lib import Smtp, free_port, ssh_up, wait_for

LETTER = b"From: a@s.test\r\nTo: b@rcpt.test\r\nSubject: Invoice 7\r\nMessage-ID: <q7@s.test>\r\n\r\nPay soon.\r\n"


def fingerprint(crt):
    """What the certificate in this file is pinned by."""
    pem = subprocess.run(['openssl', 'x509', '-in', crt, '-noout', '-pubkey'], check=True, capture_output=True).stdout
    der = subprocess.run(['openssl', 'pkey', '-pubin', '-outform', 'DER'], input=pem, check=True, capture_output=True).stdout
    return hashlib.sha256(der).hexdigest()


def certificate(directory, name):
    """(certificate, key, fingerprint of its public key), PEM texts, self-signed."""
    key, crt = (os.path.join(directory, 'cpq-%s.%s' % (name, x)) for x in ('key', 'crt'))
    subprocess.run(['openssl', 'req', '-x509', '-nodes', '-days', '700', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-keyout', key,
                    '-out', crt, '-subj', '/CN=' + name], check=True, capture_output=True)
    return open(crt).read(), open(key).read(), fingerprint(crt)


def identify(home, name=None):
    """Gives a home an identity of the test; its fingerprint."""
    crt, key, pin = certificate(home.dir, name or home.serial)
    home.cli('settings', 'set', 'cpq_identity.certificate=' + crt, 'cpq_identity.key=' + key)
    home.crt, home.key, home.pin = crt, key, pin
    return pin


def value(home, path):
    """A setting as text."""
    text = home.cli('settings', 'show', path)
    return text.split('=', 1)[1].strip() if '=' in text else text.strip()


def pem(home, path):
    """A setting of several lines."""
    return home.cli('settings', 'show', path).split('=', 1)[1].strip() + '\n'


def listens(port):
    try:
        socket.create_connection(('127.0.0.1', port), 5).close()
        return True
    except ConnectionRefusedError:
        return False


def own_identity(home):
    """Its own certificate, as files, and the pin."""
    home.crt = os.path.join(home.dir, 'own.crt')
    open(home.crt, 'w').write(pem(home, 'cpq_identity.certificate'))
    home.pin = fingerprint(home.crt)


def pair(t, gateway=(), manager=(), central=True):
    """A gateway and its manager, pinned to each other; with central quarantines unless told otherwise."""
    m = t.manager(['system.serial=SMA-1', *manager])
    g = t.home(['system.serial=GW-1', 'system.hostname=gw1.test', 'listener.InboundMail.rat=rcpt.test ACCEPT,ALL REJECT', *gateway],
               sink_port=getattr(t.sink(), 'port'))
    g.serial, m.serial = 'GW-1', 'SMA-1'
    m.cpq, m.euq, g.cpq = m.base + 7025, m.base + 6025, g.base + 7025
    for h in (g, m):
        identify(h)
    m.cli('settings', 'set', 'appliance.gw1.serial=GW-1', 'appliance.gw1.pvo=yes', 'appliance.gw1.spam=yes', 'appliance.gw1.migration=automatic',
          'cpq_peer.gw.serial=GW-1', 'cpq_peer.gw.role=gateway', 'cpq_peer.gw.fingerprint=' + g.pin, 'pvo.enabled=yes', 'euq_listener.enabled=yes')
    sets = ['manager.sma.address=127.0.0.1', 'manager.sma.serial=SMA-1', 'manager.sma.destination=yes', 'manager.sma.pvo_port=%d' % m.cpq,
            'manager.sma.spam_port=%d' % m.euq, 'cpq_peer.sma.serial=SMA-1', 'cpq_peer.sma.role=manager', 'cpq_peer.sma.fingerprint=' + m.pin]
    if central:
        sets += ['pvo.central=yes', 'spam_quarantine.central=yes']
    g.cli('settings', 'set', *sets)
    wait_for('the manager\'s ports', lambda: listens(m.cpq) and listens(m.euq))
    return g, m


def hold(g, destination, n=1, letter=LETTER):
    """Mail that waits for its host is sent to a quarantine's object instead, as an operator may."""
    g.cli('suspenddel')
    before = len(re.findall(r'queued for delivery', g.log()))
    for _ in range(n):
        assert g.smtp().send('a@s.test', 'b@rcpt.test', letter)[0] == 250
    wait_for('the queue', lambda: len(re.findall(r'queued for delivery', g.log())) >= before + n)
    g.cli('redirectrecipients', 'all', 'to', destination)


def found(h, *words, verb='quarantine'):
    """What a search finds; while the role is being started again there is no answer, which is waited for."""
    def answer():
        said = h.cli(verb, 'search', *words, '--json', check=False)
        return said if said.startswith('{') else ''
    return json.loads(wait_for('an answer of ' + verb, answer))['messages']


def encrypted(port, home):
    """A session under TLS with this home's certificate, behind EHLO."""
    s = Smtp(port)
    s.cmd('EHLO gw1.test')
    assert s.cmd('STARTTLS')[0] == 220
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ctx.check_hostname, ctx.verify_mode = False, ssl.CERT_NONE
    ctx.load_cert_chain(os.path.join(home.dir, 'cpq-%s.crt' % home.serial), os.path.join(home.dir, 'cpq-%s.key' % home.serial))
    s.s = ctx.wrap_socket(s.s)
    s.f = s.s.makefile('rb')
    s.cmd('EHLO gw1.test')
    return s


class Proxy:
    """Between gateway and manager: cuts each connection after `limit` octets of one direction (0 = from the gateway), None = never; once `hush` octets
    came from the gateway, the first thing the manager says is kept back and the connection cut."""

    def __init__(self, to):
        self.to, self.limit, self.way, self.cuts, self.hush, self.octets = to, None, 0, 0, None, 0
        self.s = socket.create_server(('127.0.0.1', 0))
        self.port = self.s.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                c, _ = self.s.accept()
            except OSError:
                return
            try:
                m = socket.create_connection(('127.0.0.1', self.to), 5)
            except OSError:
                c.close()
                continue
            up = [0]
            for way, a, b in ((0, c, m), (1, m, c)):
                threading.Thread(target=self.pump, args=(way, a, b, up), daemon=True).start()

    def pump(self, way, a, b, up):
        left = self.limit if way == self.way else None
        try:
            while True:
                data = a.recv(65536 if left is None else max(1, left))
                if not data:
                    break
                if way and self.hush and up[0] >= self.hush:
                    self.cuts += 1
                    break
                if not way:
                    up[0] += len(data)
                    self.octets += len(data)
                b.sendall(data)
                if left is not None:
                    left -= len(data)
                    if left <= 0:
                        self.cuts += 1
                        break
        except OSError:
            pass
        for s in (a, b):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.s.close()


class Wall:
    """A port of its own in front of another: what comes passes on while it is open, and is refused else."""

    def __init__(self, t, to):
        t.things.append(self)
        self.to, self.port, self.server, self.open_socks = to, free_port(), None, []
        self.open()

    def open(self):
        self.server = socket.create_server(('127.0.0.1', self.port))
        threading.Thread(target=self.accept, args=(self.server,), daemon=True).start()

    def shut(self):
        self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()
        for s in self.open_socks:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.open_socks = []

    def accept(self, server):
        while True:
            try:
                a, _ = server.accept()
            except OSError:
                return
            try:
                b = socket.create_connection(('127.0.0.1', self.to), 5)
            except OSError:  # nobody listens there now: he may later
                a.close()
                continue
            self.open_socks += [a, b]
            for x, y in ((a, b), (b, a)):
                threading.Thread(target=self.pump, args=(x, y), daemon=True).start()

    def pump(self, x, y):
        try:
            while True:
                data = x.recv(65536)
                if not data:
                    break
                y.sendall(data)
        except OSError:
            pass
        for s in (x, y):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        try:
            self.shut()
        except OSError:
            pass


class Central:
    """A gateway with a sink and its manager: both quarantines are central, SSH goes through a wall."""

    def __init__(self, t, gateway=(), manager=(), **kw):
        self.sink = t.sink()
        self.m = t.manager(['system.serial=SMA-1', *manager], **kw)
        self.g = t.home(['system.serial=GW-1', 'system.hostname=gw1.test', 'log.audit.type=audit', 'listener.InboundMail.rat=rcpt.test ACCEPT,ALL REJECT',
                         'cpq_listener.enabled=yes', *gateway], sink_port=self.sink.port)
        g, m = self.g, self.m
        g.serial, m.serial = 'GW-1', 'SMA-1'
        m.cpq, m.euq, g.cpq = m.base + 7025, m.base + 6025, g.base + 7025
        for h in (g, m):
            identify(h)
        public = m.cli('settings', 'show', 'ssh_identity.public_key').split('=', 1)[1].strip()
        ssh_up(g)
        host = ' '.join(open(os.path.join(g.home, 'keys', 'ssh_host_ed25519_key.pub')).read().split()[:2])
        self.wall = Wall(t, g.base + 22)
        m.cli('settings', 'set', 'appliance.gw1.address=127.0.0.1', 'appliance.gw1.port=%d' % self.wall.port, 'appliance.gw1.serial=GW-1', 'appliance.gw1.host_key=' + host,
              'appliance.gw1.pvo=yes', 'appliance.gw1.spam=yes', 'appliance.gw1.migration=automatic', 'cpq_peer.gw.serial=GW-1', 'cpq_peer.gw.role=gateway',
              'cpq_peer.gw.fingerprint=' + g.pin, 'pvo.enabled=yes', 'euq_listener.enabled=yes')
        g.cli('settings', 'set', 'manager.sma.address=127.0.0.1', 'manager.sma.serial=SMA-1', 'manager.sma.ssh_key=' + public, 'manager.sma.destination=yes',
              'manager.sma.pvo_port=%d' % m.cpq, 'manager.sma.spam_port=%d' % m.euq, 'cpq_peer.sma.serial=SMA-1', 'cpq_peer.sma.role=manager',
              'cpq_peer.sma.fingerprint=' + m.pin, 'pvo.central=yes', 'spam_quarantine.central=yes')
        wait_for("the manager's ports", lambda: listens(m.cpq) and listens(m.euq))
        wait_for("the gateway's port", lambda: listens(g.cpq))

    def hold(self, n=1, destination='the.cpq.host'):
        """Holds n messages on the manager; what the search says of them."""
        verb = 'quarantine' if destination == 'the.cpq.host' else 'spamquarantine'
        before = len(found(self.m, verb=verb))
        hold(self.g, destination, n)
        self.g.cli('resumedel')
        wait_for('held mail', lambda: len(found(self.m, verb=verb)) == before + n, 30)
        return found(self.m, 'order=received', verb=verb)

    def release(self, *ids, verb='quarantine'):
        return ''.join(self.m.cli(verb, 'release', str(i), check=False) for i in ids)  # of more than one it asks whether that is sure

    def delivered(self, n, seconds=30):
        wait_for('%d messages at the sink' % n, lambda: len(self.arrived()) >= n, seconds)
        assert len(self.arrived()) == n, len(self.arrived())

    def arrived(self):
        """What came for the recipient: not the alerts."""
        return [x for x in self.sink.messages if x['rcpts'] == ['b@rcpt.test']]
