"""SNMP with the tools monitoring systems are built on (Net-SNMP): values, types, who is answered, traps."""
import os, re, shutil, signal, socket, subprocess

from lib import BUILD, MESSAGE, TOP, child_of, wait_for

TREE = '.1.3.6.1.4.1.15497.1.1.1'
TRAPS = '.1.3.6.1.4.1.15497.1.1.2'
V3 = ('-v3', '-u', 'v3get', '-l', 'authPriv', '-a', 'SHA', '-A', 'auth-phrase', '-x', 'AES', '-X', 'privacy phrase')
V2 = ('-v2c', '-c', 'see cret')
ON = ['snmp.enabled=yes', 'snmp.auth_passphrase=auth-phrase', 'snmp.privacy_passphrase=privacy phrase']
BOTH = ON + ['snmp.v2c=yes', 'snmp.community=see cret']
ENV = dict(os.environ, MIBS='', SNMPCONFPATH='/nonexistent', LC_ALL='C')

# spec/snmp.md 2: object -> type as snmpwalk prints it, and the values it may have. Tables: object.1.column.
TYPES = {'1.0': ('INTEGER', range(0, 101)), '2.0': ('INTEGER', range(0, 101)), '3.0': ('INTEGER', range(0, 101)),
         '4.0': ('INTEGER', range(0, 101)), '5.0': ('INTEGER', range(1, 4)), '6.0': ('INTEGER', range(1, 5)),
         '7.0': ('INTEGER', range(1, 4)), '11.0': ('Gauge32', None), '14.0': ('Gauge32', None), '15.0': ('Gauge32', None),
         '16.0': ('Gauge32', None), '17.0': ('Counter32', None), '19.0': ('Gauge32', None), '20.0': ('Gauge32', None),
         '22.0': ('STRING', None), '27.0': ('STRING', None)}
COLUMNS = {'8.1.1': 'INTEGER', '8.1.2': 'INTEGER', '8.1.3': 'INTEGER', '8.1.4': 'STRING', '9.1.2': 'INTEGER', '9.1.3': 'STRING',
           '10.1.2': 'Gauge32', '10.1.3': 'STRING', '12.1.1': 'INTEGER', '12.1.2': 'STRING', '12.1.3': 'INTEGER', '12.1.4': 'Gauge32',
           '13.1.1': 'INTEGER', '13.1.2': 'STRING', '13.1.3': 'Counter32', '13.1.4': 'Counter32', '18.1.1': 'INTEGER',
           '18.1.2': 'INTEGER', '18.1.3': 'STRING', '18.1.4': 'STRING'}
NAMES = ['resourceConservationMode', 'powerSupplyStatusChange', 'highTemperature', 'fanFailure', 'keyExpiration', 'updateFailure',
         'raidStatusChange', 'connectivityFailure', 'memoryUtilizationExceeded', 'cpuUtilizationExceeded', 'hsmInitializationFailure',
         'hsmResetLoginFailure']
VARBINDS = ['6.0', '8.1.2.1', '9.1.3.1', '10.1.3.1', '12.1.2.1', '13.1.2.1', '18.1.3.1', '21.0', '1.0', '2.0', '22.0', '22.0']


def snmp(g, tool, *words, access=V3, patience=1):
    """Output of a Net-SNMP tool against the gateway, both streams, numeric names."""
    cmd = [tool, *access, '-On', '-r', '0', '-t', str(patience), '127.0.0.1:%d' % (g.base + 161), *words]
    r = subprocess.run(cmd, capture_output=True, text=True, env=ENV)
    return r.stdout + r.stderr


def lines(text):
    """[(name below TREE, type, value)] of a walk."""
    out = []
    for line in text.split('\n'):
        m = re.match(re.escape(TREE) + r'\.([0-9.]+) = (?:(\w+): )?(.*)$', line)
        if m:
            out.append((m.group(1), m.group(2) or ('STRING' if m.group(3) == '""' else ''), m.group(3)))
    return out


