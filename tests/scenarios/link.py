"""The link (central.md 8): a gateway opens one connection to its manager, by each carrier, and everything goes through it."""
import hashlib, json, os, random, re, select, socket, ssl, struct, subprocess, tempfile, threading, time
from lib import *

RAT = 'listener.InboundMail.rat=rcpt.test ACCEPT,ALL REJECT'


class Proxy:
    """TCP between gateway and manager. `cut(n)`: the next connection ends after n octets, both ways together."""

    def __init__(self, port):
        self.to, self.accepted, self.limits, self.open, self.carried = port, 0, [], [], 0
        self.lock = threading.Lock()
        self.s = socket.socket()
        self.s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.s.bind(('127.0.0.1', 0))
        self.s.listen(16)
        self.port = self.s.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                a, _ = self.s.accept()
            except OSError:
                return
            self.accepted += 1
            threading.Thread(target=self.carry, args=(a,), daemon=True).start()

    def carry(self, a):
        try:
            b = socket.create_connection(('127.0.0.1', self.to), 5)
        except OSError:
            a.close()
            return
        with self.lock:
            left = self.limits.pop(0) if self.limits else None
            self.open.append((a, b))
        try:
            while True:
                ready, _, _ = select.select([a, b], [], [], 60)
                for x in ready:
                    data = x.recv(65536 if left is None else min(65536, left))
                    if not data:
                        return
                    (b if x is a else a).sendall(data)
                    self.carried += len(data)
                    if left is not None:
                        left -= len(data)
                        if left <= 0:
                            return
        except (OSError, ValueError):
            pass
        finally:
            for x in (a, b):
                try:
                    x.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
                    x.close()
                except OSError:
                    pass

    def cut_all(self):
        with self.lock:
            for a, b in self.open:
                for x in (a, b):
                    try:
                        x.shutdown(socket.SHUT_RDWR)
                    except OSError:
                        pass
            self.open = []

    def close(self):
        self.s.close()
        self.cut_all()


def pin_of(home):
    """SHA-256 of the public key of its CPQ certificate."""
    pem = raw_setting(home, 'cpq_identity.certificate')
    key = subprocess.run(['openssl', 'x509', '-pubkey', '-noout'], input=pem, capture_output=True, text=True, check=True).stdout
    der = subprocess.run(['openssl', 'pkey', '-pubin', '-outform', 'DER'], input=key.encode(), capture_output=True, check=True).stdout
    return hashlib.sha256(der).hexdigest()


def raw_setting(home, path):
    return home.cli('settings', 'show', path).split('=', 1)[1].strip()


def serial(home):
    return raw_setting(home, 'system.serial')


def host_key(home):
    return ' '.join(open(os.path.join(home.home, 'keys', 'ssh_host_ed25519_key.pub')).read().split()[:2])


def enrol(g, m, ports, link='only', via=None):
    """As if enrolled; the gateway tries `ports` (CARRIER:PORT)."""
    m.cli('settings', 'set', 'appliance.gate.serial=%s' % serial(g), 'appliance.gate.link=%s' % link,
          'appliance.gate.host_key=%s' % host_key(g), 'appliance.gate.link_key=%s' % raw_setting(g, 'ssh_identity.public_key'),
          'cpq_peer.gate.serial=%s' % serial(g), 'cpq_peer.gate.role=gateway', 'cpq_peer.gate.fingerprint=%s' % pin_of(g))
    g.cli('settings', 'set', 'cpq_peer.mgr.serial=%s' % serial(m), 'cpq_peer.mgr.role=manager',
          'cpq_peer.mgr.fingerprint=%s' % pin_of(m), 'manager.mgr.address=127.0.0.1', 'manager.mgr.serial=%s' % serial(m),
          'manager.mgr.ssh_key=%s' % raw_setting(m, 'ssh_identity.public_key'), 'manager.mgr.destination=yes',
          'manager.mgr.link_host_key=%s' % host_key(m), 'manager.mgr.link_ports=%s' % ports, 'manager.mgr.link=%s' % link)


