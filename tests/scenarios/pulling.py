"""The management account of a gateway, and a manager that fetches reporting and tracking through it. The settings that enrolment
makes are set by hand here, so that each of them can be wrong."""
import glob, json, os, shutil, subprocess, tempfile, time
from disks import fill, small_disk
from lib import *


class Keys:
    """A key pair of its own, as a manager has one."""

    def __init__(self, t):
        self.dir = tempfile.mkdtemp(prefix='postern-key.')
        t.things.append(self)
        self.path = os.path.join(self.dir, 'key')
        subprocess.run(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', self.path], check=True)
        self.public = ' '.join(open(self.path + '.pub').read().split()[:2])

    def close(self):
        shutil.rmtree(self.dir, ignore_errors=True)


def verb(g, key, command, input=b'', options=(), user='manager', timeout=60):
    """One verb by OpenSSH's client: (status, output, errors)."""
    r = subprocess.run(['ssh', '-p', str(g.base + 22), '-F', '/dev/null', '-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null',
                        '-o', 'LogLevel=ERROR', '-o', 'IdentitiesOnly=yes', '-o', 'IdentityAgent=none', '-o', 'BatchMode=yes', '-i', key.path,
                        *options, user + '@127.0.0.1', *([command] if command else [])], input=input, capture_output=True, timeout=timeout)
    return r.returncode, r.stdout, r.stderr


def say(g, key, command, input=b''):
    status, out, err = verb(g, key, command, input)
    assert status == 0, (command, status, out, err)
    return out


def hello(serial='MGR-1', **more):
    return json.dumps(dict(dict(proto=1, serial=serial, ver='0.2.0', time=int(time.time() * 1000), services={}), **more)).encode()


def gateway(t, key, *settings, serial='MGR-1', **kw):
    g = t.home(['manager.sma.ssh_key=' + key.public, 'manager.sma.serial=' + serial, 'manager.sma.address=127.0.0.1',
                'log.audit.type=audit', *settings], **kw)
    ssh_up(g)
    return g


def ok(out):
    line, _, body = out.partition(b'\n')
    assert line.startswith(b'OK'), out[:200]
    return json.loads(line[3:] or b'null'), body


def test_account_manager(t):
    """The account takes the keys of enrolled managers and runs verbs: no terminal, shell, files, forwarding, passphrase; every call
    is an audit line, what is no verb is answered 400 and what is not a manager's 403."""
    key, other = Keys(t), Keys(t)
    g = gateway(t, key)
    assert say(g, key, 'nonsense') == b'ERR 400 unknown verb\n'
    assert verb(g, other, 'hello', hello())[0] == 255
    assert verb(g, key, 'hello', hello(), user='admin')[0] == 255
    for options in (['-tt'], ['-s']):
        status, out, err = verb(g, key, 'sftp' if options == ['-s'] else None, options=options)
        assert status != 0 and b'OK' not in out, (options, out, err)
    status, out, err = verb(g, key, None)
    assert status == 255 and b'shell request failed' in err, (out, err)
    forward = subprocess.run(['ssh', '-p', str(g.base + 22), '-F', '/dev/null', '-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null',
                              '-o', 'BatchMode=yes', '-o', 'IdentitiesOnly=yes', '-i', key.path, '-W', '127.0.0.1:%d' % g.smtp_port, 'manager@127.0.0.1'],
                             capture_output=True, timeout=30, stdin=subprocess.DEVNULL)
    assert forward.returncode != 0 and b'220' not in forward.stdout, forward
    for bad in ('list-exports', 'list-exports mail 0 0', 'list-exports tracking x 0', 'get tracking 1', 'ack tracking 1 1 zz', 'get-config',
                'list-exports tracking 0 0 wait=x', 'get ../../keys 0 0', 'a b c d e f g h i j'):
        assert say(g, key, bad).startswith(b'ERR 400 '), bad
    for secret in ('user', 'cpq_identity', 'keys', '../conf'):
        assert say(g, key, 'get-config ' + secret).startswith(b'ERR 403 '), secret
    g.wait_log(r'Manager sma \(127\.0\.0\.1\): get-config cpq_identity: ERR 403', 'audit')
    g.wait_log(r'Manager sma \(127\.0\.0\.1\): nonsense: ERR 400 unknown verb', 'audit')
    g.set('manager.sma.ssh_key=')
    assert verb(g, key, 'hello', hello())[0] == 255


def test_hello(t):
    """hello tells who the gateway is and what it has; another protocol is refused with 505, another serial number with 403, what is
    no JSON with 400; keys that nobody knows are passed over."""
    key = Keys(t)
    g = gateway(t, key)
    reply, body = ok(say(g, key, 'hello', hello(strange={'a': [1]})))
    assert body == b''
    for name in ('proto', 'serial', 'host', 'role', 'model', 'ver', 'time', 'epoch', 'services', 'reach', 'exports', 'slbl_version', 'features'):
        assert name in reply, (name, reply)
    assert reply['proto'] == 1 and reply['role'] == 'gateway' and reply['model'] == 'C100V'
    assert abs(reply['time'] - time.time() * 1000) < 5000
    assert set(reply['reach']) == {'6025', '7025'}
    assert set(reply['services']) == {'reporting', 'tracking', 'spam', 'pvo'}
    assert {'first', 'last', 'acked', 'bytes', 'budget'} <= set(reply['exports']['tracking']), reply['exports']
    assert ok(say(g, key, 'hello', hello(proto=9)))[0]['proto'] == 1
    assert say(g, key, 'hello', hello(proto=0)).startswith(b'ERR 505 ')
    assert say(g, key, 'hello', hello(serial='OTHER')).startswith(b'ERR 403 ')
    for bad in (b'', b'x', b'[]', b'{"proto":', b'{}', b'\xff' * 100):
        assert say(g, key, 'hello', bad).startswith(b'ERR 400 '), bad
    assert say(g, key, 'hello', b' ' * 100000).startswith(b'ERR 400 ')


def test_reach(t):
    """ST-18, ST-22: the gateway itself tries the ports of its manager and says which of them answer."""
    key = Keys(t)
    with socket.create_server(('127.0.0.1', 0)) as listening:
        closed = free_port()
        g = gateway(t, key, 'manager.sma.spam_port=%d' % listening.getsockname()[1], 'manager.sma.pvo_port=%d' % closed)
        reach = ok(say(g, key, 'get-config reach'))[0]
        assert reach['6025'] == 'ok' and 'refused' in reach['7025'].lower(), reach
        assert ok(say(g, key, 'hello', hello()))[0]['reach'] == reach


def test_get_config(t):
    """CPQ-45: where a gateway takes released mail; its interfaces and quarantines, and which filters and DLP policies name them."""
    key = Keys(t)
    g = gateway(t, key, 'cpq_listener.enabled=yes', 'message_filter.hold.text=hold: if (true) { quarantine("Policy"); }')
    cpq = ok(say(g, key, 'get-config cpq'))[0]
    assert set(cpq) == {'state', 'interface', 'address', 'port', 'serial', 'version'}, cpq
    assert cpq['state'] == 'listening' and cpq['port'] == g.base + 7025, cpq
    g.cli('suspendlistener', '0', 'all')
    assert ok(say(g, key, 'get-config cpq'))[0]['state'] == 'offline'
    names = {q['name'] for q in ok(say(g, key, 'get-config quarantines'))[0]}
    assert {'Policy', 'Virus', 'Outbreak'} <= names, names
    assert {'kind': 'message_filter', 'name': 'hold'} in ok(say(g, key, 'get-config quarantine-use'))[0]['Policy']
    assert ok(say(g, key, 'get-config interfaces'))[0][0]['address']
    assert ok(say(g, key, 'get-config version'))[0]['serial'] == cpq['serial']
    assert ok(say(g, key, 'get-config cluster'))[0] == {'levels': [], 'members': [], 'overrides': []}
    assert ok(say(g, key, 'get-config spam'))[0]['central'] is False


def test_segments_by_hand(t):
    """list-exports with cut, get from any octet, ack with the digest, and what is refused: a wrong digest, a segment that never was."""
    import hashlib
    key, sink = Keys(t), t.sink()
    g = gateway(t, key, 'listener.InboundMail.rat=rcpt.test ACCEPT,ALL REJECT', sink_port=sink.port)
    s = g.smtp()
    assert s.send('a@s.test', ['b@rcpt.test'], b'Subject: one\r\n\r\nx\r\n')[0] == 250
    lines = []

    def listed():
        lines[:] = [json.loads(x) for x in ok(say(g, key, 'list-exports tracking 0 0 cut'))[1].splitlines()]
        return any(x['events'] for x in lines)
    wait_for('a segment with events', listed, 20)
    one = next(x for x in lines if x['events'])
    assert one['state'] == 'ready' and len(one['sha256']) == 64, one
    which = 'tracking %d %d' % (one['epoch'], one['seq'])
    whole = ok(say(g, key, 'get ' + which))[1]
    assert len(whole) == one['bytes'] and hashlib.sha256(whole).hexdigest() == one['sha256']
    assert whole.startswith(b'POSTERN-EXPORT 1\n')
    assert ok(say(g, key, 'get %s 100' % which))[1] == whole[100:]
    assert ok(say(g, key, 'get %s %d' % (which, len(whole) + 9)))[1] == b''
    assert say(g, key, 'get tracking %d 99999' % one['epoch']).startswith(b'ERR 404 ')
    assert say(g, key, 'ack %s %s' % (which, '0' * 64)).startswith(b'ERR 4')
    assert ok(say(g, key, 'ack %s %s' % (which, one['sha256'])))[0] == {'acked': one['seq']}
    assert ok(say(g, key, 'hello', hello()))[0]['exports']['tracking']['acked'] == one['seq']
    began = time.monotonic()
    last = max(x['seq'] for x in lines)
    out = say(g, key, 'list-exports reporting 99 %d wait=1500' % last)
    assert out == b'OK\n' and 1.4 < time.monotonic() - began < 15, out


# --- a manager -------------------------------------------------------------------------------------------------------------------


class Pair:
    """A manager and its gateway, known to each other."""

    def __init__(self, t, *settings, gateway_settings=(), **wrong):
        self.sink = t.sink()
        self.m = t.manager(['central.pull_every_ms=1s', *settings])
        self.public = self.m.cli('settings', 'show', 'ssh_identity.public_key').split('=', 1)[1].strip()
        self.g = t.home(['manager.sma.ssh_key=' + self.public, 'manager.sma.serial=' + serial(self.m), 'log.audit.type=audit',
                         'listener.InboundMail.rat=rcpt.test ACCEPT,ALL REJECT', *gateway_settings], sink_port=self.sink.port)
        ssh_up(self.g)
        host = ' '.join(open(os.path.join(self.g.home, 'keys', 'ssh_host_ed25519_key.pub')).read().split()[:2])
        self.row = dict(dict(address='127.0.0.1', port=self.g.base + 22, serial=serial(self.g), host_key=host, tracking='yes', reporting='yes'), **wrong)
        self.m.set(*['appliance.gw.%s=%s' % x for x in self.row.items()])

    def mail(self, *subjects):
        s = self.g.smtp()
        for subject in subjects:
            assert s.send('a@s.test', ['b@rcpt.test'], b'Subject: %s\r\n\r\nx\r\n' % subject.encode())[0] == 250
        s.close()

    def found(self, subject):
        reply = json.loads(self.m.cli('tracking', 'subject=' + subject, 'limit=1000', '--json'))
        return len(reply if isinstance(reply, list) else next(v for v in reply.values() if isinstance(v, list)))

    def wait_found(self, subject, n=1, seconds=40):
        wait_for('%d messages with subject %s' % (n, subject), lambda: self.found(subject) >= n, seconds)
        assert self.found(subject) == n

    def wait_smad(self, pattern, seconds=30):
        return self.m.wait_log(pattern, 'smad_logs', seconds)

    def connections(self):
        """Connections to the gateway's SSH port that are open, as the kernel tells: who has that port at his own end is the gateway."""
        port, n = '%04X' % (self.g.base + 22), 0
        for line in open('/proc/net/tcp').read().splitlines()[1:]:
            _, local, remote, state = line.split()[:4]
            n += state == '01' and local.endswith(':' + port)
        return n


def serial(h):
    return h.cli('settings', 'show', 'system.serial').split('=', 1)[1].strip()


def test_a_message_is_found_on_the_manager(t):
    """ST-04, ST-07 to ST-10, ST-16: the manager opens one SSH connection to the gateway, fetches tracking and reporting over it, and
    the message is found there; a TRANSFER line a segment. The gateway opens nothing to the manager."""
    p = Pair(t)
    p.mail('the-first')
    p.wait_found('the-first')
    p.wait_smad(r'Info: TRANSFER: tracking gw \S+\.tracking\.\d+-\d+\.seg \d+ bytes \d+\.\d\d seconds')
    wait_for('one connection', lambda: p.connections() == 1)
    p.g.wait_log(r'Manager sma \(127\.0\.0\.1\): ack tracking .*: OK', 'audit')
    began = time.monotonic()
    p.mail('the-second')
    p.wait_found('the-second')
    assert time.monotonic() - began < 15
    status = p.m.cli('applianceconfig', 'status', 'gw')
    assert 'gw' in status and serial(p.g) in status, status


def test_what_is_wrong_is_refused_with_a_reason(t):
    """A gateway that says another serial number, shows another host key or does not take our key is refused with text and alert."""
    other = Keys(t)
    p = Pair(t, serial='SOMEBODY-ELSE')
    p.wait_smad(r'Critical: Gateway gw is refused: the appliance says serial number %s, enrolled is SOMEBODY-ELSE' % serial(p.g))
    assert 'is refused: the appliance says' in p.m.cli('displayalerts')
    p.m.set('appliance.gw.serial=' + serial(p.g), 'appliance.gw.host_key=' + other.public)
    p.wait_smad(r'Critical: Gateway gw is refused: host key SHA256:\S+ is not the one known of this appliance')
    p.g.set('manager.sma.ssh_key=' + other.public)
    p.m.set('appliance.gw.host_key=' + p.row['host_key'])
    p.wait_smad(r'Critical: Gateway gw is refused: the appliance does not accept our key')
    # the right key, for another address: a restriction of the line holds here too
    p.g.set('manager.sma.ssh_key=from="192.0.2.1" ' + p.public)
    p.mail('never fetched')
    time.sleep(1)
    assert p.found('never fetched') == 0
    p.g.set('manager.sma.ssh_key=from="127.0.0.0/8" ' + p.public)
    p.wait_found('never fetched', seconds=90)


def test_suspendtransfers(t):
    """suspendtransfers stops fetching, resumetransfers goes on where it was: nothing is lost."""
    p = Pair(t)
    p.mail('before')
    p.wait_found('before')
    assert 'Transfers suspended.' in p.m.cli('suspendtransfers', '0')
    time.sleep(1.5)
    n = p.m.log('smad_logs').count('TRANSFER')
    p.mail('meanwhile')
    time.sleep(3)
    assert p.found('meanwhile') == 0 and p.m.log('smad_logs').count('TRANSFER') == n
    assert 'Transfers resumed.' in p.m.cli('resumetransfers')
    p.wait_found('meanwhile')
    p.wait_smad('Transfers suspended by admin')


def test_killed_roles_lose_and_double_nothing(t):
    """ST-32, ST-33: central and record of the manager, record and shell of the gateway are killed under load: every message is found,
    once."""
    p = Pair(t)
    n = 0
    for h, role in ((p.m, 'central'), (p.m, 'record'), (p.g, 'shell'), (p.g, 'record'), (p.m, 'central')):
        p.mail(*['kill-%d' % i for i in range(n, n + 20)])
        n += 20
        time.sleep(0.7)
        os.kill(h.roles()[role, 0], signal.SIGKILL)
    p.mail('kill-last')
    p.wait_found('kill-last', seconds=60)
    p.wait_found('kill-', n + 1, seconds=60)


def test_the_manager_was_away(t):
    """ST-33: what a gateway recorded while the manager was off is fetched when it is back, all of it, once."""
    p = Pair(t)
    p.mail('early')
    p.wait_found('early')
    p.m.stop()
    for i in range(6):
        p.mail(*['away-%d-%d' % (i, k) for k in range(10)])
        time.sleep(0.5)
    p.g.stop()
    p.g.start()
    ssh_up(p.g)
    p.mail('away-last')
    p.m.start()
    p.wait_found('away-', 61, seconds=60)
    assert p.found('early') == 1


def test_a_damaged_segment_waits_until_it_is_whole(t):
    """A segment whose octets are not those listed is refused whole, told, and fetched again until it is what it should be."""
    p = Pair(t)
    p.mail('sound')
    p.wait_found('sound')
    p.m.cli('suspendtransfers', '0')
    time.sleep(1)
    before = set(glob.glob(os.path.join(p.g.home, 'exports', 'tracking', '*.seg')))
    p.mail('damaged')
    key = Keys(t)
    p.g.set('manager.second.ssh_key=' + key.public, 'manager.second.serial=MGR-2')
    wait_for('a segment', lambda: any(json.loads(x)['events'] for x in ok(say(p.g, key, 'list-exports tracking 0 0 cut'))[1].splitlines()
                                      if os.path.join(p.g.home, 'exports', 'tracking', '%d-%d.seg' % (json.loads(x)['epoch'], json.loads(x)['seq'])) not in before), 20)
    new = sorted(set(glob.glob(os.path.join(p.g.home, 'exports', 'tracking', '*.seg'))) - before)
    sound = {f: open(f, 'rb').read() for f in new}
    for f, octets in sound.items():
        with open(f, 'r+b') as o:
            o.seek(len(octets) - 10)
            o.write(bytes(x ^ 1 for x in octets[-10:]))
    p.m.cli('resumetransfers')
    p.wait_smad(r'Warning: TRANSFER: tracking gw \S+ is damaged and is fetched again: its digest is not the listed one')
    assert p.found('damaged') == 0
    for f, octets in sound.items():
        open(f, 'wb').write(octets)
    p.wait_found('damaged')


def test_a_gateway_without_contact_is_named(t):
    """central.md 5, Data availability: tracking and reporting availability say *no contact since*, with what there is of its data; applianceconfig
    status tells contact and transfers in words, of all or of one."""
    p = Pair(t)
    p.mail('before')
    p.wait_found('before')

    def state(verb, key='state'):
        return [x.get(key) for x in json.loads(p.m.cli(verb, 'availability', '--json'))['appliances'] if x['serial'] == p.row['serial']][0]
    wait_for('its data', lambda: state('tracking') == 'OK', 20)
    shown = p.m.cli('applianceconfig', 'status', 'gw')
    assert re.search(r'(?m)^gw: connected since .* by SSH$', shown), shown
    assert re.search(r'(?m)^  Tracking: +last transfer .*, [1-9]\d* segments? of \d+ bytes so far', shown), shown
    p.g.stop()
    before = time.time() * 1000
    wait_for('no contact', lambda: state('tracking') == 'no contact', 60)
    assert before - 120000 < state('tracking', 'no_contact_since') < before + 60000
    for verb in ('tracking', 'report'):
        assert re.search(r'(?m)^gw \(%s\): no contact since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d GMT$' % re.escape(p.row["serial"]), p.m.cli(verb, 'availability'))
    assert re.search(r'  Data from \d{4}-', p.m.cli('tracking', 'availability'))
    assert re.search(r'(?m)^gw: no contact since \w{3} \w{3} .*: ', p.m.cli('applianceconfig', 'status'))
    os.kill(p.m.roles()['central', 0], signal.SIGKILL)
    time.sleep(3)
    wait_for('no contact still', lambda: state('tracking') == 'no contact' and state('tracking', 'no_contact_since') < before + 60000, 30)
    p.g.start()
    wait_for('contact', lambda: state('tracking') == 'OK', 90)


def test_a_full_disk_pauses_fetching(t):
    """central.md 5: no space on the manager's disk: transfers pause with an alert; with space again they go on, and nothing is missing."""
    p = Pair(t)
    p.mail('before')
    p.wait_found('before')
    p.m.stop()
    path = small_disk(t, p.m, 1, 'central')
    p.m.start()
    fill(os.path.join(path, 'filler'))
    p.mail('meanwhile')
    p.wait_smad(r'Transfers pause: .*[Nn]o space')
    assert p.found('meanwhile') == 0
    wait_for('an alert', lambda: 'Transfers pause: ' in p.m.cli('displayalerts'))
    os.unlink(os.path.join(path, 'filler'))
    p.wait_found('meanwhile', seconds=60)
    p.wait_smad(r'Transfers go on after \d+ seconds')


test_a_full_disk_pauses_fetching.needs_root = True