def up(t, settings, **kw):
    g = t.home(settings, **kw)
    wait_for('the agent', lambda: 'INTEGER' in snmp(g, 'snmpget', TREE + '.5.0', access=V3 if not kw.get('access') else kw['access']))
    return g


class Trapd:
    """A plain trap receiver. users: lines for its configuration (createUser)."""

    def __init__(self, t, *config):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.bind(('127.0.0.1', 0))
        self.port = s.getsockname()[1]
        s.close()
        self.dir = os.path.join(t.home(start=False).dir, 'trapd')
        os.mkdir(self.dir)
        with open(self.dir + '/conf', 'w') as f:
            f.write('\n'.join(('authCommunity log traps',) + config) + '\n')
        self.out = open(self.dir + '/out', 'w')
        self.proc = subprocess.Popen(['/usr/sbin/snmptrapd', '-f', '-Lo', '-n', '-C', '-c', self.dir + '/conf', '-On', '-F', 'TRAP %P | %v\\n',
                                      'udp:127.0.0.1:%d' % self.port], stdout=self.out, stderr=self.out,
                                     env=dict(ENV, SNMP_PERSISTENT_DIR=self.dir))
        t.things.append(self)
        wait_for('snmptrapd', lambda: 'NET-SNMP version' in self.text())

    def text(self):
        return open(self.dir + '/out').read()

    def traps(self):
        return [re.split(r'\t', l.split(' | ', 1)[1]) for l in self.text().split('\n') if l.startswith('TRAP ') and ' | ' in l]

    def of(self, oid):
        return [v for v in self.traps() if len(v) > 1 and v[1].endswith(' = OID: ' + oid)]

    def close(self):
        self.proc.terminate()
        self.proc.wait()
        self.out.close()


def test_off_by_default(t):
    """Without snmp.enabled nothing listens on the SNMP port and no snmpd runs (FW-17, HD-01)."""
    g = t.home()
    assert ('snmp', 0) not in g.roles()
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(('127.0.0.1', g.base + 161))
    s.close()
    assert 'not enabled' in g.cli('snmpconfig', 'status')


def test_walk_has_the_types_of_the_specification(t):
    """A walk and a bulk walk of our tree show each object once, in order, with exactly its type and range (FW-17)."""
    g = up(t, ON)
    walk = lines(snmp(g, 'snmpwalk', TREE))
    assert walk == sorted(walk, key=lambda l: [int(n) for n in l[0].split('.')]) and len({l[0] for l in walk}) == len(walk)
    assert set(TYPES) <= {l[0] for l in walk}, walk
    for name, kind, value in walk:
        if name in TYPES:
            want, may = TYPES[name]
            assert kind == want and (may is None or int(value) in may), (name, kind, value)
        else:
            column, _, row = name.rpartition('.')
            assert COLUMNS[column] == kind and int(row) >= 1, (name, kind)
    # all columns of a table have the same rows
    for table in {c.split('.')[0] for c in COLUMNS}:
        rows = [sorted(n.rpartition('.')[2] for n, *_ in walk if n.startswith(c + '.')) for c in COLUMNS if c.startswith(table + '.')]
        assert all(r == rows[0] for r in rows), (table, rows)
    keys = [l for l in walk if l[0].startswith('12.1.')]
    assert keys and all(v == '1' for n, k, v in keys if n.startswith('12.1.3.')) and all(v == '0' for n, k, v in keys if n.startswith('12.1.4.'))
    bulk = lines(snmp(g, 'snmpbulkwalk', TREE))
    assert [l[:2] for l in bulk] == [l[:2] for l in walk]
    columns = lines(snmp(g, 'snmpbulkwalk', TREE + '.12.1.2'))
    assert columns == [l for l in walk if l[0].startswith('12.1.2.')]
    disk = dict((l[0], l[2]) for l in walk)['27.0']
    assert re.fullmatch(r'"Total_disk_space: \d+ [kMGTP]B, Used_disk_space: \d+ [kMGTP]B, Available_disk_space: \d+ [kMGTP]B"', disk), disk
    # every scalar: GET on .n.0, GETNEXT from .n; a table without rows is passed over
    for name in TYPES:
        n = name.split('.')[0]
        assert TREE + '.' + name + ' = ' in snmp(g, 'snmpget', TREE + '.' + name)
        assert TREE + '.' + name + ' = ' in snmp(g, 'snmpgetnext', TREE + '.' + n), n
    assert TREE + '.11.0 = ' in snmp(g, 'snmpgetnext', TREE + '.10.2.0')