def pair(t, gateway=(), manager=()):
    g = t.home([RAT, *gateway], sink_port=t.sink().port)
    m = t.manager(list(manager))
    m.smtp_link, m.tls_link = m.base + 25, m.base + 43
    m.cli('settings', 'set', 'link_listener.enabled=yes', 'link_listener.ports=smtp:%d,tls:%d' % (m.smtp_link, m.tls_link))
    return g, m


def status(home):
    r = subprocess.run([home.postern, 'cli', '--home', home.home, 'link', '--json'], capture_output=True, text=True, env=home.env)
    try:
        return json.loads(r.stdout)['links']
    except (ValueError, KeyError):
        return []


def is_up(home):
    s = status(home)
    return s and s[0]['state'] == 'up' and s[0]


def sockets(home, who):
    d = os.path.join(home.home, 'run', 'link', who)
    return sorted(os.listdir(d)) if os.path.isdir(d) else []


def both_up(g, m):
    wait_for('the link on the gateway', lambda: is_up(g), 30)
    wait_for('the link on the manager', lambda: is_up(m), 15)
    wait_for('its sockets', lambda: sockets(m, serial(g)) == ['cpq', 'mgmt'] and sockets(g, 'manager') == ['cpq', 'euq'], 10)


def ssh_banner(home, gateway):
    """What answers on the channel mgmt.gateway."""
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(10)
    s.connect(os.path.join(home.home, 'run', 'link', serial(gateway), 'mgmt'))
    try:
        return s.recv(100)
    finally:
        s.close()


def test_each_carrier(t):
    """ST-31 (transport), FW-52, FW-54: the link comes up by carriers smtp, tls and ssh in turn, the gateway being the one that
    connects; the management channel answers with the gateway's SSH server, both ends show carrier and port."""
    g, m = pair(t)
    enrol(g, m, 'smtp:%d' % m.smtp_link)
    for carrier, port in (('smtp', m.smtp_link), ('tls', m.tls_link), ('ssh', m.base + 22)):
        g.cli('settings', 'set', 'manager.mgr.link=off')
        wait_for('no link', lambda: not sockets(g, 'manager'), 15)
        g.cli('settings', 'set', 'manager.mgr.link_ports=%s:%d' % (carrier, port), 'manager.mgr.link=only')
        both_up(g, m)
        assert is_up(g)['carrier'] == carrier and is_up(g)['port'] == port, status(g)
        assert is_up(m)['carrier'] == carrier and is_up(m)['serial'] == serial(g), status(m)
        assert ssh_banner(m, g).startswith(b'SSH-2.0-Postern'), carrier
        g.wait_log(r'Link: mgr \(%s\) is connected, address 127\.0\.0\.1 carrier %s port %d' % (serial(m), carrier, port))
        m.wait_log(r'Link: gate \(%s\) is connected, address 127\.0\.0\.1 carrier %s' % (serial(g), carrier))


def test_foreign_servers_are_passed_over(t):
    """FW-54: a closed port, a foreign banner, a server without STARTTLS and one without our protocol are passed over, each told
    with its reason; the last good port is tried first the next time."""
    g, m = pair(t)
    sink, plain = t.sink(), t.sink(script=lambda line, state: 'SSH-2.0-Other' if line == 'CONNECT' else None)
    closed = free_port()
    enrol(g, m, 'smtp:%d,smtp:%d,smtp:%d,tls:%d' % (closed, plain.port, sink.port, sink.port))
    wait_for('four reasons', lambda: status(g) and status(g)[0]['error'].count('port ') == 4, 60)
    error = status(g)[0]['error']
    assert 'port %d (smtp): Connection refused' % closed in error, error
    assert 'port %d (smtp): foreign banner: SSH-2.0-Other' % plain.port in error, error
    assert 'port %d (smtp): STARTTLS is not offered' % sink.port in error, error
    assert 'port %d (tls): ' % sink.port in error, error
    g.cli('settings', 'set', 'manager.mgr.link_ports=smtp:%d,smtp:%d' % (plain.port, m.smtp_link))
    both_up(g, m)
    before = plain.connections
    m.cli('settings', 'set', 'appliance.gate.link=off')
    wait_for('the link down', lambda: not is_up(g))
    m.cli('settings', 'set', 'appliance.gate.link=only')
    both_up(g, m)
    assert plain.connections <= before + 1, 'the last good port comes first'