def test_what_is_not_there(t):
    """Anything else below our enterprise is noSuchObject, no object can be written (FW-17)."""
    g = up(t, ON)
    for oid in ('.1.3.6.1.4.1.15497.1.2.1.0', '.1.3.6.1.4.1.15497.2', TREE + '.21.0', TREE + '.99.0', TREE + '.8.1.9.1'):
        assert 'No Such Object' in snmp(g, 'snmpget', oid), oid
    for oid in (TREE + '.1', TREE + '.1.1', TREE + '.12.1.2.77'):
        assert 'No Such Instance' in snmp(g, 'snmpget', oid), oid
    for oid, kind, value in ((TREE + '.1.0', 'i', '5'), (TREE + '.12.1.2.1', 's', 'x'), (TREE + '.99.0', 'i', '1')):
        assert 'notWritable' in snmp(g, 'snmpset', oid, kind, value), oid
    assert 'noAccess' in snmp(g, 'snmpset', '.1.3.6.1.2.1.1.5.0', 's', 'x')


def test_identity_and_standard_mibs(t):
    """System group as tools recognise it by; interfaces with 64-bit counters, IP, TCP, host resources (FW-17)."""
    g = up(t, ON + ['snmp.location=Rack 7, "north"', 'snmp.contact=noc@example.org', 'system.hostname=gw1.example.org'])
    serial = re.search(r'serial number ([0-9A-F-]+)', g.init_output).group(1)
    system = snmp(g, 'snmpwalk', '.1.3.6.1.2.1.1')
    value = lambda n: re.search(r'(?m)^\.1\.3\.6\.1\.2\.1\.1\.%d\.0 = \w+: (.*)$' % n, system).group(1)
    m = re.search(r'Model (?P<hardware>.*), AsyncOS Version: (?P<version>[^,]+).*Serial #: (?P<serial>.*)', value(1).strip('"'))
    assert m.group('hardware') == 'C100V' and m.group('version') == '15.5.0-048' and m.group('serial') == serial, value(1)
    assert value(2) == '.1.3.6.1.4.1.15497.1.1'
    assert re.match(r'\(\d+\) 0:00:', value(3)) and value(4) == '"noc@example.org"' and value(5) == '"gw1.example.org"'
    assert value(6) == r'"Rack 7, \"north\""', value(6)
    for what, oid in (('ifDescr', '.1.3.6.1.2.1.2.2.1.2'), ('ifHCInOctets', '.1.3.6.1.2.1.31.1.1.1.6'), ('ip', '.1.3.6.1.2.1.4.20'),
                      ('tcp', '.1.3.6.1.2.1.6.5'), ('hrSystemUptime', '.1.3.6.1.2.1.25.1.1'), ('hrStorage', '.1.3.6.1.2.1.25.2.3.1.3'),
                      ('hrSWRunName', '.1.3.6.1.2.1.25.4.2.1.2')):
        assert oid + '.' in snmp(g, 'snmpbulkwalk', oid, patience=5), what
    assert 'Counter64' in snmp(g, 'snmpwalk', '.1.3.6.1.2.1.31.1.1.1.6')


def test_v3_user(t):
    """v3get is answered with authPriv and both passphrases; anything less gets an error or no answer; passphrases are in no
    file; a change of them holds at once (FW-17, HD-01)."""
    g = up(t, ON)
    name = ('.1.3.6.1.2.1.1.5.0',)
    def ask(auth='auth-phrase', privacy='privacy phrase', level='authPriv', user='v3get'):
        return snmp(g, 'snmpget', *name, access=('-v3', '-u', user, '-l', level, '-a', 'SHA', '-A', auth, '-x', 'AES', '-X', privacy))
    assert 'STRING' in ask()
    assert 'authorizationError' in ask(level='authNoPriv') and 'authorizationError' in ask(level='noAuthNoPriv')
    assert 'Authentication failure' in ask(auth='wrong-phrase') and 'STRING' not in ask(privacy='wrong phrase')
    assert 'Unknown user name' in ask(user='admin')
    assert 'STRING' not in snmp(g, 'snmpget', *name, access=('-v2c', '-c', 'public')) and 'STRING' not in snmp(g, 'snmpget', *name, access=('-v1', '-c', ''))
    files = [os.path.join(d, f) for d, _, names in os.walk(g.home + '/snmp') for f in names]
    assert files and all(os.stat(f).st_mode & 0o077 == 0 for f in files)
    assert not any('phrase' in open(f).read() for f in files if os.path.isfile(f))
    boots = lambda: int(re.search(r'(?m)^engineBoots (\d+)', open(g.home + '/snmp/state/snmpd.conf').read()).group(1))
    before = boots()
    g.cli('settings', 'set', 'snmp.auth_passphrase=another one')
    wait_for('the new passphrase', lambda: 'STRING' in ask(auth='another one'))
    assert 'Authentication failure' in ask() and boots() == before + 1
    g.cli('settings', 'set', 'snmp.auth=MD5', 'snmp.privacy=DES', 'snmp.level=authNoPriv')
    wait_for('MD5', lambda: 'STRING' in snmp(g, 'snmpget', *name, access=('-v3', '-u', 'v3get', '-l', 'authNoPriv', '-a', 'MD5', '-A', 'another one')))


def test_communities_and_networks(t):
    """v1 and v2c answer only with the community and from the networks that are set; there is no default community (FW-17)."""
    g = up(t, ON)
    assert 'STRING' not in snmp(g, 'snmpget', '.1.3.6.1.2.1.1.5.0', access=('-v2c', '-c', 'public'))
    for bad in ('snmp.v2c=yes', 'snmp.auth_passphrase=short', 'snmp.privacy_passphrase='):
        assert 'snmp.' in g.cli('settings', 'set', bad, check=False), bad
    assert not g.cli('settings', 'show', 'snmp.v2c').rstrip().endswith('yes')
    g.cli('settings', 'set', 'snmp.v2c=yes', 'snmp.community=see cret')
    wait_for('v2c', lambda: 'STRING' in snmp(g, 'snmpget', '.1.3.6.1.2.1.1.5.0', access=V2))
    assert 'STRING' in snmp(g, 'snmpget', '.1.3.6.1.2.1.1.5.0', access=('-v1', '-c', 'see cret'))
    assert 'No Response' in snmp(g, 'snmpget', '.1.3.6.1.2.1.1.5.0', access=('-v2c', '-c', 'see'))
    assert 'notWritable' in snmp(g, 'snmpset', TREE + '.1.0', 'i', '1', access=V2)
    g.cli('settings', 'set', 'snmp.networks=192.0.2.0/24')
    wait_for('no answer any more', lambda: 'No Response' in snmp(g, 'snmpget', '.1.3.6.1.2.1.1.5.0', access=V2))
    wait_for('v3 goes on', lambda: 'STRING' in snmp(g, 'snmpget', '.1.3.6.1.2.1.1.5.0'))