def test_who_is_refused(t):
    """ST-32: an unknown certificate, an unknown key, a revoked key and another host key are refused, and the log says who."""
    g, m = pair(t)
    enrol(g, m, 'smtp:%d' % m.smtp_link)
    both_up(g, m)
    pin, key = pin_of(g), raw_setting(g, 'ssh_identity.public_key')
    m.cli('settings', 'set', 'appliance.gate.link_key=')
    m.wait_log(r'Link: gate is disconnected: its key was taken back')
    m.wait_log(r'Link from 127\.0\.0\.1 port %d refused: its key is not enrolled' % m.smtp_link)
    wait_for('the gateway to know', lambda: 'does not accept our key' in status(g)[0]['error'])
    assert not sockets(m, serial(g)) and not sockets(g, 'manager')
    m.cli('settings', 'set', 'appliance.gate.link_key=%s' % key)
    both_up(g, m)
    m.cli('settings', 'set', 'appliance.gate.link=off', 'cpq_peer.gate.fingerprint=%s' % ('0' * 64))
    wait_for('the link down', lambda: not is_up(g))
    m.wait_log(r'Link from 127\.0\.0\.1 port %d refused: not enrolled: its certificate has the fingerprint %s' % (m.smtp_link, pin), seconds=30)
    m.cli('settings', 'set', 'appliance.gate.link=only', 'cpq_peer.gate.fingerprint=%s' % pin)
    both_up(g, m)
    g.cli('settings', 'set', 'manager.mgr.link_host_key=%s' % host_key(g))
    g.wait_log(r'Link: mgr cannot be reached: .*the host key SHA256:\S+ is not the one known', seconds=30)
    assert not is_up(g)


def test_a_stranger_learns_nothing(t):
    """FW-52, FW-54: on a port of the link there is no mail; without an enrolled certificate there is no TLS."""
    g, m = pair(t)
    wait_for('the port', lambda: not refused(m.smtp_link))
    s = Smtp(m.smtp_link)
    assert s.banner[0] == 220 and s.cmd('EHLO x.test')[1].endswith('250 STARTTLS')
    assert s.cmd('MAIL FROM:<a@b.test>')[0] == 530 and s.cmd('XLINK proto=1 serial=A')[0] == 530
    try:
        s.starttls()
        assert s.cmd('EHLO x.test')[0] != 250
    except (OSError, EOFError, ssl.SSLError):
        pass
    s.close()


def refused(port):
    try:
        socket.create_connection(('127.0.0.1', port), 5).close()
        return False
    except ConnectionRefusedError:
        return True


def test_a_newer_link_takes_the_place(t):
    """ST-32: a gateway whose old connection hangs comes again: the newer link replaces the older."""
    g, m = pair(t)
    proxy = Proxy(m.smtp_link)
    t.things.append(proxy)
    enrol(g, m, 'smtp:%d' % proxy.port)
    both_up(g, m)
    first = is_up(m)['since']
    # the gateway's side goes without a word to the manager
    with proxy.lock:
        a, b = proxy.open[-1]
    os.kill(g.roles()[('central', 0)], 9) if ('central', 0) in g.roles() else a.shutdown(socket.SHUT_RDWR)
    wait_for('a newer link', lambda: (is_up(m) or {}).get('since', 0) > first and is_up(g), 40)
    assert ssh_banner(m, g).startswith(b'SSH-2.0-Postern')