def test_values_follow_the_mail(t):
    """The work queue and the oldest message are those of `workqueue status` and the queue, not older than 5 s (FW-17)."""
    g = up(t, ON + ['listener.InboundMail.rat=rcpt.test ACCEPT,ALL REJECT'])
    get = lambda n: int(re.search(r': (\d+)', snmp(g, 'snmpget', TREE + n)).group(1))
    assert get('.11.0') == 0
    wait_for('workers and open files', lambda: get('.20.0') >= 3 and get('.19.0') > 10, 6)
    g.cli('workqueue', 'pause')
    s = g.smtp()
    for _ in range(3):
        assert s.send('a@sender.test', 'b@rcpt.test', MESSAGE)[0] == 250
    wait_for('three messages', lambda: get('.11.0') == 3, 6)
    assert re.search(r'\b3\b', g.cli('workqueue', 'status'))
    wait_for('age', lambda: get('.14.0') >= 1, 8)
    assert get('.14.0') < 60


def test_every_trap_arrives_with_its_varbind(t):
    """snmpconfig test N for all 12: sysUpTime.0, snmpTrapOID.0 without a .0. in it, then the varbind (FW-18)."""
    d = Trapd(t)
    g = up(t, ON + ['snmp.trap_targets=127.0.0.1:%d' % d.port, 'snmp.trap_community=traps'])
    for n, name in enumerate(NAMES, 1):
        assert 'Trap %d %s sent.' % (n, name) in g.cli('snmpconfig', 'test', str(n) if n % 2 else name)
    wait_for('12 traps', lambda: all(d.of('%s.%d' % (TRAPS, n)) for n in range(1, 13)))
    for n in range(1, 13):
        trap = d.of('%s.%d' % (TRAPS, n))[0]
        assert trap[0].startswith('.1.3.6.1.2.1.1.3.0 = Timeticks:') and trap[1].startswith('.1.3.6.1.6.3.1.1.4.1.0 = OID:'), trap
        assert trap[2].startswith('%s.%s = %s' % (TREE, VARBINDS[n - 1], 'INTEGER' if n in (1, 2, 9, 10) else 'STRING')), trap
    assert d.of('.1.3.6.1.6.3.1.1.5.1'), 'coldStart'
    snmp(g, 'snmpget', TREE + '.1.0', access=('-v2c', '-c', 'wrong'))
    wait_for('authenticationFailure', lambda: d.of('.1.3.6.1.6.3.1.1.5.5'))
    assert 'TRAP2, SNMP v2c, community traps' in d.text()
    assert 'Traps are numbered 1 to 12.' in g.cli('snmpconfig', 'test', '13', check=False)
    g.wait_log('SNMP trap keyExpiration', 'system_logs')


def test_v3_traps(t):
    """trap_version=v3: signed and encrypted as user v3get, engine id after the serial number (FW-18)."""
    g = t.home(ON, start=False)
    serial = re.search(r'serial number ([0-9A-F-]+)', g.init_output).group(1)
    engine = '80003c8904' + serial[:27].encode().hex()
    d = Trapd(t, 'createUser -e 0x%s v3get SHA "auth-phrase" AES "privacy phrase"' % engine, 'authUser log v3get priv')
    g.start()
    g.cli('settings', 'set', 'snmp.trap_targets=127.0.0.1:%d' % d.port, 'snmp.trap_version=v3')
    wait_for('coldStart', lambda: d.of('.1.3.6.1.6.3.1.1.5.1'))
    g.cli('snmpconfig', 'test', '6')
    wait_for('the trap', lambda: d.of(TRAPS + '.6'))
    assert 'SNMP v3, user v3get' in d.text()


def test_conservation_trap(t):
    """Too little disk space: queue full and its reason in the objects, trap resourceConservationMode on entry and on return (FW-18)."""
    d = Trapd(t)
    g = up(t, ON + ['snmp.trap_targets=127.0.0.1:%d' % d.port, 'snmp.trap_community=traps'])
    told = lambda: [v[2].rsplit(' ', 1)[1] for v in d.of(TRAPS + '.1')]
    g.cli('settings', 'set', 'spool.min_free_bytes=1099511627776')
    wait_for('entry', lambda: told() == ['4'])
    assert 'INTEGER: 3' in snmp(g, 'snmpget', TREE + '.5.0') and 'INTEGER: 4' in snmp(g, 'snmpget', TREE + '.6.0')
    g.cli('settings', 'set', 'spool.min_free_bytes=16M')
    wait_for('return', lambda: told() == ['4', '1'])


def test_connectivity_trap(t):
    """A URL that cannot be reached sends connectivityFailure once, when that trap is on; one that answers sends none (FW-18)."""
    d = Trapd(t)
    silent = socket.socket()
    silent.bind(('127.0.0.1', 0))
    url = 'http://127.0.0.1:%d/health' % silent.getsockname()[1]
    g = up(t, ON + ['snmp.trap_targets=127.0.0.1:%d' % d.port, 'snmp.trap_community=traps', 'snmp.url=' + url])
    assert not d.of(TRAPS + '.8')
    g.cli('settings', 'set', 'snmp.traps_off=memoryUtilizationExceeded')
    wait_for('connectivityFailure', lambda: d.of(TRAPS + '.8'))
    assert d.of(TRAPS + '.8')[0][2] == '%s.21.0 = STRING: "%s"' % (TREE, url)
    silent.listen(5)
    g.cli('settings', 'set', 'snmp.url=http://127.0.0.1:%d/' % silent.getsockname()[1])
    peer, _ = silent.accept()
    assert peer.recv(1000).startswith(b'GET / HTTP/1.1\r\nHost: 127.0.0.1')
    peer.sendall(b'HTTP/1.1 204 No Content\r\n\r\n')
    peer.close()
    assert len(d.of(TRAPS + '.8')) == 1


def snmpd_of(g):
    """Pid of the snmpd of this gateway."""
    return child_of(g.roles().get(('snmp', 0)), 'snmpd')


def test_snmpd_is_supervised(t):
    """A killed snmpd is back within 2 s with our tree, is logged, and sends warmStart; it ends with its role and with Postern; a
    killed role comes back too (FW-17)."""
    d = Trapd(t)
    g = up(t, ON + ['snmp.trap_targets=127.0.0.1:%d' % d.port, 'snmp.trap_community=traps'])
    first = snmpd_of(g)
    os.kill(first, signal.SIGKILL)
    wait_for('snmpd again', lambda: 'INTEGER' in snmp(g, 'snmpget', TREE + '.5.0'), 4)
    g.wait_log(r'snmpd was ended by signal 9', 'system_logs')
    wait_for('warmStart', lambda: d.of('.1.3.6.1.6.3.1.1.5.2'))
    assert 'ended unexpectedly 1 times' in g.cli('snmpconfig', 'status')
    second = snmpd_of(g)
    os.kill(g.roles()['snmp', 0], signal.SIGKILL)
    wait_for('its end', lambda: not os.path.exists('/proc/%d' % second), 3)
    wait_for('the role again', lambda: 'INTEGER' in snmp(g, 'snmpget', TREE + '.5.0'))
    third = snmpd_of(g)
    g.cli('settings', 'set', 'snmp.enabled=no')
    wait_for('the end', lambda: not os.path.exists('/proc/%d' % third), 5)
    g.cli('settings', 'set', 'snmp.enabled=yes')
    wait_for('once more', lambda: 'INTEGER' in snmp(g, 'snmpget', TREE + '.5.0'))
    last = snmpd_of(g)
    g.stop()
    assert not os.path.exists('/proc/%d' % last)


def low_port():
    for port in (161, *range(200, 1000)):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            s.bind(('127.0.0.1', port))
            return port
        except OSError:
            pass
        finally:
            s.close()