def test_roles_that_die(t):
    """ST-32: shell or central of either end is killed: the link comes back, its sockets with it."""
    g, m = pair(t)
    enrol(g, m, 'tls:%d' % m.tls_link)
    both_up(g, m)
    for home, role in ((m, 'shell'), (m, 'central'), (g, 'central'), (g, 'shell')):
        since = is_up(m)['since'] if is_up(m) else 0
        os.kill(home.roles()[(role, 0)], 9)
        wait_for('the link after the end of %s' % role,
                 lambda: is_up(g) and is_up(m) and (role == 'shell' and home is g or (is_up(m) or {}).get('since', 0) > since), 60)
        wait_for('the channel', lambda: answers(m, g), 20)


def answers(m, g):
    try:
        return ssh_banner(m, g).startswith(b'SSH-2.0-Postern')
    except OSError:
        return False


def test_suspended_channels_are_refused(t):
    """Suspend refuses channels as it refuses connections (central.md 8); resume takes them again. Released mail's channel shows the
    banner of the hidden listener, and its log line says `via link`."""
    g, m = pair(t, ['cpq_listener.enabled=yes'])
    enrol(g, m, 'smtp:%d' % m.smtp_link)
    both_up(g, m)

    def banner():
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(10)
        s.connect(os.path.join(m.home, 'run', 'link', serial(g), 'cpq'))
        try:
            return s.recv(200)
        except OSError:
            return b''
        finally:
            s.close()
    assert banner().startswith(b'220 ') and b'CPQ ready' in banner()
    g.wait_log(r'New SMTP CPQ ICID \d+ interface Management \(link\) address 127\.0\.0\.1 via link')
    g.cli('suspendlistener', '0', 'cpq_listener')
    wait_for('refusal', lambda: banner() == b'')
    g.wait_log(r'Link: mgr channel cpq\.gateway refused')
    g.cli('resumelistener')
    wait_for('the channel again', lambda: banner().startswith(b'220 '))


def test_cut_at_random_octets_under_load(t):
    """ST-32: the link is cut at random octets while mail is held through it: each message arrives once, none is lost."""
    seed = int(os.environ.get('POSTERN_SEED', '7'))
    dice = random.Random(seed)
    hold = ('message_filter.hold.text=hold: if (true) { quarantine("Policy"); }',)
    g, m = pair(t, hold, ['pvo.enabled=yes'])
    proxy = Proxy(m.smtp_link)
    t.things.append(proxy)
    enrol(g, m, 'smtp:%d' % proxy.port)
    m.cli('settings', 'set', 'appliance.gate.pvo=yes', 'appliance.gate.migration=automatic')
    g.cli('settings', 'set', 'pvo.central=yes')
    both_up(g, m)
    n, done = 60, threading.Event()

    def cutter():
        while not done.is_set():
            time.sleep(dice.uniform(0.5, 2.5))
            with proxy.lock:
                proxy.limits = [dice.randrange(1, 60000)]
            proxy.cut_all()
    c = threading.Thread(target=cutter, daemon=True)
    c.start()
    s = g.smtp()
    for i in range(n):
        r = s.send('a@s.test', 'b@rcpt.test', b'Subject: cut %d\r\nMessage-ID: <cut%d@s.test>\r\n\r\n' % (i, i) + os.urandom(dice.randrange(100, 20000)).hex().encode() + b'\r\n')
        assert r[0] == 250, r
        time.sleep(0.1)
    s.quit()
    time.sleep(3)
    done.set()
    c.join()
    with proxy.lock:
        proxy.limits = []
    both_up(g, m)

    def held():
        answer = m.cli('quarantine', 'search', 'limit=1000', '--json', check=False)
        return sorted(x['subject'] for x in json.loads(answer)['messages']) if answer.startswith('{') else []
    wait_for('all of it on the manager', lambda: len(held()) >= n, 120)
    assert held() == sorted('cut %d' % i for i in range(n)), held()
    assert proxy.accepted >= 4, 'the link was opened %d times' % proxy.accepted