def test_a_low_port_without_root(t):
    """Started by root, snmpd runs as user postern and still binds port 161: it keeps that one capability and no other (FW-17)."""
    port = low_port()
    g = t.home(ON + ['snmp.port=%d' % port, 'ntp.servers=127.0.0.1:%d' % (port + 1)], start=False)
    os.chmod(g.dir, 0o711)
    programs, users = os.path.join(g.dir, 'bin'), os.path.join(g.dir, 'passwd')
    os.mkdir(programs)
    os.chmod(programs, 0o755)
    for f in os.listdir(BUILD):
        if f.startswith('postern'):
            shutil.copy2(os.path.join(BUILD, f), programs)
    with open(users, 'w') as f:
        f.write(open('/etc/passwd').read() + 'postern:x:61234:61234::/nonexistent:/usr/sbin/nologin\n')
    os.chmod(users, 0o644)
    g.err = open(os.path.join(g.dir, 'stderr'), 'ab')
    g.proc = subprocess.Popen(['unshare', '-m', 'sh', '-c', 'mount --bind "$1" /etc/passwd && exec "$2" run --home "$3"', 'sh', users,
                               os.path.join(programs, 'postern'), g.home], stdout=g.err, stderr=g.err, start_new_session=True)
    g.wait_up()
    ask = ['snmpget', *V3, '-On', '-r', '0', '-t', '1', '127.0.0.1:%d' % port, TREE + '.5.0']
    wait_for('the agent', lambda: 'INTEGER' in subprocess.run(ask, capture_output=True, text=True, env=ENV).stdout)
    status = open('/proc/%d/status' % snmpd_of(g)).read()
    assert re.search(r'Uid:\t61234\t61234', status) and re.search(r'CapEff:\t0*400\n', status), status
    clock = wait_for('chronyd', lambda: child_of(g.roles().get(('clock', 0)), 'chronyd'))
    assert re.search(r'CapEff:\t0*2000400\n', open('/proc/%d/status' % clock).read())


test_a_low_port_without_root.needs_root = True


def test_mib_files(t):
    """Our MIB files lint without errors, and every name has the number of the specification."""
    mibs = os.path.join(TOP, 'tests', 'mibs') + ':' + os.path.join(TOP, 'contrib')
    r = subprocess.run(['smilint', '-c', '/dev/null', '-l', '3', 'contrib/IRONPORT-SMI.txt', 'contrib/ASYNCOS-MAIL-MIB.txt'],
                       cwd=TOP, capture_output=True, text=True, env=dict(os.environ, SMIPATH=mibs))
    assert r.returncode == 0 and r.stdout + r.stderr == '', r.stdout + r.stderr
    names = {'perCentMemoryUtilization.0': '1.0', 'perCentQueueUtilization.0': '4.0', 'queueAvailabilityStatus.0': '5.0',
             'resourceConservationReason.0': '6.0', 'memoryAvailabilityStatus.0': '7.0', 'powerSupplyName.1': '8.1.4.1',
             'degreesCelsius.1': '9.1.2.1', 'temperatureName.64': '9.1.3.64', 'fanRPMs.1': '10.1.2.1', 'workQueueMessages.0': '11.0',
             'keySecondsUntilExpire.1': '12.1.4.1', 'keyIsPerpetual.2': '12.1.3.2', 'updateFailures.1': '13.1.4.1', 'oldestMessageAge.0': '14.0',
             'outstandingDNSRequests.0': '15.0', 'pendingDNSRequests.0': '16.0', 'raidEvents.0': '17.0', 'raidLastError.3': '18.1.4.3',
             'openFilesOrSockets.0': '19.0', 'mailTransferThreads.0': '20.0', 'connectionURL': '21', 'hsmErrorReason.0': '22.0',
             'diskSummary.0': '27.0'}
    wanted = [TREE + '.' + n for n in names.values()] + ['%s.%d' % (TRAPS, n) for n in range(1, 13)]
    r = subprocess.run(['snmptranslate', '-M', mibs, '-m', 'ASYNCOS-MAIL-MIB', '-On', *['ASYNCOS-MAIL-MIB::' + n for n in [*names, *NAMES]]],
                       capture_output=True, text=True, env=dict(os.environ, SNMPCONFPATH='/nonexistent'))
    assert r.stdout.split() == wanted, r.stdout + r.stderr
